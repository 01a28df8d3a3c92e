//! Workloads that bring role and token themselves, without a webhook; and pods of another one.

use serde_json::{Value, json};

use super::{
    annotate, as_user, bare, becomes, condition, container, fault, set_env, unset_env, well,
};
use crate::world::{ACCOUNT, DRY_RUN, PODS, POLICIES, WEBHOOKS, World};

const ROLE: &str = "arn:aws:iam::123456789012:role/app";

/// The workload mounts a token of its own; nothing gives pods their role.
fn by_hand(world: &mut World) {
    becomes(world, "static-injection");
    let bare = World::named("webhook-absent");
    world.kubernetes.insert(DRY_RUN.into(), bare.kubernetes[DRY_RUN].clone());
}

fn unannotated(world: &mut World) {
    world.body(ACCOUNT)["metadata"]["annotations"] = json!({});
}

/// Both variables come from a ConfigMap.
fn from_map(world: &mut World) {
    by_hand(world);
    world.change_pod(true, |pod| {
        bare(pod);
        container(pod)["envFrom"] = json!([{"configMapRef": {"name": "aws"}}]);
    });
    let keys = json!({"f:AWS_ROLE_ARN": {}, "f:AWS_WEB_IDENTITY_TOKEN_FILE": {}});
    let body = json!({"kind": "PartialObjectMetadata",
        "metadata": {"name": "aws", "managedFields": [{"fieldsV1": {"f:data": keys}}]}});
    world.answer("GET /api/v1/namespaces/demo/configmaps/aws", 200, body);
}

fn from_file(world: &mut World) {
    by_hand(world);
    world.change_pod(true, |pod| {
        bare(pod);
        set_env(pod, "AWS_CONFIG_FILE", "/etc/aws/config");
    });
}

/// An init container alone has the role.
fn of_init(world: &mut World) {
    by_hand(world);
    world.change_pod(true, |pod| {
        let mut first = container(pod).clone();
        first["name"] = "first".into();
        pod["spec"]["initContainers"] = json!([first]);
        bare(pod);
    });
}

/// A policy engine gives pods their roles, and nobody may make a dry run.
fn by_another(world: &mut World) {
    let rename = |pod: &mut Value| {
        for list in ["/spec/volumes", "/spec/containers/0/volumeMounts"] {
            for own in pod.pointer_mut(list).unwrap().as_array_mut().unwrap() {
                if own["name"] == "aws-iam-token" {
                    own["name"] = "irsa-token".into();
                }
            }
        }
    };
    rename(&mut world.body(PODS)["items"][0]);
    world.body(WEBHOOKS)["items"] =
        json!([{"metadata": {"name": "kyverno-resource-mutating-webhook-cfg"}, "webhooks": []}]);
    world.body(POLICIES)["items"] = json!([]);
    world.run.push("--no-dry-run".into());
}

pub(crate) fn worlds() -> Vec<World> {
    let asked = |w: &mut World| w.set("--role", Some(ROLE));
    vec![
        well("by-hand-with-the-role-that-was-asked-for", move |w| {
            by_hand(w);
            unannotated(w);
            asked(w);
        }),
        well("by-hand-beside-another-annotation", |w| {
            by_hand(w);
            unannotated(w);
            annotate(w, "vault.example/role-arn", ROLE.into());
        }),
        fault(
            "by-hand-with-another-role-than-asked-for",
            "pod-env",
            &["role/app", "role/other"],
            "role|env",
            |w| {
                by_hand(w);
                unannotated(w);
                w.set("--role", Some("arn:aws:iam::123456789012:role/other"));
                let other = World::named("plain").aws["roles"][0].clone();
                w.aws["roles"].as_array_mut().unwrap().push(other);
                w.aws["roles"][1]["name"] = "other".into();
                w.aws["roles"][1]["arn"] = "arn:aws:iam::123456789012:role/other".into();
            },
        ),
        well("variables-of-a-config-map", from_map),
        well("variables-of-a-config-map-unannotated", |w| {
            from_map(w);
            unannotated(w);
            w.expect["proof"] = false.into();
        }),
        well("variables-of-a-config-map-and-a-role", move |w| {
            from_map(w);
            unannotated(w);
            asked(w);
        }),
        well("variables-of-an-object-that-may-not-be-read", |w| {
            from_map(w);
            let forbidden = "forbidden: User \"u\" cannot get resource \"configmaps\"";
            w.refuse("GET /api/v1/namespaces/demo/configmaps/aws", 403, forbidden);
            w.expect["skips"] = json!(["ConfigMap aws"]);
        }),
        // Without a token, they cannot be there.
        fault(
            "variables-of-an-object-without-a-token",
            "webhook",
            &["no pod identity webhook"],
            "render",
            |w| {
                becomes(w, "webhook-absent");
                w.change_pod(true, |pod| {
                    container(pod)["envFrom"] = json!([{"secretRef": {"name": "settings"}}]);
                });
            },
        ),
        well("role-of-a-config-map-key-unannotated", |w| {
            by_hand(w);
            unannotated(w);
            w.change_pod(true, |pod| {
                unset_env(pod, "AWS_ROLE_ARN");
                let from = json!({"configMapKeyRef": {"name": "aws", "key": "role"}});
                let own = json!({"name": "AWS_ROLE_ARN", "valueFrom": from});
                container(pod)["env"].as_array_mut().unwrap().push(own);
            });
            w.expect["proof"] = false.into();
        }),
        well("configuration-file", from_file),
        well("configuration-file-unannotated", move |w| {
            from_file(w);
            unannotated(w);
            asked(w);
        }),
        well("configuration-file-in-the-table", |w| {
            from_file(w);
            w.set("--service-account", None);
            let (account, pod) = (w.body(ACCOUNT).clone(), w.body(PODS)["items"][0].clone());
            w.answer("GET /api/v1/serviceaccounts", 200, json!({"items": [account]}));
            w.answer("GET /api/v1/pods", 200, json!({"items": [pod]}));
            w.expect["proof"] = false.into();
        }),
        well("init-container-alone", of_init),
        well("given-by-another", by_another),
        well("given-by-another-as-viewer", |w| {
            by_another(w);
            as_user(w, "viewer");
            w.body(PODS);
            w.aws["credentials"] = false.into();
            w.expect["proof"] = false.into();
        }),
        // The annotation was removed since; pods that run still have the role, others do not.
        fault("annotation-removed-since", "annotation", &["no annotation"], "annotate", |w| {
            let pods = w.body(PODS).clone();
            w.uninjected();
            *w.body(PODS) = pods;
            unannotated(w);
        }),
        // A condition may leave out the dry run alone.
        well("condition-on-the-dry-run", |w| {
            let pods = w.body(PODS).clone();
            w.uninjected();
            *w.body(PODS) = pods;
            condition(w, "request.dryRun != true");
            w.expect["proof"] = true.into();
        }),
    ]
}
