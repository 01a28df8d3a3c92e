#![doc = include_str!("../README.md")]

mod address;
mod confirm;
mod destination;
mod error;
mod folder;
mod history;
mod lock;
mod merge;
#[cfg(test)]
mod model;
mod other_store;
mod plan;
mod protocol;
mod prune;
mod publish;
mod published;
mod record;
mod removal;
mod s3;
mod state;
mod store;
mod unique;

pub use destination::{Destination, DestinationFault};
pub use error::Error;
pub use folder::Folder;
pub use history::{HistoryEntry, KEEP_HISTORY, PastSite, Restored, published_shape};
pub use merge::{KeyChange, Merged, merge};
pub use plan::{DocumentPlan, Plan, PlanOptions, Site};
pub use publish::{Step, apply, plan, publish, record_sightings};
pub use record::{KeyLife, KeyRecord, RECORD, RETIRE_SECS, Sighting, signed_until_secs};
pub use removal::{BucketEnd, Removal, plan_removal, remove};
pub use s3::{
    AccessMode, Block, BucketName, BucketPlan, BucketSpec, BucketState, BucketStep, Existence,
    Fleet, Fleets, Front, MEDIA_TYPE, Prefix, Preflight, Purpose, S3, S3Clients, S3Location,
    S3Options, SSE_S3, Setting, bucket_policy, permissions, private_bucket_policy,
};
pub use state::{Attributes, Bucket, Condition, StoreState, Stored, Version};
pub use store::Store;
