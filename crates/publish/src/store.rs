//! Where a site is stored: named documents that are read, and written under a condition.

use std::collections::BTreeMap;

use issuer_change::Notice;

use crate::s3::{BucketPlan, BucketSpec, BucketState};
use crate::{Error, Folder, Purpose, S3};

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

/// One of the places a site can live in.
#[derive(Debug)]
pub enum Store {
    /// A folder.
    Folder(Folder),
    /// An S3 bucket, or one of a compatible store.
    S3(Box<S3>),
}

impl Store {
    /// The place for people: a path, or `s3://bucket/prefix`.
    pub fn location(&self) -> String {
        match self {
            Self::Folder(folder) => folder.location(),
            Self::S3(s3) => s3.location(),
        }
    }

    /// One document's place for people.
    pub fn document_location(&self, name: &str) -> String {
        format!("{}/{name}", self.location().trim_end_matches('/'))
    }

    /// Reads everything that a plan for this purpose depends on, in one round.
    ///
    /// # Errors
    /// A denied or failed read; a bucket in another region or account.
    pub async fn read(&self, purpose: Purpose) -> Result<StoreState, Error> {
        match self {
            Self::Folder(folder) => folder.read(),
            Self::S3(s3) => s3.read(purpose).await,
        }
    }

    /// Brings the bucket to what it should be, and returns what the user has to be told.
    ///
    /// # Errors
    /// A denied or failed call.
    pub(crate) async fn apply_bucket(&self, plan: &BucketPlan) -> Result<Vec<Notice>, Error> {
        match self {
            Self::Folder(_) => Ok(Vec::new()),
            Self::S3(s3) => s3.apply_bucket(plan).await,
        }
    }

    /// Writes a document if the condition still holds.
    ///
    /// # Errors
    /// [`Error::Changed`] where it does not; a denied or failed write.
    pub async fn write(
        &self,
        name: &str,
        bytes: &[u8],
        condition: &Condition,
    ) -> Result<(), Error> {
        match self {
            Self::Folder(folder) => folder.write(name, bytes, condition),
            Self::S3(s3) => s3.write(name, bytes, condition).await,
        }
    }

    /// Deletes a document if it is still the one that was read. Deleting one that no longer exists
    /// succeeds.
    ///
    /// # Errors
    /// [`Error::Changed`] if it is another one; a denied or failed call.
    pub async fn remove(&self, name: &str, version: &Version) -> Result<(), Error> {
        match self {
            Self::Folder(folder) => folder.remove(name, version),
            Self::S3(s3) => s3.remove(name, version).await,
        }
    }

    /// Removes our statement from the bucket policy.
    ///
    /// # Errors
    /// A denied or failed call.
    pub(crate) async fn remove_statement(&self) -> Result<(), Error> {
        match self {
            Self::Folder(_) => Ok(()),
            Self::S3(s3) => s3.remove_statement().await,
        }
    }

    /// Deletes the bucket; whether it could, since one with objects in it is kept.
    ///
    /// # Errors
    /// A denied or failed call.
    pub(crate) async fn delete_bucket(&self) -> Result<bool, Error> {
        match self {
            Self::Folder(_) => Ok(false),
            Self::S3(s3) => s3.delete_bucket().await,
        }
    }
}
