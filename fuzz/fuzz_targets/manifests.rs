//! Kubernetes manifests that get their roles.
#![no_main]

use issuer_pods::{Accounts, Settings, inject};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (known, settings) = (Accounts::default(), Settings::default());
    let Ok(once) = inject(text, &known, "default", &settings, false) else { return };
    let twice = inject(&once.text, &known, "default", &settings, false).expect("its own output is read");
    assert_eq!(twice.text, once.text);
});
