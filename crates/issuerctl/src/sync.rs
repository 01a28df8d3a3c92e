//! Following issuers all the time: when a step is due, and what is told of it.

mod log;
mod record;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use issuer_jwks::JwkSet;
use issuer_reconcile::{OtherCluster, Reconciler, Shared, SyncOptions, Target};
use issuer_serving::{FallbackWatch, IssuerName, State};
use issuer_session::{Attempts, Fallback};
use tokio::sync::{Semaphore, watch};

use crate::advice::Surface;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::signals::Signals;

pub(crate) use log::Log;
use record::Before;

/// Steps at a time.
const STEPS: usize = 16;

/// How often a signal is looked for.
const SIGNALS: Duration = Duration::from_millis(100);

/// How often the issuer file, or the folder, is compared with what was read of it.
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
}

/// What one issuer has had so far.
#[derive(Default)]
struct Course {
    /// Failures since the last success.
    failures: u32,
    succeeded: bool,
    /// The keys that its cluster had last.
    live: Option<JwkSet>,
    /// The keys that were published at the end of the last step.
    published: Option<JwkSet>,
}

/// An issuer that is followed, until it is told to stop.
struct Followed {
    target: Target,
    stop: watch::Sender<bool>,
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
        let (steps, fallback) = (Semaphore::new(STEPS), FallbackWatch::new(fallback));
        Self { shared, fallback, options, state, times, surface, log, steps }
    }

    /// One step of each issuer; returns the exit code of the most severe failure.
    pub(crate) async fn once(&self, targets: &[Target]) -> Exit {
        let steps = targets.iter().map(|target| async {
            let mut course = Course::default();
            self.step(target, &mut course).await.err()
        });
        let failed = join_all(steps).await.into_iter().flatten();
        failed.max_by_key(Exit::severity).unwrap_or(Exit::Done)
    }

    /// Follows the issuers until a signal is received; the steps in hand end first. `file` is what
    /// `load` reads, a file or a folder: when it changes, it is read again, and those issuers begin anew
    /// that it changes.
    pub(crate) async fn follow(
        &self,
        targets: Vec<Target>,
        file: Option<&Path>,
        load: impl Fn() -> Result<Vec<Target>, Failure>,
        signals: &Signals,
    ) {
        let mut content = file.and_then(content_of);
        let mut followed: Vec<Followed> = Vec::new();
        let mut running = FuturesUnordered::new();
        let mut wanted = targets;
        loop {
            for own in followed.iter().filter(|own| !wanted.contains(&own.target)) {
                own.stop.send_replace(true);
            }
            for target in &wanted {
                // One that was changed begins once the step in hand has ended.
                if followed.iter().all(|own| name_of(&own.target) != name_of(target)) {
                    let (stop, stops) = watch::channel(false);
                    followed.push(Followed { target: target.clone(), stop });
                    running.push(self.follow_one(target.clone(), stops));
                }
            }
            tokio::select! {
                end = self.end(file, &mut content, &load, signals) => match end {
                    End::Signal => break,
                    End::Changed(now) => {
                        let stays = |name: &IssuerName| now.iter().any(|one| name_of(one) == *name);
                        let gone = wanted.iter().map(name_of).filter(|name| !stays(name));
                        gone.for_each(|name| self.state.metrics.issuer_deleted(&name));
                        wanted = now;
                    }
                },
                Some(ended) = running.next() => {
                    followed.retain(|own| own.target != ended);
                    let name = name_of(&ended);
                    if wanted.iter().all(|one| name_of(one) != name) {
                        self.state.metrics.issuer_deleted(&name);
                    }
                }
            }
        }
        for own in &followed {
            own.stop.send_replace(true);
        }
        while running.next().await.is_some() {}
    }

    /// Waits for a signal or another content of the file than the one that is known.
    async fn end(
        &self,
        file: Option<&Path>,
        content: &mut Option<Content>,
        load: &impl Fn() -> Result<Vec<Target>, Failure>,
        signals: &Signals,
    ) -> End {
        let mut looked = Instant::now();
        loop {
            tokio::time::sleep(SIGNALS).await;
            if let Some(signal) = signals.received() {
                tracing::info!("{signal}: the steps in hand end, and then the program");
                return End::Signal;
            }
            let Some(path) = file.filter(|_| looked.elapsed() >= FILE) else { continue };
            looked = Instant::now();
            let now = content_of(path);
            if now.is_some() && now != *content {
                *content = now;
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

    /// Repeats the steps of one issuer, and returns it.
    async fn follow_one(&self, target: Target, mut stops: watch::Receiver<bool>) -> Target {
        let mut course = Course::default();
        while !*stops.borrow() {
            // The exit code is that of a single step.
            let _ = self.step(&target, &mut course).await;
            let due = Instant::now() + self.pause(course.failures);
            while Instant::now() < due && !*stops.borrow() {
                let left = due.saturating_duration_since(Instant::now());
                let nap = left.min(self.times.key_interval);
                tokio::select! {
                    () = tokio::time::sleep(nap) => {}
                    _ = stops.changed() => return target,
                }
                if nap < left && self.has_new_keys(&target, &course).await {
                    break;
                }
            }
        }
        target
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
        let engine = Reconciler::of(&self.shared, self.log).without_waiting();
        let begun = Instant::now();
        let mut target = target.clone();
        if let Some(site) = &mut target.site {
            // This very program has published the key that was there before.
            if course.succeeded && site.other_cluster == OtherCluster::Refuse {
                site.other_cluster = OtherCluster::KnownSecret;
            }
        }
        let report = engine.sync(&target, self.options).await;
        course.live = report.live.clone().or(course.live.take());
        let before = Before { succeeded: course.succeeded, published: course.published.take() };
        course.published = report.published.clone().or_else(|| before.published.clone());
        if let Err(error) = &report.outcome {
            self.shared.renew_session_after(error);
        }
        let outcome = record::record(self, &target, report, begun.elapsed(), &before);
        self.fallback.look(&self.state.metrics);
        self.state.health.beat();
        match outcome {
            Ok(()) => {
                (course.failures, course.succeeded) = (0, true);
                self.state.health.ready();
            }
            Err(_) => course.failures = course.failures.saturating_add(1),
        }
        outcome
    }
}

/// The files of an issuer file or a folder, and what is in them.
type Content = Vec<(PathBuf, Vec<u8>)>;

/// `None` if it cannot be read.
fn content_of(path: &Path) -> Option<Content> {
    let files = files::in_folders(&[path.to_owned()], false).ok()?;
    let read = |file: PathBuf| Some((file.clone(), std::fs::read(file).ok()?));
    files.into_iter().map(read).collect()
}

/// An issuer in the metrics.
fn name_of(target: &Target) -> IssuerName {
    IssuerName { namespace: String::new(), name: target.label() }
}
