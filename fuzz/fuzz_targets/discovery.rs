//! Issuer URLs and published discovery documents.
#![no_main]

use issuer_discovery::{IssuerUrl, Ports, Published};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(document) = Published::parse(bytes) {
        let _ = document.contradiction(&["issuer", "jwks_uri"]);
        let named = document.get("issuer").and_then(|issuer| issuer.as_str());
        named.into_iter().for_each(url);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        url(text);
    }
});

fn url(text: &str) {
    for ports in [Ports::Refuse, Ports::Allow] {
        let Ok(issuer) = IssuerUrl::parse(text, ports) else { continue };
        // AWS compares the issuer byte for byte.
        assert_eq!(issuer.as_str(), text);
        let _ = issuer.document_url("keys.json");
    }
}
