//! Errors of reconciling an issuer.

use std::path::PathBuf;

use issuer_diagnostic::{Diagnostic, ErrorKind};
use issuer_discovery::IssuerUrl;
use issuer_verify::Verdict;

use crate::{ClusterKeys, MissingPolicy};

/// Why an issuer could not be reconciled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A key file.
    #[error("cannot read {}", name(path))]
    ReadFile {
        /// The file; `-` is standard input.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A key file without a usable key.
    #[error("no usable key in {}", name(path))]
    NoUsableKey {
        /// The file; `-` is standard input.
        path: PathBuf,
        /// What is wrong with it.
        source: issuer_jwks::Error,
    },
    /// Sources whose keys contradict each other.
    #[error("the key sources conflict")]
    Join {
        /// The conflicting kid.
        source: issuer_jwks::Error,
    },
    /// The issuer URL is not known.
    #[error("the issuer {name}: spec.issuer is required")]
    NoIssuer {
        /// [`crate::Target::label`].
        name: String,
    },
    /// The region of the bucket, which the issuer URL is derived from, is not known.
    #[error("the issuer {name}: the region of its bucket is not known")]
    NoRegion {
        /// [`crate::Target::label`].
        name: String,
    },
    /// Two issuers of a run are the same.
    #[error("{one} and {other} have the same issuer, {issuer}")]
    SameIssuer {
        /// One of them.
        one: String,
        /// The other one.
        other: String,
        /// The issuer.
        issuer: IssuerUrl,
    },
    /// Keys of a cluster that is not known to have this issuer, while only keys of a different cluster
    /// are published.
    #[error(
        "none of the keys of {} is among those that are published in {location}, and its issuer is \
         {}: it is probably a different cluster, which could then issue tokens for the roles of this \
         one",
        cluster.place,
        cluster.issuer.as_ref().map_or("not known".to_owned(), |issuer| format!("{issuer:?}"))
    )]
    OtherCluster {
        /// The store.
        location: String,
        /// The cluster.
        cluster: Box<ClusterKeys>,
    },
    /// Policies that roles are to have, and that do not exist; nothing was written.
    #[error("{}", words(.0))]
    MissingPolicies(Vec<MissingPolicy>),
    /// A live check that failed.
    #[error("{fault}; nothing was written")]
    NotLive {
        /// What is wrong.
        fault: issuer_cluster::LiveFault,
    },
    /// A published issuer that AWS STS would not accept.
    #[error("{issuer} is published, but AWS STS would not accept it")]
    NotAccepted {
        /// The issuer.
        issuer: IssuerUrl,
        /// What was found.
        verdict: Box<Verdict>,
    },
    /// An issuer that AWS STS would not accept, before a provider trusts it.
    #[error("AWS STS would not accept {issuer}; no provider was created or changed")]
    NotVerified {
        /// The issuer.
        issuer: IssuerUrl,
        /// What was found.
        verdict: Box<Verdict>,
    },
    /// An API server whose tokens name another issuer.
    #[error(
        "everything is applied, but {server} signs tokens of the issuer {signs}, not {issuer}: no pod can \
         use a role yet"
    )]
    OtherIssuer {
        /// The API server, and the context of the kubeconfig.
        server: String,
        /// The `iss` of its tokens.
        signs: String,
        /// The issuer of the target.
        issuer: IssuerUrl,
        /// Its distribution, if that is known.
        distribution: Option<&'static str>,
    },
    /// A fresh token that AWS STS would not accept.
    #[error(
        "everything is applied, but AWS STS would not accept a token of {account} for the role {role}"
    )]
    NotProved {
        /// The role.
        role: String,
        /// `NAMESPACE/NAME`.
        account: String,
        /// The issuer.
        issuer: IssuerUrl,
        /// How the token was judged.
        verdict: Box<Verdict>,
    },
    /// A fresh token of another key.
    #[error("everything is applied, but the role {role} cannot be used: {fault}")]
    NotProvedLive {
        /// The role.
        role: String,
        /// What is wrong.
        fault: issuer_cluster::LiveFault,
    },
    /// The cluster.
    #[error(transparent)]
    Cluster(#[from] issuer_cluster::Error),
    /// The issuer URL.
    #[error(transparent)]
    Issuer(#[from] issuer_discovery::IssuerUrlError),
    /// The store.
    #[error(transparent)]
    Publish(#[from] issuer_publish::Error),
    /// CloudFront.
    #[error(transparent)]
    CloudFront(#[from] issuer_cloudfront::Error),
    /// IAM.
    #[error(transparent)]
    Iam(#[from] issuer_iam::Error),
    /// The AWS session.
    #[error(transparent)]
    Session(#[from] issuer_session::Error),
    /// The cluster whose pods use the roles.
    #[error(transparent)]
    Workload(#[from] issuer_workload::Error),
    /// A JWK Set that cannot be fetched.
    #[error(transparent)]
    KeySource(issuer_verify::Error),
    /// Reading the issuer back.
    #[error(transparent)]
    Verify(#[from] issuer_verify::Error),
}

impl Error {
    /// Whether it is about a source of keys, and not about where they are published.
    #[must_use]
    pub fn is_of_key_source(&self) -> bool {
        matches!(
            self,
            Self::ReadFile { .. }
                | Self::NoUsableKey { .. }
                | Self::Join { .. }
                | Self::KeySource { .. }
                | Self::Cluster(_)
        )
    }

    /// Whether nothing failed: a distribution is being deployed, after the documents were published, or
    /// disabled.
    #[must_use]
    pub fn is_in_progress(&self) -> bool {
        matches!(self, Self::CloudFront(issuer_cloudfront::Error::InProgress { .. }))
    }

    /// Whether AWS does not accept the credentials, or there are none.
    pub(crate) fn is_of_credentials(&self) -> bool {
        use {issuer_cloudfront as cloudfront, issuer_iam as iam, issuer_publish as publish};
        matches!(
            self,
            Self::Session(_)
                | Self::Publish(publish::Error::Credentials { .. })
                | Self::CloudFront(cloudfront::Error::Credentials { .. })
                | Self::Iam(iam::Error::Credentials { .. } | iam::Error::Session(_))
        )
    }

    /// Whether AWS accepts the credentials, and has denied a call.
    pub(crate) fn is_denied_by_aws(&self) -> bool {
        let is_of_aws = matches!(self, Self::Publish(_) | Self::CloudFront(_) | Self::Iam(_));
        is_of_aws && self.kind() == ErrorKind::NotPermitted && !self.is_of_credentials()
    }

    /// The issuer that AWS STS would not accept, and what was found.
    #[must_use]
    pub fn refused(&self) -> Option<(&IssuerUrl, &Verdict)> {
        match self {
            Self::NotAccepted { issuer, verdict }
            | Self::NotVerified { issuer, verdict }
            | Self::NotProved { issuer, verdict, .. } => Some((issuer, verdict)),
            _ => None,
        }
    }
}

impl Diagnostic for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::ReadFile { .. }
            | Self::NoUsableKey { .. }
            | Self::Join { .. }
            | Self::NoIssuer { .. }
            | Self::NoRegion { .. }
            | Self::SameIssuer { .. }
            | Self::MissingPolicies(_) => ErrorKind::InvalidInput,
            // What is published would no longer have the key that the cluster signs with.
            Self::OtherCluster { .. }
            | Self::NotLive { fault: issuer_cluster::LiveFault::WrongKey { .. } } => {
                ErrorKind::Conflict
            }
            Self::NotLive { .. }
            | Self::NotAccepted { .. }
            | Self::NotVerified { .. }
            | Self::OtherIssuer { .. }
            | Self::NotProved { .. }
            | Self::NotProvedLive { .. } => ErrorKind::Refused,
            Self::Cluster(error) => error.kind(),
            Self::Issuer(error) => error.kind(),
            Self::Publish(error) => error.kind(),
            Self::CloudFront(error) => error.kind(),
            Self::Iam(error) => error.kind(),
            Self::Session(error) => error.kind(),
            Self::Workload(error) => error.kind(),
            Self::KeySource(error) | Self::Verify(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoUsableKey { source, .. } | Self::Join { source } => Diagnostic::hint(source),
            Self::NotLive { fault } | Self::NotProvedLive { fault, .. } => Diagnostic::hint(fault),
            Self::OtherCluster { cluster, .. } => Some(cluster.how_to_check()),
            Self::Cluster(error) => Diagnostic::hint(error),
            Self::Issuer(error) => Diagnostic::hint(error),
            Self::Publish(error) => Diagnostic::hint(error),
            Self::CloudFront(error) => Diagnostic::hint(error),
            Self::Iam(error) => Diagnostic::hint(error),
            Self::Session(error) => Diagnostic::hint(error),
            Self::Workload(error) => Diagnostic::hint(error),
            Self::KeySource(error) | Self::Verify(error) => Diagnostic::hint(error),
            _ => None,
        }
    }
}

/// All of them in one message.
fn words(missing: &[MissingPolicy]) -> String {
    missing.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// A file in messages; `-` is standard input.
pub(crate) fn name(path: &std::path::Path) -> String {
    if path == std::path::Path::new("-") {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    }
}
