//! The published keys, compared with what was reported of them.

use issuer_diagnostic::for_a_shell;
use issuer_jwks::{JwkSet, WeakKeys, salvage};
use issuer_reconcile::Observed;

/// What somebody else has done to the published keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct KeyDrift {
    /// Keys that were published and are not any more.
    pub(crate) missing: Vec<String>,
    /// Keys that neither this controller nor a source has published.
    pub(crate) foreign: Vec<String>,
}

/// The keys that are published now; `None` if there is no store. Those of a damaged document count as far as
/// they can be found in it.
pub(crate) fn published(seen: &Observed) -> Option<JwkSet> {
    let (_, state) = seen.site.as_ref()?;
    let stored = state.keys.as_ref();
    Some(stored.map(|stored| salvage(&stored.bytes, WeakKeys::Allow).set).unwrap_or_default())
}

impl KeyDrift {
    /// Compares the key IDs of the last report with the published keys and those of the sources.
    #[must_use]
    pub(crate) fn between(reported: &[String], there: &JwkSet, live: &JwkSet) -> Self {
        let has = |set: &JwkSet, kid: &str| set.keys().iter().any(|jwk| jwk.kid.as_str() == kid);
        let missing = reported.iter().filter(|kid| !has(there, kid)).cloned().collect();
        if reported.is_empty() {
            return Self::default();
        }
        let kids = there.keys().iter().map(|jwk| jwk.kid.to_string());
        let foreign = kids.filter(|kid| !reported.contains(kid) && !has(live, kid)).collect();
        Self { missing, foreign }
    }

    /// What is said of missing keys.
    #[must_use]
    pub(crate) fn missing_text(&self) -> Option<String> {
        (!self.missing.is_empty()).then(|| {
            format!(
                "keys.json no longer has {}, which somebody else has removed: AWS STS refuses tokens that \
                 they signed. Fix: if the cluster still uses them, `issuerctl history -f FILE`, with this \
                 object in FILE, lists the versions that the store has kept, and `issuerctl rollback -f FILE \
                 VERSION` publishes one of them again",
                self.missing.join(", ")
            )
        })
    }

    /// What is said of foreign keys; `place` are the options of the place.
    #[must_use]
    pub(crate) fn foreign_text(&self, place: &[String]) -> Option<String> {
        let place: Vec<String> = place.iter().map(|word| for_a_shell(word)).collect();
        (!self.foreign.is_empty()).then(|| {
            format!(
                "keys.json has {}, which this controller has not published: `issuerctl rotate start`, another \
                 program that reads the same keys, such as issuerctl sync, or somebody else. Whoever has \
                 such a private key can assume every role of this issuer. Fix: if it is nobody's of this \
                 cluster, delete its entry from a copy of keys.json, and publish the copy with `issuerctl \
                 publish --jwks COPY --prune {}`, which removes that key alone",
                self.foreign.join(", "),
                place.join(" ")
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_went_and_keys_that_came_are_named() {
        let key = || issuer_jwks::generate(issuer_jwks::KeyKind::P256).unwrap().public;
        let (gone, stays, came, live) = (key(), key(), key(), key());
        let kids = |keys: &[&issuer_jwks::PublicKey]| -> Vec<String> {
            keys.iter().map(|key| key.kid().to_string()).collect()
        };
        let set = |keys: &[&issuer_jwks::PublicKey]| {
            JwkSet::from_keys(keys.iter().map(|key| (*key).clone())).unwrap()
        };
        let reported = kids(&[&gone, &stays]);
        let drift = KeyDrift::between(&reported, &set(&[&stays, &came, &live]), &set(&[&live]));
        let named = KeyDrift { missing: kids(&[&gone]), foreign: kids(&[&came]) };
        assert_eq!(drift, named);
        assert!(drift.missing_text().unwrap().contains("rollback"));
        let text = drift.foreign_text(&["--to=s3://my-oidc".to_owned()]).unwrap();
        assert!(text.contains(&kids(&[&came])[0]), "{text}");
        assert!(text.contains("publish --jwks COPY --prune --to=s3://my-oidc`"), "{text}");
        let same = KeyDrift::between(&reported, &set(&[&gone, &stays]), &set(&[&stays]));
        assert_eq!((same.missing_text(), same.foreign_text(&[])), (None, None));
        // Nothing was reported before, so nothing is known of what was there.
        assert_eq!(KeyDrift::between(&[], &set(&[&came]), &set(&[])), KeyDrift::default());
    }
}
