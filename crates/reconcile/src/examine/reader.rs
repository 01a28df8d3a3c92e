//! Reading objects of a cluster as facts.

use issuer_cluster::{Cluster, Error};
use issuer_doctor::Fact;
use serde_json::Value;
use tokio::time::timeout;

use super::{LIST_PATIENCE, unknown};

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
        Ok(body) => match serde_json::from_slice::<Value>(&body) {
            Ok(object) if is_object(path, verb, &object) => Fact::Known(Some(object)),
            Ok(_) => Fact::Failed(format!(
                "the answer for {resource} is JSON and no object of Kubernetes, so something other than the API server \
                 has responded"
            )),
            Err(_) => Fact::Failed(format!("the answer for {resource} is not JSON")),
        },
        Err(Error::NotFound { .. }) => Fact::Known(None),
        Err(error) => unknown(&error, verb, resource),
    }
}

/// Whether an answer is what an API server has at a path; what is no object of its API has any members.
fn is_object(path: &str, verb: &str, answer: &Value) -> bool {
    let Some(members) = answer.as_object() else { return false };
    let is_list = members.contains_key("items")
        || answer["kind"].as_str().is_some_and(|kind| kind.ends_with("List"));
    match verb {
        _ if !path.starts_with("/api") => true,
        "list" => is_list,
        // A list may be asked for as an object.
        _ => {
            let is_named = ["kind", "metadata"].iter().any(|name| members.contains_key(*name));
            is_list || is_named || answer["data"].is_object()
        }
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
            match timeout(LIST_PATIENCE, cluster.list(path, "", resource)).await {
                Ok(Ok(items)) => Fact::Known(items.iter().map(keep).collect()),
                Ok(Err(error)) => unknown(&error, "list", resource),
                Err(_) => Fact::Failed(format!(
                    "not all {resource} could be read within {} s",
                    LIST_PATIENCE.as_secs()
                )),
            }
        }
        Fact::Failed(why) => Fact::Failed(why),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_no_object_of_kubernetes_is_none() {
        let pods = "/api/v1/pods";
        for answer in [json!(null), json!([1, 2, 3]), json!({"error": "login required"})] {
            assert!(!is_object(pods, "list", &answer), "{answer}");
            assert!(!is_object(pods, "get", &answer), "{answer}");
        }
        assert!(!is_object(pods, "list", &json!({"kind": "Status"})));
        assert!(is_object(pods, "list", &json!({"kind": "PodList", "items": null})));
        assert!(is_object("/api/v1/pods/a", "get", &json!({"kind": "Pod"})));
        assert!(is_object("/version", "get", &json!({"major": "1"})));
        assert!(!is_object("/version", "get", &json!("1.36")));
    }
}
