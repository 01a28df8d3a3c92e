//! Executing plans.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join;
use futures_util::{StreamExt, stream};
use issuer_change::Notice;
use issuer_cluster::{Cluster, ObjectRef};
use issuer_session::{Attempts, replan};
use serde_json::Value;

use crate::accounts::Step;
use crate::injection::{ObjectStep, rank, with_new_certificate};
use crate::observe::{Reading, observe};
use crate::pods;
use crate::{AccountPlan, Error, ObjectPlan, WorkloadDeletion, WorkloadPlan, WorkloadSpec};

/// Maximum number of ServiceAccounts that are changed concurrently.
const WRITES: usize = 16;

const ATTEMPTS: Attempts = Attempts {
    limit: 5,
    within: Duration::MAX,
    first: Duration::from_millis(100),
    longest: Duration::from_secs(2),
};

/// Executes a plan: what gives pods their roles and the ServiceAccounts at the same time. After a
/// concurrent change the cluster is read again, and a new plan replaces `plan`; `again` receives it.
/// Workloads are restarted last; returns why some were not.
///
/// # Errors
/// [`Error::Cluster`], [`Error::Certificate`], and those of a new plan. Completed steps are kept
/// ([`WorkloadPlan::wrote`]).
pub async fn apply(
    cluster: &Cluster,
    spec: &WorkloadSpec,
    plan: &mut WorkloadPlan,
    again: impl Fn(&WorkloadPlan),
) -> Result<Vec<Notice>, Error> {
    let execute = async |plan: &mut WorkloadPlan| {
        let needs_certificate = plan.objects.iter().any(ObjectPlan::needs_certificate);
        // The private key is in these objects alone, and is dropped with them.
        let made = match needs_certificate {
            true => with_new_certificate(plan.certificate.as_ref())?,
            false => BTreeMap::new(),
        };
        both(cluster, (&mut plan.objects, &made), &mut plan.accounts).await
    };
    let new = async |plan: &mut WorkloadPlan| {
        let next = WorkloadPlan::new(spec, &observe(cluster, spec, Reading::Plan).await?)?;
        let done = std::mem::replace(plan, next);
        keep_done(&mut plan.accounts, done.accounts, |plan| plan.done, |plan| &plan.place);
        keep_done(&mut plan.objects, done.objects, |plan| plan.done, |plan| &plan.place);
        again(plan);
        Ok(())
    };
    replan(ATTEMPTS, plan, execute, Error::is_overtaken, new).await?;
    pods::restart(cluster, plan).await
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
    let execute = async |plan: &mut WorkloadDeletion| {
        let made = BTreeMap::new();
        both(cluster, (&mut plan.objects, &made), &mut plan.accounts).await
    };
    let new = async |plan: &mut WorkloadDeletion| {
        let next = WorkloadDeletion::new(spec, &observe(cluster, spec, Reading::Deletion).await?);
        let done = std::mem::replace(plan, next);
        keep_done(&mut plan.accounts, done.accounts, |plan| plan.done, |plan| &plan.place);
        keep_done(&mut plan.objects, done.objects, |plan| plan.done, |plan| &plan.place);
        again(plan);
        Ok(())
    };
    replan(ATTEMPTS, plan, execute, Error::is_overtaken, new).await
}

/// Objects and ServiceAccounts at the same time. After a failure nothing more is begun; what was
/// begun is waited for, since it may succeed, and is then done.
async fn both(
    cluster: &Cluster,
    (object_plans, made): (&mut [ObjectPlan], &BTreeMap<ObjectRef, Value>),
    account_plans: &mut [AccountPlan],
) -> Result<(), Error> {
    let failed = AtomicBool::new(false);
    let objects = objects(cluster, object_plans, made, &failed);
    let (objects, accounts) = join(objects, accounts(cluster, account_plans, &failed)).await;
    objects.and(accounts)
}

/// Those of the same rank at the same time: created in the order of the ranks, and then deleted in
/// reverse.
async fn objects(
    cluster: &Cluster,
    plans: &mut [ObjectPlan],
    made: &BTreeMap<ObjectRef, Value>,
    failed: &AtomicBool,
) -> Result<(), Error> {
    let ranks = 0..=2;
    let order = ranks.clone().map(|of| (false, of)).chain(ranks.rev().map(|of| (true, of)));
    for (deletes, of) in order {
        let pending = plans.iter_mut().filter(|plan| {
            !plan.done && plan.deletes() == deletes && rank(plan.place.kind()) == of
        });
        let changes = pending.map(|plan| async move {
            match &plan.step {
                None => return Ok(()),
                Some(ObjectStep::Apply { object, needs_certificate: true, force }) => {
                    let Some(new) = made.get(&plan.place) else { return Ok(()) };
                    let mut new = new.clone();
                    new["metadata"] = object["metadata"].clone();
                    cluster.apply(&plan.place, &new, *force).await?;
                }
                Some(ObjectStep::Apply { object, force, .. }) => {
                    cluster.apply(&plan.place, object, *force).await?;
                }
                Some(ObjectStep::Merge(patch)) => cluster.merge(&plan.place, patch).await?,
                Some(ObjectStep::Delete(version)) => cluster.delete(&plan.place, version).await?,
            }
            plan.done = true;
            Ok::<_, Error>(())
        });
        all(changes, failed).await?;
    }
    Ok(())
}

async fn accounts(
    cluster: &Cluster,
    plans: &mut [AccountPlan],
    failed: &AtomicBool,
) -> Result<(), Error> {
    let pending = plans.iter_mut().filter(|plan| !plan.done && plan.step.is_some());
    let changes = pending.map(|plan| async move {
        match &plan.step {
            Some(Step::Apply { object, force }) => {
                cluster.apply(&plan.place, object, *force).await?;
            }
            Some(Step::Delete(version)) => cluster.delete(&plan.place, version).await?,
            None => {}
        }
        plan.done = true;
        Ok::<_, Error>(())
    });
    all(changes, failed).await
}

/// Waits for all changes that are begun, and begins none after a failure; the first failure.
async fn all<F>(changes: impl Iterator<Item = F>, failed: &AtomicBool) -> Result<(), Error>
where
    F: Future<Output = Result<(), Error>>,
{
    let changed = stream::iter(changes).map(|change| async move {
        if failed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let changed = change.await;
        if changed.is_err() {
            failed.store(true, Ordering::Relaxed);
        }
        changed
    });
    let changed: Vec<_> = changed.buffer_unordered(WRITES).collect().await;
    changed.into_iter().collect()
}

/// What was done stays in a new plan, in its place.
fn keep_done<P>(
    next: &mut Vec<P>,
    before: Vec<P>,
    is_done: impl Fn(&P) -> bool,
    place: impl Fn(&P) -> &ObjectRef,
) {
    let mut all: Vec<P> = before.into_iter().filter(is_done).collect();
    for plan in next.drain(..) {
        if !all.iter().any(|done| place(done) == place(&plan)) {
            all.push(plan);
        }
    }
    *next = all;
}
