//! Two faults at once: the first in the order of judging is the root cause.

use serde_json::json;

use crate::world::World;

/// A recorded world, and what another one has in AWS; or, the other way round, what it has in the cluster.
fn both(first: &'static str, second: &'static str, id: &'static str) -> World {
    let (mut world, other) = (World::named(first), World::named(second));
    world.name = format!("{first}-and-{second}");
    if world.aws == World::named("plain").aws {
        world.aws = other.aws;
    } else {
        let plain = World::named("plain").kubernetes;
        let changed =
            other.kubernetes.into_iter().filter(|(path, own)| plain.get(path) != Some(own));
        world.kubernetes.extend(changed);
    }
    world.healthy = false;
    world.expect = json!({"exit": 5, "id": format!("^({id})"), "says": [], "fix": "."});
    world
}

pub(crate) fn worlds() -> Vec<World> {
    vec![
        both("issuer-slash", "annotation-typo", "cluster-issuer"),
        both("issuer-second", "webhook-absent", "cluster-issuer"),
        both("issuer-flag-missing", "pod-before-annotation", "cluster-issuer"),
        both("signing-key-not-published", "annotation-missing", "token-kid"),
        both("bucket-gone", "annotation-typo", "bucket-missing"),
        both("bucket-blocked", "webhook-not-ready", "bucket-block"),
        both("bucket-without-policy", "pod-static-keys", "bucket-policy"),
        both("annotation-typo", "provider-missing", "annotation"),
        both("annotation-missing", "role-missing", "annotation"),
        both("annotation-missing", "role-other-cluster", "annotation"),
        both("annotation-on-pod", "provider-audience", "annotation"),
        both("webhook-absent", "provider-missing", "webhook"),
        both("webhook-absent", "role-wildcard-equals", "webhook"),
        both("webhook-namespace-selector", "role-other-name", "webhook-scope"),
        both("webhook-not-ready", "role-missing", "webhook-(image|endpoints)"),
        both("webhook-fails-closed", "role-action", "webhook|injection"),
        both("policy-selector", "role-missing", "policy"),
        both("pod-before-annotation", "role-missing", "pod-injected"),
        both("pod-before-annotation", "provider-missing", "pod-injected"),
        both("pod-static-keys", "role-other-name", "pod-credentials"),
        both("pod-static-keys", "thumbprint-stale", "pod-credentials"),
        both("pod-api-token", "role-other-cluster", "pod-token"),
        both("pod-env-both", "role-action", "pod-(env|token)"),
        both("pod-token-unreadable", "provider-audience", "pod-readable"),
        both("provider-missing", "pod-static-keys", "pod-credentials"),
        both("role-missing", "annotation-on-pod", "annotation"),
    ]
}
