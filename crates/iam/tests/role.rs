//! From a role that is there to the role that is wanted, as values.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use issuer_discovery::{IssuerUrl, Partition, Ports};
use issuer_iam::{
    Audience, Documents, Error, ManagedPolicy, Role, RoleDeletion, RolePlan, RoleSpec, RoleState,
    RoleStep, Tags, Trust, TrustPolicy,
};
use serde_json::{Value, json};

const READ_ONLY: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";
const MANAGED: &str = "arn:aws:iam::111122223333:policy/app-s3";
const EC2: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

fn issuer(path: &str) -> IssuerUrl {
    IssuerUrl::parse(&format!("https://h.example/{path}"), Ports::Refuse).unwrap()
}

fn spec() -> RoleSpec {
    RoleSpec {
        name: "app".parse().unwrap(),
        trust: Trust {
            partition: Partition::of_region("us-east-1"),
            account: "111122223333".parse().unwrap(),
            issuer: issuer("prod"),
            audiences: vec![Audience::default()],
            service_accounts: vec!["default/app".parse().unwrap()],
        },
        policy_arns: None,
        inline: None,
        managed: None,
        boundary: None,
        path: None,
        max_session_secs: None,
        tags: None,
        add: false,
        shared_with: None,
        file: None,
    }
}

fn document(resource: &str) -> Value {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": resource}]})
}

/// A role that somebody made by hand.
fn by_hand() -> Role {
    Role {
        name: "app".parse().unwrap(),
        arn: "arn:aws:iam::111122223333:role/app".to_owned(),
        path: "/".to_owned(),
        trust: TrustPolicy::parse(EC2).unwrap(),
        max_session_secs: 3600,
        boundary: None,
        tags: Tags::new(),
        attached: vec!["arn:aws:iam::aws:policy/Theirs".to_owned()],
        inline: Documents::from([("theirs".to_owned(), document("*"))]),
    }
}

/// What IAM would have after these steps.
fn after(mut found: RoleState, steps: &[RoleStep]) -> RoleState {
    for step in steps {
        if let RoleStep::Create { trust, .. } = step {
            let trust = trust.clone();
            found.role =
                Some(Role { trust, attached: Vec::new(), inline: Documents::new(), ..by_hand() });
        }
        let role = found.role.as_mut().unwrap();
        match step.clone() {
            RoleStep::Create { tags, .. } | RoleStep::Tag { to: tags, .. } => {
                role.tags.extend(tags)
            }
            RoleStep::UpdateTrust { to, .. } => role.trust = to,
            RoleStep::SetMaxSession { to, .. } => role.max_session_secs = to,
            RoleStep::SetBoundary { to, .. } => role.boundary = Some(to.to_string()),
            RoleStep::PutInline { name, to, .. } => drop(role.inline.insert(name, to)),
            RoleStep::DeleteInline(name) => drop(role.inline.remove(&name)),
            RoleStep::Attach { arn, .. } => role.attached.push(arn),
            RoleStep::Detach(arn) => role.attached.retain(|there| *there != arn),
            RoleStep::Untag(keys) => role.tags.retain(|key, _| !keys.contains(key)),
            RoleStep::CreatePolicy(name, document) => {
                let arn = format!("arn:aws:iam::111122223333:policy/{name}");
                let policy = ManagedPolicy { arn, is_ours: true, document, surplus_version: None };
                found.managed.insert(name, policy);
            }
            RoleStep::UpdatePolicy { arn, to, .. } => {
                found.managed.values_mut().find(|policy| policy.arn == arn).unwrap().document = to;
            }
            RoleStep::DeletePolicy(arn) => found.managed.retain(|_, policy| policy.arn != arn),
            RoleStep::Delete(_) => found.role = None,
            step => panic!("this test does not know {step:?}"),
        }
    }
    found
}

fn everything() -> RoleSpec {
    RoleSpec {
        policy_arns: Some(vec![READ_ONLY.parse().unwrap()]),
        inline: Some(Documents::from([("extra".to_owned(), document("a"))])),
        managed: Some(Documents::from([("app-s3".to_owned(), document("b"))])),
        boundary: Some("arn:aws:iam::aws:policy/Boundary".parse().unwrap()),
        max_session_secs: Some(7200),
        tags: Some(Tags::from([("team".to_owned(), "platform".to_owned())])),
        ..spec()
    }
}

#[test]
fn whatever_is_there_the_second_plan_is_empty() {
    let found = RoleState { role: Some(by_hand()), ..RoleState::default() };
    for spec in [spec(), everything()] {
        for found in [RoleState::default(), found.clone()] {
            let plan = RolePlan::new(&spec, &found).unwrap();
            assert!(!plan.is_empty());
            let again = RolePlan::new(&spec, &after(found, &plan.steps)).unwrap();
            // A new role gets boundary and session with its creation.
            let rest: Vec<_> = again
                .steps
                .iter()
                .filter(|step| {
                    !matches!(step, RoleStep::SetBoundary { .. } | RoleStep::SetMaxSession { .. })
                })
                .collect();
            assert!(rest.is_empty(), "{again:?}");
        }
    }
}

#[test]
fn what_is_not_asked_for_stays_and_what_is_no_longer_asked_for_goes() {
    let plan = RolePlan::new(&everything(), &RoleState::default()).unwrap();
    let made = after(RoleState::default(), &plan.steps);
    assert!(
        RolePlan::new(&spec(), &made).unwrap().is_empty(),
        "something was taken away that nobody spoke of"
    );
    let less = RoleSpec {
        policy_arns: Some(vec!["arn:aws:iam::aws:policy/Other".parse().unwrap()]),
        inline: Some(Documents::from([("other".to_owned(), document("a"))])),
        tags: Some(Tags::from([("cost".to_owned(), "1".to_owned())])),
        ..spec()
    };
    let steps = RolePlan::new(&less, &made).unwrap().steps;
    for step in [
        RoleStep::Detach(READ_ONLY.to_owned()),
        RoleStep::DeleteInline("extra".to_owned()),
        RoleStep::Untag(vec!["team".to_owned()]),
    ] {
        assert!(steps.contains(&step), "{step:?}");
    }
    assert!(
        !steps.contains(&RoleStep::Detach(MANAGED.to_owned())),
        "no policy of the account was spoken of"
    );
    let role = after(made, &steps).role.unwrap();
    assert_eq!(role.attached, [MANAGED, "arn:aws:iam::aws:policy/Other"]);
}

#[test]
fn what_others_added_is_never_taken_away() {
    let found = RoleState { role: Some(by_hand()), ..RoleState::default() };
    let plan = RolePlan::new(&everything(), &found).unwrap();
    let adopted = after(found.clone(), &plan.steps);
    let role = adopted.role.clone().unwrap();
    assert!(
        role.attached.iter().any(|arn| arn.ends_with("Theirs"))
            && role.inline.contains_key("theirs")
    );
    assert_eq!(role.trust.statements()[0], TrustPolicy::parse(EC2).unwrap().statements()[0]);
    let deletion = RoleDeletion::new(&adopted, None);
    assert!(
        !deletion.steps.iter().any(|step| matches!(step, RoleStep::Delete(_)))
            && !deletion.kept.is_empty()
    );
    let left = after(adopted, &deletion.steps).role.unwrap();
    // Session and boundary have no state of before that they could go back to.
    let wanted = Role {
        max_session_secs: left.max_session_secs,
        boundary: left.boundary.clone(),
        ..by_hand()
    };
    assert_eq!(left, wanted);
}

#[test]
fn a_run_that_was_cut_off_anywhere_is_finished_by_the_next() {
    let (first, second) = (
        everything(),
        RoleSpec {
            policy_arns: Some(vec!["arn:aws:iam::aws:policy/B".parse().unwrap()]),
            ..everything()
        },
    );
    let made =
        after(RoleState::default(), &RolePlan::new(&first, &RoleState::default()).unwrap().steps);
    let steps = RolePlan::new(&second, &made).unwrap().steps;
    let whole = after(made.clone(), &steps).role.unwrap();
    for cut in 0..steps.len() {
        let half = after(made.clone(), &steps[..cut]);
        let rest = RolePlan::new(&second, &half).unwrap().steps;
        let role = after(half, &rest).role.unwrap();
        assert_eq!(
            (&role.attached, &role.tags),
            (&whole.attached, &whole.tags),
            "cut off after {cut} steps"
        );
    }
}

#[test]
fn a_role_of_ours_alone_goes_with_its_policies_and_one_issuer_less_keeps_it() {
    let made = after(
        RoleState::default(),
        &RolePlan::new(&everything(), &RoleState::default()).unwrap().steps,
    );
    let mut two = spec();
    two.trust.issuer = issuer("test");
    let both = after(made.clone(), &RolePlan::new(&two, &made).unwrap().steps);
    let one_less = RoleDeletion::new(&both, Some(&issuer("test")));
    assert!(
        matches!(&one_less.steps[..], [RoleStep::UpdateTrust { .. }, RoleStep::Untag(_)]),
        "{one_less:?}"
    );
    let gone = RoleDeletion::new(&made, None).steps;
    assert!(
        gone.contains(&RoleStep::DeletePolicy(MANAGED.to_owned()))
            && matches!(gone.last(), Some(RoleStep::Delete(_)))
    );
    assert_eq!(RoleDeletion::new(&RoleState::default(), None), RoleDeletion::default());
}

/// A role of two issuers, each with policies of its own and one in common.
fn shared() -> (RoleSpec, RoleSpec, RoleState) {
    let arns = |names: [&str; 2]| {
        Some(names.map(|name| format!("arn:aws:iam::aws:policy/{name}").parse().unwrap()).to_vec())
    };
    let inline = |name: &str| Some(Documents::from([(name.to_owned(), document("x"))]));
    let tags = |key: &str| {
        Some(Tags::from([(key.to_owned(), "1".to_owned()), ("both".to_owned(), "1".to_owned())]))
    };
    let usual = RoleSpec { max_session_secs: None, boundary: None, ..everything() };
    let one = RoleSpec {
        policy_arns: arns(["A", "Common"]),
        inline: inline("one"),
        tags: tags("one"),
        ..usual.clone()
    };
    let trust = Trust { issuer: issuer("test"), ..usual.trust.clone() };
    let managed = Some(Documents::new());
    let two = RoleSpec {
        policy_arns: arns(["B", "Common"]),
        inline: inline("two"),
        tags: tags("two"),
        managed,
        trust,
        ..usual
    };
    let made =
        after(RoleState::default(), &RolePlan::new(&one, &RoleState::default()).unwrap().steps);
    let both = after(made.clone(), &RolePlan::new(&two, &made).unwrap().steps);
    (one, two, both)
}

#[test]
fn two_issuers_of_one_role_leave_each_other_what_is_theirs() {
    let (one, two, both) = shared();
    let role = both.role.as_ref().unwrap();
    assert_eq!(role.attached.len(), 4, "{:?}", role.attached);
    for spec in [&one, &two] {
        let plan = RolePlan::new(spec, &both).unwrap();
        assert!(plan.is_empty(), "{plan:?}");
    }
    // One of them wants less: what both wanted stays.
    let less = RoleSpec {
        policy_arns: Some(Vec::new()),
        inline: Some(Documents::new()),
        tags: Some(Tags::new()),
        ..two
    };
    let steps = RolePlan::new(&less, &both).unwrap().steps;
    let after = after(both, &steps);
    let role = after.role.as_ref().unwrap();
    assert_eq!(
        role.attached,
        ["arn:aws:iam::aws:policy/A", "arn:aws:iam::aws:policy/Common", MANAGED]
    );
    assert_eq!(role.inline.keys().collect::<Vec<_>>(), ["one"]);
    assert!(
        role.tags.contains_key("both")
            && role.tags.contains_key("one")
            && !role.tags.contains_key("two")
    );
    assert!(
        RolePlan::new(&one, &after).unwrap().is_empty()
            && RolePlan::new(&less, &after).unwrap().is_empty()
    );
}

#[test]
fn a_run_of_one_issuer_that_was_cut_off_leaves_the_other_nothing_to_do() {
    let (one, two, _) = shared();
    let two =
        RoleSpec { managed: Some(Documents::from([("second".to_owned(), document("c"))])), ..two };
    let made =
        after(RoleState::default(), &RolePlan::new(&one, &RoleState::default()).unwrap().steps);
    let steps = RolePlan::new(&two, &made).unwrap().steps;
    for cut in 0..=steps.len() {
        let half = after(made.clone(), &steps[..cut]);
        let plan = RolePlan::new(&one, &half).unwrap();
        assert!(plan.is_empty(), "after {cut} steps: {plan:?}");
        let gone = RoleDeletion::new(&half, Some(&issuer("prod"))).steps;
        let second = "arn:aws:iam::111122223333:policy/second".to_owned();
        assert!(
            cut == 0 || !gone.contains(&RoleStep::DeletePolicy(second)),
            "after {cut} steps: {gone:?}"
        );
    }
}

#[test]
fn an_issuer_that_goes_takes_only_its_own_from_a_role_of_two() {
    let (one, two, both) = shared();
    let first = after(both.clone(), &RoleDeletion::new(&both, Some(&issuer("prod"))).steps);
    let role = first.role.as_ref().unwrap();
    assert_eq!(role.attached, ["arn:aws:iam::aws:policy/Common", "arn:aws:iam::aws:policy/B"]);
    assert!(
        !first.managed.contains_key("app-s3")
            && role.tags.contains_key("both")
            && !role.tags.contains_key("one")
    );
    assert!(
        RolePlan::new(&two, &first).unwrap().is_empty()
            && !RolePlan::new(&one, &first).unwrap().is_empty()
    );
    let last = RoleDeletion::new(&first, Some(&issuer("test"))).steps;
    assert!(matches!(last.last(), Some(RoleStep::Delete(_))), "{last:?}");
}

#[test]
fn a_role_of_issuers_that_it_is_not_shared_with_is_not_joined() {
    let of = |path: &str| RoleSpec {
        trust: Trust { issuer: issuer(path), ..spec().trust },
        shared_with: Some(Vec::new()),
        ..spec()
    };
    let made = after(
        RoleState::default(),
        &RolePlan::new(&of("test"), &RoleState::default()).unwrap().steps,
    );
    let Err(Error::Shared { providers, .. }) = RolePlan::new(&of("prod"), &made) else {
        panic!("it is joined")
    };
    assert_eq!(providers, ["arn:aws:iam::111122223333:oidc-provider/h.example/test"]);
    let known = RoleSpec { shared_with: Some(vec![issuer("test")]), ..of("prod") };
    let both = after(made.clone(), &RolePlan::new(&known, &made).unwrap().steps);
    // Whoever is in it stays in it.
    assert!(RolePlan::new(&of("prod"), &both).is_ok());
    let any = RoleSpec { shared_with: None, ..of("prod") };
    assert!(RolePlan::new(&any, &made).is_ok());
    let by_hand = RoleState { role: Some(by_hand()), ..RoleState::default() };
    assert!(RolePlan::new(&of("prod"), &by_hand).is_ok());
}

#[test]
fn a_path_cannot_change_and_a_policy_of_others_is_not_overwritten() {
    let found = RoleState { role: Some(by_hand()), ..RoleState::default() };
    let elsewhere = RoleSpec { path: Some("/apps/".parse().unwrap()), ..spec() };
    assert!(matches!(RolePlan::new(&elsewhere, &found), Err(Error::Path { .. })));
    let theirs = ManagedPolicy {
        arn: MANAGED.to_owned(),
        is_ours: false,
        document: document("x"),
        surplus_version: None,
    };
    let found = RoleState { role: None, managed: [("app-s3".to_owned(), theirs)].into() };
    assert!(matches!(RolePlan::new(&everything(), &found), Err(Error::ForeignPolicy { .. })));
}

#[test]
fn what_a_role_loses_is_said_in_words_and_adding_loses_nothing() {
    let arn = |name: &str| format!("arn:aws:iam::aws:policy/{name}").parse().unwrap();
    let first = RoleSpec { policy_arns: Some(vec![arn("A")]), ..spec() };
    let steps = RolePlan::new(&first, &RoleState::default()).unwrap().steps;
    let made = after(RoleState::default(), &steps);
    let trust = Trust { service_accounts: vec!["default/app2".parse().unwrap()], ..spec().trust };
    let second = RoleSpec { policy_arns: Some(vec![arn("B")]), trust, ..spec() };
    let said = |spec: &RoleSpec| -> Vec<String> {
        let mut set = issuer_change::ChangeSet::default();
        issuer_change::Describe::describe(&RolePlan::new(spec, &made).unwrap(), &mut set);
        set.notices.into_iter().map(|notice| notice.message).collect()
    };
    let messages = said(&second).join("\n");
    assert!(messages.contains("default/app can no longer assume the role app"), "{messages}");
    assert!(messages.contains("loses the permissions of the policy arn:aws:iam::aws:policy/A"));
    let more = RoleSpec { add: true, ..second.clone() };
    assert_eq!(said(&more), [""; 0]);
    let both = after(made.clone(), &RolePlan::new(&more, &made).unwrap().steps);
    let role = both.role.as_ref().unwrap();
    let trust = role.trust.to_json();
    assert!(trust.contains(":default:app\"") && trust.contains(":default:app2\""), "{trust}");
    assert_eq!(role.attached.len(), 2);
    assert!(RolePlan::new(&more, &both).unwrap().is_empty(), "a second run changes nothing");
    assert!(RolePlan::new(&RoleSpec { add: true, ..first }, &both).unwrap().is_empty());
    // Only a policy is added.
    let trust = Trust { service_accounts: Vec::new(), ..spec().trust };
    let policy = RoleSpec { trust, policy_arns: Some(vec![arn("C")]), add: true, ..spec() };
    let steps = RolePlan::new(&policy, &both).unwrap().steps;
    assert!(!steps.iter().any(|step| matches!(step, RoleStep::UpdateTrust { .. })), "{steps:?}");
    assert!(matches!(RolePlan::new(&policy, &RoleState::default()), Err(Error::Nothing { .. })));
}

#[test]
fn a_deleted_principal_is_named_before_anything_changes() {
    let deleted = |sid: &str| {
        let policy = EC2
            .replace("\"Service\":\"ec2.amazonaws.com\"", "\"AWS\":\"AROAEXAMPLE27HJSWAHEP\"")
            .replace("\"Effect\"", &format!("\"Sid\":\"{sid}\",\"Effect\""));
        let role = Role { trust: TrustPolicy::parse(&policy).unwrap(), ..by_hand() };
        RolePlan::new(&spec(), &RoleState { role: Some(role), ..RoleState::default() })
    };
    for (sid, said) in [("Logs", "statement Logs"), ("", "statement 1")] {
        let error = deleted(sid).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, Error::DeletedPrincipal { .. }));
        assert!(text.contains(said) && text.contains("AROAEXAMPLE27HJSWAHEP"), "{text}");
    }
}

#[test]
fn a_trust_policy_that_no_account_can_have_is_refused_and_a_large_one_is_a_warning() {
    let with = |count: usize| {
        let accounts = (0..count).map(|n| format!("namespace-{n}/service-account-{n}"));
        let service_accounts = accounts.map(|text| text.parse().unwrap()).collect();
        let spec = RoleSpec { trust: Trust { service_accounts, ..spec().trust }, ..spec() };
        RolePlan::new(&spec, &RoleState::default())
    };
    let mut set = issuer_change::ChangeSet::default();
    issuer_change::Describe::describe(&with(100).unwrap(), &mut set);
    let said = &set.notices[0].message;
    assert!(["2048", "4096", "8192"].iter().all(|limit| said.contains(limit)), "{said}");
    assert!(matches!(with(200), Err(Error::TooLarge { .. })));
}
