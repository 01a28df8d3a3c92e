//! What the controller must never do: give an object what is another's, delete what it did not apply, or
//! stop verifying and repairing because something else fails.

use std::time::Duration;

use issuerctl_e2e::{BUCKET, NEWEST, OLDEST};
use serde_json::{Value, json};

use crate::controller::{CLUSTERS, INTERVAL, World, tell};

/// A younger object that wants what an older one has; its name is the first of a list.
fn thief(world: &World) -> Value {
    let mut object = world.object(
        "prod",
        &json!({
            "deletionPolicy": "Delete",
            "roles": [{"name": "prod-app", "serviceAccounts": ["evil/evil"]}],
        }),
    );
    object["metadata"]["name"] = json!("aaa");
    object
}

fn create(world: &World, object: &Value) {
    let path = World::path("");
    let (status, answer) = world.client.create(path.trim_end_matches('/'), object);
    assert_eq!(status, 201, "{answer}");
}

/// Everything of the older object is as it was.
#[track_caller]
fn is_unharmed(world: &World) {
    assert_eq!(world.published("prod").len(), 1);
    let role = world.iam("get-role --role-name prod-app").succeeded();
    assert!(!role.contains("evil"), "{role}");
    let providers = world.iam("list-open-id-connect-providers").succeeded();
    assert!(providers.contains("/prod"), "{providers}");
}

fn pause() {
    std::thread::sleep(Duration::from_secs(2 * INTERVAL));
}

/// An object that was refused stays so: after a start, while it is deleted, and while the other one is not
/// valid.
pub(crate) fn claims() {
    let world = World::new(NEWEST);
    world.set_key("prod", "key-1");
    let first = world.start("first");
    world.api.apply(&world.object("prod", &json!({"deletionPolicy": "Delete"})).to_string());
    world.waits_for("prod", "Ready", "Ready");
    create(&world, &thief(&world));
    world.waits_for("aaa", "Ready", "Conflict");
    assert!(!world.read("prod").unwrap()["status"]["claims"].as_array().unwrap().is_empty());

    first.end("KILL");
    let second = world.start("second");
    world.until("the list", || second.log().contains("the objects were listed"));
    pause();
    world.waits_for("aaa", "Ready", "Conflict");
    is_unharmed(&world);

    // The older object is no longer valid.
    let role = |account: &str| json!({"spec": {"roles": [{"name": "prod-app", "serviceAccounts": [account]}]}});
    world.changed("prod", &role("no-namespace"));
    world.waits_for("prod", "Ready", "InvalidSpec");
    let touch = json!({"metadata": {"annotations": {"touched": "once"}}});
    world.changed("aaa", &touch);
    pause();
    world.waits_for("aaa", "Ready", "Conflict");
    second.end("KILL");
    let third = world.start("third");
    world.until("the list", || third.log().contains("the objects were listed"));
    pause();
    world.waits_for("aaa", "Ready", "Conflict");
    is_unharmed(&world);
    world.changed("prod", &role("default/app"));
    world.waits_for("prod", "Ready", "Ready");

    // It is deleted while no controller runs.
    third.end("KILL");
    world.api.kubectl(&format!("delete sai aaa -n {CLUSTERS} --wait=false"));
    let _fourth = world.start("fourth");
    tell("a refused object deleted", world.until("its end", || world.read("aaa").is_none()));
    is_unharmed(&world);
    world.waits_for("prod", "Ready", "Ready");
}

/// The site of somebody else, whose keys are of another cluster: it is neither changed nor deleted, and the fix
/// of the condition takes it over.
pub(crate) fn foreign() {
    let world = World::new(NEWEST);
    let theirs = world.publisher.keygen("rsa-2048", "theirs");
    let issuer = world.object("other", &json!({}))["spec"]["issuer"].clone();
    let line = format!(
        "publish --key theirs/sa.pub --to s3://{BUCKET}/other --create-bucket --issuer {} --region us-east-1 \
         --endpoint-url {} --path-style --ca-file ca.pem",
        issuer.as_str().unwrap(),
        world.s3.url()
    );
    world.publisher.sandbox.issuerctl(&line).succeeded();
    let own = world.set_key("other", "key-other");
    let _controller = world.start("first");
    let object = world.object("other", &json!({"deletionPolicy": "Delete"}));
    create(&world, &object);
    let (_, message) = world.waits_for("other", "Ready", "OtherCluster");
    assert!(message.contains("--allow-other-cluster"), "{message}");
    world.api.kubectl(&format!("delete sai other -n {CLUSTERS} --timeout 30s"));
    assert_eq!(world.published("other"), [theirs.as_str()]);
    assert!(world.events("other").contains(&"Retained".to_owned()));

    create(&world, &object);
    world.waits_for("other", "Ready", "OtherCluster");
    let given = world.api.kubectl(&format!("get sai other -n {CLUSTERS} -o yaml"));
    world.publisher.sandbox.file("other.yaml", &given);
    let admin = world.api.kubeconfig("admin-token");
    let line = format!(
        "apply -f other.yaml --allow-other-cluster --kubeconfig {} --ca-file ca.pem",
        admin.display()
    );
    world.publisher.sandbox.issuerctl(&line).succeeded();
    assert_eq!(world.published("other").len(), 2);
    assert!(world.published("other").contains(&own));
    world.changed("other", &json!({"metadata": {"annotations": {"touched": "once"}}}));
    world.waits_for("other", "Ready", "Ready");
}

/// A source that is gone, documents that somebody has damaged, and a policy that somebody has widened.
pub(crate) fn repairs() {
    let world = World::new(NEWEST);
    let kid = world.set_key("prod", "key-1");
    let _controller = world.start("first");
    world.api.apply(&world.object("prod", &json!({})).to_string());
    world.waits_for("prod", "Ready", "Ready");

    // Whoever may write keys.json can sign tokens for every role.
    let line = format!("s3api get-bucket-policy --bucket {BUCKET} --query Policy --output text");
    let policy = world.publisher.aws(&line).succeeded();
    let mut widened: Value = serde_json::from_str(&policy).unwrap();
    widened["Statement"][0]["Action"] = json!(["s3:GetObject", "s3:PutObject"]);
    world.publisher.sandbox.file("policy.json", &widened.to_string());
    let put = format!("s3api put-bucket-policy --bucket {BUCKET} --policy file://policy.json");
    world.publisher.aws(&put).succeeded();
    let narrow = || !world.publisher.aws(&line).succeeded().contains("PutObject");
    tell("a widened policy until it is repaired", world.until("the repair", narrow));

    // Without its source, what is published is kept readable.
    world.api.kubectl(&format!("delete secret prod-sa -n {CLUSTERS}"));
    world.waits_for("prod", "KeysPublished", "NotFound");
    world.waits_for("prod", "Verified", "Accepted");
    world.make_private();
    let readable = || world.published("prod") == [kid.as_str()];
    tell("made private without a source until it is repaired", world.until("the repair", readable));
    world.set_key("prod", "key-2");
    world.waits_for("prod", "Ready", "Ready");
    assert_eq!(world.published("prod").len(), 2);

    // Documents that nobody can read are not replaced, and not called accepted either.
    world.publisher.sandbox.file("garbage", "garbage");
    let keys = format!("{BUCKET}/prod/keys.json");
    world.publisher.aws(&format!("s3 cp garbage s3://{keys}")).succeeded();
    world.waits_for("prod", "Verified", "NotAccepted");
    // Without them the present key alone can be published, and that is told.
    world.publisher.aws(&format!("s3 rm s3://{keys}")).succeeded();
    world.waits_for("prod", "Ready", "Ready");
    assert!(world.events("prod").contains(&"KeysMissing".to_owned()));
}

/// Before Kubernetes 1.36 the webhook is needed, for which the chart gives no rights.
pub(crate) fn workload() {
    let world = World::with(OLDEST, "--set controller.workload.enabled=true");
    world.api.create_account("default/app");
    let _controller = world.start("first");
    let own = json!({"keys": [{"apiserver": {}}], "workload": {}});
    create(&world, &world.object("own", &own));
    let (_, message) = world.waits_for("own", "WorkloadReady", "InvalidInput");
    assert!(message.contains("spec.workload.injection: none"), "{message}");
    pause();
    assert!(world.published("own").is_empty());
    assert!(!world.iam("list-roles").succeeded().contains("own-app"));
    world.changed("own", &json!({"spec": {"workload": {"injection": "none"}}}));
    world.waits_for("own", "KeysPublished", "Published");
    world.until("the annotation", || {
        world.api.kubectl("get serviceaccount app -o json").contains("role/own-app")
    });
}
