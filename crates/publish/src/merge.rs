//! The keys of a run and the keys that are published, to the keys that will be published.

use issuer_jwks::{Jwk, JwkSet};

/// What happens to one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyChange {
    /// Given, and not published yet.
    Added,
    /// Given and published.
    Unchanged,
    /// Published and not given; it stays.
    Kept,
    /// Published and not given; it goes.
    Pruned,
}

/// Keys with what happens to each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// What will be published.
    pub set: JwkSet,
    /// Every key of both sides, the pruned ones last.
    pub changes: Vec<(Jwk, KeyChange)>,
}

/// Puts the given keys first, in their order, and the published ones that were not given behind
/// them; `prune` drops those.
///
/// Where nothing comes or goes, the published order stays, so that two jobs that give the same keys
/// in another order do not take turns in rewriting the document.
///
/// # Errors
/// [`issuer_jwks::Error::KidConflict`] and [`issuer_jwks::Error::TooManyKeys`].
pub fn merge(
    given: &JwkSet,
    published: &JwkSet,
    prune: bool,
) -> Result<Merged, issuer_jwks::Error> {
    let drops = prune && !published.difference(given).is_empty();
    let set = if drops {
        refuse_other_keys(given, published)?;
        given.clone()
    } else if given.difference(published).is_empty() {
        published.clone()
    } else {
        given.union(published)?
    };
    let change = |jwk: &Jwk| match (given.keys().contains(jwk), published.keys().contains(jwk)) {
        (true, true) => KeyChange::Unchanged,
        (true, false) => KeyChange::Added,
        (false, _) => KeyChange::Kept,
    };
    let mut changes: Vec<_> = set.keys().iter().map(|jwk| (jwk.clone(), change(jwk))).collect();
    changes.extend(
        published.difference(&set).keys().iter().map(|jwk| (jwk.clone(), KeyChange::Pruned)),
    );
    Ok(Merged { set, changes })
}

/// A union refuses this too, but would count keys that are about to go.
fn refuse_other_keys(given: &JwkSet, published: &JwkSet) -> Result<(), issuer_jwks::Error> {
    // The empty kid may pass to another key: it is nobody's own name.
    let named = published.without_empty_kid();
    match given
        .keys()
        .iter()
        .find(|jwk| named.get(jwk.kid.as_str()).is_some_and(|other| other.key != jwk.key))
    {
        None => Ok(()),
        Some(jwk) => Err(issuer_jwks::Error::KidConflict { kid: jwk.kid.clone() }),
    }
}
