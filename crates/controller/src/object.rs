//! The object of the API, as it is stored.

use std::borrow::Cow;
use std::fmt;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::status::Status;

/// The group of the API.
pub const GROUP: &str = "issuerctl.dev";
/// Its version, as in the file.
pub const VERSION: &str = "v1alpha1";
/// The kind.
pub const KIND: &str = "ServiceAccountIssuer";
/// The name of the kind in paths.
pub const PLURAL: &str = "serviceaccountissuers";

/// The finalizer of an object whose deletion deletes what it declares.
pub const FINALIZER: &str = "issuerctl.dev/delete";

/// The annotation that permits one change of the issuer; its value is the new URL.
pub const ALLOW_ISSUER_CHANGE: &str = "issuerctl.dev/allow-issuer-change";

/// An object. Its spec and status are kept as they are: one object that cannot be read must not stop
/// the controller from reading the others.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAccountIssuer {
    /// Name, namespace and versions.
    pub metadata: ObjectMeta,
    /// The desired state.
    #[serde(default)]
    pub spec: Value,
    /// The reported state.
    #[serde(default)]
    pub status: Value,
}

/// Namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl ServiceAccountIssuer {
    /// Namespace and name.
    #[must_use]
    pub fn key(&self) -> Key {
        Key {
            namespace: self.metadata.namespace.clone().unwrap_or_default(),
            name: self.metadata.name.clone().unwrap_or_default(),
        }
    }

    /// The reported state. One that cannot be read is reported anew, except for what protects the issuer.
    #[must_use]
    pub fn status(&self) -> Status {
        let text = |name: &str| self.status.get(name).and_then(Value::as_str).map(str::to_owned);
        let texts = |name: &str| {
            let values = self.status.get(name).and_then(Value::as_array).into_iter().flatten();
            values.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        Status::deserialize(&self.status).unwrap_or_else(|_| Status {
            issuer: text("issuer"),
            keys: texts("keys"),
            key_sources: texts("keySources"),
            claims: texts("claims"),
            ..Status::default()
        })
    }

    /// Whether it is being deleted.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }

    /// Whether its deletion waits for the controller.
    #[must_use]
    pub fn has_finalizer(&self) -> bool {
        self.metadata.finalizers.iter().flatten().any(|finalizer| finalizer == FINALIZER)
    }

    /// An annotation.
    #[must_use]
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.metadata.annotations.as_ref()?.get(name).map(String::as_str)
    }

    /// Whether somebody has changed what is desired, and not just the status.
    #[must_use]
    pub fn differs_from(&self, other: &Self) -> bool {
        let desired = |object: &Self| {
            let metadata = &object.metadata;
            (metadata.uid.clone(), metadata.generation, object.is_deleted())
        };
        // Of the annotations, others may change some all the time.
        let permitted = |object: &Self| object.annotation(ALLOW_ISSUER_CHANGE).map(str::to_owned);
        desired(self) != desired(other) || permitted(self) != permitted(other)
    }
}

impl Resource for ServiceAccountIssuer {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        KIND.into()
    }

    fn group((): &()) -> Cow<'_, str> {
        GROUP.into()
    }

    fn version((): &()) -> Cow<'_, str> {
        VERSION.into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        PLURAL.into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(spec: &Value, status: &Value) -> ServiceAccountIssuer {
        let metadata = json!({"name": "prod", "namespace": "clusters"});
        serde_json::from_value(json!({"metadata": metadata, "spec": spec, "status": status}))
            .unwrap()
    }

    #[test]
    fn what_protects_an_issuer_is_read_from_any_status() {
        let unreadable = json!({
            "issuer": "https://a.example.com", "claims": ["role app"], "keySources": ["Secret prod-sa"],
            "conditions": [{"type": "OfALaterRelease"}],
        });
        let status = object(&json!({}), &unreadable).status();
        assert_eq!(status.issuer.as_deref(), Some("https://a.example.com"));
        assert_eq!((&*status.claims, status.key_sources.len()), (&["role app".to_owned()][..], 1));
        assert_eq!(object(&json!({}), &Value::Null).status(), Status::default());
    }

    #[test]
    fn an_object_whose_claims_were_given_back_claims_nothing() {
        let spec = json!({
            "store": {"s3": {"bucket": "my-oidc"}}, "provider": {},
            "roles": [{"name": "app", "serviceAccounts": ["a/b"]}],
        });
        let status = object(&spec, &json!({"issuer": "https://a.example.com"})).status();
        assert_eq!(status.issuer.as_deref(), Some("https://a.example.com"));
        assert!(status.claims.is_empty(), "{:?}", status.claims);
    }
}
