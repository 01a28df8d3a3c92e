#![doc = include_str!("../README.md")]

mod accounts;
mod certificate;
mod dry_run;
mod error;
mod execute;
mod injection;
mod observe;
mod ownership;
mod plan;
mod pods;
mod rbac;
mod restart;
mod spec;
mod state;

pub use accounts::AccountPlan;
pub use certificate::{CertificateInUse, certificates_only, make_certificate};
pub use dry_run::dry_run;
pub use error::{AnnotationConflict, Error};
pub use execute::{apply, delete};
pub use injection::{Chosen, InjectionState, ObjectPlan};
pub use observe::{Reading, observe, served_policies};
pub use plan::{WorkloadDeletion, WorkloadPlan};
pub use rbac::{Rbac, Run, permissions};
pub use restart::{RestartPlan, Running};
pub use spec::{AccountsMode, Injection, RoleGrant, WorkloadSpec};
pub use state::{Account, WorkloadState};
