#![doc = include_str!("../README.md")]

mod align;
mod decision;
mod distribution;
mod error;
mod form;
mod fragment;
mod jwks_uri;
mod merge;
mod patch;
mod request;
mod rollout;
mod version;

pub use decision::{Next, Step};
pub use distribution::Distribution;
pub use error::Error;
pub use merge::{Rendered, merge, render};
pub use patch::{Patch, patch};
pub use request::Request;
pub use rollout::rollout;
