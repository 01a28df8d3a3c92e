//! Stores of a site: documents are read, and written conditionally.

use issuer_change::Notice;

use crate::s3::BucketPlan;
use crate::state::{Condition, StoreState, Version};
use crate::{Error, Folder, Purpose, S3};

/// Where a site is stored.
#[derive(Debug)]
pub enum Store {
    /// A folder.
    Folder(Folder),
    /// A bucket in S3 or an S3-compatible store.
    S3(Box<S3>),
}

impl Store {
    /// The location, as shown in messages: a path, or `s3://bucket/prefix`.
    #[must_use]
    pub fn location(&self) -> String {
        match self {
            Self::Folder(folder) => folder.location(),
            Self::S3(s3) => s3.location(),
        }
    }

    /// The location of a document, as shown in messages.
    #[must_use]
    pub fn document_location(&self, name: &str) -> String {
        format!("{}/{name}", self.location().trim_end_matches('/'))
    }

    /// Reads everything that a plan for this purpose depends on.
    ///
    /// # Errors
    /// A denied or failed read; a bucket in another region or account.
    pub async fn read(&self, purpose: Purpose) -> Result<StoreState, Error> {
        match self {
            Self::Folder(folder) => folder.read(),
            Self::S3(s3) => s3.read(purpose).await,
        }
    }

    /// Executes the plan for the bucket. Each completed step is passed to `done`, with a warning for
    /// the user, if any.
    ///
    /// # Errors
    /// A denied or failed call.
    pub(crate) async fn apply_bucket(
        &self,
        plan: &BucketPlan,
        done: impl FnMut(Option<Notice>),
    ) -> Result<(), Error> {
        match self {
            Self::Folder(_) => Ok(()),
            Self::S3(s3) => s3.apply_bucket(plan, done).await,
        }
    }

    /// Writes a document if the condition still holds.
    ///
    /// # Errors
    /// [`Error::Changed`] if it does not; a denied or failed write.
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

    /// Deletes a document if it still has this version. Deleting a document that no longer exists
    /// succeeds.
    ///
    /// # Errors
    /// [`Error::Changed`] if the version differs; a denied or failed call.
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

    /// Deletes the bucket if it is empty; returns whether it was deleted.
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
