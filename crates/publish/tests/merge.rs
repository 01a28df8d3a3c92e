//! What every merge of keys must hold, whatever comes together.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::LazyLock;

use issuer_jwks::{Jwk, JwkSet, KeyId, KeyKind, WeakKeys, generate};
use issuer_publish::{KeyChange, merge};
use proptest::prelude::*;

static ALL: LazyLock<Vec<Jwk>> = LazyLock::new(|| {
    let path = format!(
        "{}/../../fixtures/golden/cases/multi-all-six/jwks.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let set = JwkSet::parse(&std::fs::read(path).unwrap(), WeakKeys::Refuse).unwrap();
    set.keys().to_vec()
});

/// A set of some of the six keys, in any order, perhaps with the guide's empty kid.
fn sets() -> impl Strategy<Value = JwkSet> {
    let some = prop::sample::subsequence((0..6).collect::<Vec<usize>>(), 0..6).prop_shuffle();
    (some, any::<bool>()).prop_map(|(indexes, empty_kid)| {
        let set =
            JwkSet::from_keys(indexes.into_iter().map(|index| ALL[index].key.clone())).unwrap();
        if empty_kid { set.with_empty_kid().unwrap() } else { set }
    })
}

fn kids(set: &JwkSet) -> Vec<&KeyId> {
    set.keys().iter().map(|jwk| &jwk.kid).collect()
}

#[test]
fn prune_makes_room_in_a_set_that_is_full() {
    let new_key = |_| generate(KeyKind::P256).unwrap().public;
    let full = JwkSet::from_keys((0..issuer_jwks::MAX_KEYS_PER_TYPE).map(new_key)).unwrap();
    let given = JwkSet::from_keys([new_key(0)]).unwrap();
    assert!(merge(&given, &full, false).is_err());
    assert_eq!(merge(&given, &full, true).unwrap().set, given);
}

proptest! {
    #[test]
    fn nothing_is_lost_without_prune(given in sets(), published in sets()) {
        let Ok(merged) = merge(&given, &published, false) else { return Ok(()) };
        prop_assert!(given.difference(&merged.set).is_empty());
        prop_assert!(published.difference(&merged.set).is_empty());
        prop_assert!(merged.changes.iter().all(|(_, change)| *change != KeyChange::Pruned));
    }

    #[test]
    fn prune_leaves_exactly_what_was_given_and_names_the_rest(given in sets(), published in sets()) {
        let Ok(merged) = merge(&given, &published, true) else { return Ok(()) };
        prop_assert!(given.difference(&merged.set).is_empty() && merged.set.difference(&given).is_empty());
        let pruned = merged.changes.iter().filter(|(_, change)| *change == KeyChange::Pruned).count();
        prop_assert_eq!(pruned, published.difference(&given).keys().len());
    }

    #[test]
    fn a_second_merge_changes_nothing(given in sets(), published in sets(), prune: bool) {
        let Ok(first) = merge(&given, &published, prune) else { return Ok(()) };
        let second = merge(&given, &first.set, prune).unwrap();
        prop_assert_eq!(&second.set, &first.set);
    }

    #[test]
    fn the_same_keys_in_another_order_change_nothing(given in sets(), published in sets()) {
        let Ok(first) = merge(&given, &published, false) else { return Ok(()) };
        let mut turned: Vec<_> = given.keys().iter().map(|jwk| jwk.key.clone()).collect();
        turned.reverse();
        let turned = JwkSet::from_keys(turned).unwrap();
        prop_assert_eq!(merge(&turned, &first.set, false).unwrap().set, first.set);
    }

    #[test]
    fn new_keys_come_first_in_their_order(given in sets(), published in sets()) {
        let Ok(merged) = merge(&given, &published, false) else { return Ok(()) };
        if !given.difference(&published).is_empty() {
            let named: Vec<_> = kids(&given).into_iter().filter(|kid| !kid.as_str().is_empty()).collect();
            prop_assert_eq!(&kids(&merged.set)[..named.len()], &named[..]);
        }
    }

    #[test]
    fn the_same_kid_with_another_key_is_refused(index in 0usize..5) {
        let stolen = Jwk { kid: ALL[index].kid.clone(), key: ALL[index + 1].key.clone() };
        let published = JwkSet::parse(
            JwkSet::from_keys([stolen.key.clone()]).unwrap().to_json()
                .replace(ALL[index + 1].kid.as_str(), stolen.kid.as_str()).as_bytes(),
            WeakKeys::Refuse,
        ).unwrap();
        let given = JwkSet::from_keys([ALL[index].key.clone()]).unwrap();
        for prune in [false, true] {
            prop_assert!(merge(&given, &published, prune).is_err());
        }
    }
}
