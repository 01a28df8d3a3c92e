//! Files that hold a key: PEM, DER, JWK Sets and the files of other tools.
#![no_main]

use issuer_jwks::{JwkSet, WeakKeys, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(reading) = read(bytes, WeakKeys::Allow) else { return };
    // What was read can be published, and is read again as it was written.
    let json = reading.set.to_json();
    let again = JwkSet::parse(json.as_bytes(), WeakKeys::Allow).expect("its own JWK Set is read");
    assert_eq!(again.to_json(), json);
    for member in ["\"d\":", "\"p\":", "\"q\":", "\"dp\":", "\"dq\":", "\"qi\":", "\"k\":"] {
        assert!(!json.contains(member), "a private member is published");
    }
});
