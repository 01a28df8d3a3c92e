//! Reading what a plan depends on.

use std::collections::BTreeSet;

use futures_util::future::try_join_all;
use issuer_cluster::{Cluster, ObjectKind, ObjectRef};

use crate::{Account, AccountsMode, Error, WorkloadSpec, WorkloadState};

/// Reads the state of a cluster; independent requests are sent concurrently.
///
/// # Errors
/// [`Error::Cluster`].
pub async fn observe(cluster: &Cluster, spec: &WorkloadSpec) -> Result<WorkloadState, Error> {
    let accounts = accounts(cluster, spec).await?;
    let missing_namespaces = missing_namespaces(cluster, spec, &accounts).await?;
    Ok(WorkloadState { server: cluster.server().to_owned(), accounts, missing_namespaces })
}

/// All of them: one that was annotated earlier may be in any namespace.
async fn accounts(cluster: &Cluster, spec: &WorkloadSpec) -> Result<Vec<Account>, Error> {
    if !spec.has_accounts() {
        return Ok(Vec::new());
    }
    let all = cluster.list("/api/v1/serviceaccounts", "", "ServiceAccounts").await?;
    Ok(all.iter().map(Account::of).collect())
}

/// Which namespaces of ServiceAccounts that are to be created do not exist.
async fn missing_namespaces(
    cluster: &Cluster,
    spec: &WorkloadSpec,
    accounts: &[Account],
) -> Result<BTreeSet<String>, Error> {
    if spec.accounts != AccountsMode::Create {
        return Ok(BTreeSet::new());
    }
    let requested = spec.roles.iter().flat_map(|role| &role.accounts);
    let requested = requested.filter(|account| account.is_literal());
    let is_known = |namespace: &str| accounts.iter().any(|account| account.namespace == namespace);
    let unknown = requested.map(|account| account.namespace()).filter(|name| !is_known(name));
    let unknown: BTreeSet<&str> = unknown.collect();
    let missing = try_join_all(unknown.into_iter().map(async |name| {
        let place = ObjectRef::cluster_wide(ObjectKind::Namespace, name);
        let found = cluster.get(&place).await?;
        Ok::<_, Error>(found.is_none().then(|| name.to_owned()))
    }));
    Ok(missing.await?.into_iter().flatten().collect())
}
