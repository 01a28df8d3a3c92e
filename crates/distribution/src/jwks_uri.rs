//! `service-account-jwks-uri`, which must not go on naming an issuer that no longer signs.

use crate::decision::{Decision, Step};

/// The new value, or `None` if the flag stays as it is.
///
/// It changes only the API server's own discovery document. Where a default issuer signs, nothing
/// is served at `DEFAULT/keys.json`, and where it names a place of its own, that place decides.
pub(crate) fn jwks_uri(now: Option<&str>, decision: &Decision) -> Option<String> {
    let new = format!("{}/keys.json", decision.signing());
    let foreign = |now: &str| !decision.known.iter().any(|issuer| is_of(now, issuer));
    let same_signs = decision.before.first().is_some_and(|before| before == decision.signing());
    match now {
        _ if decision.default_signs => None,
        None if same_signs => None,
        Some(now) if now == new || foreign(now) => None,
        Some(now) if decision.step == Step::Unchanged && is_of(now, decision.signing()) => None,
        _ => Some(new),
    }
}

/// Whether a URL is one of this issuer's.
pub(crate) fn is_of(url: &str, issuer: &str) -> bool {
    let issuer = issuer.trim_end_matches('/');
    url.strip_prefix(issuer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
