//! The certificates that a server sent: rustls returns them neither on success nor with an error.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{DigitallySignedStruct, SignatureScheme};

use crate::certificate::is_of_authority;
use crate::{Authorities, Chain};

/// The certificates that the server sent last, its own first.
#[derive(Debug, Clone, Default)]
pub struct Served(Arc<Mutex<Vec<CertificateDer<'static>>>>);

/// Another verifier; records the certificates that it verifies.
#[derive(Debug)]
pub struct Recorder {
    inner: Arc<dyn ServerCertVerifier>,
    served: Served,
    own: Authorities,
}

impl Served {
    /// The last of the chain as it was served.
    #[must_use]
    pub fn top(&self) -> Option<CertificateDer<'static>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).last().cloned()
    }

    /// All of them, the server's own first.
    #[must_use]
    pub fn certificates(&self) -> Vec<CertificateDer<'static>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was served.
    #[must_use]
    pub fn chain(&self) -> Option<Chain> {
        Chain::of(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, end_entity: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) {
        let chain =
            std::iter::once(end_entity).chain(intermediates).map(|one| one.clone().into_owned());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = chain.collect();
    }
}

impl Recorder {
    /// Verifies as `inner` does.
    #[must_use]
    pub fn new(inner: Arc<dyn ServerCertVerifier>) -> (Self, Served) {
        let served = Served::default();
        (Self { inner, served: served.clone(), own: Authorities::default() }, served)
    }

    /// Also accepts a server whose own certificate is one of these authorities, as Go does: a
    /// self-signed certificate that is marked as a CA. Whoever has its key could issue another.
    #[must_use]
    pub fn accepting(self, own: Authorities) -> Self {
        Self { own, ..self }
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.served.set(end_entity, intermediates);
        let verified = self.inner.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verified {
            // webpki has checked the validity before, and not the name.
            Err(rustls::Error::InvalidCertificate(fault))
                if is_of_authority(&fault)
                    && self.own.certificates().iter().any(|own| own == end_entity) =>
            {
                let parsed = ParsedCertificate::try_from(end_entity)?;
                verify_server_name(&parsed, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
