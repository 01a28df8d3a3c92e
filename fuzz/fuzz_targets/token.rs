//! Tokens in compact form.
#![no_main]

use issuer_jwks::Token;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(token) = Token::parse(text) else { return };
    let again = Token::parse(&token.compact()).expect("its own form is a token");
    assert_eq!(again.claims(), token.claims());
});
