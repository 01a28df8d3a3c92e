//! Whether a plan may be executed, before anything is changed.

use std::collections::BTreeSet;

use futures_util::{StreamExt, TryStreamExt, stream};
use issuer_cluster::{Cluster, Error as ClusterError, ObjectKind, ObjectRef};
use serde_json::{Value, json};

use crate::accounts::Step;
use crate::pods::REQUESTS;
use crate::{Error, WorkloadPlan, WorkloadSpec};

/// A request that changes a ServiceAccount.
enum Request<'a> {
    Apply {
        object: &'a Value,
        force: bool,
    },
    /// It does not exist, and is annotated when it does.
    Later,
}

/// Asks the API server whether it would permit what a plan changes of ServiceAccounts, and to change those that are
/// named and do not exist yet: the right to that is given for each namespace, unlike the one to read them. The
/// objects that give pods their roles are left out: a binding cannot be tried before its policy exists.
///
/// # Errors
/// [`Error::NotPermitted`]; [`Error::Cluster`].
pub async fn dry_run(
    cluster: &Cluster,
    spec: &WorkloadSpec,
    plan: &WorkloadPlan,
) -> Result<(), Error> {
    let planned = plan.accounts.iter().filter_map(|plan| match &plan.step {
        Some(Step::Apply { object, force }) => {
            Some((plan.place.clone(), Request::Apply { object, force: *force }))
        }
        // It was created by issuerctl, in a namespace in which that was permitted.
        Some(Step::Delete(_)) | None => None,
    });
    let later = unplanned(spec, plan).into_iter().map(|place| (place, Request::Later));
    let requests = stream::iter(planned.chain(later)).map(|(place, request)| async move {
        let asked = match request {
            Request::Apply { object, force } => cluster.dry_run_apply(&place, object, force).await,
            Request::Later => cluster.dry_run_merge(&place, &json!({})).await,
        };
        match asked {
            // It has changed since it was read, which leads to a new plan when this one is executed.
            Ok(()) | Err(ClusterError::Conflict { .. }) => Ok(()),
            Err(source @ ClusterError::Forbidden { .. }) => {
                let (account, source) = (place.full_name(), Box::new(source));
                Err(Error::NotPermitted { account, source })
            }
            Err(error) => Err(error.into()),
        }
    });
    requests.buffer_unordered(REQUESTS).try_collect().await
}

/// The ServiceAccounts that the roles name, and of which the plan knows nothing.
fn unplanned(spec: &WorkloadSpec, plan: &WorkloadPlan) -> BTreeSet<ObjectRef> {
    if !spec.has_accounts() {
        return BTreeSet::new();
    }
    let named = spec.roles.iter().flat_map(|role| &role.accounts);
    let named = named.filter(|account| account.is_literal()).map(|account| {
        ObjectRef::namespaced(ObjectKind::ServiceAccount, account.namespace(), account.name())
    });
    named.filter(|place| plan.accounts.iter().all(|known| known.place != *place)).collect()
}
