//! A certificate authority that no client trusts by default.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// A host without a DNS record, for issuers without a port: a proxy connects to it.
pub const ISSUER_HOST: &str = "oidc.issuerctl.test";

/// A temporary certificate authority.
pub struct Authority {
    certificate: Certificate,
    certificate_pem: String,
    issuer: Issuer<'static, KeyPair>,
    /// What differs in the certificates of its servers.
    change: fn(&mut CertificateParams),
    /// More names of its servers.
    names: Vec<String>,
    /// Whether servers have the certificate of the authority itself.
    serves_itself: bool,
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Authority {
    /// Creates one.
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "issuerctl test authority");
        Self::of(params, key)
    }

    /// One whose servers have certificates that differ.
    pub fn with_servers(change: fn(&mut CertificateParams)) -> Self {
        Self { change, ..Self::new() }
    }

    /// One whose servers have this name, too.
    pub fn with_name(name: &str) -> Self {
        Self { names: vec![name.to_owned()], ..Self::new() }
    }

    /// A self-signed certificate that is marked as a CA, and that the server itself has.
    pub fn of_itself() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self { serves_itself: true, ..Self::of(params, key) }
    }

    fn of(params: CertificateParams, key: KeyPair) -> Self {
        let certificate = params.self_signed(&key).unwrap();
        Self {
            certificate_pem: certificate.pem(),
            certificate,
            issuer: Issuer::new(params, key),
            change: |_| {},
            names: Vec::new(),
            serves_itself: false,
        }
    }

    /// For `--ca-file` and `certificate-authority-data`.
    pub fn pem(&self) -> &str {
        &self.certificate_pem
    }

    /// A certificate for localhost and [`ISSUER_HOST`], and its key, in PEM.
    pub fn server_pem(&self) -> (String, String) {
        let (certificate, key) = self.server();
        (certificate.pem(), key.serialize_pem())
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let (certificate, key) = self.server();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::Pkcs8(key.serialize_der().into()),
            )
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }

    fn server(&self) -> (Certificate, KeyPair) {
        if self.serves_itself {
            let key = KeyPair::try_from(self.issuer.key().serialize_der()).unwrap();
            return (self.certificate.clone(), key);
        }
        let key = KeyPair::generate().unwrap();
        let names = ["localhost", "127.0.0.1", ISSUER_HOST].map(str::to_owned).into_iter();
        let names: Vec<String> = names.chain(self.names.iter().cloned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        // Python's strict mode requires both.
        params.use_authority_key_identifier_extension = true;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        (self.change)(&mut params);
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }
}
