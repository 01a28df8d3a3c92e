#![doc = include_str!("../README.md")]

mod change;
mod editor;
mod error;
mod insert;
mod layout;
mod node;
mod parse;
mod place;
mod remove;
mod scalar;
mod share;
mod value;

pub use editor::{Edit, Editor, Path, Step};
pub use error::Error;
pub use granit_parser::ScalarStyle;
pub use insert::At;
pub use node::{Entry, Node};
pub use parse::{Document, parse};
pub use place::position;
pub use scalar::quoted;
pub use value::{Value, to_yaml};
