//! Planning: pure functions from the observed state to changes.

use issuer_change::{Action, Change, ChangeSet, Describe, Kind, Notice, Reason, Resource};
use issuer_cloudfront::FrontRemoval;
use issuer_cluster::LiveFault;
use issuer_discovery::IssuerUrl;
use issuer_iam::{
    Documents, Provider, ProviderPlan, ProviderSpec, RoleDeletion, RoleName, RolePlan, RoleSpec,
};
use issuer_jwks::{Jwk, PublicKey};
use issuer_publish::{KeyChange, Plan, Removal, Site};
use issuer_workload::{WorkloadDeletion, WorkloadPlan, WorkloadSpec};

use crate::{
    ClusterKeys, Error, KeySource, Observed, OtherCluster, SiteTarget, Target, front, keys,
    workload,
};

/// The plan for one issuer.
#[derive(Debug, Clone, PartialEq)]
pub struct IssuerPlan {
    /// The issuer.
    pub url: IssuerUrl,
    /// The two documents and their store.
    pub site: Option<PlannedSite>,
    /// The provider.
    pub provider: Option<(ProviderSpec, ProviderPlan)>,
    /// The roles, in the order of the target.
    pub roles: Vec<(RoleSpec, RolePlan)>,
    /// Roles that were removed from the file.
    pub orphaned: Vec<OrphanedRole>,
    /// The cluster whose pods use the roles.
    pub workload: Option<(WorkloadSpec, WorkloadPlan)>,
    /// Warnings for the user, in addition to those of the plans.
    pub notices: Vec<Notice>,
}

/// The desired site, and the plan for it.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedSite {
    /// The desired site.
    pub site: Site,
    /// The plan for it.
    pub plan: Plan,
}

/// A role that was removed from the file.
#[derive(Debug, Clone, PartialEq)]
pub struct OrphanedRole {
    /// Its name.
    pub name: RoleName,
    /// Its ARN.
    pub arn: String,
    /// Its deletion, if requested.
    pub deletion: Option<RoleDeletion>,
}

/// The deletion plan for one issuer.
#[derive(Debug, Clone, PartialEq)]
pub struct DeletionPlan {
    /// The issuer.
    pub url: IssuerUrl,
    /// The provider, and the reason why it is kept, if any.
    pub provider: Option<(Provider, Option<Reason>)>,
    /// The roles of the target.
    pub roles: Vec<DeclaredRole>,
    /// Roles that were removed from the file earlier.
    pub orphaned: Vec<OrphanedRole>,
    /// The two documents and their store.
    pub site: Option<Removal>,
    /// The distribution that serves the documents.
    pub front: Option<FrontRemoval>,
    /// The cluster whose pods use the roles.
    pub workload: Option<(WorkloadSpec, WorkloadDeletion)>,
    /// Warnings for the user.
    pub notices: Vec<Notice>,
    /// Whether the execution has deleted the provider.
    pub(crate) provider_deleted: bool,
}

/// A role of the target, and its deletion.
#[derive(Debug, Clone, PartialEq)]
pub struct DeclaredRole {
    /// Its name.
    pub name: RoleName,
    /// Customer managed policies of the role in the target.
    pub managed: Documents,
    /// Its deletion.
    pub deletion: RoleDeletion,
}

impl IssuerPlan {
    /// Compares the target with the observed state. `prune` deletes orphaned roles.
    ///
    /// # Errors
    /// An existing state that conflicts with the target; keys of another cluster; a fresh token of an
    /// unknown key; [`Error::MissingPolicies`].
    pub fn new(target: &Target, seen: &Observed, prune: bool) -> Result<Self, Error> {
        let mut plan = Self {
            url: seen.url.clone(),
            site: None,
            provider: None,
            roles: Vec::new(),
            orphaned: Vec::new(),
            workload: None,
            notices: seen.keys.notices_for(&seen.url),
        };
        // The API server may be a source of keys as well.
        if let Some(notice) = other_issuer_of_pods(seen)
            && !plan.notices.contains(&notice)
        {
            plan.notices.push(notice);
        }
        plan.plan_site(target, seen)?;
        plan.plan_iam(target, seen, prune)?;
        if let (Some(spec), Some((_, state))) =
            (workload::requested(target, &seen.url, &plan.roles, prune), &seen.workload)
        {
            let planned = WorkloadPlan::new(&spec, state)?;
            plan.workload = Some((spec, planned));
        }
        Ok(plan)
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.site.as_ref().is_none_or(|site| site.plan.is_empty())
            && self.provider.as_ref().is_none_or(|(_, plan)| plan.is_empty())
            && self.roles.iter().all(|(_, plan)| plan.is_empty())
            && deletions(&self.orphaned).all(|deletion| deletion.steps.is_empty())
            && self.workload.as_ref().is_none_or(|(_, plan)| plan.is_empty())
    }

    /// The keys that it adds to the published ones.
    pub fn added_keys(&self) -> impl Iterator<Item = &Jwk> {
        let changes = self.site.iter().flat_map(|site| site.plan.key_changes());
        changes.filter(|(_, change)| *change == KeyChange::Added).map(|(jwk, _)| jwk)
    }

    /// Whether the execution has changed anything, also if it failed.
    #[must_use]
    pub fn wrote(&self) -> bool {
        self.site.as_ref().is_some_and(|site| site.plan.wrote())
            || self.provider.as_ref().is_some_and(|(_, plan)| plan.wrote())
            || self.roles.iter().any(|(_, plan)| plan.wrote())
            || deletions(&self.orphaned).any(RoleDeletion::wrote)
            || self.workload.as_ref().is_some_and(|(_, plan)| plan.wrote())
    }

    fn plan_site(&mut self, target: &Target, seen: &Observed) -> Result<(), Error> {
        let (Some(wanted), Some((store, state))) = (&target.site, &seen.site) else {
            return Ok(());
        };
        let site = Site {
            foreign: seen.keys.foreign.clone(),
            retired: seen.keys.retired.clone(),
            by: wanted.by.clone(),
            seen: seen.sightings(wanted.token.as_ref()),
            ..Site::new(seen.keys.keys.clone(), seen.url.clone(), wanted.shape)
        };
        let plan = Plan::new(&store.location(), &site, state, &wanted.options)?;
        self.notices.extend(approve(&plan, wanted, seen)?);
        self.site = Some(PlannedSite { site, plan });
        Ok(())
    }

    fn plan_iam(&mut self, target: &Target, seen: &Observed, prune: bool) -> Result<(), Error> {
        let Some(iam) = &seen.iam else { return Ok(()) };
        let spec = target.provider_spec(&seen.url, iam.top_of_chain.as_ref());
        match (spec, &iam.provider) {
            (Some(spec), Some(state)) => {
                let plan = ProviderPlan::new(&spec, state)?;
                self.provider = Some((spec, plan));
            }
            (None, Some(state)) if state.provider.is_none() && !target.roles.is_empty() => {
                let near = state
                    .nearest()
                    .map_or_else(String::new, |(arn, how)| format!("; there is {arn}, {how}"));
                let message = format!(
                    "the account {} has no OIDC provider for {} and none is requested: no token \
                     can assume the roles{near}",
                    iam.account, seen.url
                );
                self.notices.push(Notice { id: "no-provider".into(), message });
            }
            _ => {}
        }
        let specs = target.role_specs(&seen.url, &iam.account, iam.partition);
        for (spec, state) in specs.into_iter().zip(&iam.roles) {
            let plan = RolePlan::new(&spec, state)?;
            self.roles.push((spec, plan));
        }
        if !iam.missing_policies.is_empty() {
            return Err(Error::MissingPolicies(iam.missing_policies.clone()));
        }
        let (orphaned, notice) = orphaned(seen, prune);
        self.orphaned = orphaned;
        self.notices.extend(notice);
        Ok(())
    }
}

/// A cluster that is not known to have this issuer, and none of whose keys is published while others
/// are, is most probably the wrong one: whoever controls it could sign tokens for every role of this
/// issuer. A fresh token that one of its keys verifies proves that it is the right one.
///
/// # Errors
/// [`Error::OtherCluster`].
fn refuse_other_cluster(
    plan: &Plan,
    seen: &Observed,
    other_cluster: OtherCluster,
) -> Result<(), Error> {
    let published = || plan.key_changes().iter().filter(|(_, change)| *change != KeyChange::Added);
    if other_cluster == OtherCluster::Allow || published().next().is_none() {
        return Ok(());
    }
    let is_known_secret = |cluster: &ClusterKeys| {
        other_cluster == OtherCluster::KnownSecret
            && matches!(cluster.source, KeySource::Secret { .. })
            && cluster.issuer.is_none()
    };
    let is_published = |key: &PublicKey| published().any(|(jwk, _)| jwk.key == *key);
    let is_proven = |cluster: &ClusterKeys| {
        let proves =
            |token| issuer_cluster::check_live(token, &cluster.keys, plan.issuer()).is_ok();
        seen.live.as_ref().is_some_and(proves)
    };
    let is_known = |cluster: &&ClusterKeys| {
        cluster.is_of(&seen.url)
            || cluster.keys.keys().iter().any(|jwk| is_published(&jwk.key))
            || is_known_secret(cluster)
            || is_proven(cluster)
    };
    let sets = seen.keys.sets.iter().filter(|_| other_cluster == OtherCluster::RefuseSets);
    match seen.keys.clusters.iter().chain(sets).find(|cluster| !is_known(cluster)) {
        None => Ok(()),
        Some(cluster) => Err(Error::OtherCluster {
            location: plan.location().to_owned(),
            cluster: Box::new(cluster.clone()),
        }),
    }
}

/// Checks that the keys of a plan are those of the cluster of this issuer, and that every token of the
/// cluster, fresh or given, is signed by one of them. If the missing key may be dropped, that is said.
///
/// # Errors
/// [`Error::OtherCluster`], [`Error::NotLive`].
pub(crate) fn approve(
    plan: &Plan,
    wanted: &SiteTarget,
    seen: &Observed,
) -> Result<Vec<Notice>, Error> {
    refuse_other_cluster(plan, seen, wanted.other_cluster)?;
    let mut notices = Vec::new();
    for token in seen.live.iter().chain(&wanted.token) {
        match issuer_cluster::check_live(token, plan.keys(), plan.issuer()) {
            Ok(()) => {}
            Err(LiveFault::WrongKey { signing, .. }) if wanted.options.drop_live_key => {
                notices.push(Notice {
                    id: "live-key-dropped".into(),
                    message: format!(
                        "the cluster signs with the key {signing:?}, which will not be published: \
                         the tokens of all its pods will be rejected"
                    ),
                });
            }
            Err(fault) => return Err(Error::NotLive { fault }),
        }
    }
    Ok(notices)
}

impl DeletionPlan {
    /// Plans a deletion from the observed state. `force` deletes a provider and documents that
    /// issuerctl did not create; `prune` deletes orphaned roles.
    ///
    /// # Errors
    /// The documents belong to a different issuer.
    pub fn new(target: &Target, seen: &Observed, prune: bool, force: bool) -> Result<Self, Error> {
        let site = match &seen.site {
            Some((store, state)) => Some(Removal::new(&store.location(), &seen.url, state, force)?),
            None => None,
        };
        let why_kept = |provider: &Provider| match provider.is_ours() {
            _ if force => None,
            false => Some(Reason::Unmanaged),
            true if target.provider.is_none() => Some(Reason::NotInFile),
            true => None,
        };
        let iam = seen.iam.as_ref();
        let provider = iam.and_then(|iam| iam.provider.as_ref()?.provider.clone());
        let asks_roles = target.needs_iam() || prune;
        let roles = iam.iter().filter(|_| asks_roles).flat_map(|iam| &iam.roles);
        let roles = target.roles.iter().zip(roles).map(|(role, state)| DeclaredRole {
            name: role.name.clone(),
            managed: role.managed.clone().unwrap_or_default(),
            deletion: RoleDeletion::new(state, Some(&seen.url)),
        });
        let (orphaned, notice) = orphaned(seen, prune);
        let notices = notice.into_iter().chain(staying(target, seen));
        let notices = notices.chain(front::unknown_issuer(&seen.url)).collect();
        let front = target.behind_cloudfront().zip(seen.front.as_ref());
        let front = front.map(|((location, _), state)| FrontRemoval::new(location, state));
        let workload = workload::to_delete(target, &seen.url).zip(seen.workload.as_ref());
        let workload = workload.map(|(spec, (_, state))| {
            let deletion = WorkloadDeletion::new(&spec, state);
            (spec, deletion)
        });
        Ok(Self {
            url: seen.url.clone(),
            provider: provider.map(|provider| {
                let kept = why_kept(&provider);
                (provider, kept)
            }),
            roles: roles.collect(),
            orphaned,
            site,
            front,
            workload,
            notices,
            provider_deleted: false,
        })
    }

    /// Whether the execution has deleted anything, also if it failed.
    #[must_use]
    pub fn wrote(&self) -> bool {
        self.provider_deleted
            || self.roles.iter().any(|role| role.deletion.wrote())
            || deletions(&self.orphaned).any(RoleDeletion::wrote)
            || self.site.as_ref().is_some_and(Removal::wrote)
            || self.workload.as_ref().is_some_and(|(_, plan)| plan.wrote())
            || self.front.as_ref().is_some_and(FrontRemoval::wrote)
    }

    /// The distribution goes with the documents.
    pub(crate) fn front_mut(&mut self) -> Option<&mut FrontRemoval> {
        let keeps = self.keeps_provider();
        self.front.as_mut().filter(|_| !keeps)
    }

    /// Whoever controls the documents of a trusted issuer can assume all its roles, so they are kept
    /// as long as the provider.
    fn removal(&self) -> Option<&Removal> {
        self.site.as_ref().filter(|_| !self.keeps_provider())
    }

    /// The same for its execution.
    pub(crate) fn removal_mut(&mut self) -> Option<&mut Removal> {
        let keeps = self.keeps_provider();
        self.site.as_mut().filter(|_| !keeps)
    }

    fn keeps_provider(&self) -> bool {
        matches!(self.provider, Some((_, Some(_))))
    }
}

impl Describe for IssuerPlan {
    fn describe(&self, into: &mut ChangeSet) {
        if let Some(site) = &self.site {
            site.plan.describe(into);
        }
        if let Some((_, plan)) = &self.provider {
            plan.describe(into);
        }
        for (_, plan) in &self.roles {
            plan.describe(into);
        }
        for role in &self.orphaned {
            role.describe(into);
        }
        if let Some((_, plan)) = &self.workload {
            plan.describe(into);
        }
        into.notices.extend(self.notices.iter().cloned());
    }
}

impl Describe for DeletionPlan {
    fn describe(&self, into: &mut ChangeSet) {
        if let Some((_, plan)) = &self.workload {
            plan.describe(into);
        }
        if let Some((provider, kept)) = &self.provider {
            into.push(match kept {
                Some(reason) => Change::keep(provider.resource(), *reason),
                None => Change::new(provider.resource(), Action::Delete),
            });
        }
        for role in &self.roles {
            role.deletion.describe(into);
        }
        for role in &self.orphaned {
            role.describe(into);
        }
        match (&self.site, self.removal()) {
            (_, Some(removal)) => removal.describe(into),
            (Some(removal), None) => removal.describe_kept(Reason::StillTrusted, into),
            (None, None) => {}
        }
        if let Some(front) = self.front.as_ref().filter(|_| !self.keeps_provider()) {
            front.describe(into);
        }
        into.notices.extend(self.notices.iter().cloned());
    }
}

impl Describe for OrphanedRole {
    fn describe(&self, into: &mut ChangeSet) {
        match &self.deletion {
            Some(deletion) => deletion.describe(into),
            None => {
                let role = Resource::new(Kind::Role, self.name.as_str(), &self.arn);
                into.push(Change::keep(role, Reason::NotInFile));
            }
        }
    }
}

/// The warning if the tokens of the pods that use the roles name another issuer.
fn other_issuer_of_pods(seen: &Observed) -> Option<Notice> {
    let (cluster, state) = seen.workload.as_ref()?;
    keys::other_issuer(&keys::api_server(cluster), state.issuer.as_deref()?, &seen.url)
}

/// Roles that trust the issuer and are not in the file, now or earlier: their statement for it stays.
fn staying(target: &Target, seen: &Observed) -> Option<Notice> {
    let iam = seen.iam.as_ref()?;
    let is_known = |name: &&String| {
        target.roles.iter().any(|role| role.name.as_str() == name.as_str())
            || iam.orphaned.iter().any(|(role, _)| role.as_str() == name.as_str())
    };
    let names: Vec<&str> =
        iam.trusting.iter().filter(|name| !is_known(name)).map(String::as_str).collect();
    (!names.is_empty()).then(|| Notice {
        id: "roles-still-trusting".into(),
        message: format!(
            "roles that are not in the file trust {} too, and are kept: {}",
            seen.url,
            names.join(", ")
        ),
    })
}

fn deletions(orphaned: &[OrphanedRole]) -> impl Iterator<Item = &RoleDeletion> {
    orphaned.iter().filter_map(|role| role.deletion.as_ref())
}

fn orphaned(seen: &Observed, prune: bool) -> (Vec<OrphanedRole>, Option<Notice>) {
    let Some(iam) = &seen.iam else { return (Vec::new(), None) };
    let role = |(name, state): &(RoleName, issuer_iam::RoleState)| OrphanedRole {
        name: name.clone(),
        arn: state.role.as_ref().map(|role| role.arn.clone()).unwrap_or_default(),
        deletion: prune.then(|| RoleDeletion::new(state, Some(&seen.url))),
    };
    let notice = iam.orphaned_denied.as_ref().map(|refused| Notice {
        id: "orphaned-roles-not-readable".into(),
        message: format!("{refused}, so roles that were removed from the file are not found"),
    });
    (iam.orphaned.iter().map(role).collect(), notice)
}
