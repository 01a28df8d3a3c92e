//! Whole runs of the command on a file, against S3, IAM and STS in the test process: what the
//! account and the bucket have afterwards, whoever else writes and wherever a run is cut off.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cloudfront;
#[path = "../desk/mod.rs"]
#[expect(dead_code, reason = "these tests run commands through Lab")]
mod desk;
mod fleet;
mod injection;
mod interrupted;
mod lab;
mod permissions;
mod proof;
mod restart;
mod roles;
mod runs;
mod several;
#[path = "../signer/mod.rs"]
mod signer;
mod terminating;
mod workload;
