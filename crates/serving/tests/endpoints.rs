//! The endpoints, over HTTP.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use issuer_diagnostic::ErrorKind;
use issuer_serving::{Endpoints, Health, IssuerName, Metrics, Published, State};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const DOCUMENTATION: &str = include_str!("../../../docs/metrics.md");

fn name(name: &str) -> IssuerName {
    IssuerName { namespace: "fleet".into(), name: name.into() }
}

async fn serve(health: Health) -> (SocketAddr, State) {
    let state = State { metrics: Arc::new(Metrics::new()), health: Arc::new(health) };
    let endpoints = Endpoints::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = endpoints.address();
    tokio::spawn(endpoints.serve(state.clone()));
    (address, state)
}

/// Status, head and body of an answer.
async fn ask(address: SocketAddr, method: &str, path: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), head.to_lowercase(), body.to_owned())
}

/// The format of Prometheus, version 0.0.4, as far as it is used: types by family, values by series.
fn parse(text: &str) -> (BTreeMap<String, String>, BTreeMap<String, f64>) {
    let (mut types, mut series) = (BTreeMap::new(), BTreeMap::new());
    let mut helped = None;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (family, help) = rest.split_once(' ').unwrap();
            assert!(!help.trim().is_empty(), "{line}");
            helped = Some(family.to_owned());
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (family, kind) = rest.split_once(' ').unwrap();
            assert_eq!(helped.as_deref(), Some(family), "{line}");
            assert!(types.insert(family.to_owned(), kind.to_owned()).is_none(), "{line}");
        } else {
            let (key, value) = line.rsplit_once(' ').unwrap();
            let family = key.split('{').next().unwrap();
            let is_part = |end: &str| {
                let of = family.strip_suffix(end).and_then(|family| types.get(family));
                of.is_some_and(|kind| kind == "histogram")
            };
            let declared = types.contains_key(family);
            assert!(declared || ["_bucket", "_sum", "_count"].into_iter().any(is_part), "{line}");
            assert!(series.insert(key.to_owned(), value.parse().unwrap()).is_none(), "{line}");
        }
    }
    (types, series)
}

/// Everything that can happen has happened.
fn let_everything_happen(metrics: &Metrics, issuer: &IssuerName) {
    metrics.keys_published(issuer, Published { keys: 2, live_key: Some(true) });
    metrics.verified(issuer, true);
    metrics.documents_written(issuer);
    metrics.keys_dropped(issuer, 1);
    metrics.step_succeeded(issuer, Duration::from_millis(300), 1_795_687_200);
    metrics.step_failed(issuer, ErrorKind::NotPermitted, Duration::from_secs(3));
    metrics.fallback_credentials(true);
    metrics.objects_listed(true);
}

#[tokio::test]
async fn metrics_can_be_scraped() {
    let (address, state) = serve(Health::new(Duration::from_secs(60))).await;
    let_everything_happen(&state.metrics, &name("a\"b\\c"));
    let (status, head, body) = ask(address, "GET", "/metrics").await;
    assert_eq!(status, 200);
    assert!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
    let (types, series) = parse(&body);
    let of = |name: &str| {
        let labels = r#"{issuer_namespace="fleet",issuer="a\"b\\c"}"#;
        series.get(&format!("issuerctl_{name}{labels}")).copied()
    };
    assert_eq!(of("published_keys"), Some(2.0));
    assert_eq!(of("live_key_published"), Some(1.0));
    assert_eq!(of("verify_passed"), Some(1.0));
    assert_eq!(of("last_success_timestamp_seconds"), Some(1_795_687_200.0));
    assert_eq!((of("steps_total"), of("failed_steps_total")), (Some(2.0), Some(1.0)));
    assert_eq!((of("writes_total"), of("dropped_keys_total")), (Some(1.0), Some(1.0)));
    assert_eq!(series[r#"issuerctl_failures_total{reason="not-permitted"}"#], 1.0);
    assert_eq!(series["issuerctl_fallback_credentials"], 1.0);
    assert_eq!(series["issuerctl_objects_listed"], 1.0);
    assert_eq!(series["issuerctl_step_duration_seconds_count"], 2.0);
    assert_eq!(types["issuerctl_step_duration_seconds"], "histogram");
    assert_eq!(types["issuerctl_steps_total"], "counter");
}

#[tokio::test]
async fn the_documentation_names_the_metrics_that_there_are() {
    let metrics = Metrics::new();
    let_everything_happen(&metrics, &name("a"));
    let (types, _) = parse(&metrics.text());
    let documented = DOCUMENTATION.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `issuerctl_")?.split(" | ");
        let name = format!("issuerctl_{}", cells.next()?.trim_end_matches('`'));
        Some((name, cells.next()?.to_owned()))
    });
    assert_eq!(documented.collect::<BTreeMap<_, _>>(), types);
}

#[tokio::test]
async fn the_series_of_a_deleted_issuer_end_and_those_of_others_stay() {
    let metrics = Metrics::new();
    let_everything_happen(&metrics, &name("gone"));
    let_everything_happen(&metrics, &name("stays"));
    metrics.issuer_deleted(&name("gone"));
    let text = metrics.text();
    assert!(!text.contains("gone"), "{text}");
    assert_eq!(text.matches("\"stays\"").count(), 9, "{text}");
}

#[tokio::test]
async fn a_program_is_ready_after_its_first_success_and_stays_so_when_a_server_fails() {
    let (address, state) = serve(Health::new(Duration::from_secs(60))).await;
    let issuer = name("a");
    state.health.beat();
    state.metrics.step_failed(&issuer, ErrorKind::Other, Duration::from_secs(1));
    assert_eq!(ask(address, "GET", "/readyz").await.0, 503);
    assert_eq!(ask(address, "GET", "/livez").await.0, 200);
    state.health.ready();
    state.metrics.step_failed(&issuer, ErrorKind::Other, Duration::from_secs(1));
    assert_eq!(ask(address, "GET", "/readyz").await.0, 200);
    // A replica that waited is the leader now.
    state.health.not_ready();
    assert_eq!(ask(address, "GET", "/readyz").await.0, 503);
}

#[tokio::test]
async fn a_program_that_hangs_is_not_live_until_it_goes_on() {
    let (address, state) = serve(Health::new(Duration::from_millis(50))).await;
    tokio::time::sleep(Duration::from_millis(120)).await;
    let (status, _, body) = ask(address, "GET", "/livez").await;
    assert_eq!(status, 500);
    assert!(body.contains("it has not gone on"), "{body}");
    state.health.beat();
    assert_eq!(ask(address, "GET", "/livez").await.0, 200);
}

#[tokio::test]
async fn nothing_else_is_answered_and_nothing_can_be_written() {
    let (address, _) = serve(Health::new(Duration::from_secs(60))).await;
    assert_eq!(ask(address, "GET", "/").await.0, 404);
    assert_eq!(ask(address, "GET", "/metrics/").await.0, 404);
    let (status, head, _) = ask(address, "POST", "/metrics").await;
    assert_eq!(status, 405);
    assert!(head.contains("allow: get, head"), "{head}");
    let (status, _, body) = ask(address, "HEAD", "/livez").await;
    assert_eq!((status, body.as_str()), (200, ""));
    assert_eq!(ask(address, "GET", "/livez?verbose").await.0, 200);
}

#[tokio::test]
async fn clients_that_say_nothing_do_not_keep_others_out() {
    let (address, _) = serve(Health::new(Duration::from_secs(60))).await;
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let answer = tokio::time::timeout(Duration::from_secs(9), ask(address, "GET", "/livez"));
    assert_eq!(answer.await.expect("the silent ones are cut off after five seconds").0, 200);
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_with_what_would_be_missing() {
    use issuer_diagnostic::Diagnostic;
    let (address, _) = serve(Health::new(Duration::from_secs(60))).await;
    let error = Endpoints::bind(address).await.unwrap_err();
    assert!(error.to_string().contains("no metrics and no health checks"), "{error}");
    assert!(error.hint().unwrap().contains("another program listens"));
}
