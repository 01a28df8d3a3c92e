//! The objects that configure a cluster's API server.

use http::Method;
use serde_json::Value;

use crate::cluster::parse;
use crate::{Cluster, ClusterName, Error, Namespace, Object};

/// An object with the configuration of an API server.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ControlPlane {
    /// The ConfigMap `kubeadm-config` of kubeadm, in `kube-system`.
    Kubeadm,
    /// A Cluster of EKS Anywhere, on its management cluster.
    EksAnywhere(Namespace, ClusterName),
    /// A KubeadmControlPlane of Cluster API, on the management cluster.
    ClusterApi(Namespace, ClusterName),
}

const GROUP: &str = "controlplane.cluster.x-k8s.io";

/// Of the Cluster of Cluster API.
const CLUSTER_GROUP: &str = "cluster.x-k8s.io";

impl Cluster {
    /// Reads the configuration of an API server; nothing is changed.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], and failures of the connection.
    pub async fn control_plane(&self, object: &ControlPlane) -> Result<Value, Error> {
        let (path, resource) = match object {
            ControlPlane::Kubeadm => (
                "/api/v1/namespaces/kube-system/configmaps/kubeadm-config".to_owned(),
                "ConfigMap kubeadm-config in namespace kube-system".to_owned(),
            ),
            ControlPlane::EksAnywhere(namespace, name) => (
                format!(
                    "/apis/anywhere.eks.amazonaws.com/v1alpha1/namespaces/{namespace}/clusters/{}",
                    name.as_str()
                ),
                format!(
                    "Cluster {} (clusters.anywhere.eks.amazonaws.com) in namespace {namespace}",
                    name.as_str()
                ),
            ),
            ControlPlane::ClusterApi(namespace, name) => {
                let version = self.served_version(GROUP).await?;
                let name = name.as_str();
                (
                    format!(
                        "/apis/{GROUP}/{version}/namespaces/{namespace}/kubeadmcontrolplanes/{name}"
                    ),
                    format!(
                        "KubeadmControlPlane {name} (kubeadmcontrolplanes.{GROUP}) in namespace {namespace}"
                    ),
                )
            }
        };
        let what = (Object::ControlPlane, resource.as_str());
        let body = self.ask(Method::GET, &path, "get", what, None).await?;
        parse(&body, &resource)
    }

    /// The name of the KubeadmControlPlane of a cluster of Cluster API; `None` if its control plane
    /// is of another kind.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], and failures of the connection.
    pub(crate) async fn control_plane_name(
        &self,
        cluster: &ClusterName,
        namespace: &Namespace,
    ) -> Result<Option<ClusterName>, Error> {
        let version = self.served_version(CLUSTER_GROUP).await?;
        let name = cluster.as_str();
        let path =
            format!("/apis/{CLUSTER_GROUP}/{version}/namespaces/{namespace}/clusters/{name}");
        let resource =
            format!("Cluster {name} (clusters.{CLUSTER_GROUP}) in namespace {namespace}");
        let what = (Object::ControlPlane, resource.as_str());
        let found: Value =
            parse(&self.ask(Method::GET, &path, "get", what, None).await?, &resource)?;
        let reference = &found["spec"]["controlPlaneRef"];
        let name =
            reference["name"].as_str().filter(|_| reference["kind"] == "KubeadmControlPlane");
        Ok(name.and_then(|name| name.parse().ok()))
    }

    /// The version of a group that the server prefers.
    async fn served_version(&self, group: &str) -> Result<String, Error> {
        let path = format!("/apis/{group}");
        let object = (Object::ControlPlane, path.as_str());
        let body = self.ask(Method::GET, &path, "get", object, None).await?;
        let found: Value = parse(&body, &path)?;
        let version = found.pointer("/preferredVersion/version").and_then(Value::as_str);
        version.map(str::to_owned).ok_or_else(|| Error::Answer {
            resource: path.clone(),
            what: "not an APIGroup with a preferred version".to_owned(),
        })
    }
}
