//! Reading, planning and writing in their order.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use issuer_change::{Action, Notice};
use issuer_discovery::KEYS_NAME;

use crate::{Error, Plan, PlanOptions, Purpose, Site, Store};

/// How often a lost race is planned anew.
const TRIES: u32 = 10;

/// The longest wait before the next try.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// What [`apply`] is about to do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// The bucket is being created, or made public.
    Bucket,
    /// This document is being written.
    Document(&'static str),
    /// Something that the user has to be told.
    Notice(Notice),
}

/// Reads the store and compares.
///
/// # Errors
/// Those of [`Store::read`] and [`Plan::new`].
pub async fn plan(store: &Store, site: &Site, options: &PlanOptions) -> Result<Plan, Error> {
    let state = store.read(Purpose::Plan).await?;
    Plan::new(&store.location(), site, &state, options)
}

/// Executes a plan: public access, then `keys.json`, then the discovery document, so that whoever
/// finds the document finds the keys that it speaks of.
///
/// # Errors
/// [`Error::Changed`] where somebody else wrote since the plan was made; a denied or failed call.
/// What was done until then stays, and the next run goes on from there.
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

/// Executes a plan; a lost race is planned anew, never overwritten, and `approve` sees that plan
/// before it is executed. Gives the last one.
///
/// # Errors
/// Those of [`plan()`], `approve` and [`apply`]; [`Error::LostRace`] where somebody else keeps
/// writing; [`Error::NewKey`] where a key that the first plan did not know would be dropped.
pub async fn publish<E: From<Error>>(
    store: &Store,
    site: &Site,
    options: &PlanOptions,
    mut plan: Plan,
    mut approve: impl FnMut(&Plan) -> Result<(), E>,
    mut progress: impl FnMut(Step),
) -> Result<Plan, E> {
    // Only the keys of the first plan were agreed to be dropped.
    let agreed = plan.dropped();
    let mut wrote = false;
    for attempt in 1..=TRIES {
        let mut steps = 0;
        let applied = apply(store, &plan, |step| {
            steps += 1;
            progress(step);
        });
        match applied.await {
            Ok(()) => return Ok(plan),
            Err(Error::Changed { .. }) => {
                // The last step is the one that lost.
                wrote |= steps > 1;
                tokio::time::sleep(wait(attempt)).await;
            }
            Err(error) => return Err(error.into()),
        }
        plan = self::plan(store, site, options).await?;
        if wrote {
            plan = plan.after_a_write();
        }
        if let Some(kid) = plan.dropped().iter().find(|kid| !agreed.contains(kid)) {
            let location = store.document_location(KEYS_NAME);
            return Err(Error::NewKey { location, kid: kid.to_string() }.into());
        }
        approve(&plan)?;
    }
    Err(Error::LostRace { location: store.location(), tries: TRIES }.into())
}

/// Longer each time, and not the same for two writers that met.
fn wait(attempt: u32) -> Duration {
    let longest = (Duration::from_millis(50) * 2u32.pow(attempt)).min(LONGEST_WAIT);
    let nanos =
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
    longest.mul_f64(0.5 + f64::from((nanos ^ std::process::id()) % 1000) / 2000.0)
}
