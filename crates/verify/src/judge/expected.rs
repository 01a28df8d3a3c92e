//! What an issuer is judged for.

use std::fmt;

use issuer_discovery::IssuerUrl;
use issuer_jwks::{JwkSet, WeakKeys};

/// What an issuer is judged against. Its `Debug` says whether there is a token, and not which.
#[derive(Clone, Default)]
pub struct Expected {
    /// The issuer URL; if not set, the one in the discovery document is taken as correct.
    pub issuer: Option<IssuerUrl>,
    /// Keys that must be published.
    pub keys: Option<JwkSet>,
    /// The cluster that these keys come from, for messages.
    pub source: Option<String>,
    /// The text of a token, not parsed or validated yet.
    pub token: Option<String>,
    /// The audiences that the token may have, the provider's client IDs; if empty,
    /// `sts.amazonaws.com`.
    pub audiences: Vec<String>,
    /// Now, in seconds since 1970.
    pub now_secs: u64,
    /// Whether RSA keys of fewer than 2048 bits are an error.
    pub weak: WeakKeys,
}

impl fmt::Debug for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { issuer, keys, source, token, audiences, now_secs, weak } = self;
        f.debug_struct("Expected")
            .field("issuer", issuer)
            .field("keys", keys)
            .field("source", source)
            .field("token", &token.as_ref().map(|_| "[redacted]"))
            .field("audiences", audiences)
            .field("now_secs", now_secs)
            .field("weak", weak)
            .finish()
    }
}
