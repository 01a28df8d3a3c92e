//! Objects of the API: their places, and requests that read and write them.

use std::fmt;

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cluster::{APPLY_PATCH, MERGE_PATCH, TOO_LARGE, parse};
use crate::{Cluster, Error, Object};

/// Who the API server records as the writer of a field.
const FIELD_MANAGER: &str = "issuerctl";

/// A request is authorized and admitted, and changes nothing.
const DRY_RUN: &str = "&dryRun=All";

/// Objects in the first page of a list; fewer, if they do not fit into a response.
const PAGE: usize = 200;

/// The kind of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ObjectKind {
    /// `v1`
    Namespace,
    /// `v1`
    ServiceAccount,
    /// `v1`
    Secret,
    /// `v1`
    Service,
    /// `apps/v1`
    Deployment,
    /// `apps/v1`
    StatefulSet,
    /// `apps/v1`
    DaemonSet,
    /// `apps/v1`
    ReplicaSet,
    /// `policy/v1`
    PodDisruptionBudget,
    /// `rbac.authorization.k8s.io/v1`
    ClusterRole,
    /// `rbac.authorization.k8s.io/v1`
    ClusterRoleBinding,
    /// `admissionregistration.k8s.io/v1`, or `v1beta1`
    MutatingAdmissionPolicy,
    /// `admissionregistration.k8s.io/v1`, or `v1beta1`
    MutatingAdmissionPolicyBinding,
    /// `admissionregistration.k8s.io/v1`
    MutatingWebhookConfiguration,
}

/// The place of an object in the API.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectRef {
    kind: ObjectKind,
    version: String,
    namespace: Option<String>,
    name: String,
}

impl ObjectKind {
    const ALL: [Self; 14] = [
        Self::Namespace,
        Self::ServiceAccount,
        Self::Secret,
        Self::Service,
        Self::Deployment,
        Self::StatefulSet,
        Self::DaemonSet,
        Self::ReplicaSet,
        Self::PodDisruptionBudget,
        Self::ClusterRole,
        Self::ClusterRoleBinding,
        Self::MutatingAdmissionPolicy,
        Self::MutatingAdmissionPolicyBinding,
        Self::MutatingWebhookConfiguration,
    ];

    /// The kind of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// As in `kind`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Namespace => "Namespace",
            Self::ServiceAccount => "ServiceAccount",
            Self::Secret => "Secret",
            Self::Service => "Service",
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::ReplicaSet => "ReplicaSet",
            Self::PodDisruptionBudget => "PodDisruptionBudget",
            Self::ClusterRole => "ClusterRole",
            Self::ClusterRoleBinding => "ClusterRoleBinding",
            Self::MutatingAdmissionPolicy => "MutatingAdmissionPolicy",
            Self::MutatingAdmissionPolicyBinding => "MutatingAdmissionPolicyBinding",
            Self::MutatingWebhookConfiguration => "MutatingWebhookConfiguration",
        }
    }

    /// As in paths, and in the rules of RBAC.
    #[must_use]
    pub fn resource(self) -> &'static str {
        match self {
            Self::Namespace => "namespaces",
            Self::ServiceAccount => "serviceaccounts",
            Self::Secret => "secrets",
            Self::Service => "services",
            Self::Deployment => "deployments",
            Self::StatefulSet => "statefulsets",
            Self::DaemonSet => "daemonsets",
            Self::ReplicaSet => "replicasets",
            Self::PodDisruptionBudget => "poddisruptionbudgets",
            Self::ClusterRole => "clusterroles",
            Self::ClusterRoleBinding => "clusterrolebindings",
            Self::MutatingAdmissionPolicy => "mutatingadmissionpolicies",
            Self::MutatingAdmissionPolicyBinding => "mutatingadmissionpolicybindings",
            Self::MutatingWebhookConfiguration => "mutatingwebhookconfigurations",
        }
    }

    /// Its API group; empty for `v1`.
    #[must_use]
    pub fn group(self) -> &'static str {
        match self {
            Self::Namespace | Self::ServiceAccount | Self::Secret | Self::Service => "",
            Self::Deployment | Self::StatefulSet | Self::DaemonSet | Self::ReplicaSet => "apps",
            Self::PodDisruptionBudget => "policy",
            Self::ClusterRole | Self::ClusterRoleBinding => "rbac.authorization.k8s.io",
            Self::MutatingAdmissionPolicy
            | Self::MutatingAdmissionPolicyBinding
            | Self::MutatingWebhookConfiguration => "admissionregistration.k8s.io",
        }
    }
}

impl ObjectRef {
    /// An object in a namespace, of the version `v1`.
    #[must_use]
    pub fn namespaced(kind: ObjectKind, namespace: &str, name: &str) -> Self {
        let (version, name) = ("v1".to_owned(), name.to_owned());
        Self { kind, version, namespace: Some(namespace.to_owned()), name }
    }

    /// An object of the cluster, of the version `v1`.
    #[must_use]
    pub fn cluster_wide(kind: ObjectKind, name: &str) -> Self {
        Self { kind, version: "v1".to_owned(), namespace: None, name: name.to_owned() }
    }

    /// The place of a complete object; `None` if its kind is not one of [`ObjectKind`].
    #[must_use]
    pub fn of(object: &Value) -> Option<Self> {
        let kind = ObjectKind::named(object.get("kind")?.as_str()?)?;
        let version = object.get("apiVersion")?.as_str()?.rsplit('/').next()?.to_owned();
        let metadata = object.get("metadata")?;
        let namespace = metadata.get("namespace").and_then(Value::as_str).map(str::to_owned);
        let name = metadata.get("name")?.as_str()?.to_owned();
        Some(Self { kind, version, namespace, name })
    }

    /// The same object in another version.
    #[must_use]
    pub fn in_version(mut self, version: &str) -> Self {
        version.clone_into(&mut self.version);
        self
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> ObjectKind {
        self.kind
    }

    /// Its namespace, if its kind has one.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `NAME`, or `NAMESPACE/NAME`.
    #[must_use]
    pub fn full_name(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{namespace}/{}", self.name),
            None => self.name.clone(),
        }
    }

    /// `GROUP/VERSION`, or `VERSION`.
    #[must_use]
    pub fn api_version(&self) -> String {
        match self.kind.group() {
            "" => self.version.clone(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// Its path at the API server.
    #[must_use]
    pub fn path(&self) -> String {
        let root = if self.kind.group().is_empty() { "api" } else { "apis" };
        let within = self.namespace.as_ref().map(|name| format!("/namespaces/{name}"));
        let (within, resource) = (within.unwrap_or_default(), self.kind.resource());
        format!("/{root}/{}{within}/{resource}/{}", self.api_version(), self.name)
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.as_str(), self.name)?;
        match &self.namespace {
            Some(namespace) => write!(f, " in namespace {namespace}"),
            None => Ok(()),
        }
    }
}

impl Cluster {
    /// An object; `None` if it does not exist, or its kind is not served.
    ///
    /// # Errors
    /// [`Error::Forbidden`], and failures of the connection.
    pub async fn get(&self, place: &ObjectRef) -> Result<Option<Value>, Error> {
        self.object(&place.path(), &place.to_string()).await
    }

    /// All objects below a path, such as `/api/v1/serviceaccounts`, page by page; `query` is empty or
    /// `fieldSelector=…`. None if the kind is not served.
    ///
    /// # Errors
    /// [`Error::Forbidden`], and failures of the connection.
    pub async fn list(&self, path: &str, query: &str, what: &str) -> Result<Vec<Value>, Error> {
        #[derive(Deserialize)]
        struct List {
            #[serde(default)]
            metadata: Metadata,
            #[serde(default)]
            items: Vec<Value>,
        }
        #[derive(Deserialize, Default)]
        struct Metadata {
            #[serde(default, rename = "continue")]
            next: String,
        }
        let (mut all, mut next, mut limit) = (Vec::new(), String::new(), PAGE);
        loop {
            let mut page = format!("{path}?limit={limit}");
            if !query.is_empty() {
                page = format!("{page}&{query}");
            }
            if !next.is_empty() {
                let encoded = percent_encoding::utf8_percent_encode(
                    &next,
                    percent_encoding::NON_ALPHANUMERIC,
                );
                page = format!("{page}&continue={encoded}");
            }
            let asked = self.ask(Method::GET, &page, "list", (Object::Other, what), None).await;
            let body = match asked {
                Err(Error::NotFound { .. }) => return Ok(all),
                Err(Error::Answer { what, .. }) if what.starts_with(TOO_LARGE) && limit > 1 => {
                    limit = limit.div_ceil(4);
                    continue;
                }
                asked => asked?,
            };
            let list: List = parse(&body, what)?;
            all.extend(list.items);
            next = list.metadata.next;
            if next.is_empty() {
                return Ok(all);
            }
        }
    }

    /// Creates or changes an object by server-side apply: the fields in `object` are ours from then
    /// on, and those that were ours and are not in it are removed. With a `resourceVersion` in its
    /// metadata, only that version is changed. Without `force`, fields of others stay.
    ///
    /// # Errors
    /// [`Error::Conflict`], [`Error::Forbidden`], and failures of the connection.
    pub async fn apply(&self, place: &ObjectRef, object: &Value, force: bool) -> Result<(), Error> {
        let query = format!("&force={force}");
        issuer_diagnostic::write(self.patch(place, &query, (APPLY_PATCH, object))).await
    }

    /// Asks whether [`Self::apply`] would be permitted: the API server authorizes and admits the request, and
    /// changes nothing.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub async fn dry_run_apply(
        &self,
        place: &ObjectRef,
        object: &Value,
        force: bool,
    ) -> Result<(), Error> {
        let query = format!("&force={force}{DRY_RUN}");
        self.patch(place, &query, (APPLY_PATCH, object)).await
    }

    /// Changes members of an object (JSON Merge Patch, RFC 7396).
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Conflict`], [`Error::Forbidden`], and failures of the
    /// connection.
    pub async fn merge(&self, place: &ObjectRef, patch: &Value) -> Result<(), Error> {
        issuer_diagnostic::write(self.patch(place, "", (MERGE_PATCH, patch))).await
    }

    /// Asks whether [`Self::merge`] would be permitted, and changes nothing. The API server authorizes a
    /// request before it looks for the object, so this also answers for one that does not exist yet.
    ///
    /// # Errors
    /// [`Error::Forbidden`], and failures of the connection.
    pub async fn dry_run_merge(&self, place: &ObjectRef, patch: &Value) -> Result<(), Error> {
        match self.patch(place, DRY_RUN, (MERGE_PATCH, patch)).await {
            Err(Error::NotFound { .. }) => Ok(()),
            asked => asked,
        }
    }

    async fn patch(
        &self,
        place: &ObjectRef,
        query: &str,
        (media_type, patch): (&'static str, &Value),
    ) -> Result<(), Error> {
        let path = format!("{}?fieldManager={FIELD_MANAGER}{query}", place.path());
        let (resource, text) = (place.to_string(), patch.to_string());
        let (what, body) = ((Object::Other, resource.as_str()), Some((media_type, text.as_str())));
        self.request(&Method::PATCH, &path, "patch", what, body).await.map(drop)
    }

    /// Deletes this version of an object; one that no longer exists is deleted.
    ///
    /// # Errors
    /// [`Error::Conflict`] if it has changed; [`Error::Forbidden`], and failures of the connection.
    pub async fn delete(&self, place: &ObjectRef, resource_version: &str) -> Result<(), Error> {
        let options = json!({
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"resourceVersion": resource_version},
            "propagationPolicy": "Background",
        });
        let (path, resource) = (place.path(), place.to_string());
        let what = (Object::Other, resource.as_str());
        let deleted = self.ask(Method::DELETE, &path, "delete", what, Some(options.to_string()));
        match issuer_diagnostic::write(deleted).await {
            Err(Error::NotFound { .. }) => Ok(()),
            deleted => deleted.map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_where_the_api_server_has_it() {
        let account = ObjectRef::namespaced(ObjectKind::ServiceAccount, "default", "app");
        assert_eq!(account.path(), "/api/v1/namespaces/default/serviceaccounts/app");
        assert_eq!(account.to_string(), "ServiceAccount app in namespace default");
        let object = json!({
            "apiVersion": "admissionregistration.k8s.io/v1beta1",
            "kind": "MutatingAdmissionPolicy",
            "metadata": {"name": "irsa"},
        });
        let policy = ObjectRef::of(&object).unwrap();
        let path = "/apis/admissionregistration.k8s.io/v1beta1/mutatingadmissionpolicies/irsa";
        assert_eq!((policy.path().as_str(), policy.full_name().as_str()), (path, "irsa"));
        assert_eq!(ObjectRef::of(&json!({"kind": "ConfigMap"})), None);
        for kind in ObjectKind::ALL {
            assert_eq!(ObjectKind::named(kind.as_str()), Some(kind));
        }
    }
}
