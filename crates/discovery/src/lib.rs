//! The issuer of a cluster: its URL, and the OpenID Connect discovery document that stands below it.
//!
//! The crate is pure: values in, values out, no I/O.

mod document;
mod issuer;

pub use document::{DISCOVERY_NAME, Discovery, DiscoveryError, KEYS_NAME, Shape};
pub use issuer::{IssuerUrl, IssuerUrlError, Ports};
