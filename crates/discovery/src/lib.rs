//! The issuer of a cluster: its URL, the OpenID Connect discovery document that stands below it,
//! and the partitions of AWS that its hosts and ARNs belong to.
//!
//! The crate is pure: values in, values out, no I/O.

mod document;
mod issuer;
mod partition;

pub use document::{Discovery, DiscoveryError, Shape};
pub use issuer::{DISCOVERY_NAME, IssuerUrl, IssuerUrlError, KEYS_NAME, Ports};
pub use partition::{PARTITIONS, Partition};
