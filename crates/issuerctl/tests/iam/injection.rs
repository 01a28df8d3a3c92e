//! What gives pods the role of their ServiceAccount: chosen, created, kept, given back.

use base64ct::{Base64, Encoding};
use serde_json::{Value, json};

use crate::workload::{Site, in_one_line};

const POLICY: &str =
    "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies/irsa.issuerctl.dev";
const WEBHOOK: &str =
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/pod-identity-webhook";
const SECRET: &str = "/api/v1/namespaces/pod-identity-webhook/secrets/pod-identity-webhook";

/// A webhook as the guides install it.
fn their_webhook() -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "pod-identity-webhook"},
        "webhooks": [{"name": "pod-identity-webhook.amazonaws.com", "clientConfig": {}}],
    })
}

fn authorities(site: &Site) -> (String, String) {
    let hook = site.cluster.get(WEBHOOK).unwrap();
    let bundle = hook["webhooks"][0]["clientConfig"]["caBundle"].as_str().unwrap().to_owned();
    let secret = site.cluster.get(SECRET).unwrap();
    (bundle, secret["data"]["ca.crt"].as_str().unwrap().to_owned())
}

#[test]
fn the_policy_is_chosen_where_it_is_served_and_a_second_run_changes_nothing() {
    for injection in ["auto", "policy"] {
        let site = Site::with_injection(injection);
        let before = site.cluster.dump();
        let plan = in_one_line(&site.lab.plan(7));
        assert!(plan.contains("+ MutatingAdmissionPolicy irsa.issuerctl.dev (https://"), "{plan}");
        let (_, err) = site.apply(0);
        assert!(err.contains("pods get their roles from an admission policy (v1)"), "{err}");
        let policy = site.cluster.get(POLICY).unwrap();
        assert_eq!(policy["metadata"]["labels"]["app.kubernetes.io/managed-by"], "issuerctl");
        assert!(site.cluster.get(WEBHOOK).is_none());
        site.writes();
        assert!(site.lab.plan(0).ends_with("\nno changes\n"));
        site.apply(0);
        assert_eq!(site.writes(), [""; 0], "{injection}");
        site.lab.run("delete -f issuer.yaml", 0);
        assert_eq!(site.cluster.dump(), before, "{injection}");
    }
}

#[test]
fn the_beta_version_of_the_policy_is_used_where_there_is_no_other() {
    let site = Site::with_injection("auto");
    let kinds = ["mutatingadmissionpolicies", "mutatingadmissionpolicybindings"];
    site.cluster.serve("admissionregistration.k8s.io/v1", &["mutatingwebhookconfigurations"]);
    site.cluster.serve("admissionregistration.k8s.io/v1beta1", &kinds);
    let before = site.cluster.dump();
    site.apply(0);
    assert!(site.cluster.get(&POLICY.replace("/v1/", "/v1beta1/")).is_some());
    site.writes();
    site.apply(0);
    assert_eq!(site.writes(), [""; 0]);
    site.lab.run("delete -f issuer.yaml", 0);
    assert_eq!(site.cluster.dump(), before);
}

#[test]
fn without_policies_the_webhook_is_installed_with_a_certificate_that_stays() {
    let site = Site::with_injection("auto");
    site.cluster.serve("admissionregistration.k8s.io/v1", &["mutatingwebhookconfigurations"]);
    let before = site.cluster.dump();
    let plan = site.lab.plan(7);
    for kind in ["Namespace", "Secret", "Deployment", "MutatingWebhookConfiguration"] {
        assert!(plan.contains(&format!("+ {kind} ")), "{kind}: {plan}");
    }
    let (out, err) = site.apply(0);
    assert!(err.contains("pods get their roles from the pod identity webhook"), "{err}");
    let secret = site.cluster.get(SECRET).unwrap();
    let key = Base64::decode_vec(secret["data"]["tls.key"].as_str().unwrap()).unwrap();
    let key = String::from_utf8(key).unwrap();
    let line = key.lines().nth(1).unwrap();
    assert!(!out.contains(line) && !err.contains(line), "the private key was printed");
    let (bundle, kept) = authorities(&site);
    assert_eq!(bundle, kept);
    for (path, object) in site.cluster.dump() {
        if path.contains("pod-identity-webhook") {
            let label = &object["metadata"]["labels"]["app.kubernetes.io/managed-by"];
            assert_eq!(label, "issuerctl", "{path}");
        }
    }
    site.writes();
    assert!(site.lab.plan(0).ends_with("\nno changes\n"));
    site.apply(0);
    assert_eq!(site.writes(), [""; 0]);
    assert_eq!(authorities(&site), (bundle, kept));
    site.lab.run("delete -f issuer.yaml", 0);
    assert_eq!(site.cluster.dump(), before);
}

#[test]
fn a_certificate_close_to_its_end_is_renewed_and_the_old_authority_stays_accepted() {
    let site = Site::with_injection("webhook");
    site.apply(0);
    let (_, fresh) = authorities(&site);
    // One that ends next month, as `render webhook` makes it.
    let (short, _) = site.lab.run("render webhook --valid-days 30 --output json", 0);
    let short: Value = serde_json::from_str(&short).unwrap();
    let text = short["document"].as_str().unwrap();
    let field = |name: &str| {
        let line = text.lines().find(|line| line.trim_start().starts_with(name)).unwrap();
        line.split_once(": ").unwrap().1.trim_matches('"').to_owned()
    };
    let mut secret = site.cluster.get(SECRET).unwrap();
    for name in ["tls.crt", "tls.key", "ca.crt"] {
        secret["data"][name] = field(&format!("{name}:")).into();
    }
    site.cluster.put_as("issuerctl", &secret);
    let plan = site.lab.plan(7);
    assert!(plan.contains("~ Secret pod-identity-webhook/pod-identity-webhook"), "{plan}");
    assert!(plan.contains("certificate") && plan.contains("valid until"), "{plan}");
    site.apply(0);
    let (bundle, kept) = authorities(&site);
    assert_eq!(bundle, kept);
    assert_ne!(kept, fresh);
    let text = String::from_utf8(Base64::decode_vec(&kept).unwrap()).unwrap();
    let old = String::from_utf8(Base64::decode_vec(&field("ca.crt:")).unwrap()).unwrap();
    assert!(text.ends_with(old.trim_start()) && text.matches("BEGIN").count() == 2, "{text}");
    site.writes();
    site.apply(0);
    assert_eq!(site.writes(), [""; 0]);
}

#[test]
fn a_webhook_that_is_there_already_is_used_and_nothing_is_added_to_it() {
    for injection in ["auto", "webhook"] {
        let site = Site::with_injection(injection);
        site.cluster.put(&their_webhook());
        let before = site.cluster.get(WEBHOOK);
        let (_, err) = site.apply(0);
        let said = "the webhook pod-identity-webhook, which issuerctl does not manage, gives pods";
        assert!(err.contains(said), "{err}");
        assert!(site.cluster.get(POLICY).is_none(), "{injection}");
        assert_eq!(site.cluster.get(WEBHOOK), before);
        site.lab.run("delete -f issuer.yaml", 0);
        assert_eq!(site.cluster.get(WEBHOOK), before);
    }
    // Who asks for the policy gets it, and is told.
    let site = Site::with_injection("policy");
    site.cluster.put(&their_webhook());
    let (_, err) = site.apply(0);
    assert!(err.contains("nothing is added twice"), "{err}");
    assert!(site.cluster.get(POLICY).is_some());
}

#[test]
fn what_an_earlier_run_installed_stays_when_somebody_adds_a_webhook() {
    let site = Site::with_injection("auto");
    site.apply(0);
    let mut webhook = their_webhook();
    webhook["metadata"]["name"] = "theirs".into();
    site.cluster.put(&webhook);
    site.writes();
    let (_, err) = site.apply(0);
    assert!(
        in_one_line(&err).contains("the webhook theirs, which issuerctl does not manage"),
        "{err}"
    );
    assert_eq!(site.writes(), [""; 0]);
    assert!(site.cluster.get(POLICY).is_some());
}

#[test]
fn a_policy_that_somebody_rendered_and_applied_is_used_and_stays_theirs() {
    let site = Site::with_injection("auto");
    let (text, _) = site.lab.run("render policy --kubernetes-version 1.36 --output json", 0);
    let document: Value = serde_json::from_str(&text).unwrap();
    assert!(document["document"].as_str().unwrap().contains("name: irsa.issuerctl.dev"));
    site.cluster.put(&json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": "irsa.issuerctl.dev"},
        "spec": {"variables": [{"name": "x", "expression": "'AWS_WEB_IDENTITY_TOKEN_FILE'"}]},
    }));
    let before = site.cluster.get(POLICY);
    let (_, err) = site.apply(0);
    assert!(
        err.contains("the admission policy irsa.issuerctl.dev, which issuerctl does not"),
        "{err}"
    );
    site.lab.run("delete -f issuer.yaml", 0);
    assert_eq!(site.cluster.get(POLICY), before);
}

#[test]
fn objects_of_somebody_else_with_our_names_are_a_conflict() {
    let site = Site::with_injection("webhook");
    let metadata = json!({"name": "pod-identity-webhook"});
    site.cluster.put(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}));
    site.cluster.put(&json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": metadata,
        "rules": [],
    }));
    let before = site.cluster.dump();
    let (_, err) = site.apply(4);
    assert!(err.contains("ClusterRole pod-identity-webhook"), "{err}");
    assert_eq!(site.cluster.dump(), before);
    // A namespace alone is used and kept.
    site.cluster.remove("/apis/rbac.authorization.k8s.io/v1/clusterroles/pod-identity-webhook");
    let before = site.cluster.dump();
    site.apply(0);
    site.lab.run("delete -f issuer.yaml", 0);
    assert_eq!(site.cluster.dump(), before);
}

#[test]
fn what_somebody_changed_is_put_right_and_shown() {
    let site = Site::with_injection("policy");
    site.apply(0);
    let mut policy = site.cluster.get(POLICY).unwrap();
    policy["spec"]["failurePolicy"] = "Ignore".into();
    // What the API server adds by itself is nothing that somebody changed.
    policy["spec"]["matchConstraints"]["matchPolicy"] = "Equivalent".into();
    site.cluster.put_as("kubectl-edit", &policy);
    let plan = site.lab.plan(7);
    assert!(plan.contains("~ MutatingAdmissionPolicy irsa.issuerctl.dev"), "{plan}");
    assert!(plan.contains("-   \"failurePolicy\": \"Ignore\""), "{plan}");
    assert!(!plan.contains("Equivalent"), "{plan}");
    site.apply(0);
    assert_eq!(site.cluster.get(POLICY).unwrap()["spec"]["failurePolicy"], "Fail");
    assert!(site.lab.plan(0).ends_with("\nno changes\n"));
}

#[test]
fn a_change_from_the_webhook_to_the_policy_leaves_nothing_of_the_webhook() {
    let site = Site::with_injection("none");
    let before = site.cluster.dump();
    site.inject("webhook");
    site.apply(0);
    site.inject("policy");
    let plan = site.lab.plan(7);
    assert!(plan.contains("- MutatingWebhookConfiguration pod-identity-webhook"), "{plan}");
    site.apply(0);
    let log = site.writes();
    let at = |what: &str| log.iter().rposition(|line| line.contains(what)).unwrap();
    let (policy, webhook) = (at("policies/irsa"), at("DELETE /apis/admissionregistration"));
    assert!(policy < webhook && webhook < at("DELETE /api/v1/namespaces/pod-identity-webhook"));
    assert!(site.cluster.get(POLICY).is_some() && site.cluster.get(WEBHOOK).is_none());
    site.lab.run("delete -f issuer.yaml", 0);
    assert_eq!(site.cluster.dump(), before);
}

#[test]
fn a_policy_without_a_server_for_it_is_refused_before_anything_is_changed() {
    let site = Site::with_injection("policy");
    site.cluster.serve("admissionregistration.k8s.io/v1", &["mutatingwebhookconfigurations"]);
    let (_, err) = site.apply(3);
    assert!(err.contains("does not serve MutatingAdmissionPolicy"), "{err}");
    assert!(site.lab.iam.account().roles.is_empty());
}

#[test]
fn a_run_that_is_cut_off_is_completed_by_the_next_one_and_taken_back_as_a_whole() {
    let site = Site::with_injection("webhook");
    let before = site.cluster.dump();
    site.cluster.forbid("patch deployments");
    site.apply(6);
    assert!(site.cluster.get(WEBHOOK).is_none(), "it is called, and cannot run");
    site.cluster.allow("patch deployments");
    site.lab.run("delete -f issuer.yaml", 0);
    assert_eq!(site.cluster.dump(), before);
    site.apply(0);
    assert!(site.cluster.get(WEBHOOK).is_some());
}

#[test]
fn a_service_account_without_the_label_that_the_policy_selects_by_is_named_as_the_cause() {
    let site = Site::new("");
    let (_, err) = site.lab.run("render policy --kubernetes-version 1.36", 0);
    assert!(!err.contains("label"), "{err}");
    let (out, err) = site.lab.run("render policy --kubernetes-version 1.36 --select-labelled", 0);
    let err = in_one_line(&err);
    assert!(err.contains("warning: pods of ServiceAccounts that exist already"), "{err}");
    assert!(
        out.contains("name: label.irsa.issuerctl.dev") && err.contains("label.irsa.issuerctl.dev")
    );
    assert!(out.contains("kubectl annotate serviceaccounts --all --all-namespaces"), "{out}");

    let role = json!({"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/app"});
    site.cluster.put_account("default/app", role);
    let options = issuer_pods::PolicyOptions {
        settings: issuer_pods::Settings::default(),
        api: issuer_pods::PolicyApi::V1,
        roles: issuer_pods::Roles::Annotations { labelled: true },
        namespaces: None,
        guard: false,
    };
    for object in issuer_pods::policy(&options).unwrap() {
        site.cluster.put(&object);
    }
    let check = "policy check --service-account default/app --kubeconfig workload.kubeconfig";
    let (out, _) = site.lab.run(check, 5);
    let fix = "kubectl --kubeconfig workload.kubeconfig label serviceaccount app --namespace default \
               issuerctl.dev/has-role=true";
    assert!(in_one_line(&out).contains(fix), "{out}");
    // With the label something else is the cause.
    let path = "/api/v1/namespaces/default/serviceaccounts/app";
    let mut account = site.cluster.get(path).unwrap();
    account["metadata"]["labels"] = json!({"issuerctl.dev/has-role": "true"});
    site.cluster.put(&account);
    let (out, _) = site.lab.run(check, 5);
    assert!(!out.contains("has-role") && out.contains("did not get its role"), "{out}");
}
