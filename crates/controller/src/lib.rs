#![doc = include_str!("../README.md")]

mod advice;
mod claims;
mod clock;
mod cluster;
mod concerns;
pub mod controller;
pub mod crd;
mod deletion;
pub mod desired;
mod differences;
mod drift;
mod failure;
mod findings;
mod front;
mod keys;
pub mod lease;
mod names;
pub mod object;
mod reconcile;
mod report;
mod schedule;
mod schema;
pub mod status;
mod written;
