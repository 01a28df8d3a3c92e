//! Errors that prevent an observation. What is wrong with an issuer is never an error but a failed
//! check.

use std::path::PathBuf;

use issuer_diagnostic::{Diagnostic, ErrorKind};

/// Why there is no [`crate::Observation`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system's trust store could not be opened, or the HTTP client could not be set up.
    #[error("cannot set up HTTPS")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No certificate was presented.
    #[error("no TLS server answers at {url}, so there is no certificate chain")]
    NoChain {
        /// What was asked for.
        url: String,
    },
    /// A JWK Set that cannot be fetched.
    #[error("cannot fetch {url}: {reason}")]
    JwksUrl {
        /// Its URL, without the query.
        url: String,
        /// What happened.
        reason: String,
    },
    /// A site that is not a folder, or cannot be read.
    #[error("cannot read the site {}", path.display())]
    Site {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

impl Diagnostic for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NoChain { .. } | Self::JwksUrl { .. } => ErrorKind::Other,
            _ => ErrorKind::InvalidInput,
        }
    }
}
