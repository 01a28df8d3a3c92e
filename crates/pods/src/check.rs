//! Whether a cluster gives pods their roles, by what it makes of a dry-run pod.

use std::collections::BTreeMap;

use issuer_diagnostic::{Check, Fault};
use serde_json::{Value, json};

use crate::mutation::{VOLUME, items, named, text};
use crate::{Annotations, Identity, Mutation, Settings};

/// What adds roles to pods in a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dispenser {
    /// A MutatingAdmissionPolicy.
    Policy,
    /// A pod identity webhook.
    Webhook,
}

/// Those in a list of `mutatingadmissionpolicies` or `mutatingwebhookconfigurations`, by name.
#[must_use]
pub fn dispensers(resource: &str, list: &Value) -> Vec<(Dispenser, String)> {
    let found = items(list, "items").iter().filter_map(|object| {
        let name = text(object.get("metadata")?, "name").to_owned();
        if resource == "mutatingadmissionpolicies" {
            let sets = object.get("spec")?.to_string().contains("AWS_WEB_IDENTITY_TOKEN_FILE");
            return sets.then_some((Dispenser::Policy, name));
        }
        let is_webhook = |hook: &Value| {
            let service = hook.pointer("/clientConfig/service/name").and_then(Value::as_str);
            let names = [text(hook, "name"), service.unwrap_or_default()];
            names.iter().any(|name| name.contains("pod-identity-webhook"))
        };
        items(object, "webhooks").iter().any(is_webhook).then_some((Dispenser::Webhook, name))
    });
    found.collect()
}

/// Whether there is one, and which.
#[must_use]
pub fn dispensers_check(found: &BTreeMap<Dispenser, Vec<String>>) -> Check {
    const ID: &str = "injection";
    let names = |which| found.get(&which).map(|names| names.join(", "));
    match (names(Dispenser::Policy), names(Dispenser::Webhook)) {
        (None, None) => Check::fail(
            ID,
            "pods get no role, unless their manifests have it",
            Fault::new(
                "neither a MutatingAdmissionPolicy nor a pod identity webhook adds roles to pods",
                "issuerctl render policy | kubectl apply -f - (before Kubernetes 1.34: issuerctl \
                 render webhook)",
            ),
        ),
        (Some(policy), None) => Check::pass(ID, format!("the admission policy {policy}")),
        (None, Some(webhook)) => Check::pass(ID, format!("the webhook {webhook}")),
        (Some(policy), Some(webhook)) => Check::warn(
            ID,
            format!(
                "the admission policy {policy} and the webhook {webhook}: nothing is added twice"
            ),
            format!(
                "kubectl delete mutatingwebhookconfigurations {webhook}, once the pods have their roles"
            ),
        ),
    }
}

/// A pod that every Pod Security Standard lets in.
#[must_use]
pub fn probe(namespace: &str, account: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "issuerctl-check-", "namespace": namespace},
        "spec": {
            "serviceAccountName": account,
            "securityContext": {
                "runAsNonRoot": true,
                "runAsUser": 65_532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [{
                "name": "main",
                "image": "registry.k8s.io/pause:3.10",
                "resources": {
                    "requests": {"cpu": "10m", "memory": "16Mi"},
                    "limits": {"cpu": "10m", "memory": "16Mi"},
                },
                "securityContext": {
                    "allowPrivilegeEscalation": false,
                    "capabilities": {"drop": ["ALL"]},
                },
            }],
        },
    })
}

/// What the API server would store of a probe, compared with what the ServiceAccount's role needs.
#[must_use]
pub fn verdict(
    account: &str,
    identity: Option<&Identity>,
    stored: &Value,
    settings: &Settings,
) -> Check {
    const ID: &str = "mutation";
    let spec = stored.get("spec").unwrap_or(&Value::Null);
    let Some(identity) = identity else {
        let message = format!("{account} has no role-arn annotation");
        return match named(spec, "volumes", VOLUME) {
            Some(_) => Check::pass(ID, format!("{message}; its pods get a role all the same")),
            None => Check::warn(
                ID,
                format!("{message}, and its pods get no role"),
                format!(
                    "kubectl annotate serviceaccount {}=arn:aws:iam::ACCOUNT:role/NAME",
                    settings.annotation("role-arn")
                ),
            ),
        };
    };
    if !Mutation::new(identity, &Annotations::new(), spec, settings).is_empty() {
        return Check::fail(
            ID,
            "the SDK finds no credentials, or takes those of the node",
            Fault::new(
                format!("a pod of {account} did not get its role {}", identity.role),
                "check the conditions and selectors of the policy or webhook, and its prefix of \
                 annotations",
            ),
        );
    }
    let containers = items(spec, "containers");
    let role = containers.first().and_then(|own| named(own, "env", "AWS_ROLE_ARN"));
    match role.map(|role| text(role, "value")) {
        Some(role) if role == identity.role => {
            Check::pass(ID, format!("a pod of {account} gets the role {role}"))
        }
        role => Check::fail(
            ID,
            "the pod uses another role than its ServiceAccount names",
            Fault::new(
                format!(
                    "a pod of {account} gets the role {}, and the annotation is {}",
                    role.unwrap_or_default(),
                    identity.role
                ),
                "render the policy again from the file, or correct the annotation",
            ),
        ),
    }
}
