//! Reading everything that a plan depends on.

use futures_util::future::join_all;
use issuer_cloudfront::FrontState;
use issuer_cluster::Cluster;
use issuer_diagnostic::now_secs;
use issuer_discovery::{IssuerUrl, Partition};
use issuer_iam::{
    AccountId, DEFAULT_AUDIENCE, Documents, Iam, ProviderArn, ProviderState, RoleName, RoleState,
    Thumbprint,
};
use issuer_jwks::{Token, salvage};
use issuer_publish::{Purpose, Sighting, Store, StoreState};
use issuer_workload::WorkloadState;

use crate::{
    ClusterKeys, Error, Event, KeySource, MissingPolicy, Reconciler, SourceKeys, Target, front,
    keys,
};

/// What is read, and for which purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Scope {
    /// The purpose of reading the site.
    pub purpose: Purpose,
    /// Whether the keys are read; a deletion does not need them.
    pub keys: bool,
    /// Whether IAM is read even if the target has nothing in it.
    pub iam: bool,
    /// Whether orphaned roles are looked for, which lists the roles of the account.
    pub orphans: bool,
    /// Whether they are deleted, so that they are read completely.
    pub prune: bool,
}

/// The observed state of one issuer.
#[derive(Debug)]
#[non_exhaustive]
pub struct Observed {
    /// The issuer of the target, or the one derived from its store.
    pub url: IssuerUrl,
    /// The keys of the sources.
    pub keys: SourceKeys,
    /// The store, and its state.
    pub site: Option<(Store, StoreState)>,
    /// A fresh token of the cluster, if a live check is requested.
    pub live: Option<Token>,
    /// The keys that other fresh tokens were signed with.
    pub signing: Vec<Sighting>,
    /// The state of IAM, if it was read.
    pub iam: Option<ObservedIam>,
    /// The cluster whose pods use the roles, and its state.
    pub workload: Option<(Cluster, WorkloadState)>,
    /// The distribution that serves the documents, read for a deletion alone.
    pub front: Option<FrontState>,
}

/// The observed state of IAM for one issuer.
#[derive(Debug)]
#[non_exhaustive]
pub struct ObservedIam {
    /// The account.
    pub account: AccountId,
    /// Its partition.
    pub partition: Partition,
    /// The provider, if it was read; the other providers in the account only if one is declared.
    pub provider: Option<ProviderState>,
    /// The roles of the target, in order.
    pub roles: Vec<RoleState>,
    /// Policies that the roles are to have, and that do not exist.
    pub missing_policies: Vec<MissingPolicy>,
    /// Roles that were removed from the file.
    pub orphaned: Vec<(RoleName, RoleState)>,
    /// Names of all roles in the account that trust the issuer; read for a deletion.
    pub trusting: Vec<String>,
    /// Why orphaned roles could not be listed.
    pub orphaned_denied: Option<String>,
    /// The thumbprint of the last certificate of the chain, if it is requested.
    pub top_of_chain: Option<Thumbprint>,
}

impl Observed {
    /// The keys that tokens were seen to be signed with: fresh ones, and one that was given.
    pub(crate) fn sightings(&self, given: Option<&Token>) -> Vec<Sighting> {
        let fresh = self.live.iter().map(|token| (token, now_secs()));
        // A given token may have been signed a while ago.
        let given = given.and_then(|token| Some((token, token.claims().get("iat")?.as_u64()?)));
        let seen =
            |(token, secs): (&Token, u64)| Some(Sighting { kid: token.kid()?.to_owned(), secs });
        fresh.chain(given).filter_map(seen).chain(self.signing.iter().cloned()).collect()
    }
}

impl Scope {
    /// For [`crate::IssuerPlan`].
    #[must_use]
    pub fn apply(prune: bool) -> Self {
        Self { purpose: Purpose::Plan, keys: true, iam: prune, orphans: true, prune }
    }

    /// The same with or without the search for orphaned roles.
    #[must_use]
    pub fn with_orphans(self, orphans: bool) -> Self {
        Self { orphans, ..self }
    }

    /// For [`crate::DeletionPlan`]; `trust` checks whether a provider trusts the issuer.
    #[must_use]
    pub fn delete(prune: bool, trust: bool) -> Self {
        Self { purpose: Purpose::Remove, keys: false, iam: prune || trust, orphans: true, prune }
    }
}

impl Reconciler<'_> {
    /// Reads keys, store, provider and roles; independent requests are sent concurrently.
    ///
    /// # Errors
    /// A state that cannot be read; an issuer URL that is not known.
    pub async fn observe(&self, target: &Target, scope: Scope) -> Result<Observed, Error> {
        // Files first: their errors are reported before the network is used.
        let mut keys = self.read_keys(target, scope).await?;
        let store = match self.store(target).await {
            Err(error) if is_of_no_bucket(&error, target, scope.purpose) => None,
            store => store?,
        };
        let url = self.url(target, store.as_ref());
        let url = url.or_else(|error| front::without_distribution(error, scope.purpose))?;
        if let Some(store) = &store {
            self.using(target, store);
        }
        let state = async {
            match &store {
                Some(store) => Ok::<_, Error>(Some(store.read(scope.purpose).await?)),
                None => Ok(None),
            }
        };
        let iam = async {
            if scope.iam || target.needs_iam() {
                self.observe_iam(target, &url, scope).await.map(Some)
            } else {
                Ok(None)
            }
        };
        let (state, iam, live, workload) = tokio::join!(
            state,
            iam,
            self.live_token(target, scope),
            self.observe_workload(target, &url, scope)
        );
        let front = self.front_to_delete(target, scope.purpose).await?;
        // Errors of IAM take precedence over those of the store: they affect the whole run.
        let (iam, state, live, workload) = (iam?, state?, live?, workload?);
        if let Some(bucket) = state.as_ref().and_then(|state| state.bucket.as_ref()) {
            let denied = bucket.state.preflight.denied();
            if !denied.is_empty() {
                let text = format!(
                    "not checked, since the credentials do not permit it: {}",
                    denied.join(", ")
                );
                self.event(target, Event::Detail(&text));
            }
        }
        if let Some(state) = &state {
            self.look_up_issuers(&mut keys, state, target).await?;
        }
        let (site, signing) = (store.zip(state), Vec::new());
        Ok(Observed { url, keys, site, live, signing, iam, workload, front })
    }

    /// The keys of a target's sources.
    ///
    /// # Errors
    /// Those of the sources.
    pub(crate) async fn read_keys(
        &self,
        target: &Target,
        scope: Scope,
    ) -> Result<SourceKeys, Error> {
        let Some(site) = target.site.as_ref().filter(|_| scope.keys) else {
            return Ok(SourceKeys::default());
        };
        if let Some(keys) = self.kept_keys(target) {
            return Ok(keys);
        }
        let (weak, label) = (site.options.weak, target.label());
        keys::read_keys(
            &site.keys,
            weak,
            self.shared.read_file,
            &self.shared.fetch,
            &label,
            self.events,
        )
        .await
    }

    /// Looks up the issuers of clusters whose keys are new here: that takes more permissions than
    /// reading the keys, and only then a plan depends on it.
    async fn look_up_issuers(
        &self,
        keys: &mut SourceKeys,
        state: &StoreState,
        target: &Target,
    ) -> Result<(), Error> {
        if keys.clusters.is_empty() {
            return Ok(());
        }
        let is_new = new_here(state, target);
        for cluster in keys.clusters.iter_mut().filter(|cluster| is_new(cluster)) {
            cluster.look_up_issuer().await?;
        }
        Ok(())
    }

    /// The clusters whose issuers [`Reconciler::observe`] looks up; `None` if their keys or the
    /// published ones cannot be read here.
    pub(crate) async fn looked_up(&self, target: &Target) -> Option<Vec<KeySource>> {
        let scope = Scope::apply(false);
        let store = self.store(target).await.ok()??;
        let keys = self.read_keys(target, scope).await.ok()?;
        let state = store.read(scope.purpose).await.ok()?;
        let is_new = new_here(&state, target);
        let clusters = keys.clusters.into_iter().filter(|cluster| is_new(cluster));
        Some(clusters.map(|cluster| cluster.source).collect())
    }

    async fn live_token(&self, target: &Target, scope: Scope) -> Result<Option<Token>, Error> {
        let live = target.site.as_ref().and_then(|site| site.live.as_ref());
        let Some(live) = live.filter(|_| scope.keys) else { return Ok(None) };
        let account = &live.account;
        let waits_for = format!("requesting a fresh token for {account}");
        self.event(target, Event::Waiting(&waits_for));
        let cluster = Cluster::connect(&live.connection).await?;
        let waits_for = format!("{waits_for} from {}", cluster.place());
        self.event(target, Event::Waiting(&waits_for));
        let token = cluster.fresh_token(account, DEFAULT_AUDIENCE).await?;
        self.event(target, Event::Waited);
        Ok(Some(token))
    }

    async fn observe_iam(
        &self,
        target: &Target,
        url: &IssuerUrl,
        scope: Scope,
    ) -> Result<ObservedIam, Error> {
        let iam = self.iam().await?;
        let top_of_chain = async {
            match scope.keys {
                true => self.top_of_chain(target, url).await,
                false => Ok(None),
            }
        };
        let provider = async {
            Ok::<_, issuer_iam::Error>(match target.provider.is_some() && scope.keys {
                true => {
                    let (alone, all) =
                        tokio::join!(iam.find_provider_alone(url), self.providers(iam));
                    Some(alone?.among(all?))
                }
                false if target.name.is_none() => self.missing_provider(iam, target, url).await?,
                false => Some(iam.find_provider_alone(url).await?),
            })
        };
        let none = Documents::new();
        let roles = join_all(target.roles.iter().map(|role| {
            let inline = role.inline.as_ref().unwrap_or(&none);
            let managed = role.managed.as_ref().unwrap_or(&none);
            self.read_role(iam.find_role(&role.name, inline, managed))
        }));
        // Only roles of a file can be orphaned.
        let asks = target.name.is_some() && scope.orphans && (target.needs_iam() || scope.prune);
        let orphaned = async {
            match asks {
                true => self.orphaned(iam, target, url, scope.prune).await,
                false => Ok((Vec::new(), None)),
            }
        };
        let trusting = async {
            match asks && !scope.keys {
                true => self.trusting(iam, url).await,
                false => Vec::new(),
            }
        };
        let (top_of_chain, provider, roles, orphaned, trusting) =
            tokio::join!(top_of_chain, provider, roles, orphaned, trusting);
        let (orphaned, orphaned_denied) = orphaned?;
        let provider = provider?;
        let roles: Vec<RoleState> = roles.into_iter().collect::<Result<_, _>>()?;
        let missing_policies = match scope.keys {
            true => self.missing_policies(iam, target, url, &roles).await?,
            false => Vec::new(),
        };
        Ok(ObservedIam {
            account: iam.account().clone(),
            partition: iam.partition(),
            provider,
            roles,
            missing_policies,
            orphaned,
            trusting,
            orphaned_denied,
            top_of_chain: top_of_chain?,
        })
    }

    /// Names of the roles that trust the issuer. That they cannot be listed is said of the orphaned
    /// roles, which are in the same list.
    async fn trusting(&self, iam: &Iam, url: &IssuerUrl) -> Vec<String> {
        let arn = ProviderArn::new(iam.partition(), iam.account(), url).ok();
        match (self.roles(iam).await, arn) {
            (Ok(roles), Some(arn)) => {
                roles.trusting(Some(&arn)).into_iter().map(|role| role.name).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The state if the account has no provider for the issuer of the roles, and the providers that
    /// it has. Roles alone need no permissions on providers, so a denied call is only reported.
    async fn missing_provider(
        &self,
        iam: &Iam,
        target: &Target,
        url: &IssuerUrl,
    ) -> Result<Option<ProviderState>, issuer_iam::Error> {
        if target.roles.is_empty() {
            return Ok(None);
        }
        let arn = ProviderArn::new(iam.partition(), iam.account(), url)?.to_string();
        match self.providers(iam).await {
            Ok(all) if all.contains(&arn) => Ok(None),
            Ok(all) => Ok(Some(ProviderState { arn, provider: None, others: all.to_vec() })),
            Err(issuer_iam::Error::Denied { action, .. }) => {
                let detail =
                    format!("{action} is denied, so the OIDC provider of {url} was not looked up");
                self.event(target, Event::Detail(&detail));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Roles that were removed from the file, according to their tags. Without `prune` a denied
    /// call is only reported: the run does not depend on it.
    pub(crate) async fn orphaned(
        &self,
        iam: &Iam,
        target: &Target,
        url: &IssuerUrl,
        prune: bool,
    ) -> Result<(Vec<(RoleName, RoleState)>, Option<String>), Error> {
        match self.find_orphaned(iam, target, url, prune).await {
            Ok(orphaned) => Ok((orphaned, None)),
            Err(issuer_iam::Error::Denied { action, resource, .. }) if !prune => {
                Ok((Vec::new(), Some(format!("{action} on {resource} is denied"))))
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn find_orphaned(
        &self,
        iam: &Iam,
        target: &Target,
        url: &IssuerUrl,
        prune: bool,
    ) -> Result<Vec<(RoleName, RoleState)>, issuer_iam::Error> {
        let file = target.name.as_deref().unwrap_or_default();
        let in_file = |name: &RoleName| target.roles.iter().any(|role| role.name == *name);
        let names = self.roles(iam).await?.of(url)?.into_iter().filter(|name| !in_file(name));
        let none = Documents::new();
        let found = join_all(names.map(|name| {
            let none = &none;
            self.read_role(async move {
                let Some(state) = iam.role_from_file(&name, url, file).await? else {
                    return Ok(None);
                };
                let state = match prune {
                    true => iam.find_role(&name, none, none).await?,
                    false => state,
                };
                Ok::<_, issuer_iam::Error>(Some((name, state)))
            })
        }));
        let found = found.await.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(found.into_iter().flatten().collect())
    }
}

/// Whether there is no bucket, so that a deletion finds nothing in it: only that of a bucket which would be
/// created has a region that nobody knows.
fn is_of_no_bucket(error: &Error, target: &Target, purpose: Purpose) -> bool {
    let is_unknown = matches!(error, Error::Publish(issuer_publish::Error::NoRegion { .. }));
    is_unknown && purpose == Purpose::Remove && target.issuer.is_some()
}

/// Whether a cluster is new here: there are published keys, and none of them is its own.
fn new_here(state: &StoreState, target: &Target) -> impl Fn(&ClusterKeys) -> bool {
    let weak = target.site.as_ref().map(|site| site.options.weak).unwrap_or_default();
    let published = state.keys.as_ref().map(|stored| salvage(&stored.bytes, weak).set);
    let published = published.unwrap_or_default();
    move |cluster| !published.is_empty() && !cluster.shares_a_key_with(&published)
}

#[cfg(test)]
mod tests {
    use issuer_discovery::Ports;

    use super::*;

    #[test]
    fn a_deletion_goes_on_although_the_bucket_is_gone() {
        let error = Error::Publish(issuer_publish::Error::NoRegion { bucket: "my-oidc".into() });
        let url = IssuerUrl::parse("https://oidc.example.com", Ports::Refuse).unwrap();
        let target = Target::of(url);
        assert!(is_of_no_bucket(&error, &target, Purpose::Remove));
        assert!(!is_of_no_bucket(&error, &target, Purpose::Plan));
        let denied = Error::Publish(issuer_publish::Error::NoKeys);
        assert!(!is_of_no_bucket(&denied, &target, Purpose::Remove));
        // Without an issuer nothing is known to delete.
        let target = Target { issuer: None, ..target };
        assert!(!is_of_no_bucket(&error, &target, Purpose::Remove));
    }
}
