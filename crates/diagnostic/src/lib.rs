#![doc = include_str!("../README.md")]

mod check;
mod clock;
mod encoding;
mod error;
mod show;
mod waiting;
mod writes;

pub use check::{Check, Fault, Remedy, Status};
pub use clock::{now_millis, now_secs};
pub use encoding::{
    Encoding, EncodingFault, Stray, Text, Unexpected, deceptive, deceptive_in, decode,
    explain_json, stray_in_json,
};
pub use error::{Diagnostic, ErrorKind, causes, one_line};
pub use show::{date, for_a_shell, listed, quote, shorten, source_place};
pub use waiting::{Waiting, waiting_for};
pub use writes::{stop_writing, write, write_only_while, written, wrote};
