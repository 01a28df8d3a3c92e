//! Whatever comes in, nothing panics; whatever is written, is read again as it was.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::LazyLock;

use issuer_jwks::{JwkSet, PublicKey, Token, WeakKeys, read};
use proptest::prelude::*;

static FILES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let folder = format!("{}/../../fixtures/golden/encodings", env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| std::fs::read(path).unwrap()).collect()
});

static EC: LazyLock<JwkSet> = LazyLock::new(|| {
    let path = format!(
        "{}/../../fixtures/golden/cases/multi-all-six/jwks.json",
        env!("CARGO_MANIFEST_DIR")
    );
    JwkSet::parse(&std::fs::read(path).unwrap(), WeakKeys::Refuse).unwrap()
});

fn rsa_keys() -> impl Strategy<Value = PublicKey> {
    (prop::collection::vec(any::<u8>(), 256..512), prop::sample::select(vec![3u32, 17, 65537]))
        .prop_map(|(mut n, e)| {
            n[0] |= 0x80;
            *n.last_mut().unwrap() |= 1;
            PublicKey::rsa(&n, &e.to_be_bytes(), WeakKeys::Refuse).unwrap()
        })
}

/// RSA keys of any size, and the golden EC keys among them.
fn sets() -> impl Strategy<Value = JwkSet> {
    let ec = prop::sample::subsequence(EC.keys().to_vec(), 0..=6);
    (prop::collection::vec(rsa_keys(), 0..4), ec).prop_map(|(rsa, ec)| {
        JwkSet::from_keys(rsa.into_iter().chain(ec.into_iter().map(|jwk| jwk.key))).unwrap()
    })
}

proptest! {
    #[test]
    fn a_set_is_read_as_it_was_written(set in sets()) {
        prop_assert_eq!(&JwkSet::parse(set.to_json().as_bytes(), WeakKeys::Refuse).unwrap(), &set);
        prop_assert_eq!(&JwkSet::parse(set.to_json_pretty().as_bytes(), WeakKeys::Refuse).unwrap(), &set);
        let value: serde_json::Value = serde_json::from_str(&set.to_json()).unwrap();
        prop_assert_eq!(value, serde_json::from_str::<serde_json::Value>(&set.to_json_pretty()).unwrap());
    }

    #[test]
    fn a_key_is_read_as_it_was_written(key in rsa_keys()) {
        for bytes in [key.to_spki_pem().into_bytes(), key.to_spki_der()] {
            let reading = read(&bytes, WeakKeys::Refuse).unwrap();
            prop_assert_eq!(&reading.set.keys()[0].key, &key);
            prop_assert!(reading.notes.is_empty());
        }
    }

    #[test]
    fn union_and_difference_are_those_of_sets(a in sets(), b in sets()) {
        let union = a.union(&b).unwrap();
        prop_assert!(a.difference(&union).is_empty() && b.difference(&union).is_empty());
        prop_assert_eq!(union.keys().len(), a.keys().len() + b.difference(&a).keys().len());
        prop_assert_eq!(&union.union(&a).unwrap(), &union);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&bytes, WeakKeys::Allow);
        let _ = JwkSet::parse(&bytes, WeakKeys::Allow);
    }

    #[test]
    fn no_damaged_key_file_panics(
        file in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = file.get(&FILES).clone();
        if bytes.is_empty() {
            return Ok(());
        }
        for (at, value) in damage {
            *at.get_mut(&mut bytes) = value;
        }
        let _ = read(&bytes, WeakKeys::Allow);
        bytes.truncate(cut.index(bytes.len()));
        let _ = read(&bytes, WeakKeys::Allow);
    }

    #[test]
    fn no_damaged_set_panics_or_gains_a_private_value(at in any::<prop::sample::Index>(), with in "[\\PC\"{}\\[\\]:,]{0,8}") {
        let text = EC.to_json();
        let at = at.index(text.len());
        let damaged = format!("{}{with}{}", &text[..at], &text[at..]);
        if let Ok(set) = JwkSet::parse(damaged.as_bytes(), WeakKeys::Allow) {
            prop_assert!(JwkSet::parse(set.to_json().as_bytes(), WeakKeys::Allow).unwrap() == set);
        }
    }

    #[test]
    fn no_token_panics(text in "[A-Za-z0-9_.=-]{0,120}", kid in ".{0,20}") {
        if let Ok(token) = Token::parse(&text) {
            let _ = token.verify(&EC);
        }
        let _ = EC.get(&kid);
    }
}
