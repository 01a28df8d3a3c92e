//! The state of a store: documents with their versions, and the settings of the bucket.

use std::collections::BTreeMap;

use issuer_change::Notice;
use issuer_jwks::MAX_INPUT_BYTES;

use crate::KeyRecord;
use crate::s3::{BucketSpec, BucketState, Setting};

/// The version of a document that a plan is based on: an ETag, or the hash of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    pub(crate) tag: String,
    /// Whether issuerctl created the document; recorded with every write.
    pub(crate) ours: bool,
}

/// Attributes of a document: `content_type`, `cache_control` and `acl` of an object, or whether a
/// file is `world_readable`.
pub type Attributes = BTreeMap<&'static str, String>;

/// A published document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its bytes; of a document that is larger than [`MAX_INPUT_BYTES`], the beginning, which is one
    /// byte longer.
    pub bytes: Vec<u8>,
    /// The version that a write can be conditional on.
    pub version: Version,
    /// Its attributes.
    pub attributes: Attributes,
    /// The issuer that its writer recorded beside it, if any: a JWK Set names none itself.
    pub issuer: Option<String>,
    /// When it was written last, in seconds since 1970, if the store says it.
    pub written_secs: Option<u64>,
    /// Whether the store keeps these bytes when the document is written again: a bucket with
    /// versioning does.
    pub retained: bool,
    /// What is recorded of its keys, if it is `keys.json`.
    pub record: KeyRecord,
}

impl Condition {
    /// Whether issuerctl creates the document, or created it.
    pub(crate) fn ours(&self) -> bool {
        match self {
            Self::Absent => true,
            Self::Unchanged(version) => version.ours,
        }
    }

    /// Whether a document has the version that the write was planned against.
    pub(crate) fn holds_for(&self, stored: Option<&Stored>) -> bool {
        match (self, stored) {
            (Self::Absent, None) => true,
            (Self::Unchanged(version), Some(stored)) => stored.version.tag == version.tag,
            _ => false,
        }
    }
}

impl Stored {
    /// Whether the document is larger than any reader accepts, and not read to its end.
    pub(crate) fn is_too_large(&self) -> bool {
        self.bytes.len() > MAX_INPUT_BYTES
    }

    /// Whether it has nothing but white space, so that nothing in it can be lost.
    pub(crate) fn is_blank(&self) -> bool {
        !self.is_too_large() && self.bytes.iter().all(u8::is_ascii_whitespace)
    }
}

/// The condition of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// The document does not exist (`If-None-Match: *`).
    Absent,
    /// The document still has this version (`If-Match`).
    Unchanged(Version),
}

/// One write of a document.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Write<'a> {
    /// Its path relative to the issuer.
    pub(crate) name: &'static str,
    /// Its bytes.
    pub(crate) bytes: &'a [u8],
    /// The condition.
    pub(crate) condition: &'a Condition,
    /// The issuer, which is recorded beside the document.
    pub(crate) issuer: &'a str,
    /// What is recorded of its keys, if it is `keys.json`.
    pub(crate) record: &'a KeyRecord,
}

/// What the answer to a write says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    /// The new version of the document.
    pub(crate) version: Version,
    /// Whether it has a hash of the bytes, which only a store that has read them all can know.
    pub(crate) is_proved: bool,
}

/// The observed state of a store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoreState {
    /// `keys.json`.
    pub keys: Option<Stored>,
    /// `.well-known/openid-configuration`.
    pub discovery: Option<Stored>,
    /// The attributes that a document should have.
    pub desired: Attributes,
    /// The bucket, if the store is one.
    pub bucket: Option<Bucket>,
    /// The copies of previous sites; read for a deletion alone.
    pub history: Setting<Vec<String>>,
    /// When it was read, in seconds since 1970, by the clock of the store if it has one.
    pub read_secs: u64,
    /// How many seconds the clock of this machine is ahead of that of the store.
    pub clock_ahead_secs: i64,
    /// What keeps readers from documents that are written.
    pub notices: Vec<Notice>,
}

/// The desired and the observed state of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// The desired state.
    pub spec: BucketSpec,
    /// The observed state.
    pub state: BucketState,
}
