//! The history of a bucket: what it costs, and what happens if it fails.

use issuer_publish::KEEP_HISTORY;
use issuer_test_support::{Fault, FaultProxy};

use super::*;

fn kept() -> PlanOptions {
    PlanOptions { keep_history: KEEP_HISTORY, ..PlanOptions::default() }
}

/// The sequential round trips of a run.
async fn round_trips(server: &S3Server, store: &Store, site: &Site) -> usize {
    server.delay(Duration::from_millis(300));
    server.take_round_trips();
    run(store, site, &kept()).await.unwrap();
    server.delay(Duration::ZERO);
    server.take_round_trips()
}

#[tokio::test]
async fn a_copy_is_one_round_trip_more_and_a_version_is_none() {
    for (versioning, probes, new_key) in
        [(true, false, 3), (false, false, 4), (true, true, 4), (false, true, 4)]
    {
        let server = S3Server::start();
        server.make_bucket("my-oidc");
        if versioning {
            server.keep_versions("my-oidc");
        }
        let endpoint_url = probes.then(|| server.endpoint());
        let options = || S3Options {
            access: AccessMode::None,
            endpoint_url: endpoint_url.clone(),
            ..options()
        };
        run(&store(&server, options()), &site("rsa2048"), &kept()).await.unwrap();
        // Another process asks for the conditions again.
        let store = store(&server, options());
        let trips = round_trips(&server, &store, &site("rsa4096")).await;
        assert_eq!(trips, new_key, "versioning {versioning}, endpoint {probes}");
        let trips = round_trips(&server, &store, &site("rsa4096")).await;
        assert_eq!(trips, 1, "nothing changed");
    }
}

/// Prints how much longer a run takes than its round trips: a measurement, which asserts no time.
#[tokio::test]
#[ignore = "a measurement: cargo test --release --workspace --test s3 -- --ignored --nocapture a_run_takes"]
async fn a_run_takes_little_more_than_its_round_trips() {
    const DELAY: Duration = Duration::from_millis(100);
    let server = S3Server::start();
    server.make_bucket("my-oidc");
    server.keep_versions("my-oidc");
    let store = store(&server, S3Options { access: AccessMode::None, ..options() });
    run(&store, &site("rsa2048"), &kept()).await.unwrap();
    for (what, key) in [("a new key", "rsa4096"), ("nothing changed", "rsa4096")] {
        server.delay(DELAY);
        server.take_round_trips();
        let start = std::time::Instant::now();
        run(&store, &site(key), &kept()).await.unwrap();
        let took = start.elapsed();
        server.delay(Duration::ZERO);
        let trips = server.take_round_trips();
        let floor = DELAY * u32::try_from(trips).unwrap();
        let ratio = took.as_secs_f64() / floor.as_secs_f64();
        println!("{what}: {trips} round trips of {DELAY:?} in {took:?}: {ratio:.2} of them");
    }
}

#[tokio::test]
async fn a_copy_is_complete_before_anything_is_changed_and_private() {
    let server = S3Server::start();
    let store = store(&server, options());
    run(&store, &site("rsa2048"), &kept()).await.unwrap();
    server.take_log();
    run(&store, &site("p256"), &kept()).await.unwrap();
    let log = server.take_log();
    let writes: Vec<&String> = log.iter().filter(|line| line.starts_with("PutObject ")).collect();
    assert!(writes[0].starts_with("PutObject prod/.issuerctl/history/"), "{writes:#?}");
    assert!(writes[0].contains("if-none-match=*") && writes[0].contains("no-store"), "{writes:#?}");
    assert!(!writes[0].contains("x-amz-acl"), "{writes:#?}");
    // No statement covers it, not one for each issuer of a bucket either.
    let policy: serde_json::Value =
        serde_json::from_str(&server.policy("my-oidc").unwrap()).unwrap();
    let key = server.dump().into_keys().find(|key| key.contains("/.issuerctl/")).unwrap();
    assert!(!policy.to_string().contains(".issuerctl"), "{policy}");
    assert!(!key.ends_with("/keys.json") && !key.ends_with("openid-configuration"), "{key}");
}

#[tokio::test]
async fn a_copy_that_is_not_there_afterwards_is_an_error() {
    let server = S3Server::start();
    server.make_bucket("my-oidc");
    let proxy = FaultProxy::start(&server.endpoint(), 1, 0);
    let store = connect_to(&proxy.endpoint(), S3Options { access: AccessMode::None, ..options() });
    run(&store, &site("rsa2048"), &kept()).await.unwrap();
    proxy.always("PUT /my-oidc/prod/.issuerctl", Fault::Lie);
    let error = run(&store, &site("p256"), &kept()).await.unwrap_err();
    assert!(matches!(error, Error::NotStored { .. }), "{error}");
    assert!(error.to_string().contains(".issuerctl/history"), "{error}");
    for fault in [Fault::Empty, Fault::Page, Fault::NoEtag, Fault::Busy(503), Fault::BadPage] {
        proxy.always("PUT /my-oidc/prod/.issuerctl", fault);
        let before = (server.get("my-oidc", KEYS), server.get("my-oidc", DISCOVERY));
        let error = run(&store, &site("p384"), &kept()).await.unwrap_err();
        assert!(matches!(error, Error::NotKept { .. }), "{fault:?}: {error}");
        let after = (server.get("my-oidc", KEYS), server.get("my-oidc", DISCOVERY));
        assert_eq!(after, before, "{fault:?}");
    }
}

#[tokio::test]
async fn old_copies_are_deleted_and_a_failure_of_that_is_a_warning() {
    let server = S3Server::start();
    let store = store(&server, options());
    let two = PlanOptions { keep_history: 2, ..PlanOptions::default() };
    for case in ["rsa2048", "rsa4096", "p256", "p384"] {
        run(&store, &site(case), &two).await.unwrap();
    }
    let copies =
        || server.dump().into_keys().filter(|key| key.contains("/.issuerctl/")).collect::<Vec<_>>();
    assert_eq!(copies().len(), 2);
    assert_eq!(store.history(10).await.unwrap().len(), 3);
    server.refuse("DeleteObject", "AccessDenied");
    let (all, mut notices) = (site("multi-all-six"), Vec::new());
    let mut plan = plan(&store, &all, &two).await.unwrap();
    let progress = |step| {
        if let Step::Notice(notice) = step {
            notices.push(notice.id.to_string());
        }
    };
    publish(&store, &all, &two, &mut plan, |_| Ok::<(), Error>(()), progress).await.unwrap();
    assert_eq!(notices, ["history-not-pruned"]);
    assert_eq!(copies().len(), 3);
}

/// How many keys each site of a history has, the newest first, and of the one to which a rollback goes.
async fn key_counts(store: &Store) -> (Vec<usize>, usize) {
    let entries = store.history(20).await.unwrap();
    let counts = entries.iter().map(|entry| entry.keys.as_ref().unwrap().keys().len()).collect();
    let issuer = site("rsa2048").issuer;
    (counts, store.past(&issuer, None).await.unwrap().keys.keys().len())
}

/// Publishes sites that have more keys each, in a bucket that keeps versions from the given one on, all of
/// which are of one second.
async fn stay_in_order(versions_from: usize) {
    let server = S3Server::start();
    server.make_bucket("my-oidc");
    let store = store(&server, S3Options { access: AccessMode::None, ..options() });
    let cases = ["rsa2048", "rsa4096", "p256", "p384", "multi-all-six"];
    for (before, case) in cases.into_iter().enumerate() {
        if before == versions_from {
            server.keep_versions("my-oidc");
            // Not before: copies have the time of this machine, which goes on.
            server.stop_clock();
        }
        run(&store, &site(case), &kept()).await.unwrap();
        if before > 0 {
            let (counts, back) = key_counts(&store).await;
            assert_eq!(counts.len(), before + 1, "{case}: {counts:?}");
            assert!(counts.is_sorted_by(|newer, older| newer > older), "{case}: {counts:?}");
            assert_eq!(back, counts[1], "{case}: two versions back");
        }
    }
}

#[tokio::test]
async fn versions_of_one_second_stay_in_their_order() {
    stay_in_order(0).await;
}

#[tokio::test]
async fn a_bucket_whose_versioning_was_enabled_later_has_one_order() {
    stay_in_order(2).await;
}
