#![doc = include_str!("../README.md")]

mod difference;
mod model;
mod summary;
mod text;

pub use model::{
    Action, Change, ChangeSet, Describe, Field, Kind, Notice, Reason, Resource, Value,
};
pub use summary::{Summary, Tally};
pub use text::{Painter, Plain, render};
