//! Where a site lives: named documents that are read, and written under a condition.

use crate::{AccessPlan, Error, Folder, S3};

/// The state of a document that a plan was made against: an ETag, or the hash of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    pub(crate) tag: String,
    /// Whether issuerctl made the document, which stays known when it is written anew.
    pub(crate) ours: bool,
}

/// A document as it is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What a write can be conditional on.
    pub version: Version,
    /// Whether media type, caching and, where an ACL or a file's mode says it, who may read are
    /// what we would write.
    pub headers_match: bool,
}

/// What must still be true when a write happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// There is no such document (`If-None-Match: *`).
    Absent,
    /// It is this version (`If-Match`).
    Unchanged(Version),
}

/// What a store holds now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Published {
    /// `keys.json`.
    pub keys: Option<Stored>,
    /// `.well-known/openid-configuration`.
    pub discovery: Option<Stored>,
    /// What has to be done about public access before anything is written.
    pub access: AccessPlan,
}

/// What a store holds of a site that is to be taken away.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Present {
    /// `keys.json`.
    pub keys: Option<Stored>,
    /// `.well-known/openid-configuration`.
    pub discovery: Option<Stored>,
    /// Whether our statement stands in the bucket's policy.
    pub statement: bool,
    /// The bucket, where issuerctl made it.
    pub own_bucket: Option<OwnBucket>,
    /// What could not be seen, and therefore stays.
    pub notices: Vec<&'static str>,
}

/// A bucket that issuerctl made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnBucket {
    /// Its name.
    pub name: String,
    /// An object in it that is none of the two documents.
    pub other_object: Option<String>,
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

    /// Reads everything that a plan depends on, in one round.
    ///
    /// # Errors
    /// A denied or failed read; a bucket that is missing, elsewhere or somebody else's.
    pub async fn read(&self) -> Result<Published, Error> {
        match self {
            Self::Folder(folder) => folder.read(),
            Self::S3(s3) => s3.read().await,
        }
    }

    /// Does what [`Published::access`] says, and gives what the user has to be told.
    ///
    /// # Errors
    /// A denied or failed call.
    pub async fn grant(&self, access: &AccessPlan) -> Result<Vec<&'static str>, Error> {
        match self {
            Self::Folder(_) => Ok(Vec::new()),
            Self::S3(s3) => s3.grant(access).await,
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

    /// Reads everything that taking the site away depends on, in one round.
    ///
    /// # Errors
    /// A denied or failed read.
    pub async fn read_for_removal(&self) -> Result<Present, Error> {
        match self {
            Self::Folder(folder) => {
                let published = folder.read()?;
                Ok(Present {
                    keys: published.keys,
                    discovery: published.discovery,
                    ..Present::default()
                })
            }
            Self::S3(s3) => s3.read_for_removal().await,
        }
    }

    /// Takes a document away if it is still the one that was read; one that is gone already is no
    /// failure.
    ///
    /// # Errors
    /// [`Error::Changed`] where it is another one; a denied or failed call.
    pub async fn remove(&self, name: &str, version: &Version) -> Result<(), Error> {
        match self {
            Self::Folder(folder) => folder.remove(name, version),
            Self::S3(s3) => s3.remove(name, version).await,
        }
    }

    /// Takes our statement out of the bucket's policy.
    ///
    /// # Errors
    /// A denied or failed call.
    pub async fn revoke(&self) -> Result<(), Error> {
        match self {
            Self::Folder(_) => Ok(()),
            Self::S3(s3) => s3.revoke().await,
        }
    }

    /// Deletes the bucket, and says whether it could: one that holds anything stays.
    ///
    /// # Errors
    /// A denied or failed call.
    pub async fn delete_bucket(&self) -> Result<bool, Error> {
        match self {
            Self::Folder(_) => Ok(false),
            Self::S3(s3) => s3.delete_bucket().await,
        }
    }
}
