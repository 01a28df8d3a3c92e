//! Objects of a running cluster: the change as a document for `kubectl patch`.

use issuer_yaml::to_yaml;
use serde_json::{Map, Value as Json};

use crate::{Distribution, Error, Rendered, Request, merge};

/// A change of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Patch {
    /// What is decided; its document is the patch (JSON Merge Patch, RFC 7396, written as YAML).
    pub rendered: Rendered,
    /// The command that applies it, for a patch in `FILE`.
    pub command: String,
}

/// The change of an object: the ConfigMap `kubeadm-config` of kubeadm, the Cluster of EKS Anywhere,
/// or the KubeadmControlPlane of Cluster API.
///
/// # Errors
/// Those of [`merge`]; [`Error::OtherKind`] for a distribution that keeps its configuration in
/// files.
pub fn patch(request: &Request, object: &Json) -> Result<Patch, Error> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Json::as_str).unwrap_or_default();
    let (name, namespace) = (text("/metadata/name"), text("/metadata/namespace"));
    let (mut rendered, change, resource, kind) = match request.distribution {
        Distribution::Kubeadm => {
            let rendered = merge(request, text("/data/ClusterConfiguration"))?;
            let data = Json::from(rendered.document.clone());
            let change = rendered
                .changed
                .then(|| serde_json::json!({"data": {"ClusterConfiguration": data}}));
            (rendered, change, "configmap", "")
        }
        Distribution::EksAnywhere | Distribution::ClusterApi => {
            let mut object = object.clone();
            // Other fields may hold what earlier changes wrote.
            if let Some(metadata) = object.get_mut("metadata").and_then(Json::as_object_mut) {
                metadata.retain(|name, _| matches!(name.as_str(), "name" | "namespace"));
            }
            let rendered = merge(request, &format!("{object:#}\n"))?;
            let new = serde_json::from_str(&rendered.document).map_err(|_| Error::Unsupported)?;
            let change = difference(&object, &new);
            match request.distribution {
                Distribution::EksAnywhere => {
                    (rendered, change, "clusters.anywhere.eks.amazonaws.com", " --type merge")
                }
                _ => (
                    rendered,
                    change,
                    "kubeadmcontrolplanes.controlplane.cluster.x-k8s.io",
                    " --type merge",
                ),
            }
        }
        distribution => {
            let found = "an object of a cluster".to_owned();
            return Err(Error::OtherKind { distribution, found, line: 1, column: 1 });
        }
    };
    let command = format!("kubectl -n {namespace} patch {resource} {name}{kind} --patch-file FILE");
    rendered.document = to_yaml([&change.unwrap_or(Json::Object(Map::new()))]);
    Ok(Patch { rendered, command })
}

/// The JSON Merge Patch from one value to another, if they differ.
fn difference(before: &Json, after: &Json) -> Option<Json> {
    let (Json::Object(old), Json::Object(new)) = (before, after) else {
        return (before != after).then(|| after.clone());
    };
    let gone =
        old.keys().filter(|name| !new.contains_key(*name)).map(|name| (name.clone(), Json::Null));
    let changed = new.iter().filter_map(|(name, value)| match old.get(name) {
        None => Some((name.clone(), value.clone())),
        Some(before) => Some((name.clone(), difference(before, value)?)),
    });
    let patch: Map<String, Json> = gone.chain(changed).collect();
    (!patch.is_empty()).then_some(Json::Object(patch))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_patch_has_only_what_changes() {
        let object = json!({
            "apiVersion": "anywhere.eks.amazonaws.com/v1alpha1",
            "kind": "Cluster",
            "metadata": {"name": "prod", "namespace": "default", "managedFields": [{"x": "y"}]},
            "spec": {"kubernetesVersion": "1.33", "podIamConfig": {"serviceAccountIssuer": "https://old.example"}},
        });
        let mut request = Request::new(Distribution::EksAnywhere, "https://new.example");
        assert!(matches!(patch(&request, &object), Err(Error::Lost { .. })));
        request.drop = vec!["https://old.example".to_owned()];
        let patch = patch(&request, &object).unwrap();
        assert_eq!(
            patch.rendered.document,
            "spec:\n  podIamConfig:\n    serviceAccountIssuer: https://new.example\n"
        );
        assert_eq!(
            patch.command,
            "kubectl -n default patch clusters.anywhere.eks.amazonaws.com prod --type merge --patch-file FILE"
        );
    }

    #[test]
    fn the_patch_of_kubeadm_has_its_whole_configuration() {
        let old = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\nkubernetesVersion: v1.36.0\n";
        let object = json!({"metadata": {"name": "kubeadm-config", "namespace": "kube-system"}, "data": {"ClusterConfiguration": old}});
        let mut request = Request::new(Distribution::Kubeadm, "https://new.example");
        request.keep = vec!["https://kubernetes.default.svc.cluster.local".to_owned()];
        let patch = patch(&request, &object).unwrap();
        let read: Json = serde_saphyr::from_str(&patch.rendered.document).unwrap();
        let merged = merge(&request, old).unwrap().document;
        assert_eq!(read, json!({"data": {"ClusterConfiguration": merged}}));
    }

    #[test]
    fn the_patch_of_cluster_api_keeps_lists_whole() {
        let object = json!({
            "apiVersion": "controlplane.cluster.x-k8s.io/v1beta2",
            "kind": "KubeadmControlPlane",
            "metadata": {"name": "cp", "namespace": "clusters"},
            "spec": {"replicas": 3, "kubeadmConfigSpec": {"clusterConfiguration": {"apiServer": {"extraArgs": [{"name": "v", "value": "2"}]}}}},
        });
        let mut request = Request::new(Distribution::ClusterApi, "https://new.example");
        request.keep = vec!["https://kubernetes.default.svc.cluster.local".to_owned()];
        let patch = patch(&request, &object).unwrap();
        let read: Json = serde_saphyr::from_str(&patch.rendered.document).unwrap();
        let spec = &read["spec"]["kubeadmConfigSpec"];
        assert_eq!(
            spec["clusterConfiguration"]["apiServer"]["extraArgs"].as_array().unwrap().len(),
            3
        );
        assert!(spec["files"][0]["content"].as_str().unwrap().contains("cluster.local"));
        assert!(read["spec"].get("replicas").is_none());
    }
}
