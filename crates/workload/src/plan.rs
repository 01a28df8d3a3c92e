//! Planning: pure functions from what is requested and what was read to changes.

use issuer_change::{ChangeSet, Describe, Notice};

use crate::accounts;
use crate::{AccountPlan, Error, WorkloadSpec, WorkloadState};

/// The plan for a cluster.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WorkloadPlan {
    /// The ServiceAccounts, role by role.
    pub accounts: Vec<AccountPlan>,
    /// Warnings for the user.
    pub notices: Vec<Notice>,
}

/// The plan of a deletion.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WorkloadDeletion {
    /// The ServiceAccounts.
    pub accounts: Vec<AccountPlan>,
}

impl WorkloadPlan {
    /// Compares what is requested with what was read.
    ///
    /// # Errors
    /// [`Error::Annotations`], [`Error::TwoRoles`].
    pub fn new(spec: &WorkloadSpec, state: &WorkloadState) -> Result<Self, Error> {
        let (accounts, notices) = accounts::plan(spec, state)?;
        Ok(Self { accounts, notices })
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.accounts.iter().all(|account| account.step.is_none())
    }

    /// Whether the execution has changed anything, also if it failed.
    #[must_use]
    pub fn wrote(&self) -> bool {
        self.accounts.iter().any(|account| account.done)
    }
}

impl WorkloadDeletion {
    /// Plans the end of everything that was done for the issuer.
    #[must_use]
    pub fn new(spec: &WorkloadSpec, state: &WorkloadState) -> Self {
        Self { accounts: accounts::plan_deletion(spec, state) }
    }

    /// Whether the execution has changed anything, also if it failed.
    #[must_use]
    pub fn wrote(&self) -> bool {
        self.accounts.iter().any(|account| account.done)
    }
}

impl Describe for WorkloadPlan {
    fn describe(&self, into: &mut ChangeSet) {
        for account in &self.accounts {
            account.describe(into);
        }
        into.notices.extend(self.notices.iter().cloned());
    }
}

impl Describe for WorkloadDeletion {
    fn describe(&self, into: &mut ChangeSet) {
        for account in &self.accounts {
            account.describe(into);
        }
    }
}
