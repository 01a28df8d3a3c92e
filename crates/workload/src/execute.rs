//! Executing plans.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use issuer_cluster::{Cluster, ObjectRef};
use issuer_session::{Attempts, replan};

use crate::accounts::Step;
use crate::observe::observe;
use crate::{AccountPlan, Error, WorkloadDeletion, WorkloadPlan, WorkloadSpec};

/// Maximum number of ServiceAccounts that are changed concurrently.
const WRITES: usize = 16;

const ATTEMPTS: Attempts =
    Attempts { limit: 5, first: Duration::from_millis(100), longest: Duration::from_secs(2) };

/// Executes a plan. After a concurrent change the cluster is read again, and a new plan replaces
/// `plan`; `again` receives it.
///
/// # Errors
/// [`Error::Cluster`], and those of a new plan. Completed steps are kept ([`WorkloadPlan::wrote`]).
pub async fn apply(
    cluster: &Cluster,
    spec: &WorkloadSpec,
    plan: &mut WorkloadPlan,
    again: impl Fn(&WorkloadPlan),
) -> Result<(), Error> {
    let execute = async |plan: &mut WorkloadPlan| accounts(cluster, &mut plan.accounts).await;
    let new = async |plan: &mut WorkloadPlan| {
        let next = WorkloadPlan::new(spec, &observe(cluster, spec).await?)?;
        keep_done(&mut plan.accounts, next.accounts);
        plan.notices = next.notices;
        again(plan);
        Ok(())
    };
    replan(ATTEMPTS, plan, execute, Error::is_overtaken, new).await
}

/// Executes a deletion, in the same way.
///
/// # Errors
/// [`Error::Cluster`]. Completed steps are kept ([`WorkloadDeletion::wrote`]).
pub async fn delete(
    cluster: &Cluster,
    spec: &WorkloadSpec,
    plan: &mut WorkloadDeletion,
    again: impl Fn(&WorkloadDeletion),
) -> Result<(), Error> {
    let execute = async |plan: &mut WorkloadDeletion| accounts(cluster, &mut plan.accounts).await;
    let new = async |plan: &mut WorkloadDeletion| {
        let next = WorkloadDeletion::new(spec, &observe(cluster, spec).await?);
        keep_done(&mut plan.accounts, next.accounts);
        again(plan);
        Ok(())
    };
    replan(ATTEMPTS, plan, execute, Error::is_overtaken, new).await
}

async fn accounts(cluster: &Cluster, plans: &mut [AccountPlan]) -> Result<(), Error> {
    let pending = plans.iter_mut().filter(|plan| !plan.done && plan.step.is_some());
    let changed = stream::iter(pending).map(|plan| async move {
        if let Some(next) = &plan.step {
            step(cluster, &plan.place, next).await?;
            plan.done = true;
        }
        Ok::<_, Error>(())
    });
    changed.buffer_unordered(WRITES).try_collect().await
}

async fn step(cluster: &Cluster, place: &ObjectRef, step: &Step) -> Result<(), Error> {
    match step {
        Step::Apply { object, force } => cluster.apply(place, object, *force).await?,
        Step::Delete(version) => cluster.delete(place, version).await?,
    }
    Ok(())
}

/// What was done stays in the plan; the rest is that of a new plan.
fn keep_done(plans: &mut Vec<AccountPlan>, next: Vec<AccountPlan>) {
    plans.retain(|plan| plan.done);
    let done: Vec<ObjectRef> = plans.iter().map(|plan| plan.place.clone()).collect();
    plans.extend(next.into_iter().filter(|plan| !done.contains(&plan.place)));
}
