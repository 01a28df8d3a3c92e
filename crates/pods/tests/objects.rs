//! The printed objects: what they are made of, and that they are read as they were meant.

#![expect(clippy::unwrap_used, reason = "tests")]

use issuer_pods::{
    FailurePolicy, Literal, PolicyApi, PolicyOptions, Roles, Selector, ServingCertificate,
    Settings, WEBHOOK_IMAGE, WebhookOptions, policy, webhook, webhook_names,
};
use proptest::prelude::*;
use serde_json::{Value, json};

#[test]
fn a_policy_is_v1_since_1_36() {
    for version in ["1.36", "v1.36.3", "1.37.0-rc.1", "1.40.1+k3s1"] {
        assert_eq!(PolicyApi::of_kubernetes(version).unwrap(), PolicyApi::V1, "{version}");
    }
    for version in ["1.34", "v1.35.0-eks-abc"] {
        assert_eq!(PolicyApi::of_kubernetes(version).unwrap(), PolicyApi::V1beta1, "{version}");
    }
    for version in ["1.33", "1.9", "", "x", "1", "2.0"] {
        assert!(PolicyApi::of_kubernetes(version).is_err(), "{version}");
    }
}

/// kubernetes#142181: the API server panics on every matching request.
#[test]
fn no_patch_has_an_object_within_a_list_or_a_map() {
    for object in policy(&options(annotations(true))).unwrap() {
        let text = object.to_string().replace([' ', '\n'], "");
        assert!(!text.contains("value:[Object") && !text.contains(":Object{"), "{text}");
        assert!(!text.contains("flatten("), "1.34 does not have it");
    }
}

#[test]
fn a_namespace_without_accounts_is_not_shut() {
    let objects = policy(&options(annotations(false))).unwrap();
    let binding = &objects[1]["spec"]["paramRef"];
    assert_eq!(*binding, json!({"selector": {}, "parameterNotFoundAction": "Allow"}));
    assert_eq!(objects[0]["spec"]["failurePolicy"], "Fail");
}

#[test]
fn literals_reach_only_the_pods_of_their_namespaces() {
    let roles = (0..4000).map(|number| Literal {
        namespace: format!("team-{}", number % 7),
        name: format!("app-{number}"),
        role: "arn:aws:iam::111122223333:role/app".to_owned(),
        audience: (number == 5).then(|| "x'y".to_owned()),
    });
    let objects = policy(&options(Roles::Literals(roles.collect()))).unwrap();
    assert!(objects.len() >= 4);
    let mut names: Vec<&str> =
        objects.iter().map(|object| object["metadata"]["name"].as_str().unwrap()).collect();
    names.dedup();
    assert_eq!(names[..2], ["irsa.issuerctl.dev", "2.irsa.issuerctl.dev"]);
    for object in &objects {
        for expression in expressions(object) {
            assert!(expression.chars().count() <= 100_000, "{}", expression.len());
        }
        assert_eq!(object["spec"].get("paramKind"), None, "nothing is read");
    }
    let selector =
        &objects[1]["spec"]["matchResources"]["namespaceSelector"]["matchExpressions"][0];
    assert!(selector["values"].as_array().unwrap().iter().all(|name| name != ""), "{selector}");
    let quoted = objects.iter().any(|object| object.to_string().contains("x\\\\'y"));
    assert!(quoted, "quoted for CEL");
}

#[test]
fn the_bundle_is_complete_and_keeps_clear_of_kube_system() {
    let own = ServingCertificate::Own {
        certificate: "certificate".to_owned(),
        key: "key".to_owned(),
        authorities: "authority".to_owned(),
    };
    for (certificate, kinds) in [
        (own, "Secret"),
        (ServingCertificate::CertManager, "Issuer Certificate Issuer Certificate"),
    ] {
        let objects = webhook(&bundle(certificate));
        let listed: Vec<&str> =
            objects.iter().map(|object| object["kind"].as_str().unwrap()).collect();
        assert_eq!(
            listed.join(" "),
            format!(
                "Namespace ServiceAccount ClusterRole ClusterRoleBinding {kinds} Deployment \
                 PodDisruptionBudget Service MutatingWebhookConfiguration"
            )
        );
        let hook = &objects.last().unwrap()["webhooks"][0];
        assert_eq!(
            hook["namespaceSelector"]["matchExpressions"][0]["values"],
            json!(["kube-system", "irsa"])
        );
        let image = objects.iter().find_map(|object| {
            object.pointer("/spec/template/spec/containers/0/image").and_then(Value::as_str)
        });
        assert!(image.unwrap().contains(":v"), "pinned");
    }
    assert_eq!(webhook_names("irsa")[0], "pod-identity-webhook.irsa.svc");
}

#[test]
fn cert_manager_injects_the_authority_of_the_certificate_that_the_webhook_serves_with() {
    let objects = webhook(&bundle(ServingCertificate::CertManager));
    let find = |kind: &str, name: &Value| {
        let is = |o: &&Value| o["kind"] == kind && o["metadata"]["name"] == *name;
        objects.iter().find(is).unwrap()
    };
    let hook = objects.last().unwrap();
    assert_eq!(
        hook["metadata"]["annotations"]["cert-manager.io/inject-ca-from"],
        "irsa/pod-identity-webhook"
    );
    let serving = find("Certificate", &"pod-identity-webhook".into());
    let deployment = find("Deployment", &"pod-identity-webhook".into());
    let mounted = &deployment["spec"]["template"]["spec"]["volumes"][0]["secret"]["secretName"];
    assert_eq!(serving["spec"]["secretName"], *mounted);
    let signing = find("Issuer", &serving["spec"]["issuerRef"]["name"]);
    let is_root = |o: &&Value| {
        o["kind"] == "Certificate" && o["spec"]["secretName"] == signing["spec"]["ca"]["secretName"]
    };
    let root = objects.iter().find(is_root).unwrap();
    assert_eq!(root["spec"]["isCA"], true);
    assert!(find("Issuer", &root["spec"]["issuerRef"]["name"])["spec"]["selfSigned"].is_object());
}

#[test]
fn only_flags_that_differ_are_passed_on() {
    let arguments = |settings: Settings| {
        let options = WebhookOptions { settings, ..bundle(ServingCertificate::CertManager) };
        let objects = webhook(&options);
        let deployment = objects.iter().find(|object| object["kind"] == "Deployment").unwrap();
        deployment["spec"]["template"]["spec"]["containers"][0]["args"].to_string()
    };
    assert!(!arguments(Settings::default()).contains("token-"));
    let settings = Settings {
        audience: "example.org".to_owned(),
        region: Some("eu-central-1".to_owned()),
        regional_sts: true,
        ..Settings::default()
    };
    let passed = arguments(settings);
    for flag in [
        "--token-audience=example.org",
        "--aws-default-region=eu-central-1",
        "--sts-regional-endpoint=true",
    ] {
        assert!(passed.contains(flag), "{passed}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the flags hold, the printed YAML has it.
    #[test]
    fn printed_objects_are_read_as_they_were_made(text in "\\PC{0,12}", more in "[ -~\\n\\t'\"\\\\]{0,20}") {
        let mut options = options(annotations(true));
        options.settings.prefix = text.clone();
        options.settings.audience = more.clone();
        options.settings.mount_path = format!("/{text}");
        options.settings.region = Some(more);
        options.guard = true;
        let objects = policy(&options).unwrap();
        let printed = issuer_yaml::to_yaml(&objects);
        let read: Vec<Value> = serde_saphyr::from_multiple(&printed).unwrap();
        prop_assert_eq!(&read, &objects);
        let parsed = issuer_yaml::parse(&printed).unwrap();
        let values: Vec<Value> = parsed.iter().map(|own| own.root.value().unwrap()).collect();
        prop_assert_eq!(&values, &objects);
    }
}

fn expressions(value: &Value) -> Vec<&str> {
    match value {
        Value::Object(map) => map
            .iter()
            .flat_map(|(key, value)| match value.as_str() {
                Some(text) if key == "expression" => vec![text],
                _ => expressions(value),
            })
            .collect(),
        Value::Array(list) => list.iter().flat_map(expressions).collect(),
        _ => Vec::new(),
    }
}

fn annotations(labelled: bool) -> Roles {
    Roles::Annotations { labelled }
}

fn options(roles: Roles) -> PolicyOptions {
    PolicyOptions {
        settings: Settings::default(),
        api: PolicyApi::V1,
        roles,
        namespaces: Some(Selector::parse("team").unwrap()),
        guard: false,
    }
}

fn bundle(certificate: ServingCertificate) -> WebhookOptions {
    WebhookOptions {
        settings: Settings::default(),
        namespace: "irsa".to_owned(),
        image: WEBHOOK_IMAGE.to_owned(),
        certificate,
        failure_policy: FailurePolicy::Ignore,
        namespaces: None,
    }
}
