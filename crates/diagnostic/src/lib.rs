#![doc = include_str!("../README.md")]

mod check;
mod error;

pub use check::{Check, Fault, Status};
pub use error::{Diagnostic, ErrorKind};
