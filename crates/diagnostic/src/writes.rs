//! Writes that must not be cut off: a run that is to stop ends between two of them.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// Whether the run is to stop.
static STOPS: AtomicBool = AtomicBool::new(false);

/// How many writes have begun and not ended.
static OPEN: AtomicUsize = AtomicUsize::new(0);

/// Whether this process may write, if that is not always so.
static PERMITS: OnceLock<Box<dyn Fn() -> bool + Send + Sync>> = OnceLock::new();

/// What was written first, in order, and how much more.
static WRITTEN: Mutex<(Vec<String>, usize)> = Mutex::new((Vec::new(), 0));

/// How much is named of what was written: thousands of issuers do not fit a message.
const NAMED: usize = 10;

/// A write that has begun; dropping it ends it.
struct Open;

impl Open {
    fn new() -> Self {
        OPEN.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
    }
}

/// From now on a write begins only while this is true; one that does not begin never returns. It is for a
/// process that ends as soon as it is no longer true, and is set once.
pub fn write_only_while(permits: impl Fn() -> bool + Send + Sync + 'static) {
    let _ = PERMITS.set(Box::new(permits));
}

/// Executes one write. In a run that is to stop it does not begin, and never returns: whoever stops the
/// run drops it.
pub async fn write<R>(work: impl Future<Output = R>) -> R {
    let is_permitted = PERMITS.get().is_none_or(|permits| permits());
    if STOPS.load(Ordering::Relaxed) || !is_permitted {
        std::future::pending::<()>().await;
    }
    let _open = Open::new();
    work.await
}

/// Records what was written.
pub fn wrote(what: String) {
    let (first, more) = &mut *locked();
    if first.len() < NAMED { first.push(what) } else { *more += 1 }
}

/// No further write begins; returns whether one is still open.
#[must_use]
pub fn stop_writing() -> bool {
    STOPS.store(true, Ordering::Relaxed);
    OPEN.load(Ordering::Relaxed) > 0
}

/// What was written so far: the names of the first writes, and the number of the others.
#[must_use]
pub fn written() -> (Vec<String>, usize) {
    locked().clone()
}

fn locked() -> MutexGuard<'static, (Vec<String>, usize)> {
    WRITTEN.lock().unwrap_or_else(PoisonError::into_inner)
}
