//! `apply` ends by proving that pods get what the roles promise.

use serde_json::{Value, json};

use crate::desk::golden;
use crate::signer::Signer;
use crate::workload::{ISSUER, Site, in_one_line};

/// A site with a ServiceAccount of the role `app`.
fn signing(issuer: &'static str) -> Site {
    let site = Site::new("");
    site.cluster.put_account("default/app", json!({}));
    site.sign_for(issuer);
    site
}

/// The same without a provider, and with the documents in a folder: nothing has to be served.
fn in_folder(issuer: &'static str) -> Site {
    let site = signing(issuer);
    site.lab.file(
        "issuer.yaml",
        "apiVersion: issuerctl.dev/v1alpha1\nkind: ServiceAccountIssuer\nmetadata: {name: prod}\n\
         spec:\n  keys: [{file: sa.pub}]\n  issuer: https://oidc.example.com/prod\n  store: {folder: \
         site}\n  roles: [{name: app, serviceAccounts: [default/app]}]\n  workload: {kubeconfig: \
         workload.kubeconfig, injection: none}\n",
    );
    site
}

#[test]
fn a_fresh_token_of_each_role_is_judged_at_the_end() {
    let site = in_folder(ISSUER);
    let (out, err) = site.lab.run("apply -f issuer.yaml --output json", 0);
    let said = "proved: AWS STS would accept a token of default/app for the role app";
    assert!(err.contains(said), "{err}");
    let report: Value = serde_json::from_str(&out).unwrap();
    let proof = &report["issuers"][0]["proofs"][0];
    assert_eq!(
        (&proof["role"], &proof["service_account"], &proof["verification"]["passed"]),
        (&json!("app"), &json!("default/app"), &json!(true))
    );
    assert_eq!(proof["assumed_role_arn"], Value::Null);
    let checks = proof["verification"]["checks"].as_array().unwrap();
    assert!(checks.iter().any(|check| check["id"] == "token-signature"), "{checks:?}");
}

#[test]
fn a_token_of_a_key_that_is_not_published_ends_with_5_after_everything_is_applied() {
    let site = in_folder(ISSUER);
    let other = Signer::new();
    site.cluster.mint(move |account, audience| other.token(ISSUER, account, audience));
    let (_, err) = site.lab.run("apply -f issuer.yaml", 5);
    assert!(err.contains("everything is applied, but AWS STS would not accept"), "{err}");
    assert!(err.contains("FAILED at token-kid"), "{err}");
    assert_eq!(site.role("default/app"), "arn:aws:iam::111122223333:role/app");
    // The same without reading the issuer.
    let (_, err) = site.lab.run("apply -f issuer.yaml --no-verify", 5);
    assert!(err.contains("the role app cannot be used"), "{err}");
    let err = in_one_line(&err);
    assert_eq!(err.matches("the cluster signs with the key").count(), 1, "{err}");
    assert!(err.contains("spec.workload.kubeconfig and spec.workload.context select"), "{err}");
    assert!(!err.contains("--live-"), "apply has no such option: {err}");
}

#[test]
fn an_api_server_that_signs_for_another_issuer_is_named_with_the_command_that_changes_it() {
    let site = in_folder("https://kubernetes.default.svc.cluster.local");
    let (_, err) = site.lab.run("apply -f issuer.yaml", 5);
    assert!(err.contains("signs tokens of the issuer https://kubernetes.default.svc"), "{err}");
    let line = err.lines().find(|line| line.contains("issuerctl render ")).unwrap();
    assert!(line.contains("issuerctl render DISTRIBUTION --issuer"), "{line}");
    assert!(line.contains("kubeadm, eks-anywhere, cluster-api, talos"), "{line}");

    // Its version says which distribution it is, and the printed command is one that runs.
    site.cluster.version("v1.36.3+k3s1");
    let (_, err) = site.lab.run("apply -f issuer.yaml", 5);
    let command = err.split('`').find(|part| part.starts_with("issuerctl render k3s")).unwrap();
    let (out, _) = site.lab.run(command.strip_prefix("issuerctl ").unwrap(), 0);
    assert!(out.contains(&format!("service-account-issuer={ISSUER}")), "{out}");
    let kept = "service-account-issuer=https://kubernetes.default.svc.cluster.local";
    assert!(out.contains(kept), "{out}");
}

#[test]
fn with_prove_the_token_is_exchanged_and_the_credentials_are_in_no_output() {
    let site = signing(ISSUER);
    let (out, err) =
        site.lab.run("apply -f issuer.yaml --no-verify --prove --verbose --output json", 0);
    let arn = "arn:aws:sts::111122223333:assumed-role/app/issuerctl";
    assert!(err.contains(&format!("proved: default/app has credentials of {arn}")), "{err}");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["issuers"][0]["proofs"][0]["assumed_role_arn"], arn);
    for secret in ["a-secret-key-of-the-session", "a-session-token", "eyJ"] {
        assert!(!out.contains(secret) && !err.contains(secret), "{secret}");
    }
    assert!(err.contains("the role jobs is not proved: it has no ServiceAccount yet"), "{err}");
}

#[test]
fn a_token_that_sts_refuses_ends_with_5() {
    let site = signing(ISSUER);
    site.apply(0);
    // Somebody takes the trust away behind our back.
    site.lab.iam.before("AssumeRoleWithWebIdentity", |account| {
        let role = account.roles.get_mut("app").unwrap();
        role.trust = r#"{"Version": "2012-10-17", "Statement": []}"#.to_owned();
    });
    let (_, err) = site.lab.run("apply -f issuer.yaml --no-verify --prove", 5);
    assert!(err.contains("STS gives no credentials of") && err.contains("AccessDenied"), "{err}");
}

#[test]
fn a_token_that_may_not_be_requested_is_said_and_is_no_failure() {
    let site = in_folder(ISSUER);
    site.cluster.forbid("create token");
    let (_, err) = site.lab.run("apply -f issuer.yaml", 0);
    assert!(err.contains("the role app is not proved: create on ServiceAccount app"), "{err}");
    // Nothing to ask.
    site.cluster.allow("create token");
    site.cluster.remove("/api/v1/namespaces/default/serviceaccounts/app");
    let (_, err) = site.lab.run("apply -f issuer.yaml", 0);
    assert!(err.contains("the ServiceAccount default/app does not exist"), "{err}");
}

#[test]
fn to_prove_something_there_must_be_a_cluster() {
    let site = signing(ISSUER);
    let text = std::fs::read_to_string(site.lab.path("issuer.yaml")).unwrap();
    let without: String = text
        .lines()
        .filter(|line| !line.contains("workload:"))
        .fold(String::new(), |text, line| text + line + "\n");
    site.lab.file("issuer.yaml", &without);
    let (_, err) = site.lab.run("apply -f issuer.yaml --no-verify --prove", 3);
    assert!(err.contains("spec.workload"), "{err}");
}

#[test]
fn without_a_token_the_api_server_is_believed_about_its_issuer() {
    let site = in_folder(ISSUER);
    site.cluster.remove("/api/v1/namespaces/default/serviceaccounts/app");
    let keys = golden("cases/p256/jwks.json");
    site.cluster.publish(ISSUER, &keys);
    site.lab.run("apply -f issuer.yaml", 0);
    site.cluster.publish("https://kubernetes.default.svc", &keys);
    let (_, err) = site.lab.run("apply -f issuer.yaml", 5);
    assert!(err.contains("signs tokens of the issuer https://kubernetes.default.svc,"), "{err}");
}

#[test]
fn a_plan_says_that_the_api_server_has_another_issuer_if_that_may_be_read() {
    const OTHER: &str = "https://kubernetes.default.svc";
    let site = in_folder(ISSUER);
    let warns = |is_other: bool| {
        let (_, err) = site.lab.run("plan -f issuer.yaml", 7);
        let text = in_one_line(&err);
        assert_eq!(text.contains(&format!("is {OTHER}, not {ISSUER}")), is_other, "{err}");
    };
    // It is not published.
    warns(false);
    let keys = golden("cases/p256/jwks.json");
    site.cluster.publish(OTHER, &keys);
    warns(true);
    site.cluster.forbid("get openid-configuration");
    warns(false);
    site.cluster.allow("get openid-configuration");
    site.cluster.publish(ISSUER, &keys);
    warns(false);
}
