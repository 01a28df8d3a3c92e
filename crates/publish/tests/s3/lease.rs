//! The lease on the policy of a bucket, and what is done where there can be none.

use std::sync::Arc;
use std::time::Instant;

use super::*;

const LEASE: &str = ".issuerctl/policy.lease";

async fn publish_to(server: &S3Server) -> Duration {
    let start = Instant::now();
    run(&store(server, options()), &site("rsa2048"), &PlanOptions::default()).await.unwrap();
    assert!(server.is_readable("my-oidc", KEYS));
    assert_eq!(server.get("my-oidc", LEASE), None, "the lease is left");
    start.elapsed()
}

#[tokio::test]
async fn the_lease_of_another_run_is_waited_for() {
    let server = Arc::new(S3Server::start());
    server.make_bucket("my-oidc");
    server.put("my-oidc", LEASE, b"s3://my-oidc/test\n1\n");
    let other = server.clone();
    let ends = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(2));
        assert!(other.policy("my-oidc").is_none(), "written during the lease of another run");
        other.remove("my-oidc", LEASE);
    });
    assert!(publish_to(&server).await >= Duration::from_secs(2));
    ends.join().unwrap();
}

#[tokio::test]
async fn the_lease_of_a_run_that_was_killed_is_replaced_once_it_is_stale() {
    let server = S3Server::start();
    server.make_bucket("my-oidc");
    server.put("my-oidc", LEASE, b"s3://my-oidc/test\n1\n");
    server.age("my-oidc", LEASE, Duration::from_secs(31));
    assert!(publish_to(&server).await < Duration::from_secs(10));
    let log = server.take_log();
    assert!(log.iter().any(|line| line.starts_with("PutObject .issuerctl/policy.lease if-match=")));
}

#[tokio::test]
async fn without_the_lease_a_statement_that_is_overwritten_after_a_look_is_written_again() {
    let server = Arc::new(S3Server::start());
    server.make_bucket("my-oidc");
    server.refuse_object("PutObject", LEASE, "AccessDenied");
    let theirs = r#"{"Version":"2012-10-17","Statement":[{"Sid":"Theirs","Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::my-oidc/logs/*"}]}"#;
    let other = server.clone();
    let overwrites = std::thread::spawn(move || {
        while other.policy("my-oidc").is_none() {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(500));
        other.set_policy("my-oidc", theirs);
    });
    publish_to(&server).await;
    overwrites.join().unwrap();
    let policy = server.policy("my-oidc").unwrap();
    assert!(policy.contains("Theirs") && policy.contains("IssuerctlPublicRead"), "{policy}");
}

#[tokio::test]
async fn a_bucket_that_has_nothing_but_a_stale_lease_is_deleted() {
    let server = S3Server::start();
    let store = store(&server, options());
    run(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap();
    // By a run that was killed between the policy and the bucket.
    server.put("my-oidc", LEASE, b"s3://my-oidc/prod\n1\n");
    server.age("my-oidc", LEASE, Duration::from_secs(31));
    let (issuer, none) = (site("rsa2048").issuer, r#"{"Version":"2012-10-17","Statement":[]}"#);
    server.set_policy("my-oidc", none);
    let mut removal = issuer_publish::plan_removal(&store, &issuer, false).await.unwrap();
    assert!(removal.deletes_bucket(), "{removal:?}");
    let end = issuer_publish::remove(&store, &mut removal).await.unwrap();
    assert_eq!(end, issuer_publish::BucketEnd::Deleted("my-oidc".to_owned()));
}
