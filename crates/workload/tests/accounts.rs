//! Plans of ServiceAccounts as functions on values, against a model of server-side apply.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use issuer_change::{Action, Change, Describe, Reason};
use issuer_discovery::{IssuerUrl, Ports};
use issuer_workload::{
    Account, AccountsMode, Error, Injection, RoleGrant, WorkloadDeletion, WorkloadPlan,
    WorkloadSpec, WorkloadState,
};
use proptest::prelude::*;
use serde_json::{Value, json};

const ROLE: &str = "eks.amazonaws.com/role-arn";
const ISSUERS: &str = "issuerctl.dev/issuers";
const ISSUER: &str = "https://oidc.example.com/prod";
const OTHER: &str = "https://oidc.example.com/other";

fn spec(roles: &[(&str, &[&str])]) -> WorkloadSpec {
    let role = |(name, accounts): &(&str, &[&str])| RoleGrant {
        name: (*name).to_owned(),
        arn: arn(name),
        audience: None,
        accounts: accounts.iter().map(|text| text.parse().unwrap()).collect(),
    };
    WorkloadSpec {
        issuer: IssuerUrl::parse(ISSUER, Ports::Refuse).unwrap(),
        injection: Injection::None,
        accounts: AccountsMode::Annotate,
        restart: false,
        kubectl: "kubectl".to_owned(),
        roles: roles.iter().map(role).collect(),
        prune: false,
    }
}

fn arn(role: &str) -> String {
    format!("arn:aws:iam::111122223333:role/{role}")
}

/// A ServiceAccount whose annotations were set by these managers.
fn account(name: &str, annotations: &[(&str, &str, &str)]) -> Value {
    let (namespace, name) = name.split_once('/').unwrap();
    let values: BTreeMap<&str, &str> =
        annotations.iter().map(|(key, value, _)| (*key, *value)).collect();
    let managed: Vec<Value> = annotations
        .iter()
        .map(|(key, _, manager)| {
            let operation = if *manager == "issuerctl" { "Apply" } else { "Update" };
            let mut fields = json!({});
            fields[format!("f:{key}")] = json!({});
            json!({"manager": manager, "operation": operation,
                   "fieldsV1": {"f:metadata": {"f:annotations": fields}}})
        })
        .collect();
    json!({"metadata": {"namespace": namespace, "name": name, "resourceVersion": "1",
                        "annotations": values, "managedFields": managed}})
}

fn state(accounts: &[Value]) -> WorkloadState {
    let mut state = WorkloadState::default();
    state.accounts = accounts.iter().map(Account::of).collect();
    state
}

fn changes(plan: &impl Describe) -> Vec<Change> {
    plan.changes().changes
}

fn conflicts(spec: &WorkloadSpec, accounts: &[Value]) -> Vec<(String, String, String)> {
    match WorkloadPlan::new(spec, &state(accounts)) {
        Err(Error::Annotations { conflicts, .. }) => conflicts
            .into_iter()
            .map(|conflict| (conflict.name, conflict.manager, conflict.value))
            .collect(),
        other => panic!("no conflict: {other:?}"),
    }
}

#[test]
fn every_conflict_is_named_with_the_manager_that_set_it() {
    let spec = spec(&[("app", &["a/one", "a/two", "a/three"])]);
    let theirs = arn("theirs");
    let accounts = [
        account("a/one", &[(ROLE, &theirs, "helm")]),
        account("a/two", &[(ROLE, &theirs, "issuerctl"), (ISSUERS, OTHER, "issuerctl")]),
        account("a/three", &[]),
    ];
    assert_eq!(
        conflicts(&spec, &accounts),
        [
            ("one".to_owned(), "helm".to_owned(), theirs.clone()),
            ("two".to_owned(), format!("issuerctl for {OTHER}"), theirs),
        ]
    );
}

#[test]
fn what_an_earlier_run_set_is_changed_unless_somebody_else_set_it_too() {
    let spec = spec(&[("new", &["a/one"])]);
    let old = arn("old");
    let ours = [(ROLE, old.as_str(), "issuerctl"), (ISSUERS, ISSUER, "issuerctl")];
    let plan = WorkloadPlan::new(&spec, &state(&[account("a/one", &ours)])).unwrap();
    assert_eq!(changes(&plan)[0].action, Action::Update);
    // `kubectl annotate --overwrite` since then: the field is theirs.
    let theirs = [(ROLE, old.as_str(), "kubectl-annotate"), (ISSUERS, ISSUER, "issuerctl")];
    let found = conflicts(&spec, &[account("a/one", &theirs)]);
    assert_eq!(found[0].1, "kubectl-annotate");
}

#[test]
fn a_name_counts_more_than_a_wildcard_and_two_of_a_kind_are_refused() {
    let account = [account("jobs/special", &[])];
    let by_name = spec(&[("all", &["jobs/*"]), ("one", &["jobs/special"])]);
    let plan = WorkloadPlan::new(&by_name, &state(&account)).unwrap();
    let change = &changes(&plan)[0];
    assert!(format!("{change:?}").contains(&arn("one")), "{change:?}");
    assert_eq!(changes(&plan).len(), 1);
    for roles in [
        [("a", &["jobs/*"][..]), ("b", &["jobs/s*"][..])],
        [("a", &["jobs/special"][..]), ("b", &["jobs/special"][..])],
    ] {
        let refused = WorkloadPlan::new(&spec(&roles), &state(&account));
        assert!(matches!(refused, Err(Error::TwoRoles { .. })), "{refused:?}");
    }
}

#[test]
fn a_deletion_keeps_what_others_set_and_what_another_issuer_needs() {
    let spec = spec(&[("app", &["a/*"])]);
    let app = arn("app");
    let both = format!("{OTHER} {ISSUER}");
    let accounts = [
        account("a/ours", &[(ROLE, &app, "issuerctl"), (ISSUERS, ISSUER, "issuerctl")]),
        account("a/shared", &[(ROLE, &app, "issuerctl"), (ISSUERS, &both, "issuerctl")]),
        account("a/theirs", &[(ROLE, &app, "helm")]),
        account("a/plain", &[]),
    ];
    let deletion = WorkloadDeletion::new(&spec, &state(&accounts));
    let changes = changes(&deletion);
    let of = |name: &str| {
        let change = changes.iter().find(|change| change.resource.name == name)?;
        let names = change.fields.iter().filter_map(|field| field.item.as_deref());
        Some((change.action, change.reason, names.collect::<Vec<_>>()))
    };
    assert_eq!(of("a/ours"), Some((Action::Update, None, vec![ROLE, ISSUERS])));
    assert_eq!(of("a/shared"), Some((Action::Update, None, vec![ISSUERS])));
    assert_eq!(of("a/theirs"), Some((Action::Keep, Some(Reason::Unmanaged), Vec::new())));
    assert_eq!(of("a/plain"), None);
}

/// What server-side apply makes of an account, by the fields that its plan shows.
fn applied(account: &Value, change: &Change) -> Value {
    let mut next = account.clone();
    let metadata = &mut next["metadata"];
    for field in &change.fields {
        let key = field.item.as_deref().unwrap();
        let managed = metadata["managedFields"].as_array_mut().unwrap();
        managed.retain(|entry| {
            entry["fieldsV1"]["f:metadata"]["f:annotations"].get(format!("f:{key}")).is_none()
        });
        let annotations = metadata["annotations"].as_object_mut().unwrap();
        match &field.after {
            Some(issuer_change::Value::Text(value)) => {
                annotations.insert(key.to_owned(), value.as_str().into());
                let mut fields = json!({});
                fields[format!("f:{key}")] = json!({});
                metadata["managedFields"]
                    .as_array_mut()
                    .unwrap()
                    .push(json!({"manager": "issuerctl", "operation": "Apply",
                           "fieldsV1": {"f:metadata": {"f:annotations": fields}}}));
            }
            _ => drop(annotations.remove(key)),
        }
    }
    next
}

fn apply_all(accounts: &[Value], plan: &impl Describe) -> Vec<Value> {
    let changes = changes(plan);
    let apply = |account: &Value| {
        let metadata = &account["metadata"];
        let name = format!(
            "{}/{}",
            metadata["namespace"].as_str().unwrap(),
            metadata["name"].as_str().unwrap()
        );
        let change = changes
            .iter()
            .find(|change| change.resource.name == name && change.action == Action::Update);
        change.map_or_else(|| account.clone(), |change| applied(account, change))
    };
    accounts.iter().map(apply).collect()
}

/// Accounts with annotations of issuerctl, of others, and of both.
fn accounts() -> impl Strategy<Value = Vec<Value>> {
    let annotations = prop_oneof![
        Just(vec![]),
        (0..3_usize).prop_map(|role| vec![(ROLE, role, "helm")]),
        (0..3_usize).prop_map(|role| vec![(ROLE, role, "issuerctl"), (ISSUERS, 0, "issuerctl")]),
        (0..3_usize).prop_map(|role| vec![(ROLE, role, "issuerctl"), (ISSUERS, 1, "issuerctl")]),
        (0..3_usize).prop_map(|role| vec![(ROLE, role, "issuerctl"), (ISSUERS, 2, "issuerctl")]),
    ];
    let both = format!("{OTHER} {ISSUER}");
    prop::collection::vec(annotations, 1..5).prop_map(move |all| {
        let roles = ["r0", "r1", "r2"].map(arn);
        let issuers = [ISSUER, OTHER, both.as_str()];
        let one = |(at, annotations): (usize, &Vec<(&'static str, usize, &'static str)>)| {
            let annotations: Vec<(&str, &str, &str)> = annotations
                .iter()
                .map(|(key, value, manager)| {
                    let value = if *key == ROLE { roles[*value].as_str() } else { issuers[*value] };
                    (*key, value, *manager)
                })
                .collect();
            account(&format!("a/x{at}"), &annotations)
        };
        all.iter().enumerate().map(one).collect()
    })
}

proptest! {
    #[test]
    fn a_plan_that_was_applied_leaves_nothing_to_do(accounts in accounts(), prune in any::<bool>()) {
        let mut spec = spec(&[("r0", &["a/x0", "a/x2"]), ("r1", &["a/x?"])]);
        spec.prune = prune;
        if let Ok(plan) = WorkloadPlan::new(&spec, &state(&accounts)) {
            let after = apply_all(&accounts, &plan);
            let again = WorkloadPlan::new(&spec, &state(&after)).unwrap();
            prop_assert!(again.is_empty(), "{:#?}", changes(&again));
        }
    }

    #[test]
    fn what_somebody_else_set_is_never_changed(accounts in accounts(), prune in any::<bool>()) {
        let mut spec = spec(&[("r0", &["a/x0", "a/x2"]), ("r1", &["a/x?"])]);
        spec.prune = prune;
        let theirs = |accounts: &[Value]| -> Vec<Value> {
            let is_theirs = |account: &&Value| account["metadata"]["managedFields"][0]["manager"] == "helm";
            accounts.iter().filter(is_theirs).map(|own| own["metadata"]["annotations"][ROLE].clone()).collect()
        };
        if let Ok(plan) = WorkloadPlan::new(&spec, &state(&accounts)) {
            prop_assert_eq!(theirs(&apply_all(&accounts, &plan)), theirs(&accounts));
        }
        let deletion = WorkloadDeletion::new(&spec, &state(&accounts));
        prop_assert_eq!(theirs(&apply_all(&accounts, &deletion)), theirs(&accounts));
    }

    #[test]
    fn a_deletion_that_was_executed_leaves_nothing_of_the_issuer(accounts in accounts()) {
        let spec = spec(&[("r0", &["a/x0"])]);
        let after = apply_all(&accounts, &WorkloadDeletion::new(&spec, &state(&accounts)));
        for account in &after {
            let issuers = account["metadata"]["annotations"][ISSUERS].as_str().unwrap_or_default();
            prop_assert!(!issuers.split(' ').any(|issuer| issuer == ISSUER), "{account}");
        }
    }
}
