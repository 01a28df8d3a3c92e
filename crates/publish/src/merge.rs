//! Merging the given keys with the published ones.

use issuer_jwks::{Jwk, JwkSet, KeyId, PublicKey};

/// What happens to one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyChange {
    /// Given, but not published yet.
    Added,
    /// Given and published.
    Unchanged,
    /// Published, but not given; it is kept.
    Kept,
    /// Published, but not given; it is removed.
    Pruned,
}

/// The merged keys, and what happens to each key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The keys to publish.
    pub set: JwkSet,
    /// All given and published keys, the pruned ones last.
    pub changes: Vec<(Jwk, KeyChange)>,
}

/// Merges keys: the given ones first, in their order, followed by the published ones that are not
/// given, unless `prune` removes them.
///
/// If no key is added or removed, the published order is kept, so that two jobs that give the same
/// keys in a different order do not rewrite the document in turns.
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

impl Merged {
    /// The same without these keys, if they are not given, under whatever kid they are published.
    pub(crate) fn without(mut self, retired: &[KeyId]) -> Self {
        let is_named = |jwk: &Jwk| retired.contains(&jwk.kid);
        let kept = self.changes.iter().filter(|(_, change)| *change == KeyChange::Kept);
        let gone: Vec<PublicKey> =
            kept.filter(|(jwk, _)| is_named(jwk)).map(|(jwk, _)| jwk.key.clone()).collect();
        if gone.is_empty() {
            return self;
        }
        for (jwk, change) in &mut self.changes {
            if *change == KeyChange::Kept && gone.contains(&jwk.key) {
                *change = KeyChange::Pruned;
            }
        }
        self.changes.sort_by_key(|(_, change)| *change == KeyChange::Pruned);
        let stays = |jwk: &Jwk| {
            let mut pruned = self.changes.iter().filter(|(_, change)| *change == KeyChange::Pruned);
            pruned.all(|(pruned, _)| pruned != jwk)
        };
        self.set = self.set.filtered(stays);
        self
    }
}

/// A union rejects this too, but would include keys that are about to be removed.
fn refuse_other_keys(given: &JwkSet, published: &JwkSet) -> Result<(), issuer_jwks::Error> {
    // The empty kid may move to another key.
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
