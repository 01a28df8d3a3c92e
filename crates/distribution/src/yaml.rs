//! Reading YAML with places, and changing single places of it.

mod change;
mod editor;
mod tree;
mod value;

pub(crate) use editor::{Editor, Step, names};
pub(crate) use tree::{Document, Node, position};
pub(crate) use value::{Value, document, map, quoted, text};
