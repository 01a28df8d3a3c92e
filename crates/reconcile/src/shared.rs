//! What the runs of one process share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use issuer_iam::Iam;
use issuer_publish::S3Clients;
use issuer_session::{SdkConfig, SessionOptions};
use issuer_verify::FetchOptions;
use tokio::sync::{Mutex as AsyncMutex, OnceCell, OwnedMutexGuard, Semaphore};

use crate::{Error, ReadFile, Target};

/// Maximum number of roles that are read concurrently, for all issuers; each takes a few requests.
const ROLE_READS: usize = 64;

/// Maximum number of roles that are changed concurrently, for all issuers: IAM throttles the writes of
/// an account.
const ROLE_WRITES: usize = 16;

/// How old a session is at least, unless it is the first one, that is made anew because credentials are refused: a
/// store that does not know them refuses them each time, and what the session has learnt of all others is lost
/// with it.
const REFUSED_AGE: Duration = Duration::from_secs(5);

/// How old a session is at least that is made anew because AWS denied a call: it is everybody's, and the same
/// credentials are denied again.
const DENIED_AGE: Duration = Duration::from_secs(5 * 60);

/// What all runs of a process share: one AWS session with its credentials, one client for IAM and one for
/// S3 in each region, limits, and locks. A [`crate::Reconciler`] remembers what it read, so that a process
/// which does not end makes one for each step ([`crate::Reconciler::of`]).
pub struct Shared {
    pub(crate) session: SessionOptions,
    pub(crate) fetch: FetchOptions,
    pub(crate) read_file: ReadFile,
    pub(crate) role_reads: Semaphore,
    pub(crate) role_writes: Semaphore,
    account: Mutex<Arc<Account>>,
    /// Locks for resources that only one issuer may change at a time.
    locks: Mutex<HashMap<String, Arc<AsyncMutex<()>>>>,
}

/// The session and its clients, created when they are first needed: a folder needs none.
pub(crate) struct Account {
    began: Instant,
    is_first: bool,
    aws: OnceCell<Aws>,
    pub(crate) iam: OnceCell<Iam>,
}

pub(crate) struct Aws {
    pub(crate) config: SdkConfig,
    pub(crate) s3: S3Clients,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    /// A session is created when a target needs AWS.
    #[must_use]
    pub fn new(session: SessionOptions, fetch: FetchOptions, read_file: ReadFile) -> Self {
        Self {
            session,
            fetch,
            read_file,
            role_reads: Semaphore::new(ROLE_READS),
            role_writes: Semaphore::new(ROLE_WRITES),
            account: Mutex::new(Arc::new(Account::new(true))),
            locks: Mutex::default(),
        }
    }

    /// Makes a new session for the reconcilers that are created from now on, after an error that other
    /// credentials may mend: whoever repairs credentials changes files of which the SDK keeps what it once read,
    /// and the first error of a profile.
    pub fn renew_session_after(&self, error: &Error) {
        let mut account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        if wants_new_session(error, account.began.elapsed(), account.is_first) {
            *account = Arc::new(Account::new(false));
        }
    }

    /// Makes the issuers of the process take turns at the bucket of a target, if it has one: bucket policies
    /// have no conditional writes.
    pub(crate) async fn turn_at_bucket(&self, target: &Target) -> Option<OwnedMutexGuard<()>> {
        let (location, _) = target.s3()?;
        Some(self.alone(format!("bucket {}", location.bucket)).await)
    }

    pub(crate) fn account(&self) -> Arc<Account> {
        Arc::clone(&self.account.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Locks a role or a bucket policy for one issuer of the process: they have no conditional writes.
    pub(crate) async fn alone(&self, what: String) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
            // Nobody holds or waits for the others.
            locks.retain(|_, lock| Arc::strong_count(lock) > 1);
            Arc::clone(locks.entry(what).or_default())
        };
        lock.lock_owned().await
    }
}

fn wants_new_session(error: &Error, age: Duration, is_first: bool) -> bool {
    (error.is_of_credentials() && (is_first || age >= REFUSED_AGE))
        || (error.is_denied_by_aws() && age >= DENIED_AGE)
}

impl Account {
    fn new(is_first: bool) -> Self {
        Self { began: Instant::now(), is_first, aws: OnceCell::new(), iam: OnceCell::new() }
    }

    /// The session, with credentials and region as the default chain of the SDK finds them.
    pub(crate) async fn aws(&self, options: &SessionOptions) -> Result<&Aws, Error> {
        let load = || async {
            let config = issuer_session::load(options).await?;
            let s3 = S3Clients::new(config.clone());
            Ok(Aws { config, s3 })
        };
        self.aws.get_or_try_init(load).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_of_one_object_does_not_end_the_session_of_all_others() {
        let (code, message) = (None, "no".to_owned());
        let denied = issuer_cloudfront::Error::Denied { action: "a", message: message.clone() };
        let forbidden = issuer_cluster::Error::Forbidden {
            server: "https://a".to_owned(),
            verb: "get",
            resource: "secrets".to_owned(),
            message: message.clone(),
            doubt: None,
        };
        let refused = issuer_cloudfront::Error::Credentials { code, message };
        let of = |error: Error| {
            let ages = [(Duration::ZERO, true), (Duration::ZERO, false), (REFUSED_AGE, false)];
            let ages = ages.into_iter().chain([(DENIED_AGE, false)]);
            ages.map(|(age, is_first)| wants_new_session(&error, age, is_first)).collect::<Vec<_>>()
        };
        assert_eq!(of(denied.into()), [false, false, false, true]);
        assert_eq!(of(refused.into()), [true, false, true, true]);
        assert_eq!(of(forbidden.into()), [false, false, false, false]);
    }
}
