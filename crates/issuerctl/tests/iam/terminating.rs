//! Namespaces and objects that are being deleted: they are there, and of no use.

use serde_json::json;

use crate::workload::{Site, in_one_line};

const JOBS: &str = "/api/v1/namespaces/jobs";
const WEBHOOK: &str = "/api/v1/namespaces/pod-identity-webhook";

/// A site whose ServiceAccounts `default/app` and `jobs/nightly` are created.
fn creating() -> Site {
    Site::with_accounts("default/app", "jobs/nightly", ", serviceAccounts: create")
}

/// What was said about permissions.
fn speaks_of_rbac(err: &str) -> bool {
    err.contains("--print-rbac") || err.contains("docs/rbac.md") || err.contains("forbidden")
}

#[test]
fn a_namespace_that_is_being_deleted_ends_with_4_and_is_no_question_of_permissions() {
    let site = creating();
    // One that the namespace controller has not deleted yet.
    site.cluster.put_account("jobs/other", json!({}));
    site.cluster.terminate(JOBS);
    let (_, err) = site.apply(4);
    let err = in_one_line(&err);
    assert!(err.contains("the namespace jobs is being deleted"), "{err}");
    assert!(err.contains("run again when the namespace jobs is gone"), "{err}");
    assert!(!speaks_of_rbac(&err), "{err}");
    // The hint is true.
    site.cluster.remove("/api/v1/namespaces/jobs/serviceaccounts/other");
    site.cluster.remove(JOBS);
    let (_, err) = site.apply(0);
    assert!(err.contains("create namespace jobs`"), "{err}");
}

#[test]
fn no_service_account_is_to_be_created_in_a_namespace_that_is_being_deleted() {
    // Also beside another ServiceAccount, which the namespace controller has not deleted yet.
    for beside in [false, true] {
        let site = Site::with_accounts("default/app", "jobs/nightly", "");
        site.cluster.put_account("default/app", json!({}));
        site.cluster.put_account("jobs/other", json!({}));
        if !beside {
            site.cluster.remove("/api/v1/namespaces/jobs/serviceaccounts/other");
        }
        site.cluster.terminate(JOBS);
        let (_, err) = site.apply(0);
        let err = in_one_line(&err);
        assert!(err.contains("the namespace jobs of the ServiceAccount jobs/nightly"), "{err}");
        assert!(err.contains("is being deleted") && !err.contains("kubectl create"), "{err}");
        // Once it is gone, it is missing, too.
        site.cluster.remove("/api/v1/namespaces/jobs/serviceaccounts/other");
        site.cluster.remove(JOBS);
        let (_, err) = site.apply(0);
        assert!(in_one_line(&err).contains("create namespace jobs`"), "{err}");
    }
}

#[test]
fn a_service_account_is_not_planned_in_a_namespace_that_is_being_deleted() {
    let site = creating();
    site.cluster.put_account("jobs/nightly", json!({}));
    site.cluster.remove("/api/v1/namespaces/jobs/serviceaccounts/nightly");
    site.cluster.terminate(JOBS);
    let (_, err) = site.apply(0);
    let err = in_one_line(&err);
    assert!(
        err.contains("the namespace jobs of the ServiceAccount jobs/nightly is being"),
        "{err}"
    );
    assert!(!err.contains("ServiceAccount jobs/nightly (https"), "{err}");
    assert!(!speaks_of_rbac(&err), "{err}");
}

#[test]
fn a_service_account_that_is_being_deleted_is_neither_annotated_nor_deleted_again() {
    for mode in ["annotate", "create"] {
        let site =
            Site::with_accounts("default/app", "jobs/*", &format!(", serviceAccounts: {mode}"));
        site.cluster.put_account("default/app", json!({}));
        site.cluster.put_account("jobs/nightly", json!({}));
        site.apply(0);
        for path in ["default/serviceaccounts/app", "jobs/serviceaccounts/nightly"] {
            site.cluster.terminate(&format!("/api/v1/namespaces/{path}"));
        }
        site.writes();
        let (_, err) = site.apply(0);
        let err = in_one_line(&err);
        assert!(err.contains("the ServiceAccount default/app of the role app is being"), "{err}");
        assert!(!err.contains("create serviceaccount"), "{err}");
        assert!(!err.contains("ServiceAccount default/app (https"), "{err}");
        let (_, err) = site.lab.run("delete -f issuer.yaml", 0);
        assert!(!err.contains("ServiceAccount"), "{err}");
        assert_eq!(site.writes(), [""; 0], "{mode}");
    }
}

#[test]
fn the_namespace_of_the_webhook_is_waited_for_before_anything_is_changed() {
    let site = Site::with_injection("webhook");
    site.apply(0);
    site.cluster.terminate(WEBHOOK);
    site.writes();
    let before = site.lab.everything();
    let (_, err) = site.apply(4);
    let err = in_one_line(&err);
    assert!(err.contains("the Namespace pod-identity-webhook is being deleted"), "{err}");
    assert!(err.contains("run again when it is gone") && !speaks_of_rbac(&err), "{err}");
    assert!(site.lab.everything() == before);
    assert_eq!(site.writes(), [""; 0]);
    // It is not deleted again, and what is outside of it is.
    let (out, _) = site.lab.run("delete -f issuer.yaml --dry-run", 0);
    assert!(!out.contains("Namespace pod-identity-webhook"), "{out}");
    assert!(out.contains("MutatingWebhookConfiguration pod-identity-webhook"), "{out}");
    // Once it is gone, everything is created.
    site.cluster.remove_namespace("pod-identity-webhook");
    site.apply(0);
    assert!(site.cluster.get(WEBHOOK).is_some());
}
