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
mod server_flags;
mod version;

pub use decision::{Next, Step};
pub use distribution::Distribution;
pub use error::Error;
pub use merge::{Rendered, merge, render};
pub use patch::{Patch, patch};
pub use request::Request;
pub use rollout::rollout;
pub use server_flags::{ServerFlags, flags_of_pod, issuers_in_extra_args, parse_flagz};
