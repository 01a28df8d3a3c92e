//! Trust policies, and the texts in which other tools print them.
#![no_main]

use issuer_discovery::{IssuerUrl, Ports};
use issuer_iam::{LintOptions, TrustPolicy, lint, lint_roles};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let issuer = IssuerUrl::parse("https://oidc.example.com/prod", Ports::Refuse).expect("valid");
    let options = LintOptions::new(issuer);
    let _ = lint(text, &options);
    let _ = lint_roles(text, &options);
    let Ok(policy) = TrustPolicy::parse(text) else { return };
    let json = policy.to_json();
    let again = TrustPolicy::parse(&json).expect("its own JSON is a policy");
    assert_eq!(again.to_json(), json);
});
