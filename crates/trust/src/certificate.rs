//! What is wrong with the certificate of a server.

use std::fmt;

use issuer_diagnostic::{date, quote};
use rustls::CertificateError;
use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::der::oid::ObjectIdentifier;

/// RFC 5280 section 4.2.2.1.
const AUTHORITY_INFO_ACCESS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.1");

/// What is wrong with a server's certificate; its text is a clause about the server, `its TLS
/// certificate has expired`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateFault {
    /// It has expired; seconds since 1970 if known.
    Expired {
        /// The end of its validity.
        not_after: Option<u64>,
    },
    /// It is not valid yet; seconds since 1970 if known.
    NotYetValid {
        /// The beginning of its validity.
        not_before: Option<u64>,
    },
    /// It is not valid for the host's name.
    WrongName {
        /// The name, if known.
        name: Option<String>,
        /// The names that it is valid for, as far as known.
        names: Vec<String>,
    },
    /// It was not issued by a trusted CA.
    Untrusted(Option<Chain>),
    /// Anything else: a clause whose subject is the certificate.
    Other(String),
}

/// What a server sent as its certificate chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The subject of the server's own certificate (RFC 4514).
    pub subject: String,
    /// Its issuer.
    pub issuer: String,
    /// The number of certificates, the server's own included.
    pub length: usize,
    /// Whether the server's own certificate has a URL of its issuer's certificate (Authority
    /// Information Access), as those of public CAs have.
    pub names_its_signer: bool,
}

impl CertificateFault {
    /// What an error of rustls says of the certificate; `chain` is what the server sent.
    #[must_use]
    pub fn of(error: &CertificateError, chain: Option<Chain>) -> Self {
        use CertificateError as E;
        match error {
            E::Expired => Self::Expired { not_after: None },
            E::ExpiredContext { not_after, .. } => {
                Self::Expired { not_after: Some(not_after.as_secs()) }
            }
            E::NotValidYet => Self::NotYetValid { not_before: None },
            E::NotValidYetContext { not_before, .. } => {
                Self::NotYetValid { not_before: Some(not_before.as_secs()) }
            }
            E::NotValidForName => Self::WrongName { name: None, names: Vec::new() },
            E::NotValidForNameContext { expected, presented } => Self::WrongName {
                name: Some(expected.to_str().into_owned()),
                names: presented.iter().map(|name| plain_name(name)).collect(),
            },
            // The last two occur if a trusted root has the same name as the issuer, but another key.
            E::UnknownIssuer
            | E::BadSignature
            | E::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => Self::Untrusted(chain),
            other if is_of_authority(other) && is_self_signed(chain.as_ref()) => {
                Self::Untrusted(chain)
            }
            other => Self::Other(in_words(other)),
        }
    }
}

impl Chain {
    /// From the certificates as they were sent, the server's own first.
    #[must_use]
    pub fn of(certificates: &[CertificateDer<'_>]) -> Option<Self> {
        let certificate = Certificate::from_der(certificates.first()?).ok()?;
        let body = certificate.tbs_certificate();
        let names_its_signer = body.extensions().is_some_and(|list| {
            list.iter().any(|extension| extension.extn_id == AUTHORITY_INFO_ACCESS)
        });
        Some(Self {
            subject: body.subject().to_string(),
            issuer: body.issuer().to_string(),
            length: certificates.len(),
            names_its_signer,
        })
    }

    /// Whether no CA has issued the certificate.
    #[must_use]
    pub fn is_self_signed(&self) -> bool {
        self.subject == self.issuer
    }
}

impl fmt::Display for CertificateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let its = |f: &mut fmt::Formatter<'_>, what: &str| write!(f, "its TLS certificate {what}");
        match self {
            Self::Expired { not_after } => {
                let since = not_after.map(|at| format!(" on {}", date(at))).unwrap_or_default();
                its(f, &format!("has expired{since}"))
            }
            Self::NotYetValid { not_before } => {
                let from = not_before.map(|at| format!(" before {}", date(at)));
                let from = from.unwrap_or_default();
                its(f, &format!("is not yet valid{from} (or the clock of this machine is slow)"))
            }
            Self::WrongName { name, names } => {
                let name = name.as_ref().map_or_else(
                    || "the name of the host".to_owned(),
                    |name| format!("the name {}", quote(name)),
                );
                let shown: Vec<_> = names.iter().take(4).map(|name| quote(name)).collect();
                let held = match shown.is_empty() {
                    true => String::new(),
                    false => format!(" but for {}", shown.join(", ")),
                };
                its(f, &format!("is not for {name}{held}"))
            }
            Self::Untrusted(None) => its(f, "is signed by a CA that is not trusted"),
            Self::Untrusted(Some(chain)) if chain.is_self_signed() => its(
                f,
                &format!(
                    "is self-signed ({}) and not trusted: no CA has issued it",
                    quote(&chain.issuer)
                ),
            ),
            Self::Untrusted(Some(chain)) => {
                let sent = match chain.length {
                    1 => "; the server sends no intermediate certificate".to_owned(),
                    n => format!("; the server sends {n} certificates"),
                };
                its(
                    f,
                    &format!(
                        "is signed by an unknown CA, {}, which is not trusted (a private CA?){sent}",
                        quote(&chain.issuer)
                    ),
                )
            }
            Self::Other(why) => its(f, &format!("is not valid: {why}")),
        }
    }
}

/// The end of a certificate's validity, in seconds since 1970.
#[must_use]
pub fn not_after(certificate: &CertificateDer<'_>) -> Option<u64> {
    let certificate = Certificate::from_der(certificate).ok()?;
    Some(certificate.tbs_certificate().validity().not_after.to_unix_duration().as_secs())
}

fn is_self_signed(chain: Option<&Chain>) -> bool {
    chain.is_none_or(Chain::is_self_signed)
}

/// webpki's error for a server's own certificate that is marked as that of a CA.
pub(crate) fn is_of_authority(error: &CertificateError) -> bool {
    says(error, "CaUsedAsEndEntity")
}

/// Names of webpki's errors, which rustls passes on as a text.
fn says(error: &CertificateError, name: &str) -> bool {
    error.to_string().contains(name)
}

/// A clause about the certificate.
fn in_words(error: &CertificateError) -> String {
    use CertificateError as E;
    let words = match error {
        E::BadEncoding => "it is not a valid X.509 certificate",
        E::Revoked => "it has been revoked",
        E::UnhandledCriticalExtension => "it has a critical extension that is not known",
        E::UnknownRevocationStatus
        | E::ExpiredRevocationList
        | E::ExpiredRevocationListContext { .. }
        | E::InvalidOcspResponse => "it is not known whether it has been revoked",
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => NOT_FOR_SERVERS,
        E::UnsupportedSignatureAlgorithmContext { .. } => {
            "it, or one of its CAs, is signed with an algorithm that is not secure or not known \
             (SHA-1, RSA of less than 2048 bits)"
        }
        other => {
            let known = OF_WEBPKI.iter().find(|(name, _)| says(other, name));
            return known.map_or_else(
                || issuer_diagnostic::shorten(&other.to_string()),
                |(_, words)| (*words).to_owned(),
            );
        }
    };
    words.to_owned()
}

const NOT_FOR_SERVERS: &str = "it is not for servers (extended key usage serverAuth is missing)";

const OF_WEBPKI: [(&str, &str); 11] = [
    ("CaUsedAsEndEntity", "it is marked as that of a CA (basicConstraints CA:TRUE)"),
    ("EndEntityUsedAsCa", "the certificate that signed it is not marked as that of a CA"),
    ("NameConstraint", "the CA that signed it must not sign for this name (name constraints)"),
    (
        "PathLenConstraintViolated",
        "there are more CAs between it and the root than one of them permits",
    ),
    ("UnsupportedCertVersion", "it is not of X.509 version 3"),
    ("UnsupportedCriticalExtension", "it has a critical extension that is not known"),
    ("UnsupportedSignatureAlgorithm", "it is signed with an algorithm that is not known"),
    ("SignatureAlgorithmMismatch", "its two statements of its signature's algorithm differ"),
    ("Maximum", "there are too many certificates between it and the root"),
    ("Extension", "one of its extensions is not valid"),
    ("invalid extensions", NOT_FOR_SERVERS),
];

/// rustls writes `DnsName("example.com")`.
fn plain_name(name: &str) -> String {
    name.split_once('"')
        .and_then(|(_, rest)| rest.split_once('"'))
        .map_or(name, |(inner, _)| inner)
        .to_owned()
}
