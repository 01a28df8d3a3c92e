//! Reading objects of a cluster as facts.

use issuer_cluster::{Cluster, Error};
use issuer_doctor::Fact;
use serde_json::Value;

use super::unknown;

const JSON: &str = "application/json";

/// Names of keys, and no values (`metav1.PartialObjectMetadata`).
pub(super) const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

/// The same for a list.
pub(super) const METADATA_LIST: &str =
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

/// An object; `None` if it does not exist.
pub(super) async fn get(cluster: &Cluster, path: &str, resource: &str) -> Fact<Option<Value>> {
    get_as(cluster, path, JSON, "get", resource).await
}

/// The same with another media type.
pub(super) async fn get_as(
    cluster: &Cluster,
    path: &str,
    accept: &'static str,
    verb: &'static str,
    resource: &str,
) -> Fact<Option<Value>> {
    match cluster.read(path, accept, (verb, resource)).await {
        Ok(body) => match serde_json::from_slice(&body) {
            Ok(object) => Fact::Known(Some(object)),
            Err(_) => Fact::Failed(format!("the answer for {resource} is not JSON")),
        },
        Err(Error::NotFound { .. }) => Fact::Known(None),
        Err(error) => unknown(&error, verb, resource),
    }
}

/// The items of a list, each as `keep` leaves it; none if its kind is not served.
pub(super) async fn list(
    cluster: &Cluster,
    path: &str,
    resource: &str,
    keep: impl Fn(&Value) -> Value,
) -> Fact<Vec<Value>> {
    match get_as(cluster, path, JSON, "list", resource).await {
        Fact::Known(Some(list)) => {
            let items = list["items"].as_array().into_iter().flatten();
            Fact::Known(items.map(keep).collect())
        }
        Fact::Known(None) => Fact::Known(Vec::new()),
        Fact::Denied(why) => Fact::Denied(why),
        Fact::NotAsked(why) => Fact::NotAsked(why),
        // A list that is too large comes in pages.
        Fact::Failed(why) if why.contains("larger than") => {
            match cluster.list(path, "", resource).await {
                Ok(items) => Fact::Known(items.iter().map(keep).collect()),
                Err(error) => unknown(&error, "list", resource),
            }
        }
        Fact::Failed(why) => Fact::Failed(why),
    }
}
