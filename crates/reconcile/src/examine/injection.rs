//! What gives pods their roles: webhook, policy, and a dry run.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;
use issuer_cluster::{Cluster, Error};
use issuer_doctor::{
    Called, DryRun, Fact, InjectionSeen, Seen, Serving, find_webhook, has_identity,
    identity_webhooks, outline, probe, webhook_service, workload_of,
};
use issuer_trust::Authorities;
use issuer_verify::{ServingFault, check_serving};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::learnt::no_cluster;
use super::reader::{get, list};
use super::{Examination, unknown};

/// For a handshake with the webhook, which is seldom reachable from outside.
const HANDSHAKE: Duration = Duration::from_secs(2);

/// What kubectl encodes in a query.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

const METRICS: &str = "/metrics";

const GROUP: &str = "/apis/admissionregistration.k8s.io";

pub(super) async fn first(cluster: Option<&Cluster>) -> InjectionSeen {
    let Some(cluster) = cluster else { return InjectionSeen::default() };
    let hooks = format!("{GROUP}/v1/mutatingwebhookconfigurations");
    let (webhooks, policies, bindings) = tokio::join!(
        list(
            cluster,
            &hooks,
            "mutatingwebhookconfigurations.admissionregistration.k8s.io",
            Clone::clone
        ),
        served(cluster, "mutatingadmissionpolicies"),
        served(cluster, "mutatingadmissionpolicybindings"),
    );
    let mut seen = InjectionSeen { webhooks, policies, bindings, ..InjectionSeen::default() };
    seen.lost = lost(cluster, &seen).await;
    seen
}

/// Services of webhooks that do not exist, if there are several webhooks to choose from.
async fn lost(cluster: &Cluster, seen: &InjectionSeen) -> Vec<(String, String)> {
    let own = identity_webhooks(seen);
    let mut services: Vec<_> = own.iter().filter_map(|(_, hook)| webhook_service(hook)).collect();
    services.sort();
    services.dedup();
    if own.len() < 2 {
        return Vec::new();
    }
    let each = services.into_iter().map(async |(space, name, _)| {
        let path = format!("/api/v1/namespaces/{space}/services/{name}");
        let found = get(cluster, &path, &format!("services/{name} in namespace {space}")).await;
        matches!(found, Fact::Known(None)).then_some((space, name))
    });
    join_all(each).await.into_iter().flatten().collect()
}

/// `v1` from Kubernetes 1.36 on, `v1beta1` before.
async fn served(cluster: &Cluster, resource: &str) -> Fact<Vec<Value>> {
    let what = format!("{resource}.admissionregistration.k8s.io");
    let path = |version: &str| format!("{GROUP}/{version}/{resource}");
    match get(cluster, &path("v1"), &what).await {
        Fact::Known(None) => list(cluster, &path("v1beta1"), &what, Clone::clone).await,
        Fact::Known(Some(found)) => {
            Fact::Known(found["items"].as_array().cloned().unwrap_or_default())
        }
        // `get` would be another permission.
        Fact::Denied(_) => Fact::Denied(format!("list on {what}")),
        Fact::NotAsked(why) => Fact::NotAsked(why),
        Fact::Failed(why) => Fact::Failed(why),
    }
}

/// The webhook's objects, and a dry run.
pub(super) async fn second(
    cluster: Option<&Cluster>,
    request: &Examination,
    seen: &Seen,
) -> InjectionSeen {
    let mut injection = seen.injection.clone();
    let Some(cluster) = cluster else {
        injection.dry_run = no_cluster(seen);
        return injection;
    };
    let ((), answer) =
        tokio::join!(webhook(cluster, seen, &mut injection), dry_run(cluster, request, seen));
    injection.dry_run = answer;
    injection
}

/// What the webhook's Service serves, and what the metrics say of it.
pub(super) async fn third(
    cluster: Option<&Cluster>,
    request: &Examination,
    seen: &Seen,
) -> (Fact<Serving>, Fact<Called>) {
    let Some(cluster) = cluster else { return Default::default() };
    tokio::join!(serving(seen), called(cluster, request, seen))
}

/// What the metrics of the API server say of the webhook, if a dry run gave nothing: it is made once
/// more between two looks at them.
async fn called(cluster: &Cluster, request: &Examination, seen: &Seen) -> Fact<Called> {
    let Some((_, hook)) = find_webhook(seen) else { return Fact::default() };
    let answer = &seen.injection.dry_run;
    if !matches!(answer, Fact::Known(DryRun::Stored(pod)) if !has_identity(pod)) {
        return Fact::default();
    }
    let metrics = async || match cluster.read_metrics(METRICS).await {
        Ok(body) => Fact::Known(Called::of(
            &String::from_utf8_lossy(&body),
            hook["name"].as_str().unwrap_or_default(),
        )),
        Err(error) => unknown(&error, "get", METRICS),
    };
    let before = metrics().await;
    let Fact::Known(before) = before else { return before };
    dry_run(cluster, request, seen).await;
    metrics().await.map(|after| after.since(before))
}

async fn webhook(cluster: &Cluster, seen: &Seen, injection: &mut InjectionSeen) {
    let hook = find_webhook(seen).map(|(_, hook)| hook);
    let Some((space, name, _)) = hook.and_then(webhook_service) else { return };
    let paths = [
        format!("/api/v1/namespaces/{space}/services/{name}"),
        format!(
            "/apis/discovery.k8s.io/v1/namespaces/{space}/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3D{name}"
        ),
        format!("/apis/apps/v1/namespaces/{space}/deployments/{name}"),
    ];
    let whats = [
        format!("services/{name} in namespace {space}"),
        format!("endpointslices.discovery.k8s.io in namespace {space}"),
        format!("deployments.apps/{name} in namespace {space}"),
    ];
    let service_and_pods = async {
        let service = get(cluster, &paths[0], &whats[0]).await;
        let selector = service.known().and_then(Option::as_ref).map(selector).unwrap_or_default();
        if selector.is_empty() {
            return (service, Fact::NotAsked("the Service has no selector".to_owned()));
        }
        let path = format!("/api/v1/namespaces/{space}/pods?labelSelector={selector}");
        let pods = list(cluster, &path, &format!("pods in namespace {space}"), outline).await;
        (service, pods)
    };
    let ((service, pods), slices, deployment) = tokio::join!(
        service_and_pods,
        list(cluster, &paths[1], &whats[1], Clone::clone),
        get(cluster, &paths[2], &whats[2]),
    );
    let deployment = deployment.map(|found| found.map(|object| outline(&object)));
    (injection.service, injection.pods) = (service, pods);
    (injection.slices, injection.deployment) = (slices, deployment);
}

/// The labels that a Service selects, for a query.
fn selector(service: &Value) -> String {
    let members = service["spec"]["selector"].as_object().into_iter().flatten();
    let pairs = members.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()));
    let text = pairs.collect::<Vec<_>>().join(",");
    utf8_percent_encode(&text, ENCODED).to_string()
}

fn address(service: &Value) -> Option<IpAddr> {
    service["spec"]["clusterIP"].as_str()?.parse().ok()
}

/// Whether the certificate that is served satisfies the caBundle.
async fn serving(seen: &Seen) -> Fact<Serving> {
    let Some((_, hook)) = find_webhook(seen) else { return Fact::default() };
    let Some((space, name, port)) = webhook_service(hook) else { return Fact::default() };
    let service = seen.injection.service.known().and_then(Option::as_ref);
    let Some(address) = service.and_then(address) else {
        return Fact::NotAsked("the address of the Service is not known".to_owned());
    };
    let (address, name) = (SocketAddr::new(address, port), &format!("{name}.{space}.svc"));
    let bundle = hook.pointer("/clientConfig/caBundle").and_then(Value::as_str).unwrap_or_default();
    let Ok(authorities) = Authorities::parse_usable(bundle.as_bytes()) else {
        return Fact::NotAsked("the caBundle has no usable certificate".to_owned());
    };
    let serving = |fault| Fact::Known(Serving { address: address.to_string(), fault });
    match check_serving(address, name, &authorities, HANDSHAKE).await {
        Ok(()) => serving(None),
        Err(ServingFault::Certificate(why)) => serving(Some(why)),
        Err(ServingFault::NotReached(why)) => {
            Fact::NotAsked(format!("the webhook cannot be reached from here ({why})"))
        }
        Err(_) => Fact::NotAsked("the webhook cannot be reached from here".to_owned()),
    }
}

async fn dry_run(cluster: &Cluster, request: &Examination, seen: &Seen) -> Fact<DryRun> {
    if request.no_dry_run {
        return Fact::NotAsked("--no-dry-run".to_owned());
    }
    let Some(subject) = seen.asked.subject.as_ref().filter(|own| !own.name.is_empty()) else {
        return Fact::NotAsked("no ServiceAccount was asked for".to_owned());
    };
    let pod = probe(subject, workload_of(seen).as_ref());
    match cluster.dry_run_pod(&subject.namespace, &pod).await {
        Ok(stored) if stored["spec"].is_object() => Fact::Known(DryRun::Stored(outline(&stored))),
        Ok(_) => Fact::Failed("the answer to a dry run of a pod is no pod".to_owned()),
        Err(Error::Status { status, message, .. }) => {
            Fact::Known(DryRun::Refused { status, message })
        }
        // A refusal by quota or Pod Security has the same status as a missing permission.
        Err(Error::Forbidden { message, .. }) if !message.contains("cannot create resource") => {
            Fact::Known(DryRun::Refused { status: 403, message })
        }
        Err(error) => {
            unknown(&error, "create", &format!("pods in namespace {}", subject.namespace))
        }
    }
}
