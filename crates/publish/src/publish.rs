//! Reading, planning and writing.

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
/// call. Completed steps are kept ([`Plan::wrote`]), and the next run continues from there.
pub async fn apply(
    store: &Store,
    plan: &mut Plan,
    mut progress: impl FnMut(Step),
) -> Result<(), Error> {
    let Plan { bucket, documents, wrote, .. } = plan;
    if let Some(bucket) = bucket.as_ref().filter(|bucket| !bucket.is_empty()) {
        progress(Step::Bucket);
        let done = |notice: Option<Notice>| {
            *wrote = true;
            if let Some(notice) = notice {
                progress(Step::Notice(notice));
            }
        };
        store.apply_bucket(bucket, done).await?;
    }
    for document in documents.iter().filter(|document| document.action != Action::Keep) {
        progress(Step::Document(document.name));
        store.write(document.name, &document.bytes, &document.condition).await?;
        *wrote = true;
    }
    Ok(())
}

/// Executes a plan. After a write conflict nothing is overwritten: a new plan is made, and passed to
/// `approve` before it replaces `plan` and is executed.
///
/// # Errors
/// Those of [`plan()`], `approve` and [`apply`]; [`Error::LostRace`] if another writer keeps
/// changing the store; [`Error::NewKey`] if a key that is not in the first plan would be removed.
pub async fn publish<E: From<Error>>(
    store: &Store,
    site: &Site,
    options: &PlanOptions,
    plan: &mut Plan,
    mut approve: impl FnMut(&Plan) -> Result<(), E>,
    mut progress: impl FnMut(Step),
) -> Result<(), E> {
    // Only the removals in the first plan were approved.
    let agreed = plan.dropped();
    let execute = async |plan: &mut Plan| {
        apply(store, plan, &mut progress).await.map_err(|error| match error {
            Error::Changed { .. } => Ended::Overtaken,
            error => Ended::Failed(error.into()),
        })
    };
    let again = async |plan: &mut Plan| {
        let now = self::plan(store, site, options).await;
        let now = now.map_err(|error| Ended::Failed(error.into()))?;
        if let Some(kid) = now.dropped().iter().find(|kid| !agreed.contains(kid)) {
            let location = store.document_location(KEYS_NAME);
            let error = Error::NewKey { location, kid: kid.to_string() };
            return Err(Ended::Failed(error.into()));
        }
        approve(&now).map_err(Ended::Failed)?;
        let wrote = plan.wrote;
        *plan = now;
        plan.wrote = wrote;
        Ok(())
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
