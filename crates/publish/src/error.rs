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
        /// What to do about it, where more is known than that.
        mend: Option<&'static str>,
    },
    /// A bucket policy that cannot be read; it stays untouched.
    #[error("the policy of the bucket {bucket} cannot be read, and stays untouched: {reason}")]
    BadPolicy {
        /// The bucket.
        bucket: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A published discovery document whose keys lie elsewhere.
    #[error(
        "{location} says that the keys are at {published}, not at {standard}; they would be lost \
         to every reader"
    )]
    OtherKeys {
        /// The document.
        location: String,
        /// Its `jwks_uri`.
        published: String,
        /// What it would become.
        standard: String,
    },
    /// While keys were to be dropped, somebody published one that nobody had agreed to drop.
    #[error("the key {kid:?} was published in {location} meanwhile; nothing was dropped")]
    NewKey {
        /// The document.
        location: String,
        /// The key.
        kid: String,
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
    #[error(
        "{location} was changed by somebody else each of {tries} times; nothing was overwritten"
    )]
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
    /// AWS cannot be reached so.
    #[error(transparent)]
    Session(#[from] issuer_session::Error),
    /// Nothing says the region of a new bucket.
    #[error("no region is known for the new bucket {bucket}")]
    NoRegion {
        /// The bucket.
        bucket: String,
    },
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
    #[error("{permission} on {resource} was denied ({call}: {message})")]
    Denied {
        /// The API call.
        call: &'static str,
        /// The IAM permission that it needs.
        permission: &'static str,
        /// ARN of the bucket or object.
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
    /// A store that knows no bucket policies.
    #[error("the store of the bucket {bucket} knows no bucket policies ({message})")]
    NoPolicies {
        /// The bucket.
        bucket: String,
        /// What it said.
        message: String,
    },
    /// Other objects would become public.
    #[error("the policy of the bucket {bucket} has statements that would make other objects public \
             once its public access block is opened: {}", sids.join(", "))]
    WouldExpose {
        /// The bucket.
        bucket: String,
        /// Their `Sid`s.
        sids: Vec<String>,
    },
    /// An object without an ETag.
    #[error("{location} has no ETag, so that no write could be made safe against others")]
    NoEtag {
        /// The document.
        location: String,
    },
    /// No credentials, or none that AWS takes.
    #[error("the credentials do not work: {message}")]
    Credentials {
        /// What the SDK or S3 said.
        message: String,
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
            Self::Session(_)
            | Self::NoKeys
            | Self::Discovery(_)
            | Self::Location { .. }
            | Self::NoIssuer { .. }
            | Self::NoRegion { .. } => Category::BadInput,
            Self::Merge { .. }
            | Self::Unreadable { .. }
            | Self::BadPolicy { .. }
            | Self::OtherKeys { .. }
            | Self::NewKey { .. }
            | Self::WouldExpose { .. }
            | Self::OtherIssuer { .. }
            | Self::LostRace { .. }
            | Self::Changed { .. }
            | Self::NotADocument { .. } => Category::Conflict,
            Self::OtherOwner { .. } | Self::Denied { .. } | Self::Credentials { .. } => {
                Category::NotPermitted
            }
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
                Category::NotPermitted
            }
            Self::Io { .. }
            | Self::NoBucket { .. }
            | Self::OtherRegion { .. }
            | Self::NoAcls { .. }
            | Self::NoPolicies { .. }
            | Self::NoEtag { .. }
            | Self::Call { .. } => Category::Failure,
        }
    }

    /// What to do about it, in plain words.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Merge { source, .. } => source.hint()?.to_owned(),
            Self::Unreadable { mend: Some(mend), .. } => (*mend).to_owned(),
            Self::BadPolicy { .. } => {
                "mend it (aws s3api get-bucket-policy shows it), and publish \
                                       again"
                    .to_owned()
            }
            Self::OtherKeys { published, .. } => format!(
                "give those keys too: curl -sO {published}, then publish with --jwks FILE and \
                 --change-issuer, which replaces the document"
            ),
            Self::NewKey { .. } => "look at the keys that are published now, and run \
                                    again"
                .to_owned(),
            Self::NoPolicies { .. } => {
                "give --access acl, or --access none where the store makes the objects public by \
                 itself"
                    .to_owned()
            }
            Self::WouldExpose { .. } => {
                "take these statements away or narrow them, or use a bucket for the issuer alone; \
                 where something else serves the bucket, give --access none"
                    .to_owned()
            }
            Self::Credentials { .. } => {
                "look at --profile, AWS_PROFILE and the AWS_… variables (aws sts \
                 get-caller-identity), and at the clock"
                    .to_owned()
            }
            Self::Call { message, .. }
                if message.contains("InvalidBucketAclWithObjectOwnership") =>
            {
                "the bucket's own ACL lets others in; reset it first: aws s3api put-bucket-acl \
                 --acl private"
                    .to_owned()
            }
            Self::Unreadable { location, .. } => {
                format!(
                    "look at {location}; once you are sure that no live token needs it, take it \
                     away and publish again"
                )
            }
            Self::OtherIssuer { published, .. } => format!(
                "two clusters must not share one place: give each a prefix or folder of its own. \
                 If this cluster's issuer really changes, --change-issuer replaces the document; \
                 tokens of {published} then stop working"
            ),
            Self::LostRace { .. } => "find the other writer, and run again".to_owned(),
            Self::NoBucket { .. } => "--create-bucket makes it; or look at the bucket's name and \
                                      --profile"
                .to_owned(),
            Self::OtherOwner { .. } => {
                "bucket names are shared by the whole world; choose another \
                                        one"
                .to_owned()
            }
            Self::OtherRegion { actual, .. } => format!("give --region {actual}"),
            Self::Denied { permission, call, resource, .. } => {
                denied_hint(permission, call, resource)
            }
            Self::NoAcls { .. } => {
                "this is how AWS makes buckets since April 2023: leave --access acl away (a bucket \
                 policy)"
                    .to_owned()
            }
            Self::NoIssuer { .. } => "give --issuer, or spec.issuer in a file".to_owned(),
            _ => return None,
        })
    }
}

fn denied_hint(permission: &str, call: &str, resource: &str) -> String {
    let rest = match call {
        "PutBucketPolicy" => {
            "; where that is allowed already, the account's own public access block (or an \
             organization's policy) forbids public policies: then serve the bucket through \
             CloudFront, with --access none --issuer https://…"
        }
        "PutPublicAccessBlock"
        | "GetPublicAccessBlock"
        | "GetBucketPolicy"
        | "GetBucketOwnershipControls" => {
            "; or give --access none where something else sees to access. The bucket may also \
             belong to another account (names are shared by the whole world), or to another one \
             than --expected-bucket-owner"
        }
        "PutObject" if permission.contains("Acl") => {
            "; where that is allowed already, the public access block of the bucket or the account \
             forbids ACLs"
        }
        _ => {
            "; also look at the bucket's policy, its owner (--expected-bucket-owner), and --profile"
        }
    };
    format!("this line of a policy allows it: {}{rest}", allowing(permission, resource))
}

/// Statements that allow these actions, those on objects and those on their bucket apart.
fn allowing(permission: &str, resource: &str) -> String {
    let bucket = resource.split('/').next().unwrap_or(resource);
    let (objects, buckets): (Vec<&str>, Vec<&str>) = permission
        .split(" and ")
        .partition(|action| action.contains("Object") && !action.contains("Bucket"));
    let statement = |actions: &[&str], resource: &str| {
        let actions =
            actions.iter().map(|action| format!("\"{action}\"")).collect::<Vec<_>>().join(", ");
        format!(r#"{{"Effect": "Allow", "Action": [{actions}], "Resource": "{resource}"}}"#)
    };
    let both = [(objects, resource), (buckets, bucket)];
    let statements = both.iter().filter(|(actions, _)| !actions.is_empty());
    statements
        .map(|(actions, resource)| statement(actions, resource))
        .collect::<Vec<_>>()
        .join(", ")
}
