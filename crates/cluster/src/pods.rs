//! What a cluster does to pods: requests for `inject` and for admission policies.

use std::collections::BTreeMap;

use http::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::cluster::parse;
use crate::{Cluster, Error, Object, ServiceAccountRef};

impl Cluster {
    /// The annotations of a ServiceAccount; `None` if it does not exist.
    ///
    /// # Errors
    /// [`Error::Forbidden`], and failures of the connection.
    pub async fn account_annotations(
        &self,
        account: &ServiceAccountRef,
    ) -> Result<Option<BTreeMap<String, String>>, Error> {
        #[derive(Deserialize)]
        struct Account {
            metadata: Metadata,
        }
        #[derive(Deserialize)]
        struct Metadata {
            #[serde(default)]
            annotations: BTreeMap<String, String>,
        }
        let (namespace, name) = (account.namespace(), account.name());
        let resource = format!("ServiceAccount {name} in namespace {namespace}");
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}");
        let object = (Object::ServiceAccount, resource.as_str());
        match self.ask(Method::GET, &path, "get", object, None).await {
            Ok(body) => {
                parse::<Account>(&body, &resource).map(|account| Some(account.metadata.annotations))
            }
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether the API server serves a resource of a group and version, `GROUP/VERSION`.
    ///
    /// # Errors
    /// Failures of the connection.
    pub async fn serves(&self, group: &str, resource: &str) -> Result<bool, Error> {
        #[derive(Deserialize)]
        struct Resources {
            resources: Vec<Named>,
        }
        #[derive(Deserialize)]
        struct Named {
            name: String,
        }
        let path = format!("/apis/{group}");
        match self.ask(Method::GET, &path, "get", (Object::Endpoint, &path), None).await {
            Ok(body) => {
                let list: Resources = parse(&body, &path)?;
                Ok(list.resources.iter().any(|own| own.name == resource))
            }
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The version of the API server, such as `1.36.3`.
    ///
    /// # Errors
    /// Failures of the connection.
    pub async fn version(&self) -> Result<String, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Version {
            git_version: String,
        }
        let body =
            self.ask(Method::GET, "/version", "get", (Object::Endpoint, "/version"), None).await?;
        let version: Version = parse(&body, "/version")?;
        Ok(version.git_version.trim_start_matches('v').to_owned())
    }

    /// Any object or list; `None` if it does not exist, or its kind is not served.
    ///
    /// # Errors
    /// [`Error::Forbidden`], and failures of the connection.
    pub async fn object(&self, path: &str, resource: &str) -> Result<Option<Value>, Error> {
        match self.ask(Method::GET, path, "get", (Object::Endpoint, resource), None).await {
            Ok(body) => parse(&body, resource).map(Some),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What the API server would store of a pod (`dryRun=All`); nothing is created.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Status`] if admission or validation refuse it, and failures of
    /// the connection.
    pub async fn dry_run_pod(&self, namespace: &str, pod: &Value) -> Result<Value, Error> {
        let resource = format!("a dry-run Pod in namespace {namespace}");
        let path = format!("/api/v1/namespaces/{namespace}/pods?dryRun=All");
        let object = (Object::Endpoint, resource.as_str());
        let body = self.ask(Method::POST, &path, "create", object, Some(pod.to_string())).await?;
        parse(&body, &resource)
    }
}
