#![doc = include_str!("../README.md")]

mod error;
mod folder;
mod merge;
mod plan;
mod publish;
mod removal;
mod s3;
mod store;

pub use error::{Category, Error};
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
