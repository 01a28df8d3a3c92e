//! Which issuer a management cluster configures for the API server of a cluster.

use issuer_distribution::issuers_in_extra_args;
use serde_json::Value;

use crate::{Cluster, ClusterName, ControlPlane, Error, Namespace};

impl Cluster {
    /// The issuer of a cluster according to the objects of its management cluster, which this is:
    /// the Cluster of EKS Anywhere, or the KubeadmControlPlane of Cluster API. `None` if none of them
    /// names one, does not exist, or may not be read: the Secret needs fewer permissions.
    ///
    /// # Errors
    /// Failures of the connection.
    pub async fn configured_issuer(
        &self,
        cluster: &ClusterName,
        namespace: &Namespace,
    ) -> Result<Option<String>, Error> {
        let eks_anywhere = ControlPlane::EksAnywhere(namespace.clone(), cluster.clone());
        let object = readable(self.control_plane(&eks_anywhere).await)?;
        if let Some(issuer) = object.as_ref().and_then(issuer_in_eks_anywhere) {
            return Ok(Some(issuer));
        }
        let Some(name) = readable(self.control_plane_name(cluster, namespace).await)?.flatten()
        else {
            return Ok(None);
        };
        let object = ControlPlane::ClusterApi(namespace.clone(), name);
        let object = readable(self.control_plane(&object).await)?;
        Ok(object.as_ref().and_then(issuer_in_cluster_api))
    }
}

/// The issuer that signs according to a `Cluster` of EKS Anywhere (`pkg/api/v1alpha1/cluster_types.go`): its
/// field, else the first in the arguments of the API server.
#[must_use]
pub fn issuer_in_eks_anywhere(object: &Value) -> Option<String> {
    let spec = &object["spec"];
    let issuer = spec["podIamConfig"]["serviceAccountIssuer"].as_str().map(str::to_owned);
    issuer.or_else(|| first(&spec["controlPlaneConfiguration"]["apiServerExtraArgs"]))
}

/// The issuer that signs according to a `KubeadmControlPlane` of Cluster API.
#[must_use]
pub fn issuer_in_cluster_api(object: &Value) -> Option<String> {
    first(&object["spec"]["kubeadmConfigSpec"]["clusterConfiguration"]["apiServer"]["extraArgs"])
}

fn first(arguments: &Value) -> Option<String> {
    issuers_in_extra_args(arguments).into_iter().next()
}

/// `None` for an object that does not exist or may not be read.
fn readable<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Ok(object) => Ok(Some(object)),
        Err(Error::NotFound { .. } | Error::Forbidden { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const FLAG: &str = "service-account-issuer";

    #[test]
    fn the_first_issuer_is_found_in_each_form_of_an_object() {
        let issuer = "https://oidc.example.com/prod";
        let kubeadm = |arguments: Value| {
            json!({"spec": {"kubeadmConfigSpec": {"clusterConfiguration": {"apiServer": {
                "extraArgs": arguments
            }}}}})
        };
        let list = json!([
            {"name": "v", "value": "2"},
            {"name": FLAG, "value": issuer},
            {"name": FLAG, "value": "https://old"},
        ]);
        for (found, named) in [
            (issuer_in_cluster_api(&kubeadm(json!({FLAG: issuer}))), true),
            (issuer_in_cluster_api(&kubeadm(list)), true),
            (issuer_in_cluster_api(&kubeadm(json!([{"name": "v", "value": "2"}]))), false),
            (issuer_in_cluster_api(&kubeadm(Value::Null)), false),
            (issuer_in_cluster_api(&json!("text")), false),
            (
                issuer_in_eks_anywhere(
                    &json!({"spec": {"podIamConfig": {"serviceAccountIssuer": issuer}}}),
                ),
                true,
            ),
            (
                issuer_in_eks_anywhere(&json!({"spec": {"controlPlaneConfiguration": {
                    "apiServerExtraArgs": {FLAG: issuer}
                }}})),
                true,
            ),
            (issuer_in_eks_anywhere(&json!({"spec": {}})), false),
        ] {
            assert_eq!(found.as_deref(), named.then_some(issuer));
        }
    }
}
