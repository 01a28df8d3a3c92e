//! The metrics, and what they are told.

use std::time::Duration;

use issuer_diagnostic::ErrorKind;
use prometheus_client::encoding::{EncodeLabelSet, prometheus_text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

/// An issuer, as the labels of its series name it. `issuer_namespace` and not `namespace`, since Prometheus
/// adds the namespace of the pod under that name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IssuerName {
    /// Its namespace; empty where there is none.
    pub namespace: String,
    /// Its name, or its URL where it has no name.
    pub name: String,
}

/// What was published when a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// How many keys.
    pub keys: usize,
    /// Whether every key that the cluster accepts is among them, if its keys could be read.
    pub live_key: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    issuer_namespace: String,
    issuer: String,
}

/// A closed set, so that the number of series is bounded.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

type Gauges = Family<Labels, Gauge>;
type Counters = Family<Labels, Counter>;

/// The metrics of the process. Each method is named after what happened.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    published_keys: Gauges,
    live_key_published: Gauges,
    verify_passed: Gauges,
    last_success: Gauges,
    steps: Counters,
    failed_steps: Counters,
    failed_verifications: Counters,
    writes: Counters,
    dropped_keys: Counters,
    failures: Family<Reason, Counter>,
    duration: Histogram,
    fallback_credentials: Gauge,
    objects_listed: Family<[(&'static str, &'static str); 0], Gauge>,
}

impl Metrics {
    /// Metrics of which nothing is known yet.
    #[must_use]
    pub fn new() -> Self {
        let seconds = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0];
        let mut metrics = Self {
            registry: Registry::with_prefix("issuerctl"),
            published_keys: Family::default(),
            live_key_published: Family::default(),
            verify_passed: Family::default(),
            last_success: Family::default(),
            steps: Family::default(),
            failed_steps: Family::default(),
            failed_verifications: Family::default(),
            writes: Family::default(),
            dropped_keys: Family::default(),
            failures: Family::default(),
            duration: Histogram::new(seconds),
            fallback_credentials: Gauge::default(),
            objects_listed: Family::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version of the program", version);
        let gauges = [
            ("published_keys", "Keys in the published JWK Set", &self.published_keys),
            (
                "live_key_published",
                "Whether every key that the cluster publishes is in the published JWK Set (1) or not (0)",
                &self.live_key_published,
            ),
            (
                "verify_passed",
                "Whether AWS STS would accept the published issuer, as seen from this process (1) or not (0)",
                &self.verify_passed,
            ),
        ];
        for (name, help, family) in gauges {
            registry.register(name, help, family.clone());
        }
        registry.register_with_unit(
            "last_success_timestamp",
            "When a step succeeded last, in seconds since 1970",
            Unit::Seconds,
            self.last_success.clone(),
        );
        let counters = [
            ("steps", "Steps that have ended", &self.steps),
            ("failed_steps", "Steps that have failed", &self.failed_steps),
            (
                "failed_verifications",
                "How often AWS STS would not have accepted the published issuer",
                &self.failed_verifications,
            ),
            ("writes", "Steps that changed the published documents", &self.writes),
            (
                "dropped_keys",
                "Keys that were removed because their time had come",
                &self.dropped_keys,
            ),
        ];
        for (name, help, family) in counters {
            registry.register(name, help, family.clone());
        }
        registry.register("failures", "Failed steps of all issuers", self.failures.clone());
        registry.register_with_unit(
            "step_duration",
            "How long the steps of all issuers took",
            Unit::Seconds,
            self.duration.clone(),
        );
        registry.register(
            "fallback_credentials",
            "Whether the credentials for emergencies are in use, because AWS STS refuses those of the pod \
             (1), or not (0)",
            self.fallback_credentials.clone(),
        );
        registry.register(
            "objects_listed",
            "Whether the objects of all watched namespaces are known (1) or not (0), so that they are \
             reconciled; only of a controller that leads",
            self.objects_listed.clone(),
        );
    }

    /// A step has ended and everything is as it should be.
    pub fn step_succeeded(&self, issuer: &IssuerName, took: Duration, now_secs: u64) {
        self.step_ended(issuer, took);
        self.keys_followed(issuer, now_secs);
    }

    /// The keys of the cluster were read, published and verified, whatever else there is to do.
    pub fn keys_followed(&self, issuer: &IssuerName, now_secs: u64) {
        let now = now_secs.try_into().unwrap_or(i64::MAX);
        self.last_success.get_or_create(&issuer.labels()).set(now);
    }

    /// A step has failed.
    pub fn step_failed(&self, issuer: &IssuerName, kind: ErrorKind, took: Duration) {
        self.step_ended(issuer, took);
        self.failed_steps.get_or_create(&issuer.labels()).inc();
        self.failures.get_or_create(&Reason { reason: reason(kind) }).inc();
    }

    /// A step has ended without a failure.
    pub fn step_ended(&self, issuer: &IssuerName, took: Duration) {
        let labels = issuer.labels();
        self.steps.get_or_create(&labels).inc();
        // So that a rate is 0, and not missing, before the first of them.
        for counters in
            [&self.failed_steps, &self.failed_verifications, &self.writes, &self.dropped_keys]
        {
            let _ = counters.get_or_create(&labels);
        }
        self.duration.observe(took.as_secs_f64());
    }

    /// The published keys were read, or written.
    pub fn keys_published(&self, issuer: &IssuerName, published: Published) {
        let labels = issuer.labels();
        let keys = published.keys.try_into().unwrap_or(i64::MAX);
        self.published_keys.get_or_create(&labels).set(keys);
        if let Some(live_key) = published.live_key {
            self.live_key_published.get_or_create(&labels).set(live_key.into());
        }
    }

    /// The issuer was read the way AWS STS reads it.
    pub fn verified(&self, issuer: &IssuerName, passed: bool) {
        let labels = issuer.labels();
        self.verify_passed.get_or_create(&labels).set(passed.into());
        if !passed {
            self.failed_verifications.get_or_create(&labels).inc();
        }
    }

    /// A step has changed the published documents.
    pub fn documents_written(&self, issuer: &IssuerName) {
        self.writes.get_or_create(&issuer.labels()).inc();
    }

    /// So many keys were removed because their time had come.
    pub fn keys_dropped(&self, issuer: &IssuerName, keys: usize) {
        let keys = keys.try_into().unwrap_or(u64::MAX);
        self.dropped_keys.get_or_create(&issuer.labels()).inc_by(keys);
    }

    /// The credentials for emergencies came into use, or those of the pod are accepted again.
    pub fn fallback_credentials(&self, in_use: bool) {
        self.fallback_credentials.set(in_use.into());
    }

    /// Whether the objects of all watched namespaces are known.
    pub fn objects_listed(&self, are_listed: bool) {
        self.objects_listed.get_or_create(&[]).set(are_listed.into());
    }

    /// The issuer is not managed, or not for the time being: its series end.
    pub fn issuer_deleted(&self, issuer: &IssuerName) {
        let labels = issuer.labels();
        for gauges in [
            &self.published_keys,
            &self.live_key_published,
            &self.verify_passed,
            &self.last_success,
        ] {
            gauges.remove(&labels);
        }
        for counters in [
            &self.steps,
            &self.failed_steps,
            &self.failed_verifications,
            &self.writes,
            &self.dropped_keys,
        ] {
            counters.remove(&labels);
        }
    }

    /// The metrics in the text format of Prometheus, version 0.0.4.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = prometheus_text::encode(&mut text, &self.registry);
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl IssuerName {
    fn labels(&self) -> Labels {
        Labels { issuer_namespace: self.namespace.clone(), issuer: self.name.clone() }
    }
}

fn reason(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidInput => "invalid-input",
        ErrorKind::NotFound => "not-found",
        ErrorKind::Conflict => "conflict",
        ErrorKind::NotPermitted => "not-permitted",
        ErrorKind::Refused => "refused",
        _ => "other",
    }
}
