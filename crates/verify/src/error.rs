//! Why it could not even be looked. What is wrong with an issuer is never an error but a failed
//! check.

use std::path::PathBuf;

/// Why there is no [`crate::Observation`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The CA file has no certificate in it, or one that is none.
    #[error("the CA file has no usable certificate: {reason}")]
    ExtraRoots {
        /// What is wrong with it.
        reason: String,
    },
    /// The system's trust store could not be opened, or the HTTP client not be set up.
    #[error("cannot set up HTTPS")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No certificate was shown.
    #[error("no TLS server answers at {url}, so there is no certificate chain")]
    NoChain {
        /// What was asked for.
        url: String,
    },
    /// A folder given as a site is none, or may not be read.
    #[error("cannot read the site {}", path.display())]
    Site {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}
