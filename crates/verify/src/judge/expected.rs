//! What an issuer is judged for.

use issuer_discovery::IssuerUrl;
use issuer_jwks::{JwkSet, WeakKeys};

/// What an issuer is held against.
#[derive(Debug, Clone, Default)]
pub struct Expected {
    /// The issuer URL; without it the document's own is taken for right.
    pub issuer: Option<IssuerUrl>,
    /// Keys that have to be published.
    pub keys: Option<JwkSet>,
    /// A token as it was found, whatever it is.
    pub token: Option<String>,
    /// The audiences that the token may be for, the provider's client ids; none stands for
    /// `sts.amazonaws.com`.
    pub audiences: Vec<String>,
    /// Now, in seconds since 1970.
    pub now_secs: u64,
    /// Whether RSA keys of fewer than 2048 bits are a fault.
    pub weak: WeakKeys,
}
