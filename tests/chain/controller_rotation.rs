//! The keys of an API server that the controller follows, while pods exchange their tokens.

use std::sync::Arc;
use std::time::Duration;

use issuerctl_e2e::{Load, NEWEST};
use serde_json::json;

use crate::controller_world::{World, tell};
use crate::rotation::kid;

/// A client of Kubernetes reads the file of its token once a minute.
const TOKEN_IS_READ: Duration = Duration::from_secs(60);

/// One of several API servers after the other is restarted with these keys.
fn restarted(world: &mut World, signing: &str, known: &[&str]) {
    world.replace_api(world.publisher.api_server(NEWEST, &world.etcd, signing, known));
}

/// A new signing key, step by step.
pub(crate) fn run() {
    let mut world = World::new(NEWEST);
    let new = world.publisher.keygen("p256", "next");
    let controller = world.start("first");
    // IAM knows no issuer with a port, which the one of this API server has.
    let issuer = world.publisher.issuer("prod");
    let mut object = world.object("prod", &json!({"keys": [{"apiserver": {}}], "issuer": issuer}));
    let spec = object["spec"].as_object_mut().unwrap();
    spec.retain(|member, _| ["issuer", "keys", "store"].contains(&member.as_str()));
    world.api.apply(&object.to_string());
    world.waits_for("prod", "Ready", "Ready");
    let old = world.published("prod");
    let account = Arc::new(world.publisher.account("prod"));
    let load = Load::start(&account, world.api.token("default/app"));

    // Every API server has the new public key, and signs with the old one.
    restarted(&mut world, "signing", &["signing", "next"]);
    let took = world.until("the new key", || world.published("prod").contains(&new));
    tell("from an API server with a new key to its publication", took);
    load.add(world.api.token("default/app"));
    // The new key signs.
    restarted(&mut world, "next", &["next", "signing"]);
    let fresh = world.api.token("default/app");
    assert_eq!(kid(&fresh), new);
    load.add(fresh);
    world.renew_token();
    std::thread::sleep(TOKEN_IS_READ);
    // The old key leaves the API servers; tokens of it stay valid for AWS.
    restarted(&mut world, "next", &["next"]);
    load.add(world.api.token("default/app"));
    let last = || controller.metric("issuerctl_last_success_timestamp_seconds");
    let before = last();
    assert!(before.is_some());
    world.until("another look", || last() > before);
    world.waits_for("prod", "Ready", "Ready");
    let published = world.published("prod");
    assert!(published.contains(&new) && published.contains(&old[0]), "{published:?}");
    println!(
        "controller: {} exchanges while the key was rotated, none of which failed",
        load.end()
    );
    assert_eq!(world.leader(), "first", "{}", controller.log());
}
