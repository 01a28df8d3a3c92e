//! The loop: what the API server says of the objects, and when each is reconciled.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, SelectAll};
use futures_util::{Stream, StreamExt};
use issuer_diagnostic::{ErrorKind, now_secs};
use issuer_reconcile::Shared;
use issuer_serving::{FallbackWatch, IssuerName, Metrics, Published, State};
use issuer_session::SessionOptions;
use issuer_verify::FetchOptions;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Api, Client, Config};

use crate::cluster::{OwnCluster, words};
use crate::desired::{Desired, Permitted};
use crate::object::{Key, ServiceAccountIssuer};
use crate::reconcile::{Context, Ended, Seen, no_file, reconcile};
use crate::schedule::Schedule;
use crate::status::{Condition, Kind, Reason, Status, Truth};

/// The limit for the answer to a request other than a watch.
const ANSWER: Duration = Duration::from_secs(15);

/// How often the loop shows that it goes on.
const BEAT: Duration = Duration::from_secs(5);

/// How the controller works.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The namespaces whose objects are reconciled; all of them if there is none.
    pub namespaces: Vec<String>,
    /// How often each object is looked at.
    pub period: Duration,
    /// How many objects are reconciled at a time.
    pub parallel: usize,
    /// What objects may ask for.
    pub permitted: Permitted,
    /// How AWS is reached.
    pub session: SessionOptions,
    /// The replica.
    pub identity: String,
}

/// The objects of the watched namespaces, and the reconciliations that are running.
struct Controller {
    context: Context,
    permitted: Permitted,
    serving: State,
    schedule: Schedule,
    fallback: FallbackWatch,
    watches: Watches,
}

/// The lists of all watches. Nothing is reconciled before all of them are complete: what an object may have
/// depends on all others.
#[derive(Debug)]
struct Watches(Vec<Listing>);

#[derive(Debug)]
struct Listing {
    /// `None` if all namespaces are watched.
    namespace: Option<String>,
    /// The objects that the new list has so far.
    listed: HashSet<Key>,
    is_complete: bool,
}

impl Watches {
    fn new(namespaces: &[Option<String>]) -> Self {
        let listing = |namespace: &Option<String>| Listing {
            namespace: namespace.clone(),
            listed: HashSet::new(),
            is_complete: false,
        };
        Self(namespaces.iter().map(listing).collect())
    }

    /// A new list begins.
    fn begin(&mut self, index: usize) {
        if let Some(listing) = self.0.get_mut(index) {
            listing.listed.clear();
            listing.is_complete = false;
        }
    }

    /// An object is in the new list.
    fn add(&mut self, index: usize, key: Key) {
        if let Some(listing) = self.0.get_mut(index) {
            listing.listed.insert(key);
        }
    }

    /// The new list is complete.
    fn end(&mut self, index: usize) -> Option<&Listing> {
        let listing = self.0.get_mut(index)?;
        listing.is_complete = true;
        Some(listing)
    }

    /// The namespace of a watch, if it is one of a namespace.
    fn namespace(&self, index: usize) -> Option<&str> {
        self.0.get(index)?.namespace.as_deref()
    }

    fn are_complete(&self) -> bool {
        self.0.iter().all(|listing| listing.is_complete)
    }
}

type Watched = (usize, Result<Event<ServiceAccountIssuer>, watcher::Error>);

/// Reconciles objects until it is dropped.
///
/// # Errors
/// The client of the API server cannot be made.
pub async fn run(
    settings: Settings,
    config: Config,
    serving: State,
) -> Result<Infallible, kube::Error> {
    let watching = Client::try_from(config.clone())?;
    let mut config = config;
    config.read_timeout = Some(ANSWER);
    let requests = Client::try_from(config)?;
    let fetch = FetchOptions::new(settings.session.authorities.clone());
    let fallback = FallbackWatch::new(settings.session.fallback.clone());
    let shared = Arc::new(Shared::new(settings.session, fetch, no_file));
    let own = OwnCluster::new(requests, settings.identity);
    let mut streams = SelectAll::new();
    let namespaces: Vec<Option<String>> = match settings.namespaces.is_empty() {
        true => vec![None],
        false => settings.namespaces.into_iter().map(Some).collect(),
    };
    for (index, namespace) in namespaces.iter().enumerate() {
        streams.push(events(&watching, namespace.as_deref(), index));
    }
    let mut controller = Controller {
        context: Context::new(own, shared),
        permitted: settings.permitted,
        serving,
        schedule: Schedule::new(settings.period),
        fallback,
        watches: Watches::new(&namespaces),
    };
    controller.serving.metrics.objects_listed(false);
    let mut running = FuturesUnordered::new();
    loop {
        controller.serving.health.beat();
        while controller.watches.are_complete()
            && let Some(object) = controller.schedule.take(Instant::now(), settings.parallel)
        {
            let desired = Desired::of(&object, &controller.permitted);
            let context = controller.context.clone();
            running.push(Box::pin(async move {
                let began = Instant::now();
                let ended = reconcile(&context, &object, desired).await;
                (object, ended, began.elapsed())
            }));
        }
        let pause = controller
            .schedule
            .next_due(settings.parallel)
            .map_or(BEAT, |due| due.saturating_duration_since(Instant::now()).min(BEAT));
        // At the limit, the end of a reconciliation wakes the loop; before the lists are complete, their end.
        let waits = running.len() >= settings.parallel || !controller.watches.are_complete();
        let pause = if waits { BEAT } else { pause };
        tokio::select! {
            Some(watched) = streams.next() => controller.watched(watched),
            Some((object, ended, took)) = running.next(), if !running.is_empty() => {
                controller.ended(&object, &ended, took);
            }
            () = tokio::time::sleep(pause) => {}
        }
    }
}

fn events(
    client: &Client,
    namespace: Option<&str>,
    index: usize,
) -> std::pin::Pin<Box<dyn Stream<Item = Watched> + Send>> {
    let api = match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    let stream = watch(api, watcher::Config::default()).default_backoff();
    stream.map(move |event| (index, event)).boxed()
}

impl Controller {
    fn watched(&mut self, (index, event): Watched) {
        match event {
            Ok(Event::Apply(object)) => self.changed(object),
            Ok(Event::InitApply(object)) => {
                self.watches.add(index, object.key());
                self.changed(object);
            }
            Ok(Event::Delete(object)) => self.removed(&object.key()),
            Ok(Event::Init) => self.watches.begin(index),
            Ok(Event::InitDone) => {
                if let Some(Listing { namespace, listed, .. }) = self.watches.end(index) {
                    let missing = self.schedule.missing(namespace.as_deref(), listed);
                    missing.iter().for_each(|key| self.removed(key));
                }
                if self.watches.are_complete() {
                    self.serving.health.ready();
                    tracing::info!(objects = self.schedule.len(), "the objects were listed");
                }
            }
            Err(error) => {
                use watcher::Error as E;
                let why = match &error {
                    E::InitialListFailed(error)
                    | E::WatchStartFailed(error)
                    | E::WatchFailed(error) => words(error),
                    E::WatchError(status) => status.message.clone(),
                    E::NoResourceVersion => error.to_string(),
                };
                let namespace = self.watches.namespace(index);
                tracing::warn!(
                    namespace,
                    "the objects cannot be watched, and this is tried again: {why}"
                );
            }
        }
        self.serving.metrics.objects_listed(self.watches.are_complete());
    }

    fn changed(&mut self, mut object: ServiceAccountIssuer) {
        // Who set which field is most of an object, and is not used here.
        object.metadata.managed_fields = None;
        // One that is not valid any more keeps what it was applied to.
        let desired = Desired::of(&object, &self.permitted).ok();
        let issuer = desired.map(|desired| desired.issuer);
        self.context.claims().set(&object, issuer);
        self.schedule.changed(object, Instant::now());
    }

    fn removed(&mut self, key: &Key) {
        self.context.forget(key);
        self.schedule.removed(key);
        self.serving.metrics.issuer_deleted(&name(key));
    }

    fn ended(&mut self, object: &Arc<ServiceAccountIssuer>, ended: &Ended, took: Duration) {
        let Ended { next, status, remembered, seen } = ended;
        self.fallback.look(&self.serving.metrics);
        let remembered = serde_json::to_value(remembered).unwrap_or_default();
        if !self.schedule.ended(object, *next, remembered, Instant::now()) {
            // Its series have ended, and another object may have its name.
            return;
        }
        let key = object.key();
        self.context.claims().ended(&key, status);
        let metrics = &self.serving.metrics;
        match seen.is_step {
            true => record(metrics, &name(&key), status, *seen, took),
            // Nothing is looked at, and an alert would never end.
            false => metrics.issuer_deleted(&name(&key)),
        }
    }
}

fn record(metrics: &Metrics, issuer: &IssuerName, status: &Status, seen: Seen, took: Duration) {
    let ready = status.condition(Kind::Ready).map(|ready| (ready.status, ready.reason));
    match ready {
        Some((Truth::True, _) | (_, Reason::Deploying)) => metrics.step_ended(issuer, took),
        ready => {
            let kind = ready.map_or(ErrorKind::Other, |(_, reason)| reason.error_kind());
            metrics.step_failed(issuer, kind, took);
        }
    }
    if are_keys_followed(status) {
        metrics.keys_followed(issuer, now_secs());
    }
    if let Some(keys) = seen.keys {
        metrics.keys_published(issuer, Published { keys, live_key: seen.live_key });
    }
    // What a step repairs was wrong all the same.
    if seen.before == Some(false) {
        metrics.verified(issuer, false);
    }
    let verified = status.condition(Kind::Verified).filter(|verified| {
        verified.status != Truth::Unknown
            && !matches!(verified.reason, Reason::Unavailable | Reason::NotRequested)
    });
    if let Some(verified) = verified {
        metrics.verified(issuer, verified.status == Truth::True);
    }
    if seen.wrote {
        metrics.documents_written(issuer);
    }
}

/// Whether the keys of the cluster are published and AWS STS would accept them, whatever else is not as declared.
fn are_keys_followed(status: &Status) -> bool {
    let is_published =
        |found: &Condition| found.status == Truth::True || found.reason == Reason::DriftFound;
    status.condition(Kind::KeysPublished).is_some_and(is_published) && status.is(Kind::Verified)
}

fn name(key: &Key) -> IssuerName {
    IssuerName { namespace: key.namespace.clone(), name: key.name.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Finding;

    #[test]
    fn nothing_is_reconciled_before_every_list_is_complete_and_during_no_new_one() {
        let namespaces = ["a", "b"].map(|name| Some(name.to_owned()));
        let mut watches = Watches::new(&namespaces);
        let key = Key { namespace: "a".to_owned(), name: "prod".to_owned() };
        watches.add(0, key.clone());
        assert!(!watches.are_complete());
        assert_eq!(watches.end(0).unwrap().listed, HashSet::from([key]));
        assert!(!watches.are_complete());
        watches.end(1);
        assert!(watches.are_complete());
        watches.begin(0);
        assert!(!watches.are_complete());
        assert!(watches.end(0).unwrap().listed.is_empty());
        assert!(watches.are_complete());
    }

    #[test]
    fn what_was_not_seen_stays_and_what_was_repaired_is_counted() {
        let metrics = Metrics::new();
        let issuer = IssuerName { namespace: "n".to_owned(), name: "prod".to_owned() };
        let mut status = Status::default();
        let mut step = |found: Finding, seen: Seen| {
            status.set(vec![found], Some(1), "t");
            record(&metrics, &issuer, &status, seen, Duration::ZERO);
            metrics.text()
        };
        let series = "issuer_namespace=\"n\",issuer=\"prod\"";
        let good = || Finding::good(Kind::Verified, Reason::Accepted, "");
        let repaired = Seen {
            is_step: true,
            keys: Some(2),
            live_key: Some(true),
            before: Some(false),
            wrote: true,
        };
        let text = step(good(), repaired);
        for (name, value) in [
            ("published_keys", 2),
            ("live_key_published", 1),
            ("verify_passed", 1),
            ("failed_verifications_total", 1),
            ("writes_total", 1),
        ] {
            let line = format!("issuerctl_{name}{{{series}}} {value}");
            assert!(text.contains(&line), "{line}: {text}");
        }
        let unknown = Finding::unknown(Kind::Verified, Reason::NotReached, "");
        let text = step(unknown, Seen { keys: Some(3), ..Seen::default() });
        for (name, value) in
            [("published_keys", 3), ("live_key_published", 1), ("verify_passed", 1)]
        {
            let line = format!("issuerctl_{name}{{{series}}} {value}");
            assert!(text.contains(&line), "{line}: {text}");
        }
    }
}
