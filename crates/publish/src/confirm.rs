//! Whether a store has what a run has written: an answer alone proves nothing.

use issuer_change::Action;
use issuer_discovery::Published;
use issuer_jwks::{JwkSet, WeakKeys};

use crate::published::Named;
use crate::{DocumentPlan, Error, KeyChange, Plan, Stored};

/// Judges the documents as they were read after the writes of a plan. Another writer may have changed
/// them since, as long as every given key is still there, and the discovery document fits the keys.
///
/// # Errors
/// [`Error::NotStored`] if a document is what it was before its write, for the second time;
/// [`Error::Changed`] if another writer has changed it so that it must be planned again.
pub(crate) fn confirm(plan: &mut Plan, stored: &[Option<Stored>; 2]) -> Result<(), Error> {
    let mut changed = None;
    for (document, stored) in plan.documents().iter().zip(stored) {
        match is_stored(plan, document, stored.as_ref()) {
            Ok(true) => {}
            Ok(false) => changed = Some(plan.place(document.name)),
            // Another writer may have put the old contents back.
            Err(Error::NotStored { location, .. }) if !plan.doubted => {
                plan.doubted = true;
                return Err(Error::Changed { location });
            }
            Err(error) => return Err(error),
        }
    }
    match changed {
        Some(location) if !is_served(plan, stored) => Err(Error::Changed { location }),
        _ => Ok(()),
    }
}

/// Whether a document is what the plan has written, or kept; not if another writer has changed it
/// since.
///
/// # Errors
/// [`Error::NotStored`].
pub(crate) fn is_stored(
    plan: &Plan,
    document: &DocumentPlan,
    stored: Option<&Stored>,
) -> Result<bool, Error> {
    if stored.is_some_and(|stored| stored.bytes == document.bytes) {
        return Ok(true);
    }
    if document.action == Action::Keep || !document.condition.holds_for(stored) {
        return Ok(false);
    }
    let location = plan.place(document.name);
    let what = match stored {
        None => "it does not exist",
        Some(_) => "it still has its old contents",
    };
    Err(Error::NotStored { location, what })
}

/// Whether readers find every given key, and the algorithms of all keys.
fn is_served(plan: &Plan, [keys, discovery]: &[Option<Stored>; 2]) -> bool {
    let (Some(keys), Some(discovery)) = (keys, discovery) else { return false };
    let Ok((keys, _)) = JwkSet::parse_with_foreign(&keys.bytes, WeakKeys::Allow) else {
        return false;
    };
    let given = plan
        .key_changes()
        .iter()
        .filter(|(_, change)| matches!(change, KeyChange::Added | KeyChange::Unchanged));
    let mut given = given.map(|(jwk, _)| jwk);
    let is_ours = Named::read(discovery).is_ok_and(|named| named.issuer == plan.issuer().as_str());
    let Ok(members) = Published::parse(&discovery.bytes) else { return false };
    is_ours && given.all(|jwk| keys.keys().contains(jwk)) && {
        let listed = algorithms(&members);
        keys.algorithms().iter().all(|algorithm| listed.contains(&algorithm.as_str()))
    }
}

/// The algorithms that a discovery document lists.
pub(crate) fn algorithms(members: &Published) -> Vec<&str> {
    let listed = members.get("id_token_signing_alg_values_supported");
    listed
        .and_then(serde_json::Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(serde_json::Value::as_str)
        .collect()
}
