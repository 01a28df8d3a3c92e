//! Servers that run in the test process, speak HTTP on the loopback interface, and record their
//! requests.
#![expect(missing_debug_implementations, reason = "servers of tests are never printed")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cloudfront;
mod cluster;
mod fault;
mod front;
mod iam;
mod kubernetes;
mod refusal;
mod s3;
mod server;
mod tls;

pub use cloudfront::{CloudFrontServer, TestDistribution};
pub use cluster::ClusterServer;
pub use fault::{Fault, FaultProxy};
pub use front::Front;
pub use iam::{
    Account, AccountPolicy, AccountProvider, AccountRole, IamRequest, IamServer,
    SESSION_ACCESS_KEY, SESSION_SECRET_KEY,
};
pub use kubernetes::{ApiServer, Asked, Reply};
pub use refusal::Refusal;
pub use s3::{ACCESS_KEY, Quirk, S3Server, SECRET_KEY};
pub use tls::{Authority, ISSUER_HOST};
