//! The engine of a run.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{StreamExt, stream};
use issuer_cloudfront::Distribution;
use issuer_discovery::IssuerUrl;
use issuer_iam::{Iam, RoleList, RoleName, Thumbprint};
use issuer_publish::{AccessMode, Fleets, Folder, Front, S3, S3Location, Store};
use issuer_session::{SdkConfig, SessionOptions};
use issuer_verify::FetchOptions;
use tokio::sync::{OnceCell, Semaphore};

use crate::shared::{Account, Aws};
use crate::{Error, Event, Events, ReadFile, Shared, SourceKeys, StoreTarget, Target};

/// The engine of a run: it remembers the roles, providers and distributions that it read.
pub struct Reconciler<'a> {
    pub(crate) shared: Arc<Shared>,
    pub(crate) events: &'a dyn Events,
    /// Whether it waits for minutes, until a distribution is deployed or disabled.
    pub(crate) waits: bool,
    account: Arc<Account>,
    roles: OnceCell<RoleList>,
    providers: OnceCell<Vec<String>>,
    /// The distributions that were looked up, by the place of their documents.
    fronts: Mutex<HashMap<String, Option<Distribution>>>,
    fleets: Fleets,
    /// The keys that were read before a distribution was created, by the place of the documents: a pipe
    /// cannot be read twice.
    keys: Mutex<HashMap<String, SourceKeys>>,
}

impl std::fmt::Debug for Reconciler<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reconciler").finish_non_exhaustive()
    }
}

impl<'a> Reconciler<'a> {
    /// An engine with a session of its own, which is created when a target needs AWS.
    #[must_use]
    pub fn new(
        session: SessionOptions,
        fetch: FetchOptions,
        read_file: ReadFile,
        events: &'a dyn Events,
    ) -> Self {
        Self::of(&Arc::new(Shared::new(session, fetch, read_file)), events)
    }

    /// An engine for one run, or one step, of a process with several.
    #[must_use]
    pub fn of(shared: &Arc<Shared>, events: &'a dyn Events) -> Self {
        Self {
            shared: Arc::clone(shared),
            events,
            waits: true,
            account: shared.account(),
            roles: OnceCell::new(),
            providers: OnceCell::new(),
            fronts: Mutex::default(),
            fleets: Fleets::default(),
            keys: Mutex::default(),
        }
    }

    /// The same, which does not wait until a distribution is deployed or disabled: that is an error
    /// ([`Error::is_in_progress`]), and a later run continues from there.
    #[must_use]
    pub fn without_waiting(self) -> Self {
        Self { waits: false, ..self }
    }

    /// The same for a run that plans each of these targets once: where many of them are in one bucket, their
    /// documents are listed.
    #[must_use]
    pub fn for_fleet(self, targets: &[Target]) -> Self {
        Self { fleets: Fleets::new(targets.iter().filter_map(Target::s3)), ..self }
    }

    async fn aws(&self) -> Result<&Aws, Error> {
        self.account.aws(&self.shared.session).await
    }

    /// The IAM of the account, which STS returns once for a session.
    ///
    /// # Errors
    /// [`Error::Session`], [`Error::Iam`].
    pub async fn iam(&self) -> Result<&Iam, Error> {
        let connect = || async {
            let iam = Iam::connect(&self.aws().await?.config).await?;
            let (account, partition) = (iam.account(), iam.partition().name);
            let text = format!("AWS: account {account} ({partition}){}", self.profile());
            self.events.event("", Event::Using(&text));
            Ok::<_, Error>(iam)
        };
        self.account.iam.get_or_try_init(connect).await
    }

    /// The configuration of the session.
    pub(crate) async fn sdk_config(&self) -> Result<&SdkConfig, Error> {
        Ok(&self.aws().await?.config)
    }

    /// The profile of the run, as an addition to a message.
    pub(crate) fn profile(&self) -> String {
        let profile = self.shared.session.profile.as_ref();
        profile.map(|profile| format!(", profile {profile}")).unwrap_or_default()
    }

    /// The account's roles as plans see them, which is a list of thousands: read once in a run.
    ///
    /// # Errors
    /// A denied or failed call.
    pub(crate) async fn roles(&self, iam: &Iam) -> Result<&RoleList, issuer_iam::Error> {
        self.roles.get_or_try_init(|| iam.list_roles()).await
    }

    /// The ARNs of the account's providers as plans see them, read once in a run.
    ///
    /// # Errors
    /// A denied or failed call.
    pub(crate) async fn providers(&self, iam: &Iam) -> Result<&[String], issuer_iam::Error> {
        Ok(self.providers.get_or_try_init(|| iam.list_providers()).await?)
    }

    /// The store of a target, if it has one; the default region is that of the bucket.
    ///
    /// # Errors
    /// [`Error::Session`], [`Error::Publish`].
    pub(crate) async fn store(&self, target: &Target) -> Result<Option<Store>, Error> {
        Ok(match target.site.as_ref().map(|site| &site.store) {
            None => None,
            Some(StoreTarget::Folder(folder)) => Some(Store::Folder(Folder::new(folder))),
            Some(StoreTarget::S3(location, options)) => {
                let fleet = self.fleets.of(location, options).cloned();
                let mut options = options.clone();
                options.endpoint_url =
                    options.endpoint_url.or_else(|| self.shared.session.endpoint_url.clone());
                let front = match options.access {
                    AccessMode::CloudFront => self.distribution(location).await?,
                    _ => None,
                };
                let front = front.map(|there| Front { arn: there.arn, domain: there.domain });
                let clients = &self.aws().await?.s3;
                let s3 = S3::connect(clients, location.clone(), options, fleet).await?;
                Some(Store::S3(Box::new(s3.behind(front))))
            }
        })
    }

    /// The issuer of a target, which may be derived from its store.
    ///
    /// # Errors
    /// [`Error::NoIssuer`]; an issuer URL that is not valid.
    pub(crate) fn url(&self, target: &Target, store: Option<&Store>) -> Result<IssuerUrl, Error> {
        match (&target.issuer, store) {
            (Some(url), _) => Ok(url.clone()),
            (None, Some(Store::S3(s3))) => Ok(IssuerUrl::parse(&s3.issuer_url()?, target.ports)?),
            (None, _) => Err(Error::NoIssuer { name: target.label() }),
        }
    }

    /// The same; the store is connected only if the issuer is derived from it.
    ///
    /// # Errors
    /// The region of the bucket cannot be read; the URL of the bucket is not a valid issuer.
    pub async fn issuer(&self, target: &Target) -> Result<IssuerUrl, Error> {
        match &target.issuer {
            Some(url) => Ok(url.clone()),
            None => self.url(target, self.store(target).await?.as_ref()),
        }
    }

    /// The thumbprint of the last certificate of the issuer's chain, if the target needs it.
    ///
    /// # Errors
    /// A chain that cannot be read.
    pub(crate) async fn top_of_chain(
        &self,
        target: &Target,
        url: &IssuerUrl,
    ) -> Result<Option<Thumbprint>, Error> {
        if !target.needs_top_of_chain() {
            return Ok(None);
        }
        Ok(Some(issuer_verify::top_of_chain(url, &self.shared.fetch).await?.parse()?))
    }

    /// Reads a role within the limit of the run.
    pub(crate) async fn read_role<R>(&self, work: impl Future<Output = R>) -> R {
        within(&self.shared.role_reads, work).await
    }

    /// Changes a role within the limit of the run, and for one issuer at a time.
    pub(crate) async fn change_role<R>(&self, name: &RoleName, work: impl Future<Output = R>) -> R {
        // Role names are not case-sensitive in IAM.
        let _turn = self.shared.alone(format!("role {name}").to_lowercase()).await;
        within(&self.shared.role_writes, issuer_diagnostic::write(work)).await
    }

    /// The distribution of a place, if it was looked up.
    pub(crate) fn remembered(&self, location: &S3Location) -> Option<Option<Distribution>> {
        let fronts = self.fronts.lock().unwrap_or_else(PoisonError::into_inner);
        fronts.get(&location.to_string()).cloned()
    }

    pub(crate) fn remember(&self, location: &S3Location, distribution: Option<Distribution>) {
        let mut fronts = self.fronts.lock().unwrap_or_else(PoisonError::into_inner);
        fronts.insert(location.to_string(), distribution);
    }

    pub(crate) fn keep_keys(&self, location: &S3Location, keys: SourceKeys) {
        let mut kept = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(location.to_string(), keys);
    }

    /// The keys that were kept for the next plan of a target.
    pub(crate) fn kept_keys(&self, target: &Target) -> Option<SourceKeys> {
        let (location, _) = target.behind_cloudfront()?;
        let mut kept = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        kept.remove(&location.to_string())
    }

    pub(crate) fn event(&self, target: &Target, event: Event<'_>) {
        self.events.event(&target.label(), event);
    }
}

/// Runs the work within a limit, which is never closed.
async fn within<R>(limit: &Semaphore, work: impl Future<Output = R>) -> R {
    let _permit = limit.acquire().await.ok();
    work.await
}

/// Processes the targets, at most `parallel` at a time, and hands on each result as it ends.
pub async fn each<T, R, F>(
    targets: impl IntoIterator<Item = T>,
    parallel: usize,
    work: impl Fn(T) -> F,
    mut ended: impl FnMut(R),
) where
    F: Future<Output = R>,
{
    let mut results = stream::iter(targets).map(work).buffer_unordered(parallel.max(1));
    while let Some(result) = results.next().await {
        ended(result);
    }
}
