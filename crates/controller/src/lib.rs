#![doc = include_str!("../README.md")]

mod advice;
mod claims;
mod cluster;
pub mod controller;
pub mod crd;
pub mod desired;
mod findings;
pub mod lease;
pub mod object;
mod reconcile;
mod schedule;
mod schema;
pub mod status;
