#![doc = include_str!("../README.md")]

mod accounts;
mod error;
mod execute;
mod observe;
mod ownership;
mod plan;
mod spec;
mod state;

pub use accounts::AccountPlan;
pub use error::{AnnotationConflict, Error};
pub use execute::{apply, delete};
pub use observe::observe;
pub use plan::{WorkloadDeletion, WorkloadPlan};
pub use spec::{AccountsMode, Injection, RoleGrant, WorkloadSpec};
pub use state::{Account, WorkloadState};
