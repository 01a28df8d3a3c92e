#![doc = include_str!("../README.md")]

mod absence;
mod commands;
mod decision;
mod error;
mod facts;
mod fate;
mod phase;
mod steps;

pub use absence::Absence;
pub use decision::{Removal, Urgency, may_abort, may_finish, may_start};
pub use error::Error;
pub use facts::{Facts, Rotation, Server};
pub use fate::{Fate, fates};
pub use phase::{Phase, phase};
pub use steps::{TimedStep, steps};
