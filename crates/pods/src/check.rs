//! Whether a cluster gives pods their roles, by what it makes of a dry-run pod.

use std::collections::BTreeMap;

use issuer_diagnostic::{Check, Fault};
use serde_json::{Value, json};

use crate::inject::SKIP_LABEL;
use crate::mutation::{VOLUME, items, named, text};
use crate::policy::ACCOUNT_LABEL;
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
                "issuerctl render policy | kubectl apply -f - (before Kubernetes 1.36, unless the feature \
                 gate MutatingAdmissionPolicy is on: issuerctl render webhook)",
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

/// Whether a pod, or the template of pods, runs without the role of its ServiceAccount, unless it opts
/// out.
#[must_use]
pub fn lacks_role(pod: &Value, identity: &Identity, settings: &Settings) -> bool {
    let metadata = pod.get("metadata").unwrap_or(&Value::Null);
    if metadata.get("labels").is_some_and(|labels| labels.get(SKIP_LABEL).is_some()) {
        return false;
    }
    let spec = pod.get("spec").unwrap_or(&Value::Null);
    if !Mutation::new(identity, &annotations(pod), spec, settings).is_empty() {
        return true;
    }
    let lists = ["initContainers", "containers"].into_iter().flat_map(|list| items(spec, list));
    let roles = lists.filter_map(|own| named(own, "env", "AWS_ROLE_ARN")?.get("value"));
    roles.into_iter().any(|role| *role != identity.role)
}

/// The same pod with what the policy or the webhook adds to it.
#[must_use]
pub fn with_role(pod: &Value, identity: &Identity, settings: &Settings) -> Value {
    let spec = pod.get("spec").unwrap_or(&Value::Null);
    let mutation = Mutation::new(identity, &annotations(pod), spec, settings);
    let mut pod = pod.clone();
    pod["spec"] = mutation.apply(spec.clone());
    pod
}

fn annotations(pod: &Value) -> Annotations {
    let members = pod.pointer("/metadata/annotations").and_then(Value::as_object);
    let members = members.into_iter().flatten();
    members.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

/// The command that gives a ServiceAccount, `NAMESPACE/NAME`, its role.
fn annotate(account: &str, settings: &Settings) -> String {
    let (namespace, name) = account.split_once('/').unwrap_or(("default", account));
    let annotation = settings.annotation("role-arn");
    format!(
        "`kubectl annotate serviceaccount {name} --namespace {namespace} \
         {annotation}=arn:aws:iam::ACCOUNT:role/NAME`"
    )
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
                annotate(account, settings),
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

/// A ServiceAccount with a role that the policy does not read, because it selects by a label that the
/// ServiceAccount does not have; `bindings` is a list of `mutatingadmissionpolicybindings`.
#[must_use]
pub fn unselected(account: &Value, bindings: &Value) -> Option<Check> {
    let pointer =
        format!("/spec/paramRef/selector/matchLabels/{}", ACCOUNT_LABEL.replace('/', "~1"));
    let selects = |binding: &Value| binding.pointer(&pointer).is_some_and(|value| value == "true");
    let metadata = account.get("metadata")?;
    let is_labelled =
        metadata.get("labels").is_some_and(|labels| text(labels, ACCOUNT_LABEL) == "true");
    if is_labelled || !items(bindings, "items").iter().any(selects) {
        return None;
    }
    let (namespace, name) = (text(metadata, "namespace"), text(metadata, "name"));
    Some(Check::fail(
        "mutation",
        "the SDK finds no credentials, or takes those of the node",
        Fault::new(
            format!(
                "the ServiceAccount {namespace}/{name} has a role and not the label \
                 {ACCOUNT_LABEL}=true, by which the policy selects ServiceAccounts"
            ),
            format!(
                "kubectl label serviceaccount {name} --namespace {namespace} {ACCOUNT_LABEL}=true \
                 --overwrite"
            ),
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_account_that_the_policy_does_not_select_is_named_with_the_label_it_lacks() {
        let options = |labelled| crate::PolicyOptions {
            settings: Settings::default(),
            api: crate::PolicyApi::V1,
            roles: crate::Roles::Annotations { labelled },
            namespaces: None,
            guard: false,
        };
        let bindings = |labelled| {
            let objects = crate::policy(&options(labelled)).unwrap();
            json!({"items": objects})
        };
        let account = |labels: Value| json!({"metadata": {"name": "app", "namespace": "default", "labels": labels}});
        for labels in [Value::Null, json!({}), json!({ACCOUNT_LABEL: "false"})] {
            let check = unselected(&account(labels.clone()), &bindings(true)).unwrap();
            assert!(check.failed());
            let fix = check.fix.unwrap();
            assert!(
                fix.starts_with("kubectl label serviceaccount app --namespace default "),
                "{fix}"
            );
            assert!(fix.contains(&format!(" {ACCOUNT_LABEL}=true")), "{fix}");
            assert!(unselected(&account(labels), &bindings(false)).is_none());
        }
        assert!(unselected(&account(json!({ACCOUNT_LABEL: "true"})), &bindings(true)).is_none());
        assert!(unselected(&account(json!({})), &json!({})).is_none());
    }

    fn identity(role: &str) -> Identity {
        let annotations =
            Annotations::from([("eks.amazonaws.com/role-arn".to_owned(), role.to_owned())]);
        Identity::of(&annotations, &Settings::default()).unwrap()
    }

    #[test]
    fn a_pod_lacks_its_role_unless_it_has_everything_or_opts_out() {
        let (settings, app) = (Settings::default(), identity("arn:aws:iam::111122223333:role/app"));
        let lacks = |pod: &Value| lacks_role(pod, &app, &settings);
        let bare = json!({"spec": {"containers": [{"name": "main"}, {"name": "sidecar"}]}});
        assert!(lacks(&bare));
        let given = with_role(&bare, &app, &settings);
        assert!(!lacks(&given));
        // Another role, whoever set it.
        assert!(lacks_role(&given, &identity("arn:aws:iam::111122223333:role/b"), &settings));
        // A part of it.
        let mut part = given.clone();
        part["spec"]["volumes"] = json!([]);
        assert!(lacks(&part));
        let mut part = given.clone();
        part["spec"]["containers"][1].as_object_mut().unwrap().remove("env");
        assert!(lacks(&part));
        // A value that is not in the pod is nothing that can be compared.
        let mut elsewhere = given.clone();
        let role = &mut elsewhere["spec"]["containers"][0]["env"][0];
        assert_eq!(role["name"], "AWS_ROLE_ARN");
        *role = json!({"name": "AWS_ROLE_ARN", "valueFrom": {"configMapKeyRef": {"name": "a"}}});
        assert!(!lacks(&elsewhere));
        // What opts out.
        let mut skipped = bare.clone();
        skipped["metadata"] = json!({"labels": {SKIP_LABEL: "yes"}});
        assert!(!lacks(&skipped));
        // A template with a role of its own keeps it.
        let own = json!({"spec": {"containers": [
            {"name": "main", "env": [{"name": "AWS_ROLE_ARN", "value": "theirs"}]},
        ]}});
        assert!(lacks(&with_role(&own, &app, &settings)));
    }
}
