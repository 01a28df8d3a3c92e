//! Proving that pods get what the roles promise: a fresh token of each role is judged as AWS STS would,
//! and exchanged for credentials on request.

use std::time::Duration;

use futures_util::future::try_join_all;
use issuer_change::Notice;
use issuer_cluster::{Cluster, ServiceAccountRef};
use issuer_diagnostic::now_secs;
use issuer_discovery::IssuerUrl;
use issuer_iam::DEFAULT_AUDIENCE;
use issuer_jwks::Token;
use issuer_publish::Sighting;
use issuer_verify::{Expected, Observation, Verdict};
use issuer_workload::{RoleGrant, WorkloadPlan};

use crate::{Error, Event, IssuerPlan, KeySource, Observed, Reconciler, Target};

/// How long a role that this run changed may take to be known everywhere.
const SPREAD_LIMIT: Duration = Duration::from_secs(60);

/// How a role is proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProofOptions {
    /// Whether the issuer is read the way AWS STS does; otherwise only the issuer and the signature of
    /// the token are checked.
    pub verify: bool,
    /// Whether the token is exchanged for credentials.
    pub exchange: bool,
}

/// A fresh token of a ServiceAccount, and what AWS STS makes of it.
#[derive(Debug, Clone, PartialEq)]
pub struct RoleProof {
    /// The name of the role.
    pub role: String,
    /// `NAMESPACE/NAME`.
    pub account: String,
    /// How the token was judged, if the issuer was read.
    pub verdict: Option<Verdict>,
    /// Whose credentials it was exchanged for.
    pub assumed_role: Option<String>,
}

impl Reconciler<'_> {
    /// Proves the roles of an issuer, after its plan was executed. Nothing is proved of a role without
    /// a ServiceAccount.
    ///
    /// # Errors
    /// [`Error::OtherIssuer`], [`Error::NotProved`], [`Error::NotLive`]; STS gives no credentials.
    pub async fn prove(
        &self,
        target: &Target,
        seen: &Observed,
        plan: &IssuerPlan,
        options: ProofOptions,
    ) -> Result<Vec<RoleProof>, Error> {
        let (Some((cluster, state)), Some((spec, workload))) = (&seen.workload, &plan.workload)
        else {
            return Ok(Vec::new());
        };
        self.event(target, Event::Waiting("requesting a fresh token for each role"));
        let tokens = spec.roles.iter().map(|role| self.token_of(target, cluster, role, workload));
        let tokens: Vec<_> = try_join_all(tokens).await?.into_iter().flatten().collect();
        self.event(target, Event::Waited);
        for (_, _, token) in &tokens {
            let signs = token.claims().get("iss").and_then(|iss| iss.as_str());
            check_issuer(target, cluster, &seen.url, signs.unwrap_or_default()).await?;
        }
        if let Some(issuer) = state.issuer.as_deref().filter(|_| tokens.is_empty()) {
            // Without a token, what the API server says of itself.
            check_issuer(target, cluster, &seen.url, issuer).await?;
        }
        let observation = match options.verify && !tokens.is_empty() {
            true => Some(self.observation(target, &seen.url).await?),
            false => None,
        };
        let patience = if plan.wrote() { SPREAD_LIMIT } else { Duration::ZERO };
        let exchange = options.exchange.then_some(patience);
        self.record(target, seen, plan, tokens.iter().map(|(_, _, token)| token)).await;
        let proofs = tokens.iter().map(|(role, account, token)| {
            let proof = Proof { target, seen, plan, observation: observation.as_ref(), exchange };
            self.prove_role(proof, role, account, token)
        });
        try_join_all(proofs).await
    }

    /// Records which published keys the tokens are signed with: they must stay for a while.
    async fn record(
        &self,
        target: &Target,
        seen: &Observed,
        plan: &IssuerPlan,
        tokens: impl Iterator<Item = &Token>,
    ) {
        let (Some((store, _)), Some(site)) = (&seen.site, &plan.site) else { return };
        let is_ours =
            |token: &&Token| issuer_cluster::check_live(token, site.plan.keys(), &seen.url).is_ok();
        let sighting =
            |token: &Token| Some(Sighting { kid: token.kid()?.to_owned(), secs: now_secs() });
        let sightings: Vec<Sighting> = tokens.filter(is_ours).filter_map(sighting).collect();
        let recorded = issuer_publish::record_sightings(store, &site.plan, &sightings).await;
        if let Err(error) = recorded {
            let message = format!(
                "that the cluster signs with a published key could not be recorded: {error}"
            );
            self.event(target, Event::Notice(&Notice { id: "not-recorded".into(), message }));
        }
    }

    /// A token of one of the role's ServiceAccounts; that there is none is reported.
    async fn token_of<'r>(
        &self,
        target: &Target,
        cluster: &Cluster,
        role: &'r RoleGrant,
        plan: &WorkloadPlan,
    ) -> Result<Option<(&'r RoleGrant, ServiceAccountRef, Token)>, Error> {
        let planned = plan.account_of(&role.arn).map(|(space, name)| format!("{space}/{name}"));
        let literal = || role.accounts.iter().find(|account| account.is_literal());
        let name = planned.or_else(|| literal().map(ToString::to_string));
        let unproved = |reason: &str| {
            let message = format!("the role {} is not proved: {reason}", role.name);
            self.event(target, Event::Notice(&Notice { id: "not-proved".into(), message }));
        };
        let Some(account) = name.and_then(|name| name.parse::<ServiceAccountRef>().ok()) else {
            unproved("it has no ServiceAccount yet");
            return Ok(None);
        };
        let audience = role.audience.as_deref().unwrap_or(DEFAULT_AUDIENCE);
        match cluster.fresh_token(&account, audience).await {
            Ok(token) => Ok(Some((role, account, token))),
            Err(issuer_cluster::Error::NotFound { .. }) => {
                unproved(&format!("the ServiceAccount {account} does not exist"));
                Ok(None)
            }
            Err(
                error @ (issuer_cluster::Error::Forbidden { .. }
                | issuer_cluster::Error::Terminating { .. }),
            ) => {
                unproved(&error.to_string());
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn observation(&self, target: &Target, url: &IssuerUrl) -> Result<Observation, Error> {
        match target.folder() {
            Some(folder) => Ok(issuer_verify::read_folder(folder)?),
            None => Ok(issuer_verify::fetch(url, &self.shared.fetch).await?),
        }
    }

    async fn prove_role(
        &self,
        proof: Proof<'_>,
        role: &RoleGrant,
        account: &ServiceAccountRef,
        token: &Token,
    ) -> Result<RoleProof, Error> {
        let verdict = proof.judge(role, account, token)?;
        let assumed_role = match proof.exchange {
            None => None,
            Some(patience) => {
                let (config, token) = (self.sdk_config().await?, token.compact());
                let whose = issuer_iam::assume_with_token(config, &role.arn, &token, patience);
                Some(whose.await?)
            }
        };
        let proved = RoleProof {
            role: role.name.clone(),
            account: account.to_string(),
            verdict,
            assumed_role,
        };
        self.event(proof.target, Event::Proved(&proved));
        Ok(proved)
    }
}

/// What the proofs of an issuer have in common.
#[derive(Clone, Copy)]
struct Proof<'a> {
    target: &'a Target,
    seen: &'a Observed,
    plan: &'a IssuerPlan,
    observation: Option<&'a Observation>,
    exchange: Option<Duration>,
}

impl Proof<'_> {
    /// Judges a token; without an observation, its signature by the keys that were published.
    fn judge(
        &self,
        role: &RoleGrant,
        account: &ServiceAccountRef,
        token: &Token,
    ) -> Result<Option<Verdict>, Error> {
        let url = &self.seen.url;
        let keys = self.plan.site.as_ref().map(|site| site.plan.keys());
        let Some(observation) = self.observation else {
            if let Some(keys) = keys {
                issuer_cluster::check_live(token, keys, url)
                    .map_err(|fault| Error::NotProvedLive { role: role.name.clone(), fault })?;
            }
            return Ok(None);
        };
        let target = self.target.roles.iter().find(|own| own.name.as_str() == role.name);
        let audiences = target.map(|own| own.audiences.iter().map(ToString::to_string).collect());
        let expected = Expected {
            issuer: Some(url.clone()),
            token: Some(token.compact()),
            audiences: audiences.unwrap_or_default(),
            now_secs: now_secs(),
            ..Expected::default()
        };
        let verdict = issuer_verify::judge(observation, &expected);
        if verdict.passed() {
            return Ok(Some(verdict));
        }
        let (issuer, verdict) = (url.clone(), Box::new(verdict));
        Err(Error::NotProved {
            role: role.name.clone(),
            account: account.to_string(),
            issuer,
            verdict,
        })
    }
}

/// # Errors
/// [`Error::OtherIssuer`].
async fn check_issuer(
    target: &Target,
    cluster: &Cluster,
    url: &IssuerUrl,
    signs: &str,
) -> Result<(), Error> {
    if signs == url.as_str() {
        return Ok(());
    }
    // It only makes the advice more precise.
    let version = cluster.version().await.unwrap_or_default();
    Err(Error::OtherIssuer {
        server: cluster.place(),
        signs: signs.to_owned(),
        issuer: url.clone(),
        distribution: distribution(target, &version),
    })
}

/// Which distribution it is, as far as the file and the version of the API server say so.
fn distribution(target: &Target, version: &str) -> Option<&'static str> {
    let suffixes = [("+k3s", "k3s"), ("+rke2", "rke2"), ("+k0s", "k0s")];
    if let Some((_, name)) = suffixes.into_iter().find(|(suffix, _)| version.contains(suffix)) {
        return Some(name);
    }
    let mut keys = target.site.iter().flat_map(|site| &site.keys);
    keys.find_map(|source| match source {
        KeySource::Secret { namespace, .. } => {
            let is_default = *namespace == issuer_cluster::Namespace::default();
            Some(if is_default { "eks-anywhere" } else { "cluster-api" })
        }
        _ => None,
    })
}
