#![doc = include_str!("../README.md")]

mod cluster;
mod configuration;
mod configured_issuer;
mod connection;
mod control_plane;
mod credentials;
mod doubt;
mod error;
mod kubeconfig;
mod link;
mod live;
mod names;
mod objects;
mod plugin;
mod pods;
mod secret;
mod tls;

pub use cluster::{Cluster, Served};
pub use configured_issuer::{issuer_in_cluster_api, issuer_in_eks_anywhere};
pub use connection::Connection;
pub use control_plane::ControlPlane;
pub use doubt::Doubt;
pub use error::{Error, Object};
pub use live::{LiveFault, check_live};
pub use names::{ClusterName, Namespace, ServiceAccountRef};
pub use objects::{ObjectKind, ObjectRef};
pub use plugin::PluginFault;
