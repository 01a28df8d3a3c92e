//! Stores of a site: documents are read, and written conditionally.

use issuer_change::Notice;
use issuer_discovery::IssuerUrl;

use crate::history::{self, FOLDER, HistoryEntry, PastSite, Read, Restored};
use crate::lock::FolderLock;
use crate::s3::BucketPlan;
use crate::state::{StoreState, Stored, Version, Write, Written};
use crate::{DocumentPlan, Error, Folder, Purpose, S3};

/// How many previous sites are read to find the one before the published one: some may be the same.
const NEWEST: usize = 10;

/// Where a site is stored.
#[derive(Debug)]
pub enum Store {
    /// A folder.
    Folder(Folder),
    /// A bucket in S3 or an S3-compatible store.
    S3(Box<S3>),
}

// The futures of S3 are large, and nest: they are boxed here.
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

    /// Reads everything that a plan for this purpose depends on, once in a run.
    ///
    /// # Errors
    /// A denied or failed read; a bucket in another region or account.
    pub async fn read(&self, purpose: Purpose) -> Result<StoreState, Error> {
        match self {
            Self::Folder(folder) => folder.read(purpose),
            Self::S3(s3) => Box::pin(s3.read(purpose)).await,
        }
    }

    /// Reads what a new plan depends on after another writer was faster: the documents, and the bucket
    /// only if it is to be changed.
    ///
    /// # Errors
    /// Those of [`Store::read`].
    pub(crate) async fn read_again(&self, bucket: bool) -> Result<StoreState, Error> {
        match self {
            Self::Folder(folder) => folder.read(Purpose::Plan),
            Self::S3(s3) if bucket => Box::pin(s3.read_again()).await,
            Self::S3(s3) => Box::pin(s3.read_objects()).await,
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
            Self::S3(s3) => Box::pin(s3.apply_bucket(plan, done)).await,
        }
    }

    /// Locks the store against other runs, until the lock is dropped. Objects in a bucket need no
    /// lock: the conditions of their writes are enough.
    ///
    /// # Errors
    /// [`Error::Locked`]; a folder that cannot be locked.
    pub(crate) async fn lock(&self) -> Result<Option<FolderLock>, Error> {
        match self {
            Self::Folder(folder) => folder.lock().await.map(Some),
            Self::S3(_) => Ok(None),
        }
    }

    /// Deletes what a killed run left, if nothing else does: a run that writes does it anyway.
    pub(crate) fn tidy(&self) {
        if let Self::Folder(folder) = self {
            folder.tidy();
        }
    }

    /// Checks that all documents still are what a plan was made against. A write to a bucket checks
    /// that itself.
    ///
    /// # Errors
    /// [`Error::Changed`].
    pub(crate) fn check_unchanged(&self, documents: &[DocumentPlan]) -> Result<(), Error> {
        match self {
            Self::Folder(folder) => documents
                .iter()
                .try_for_each(|document| folder.check(document.name, &document.condition)),
            Self::S3(_) => Ok(()),
        }
    }

    /// Writes a document if the condition still holds.
    ///
    /// # Errors
    /// [`Error::Changed`] if it does not; a denied or failed write.
    pub(crate) async fn write(&self, write: Write<'_>) -> Result<Written, Error> {
        match self {
            Self::Folder(folder) => {
                let version = folder.write(write)?;
                Ok(Written { version, is_proved: false })
            }
            Self::S3(s3) => Box::pin(s3.write(write)).await,
        }
    }

    /// Writes what is recorded of the keys, beside a `keys.json` that stays as it is. The lock is held.
    ///
    /// # Errors
    /// [`Error::Changed`]; a denied or failed write.
    pub(crate) async fn write_record(&self, write: Write<'_>) -> Result<(), Error> {
        match self {
            Self::Folder(folder) => {
                folder.check(write.name, write.condition)?;
                folder.write_record(write.record);
                Ok(())
            }
            Self::S3(s3) => Box::pin(s3.write(write)).await.map(drop),
        }
    }

    /// Reads `keys.json` and the discovery document alone.
    ///
    /// # Errors
    /// A denied or failed read.
    pub(crate) async fn read_documents(&self) -> Result<[Option<Stored>; 2], Error> {
        match self {
            Self::Folder(folder) => folder.read_documents(),
            Self::S3(s3) => Box::pin(s3.read_documents()).await,
        }
    }

    /// Reads one document alone, to be compared with what was written.
    ///
    /// # Errors
    /// A denied or failed read.
    pub(crate) async fn read_document(&self, name: &str) -> Result<Option<Stored>, Error> {
        match self {
            Self::Folder(folder) => folder.read_document(name),
            Self::S3(s3) => Box::pin(s3.get_document(name)).await,
        }
    }

    /// Writes a copy of a previous site; `first` is the write that follows. A store that ignores
    /// conditions is found out at the same time.
    ///
    /// # Errors
    /// A denied or failed write; [`Error::IgnoredConditions`].
    pub(crate) async fn keep(
        &self,
        name: &str,
        past: &PastSite,
        first: &Write<'_>,
    ) -> Result<(), Error> {
        match self {
            Self::Folder(folder) => folder.keep(name, past),
            Self::S3(s3) => {
                let (probed, kept) = tokio::join!(
                    Box::pin(s3.probe_conditions(first)),
                    Box::pin(s3.keep(name, past))
                );
                probed.and(kept)
            }
        }
    }

    /// Whether a copy is there as it was written.
    ///
    /// # Errors
    /// [`Error::NotStored`]; a denied or failed read.
    pub(crate) async fn check_kept(&self, name: &str, past: &PastSite) -> Result<(), Error> {
        let read = match self {
            Self::Folder(folder) => folder.read_kept(name),
            Self::S3(s3) => Box::pin(s3.read_kept(name)).await,
        };
        let what = match read? {
            Some(bytes) if bytes == past.to_bytes() => return Ok(()),
            Some(_) => "it has other contents",
            None => "it does not exist",
        };
        Err(Error::NotStored {
            location: self.document_location(&format!("{FOLDER}/{name}")),
            what,
        })
    }

    /// The names of the copies of previous sites.
    ///
    /// # Errors
    /// A denied or failed read.
    pub(crate) async fn list_kept(&self) -> Result<Vec<String>, Error> {
        let listed = match self {
            Self::Folder(folder) => folder.list_kept(),
            Self::S3(s3) => Box::pin(s3.list_kept()).await,
        };
        Ok(listed?.into_iter().map(|listed| listed.version).collect())
    }

    /// Deletes a copy of a previous site.
    ///
    /// # Errors
    /// A denied or failed call.
    pub(crate) async fn forget(&self, name: &str) -> Result<(), Error> {
        match self {
            Self::Folder(folder) => folder.forget(name),
            Self::S3(s3) => Box::pin(s3.forget(name)).await,
        }
    }

    /// What is published, and what was published before, the newest first: at most `limit` previous
    /// sites.
    ///
    /// # Errors
    /// A denied or failed call. A previous site that cannot be read has an error of its own.
    pub async fn history(&self, limit: usize) -> Result<Vec<HistoryEntry>, Error> {
        let (now, past) = self.read_history(limit).await?;
        Ok(history::entries(&now, past, &self.location()))
    }

    /// A previous site of an issuer; without a version, the one before the published one.
    ///
    /// # Errors
    /// [`Error::NoVersion`]; [`Error::BrokenHistory`]; [`Error::OtherIssuer`]; a denied or failed call.
    pub async fn past(&self, issuer: &IssuerUrl, version: Option<&str>) -> Result<Restored, Error> {
        let no_version = || {
            let (location, version) = (self.location(), version.map(str::to_owned));
            Error::NoVersion { location, version }
        };
        let (version, site) = match version {
            Some(version) => {
                let read = match self {
                    Self::Folder(folder) => folder.read_past(version),
                    Self::S3(s3) => Box::pin(s3.read_past(version)).await,
                };
                (version.to_owned(), read?.ok_or_else(no_version)?)
            }
            None => {
                let (now, past) = self.read_history(NEWEST).await?;
                let newest = history::in_order(&now, past).into_iter().next();
                let (listed, site) = newest.ok_or_else(no_version)?;
                (listed.version, site?)
            }
        };
        site.restored(&version, &format!("{} ({version})", self.location()), issuer)
    }

    async fn read_history(&self, limit: usize) -> Result<(PastSite, Vec<Read>), Error> {
        let ([keys, discovery], past) = match self {
            Self::Folder(folder) => (folder.read_documents()?, folder.history(limit)?),
            // One after the other: a site that another run replaces in between is then in the list.
            Self::S3(s3) => {
                (Box::pin(s3.read_documents()).await?, Box::pin(s3.history(limit)).await?)
            }
        };
        Ok((PastSite::of(keys.as_ref(), discovery.as_ref(), ""), past))
    }

    /// Deletes a document if it still has this version. Deleting a document that no longer exists
    /// succeeds.
    ///
    /// # Errors
    /// [`Error::Changed`] if the version differs; a denied or failed call.
    pub async fn remove(&self, name: &str, version: &Version) -> Result<(), Error> {
        match self {
            Self::Folder(folder) => folder.remove(name, version).await,
            Self::S3(s3) => Box::pin(s3.remove(name, version)).await,
        }
    }

    /// Removes our statement from the bucket policy; returns whether there was something to remove.
    ///
    /// # Errors
    /// A denied or failed call.
    pub(crate) async fn remove_statement(&self) -> Result<bool, Error> {
        match self {
            Self::Folder(_) => Ok(false),
            Self::S3(s3) => Box::pin(s3.remove_statement()).await,
        }
    }

    /// Deletes the bucket if it is empty; returns whether it was deleted.
    ///
    /// # Errors
    /// A denied or failed call.
    pub(crate) async fn delete_bucket(&self) -> Result<bool, Error> {
        match self {
            Self::Folder(_) => Ok(false),
            Self::S3(s3) => Box::pin(s3.delete_bucket()).await,
        }
    }
}
