//! What is there of a bucket, for tools that take it over.

use std::collections::BTreeMap;

use super::access::Look;
use super::{AccessMode, S3};
use crate::Error;

/// What a bucket has beside its objects.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BucketFound {
    /// Whether it has ownership controls; looked at only where the world reads by a policy.
    pub ownership: bool,
    /// Whether it has a public access block; likewise.
    pub block: bool,
    /// Its policy; likewise.
    pub policy: Option<String>,
    /// Its tags; looked at only where it is the file that makes the bucket.
    pub tags: BTreeMap<String, String>,
}

impl S3 {
    /// Looks at the bucket; `None` where it is not there.
    ///
    /// # Errors
    /// [`Error::Denied`], [`Error::NoBucket`], [`Error::Call`].
    pub async fn find_bucket(&self) -> Result<Option<BucketFound>, Error> {
        if self.options.access != AccessMode::Policy {
            if self.read_bucket().await?.creates_bucket() {
                return Ok(None);
            }
            return Ok(Some(BucketFound {
                tags: self.read_tags().await?,
                ..BucketFound::default()
            }));
        }
        let (ownership, block, policy) =
            tokio::join!(self.read_ownership(), self.read_block(), self.read_policy());
        let policy = match policy? {
            Look::NoBucket => return Ok(None),
            Look::Is(policy) => policy,
            Look::Unknown => None,
        };
        let ownership = matches!(ownership?, Look::Is(Some(_)));
        let block = matches!(block?, Look::Is(Some(_)));
        Ok(Some(BucketFound { ownership, block, policy, tags: self.read_tags().await? }))
    }

    async fn read_tags(&self) -> Result<BTreeMap<String, String>, Error> {
        if self.options.create_bucket { self.bucket_tags().await } else { Ok(BTreeMap::new()) }
    }
}
