//! What may be removed from a published JWK Set, and what stops working then.

use issuer_change::Notice;
use issuer_diagnostic::date;
use issuer_jwks::{Jwk, KeyId};

use crate::{Error, KeyChange, PlanOptions, record};

/// Refuses a removal in the same run that adds a key: pods hold tokens of the removed key, and if
/// the added key belongs to another cluster, the API server goes on signing with the removed one.
/// A key that is published first and a removal later is the order of a rotation.
///
/// # Errors
/// [`Error::PruneWithNewKey`].
pub(crate) fn check(changes: &[(Jwk, KeyChange)], location: &str) -> Result<(), Error> {
    // The empty kid may move to another key, which is published already.
    let is_new = |(jwk, change): &&(Jwk, KeyChange)| {
        *change == KeyChange::Added && !jwk.kid.as_str().is_empty()
    };
    let removed = removed(changes);
    match changes.iter().find(is_new) {
        Some((added, _)) if !removed.is_empty() => Err(Error::PruneWithNewKey {
            location: location.to_owned(),
            added: added.kid.clone(),
            removed,
        }),
        _ => Ok(()),
    }
}

/// Refuses a result without a key that was seen signing lately: pods hold its tokens, and the API server
/// may sign with it still. With `drop_live_key` that is a warning.
///
/// # Errors
/// [`Error::LatelyLive`].
pub(crate) fn check_lately_live(
    lost: Vec<(Option<KeyId>, u64)>,
    options: &PlanOptions,
    location: &str,
) -> Result<Vec<Notice>, Error> {
    let name = |kid: &Option<KeyId>| match kid {
        Some(kid) => format!("the key {:?}", kid.as_str()),
        None => "a key that is not in keys.json any more".to_owned(),
    };
    match lost.first() {
        Some((kid, signed)) if !options.drop_live_key => Err(Error::LatelyLive {
            location: location.to_owned(),
            key: name(kid),
            signed_secs: *signed,
            until_secs: record::until(*signed, options.retire_secs),
        }),
        _ => Ok(lost
            .iter()
            .map(|(kid, signed)| Notice {
                id: "live-key-dropped".into(),
                message: format!(
                    "{} was seen signing at {} and will not be published: the tokens that pods have \
                     of it will be rejected",
                    name(kid),
                    date(*signed)
                ),
            })
            .collect()),
    }
}

/// The kids of the keys that are removed.
pub(crate) fn removed(changes: &[(Jwk, KeyChange)]) -> Vec<KeyId> {
    let pruned = changes.iter().filter(|(_, change)| *change == KeyChange::Pruned);
    pruned.map(|(jwk, _)| jwk.kid.clone()).collect()
}

/// What stops working, for each key that is removed.
pub(crate) fn notices(changes: &[(Jwk, KeyChange)]) -> impl Iterator<Item = Notice> {
    removed(changes).into_iter().map(|kid| Notice {
        id: "key-removed".into(),
        message: match kid.as_str() {
            "" => "tokens without a kid will be rejected once it is removed, unless another key has the empty \
                   kid"
                .to_owned(),
            kid => format!(
                "tokens signed with the key {kid:?} will be rejected once it is removed; the pod identity \
                 webhook requests tokens that are valid for 24 h by default"
            ),
        },
    })
}
