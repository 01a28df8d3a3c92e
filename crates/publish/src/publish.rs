//! Reading, planning and writing.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use issuer_change::Notice;
use issuer_diagnostic::{now_millis, now_secs};
use issuer_discovery::KEYS_NAME;
use issuer_session::{Attempts, replan};

use crate::confirm::{confirm, is_stored};
use crate::history::surplus;
use crate::plan::{Copied, RecordDue};
use crate::protocol::{Operation, operations, planned_again};
use crate::state::Write;
use crate::unique::unique_value;
use crate::{Condition, Error, Plan, PlanOptions, Purpose, Sighting, Site, Store};

/// New plans after write conflicts: as long as others are faster, not a number of times.
const ATTEMPTS: Attempts = Attempts {
    limit: u32::MAX,
    within: Duration::from_secs(60),
    first: Duration::from_millis(100),
    longest: Duration::from_secs(2),
};

/// What [`apply`] is about to do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// The bucket is being created or configured.
    Bucket,
    /// This document is being written.
    Document(&'static str),
    /// The previous site was copied to the history, under this name.
    Kept(String),
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

/// Executes a plan, and reads the documents back. Public access comes first. The keys exist before the
/// document that refers to them; if one is there already and does not list the algorithm of a new key,
/// it is written before the keys, with the algorithms of all keys before and after, and once more after
/// them if that is too many.
///
/// # Errors
/// [`Error::Changed`] if another writer changed the store since it was planned, or has undone the
/// writes; [`Error::NotStored`]; a denied or failed call. Completed steps are kept ([`Plan::wrote`]),
/// and the next run continues from there.
pub async fn apply(
    store: &Store,
    plan: &mut Plan,
    progress: impl FnMut(Step),
) -> Result<(), Error> {
    if plan.is_empty() {
        store.tidy();
        return Ok(());
    }
    let _lock = store.lock().await?;
    execute(store, plan, progress).await
}

/// Records that keys of an executed plan were seen signing, if that was not recorded within the last hour;
/// returns whether it was written. If another writer has changed the keys since, nothing is.
///
/// # Errors
/// A denied or failed call.
pub async fn record_sightings(
    store: &Store,
    plan: &Plan,
    seen: &[Sighting],
) -> Result<bool, Error> {
    let published = |sighting: &&Sighting| plan.keys().get(&sighting.kid).is_some();
    let seen: Vec<Sighting> = seen.iter().filter(published).cloned().collect();
    if plan.record.with_sightings(&seen, now_secs()).is_none() {
        return Ok(false);
    }
    let _lock = store.lock().await?;
    let [keys, _] = store.read_documents().await?;
    let [planned, _] = plan.documents();
    let Some(keys) = keys.filter(|stored| stored.bytes == planned.bytes) else { return Ok(false) };
    let Some(record) = keys.record.with_sightings(&seen, now_secs()) else { return Ok(false) };
    let condition = Condition::Unchanged(keys.version);
    let (name, bytes, issuer) = (planned.name, planned.bytes.as_slice(), plan.issuer().as_str());
    let write = Write { name, bytes, condition: &condition, issuer, record: &record };
    match issuer_diagnostic::write(store.write_record(write)).await {
        Ok(()) => Ok(true),
        Err(Error::Changed { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes what is recorded of the keys, if that is due although nothing else changes. Its failure ends no
/// run, but that a key was seen signing and could not be recorded is a warning.
async fn record(store: &Store, plan: &Plan, progress: &mut impl FnMut(Step)) -> Result<(), Error> {
    let Some(due) = plan.record_due else { return Ok(()) };
    let [keys, _] = &plan.documents;
    let issuer = plan.issuer().to_string();
    let (name, bytes, condition, record) =
        (keys.name, keys.bytes.as_slice(), &keys.condition, &plan.record);
    let write = Write { name, bytes, condition, issuer: &issuer, record };
    let _lock = store.lock().await?;
    match issuer_diagnostic::write(store.write_record(write)).await {
        // Another writer was faster: it has recorded what it knows.
        Ok(()) | Err(Error::Changed { .. }) => {}
        Err(error) if due == RecordDue::Sighting => progress(Step::Notice(Notice {
            id: "not-recorded".into(),
            message: format!(
                "that the cluster signs with a published key could not be recorded: {error}"
            ),
        })),
        Err(_) => {}
    }
    Ok(())
}

/// The same; the lock is held.
async fn execute(
    store: &Store,
    plan: &mut Plan,
    mut progress: impl FnMut(Step),
) -> Result<(), Error> {
    if plan.is_empty() {
        return Ok(());
    }
    store.check_unchanged(&plan.documents)?;
    keep_previous(store, plan, &mut progress).await?;
    if let Some(bucket) = plan.bucket.as_ref().filter(|bucket| !bucket.is_empty()) {
        progress(Step::Bucket);
        let done = |notice: Option<Notice>| {
            plan.wrote = true;
            if let Some(notice) = notice {
                progress(Step::Notice(notice));
            }
        };
        store.apply_bucket(bucket, done).await?;
    }
    let (issuer, record) = (plan.issuer().to_string(), plan.record.clone());
    let mut own = BTreeMap::new();
    // Whether the last write was proved by its answer.
    let mut is_proved = false;
    for operation in operations(plan, &unique_value()) {
        match operation {
            Operation::Write(document) => {
                let name = document.name;
                progress(Step::Document(name));
                let condition = own.get(name).unwrap_or(&document.condition);
                let bytes = &document.bytes;
                let write = Write { name, bytes, condition, issuer: &issuer, record: &record };
                let written = issuer_diagnostic::write(store.write(write)).await?;
                issuer_diagnostic::wrote(store.document_location(name));
                own.insert(name, Condition::Unchanged(written.version));
                is_proved = written.is_proved;
                plan.wrote = true;
                plan.wrote_keys |= name == KEYS_NAME;
            }
            Operation::CheckUnlessProved(_) if is_proved => {}
            Operation::Check(document) | Operation::CheckUnlessProved(document) => {
                let stored = store.read_document(document.name).await?;
                if !is_stored(plan, &document, stored.as_ref())? {
                    return Err(Error::Changed { location: plan.place(document.name) });
                }
            }
        }
    }
    let (documents, kept) = tokio::join!(store.read_documents(), end_history(store, plan));
    let (documents, notice) = (documents?, kept?);
    if let Some(notice) = notice {
        progress(Step::Notice(notice));
    }
    confirm(plan, &documents)
}

/// Copies the published site, unless this run has copied it already: nothing is changed before that.
///
/// # Errors
/// [`Error::NotKept`]; [`Error::IgnoredConditions`].
async fn keep_previous(
    store: &Store,
    plan: &mut Plan,
    progress: &mut impl FnMut(Step),
) -> Result<(), Error> {
    let Some(site) = plan.previous.clone() else { return Ok(()) };
    if plan.copied.as_ref().is_some_and(|copied| copied.site == site) {
        return Ok(());
    }
    let name = site.name(now_millis());
    let issuer = plan.issuer().to_string();
    let document = plan.first_write();
    let (bytes, condition) = (document.bytes.as_slice(), &document.condition);
    let record = &plan.record;
    let first = Write { name: document.name, bytes, condition, issuer: &issuer, record };
    let write = issuer_diagnostic::write(store.keep(&name, &site, &first));
    let (kept, listed) = tokio::join!(write, store.list_kept());
    kept.map_err(|error| match error {
        // The probe has written a document.
        Error::IgnoredConditions { .. } => error,
        error => Error::NotKept { location: store.location(), source: Box::new(error) },
    })?;
    // Its failure ends no run: there is a copy too many.
    let mut names = listed.unwrap_or_default();
    names.push(name.clone());
    let mut surplus = surplus(names, plan.keep_history);
    surplus.retain(|surplus| *surplus != name);
    progress(Step::Kept(name.clone()));
    plan.copied = Some(Copied { name, site, surplus });
    Ok(())
}

/// Checks that the copy is there, and deletes those that are too many. A failure to delete one is a
/// warning.
///
/// # Errors
/// [`Error::NotStored`]; a denied or failed read.
async fn end_history(store: &Store, plan: &Plan) -> Result<Option<Notice>, Error> {
    let Some(Copied { name, site, surplus }) = &plan.copied else { return Ok(None) };
    let forgotten = join_all(surplus.iter().map(|name| store.forget(name)));
    let (checked, forgotten) = tokio::join!(store.check_kept(name, site), forgotten);
    checked?;
    let failed = forgotten.into_iter().find_map(Result::err);
    Ok(failed.map(|error| Notice {
        id: "history-not-pruned".into(),
        message: format!("an old copy in the history could not be deleted: {error}"),
    }))
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
    if plan.is_empty() {
        store.tidy();
        return Ok(record(store, plan, &mut progress).await?);
    }
    // Only the removals in the first plan were approved.
    let agreed = plan.dropped();
    let _lock = store.lock().await?;
    let execute = async |plan: &mut Plan| {
        execute(store, plan, &mut progress).await.map_err(|error| match error {
            Error::Changed { .. } => Ended::Overtaken,
            error => Ended::Failed(error.into()),
        })
    };
    let again = async |plan: &mut Plan| {
        let sets_up = plan.bucket.as_ref().is_some_and(|bucket| !bucket.is_empty());
        let now = async {
            let state = store.read_again(sets_up).await?;
            planned_again(plan, site, &state, options, &agreed)
        };
        let now = now.await.map_err(|error| Ended::Failed(error.into()))?;
        approve(&now).map_err(Ended::Failed)?;
        *plan = now;
        Ok(())
    };
    let overtaken = |ended: &Ended<E>| matches!(ended, Ended::Overtaken);
    replan(ATTEMPTS, plan, execute, overtaken, again).await.map_err(|ended| match ended {
        Ended::Failed(error) => error,
        Ended::Overtaken => {
            let secs = ATTEMPTS.within.as_secs();
            Error::LostRace { location: store.location(), secs }.into()
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
