#![doc = include_str!("../README.md")]

mod accounts;
mod cel;
mod check;
mod error;
mod identity;
mod inject;
mod literals;
mod lookalike;
mod manifests;
mod mutation;
mod policy;
mod selector;
mod settings;
mod skip;
mod warning;
mod webhook;
mod workload;

pub use accounts::Accounts;
pub use check::{
    Dispenser, dispensers, dispensers_check, lacks_role, probe, unselected, verdict, with_role,
};
pub use error::Error;
pub use identity::{Annotations, Identity};
pub use inject::{Injected, Outcome, Pod, inject};
pub use literals::Literal;
pub use lookalike::{Lookalike, lookalikes};
pub use mutation::{ContainerMutation, Mutation};
pub use policy::{POLICY, PolicyApi, PolicyOptions, Roles, policy};
pub use selector::Selector;
pub use settings::{Composed, Settings};
pub use skip::names as skipped_containers;
pub use warning::Warning;
pub use webhook::{
    FailurePolicy, ServingCertificate, WEBHOOK, WEBHOOK_IMAGE, WebhookOptions, webhook,
    webhook_names,
};
