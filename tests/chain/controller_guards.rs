//! What the controller must never do: give an object what is another's, delete what it did not apply, or
//! stop verifying and repairing because something else fails.

use std::time::Duration;

use issuer_test_support::{CloudFrontServer, ISSUER_HOST};
use issuerctl_e2e::{Audit, BUCKET, NEWEST, OLDEST};
use serde_json::{Value, json};

use crate::controller_world::{CLUSTERS, INTERVAL, LOST, World, tell};

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

/// What makes the controller look at an object at once, and changes nothing.
fn touch() -> Value {
    json!({"metadata": {"annotations": {"issuerctl.dev/allow-issuer-change": "https://example.com"}}})
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
    world.changed("aaa", &touch());
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
    let publish = |key: &str, name: &str| {
        let line = format!(
            "publish --key {key}/sa.pub --to s3://{BUCKET}/{name} --create-bucket --issuer \
             https://{ISSUER_HOST}/{BUCKET}/{name} --region us-east-1 --endpoint-url {} --path-style --ca-file \
             ca.pem",
            world.s3.url()
        );
        world.publisher.sandbox.issuerctl(&line).succeeded();
    };
    publish("theirs", "other");
    let own = world.set_key("other", "key-other");
    let _controller = world.start("first");
    let object = world.object("other", &json!({"deletionPolicy": "Delete"}));
    create(&world, &object);
    let (_, message) = world.waits_for("other", "Ready", "OtherCluster");
    assert!(message.contains("--allow-other-cluster"), "{message}");
    // Nobody answers for a JWK Set that an object names.
    world.publisher.keygen("rsa-2048", "evil");
    publish("evil", "evil");
    let set = format!("https://{ISSUER_HOST}/{BUCKET}/evil/keys.json");
    world.changed("other", &json!({"spec": {"keys": [{"jwks": set}], "roles": []}}));
    let (_, message) = world.waits_for("other", "Ready", "OtherCluster");
    assert!(message.contains("evil/keys.json"), "{message}");
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
    world.changed("other", &touch());
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

/// The values of a chart whose controller may annotate ServiceAccounts of `default` alone.
const ONE_NAMESPACE: &str =
    "--set controller.workload.enabled=true --set controller.workload.namespaces={default}";

/// Members of a spec: the controller's own cluster, and a role for these ServiceAccounts.
fn of_own_cluster(accounts: &[&str]) -> Value {
    json!({
        "keys": [{"apiserver": {}}],
        "workload": {},
        "roles": [{"name": "own-app", "serviceAccounts": accounts}],
    })
}

/// A ServiceAccount in a namespace that the chart does not permit, whether it exists or not.
pub(crate) fn namespaces() {
    let world = World::with(NEWEST, ONE_NAMESPACE);
    world.api.create_account("default/app");
    world.api.create_account("payments/app");
    let _controller = world.start("first");
    let account = || world.api.kubectl("get serviceaccount app -o json");
    let refused = |account: &str| {
        let (_, message) = world.waits_for("own", "WorkloadReady", "AccessDenied");
        for part in [account, "spec.roles[].serviceAccounts", "controller.workload.namespaces"] {
            assert!(message.contains(part), "{part}: {message}");
        }
    };
    create(&world, &world.object("own", &of_own_cluster(&["default/app", "payments/app"])));
    refused("payments/app");
    world.changed("own", &json!({"spec": of_own_cluster(&["default/app", "payments/later"])}));
    refused("payments/later");
    pause();
    // Nothing of it was done.
    assert!(world.published("own").is_empty());
    let buckets = world.publisher.aws("s3api list-buckets").succeeded();
    assert!(!buckets.contains(BUCKET), "{buckets}");
    assert!(!world.iam("list-roles").succeeded().contains("own-app"));
    let providers = world.iam("list-open-id-connect-providers").succeeded();
    assert!(!providers.contains("/own"), "{providers}");
    assert!(!account().contains("own-app"));
    let policy = world.api.try_kubectl("get mutatingadmissionpolicy irsa.issuerctl.dev");
    assert_ne!(policy.code, Some(0), "{}", policy.out);

    // The API server of this test has another issuer, and that is the last thing that is looked at.
    world.changed("own", &json!({"spec": of_own_cluster(&["default/app"])}));
    world.waits_for("own", "WorkloadReady", "OtherIssuer");
    assert!(account().contains("role/own-app"));

    // What is published already is kept as it was declared, and nothing of the change is done.
    world.changed("own", &json!({"spec": of_own_cluster(&["default/app", "payments/app"])}));
    refused("payments/app");
    world.make_private();
    world.until("the repair", || !world.published("own").is_empty());
    let role = world.iam("get-role --role-name own-app").succeeded();
    assert!(role.contains("default:app") && !role.contains("payments"), "{role}");
}

/// A policy that does not exist is found before anything is written, and looked for again.
pub(crate) fn policies() {
    let world = World::new(NEWEST);
    world.set_key("prod", "key-1");
    let _controller = world.start("first");
    let missing = "arn:aws:iam::123456789012:policy/later";
    let policies = ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess", missing];
    let role = json!({
        "name": "prod-app", "serviceAccounts": ["default/app"], "policyArns": policies,
    });
    create(&world, &world.object("prod", &json!({"roles": [role]})));
    let (_, message) = world.waits_for("prod", "RolesReady", "InvalidInput");
    for part in [missing, "prod-app", "Fix: correct spec.roles[0].policyArns[1]"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    world.waits_for("prod", "Ready", "InvalidInput");
    pause();
    let buckets = world.publisher.aws("s3api list-buckets").succeeded();
    assert!(!buckets.contains(BUCKET), "{buckets}");
    assert!(!world.iam("list-roles").succeeded().contains("prod-app"));
    let providers = world.iam("list-open-id-connect-providers").succeeded();
    assert!(!providers.contains("/prod"), "{providers}");
    assert_eq!(world.read("prod").unwrap()["status"]["claims"], Value::Null);

    let document = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;
    world
        .iam(&format!("create-policy --policy-name later --policy-document {document}"))
        .succeeded();
    world.waits_for("prod", "Ready", "Ready");

    // What is applied already goes on without it: a new key is published.
    let more = json!({"name": "prod-app", "serviceAccounts": ["default/app"],
                      "policyArns": [missing, format!("{missing}-2")]});
    world.changed("prod", &json!({"spec": {"roles": [more]}}));
    world.waits_for("prod", "RolesReady", "InvalidInput");
    let kid = world.set_key("prod", "key-2");
    world.until("the new key", || world.published("prod").contains(&kid));
    let attached = world.iam("list-attached-role-policies --role-name prod-app").succeeded();
    assert!(attached.contains("AmazonS3ReadOnlyAccess"), "{attached}");
}

/// A distribution takes minutes to be made and to be taken back: it comes after everything that could refuse the
/// object, although all of that depends on its domain.
pub(crate) fn cloudfront() {
    let mut world = World::with(NEWEST, ONE_NAMESPACE);
    let cloudfront = CloudFrontServer::start();
    let store = world.s3.url().to_owned();
    world.publisher.sandbox = world
        .publisher
        .sandbox
        .with("AWS_ENDPOINT_URL_CLOUDFRONT", &cloudfront.url())
        .with("AWS_ENDPOINT_URL_S3", &store);
    world.api.create_account("default/app");
    let _controller = world.start("first");
    let mut object = world.object("own", &of_own_cluster(&["payments/app"]));
    let spec = object["spec"].as_object_mut().unwrap();
    spec.remove("issuer");
    let mut s3 = spec["store"]["s3"].clone();
    s3.as_object_mut().unwrap().remove("endpointUrl");
    s3["access"] = json!("cloudfront");
    spec["store"] = json!({"s3": s3});
    create(&world, &object);
    world.waits_for("own", "WorkloadReady", "AccessDenied");
    // The Secret of another cluster, which does not exist.
    let elsewhere = json!([{"cluster": {"name": "other"}}]);
    world.changed("own", &json!({"spec": {"keys": elsewhere, "workload": null}}));
    world.waits_for("own", "KeysPublished", "NotFound");
    pause();
    let log = cloudfront.take_log();
    assert!(!log.is_empty() && log.iter().all(|request| request.starts_with("GET ")), "{log:?}");
    let buckets = world.publisher.aws("s3api list-buckets").succeeded();
    assert!(!buckets.contains(BUCKET), "{buckets}");

    world.changed("own", &json!({"spec": of_own_cluster(&["default/app"])}));
    world.until("the distribution", || !cloudfront.distributions().is_empty());
    // MinIO knows no service of AWS that a policy could name, and later runs make no second one.
    pause();
    assert_eq!(cloudfront.distributions().len(), 1);
}

/// A leader that is stopped between reading and writing, and goes on when another one has the lease.
pub(crate) fn stopped() {
    let mut world = World::new(NEWEST);
    let audit = Audit::start();
    world.publisher.host.restart(&world.publisher.authority, &audit.variables());
    let mut kids = vec![world.set_key("prod", "key-1")];
    let first = world.start("first");
    world.api.apply(&world.object("prod", &json!({})).to_string());
    world.waits_for("prod", "Ready", "Ready");
    let writes = || {
        let requests = audit.of("first").into_iter();
        requests
            .filter(|request| request.starts_with("Put") || request.starts_with("Delete"))
            .count()
    };
    world.until("the log", || writes() > 0);
    let second = world.start("second");
    world
        .until("the second replica", || second.ask("/readyz").is_some_and(|(code, _)| code == 200));

    // It has read the new key when it reads the store.
    kids.push(world.set_key("prod", "key-2"));
    let before = audit.of("first").len();
    world.until("the next look", || audit.of("first").len() > before);
    first.signal("STOP");
    let was_published = world.published("prod").contains(&kids[1]);
    println!("controller: stopped {} the new key", if was_published { "after" } else { "before" });
    tell(
        "leader stopped until another one leads",
        world.until("it", || world.leader() == "second"),
    );
    world.until("the key", || world.published("prod").contains(&kids[1]));
    kids.push(world.set_key("prod", "key-3"));
    world.until("the key", || world.published("prod").contains(&kids[2]));
    world.waits_for("prod", "Ready", "Ready");
    world.until("the status", || world.read("prod").unwrap()["status"]["keyCount"] == 3);

    let version = || world.read("prod").unwrap()["metadata"]["resourceVersion"].clone();
    let (written, there) = (writes(), version());
    first.signal("CONT");
    let log = first.ended();
    assert!(log.contains(LOST), "{log}");
    pause();
    assert_eq!(writes(), written, "{:?}", audit.of("first"));
    assert_eq!(version(), there, "the status was written");
    assert_eq!(world.leader(), "second");
    let mut published = world.published("prod");
    published.sort();
    kids.sort();
    assert_eq!(published, kids);
    assert!(!second.log().contains(LOST));
}

/// Ready is a replica that has listed all objects, or waits for a lease that it can read.
pub(crate) fn readiness() {
    let world = World::new(NEWEST);
    world.server.cut();
    let first = world.start("first");
    let is = |code: u16, path: &str| first.ask(path).is_some_and(|(status, _)| status == code);
    world.until("its answer", || is(200, "/livez"));
    std::thread::sleep(Duration::from_secs(3));
    assert!(is(503, "/readyz"), "it is ready without its API server");

    // It has the lease, and may not list the objects.
    let role = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{CLUSTERS}/roles/issuerctl");
    let (_, there) = world.client.send("GET", &role, "application/json", &Value::Null);
    let set = |rules: &Value| {
        let patch = json!({"rules": rules});
        let media_type = "application/merge-patch+json";
        assert_eq!(world.client.send("PATCH", &role, media_type, &patch).0, 200);
    };
    set(&json!([]));
    world.server.mend();
    world.until("the leader", || first.log().contains("this replica is the leader"));
    world.until("the refusal", || first.log().contains("the objects cannot be watched"));
    std::thread::sleep(Duration::from_secs(3));
    assert!(is(503, "/readyz"), "it is ready without the objects");
    assert!(is(200, "/livez"), "it would be restarted for what others have to mend");
    let second = world.start("second");
    world
        .until("the one that waits", || second.ask("/readyz").is_some_and(|(code, _)| code == 200));
    set(&there["rules"]);
    world.until("its readiness", || is(200, "/readyz"));
    assert!(first.log().contains("the objects were listed"));
}
