//! The API server: its version, its issuer, its flags, its tokens.

use std::time::Duration;

use futures_util::future::join_all;
use issuer_cluster::{
    Cluster, ClusterName, Connection, Error, ServiceAccountRef, issuer_in_cluster_api,
    issuer_in_eks_anywhere,
};
use issuer_distribution::{ServerFlags, flags_of_pod, issuers_in_extra_args, parse_flagz};
use issuer_doctor::{ClusterSeen, Fact, Managed, Published, Seen, TokenSeen};
use issuer_jwks::{Token, WeakKeys};
use issuer_redact::register;
use serde_json::Value;
use tokio::time::timeout;

use super::reader::{get, list};
use super::{Management, unknown};

/// Fresh tokens that are requested, each over its own connection: servers of one cluster may differ.
const TOKENS: usize = 3;

/// Servers of a cluster that are asked one by one.
const SERVERS: usize = 5;

/// For a server that may not be reachable from here.
const REACH: Duration = Duration::from_secs(2);

/// The object of 1.36; before that, lines of text.
const FLAGZ: &str = "application/json;v=v1beta1;g=config.k8s.io;as=Flagz, \
                     application/json;v=v1alpha1;g=config.k8s.io;as=Flagz, text/plain";

pub(super) async fn first(cluster: Option<&Cluster>) -> ClusterSeen {
    let Some(cluster) = cluster else { return ClusterSeen::default() };
    let slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dkubernetes";
    let (version, discovery, kids, flagz, static_pods, kubeadm, slices) = tokio::join!(
        version(cluster),
        get(cluster, "/.well-known/openid-configuration", "/.well-known/openid-configuration"),
        get_keys(cluster),
        flagz(cluster),
        list(
            cluster,
            "/api/v1/namespaces/kube-system/pods?labelSelector=component%3Dkube-apiserver",
            "pods in namespace kube-system",
            Clone::clone,
        ),
        get(
            cluster,
            "/api/v1/namespaces/kube-system/configmaps/kubeadm-config",
            "configmaps/kubeadm-config in namespace kube-system",
        ),
        list(cluster, slices, "endpointslices.discovery.k8s.io in namespace default", Clone::clone),
    );
    let text = |object: &Value, name: &str| object[name].as_str().unwrap_or_default().to_owned();
    ClusterSeen {
        place: cluster.place(),
        servers: slices.known().map(|own| servers(own)).unwrap_or_default(),
        version,
        discovery: discovery.map(|found| {
            let found = found.filter(|own| own["issuer"].is_string());
            found.map(|own| Published {
                issuer: text(&own, "issuer"),
                jwks_uri: text(&own, "jwks_uri"),
            })
        }),
        kids,
        flagz,
        static_pods: static_pods
            .map(|pods| pods.iter().filter(|pod| runs(pod)).map(of_manifest).collect()),
        kubeadm: kubeadm.map(|found| found.as_ref().and_then(of_kubeadm)),
        ..ClusterSeen::default()
    }
}

/// The API servers behind the Service `kubernetes`; none if there is one alone.
fn servers(slices: &[Value]) -> Vec<String> {
    let of_slice = |slice: &Value| -> Vec<String> {
        let port = slice["ports"][0]["port"].as_u64().unwrap_or(6443);
        let endpoints = slice["endpoints"].as_array().into_iter().flatten();
        let addresses = endpoints.filter_map(|own| own["addresses"][0].as_str());
        let bracketed =
            |own: &str| if own.contains(':') { format!("[{own}]") } else { own.to_owned() };
        addresses.map(|own| format!("https://{}:{port}", bracketed(own))).collect()
    };
    let all: Vec<String> = slices.iter().flat_map(of_slice).take(SERVERS).collect();
    if all.len() > 1 { all } else { Vec::new() }
}

async fn version(cluster: &Cluster) -> Fact<String> {
    match get(cluster, "/version", "/version").await {
        Fact::Known(Some(version)) => {
            let git = version["gitVersion"].as_str().unwrap_or_default().trim_start_matches('v');
            let numbers = ["major", "minor"].map(|name| version[name].as_str().unwrap_or_default());
            if git.is_empty() && numbers[0].is_empty() {
                return Fact::Failed(
                    "the answer for /version has no version, so something other than an API server has responded"
                        .to_owned(),
                );
            }
            Fact::Known(match git.starts_with("0.0.0") || git.is_empty() {
                true => numbers.join("."),
                false => git.to_owned(),
            })
        }
        Fact::Known(None) => {
            Fact::Failed("/version does not exist: this is no API server".to_owned())
        }
        other => other.map(|_| String::new()),
    }
}

async fn get_keys(cluster: &Cluster) -> Fact<Vec<String>> {
    match cluster.served_keys(WeakKeys::Allow).await {
        Ok(keys) => Fact::Known(keys.keys().iter().map(|key| key.kid.to_string()).collect()),
        Err(error) => unknown(&error, "get", "/openid/v1/jwks"),
    }
}

async fn flagz(cluster: &Cluster) -> Fact<Option<ServerFlags>> {
    match cluster.read("/flagz", FLAGZ, ("get", "/flagz")).await {
        Ok(body) => Fact::Known(parse_flagz(&String::from_utf8_lossy(&body))),
        Err(Error::NotFound { .. } | Error::Status { .. }) => Fact::Known(None),
        Err(error) => unknown(&error, "get", "/flagz"),
    }
}

/// Whether a mirror pod is of a server that runs: those of replaced nodes may be left over.
fn runs(pod: &Value) -> bool {
    let has_ended = ["Failed", "Succeeded"].iter().any(|phase| pod["status"]["phase"] == *phase);
    !has_ended && pod["metadata"]["deletionTimestamp"].is_null()
}

/// Name and flags of a static pod.
fn of_manifest(pod: &Value) -> (String, ServerFlags) {
    let name = pod["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    (name, flags_of_pod(pod).unwrap_or_default())
}

/// API version and issuers of `ClusterConfiguration`.
fn of_kubeadm(object: &Value) -> Option<(String, Vec<String>)> {
    let text = object["data"]["ClusterConfiguration"].as_str()?;
    let documents = issuer_yaml::parse(text).ok()?;
    let value = documents.first()?.root.value().ok()?;
    let issuers = issuers_in_extra_args(&value["apiServer"]["extraArgs"]);
    Some((value["apiVersion"].as_str().unwrap_or_default().to_owned(), issuers))
}

/// The clusters of EKS Anywhere and the control planes of Cluster API.
pub(super) async fn managed(
    cluster: Option<&Cluster>,
    request: Option<&Management>,
) -> Fact<Vec<Managed>> {
    let (Some(cluster), Some(request)) = (cluster, request) else {
        return Fact::NotAsked(
            "no management cluster was given (--management-kubeconfig)".to_owned(),
        );
    };
    let (eks, planes) = tokio::join!(
        list(
            cluster,
            "/apis/anywhere.eks.amazonaws.com/v1alpha1/clusters",
            "clusters.anywhere.eks.amazonaws.com",
            Clone::clone,
        ),
        list(
            cluster,
            "/apis/controlplane.cluster.x-k8s.io/v1beta1/kubeadmcontrolplanes",
            "kubeadmcontrolplanes.controlplane.cluster.x-k8s.io",
            Clone::clone,
        ),
    );
    let (Fact::Known(eks), planes) = (&eks, planes.known()) else { return eks.map(|_| Vec::new()) };
    let all = eks.iter().map(|own| ("Cluster", own));
    let all = all.chain(planes.into_iter().flatten().map(|own| ("KubeadmControlPlane", own)));
    let wanted = all.filter(|(_, own)| is_wanted(own, request));
    Fact::Known(wanted.map(|(kind, own)| managed_as(kind, own)).collect())
}

fn managed_as(kind: &'static str, object: &Value) -> Managed {
    let text = |name: &str| object["metadata"][name].as_str().unwrap_or_default().to_owned();
    let issuer = match kind {
        "Cluster" => issuer_in_eks_anywhere(object),
        _ => issuer_in_cluster_api(object),
    };
    Managed { kind, namespace: text("namespace"), name: text("name"), issuer }
}

/// A control plane has the label of its cluster, or is called like it.
fn is_wanted(object: &Value, request: &Management) -> bool {
    let metadata = &object["metadata"];
    let is_cluster = |name: &ClusterName| {
        let name = name.as_str();
        metadata["name"] == name || metadata["labels"]["cluster.x-k8s.io/cluster-name"] == name
    };
    request.cluster.as_ref().is_none_or(is_cluster)
        && request.namespace.as_ref().is_none_or(|name| metadata["namespace"] == name.to_string())
}

/// Several tokens as they were signed, also by each server that can be reached, and the first of them.
pub(super) async fn tokens(
    cluster: Option<&Cluster>,
    connection: Option<&Connection>,
    seen: &Seen,
    audience: &str,
) -> (Fact<Vec<TokenSeen>>, Fact<String>) {
    let (Some(cluster), Some(subject)) = (cluster, &seen.asked.subject) else {
        let why = match cluster {
            None => seen.asked.no_cluster.clone().unwrap_or_default(),
            Some(_) => "no ServiceAccount was asked for".to_owned(),
        };
        return (Fact::NotAsked(why.clone()), Fact::NotAsked(why));
    };
    let Ok(account) = subject.to_string().parse::<ServiceAccountRef>() else {
        return Default::default();
    };
    let one = || cluster.fresh_token(&account, audience);
    let each = async |url: &String| {
        let direct = async {
            let server = Cluster::connect_to(connection?, url).await.ok()?.within(REACH);
            Some((url.clone(), server.fresh_token(&account, audience).await.ok()?))
        };
        timeout(REACH, direct).await.ok().flatten()
    };
    let (answers, of_servers) = tokio::join!(
        join_all((0..TOKENS).map(|_| one())),
        join_all(seen.cluster.servers.iter().map(each))
    );
    let (mut tokens, mut compact, mut failure) = (Vec::new(), None, None);
    for answer in answers {
        match answer {
            Ok(token) => {
                tokens.push(seen_of(&token, None));
                register(&token.compact());
                compact = compact.or_else(|| Some(token.compact()));
            }
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    for (url, token) in of_servers.into_iter().flatten() {
        register(&token.compact());
        tokens.push(seen_of(&token, Some(url)));
    }
    let resource = format!("serviceaccounts/token ({subject})");
    match (compact, failure) {
        (Some(compact), _) => (Fact::Known(tokens), Fact::Known(compact)),
        (None, Some(error)) => {
            (unknown(&error, "create", &resource), unknown(&error, "create", &resource))
        }
        (None, None) => Default::default(),
    }
}

fn seen_of(token: &Token, server: Option<String>) -> TokenSeen {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    TokenSeen { iss: text(token.claims().get("iss")), kid: text(token.header().get("kid")), server }
}
