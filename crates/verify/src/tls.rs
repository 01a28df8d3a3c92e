//! The TLS side of a fetch: which certificates are trusted, and what is wrong with one.

use std::sync::Arc;

use issuer_trust::{Authorities, CertificateFault, Recorder, Served, handshake_fault};
use rustls::ClientConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls_platform_verifier::Verifier;

use crate::{Error, Unreached};

/// The configuration of a client that trusts the system's roots and these authorities.
///
/// # Errors
/// [`Error::Client`] if the system has no trust store.
pub(crate) fn config(authorities: &Authorities) -> Result<(ClientConfig, Served), Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let (recorder, served) = Recorder::new(Arc::new(verifier(authorities, provider.clone())?));
    // A self-signed certificate that is in the CA file, as curl accepts it.
    let recorder = recorder.accepting(authorities.clone());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Client(error.into()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(recorder))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((config, served))
}

/// What a TLS error means for the issuer.
pub(crate) fn classify(error: &rustls::Error, served: &Served) -> Unreached {
    match error {
        rustls::Error::InvalidCertificate(fault) => {
            Unreached::Certificate(CertificateFault::of(fault, served.chain()))
        }
        rustls::Error::InvalidMessage(_) => Unreached::NotTls,
        other => Unreached::Handshake(handshake_fault(other)),
    }
}

#[cfg(any(all(unix, not(target_os = "android")), target_os = "windows"))]
fn verifier(authorities: &Authorities, provider: Arc<CryptoProvider>) -> Result<Verifier, Error> {
    let verifier = match authorities.certificates() {
        [] => Verifier::new(provider),
        extra => Verifier::new_with_extra_roots(extra.iter().cloned(), provider),
    };
    verifier.map_err(|error| Error::Client(error.into()))
}
