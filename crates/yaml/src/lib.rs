#![doc = include_str!("../README.md")]

mod edit;
mod error;
mod layout;
mod node;
mod parse;
mod scalar;

pub use edit::Editor;
pub use error::Error;
pub use layout::to_yaml;
pub use node::{Entry, Kind, Node};
pub use parse::{Document, parse};
