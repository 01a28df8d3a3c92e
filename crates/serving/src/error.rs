//! Why the endpoints cannot be served.

use std::net::SocketAddr;

use issuer_diagnostic::{Diagnostic, ErrorKind};

/// Why the endpoints or the logs cannot be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}, so there would be no metrics and no health checks")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// Logs were started before.
    #[error("logs were started before")]
    LogsStarted,
}

impl Diagnostic for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Listen { source, .. } => match source.kind() {
                std::io::ErrorKind::PermissionDenied => ErrorKind::NotPermitted,
                std::io::ErrorKind::AddrNotAvailable => ErrorKind::InvalidInput,
                _ => ErrorKind::Other,
            },
            Self::LogsStarted => ErrorKind::Other,
        }
    }

    fn hint(&self) -> Option<String> {
        let Self::Listen { address, source } = self else { return None };
        Some(match source.kind() {
            std::io::ErrorKind::AddrInUse => {
                format!("another program listens on port {}; use another port", address.port())
            }
            std::io::ErrorKind::PermissionDenied => {
                "ports below 1024 need a privilege; use one above, such as 8080".to_owned()
            }
            std::io::ErrorKind::AddrNotAvailable => {
                format!(
                    "{} is not an address of this machine; 0.0.0.0 is all of them",
                    address.ip()
                )
            }
            _ => return None,
        })
    }
}
