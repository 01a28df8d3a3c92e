//! Reading pods and what they belong to, and restarting workloads.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use futures_util::{StreamExt, TryStreamExt, stream};
use issuer_change::Notice;
use issuer_cluster::{Cluster, ObjectKind, ObjectRef};
use issuer_diagnostic::{date, now_secs};
use issuer_pods::{Settings, lacks_role};
use serde_json::{Map, Value, json};

use crate::restart::{Owner, Pod, Workload};
use crate::{Account, Chosen, Error, RestartPlan, Running, WorkloadPlan, WorkloadSpec};

/// What `kubectl rollout restart` sets in the template of a workload.
const RESTARTED: &str = "kubectl.kubernetes.io/restartedAt";

/// Maximum number of requests that are sent concurrently.
pub(crate) const REQUESTS: usize = 16;

/// From how many ServiceAccounts in a namespace on all of its pods are read at once.
const MANY: usize = 4;

/// How long a new policy may take to have an effect; a webhook has to start first.
const POLICY_LIMIT: Duration = Duration::from_secs(15);
const WEBHOOK_LIMIT: Duration = Duration::from_secs(180);

/// What runs under the ServiceAccounts of the roles.
///
/// # Errors
/// [`Error::Cluster`]. That pods may not be read is part of the result, unless they are to be
/// restarted.
pub(crate) async fn running(
    cluster: &Cluster,
    spec: &WorkloadSpec,
    accounts: &[Account],
) -> Result<Running, Error> {
    match read(cluster, spec, accounts).await {
        Err(Error::Cluster(error @ issuer_cluster::Error::Forbidden { .. })) if !spec.restart => {
            Ok(Running { unreadable: Some(error.to_string()), ..Running::default() })
        }
        read => read,
    }
}

/// Restarts the workloads of a plan, as soon as a new pod of each would have its role; returns why
/// some were not restarted.
///
/// # Errors
/// [`Error::Cluster`].
pub(crate) async fn restart(
    cluster: &Cluster,
    plan: &mut WorkloadPlan,
) -> Result<Vec<Notice>, Error> {
    let limit = match plan.chosen {
        Chosen::Webhook => WEBHOOK_LIMIT,
        _ => POLICY_LIMIT,
    };
    let pending = plan.restarts.iter_mut().filter(|restart| !restart.done);
    let restarted = stream::iter(pending).map(|restart| restart_one(cluster, restart, limit));
    let notices: Vec<Option<Notice>> = restarted.buffer_unordered(REQUESTS).try_collect().await?;
    Ok(notices.into_iter().flatten().collect())
}

async fn read(
    cluster: &Cluster,
    spec: &WorkloadSpec,
    accounts: &[Account],
) -> Result<Running, Error> {
    let patterns = || spec.roles.iter().flat_map(|role| &role.accounts);
    let mut by_namespace: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for account in accounts {
        let (namespace, name) = (account.namespace.as_str(), account.name.as_str());
        if patterns().any(|pattern| pattern.matches(namespace, name)) {
            by_namespace.entry(namespace).or_default().insert(name);
        }
    }
    let lists = by_namespace.into_iter().flat_map(|(namespace, names)| {
        let path = format!("/api/v1/namespaces/{namespace}/pods");
        let what = format!("Pods in namespace {namespace}");
        match names.len() < MANY {
            true => names
                .into_iter()
                .map(|name| {
                    let query = format!("fieldSelector=spec.serviceAccountName={name}");
                    (path.clone(), query, what.clone())
                })
                .collect::<Vec<_>>(),
            false => vec![(path, String::new(), what)],
        }
    });
    let pods = stream::iter(lists)
        .map(async |(path, query, what)| Ok::<_, Error>(cluster.list(&path, &query, &what).await?));
    let pods: Vec<Vec<Value>> = pods.buffer_unordered(REQUESTS).try_collect().await?;
    let pods: Vec<Value> = pods.into_iter().flatten().filter(is_running).collect();
    with_owners(cluster, pods).await
}

/// A pod that has ended, or is about to, is not replaced for its role.
fn is_running(pod: &Value) -> bool {
    !matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
        && pod["metadata"].get("deletionTimestamp").is_none()
}

async fn with_owners(cluster: &Cluster, pods: Vec<Value>) -> Result<Running, Error> {
    let owners: BTreeSet<(String, Option<Controller>)> =
        pods.iter().map(|pod| (namespace(pod), Controller::of(pod))).collect();
    let found = try_join_all(owners.iter().map(async |(namespace, controller)| {
        let owner = match controller {
            None => Owner::Nobody,
            Some(controller) => controller.workload(cluster, namespace).await?,
        };
        Ok::<_, Error>(((namespace.clone(), controller.clone()), owner))
    }));
    let found: BTreeMap<_, Owner> = found.await?.into_iter().collect();
    let places: BTreeSet<&ObjectRef> = found.values().filter_map(Owner::place).collect();
    let workloads = try_join_all(places.into_iter().map(async |place| {
        let workload = cluster.get(place).await?;
        Ok::<_, Error>(workload.map(|workload| (place.clone(), workload_of(&workload))))
    }));
    let workloads = workloads.await?.into_iter().flatten().collect();
    let pod = |pod: &Value| Pod {
        outline: outline(pod),
        created: seconds(pod["metadata"]["creationTimestamp"].as_str().unwrap_or_default())
            .unwrap_or_default(),
        owner: found.get(&(namespace(pod), Controller::of(pod))).cloned().unwrap_or(Owner::Nobody),
    };
    Ok(Running { pods: pods.iter().map(pod).collect(), workloads, unreadable: None })
}

/// The reference of an object to what controls it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Controller {
    kind: String,
    name: String,
}

impl Controller {
    fn of(object: &Value) -> Option<Self> {
        let references = object["metadata"]["ownerReferences"].as_array()?;
        let controller = references.iter().find(|reference| reference["controller"] == true)?;
        let text = |name: &str| controller[name].as_str().unwrap_or_default().to_owned();
        Some(Self { kind: text("kind"), name: text("name") })
    }

    /// What restarts the pods: of a ReplicaSet its Deployment.
    async fn workload(&self, cluster: &Cluster, namespace: &str) -> Result<Owner, Error> {
        let place = |kind, name: &str| ObjectRef::namespaced(kind, namespace, name);
        let other = || Owner::Other(format!("{} {namespace}/{}", self.kind, self.name));
        Ok(match ObjectKind::named(&self.kind) {
            Some(kind @ (ObjectKind::StatefulSet | ObjectKind::DaemonSet)) => {
                Owner::Workload(place(kind, &self.name))
            }
            Some(kind @ ObjectKind::ReplicaSet) => {
                let set = cluster.get(&place(kind, &self.name)).await?;
                match set.as_ref().and_then(Self::of) {
                    Some(owner) if owner.kind == ObjectKind::Deployment.as_str() => {
                        Owner::Workload(place(ObjectKind::Deployment, &owner.name))
                    }
                    _ => other(),
                }
            }
            _ => other(),
        })
    }
}

impl Owner {
    fn place(&self) -> Option<&ObjectRef> {
        match self {
            Self::Workload(place) => Some(place),
            Self::Nobody | Self::Other(_) => None,
        }
    }
}

fn workload_of(object: &Value) -> Workload {
    let template = &object["spec"]["template"];
    let restarted = template["metadata"]["annotations"][RESTARTED].as_str();
    Workload { template: outline(template), restarted: restarted.and_then(seconds) }
}

fn namespace(pod: &Value) -> String {
    pod["metadata"]["namespace"].as_str().unwrap_or_default().to_owned()
}

/// What of a pod or a template matters for its role: names, and the variables of the SDK.
fn outline(pod: &Value) -> Value {
    let metadata = members(&pod["metadata"], &["name", "namespace", "labels", "annotations"]);
    let named = |list: &Value| -> Value {
        list.as_array().into_iter().flatten().map(|item| members(item, &["name"])).collect()
    };
    let variables = |list: &Value| -> Value {
        let of_sdk =
            |own: &&Value| own["name"].as_str().is_some_and(|name| name.starts_with("AWS_"));
        let outline = |own: &Value| match own["name"] == "AWS_ROLE_ARN" {
            true => members(own, &["name", "value"]),
            false => members(own, &["name"]),
        };
        list.as_array().into_iter().flatten().filter(of_sdk).map(outline).collect()
    };
    let spec = &pod["spec"];
    let list = |name: &str| -> Value {
        let containers = spec[name].as_array().into_iter().flatten().map(|container| {
            let mut outline = members(container, &["name"]);
            outline["env"] = variables(&container["env"]);
            outline["volumeMounts"] = named(&container["volumeMounts"]);
            outline
        });
        containers.collect()
    };
    json!({
        "metadata": metadata,
        "spec": {
            "serviceAccountName": spec["serviceAccountName"],
            "nodeSelector": spec["nodeSelector"],
            "volumes": named(&spec["volumes"]),
            "initContainers": list("initContainers"),
            "containers": list("containers"),
        },
    })
}

fn members(value: &Value, names: &[&str]) -> Value {
    let present =
        names.iter().filter_map(|name| Some(((*name).to_owned(), value.get(name)?.clone())));
    Value::Object(present.collect::<Map<_, _>>())
}

/// Waits until a new pod of the workload would have its role, and restarts it.
async fn restart_one(
    cluster: &Cluster,
    restart: &mut RestartPlan,
    limit: Duration,
) -> Result<Option<Notice>, Error> {
    let not_restarted = |reason: &str| {
        let message = format!("{} was not restarted: {reason}", restart.place);
        Ok(Some(Notice { id: "not-restarted".into(), message }))
    };
    let Some(workload) = cluster.get(&restart.place).await? else {
        return not_restarted("it does not exist any more");
    };
    let namespace = restart.place.namespace().unwrap_or_default();
    let pod = new_pod(&workload, &restart.place);
    let begun = Instant::now();
    loop {
        match cluster.dry_run_pod(namespace, &pod).await {
            Ok(stored) if !lacks_role(&stored, &restart.identity, &Settings::default()) => break,
            Ok(_) if begun.elapsed() < limit => {}
            Ok(_) => return not_restarted("a new pod of it would not have its role either"),
            Err(error) => {
                return not_restarted(&format!(
                    "whether a new pod has its role is not known: {error}"
                ));
            }
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let annotations = json!({RESTARTED: date(now_secs())});
    let patch = json!({"spec": {"template": {"metadata": {"annotations": annotations}}}});
    cluster.merge(&restart.place, &patch).await?;
    restart.done = true;
    Ok(None)
}

/// A pod of the workload, for a dry run.
fn new_pod(workload: &Value, place: &ObjectRef) -> Value {
    let template = &workload["spec"]["template"];
    let mut metadata = members(&template["metadata"], &["labels", "annotations"]);
    metadata["generateName"] = format!("{}-", place.name()).into();
    metadata["namespace"] = place.namespace().into();
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]})
}

/// A time of RFC 3339 in seconds since 1970 (days-from-civil by Howard Hinnant).
fn seconds(text: &str) -> Option<u64> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let zone = text.get(19..)?;
    let zone = zone.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let offset = match zone.as_bytes().first()? {
        b'Z' => 0,
        sign => {
            let part = |range: std::ops::Range<usize>| zone.get(range)?.parse::<i64>().ok();
            let secs = part(1..3)? * 3600 + part(4..6)? * 60;
            if *sign == b'-' { -secs } else { secs }
        }
    };
    let (year, shifted) = (year - i64::from(month <= 2), (month + 9) % 12);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    u64::try_from(days * 86_400 + hour * 3600 + minute * 60 + second - offset).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_time_that_is_written_is_read_again(secs in 0_u64..4_102_444_800) {
            prop_assert_eq!(seconds(&date(secs)), Some(secs));
        }

        #[test]
        fn no_text_stops_the_reader_of_times(text in ".{0,40}") {
            let _ = seconds(&text);
        }
    }

    #[test]
    fn a_time_of_another_zone_is_the_same_moment() {
        let utc = seconds("2026-11-24T15:04:10Z");
        assert!(utc.is_some());
        for same in
            ["2026-11-24T16:04:10+01:00", "2026-11-24T10:34:10-04:30", "2026-11-24T15:04:10.5Z"]
        {
            assert_eq!(seconds(same), utc, "{same}");
        }
    }

    #[test]
    fn an_outline_has_no_value_of_a_variable_but_the_role() {
        let pod = json!({"spec": {"containers": [{
            "name": "main",
            "env": [
                {"name": "PASSWORD", "value": "hunter2"},
                {"name": "AWS_SECRET_ACCESS_KEY", "value": "hunter2"},
                {"name": "AWS_ROLE_ARN", "value": "arn"},
            ],
            "volumeMounts": [{"name": "a", "mountPath": "/hunter2"}],
        }]}});
        let outline = outline(&pod).to_string();
        assert!(!outline.contains("hunter2") && outline.contains("\"arn\""), "{outline}");
    }
}
