#![doc = include_str!("../README.md")]

mod cloudformation;
mod error;
mod hcl;
mod kubernetes;
mod labels;
mod merged;
mod rendering;
mod terraform;

pub use cloudformation::cloudformation;
pub use error::Error;
pub use kubernetes::{ServiceAccounts, kubernetes};
pub use rendering::{Existing, ExistingBucket, RenderedDocuments, RenderedSite, Rendering};
pub use terraform::terraform;
