//! The account, its pods, and where their variables come from.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use issuer_cluster::Cluster;
use issuer_doctor::{
    Asked, Controllers, Fact, Seen, WorkloadSeen, outline, secret_keys, workload_of,
};
use serde_json::{Value, json};

use super::reader::{METADATA, METADATA_LIST, get, get_as, list};

pub(super) async fn first(cluster: Option<&Cluster>, asked: &Asked) -> WorkloadSeen {
    let Some(cluster) = cluster else { return WorkloadSeen::default() };
    let Some(subject) = &asked.subject else {
        let (accounts, pods) = tokio::join!(
            list(cluster, "/api/v1/serviceaccounts", "serviceaccounts", outline),
            list(cluster, "/api/v1/pods", "pods", outline),
        );
        return WorkloadSeen { accounts, pods, ..WorkloadSeen::default() };
    };
    let (space, name) = (&subject.namespace, &subject.name);
    let core = format!("/api/v1/namespaces/{space}");
    let within = |resource: &str| format!("{resource} in namespace {space}");
    let (place_of_account, of_account) =
        (format!("{core}/serviceaccounts/{name}"), within(&format!("serviceaccounts/{name}")));
    let account = async {
        match name.is_empty() {
            true => Fact::NotAsked("the pod was not found".to_owned()),
            false => get(cluster, &place_of_account, &of_account).await,
        }
    };
    let one_pod = async {
        let pod = asked.pod.as_ref()?;
        Some(get(cluster, &format!("{core}/pods/{pod}"), &within(&format!("pods/{pod}"))).await)
    };
    let paths = [format!("{core}/pods"), format!("{core}/serviceaccounts")];
    let whats = ["pods", "serviceaccounts"].map(within);
    let of_namespace = format!("namespaces/{space}");
    let (namespace, account, one_pod, pods, accounts, controllers) = tokio::join!(
        get(cluster, &core, &of_namespace),
        account,
        one_pod,
        list(cluster, &paths[0], &whats[0], outline),
        list(cluster, &paths[1], &whats[1], outline),
        controllers(cluster, space),
    );
    let pods = match (pods, one_pod) {
        // One pod may be read where all may not.
        (Fact::Denied(_), Some(Fact::Known(Some(pod)))) => Fact::Known(vec![outline(&pod)]),
        (pods, _) => pods,
    };
    let keep = |found: Option<Value>| found.map(|object| outline(&object));
    WorkloadSeen {
        namespace: namespace.map(keep),
        account: account.map(keep),
        accounts,
        pods,
        controllers,
        ..WorkloadSeen::default()
    }
}

/// What makes pods: kind, group and resource.
pub(super) const CONTROLLERS: [(&str, &str, &str); 6] = [
    ("Deployment", "apps", "deployments"),
    ("ReplicaSet", "apps", "replicasets"),
    ("StatefulSet", "apps", "statefulsets"),
    ("DaemonSet", "apps", "daemonsets"),
    ("Job", "batch", "jobs"),
    ("CronJob", "batch", "cronjobs"),
];

async fn controllers(cluster: &Cluster, space: &str) -> Controllers {
    let each = CONTROLLERS.map(async |(kind, group, resource)| {
        let path = format!("/apis/{group}/v1/namespaces/{space}/{resource}");
        let what = format!("{resource}.{group} in namespace {space}");
        (kind, list(cluster, &path, &what, outline).await)
    });
    Controllers::new(join_all(each).await)
}

/// Why pods could not be created, if there are none.
pub(super) async fn events(cluster: Option<&Cluster>, seen: &Seen) -> Fact<Vec<Value>> {
    let (Some(cluster), Some(subject)) = (cluster, &seen.asked.subject) else {
        return Fact::default();
    };
    let runs = |pod: &Value| pod["spec"]["serviceAccountName"] == subject.name.as_str();
    if seen.workload.pods.known().is_none_or(|pods| pods.iter().any(runs)) {
        return Fact::default();
    }
    let space = &subject.namespace;
    let path = format!("/api/v1/namespaces/{space}/events?fieldSelector=reason%3DFailedCreate");
    let keep = |event: &Value| json!({"involvedObject": event["involvedObject"], "message": event["message"]});
    list(cluster, &path, &format!("events in namespace {space}"), keep).await
}

/// The account of a pod, which the first wave has found.
pub(super) async fn account(cluster: Option<&Cluster>, seen: &Seen) -> Option<Fact<Option<Value>>> {
    let (cluster, subject) = (cluster?, seen.asked.subject.as_ref()?);
    if !matches!(seen.workload.account, Fact::NotAsked(_)) || subject.name.is_empty() {
        return None;
    }
    let (space, name) = (&subject.namespace, &subject.name);
    let path = format!("/api/v1/namespaces/{space}/serviceaccounts/{name}");
    let found = get(cluster, &path, &format!("serviceaccounts/{name} in namespace {space}")).await;
    Some(found.map(|found| found.map(|object| outline(&object))))
}

/// Names of keys by the name of their object.
type Keys = BTreeMap<String, Fact<Option<Vec<String>>>>;

/// The names of the keys of Secrets and ConfigMaps that variables of pods come from; no values.
pub(super) async fn sources(cluster: Option<&Cluster>, seen: &Seen) -> (Keys, Keys) {
    let (Some(cluster), Some(subject)) = (cluster, &seen.asked.subject) else {
        return Default::default();
    };
    // Of pods that are yet to come, such as those of a CronJob, the template alone is there.
    let template = workload_of(seen).map(|own| own.template);
    let names = |whole: &str, optional: &str| -> Vec<String> {
        let pods = seen.workload.pods.known().into_iter().flatten().chain(&template);
        let ours = pods.filter(|pod| pod["spec"]["serviceAccountName"] == subject.name.as_str());
        let lists = ours.flat_map(|pod| {
            ["initContainers", "containers"]
                .into_iter()
                .flat_map(move |list| pod["spec"][list].as_array())
        });
        // Those of one key matter where they may be absent.
        let of_container = |own: &Value| -> Vec<String> {
            let members = |list: &str| own[list].as_array().cloned().unwrap_or_default();
            let all = members("envFrom").into_iter().map(|source| source[whole].clone());
            let keys =
                members("env").into_iter().map(|variable| variable["valueFrom"][optional].clone());
            let references = all.chain(keys.filter(|reference| reference["optional"] == true));
            references.filter_map(|own| own["name"].as_str().map(str::to_owned)).collect()
        };
        let mut names: Vec<String> = lists.flatten().flat_map(of_container).collect();
        names.sort();
        names.dedup();
        names
    };
    let (secrets, maps) =
        (names("secretRef", "secretKeyRef"), names("configMapRef", "configMapKeyRef"));
    tokio::join!(
        keys(cluster, &subject.namespace, "secrets", secrets),
        keys(cluster, &subject.namespace, "configmaps", maps),
    )
}

async fn keys(cluster: &Cluster, space: &str, resource: &str, names: Vec<String>) -> Keys {
    let each = names.into_iter().map(async |name| {
        let path = format!("/api/v1/namespaces/{space}/{resource}/{name}");
        let what = format!("{resource}/{name} in namespace {space}");
        let found = get_as(cluster, &path, METADATA, "get", &what).await;
        let found = match found {
            // Who may list may see it there.
            Fact::Known(None) | Fact::Denied(_) => {
                listed(cluster, space, resource, &name).await.unwrap_or(found)
            }
            found => found,
        };
        (name, found.map(|object| object.map(|object| secret_keys(&object))))
    });
    join_all(each).await.into_iter().collect()
}

async fn listed(
    cluster: &Cluster,
    space: &str,
    resource: &str,
    name: &str,
) -> Option<Fact<Option<Value>>> {
    let path = format!("/api/v1/namespaces/{space}/{resource}");
    let what = format!("{resource} in namespace {space}");
    let list = get_as(cluster, &path, METADATA_LIST, "list", &what).await;
    let items = list.known()?.as_ref()?["items"].as_array()?.clone();
    let found = items.into_iter().find(|own| own["metadata"]["name"] == name)?;
    Some(Fact::Known(Some(found)))
}
