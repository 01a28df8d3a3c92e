//! Reading, planning and writing in their order.

use std::time::Duration;

use crate::{Change, Error, Plan, PlanOptions, Site, Store};

/// How often a lost race is planned anew.
const TRIES: u32 = 5;

/// What [`apply`] is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Public access is being set up.
    Access,
    /// This document is being written.
    Document(&'static str),
}

/// Reads the store and compares.
///
/// # Errors
/// Those of [`Store::read`] and [`Plan::new`].
pub async fn plan(store: &Store, site: &Site, options: &PlanOptions) -> Result<Plan, Error> {
    let published = store.read().await?;
    Plan::new(&store.location(), site, &published, options)
}

/// Executes a plan: public access, then `keys.json`, then the discovery document, so that whoever finds the document finds
/// the keys that it speaks of.
///
/// # Errors
/// [`Error::Changed`] where somebody else wrote since the plan was made; a denied or failed call. What was done until then
/// stays, and the next run goes on from there.
pub async fn apply(store: &Store, plan: &Plan, mut progress: impl FnMut(Step)) -> Result<(), Error> {
    if !plan.access().is_empty() {
        progress(Step::Access);
        store.grant(plan.access()).await?;
    }
    for document in plan.documents() {
        if document.change != Change::Unchanged {
            progress(Step::Document(document.name));
            store.write(document.name, &document.bytes, &document.condition).await?;
        }
    }
    Ok(())
}

/// Plans and applies; a lost race is planned anew, never overwritten. `approve` sees each plan before it is executed.
///
/// # Errors
/// Those of [`plan()`], `approve` and [`apply`]; [`Error::LostRace`] where somebody else keeps writing.
pub async fn publish<E: From<Error>>(
    store: &Store,
    site: &Site,
    options: &PlanOptions,
    mut approve: impl FnMut(&Plan) -> Result<(), E>,
    mut progress: impl FnMut(Step),
) -> Result<Plan, E> {
    for attempt in 1..=TRIES {
        let plan = plan(store, site, options).await?;
        approve(&plan)?;
        match apply(store, &plan, &mut progress).await {
            Ok(()) => return Ok(plan),
            Err(Error::Changed { .. }) => tokio::time::sleep(Duration::from_millis(50) * 2u32.pow(attempt)).await,
            Err(error) => return Err(error.into()),
        }
    }
    Err(Error::LostRace { location: store.location(), tries: TRIES }.into())
}
