#![doc = include_str!("../README.md")]

mod apply;
mod command;
mod delete;
mod error;
mod events;
mod examine;
mod front;
mod history;
mod import;
mod issuer_change;
mod keys;
mod observe;
mod permissions;
mod plan;
mod policies;
mod proof;
mod rbac;
mod reconciler;
mod servers;
mod shared;
mod sync;
mod target;
mod workload;

pub use command::place_options;
pub use error::Error;
pub use events::{Event, Events, Silent};
pub use examine::{Examination, Management, doctor_permissions, doctor_policy};
pub use import::{PublishLine, Rendered, offline_url, render_offline};
pub use keys::{ClusterKeys, KeySource, ReadFile, SourceKeys, read_files, read_keys};
pub use observe::{Observed, Scope};
pub use permissions::{made, permissions, site_permissions, sync_permissions};
pub use plan::{DeclaredRole, DeletionPlan, IssuerPlan, OrphanedRole, PlannedSite};
pub use policies::{MissingPolicy, PolicyField};
pub use proof::{ProofOptions, RoleProof};
pub use rbac::{ClusterNeeds, cluster_permissions};
pub use reconciler::{Reconciler, each};
pub use servers::{AskedServers, ServersQuery};
pub use shared::Shared;
pub use sync::{SyncOptions, SyncReport, without};
pub use target::{
    Defaults, LiveCheck, OtherCluster, ProviderTarget, RoleTarget, SiteTarget, StoreTarget, Target,
    WorkloadTarget,
};
