//! The async runtime, started by the first command that needs one.

use std::future::Future;

use crate::failure::{Exit, Failure};

/// A single-threaded runtime; commands that only read files do not start it.
pub(crate) struct Runtime(tokio::runtime::Runtime);

impl Runtime {
    /// # Errors
    /// The operating system cannot provide an event loop.
    pub(crate) fn start() -> Result<Self, Failure> {
        tokio::runtime::Builder::new_current_thread().enable_all().build().map(Self).map_err(
            |error| Failure::while_doing(Exit::Failure, "cannot start the async runtime", &error),
        )
    }

    /// Runs a future to completion.
    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.0.block_on(future)
    }
}
