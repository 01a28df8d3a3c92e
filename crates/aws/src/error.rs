//! What can be wrong with names and policies.

/// Why something for IAM cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An account id that is none.
    #[error("{text:?} is no account id; it has 12 digits")]
    AccountId {
        /// As given.
        text: String,
    },
    /// An audience that a provider does not take.
    #[error("{text:?} is no audience; a provider's client id has 1 to 255 characters without white space")]
    Audience {
        /// As given.
        text: String,
    },
    /// A service account that is none.
    #[error("{text:?} is no service account: {reason}")]
    ServiceAccount {
        /// As given.
        text: String,
        /// Which rule it breaks.
        reason: &'static str,
    },
    /// An issuer with a port, which no provider can have.
    #[error("the issuer {issuer} has a port, and IAM takes no provider with one")]
    Port {
        /// The issuer.
        issuer: String,
    },
    /// Nothing to trust.
    #[error("a trust policy needs at least one {what}")]
    Nothing {
        /// `issuer`, `service account` or `audience`.
        what: &'static str,
    },
    /// More characters than IAM ever takes.
    #[error("the trust policy has {size} characters without white space; IAM takes at most {limit}")]
    TooLarge {
        /// How many.
        size: usize,
        /// The most.
        limit: usize,
    },
    /// A document that is no policy.
    #[error("no policy: {reason}")]
    NotAPolicy {
        /// What it is instead, with line and column where it is no JSON.
        reason: String,
    },
}

impl Error {
    /// What to do about it, in plain words.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::ServiceAccount { .. } => Some("give NAMESPACE/NAME, such as default/app or jobs/*"),
            Self::TooLarge { .. } => Some(
                "name several service accounts of a namespace by a wildcard (jobs/*), or spread them over several roles",
            ),
            Self::NotAPolicy { .. } => {
                Some("a policy is one JSON object with a Statement; `issuerctl role trust-policy` prints one")
            }
            _ => None,
        }
    }
}
