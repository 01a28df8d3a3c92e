//! A role belongs to the object that was applied to it: also when it was taken out of the spec, and when the object
//! is created anew.

use std::time::{Duration, Instant};

use issuer_test_support::ISSUER_HOST;
use issuerctl_e2e::{BUCKET, NEWEST};
use serde_json::{Value, json};

use crate::controller_world::{CLUSTERS, World};

/// Objects of another namespace.
const OTHERS: &str = "/apis/issuerctl.dev/v1alpha1/namespaces/team-b/serviceaccountissuers";

/// What makes the controller look at an object at once, and changes nothing.
fn touch(world: &World) {
    let time = format!("https://{:?}.example.com", Instant::now());
    let patch = json!({"metadata": {"annotations": {"issuerctl.dev/allow-issuer-change": time}}});
    let path = format!("{OTHERS}/thief");
    assert_eq!(world.client.send("PATCH", &path, "application/merge-patch+json", &patch).0, 200);
}

/// The object of the other namespace is refused for this reason, and has got nothing.
#[track_caller]
fn is_refused(world: &World, kind: &str, says: &str) {
    let begin = Instant::now();
    touch(world);
    loop {
        let path = format!("{OTHERS}/thief");
        let (_, object) = world.client.send("GET", &path, "application/json", &Value::Null);
        let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let found = conditions.iter().find(|one| one["type"] == kind);
        if found.is_some_and(|found| {
            found["reason"] == "Conflict" && found["message"].as_str().unwrap().contains(says)
        }) {
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "{kind} {says}: {object:#}");
        std::thread::sleep(Duration::from_millis(100));
    }
    let role = world.iam("get-role --role-name prod-app").succeeded();
    assert!(role.contains("default:app") && !role.contains("evil"), "{role}");
}

fn delete(world: &World) {
    world.api.kubectl(&format!("delete sai prod -n {CLUSTERS} --timeout 60s"));
}

pub(crate) fn run() {
    let world = World::with(NEWEST, "--set controller.namespaces=null");
    world.api.kubectl("create namespace team-b");
    world.set_key("prod", "key-1");
    let _controller = world.start("first");
    let object = world.object("prod", &json!({}));
    world.api.apply(&object.to_string());
    world.waits_for("prod", "Ready", "Ready");

    // What is taken out of the spec stays in IAM.
    let emptied = json!({"spec": {"roles": [], "provider": null}});
    world.changed("prod", &emptied);
    let (_, message) = world.waits_for("prod", "RolesReady", "RolesLeft");
    assert!(message.contains("prod-app"), "{message}");
    let (_, message) = world.waits_for("prod", "ProviderReady", "NotRequested");
    assert!(message.contains("the provider of https://"), "{message}");
    let thief = json!({
        "apiVersion": "issuerctl.dev/v1alpha1", "kind": "ServiceAccountIssuer",
        "metadata": {"name": "thief", "namespace": "team-b"},
        "spec": {
            "issuer": format!("https://{ISSUER_HOST}/{BUCKET}/thief"),
            "roles": [{"name": "prod-app", "serviceAccounts": ["evil/evil"]}],
        },
    });
    let (status, answer) = world.client.create(OTHERS, &thief);
    assert_eq!(status, 201, "{answer}");
    is_refused(&world, "Ready", "clusters/prod has the role prod-app");

    // Its owner is created anew: nobody has the role in the meantime.
    let declared = json!({"roles": object["spec"]["roles"], "provider": {}});
    world.changed("prod", &json!({"spec": declared}));
    world.waits_for("prod", "Ready", "Ready");
    delete(&world);
    is_refused(&world, "RolesReady", "issuerctl role apply prod-app");
    world.api.apply(&object.to_string());
    world.waits_for("prod", "Ready", "Ready");
    is_refused(&world, "Ready", "clusters/prod has the role prod-app");

    // All of it is deleted in the end, and nothing but that.
    world.api.kubectl("delete sai thief -n team-b --timeout 60s");
    world.changed("prod", &json!({"spec": {"deletionPolicy": "Delete"}}));
    world.waits_for("prod", "Ready", "Ready");
    world.changed("prod", &emptied);
    world.waits_for("prod", "RolesReady", "RolesLeft");
    delete(&world);
    assert!(world.events("prod").contains(&"Deleted".to_owned()));
    assert!(world.iam("get-role --role-name prod-app").code != Some(0));
    let providers = world.iam("list-open-id-connect-providers").succeeded();
    assert!(!providers.contains("/prod"), "{providers}");
    assert!(world.published("prod").is_empty());
}
