//! Publishing to a server that speaks S3 over real HTTP, with the real SDK in between. The request
//! log shows what was asked.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "s3/access.rs"]
mod access;
#[path = "s3/faults.rs"]
mod faults;
#[path = "s3/fleet.rs"]
mod fleet;
#[path = "s3/headers.rs"]
mod headers;
#[path = "s3/history.rs"]
mod history;
#[path = "s3/lease.rs"]
mod lease;
#[path = "s3/preflight.rs"]
mod preflight;
#[path = "s3/safety.rs"]
mod safety;

use std::time::Duration;

use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use issuer_change::Describe;
use issuer_diagnostic::{Diagnostic, ErrorKind};
use issuer_discovery::{IssuerUrl, Ports, Shape};
use issuer_jwks::{JwkSet, WeakKeys};
use issuer_publish::{
    AccessMode, BucketState, Error, Existence, KeyChange, Plan, PlanOptions, Purpose, S3,
    S3Options, Site, Step, Store, plan, publish,
};
use issuer_test_support::{ACCESS_KEY, S3Server, SECRET_KEY};

const KEYS: &str = "prod/keys.json";
const DISCOVERY: &str = "prod/.well-known/openid-configuration";

fn keys(case: &str) -> JwkSet {
    let path =
        format!("{}/../../fixtures/golden/cases/{case}/jwks.json", env!("CARGO_MANIFEST_DIR"));
    JwkSet::parse(&std::fs::read(path).unwrap(), WeakKeys::Refuse).unwrap()
}

fn site(case: &str) -> Site {
    let issuer = IssuerUrl::parse("https://oidc.example.com/prod", Ports::Refuse).unwrap();
    Site::new(keys(case), issuer, Shape::Irsa)
}

fn options() -> S3Options {
    S3Options { max_age_secs: 300, create_bucket: true, ..S3Options::default() }
}

fn store_in(server: &S3Server, region: &str, options: S3Options) -> Store {
    connect(server, region, "s3://my-oidc/prod", options)
}

fn store_at(server: &S3Server, location: &str, options: S3Options) -> Store {
    connect(server, "us-west-2", location, options)
}

fn connect(server: &S3Server, region: &str, location: &str, options: S3Options) -> Store {
    connect_at(&server.endpoint(), region, location, options, Duration::from_secs(20))
}

/// The store at the endpoint of a proxy.
fn connect_to(endpoint: &str, options: S3Options) -> Store {
    let patience = Duration::from_secs(20);
    connect_at(endpoint, "us-west-2", "s3://my-oidc/prod", options, patience)
}

/// A store that waits so long for an answer.
fn connect_at(
    endpoint: &str,
    region: &str,
    location: &str,
    options: S3Options,
    patience: Duration,
) -> Store {
    let client = client_at(endpoint, region, patience);
    let location = location.parse().unwrap();
    Store::S3(Box::new(S3::with_client(client, location, options, region.to_owned())))
}

fn client_at(endpoint: &str, region: &str, patience: Duration) -> aws_sdk_s3::Client {
    let quick = RetryConfig::standard()
        .with_initial_backoff(Duration::from_millis(1))
        .with_max_backoff(Duration::from_millis(5));
    let limits = TimeoutConfig::builder()
        .read_timeout(patience)
        .operation_timeout(Duration::from_secs(60))
        .build();
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .endpoint_url(endpoint)
        .retry_config(quick)
        .timeout_config(limits)
        .credentials_provider(Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test"))
        .force_path_style(true)
        .build();
    aws_sdk_s3::Client::from_conf(config)
}

fn store(server: &S3Server, options: S3Options) -> Store {
    store_in(server, "us-west-2", options)
}

async fn run(store: &Store, site: &Site, options: &PlanOptions) -> Result<Plan, Error> {
    let mut plan = plan(store, site, options).await?;
    publish(store, site, options, &mut plan, |_| Ok::<(), Error>(()), |_| {}).await?;
    Ok(plan)
}

fn changes(plan: &Plan) -> Vec<KeyChange> {
    plan.key_changes().iter().map(|(_, change)| *change).collect()
}

/// Requests that go out together arrive in any order.
fn sorted(mut log: Vec<String>) -> Vec<String> {
    log.sort();
    log
}

#[tokio::test]
async fn the_first_publish_makes_the_bucket_public_for_two_objects_and_writes_keys_first() {
    let server = S3Server::start();
    let plan =
        run(&store(&server, options()), &site("rsa2048"), &PlanOptions::default()).await.unwrap();
    insta::assert_snapshot!(plan.changes().to_string(), @r#"
    + bucket my-oidc
        + object ownership             BucketOwnerEnforced
        + tag "issuerctl.dev/created"  true
        + public access block "BlockPublicAcls"  true
        + public access block "IgnorePublicAcls"  true
        + public access block "BlockPublicPolicy"  false
        + public access block "RestrictPublicBuckets"  false
        + bucket policy
            + {
            +   "Version": "2012-10-17",
            +   "Statement": [
            +     {
            +       "Sid": "IssuerctlPublicReaddf662be7d765",
            +       "Effect": "Allow",
            +       "Principal": "*",
            +       "Action": "s3:GetObject",
            +       "Resource": [
            +         "arn:aws:s3:::my-oidc/prod/keys.json",
            +         "arn:aws:s3:::my-oidc/prod/.well-known/openid-configuration"
            +       ]
            +     }
            +   ]
            + }
    + document keys.json (s3://my-oidc/prod/keys.json)
        + key "HSsv1GH636Pc9xR4JZOxMXKRXUODPrcRvki4Be1MKlo"  RSA-2048
    + document .well-known/openid-configuration (s3://my-oidc/prod/.well-known/openid-configuration)
        + member "issuer"    https://oidc.example.com/prod
        + member "jwks_uri"  https://oidc.example.com/prod/keys.json
        + member "id_token_signing_alg_values_supported"  RS256
    "#);
    let log = server.take_log();
    let (reads, writes) = log.split_at(5);
    insta::assert_snapshot!(sorted(reads.to_vec()).join("\n"), @r#"
    GetBucketOwnershipControls
    GetBucketPolicy
    GetObject prod/.well-known/openid-configuration
    GetObject prod/keys.json
    GetPublicAccessBlock
    "#);
    // What was written is read again.
    let writes: Vec<_> =
        writes.iter().filter(|line| !line.starts_with("GetObject ")).cloned().collect();
    insta::assert_snapshot!(writes.join("\n"), @r#"
    CreateBucket content-type=application/xml
    PutBucketTagging content-type=application/xml
    PutPublicAccessBlock content-type=application/xml
    PutObject .issuerctl/policy.lease if-none-match=* content-type=text/plain
    GetBucketPolicy
    PutBucketPolicy content-type=text/plain
    GetBucketPolicy
    DeleteObject .issuerctl/policy.lease if-match=…
    PutObject prod/keys.json if-none-match=* content-type=application/json cache-control=public, max-age=300 x-amz-server-side-encryption=AES256 x-amz-checksum-sha256=…
    PutObject prod/.well-known/openid-configuration if-none-match=* content-type=application/json cache-control=public, max-age=300 x-amz-server-side-encryption=AES256 x-amz-checksum-sha256=…
    "#);
    insta::assert_snapshot!(server.policy("my-oidc").unwrap(), @r#"
    {"Version":"2012-10-17","Statement":[{"Sid":"IssuerctlPublicReaddf662be7d765","Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":["arn:aws:s3:::my-oidc/prod/keys.json","arn:aws:s3:::my-oidc/prod/.well-known/openid-configuration"]}]}
    "#);
    assert_eq!(server.block("my-oidc"), Some([true, true, false, false]));
    assert_eq!(server.location_constraint("my-oidc").as_deref(), Some("us-west-2"));
    assert_eq!(server.get("my-oidc", KEYS).unwrap(), keys("rsa2048").to_json().into_bytes());
}

#[tokio::test]
async fn a_second_publish_reads_and_writes_nothing() {
    let server = S3Server::start();
    let store = store(&server, options());
    run(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap();
    server.take_log();
    let plan = run(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap();
    assert!(plan.is_empty(), "{plan:?}");
    insta::assert_snapshot!(sorted(server.take_log()).join("\n"), @r#"
    GetBucketOwnershipControls
    GetBucketPolicy
    GetObject prod/.well-known/openid-configuration
    GetObject prod/keys.json
    GetPublicAccessBlock
    "#);
}

#[tokio::test]
async fn publish_keeps_a_key_that_is_not_in_the_input_until_it_is_pruned() {
    let server = S3Server::start();
    let store = store(&server, options());
    run(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap();
    let plan = run(&store, &site("p256"), &PlanOptions::default()).await.unwrap();
    assert_eq!(changes(&plan), [KeyChange::Added, KeyChange::Kept]);
    let both = keys("p256").union(&keys("rsa2048")).unwrap();
    assert_eq!(server.get("my-oidc", KEYS).unwrap(), both.to_json().into_bytes());
    let discovery = String::from_utf8(server.get("my-oidc", DISCOVERY).unwrap()).unwrap();
    assert!(
        discovery.contains(r#""id_token_signing_alg_values_supported":["ES256","RS256"]"#),
        "{discovery}"
    );

    server.take_log();
    let plan = run(&store, &site("p256"), &PlanOptions { prune: true, ..PlanOptions::default() })
        .await
        .unwrap();
    assert_eq!(changes(&plan), [KeyChange::Unchanged, KeyChange::Pruned]);
    assert_eq!(server.get("my-oidc", KEYS).unwrap(), keys("p256").to_json().into_bytes());
    let writes: Vec<_> =
        server.take_log().into_iter().filter(|line| line.starts_with("Put")).collect();
    // The document of all algorithms first, so that no other run's is overwritten by the last one.
    insta::assert_snapshot!(writes.join("\n"), @r#"
    PutObject prod/.well-known/openid-configuration if-match=… content-type=application/json cache-control=public, max-age=300 x-amz-server-side-encryption=AES256 x-amz-checksum-sha256=…
    PutObject prod/keys.json if-match=… content-type=application/json cache-control=public, max-age=300 x-amz-server-side-encryption=AES256 x-amz-checksum-sha256=…
    PutObject prod/.well-known/openid-configuration if-match=… content-type=application/json cache-control=public, max-age=300 x-amz-server-side-encryption=AES256 x-amz-checksum-sha256=…
    "#);
}

#[tokio::test]
async fn a_lost_race_is_planned_anew_and_the_other_writers_key_stays() {
    let server = S3Server::start();
    let store = store(&server, options());
    run(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap();
    let theirs = keys("rsa2048").union(&keys("p384")).unwrap();
    server.put_before_next_write("my-oidc", KEYS, theirs.to_json().as_bytes());
    run(&store, &site("p256"), &PlanOptions::default()).await.unwrap();
    let published = JwkSet::parse(&server.get("my-oidc", KEYS).unwrap(), WeakKeys::Refuse).unwrap();
    for case in ["rsa2048", "p256", "p384"] {
        assert!(keys(case).difference(&published).is_empty(), "{case} was lost");
    }
}

#[tokio::test]
async fn a_first_publish_that_loses_the_race_overwrites_nothing() {
    let server = S3Server::start();
    server.make_bucket("my-oidc");
    server.put_before_next_write("my-oidc", KEYS, keys("p384").to_json().as_bytes());
    run(&store(&server, options()), &site("p256"), &PlanOptions::default()).await.unwrap();
    let published = JwkSet::parse(&server.get("my-oidc", KEYS).unwrap(), WeakKeys::Refuse).unwrap();
    assert_eq!(published, keys("p256").union(&keys("p384")).unwrap());
}

#[tokio::test]
async fn what_a_bucket_has_already_is_said_from_what_to_what() {
    let server = S3Server::start();
    server.make_bucket("my-oidc");
    let plan =
        plan(&store(&server, options()), &site("rsa2048"), &PlanOptions::default()).await.unwrap();
    let text = plan.changes().to_string();
    assert!(
        text.starts_with("~ bucket my-oidc")
            && text.contains("public access block \"BlockPublicPolicy\"  true -> false")
            && text.contains("public access block \"RestrictPublicBuckets\"  true -> false")
            && !text.contains("BlockPublicAcls"),
        "{text}"
    );
}

#[tokio::test]
async fn a_half_finished_run_is_healed_by_the_next() {
    let server = S3Server::start();
    let store = store(&server, options());
    server.refuse("PutBucketPolicy", "AccessDenied");
    let error = run(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotPermitted);
    let hint = error.hint().unwrap();
    assert!(
        hint.contains("s3:PutBucketPolicy") && hint.contains("public access block of the account"),
        "{hint}"
    );
    assert!(server.get("my-oidc", KEYS).is_none());

    server.refuse_nothing();
    server.take_log();
    run(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap();
    let log = server.take_log();
    assert!(
        !log.iter().any(
            |line| line.starts_with("CreateBucket") || line.starts_with("PutPublicAccessBlock")
        ),
        "{log:?}"
    );
    assert!(server.get("my-oidc", DISCOVERY).is_some());
}

#[tokio::test]
async fn a_setting_that_somebody_changed_is_mended_and_nothing_else_is_written() {
    let server = S3Server::start();
    let store = store(&server, options());
    run(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap();
    server.set_policy("my-oidc", r#"{"Version":"2012-10-17","Statement":[]}"#);
    server.take_log();
    run(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap();
    let writes: Vec<_> =
        server.take_log().into_iter().filter(|line| line.starts_with("Put")).collect();
    let lease = "PutObject .issuerctl/policy.lease if-none-match=* content-type=text/plain";
    assert_eq!(writes, [lease, "PutBucketPolicy content-type=text/plain"]);
}

#[tokio::test]
async fn a_published_document_that_cannot_be_read_stays_untouched() {
    let private = r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"a","x":"AA","y":"AA","d":"AA"}]}"#;
    let kid = keys("rsa2048").keys()[0].kid.to_string();
    let other = keys("p256").to_json().replace(keys("p256").keys()[0].kid.as_str(), &kid);
    for published in ["{\"keys\":[", "<html>", private, other.as_str()] {
        let server = S3Server::start();
        server.make_bucket("my-oidc");
        server.put("my-oidc", KEYS, published.as_bytes());
        let prune = PlanOptions { prune: true, ..PlanOptions::default() };
        let error = run(&store(&server, options()), &site("rsa2048"), &prune).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{published}: {error}");
        assert_eq!(server.get("my-oidc", KEYS).unwrap(), published.as_bytes());
        assert!(!server.take_log().iter().any(|line| line.starts_with("Put")));
    }
}

#[tokio::test]
async fn a_document_of_another_issuer_is_replaced_only_when_asked() {
    let server = S3Server::start();
    server.make_bucket("my-oidc");
    server.put("my-oidc", DISCOVERY, br#"{"issuer":"https://other.example.com"}"#);
    let store = store(&server, options());
    let error = run(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap_err();
    assert!(
        matches!(&error, Error::OtherIssuer { published, .. } if published == "https://other.example.com"),
        "{error}"
    );
    run(&store, &site("rsa2048"), &PlanOptions { change_issuer: true, ..PlanOptions::default() })
        .await
        .unwrap();
}

#[tokio::test]
async fn a_missing_bucket_is_made_only_when_asked_and_in_us_east_1_without_a_constraint() {
    let server = S3Server::start();
    let not_asked = S3Options { create_bucket: false, ..options() };
    for access in [AccessMode::Policy, AccessMode::Acl, AccessMode::None] {
        let store = store(&server, S3Options { access, ..not_asked.clone() });
        let error = run(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap_err();
        assert!(matches!(error, Error::NoBucket { .. }), "{access:?}: {error}");
    }
    run(&store_in(&server, "us-east-1", options()), &site("rsa2048"), &PlanOptions::default())
        .await
        .unwrap();
    assert_eq!(server.location_constraint("my-oidc"), None);
}

#[tokio::test]
async fn what_a_bucket_has_is_read_for_tools_that_import_it() {
    let server = S3Server::start();
    let read = async |options: S3Options| {
        let state = store(&server, options).read(Purpose::Import).await.unwrap();
        state.bucket.unwrap().state
    };
    let without_policy = S3Options { access: AccessMode::None, ..options() };
    for options in [options(), without_policy.clone()] {
        assert_eq!(read(options).await.existence, Existence::Missing);
    }
    run(&store(&server, options()), &site("rsa2048"), &PlanOptions::default()).await.unwrap();
    let state = read(options()).await;
    let tags = state.tags.present().unwrap();
    assert!(
        state.ownership.present().is_some()
            && state.block.present().is_some()
            && tags.contains_key("issuerctl.dev/created"),
        "{state:?}"
    );
    assert_eq!(state.policy.present(), server.policy("my-oidc").as_ref());
    // Settings that this run does not manage are not asked for.
    server.take_log();
    let unmanaged = read(S3Options { create_bucket: false, ..without_policy }).await;
    assert_eq!(unmanaged, BucketState::default());
    assert_eq!(
        sorted(server.take_log()),
        [
            "GetObject prod/.well-known/openid-configuration",
            "GetObject prod/keys.json",
            "HeadBucket"
        ]
    );
}

#[tokio::test]
async fn a_bucket_of_somebody_else_is_not_permitted() {
    let server = S3Server::start();
    server.refuse("CreateBucket", "BucketAlreadyExists");
    let error = run(&store(&server, options()), &site("rsa2048"), &PlanOptions::default())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::OtherOwner { .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::NotPermitted);
}

#[tokio::test]
async fn a_bucket_in_another_region_is_an_error_that_names_the_region() {
    let server = S3Server::start();
    server.redirect("eu-west-1");
    for access in [AccessMode::Policy, AccessMode::None] {
        let store = store(&server, S3Options { access, ..options() });
        let error = run(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap_err();
        assert!(
            matches!(&error, Error::OtherRegion { actual, .. } if actual == "eu-west-1"),
            "{access:?}: {error}"
        );
    }
}

#[tokio::test]
async fn keys_behind_another_jwks_uri_are_not_lost() {
    let server = S3Server::start();
    server.make_bucket("my-oidc");
    let issuer = "https://oidc.example.com/prod";
    server.put(
        "my-oidc",
        DISCOVERY,
        format!(r#"{{"issuer":"{issuer}","jwks_uri":"{issuer}/openid/v1/jwks"}}"#).as_bytes(),
    );
    let store = store(&server, options());
    let error = run(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap_err();
    assert!(
        matches!(&error, Error::OtherKeys { published, .. } if published.ends_with("/openid/v1/jwks")),
        "{error}"
    );
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let plan = run(
        &store,
        &site("rsa2048"),
        &PlanOptions { change_issuer: true, ..PlanOptions::default() },
    )
    .await
    .unwrap();
    assert!(plan.changes().to_string().contains("~ member \"jwks_uri\""), "{plan:?}");
}

#[tokio::test]
async fn prune_drops_no_key_that_came_after_the_plan() {
    let server = S3Server::start();
    let store = store(&server, options());
    run(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap();
    run(&store, &site("p256"), &PlanOptions::default()).await.unwrap();
    let theirs = keys("p256").union(&keys("rsa2048")).unwrap().union(&keys("p384")).unwrap();
    server.put_before_next_write("my-oidc", KEYS, theirs.to_json().as_bytes());
    let prune = PlanOptions { prune: true, ..PlanOptions::default() };
    let error = run(&store, &site("p256"), &prune).await.unwrap_err();
    assert!(
        matches!(&error, Error::NewKey { kid, .. } if *kid == keys("p384").keys()[0].kid.to_string()),
        "{error}"
    );
    assert_eq!(server.get("my-oidc", KEYS).unwrap(), theirs.to_json().into_bytes());
}

#[tokio::test]
async fn a_run_that_lost_a_race_after_a_write_says_that_it_wrote() {
    let server = S3Server::start();
    server.make_bucket("my-oidc");
    let site = site("rsa2048");
    let store = store(&server, options());
    let published = store.read(Purpose::Plan).await.unwrap();
    let plan = Plan::new("s3://my-oidc/prod", &site, &published, &PlanOptions::default()).unwrap();
    // Somebody else is about to write the very same discovery document, after our keys.
    server.put_before_write("my-oidc", DISCOVERY, &plan.documents()[1].bytes);
    let plan = run(&store, &site, &PlanOptions::default()).await.unwrap();
    assert!(plan.is_empty() && plan.changes_anything(), "{plan:?}");
}

#[tokio::test]
async fn credentials_that_do_not_work_are_told_from_permissions_that_are_missing() {
    let server = S3Server::start();
    server.make_bucket("my-oidc");
    for code in
        ["InvalidAccessKeyId", "SignatureDoesNotMatch", "RequestTimeTooSkewed", "ExpiredToken"]
    {
        for call in
            ["GetBucketOwnershipControls", "GetPublicAccessBlock", "GetBucketPolicy", "GetObject"]
        {
            server.refuse(call, code);
        }
        let error = run(&store(&server, options()), &site("rsa2048"), &PlanOptions::default())
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Credentials { .. }), "{code}: {error}");
        assert_eq!(error.kind(), ErrorKind::NotPermitted);
    }
}

#[tokio::test]
async fn the_expected_owner_is_sent_with_every_call_on_the_bucket() {
    let server = S3Server::start();
    server.make_bucket("my-oidc");
    let expected =
        S3Options { expected_bucket_owner: Some("111122223333".to_owned()), ..options() };
    run(&store(&server, expected), &site("rsa2048"), &PlanOptions::default()).await.unwrap();
    for line in server.take_log() {
        assert!(line.contains("x-amz-expected-bucket-owner=111122223333"), "{line}");
    }
}

#[tokio::test]
async fn a_store_without_conditional_writes_is_an_error_that_says_so() {
    let server = S3Server::start_quirky("unconditional");
    let compatible =
        S3Options { endpoint_url: Some(server.endpoint()), access: AccessMode::None, ..options() };
    let error = run(&store(&server, compatible), &site("rsa2048"), &PlanOptions::default())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::NoConditionalWrites { .. }), "{error}");
    assert!(server.get("my-oidc", KEYS).is_none());
}
