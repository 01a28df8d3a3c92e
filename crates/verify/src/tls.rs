//! The TLS side of a fetch: which certificates are trusted, and what is wrong with one.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_platform_verifier::Verifier;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::der::oid::ObjectIdentifier;

use crate::{CertificateFault, Chain, Error, Unreached, roots};

/// RFC 5280 section 4.2.2.1.
const AUTHORITY_INFO_ACCESS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.1");

/// The certificates that the server sent last, its own first; rustls returns them neither on
/// success nor with an error.
#[derive(Debug, Clone, Default)]
pub(crate) struct Served(Arc<Mutex<Vec<CertificateDer<'static>>>>);

impl Served {
    fn set(&self, end_entity: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) {
        let chain =
            std::iter::once(end_entity).chain(intermediates).map(|one| one.clone().into_owned());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = chain.collect();
    }

    /// The last of the chain as it was served.
    pub(crate) fn top(&self) -> Option<CertificateDer<'static>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).last().cloned()
    }

    fn describe(&self) -> Option<Chain> {
        let chain = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        describe(chain.first()?, chain.len())
    }
}

/// The configuration of a client that trusts the system's roots and `extra_roots_pem`.
///
/// # Errors
/// [`Error::ExtraRoots`] if the PEM has no certificate, [`Error::Client`] if the system has no
/// trust store.
pub(crate) fn config(extra_roots_pem: Option<&[u8]>) -> Result<(ClientConfig, Served), Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let roots = extra_roots_pem.map_or_else(|| Ok(Vec::new()), roots::certificates)?;
    let served = Served::default();
    let verifier = Recorder { inner: verifier(roots, provider.clone())?, served: served.clone() };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Client(error.into()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((config, served))
}

/// What a TLS error means for the issuer.
pub(crate) fn classify(error: &rustls::Error, served: &Served) -> Unreached {
    use rustls::Error as E;
    match error {
        E::InvalidCertificate(fault) => Unreached::Certificate(certificate_fault(fault, served)),
        E::InvalidMessage(_) => Unreached::NotTls,
        other => Unreached::Handshake(other.to_string()),
    }
}

fn certificate_fault(fault: &CertificateError, served: &Served) -> CertificateFault {
    use CertificateError as E;
    match fault {
        E::Expired => CertificateFault::Expired { not_after: None },
        E::ExpiredContext { not_after, .. } => {
            CertificateFault::Expired { not_after: Some(not_after.as_secs()) }
        }
        E::NotValidYet => CertificateFault::NotYetValid { not_before: None },
        E::NotValidYetContext { not_before, .. } => {
            CertificateFault::NotYetValid { not_before: Some(not_before.as_secs()) }
        }
        E::NotValidForName => CertificateFault::WrongName { names: Vec::new() },
        E::NotValidForNameContext { presented, .. } => CertificateFault::WrongName {
            names: presented.iter().map(|name| plain_name(name)).collect(),
        },
        // The last two occur if a trusted root has the same name as the issuer, but another key.
        E::UnknownIssuer
        | E::BadSignature
        | E::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            CertificateFault::Untrusted(served.describe())
        }
        // webpki's error for a self-signed certificate that is marked as a CA.
        other if other.to_string().contains("CaUsedAsEndEntity") => {
            CertificateFault::Untrusted(served.describe())
        }
        other => CertificateFault::Other(other.to_string()),
    }
}

/// rustls writes `DnsName("example.com")`.
fn plain_name(name: &str) -> String {
    name.split_once('"')
        .and_then(|(_, rest)| rest.split_once('"'))
        .map_or(name, |(inner, _)| inner)
        .to_owned()
}

#[cfg(any(all(unix, not(target_os = "android")), target_os = "windows"))]
fn verifier(
    roots: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
) -> Result<Verifier, Error> {
    if roots.is_empty() {
        return Verifier::new(provider).map_err(|error| Error::Client(error.into()));
    }
    Verifier::new_with_extra_roots(roots, provider).map_err(|error| match error {
        rustls::Error::InvalidCertificate(fault) => Error::ExtraRoots { reason: fault.to_string() },
        other => Error::Client(other.into()),
    })
}

/// The platform's verifier; records the certificates that it verifies.
#[derive(Debug)]
struct Recorder {
    inner: Verifier,
    served: Served,
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
        self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
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

fn describe(end_entity: &[u8], length: usize) -> Option<Chain> {
    let certificate = Certificate::from_der(end_entity).ok()?;
    let body = certificate.tbs_certificate();
    let names_its_signer = body.extensions().is_some_and(|list| {
        list.iter().any(|extension| extension.extn_id == AUTHORITY_INFO_ACCESS)
    });
    Some(Chain {
        subject: body.subject().to_string(),
        issuer: body.issuer().to_string(),
        length,
        names_its_signer,
    })
}
