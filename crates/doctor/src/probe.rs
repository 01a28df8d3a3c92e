//! Which workload is asked about, what its pods bring themselves, and the pod of a dry run.

use issuer_pods::Settings;
use serde_json::{Map, Value};

use crate::Controllers;
use crate::controllers::template;
use crate::kubernetes::{account_of, items, labels, name, named, namespace, owner, text};
use crate::scope::Scope;
use crate::seen::{InjectionSeen, Seen, Subject};

/// What a pod is made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// `Deployment`, …; `Pod` if it is the pod itself.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Metadata and spec of its pods.
    pub template: Value,
    /// How it makes its pods anew.
    pub renewal: Renewal,
}

/// How a workload makes its pods anew.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Renewal {
    /// In its usual way.
    #[default]
    Usual,
    /// Not before it is resumed: it is paused.
    Paused,
    /// Only pods that somebody deletes (`updateStrategy` OnDelete); the selector of its pods, if it is one
    /// of labels alone.
    OnDelete(Option<String>),
}

impl Renewal {
    fn of(controller: &Value) -> Self {
        let spec = controller.get("spec").unwrap_or(&Value::Null);
        if spec["paused"] == true {
            return Self::Paused;
        }
        if spec["updateStrategy"]["type"] != "OnDelete" {
            return Self::Usual;
        }
        let labels = spec["selector"]["matchLabels"].as_object().into_iter().flatten();
        let labels: Vec<String> =
            labels.filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?))).collect();
        let is_whole = items(&spec["selector"], "matchExpressions").is_empty();
        Self::OnDelete((is_whole && !labels.is_empty()).then(|| labels.join(",")))
    }
}

impl Workload {
    fn new(kind: &str, name: &str, template: &Value, controller: Option<&Value>) -> Self {
        let mut template = template.clone();
        if ["Job", "CronJob"].contains(&kind) {
            label_as_of_a_job(&mut template, name);
        }
        let renewal = controller.map(Renewal::of).unwrap_or_default();
        Self { kind: kind.to_owned(), name: name.to_owned(), template, renewal }
    }

    /// Whether `kubectl rollout restart` and `kubectl set env` take it.
    pub(crate) fn is_restarted(&self) -> bool {
        ["Deployment", "StatefulSet", "DaemonSet"].contains(&self.kind.as_str())
    }

    /// `deployment/app`, as kubectl takes it.
    #[must_use]
    pub fn reference(&self) -> String {
        format!("{}/{}", self.kind.to_lowercase(), self.name)
    }
}

/// Pods of the account, or the one that was asked for: those that run before those that have ended, those that opt
/// out on purpose last among them, since they say nothing about the others, and the youngest first.
#[must_use]
pub fn pods_of(seen: &Seen) -> Vec<&Value> {
    let Some(subject) = &seen.asked.subject else { return Vec::new() };
    let is_ours = |pod: &&Value| {
        namespace(pod) == subject.namespace
            && account_of(pod) == subject.name
            && seen.asked.pod.as_deref().is_none_or(|wanted| wanted == name(pod))
    };
    let all = seen.workload.pods.known().into_iter().flatten();
    let mut pods: Vec<&Value> = all.filter(is_ours).collect();
    pods.sort_by_key(|pod| (has_ended(pod), opts_out(pod), std::cmp::Reverse(created(pod))));
    pods
}

/// The workload of the account: of the first of its pods ([`pods_of`]), or the controller that names it.
#[must_use]
pub fn workload_of(seen: &Seen) -> Option<Workload> {
    let subject = seen.asked.subject.as_ref()?;
    let controllers = &seen.workload.controllers;
    if let Some(pod) = pods_of(seen).first() {
        return Some(of_pod(pod, controllers));
    }
    controllers
        .running_as(&subject.name)
        .map(|(kind, own)| Workload::new(kind, name(own), template(own), Some(own)))
}

/// The labels that the Job controller gives its pods, which selectors see and templates may lack.
const OF_JOBS: [&str; 4] = [
    "batch.kubernetes.io/job-name",
    "batch.kubernetes.io/controller-uid",
    "job-name",
    "controller-uid",
];

fn label_as_of_a_job(template: &mut Value, job: &str) {
    for label in OF_JOBS {
        let labels = &mut template["metadata"]["labels"];
        if labels.get(label).is_none() {
            let value = if label.ends_with("job-name") {
                job
            } else {
                "00000000-0000-0000-0000-000000000000"
            };
            labels[label] = value.into();
        }
    }
}

/// Whether a controller adds a label, so that no template can do without it.
pub(crate) fn is_added_by_a_controller(label: &str) -> bool {
    OF_JOBS.contains(&label)
}

/// Whether a pod has the label of those that the webhook is not to change.
pub(crate) fn opts_out(pod: &Value) -> bool {
    labels(pod).get("eks.amazonaws.com/skip-pod-identity-webhook").is_some()
}

/// What a pod was made from, as far as it is known.
pub(crate) fn of_pod(pod: &Value, controllers: &Controllers) -> Workload {
    let Some((kind, controller)) = owner(pod) else {
        return Workload::new("Pod", name(pod), pod, None);
    };
    let found = controllers.named(kind, controller);
    let above = match (kind, found) {
        // The name of a Deployment's ReplicaSet is its own and a hash.
        ("ReplicaSet", None) => controller
            .rsplit_once('-')
            .map(|(name, _)| (maker_of_replica_set(pod, name, controllers), name)),
        _ => found.and_then(owner),
    };
    let own = found.map_or(pod, template);
    match above {
        Some((above @ ("Deployment" | "CronJob" | "Rollout"), name)) => {
            let maker = controllers.named(above, name);
            Workload::new(above, name, maker.map_or(own, template), maker)
        }
        _ => Workload::new(kind, controller, own, found),
    }
}

/// What makes a ReplicaSet that may not be read: a Deployment, unless the pod has the label of a Rollout
/// (Argo), or there is no such Deployment.
fn maker_of_replica_set(pod: &Value, name: &str, controllers: &Controllers) -> &'static str {
    let is_none =
        controllers.knows("Deployment") && controllers.named("Deployment", name).is_none();
    match labels(pod).get("rollouts-pod-template-hash").is_some() {
        true => "Rollout",
        false if is_none => "ReplicaSet",
        false => "Deployment",
    }
}

/// Whether a pod has ended.
pub(crate) fn has_ended(pod: &Value) -> bool {
    let phase = pod.get("status").map_or("", |status| text(status, "phase"));
    ["Succeeded", "Failed"].contains(&phase)
}

/// When an object was created, as a text that sorts by time.
pub(crate) fn created(object: &Value) -> &str {
    object.get("metadata").map_or("", |metadata| text(metadata, "creationTimestamp"))
}

/// The pod of a dry run: labels and annotations of the workload's own pods, which selectors and opt-outs
/// see, and the names and images of their containers; not their variables, so that what they bring
/// themselves is not mistaken for what they are given.
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
    let container = pod["spec"]["containers"][0].take();
    for list in ["initContainers", "containers"] {
        let like = |own: &Value| {
            let mut container = container.clone();
            (container["name"], container["image"]) = (own["name"].clone(), own["image"].clone());
            container
        };
        let own =
            items(&workload.template["spec"], list).iter().filter(|own| own["image"].is_string());
        let own: Vec<Value> = own.map(like).collect();
        if !own.is_empty() {
            pod["spec"][list] = own.into();
        }
    }
    if pod["spec"]["containers"][0].is_null() {
        pod["spec"]["containers"] = vec![container].into();
    }
    pod
}

/// Whether a pod or template names role and token file itself, and mounts a token: nothing has to be
/// given to it.
#[must_use]
pub fn self_provided(template: &Value) -> bool {
    let spec = &template["spec"];
    let mut containers =
        ["containers", "initContainers"].into_iter().flat_map(|list| items(spec, list));
    let has = |own: &Value, variable: &str| named(own, "env", variable).is_some();
    if given_at_admission(template) {
        return false;
    }
    containers.any(|own| has(own, "AWS_ROLE_ARN") && has(own, "AWS_WEB_IDENTITY_TOKEN_FILE"))
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

/// Every pod identity webhook: its configuration and its entry.
#[must_use]
pub fn identity_webhooks(injection: &InjectionSeen) -> Vec<(&Value, &Value)> {
    let is_it = |configuration: &Value, hook: &Value| {
        let service = hook.pointer("/clientConfig/service/name").and_then(Value::as_str);
        let names = [name(configuration), text(hook, "name"), service.unwrap_or_default()];
        ["pod-identity", "iam-for-pods", "irsa"]
            .iter()
            .any(|word| names.iter().any(|name| name.contains(word)))
    };
    let entries = injection.webhooks.known().into_iter().flatten();
    let entries =
        entries.flat_map(|own| items(own, "webhooks").iter().map(move |hook| (own, hook)));
    entries.filter(|(own, hook)| is_it(own, hook)).collect()
}

/// The pod identity webhook. Of several, the first that is called about the pods in question and has
/// its Service: one that was left behind keeps no pod from the role that another gives it.
#[must_use]
pub fn find_webhook(seen: &Seen) -> Option<(&Value, &Value)> {
    let own = identity_webhooks(&seen.injection);
    let scope = Scope::of(seen);
    let is_called = |hook: &Value| scope.left_out(hook, items(hook, "rules")).is_none();
    let is_lost = |hook: &Value| {
        webhook_service(hook)
            .is_some_and(|(space, name, _)| seen.injection.lost.contains(&(space, name)))
    };
    let mut called = own.iter().filter(|(_, hook)| is_called(hook));
    let first = called.clone().next();
    called.find(|(_, hook)| !is_lost(hook)).or(first).or(own.first()).copied()
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

/// The webhook's flags, as far as its Deployment, or else its pods tell them.
#[must_use]
pub fn settings_of(injection: &InjectionSeen) -> Settings {
    let mut settings = Settings::default();
    let deployment = injection.deployment.known().and_then(Option::as_ref).map(template);
    let pod = || injection.pods.known().and_then(|pods| pods.first());
    let Some(running) = deployment.or_else(pod) else { return settings };
    let spec = running.get("spec").unwrap_or(&Value::Null);
    for container in items(spec, "containers") {
        for word in items(container, "args").iter().filter_map(Value::as_str) {
            let Some((flag, value)) = word.split_once('=') else { continue };
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_probe_has_the_labels_of_the_pods_and_none_of_their_variables() {
        let template = json!({
            "metadata": {"labels": {"app": "x", "pod-template-hash": "1"}, "annotations": {"a/skip": "y"}},
            "spec": {
                "initContainers": [{"name": "first", "image": "i:1"}],
                "containers": [{"name": "web", "image": "w:1", "env": [{"name": "AWS_ROLE_ARN", "value": "arn"}]}],
            },
        });
        let workload = Workload::new("Deployment", "x", &template, None);
        let subject = Subject { namespace: "demo".into(), name: "app".into() };
        let pod = probe(&subject, Some(&workload));
        assert_eq!(pod["metadata"]["labels"], json!({"app": "x"}));
        assert_eq!(pod["metadata"]["annotations"], json!({"a/skip": "y"}));
        assert_eq!(pod["spec"]["serviceAccountName"], "app");
        assert_eq!(pod["spec"]["containers"][0]["name"], "web");
        assert_eq!(pod["spec"]["containers"].as_array().map(Vec::len), Some(1));
        assert_eq!(pod["spec"]["initContainers"][0]["image"], "i:1");
        assert!(!pod.to_string().contains("AWS_ROLE_ARN"));
    }
}
