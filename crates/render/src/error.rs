//! What cannot be rendered.

/// Why documents cannot be rendered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Two documents want different things of one.
    #[error("{what}: {reason}")]
    Conflict {
        /// What both want.
        what: String,
        /// How they differ.
        reason: String,
    },
    /// A service account of several roles, of which a pod can have one.
    #[error("the service account {account} is to have both {one} and {other}")]
    TwoRoles {
        /// `NAMESPACE/NAME`.
        account: String,
        /// ARN of a role.
        one: String,
        /// ARN of another one.
        other: String,
    },
    /// A document that is no text.
    #[error("{key} is no UTF-8")]
    NotText {
        /// The object's key.
        key: String,
    },
    /// A role or provider that cannot be.
    #[error(transparent)]
    Aws(#[from] issuer_iam::Error),
    /// A bucket's policy that cannot be read.
    #[error(transparent)]
    Publish(#[from] issuer_publish::Error),
}

impl Error {
    /// What to do about it, in plain words.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Conflict { .. } => Some(
                "render the documents from files of their own, or make \
                                           them agree"
                    .to_owned(),
            ),
            Self::TwoRoles { .. } => Some(
                "the annotation names one role: give one of the two to another service account; \
                 where the documents are of two clusters, render them from files of their own"
                    .to_owned(),
            ),
            Self::NotText { .. } => None,
            Self::Aws(error) => error.hint(),
            Self::Publish(error) => error.hint(),
        }
    }
}
