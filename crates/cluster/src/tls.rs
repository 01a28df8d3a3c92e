//! The TLS configuration of an API server: whom it trusts, and the client certificate.

use std::sync::Arc;

use issuer_trust::{Authorities, Recorder, Served};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{DigitallySignedStruct, InconsistentKeys, RootCertStore, SignatureScheme};
use rustls_platform_verifier::Verifier;

/// Which certificates of the API server are accepted.
pub(crate) enum Trust {
    /// Those that the system trusts.
    System,
    /// Those below these certificates.
    Authorities(Authorities),
    /// Any (`insecure-skip-tls-verify`).
    Any,
}

/// A client certificate with its key.
pub(crate) struct Identity(CertifiedKey);

impl Identity {
    /// Reads a certificate chain and its key (PEM); they may be in the same text. The certificate
    /// may be of X.509 version 1, which rustls itself refuses: only the API server judges it.
    ///
    /// # Errors
    /// What is wrong, without a word of the text.
    pub(crate) fn parse(chain: &[u8], key: &[u8]) -> Result<Self, &'static str> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|_| "the client certificate is not valid PEM")?;
        if chain.is_empty() {
            return Err("the client certificate has no CERTIFICATE block");
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(
            |_| "the client key has no PEM block with a private key that is not encrypted",
        )?;
        let key = aws_lc_rs::sign::any_supported_type(&key)
            .map_err(|_| "the client key is not a supported RSA, ECDSA or Ed25519 key")?;
        let pair = CertifiedKey::new(chain, key);
        match pair.keys_match() {
            Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
                Err("the client certificate and the client key do not belong together")
            }
            // Any other error is about the form of the certificate.
            _ => Ok(Self(pair)),
        }
    }

    /// The end of the certificate's validity, in seconds since 1970.
    pub(crate) fn not_after(&self) -> Option<u64> {
        issuer_trust::not_after(self.0.cert.first()?)
    }
}

/// The configuration of a connection, and the certificates that the server sends.
///
/// # Errors
/// The system has no trust store.
pub(crate) fn client_config(
    trust: Trust,
    identity: Option<Identity>,
) -> Result<(ClientConfig, Served), String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let (recorder, served) = match trust {
        Trust::Any => Recorder::new(Arc::new(Anyone(provider.clone()))),
        Trust::System => {
            let verifier = Verifier::new(provider.clone()).map_err(|error| error.to_string())?;
            Recorder::new(Arc::new(verifier))
        }
        Trust::Authorities(authorities) => {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(authorities.certificates().iter().cloned());
            let verifier =
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                    .build()
                    .map_err(|error| error.to_string())?;
            let (recorder, served) = Recorder::new(verifier);
            (recorder.accepting(authorities), served)
        }
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(recorder));
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some(Identity(pair)) => {
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(pair)))
        }
    };
    Ok((config, served))
}

/// Accepts every certificate.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
