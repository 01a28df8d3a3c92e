//! What a whole run shares.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{StreamExt, stream};
use issuer_iam::Iam;
use issuer_publish::{Folder, S3, S3Clients, Store};
use issuer_session::{SdkConfig, SessionOptions};
use issuer_verify::FetchOptions;
use tokio::sync::{Mutex as AsyncMutex, OnceCell, OwnedMutexGuard};

use crate::{Error, Event, Events, ReadFile, StoreTarget, Target};

/// Roles of one issuer that are read at the same time.
pub(crate) const ROLE_READS: usize = 64;

/// Roles of one issuer that are changed at the same time.
pub(crate) const ROLE_WRITES: usize = 16;

/// One AWS session, one client for IAM and one for S3 in each region, for all issuers of a run.
pub struct Reconciler<'a> {
    pub(crate) fetch: FetchOptions,
    pub(crate) read_file: ReadFile,
    pub(crate) events: &'a dyn Events,
    config: SdkConfig,
    /// The endpoint of the run, for buckets whose target names none.
    endpoint_url: Option<String>,
    s3: S3Clients,
    iam: OnceCell<Iam>,
    /// What several issuers of a run share, and only one may change at a time.
    shared: Mutex<HashMap<String, Arc<AsyncMutex<()>>>>,
}

impl std::fmt::Debug for Reconciler<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reconciler").finish_non_exhaustive()
    }
}

impl<'a> Reconciler<'a> {
    /// Finds credentials and region by the SDK's default chain; nothing is asked of AWS yet.
    ///
    /// # Errors
    /// [`Error::Session`].
    pub async fn connect(
        session: &SessionOptions,
        fetch: FetchOptions,
        read_file: ReadFile,
        events: &'a dyn Events,
    ) -> Result<Self, Error> {
        let config = issuer_session::load(session).await?;
        Ok(Self {
            fetch,
            read_file,
            events,
            endpoint_url: session.endpoint_url.clone(),
            s3: S3Clients::new(config.clone()),
            config,
            iam: OnceCell::new(),
            shared: Mutex::default(),
        })
    }

    /// The account's IAM; STS is asked once in a run whose account it is.
    ///
    /// # Errors
    /// [`Error::Iam`].
    pub async fn iam(&self) -> Result<&Iam, Error> {
        let connect = || async {
            let iam = Iam::connect(&self.config).await?;
            let detail = format!("account {} ({})", iam.account(), iam.partition().name);
            self.events.event("", Event::Detail(&detail));
            Ok::<_, Error>(iam)
        };
        self.iam.get_or_try_init(connect).await
    }

    /// The store of a target, and the bucket's own region where none is given.
    ///
    /// # Errors
    /// [`Error::Publish`].
    pub(crate) async fn store(&self, target: &StoreTarget) -> Result<Store, Error> {
        Ok(match target {
            StoreTarget::Folder(folder) => Store::Folder(Folder::new(folder)),
            StoreTarget::S3(location, options) => {
                let mut options = options.clone();
                options.endpoint_url = options.endpoint_url.or_else(|| self.endpoint_url.clone());
                let s3 = S3::connect(&self.s3, location.clone(), options).await?;
                Store::S3(Box::new(s3))
            }
        })
    }

    pub(crate) fn event(&self, target: &Target, event: Event<'_>) {
        self.events.event(&target.label(), event);
    }

    /// Waits until no other issuer of the run changes this: a role, or a bucket's policy, which
    /// have no conditional writes.
    pub(crate) async fn alone(&self, what: String) -> OwnedMutexGuard<()> {
        let lock = {
            let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(shared.entry(what).or_default())
        };
        lock.lock_owned().await
    }
}

/// Does the work of each target, at most `parallel` at a time; results in the order of the targets.
pub async fn each<T, R, F>(
    targets: impl IntoIterator<Item = T>,
    parallel: usize,
    work: impl Fn(T) -> F,
) -> Vec<R>
where
    F: Future<Output = R>,
{
    stream::iter(targets).map(work).buffered(parallel.max(1)).collect().await
}
