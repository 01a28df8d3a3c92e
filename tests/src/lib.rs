//! The real servers of the end-to-end tests, each with a free port and a folder of its own, none
//! left running.
#![expect(missing_debug_implementations, reason = "servers of tests are never printed")]
#![cfg(feature = "real-servers")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod http;
mod kubernetes;
mod minio;
mod moto;
mod process;
mod programs;
mod proxy;
mod publisher;
mod servers;
mod sts;

pub use http::get;
pub use kubernetes::{ApiServer, Etcd, Flags};
pub use minio::{AwsAccount, BucketHost, PASSWORD, USER};
pub use moto::Moto;
pub use programs::{Desk, Ran, build_issuerctl, program};
pub use proxy::Proxy;
pub use publisher::{BUCKET, Publisher};
pub use servers::{NEWEST, OLDEST, installed, repository};
pub use sts::{Pod, exchange};
