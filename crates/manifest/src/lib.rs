#![doc = include_str!("../README.md")]

mod agree;
mod error;
mod issuer;
mod object;
mod parse;
mod text;

pub use agree::{agree, disagreements};
pub use error::Error;
pub use issuer::{
    ApiServerSource, ApiVersion, ClusterSource, DeletionPolicy, DriftPolicy, Issuer, KeySource,
    Kind, Metadata, Name, Provider, Role, S3Store, Spec, StoreSpec, ThumbprintSource, Workload,
    json_schema,
};
pub use object::{Ignored, from_object};
pub use parse::{parse, parse_each};
