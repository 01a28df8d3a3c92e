//! JWK Sets: given, published, and damaged.
#![no_main]

use issuer_jwks::{JwkSet, WeakKeys, read_set, salvage};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = read_set(bytes, WeakKeys::Refuse);
    let found = salvage(bytes, WeakKeys::Allow);
    let Ok((set, foreign)) = JwkSet::parse_with_foreign(bytes, WeakKeys::Allow) else { return };
    // A set that is merged with nothing is the same set, with the keys of others in it.
    let json = set.to_json_with(&foreign);
    let (again, others) = JwkSet::parse_with_foreign(json.as_bytes(), WeakKeys::Allow)
        .expect("what was read is read again");
    assert_eq!((again.to_json_with(&others), again.keys()), (json, set.keys()));
    // No key that can be read is lost when the document is replaced.
    for jwk in set.keys() {
        assert!(found.set.keys().iter().any(|one| one.key == jwk.key), "{} is lost", jwk.kid.as_str());
    }
});
