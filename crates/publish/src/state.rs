//! What a store contains: documents with their versions, and a bucket's settings.

use std::collections::BTreeMap;

use crate::s3::{BucketSpec, BucketState};

/// The state of a document that a plan was made against: an ETag, or the hash of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    pub(crate) tag: String,
    /// Whether issuerctl created the document; this stays known when it is written again.
    pub(crate) ours: bool,
}

/// What a document has beside its bytes: `content_type` and `cache_control` of an object, its
/// `acl`, or whether a file is `world_readable`.
pub type Attributes = BTreeMap<&'static str, String>;

/// A document as it is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What a write can be conditional on.
    pub version: Version,
    /// What it has beside its bytes.
    pub attributes: Attributes,
}

/// What must still be true when a write happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// There is no such document (`If-None-Match: *`).
    Absent,
    /// It is this version (`If-Match`).
    Unchanged(Version),
}

/// What a store contains now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoreState {
    /// `keys.json`.
    pub keys: Option<Stored>,
    /// `.well-known/openid-configuration`.
    pub discovery: Option<Stored>,
    /// What a document that we write has beside its bytes.
    pub desired: Attributes,
    /// The bucket, where the store is one.
    pub bucket: Option<Bucket>,
}

/// A bucket: what it should be, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// What it should be.
    pub spec: BucketSpec,
    /// What it is.
    pub state: BucketState,
}
