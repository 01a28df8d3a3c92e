//! Whom the process is waiting for: a host, a program. It is named when it takes long, and when a time
//! limit ends the run.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// By the time that the waiting began.
static WAITING: Mutex<BTreeMap<(Instant, u64), String>> = Mutex::new(BTreeMap::new());

/// Somebody is being waited for, as long as this value lives.
#[derive(Debug)]
pub struct Waiting((Instant, u64));

impl Waiting {
    /// `whom` is a host and what it was asked, or a program; it has no secret.
    #[must_use]
    pub fn new(whom: String) -> Self {
        let mut waiting = locked();
        let last = waiting.last_key_value().map_or(0, |((_, number), _)| number + 1);
        let key = (Instant::now(), last);
        waiting.insert(key, whom);
        Self(key)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        locked().remove(&self.0);
    }
}

/// Whom the process has been waiting for the longest, if that is longer than `at_least`.
#[must_use]
pub fn waiting_for(at_least: Duration) -> Option<String> {
    let waiting = locked();
    let ((since, _), whom) = waiting.first_key_value()?;
    (since.elapsed() >= at_least).then(|| whom.clone())
}

fn locked() -> MutexGuard<'static, BTreeMap<(Instant, u64), String>> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}
