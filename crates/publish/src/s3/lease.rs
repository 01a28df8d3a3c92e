//! A lease on the policy of a bucket, which has no conditional writes: a private object that one run at
//! a time has. It is created under a condition, and deleted at the end; that of a run that was killed is
//! replaced by the next one once it is stale, by the clock of the store.

use std::time::{Duration, Instant};

use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::put_object::PutObjectError;
use aws_sdk_s3::primitives::{ByteStream, DateTime, DateTimeFormat};
use issuer_diagnostic::Waiting;
use issuer_jwks::MAX_INPUT_BYTES;
use issuer_session::Attempts;

use super::objects::collect;
use super::{S3, code};
use crate::Error;
use crate::unique::unique_value;

/// The key of the object. It ends in neither document's name, so no statement of ours makes it public.
pub(super) const LEASE_KEY: &str = ".issuerctl/policy.lease";

/// The age from which a lease is stale: longer than the few calls that it is for take.
const STALE: Duration = Duration::from_secs(30);

/// The age until which its holder relies on it.
const VALID: Duration = Duration::from_secs(20);

/// How long a lease of others is waited for.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// The pauses between two attempts to get the lease.
const POLL: Attempts = Attempts {
    limit: u32::MAX,
    within: PATIENCE,
    first: Duration::from_millis(100),
    longest: Duration::from_millis(500),
};

/// Whether a change is protected by the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guard {
    /// No other run of issuerctl writes at the same time.
    Lease,
    /// The store has no conditional writes, or the credentials do not permit the lease.
    Missing,
}

/// The answer to an attempt to get the lease.
enum Attempt {
    /// It is ours, with this version.
    Ours(String),
    /// Another run has it.
    Theirs,
    /// There can be none.
    Impossible,
}

/// The lease of another run, as long as it does not change.
#[derive(Debug, Default)]
struct Other {
    version: String,
    holder: String,
    since: Option<Instant>,
}

impl S3 {
    /// Changes the policy while no other run of issuerctl does. A change that took longer than the lease
    /// is valid is made again: it changes nothing if it is still there.
    ///
    /// # Errors
    /// [`Error::Locked`]; those of the change.
    pub(super) async fn with_lease(
        &self,
        change: impl AsyncFn(Guard) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let start = Instant::now();
        let (mut other, mut attempt, mut waiting) = (Other::default(), 0, None);
        loop {
            // From the lease to its end in one write: a signal leaves none behind.
            let once = Box::pin(async {
                match self.try_lease(&mut other).await? {
                    Attempt::Theirs => Ok(false),
                    Attempt::Impossible => change(Guard::Missing).await.map(|()| true),
                    Attempt::Ours(version) => {
                        let since = Instant::now();
                        let changed = change(Guard::Lease).await;
                        self.end_lease(&version).await;
                        changed.map(|()| since.elapsed() < VALID)
                    }
                }
            });
            if issuer_diagnostic::write(once).await? {
                return Ok(());
            }
            if start.elapsed() >= PATIENCE {
                let location = format!("the policy of the bucket {}", self.location.bucket);
                let (holder, secs) = (other.holder, PATIENCE.as_secs());
                return Err(Error::Locked { location, holder, secs });
            }
            waiting = waiting.or_else(|| Some(Waiting::new(other.holder.clone())));
            attempt += 1;
            tokio::time::sleep(POLL.wait(attempt)).await;
        }
    }

    /// Deletes a lease that a killed run left, so that the bucket can be deleted.
    ///
    /// # Errors
    /// Those of [`S3::with_lease`].
    pub(super) async fn clear_lease(&self) -> Result<(), Error> {
        self.with_lease(async |_| Ok(())).await
    }

    async fn try_lease(&self, other: &mut Other) -> Result<Attempt, Error> {
        if self.options.unconditional {
            return Ok(Attempt::Impossible);
        }
        let now = match self.put_lease(None).await {
            Ok(version) => return Ok(Attempt::Ours(version)),
            Err(error) => match self.unleased(&error)? {
                None => return Ok(Attempt::Impossible),
                Some(now) => now,
            },
        };
        let Some(age) = self.look_at_lease(other, now).await? else { return Ok(Attempt::Theirs) };
        if age < STALE {
            return Ok(Attempt::Theirs);
        }
        // Of several that find it stale, one replaces it.
        match self.put_lease(Some(&other.version)).await {
            Ok(version) => Ok(Attempt::Ours(version)),
            Err(error) => Ok(match self.unleased(&error)? {
                None => Attempt::Impossible,
                Some(_) => Attempt::Theirs,
            }),
        }
    }

    async fn put_lease(
        &self,
        stale: Option<&str>,
    ) -> Result<String, Box<SdkError<PutObjectError>>> {
        let request = self
            .client
            .put_object()
            .bucket(self.location.bucket.as_str())
            .key(LEASE_KEY)
            .set_expected_bucket_owner(self.options.expected_bucket_owner.clone())
            .content_type("text/plain")
            .body(ByteStream::from(
                format!("{}\n{}\n", self.location, unique_value()).into_bytes(),
            ));
        let request = match stale {
            Some(version) => request.if_match(version),
            None => request.if_none_match("*"),
        };
        let answer = request.send().await.map_err(Box::new)?;
        Ok(answer.e_tag().unwrap_or_default().to_owned())
    }

    /// The time of the store if another run has the lease; `None` if there can be none.
    fn unleased(
        &self,
        error: &SdkError<PutObjectError>,
    ) -> Result<Option<Option<DateTime>>, Error> {
        let failed = || self.failed("PutObject", &["s3:PutObject"], LEASE_KEY, error);
        match code(error).as_deref() {
            // 412, 409, or 404 for If-Match on a lease that was deleted.
            Some("PreconditionFailed" | "ConditionalRequestConflict" | "NoSuchKey") => {
                let date = error.raw_response().and_then(|answer| answer.headers().get("date"));
                let parsed = date.map(|date| DateTime::from_str(date, DateTimeFormat::HttpDate));
                Ok(Some(parsed.and_then(Result::ok)))
            }
            code => match failed() {
                Error::Denied { .. } => Ok(None),
                Error::Call { .. } if self.is_unsupported(code, error) => Ok(None),
                Error::Call { .. } if self.refuses_conditions(error) => Ok(None),
                error => Err(error),
            },
        }
    }

    /// The age of the lease of another run, by the clock of the store, or for as long as it was seen here;
    /// `None` if it has ended.
    async fn look_at_lease(
        &self,
        other: &mut Other,
        now: Option<DateTime>,
    ) -> Result<Option<Duration>, Error> {
        let request = self.client.get_object().bucket(self.location.bucket.as_str()).key(LEASE_KEY);
        let owner = self.options.expected_bucket_owner.clone();
        let object = match request.set_expected_bucket_owner(owner).send().await {
            Ok(object) => object,
            Err(error) => match code(&error).as_deref() {
                // Without s3:ListBucket a missing object is a denied one.
                Some("NoSuchKey" | "AccessDenied") => return Ok(None),
                _ => return Err(self.failed("GetObject", &["s3:GetObject"], LEASE_KEY, &error)),
            },
        };
        let version = object.e_tag().unwrap_or_default().to_owned();
        let written = object.last_modified().map(DateTime::secs);
        let age = now.zip(written).and_then(|(now, written)| {
            u64::try_from(now.secs() - written).ok().map(Duration::from_secs)
        });
        if version != other.version {
            let text = collect(object.body, MAX_INPUT_BYTES).await.unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            let place = text.lines().next().unwrap_or_default().to_owned();
            let holder = format!("another run, which publishes to {place}");
            *other = Other { version, holder, since: Some(Instant::now()) };
        }
        let seen = other.since.map(|since| since.elapsed()).unwrap_or_default();
        Ok(Some(age.unwrap_or_default().max(seen)))
    }

    /// A failure is none of the run: the lease becomes stale.
    async fn end_lease(&self, version: &str) {
        let request =
            self.client.delete_object().bucket(self.location.bucket.as_str()).key(LEASE_KEY);
        let request = request.set_expected_bucket_owner(self.options.expected_bucket_owner.clone());
        if let Err(error) = request.clone().if_match(version).send().await
            && self.is_unsupported(code(&error).as_deref(), &error)
        {
            let _ = request.send().await;
        }
    }
}
