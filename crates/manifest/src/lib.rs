#![doc = include_str!("../README.md")]

mod error;
mod issuer;
mod parse;
mod text;

pub use error::Error;
pub use issuer::{
    ApiServerSource, ApiVersion, ClusterSource, Issuer, KeySource, Kind, Metadata, Name, Provider,
    Role, S3Store, Spec, StoreSpec, ThumbprintSource, Workload, json_schema,
};
pub use parse::{agree, parse};
