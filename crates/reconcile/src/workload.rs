//! The cluster whose pods use the roles.

use issuer_cluster::Cluster;
use issuer_discovery::IssuerUrl;
use issuer_iam::{DEFAULT_AUDIENCE, RolePlan, RoleSpec};
use issuer_workload::{
    Reading, RoleGrant, WorkloadDeletion, WorkloadPlan, WorkloadSpec, WorkloadState,
};

use crate::observe::Scope;
use crate::target::RoleTarget;
use crate::{Error, Event, IssuerPlan, Observed, Reconciler, Target, WorkloadTarget};
use issuer_change::Describe as _;

impl Reconciler<'_> {
    /// Reads the cluster, if the target has one.
    pub(crate) async fn observe_workload(
        &self,
        target: &Target,
        url: &IssuerUrl,
        scope: Scope,
    ) -> Result<Option<(Cluster, WorkloadState)>, Error> {
        let Some(workload) = &target.workload else { return Ok(None) };
        let cluster = Cluster::connect(&workload.connection).await?;
        let text = format!("workload cluster: {}", cluster.place());
        self.event(target, Event::Using(&text));
        let roles = target.roles.iter().map(|role| grant(role, String::new())).collect();
        let spec = spec(workload, url, roles, scope.prune);
        let reading = if scope.keys { Reading::Plan } else { Reading::Deletion };
        let state = issuer_workload::observe(&cluster, &spec, reading).await?;
        Ok(Some((cluster, state)))
    }

    /// Asks the cluster whether it would permit what a plan changes of ServiceAccounts; nothing is changed.
    /// It is for whoever must not leave an issuer half done.
    ///
    /// # Errors
    /// [`Error::Workload`].
    pub async fn dry_run(&self, seen: &Observed, plan: &IssuerPlan) -> Result<(), Error> {
        let (Some((spec, plan)), Some((cluster, _))) = (&plan.workload, &seen.workload) else {
            return Ok(());
        };
        Ok(issuer_workload::dry_run(cluster, spec, plan).await?)
    }

    /// Executes the plan of the cluster. Two issuers of a run may share one.
    pub(crate) async fn apply_workload(
        &self,
        target: &Target,
        seen: &Observed,
        plan: &mut Option<(WorkloadSpec, WorkloadPlan)>,
    ) -> Result<(), Error> {
        let (Some((spec, plan)), Some((cluster, _))) = (plan, &seen.workload) else {
            return Ok(());
        };
        if let Some(text) = plan.chosen.as_text() {
            self.event(target, Event::Using(&format!("pods get their roles from {text}")));
        }
        if plan.is_empty() {
            return Ok(());
        }
        self.event(target, Event::Started("cluster"));
        let _turn = self.shared.alone(format!("cluster {}", cluster.server())).await;
        let again = |plan: &WorkloadPlan| self.event(target, Event::Replanned(&plan.changes()));
        let notices = issuer_workload::apply(cluster, spec, plan, again).await?;
        for notice in &notices {
            self.event(target, Event::Notice(notice));
        }
        Ok(())
    }

    /// Executes its deletion.
    pub(crate) async fn delete_workload(
        &self,
        target: &Target,
        seen: &Observed,
        plan: &mut Option<(WorkloadSpec, WorkloadDeletion)>,
    ) -> Result<(), Error> {
        let (Some((spec, plan)), Some((cluster, _))) = (plan, &seen.workload) else {
            return Ok(());
        };
        self.event(target, Event::Started("cluster"));
        let _turn = self.shared.alone(format!("cluster {}", cluster.server())).await;
        let again = |plan: &WorkloadDeletion| self.event(target, Event::Replanned(&plan.changes()));
        Ok(issuer_workload::delete(cluster, spec, plan, again).await?)
    }
}

/// What is requested of the cluster, from the roles as they are planned.
pub(crate) fn requested(
    target: &Target,
    url: &IssuerUrl,
    roles: &[(RoleSpec, RolePlan)],
    prune: bool,
) -> Option<WorkloadSpec> {
    let grants =
        target.roles.iter().zip(roles).map(|(role, (_, plan))| grant(role, plan.arn.clone()));
    Some(spec(target.workload.as_ref()?, url, grants.collect(), prune))
}

/// What is requested of the cluster, without the ARNs of the roles.
pub(crate) fn unresolved(
    target: &Target,
    workload: &WorkloadTarget,
    url: &IssuerUrl,
) -> WorkloadSpec {
    let grants = target.roles.iter().map(|role| grant(role, String::new()));
    spec(workload, url, grants.collect(), false)
}

/// What was requested of the cluster, without the ARNs of the roles.
pub(crate) fn to_delete(target: &Target, url: &IssuerUrl) -> Option<WorkloadSpec> {
    let grants = target.roles.iter().map(|role| grant(role, String::new()));
    Some(spec(target.workload.as_ref()?, url, grants.collect(), true))
}

fn spec(
    workload: &WorkloadTarget,
    url: &IssuerUrl,
    roles: Vec<RoleGrant>,
    prune: bool,
) -> WorkloadSpec {
    WorkloadSpec {
        issuer: url.clone(),
        injection: workload.injection,
        accounts: workload.accounts,
        restart: workload.restart,
        kubectl: workload.connection.kubectl(),
        roles,
        prune,
    }
}

/// The token of a pod has the first audience of its role.
fn grant(role: &RoleTarget, arn: String) -> RoleGrant {
    let audience = role.audiences.first().map(|audience| audience.as_str());
    RoleGrant {
        name: role.name.to_string(),
        arn,
        audience: audience.filter(|audience| *audience != DEFAULT_AUDIENCE).map(str::to_owned),
        accounts: role.service_accounts.clone(),
    }
}
