//! What workloads do on purpose, and how what makes the pods is changed and its pods made anew.

use serde_json::{Value, json};

use super::{
    SKIP, bare, becomes, container, controlled, doubt, fault, hook, second_pod, set_env,
    token_volume, well,
};
use crate::world::{DEPLOYMENTS, DRY_RUN, PODS, REPLICA_SETS, World};

const SKIPPED: &str = "eks.amazonaws.com/skip-containers";

fn keys(container: &mut Value) {
    container["env"] = json!([{"name": "AWS_ACCESS_KEY_ID", "value": "AKIAMADEUP"},
        {"name": "AWS_SECRET_ACCESS_KEY", "value": "wJalrMadeUp"}]);
}

fn containers(pod: &mut Value) -> &mut Vec<Value> {
    pod["spec"]["containers"].as_array_mut().unwrap()
}

/// A token that its owner and group alone may read, and an init container of another user.
fn for_the_group(world: &mut World, context: Value) {
    world.change_pod(true, |pod| {
        pod["spec"]["securityContext"] = context.clone();
        pod["spec"]["initContainers"] =
            json!([{"name": "first", "image": "x", "securityContext": {"runAsUser": 0}}]);
    });
    token_volume(&mut world.body(PODS)["items"][0])["defaultMode"] = 0o440.into();
}

/// The workload of the pods, as it is between two runs.
fn between_runs(world: &mut World, kind: &str, change: impl Fn(&mut Value)) {
    controlled(world, kind);
    world.body(PODS)["items"] = json!([]);
    let (group, list) = match kind {
        "CronJob" => ("batch", "cronjobs"),
        _ => ("apps", "statefulsets"),
    };
    let spec = &mut world.body(&format!("GET /apis/{group}/v1/namespaces/demo/{list}"))["items"][0]
        ["spec"];
    change(match kind {
        "CronJob" => &mut spec["jobTemplate"]["spec"]["template"],
        _ => &mut spec["template"],
    });
}

/// Its pods are older than the annotation.
fn old(world: &mut World, kind: &str, spec: Value) {
    controlled(world, kind);
    second_pod(world, |pod| {
        bare(pod);
        pod["metadata"]["creationTimestamp"] = "2026-11-20T00:00:00Z".into();
    });
    let path = format!("GET /apis/apps/v1/namespaces/demo/{}s", kind.to_lowercase());
    let own = world.body(&path)["items"][0]["spec"].as_object_mut().unwrap();
    own.extend(spec.as_object().unwrap().clone());
}

pub(crate) fn worlds() -> Vec<World> {
    let mut worlds = containers_and_users();
    worlds.extend(templates());
    worlds.extend(renewals());
    worlds
}

fn containers_and_users() -> Vec<World> {
    vec![
        well("first-container-skipped-on-purpose", |w| {
            let proxy = json!({"name": "envoy", "image": "envoy:1"});
            let change = |pod: &mut Value| {
                containers(pod).insert(0, proxy.clone());
                pod["metadata"]["annotations"] = json!({SKIPPED: "envoy"});
            };
            w.change_pod(true, change);
            change(w.body(DRY_RUN));
        }),
        doubt("init-container-alone-has-the-role", "pod-containers", &["skip-containers"], |w| {
            let change = |pod: &mut Value| {
                let mut init = container(pod).clone();
                init["name"] = "fetch".into();
                pod["spec"]["initContainers"] = json!([init]);
                bare(pod);
                pod["metadata"]["annotations"] = json!({SKIPPED: "app"});
            };
            w.change_pod(false, change);
            change(w.body(DRY_RUN));
        }),
        doubt("keys-of-a-sidecar", "pod-credentials", &["AWS_ACCESS_KEY_ID", "shipper"], |w| {
            let plain = json!({"name": "shipper", "image": "x"});
            w.change_pod(true, |pod| {
                let mut sidecar = plain.clone();
                keys(&mut sidecar);
                containers(pod).push(sidecar);
            });
            let pod = &mut w.body(PODS)["items"][0];
            let own = container(pod).clone();
            let sidecar = &mut containers(pod)[1];
            sidecar["volumeMounts"] = own["volumeMounts"].clone();
            let given = own["env"].as_array().unwrap().clone();
            sidecar["env"].as_array_mut().unwrap().extend(given);
        }),
        well("token-of-the-group-root", |w| {
            for_the_group(w, json!({"runAsUser": 1000, "runAsGroup": 0}));
        }),
        well("token-of-the-group-root-among-others", |w| {
            let groups = json!([0, 5]);
            for_the_group(
                w,
                json!({"runAsUser": 1000, "runAsGroup": 7, "supplementalGroups": groups}),
            );
        }),
        fault(
            "token-of-another-group",
            "pod-readable",
            &["0440", "different users"],
            "fsGroup",
            |w| {
                for_the_group(w, json!({"runAsUser": 1000, "runAsGroup": 1000}));
            },
        ),
        doubt(
            "token-of-a-group-of-the-image",
            "pod-readable",
            &["group is that of the image"],
            |w| {
                for_the_group(w, json!({"runAsUser": 1000}));
            },
        ),
        fault(
            "token-of-root-and-one-container",
            "pod-readable",
            &["0400", "no runAsUser is set"],
            "fsGroup",
            |w| {
                w.change_pod(true, |pod| {
                    pod["spec"]["securityContext"] = json!({"runAsNonRoot": true})
                });
                token_volume(&mut w.body(PODS)["items"][0])["defaultMode"] = 0o400.into();
            },
        ),
        well("another-workload-opts-out", |w| {
            second_pod(w, |pod| {
                bare(pod);
                pod["metadata"]["labels"] = json!({"app": "batch", SKIP: "true"});
                pod["metadata"]["creationTimestamp"] = "2026-12-20T00:00:00Z".into();
                pod["metadata"]["ownerReferences"][0]["name"] = "batch-1".into();
            });
        }),
    ]
}

fn templates() -> Vec<World> {
    vec![
        fault(
            "keys-of-a-cron-job-between-runs",
            "pod-credentials",
            &["AWS_ACCESS_KEY_ID", "template of cronjob/app"],
            "remove AWS_ACCESS_KEY_ID .*next run",
            |w| between_runs(w, "CronJob", |template| keys(container(template))),
        ),
        well("cron-job-between-runs", |w| between_runs(w, "CronJob", |_| {})),
        fault(
            "role-alone-in-a-template-without-pods",
            "pod-env",
            &["AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"],
            "set env statefulset/app",
            |w| {
                between_runs(w, "StatefulSet", |template| {
                    set_env(template, "AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/app");
                });
            },
        ),
        fault(
            "selector-that-leaves-out-jobs",
            "webhook-scope",
            &["batch\\.kubernetes\\.io/job-name", "app-1|app"],
            "objectSelector.*kubectl .*edit mutatingwebhookconfigurations",
            |w| {
                let bare = World::named("webhook-absent");
                w.kubernetes.insert(PODS.to_owned(), bare.kubernetes[PODS].clone());
                w.kubernetes.insert(DRY_RUN.to_owned(), bare.kubernetes[DRY_RUN].clone());
                controlled(w, "CronJob");
                hook(w)["objectSelector"] = json!({"matchExpressions":
                    [{"key": "batch.kubernetes.io/job-name", "operator": "DoesNotExist"}]});
            },
        ),
        fault(
            "keys-of-a-job",
            "pod-credentials",
            &["job/app"],
            "delete job/app, .*create it again",
            |w| {
                controlled(w, "Job");
                let change = |pod: &mut Value| {
                    set_env(pod, "AWS_ACCESS_KEY_ID", "AKIAMADEUP");
                    set_env(pod, "AWS_SECRET_ACCESS_KEY", "wJalrMadeUp");
                };
                change(&mut w.body(PODS)["items"][0]);
                change(
                    &mut w.body("GET /apis/batch/v1/namespaces/demo/jobs")["items"][0]["spec"]["template"],
                );
            },
        ),
        // Commands behind the word token are shown whole.
        fault(
            "command-of-the-api-token",
            "pod-token",
            &["API token"],
            "kubectl .*set env deployment/app",
            |w| {
                becomes(w, "pod-api-token");
            },
        ),
    ]
}

fn renewals() -> Vec<World> {
    vec![
        fault(
            "paused-deployment",
            "pod-injected",
            &["zzzzz"],
            "rollout resume deployment/app .*restart",
            |w| {
                second_pod(w, |pod| {
                    bare(pod);
                    pod["metadata"]["creationTimestamp"] = "2026-11-20T00:00:00Z".into();
                });
                w.body(DEPLOYMENTS)["items"][0]["spec"]["paused"] = true.into();
            },
        ),
        fault(
            "stateful-set-on-delete",
            "pod-injected",
            &["OnDelete"],
            "delete pods --namespace demo --selector app=app",
            |w| {
                let selector = json!({"matchLabels": {"app": "app"}});
                let strategy = json!({"type": "OnDelete"});
                old(w, "StatefulSet", json!({"updateStrategy": strategy, "selector": selector}));
            },
        ),
        fault(
            "daemon-set-on-delete",
            "pod-injected",
            &["OnDelete"],
            "recreate the pods: delete them",
            |w| {
                old(w, "DaemonSet", json!({"updateStrategy": {"type": "OnDelete"}}));
            },
        ),
        fault("rollout-of-argo", "pod-injected", &["zzzzz"], "rollout/app makes new ones", |w| {
            for path in [REPLICA_SETS, DEPLOYMENTS] {
                w.refuse(path, 403, "is forbidden: User \"u\" cannot list resource");
            }
            second_pod(w, |pod| {
                bare(pod);
                pod["metadata"]["labels"]["rollouts-pod-template-hash"] = "6d5f9c7b8d".into();
                pod["metadata"]["creationTimestamp"] = "2026-11-20T00:00:00Z".into();
            });
        }),
        fault(
            "replica-set-of-no-deployment",
            "pod-injected",
            &["zzzzz"],
            "replicaset/app-6d5f9c7b8d",
            |w| {
                w.refuse(REPLICA_SETS, 403, "is forbidden: User \"u\" cannot list resource");
                w.body(DEPLOYMENTS)["items"] = json!([]);
                second_pod(w, |pod| {
                    bare(pod);
                    pod["metadata"]["creationTimestamp"] = "2026-11-20T00:00:00Z".into();
                });
            },
        ),
    ]
}
