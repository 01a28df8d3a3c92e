//! What the status and the Events of an object say: the truth, once, and again if it could not be written.

use std::time::Duration;

use base64ct::{Base64, Encoding};
use issuer_test_support::{ACCESS_KEY, CloudFrontServer, IamServer, S3Server, SECRET_KEY};
use issuerctl_e2e::{BUCKET, Controller, NEWEST};
use serde_json::{Value, json};

use crate::controller_world::{CLUSTERS, INTERVAL, World, tell};

/// Whether the controller may write the status of objects.
fn may_report(world: &World, verbs: &Value) {
    let path = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{CLUSTERS}/roles/issuerctl");
    let role = world.client.send("GET", &path, "application/json", &Value::Null).1;
    assert_eq!(role["rules"][1]["resources"], json!(["serviceaccountissuers/status"]), "{role:#}");
    let patch = json!([{"op": "replace", "path": "/rules/1/verbs", "value": verbs}]);
    let (status, answer) = world.client.send("PATCH", &path, "application/json-patch+json", &patch);
    assert_eq!(status, 200, "{answer}");
}

fn count(world: &World, name: &str, reason: &str) -> usize {
    world.events(name).iter().filter(|event| *event == reason).count()
}

fn pause() {
    std::thread::sleep(Duration::from_secs(2 * INTERVAL + 1));
}

/// The status could not be written for a while.
pub(crate) fn again() {
    let world = World::new(NEWEST);
    world.set_key("prod", "key-1");
    let controller = world.start("first");
    world.api.apply(&world.object("prod", &json!({})).to_string());
    world.waits_for("prod", "Ready", "Ready");
    may_report(&world, &json!(["get"]));
    world.changed("prod", &json!({"spec": {"suspend": true}}));
    let refused = || controller.log().matches("the object could not be written").count() >= 2;
    tell("a status refused twice", world.until("the refusal", refused));
    may_report(&world, &json!(["patch"]));
    tell("until it is written", world.waits_for("prod", "Ready", "Suspended").0);

    // Nothing is changed that was not claimed in the status before.
    may_report(&world, &json!(["get"]));
    world.set_key("other", "key-2");
    world.api.apply(&world.object("other", &json!({})).to_string());
    let refused = || controller.log().matches("clusters/other").count() >= 3;
    world.until("the refusal", refused);
    assert!(world.published("other").is_empty());
    may_report(&world, &json!(["patch"]));
    world.waits_for("other", "Ready", "Ready");
    assert!(!world.read("other").unwrap()["status"]["claims"].as_array().unwrap().is_empty());
}

/// What the command line would print as a warning is in a condition, and in one Event.
pub(crate) fn warnings() {
    let world = World::new(NEWEST);
    world.set_key("prod", "key-1");
    let controller = world.start("first");
    let key = std::fs::read_to_string(world.publisher.sandbox.path().join("key-1/sa.pub")).unwrap();
    let block = "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n";
    let both = Base64::encode_string(format!("{key}{block}").as_bytes());
    let patch = json!({"data": {"tls.crt": both}}).to_string();
    world.api.kubectl(&format!("patch secret prod-sa -n {CLUSTERS} --type merge -p {patch}"));
    let mut object = world.object("prod", &json!({}));
    object["spec"].as_object_mut().unwrap().remove("provider");
    world.api.apply(&object.to_string());
    let (_, message) = world.waits_for("prod", "RolesReady", "NotFound");
    assert!(message.contains("Fix: set spec.provider: {}"), "{message}");
    let (_, message) = world.waits_for("prod", "KeysPublished", "Published");
    assert!(message.contains("block 2 is skipped"), "{message}");
    pause();
    assert_eq!(
        (count(&world, "prod", "SkippedBlock"), count(&world, "prod", "NoProvider")),
        (1, 1)
    );
    let followed = || controller.metric("issuerctl_last_success_timestamp_seconds");
    assert!(followed().is_some(), "keys are followed, whatever roles there are");
    world.changed("prod", &json!({"spec": {"provider": {}}}));
    world.waits_for("prod", "Ready", "Ready");
    pause();
    assert_eq!(
        (count(&world, "prod", "SkippedBlock"), count(&world, "prod", "NoProvider")),
        (1, 1)
    );
    assert_eq!(controller.metric("issuerctl_objects_listed"), Some(1.0));
}

/// With the policy Report: what is right is not called something that was not asked for, and what stays is said
/// once, also beside a new key.
pub(crate) fn report_only() {
    const ARN: &str = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess";
    let world = World::new(NEWEST);
    world.set_key("prod", "key-1");
    let controller = world.start("first");
    let report = json!({"driftPolicy": "Report"});
    world.api.apply(&world.object("prod", &report).to_string());
    world.waits_for("prod", "Ready", "Ready");
    // The same issuer, whose documents somebody else publishes.
    let mut alone = world.object("prod", &report);
    alone["metadata"]["name"] = json!("alone");
    let spec = alone["spec"].as_object_mut().unwrap();
    spec.retain(|member, _| ["driftPolicy", "issuer"].contains(&member.as_str()));
    spec.insert("provider".to_owned(), json!({}));
    pause();
    let (_, provider) = world.waits_for("prod", "ProviderReady", "UpToDate");
    assert!(provider.contains("oidc-provider"), "{provider}");
    assert_eq!(world.waits_for("prod", "RolesReady", "UpToDate").1, "1 in spec.roles");

    world.iam(&format!("detach-role-policy --role-name prod-app --policy-arn {ARN}")).succeeded();
    let (_, message) = world.waits_for("prod", "Ready", "DriftFound");
    assert!(message.contains("role prod-app"), "{message}");
    let second = world.set_key("prod", "key-2");
    world.until("the new key", || world.published("prod").contains(&second));
    world.until("the status", || world.read("prod").unwrap()["status"]["keyCount"] == 2);
    world.waits_for("prod", "RolesReady", "DriftFound");
    world.waits_for("prod", "Ready", "DriftFound");
    world.waits_for("prod", "KeysPublished", "Published");
    // A server that did not answer in between is told, and after it the drift anew.
    let failed = ["Unavailable", "NotAccepted"].map(|reason| count(&world, "prod", reason));
    let most = 1 + failed.iter().sum::<usize>();
    assert!(count(&world, "prod", "DriftFound") <= most, "{}", controller.log());

    // A refused issuer beside it.
    let line = format!("s3api get-bucket-policy --bucket {BUCKET} --query Policy --output text");
    let policy = world.publisher.aws(&line).succeeded();
    world.publisher.sandbox.file("policy.json", &policy);
    let found = count(&world, "prod", "DriftFound");
    world.make_private();
    world.waits_for("prod", "Verified", "NotAccepted");
    // An Event follows the status.
    world.until("the Event", || count(&world, "prod", "DriftFound") > found);
    // As above, if a server does not answer meanwhile.
    let told = |reason| count(&world, "prod", reason);
    let before = told("DriftFound") - told("Unavailable").min(told("DriftFound"));
    pause();
    assert!(told("DriftFound") <= before + told("Unavailable"), "{}", controller.log());

    // An object of IAM alone says what AWS STS says.
    world.api.kubectl(&format!("delete sai prod -n {CLUSTERS} --timeout 30s"));
    let put = format!("s3api put-bucket-policy --bucket {BUCKET} --policy file://policy.json");
    world.publisher.aws(&put).succeeded();
    world.api.apply(&alone.to_string());
    world.waits_for("alone", "Ready", "Ready");
    world.make_private();
    world.waits_for("alone", "Verified", "NotAccepted");
}

/// A repair that fails each time.
pub(crate) fn not_repairable() {
    let mut world = World::new(NEWEST);
    let iam = IamServer::start();
    world.publisher.sandbox = world
        .publisher
        .sandbox
        .with("AWS_ENDPOINT_URL_IAM", &iam.url())
        .with("AWS_ENDPOINT_URL_STS", &iam.url());
    world.set_key("prod", "key-1");
    let _controller = world.start("first");
    world.api.apply(&world.object("prod", &json!({})).to_string());
    world.waits_for("prod", "Ready", "Ready");
    iam.deny("AttachRolePolicy");
    iam.change(|account| account.roles.get_mut("prod-app").unwrap().attached.clear());
    world.until("the drift", || count(&world, "prod", "DriftFound") > 0);
    let reason = || {
        let ready = &world.read("prod").unwrap()["status"]["conditions"][0];
        (ready["reason"].clone(), ready["message"].clone())
    };
    world.until("the failure", || reason().0 != "DriftFound");
    let failed = reason().0.as_str().unwrap().to_owned();
    // An Event follows the status.
    world.until("the Event", || count(&world, "prod", &failed) > 0);
    let (version, events) = (reason(), world.events("prod"));
    // It is tried several times meanwhile, and new keys are published.
    let second = world.set_key("prod", "key-2");
    for _ in 0..100 {
        assert_eq!(reason(), version);
        std::thread::sleep(Duration::from_millis(150));
    }
    assert!(world.published("prod").contains(&second));
    let after = world.events("prod");
    let of = |events: &[String], name: &str| events.iter().filter(|one| *one == name).count();
    for name in ["DriftFound", &failed] {
        assert_eq!(of(&after, name), of(&events, name), "{name}: {after:?}");
    }
}

/// A distribution is deployed for minutes, and the only worker goes on with the others.
pub(crate) fn deploying() {
    let mut world = World::new(NEWEST);
    let (store, cloudfront) = (S3Server::start(), CloudFrontServer::start());
    world.publisher.sandbox = world
        .publisher
        .sandbox
        .with("AWS_ENDPOINT_URL_CLOUDFRONT", &cloudfront.url())
        .with("AWS_ENDPOINT_URL_S3", &store.endpoint())
        .with("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .with("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    for name in ["prod", "other"] {
        world.set_key(name, &format!("key-{name}"));
    }
    let flags = world.flags.replace("--parallel=16", "--parallel=1");
    assert_ne!(flags, world.flags);
    let flags = format!("{flags} --allow-endpoint {}", store.endpoint());
    let controller =
        Controller::start(&world.publisher.sandbox, &world.kubeconfig, "first", &flags);
    let mut front = world.object("other", &json!({"deletionPolicy": "Delete"}));
    let spec = front["spec"].as_object_mut().unwrap();
    spec.remove("issuer");
    let s3 = spec["store"]["s3"].as_object_mut().unwrap();
    s3.insert("access".to_owned(), json!("cloudfront"));
    s3.remove("endpointUrl");
    world.api.apply(&front.to_string());
    let (_, message) = world.waits_for("other", "Ready", "Deploying");
    assert!(message.contains("is being deployed"), "{message}");
    world.waits_for("other", "KeysPublished", "Applied");
    let is_published = |name: &str, kid: &str| {
        let bucket = if name == "prod" { "beside" } else { BUCKET };
        let keys = store.get(bucket, &format!("{name}/keys.json")).unwrap_or_default();
        String::from_utf8_lossy(&keys).contains(kid)
    };
    let mut beside = world.object("prod", &json!({}));
    let s3 = beside["spec"]["store"]["s3"].as_object_mut().unwrap();
    s3.insert("bucket".to_owned(), json!("beside"));
    s3.insert("endpointUrl".to_owned(), json!(store.endpoint()));
    world.api.apply(&beside.to_string());
    for name in ["prod", "other"] {
        let kid = world.set_key(name, &format!("{name}-next"));
        let took = world.until("the new key", || is_published(name, &kid));
        tell(&format!("a new key of {name} while a distribution is deployed"), took);
    }

    world.api.kubectl(&format!("delete sai other -n {CLUSTERS} --wait=false"));
    let disabled = || {
        let all = cloudfront.distributions();
        all.values().all(|there| there.element("Enabled") == "false")
    };
    world.until("the end of the distribution", disabled);
    let (_, message) = world.waits_for("other", "Ready", "Deploying");
    assert!(message.contains("is being disabled"), "{message}");
    let kid = world.set_key("prod", "prod-last");
    world.until("the key of the other", || is_published("prod", &kid));
    cloudfront.deploy_everything();
    world.until("the end", || world.read("other").is_none());
    assert!(cloudfront.distributions().is_empty(), "{}", controller.log());
}
