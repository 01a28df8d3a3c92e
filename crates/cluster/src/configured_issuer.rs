//! Which issuer a management cluster configures for the API server of a cluster.

use serde_json::Value;

use crate::{Cluster, ClusterName, ControlPlane, Error, Namespace};

/// The flag of kube-apiserver; its first value signs.
const FLAG: &str = "service-account-issuer";

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
        if let Some(issuer) = object.as_ref().and_then(of_eks_anywhere) {
            return Ok(Some(issuer));
        }
        let Some(name) = readable(self.control_plane_name(cluster, namespace).await)?.flatten()
        else {
            return Ok(None);
        };
        let object = ControlPlane::ClusterApi(namespace.clone(), name);
        let object = readable(self.control_plane(&object).await)?;
        Ok(object.as_ref().and_then(of_cluster_api))
    }
}

/// `None` for an object that does not exist or may not be read.
fn readable<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Ok(object) => Ok(Some(object)),
        Err(Error::NotFound { .. } | Error::Forbidden { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// `pkg/api/v1alpha1/cluster_types.go` of EKS Anywhere.
fn of_eks_anywhere(object: &Value) -> Option<String> {
    let spec = &object["spec"];
    let issuer = spec["podIamConfig"]["serviceAccountIssuer"].as_str().map(str::to_owned);
    issuer.or_else(|| argument(&spec["controlPlaneConfiguration"]["apiServerExtraArgs"]))
}

fn of_cluster_api(object: &Value) -> Option<String> {
    let configuration = &object["spec"]["kubeadmConfigSpec"]["clusterConfiguration"];
    argument(&configuration["apiServer"]["extraArgs"])
}

/// A mapping, or from v1beta2 of Cluster API on a list, in which the first value counts.
fn argument(arguments: &Value) -> Option<String> {
    let value = match arguments {
        Value::Array(items) => &items.iter().find(|item| item["name"] == FLAG)?["value"],
        arguments => &arguments[FLAG],
    };
    value.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
            (of_cluster_api(&kubeadm(json!({FLAG: issuer}))), true),
            (of_cluster_api(&kubeadm(list)), true),
            (of_cluster_api(&kubeadm(json!([{"name": "v", "value": "2"}]))), false),
            (of_cluster_api(&kubeadm(Value::Null)), false),
            (of_cluster_api(&json!("text")), false),
            (
                of_eks_anywhere(
                    &json!({"spec": {"podIamConfig": {"serviceAccountIssuer": issuer}}}),
                ),
                true,
            ),
            (
                of_eks_anywhere(&json!({"spec": {"controlPlaneConfiguration": {
                    "apiServerExtraArgs": {FLAG: issuer}
                }}})),
                true,
            ),
            (of_eks_anywhere(&json!({"spec": {}})), false),
        ] {
            assert_eq!(found.as_deref(), named.then_some(issuer));
        }
    }
}
