//! Workloads whose pods run without their role: named, or restarted.

use std::collections::BTreeMap;

use issuer_pods::{Identity, Settings, with_role};
use serde_json::{Value, json};

use crate::workload::{Site, in_one_line};

const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/default/deployments/app";
const POLICY: &str =
    "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies/irsa.issuerctl.dev";

/// A site with pods of a Deployment, and pods that nothing replaces.
fn site(restart: bool) -> Site {
    let site = Site::new(&format!(", injection: policy, restart: {restart}"));
    site.cluster.put_account("default/app", json!({}));
    let template = json!({
        "metadata": {"labels": {"app": "app"}},
        "spec": {"serviceAccountName": "app", "containers": [{"name": "main", "image": "app:1"}]},
    });
    let object = |kind: &str, name: &str, spec: Value| {
        json!({"apiVersion": "apps/v1", "kind": kind, "spec": spec,
               "metadata": {"name": name, "namespace": "default"}})
    };
    site.cluster.put(&object("Deployment", "app", json!({"template": template})));
    let mut set = object("ReplicaSet", "app-1", json!({}));
    set["metadata"]["ownerReferences"] = owner("Deployment", "app");
    site.cluster.put(&set);
    put_pod(&site, "app-1-a", owner("ReplicaSet", "app-1"), "2026-01-01T00:00:00Z");
    site.cluster.admit(mutate);
    site
}

/// What the admission policy does, where it is.
fn mutate(pod: &mut Value, objects: &BTreeMap<String, Value>) {
    let account = pod["spec"]["serviceAccountName"].as_str().unwrap_or("default");
    let namespace = pod["metadata"]["namespace"].as_str().unwrap();
    let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}");
    let annotations = objects.get(&path).map(|own| own["metadata"]["annotations"].clone());
    let annotations = serde_json::from_value(annotations.unwrap_or_default()).unwrap_or_default();
    let settings = Settings::default();
    if let (true, Some(identity)) =
        (objects.contains_key(POLICY), Identity::of(&annotations, &settings))
    {
        *pod = with_role(pod, &identity, &settings);
    }
}

fn owner(kind: &str, name: &str) -> Value {
    json!([{"apiVersion": "x/v1", "kind": kind, "name": name, "controller": true}])
}

fn put_pod(site: &Site, name: &str, owners: Value, created: &str) {
    site.cluster.put(&json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "creationTimestamp": created,
                     "ownerReferences": owners},
        "spec": {"serviceAccountName": "app", "containers": [{"name": "main"}]},
        "status": {"phase": "Running"},
    }));
}

fn restarted_at(site: &Site) -> Option<String> {
    let deployment = site.cluster.get(DEPLOYMENT).unwrap();
    let annotations = &deployment["spec"]["template"]["metadata"]["annotations"];
    annotations["kubectl.kubernetes.io/restartedAt"].as_str().map(str::to_owned)
}

#[test]
fn workloads_whose_pods_lack_their_role_are_named_with_the_command_that_restarts_them() {
    let site = site(false);
    put_pod(&site, "bare", Value::Null, "2026-01-01T00:00:00Z");
    put_pod(&site, "once-x", owner("Job", "once"), "2026-01-01T00:00:00Z");
    let (_, err) = site.apply(0);
    let err = in_one_line(&err);
    let line = "`kubectl --kubeconfig workload.kubeconfig rollout restart deployment/app \
                --namespace default`";
    assert!(err.contains("pods of Deployment app in namespace default run without"), "{err}");
    assert!(err.contains(line), "{err}");
    assert!(err.contains("default/bare run without the role"), "{err}");
    assert!(err.contains("default/once-x of Job default/once run without"), "{err}");
    assert_eq!(restarted_at(&site), None);
}

#[test]
fn with_restart_they_are_restarted_once_a_new_pod_has_its_role() {
    let site = site(true);
    let plan = site.lab.plan(7);
    assert!(plan.contains("~ Deployment default/app"), "{plan}");
    assert!(plan.contains("+ restart  app-1-a"), "{plan}");
    assert_eq!(restarted_at(&site), None, "a plan restarted something");
    site.apply(0);
    let first = restarted_at(&site).unwrap();
    let log = site.cluster.take_log();
    let at = |what: &str| log.iter().position(|line| line.starts_with(what)).unwrap();
    let dry_run = at("POST /api/v1/namespaces/default/pods?dryRun=All");
    assert!(at("PATCH /api/v1/namespaces/default/serviceaccounts/app") < dry_run);
    assert!(dry_run < at(&format!("PATCH {DEPLOYMENT}")), "{log:#?}");

    // The old pod is still there while the new one starts: it is not restarted again.
    let (_, err) = site.apply(0);
    assert!(in_one_line(&err).contains("was restarted, and default/app-1-a"), "{err}");
    assert_eq!(restarted_at(&site), Some(first.clone()));
    // The new pod has its role.
    site.cluster.remove("/api/v1/namespaces/default/pods/app-1-a");
    let (out, _) = site.lab.run("apply -f issuer.yaml --no-verify --output json", 0);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&report["changed"], &report["issuers"][0]["notices"][1]),
        (&json!(false), &Value::Null)
    );
    assert_eq!(restarted_at(&site), Some(first));
}

#[test]
fn a_workload_whose_next_pods_would_have_no_role_either_is_not_restarted() {
    // Nobody can tell what a new pod would have.
    let unknown = site(true);
    unknown.cluster.forbid("create pods");
    let (_, err) = unknown.apply(0);
    assert!(err.contains("Deployment app in namespace default was not restarted"), "{err}");
    assert_eq!(restarted_at(&unknown), None);

    // The template has a role of its own.
    let own = site(true);
    let mut deployment = own.cluster.get(DEPLOYMENT).unwrap();
    deployment["spec"]["template"]["spec"]["containers"][0]["env"] =
        json!([{"name": "AWS_ROLE_ARN", "value": "arn:aws:iam::444455556666:role/theirs"}]);
    own.cluster.put(&deployment);
    let (_, err) = own.apply(0);
    assert!(in_one_line(&err).contains("has a role of its own"), "{err}");
    assert_eq!(restarted_at(&own), None);
}

#[test]
fn pods_that_may_not_be_read_are_said_and_stop_only_a_run_that_restarts() {
    let reading = site(false);
    reading.cluster.forbid("list pods");
    let (_, err) = reading.apply(0);
    assert!(
        in_one_line(&err).contains("so pods that run without their role are not found"),
        "{err}"
    );
    let restarting = site(true);
    restarting.cluster.forbid("list pods");
    let (_, err) = restarting.apply(6);
    assert!(err.contains("list on Pods in namespace default"), "{err}");
}

#[test]
fn pods_that_have_ended_or_opted_out_need_no_restart() {
    let site = site(true);
    site.cluster.remove("/api/v1/namespaces/default/pods/app-1-a");
    put_pod(&site, "done", owner("ReplicaSet", "app-1"), "2026-01-01T00:00:00Z");
    let mut pod = site.cluster.get("/api/v1/namespaces/default/pods/done").unwrap();
    pod["status"]["phase"] = "Succeeded".into();
    site.cluster.put(&pod);
    put_pod(&site, "out", owner("ReplicaSet", "app-1"), "2026-01-01T00:00:00Z");
    let mut pod = site.cluster.get("/api/v1/namespaces/default/pods/out").unwrap();
    pod["metadata"]["labels"] = json!({"eks.amazonaws.com/skip-pod-identity-webhook": "true"});
    site.cluster.put(&pod);
    let (_, err) = site.apply(0);
    assert!(!err.contains("Deployment") && !err.contains("without"), "{err}");
    assert_eq!(restarted_at(&site), None);
}
