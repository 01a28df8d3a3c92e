//! What `--print-rbac` and `--print-iam-policy` print, against what runs really ask.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::world::{DRY_RUN, PODS, World};

/// Runs that together look at everything there is.
fn runs() -> Vec<World> {
    let mut whole = World::plain("everything");
    whole.change_pod(true, |pod| {
        pod["spec"]["containers"][0]["envFrom"] =
            json!([{"secretRef": {"name": "aws"}}, {"configMapRef": {"name": "settings"}}]);
    });
    let object = json!({"metadata": {"name": "x", "managedFields": []}});
    whole.answer("GET /api/v1/namespaces/demo/secrets/aws", 200, object.clone());
    whole.answer("GET /api/v1/namespaces/demo/configmaps/settings", 200, object);
    // A webhook without an answer, and an account without pods.
    let mut open = World::plain("fails-open");
    open.uninjected();
    let mut none = World::plain("no-pods");
    none.body(PODS)["items"] = json!([]);
    none.refuse(DRY_RUN, 403, "exceeded quota");
    let mut pod = World::plain("one-pod");
    pod.set("--service-account", None);
    pod.set("--pod", Some("demo/app-6d5f9c7b8d-x7k2p"));
    vec![whole, open, none, pod]
}

/// A rule or a request: namespace, group, resource with its subresource, verb, and name.
type Access = (Option<String>, String, String, &'static str, Option<String>);

/// What a request needs; `None` if everybody may make it.
fn needs(request: &str) -> Option<Result<Access, String>> {
    let mut words = request.split_whitespace();
    let (method, path) = (words.next()?, words.next()?.split('?').next()?);
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let (group, rest) = match &parts[..] {
        ["api", _, rest @ ..] => ("", rest),
        ["apis", group, _, rest @ ..] => (*group, rest),
        ["version"] => return None,
        _ => return Some(Err(path.to_owned())),
    };
    let (namespace, rest) = match rest {
        ["namespaces", name] => (None, vec!["namespaces", *name]),
        ["namespaces", namespace, rest @ ..] => (Some((*namespace).to_owned()), rest.to_vec()),
        rest => (None, rest.to_vec()),
    };
    let (resource, name) = match rest[..] {
        [resource, name, below] => (format!("{resource}/{below}"), Some(name.to_owned())),
        [resource, name] => (resource.to_owned(), Some(name.to_owned())),
        _ => (rest[0].to_owned(), None),
    };
    let verb = match (method, &name) {
        ("POST", _) => "create",
        (_, Some(_)) => "get",
        (_, None) => "list",
    };
    Some(Ok((namespace, group.to_owned(), resource, verb, name)))
}

/// The rules of printed Roles and ClusterRoles, one for each verb; paths apart.
fn printed(text: &str) -> (BTreeSet<Access>, BTreeSet<String>) {
    let (mut rules, mut paths) = (BTreeSet::new(), BTreeSet::new());
    for document in issuer_yaml::parse(text).unwrap() {
        let object = document.root.value().unwrap();
        let namespace = object["metadata"]["namespace"].as_str().map(str::to_owned);
        let list = |value: &Value| -> Vec<String> {
            let own = value.as_array().into_iter().flatten();
            own.map(|own| own.as_str().unwrap().to_owned()).collect()
        };
        for rule in object["rules"].as_array().unwrap() {
            paths.extend(list(&rule["nonResourceURLs"]));
            let names = match list(&rule["resourceNames"]) {
                names if names.is_empty() => vec![None],
                names => names.into_iter().map(Some).collect(),
            };
            for group in list(&rule["apiGroups"]) {
                for resource in list(&rule["resources"]) {
                    for verb in list(&rule["verbs"]) {
                        let verb = ["get", "list", "create"].into_iter().find(|own| *own == verb);
                        for name in &names {
                            rules.insert((
                                namespace.clone(),
                                group.clone(),
                                resource.clone(),
                                verb.unwrap(),
                                name.clone(),
                            ));
                        }
                    }
                }
            }
        }
    }
    (rules, paths)
}

fn covers(rule: &Access, need: &Access) -> bool {
    (rule.0.is_none() || rule.0 == need.0)
        && (&rule.1, &rule.2, rule.3) == (&need.1, &need.2, need.3)
        && (rule.4.is_none() || rule.4 == need.4)
}

#[test]
fn the_printed_roles_allow_each_request_and_nothing_that_no_run_asks() {
    let (mut asked, mut printed_rules, mut printed_paths) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for mut world in runs() {
        let ran = world.run();
        let needs: Vec<_> = ran.requests.iter().filter_map(|request| needs(request)).collect();
        assert!(needs.len() > 10, "{}: {:#?}", world.name, ran.requests);
        world.run.retain(|word| !["--output", "json"].contains(&word.as_str()));
        world.run.push("--print-rbac".to_owned());
        let ran = world.run();
        assert_eq!(ran.requests, Vec::<String>::new(), "printing asks nothing");
        let (rules, paths) = printed(&ran.out);
        for need in &needs {
            let is_allowed = match need {
                Ok(need) => rules.iter().any(|rule| covers(rule, need)),
                Err(path) => paths.contains(path),
            };
            assert!(is_allowed, "{}: {need:?} is not allowed by\n{}", world.name, ran.out);
        }
        asked.extend(needs);
        printed_rules.extend(rules);
        printed_paths.extend(paths);
    }
    let is_used = |rule: &&Access| asked.iter().flatten().any(|need| covers(rule, need));
    let unused: Vec<&Access> = printed_rules.iter().filter(|rule| !is_used(rule)).collect();
    assert!(unused.is_empty(), "no run asks {unused:#?}");
    let of_paths: BTreeSet<String> = asked.into_iter().filter_map(Result::err).collect();
    assert_eq!(printed_paths, of_paths);
}

#[test]
fn the_printed_policy_has_exactly_the_actions_that_a_run_asks() {
    let mut world = World::plain("printed");
    let ran = world.run();
    let of_iam = ran.calls.iter().filter_map(|call| call.split([' ', '(']).next());
    // Neither needs a permission.
    let of_iam = of_iam
        .filter(|call| !["GetCallerIdentity", "AssumeRoleWithWebIdentity"].contains(call))
        .map(|call| format!("iam:{call}"));
    let of_s3 = ran.store_calls.iter().filter_map(|call| call.split([' ', '(']).next());
    let of_s3 = of_s3.flat_map(|call| match call {
        // Without the second one an object that does not exist is denied.
        "GetObject" => vec!["s3:GetObject".to_owned(), "s3:ListBucket".to_owned()],
        "GetPublicAccessBlock" => vec!["s3:GetBucketPublicAccessBlock".to_owned()],
        call => vec![format!("s3:{call}")],
    });
    let asked: BTreeSet<String> = of_iam.chain(of_s3).collect();
    world.run.push("--print-iam-policy".to_owned());
    let ran = world.run();
    let policy: Value = serde_json::from_str(ran.object["document"].as_str().unwrap()).unwrap();
    let mut printed = BTreeSet::new();
    for statement in policy["Statement"].as_array().unwrap() {
        assert_eq!(statement["Effect"], "Allow");
        match &statement["Action"] {
            Value::String(action) => drop(printed.insert(action.clone())),
            list => printed.extend(
                list.as_array().unwrap().iter().map(|own| own.as_str().unwrap().to_owned()),
            ),
        }
    }
    assert_eq!(asked, printed);
}
