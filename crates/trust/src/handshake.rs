//! What is wrong with a TLS handshake, apart from the server's certificate.

use rustls::{AlertDescription as A, Error};

/// What an error of rustls says of the server: a clause, `it does not speak TLS`.
#[must_use]
pub fn handshake_fault(error: &Error) -> String {
    match error {
        Error::InvalidMessage(_) => "it does not speak TLS".to_owned(),
        Error::NoCertificatesPresented => "it sends no certificate".to_owned(),
        Error::PeerIncompatible(_)
        | Error::AlertReceived(A::ProtocolVersion | A::InsufficientSecurity) => {
            "it has no version or cipher suite of TLS in common with this program (TLS 1.2 or 1.3)"
                .to_owned()
        }
        Error::AlertReceived(A::HandshakeFailure) => {
            "it refuses the handshake: it has no version or cipher suite of TLS in common with this \
             program, or requires a client certificate"
                .to_owned()
        }
        Error::AlertReceived(A::UnrecognisedName) => {
            "it does not know the name of the host (server name indication)".to_owned()
        }
        Error::AlertReceived(A::CertificateRequired) => {
            "it requires a client certificate".to_owned()
        }
        Error::AlertReceived(
            A::BadCertificate
            | A::UnsupportedCertificate
            | A::CertificateRevoked
            | A::CertificateExpired
            | A::CertificateUnknown
            | A::UnknownCA
            | A::AccessDenied,
        ) => "it does not accept the client certificate".to_owned(),
        Error::AlertReceived(alert) => {
            format!("it ends the handshake with the alert {alert:?}")
        }
        Error::PeerMisbehaved(_) | Error::InappropriateMessage { .. } | Error::DecryptError => {
            "it does not follow the TLS protocol".to_owned()
        }
        other => issuer_diagnostic::shorten(&other.to_string()),
    }
}
