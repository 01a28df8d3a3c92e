#![doc = include_str!("../README.md")]

mod no_proxy;
mod proxy;
mod settings;

pub use proxy::{Error, Proxy};
pub use settings::Settings;
