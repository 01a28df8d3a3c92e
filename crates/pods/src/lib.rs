#![doc = include_str!("../README.md")]

mod accounts;
mod error;
mod identity;
mod inject;
mod mutation;
mod settings;
mod skip;
mod warning;
mod workload;

pub use accounts::Accounts;
pub use error::Error;
pub use identity::{Annotations, Identity};
pub use inject::{Injected, Outcome, Pod, inject};
pub use mutation::{ContainerMutation, Mutation};
pub use settings::{Composed, Settings};
pub use warning::Warning;
