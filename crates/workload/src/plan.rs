//! Planning: pure functions from what is requested and what was read to changes.

use issuer_change::{ChangeSet, Describe, Notice};

use crate::{
    AccountPlan, CertificateInUse, Chosen, Error, ObjectPlan, WorkloadSpec, WorkloadState,
};
use crate::{RestartPlan, accounts, injection, restart};

/// The plan for a cluster.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WorkloadPlan {
    /// What will give pods their roles.
    pub chosen: Chosen,
    /// The objects that do it, in the order of execution.
    pub objects: Vec<ObjectPlan>,
    /// The webhook's certificate, if a new one follows it.
    pub(crate) certificate: Option<CertificateInUse>,
    /// The ServiceAccounts, role by role.
    pub accounts: Vec<AccountPlan>,
    /// Workloads that are restarted afterwards, so that their pods get their roles.
    pub restarts: Vec<RestartPlan>,
    /// Warnings for the user.
    pub notices: Vec<Notice>,
}

/// The plan of a deletion.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WorkloadDeletion {
    /// What gives pods their roles, in the order of execution.
    pub objects: Vec<ObjectPlan>,
    /// The ServiceAccounts.
    pub accounts: Vec<AccountPlan>,
}

impl WorkloadPlan {
    /// Compares what is requested with what was read.
    ///
    /// # Errors
    /// [`Error::Annotations`], [`Error::TwoRoles`], [`Error::NoPolicies`], [`Error::NameTaken`],
    /// [`Error::Terminating`].
    pub fn new(spec: &WorkloadSpec, state: &WorkloadState) -> Result<Self, Error> {
        let (chosen, objects, mut notices) =
            injection::plan(spec, &state.injection, &state.server)?;
        let (accounts, more) = accounts::plan(spec, state)?;
        notices.extend(more);
        let (restarts, more) =
            restart::plan(spec, &state.running, &accounts, chosen, &state.server);
        notices.extend(more);
        let certificate = state.injection.certificate.clone();
        Ok(Self { chosen, objects, certificate, accounts, restarts, notices })
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.accounts.iter().all(|account| account.step.is_none())
            && self.objects.iter().all(|object| object.step.is_none())
            && self.restarts.is_empty()
    }

    /// Whether the execution has changed anything, also if it failed.
    #[must_use]
    pub fn wrote(&self) -> bool {
        wrote(&self.objects, &self.accounts) || self.restarts.iter().any(|restart| restart.done)
    }

    /// A ServiceAccount whose pods get this role, as namespace and name.
    #[must_use]
    pub fn account_of(&self, role_arn: &str) -> Option<(&str, &str)> {
        let has = |account: &&AccountPlan| account.role.as_deref() == Some(role_arn);
        let place = &self.accounts.iter().find(has)?.place;
        Some((place.namespace()?, place.name()))
    }
}

impl WorkloadDeletion {
    /// Plans the end of everything that was done for the issuer.
    #[must_use]
    pub fn new(spec: &WorkloadSpec, state: &WorkloadState) -> Self {
        let objects = injection::plan_deletion(spec, &state.injection, &state.server);
        Self { objects, accounts: accounts::plan_deletion(spec, state) }
    }

    /// Whether the execution has changed anything, also if it failed.
    #[must_use]
    pub fn wrote(&self) -> bool {
        wrote(&self.objects, &self.accounts)
    }
}

fn wrote(objects: &[ObjectPlan], accounts: &[AccountPlan]) -> bool {
    objects.iter().any(|object| object.done) || accounts.iter().any(|account| account.done)
}

impl Describe for WorkloadPlan {
    fn describe(&self, into: &mut ChangeSet) {
        for object in &self.objects {
            object.describe(into);
        }
        for account in &self.accounts {
            account.describe(into);
        }
        for restart in &self.restarts {
            restart.describe(into);
        }
        into.notices.extend(self.notices.iter().cloned());
    }
}

impl Describe for WorkloadDeletion {
    fn describe(&self, into: &mut ChangeSet) {
        for account in &self.accounts {
            account.describe(into);
        }
        for object in &self.objects {
            object.describe(into);
        }
    }
}
