//! Which workload is asked about, what its pods bring themselves, and the pod of a dry run.

use issuer_pods::Settings;
use serde_json::{Map, Value};

use crate::kubernetes::{account_of, items, labels, name, named, namespace, owner, text};
use crate::seen::{Seen, Subject};

/// What a pod is made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// `Deployment`, …; `Pod` if it is the pod itself.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Metadata and spec of its pods.
    pub template: Value,
}

impl Workload {
    /// `deployment/app`, as kubectl takes it.
    #[must_use]
    pub fn reference(&self) -> String {
        format!("{}/{}", self.kind.to_lowercase(), self.name)
    }
}

/// The workload of the account: of the given pod, of the youngest of its pods, or the Deployment or
/// ReplicaSet that names it.
#[must_use]
pub fn workload_of(seen: &Seen) -> Option<Workload> {
    let subject = seen.asked.subject.as_ref()?;
    let pods = seen.workload.pods.known().map_or(&[][..], Vec::as_slice);
    let is_ours = |pod: &&Value| {
        namespace(pod) == subject.namespace
            && account_of(pod) == subject.name
            && seen.asked.pod.as_deref().is_none_or(|wanted| wanted == name(pod))
    };
    let pod = pods.iter().filter(is_ours).max_by_key(|pod| created(pod).to_owned());
    let deployments = seen.workload.deployments.known().map_or(&[][..], Vec::as_slice);
    let sets = seen.workload.replica_sets.known().map_or(&[][..], Vec::as_slice);
    if let Some(pod) = pod {
        return Some(of_pod(pod, deployments, sets));
    }
    let names = |object: &&Value| account_of(&object["spec"]["template"]) == subject.name;
    let deployment = deployments.iter().find(names).map(|own| of_object("Deployment", own));
    deployment.or_else(|| sets.iter().find(names).map(|own| of_object("ReplicaSet", own)))
}

/// What a pod was made from, as far as it is known.
pub(crate) fn of_pod(pod: &Value, deployments: &[Value], sets: &[Value]) -> Workload {
    let by_name =
        |list: &[Value], wanted: &str| list.iter().find(|own| name(own) == wanted).cloned();
    let own =
        || Workload { kind: "Pod".to_owned(), name: name(pod).to_owned(), template: pod.clone() };
    match owner(pod) {
        Some(("ReplicaSet", set)) => {
            let found = by_name(sets, set);
            let deployment = match found.as_ref().and_then(owner) {
                Some(("Deployment", deployment)) => Some(deployment.to_owned()),
                Some(_) => None,
                // The name of a Deployment's ReplicaSet is its own and a hash.
                None => set.rsplit_once('-').map(|(name, _)| name.to_owned()),
            };
            let known = deployment.as_deref().and_then(|name| by_name(deployments, name));
            match (known, deployment, found) {
                (Some(object), ..) => of_object("Deployment", &object),
                (None, Some(name), Some(set)) => Workload {
                    kind: "Deployment".to_owned(),
                    name,
                    template: set["spec"]["template"].clone(),
                },
                (None, None, Some(set)) => of_object("ReplicaSet", &set),
                (None, Some(name), None) => {
                    Workload { kind: "Deployment".to_owned(), name, template: pod.clone() }
                }
                (None, None, None) => Workload {
                    kind: "ReplicaSet".to_owned(),
                    name: set.to_owned(),
                    template: pod.clone(),
                },
            }
        }
        Some((kind, owner)) => {
            Workload { kind: kind.to_owned(), name: owner.to_owned(), template: pod.clone() }
        }
        None => own(),
    }
}

fn of_object(kind: &str, object: &Value) -> Workload {
    Workload {
        kind: kind.to_owned(),
        name: name(object).to_owned(),
        template: object["spec"]["template"].clone(),
    }
}

/// When an object was created, as a text that sorts by time.
pub(crate) fn created(object: &Value) -> &str {
    object.get("metadata").map_or("", |metadata| text(metadata, "creationTimestamp"))
}

/// The pod of a dry run: labels and annotations of the workload's own pods, which selectors and opt-outs
/// see, and not its containers, so that what it brings itself is not mistaken for what it is given.
#[must_use]
pub fn probe(subject: &Subject, workload: Option<&Workload>) -> Value {
    let mut pod = issuer_pods::probe(&subject.namespace, &subject.name);
    pod["metadata"]["generateName"] = "issuerctl-doctor-".into();
    let Some(workload) = workload else { return pod };
    for what in ["labels", "annotations"] {
        let members = workload.template["metadata"][what].as_object().into_iter().flatten();
        let own = members.filter(|(name, _)| !name.ends_with("pod-template-hash"));
        let own: Map<String, Value> =
            own.map(|(name, value)| (name.clone(), value.clone())).collect();
        pod["metadata"][what] = own.into();
    }
    pod
}

/// Whether a pod or template names role and token file itself, and mounts a token: nothing has to be
/// given to it.
#[must_use]
pub fn self_provided(template: &Value) -> bool {
    let spec = &template["spec"];
    let containers = items(spec, "containers");
    let has = |own: &Value, variable: &str| named(own, "env", variable).is_some();
    if given_at_admission(template) {
        return false;
    }
    containers.iter().any(|own| has(own, "AWS_ROLE_ARN") && has(own, "AWS_WEB_IDENTITY_TOKEN_FILE"))
}

/// Whether a pod was given its token by a webhook or a policy, and not by its template: these run after
/// the admission plugin that adds the API server's own token, and add to the end.
pub(crate) fn given_at_admission(pod: &Value) -> bool {
    items(&pod["spec"], "containers").iter().any(|own| {
        let at = |prefix: &str| {
            items(own, "volumeMounts")
                .iter()
                .position(|mount| text(mount, "name").starts_with(prefix))
        };
        at("kube-api-access-")
            .zip(at("aws-iam-token"))
            .is_some_and(|(of_api_server, of_sts)| of_api_server < of_sts)
    })
}

/// The webhook among all MutatingWebhookConfigurations: the configuration, and its entry.
#[must_use]
pub fn find_webhook(configurations: &[Value]) -> Option<(&Value, &Value)> {
    let is_it = |configuration: &Value, hook: &Value| {
        let service = hook.pointer("/clientConfig/service/name").and_then(Value::as_str);
        let names = [name(configuration), text(hook, "name"), service.unwrap_or_default()];
        ["pod-identity", "iam-for-pods", "irsa"]
            .iter()
            .any(|word| names.iter().any(|name| name.contains(word)))
    };
    let entries = configurations
        .iter()
        .flat_map(|own| items(own, "webhooks").iter().map(move |hook| (own, hook)));
    entries.into_iter().find(|(configuration, hook)| is_it(configuration, hook))
}

/// Namespace, name and port of the Service that a webhook is called at.
#[must_use]
pub fn webhook_service(hook: &Value) -> Option<(String, String, u16)> {
    let service = hook.pointer("/clientConfig/service")?;
    let port = service.get("port").and_then(Value::as_u64).and_then(|port| port.try_into().ok());
    Some((
        text(service, "namespace").to_owned(),
        text(service, "name").to_owned(),
        port.unwrap_or(443),
    ))
}

/// The webhook's flags, as far as its Deployment tells them.
#[must_use]
pub fn settings_of(deployment: Option<&Value>) -> Settings {
    let mut settings = Settings::default();
    let Some(deployment) = deployment else { return settings };
    let spec = deployment.pointer("/spec/template/spec").unwrap_or(&Value::Null);
    for container in items(spec, "containers") {
        for word in items(container, "args").iter().filter_map(Value::as_str) {
            let (flag, value) = word.split_once('=').unwrap_or((word, "true"));
            match flag.trim_start_matches('-') {
                "annotation-prefix" => settings.prefix = value.to_owned(),
                "token-audience" => settings.audience = value.to_owned(),
                "aws-default-region" => settings.region = Some(value.to_owned()),
                "sts-regional-endpoint" => settings.regional_sts = value != "false",
                "token-mount-path" => settings.mount_path = value.to_owned(),
                "token-expiration" => {
                    settings.expiration = value.parse().unwrap_or(settings.expiration);
                }
                _ => {}
            }
        }
    }
    settings
}

/// Labels of the workload's pods.
pub(crate) fn pod_labels(workload: Option<&Workload>) -> Value {
    workload.map_or(Value::Null, |workload| labels(&workload.template).clone())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_probe_has_the_labels_of_the_pods_and_none_of_their_variables() {
        let template = json!({
            "metadata": {"labels": {"app": "x", "pod-template-hash": "1"}, "annotations": {"a/skip": "y"}},
            "spec": {"containers": [{"name": "main", "env": [{"name": "AWS_ROLE_ARN", "value": "arn"}]}]},
        });
        let workload = Workload { kind: "Deployment".into(), name: "x".into(), template };
        let subject = Subject { namespace: "demo".into(), name: "app".into() };
        let pod = probe(&subject, Some(&workload));
        assert_eq!(pod["metadata"]["labels"], json!({"app": "x"}));
        assert_eq!(pod["metadata"]["annotations"], json!({"a/skip": "y"}));
        assert_eq!(pod["spec"]["serviceAccountName"], "app");
        assert!(!pod.to_string().contains("AWS_ROLE_ARN"));
    }
}
