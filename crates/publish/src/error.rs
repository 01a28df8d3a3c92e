//! Why something could not be published.

mod hints;

use std::path::PathBuf;

use issuer_diagnostic::date;
use issuer_discovery::DiscoveryError;
use issuer_jwks::KeyId;

use crate::{Block, BucketName, DestinationFault};

/// Why something could not be published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing to publish.
    #[error("there is no key to publish; AWS STS would refuse every token")]
    NoKeys,
    /// Input and published keys conflict.
    #[error("the keys cannot be merged with those in {location}")]
    Merge {
        /// The document.
        location: String,
        /// The conflicting kid, or the number of keys.
        source: issuer_jwks::Error,
    },
    /// A key is added in the same run that removes others.
    #[error(
        "the key {:?} is not published in {location} yet, so the run that adds it must not \
         remove {}: the API server may still sign with a removed key, and pods hold tokens of it",
        added.as_str(), quoted(removed)
    )]
    PruneWithNewKey {
        /// The document.
        location: String,
        /// The first key that is added.
        added: KeyId,
        /// The keys that would be removed.
        removed: Vec<KeyId>,
    },
    /// A key that was seen signing lately would not be published any more.
    #[error(
        "{key} was seen signing at {}, and would not be published in {location} any more: pods hold \
         tokens of it, and the API server may still sign with it",
        date(*signed_secs)
    )]
    LatelyLive {
        /// The document.
        location: String,
        /// The key.
        key: String,
        /// When a token was signed with it, in seconds since 1970.
        signed_secs: u64,
        /// Until when it must stay, in seconds since 1970.
        until_secs: u64,
    },
    /// The discovery document cannot be written.
    #[error("the discovery document cannot be created")]
    Discovery(#[from] DiscoveryError),
    /// A published document that cannot be read; it is not changed.
    #[error("the published document {location} cannot be read, and was not changed: {reason}")]
    Unreadable {
        /// The document.
        location: String,
        /// What is wrong with it.
        reason: String,
        /// What is wrong with the keys, if it is the JWK Set.
        keys: Option<issuer_jwks::Error>,
    },
    /// A document that is to be deleted, and does not say whose it is.
    #[error(
        "{location} cannot be read, so that it is not known which issuer it belongs to, and was not \
         deleted: {reason}"
    )]
    UnknownOwner {
        /// The document.
        location: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A bucket policy that cannot be read; it is not changed.
    #[error("the policy of the bucket {bucket} cannot be read, and was not changed: {reason}")]
    BadPolicy {
        /// The bucket.
        bucket: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A published discovery document whose keys are elsewhere.
    #[error(
        "{location} has the jwks_uri {published}, not {standard}; readers would no longer find \
         those keys"
    )]
    OtherKeys {
        /// The document.
        location: String,
        /// Its `jwks_uri`.
        published: String,
        /// What it would be changed to.
        standard: String,
    },
    /// A key was published during a run that removes keys, and its removal was never shown.
    #[error("the key {kid:?} was published in {location} in the meantime; no key was removed")]
    NewKey {
        /// The document.
        location: String,
        /// The key.
        kid: String,
    },
    /// A published discovery document of a different issuer.
    #[error("{location} is the document of a different issuer, {published:?}, not of {issuer}")]
    OtherIssuer {
        /// The document.
        location: String,
        /// The issuer it names.
        published: String,
        /// The issuer that was to be published.
        issuer: String,
    },
    /// The published site could not be copied to the history.
    #[error(
        "the published site of {location} cannot be kept in its history, so nothing was changed"
    )]
    NotKept {
        /// The store.
        location: String,
        /// Why.
        source: Box<Self>,
    },
    /// A version that the history does not have, or a history without any.
    #[error("{}", match version {
        Some(version) => format!("the history of {location} has no version {version:?}"),
        None => format!("{location} has no history: no previous site was kept"),
    })]
    NoVersion {
        /// The store.
        location: String,
        /// The version that was requested.
        version: Option<String>,
    },
    /// A previous site that cannot be used.
    #[error("{location} cannot be restored: {reason}")]
    BrokenHistory {
        /// The copy or version.
        location: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Another writer kept changing it.
    #[error(
        "{location} was changed by another writer again and again for {secs} s; nothing was \
         overwritten"
    )]
    LostRace {
        /// The document.
        location: String,
        /// How long it was tried.
        secs: u64,
    },
    /// A folder, or the policy of a bucket, that another run holds.
    #[error("{location} is locked by {holder}, which did not end within {secs} s")]
    Locked {
        /// What is locked.
        location: String,
        /// The other run.
        holder: String,
        /// How long it was waited for.
        secs: u64,
    },
    /// A write that was answered with success, and is not there.
    #[error("the store answered that {location} is written, but {what}")]
    NotStored {
        /// The document.
        location: String,
        /// What is wrong.
        what: &'static str,
    },
    /// An answer that lacks what every answer to this call has.
    #[error(
        "the answer to {call} for the bucket {bucket} is empty or not complete ({missing} is missing), \
         so nothing is known, and nothing was changed"
    )]
    Incomplete {
        /// The API call.
        call: &'static str,
        /// The bucket.
        bucket: String,
        /// What it lacks.
        missing: &'static str,
    },
    /// A write whose condition did not hold; [`crate::publish`] plans again.
    #[error("{location} was changed by another writer in the meantime")]
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
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A document that is not a regular file, or whose folder is not one.
    #[error("{location} is {what}")]
    NotADocument {
        /// The document.
        location: String,
        /// What it is instead.
        what: &'static str,
    },
    /// Neither a folder nor `s3://BUCKET[/PREFIX]`. The text is not repeated: it may contain a
    /// password or a signature.
    #[error("the destination {fault}; it must be a folder or s3://BUCKET[/PREFIX]")]
    Destination {
        /// The form.
        fault: DestinationFault,
        /// The destination that was probably meant.
        meant: Option<String>,
        /// The URL of the API of the store that it is in, if that is not Amazon S3.
        endpoint: Option<String>,
    },
    /// An `s3://` URL that is not valid.
    #[error("{text:?} is not a valid S3 location: {reason}")]
    Location {
        /// The text.
        text: String,
        /// The violated rule.
        reason: String,
    },
    /// The issuer cannot be derived.
    #[error("the issuer URL cannot be derived from {location}: {reason}")]
    NoIssuer {
        /// The store.
        location: String,
        /// Why.
        reason: String,
    },
    /// A distribution that does not exist yet.
    #[error(
        "the CloudFront distribution of {location}, whose domain is the issuer unless one is given, does not \
         exist yet"
    )]
    NoDistribution {
        /// The store.
        location: String,
    },
    /// The session with AWS cannot be created.
    #[error(transparent)]
    Session(#[from] issuer_session::Error),
    /// Neither the options nor the profile have a region for the new bucket.
    #[error("the region of the new bucket {bucket} is not known")]
    NoRegion {
        /// The bucket.
        bucket: String,
    },
    /// The bucket does not exist.
    #[error("the bucket {bucket} does not exist")]
    NoBucket {
        /// The bucket.
        bucket: String,
    },
    /// The bucket belongs to another account.
    #[error("the bucket {bucket} belongs to another account: {reason}")]
    OtherOwner {
        /// The bucket.
        bucket: String,
        /// What S3 said.
        reason: String,
    },
    /// The bucket is in another region.
    #[error("the bucket {bucket} is in the region {actual}, not in {asked}")]
    OtherRegion {
        /// The bucket.
        bucket: String,
        /// Where it is.
        actual: String,
        /// The region that was used.
        asked: String,
    },
    /// A denied call.
    #[error("{} on {resource} was denied ({call}: {message})", permissions.join(" and "))]
    Denied {
        /// The API call.
        call: &'static str,
        /// The IAM permissions that it needs.
        permissions: &'static [&'static str],
        /// ARN of the bucket or object.
        resource: String,
        /// S3's error code.
        code: Option<String>,
        /// Whether S3 Block Public Access (`BlockPublicPolicy`) of the bucket or the account denied
        /// it.
        by_public_access_block: bool,
        /// What S3 said.
        message: String,
    },
    /// ACLs are disabled for the bucket.
    #[error("the bucket {bucket} does not allow ACLs (AccessControlListNotSupported)")]
    NoAcls {
        /// The bucket.
        bucket: String,
    },
    /// A store without bucket policies.
    #[error("the store of the bucket {bucket} does not support bucket policies ({message})")]
    NoPolicies {
        /// The bucket.
        bucket: String,
        /// What it said.
        message: String,
    },
    /// Other objects would become public.
    #[error("the policy of the bucket {bucket} has statements that would make other objects public \
             once its public access block is relaxed: {}", sids.join(", "))]
    WouldExpose {
        /// The bucket.
        bucket: String,
        /// Their `Sid`s.
        sids: Vec<String>,
    },
    /// A store that ignores the conditions of writes.
    #[error(
        "the store ignores the conditions of writes (If-None-Match, If-Match), so two writers could \
         delete each other's keys; the check of this has written {location}, and nothing else was \
         written"
    )]
    IgnoredConditions {
        /// The document.
        location: String,
    },
    /// A store that refuses conditional writes.
    #[error(
        "the store of {location} does not support conditional writes (If-None-Match, If-Match), so \
         two writers could delete each other's keys; no document was written ({message})"
    )]
    NoConditionalWrites {
        /// The store.
        location: String,
        /// What it said.
        message: String,
    },
    /// Statements of others that S3 refuses in any policy that is written.
    #[error(
        "the policy of the bucket {bucket} has statements with deleted principals, and S3 accepts no \
         policy with them: {}; nothing was changed",
        statements.join(", ")
    )]
    DeletedPrincipals {
        /// The bucket.
        bucket: String,
        /// Each `Sid`, or number, with the unique IDs.
        statements: Vec<String>,
    },
    /// A bucket policy that is larger than S3 accepts.
    #[error(
        "the policy of the bucket {bucket} would have {size} bytes with the statement for this \
         issuer; S3 accepts {limit}; nothing was changed"
    )]
    PolicyTooLarge {
        /// The bucket.
        bucket: String,
        /// Its size in bytes.
        size: usize,
        /// The maximum.
        limit: usize,
        /// How many of its statements are ours, each for one issuer.
        ours: usize,
    },
    /// Other objects would not be public any more.
    #[error(
        "other objects in the bucket {bucket} are public by their ACLs, which would no longer have \
         any effect: {}; nothing was changed",
        objects.join(", ")
    )]
    WouldHide {
        /// The bucket.
        bucket: String,
        /// Their keys.
        objects: Vec<String>,
    },
    /// A public access block of the account that forbids public documents.
    #[error(
        "the public access block of the account {account} ({}) forbids that the documents are public; it \
         takes precedence over that of the bucket",
        block.on().join(", ")
    )]
    AccountBlocks {
        /// The account.
        account: String,
        /// Its block.
        block: Block,
        /// Whether the documents were to be public by their ACLs.
        by_acl: bool,
    },
    /// A public access block of the bucket that forbids ACLs.
    #[error("the public access block of the bucket {bucket} ({}) forbids public ACLs", block.on().join(", "))]
    BlocksAcls {
        /// The bucket.
        bucket: String,
        /// Its block.
        block: Block,
    },
    /// A bucket whose readers pay.
    #[error(
        "the readers of the bucket {bucket} pay for their requests (Requester Pays), which anonymous \
         readers such as AWS STS cannot"
    )]
    RequesterPays {
        /// The bucket.
        bucket: String,
    },
    /// A bucket policy that denies the write of documents that anonymous readers can read.
    #[error(
        "the policy of the bucket {bucket} denies writes that are not encrypted with KMS ({}), and \
         anonymous readers such as AWS STS cannot read what is",
        sids.join(", ")
    )]
    ForcesKms {
        /// The bucket.
        bucket: String,
        /// The `Sid`s of its statements.
        sids: Vec<String>,
        /// The ARNs of the two documents.
        objects: [String; 2],
    },
    /// Everything that prevents the setup of a bucket.
    #[error("the bucket {bucket} cannot be set up: {} problems, and nothing was changed", problems.len())]
    Several {
        /// The bucket.
        bucket: String,
        /// The problems.
        problems: Vec<Error>,
    },
    /// An object without an ETag.
    #[error("{location} has no ETag, so a write could not be protected against other writers")]
    NoEtag {
        /// The document.
        location: String,
    },
    /// No credentials, or credentials that AWS does not accept.
    #[error("{}{message}", code.as_ref().map_or("", |_| "the credentials do not work: "))]
    Credentials {
        /// The service's error code, if it answered.
        code: Option<String>,
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
        /// S3's error code, if it answered.
        code: Option<String>,
        /// What S3 or the network said.
        message: String,
    },
}

impl Error {
    /// The problem, or all of them if there are several.
    pub(crate) fn all(bucket: &BucketName, mut problems: Vec<Self>) -> Self {
        match problems.len() {
            1 => problems.swap_remove(0),
            _ => Self::Several { bucket: bucket.to_string(), problems },
        }
    }
}

/// `"a", "b"`.
fn quoted(kids: &[KeyId]) -> String {
    let kids = kids.iter().map(|kid| format!("{:?}", kid.as_str()));
    kids.collect::<Vec<_>>().join(", ")
}
