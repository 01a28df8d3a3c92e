//! Changing the policy of a bucket, which has no conditional writes: under a lease ([`super::lease`]),
//! or, where there can be none, with a second look after a pause. What another writer has overwritten is
//! written again.

use std::time::{Duration, Instant};

use issuer_session::Attempts;

use super::bucket::Setting;
use super::lease::Guard;
use super::policy::{self, Without};
use super::{S3, code, message};
use crate::Error;

/// How often a policy is written under the lease; other tools do not take it.
const WRITES: u32 = 3;

/// How long a policy is written again without the lease.
const LIMIT: Duration = Duration::from_secs(60);

/// The pause before the second look without the lease: longer than another writer takes from its read to
/// its write, and of a length that differs between writers.
const SETTLE: Attempts = Attempts {
    limit: u32::MAX,
    within: LIMIT,
    first: Duration::from_secs(3),
    longest: Duration::from_secs(3),
};

/// How long a relaxed public access block may take to propagate.
const SPREAD_LIMIT: Duration = Duration::from_secs(10);

/// What a policy needs.
enum Next {
    /// Nothing.
    Done,
    /// `PutBucketPolicy`.
    Put(String),
    /// `DeleteBucketPolicy`.
    Delete,
}

impl S3 {
    /// Adds our statement, just after the public access block was relaxed if `relaxes`.
    ///
    /// # Errors
    /// A denied or failed call; [`Error::Changed`], [`Error::Locked`], [`Error::PolicyTooLarge`].
    pub(super) async fn add_statement(&self, relaxes: bool) -> Result<(), Error> {
        self.with_lease(async |guard| self.add_when_unblocked(guard, relaxes).await).await
    }

    /// Removes our statement; returns whether there was something to remove.
    ///
    /// # Errors
    /// A denied or failed call; [`Error::Changed`], [`Error::Locked`].
    pub(crate) async fn remove_statement(&self) -> Result<bool, Error> {
        let without = async |existing: Setting<String>| {
            let Setting::Present(existing) = existing else { return Ok(Next::Done) };
            let keep_shared = !matches!(self.other_site(&existing).await?, Setting::Absent);
            Ok(match policy::without_ours(&self.location, &existing, keep_shared)? {
                Without::Unchanged => Next::Done,
                Without::Put(text) => Next::Put(text),
                Without::Nothing => Next::Delete,
            })
        };
        if matches!(without(self.read_policy().await?).await?, Next::Done) {
            return Ok(false);
        }
        self.with_lease(async |guard| self.change_policy(guard, &without).await).await?;
        Ok(true)
    }

    /// A relaxed public access block may take some time to propagate.
    async fn add_when_unblocked(&self, guard: Guard, relaxes: bool) -> Result<(), Error> {
        let start = Instant::now();
        let with = async |existing: Setting<String>| {
            if existing == Setting::Unsupported {
                return Err(self.no_policies("GetBucketPolicy is not implemented"));
            }
            let existing = existing.present().map(String::as_str);
            let Some(text) = self.bucket_spec().policy(existing)? else { return Ok(Next::Done) };
            // Others may have added statements since it was planned.
            policy::check_accepted(&self.location, &text)?;
            Ok(Next::Put(text))
        };
        loop {
            match self.change_policy(guard, &with).await {
                Err(Error::Denied { by_public_access_block: true, .. })
                    if relaxes && start.elapsed() < SPREAD_LIMIT =>
                {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                ended => return ended,
            }
        }
    }

    /// Writes what `next` asks for until it asks for nothing.
    async fn change_policy(
        &self,
        guard: Guard,
        next: &impl AsyncFn(Setting<String>) -> Result<Next, Error>,
    ) -> Result<(), Error> {
        let start = Instant::now();
        let (mut writes, mut settled) = (0, false);
        loop {
            let wanted = next(self.read_policy().await?).await?;
            match (&wanted, guard) {
                (Next::Done, Guard::Missing) if writes > 0 && !settled => {
                    settled = true;
                    tokio::time::sleep(SETTLE.wait(1)).await;
                    continue;
                }
                (Next::Done, _) => return Ok(()),
                _ if guard == Guard::Lease && writes < WRITES => {}
                _ if guard == Guard::Missing && start.elapsed() < LIMIT => {}
                _ => {
                    let location = format!("the policy of the bucket {}", self.location.bucket);
                    return Err(Error::Changed { location });
                }
            }
            self.write_policy(wanted).await?;
            (writes, settled) = (writes + 1, false);
        }
    }

    async fn write_policy(&self, wanted: Next) -> Result<(), Error> {
        let bucket = self.location.bucket.as_str();
        let owner = self.options.expected_bucket_owner.clone();
        match wanted {
            Next::Done => Ok(()),
            Next::Put(text) => {
                let request = self.client.put_bucket_policy().bucket(bucket).policy(text);
                let answer = request.set_expected_bucket_owner(owner).send().await;
                answer.map(drop).map_err(|error| {
                    if self.is_unsupported(code(&error).as_deref(), &error) {
                        self.no_policies(&message(&error))
                    } else {
                        self.failed("PutBucketPolicy", &["s3:PutBucketPolicy"], "", &error)
                    }
                })
            }
            Next::Delete => {
                let request = self.client.delete_bucket_policy().bucket(bucket);
                let answer = request.set_expected_bucket_owner(owner).send().await;
                answer.map(drop).map_err(|error| {
                    self.failed("DeleteBucketPolicy", &["s3:DeleteBucketPolicy"], "", &error)
                })
            }
        }
    }

    fn no_policies(&self, message: &str) -> Error {
        let (bucket, message) = (self.location.bucket.to_string(), message.to_owned());
        Error::NoPolicies { bucket, message }
    }
}
