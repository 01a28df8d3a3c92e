//! Following issuers all the time: when a step is due, and what is told of it.

mod log;
mod record;

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use issuer_jwks::JwkSet;
use issuer_reconcile::{Reconciler, Shared, SyncOptions, Target};
use issuer_serving::{FallbackWatch, IssuerName, State};
use issuer_session::{Attempts, Fallback};
use tokio::sync::{Semaphore, watch};

use crate::advice::Surface;
use crate::failure::{Exit, Failure};
use crate::signals::Signals;

pub(crate) use log::Log;

/// Steps at a time.
const STEPS: usize = 16;

/// How often a signal is looked for.
const SIGNALS: Duration = Duration::from_millis(100);

/// How often the issuer file is compared with what was read of it.
const FILE: Duration = Duration::from_secs(5);

/// A step of which nothing was heard for so long does not end by itself: each of its requests has a limit.
pub(crate) const HANGS: Duration = Duration::from_secs(15 * 60);

/// When steps are due.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// Between two steps.
    pub(crate) interval: Duration,
    /// Between two looks at the keys.
    pub(crate) key_interval: Duration,
}

/// Everything that the steps of all issuers share.
pub(crate) struct Program<'a> {
    pub(crate) shared: Arc<Shared>,
    fallback: FallbackWatch,
    pub(crate) options: SyncOptions,
    pub(crate) state: State,
    pub(crate) times: Times,
    pub(crate) surface: Surface,
    pub(crate) log: &'a Log,
    steps: Semaphore,
    /// Issuers whose first success is still to come.
    waits_for: Cell<usize>,
}

/// What one issuer has had so far.
#[derive(Default)]
struct Course {
    /// Failures since the last success.
    failures: u32,
    succeeded: bool,
    /// The keys that its cluster had last.
    live: Option<JwkSet>,
}

/// Why the issuers are not followed any more as they are.
enum End {
    Signal,
    Changed(Vec<Target>),
}

impl<'a> Program<'a> {
    pub(crate) fn new(
        (shared, fallback): (Arc<Shared>, Option<Fallback>),
        options: SyncOptions,
        state: State,
        times: Times,
        (surface, log): (Surface, &'a Log),
    ) -> Self {
        let (steps, waits_for) = (Semaphore::new(STEPS), Cell::new(usize::MAX));
        let fallback = FallbackWatch::new(fallback);
        Self { shared, fallback, options, state, times, surface, log, steps, waits_for }
    }

    /// One step of each issuer; returns the exit code of the first that failed.
    pub(crate) async fn once(&self, targets: &[Target]) -> Exit {
        let steps = targets.iter().map(|target| async {
            let mut course = Course::default();
            self.step(target, &mut course).await.err()
        });
        join_all(steps).await.into_iter().flatten().next().unwrap_or(Exit::Done)
    }

    /// Follows the issuers until a signal is received; the steps in hand end first. `file` is what
    /// `load` reads: when it changes, it is read again.
    pub(crate) async fn follow(
        &self,
        mut targets: Vec<Target>,
        file: Option<&Path>,
        load: impl Fn() -> Result<Vec<Target>, Failure>,
        signals: &Signals,
    ) {
        self.waits_for.set(targets.len());
        loop {
            let (stop, stops) = watch::channel(false);
            let issuers = targets.iter().map(|target| self.follow_one(target, stops.clone()));
            let end = async {
                let end = self.end(file, &load, signals).await;
                // Nobody listens if there is no issuer.
                let _ = stop.send(true);
                end
            };
            let (end, _) = tokio::join!(end, join_all(issuers));
            match end {
                End::Signal => return,
                End::Changed(now) => {
                    let stays =
                        |name: &IssuerName| now.iter().any(|target| name_of(target) == *name);
                    let gone = targets.iter().map(name_of).filter(|name| !stays(name));
                    gone.for_each(|name| self.state.metrics.issuer_deleted(&name));
                    targets = now;
                }
            }
        }
    }

    async fn end(
        &self,
        file: Option<&Path>,
        load: &impl Fn() -> Result<Vec<Target>, Failure>,
        signals: &Signals,
    ) -> End {
        let read = || file.and_then(|path| std::fs::read(path).ok());
        let (mut before, mut looked) = (read(), Instant::now());
        loop {
            tokio::time::sleep(SIGNALS).await;
            if let Some(signal) = signals.received() {
                tracing::info!("{signal}: the steps in hand end, and then the program");
                return End::Signal;
            }
            if file.is_none() || looked.elapsed() < FILE {
                continue;
            }
            looked = Instant::now();
            let now = read();
            if now.is_some() && now != before {
                before = now;
                match load() {
                    Ok(targets) => {
                        tracing::info!(issuers = targets.len(), "the issuer file has changed");
                        return End::Changed(targets);
                    }
                    Err(failure) => {
                        log::failure("", "the changed issuer file is not used", &failure);
                    }
                }
            }
        }
    }

    /// Repeats the steps of one issuer.
    async fn follow_one(&self, target: &Target, mut stops: watch::Receiver<bool>) {
        let mut course = Course::default();
        while !*stops.borrow() {
            // The exit code is that of a single step.
            let _ = self.step(target, &mut course).await;
            let due = Instant::now() + self.pause(course.failures);
            while Instant::now() < due && !*stops.borrow() {
                let left = due.saturating_duration_since(Instant::now());
                let nap = left.min(self.times.key_interval);
                tokio::select! {
                    () = tokio::time::sleep(nap) => {}
                    _ = stops.changed() => return,
                }
                if nap < left && self.has_new_keys(target, &course).await {
                    break;
                }
            }
        }
    }

    /// The time until the next step: less than the interval after a failure, since whatever failed may be
    /// repaired soon.
    fn pause(&self, failures: u32) -> Duration {
        if failures == 0 {
            return self.times.interval;
        }
        let longest = self.times.interval;
        let (limit, within, first) = (u32::MAX, Duration::MAX, Duration::from_secs(2));
        Attempts { limit, within, first, longest }.wait(failures)
    }

    /// Whether the cluster has other keys than before. What cannot be read is told by the next step.
    async fn has_new_keys(&self, target: &Target, course: &Course) -> bool {
        let engine = Reconciler::of(&self.shared, &issuer_reconcile::Silent);
        let now = engine.live_keys(target).await.ok();
        let changed = now.is_some() && course.live.is_some() && now != course.live;
        if changed {
            tracing::info!(issuer = target.label(), "the keys of the cluster have changed");
        }
        changed
    }

    /// One step.
    ///
    /// # Errors
    /// The exit code of its failure.
    async fn step(&self, target: &Target, course: &mut Course) -> Result<(), Exit> {
        // The semaphore is never closed.
        let _permit = self.steps.acquire().await.ok();
        let (engine, begun) = (Reconciler::of(&self.shared, self.log), Instant::now());
        let mut target = target.clone();
        if let Some(site) = &mut target.site {
            // A Secret whose only key was replaced does not say whose it is. This very program has published
            // the key that was there before.
            site.allow_other_cluster |= course.succeeded;
        }
        let report = engine.sync(&target, self.options).await;
        course.live = report.live.clone().or(course.live.take());
        let first = !course.succeeded;
        let outcome = record::record(self, &target, report, begun.elapsed(), first);
        self.fallback.look(&self.state.metrics);
        self.state.health.beat();
        match outcome {
            Ok(()) => {
                course.failures = 0;
                if !std::mem::replace(&mut course.succeeded, true) {
                    self.succeeded_first();
                }
            }
            Err(_) => {
                course.failures = course.failures.saturating_add(1);
                // Whoever repairs credentials changes files that the SDK does not read again.
                self.shared.renew_session();
            }
        }
        outcome
    }

    fn succeeded_first(&self) {
        self.waits_for.set(self.waits_for.get().saturating_sub(1));
        if self.waits_for.get() == 0 {
            self.state.health.ready();
        }
    }
}

/// An issuer in the metrics.
fn name_of(target: &Target) -> IssuerName {
    IssuerName { namespace: String::new(), name: target.label() }
}
