//! The cluster whose pods use the roles: annotated, planned again, given back.

use std::sync::Arc;

use issuer_test_support::ClusterServer;
use serde_json::{Value, json};

use crate::lab::{Issuer, Lab};
use crate::signer::Signer;

const APP: &str = "arn:aws:iam::111122223333:role/app";
const JOBS: &str = "arn:aws:iam::111122223333:role/jobs";
pub(crate) const ISSUER: &str = "https://oidc.example.com/prod";

const ROLES: &str = "
  provider: {audiences: [sts.amazonaws.com]}
  roles:
  - name: app
    serviceAccounts: [default/app]
  - name: jobs
    serviceAccounts: [jobs/*]
";

/// A text as it was before it was broken into lines of 80 columns.
pub(crate) fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A lab with a workload cluster.
pub(crate) struct Site {
    pub(crate) lab: Lab,
    pub(crate) cluster: ClusterServer,
    signer: Arc<Signer>,
}

impl Site {
    pub(crate) fn new(workload: &str) -> Self {
        let signer = Arc::new(Signer::new());
        let site = Self { lab: Lab::new(), cluster: ClusterServer::start(), signer };
        site.lab.file("workload.kubeconfig", &site.cluster.kubeconfig());
        site.lab.file("sa.pub", &site.signer.public_pem);
        site.sign_for(ISSUER);
        site.write(ROLES, workload);
        site
    }

    /// The same with something that gives pods their roles.
    pub(crate) fn with_injection(injection: &str) -> Self {
        let site = Self::new("");
        site.cluster.put_account("default/app", json!({}));
        site.inject(injection);
        site
    }

    /// One whose roles `app` and `jobs` are for these ServiceAccounts.
    pub(crate) fn with_accounts(app: &str, jobs: &str, workload: &str) -> Self {
        let site = Self::new("");
        let roles = ROLES.replace("default/app", app).replace("jobs/*", jobs);
        site.write(&roles, workload);
        site
    }

    /// The issuer of its tokens.
    pub(crate) fn sign_for(&self, issuer: &'static str) {
        let signer = self.signer.clone();
        self.cluster.mint(move |account, audience| signer.token(issuer, account, audience));
    }

    pub(crate) fn inject(&self, injection: &str) {
        self.write(ROLES, &format!(", injection: {injection}"));
    }

    /// Writes the file with these fields of `workload` besides its kubeconfig.
    fn write(&self, roles: &str, workload: &str) {
        let none = if workload.contains("injection") { "" } else { ", injection: none" };
        let workload =
            format!("{roles}  workload: {{kubeconfig: workload.kubeconfig{none}{workload}}}\n");
        self.lab.issuers(&[Issuer::prod(&workload)]);
    }

    pub(crate) fn apply(&self, code: i32) -> (String, String) {
        self.lab.apply(code)
    }

    pub(crate) fn role(&self, account: &str) -> Value {
        self.cluster.annotations(account)["eks.amazonaws.com/role-arn"].clone()
    }

    /// Requests that changed something.
    pub(crate) fn writes(&self) -> Vec<String> {
        let log = self.cluster.take_log();
        let changes = |line: &String| !line.starts_with("GET ") && !line.ends_with("/token");
        log.into_iter().filter(changes).collect()
    }
}

#[test]
fn service_accounts_are_annotated_after_the_roles_exist_and_then_left_alone() {
    let site = Site::new("");
    for account in ["default/app", "jobs/nightly", "jobs/weekly", "other/app"] {
        site.cluster.put_account(account, json!({}));
    }
    let before = site.cluster.dump();
    let plan = in_one_line(&site.lab.plan(7));
    assert!(plan.contains("~ ServiceAccount default/app (https://localhost:"), "{plan}");
    let line = format!("+ annotation \"eks.amazonaws.com/role-arn\" {APP}");
    assert!(plan.contains(&line), "{plan}");
    assert!(plan.find("role jobs").unwrap() < plan.find("ServiceAccount jobs/nightly").unwrap());
    assert_eq!(site.cluster.dump(), before, "a plan changed something");

    let (out, err) = site.apply(0);
    assert_eq!(out, "", "nothing is left to annotate");
    assert!(err.contains("workload cluster: https://localhost:"), "{err}");
    for (account, role) in [
        ("default/app", json!(APP)),
        ("jobs/nightly", json!(JOBS)),
        ("jobs/weekly", json!(JOBS)),
        ("other/app", Value::Null),
    ] {
        assert_eq!(site.role(account), role, "{account}");
    }
    site.writes();
    assert!(site.lab.plan(0).ends_with("\nno changes\n"));
    site.apply(0);
    assert_eq!(site.writes(), [""; 0]);
    site.lab.run("delete -f issuer.yaml", 0);
    assert_eq!(site.cluster.dump(), before);
}

#[test]
fn a_role_that_somebody_else_set_is_a_conflict_that_names_both_and_nothing_is_changed() {
    let site = Site::new("");
    let theirs = json!({"eks.amazonaws.com/role-arn": "arn:aws:iam::444455556666:role/theirs"});
    site.cluster.put_account("default/app", theirs);
    let before = (site.lab.everything(), site.cluster.dump());
    let (_, err) = site.apply(4);
    for part in ["default/app", "kubectl-create", "444455556666:role/theirs", APP] {
        assert!(err.contains(part), "{part}: {err}");
    }
    assert!((site.lab.everything(), site.cluster.dump()) == before);
    // The hint is true.
    assert!(err.contains(
        "kubectl --kubeconfig workload.kubeconfig annotate serviceaccount app --namespace default \
         eks.amazonaws.com/role-arn-"
    ));
    site.cluster.put_account("default/app", json!({}));
    site.apply(0);
    assert_eq!(site.role("default/app"), APP);
}

#[test]
fn a_wildcard_keeps_what_somebody_else_set() {
    let site = Site::new("");
    site.cluster.put_account("default/app", json!({}));
    let theirs = json!({"eks.amazonaws.com/role-arn": "arn:aws:iam::444455556666:role/theirs"});
    site.cluster.put_account("jobs/special", theirs);
    let (_, err) = site.apply(0);
    assert!(err.contains("jobs/special has eks.amazonaws.com/role-arn"), "{err}");
    assert!(err.contains("= ServiceAccount jobs/special"), "{err}");
    assert_eq!(site.role("jobs/special"), "arn:aws:iam::444455556666:role/theirs");
}

#[test]
fn the_role_that_somebody_set_already_stays_theirs() {
    let site = Site::new("");
    site.cluster.put_account("default/app", json!({"eks.amazonaws.com/role-arn": APP}));
    let before = site.cluster.dump();
    site.apply(0);
    assert_eq!(site.cluster.dump(), before);
    let (_, err) = site.lab.run("delete -f issuer.yaml", 0);
    let err = in_one_line(&err);
    assert!(err.contains("ServiceAccount default/app") && err.contains("not managed"), "{err}");
    assert_eq!(site.cluster.dump(), before);
}

#[test]
fn a_service_account_that_does_not_exist_is_named_or_created() {
    let site = Site::new("");
    let before = site.cluster.dump();
    let (_, err) = site.apply(0);
    assert!(
        err.contains(
            "kubectl --kubeconfig workload.kubeconfig create serviceaccount app --namespace default"
        ),
        "{err}"
    );
    assert!(err.contains("no ServiceAccount matches jobs/*"), "{err}");
    assert_eq!(site.cluster.dump(), before);

    site.write(&ROLES.replace("jobs/*", "jobs/nightly"), ", serviceAccounts: create");
    let (_, err) = site.apply(0);
    assert!(err.contains("+ ServiceAccount default/app"), "{err}");
    assert!(err.contains("create namespace jobs`"), "{err}");
    let account = site.cluster.get("/api/v1/namespaces/default/serviceaccounts/app").unwrap();
    assert_eq!(account["metadata"]["labels"]["app.kubernetes.io/managed-by"], "issuerctl");
    assert_eq!(site.role("default/app"), APP);
    site.writes();
    site.apply(0);
    assert_eq!(site.writes(), [""; 0]);
    site.lab.run("delete -f issuer.yaml", 0);
    assert_eq!(site.cluster.dump(), before);
}

#[test]
fn a_created_service_account_that_somebody_else_uses_as_well_stays_without_our_annotations() {
    let site = Site::new(", serviceAccounts: create");
    site.apply(0);
    let path = "/api/v1/namespaces/default/serviceaccounts/app";
    let mut account = site.cluster.get(path).unwrap();
    account["imagePullSecrets"] = json!([{"name": "registry"}]);
    site.cluster.put_as("helm", &account);
    site.lab.run("delete -f issuer.yaml", 0);
    let account = site.cluster.get(path).unwrap();
    assert_eq!(account["imagePullSecrets"][0]["name"], "registry");
    assert_eq!(site.cluster.annotations("default/app"), Value::Null);
}

#[test]
fn with_leave_nothing_is_asked_of_service_accounts_and_the_commands_name_the_cluster() {
    let site = Site::new(", serviceAccounts: leave, context: workload");
    site.cluster.put_account("default/app", json!({}));
    let before = site.cluster.dump();
    let (out, _) = site.apply(0);
    let line = format!(
        "kubectl --kubeconfig workload.kubeconfig --context workload annotate serviceaccount app \
         --namespace default eks.amazonaws.com/role-arn={APP} --overwrite\n"
    );
    assert_eq!(out, line);
    assert_eq!(site.cluster.dump(), before);
    let asked = site.cluster.take_log();
    let token = "POST /api/v1/namespaces/default/serviceaccounts/app/token";
    assert!(asked.iter().all(|line| line == token || !line.contains("serviceaccounts")));
}

#[test]
fn what_leaves_the_file_loses_its_annotation_with_its_role() {
    let site = Site::new("");
    for account in ["default/app", "default/second", "jobs/nightly"] {
        site.cluster.put_account(account, json!({}));
    }
    site.write(&ROLES.replace("[default/app]", "[default/app, default/second]"), "");
    site.apply(0);
    assert_eq!(site.role("default/second"), APP);
    // A ServiceAccount of a role that stays.
    site.write(ROLES, "");
    let plan = site.lab.plan(7);
    assert!(plan.contains("~ ServiceAccount default/second"), "{plan}");
    site.apply(0);
    assert_eq!(site.role("default/second"), Value::Null);
    // A role, which is kept until it is pruned.
    let one = ROLES.split("  - name: jobs").next().unwrap();
    site.write(one, "");
    let plan = site.lab.plan(0);
    assert!(plan.contains("= ServiceAccount jobs/nightly"), "{plan}");
    assert_eq!(site.role("jobs/nightly"), JOBS);
    site.lab.run("apply -f issuer.yaml --no-verify --prune", 0);
    assert_eq!(site.role("jobs/nightly"), Value::Null);
}

#[test]
fn an_audience_that_is_not_the_default_one_is_annotated_too() {
    let site = Site::new("");
    site.cluster.put_account("default/app", json!({}));
    let own = ROLES.replace("  - name: app\n", "  - name: app\n    audiences: [mine]\n");
    site.write(&own, "");
    site.apply(0);
    assert_eq!(
        site.cluster.annotations("default/app"),
        json!({
            "eks.amazonaws.com/role-arn": APP,
            "eks.amazonaws.com/audience": "mine",
            "issuerctl.dev/issuers": ISSUER,
        })
    );
    site.write(ROLES, "");
    site.apply(0);
    assert_eq!(site.cluster.annotations("default/app")["eks.amazonaws.com/audience"], Value::Null);
}

#[test]
fn an_issuer_that_shares_the_cluster_keeps_the_annotations_of_a_role_of_both() {
    let site = Site::new("");
    site.cluster.put_account("default/app", json!({}));
    let before = site.cluster.dump();
    // The API server signs for one of the two only.
    site.cluster.forbid("create token");
    let workload = format!(
        "{}  workload: {{kubeconfig: workload.kubeconfig, injection: none}}\n",
        ROLES.split("  - name: jobs").next().unwrap()
    );
    let (prod, next) =
        (Issuer::prod(&workload), Issuer { name: "next", ..Issuer::prod(&workload) });
    site.lab.issuers(&[prod, next]);
    site.apply(0);
    let both = format!("https://oidc.example.com/next {ISSUER}");
    assert_eq!(site.cluster.annotations("default/app")["issuerctl.dev/issuers"], both);
    site.writes();
    site.apply(0);
    assert_eq!(site.writes(), [""; 0]);
    site.lab.issuers(&[Issuer::prod(&workload)]);
    site.lab.run("delete -f issuer.yaml", 0);
    assert_eq!(site.role("default/app"), APP);
    site.lab.issuers(&[Issuer { name: "next", ..Issuer::prod(&workload) }]);
    site.lab.run("delete -f issuer.yaml", 0);
    assert_eq!(site.cluster.dump(), before);
}

#[test]
fn what_somebody_changes_during_a_run_is_planned_again() {
    let site = Site::new("");
    site.cluster.put_account("default/app", json!({}));
    let path = "/api/v1/namespaces/default/serviceaccounts/app";
    site.cluster.interfere(path, |account| account["metadata"]["labels"] = json!({"team": "a"}));
    let (_, err) = site.apply(0);
    assert!(err.contains("planned again"), "{err}");
    assert_eq!(site.role("default/app"), APP);
    assert_eq!(site.cluster.get(path).unwrap()["metadata"]["labels"]["team"], "a");

    // Another role, set by somebody else between the plan and its execution.
    let site = Site::new("");
    site.cluster.put_account("default/app", json!({}));
    site.cluster.interfere(path, |account| {
        account["metadata"]["annotations"] = json!({"eks.amazonaws.com/role-arn": "theirs"});
    });
    let (_, err) = site.apply(4);
    assert!(err.contains("somebody-else"), "{err}");
    assert_eq!(site.role("default/app"), "theirs");
}

#[test]
fn what_was_created_before_a_new_plan_is_told_as_created() {
    let site = Site::with_injection("policy");
    site.apply(0);
    let policy =
        "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies/irsa.issuerctl.dev";
    let account = "/api/v1/namespaces/default/serviceaccounts/second";
    site.cluster.interfere(policy, |policy| policy["metadata"]["labels"]["team"] = json!("a"));
    // The conflict about the policy is answered first.
    site.cluster.delay(account, std::time::Duration::from_millis(700));
    let workload = format!(
        "{}  workload: {{kubeconfig: workload.kubeconfig, injection: policy, serviceAccounts: \
         create}}\n",
        ROLES.split("  - name: jobs").next().unwrap().replace("default/app", "default/second")
    );
    site.sign_for("https://oidc.example.com/next");
    site.lab.issuers(&[Issuer { name: "next", ..Issuer::prod(&workload) }]);
    site.writes();
    let (out, _) = site.lab.run("apply -f issuer.yaml --no-verify --output json", 0);
    let (of_policy, of_account): (Vec<_>, Vec<_>) = site
        .writes()
        .into_iter()
        .filter(|line| line.contains(policy) || line.contains(account))
        .partition(|line| line.contains(policy));
    assert_eq!((of_policy.len(), of_account.len()), (2, 1), "the policy was planned again");
    assert_eq!(site.role("default/second"), APP);
    let report: Value = serde_json::from_str(&out).unwrap();
    let changes: Vec<issuer_change::Change> =
        serde_json::from_value(report["issuers"][0]["changes"].clone()).unwrap();
    let second = changes.iter().find(|change| change.resource.name == "default/second").unwrap();
    assert_eq!(second.action, issuer_change::Action::Create, "{out}");
}

#[test]
fn a_forbidden_request_to_the_cluster_ends_with_6_and_names_it() {
    let site = Site::new("");
    site.cluster.put_account("default/app", json!({}));
    site.cluster.forbid("list serviceaccounts");
    let (_, err) = site.apply(6);
    assert!(err.contains("list on ServiceAccounts"), "{err}");
    assert!(err.contains("--print-rbac"), "{err}");
    assert!(site.lab.iam.account().roles.is_empty(), "something was changed before");
}

#[test]
fn hundreds_of_service_accounts_are_read_page_by_page() {
    let site = Site::new("");
    (0..230).for_each(|n| site.cluster.put_account(&format!("jobs/job-{n:03}"), json!({})));
    site.apply(0);
    assert_eq!(site.role("jobs/job-229"), JOBS);
    assert!(site.cluster.take_log().iter().any(|line| line.contains("continue=200")));
    // Objects of which a page would be larger than a response may be.
    for n in 0..60 {
        let large = json!({"notes": "x".repeat(30_000)});
        site.cluster.put_account(&format!("large/job-{n}"), large);
    }
    site.cluster.put_account("jobs/zz-last", json!({}));
    site.apply(0);
    assert_eq!(site.role("jobs/zz-last"), JOBS);
}

#[test]
fn the_kubeconfig_of_the_run_is_that_of_the_cluster_unless_the_file_names_one_and_also_for_delete()
{
    let site = Site::new("");
    site.cluster.put_account("default/app", json!({}));
    let before = site.cluster.dump();
    let workload = format!("{ROLES}  workload: {{injection: none}}\n");
    site.lab.issuers(&[Issuer::prod(&workload)]);
    let flags = "--kubeconfig workload.kubeconfig --context workload";
    site.lab.run(&format!("apply -f issuer.yaml --no-verify {flags}"), 0);
    assert_eq!(site.role("default/app"), APP);
    site.lab.run("delete -f issuer.yaml", 3);
    site.lab.run(&format!("delete -f issuer.yaml {flags}"), 0);
    assert_eq!(site.cluster.dump(), before);
}

#[test]
fn a_cluster_that_is_gone_stops_a_deletion_until_it_leaves_the_file() {
    let site = Site::new("");
    site.cluster.put_account("default/app", json!({}));
    site.apply(0);
    let gone = site.cluster.kubeconfig().replace(&site.cluster.url(), "https://127.0.0.1:1");
    site.lab.file("workload.kubeconfig", &gone);
    let (_, err) = site.lab.run("delete -f issuer.yaml", 1);
    assert!(in_one_line(&err).contains("remove spec.workload from the file"), "{err}");
    assert!(site.lab.iam.account().roles.contains_key("app"));
    site.lab.issuers(&[Issuer::prod(ROLES)]);
    site.lab.run("delete -f issuer.yaml", 0);
    assert!(site.lab.iam.account().roles.is_empty());
}

#[test]
fn what_a_run_needs_in_its_cluster_is_printed_and_nothing_is_changed() {
    let site = Site::new("");
    site.cluster.put_account("default/app", json!({}));
    let before = (site.lab.everything(), site.cluster.dump());
    let (out, _) = site.lab.run("apply -f issuer.yaml --print-rbac", 0);
    let bind = "#   kubectl --kubeconfig workload.kubeconfig create rolebinding issuerctl-prod \
                --namespace default --role issuerctl-prod --serviceaccount issuerctl:issuerctl";
    assert!(out.lines().any(|line| line == bind), "{out}");
    assert!(out.contains("kind: ClusterRole\n") && out.contains("resourceNames:"), "{out}");
    let (json, _) = site.lab.run("apply -f issuer.yaml --print-rbac --output json", 0);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["document"], out.as_str());
    assert!((site.lab.everything(), site.cluster.dump()) == before);
    // A cluster that cannot be read: everything that the file can mean, and it is said.
    site.cluster.forbid("list serviceaccounts");
    let (out, err) = site.lab.run("apply -f issuer.yaml --print-rbac", 0);
    assert!(out.contains("kind: ClusterRole\n"), "{out}");
    assert!(in_one_line(&err).contains("warning: the cluster was not read"), "{err}");
    // A file without a cluster.
    site.lab.issuers(&[Issuer::prod(ROLES)]);
    let (out, err) = site.lab.run("apply -f issuer.yaml --print-rbac", 0);
    assert_eq!(out, "");
    assert!(err.contains("nothing is read or changed in a cluster"), "{err}");
}
