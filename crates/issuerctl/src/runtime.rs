//! The async runtime, started by the first command that needs one.

use std::future::Future;

use crate::failure::{Exit, Failure};

/// A single-threaded runtime; a command that only reads files never makes one.
pub(crate) struct Runtime(tokio::runtime::Runtime);

impl Runtime {
    /// # Errors
    /// Where the operating system refuses what an event loop needs.
    pub(crate) fn start() -> Result<Self, Failure> {
        tokio::runtime::Builder::new_current_thread().enable_all().build().map(Self).map_err(
            |error| Failure::while_doing(Exit::Failure, "cannot start the network part", &error),
        )
    }

    /// Runs one future to its end.
    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.0.block_on(future)
    }
}
