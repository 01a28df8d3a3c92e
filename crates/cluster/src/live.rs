//! Whether the keys to be published include the one that the cluster signs with now.

use issuer_diagnostic::{Diagnostic, ErrorKind};
use issuer_discovery::IssuerUrl;
use issuer_jwks::{JwkSet, SignatureFault, Token};

/// Why a new token would not be accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LiveFault {
    /// A different key signs.
    #[error("the cluster signs with the key {signing:?}, and the keys to be published are \
             {}", published.iter().map(|kid| format!("{kid:?}")).collect::<Vec<_>>().join(", "))]
    WrongKey {
        /// The token's kid.
        signing: String,
        /// The kids to be published.
        published: Vec<String>,
    },
    /// The kid is published, but the signature does not verify.
    #[error("the new token does not verify with the keys to be published: {0}")]
    Signature(SignatureFault),
    /// A different issuer.
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

impl Diagnostic for LiveFault {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Refused
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::WrongKey { .. } => {
                "publish the public half of the API server's --service-account-signing-key-file \
                 too; was the token requested from the right cluster?"
            }
            Self::Signature(_) => "the published key must be the one that signs the tokens",
            Self::WrongIssuer { .. } => {
                "set the API server's first --service-account-issuer (EKS Anywhere: \
                 podIamConfig.serviceAccountIssuer) to the issuer"
            }
        };
        Some(hint.to_owned())
    }
}

/// Checks that one of `keys` has the kid and the algorithm of a fresh token and verifies its
/// signature, and that its `iss` is the issuer.
///
/// # Errors
/// The first check that fails.
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
