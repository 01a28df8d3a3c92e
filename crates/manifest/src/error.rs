//! What can be wrong with a file.

/// Why a file is none that `issuerctl` understands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No YAML, or a member that does not fit.
    #[error("line {line} column {column}: {reason}")]
    Text {
        /// From 1.
        line: u64,
        /// From 1.
        column: u64,
        /// What does not fit.
        reason: String,
        /// The known name that is nearest to an unknown one.
        near: Option<String>,
    },
    /// A key, or something that looks like one, which is not repeated.
    #[error("line {line}: there is a key in it; a file names files with keys, and holds none")]
    Key {
        /// From 1.
        line: usize,
    },
    /// A file without a document.
    #[error("there is no document in it")]
    Empty,
    /// Issuers that share something and want different things of it.
    #[error("the issuers {one} and {other} {what}")]
    Disagree {
        /// `metadata.name` of one.
        one: String,
        /// That of the other.
        other: String,
        /// What they do.
        what: String,
    },
    /// Members that do not go together.
    #[error("the issuer {name}: {reason}")]
    Unfit {
        /// `metadata.name`.
        name: String,
        /// What does not go together.
        reason: String,
    },
}

impl Error {
    /// What to do about it, in plain words.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Text { near: Some(near), .. } => Some(format!("did you mean {near:?}?")),
            Self::Key { .. } => Some(
                "put the public key into a file of its own, and name it: keys: [{file: sa.pub}]"
                    .to_owned(),
            ),
            Self::Disagree { .. } => {
                Some("what issuers share says the same in both; else give each its own".to_owned())
            }
            Self::Empty => Some("docs/examples/ has files to begin with".to_owned()),
            _ => None,
        }
    }
}
