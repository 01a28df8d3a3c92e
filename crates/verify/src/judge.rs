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

use issuer_discovery::{IssuerUrl, Ports};

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
    let issuer = asked.clone().or(document.issuer.clone());
    checks.push(aws_side(&checks, expected, issuer.as_deref().unwrap_or("URL")));
    Verdict { issuer: asked.or(document.issuer).unwrap_or_default(), checks }
}

/// The last check, always skipped: what AWS itself has cannot be observed here.
fn aws_side(checks: &[Check], expected: &Expected, issuer: &str) -> Check {
    let message = if checks.iter().any(Check::failed) {
        "not checked: fix the first failed check, then verify again".to_owned()
    } else {
        let is_refused = IssuerUrl::parse(issuer, Ports::Refuse).is_err();
        let port = if is_refused && issuer.starts_with("https://") { " --allow-port" } else { "" };
        let token = match expected.token {
            Some(_) => "",
            None => " (no token was given to check)",
        };
        format!(
            "nothing that can be checked from outside is wrong{token}; the IAM provider (its URL, client \
             IDs, account and partition), the role's trust policy and the pods are looked at by \
             `issuerctl doctor --issuer {issuer}{port} --service-account NAMESPACE/NAME`"
        )
    };
    Check::skip("aws-side", message)
}
