//! What must exist in IAM for an issuer.
//!
//! Trust policies and plans are plain values: [`TrustPolicy`] builds one, merges its statement into
//! whatever is there already, and takes it out again; [`lint`] judges one that others wrote;
//! [`ProviderPlan`] and [`RolePlan`] compare what is wanted with what was found. [`Iam`] alone
//! talks to AWS.

mod difference;
mod documents;
mod error;
mod iam;
mod lint;
mod names;
pub mod policies;
mod provider;
mod role;
mod tags;
mod trust;

pub use documents::{Documents, check_permissions};
pub use error::{Error, Name};
pub use iam::Iam;
pub use issuer_diagnostic::{Check, Status};
pub use lint::{LintOptions, LintReport, lint};
pub use names::{
    AccountId, Audience, DEFAULT_AUDIENCE, PolicyArn, PolicyName, ProviderArn, RolePath,
    ServiceAccountPattern,
};
pub use provider::{Found, Provider, ProviderPlan, ProviderSpec, ProviderStep, Thumbprint};
pub use role::{
    ManagedPolicy, Role, RoleDeletion, RoleFound, RoleName, RolePlan, RoleSpec, RoleStep,
};
pub use tags::{Tag, Tags};
pub use trust::{MAX_TRUST_POLICY, Trust, TrustPolicy, USUAL_TRUST_POLICY};
