//! What an issuer needs in AWS and Kubernetes, for teams that change both through other tools.
//!
//! ```text
//!                  ┌──► terraform       HCL for the aws provider of Terraform and OpenTofu
//! [Rendering] ─────┼──► cloudformation  a template
//!                  └──► kubernetes      annotated ServiceAccounts
//! ```
//!
//! Pure functions on values. Nothing secret comes in, so nothing secret goes out: the documents
//! have public keys alone. Names, statements and their `Sid`s are those of `issuerctl apply`;
//! issuerctl's own tags are left out, since it made none of this.

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
