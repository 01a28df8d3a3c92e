#![doc = include_str!("../README.md")]

mod endpoints;
mod error;
mod fallback;
mod health;
pub mod logs;
mod metrics;

use std::sync::Arc;

pub use endpoints::Endpoints;
pub use error::Error;
pub use fallback::FallbackWatch;
pub use health::Health;
pub use metrics::{IssuerName, Metrics, Published};

/// What the endpoints show.
#[derive(Debug, Clone)]
pub struct State {
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// Whether the program works.
    pub health: Arc<Health>,
}
