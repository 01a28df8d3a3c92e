//! How a site gets to where the world reads it, without ever losing a key.
//!
//! ```text
//! Site ──┐
//!        ├──► Plan (what would change, printable) ──► apply (writes under a condition)
//! Store ─┘
//! ```
//!
//! The merging and planning are pure functions on values ([`Plan::new`], [`merge`]); disk and
//! network are in [`Folder`] and [`S3`] alone.

mod error;
mod folder;
mod merge;
mod plan;
mod publish;
mod removal;
mod s3;
mod store;

pub use error::Error;
pub use folder::Folder;
pub use merge::{KeyChange, Merged, merge};
pub use plan::{Change, DocumentPlan, Plan, PlanOptions, Site};
pub use publish::{Step, apply, plan, publish};
pub use removal::{BucketEnd, Removal, plan_removal, remove};
pub use s3::{
    AccessMode, AccessPlan, BucketFound, BucketName, MEDIA_TYPE, Prefix, Purpose, S3, S3Location,
    S3Options, bucket_policy, permissions,
};
pub use store::{Condition, OwnBucket, Present, Published, Store, Stored, Version};
