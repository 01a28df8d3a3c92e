//! What the runs of one process share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use issuer_diagnostic::{Diagnostic as _, ErrorKind};
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
#[derive(Default)]
pub(crate) struct Account {
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
            account: Mutex::default(),
            locks: Mutex::default(),
        }
    }

    /// Makes a new session for the reconcilers that are created from now on: the configuration and
    /// credentials files are read again, since the SDK keeps what it once read of them, and the first
    /// error of a profile.
    fn renew_session(&self) {
        *self.account.lock().unwrap_or_else(PoisonError::into_inner) = Arc::default();
    }

    /// The same after an error that other credentials may mend: whoever repairs credentials changes files that
    /// the SDK does not read again.
    pub fn renew_session_after(&self, error: &Error) {
        if matches!(error, Error::Session(_)) || error.kind() == ErrorKind::NotPermitted {
            self.renew_session();
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

impl Account {
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
