//! Why a distribution could not be created, changed or deleted.

use issuer_diagnostic::{Diagnostic, ErrorKind};
use issuer_session::Cause;

/// Why a distribution could not be created, changed or deleted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A bucket in a partition whose CloudFront is another service, or missing.
    #[error("the bucket is in {region}, and CloudFront serves buckets of the partition aws alone")]
    Partition {
        /// The region.
        region: String,
    },
    /// A domain of one's own without a certificate.
    #[error("the issuer is at {domain}, and CloudFront serves it only with a certificate for it")]
    NoCertificate {
        /// The host name.
        domain: String,
    },
    /// A certificate that CloudFront cannot use.
    #[error("{arn:?} is not the ARN of a certificate that CloudFront can use: {reason}")]
    Certificate {
        /// The given ARN.
        arn: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A certificate, and no domain of one's own.
    #[error("a certificate is for an issuer with a domain of its own, and none is given")]
    CertificateAlone,
    /// An issuer whose path is not that of the documents.
    #[error(
        "the issuer has the path {path:?}, and the prefix {prefix:?} of the bucket does not end with it, so \
         CloudFront would not find the documents"
    )]
    Path {
        /// The path of the issuer.
        path: String,
        /// The prefix.
        prefix: String,
    },
    /// An issuer at the domain of another distribution.
    #[error(
        "the issuer is {issuer}, and the distribution of its documents {}",
        domain.as_ref().map_or("does not exist yet".to_owned(), |domain| format!("has the domain {domain}"))
    )]
    OtherDomain {
        /// The issuer.
        issuer: String,
        /// The domain of the distribution, if it exists.
        domain: Option<String>,
    },
    /// A domain that another distribution has.
    #[error("another distribution has the domain {domain} ({message})")]
    DomainTaken {
        /// The host name.
        domain: String,
        /// What CloudFront said.
        message: String,
    },
    /// A distribution that is still being deployed.
    #[error("the distribution {id} is not deployed after {secs} s")]
    NotDeployed {
        /// Its ID.
        id: String,
        /// How long it was waited for.
        secs: u64,
    },
    /// A distribution whose last change is not everywhere yet, for a run that does not wait.
    #[error("the distribution {id} is being {change}, which usually takes 3 to 10 minutes")]
    InProgress {
        /// Its ID.
        id: String,
        /// `deployed` or `disabled`.
        change: &'static str,
    },
    /// A distribution that somebody else changed.
    #[error("{resource} was changed by another writer in the meantime")]
    Changed {
        /// The distribution.
        resource: String,
    },
    /// No credentials, or credentials that AWS does not accept.
    #[error("{}{message}", code.as_ref().map_or("", |_| "the credentials do not work: "))]
    Credentials {
        /// The error code, if CloudFront answered.
        code: Option<String>,
        /// What the SDK or CloudFront said.
        message: String,
    },
    /// A denied call.
    #[error("{action} was denied: {message}")]
    Denied {
        /// The IAM action.
        action: &'static str,
        /// What CloudFront said.
        message: String,
    },
    /// Any other failed call.
    #[error("{action} failed: {}{message}", code.as_ref().map_or(String::new(), |code| format!("{code}: ")))]
    Call {
        /// The IAM action.
        action: &'static str,
        /// The error code, if CloudFront answered.
        code: Option<String>,
        /// What the SDK or CloudFront said.
        message: String,
    },
}

impl Diagnostic for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Partition { .. }
            | Self::NoCertificate { .. }
            | Self::Certificate { .. }
            | Self::CertificateAlone
            | Self::Path { .. } => ErrorKind::InvalidInput,
            Self::OtherDomain { .. } | Self::DomainTaken { .. } | Self::Changed { .. } => {
                ErrorKind::Conflict
            }
            Self::Credentials { .. } | Self::Denied { .. } => ErrorKind::NotPermitted,
            Self::NotDeployed { .. } | Self::InProgress { .. } | Self::Call { .. } => {
                ErrorKind::Other
            }
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoCertificate { domain } => Some(format!(
                "aws acm request-certificate --region us-east-1 --domain-name {domain} \
                 --validation-method DNS"
            )),
            Self::DomainTaken { domain, .. } => Some(format!(
                "aws cloudfront list-conflicting-aliases shows which distribution has {domain}, with \
                 --distribution-id of one of this account and --alias {domain}"
            )),
            Self::OtherDomain { domain, .. } => Some(match domain {
                Some(domain) => {
                    format!("the issuer is https://{domain}, with the path of the documents")
                }
                None => "leave the issuer out: it is the domain of the distribution".to_owned(),
            }),
            Self::NotDeployed { .. } => Some(
                "CloudFront usually takes 3 to 10 minutes; run again, which continues from there"
                    .to_owned(),
            ),
            Self::Denied { action, .. } => Some(format!(
                r#"this policy statement allows it: {{"Effect": "Allow", "Action": "{action}", "Resource": "*"}}"#
            )),
            Self::Credentials { code, message } | Self::Call { code, message, .. } => {
                Cause::of(code.as_deref(), message).hint()
            }
            _ => None,
        }
    }
}
