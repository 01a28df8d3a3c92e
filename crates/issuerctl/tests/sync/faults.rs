//! What fails, and is repaired.

use std::time::Duration;

use crate::world::World;

/// A bucket policy that makes nothing public.
const PRIVATE: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"Theirs","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:root"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::my-oidc/*"}]}"#;

/// As many steps as fail while something is gone.
fn until_it_fails(follower: &crate::world::Follower) {
    let before = follower.metric("issuerctl_failed_steps_total").unwrap();
    follower.until_metric("issuerctl_failed_steps_total", |failed| failed >= before + 1.0);
}

#[test]
fn a_store_that_is_gone_is_a_failure_and_is_followed_again_when_it_is_back() {
    let world = World::new();
    let follower = world.follow("");
    follower.steps(1.0);
    world.store.turn(false);
    until_it_fails(&follower);
    follower.until_metric("issuerctl_verify_passed", |passed| passed == 0.0);
    assert_eq!((follower.ask("/livez").0, follower.ask("/readyz").0), (200, 200));
    world.cluster_has(&[1, 0]);
    follower.steps(1.0);
    let last = follower.metric("issuerctl_last_success_timestamp_seconds").unwrap();
    world.store.turn(true);
    world.until_published(&[0, 1]);
    follower.until_metric("issuerctl_verify_passed", |passed| passed == 1.0);
    follower.until_metric("issuerctl_last_success_timestamp_seconds", |now| now > last);
}

#[test]
fn an_api_server_that_is_gone_is_a_failure_and_the_issuer_is_verified_nevertheless() {
    let world = World::new();
    let follower = world.follow("");
    follower.steps(1.0);
    world.door.turn(false);
    until_it_fails(&follower);
    assert_eq!(follower.metric("issuerctl_verify_passed"), Some(1.0));
    world.cluster_has(&[2, 0]);
    world.door.turn(true);
    world.until_published(&[0, 2]);
}

#[test]
fn a_bucket_that_somebody_made_private_is_counted_and_repaired_within_one_interval() {
    let world = World::new();
    let follower = world.follow("");
    follower.steps(1.0);
    assert_eq!(follower.metric("issuerctl_failed_verifications_total"), Some(0.0));
    world.s3.set_policy("my-oidc", PRIVATE);
    let took =
        follower.until_metric("issuerctl_failed_verifications_total", |failed| failed >= 1.0);
    assert!(took < Duration::from_secs(10), "{took:?}");
    follower.until_metric("issuerctl_verify_passed", |passed| passed == 1.0);
    follower.until_said("AWS STS would not have accepted the issuer before this step");
    assert!(world.s3.is_readable("my-oidc", "prod/keys.json"));
}

#[test]
fn a_bucket_that_it_may_not_repair_stays_a_failure_that_metrics_show() {
    let world = World::new();
    let follower = world.follow("");
    follower.steps(1.0);
    world.s3.refuse("PutBucketPolicy", "AccessDenied");
    world.s3.set_policy("my-oidc", PRIVATE);
    until_it_fails(&follower);
    follower.until_metric("issuerctl_verify_passed", |passed| passed == 0.0);
    let (_, text) = follower.ask("/metrics");
    assert!(text.contains("issuerctl_failures_total{reason=\"not-permitted\"}"), "{text}");
    world.s3.refuse_nothing();
    follower.until_metric("issuerctl_verify_passed", |passed| passed == 1.0);
}

#[test]
fn documents_that_somebody_deleted_or_emptied_are_written_again() {
    let world = World::new();
    let follower = world.follow("");
    follower.steps(1.0);
    world.cluster_has(&[0, 1]);
    world.until_published(&[0, 1]);
    world.cluster_has(&[1]);
    follower.steps(1.0);
    world.s3.remove("my-oidc", "prod/keys.json");
    world.until_published(&[1]);
    follower.until_metric("issuerctl_failed_verifications_total", |count| count > 0.0);
    follower.until_said("no longer published, and not removed by this program");
    world.s3.remove("my-oidc", "prod/.well-known/openid-configuration");
    crate::world::until(|| {
        world.s3.get("my-oidc", "prod/.well-known/openid-configuration").is_some()
    });
    follower.until_metric("issuerctl_verify_passed", |passed| passed == 1.0);
}

#[test]
fn a_step_that_is_the_first_one_tells_of_an_outage_that_it_repairs() {
    let world = World::new();
    let outage = "AWS STS would not have accepted the issuer before this step";
    let (_, err) = world.once("", 0);
    assert!(!err.contains(outage), "{err}");
    world.s3.remove("my-oidc", "prod/keys.json");
    let (_, err) = world.once("", 0);
    assert!(err.contains(outage), "{err}");
    assert!(world.has_published(&[0]));
}
