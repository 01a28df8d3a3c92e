//! Where a cluster keeps its public signing keys, and what it signs with now.
//!
//! Three questions to an API server, each a request or two: the Secret that Cluster API keeps the
//! keys in ([`Cluster::secret_keys`]), the JWK Set that the server itself publishes
//! ([`Cluster::served`]), and a fresh token ([`Cluster::fresh_token`]), which [`check_live`] judges
//! without any I/O.

mod cluster;
mod error;
mod live;
mod names;
mod secret;

pub use cluster::{Cluster, Connection, Served};
pub use error::{Error, Object};
pub use live::{LiveFault, check_live};
pub use names::{ClusterName, Namespace, ServiceAccountRef};
