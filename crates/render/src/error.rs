//! Errors of rendering.

use issuer_diagnostic::{Diagnostic, ErrorKind};

/// Why documents cannot be rendered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Two documents configure the same resource differently.
    #[error("{what}: {reason}")]
    Conflict {
        /// The resource.
        what: String,
        /// How they differ.
        reason: String,
    },
    /// A service account with several roles; a pod can use only one.
    #[error("the service account {account} has two roles, {one} and {other}")]
    TwoRoles {
        /// `NAMESPACE/NAME`.
        account: String,
        /// ARN of a role.
        one: String,
        /// ARN of another one.
        other: String,
    },
    /// A document that is not text.
    #[error("{key} is not valid UTF-8")]
    NotText {
        /// The object's key.
        key: String,
    },
    /// A role or provider that is not valid.
    #[error(transparent)]
    Aws(#[from] issuer_iam::Error),
    /// A bucket's policy that cannot be read.
    #[error(transparent)]
    Publish(#[from] issuer_publish::Error),
}

impl Diagnostic for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Aws(error) => error.kind(),
            Self::Publish(error) => error.kind(),
            _ => ErrorKind::InvalidInput,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Conflict { .. } => {
                "render the documents from separate files, or make them consistent"
            }
            Self::TwoRoles { .. } => {
                "the annotation has a single role: assign one of them to a different service \
                 account; if the documents belong to two clusters, render them from separate files"
            }
            Self::NotText { .. } => return None,
            Self::Aws(error) => return error.hint(),
            Self::Publish(error) => return error.hint(),
        };
        Some(hint.to_owned())
    }
}
