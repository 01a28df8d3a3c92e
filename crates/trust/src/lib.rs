#![doc = include_str!("../README.md")]

mod authorities;
mod certificate;
mod handshake;
mod instead;
mod recorder;

pub use authorities::{Authorities, AuthoritiesFault, BlockFault};
pub use certificate::{CertificateFault, Chain, not_after};
pub use handshake::handshake_fault;
pub use recorder::{Recorder, Served};
