#![doc = include_str!("../README.md")]

mod calls;
mod error;
mod plan;
mod removal;
mod spec;
mod state;

pub use calls::CloudFront;
pub use error::Error;
pub use plan::{FrontPlan, FrontStep};
pub use removal::FrontRemoval;
pub use spec::FrontSpec;
pub use state::{Distribution, FrontState, Settings};
