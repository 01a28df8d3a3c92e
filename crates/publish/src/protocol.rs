//! In which order the documents are written, what is read between the writes, and what is planned after
//! a conflict: for every store, and for the model check (`model.rs`).
//!
//! A store compares one object at a time, and its versions are hashes of the contents, which come back.
//! So a run that adds a key of a new algorithm, or lists fewer algorithms, first writes a discovery
//! document that no other run writes: with all algorithms, and a member of its own ([`MARK`]). What
//! another run has read before can then no longer be written over it.

use std::collections::BTreeSet;

use issuer_change::Action;
use issuer_discovery::{KEYS_NAME, Published};
use issuer_jwks::{Algorithm, JwkSet, KeyId};

use crate::confirm::algorithms;
use crate::{Condition, DocumentPlan, Error, Plan, PlanOptions, Site, StoreState, Stored};

/// The member of a discovery document that is not the last one of its run: a value that no other run
/// has. Readers ignore members that they do not know (OpenID Connect Discovery 1.0 section 3).
const MARK: &str = "issuerctl_change";

/// The algorithms that a document of ours can list.
const ALGORITHMS: [Algorithm; 4] =
    [Algorithm::Es256, Algorithm::Es384, Algorithm::Es512, Algorithm::Rs256];

/// How long a run may take from a discovery document that is not its last to the keys, in seconds: its
/// limit for conflicts, and those of the requests between.
const UNSETTLED_SECS: u64 = 300;

/// What an execution does with a document.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    /// Writes it, under the condition of the plan, or that it is as this run has written it.
    Write(DocumentPlan),
    /// Reads it, and ends the execution unless it is as it was read or written, whatever the answer to
    /// the write was.
    Check(DocumentPlan),
    /// The same, unless the answer to the last write, which was that of this document, has proved that the
    /// store has it.
    CheckUnlessProved(DocumentPlan),
}

/// The discovery document of a run between its keys before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Transition {
    /// It needs none.
    None,
    /// One with these algorithms is written first.
    Widened(BTreeSet<Algorithm>),
    /// The published one, with these bytes, is that of another run, which may be about to write its
    /// keys, so it stays.
    OfAnother(Vec<u8>),
}

/// Decides which one a plan needs.
pub(crate) fn transition(
    state: &StoreState,
    site: &Site,
    before: &JwkSet,
    after: &JwkSet,
    [keys, discovery]: &[DocumentPlan; 2],
) -> Transition {
    let published = match &state.discovery {
        None => None,
        Some(stored) => match Published::parse(&stored.bytes).ok() {
            Some(members) if members.get("issuer").is_some_and(|of| of == site.issuer.as_str()) => {
                Some((stored, members))
            }
            // It is replaced on request, after the keys.
            _ => return Transition::None,
        },
    };
    let names = published.as_ref().map(|(_, members)| algorithms(members)).unwrap_or_default();
    let listed = ALGORITHMS.into_iter().filter(|algorithm| names.contains(&algorithm.as_str()));
    let listed: BTreeSet<Algorithm> = listed.collect();
    let (before, after) = (before.algorithms(), after.algorithms());
    let writes_keys = keys.action != Action::Keep;
    let is_there = state.keys.is_some() || published.is_some();
    let adds = writes_keys && is_there && !after.is_subset(&before);
    let narrows = discovery.action != Action::Keep && !listed.is_subset(&after);
    if !adds && !narrows {
        return Transition::None;
    }
    match published {
        Some((stored, members))
            if !writes_keys
                && members.get(MARK).is_some()
                && after.is_subset(&listed)
                && is_recent(stored, state) =>
        {
            Transition::OfAnother(stored.bytes.clone())
        }
        _ => Transition::Widened(&(&listed | &before) | &after),
    }
}

fn is_recent(stored: &Stored, state: &StoreState) -> bool {
    stored.written_secs.is_none_or(|at| state.read_secs.saturating_sub(at) < UNSETTLED_SECS)
}

/// The operations of a plan, in order; `run` is a value that no other run has. The keys exist before the
/// document that refers to them.
pub(crate) fn operations(plan: &Plan, run: &str) -> Vec<Operation> {
    let [keys, discovery] = plan.documents();
    let mut operations = Vec::new();
    if let Some(widened) = &plan.widened {
        let mut document = discovery.clone();
        document.bytes = marked(widened, run);
        operations.push(Operation::Write(document.clone()));
        // Readers must not find a key that the document does not list.
        operations.push(Operation::Check(document));
    }
    if keys.action != Action::Keep {
        operations.push(Operation::Write(keys.clone()));
    }
    if plan.widened.is_some() || discovery.action != Action::Keep {
        // The document must not refer to keys that are not there, nor leave out one that has come: if
        // there is none yet, another run that has written keys since then has written one, or finds
        // that this run did.
        operations.push(match is_first(plan) {
            true => Operation::CheckUnlessProved(keys.clone()),
            false => Operation::Check(keys.clone()),
        });
        operations.push(Operation::Write(discovery.clone()));
    }
    operations
}

/// Whether neither document is there yet, so that both writes fail if another run is faster.
fn is_first(plan: &Plan) -> bool {
    let absent = |document: &DocumentPlan| document.condition == Condition::Absent;
    plan.widened.is_none() && plan.documents().iter().all(absent)
}

fn marked(document: &[u8], run: &str) -> Vec<u8> {
    let members = document.strip_suffix(b"}").unwrap_or(document);
    [members, format!(",\"{MARK}\":\"{run}\"}}").as_bytes()].concat()
}

/// The plan that replaces one that was overtaken. What was to be removed is removed; a key that came
/// since stays.
///
/// # Errors
/// Those of [`Plan::new`]; [`Error::NewKey`] if a key would be removed whose removal was not `agreed` to.
pub(crate) fn planned_again(
    before: &Plan,
    site: &Site,
    state: &StoreState,
    options: &PlanOptions,
    agreed: &[KeyId],
) -> Result<Plan, Error> {
    let options = PlanOptions { prune: options.prune && !before.wrote_keys, ..*options };
    let mut site = site.clone();
    if before.wrote_keys {
        site.retired.clear();
    }
    let mut now = Plan::new(before.location(), &site, state, &options)?;
    if let Some(kid) = now.dropped().iter().find(|kid| !agreed.contains(kid)) {
        return Err(Error::NewKey { location: before.place(KEYS_NAME), kid: kid.to_string() });
    }
    (now.wrote, now.wrote_keys, now.doubted) = (before.wrote, before.wrote_keys, before.doubted);
    now.copied.clone_from(&before.copied);
    now.bucket = now.bucket.or_else(|| before.bucket.clone());
    Ok(now)
}
