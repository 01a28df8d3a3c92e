#![doc = include_str!("../README.md")]

mod cluster;
mod error;
mod live;
mod names;
mod secret;

pub use cluster::{Cluster, Connection, Served};
pub use error::{Error, Object};
pub use live::{LiveFault, check_live};
pub use names::{ClusterName, Namespace, ServiceAccountRef};
