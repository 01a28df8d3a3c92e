//! Whether the program works, for the probes of a kubelet.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Whether the program goes on, and whether it has done what it is for at least once.
#[derive(Debug)]
pub struct Health {
    started: Instant,
    /// Milliseconds after the start at which the program was seen to go on.
    last_beat: AtomicU64,
    /// Without a beat for this long, the program hangs.
    limit: Duration,
    ready: AtomicBool,
}

impl Health {
    /// A program that hangs if it does not call [`Health::beat`] for `limit`.
    #[must_use]
    pub fn new(limit: Duration) -> Self {
        let (last_beat, ready) = (AtomicU64::new(0), AtomicBool::new(false));
        Self { started: Instant::now(), last_beat, limit, ready }
    }

    /// The program goes on: a step has ended, whether it succeeded or failed, or a loop that begins them has
    /// come around. Failures of others are not repaired by restarting this program.
    pub fn beat(&self) {
        self.last_beat.store(self.since_start(), Ordering::Relaxed);
    }

    /// The program has done its work once; failures after that are in the metrics.
    pub fn ready(&self) {
        self.ready.store(true, Ordering::Relaxed);
    }

    /// The program has other work from now on, which it has not done yet.
    pub fn not_ready(&self) {
        self.ready.store(false, Ordering::Relaxed);
    }

    /// Why it must be restarted, if it must.
    pub(crate) fn hangs(&self) -> Option<String> {
        let since = self.since_start().saturating_sub(self.last_beat.load(Ordering::Relaxed));
        let since = Duration::from_millis(since);
        (since > self.limit).then(|| {
            let (since, limit) = (since.as_secs(), self.limit.as_secs());
            format!("it has not gone on for {since} s; the limit is {limit} s")
        })
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    fn since_start(&self) -> u64 {
        self.started.elapsed().as_millis().try_into().unwrap_or(u64::MAX)
    }
}
