//! The controller on a real API server: what keeps an issuer as its object declares, and what it survives.

use std::time::{Duration, Instant};

use issuer_test_support::ISSUER_HOST;
use issuerctl_e2e::{ApiServer, BUCKET, Controller, Flags, NEWEST};
use serde_json::{Value, json};

use crate::controller_world::{CLUSTERS, INTERVAL, LOST, RELEASE, World, tell};

/// From an empty cluster to a published issuer, and what keeps it so.
pub(crate) fn run(version: &str) {
    let world = World::new(version);
    let first = world.set_key("prod", "key-1");
    let controller = world.start("first");
    world.api.apply(&world.object("prod", &json!({})).to_string());
    tell("first convergence", world.waits_for("prod", "Ready", "Ready").0);
    assert_eq!(world.published("prod"), [first.as_str()]);
    world.iam("get-role --role-name prod-app").succeeded();
    let table = world.api.kubectl(&format!("get sai -n {CLUSTERS} --no-headers"));
    let columns: Vec<&str> = table.split_whitespace().collect();
    let issuer = format!("https://{ISSUER_HOST}/{BUCKET}/prod");
    assert_eq!(columns[..5], ["prod", "True", "Ready", &issuer, "1"], "{table}");
    let object = world.read("prod").unwrap();
    assert_eq!(object["status"]["conditions"].as_array().unwrap().len(), 6, "{object:#}");
    assert_eq!(object["status"]["keys"], json!([first]));
    // Retain needs no finalizer, so that nothing waits for a controller that is gone.
    assert_eq!(object["metadata"]["finalizers"], Value::Null);

    // The Secret of a cluster has one key, and a rotation replaces it.
    let second = world.set_key("prod", "key-2");
    let took = world.until("the new key", || world.published("prod").contains(&second));
    tell("key rotated until it is published", took);
    assert!(world.published("prod").contains(&first));
    world.until("the status", || world.read("prod").unwrap()["status"]["keyCount"] == 2);

    world.make_private();
    let drift = || world.events("prod").contains(&"DriftFound".to_owned());
    tell("bucket made private until it is reported", world.until("the drift", drift));
    tell("until it is repaired", world.until("the repair", || !world.published("prod").is_empty()));
    world.waits_for("prod", "Ready", "Ready");
    let events = world.events("prod");
    for reason in ["KeysPublished", "Applied", "Ready", "DriftFound", "DriftRepaired"] {
        assert!(events.contains(&reason.to_owned()), "{reason}: {events:?}");
    }
    if version == NEWEST {
        conduct(&world, &controller);
        deletion(&world);
    }
    // SIGTERM ends it in order, and frees the lease for another replica at once.
    let log = controller.end("TERM");
    assert!(log.contains("ends, after the writes that have begun"), "{log}");
    let lease = world.api.kubectl(&format!("get lease issuerctl -n {RELEASE} -o json"));
    let lease: Value = serde_json::from_str(&lease).unwrap();
    assert_eq!(lease["spec"]["holderIdentity"], Value::Null, "{lease:#}");
    let private = std::fs::read_to_string(world.publisher.sandbox.path().join("key-1/sa.key"));
    let private = private.unwrap();
    let secret = private.lines().nth(1).unwrap();
    assert!(!log.contains(secret) && !log.contains("BEGIN"), "a key is in the log");
}

/// suspend and driftPolicy.
fn conduct(world: &World, controller: &Controller) {
    world.changed("prod", &json!({"spec": {"driftPolicy": "Report"}}));
    world.waits_for("prod", "Ready", "Ready");
    world.make_private();
    let (took, message) = world.waits_for("prod", "KeysPublished", "DriftFound");
    tell("drift until it is reported only", took);
    assert!(message.contains("bucket") && message.contains("driftPolicy"), "{message}");
    let (_, message) = world.waits_for("prod", "Verified", "NotAccepted");
    assert!(message.contains("Fix: "), "{message}");
    std::thread::sleep(Duration::from_secs(2 * INTERVAL));
    assert!(world.published("prod").is_empty(), "it was repaired");
    // A new key is published in spite of that, and what its readers need with it.
    let third = world.set_key("prod", "key-3");
    world.until("the new key", || world.published("prod").contains(&third));

    let accepted = || controller.metric("issuerctl_verify_passed");
    assert!(accepted().is_some());
    world.changed("prod", &json!({"spec": {"driftPolicy": "Repair", "suspend": true}}));
    world.waits_for("prod", "Ready", "Suspended");
    // An alert about it would never end.
    world.until("the end of its metrics", || accepted().is_none());
    world.make_private();
    std::thread::sleep(Duration::from_secs(2 * INTERVAL));
    assert!(world.published("prod").is_empty(), "it was changed although it is suspended");
    world.changed("prod", &json!({"spec": {"suspend": false}}));
    world.waits_for("prod", "Ready", "Ready");
    assert_eq!(world.published("prod").len(), 3);

    // The issuer cannot be changed by mistake: the API server refuses it, and so does the controller.
    let other = format!("https://{ISSUER_HOST}/{BUCKET}/other");
    let change = json!({"spec": {"issuer": other}});
    let (status, answer) = world.change("prod", &change);
    assert_eq!(status, 403, "{answer}");
    assert!(answer["message"].as_str().unwrap().contains("allow-issuer-change"), "{answer}");
}

/// deletionPolicy.
fn deletion(world: &World) {
    world.set_key("other", "key-other");
    let deletes = world.object("other", &json!({"deletionPolicy": "Delete"}));
    world.api.apply(&deletes.to_string());
    world.waits_for("other", "Ready", "Ready");
    assert_eq!(
        world.read("other").unwrap()["metadata"]["finalizers"],
        json!(["issuerctl.dev/delete"])
    );
    assert_eq!(world.published("other").len(), 1);
    world.api.kubectl(&format!("delete sai other -n {CLUSTERS} --wait=false"));
    tell("deletionPolicy Delete", world.until("the deletion", || world.read("other").is_none()));
    assert!(world.published("other").is_empty());
    assert!(world.iam("get-role --role-name other-app").code != Some(0));
    let providers = world.iam("list-open-id-connect-providers").succeeded();
    assert!(!providers.contains("/other"), "{providers}");

    let kept = world.published("prod");
    world.api.kubectl(&format!("delete sai prod -n {CLUSTERS} --timeout 20s"));
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(world.published("prod"), kept);
    world.iam("get-role --role-name prod-app").succeeded();
}

/// The cluster of the controller itself: the keys of its API server, and the roles of its pods.
pub(crate) fn workload() {
    let mut world = World::with(NEWEST, "--set controller.workload.enabled=true");
    world.api.create_account("default/app");
    // A webhook was there once. Its namespace may not be read, and a policy needs nothing of it.
    world.api.kubectl("create namespace pod-identity-webhook");
    let _controller = world.start("first");
    let own = json!({"keys": [{"apiserver": {}}], "workload": {}});
    world.api.apply(&world.object("own", &own).to_string());
    // The API server of this test has another issuer, and that is not overlooked.
    let (took, message) = world.waits_for("own", "WorkloadReady", "OtherIssuer");
    tell("workload", took);
    assert!(message.contains("--service-account-issuer"), "{message}");
    world.waits_for("own", "KeysPublished", "Published");
    assert_eq!(world.published("own").len(), 1);
    let account = world.api.kubectl("get serviceaccount app -o json");
    assert!(account.contains("role/own-app"), "{account}");
    world.api.kubectl("get mutatingadmissionpolicy irsa.issuerctl.dev");

    // Neither is it where no key of it is published here.
    world.api.create_account("default/pods");
    let role = json!({"name": "prod-pods", "serviceAccounts": ["default/pods"]});
    let mut object = world.object("prod", &json!({"roles": [role], "workload": {}}));
    let spec = object["spec"].as_object_mut().unwrap();
    spec.retain(|member, _| ["issuer", "roles", "workload"].contains(&member.as_str()));
    world.api.apply(&object.to_string());
    let (_, message) = world.waits_for("prod", "WorkloadReady", "OtherIssuer");
    assert!(message.contains("issuerctl render DISTRIBUTION --issuer"), "{message}");
    let (issuer, before) =
        (format!("https://{ISSUER_HOST}/{BUCKET}/prod"), world.publisher.issuer("prod"));
    let key = |name: &str| world.publisher.sandbox.path().join("signing").join(name);
    let (signing, public) = (key("sa.key"), key("sa.pub"));
    let flags = Flags {
        issuers: &[&issuer, &before],
        signing_key: &signing,
        public_keys: &[&public],
        others: &[],
    };
    let authority = &world.publisher.authority;
    let api = ApiServer::start(NEWEST, "prod", &world.etcd, authority, &flags);
    world.replace_api(api);
    world.waits_for("prod", "WorkloadReady", "UpToDate");

    world.changed("own", &json!({"spec": {"deletionPolicy": "Delete"}}));
    world
        .until("the finalizer", || world.read("own").unwrap()["metadata"]["finalizers"].is_array());
    world.api.kubectl(&format!("delete sai own -n {CLUSTERS} --timeout 30s"));
    let account = world.api.kubectl("get serviceaccount app -o json");
    assert!(!account.contains("role/own-app"), "{account}");
    assert!(world.published("own").is_empty());
}

/// Objects that cannot be applied: refused by the API server, or with a condition that names field and fix.
pub(crate) fn refused() {
    let world = World::new(NEWEST);
    let _controller = world.start("first");
    world.set_key("prod", "key-1");
    let create = |object: &Value| {
        let path = World::path("");
        world.client.create(path.trim_end_matches('/'), object)
    };
    let store = |more: Value| {
        let mut s3 = world.object("x", &json!({}))["spec"]["store"]["s3"].clone();
        s3.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"store": {"s3": s3}})
    };
    for (more, says) in [
        (json!({"keys": []}), "spec.keys and spec.store belong together"),
        (json!({"keys": [{"file": "sa.pub"}]}), "file is for the command line"),
        (json!({"keys": [{"jwks": "/etc/passwd"}]}), "jwks must be an https URL"),
        (json!({"keys": [{"apiserver": {}, "jwks": "https://a"}]}), "exactly one of cluster"),
        (
            json!({"keys": [{"cluster": {"name": "prod", "kubeconfig": "k"}}]}),
            "kubeconfig and context are for the command line",
        ),
        (json!({"store": {"folder": "/tmp"}}), "folder is for the command line"),
        (json!({"workload": {}}), "spec.workload is the cluster of the controller"),
        (store(json!({"access": "acl", "sharedBucket": true})), "sharedBucket requires access"),
        (store(json!({"bucket": "UPPER"})), "spec.store.s3.bucket"),
        (json!({"deletionPolicy": "Keep"}), "spec.deletionPolicy"),
        (json!({"roles": [{"name": "a", "serviceAccounts": []}]}), "serviceAccounts"),
    ] {
        let (status, answer) = create(&world.object("prod", &more));
        assert_eq!(status, 422, "{more}: {answer}");
        assert!(answer["message"].as_str().unwrap().contains(says), "{more}: {answer}");
    }

    let role = |accounts: &str| json!({"roles": [{"name": "a", "serviceAccounts": [accounts]}]});
    let elsewhere = json!({"keys": [{"cluster": {"name": "prod", "namespace": "kube-system"}}]});
    for (index, (more, kind, reason, says)) in [
        (role("no-namespace"), "Ready", "InvalidSpec", "spec.roles[0].serviceAccounts"),
        (elsewhere, "Ready", "InvalidSpec", "create the object in kube-system"),
        (
            store(json!({"endpointUrl": "http://169.254.169.254"})),
            "Ready",
            "InvalidSpec",
            "spec.store.s3.endpointUrl",
        ),
        (json!({}), "KeysPublished", "AccessDenied", "controller.secrets"),
        (
            json!({"keys": [{"cluster": {"name": "other"}}]}),
            "KeysPublished",
            "NotFound",
            "spec.keys[].cluster.name",
        ),
        (
            json!({"keys": [{"cluster": {"name": "prod"}}], "store": store(json!({"createBucket": false,
                "bucket": "not-there"}))["store"]}),
            "KeysPublished",
            "NotFound",
            "spec.store.s3.createBucket: true",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("bad-{index}");
        let (status, answer) = create(&world.object(&name, &more));
        assert_eq!(status, 201, "{answer}");
        let (_, message) = world.waits_for(&name, kind, reason);
        assert!(message.contains(says), "{more}: {message}");
        world.waits_for(&name, "Ready", reason);
        world.until("the Event", || world.events(&name).contains(&reason.to_owned()));
    }
    let buckets = world.publisher.aws("s3api list-buckets").succeeded();
    assert!(!buckets.contains(BUCKET), "something was written: {buckets}");
    assert!(!world.iam("list-roles").succeeded().contains("bad-"));

    // Of two objects that want the same place, the one that was applied first stays so.
    world.api.apply(&world.object("prod", &json!({})).to_string());
    world.waits_for("prod", "Ready", "Ready");
    let mut twin = world.object("prod", &json!({}));
    twin["metadata"]["name"] = json!("twin");
    assert_eq!(create(&twin).0, 201);
    let (_, message) = world.waits_for("twin", "Ready", "Conflict");
    assert!(message.contains("clusters/prod was applied first"), "{message}");
}

/// Servers that go away and come back, and a leader that is killed.
pub(crate) fn outages() {
    let world = World::new(NEWEST);
    world.set_key("prod", "key-1");
    let mut replicas = vec![("first", world.start("first"))];
    world.api.apply(&world.object("prod", &json!({})).to_string());
    world.waits_for("prod", "Ready", "Ready");
    replicas.push(("second", world.start("second")));

    world.s3.cut();
    let (took, message) = world.waits_for("prod", "KeysPublished", "Unavailable");
    tell("S3 gone until it is reported", took);
    assert!(message.contains("localhost"), "{message}");
    world.s3.mend();
    tell("S3 back until it is ready", world.waits_for("prod", "Ready", "Ready").0);

    // A key changes while the API server is gone. The leader cannot renew its lease, so it ends.
    world.server.cut();
    let key = world.set_key("prod", "key-2");
    std::thread::sleep(Duration::from_secs(3));
    world.server.mend();
    let took = world.until("the key", || world.published("prod").contains(&key));
    tell("API server back until a key is published", took);
    // A leader that could not renew its lease has ended, as on a slow machine: a kubelet starts it again.
    for (name, replica) in &mut replicas {
        if replica.log().contains(LOST) {
            *replica = world.start(&format!("{name}-again"));
            *name = if *name == "first" { "first-again" } else { "second-again" };
        }
    }

    let holder = world.leader();
    let at = replicas.iter().position(|(name, _)| *name == holder).unwrap();
    let leader = replicas.remove(at);
    let (_, other) = replicas.remove(0);
    let key = world.set_key("prod", "key-3");
    drop(leader);
    let took = world.until("the takeover", || world.leader() != holder);
    tell("leader killed until another one leads", took);
    assert!(took < Duration::from_secs(15), "{took:?}");
    let took = took + world.until("the key", || world.published("prod").contains(&key));
    tell("leader killed until a key is published", took);
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert_eq!(world.published("prod").len(), 3);

    // A leader whose API server is gone for longer ends by itself.
    world.server.cut();
    let begin = Instant::now();
    let ended = || other.log().contains(LOST);
    world.until("the end of the leader", ended);
    tell("API server gone until the leader ends", begin.elapsed());
    assert!(begin.elapsed() < Duration::from_secs(10));
}

/// A new key does not wait for IAM.
pub(crate) fn without_iam() {
    let mut world = World::new(NEWEST);
    let nowhere = "http://127.0.0.1:9";
    world.publisher.sandbox = world
        .publisher
        .sandbox
        .with("AWS_ENDPOINT_URL_IAM", nowhere)
        .with("AWS_ENDPOINT_URL_STS", nowhere);
    world.set_key("prod", "key-1");
    let _controller = world.start("first");
    world.api.apply(&world.object("prod", &json!({})).to_string());
    let (took, message) = world.waits_for("prod", "ProviderReady", "Unavailable");
    tell("IAM gone until it is reported", took);
    assert!(message.contains("127.0.0.1:9"), "{message}");
    world.waits_for("prod", "KeysPublished", "Published");
    let key = world.set_key("prod", "key-2");
    let took = world.until("the key", || world.published("prod").contains(&key));
    tell("a key published without IAM", took);
    assert_eq!(world.published("prod").len(), 2);
}

/// Two controllers that know nothing of each other, and a person with the command line.
pub(crate) fn together() {
    let world = World::new(NEWEST);
    let alone = |name: &str| {
        let flags = format!("{} --no-leader-election", world.flags);
        Controller::start(&world.publisher.sandbox, &world.kubeconfig, name, &flags)
    };
    let mut kids = vec![world.set_key("prod", "key-0")];
    world.api.apply(&world.object("prod", &json!({})).to_string());
    let controllers = [alone("first"), alone("second")];
    world.waits_for("prod", "Ready", "Ready");
    let issuer = format!("https://{ISSUER_HOST}/{BUCKET}/prod");
    let publish = |key: &str| {
        let line = format!(
            "publish --key {key}/sa.pub --to s3://{BUCKET}/prod --issuer {issuer} --region us-east-1 \
             --endpoint-url {} --path-style --ca-file ca.pem",
            world.s3.url()
        );
        world.publisher.sandbox.issuerctl(&line).succeeded();
    };
    // The numbers are those of a generator with this seed, so that a failure can be repeated.
    let mut state: u64 = 0x5EED;
    let mut random = |below: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for round in 0..5 {
        let own = world.publisher.keygen("p256", &format!("own-{round}"));
        kids.push(world.set_key("prod", &format!("key-{}", round + 1)));
        std::thread::sleep(Duration::from_millis(random(1500)));
        publish(&format!("own-{round}"));
        kids.push(own);
        std::thread::sleep(Duration::from_millis(random(INTERVAL * 1000 / 2)));
        // A key that was in the Secret for a moment only may not have been seen by anybody.
        let last = kids[kids.len() - 2].clone();
        world.until("the key of the cluster", || world.published("prod").contains(&last));
    }
    let published = world.published("prod");
    for kid in &kids {
        assert!(published.contains(kid), "{kid} was lost: {published:?}");
    }
    world.waits_for("prod", "Ready", "Ready");
    drop(controllers);
}

/// 2,000 issuers, or as many as `ISSUERS` says: `cargo test --release -p issuerctl-e2e --features real-servers
/// --test chain -- --ignored --nocapture controller_of_two_thousand` prints the figures.
pub(crate) fn scale() {
    let count = std::env::var("ISSUERS").map_or(2_000, |count| count.parse().unwrap());
    let world = World::new(NEWEST);
    world.set_key("prod", "key-1");
    for index in 0..count {
        let mut object = world.object("prod", &json!({}));
        let name = format!("c{index}");
        object["metadata"]["name"] = json!(name);
        let spec = object["spec"].as_object_mut().unwrap();
        spec.remove("provider");
        spec.remove("roles");
        spec["issuer"] = json!(format!("https://{ISSUER_HOST}/{BUCKET}/{name}"));
        let s3 = spec["store"]["s3"].as_object_mut().unwrap();
        s3.insert("prefix".to_owned(), json!(name));
        s3.insert("sharedBucket".to_owned(), json!(true));
        let path = World::path("");
        assert_eq!(world.client.create(path.trim_end_matches('/'), &object).0, 201);
    }
    let flags = world.flags.replace(&format!("--interval={INTERVAL}"), "--interval=50");
    let begin = Instant::now();
    let start =
        |name: &str| Controller::start(&world.publisher.sandbox, &world.kubeconfig, name, &flags);
    let (first, second) = (start("first"), start("second"));
    let ready = || {
        let path = World::path("");
        let (_, list) =
            world.client.send("GET", path.trim_end_matches('/'), "application/json", &Value::Null);
        let items = list["items"].as_array().unwrap();
        let is_ready = |object: &&Value| object["status"]["conditions"][0]["status"] == "True";
        items.iter().filter(is_ready).count()
    };
    let mut killed = false;
    let (mut first, second) = (Some(first), second);
    loop {
        let ready = ready();
        if ready > count / 2 && !killed {
            killed = true;
            println!(
                "controller: {ready} of {count} after {:.0} s, {} MiB; the leader is killed",
                begin.elapsed().as_secs_f64(),
                first.as_ref().unwrap().peak_mib()
            );
            first = None;
        }
        if ready == count {
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(1800), "{ready} of {count} are ready");
        std::thread::sleep(Duration::from_secs(1));
    }
    tell(&format!("{count} issuers until all are ready, with a leader killed"), begin.elapsed());
    println!("controller: {} MiB at most", second.peak_mib());
    let requests = || world.requests();
    let before = requests();
    std::thread::sleep(Duration::from_secs(120));
    let after = requests();
    println!(
        "controller: {} requests to S3 and {} to the API server a minute, {} MiB at most",
        (after.0 - before.0) / 2,
        (after.1 - before.1) / 2,
        second.peak_mib()
    );
    for index in [0, count / 2, count - 1] {
        assert_eq!(world.published(&format!("c{index}")).len(), 1);
    }
}
