//! The same faults with less access: the same root cause, or nothing made up.

use serde_json::json;

use super::{as_user, becomes, ends, fault, hook, well};
use crate::world::{DEPLOYMENTS, DRY_RUN, NAMESPACE, PODS, REPLICA_SETS, World};

/// A recorded fault as another user sees it.
fn seen_by(user: &'static str, recorded: &'static str) -> World {
    let name = format!("{recorded}-as-{user}");
    let mut world = World { name, ..World::named(recorded) };
    as_user(&mut world, user);
    world.aws["credentials"] = false.into();
    world.set("--store", None);
    world
}

/// A recorded fault without the cluster.
fn from_aws(recorded: &'static str) -> World {
    let mut world =
        World { name: format!("{recorded}-without-the-cluster"), ..World::named(recorded) };
    world.set("--kubeconfig", None);
    world.set("--role", Some("arn:aws:iam::123456789012:role/app"));
    world
}

/// The healthy world without the permission for one path.
fn without(path: &'static str, says: &'static str) -> World {
    let mut world = World::plain(&format!("without-{}", says.replace(['\\', '/', '|'], "-")));
    let verb = if path.starts_with("POST") { "create" } else { "get" };
    let message =
        format!("x is forbidden: User \"u\" cannot {verb} resource \"x\" in API group \"\"");
    world.refuse(path, 403, &message);
    world.expect["skips"] = json!([says]);
    world.expect["proof"] = (!path.ends_with("/token")).into();
    world
}

pub(crate) fn worlds() -> Vec<World> {
    let not_accepted = ends("credentials-not-accepted", 6, &["are not\\s+valid", "401"], |w| {
        for option in ["--issuer", "--store"] {
            w.set(option, None);
        }
        w.aws["credentials"] = false.into();
        let paths: Vec<String> = w.kubernetes.keys().cloned().collect();
        for path in paths {
            w.refuse(&path, 401, "Unauthorized");
        }
    });
    let in_the_namespace = [
        "annotation-missing",
        "annotation-typo",
        "annotation-on-pod",
        "annotation-backslash",
        "pod-before-annotation",
        "pod-env-both",
        "pod-static-keys",
        "pod-api-token",
        "pod-token-unreadable",
    ];
    let of_sts = ["provider-missing", "provider-audience", "role-missing"];
    let of_aws = [
        "provider-missing",
        "provider-audience",
        "thumbprint-stale",
        "role-missing",
        "role-action",
        "role-other-name",
        "role-other-cluster",
        "role-wildcard-equals",
        "bucket-blocked",
        "bucket-gone",
        "bucket-without-policy",
    ];
    let blind = |name: &'static str, exit, says: &[&str], answer: fn(&mut World, &str)| {
        ends(name, exit, says, move |w| {
            for option in ["--issuer", "--store"] {
                w.set(option, None);
            }
            w.aws["credentials"] = false.into();
            let paths: Vec<String> = w.kubernetes.keys().cloned().collect();
            for path in paths {
                answer(w, &path);
            }
        })
    };
    let junk = || json!({"error": "login required"});
    let mut worlds = vec![
        not_accepted,
        blind(
            "no-api-server",
            1,
            &["something\\s+other\\s+than\\s+an\\s+API\\s+server"],
            |w, path| {
                w.answer(path, 200, json!({"error": "login required"}));
            },
        ),
        blind("no-api-server-but-for-its-version", 1, &["something\\s+other"], |w, path| {
            if path != "GET /version" {
                w.answer(path, 200, json!({"error": "login required"}));
            }
        }),
        blind("api-server-without-its-store", 1, &["leader\\s+changed"], |w, path| {
            if path != "GET /version" {
                w.refuse(path, 500, "etcdserver: leader changed");
            }
        }),
        blind("busy-api-server", 1, &["busy"], |w, path| {
            if path != "GET /version" {
                w.refuse(path, 429, "too many requests");
            }
        }),
        ends("no-api-server-and-an-issuer", 1, &["something\\s+other"], move |w| {
            let paths: Vec<String> = w.kubernetes.keys().cloned().collect();
            for path in paths {
                w.answer(&path, 200, junk());
            }
        }),
        without("GET /.well-known/openid-configuration", ""),
        without("GET /openid/v1/jwks", "/openid/v1/jwks"),
        without("GET /api/v1/namespaces/demo/pods", "list on pods"),
        without("GET /api/v1/namespaces/demo/serviceaccounts/app", "get on serviceaccounts/app"),
        without("GET /api/v1/namespaces/default/services/pod-identity-webhook", "get on services"),
        without(
            "GET /apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
            "list on mutatingwebhookconfigurations",
        ),
        without(
            "GET /apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies",
            "list on mutatingadmissionpolicies",
        ),
        without(
            "GET /apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dpod-identity-webhook",
            "list on endpointslices",
        ),
        without(DRY_RUN, "create on pods"),
        without(
            "POST /api/v1/namespaces/demo/serviceaccounts/app/token",
            "create on serviceaccounts/token",
        ),
        well("without-flags-and-manifests", |w| {
            for path in [
                "GET /flagz",
                "GET /api/v1/namespaces/kube-system/pods?labelSelector=component%3Dkube-apiserver",
                "GET /api/v1/namespaces/kube-system/configmaps/kubeadm-config",
            ] {
                w.refuse(path, 403, "forbidden: User \"u\" cannot get resource");
            }
            w.expect["skips"] = json!(["/flagz", "pods in namespace kube-system"]);
        }),
        well("a-namespace-that-may-not-be-read", |w| {
            hook(w)["namespaceSelector"] = json!({"matchLabels": {"team": "a"}});
            w.refuse(NAMESPACE, 403, "forbidden: User \"u\" cannot get resource \"namespaces\"");
            w.expect["skips"] = json!(["get on namespaces/demo"]);
        }),
        well("deployments-that-may-not-be-read", |w| {
            w.body(PODS)["items"] = json!([]);
            w.body(REPLICA_SETS)["items"] = json!([]);
            w.refuse(
                DEPLOYMENTS,
                403,
                "forbidden: User \"u\" cannot list resource \"deployments\"",
            );
            w.expect["skips"] = json!(["list on deployments", "objectSelector"]);
        }),
        // Neither the webhook nor a dry run may be seen: what the ReplicaSet says is enough.
        fault(
            "webhook-fails-closed-as-viewer",
            "injection|webhook",
            &["webhook", "ReplicaSet", "connection refused"],
            "webhook",
            |w| {
                becomes(w, "webhook-fails-closed");
                as_user(w, "viewer");
                w.aws["credentials"] = false.into();
            },
        ),
        well("over-quota-as-viewer", |w| {
            becomes(w, "webhook-fails-closed");
            as_user(w, "viewer");
            w.healthy = true;
            w.expect = json!({"exit": 0, "skips": [], "proof": false});
            let message = "pods \"app-1\" is forbidden: exceeded quota: compute";
            w.body(REPLICA_SETS)["items"][0]["status"]["conditions"][0]["message"] = message.into();
        }),
        well("one-pod-alone-may-be-read", |w| {
            w.set("--service-account", None);
            w.set("--pod", Some("demo/app-6d5f9c7b8d-x7k2p"));
            let pod = w.body(PODS)["items"][0].clone();
            w.answer("GET /api/v1/namespaces/demo/pods/app-6d5f9c7b8d-x7k2p", 200, pod);
            w.refuse(PODS, 403, "pods is forbidden: User \"u\" cannot list resource");
        }),
        // A private CA that is not given says nothing about what AWS trusts.
        well("private-ca-not-given-as-viewer", |w| {
            as_user(w, "viewer");
            w.aws["credentials"] = false.into();
            w.set("--ca-file", None);
            w.set("--store", None);
            w.run.push("--no-exchange".into());
            w.expect["proof"] = false.into();
        }),
    ];
    worlds.extend(in_the_namespace.into_iter().map(|own| seen_by("tenant", own)));
    worlds.extend(in_the_namespace.into_iter().map(|own| seen_by("viewer", own)));
    worlds.extend(of_sts.into_iter().map(|own| seen_by("tenant", own)));
    worlds.extend(of_aws.into_iter().map(from_aws));
    worlds
}
