//! Worlds that differ from the plain one in one thing: neighbours of the recorded ones.

pub(crate) mod access;
pub(crate) mod account;
pub(crate) mod audiences;
pub(crate) mod aws;
pub(crate) mod changes;
pub(crate) mod cluster;
pub(crate) mod controllers;
pub(crate) mod documents;
pub(crate) mod injection;
pub(crate) mod mixed;
pub(crate) mod own;
pub(crate) mod pods;
pub(crate) mod purposes;
pub(crate) mod trust;
pub(crate) mod values;
pub(crate) mod webhooks;

use serde_json::{Value, json};

use crate::world::{
    ACCOUNT, DEPLOYMENTS, DISCOVERY, DRY_RUN, FLAGZ, PODS, REPLICA_SETS, STATIC_PODS, TOKEN,
    WEBHOOKS, World,
};

const KEY: &str = "eks.amazonaws.com/role-arn";
const SKIP: &str = "eks.amazonaws.com/skip-pod-identity-webhook";
const ISSUER: &str = "https://oidc.example.com/oidc-bucket/prod";
const DENIED: &str = "Not authorized to perform sts:AssumeRoleWithWebIdentity";

/// The plain world with something wrong: the id of the root cause, what message and fix say, and what the
/// fix says.
fn fault(name: &str, id: &str, says: &[&str], fix: &str, change: impl Fn(&mut World)) -> World {
    let mut world = World::plain(name);
    world.healthy = false;
    world.expect = json!({"exit": 5, "id": id, "says": says, "fix": fix});
    change(&mut world);
    world
}

/// The same for what a warning is enough for.
fn doubt(name: &str, id: &str, says: &[&str], change: impl Fn(&mut World)) -> World {
    let mut world = fault(name, id, says, ".", change);
    world.expect["warn"] = true.into();
    world
}

/// The plain world with something unusual.
fn well(name: &str, change: impl Fn(&mut World)) -> World {
    let mut world = World::plain(name);
    change(&mut world);
    world
}

/// A failure that is no verdict.
fn ends(name: &str, exit: i32, says: &[&str], change: impl Fn(&mut World)) -> World {
    let mut world = World::plain(name);
    world.healthy = false;
    world.expect = json!({"exit": exit, "id": "", "says": says, "fix": "", "failure": true});
    change(&mut world);
    world
}

fn annotate(world: &mut World, key: &str, value: Value) {
    world.body(ACCOUNT)["metadata"]["annotations"][key] = value;
}

/// The annotation, and the role that webhook and dry run make of it.
fn role(world: &mut World, value: &str) {
    annotate(world, KEY, value.into());
    let set = |pod: &mut Value| set_env(pod, "AWS_ROLE_ARN", value);
    set(&mut world.body(PODS)["items"][0]);
    set(world.body(DRY_RUN));
}

fn container(pod: &mut Value) -> &mut Value {
    &mut pod["spec"]["containers"][0]
}

fn env(pod: &mut Value) -> &mut Vec<Value> {
    if !container(pod)["env"].is_array() {
        container(pod)["env"] = json!([]);
    }
    container(pod)["env"].as_array_mut().unwrap()
}

fn set_env(pod: &mut Value, name: &str, value: &str) {
    unset_env(pod, name);
    env(pod).push(json!({"name": name, "value": value}));
}

fn unset_env(pod: &mut Value, name: &str) {
    env(pod).retain(|own| own["name"] != name);
}

fn token_volume(pod: &mut Value) -> &mut Value {
    &mut pod["spec"]["volumes"][0]["projected"]
}

/// The API server signs with another issuer, and STS finds no provider for it.
fn signs(world: &mut World, issuer: &str, flags: &str) {
    world.body(DISCOVERY)["issuer"] = issuer.into();
    world.body(FLAGZ)["flags"]["service-account-issuer"] = flags.into();
    world.body(TOKEN)["status"]["claims"]["iss"] = issuer.into();
    world.body(STATIC_PODS)["items"] = json!([]);
    world.refuse("GET /api/v1/namespaces/kube-system/configmaps/kubeadm-config", 404, "not found");
    world.sts(
        "InvalidIdentityToken",
        &format!("No OpenIDConnect provider found in your account for {issuer}"),
    );
}

fn hook(world: &mut World) -> &mut Value {
    &mut world.body(WEBHOOKS)["items"][0]["webhooks"][0]
}

/// A condition of the webhook.
fn condition(world: &mut World, expression: &str) {
    hook(world)["matchConditions"] = json!([{"name": "some", "expression": expression}]);
}

fn statement(world: &mut World) -> &mut Value {
    &mut world.trust()["Statement"][0]
}

fn denied(world: &mut World) {
    world.sts("AccessDenied", DENIED);
}

/// Another pod of the namespace, changed.
fn second_pod(world: &mut World, change: impl Fn(&mut Value)) {
    let mut pod = world.body(PODS)["items"][0].clone();
    pod["metadata"]["name"] = "app-6d5f9c7b8d-zzzzz".into();
    change(&mut pod);
    world.body(PODS)["items"].as_array_mut().unwrap().push(pod);
}

fn bare(pod: &mut Value) {
    for name in ["AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"] {
        unset_env(pod, name);
    }
}

/// The pod is of a StatefulSet, and has its role; one that is made now would not.
fn of_stateful_set(world: &mut World) {
    let pod = world.body(PODS)["items"][0].clone();
    world.uninjected();
    world.body(PODS)["items"] = json!([pod]);
    world.body(PODS)["items"][0]["metadata"]["ownerReferences"] = json!([{"apiVersion": "apps/v1",
        "kind": "StatefulSet", "name": "app", "uid": "1", "controller": true}]);
    world.body(DEPLOYMENTS)["items"] = json!([]);
    world.body(REPLICA_SETS)["items"] = json!([]);
}

/// A recorded world instead, under the name and with the expectations of this one.
fn becomes(world: &mut World, other: &str) {
    *world = World {
        name: world.name.clone(),
        expect: world.expect.clone(),
        healthy: world.healthy,
        ..World::named(other)
    };
}

/// The pods of the account are made by this kind, and no longer by a Deployment.
fn controlled(world: &mut World, kind: &str) {
    let template = world.body(DEPLOYMENTS)["items"][0]["spec"]["template"].clone();
    let mut pods = world.body(PODS).clone();
    let by = |kind: &str, name: &str| json!([{"kind": kind, "name": name, "controller": true}]);
    let metadata = json!({"name": "app", "namespace": "demo"});
    let mut object = json!({"metadata": metadata, "spec": {"template": template}});
    world.body(DEPLOYMENTS)["items"] = json!([]);
    world.body(REPLICA_SETS)["items"] = json!([]);
    for pod in pods["items"].as_array_mut().unwrap() {
        let owner = if kind == "CronJob" { by("Job", "app-1") } else { by(kind, "app") };
        pod["metadata"]["ownerReferences"] = if kind == "Pod" { json!([]) } else { owner };
    }
    *world.body(PODS) = pods;
    if kind == "CronJob" {
        let mut job = object.clone();
        job["metadata"]["name"] = "app-1".into();
        job["metadata"]["ownerReferences"] = by("CronJob", "app");
        world.answer("GET /apis/batch/v1/namespaces/demo/jobs", 200, json!({"items": [job]}));
        object["spec"] = json!({"jobTemplate": {"spec": {"template": template}}});
    }
    let group = if ["Job", "CronJob"].contains(&kind) { "batch" } else { "apps" };
    if kind != "Pod" {
        let path = format!("GET /apis/{group}/v1/namespaces/demo/{}s", kind.to_lowercase());
        world.answer(&path, 200, json!({"items": [object]}));
    }
}

/// What another recorded user may not do, may not be done here, either.
fn as_user(world: &mut World, user: &str) {
    let denied = World::named(user).kubernetes;
    for (path, answer) in denied.into_iter().filter(|(_, answer)| answer["status"] == 403) {
        world.kubernetes.insert(path, answer);
    }
}
