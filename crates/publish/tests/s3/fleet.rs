//! Many issuers of a run in one bucket: what is asked once for all of them, and what is believed of it.

use issuer_publish::{Fleets, S3Location};
use issuer_test_support::{Fault, FaultProxy};

use super::*;

/// A run of many issuers in one bucket.
struct Run {
    endpoint: String,
    locations: Vec<S3Location>,
    options: S3Options,
    fleets: Fleets,
}

impl Run {
    fn of(endpoint: String, count: usize) -> Self {
        let options = S3Options { access: AccessMode::None, ..options() };
        Self::with(endpoint, count, options)
    }

    fn with(endpoint: String, count: usize, options: S3Options) -> Self {
        let location = |number| format!("s3://my-oidc/fleet/c{number}").parse().unwrap();
        let locations: Vec<S3Location> = (0..count).map(location).collect();
        let fleets = Fleets::new(locations.iter().map(|location| (location, &options)));
        Self { endpoint, locations, options, fleets }
    }

    /// The store of an issuer.
    fn store(&self, number: usize) -> Store {
        let location = self.locations[number].clone();
        let fleet = self.fleets.of(&location, &self.options).cloned();
        let client = client_at(&self.endpoint, "us-west-2", Duration::from_secs(20));
        let s3 = S3::with_client(client, location, self.options.clone(), "us-west-2".to_owned());
        Store::S3(Box::new(s3.among(fleet)))
    }

    async fn publish(&self, number: usize, case: &str) -> Result<Plan, Error> {
        run(&self.store(number), &issuer(number, case), &PlanOptions::default()).await
    }

    /// Publishes the same keys for every issuer.
    async fn publish_all(&self) {
        for number in 0..self.locations.len() {
            self.publish(number, "rsa2048").await.unwrap();
        }
    }
}

/// The store of an issuer in a run of many.
pub(super) fn one_of_many(
    endpoint: &str,
    location: &str,
    options: S3Options,
    patience: Duration,
) -> Store {
    let location: S3Location = location.parse().unwrap();
    let fleets = Fleets::new(std::iter::repeat_n((&location, &options), 32));
    let fleet = fleets.of(&location, &options).cloned();
    assert!(fleet.is_some());
    let client = client_at(endpoint, "us-west-2", patience);
    let s3 = S3::with_client(client, location, options, "us-west-2".to_owned());
    Store::S3(Box::new(s3.among(fleet)))
}

fn issuer(number: usize, case: &str) -> Site {
    let url = format!("https://oidc.example.com/c{number}");
    Site::new(keys(case), IssuerUrl::parse(&url, Ports::Refuse).unwrap(), Shape::Irsa)
}

fn server() -> S3Server {
    let server = S3Server::start();
    server.make_bucket("my-oidc");
    server
}

fn keys_of(number: usize) -> String {
    format!("fleet/c{number}/keys.json")
}

fn discovery_of(number: usize) -> String {
    format!("fleet/c{number}/.well-known/openid-configuration")
}

fn published(server: &S3Server, number: usize) -> JwkSet {
    JwkSet::parse(&server.get("my-oidc", &keys_of(number)).unwrap(), WeakKeys::Refuse).unwrap()
}

/// How many requests there were of each call.
fn count(log: &[String], call: &str) -> usize {
    log.iter().filter(|line| line.split(' ').next() == Some(call)).count()
}

#[tokio::test]
async fn a_fleet_of_new_issuers_takes_one_list_and_four_requests_an_issuer() {
    let server = server();
    Run::of(server.endpoint(), 40).publish_all().await;
    let log = server.take_log();
    assert_eq!(count(&log, "ListObjectsV2"), 1, "{log:#?}");
    assert_eq!(count(&log, "PutObject"), 2 * 40, "{log:#?}");
    assert_eq!(count(&log, "GetObject"), 2 * 40, "{log:#?}");
    assert_eq!(log.len(), 1 + 4 * 40, "{log:#?}");
    let first: Vec<&str> = log[..3].iter().map(|line| line.split(" if").next().unwrap()).collect();
    assert_eq!(
        first,
        [
            "ListObjectsV2",
            "PutObject fleet/c0/keys.json",
            "PutObject fleet/c0/.well-known/openid-configuration"
        ]
    );
    assert!(log[1].contains("if-none-match=*") && log[2].contains("if-none-match=*"), "{log:#?}");
}

#[tokio::test]
async fn a_few_issuers_are_not_listed() {
    let server = server();
    Run::of(server.endpoint(), 31).publish_all().await;
    let log = server.take_log();
    assert_eq!(count(&log, "ListObjectsV2"), 0, "{log:#?}");
    // The bucket, and each document before and after.
    assert_eq!(log.len(), 31 * (1 + 2 + 2 + 2), "{log:#?}");
}

#[tokio::test]
async fn what_a_fleet_has_published_is_compared_and_not_written_again() {
    let server = server();
    let first = Run::of(server.endpoint(), 40);
    for number in 0..10 {
        first.publish(number, "rsa2048").await.unwrap();
    }
    server.take_log();
    // Another process.
    Run::of(server.endpoint(), 40).publish_all().await;
    let log = server.take_log();
    for number in 0..40 {
        let reads = format!("GetObject {}", keys_of(number));
        let write = format!("PutObject {} ", keys_of(number));
        let has = |text: &str| log.iter().any(|line| line.starts_with(text));
        assert!(has(&reads), "{number}: {log:#?}");
        assert_eq!(has(&write), number >= 10, "{number}: {log:#?}");
    }
    assert_eq!(log.len(), 1 + 2 * 10 + 4 * 30, "{log:#?}");
}

#[tokio::test]
async fn a_rival_that_comes_between_the_list_and_a_write_loses_no_key() {
    let server = server();
    let fleet = Run::of(server.endpoint(), 40);
    fleet.publish(0, "rsa2048").await.unwrap();
    // After the list: the keys of one issuer, the whole site of another, and the half of a third.
    server.put("my-oidc", &keys_of(1), keys("p384").to_json().as_bytes());
    let rival = Run::of(server.endpoint(), 3);
    rival.publish(2, "p384").await.unwrap();
    server.put("my-oidc", &discovery_of(3), &server.get("my-oidc", &discovery_of(2)).unwrap());
    server.take_log();
    for number in [1, 2] {
        fleet.publish(number, "rsa2048").await.unwrap();
        let all = published(&server, number);
        assert_eq!(all, keys("rsa2048").union(&keys("p384")).unwrap(), "{number}");
        let discovery =
            String::from_utf8(server.get("my-oidc", &discovery_of(number)).unwrap()).unwrap();
        assert!(discovery.contains(r#"["ES384","RS256"]"#), "{number}: {discovery}");
    }
    assert_eq!(count(&server.take_log(), "ListObjectsV2"), 0);
    // It is of another issuer, and stays.
    let error = fleet.publish(3, "rsa2048").await.unwrap_err();
    assert!(matches!(error, Error::OtherIssuer { .. }), "{error}");
    let discovery = String::from_utf8(server.get("my-oidc", &discovery_of(3)).unwrap()).unwrap();
    assert!(discovery.contains(r#""issuer":"https://oidc.example.com/c2""#), "{discovery}");
}

#[tokio::test]
async fn the_documents_are_asked_for_if_they_cannot_be_listed() {
    for code in ["AccessDenied", "NotImplemented", "SlowDown", "InternalError"] {
        let server = server();
        server.refuse("ListObjectsV2", code);
        server.put("my-oidc", &keys_of(0), keys("p384").to_json().as_bytes());
        let fleet = Run::of(server.endpoint(), 40);
        fleet.publish(0, "rsa2048").await.unwrap();
        fleet.publish(1, "rsa2048").await.unwrap();
        assert_eq!(published(&server, 0), keys("rsa2048").union(&keys("p384")).unwrap());
        let log = server.take_log();
        let before = |number| {
            let write = format!("PutObject {}", keys_of(number));
            let write = log.iter().position(|line| line.starts_with(&write)).unwrap();
            log[..write].contains(&format!("GetObject {}", keys_of(number)))
        };
        assert!(before(0) && before(1), "{code}: {log:#?}");
        let lists = log.iter().rposition(|line| line == "ListObjectsV2").unwrap();
        let reads = log.iter().position(|line| line.starts_with("GetObject")).unwrap();
        assert!(lists < reads, "asked once: {code}: {log:#?}");
    }
}

#[tokio::test]
async fn an_empty_or_cut_list_never_says_that_a_document_does_not_exist() {
    for fault in [
        Fault::Empty,
        Fault::Blank,
        Fault::Cut,
        Fault::Page,
        Fault::BadPage,
        Fault::Lie,
        Fault::Nowhere,
        Fault::Elsewhere,
    ] {
        let server = server();
        server.put("my-oidc", &keys_of(0), keys("p384").to_json().as_bytes());
        let proxy = FaultProxy::start(&server.endpoint(), 1, 0);
        proxy.always("list-type=2", fault);
        let fleet = Run::of(proxy.endpoint(), 40);
        fleet.publish(0, "rsa2048").await.unwrap();
        assert_eq!(published(&server, 0), keys("rsa2048").union(&keys("p384")).unwrap());
        let log = proxy.log();
        assert!(log.iter().any(|line| line.contains("list-type=2")), "{fault:?}: {log:#?}");
        let first = log.iter().position(|line| line.contains("keys.json")).unwrap();
        assert!(log[first].starts_with("GET "), "{fault:?}: {log:#?}");
    }
}

#[tokio::test]
async fn an_old_list_costs_a_conflict_and_no_key() {
    let server = server();
    let proxy = FaultProxy::start(&server.endpoint(), 1, 0);
    Run::of(proxy.endpoint(), 40).publish(0, "rsa2048").await.unwrap();
    proxy.always("list-type=2", Fault::Stale);
    server.take_log();
    // The list is that of the run before, in which nothing had been published.
    Run::of(proxy.endpoint(), 40).publish(0, "p384").await.unwrap();
    assert_eq!(published(&server, 0), keys("p384").union(&keys("rsa2048")).unwrap());
    assert!(server.take_log()[1].starts_with("PutObject fleet/c0/keys.json if-none-match=*"));
}

#[tokio::test]
async fn a_long_list_is_read_while_it_saves_more_than_it_costs() {
    // Most of 520 issuers are there: what a second page says would save little.
    let published = server();
    for number in 0..510 {
        published.put("my-oidc", &keys_of(number), b"{}");
        published.put("my-oidc", &discovery_of(number), b"{}");
    }
    // Few are there, and much else.
    let crowded = server();
    for number in 0..1005 {
        crowded.put("my-oidc", &format!("fleet/c0/logs/{number}"), b"-");
    }
    // Few are there, and little else.
    let mixed = server();
    for number in 0..1005 {
        mixed.put("my-oidc", &format!("fleet/c0/.issuerctl/history/{number}"), b"-");
    }
    for (server, issuers, pages, is_used) in
        [(published, 520, 1, false), (crowded, 40, 1, false), (mixed, 160, 2, true)]
    {
        let fleet = Run::of(server.endpoint(), issuers);
        for number in [issuers - 1, issuers - 2] {
            fleet.publish(number, "rsa2048").await.unwrap();
        }
        let log = server.take_log();
        assert_eq!(count(&log, "ListObjectsV2"), pages, "{issuers}: {log:#?}");
        assert_eq!(count(&log, "HeadBucket"), 0, "{issuers}: {log:#?}");
        assert_eq!(log.len(), pages + 2 * if is_used { 4 } else { 6 }, "{issuers}: {log:#?}");
    }
}

#[tokio::test]
async fn the_list_is_that_of_the_account_that_must_own_the_bucket() {
    let server = server();
    let owner = Some("111122223333".to_owned());
    let options = S3Options { access: AccessMode::None, expected_bucket_owner: owner, ..options() };
    Run::with(server.endpoint(), 40, options).publish(0, "rsa2048").await.unwrap();
    let log = server.take_log();
    assert_eq!(log[0], "ListObjectsV2 x-amz-expected-bucket-owner=111122223333", "{log:#?}");
}

#[tokio::test]
async fn of_a_fleet_whose_store_ignores_conditions_one_document_is_written() {
    let server = S3Server::start_quirky("careless");
    let compatible =
        S3Options { endpoint_url: Some(server.endpoint()), access: AccessMode::None, ..options() };
    let config = aws_config::SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-west-2"))
        .credentials_provider(aws_sdk_s3::config::SharedCredentialsProvider::new(Credentials::new(
            ACCESS_KEY, SECRET_KEY, None, None, "test",
        )))
        .build();
    let clients = issuer_publish::S3Clients::new(config);
    let compatible = S3Options { path_style: true, ..compatible };
    for number in 0..3 {
        let location = format!("s3://my-oidc/fleet/c{number}").parse().unwrap();
        let s3 = S3::connect(&clients, location, compatible.clone(), None).await.unwrap();
        let store = Store::S3(Box::new(s3));
        let error = run(&store, &issuer(number, "rsa2048"), &PlanOptions::default()).await;
        let error = error.unwrap_err();
        let is_ignored = matches!(&error, Error::IgnoredConditions { location } if location == "s3://my-oidc/fleet/c0/keys.json");
        assert!(is_ignored, "{number}: {error}");
    }
    assert_eq!(count(&server.take_log(), "PutObject"), 1);
}
