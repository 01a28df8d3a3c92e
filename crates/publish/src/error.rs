//! Why something could not be published.

use std::path::PathBuf;

use issuer_discovery::DiscoveryError;

/// What kind of failure it is; the command line has an exit code for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Category {
    /// What was given is unusable.
    BadInput,
    /// What is there already stands against it.
    Conflict,
    /// A server or the system refuses the call.
    NotPermitted,
    /// Anything else: network, disk, a server's fault.
    Failure,
}

/// Why something could not be published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing to publish.
    #[error("there is no key to publish; AWS STS would refuse every token")]
    NoKeys,
    /// Input and published keys do not go together.
    #[error("the keys cannot be merged with those in {location}")]
    Merge {
        /// The document.
        location: String,
        /// Which kid, or how many.
        source: issuer_jwks::Error,
    },
    /// The discovery document cannot be written.
    #[error("the discovery document cannot be made")]
    Discovery(#[from] DiscoveryError),
    /// A published document that cannot be read; it stays untouched.
    #[error("the published document {location} cannot be read, and stays untouched: {reason}")]
    Unreadable {
        /// The document.
        location: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A published discovery document of another issuer.
    #[error("{location} is the document of another issuer, {published:?}, not of {issuer}")]
    OtherIssuer {
        /// The document.
        location: String,
        /// The issuer it names.
        published: String,
        /// The issuer that was to be published.
        issuer: String,
    },
    /// Somebody else kept writing.
    #[error("{location} was changed by somebody else each of {tries} times; nothing was overwritten")]
    LostRace {
        /// The document.
        location: String,
        /// How often it was planned anew.
        tries: u32,
    },
    /// A write whose condition did not hold; planned anew by [`crate::publish`].
    #[error("{location} was changed by somebody else meanwhile")]
    Changed {
        /// The document.
        location: String,
    },
    /// A folder or file.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// The path.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// A document that is no regular file, or too large.
    #[error("{location} is {what}")]
    NotADocument {
        /// The document.
        location: String,
        /// What it is instead.
        what: &'static str,
    },
    /// An `s3://` URL that is none.
    #[error("{text:?} is no S3 location: {reason}")]
    Location {
        /// As given.
        text: String,
        /// Which rule it breaks.
        reason: String,
    },
    /// The issuer cannot be derived.
    #[error("the issuer URL does not follow from {location}: {reason}")]
    NoIssuer {
        /// The store.
        location: String,
        /// Why.
        reason: String,
    },
    /// The options for S3 do not work.
    #[error("{0}")]
    Options(String),
    /// The bucket is not there.
    #[error("the bucket {bucket} does not exist")]
    NoBucket {
        /// The bucket.
        bucket: String,
    },
    /// The bucket is somebody else's.
    #[error("the bucket {bucket} belongs to someone else: {reason}")]
    OtherOwner {
        /// The bucket.
        bucket: String,
        /// What S3 said.
        reason: String,
    },
    /// The bucket lies elsewhere.
    #[error("the bucket {bucket} is in the region {actual}, not in {asked}")]
    OtherRegion {
        /// The bucket.
        bucket: String,
        /// Where it is.
        actual: String,
        /// Where it was looked for.
        asked: String,
    },
    /// A denied call.
    #[error("{call} on {resource} was denied ({message})")]
    Denied {
        /// The API call.
        call: &'static str,
        /// The IAM permission that it needs.
        permission: &'static str,
        /// Bucket or object.
        resource: String,
        /// What S3 said.
        message: String,
    },
    /// The bucket or account knows no ACLs.
    #[error("the bucket {bucket} does not take ACLs (AccessControlListNotSupported)")]
    NoAcls {
        /// The bucket.
        bucket: String,
    },
    /// Any other failed call.
    #[error("{call} on {resource} failed: {message}")]
    Call {
        /// The API call.
        call: &'static str,
        /// Bucket or object.
        resource: String,
        /// What S3 or the network said.
        message: String,
    },
}

impl Error {
    /// What kind of failure it is.
    pub fn category(&self) -> Category {
        match self {
            Self::NoKeys | Self::Discovery(_) | Self::Location { .. } | Self::NoIssuer { .. } | Self::Options(_) => {
                Category::BadInput
            }
            Self::Merge { .. }
            | Self::Unreadable { .. }
            | Self::OtherIssuer { .. }
            | Self::LostRace { .. }
            | Self::Changed { .. }
            | Self::NotADocument { .. } => Category::Conflict,
            Self::OtherOwner { .. } | Self::Denied { .. } => Category::NotPermitted,
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => Category::NotPermitted,
            Self::Io { .. }
            | Self::NoBucket { .. }
            | Self::OtherRegion { .. }
            | Self::NoAcls { .. }
            | Self::Call { .. } => Category::Failure,
        }
    }

    /// What to do about it, in plain words.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Merge { source, .. } => source.hint()?.to_owned(),
            Self::Unreadable { location, .. } => {
                format!(
                    "look at {location}; once you are sure that no live token needs it, take it away and publish again"
                )
            }
            Self::OtherIssuer { published, .. } => format!(
                "two clusters must not share one place: give each a prefix or folder of its own. If this cluster's issuer \
                 really changes, --change-issuer replaces the document; tokens of {published} then stop working"
            ),
            Self::LostRace { .. } => "find the other writer, and run again".to_owned(),
            Self::NoBucket { .. } => "--create-bucket makes it; or look at the bucket's name and --profile".to_owned(),
            Self::OtherOwner { .. } => "bucket names are shared by the whole world; choose another one".to_owned(),
            Self::OtherRegion { actual, .. } => format!("give --region {actual}"),
            Self::Denied { permission, call, .. } => denied_hint(permission, call),
            Self::NoAcls { .. } => {
                "this is how AWS makes buckets since April 2023: leave --access acl away (a bucket policy)".to_owned()
            }
            Self::NoIssuer { .. } => "give --issuer".to_owned(),
            _ => return None,
        })
    }
}

fn denied_hint(permission: &str, call: &str) -> String {
    let rest = match call {
        "PutBucketPolicy" => {
            "; where that is allowed already, the account's own public access block (or an organization's policy) forbids \
             public policies: then serve the bucket through CloudFront, with --access none --issuer https://…"
        }
        "PutPublicAccessBlock" | "GetPublicAccessBlock" | "GetBucketPolicy" | "GetBucketOwnershipControls" => {
            "; or give --access none where something else sees to access"
        }
        _ => "; also look at the bucket's policy, and at --profile",
    };
    format!("allow {permission}{rest}")
}
