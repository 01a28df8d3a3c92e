//! Where a site is stored: named documents that are read, and written under a condition.

use issuer_change::Notice;

use crate::s3::BucketPlan;
use crate::state::{Condition, StoreState, Version};
use crate::{Error, Folder, Purpose, S3};

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
    #[must_use]
    pub fn location(&self) -> String {
        match self {
            Self::Folder(folder) => folder.location(),
            Self::S3(s3) => s3.location(),
        }
    }

    /// One document's place for people.
    #[must_use]
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
