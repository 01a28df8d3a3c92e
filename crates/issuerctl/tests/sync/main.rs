//! `sync`: a cluster's keys, followed by the program itself, with servers in the test process.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cloudfront;
mod credentials;
#[path = "../desk/mod.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod desk;
mod faults;
mod following;
#[path = "../signer/mod.rs"]
mod signer;
mod switch;
mod together;
mod world;
