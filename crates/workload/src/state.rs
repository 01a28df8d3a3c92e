//! What was read of a cluster.

use std::collections::BTreeSet;

use issuer_cluster::{ObjectKind, ObjectRef};
use serde_json::Value;

use crate::InjectionState;
use crate::ownership::Metadata;
use crate::restart::Running;

/// The state of a cluster, as far as it concerns the roles of pods.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct WorkloadState {
    /// The URL of its API server.
    pub server: String,
    /// The issuer of its tokens, if a plan needs it and it may be read.
    pub issuer: Option<String>,
    /// All ServiceAccounts, if they are managed; without those that are being deleted.
    pub accounts: Vec<Account>,
    /// What gives pods their roles.
    pub injection: InjectionState,
    /// What runs under the ServiceAccounts of the roles.
    pub running: Running,
    /// Namespaces of requested ServiceAccounts that do not exist.
    pub missing_namespaces: BTreeSet<String>,
    /// ServiceAccounts, and namespaces of requested ones, that are being deleted.
    pub terminating: BTreeSet<ObjectRef>,
}

/// A ServiceAccount.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    pub(crate) metadata: Metadata,
}

impl Account {
    /// A ServiceAccount as the API server has it.
    #[must_use]
    pub fn of(object: &Value) -> Self {
        let text = |name: &str| object["metadata"][name].as_str().unwrap_or_default().to_owned();
        Self { namespace: text("namespace"), name: text("name"), metadata: Metadata::of(object) }
    }

    pub(crate) fn place(&self) -> ObjectRef {
        ObjectRef::namespaced(ObjectKind::ServiceAccount, &self.namespace, &self.name)
    }
}
