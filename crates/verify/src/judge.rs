//! From an observation to a verdict; no I/O.

mod answer;
mod document;
mod entry;
mod expected;
mod exposed;
mod json;
mod keys;
mod signature;
mod status;
mod store;
mod subject;
mod token;
mod token_text;
mod url;
mod usable;
mod vantage;

pub use expected::Expected;

use crate::{Check, Observation, Verdict};

/// Judges an observation as AWS STS would.
#[must_use]
pub fn judge(observation: &Observation, expected: &Expected) -> Verdict {
    let asked = expected
        .issuer
        .as_ref()
        .map(|issuer| issuer.as_str().to_owned())
        .or(observation.issuer.clone());
    let mut checks = Vec::new();
    let document = document::judge(observation, asked.as_deref(), &mut checks);
    let published = keys::judge(observation, expected, &document, &mut checks);
    if let Some(text) = &expected.token {
        let issuer = asked.as_deref().or(document.issuer.as_deref());
        let site =
            token::Site { issuer, documented_issuer: document.issuer.as_deref(), keys: &published };
        token::judge(text, expected, &site, &mut checks);
    }
    checks.push(vantage::judge(observation, asked.as_deref().or(document.issuer.as_deref())));
    checks.push(aws_side(&checks, expected));
    Verdict { issuer: asked.or(document.issuer).unwrap_or_default(), checks }
}

/// The last check, always skipped: what AWS itself has cannot be observed here.
fn aws_side(checks: &[Check], expected: &Expected) -> Check {
    let message = if checks.iter().any(Check::failed) {
        "not checked: fix the first failed check, then verify again".to_owned()
    } else {
        let token = match expected.token {
            Some(_) => "",
            None => " (no token was given to check)",
        };
        format!(
            "nothing that can be checked from outside is wrong{token}; check next what cannot be \
             read from here: the IAM provider (its URL, client IDs, account and partition), the \
             role's trust policy, then AWS itself"
        )
    };
    Check::skip("aws-side", message)
}
