//! Issuer files.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match issuer_manifest::parse(text) {
        Ok(issuers) => drop(issuer_manifest::agree(&issuers.iter().collect::<Vec<_>>())),
        Err(error) => drop(error.to_string()),
    }
});
