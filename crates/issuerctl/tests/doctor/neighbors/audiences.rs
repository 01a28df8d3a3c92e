//! Whom the pods' tokens are for: the token that is exchanged is one of theirs.

use serde_json::{Value, json};

use super::{annotate, becomes, container, doubt, fault, statement, token_volume, well};
use crate::world::{DRY_RUN, PODS, WEBHOOK, World};

const AUDIENCE: &str = "eks.amazonaws.com/audience";
const OF_TRUST: &str = "oidc.example.com/oidc-bucket/prod:aud";

/// Provider and trust policy ask for the audience `team`, the provider beside others.
fn of_aws(world: &mut World, ids: Value) {
    world.aws["providers"][0]["client_ids"] = ids;
    statement(world)["Condition"]["StringEquals"][OF_TRUST] = "team".into();
    world.expect["proof"] = true.into();
}

/// The tokens of the pods have it, now and in a dry run.
fn of_pods(world: &mut World) {
    let set = |pod: &mut Value| {
        token_volume(pod)["sources"][0]["serviceAccountToken"]["audience"] = "team".into();
    };
    set(&mut world.body(PODS)["items"][0]);
    set(world.body(DRY_RUN));
}

fn flags(world: &mut World) -> &mut Vec<Value> {
    let container = &mut world.body(WEBHOOK)["spec"]["template"]["spec"]["containers"][0];
    container["command"].as_array_mut().unwrap()
}

/// The webhook's flag.
fn of_webhook(world: &mut World) {
    flags(world).retain(|word| !word.as_str().unwrap().starts_with("--token-audience"));
    flags(world).push("--token-audience=team".into());
}

fn by_pod(world: &mut World) {
    world.set("--service-account", None);
    world.set("--pod", Some("demo/app-6d5f9c7b8d-x7k2p"));
}

/// A volume of the workload's own, without a webhook.
fn by_hand(world: &mut World) {
    becomes(world, "static-injection");
    let bare = World::named("webhook-absent");
    world.kubernetes.insert(DRY_RUN.into(), bare.kubernetes[DRY_RUN].clone());
    world.change_pod(true, |pod| {
        token_volume(pod)["sources"][0]["serviceAccountToken"]["audience"] = "team".into();
    });
}

fn without_cluster(world: &mut World) {
    world.set("--kubeconfig", None);
    world.set("--role", Some("arn:aws:iam::123456789012:role/app"));
}

pub(crate) fn worlds() -> Vec<World> {
    let both = || json!(["sts.amazonaws.com", "team"]);
    vec![
        well("audience-of-the-webhook", |w| {
            of_webhook(w);
            of_pods(w);
            of_aws(w, json!(["team"]));
        }),
        well("audience-of-the-webhook-beside-the-usual-one", move |w| {
            of_webhook(w);
            of_pods(w);
            of_aws(w, both());
        }),
        well("audience-of-the-webhook-without-pods", |w| {
            of_webhook(w);
            w.body(PODS)["items"] = json!([]);
            w.refuse(DRY_RUN, 403, "pods \"x\" is forbidden: exceeded quota: q");
            of_aws(w, json!(["team"]));
        }),
        well("audience-of-the-account-by-pod", move |w| {
            annotate(w, AUDIENCE, "team".into());
            of_pods(w);
            of_aws(w, both());
            by_pod(w);
        }),
        well("audience-of-the-account-alone-by-pod", |w| {
            annotate(w, AUDIENCE, "team".into());
            w.body(PODS)["items"][0]["metadata"]["name"] = "app-6d5f9c7b8d-x7k2p".into();
            of_pods(w);
            of_aws(w, json!(["team"]));
            by_pod(w);
        }),
        well("audience-of-a-volume-of-its-own", |w| {
            by_hand(w);
            of_aws(w, json!(["team"]));
        }),
        well("audience-of-a-volume-without-credentials", |w| {
            by_hand(w);
            of_aws(w, json!(["team"]));
            w.aws["credentials"] = false.into();
        }),
        well("audience-of-the-dry-run", |w| {
            of_pods(w);
            w.body(PODS)["items"] = json!([]);
            w.refuse(WEBHOOK, 404, "not found");
            of_aws(w, json!(["team"]));
        }),
        // The volume of another program says nothing.
        well("audience-of-another-token", |w| {
            w.change_pod(false, |pod| {
                let token = json!({"name": "vault", "projected": {"sources": [
                    {"serviceAccountToken": {"audience": "vault", "path": "token"}}]}});
                pod["spec"]["volumes"].as_array_mut().unwrap().insert(0, token);
                let mount = json!({"name": "vault", "mountPath": "/vault"});
                container(pod)["volumeMounts"].as_array_mut().unwrap().push(mount);
            });
            w.expect["proof"] = true.into();
        }),
        fault(
            "audience-of-a-volume-that-the-provider-has-not",
            "pod-token",
            &["\"team\"", "sts\\.amazonaws\\.com"],
            "audience",
            by_hand,
        ),
        fault(
            "audience-of-a-volume-that-sts-refuses",
            "pod-token",
            &["\"team\"", "STS does not accept"],
            "sts\\.amazonaws\\.com",
            |w| {
                by_hand(w);
                w.aws["credentials"] = false.into();
            },
        ),
        // Without a cluster, the trust policy alone says whom tokens are for.
        well("audience-of-the-trust-policy", |w| {
            without_cluster(w);
            of_aws(w, json!(["team"]));
            w.expect["proof"] = false.into();
        }),
        doubt("audience-that-nothing-says", "provider-audience", &["not\\s+known", "team"], |w| {
            without_cluster(w);
            of_aws(w, json!(["team"]));
            statement(w)["Condition"]["StringEquals"].as_object_mut().unwrap().remove(OF_TRUST);
        }),
        well("flags-of-two-words", |w| {
            let words: Vec<Value> = flags(w)
                .iter()
                .flat_map(|word| {
                    word.as_str().unwrap().split('=').map(Value::from).collect::<Vec<_>>()
                })
                .filter(|word| word != "true")
                .collect();
            *flags(w) = words;
            w.expect["proof"] = true.into();
        }),
        fault(
            "another-prefix-of-two-words",
            "annotation",
            &["irsa\\.example\\.com"],
            "irsa\\.example\\.com/role-arn",
            |w| {
                w.uninjected();
                flags(w).extend(["--annotation-prefix".into(), "irsa.example.com".into()]);
            },
        ),
    ]
}
