//! From an object to what the engine is asked for. An object may only name what its author could reach
//! without the controller: no file of the pod, no other cluster, no Secret of another namespace.

use std::path::Path;
use std::sync::Arc;

use issuer_jwks::JwksSource;
pub use issuer_manifest::{DeletionPolicy, DriftPolicy};
use issuer_manifest::{Issuer, KeySource, StoreSpec};
use issuer_reconcile::{Defaults, Target};
use serde::Deserialize;
use serde_json::Value;

use crate::object::ServiceAccountIssuer;

/// Who publishes, in the history of a store.
const BY: &str = "issuer-controller";

/// How an object is dealt with: the fields that mean nothing to the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Conduct {
    /// Whether nothing is changed and nothing is checked.
    pub suspend: bool,
    /// What happens when the object is deleted.
    pub deletion_policy: DeletionPolicy,
    /// What happens when somebody else has changed something.
    pub drift_policy: DriftPolicy,
}

/// What an object asks for.
#[derive(Debug, Clone)]
pub struct Desired {
    /// The issuer, as in the file.
    pub issuer: Arc<Issuer>,
    /// The same for the engine.
    pub target: Target,
    /// How it is dealt with.
    pub conduct: Conduct,
}

/// Why an object cannot be applied: the field, what is wrong with it, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

/// What the administrator of the controller permits beyond the defaults.
#[derive(Debug, Clone, Default)]
pub struct Permitted {
    /// Endpoints of S3-compatible stores. The controller sends requests to them from its own place in the
    /// network, so the author of an object may not choose any.
    pub endpoints: Vec<String>,
}

impl Desired {
    /// Reads an object.
    ///
    /// # Errors
    /// A field that is not valid, or that may not be in an object.
    pub fn of(object: &ServiceAccountIssuer, permitted: &Permitted) -> Result<Self, Refusal> {
        let key = object.key();
        let conduct = conduct_of(&object.spec)?;
        let mut spec = object.spec.clone();
        own_namespace(&mut spec, &key.namespace)?;
        let issuer = issuer_manifest::from_object(&key.name, &spec)
            .map_err(|error| Refusal(error.to_string()))?;
        let refused = refused(&issuer, permitted);
        if !refused.is_empty() {
            return Err(Refusal(refused.join("; ")));
        }
        let defaults = Defaults { by: Some(BY.to_owned()), ..Defaults::default() };
        let target = Target::from_issuer(&issuer, Path::new(""), &defaults);
        Ok(Self { issuer: Arc::new(issuer), target, conduct })
    }

    /// Where the keys come from, as the status records it.
    #[must_use]
    pub fn key_sources(&self) -> Vec<String> {
        let name = |source: &KeySource| match source {
            KeySource::Cluster(cluster) => format!("Secret {}-sa", cluster.name),
            KeySource::Apiserver(_) => "API server".to_owned(),
            KeySource::Jwks(JwksSource::Url(url)) => url.to_string(),
            KeySource::Jwks(JwksSource::File(_)) | KeySource::File(_) => "file".to_owned(),
        };
        self.issuer.spec.keys.iter().map(name).collect()
    }
}

/// How an object is dealt with, whatever else it has.
///
/// # Errors
/// A value that is not valid.
pub fn conduct_of(spec: &Value) -> Result<Conduct, Refusal> {
    let members = spec.as_object().into_iter().flatten();
    let names = ["suspend", "deletionPolicy", "driftPolicy"];
    let own = members.filter(|(name, _)| names.contains(&name.as_str()));
    let own = own.map(|(name, value)| (name.clone(), value.clone())).collect();
    Conduct::deserialize(Value::Object(own))
        .map_err(|error| Refusal(format!("spec.suspend, deletionPolicy or driftPolicy: {error}")))
}

/// A Secret is read from the namespace of the object: whoever may create objects in one namespace would
/// otherwise publish the keys of another.
fn own_namespace(spec: &mut Value, namespace: &str) -> Result<(), Refusal> {
    let Some(Value::Array(keys)) = spec.get_mut("keys") else { return Ok(()) };
    for (index, source) in keys.iter_mut().enumerate() {
        let Some(Value::Object(cluster)) = source.get_mut("cluster") else { continue };
        match cluster.get("namespace").and_then(Value::as_str) {
            Some(other) if other != namespace => {
                return Err(Refusal(format!(
                    "spec.keys[{index}].cluster.namespace: the Secret must be in the namespace of this \
                     object, {namespace}; create the object in {other}, or remove the field"
                )));
            }
            _ => cluster.insert("namespace".to_owned(), namespace.into()),
        };
    }
    Ok(())
}

/// The fields that belong to the command line, and what to write instead.
fn refused(issuer: &Issuer, permitted: &Permitted) -> Vec<String> {
    let spec = &issuer.spec;
    let mut all = Vec::new();
    let mut refuse = |field: String, reason: &str| all.push(format!("{field}: {reason}"));
    const OWN_CLUSTER: &str = "the controller connects to its own cluster alone; remove kubeconfig and \
                               context";
    for (index, source) in spec.keys.iter().enumerate() {
        let field = |name: &str| format!("spec.keys[{index}].{name}");
        match source {
            KeySource::File(_) => refuse(
                field("file"),
                "the controller reads no files; use cluster, apiserver, or jwks with an https URL",
            ),
            KeySource::Jwks(JwksSource::File(_)) => {
                refuse(field("jwks"), "the controller reads no files; write an https URL");
            }
            KeySource::Cluster(cluster)
                if cluster.kubeconfig.is_some() || cluster.context.is_some() =>
            {
                refuse(field("cluster"), OWN_CLUSTER);
            }
            KeySource::Apiserver(server)
                if server.kubeconfig.is_some() || server.context.is_some() =>
            {
                refuse(field("apiserver"), OWN_CLUSTER);
            }
            _ => {}
        }
    }
    match &spec.store {
        Some(StoreSpec::Folder(_)) => {
            refuse("spec.store.folder".to_owned(), "the controller writes no files; use s3")
        }
        Some(StoreSpec::S3(s3)) => {
            if let Some(endpoint) = &s3.endpoint_url
                && !permitted.endpoints.contains(endpoint)
            {
                refuse(
                    "spec.store.s3.endpointUrl".to_owned(),
                    "the controller does not permit this endpoint; its administrator can with \
                     --allow-endpoint, controller.allowedEndpoints in the chart",
                );
            }
        }
        None => {}
    }
    if let Some(workload) = &spec.workload {
        if workload.kubeconfig.is_some() || workload.context.is_some() {
            refuse("spec.workload".to_owned(), OWN_CLUSTER);
        }
        if workload.restart {
            refuse(
                "spec.workload.restart".to_owned(),
                "the controller restarts no workloads; remove the field, and use kubectl rollout restart",
            );
        }
        if spec.keys.iter().any(|source| matches!(source, KeySource::Cluster(_))) {
            refuse(
                "spec.workload".to_owned(),
                "the keys are those of another cluster (spec.keys[].cluster), and the controller changes \
                 its own alone; run a controller there, or remove the field",
            );
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(spec: Value) -> ServiceAccountIssuer {
        let metadata = json!({"name": "prod", "namespace": "clusters"});
        serde_json::from_value(json!({"metadata": metadata, "spec": spec})).unwrap()
    }

    fn of(spec: Value) -> Result<Desired, Refusal> {
        let permitted = Permitted { endpoints: vec!["https://minio.example.com".to_owned()] };
        Desired::of(&object(spec), &permitted)
    }

    fn store(more: Value) -> Value {
        let mut s3 = json!({"bucket": "my-oidc", "prefix": "prod", "region": "us-west-2"});
        s3.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"s3": s3})
    }

    #[test]
    fn a_secret_is_that_of_the_namespace_of_the_object() {
        let desired =
            of(json!({"keys": [{"cluster": {"name": "prod"}}], "store": store(json!({}))}))
                .unwrap();
        let [issuer_reconcile::KeySource::Secret { namespace, .. }] =
            &desired.target.site.as_ref().unwrap().keys[..]
        else {
            panic!("{desired:?}");
        };
        assert_eq!(namespace.to_string(), "clusters");
        assert_eq!(desired.key_sources(), ["Secret prod-sa"]);
        assert_eq!(desired.conduct, Conduct::default());
    }

    #[test]
    fn an_object_reaches_nothing_that_its_author_could_not() {
        let keys = json!([{"apiserver": {}}]);
        let (own, other) =
            (store(json!({})), store(json!({"endpointUrl": "http://169.254.169.254"})));
        for (spec, says) in [
            (json!({"keys": [{"file": "/etc/passwd"}], "store": own}), "spec.keys[0].file: "),
            (json!({"keys": [{"jwks": "keys.json"}], "store": own}), "spec.keys[0].jwks: "),
            (
                json!({"keys": [{"cluster": {"name": "a", "namespace": "kube-system"}}], "store": own}),
                "create the object in kube-system",
            ),
            (
                json!({"keys": [{"cluster": {"name": "a", "kubeconfig": "k"}}], "store": own}),
                "spec.keys[0].cluster: ",
            ),
            (
                json!({"keys": [{"apiserver": {"context": "k"}}], "store": own}),
                "spec.keys[0].apiserver: ",
            ),
            (
                json!({"keys": keys, "issuer": "https://a.example.com", "store": {"folder": "/tmp"}}),
                "spec.store.folder: ",
            ),
            (json!({"keys": keys, "store": other}), "spec.store.s3.endpointUrl: "),
            (
                json!({"keys": keys, "store": own, "workload": {"kubeconfig": "k"}}),
                "spec.workload: ",
            ),
            (
                json!({"keys": [{"cluster": {"name": "a"}}], "store": own, "workload": {}}),
                "its own alone",
            ),
            (
                json!({"keys": keys, "store": own, "workload": {"restart": true}}),
                "spec.workload.restart: ",
            ),
        ] {
            let Refusal(text) = of(spec).unwrap_err();
            assert!(text.contains(says), "{text}");
        }
        let minio = store(json!({"endpointUrl": "https://minio.example.com"}));
        assert!(of(json!({"keys": keys, "store": minio})).is_ok());
    }

    #[test]
    fn the_fields_of_an_object_alone_are_read_and_checked() {
        let spec = |conduct: Value| {
            let mut spec = json!({"keys": [{"apiserver": {}}], "store": store(json!({}))});
            spec.as_object_mut().unwrap().extend(conduct.as_object().unwrap().clone());
            of(spec)
        };
        let desired =
            spec(json!({"suspend": true, "deletionPolicy": "Delete", "driftPolicy": "Report"}));
        let conduct = desired.unwrap().conduct;
        assert_eq!(
            (conduct.suspend, conduct.deletion_policy, conduct.drift_policy),
            (true, DeletionPolicy::Delete, DriftPolicy::Report)
        );
        let Refusal(text) = spec(json!({"deletionPolicy": "Keep"})).unwrap_err();
        assert!(text.contains("deletionPolicy") && text.contains("`Retain`"), "{text}");
    }
}
