//! Certificates of authorities in the forms in which people have them.

use std::fmt;

use base64ct::{Base64, Encoding};
use issuer_diagnostic::{Diagnostic, EncodingFault, ErrorKind, decode};
use issuer_jwks::pem;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use crate::instead;

/// The certificates of authorities.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Authorities(Vec<CertificateDer<'static>>);

/// Why bytes are not certificates of authorities. Nothing of the bytes is repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthoritiesFault {
    /// No bytes, or white space alone.
    #[error("it is empty")]
    Empty,
    /// Text in an encoding that is not read.
    #[error("{0}")]
    Encoding(EncodingFault),
    /// Something else.
    #[error("it contains no certificate{}", what.as_ref().map(|what| format!(": it is {what}")).unwrap_or_default())]
    NoCertificate {
        /// What it is, if that is known.
        what: Option<String>,
        /// How the certificate is extracted from it.
        convert: Option<&'static str>,
    },
    /// A PEM block that is, or should be, a certificate.
    #[error("PEM block {number} {fault}")]
    Block {
        /// From 1, of all blocks of the text.
        number: usize,
        /// What is wrong with it.
        fault: BlockFault,
    },
    /// DER that is not a certificate.
    #[error("it is DER, but not one valid X.509 certificate")]
    Der,
}

/// What is wrong with a PEM block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlockFault {
    /// It has no matching END line.
    Truncated,
    /// Its body is not base64.
    NotBase64,
    /// Its body is not an X.509 certificate.
    NotACertificate,
    /// A certificate in OpenSSL's own format.
    Trusted,
}

impl Authorities {
    /// From PEM, DER, or either of them in base64 (as in `certificate-authority-data` of a
    /// kubeconfig), in UTF-8 or UTF-16. Anything else in the file, such as a private key, is left
    /// out; each block that is a certificate must be valid.
    ///
    /// # Errors
    /// [`AuthoritiesFault`]: there is no certificate, or one is damaged.
    pub fn parse(bytes: &[u8]) -> Result<Self, AuthoritiesFault> {
        let (certificates, fault) = read(bytes)?;
        fault.map_or(Ok(Self(certificates)), Err)
    }

    /// The same, but blocks that are damaged are left out if there is a valid one, as in kubectl (Go
    /// `CertPool.AppendCertsFromPEM`).
    ///
    /// # Errors
    /// [`AuthoritiesFault`]: there is no valid certificate.
    pub fn parse_usable(bytes: &[u8]) -> Result<Self, AuthoritiesFault> {
        match read(bytes)? {
            (certificates, Some(fault)) if certificates.is_empty() => Err(fault),
            (certificates, _) => Ok(Self(certificates)),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The certificates.
    #[must_use]
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.0
    }

    /// These, and the others.
    #[must_use]
    pub fn and(mut self, others: &Self) -> Self {
        self.0.extend_from_slice(&others.0);
        self
    }

    /// The certificates as PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        self.0.iter().map(|certificate| pem::write("CERTIFICATE", certificate)).collect()
    }
}

impl fmt::Display for BlockFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "has no matching END line: the file is truncated or damaged",
            Self::NotBase64 => "is damaged: it is not valid base64",
            Self::NotACertificate => "is not a valid X.509 certificate",
            Self::Trusted => "is in OpenSSL's own format (TRUSTED CERTIFICATE)",
        })
    }
}

impl Diagnostic for AuthoritiesFault {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidInput
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Encoding(fault) => return fault.hint(),
            Self::NoCertificate { convert: Some(convert), .. } => convert,
            Self::Block { fault: BlockFault::Trusted, .. } => {
                "openssl x509 -in FILE converts it to a CERTIFICATE block"
            }
            Self::Block { .. } => {
                "copy the certificate again; `openssl storeutl -noout -text -certs FILE` shows the \
                 certificates of a file"
            }
            Self::Empty | Self::NoCertificate { .. } | Self::Der => {
                "use the certificate of the CA in PEM (-----BEGIN CERTIFICATE-----) or DER"
            }
        };
        Some(hint.to_owned())
    }
}

/// The valid certificates, and the first fault; one of them at least.
type Read = (Vec<CertificateDer<'static>>, Option<AuthoritiesFault>);

fn read(bytes: &[u8]) -> Result<Read, AuthoritiesFault> {
    match unarmored(bytes) {
        Some(inner) => read_plain(&inner),
        None => read_plain(bytes),
    }
}

/// What is in base64.
fn unarmored(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = decode(bytes).ok()?.text;
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    Base64::decode_vec(&compact).ok().filter(|inner| !inner.is_empty())
}

fn read_plain(bytes: &[u8]) -> Result<Read, AuthoritiesFault> {
    let decoded = decode(bytes);
    if bytes.starts_with(&[0x30]) && decoded.is_err() {
        if let Some(certificate) = certificate(bytes) {
            return Ok((vec![certificate], None));
        }
        return Err(instead::of(bytes).unwrap_or(AuthoritiesFault::Der));
    }
    // Comments around the blocks may be in another encoding.
    let lossy = || String::from_utf8_lossy(bytes).into_owned();
    let text = decoded.as_ref().map_or_else(|_| lossy(), |decoded| decoded.text.to_string());
    if text.trim().is_empty() {
        return Err(AuthoritiesFault::Empty);
    }
    let (mut certificates, mut first) = (Vec::new(), None);
    for (number, block) in (1..).zip(pem::blocks(&text)) {
        match read_block(block) {
            None => {}
            Some(Ok(certificate)) => certificates.push(certificate),
            Some(Err(fault)) => {
                first = first.or(Some(AuthoritiesFault::Block { number, fault }));
            }
        }
    }
    match (certificates.is_empty(), first, decoded) {
        (true, None, Err(fault)) => {
            Err(instead::of(bytes).unwrap_or(AuthoritiesFault::Encoding(fault)))
        }
        (true, None, Ok(_)) => Err(instead::of(bytes)
            .unwrap_or(AuthoritiesFault::NoCertificate { what: None, convert: None })),
        (_, first, _) => Ok((certificates, first)),
    }
}

/// `None` for anything but a certificate. `X509 CERTIFICATE` is a label that OpenSSL also reads.
fn read_block(block: pem::Block<'_>) -> Option<Result<CertificateDer<'static>, BlockFault>> {
    match block.label {
        "CERTIFICATE" | "X509 CERTIFICATE" => {}
        "TRUSTED CERTIFICATE" => return Some(Err(BlockFault::Trusted)),
        _ => return None,
    }
    Some(match block.body {
        Err(pem::BlockFault::Truncated) => Err(BlockFault::Truncated),
        Err(pem::BlockFault::NotBase64) => Err(BlockFault::NotBase64),
        Ok(der) => certificate(&der).ok_or(BlockFault::NotACertificate),
    })
}

/// A certificate that rustls accepts as an authority: the SDK panics on any other.
fn certificate(der: &[u8]) -> Option<CertificateDer<'static>> {
    let certificate = CertificateDer::from(der.to_vec());
    RootCertStore::empty().add(certificate.clone()).ok().map(|()| certificate)
}
