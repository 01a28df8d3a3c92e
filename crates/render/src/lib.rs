#![doc = include_str!("../README.md")]

mod cloudformation;
mod error;
mod hcl;
mod kubernetes;
mod labels;
mod rendering;
mod terraform;
mod whole;

pub use cloudformation::cloudformation;
pub use error::Error;
pub use kubernetes::{ServiceAccounts, kubernetes};
pub use rendering::{Existing, ExistingBucket, RenderedDocuments, RenderedSite, Rendering};
pub use terraform::terraform;
