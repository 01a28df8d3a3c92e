//! Whether the keys about to be published cover what the cluster signs with now.

use issuer_discovery::IssuerUrl;
use issuer_jwks::{JwkSet, SignatureFault, Token};

/// Why a fresh token would not be accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LiveFault {
    /// Another key signs.
    #[error("the cluster signs with the key {signing:?}, and the keys to be published are \
             {}", published.iter().map(|kid| format!("{kid:?}")).collect::<Vec<_>>().join(", "))]
    WrongKey {
        /// The token's kid.
        signing: String,
        /// The kids to be published.
        published: Vec<String>,
    },
    /// The kid is there, and the rest does not hold.
    #[error("the fresh token does not hold with the keys to be published: {0}")]
    Signature(SignatureFault),
    /// Another issuer.
    #[error(
        "the cluster's tokens name the issuer {token:?}, and the issuer to be published is \
         {expected:?}"
    )]
    WrongIssuer {
        /// The token's `iss`.
        token: String,
        /// The issuer to be published.
        expected: String,
    },
}

impl LiveFault {
    /// What to do about it, in plain words.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::WrongKey { .. } => {
                "give the public half of --service-account-signing-key-file too (--key, or \
                 --apiserver for all that the API server knows); was the live token asked of the \
                 right cluster (--live-kubeconfig, --live-context)?"
            }
            Self::Signature(_) => {
                "the published key must be the one that signs: give --apiserver, or the right \
                 sa.pub"
            }
            Self::WrongIssuer { .. } => {
                "set the API server's first --service-account-issuer (EKS Anywhere: \
                 podIamConfig.serviceAccountIssuer) to the issuer, or give --issuer"
            }
        }
    }
}

/// Proves that kid, algorithm and signature of a fresh token are covered by `keys`, and that its
/// `iss` is the issuer.
///
/// # Errors
/// The first of them that is not.
pub fn check_live(token: &Token, keys: &JwkSet, issuer: &IssuerUrl) -> Result<(), LiveFault> {
    match token.verify(keys) {
        Ok(_) => {}
        Err(SignatureFault::UnknownKid { kid }) => {
            let published = keys.keys().iter().map(|jwk| jwk.kid.to_string()).collect();
            return Err(LiveFault::WrongKey { signing: kid, published });
        }
        Err(fault) => return Err(LiveFault::Signature(fault)),
    }
    let iss = token.claims().get("iss").and_then(|iss| iss.as_str()).unwrap_or_default();
    if iss == issuer.as_str() {
        Ok(())
    } else {
        Err(LiveFault::WrongIssuer { token: iss.to_owned(), expected: issuer.to_string() })
    }
}
