//! SIGINT and SIGTERM end a run between two writes, and the second one at once.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::failure::{Exit, Failure};

/// A signal that ends a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    Int,
    Term,
}

/// The signals that were received.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    int: Arc<AtomicBool>,
    term: Arc<AtomicBool>,
}

impl Signals {
    /// Catches the signals from now on. Where that is not possible they end the process at once.
    pub(crate) fn catch() -> Self {
        let signals = Self::default();
        for (number, received) in [(SIGINT, &signals.int), (SIGTERM, &signals.term)] {
            // In this order: the first signal only sets the flag.
            let _ = flag::register_conditional_default(number, Arc::clone(received));
            let _ = flag::register(number, Arc::clone(received));
        }
        signals
    }

    pub(crate) fn received(&self) -> Option<Signal> {
        let signals = [(&self.int, Signal::Int), (&self.term, Signal::Term)];
        let mut received = signals.iter().filter(|(flag, _)| flag.load(Ordering::Relaxed));
        received.next().map(|(_, signal)| *signal)
    }
}

impl Signal {
    /// The end of a run that has written this, and so much more.
    pub(crate) fn failure(self, (written, more): (Vec<String>, usize)) -> Failure {
        let exit = match self {
            Self::Int => Exit::Interrupted,
            Self::Term => Exit::Terminated,
        };
        if written.is_empty() {
            return Failure::new(
                exit,
                format!("{self}: the run was ended before it wrote anything"),
            );
        }
        let mut written = written;
        written.dedup();
        if more > 0 {
            written.push(format!("{more} more"));
        }
        let message = format!("{self}: the run was ended after it wrote {}", written.join(", "));
        Failure::new(exit, message).hint(Some("the next run continues from there"))
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Int => "SIGINT",
            Self::Term => "SIGTERM",
        })
    }
}
