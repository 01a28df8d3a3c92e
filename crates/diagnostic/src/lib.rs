#![doc = include_str!("../README.md")]

mod check;
mod encoding;
mod error;
mod show;

pub use check::{Check, Fault, Status};
pub use encoding::{
    Encoding, EncodingFault, Stray, Text, Unexpected, deceptive, deceptive_in, decode,
    explain_json, stray_in_json,
};
pub use error::{Diagnostic, ErrorKind, causes};
pub use show::{date, quote, shorten};
