//! The loop: what the API server says of the objects, and when each is reconciled.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, SelectAll};
use futures_util::{Stream, StreamExt};
use issuer_diagnostic::{ErrorKind, now_secs};
use issuer_reconcile::Shared;
use issuer_serving::{FallbackWatch, IssuerName, Published, State};
use issuer_session::SessionOptions;
use issuer_verify::FetchOptions;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Api, Client, Config};

use crate::claims::Claims;
use crate::cluster::{OwnCluster, words};
use crate::desired::{Desired, Permitted};
use crate::object::{Key, ServiceAccountIssuer};
use crate::reconcile::{Context, Input, no_file, reconcile};
use crate::schedule::{Next, Schedule};
use crate::status::{Kind, Reason, Status, Truth};

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
    claims: Claims,
    fallback: FallbackWatch,
    /// The namespace of each watch, and the objects that its new list has so far.
    lists: Vec<(Option<String>, HashSet<Key>)>,
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
    let (mut streams, mut lists) = (SelectAll::new(), Vec::new());
    let namespaces: Vec<Option<String>> = match settings.namespaces.is_empty() {
        true => vec![None],
        false => settings.namespaces.into_iter().map(Some).collect(),
    };
    for (index, namespace) in namespaces.into_iter().enumerate() {
        streams.push(events(&watching, namespace.as_deref(), index));
        lists.push((namespace, HashSet::new()));
    }
    let mut controller = Controller {
        context: Context { own, shared },
        permitted: settings.permitted,
        serving,
        schedule: Schedule::new(settings.period),
        claims: Claims::default(),
        fallback,
        lists,
    };
    let mut running = FuturesUnordered::new();
    loop {
        controller.serving.health.beat();
        while let Some(object) = controller.schedule.take(Instant::now(), settings.parallel) {
            let input = controller.input(&object);
            let context = controller.context.clone();
            running.push(Box::pin(async move {
                let began = Instant::now();
                let (next, status) = reconcile(&context, &object, input).await;
                (object, next, status, began.elapsed())
            }));
        }
        let pause = controller
            .schedule
            .next_due()
            .map_or(BEAT, |due| due.saturating_duration_since(Instant::now()).min(BEAT));
        // At the limit, the end of a reconciliation wakes the loop.
        let pause = if running.len() >= settings.parallel { BEAT } else { pause };
        tokio::select! {
            Some(watched) = streams.next() => controller.watched(watched),
            Some((object, next, status, took)) = running.next(), if !running.is_empty() => {
                controller.ended(&object, next, &status, took);
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
                if let Some((_, listed)) = self.lists.get_mut(index) {
                    listed.insert(object.key());
                }
                self.changed(object);
            }
            Ok(Event::Delete(object)) => self.removed(&object.key()),
            Ok(Event::Init) => {
                if let Some((_, listed)) = self.lists.get_mut(index) {
                    listed.clear();
                }
            }
            Ok(Event::InitDone) => {
                if let Some((namespace, listed)) = self.lists.get(index) {
                    for key in self.schedule.missing(namespace.as_deref(), listed) {
                        self.removed(&key);
                    }
                }
                self.serving.health.ready();
                tracing::info!(objects = self.schedule.len(), "the objects were listed");
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
                tracing::warn!("the objects cannot be watched, and this is tried again: {why}");
            }
        }
    }

    fn changed(&mut self, mut object: ServiceAccountIssuer) {
        // Who set which field is most of an object, and is not used here.
        object.metadata.managed_fields = None;
        let key = object.key();
        match Desired::of(&object, &self.permitted) {
            Ok(desired) => {
                let created = object.metadata.creation_timestamp.as_ref();
                let created = created.map(|time| time.0.to_string()).unwrap_or_default();
                let uid = object.metadata.uid.clone().unwrap_or_default();
                self.claims.set(&key, (created, uid), desired.issuer);
            }
            Err(_) => self.claims.remove(&key),
        }
        self.schedule.changed(object, Instant::now());
    }

    fn removed(&mut self, key: &Key) {
        self.claims.remove(key);
        self.schedule.removed(key);
        self.serving.metrics.issuer_deleted(&name(key));
    }

    fn input(&self, object: &ServiceAccountIssuer) -> Input {
        Input {
            desired: Desired::of(object, &self.permitted),
            conflict: self.claims.conflict(&object.key()),
        }
    }

    fn ended(
        &mut self,
        object: &Arc<ServiceAccountIssuer>,
        next: Next,
        status: &Status,
        took: Duration,
    ) {
        let key = object.key();
        let issuer = name(&key);
        let metrics = &self.serving.metrics;
        if !object.is_deleted() {
            match status.is(Kind::Ready) {
                true => metrics.step_succeeded(&issuer, took, now_secs()),
                false => {
                    let ready = status.condition(Kind::Ready);
                    let kind = ready.map_or(ErrorKind::Other, |ready| ready.reason.error_kind());
                    metrics.step_failed(&issuer, kind, took);
                }
            }
            // What could not be seen stays as it was seen last.
            let seen = |kind| {
                let condition = status.condition(kind)?;
                let is_seen =
                    condition.reason != Reason::Unavailable && condition.status != Truth::Unknown;
                is_seen.then_some(condition.status == Truth::True)
            };
            if let Some((keys, live_key)) = status.key_count.zip(seen(Kind::KeysPublished)) {
                metrics.keys_published(&issuer, Published { keys, live_key });
            }
            if let Some(passed) = seen(Kind::Verified) {
                metrics.verified(&issuer, passed);
            }
        }
        self.fallback.look(&self.serving.metrics);
        let status = serde_json::to_value(status).unwrap_or_default();
        self.schedule.ended(&key, next, status, Instant::now());
    }
}

fn name(key: &Key) -> IssuerName {
    IssuerName { namespace: key.namespace.clone(), name: key.name.clone() }
}
