//! The real servers of the end-to-end tests. Each has its own port and folder, and none is left
//! running.
#![cfg_attr(
    feature = "real-servers",
    expect(missing_debug_implementations, reason = "servers of tests are never printed")
)]
#![cfg(feature = "real-servers")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod audit;
mod controller;
mod http;
mod kubernetes;
mod load;
mod minio;
mod moto;
mod process;
mod programs;
mod proxy;
mod publisher;
mod relay;
mod report;
mod servers;
mod serving;
mod signer;
mod sts;
mod versitygw;
mod webhook;

pub use audit::Audit;
pub use controller::Controller;
pub use http::get;
pub use kubernetes::{ApiServer, Client, Etcd, Flags};
pub use load::Load;
pub use minio::{AwsAccount, BucketHost, PASSWORD, USER};
pub use moto::Moto;
pub use programs::{Ran, Sandbox, build_programs, program};
pub use proxy::Proxy;
pub use publisher::{BUCKET, Publisher};
pub use relay::Relay;
pub use report::Report;
pub use servers::{NEWEST, OLDEST, installed, repository};
pub use serving::metric;
pub use signer::ExternalSigner;
pub use sts::{Pod, TokenService, exchange};
pub use versitygw::VersityIam;
pub use webhook::PodIdentityWebhook;
