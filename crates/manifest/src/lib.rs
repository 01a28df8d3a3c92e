//! The declarative file: an issuer with its keys, store, provider and roles.
//!
//! [`parse`] reads one or more YAML documents into [`Issuer`]s; [`Issuer::wanted`] turns one into
//! what is wanted of IAM; [`json_schema`] is the format for editors. Nothing here touches disk or
//! network.

mod error;
mod issuer;
mod parse;
mod text;
mod wanted;

pub use error::Error;
pub use issuer::{
    ApiServerSource, ApiVersion, ClusterSource, Issuer, KeySource, Kind, Metadata, Name, Provider,
    Role, S3Store, Spec, StoreSpec, ThumbprintSource, json_schema,
};
pub use parse::{agree, parse};
pub use wanted::Wanted;
