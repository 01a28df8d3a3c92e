#![doc = include_str!("../README.md")]

mod difference;
mod documents;
mod error;
mod glob;
mod iam;
mod json;
mod lint;
mod names;
pub mod policies;
mod principals;
mod provider;
mod role;
mod tags;
mod trust;
mod trusting;

pub use documents::{Documents, check_permissions};
pub use error::{Error, Name};
pub use glob::glob;
pub use iam::{Iam, RoleList, RoleOutline, TokenAnswer, assume_with_token, try_token};
pub use issuer_diagnostic::{Check, Status};
pub use lint::{LintOptions, LintReport, RoleReport, RoleReports, lint, lint_roles};
pub use names::{
    AccountId, Audience, DEFAULT_AUDIENCE, PolicyArn, PolicyName, ProviderArn, RolePath,
    ServiceAccountPattern,
};
pub use provider::{Provider, ProviderPlan, ProviderSpec, ProviderState, ProviderStep, Thumbprint};
pub use role::{
    ManagedPolicy, Role, RoleDeletion, RoleName, RolePlan, RoleSpec, RoleState, RoleStep,
};
pub use tags::{Tag, Tags};
pub use trust::{APPROVED_TRUST_POLICY, MAX_TRUST_POLICY, Trust, TrustPolicy, USUAL_TRUST_POLICY};
pub use trusting::TrustingRole;
