//! Reading, planning and writing.

use std::cell::Cell;
use std::time::Duration;

use issuer_change::{Action, Notice};
use issuer_discovery::KEYS_NAME;
use issuer_session::{Attempts, replan};

use crate::{Error, Plan, PlanOptions, Purpose, Site, Store};

/// Maximum re-plan attempts after a write conflict.
const ATTEMPTS: Attempts =
    Attempts { limit: 10, first: Duration::from_millis(100), longest: Duration::from_secs(2) };

/// What [`apply`] is about to do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// The bucket is being created or configured.
    Bucket,
    /// This document is being written.
    Document(&'static str),
    /// A warning for the user.
    Notice(Notice),
}

/// Reads the store and compares it with the site.
///
/// # Errors
/// Those of [`Store::read`] and [`Plan::new`].
pub async fn plan(store: &Store, site: &Site, options: &PlanOptions) -> Result<Plan, Error> {
    let state = store.read(Purpose::Plan).await?;
    Plan::new(&store.location(), site, &state, options)
}

/// Executes a plan: public access, then `keys.json`, then the discovery document, so that the keys
/// exist before the document that refers to them.
///
/// # Errors
/// [`Error::Changed`] if another writer changed the store since it was planned; a denied or failed
/// call. Completed steps are kept, and the next run continues from there.
pub async fn apply(
    store: &Store,
    plan: &Plan,
    mut progress: impl FnMut(Step),
) -> Result<(), Error> {
    if let Some(bucket) = plan.bucket().filter(|bucket| !bucket.is_empty()) {
        progress(Step::Bucket);
        for notice in store.apply_bucket(bucket).await? {
            progress(Step::Notice(notice));
        }
    }
    for document in plan.documents() {
        if document.action != Action::Keep {
            progress(Step::Document(document.name));
            store.write(document.name, &document.bytes, &document.condition).await?;
        }
    }
    Ok(())
}

/// Executes a plan. After a write conflict nothing is overwritten: a new plan is made, and passed to
/// `approve` before it is executed. Returns the last plan.
///
/// # Errors
/// Those of [`plan()`], `approve` and [`apply`]; [`Error::LostRace`] if another writer keeps
/// changing the store; [`Error::NewKey`] if a key that is not in the first plan would be removed.
pub async fn publish<E: From<Error>>(
    store: &Store,
    site: &Site,
    options: &PlanOptions,
    plan: Plan,
    mut approve: impl FnMut(&Plan) -> Result<(), E>,
    mut progress: impl FnMut(Step),
) -> Result<Plan, E> {
    // Only the removals in the first plan were approved.
    let agreed = plan.dropped();
    let wrote = Cell::new(false);
    let execute = async |plan: &mut Plan| {
        let mut steps = 0;
        let applied = apply(store, plan, |step| {
            steps += 1;
            progress(step);
        });
        applied.await.map_err(|error| match error {
            Error::Changed { .. } => {
                // The last step is the one that failed.
                wrote.set(wrote.get() || steps > 1);
                Ended::Overtaken
            }
            error => Ended::Failed(error.into()),
        })
    };
    let again = async |_: Plan| {
        let plan =
            self::plan(store, site, options).await.map_err(|error| Ended::Failed(error.into()))?;
        let plan = if wrote.get() { plan.after_a_write() } else { plan };
        if let Some(kid) = plan.dropped().iter().find(|kid| !agreed.contains(kid)) {
            let location = store.document_location(KEYS_NAME);
            let error = Error::NewKey { location, kid: kid.to_string() };
            return Err(Ended::Failed(error.into()));
        }
        approve(&plan).map_err(Ended::Failed)?;
        Ok(plan)
    };
    let overtaken = |ended: &Ended<E>| matches!(ended, Ended::Overtaken);
    replan(ATTEMPTS, plan, execute, overtaken, again).await.map_err(|ended| match ended {
        Ended::Failed(error) => error,
        Ended::Overtaken => {
            Error::LostRace { location: store.location(), tries: ATTEMPTS.limit }.into()
        }
    })
}

/// Why an attempt ended.
enum Ended<E> {
    /// Another writer changed the store since it was planned.
    Overtaken,
    /// Any other error.
    Failed(E),
}
