//! The clock of this machine.

use std::time::{SystemTime, UNIX_EPOCH};

/// The current time in seconds since 1970; 0 if the clock is before that.
#[must_use]
pub fn now_secs() -> u64 {
    now_millis() / 1000
}

/// The current time in milliseconds since 1970; 0 if the clock is before that.
#[must_use]
pub fn now_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis().try_into().unwrap_or(u64::MAX)
}
