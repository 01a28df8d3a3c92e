//! What the end of an object deletes: what it was applied to, all of that, and nothing else.

use issuer_test_support::ISSUER_HOST;
use issuerctl_e2e::{BUCKET, NEWEST};
use serde_json::{Value, json};

use crate::controller_world::{CLUSTERS, World};

fn delete(world: &World, name: &str) {
    world.api.kubectl(&format!("delete sai {name} -n {CLUSTERS} --timeout 30s"));
}

fn has_provider(world: &World, name: &str) -> bool {
    let providers = world.iam("list-open-id-connect-providers").succeeded();
    providers.contains(&format!("/{name}"))
}

/// An issuer that an earlier object left is found as declared by a new one, which never gets further than that.
fn found(world: &World) {
    world.set_key("other", "key-other");
    world.api.apply(&world.object("other", &json!({"roles": []})).to_string());
    world.waits_for("other", "Ready", "Ready");
    delete(world, "other");
    world.publisher.sandbox.file(
        "trust.json",
        &json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole",
        }]})
        .to_string(),
    );
    let line = "create-role --role-name other-app --path /theirs/ --assume-role-policy-document \
                file://trust.json";
    world.iam(line).succeeded();
    let role = json!({"name": "other-app", "path": "/own/", "serviceAccounts": ["default/app"]});
    let declared = json!({"deletionPolicy": "Delete", "roles": [role]});
    world.api.apply(&world.object("other", &declared).to_string());
    world.waits_for("other", "RolesReady", "Conflict");
    world.waits_for("other", "KeysPublished", "Published");
    let status = world.read("other").unwrap()["status"].clone();
    assert_eq!(
        (&status["claims"], status["issuer"].is_string()),
        (&Value::Null, true),
        "{status:#}"
    );

    delete(world, "other");
    assert_eq!(world.published("other").len(), 1);
    assert!(has_provider(world, "other"));
    assert!(world.events("other").contains(&"Retained".to_owned()));
    world.iam("delete-role --role-name other-app").succeeded();
}

/// An object that wants one role that another one has differently: the rest of it is its own.
fn in_part(world: &World) {
    let declared = json!({"deletionPolicy": "Delete"});
    world.api.apply(&world.object("other", &declared).to_string());
    world.waits_for("other", "Ready", "Ready");
    let role = |name: &str, path: &str| json!({"name": name, "path": path, "serviceAccounts": ["default/app"]});
    let roles = json!([role("other-app", "/"), role("prod-app", "/other/")]);
    world.changed("other", &json!({"spec": {"roles": roles}}));
    let (_, message) = world.waits_for("other", "Ready", "Conflict");
    assert!(message.contains("role prod-app: path"), "{message}");
    // New keys wait for nobody's decision about a role.
    let new = world.set_key("other", "key-other-2");
    world.until("the new key", || world.published("other").contains(&new));
    world.waits_for("other", "KeysPublished", "Published");
    world.waits_for("other", "Verified", "Accepted");
    world.waits_for("other", "Ready", "Conflict");

    delete(world, "other");
    assert!(world.published("other").is_empty() && !has_provider(world, "other"));
    assert!(world.iam("get-role --role-name other-app").code != Some(0));
    assert_eq!(world.published("prod").len(), 1);
    assert!(has_provider(world, "prod"));
    world.iam("get-role --role-name prod-app").succeeded();
    world.waits_for("prod", "Ready", "Ready");
}

/// A provider that was there before is not deleted with the object, and so the documents that it trusts stay.
fn adopted(world: &World) {
    let url = format!("https://{ISSUER_HOST}/{BUCKET}/other");
    let line =
        format!("create-open-id-connect-provider --url {url} --client-id-list sts.amazonaws.com");
    world.iam(&line).succeeded();
    let declared = json!({"deletionPolicy": "Delete"});
    world.api.apply(&world.object("other", &declared).to_string());
    world.waits_for("other", "Ready", "Ready");
    delete(world, "other");
    assert!(has_provider(world, "other") && !world.published("other").is_empty());
    assert!(world.iam("get-role --role-name other-app").code != Some(0));
    let notes = world.notes("other", "Deleted");
    let said = |text: &str| notes.iter().any(|note| note.contains(text));
    assert!(said("not deleted: OIDC provider"), "{notes:#?}");
    assert!(said("keys.json") && said("issuerctl delete -f FILE --force"), "{notes:#?}");
}

pub(crate) fn run() {
    let world = World::new(NEWEST);
    let _controller = world.start("first");
    world.set_key("prod", "key-1");
    world.api.apply(&world.object("prod", &json!({})).to_string());
    world.waits_for("prod", "Ready", "Ready");
    found(&world);
    in_part(&world);
    adopted(&world);
}
