//! What can be wrong with a file.

use issuer_diagnostic::{Diagnostic, ErrorKind};

/// Why a file is not a valid issuer file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Invalid YAML, or a field that is not valid.
    #[error("line {line} column {column}: {reason}")]
    Text {
        /// From 1.
        line: u64,
        /// From 1.
        column: u64,
        /// What is not valid.
        reason: String,
        /// The most similar known name, for an unknown one.
        near: Option<String>,
    },
    /// Key material, or something that looks like it; it is not repeated.
    #[error("line {line}: the file contains key material; reference key files instead")]
    Key {
        /// From 1.
        line: usize,
    },
    /// A field of an object that is not valid.
    #[error("{path}: {reason}")]
    Field {
        /// The field, such as `spec.store.s3.bucket`.
        path: String,
        /// What is not valid.
        reason: String,
    },
    /// A file without a document.
    #[error("the file contains no document")]
    Empty,
    /// Issuers that configure a shared resource differently.
    #[error("the issuers {one} and {other} {what}")]
    Disagree {
        /// `metadata.name` of one.
        one: String,
        /// That of the other.
        other: String,
        /// What they do.
        what: String,
    },
    /// Fields that do not fit together.
    #[error("the issuer {name}: {reason}")]
    Unfit {
        /// `metadata.name`.
        name: String,
        /// What does not fit together.
        reason: String,
    },
}

impl Error {
    /// The same error in a text that begins after this many lines of a file.
    pub(crate) fn below(mut self, lines: usize) -> Self {
        match &mut self {
            Self::Text { line, .. } => *line += lines as u64,
            Self::Key { line } => *line += lines,
            _ => {}
        }
        self
    }
}

impl Diagnostic for Error {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidInput
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Text { near: Some(near), .. } => {
                return Some(format!("did you mean {near:?}?"));
            }
            Self::Key { .. } => {
                "put the public key into a file of its own and reference it: keys: [{file: sa.pub}]"
            }
            Self::Disagree { .. } => {
                "configure a shared resource the same way in both, or give each issuer its own"
            }
            Self::Empty => {
                "examples: https://github.com/issuerctl/issuerctl/tree/main/docs/examples"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
