#![doc = include_str!("../README.md")]

mod document;
mod grammar;
mod issuer;
mod partition;
mod published;
mod storage;

pub use document::{Discovery, DiscoveryError, Shape};
pub use issuer::{DISCOVERY_NAME, IssuerUrl, IssuerUrlError, KEYS_NAME, Ports};
pub use partition::{PARTITIONS, Partition};
pub use published::{Published, REQUIRED};
