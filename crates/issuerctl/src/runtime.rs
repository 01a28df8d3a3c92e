//! The async runtime, started by the first command that needs one.

use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use crate::deadline;
use crate::failure::{Exit, Failure};
use crate::signals::Signals;
use crate::ui::Ui;

/// How long an answer may take before the host is named.
const PATIENCE: Duration = Duration::from_secs(3);

/// How often a signal is looked for.
const POLL: Duration = Duration::from_millis(20);

/// A single-threaded runtime; commands that only read files do not start it.
pub(crate) struct Runtime<'a> {
    runtime: tokio::runtime::Runtime,
    signals: Signals,
    ui: &'a Ui,
}

impl<'a> Runtime<'a> {
    /// # Errors
    /// The operating system cannot provide an event loop.
    pub(crate) fn start(ui: &'a Ui) -> Result<Self, Failure> {
        match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => Ok(Self { runtime, signals: Signals::catch(), ui }),
            Err(error) => {
                let message = "cannot start the async runtime";
                Err(Failure::while_doing(Exit::Failure, message, &error))
            }
        }
    }

    /// Runs a future to completion, within the time limit of the run.
    ///
    /// # Errors
    /// That of the future; the time limit.
    pub(crate) fn block_on<T>(
        &self,
        future: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                ended = future => ended,
                failure = self.signal() => Err(failure),
                failure = self.time_limit() => Err(failure),
                never = self.watch() => match never {},
            }
        })
    }

    /// Runs a program that ends by itself, between two of its steps, when it finds that a signal was
    /// received. It has no time limit.
    ///
    /// # Errors
    /// That of the program.
    pub(crate) fn run_steps<T>(
        &self,
        program: impl AsyncFnOnce(&Signals) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.runtime.block_on(program(&self.signals))
    }

    /// A signal, at the next point at which nothing is being written.
    async fn signal(&self) -> Failure {
        let signal = loop {
            tokio::time::sleep(POLL).await;
            if let Some(signal) = self.signals.received() {
                break signal;
            }
        };
        let mut waits = false;
        while issuer_diagnostic::stop_writing() {
            if !waits {
                self.ui.note(&format!("{signal}: waiting for the write that has begun"));
                waits = true;
            }
            tokio::time::sleep(POLL).await;
        }
        signal.failure(issuer_diagnostic::written())
    }

    /// Names the host that a request is waiting for.
    async fn watch(&self) -> Infallible {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if let Some(host) = issuer_diagnostic::waiting_for(PATIENCE) {
                self.ui.waiting_for(&host);
            }
        }
    }

    /// Made while the request that takes too long is still open.
    async fn time_limit(&self) -> Failure {
        let limit = self.ui.time_limit();
        tokio::time::sleep(limit).await;
        deadline::over(limit, self.ui.step())
    }
}
