//! `inject` on manifests as people write them.

#![expect(clippy::unwrap_used, reason = "tests")]

use issuer_pods::{Accounts, Annotations, Injected, Outcome, Settings, inject, lookalikes};
use proptest::prelude::*;
use serde_json::{Value, json};

const ROLE: &str = "arn:aws:iam::111122223333:role/app";

#[test]
fn comments_order_quotes_and_blank_lines_stay() {
    let text = "\
# the app
kind: Deployment   # kind first
apiVersion: \"apps/v1\"
metadata: {name: 'app', namespace: demo}

spec:
    template:
        spec:
            containers:
                # the main one
                - image: registry.example/app:1
                  name: main

                  env:
                      # of the app
                      - {name: A, value: \"1\"} # one
                  # a comment on nothing

                - {name: side, image: x}
            serviceAccountName: app # its account
# the end
";
    let done = run(text);
    assert_eq!(
        done.text,
        "\
# the app
kind: Deployment   # kind first
apiVersion: \"apps/v1\"
metadata: {name: 'app', namespace: demo}

spec:
    template:
        spec:
            containers:
                # the main one
                - image: registry.example/app:1
                  name: main

                  env:
                      # of the app
                      - {name: A, value: \"1\"} # one
                      - name: AWS_ROLE_ARN
                        value: arn:aws:iam::111122223333:role/app
                      - name: AWS_WEB_IDENTITY_TOKEN_FILE
                        value: /var/run/secrets/eks.amazonaws.com/serviceaccount/token
                  volumeMounts:
                      - name: aws-iam-token
                        readOnly: true
                        mountPath: /var/run/secrets/eks.amazonaws.com/serviceaccount
                  # a comment on nothing

                - {name: side, image: x, env: [{name: AWS_ROLE_ARN, value: arn:aws:iam::111122223333:role/app}, {name: AWS_WEB_IDENTITY_TOKEN_FILE, value: /var/run/secrets/eks.amazonaws.com/serviceaccount/token}], volumeMounts: [{name: aws-iam-token, readOnly: true, mountPath: /var/run/secrets/eks.amazonaws.com/serviceaccount}]}
            serviceAccountName: app # its account
            volumes:
                - name: aws-iam-token
                  projected:
                      sources:
                          - serviceAccountToken:
                                audience: sts.amazonaws.com
                                expirationSeconds: 86400
                                path: token
# the end
"
    );
    assert_eq!(run(&done.text).text, done.text);
}

#[test]
fn every_kind_of_workload_gets_its_role() {
    let pod = json!({"spec": {"serviceAccountName": "app", "containers": [{"name": "main"}]}});
    let metadata = json!({"name": "x", "namespace": "demo"});
    let template = json!({"template": pod});
    let mut documents = Vec::new();
    for kind in ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"] {
        documents.push((kind, "apps/v1", json!({"spec": template})));
    }
    documents.push(("ReplicationController", "v1", json!({"spec": template})));
    documents.push(("Job", "batch/v1", json!({"spec": template})));
    documents.push(("CronJob", "batch/v1", json!({"spec": {"jobTemplate": {"spec": template}}})));
    documents.push(("PodTemplate", "v1", template.clone()));
    documents.push(("Pod", "v1", pod.clone()));
    let whole = |(kind, version, rest): &(&str, &str, Value)| {
        let mut object = json!({"apiVersion": version, "kind": kind, "metadata": metadata});
        object.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        object
    };
    let objects: Vec<Value> = documents.iter().map(whole).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    let krm = json!({"apiVersion": "config.kubernetes.io/v1", "kind": "ResourceList",
                     "functionConfig": {"kind": "Inject"}, "items": objects});
    let yaml = |value: &Value| serde_saphyr::to_string(value).unwrap();
    let several: String = objects.iter().map(|object| format!("---\n{}", yaml(object))).collect();
    for text in [several, yaml(&list), yaml(&krm), list.to_string()] {
        let done = run(&text);
        assert_eq!(injected(&done), documents.len(), "{}", done.text);
        assert_eq!(run(&done.text).text, done.text);
    }
}

#[test]
fn items_of_a_typed_list_need_no_kind() {
    let pod = json!({"metadata": {"name": "x", "namespace": "demo"},
                     "spec": {"serviceAccountName": "app", "containers": [{"name": "main"}]}});
    let list = json!({"apiVersion": "v1", "kind": "PodList", "items": [pod]});
    assert_eq!(injected(&run(&list.to_string())), 1);
}

#[test]
fn what_only_looks_like_a_workload_stays() {
    for text in [
        // Another group has a kind of the same name.
        "apiVersion: batch.volcano.sh/v1alpha1\nkind: Job\nmetadata: {namespace: demo}\nspec:\n  \
         template: {spec: {serviceAccountName: app, containers: [{name: a}]}}\n",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {namespace: demo}\ndata:\n  pod: |\n    \
         kind: Pod\n    spec: {serviceAccountName: app}\n",
        "kind: Pod\nmetadata: {namespace: demo}\nspec: {serviceAccountName: app, containers: []}\n",
        "# nothing\n",
        "",
        "---\n---\n",
        "[]\n",
        "- {kind: Pod, apiVersion: v1}\n",
    ] {
        assert_eq!(run(text).text, text);
    }
}

#[test]
fn what_is_no_object_is_refused_by_its_line_and_never_repeated() {
    let pod = "apiVersion: v1\nkind: Pod\n";
    for (text, line) in [
        ("-----BEGIN PRIVATE KEY-----\nHIDDEN\n-----END PRIVATE KEY-----\n".to_owned(), 1),
        ("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.HIDDEN\n".to_owned(), 1),
        ("HIDDEN".to_owned(), 1),
        ("# c\n\n!Ref HIDDEN\n".to_owned(), 3),
        ("7\n".to_owned(), 1),
        ("{\"kty\":\"RSA\",\"d\":\"HIDDEN\"}".to_owned(), 1),
        ("{\"keys\":[{\"kty\":\"oct\",\"k\":\"HIDDEN\"}]}".to_owned(), 1),
        ("password: HIDDEN\n".to_owned(), 1),
        ("- HIDDEN\n".to_owned(), 1),
        ("- {kind: Pod}\n- {d: HIDDEN}\n".to_owned(), 1),
        (format!("{pod}---\n---\n# nothing\n---\n\nHIDDEN\n"), 8),
        (format!("{pod}---\n-----BEGIN EC PRIVATE KEY-----\nHIDDEN\n"), 4),
    ] {
        let refused = inject(&text, &known(), "demo", &Settings::default(), false).unwrap_err();
        let message = refused.to_string();
        assert!(message.contains(&format!("line {line} is not a Kubernetes object")), "{message}");
        assert!(!message.contains("HIDDEN") && !message.contains("eyJ"), "{message}");
        let read = Accounts::default().read(&text, "demo", false).unwrap_err();
        assert_eq!(read, refused, "as a file of ServiceAccounts");
    }
}

#[test]
fn a_character_that_looks_like_another_is_named_where_it_matters_and_only_there() {
    let account = |metadata: &str| {
        format!("apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: app\n{metadata}")
    };
    let workload = |spec: &str| {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nspec:\n  template:\n    spec:\n      {spec}\n"
        )
    };
    for (text, says) in [
        (
            account("  annotations:\n    \u{201c}eks.amazonaws.com/role-arn\u{201d}: x\n"),
            "U+201C (typographic quotation mark) at line 6, column 5, in the name of an annotation",
        ),
        (
            account("  annotations:\n    eks.amazonaws.com/role-arn: \u{201c}arn:aws\u{201d}\n"),
            "U+201C (typographic quotation mark) at line 6, column 33, in the value of an annotation",
        ),
        (
            account("  annotations: {\"eks.amazonaws.com/role-arn\": \"arn\u{200b}\"}\n"),
            "U+200B (zero width space) at line 5",
        ),
        (
            account("  annotations: {\"eks.amazonaws.com/role-arn\": \"arn\\u200b\"}\n"),
            "U+200B (zero width space) at line 5",
        ),
        (
            account("  annotations\u{a0}: {}\n"),
            "U+00A0 (no-break space) at line 5, column 14, in the name of a field",
        ),
        (account("  labels: {team: a\u{a0}b}\n"), "in the value of a label"),
        (account("").replace("Account\n", "Account\u{200b}\n"), "in a kind"),
        (account("").replace("name: app", "name: app\u{2011}x"), "dash that is not ASCII"),
        (account("  namespace: \u{200b}demo\n"), "in a namespace"),
        (workload("serviceAccountName: app\u{a0}"), "in the name of a ServiceAccount"),
        (workload("service\u{200d}AccountName: app"), "in the name of a field"),
        (
            "kind: List\nitems:\n- metadata: {name: x\u{a0}}\n".to_owned(),
            "line 3, column 21, in a name",
        ),
    ] {
        let found = lookalikes(&text, &Settings::default());
        let found: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert!(!found.is_empty() && found[0].contains(says), "{says}: {found:?}\n{text}");
    }
    for fine in [
        account("  annotations: {description: \"a \u{201c}quoted\u{201d} word\"}\n# \u{a0}\n"),
        "apiVersion: v1\nkind: ConfigMap\ndata: {\"a\u{a0}b\": \"\u{201c}\"}\n".to_owned(),
        "apiVersion: x/v1\nkind: Dashboard\nspec: {name: \"\u{201c}x\u{201d}\"}\n".to_owned(),
        workload(
            "containers: [{name: a, args: [\"\u{2013}x\"], env: [{name: A, value: \"\u{a0}\"}]}]",
        ),
        account("").replace("app", "caf\u{e9}"),
        "a: b\n\u{a0}c: [".to_owned(),
    ] {
        assert_eq!(lookalikes(&fine, &Settings::default()), [], "{fine}");
    }
}

#[test]
fn a_fault_of_yaml_names_the_no_break_space_in_its_line() {
    let text = "apiVersion: v1\nkind:\u{a0}Pod\nmetadata: {name: x}\n";
    let refused = inject(text, &known(), "demo", &Settings::default(), false).unwrap_err();
    let message = refused.to_string();
    assert!(message.contains("U+00A0 (no-break space) in column 6"), "{message}");
}

#[test]
fn a_pod_without_a_spec_is_refused() {
    // Its name gives it the role of the default account.
    let mut accounts = Accounts::default();
    let role = ("eks.amazonaws.com/role-arn".to_owned(), ROLE.to_owned());
    accounts.add("demo", "default", Annotations::from([role]));
    for spec in ["", "spec:\n", "spec: []\n"] {
        let text = format!(
            "# a\napiVersion: v1\nkind: Pod\nmetadata: {{name: x, namespace: demo}}\n{spec}"
        );
        let result = inject(&text, &accounts, "demo", &Settings::default(), false);
        assert_eq!(result, Err(issuer_pods::Error::Layout { line: 2 }), "{spec}");
    }
}

#[test]
fn parts_that_are_merged_from_elsewhere_are_written_out() {
    for (shared, own) in [
        ("spec: {serviceAccountName: app, containers: [{name: main}]}", "<<: *x"),
        ("serviceAccountName: app\n  containers: [{name: main}]", "spec: *x"),
        ("serviceAccountName: app\n  containers: [{name: main}]", "spec: {<<: *x}"),
    ] {
        let text = format!(
            "x: &x\n  {shared}\napiVersion: v1\nkind: Pod\nmetadata: {{name: x, namespace: demo}}\n{own}\n"
        );
        let done = run(&text);
        assert_eq!(injected(&done), 1, "{text}");
        let value: Value = serde_saphyr::from_str(&done.text).unwrap();
        assert!(value["x"].to_string().find("AWS_ROLE_ARN").is_none(), "{}", done.text);
        assert_eq!(run(&done.text).text, done.text);
    }
}

#[test]
fn windows_line_breaks_and_a_missing_last_one_stay() {
    let text = pod("    image: x\n").replace('\n', "\r\n");
    let done = run(text.trim_end()).text;
    assert!(!done.replace("\r\n", "").contains('\n'), "{done:?}");
    assert!(!done.ends_with('\n'));
    assert_eq!(done.matches("\r\n").count(), done.lines().count() - 1);
}

#[test]
fn lists_that_are_there_and_empty_are_filled() {
    for list in [
        "    env: []\n",
        "    env: [] # none\n",
        "    env:\n",
        "    env: # none\n",
        "    env: null\n",
        "    env: ~\n",
        "    env: [\n    ]\n",
        "    env: [ ]\n    volumeMounts: []\n",
        "    env: &none []\n",
        "    \"env\" : []\n",
        "    env: [{name: A, value: b},]\n",
        "    env: [{name: A, value: b}\n      ]\n",
        "    env: [\n      {name: A, value: b},\n      {name: B, value: b}\n    ]\n",
        "    env:\n    - name: A\n      value: |\n        a\n        b\n\n\n",
        "    env:\n    - name: A\n      value: |+\n        a\n\n",
        "    env:\n    - name: A\n      value: >-\n        a\n        b\n    # end\n",
        "    env:\n    - name: A\n      value: \"a\n        b\"\n",
        "    env:\n    -\n      name: A\n    -   name: B\n",
        "    env:\n    # first\n    - name: A\n",
    ] {
        let text = pod(list);
        let done = run(&text);
        assert_eq!(injected(&done), 1, "{text}");
        assert_eq!(run(&done.text).text, done.text);
        for comment in ["# none", "# end", "# first"] {
            assert_eq!(text.contains(comment), done.text.contains(comment), "{}", done.text);
        }
    }
}

#[test]
fn shared_parts_are_written_out_where_they_have_to_differ() {
    let text = "\
apiVersion: v1
kind: List
x: &defaults
  image: x
  env: &env
  - {name: A, value: \"1\"}
items:
- apiVersion: v1
  kind: Pod
  metadata: {name: one, namespace: demo}
  spec: &spec
    serviceAccountName: app
    containers:
    - name: main
      <<: *defaults
    - name: side
      env: *env
- apiVersion: v1
  kind: Pod
  metadata: {name: two, namespace: demo}
  spec:
    containers:
    - name: main
      env: *env
- apiVersion: v1
  kind: Pod
  metadata: {name: three, namespace: demo}
  spec: *spec
";
    let done = run(text);
    assert_eq!(injected(&done), 2, "{}", done.text);
    let value: Value = serde_saphyr::from_str(&done.text).unwrap();
    let names = |pod: usize, container: usize| {
        let env = &value["items"][pod]["spec"]["containers"][container]["env"];
        env.as_array()
            .unwrap()
            .iter()
            .map(|e| e["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let all: Vec<String> =
        ["A", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"].map(str::to_owned).into();
    assert_eq!(names(0, 0), all);
    assert_eq!(names(0, 1), all);
    assert_eq!(names(1, 0), vec!["A".to_owned()], "another pod shares the list");
    assert_eq!(names(2, 0), all);
    assert_eq!(run(&done.text).text, done.text);
}

#[test]
fn roles_come_from_the_same_input_first() {
    let account = |role: &str| {
        format!(
            "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: app\n  namespace: demo\n  \
             annotations: {{eks.amazonaws.com/role-arn: {role}}}\n---\n"
        )
    };
    let other = "arn:aws:iam::111122223333:role/other";
    let done = run(&format!("{}{}", account(other), pod("")));
    assert!(done.text.contains(&format!("value: {other}")));
    // Behind the pod, and without a namespace.
    let text = format!("{}---\n{}", pod(""), account(other)).replace("  namespace: demo\n", "");
    assert!(run(&text).text.contains(&format!("value: {other}")));
}

#[test]
fn an_account_that_is_not_known_is_told_from_one_without_a_role() {
    let named = pod("").replace("serviceAccountName: app", "serviceAccountName: other");
    assert_eq!(run(&named).pods[0].outcome, Outcome::UnknownAccount);
    let default = pod("").replace("  serviceAccountName: app\n", "");
    assert_eq!(run(&default).pods[0].outcome, Outcome::NoRole);
}

#[test]
fn a_text_that_is_not_yaml_is_refused_with_its_place_and_not_quoted() {
    let text = "a: b\nkind: {{ .Values.kind }}\npassword: hunter2: x\n";
    let error =
        inject(text, &Accounts::default(), "demo", &Settings::default(), false).unwrap_err();
    let message = error.to_string();
    assert!(message.contains("line "), "{message}");
    assert!(!message.contains("hunter2"), "{message}");
}

#[test]
fn what_may_not_be_intended_is_said() {
    let warn = |annotations: &[(&str, &str)], pod: &str| {
        let mut all = Annotations::from([("eks.amazonaws.com/role-arn".into(), ROLE.into())]);
        for (name, value) in annotations {
            all.insert(format!("eks.amazonaws.com/{name}"), (*value).to_owned());
        }
        let mut accounts = Accounts::default();
        accounts.add("demo", "app", all);
        let done = inject(pod, &accounts, "demo", &Settings::default(), false).unwrap();
        done.pods[0].warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    };
    let annotated = |value: &str| {
        pod("").replace("namespace: demo", &format!("namespace: demo\n  annotations: {{{value}}}"))
    };
    assert_eq!(warn(&[], &pod("")), "");
    for (annotation, says) in [
        (("audience", ""), "audience is empty"),
        (("role-arn", "app"), "not the ARN of an IAM role"),
        (("role-arn", "arn:aws:iam::111122223333:role/app "), "not the ARN of an IAM role"),
        (("token-expiration", "1h"), "token-expiration of the ServiceAccount is \"1h\""),
        (("token-expiration", "4294967297"), "the API server refuses"),
        (("sts-regional-endpoints", "yes"), "neither true nor false"),
    ] {
        let said = warn(&[annotation], &pod(""));
        assert!(said.contains(says), "{annotation:?}: {said}");
    }
    for (value, says) in [
        ("eks.amazonaws.com/skip-containers: 'log'", "names \"log\""),
        ("eks.amazonaws.com/skip-containers: 'main, log'", "names \" log\""),
        ("eks.amazonaws.com/skip-containers: '\"a'", "not valid CSV"),
        ("eks.amazonaws.com/token-expiration: '1h'", "of the pod is \"1h\""),
    ] {
        let said = warn(&[], &annotated(value));
        assert!(said.contains(says), "{value}: {said}");
    }
    let mount = "    volumeMounts: [{name: own, mountPath: \
                 /var/run/secrets/eks.amazonaws.com/serviceaccount}]\n";
    assert!(warn(&[], &pod(mount)).contains("the container main already mounts"));
    let volume = format!("{}  volumes: [{{name: aws-iam-token, emptyDir: {{}}}}]\n", pod(""));
    assert!(warn(&[], &volume).contains("not a projected service account token"));
}

proptest! {
    /// Whatever the text is: no panic, and what is not a pod with a role stays to the byte.
    #[test]
    fn any_text_is_refused_or_kept(text in "[-a:{}\\[\\]#'\"&*|> ,\\n\\t!?%@`~0-9é]{0,60}") {
        if let Ok(done) = inject(&text, &known(), "demo", &Settings::default(), false) {
            prop_assert_eq!(done.text, text);
        }
    }

    /// A pod in any mixture of block and flow style, indented in any way.
    #[test]
    fn any_layout_is_edited(indent in 0..4_usize, flow in any::<[bool; 4]>(), end in any::<bool>()) {
        let pad = " ".repeat(indent);
        let env = if flow[0] { "[{name: A, value: '1'}]".to_owned() } else {
            format!("\n    {pad}- name: A\n    {pad}  value: '1' # one")
        };
        let mounts = if flow[1] { "[]".to_owned() } else {
            format!("\n    {pad}- {{name: x, mountPath: /x}}")
        };
        let containers = if flow[2] {
            format!(" [{{name: main, image: x, env: {}}}]", if flow[0] { "[]" } else { "[ {name: B} ]" })
        } else {
            format!("\n  - name: main\n    env: {env}\n    volumeMounts: {mounts}\n    image: x")
        };
        let volumes = if flow[3] { "[ {name: x, emptyDir: {}} ]" } else { "\n  # x\n  - name: x\n    emptyDir: {}" };
        let text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: x, namespace: demo}}\nspec:\n  \
             serviceAccountName: app\n  volumes: {volumes}\n  containers:{containers}{}",
            if end { "\n" } else { "" }
        );
        let done = run(&text);
        prop_assert_eq!(injected(&done), 1);
        prop_assert_eq!(&run(&done.text).text, &done.text);
        prop_assert!(done.text.contains("# x") == text.contains("# x"));
    }
}

fn run(text: &str) -> Injected {
    inject(text, &known(), "demo", &Settings::default(), false).unwrap()
}

fn known() -> Accounts {
    let mut accounts = Accounts::default();
    let role = ("eks.amazonaws.com/role-arn".to_owned(), ROLE.to_owned());
    accounts.add("demo", "app", Annotations::from([role]));
    accounts
}

fn injected(done: &Injected) -> usize {
    done.pods.iter().filter(|pod| matches!(pod.outcome, Outcome::Injected { .. })).count()
}

fn pod(more: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: app\n  namespace: demo\nspec:\n  \
         serviceAccountName: app\n  containers:\n  - name: main\n{more}"
    )
}
