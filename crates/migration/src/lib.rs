#![doc = include_str!("../README.md")]

mod cluster;
mod commands;
mod facts;
mod step;
mod steps;

pub use cluster::{api_servers, has_external_signer, token_pods};
pub use commands::Options;
pub use facts::{ApiServer, Cluster, Facts, Known, Providers, TokenPod, TrustedRole};
pub use step::{Status, Step};
pub use steps::{Migration, steps};
