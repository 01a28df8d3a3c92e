//! Reading what a plan depends on.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::{try_join, try_join_all, try_join3};
use issuer_cluster::{Cluster, ObjectKind, ObjectRef};
use issuer_iam::ServiceAccountPattern;
use issuer_pods::{POLICY, PolicyApi, WEBHOOK, dispensers};
use serde_json::{Value, json};

use crate::injection::{place_of_namespace, places, places_in_namespace};
use crate::ownership::{Metadata, is_terminating};
use crate::{Account, AccountsMode, CertificateInUse, Error, Injection, InjectionState};
use crate::{Running, WorkloadSpec, WorkloadState, pods};

/// What a state is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// A plan: also what runs there, and the issuer of its tokens.
    Plan,
    /// A deletion.
    Deletion,
}

/// Reads the state of a cluster; independent requests are sent concurrently.
///
/// # Errors
/// [`Error::Cluster`].
pub async fn observe(
    cluster: &Cluster,
    spec: &WorkloadSpec,
    reading: Reading,
) -> Result<WorkloadState, Error> {
    let issuer = async {
        match reading {
            Reading::Plan => Ok(cluster.served_issuer().await?),
            Reading::Deletion => Ok(None),
        }
    };
    let ((accounts, mut terminating), injection, issuer) =
        try_join3(accounts(cluster, spec), injection(cluster, spec), issuer).await?;
    let mut missing_namespaces = BTreeSet::new();
    for (name, namespace) in unknown_namespaces(cluster, spec, &accounts).await? {
        match namespace {
            None => drop(missing_namespaces.insert(name)),
            Some(namespace) if is_terminating(&namespace) => {
                terminating.insert(ObjectRef::cluster_wide(ObjectKind::Namespace, &name));
            }
            Some(_) => {}
        }
    }
    let running = match reading {
        Reading::Plan => pods::running(cluster, spec, &accounts).await?,
        Reading::Deletion => Running::default(),
    };
    Ok(WorkloadState {
        server: cluster.server().to_owned(),
        issuer,
        accounts,
        injection,
        running,
        missing_namespaces,
        terminating,
    })
}

/// The version in which the API server serves admission policies, if it does.
///
/// # Errors
/// Failures of the connection.
pub async fn served_policies(
    cluster: &Cluster,
) -> Result<Option<PolicyApi>, issuer_cluster::Error> {
    let serves = async |api: PolicyApi| {
        let group = format!("admissionregistration.k8s.io/{}", api.as_str());
        cluster.serves(&group, ObjectKind::MutatingAdmissionPolicy.resource()).await
    };
    let (v1, v1beta1) = try_join(serves(PolicyApi::V1), serves(PolicyApi::V1beta1)).await?;
    let api = v1.then_some(PolicyApi::V1);
    Ok(api.or_else(|| v1beta1.then_some(PolicyApi::V1beta1)))
}

/// Policies and webhooks that give pods their roles, and the objects with the names of ours.
async fn injection(cluster: &Cluster, spec: &WorkloadSpec) -> Result<InjectionState, Error> {
    if spec.injection == Injection::None {
        return Ok(InjectionState::default());
    }
    let api = served_policies(cluster).await?;
    let policies = async {
        match api {
            Some(api) => {
                let kind = ObjectKind::MutatingAdmissionPolicy;
                listed(cluster, kind, api.as_str()).await
            }
            None => Ok(Vec::new()),
        }
    };
    let webhooks = listed(cluster, ObjectKind::MutatingWebhookConfiguration, "v1");
    let (mut policies, mut webhooks, mut objects) =
        try_join3(policies, webhooks, existing(cluster, places(api))).await?;
    policies.retain(|object| !is_terminating(object));
    webhooks.retain(|object| !is_terminating(object));
    let is_named = |object: &Value| object["metadata"]["name"] == WEBHOOK;
    if objects.contains_key(&place_of_namespace()) {
        match existing(cluster, places_in_namespace()).await {
            Ok(found) => objects.extend(found),
            // A policy needs nothing of it, and whoever installs policies may be permitted nothing else.
            Err(Error::Cluster(issuer_cluster::Error::Forbidden { .. }))
                if api.is_some()
                    && (spec.injection == Injection::Policy
                        || spec.injection == Injection::Auto && !webhooks.iter().any(is_named)) => {
            }
            Err(error) => return Err(error),
        }
    }
    let mut state = InjectionState { api, ..InjectionState::default() };
    for (kind, found) in [
        (ObjectKind::MutatingAdmissionPolicy, policies),
        (ObjectKind::MutatingWebhookConfiguration, webhooks),
    ] {
        for object in found {
            let is_ours = !Metadata::of(&object).issuers().is_empty();
            let list = json!({"items": [object]});
            if !is_ours {
                for (dispenser, name) in dispensers(kind.resource(), &list) {
                    state.others.entry(dispenser).or_default().push(name);
                }
            }
            let object = &list["items"][0];
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            if [POLICY, WEBHOOK].contains(&name) {
                let version = api.filter(|_| kind == ObjectKind::MutatingAdmissionPolicy);
                let version = version.map_or("v1", PolicyApi::as_str);
                let place = ObjectRef::cluster_wide(kind, name).in_version(version);
                objects.insert(place, object.clone());
            }
        }
    }
    let (gone, objects): (BTreeMap<_, _>, BTreeMap<_, _>) =
        objects.into_iter().partition(|(_, object)| is_terminating(object));
    state.terminating = gone.into_keys().collect();
    let secret = ObjectRef::namespaced(ObjectKind::Secret, WEBHOOK, WEBHOOK);
    state.certificate = objects.get(&secret).and_then(CertificateInUse::of);
    state.objects = objects;
    Ok(state)
}

async fn listed(cluster: &Cluster, kind: ObjectKind, version: &str) -> Result<Vec<Value>, Error> {
    let (group, resource) = (kind.group(), kind.resource());
    let path = format!("/apis/{group}/{version}/{resource}");
    Ok(cluster.list(&path, "", resource).await?)
}

async fn existing(
    cluster: &Cluster,
    places: Vec<ObjectRef>,
) -> Result<BTreeMap<ObjectRef, Value>, Error> {
    let found = places.into_iter().map(async |place| {
        let mut object = cluster.get(&place).await?;
        if let Some(data) = object.as_mut().and_then(|object| object.get_mut("data"))
            && let Some(members) = data.as_object_mut()
        {
            // Only the public part of a Secret is kept.
            members.retain(|name, _| name == "tls.crt" || name == "ca.crt");
        }
        Ok::<_, Error>(object.map(|object| (place, object)))
    });
    Ok(try_join_all(found).await?.into_iter().flatten().collect())
}

/// All of them: one that was annotated earlier may be in any namespace. Those that are being deleted
/// are of no use any more.
async fn accounts(
    cluster: &Cluster,
    spec: &WorkloadSpec,
) -> Result<(Vec<Account>, BTreeSet<ObjectRef>), Error> {
    if !spec.has_accounts() {
        return Ok(Default::default());
    }
    let all = cluster.list("/api/v1/serviceaccounts", "", "ServiceAccounts").await?;
    let (gone, all): (Vec<_>, Vec<_>) = all.iter().partition(|account| is_terminating(account));
    let gone = gone.into_iter().map(|account| Account::of(account).place()).collect();
    Ok((all.into_iter().map(Account::of).collect(), gone))
}

/// The namespaces of ServiceAccounts that do not exist. Where they are to be created, one that has
/// another ServiceAccount is not read.
async fn unknown_namespaces(
    cluster: &Cluster,
    spec: &WorkloadSpec,
    accounts: &[Account],
) -> Result<Vec<(String, Option<Value>)>, Error> {
    if !spec.has_accounts() {
        return Ok(Vec::new());
    }
    let creates = spec.accounts == AccountsMode::Create;
    let requested = spec.roles.iter().flat_map(|role| &role.accounts);
    let requested = requested.filter(|account| account.is_literal());
    let is_known = |requested: &&ServiceAccountPattern| {
        accounts.iter().any(|account| {
            account.namespace == requested.namespace()
                && (creates || account.name == requested.name())
        })
    };
    let unknown = requested.filter(|account| !is_known(account));
    let unknown: BTreeSet<&str> = unknown.map(|account| account.namespace()).collect();
    try_join_all(unknown.into_iter().map(async |name| {
        let place = ObjectRef::cluster_wide(ObjectKind::Namespace, name);
        Ok::<_, Error>((name.to_owned(), cluster.get(&place).await?))
    }))
    .await
}
