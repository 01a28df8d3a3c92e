//! Pods that something else than a Deployment makes.

use serde_json::{Value, json};

use super::{bare, container, controlled, env, fault, second_pod, set_env, token_volume, well};
use crate::world::{DRY_RUN, PODS, WEBHOOKS, World};

const KINDS: [&str; 6] = ["StatefulSet", "DaemonSet", "Job", "CronJob", "ReplicaSet", "Pod"];

/// The template of what makes the pods.
fn template(world: &mut World, kind: &str, change: impl Fn(&mut Value)) {
    let group = if ["Job", "CronJob"].contains(&kind) { "batch" } else { "apps" };
    let path = format!("GET /apis/{group}/v1/namespaces/demo/{}s", kind.to_lowercase());
    if kind == "Pod" {
        return;
    }
    let spec = &mut world.body(&path)["items"][0]["spec"];
    match kind {
        "CronJob" => change(&mut spec["jobTemplate"]["spec"]["template"]),
        _ => change(&mut spec["template"]),
    }
}

fn named(kind: &str, what: &str) -> String {
    format!("{}-{what}", kind.to_lowercase())
}

fn of(kind: &'static str) -> Vec<World> {
    let reference = match kind {
        "Pod" => "pod".to_owned(),
        kind => format!("{}/app", kind.to_lowercase()),
    };
    vec![
        well(&named(kind, "well"), |w| controlled(w, kind)),
        // What is given at admission stands where a template would have it, too.
        well(&named(kind, "without-the-api-token"), |w| {
            controlled(w, kind);
            let strip = |pod: &mut Value| {
                pod["spec"]["automountServiceAccountToken"] = false.into();
                pod["spec"]["volumes"].as_array_mut().unwrap().truncate(1);
                let mounts = &mut container(pod)["volumeMounts"];
                mounts.as_array_mut().unwrap().retain(|own| own["name"] == "aws-iam-token");
            };
            strip(&mut w.body(PODS)["items"][0]);
            strip(w.body(DRY_RUN));
        }),
        fault(
            &named(kind, "keys"),
            "pod-credentials",
            &["AWS_ACCESS_KEY_ID", &reference],
            "remove|set env",
            |w| {
                controlled(w, kind);
                let keys = |pod: &mut Value| {
                    set_env(pod, "AWS_ACCESS_KEY_ID", "AKIAMADEUP");
                    set_env(pod, "AWS_SECRET_ACCESS_KEY", "wJalrMadeUp");
                };
                keys(&mut w.body(PODS)["items"][0]);
                template(w, kind, keys);
            },
        ),
        fault(&named(kind, "older"), "pod-injected", &["zzzzz", "before|older"], &reference, |w| {
            controlled(w, kind);
            second_pod(w, |pod| {
                bare(pod);
                pod["metadata"]["creationTimestamp"] = "2026-11-20T00:00:00Z".into();
            });
        }),
        fault(
            &named(kind, "key-is-not-expanded"),
            "pod-env",
            &["role/old", "role/app"],
            &reference,
            |w| {
                controlled(w, kind);
                set_env(
                    &mut w.body(PODS)["items"][0],
                    "AWS_ROLE_ARN",
                    "arn:aws:iam::123456789012:role/old",
                );
            },
        ),
    ]
}

pub(crate) fn worlds() -> Vec<World> {
    let mut worlds: Vec<World> = KINDS.into_iter().flat_map(of).collect();
    for kind in ["StatefulSet", "DaemonSet", "Job", "CronJob"] {
        let name = named(kind, "names-role-and-token-itself");
        worlds.push(well(&name, |w| {
            controlled(w, kind);
            let pod = w.body(PODS)["items"][0].clone();
            w.uninjected();
            let stored = w.body(DRY_RUN).clone();
            w.body(PODS)["items"] = json!([pod]);
            *w.body(DRY_RUN) = stored;
            w.body(WEBHOOKS)["items"] = json!([]);
            template(w, kind, |own| {
                set_env(own, "AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/app");
                set_env(
                    own,
                    "AWS_WEB_IDENTITY_TOKEN_FILE",
                    "/var/run/secrets/eks.amazonaws.com/serviceaccount/token",
                );
            });
        }));
    }
    // No pod exists, and an event alone says why.
    worlds.push(fault(
        "statefulset-refused-by-the-webhook",
        "injection|webhook",
        &["StatefulSet app", "connection refused"],
        "webhook",
        |w| {
            controlled(w, "StatefulSet");
            w.body(PODS)["items"] = json!([]);
            w.refuse(DRY_RUN, 403, "pods is forbidden: User \"u\" cannot create resource");
            let message = "create Pod app-0 in StatefulSet app failed error: Internal error occurred: failed calling webhook \"pod-identity-webhook.amazonaws.com\": connection refused";
            w.answer("GET /api/v1/namespaces/demo/events?fieldSelector=reason%3DFailedCreate", 200, json!({
                "items": [{"involvedObject": {"kind": "StatefulSet", "name": "app"}, "message": message}]
            }));
        },
    ));
    // The fix names what made the pod that is wrong, and not the youngest one.
    worlds.push(fault("another-workload-of-the-account", "pod-credentials", &["batch-0"], "statefulset/batch", |w| {
        w.answer("GET /apis/apps/v1/namespaces/demo/statefulsets", 200, json!({"items": [
            {"metadata": {"name": "batch", "namespace": "demo"}, "spec": {"template": {"spec": {
                "serviceAccountName": "app",
                "containers": [{"name": "app", "image": "x", "env": [{"name": "AWS_ACCESS_KEY_ID", "value": "AKIAMADEUP"}]}]}}}}]}));
        second_pod(w, |pod| {
            pod["metadata"]["name"] = "batch-0".into();
            pod["metadata"]["creationTimestamp"] = "2026-11-20T00:00:00Z".into();
            pod["metadata"]["ownerReferences"] = json!([{"kind": "StatefulSet", "name": "batch", "controller": true}]);
            set_env(pod, "AWS_ACCESS_KEY_ID", "AKIAMADEUP");
            set_env(pod, "AWS_SECRET_ACCESS_KEY", "wJalrMadeUp");
        });
    }));
    worlds.push(well("finished-job-beside-a-deployment", |w| {
        second_pod(w, |pod| {
            pod["status"]["phase"] = "Succeeded".into();
            pod["metadata"]["creationTimestamp"] = "2026-12-20T00:00:00Z".into();
            pod["metadata"]["labels"] =
                json!({"eks.amazonaws.com/skip-pod-identity-webhook": "true"});
            pod["metadata"]["ownerReferences"] =
                json!([{"kind": "Job", "name": "once", "controller": true}]);
            env(pod).clear();
            token_volume(pod);
        });
    }));
    worlds
}
