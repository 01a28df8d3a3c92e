//! The managed policies that roles are to have: one that does not exist is found before anything is written.

use std::collections::BTreeSet;
use std::fmt;

use futures_util::future::join_all;
use issuer_discovery::IssuerUrl;
use issuer_iam::{Iam, RoleName, RoleSpec, RoleState};

use crate::{Event, Reconciler, Target};

/// A policy that a role is to have, and that does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingPolicy {
    /// The role.
    pub role: RoleName,
    /// Its position in [`Target::roles`].
    pub index: usize,
    /// What the role is to have it as.
    pub field: PolicyField,
    /// The ARN of the policy.
    pub arn: String,
}

/// What a role is to have a policy as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyField {
    /// An attached policy, by its position.
    Attached(usize),
    /// The permissions boundary.
    Boundary,
}

impl MissingPolicy {
    /// The field of an issuer file.
    #[must_use]
    pub fn path(&self) -> String {
        let index = self.index;
        match self.field {
            PolicyField::Attached(at) => format!("spec.roles[{index}].policyArns[{at}]"),
            PolicyField::Boundary => format!("spec.roles[{index}].permissionsBoundary"),
        }
    }
}

impl fmt::Display for MissingPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the policy {} of the role {} does not exist", self.arn, self.role)
    }
}

impl Reconciler<'_> {
    /// Looks for the policies that roles are to have and do not have yet. A denied call is only reported: the
    /// one that attaches the policy finds the same later.
    pub(crate) async fn missing_policies(
        &self,
        iam: &Iam,
        target: &Target,
        url: &IssuerUrl,
        roles: &[RoleState],
    ) -> Result<Vec<MissingPolicy>, issuer_iam::Error> {
        let specs = target.role_specs(url, iam.account(), iam.partition());
        let mut lacking = lacking(&specs, roles);
        let arns: BTreeSet<String> = lacking.iter().map(|policy| policy.arn.clone()).collect();
        let looks = arns.iter().map(|arn| self.read_role(iam.has_policy(arn)));
        let mut missing = BTreeSet::new();
        for (arn, found) in arns.iter().zip(join_all(looks).await) {
            match found {
                Ok(true) => {}
                Ok(false) => drop(missing.insert(arn)),
                Err(issuer_iam::Error::Denied { action, .. }) => {
                    let text = format!("{action} is denied, so {arn} was not looked up");
                    self.event(target, Event::Detail(&text));
                }
                Err(error) => return Err(error),
            }
        }
        lacking.retain(|policy| missing.contains(&policy.arn));
        Ok(lacking)
    }
}

/// The policies that roles are to have and do not have, without those that the roles of the same issuer create.
fn lacking(specs: &[RoleSpec], roles: &[RoleState]) -> Vec<MissingPolicy> {
    let made = |spec: &RoleSpec| {
        let names: Vec<String> =
            spec.managed.iter().flatten().map(|(name, _)| spec.policy_arn(name)).collect();
        names
    };
    let made: BTreeSet<String> = specs.iter().flat_map(made).collect();
    let of_role = |(index, (spec, state)): (usize, (&RoleSpec, &RoleState))| {
        let role = state.role.as_ref();
        let is_attached =
            |arn: &str| role.is_some_and(|role| role.attached.iter().any(|one| one == arn));
        let boundary = role.and_then(|role| role.boundary.as_deref());
        let attached = spec.policy_arns.iter().flatten().enumerate();
        let attached = attached.map(|(at, arn)| (PolicyField::Attached(at), arn.to_string()));
        let attached = attached.filter(|(_, arn)| !is_attached(arn));
        let bounds = spec.boundary.iter().map(|arn| (PolicyField::Boundary, arn.to_string()));
        let bounds = bounds.filter(|(_, arn)| boundary != Some(arn));
        let all = attached.chain(bounds).filter(|(_, arn)| !made.contains(arn));
        let policy = |(field, arn)| MissingPolicy { role: spec.name.clone(), index, field, arn };
        all.map(policy).collect::<Vec<_>>()
    };
    specs.iter().zip(roles).enumerate().flat_map(of_role).collect()
}
