//! Credentials that end, are replaced, or are refused by STS.

use issuer_test_support::{ACCESS_KEY, IamServer, SECRET_KEY};
use serde_json::json;

use crate::world::{Follower, World};

const FOLLOWED: &str = "--interval 1s --key-interval 1s --listen 127.0.0.1:0 --log-format json";

fn profile(name: &str, id: &str, secret: &str) -> String {
    format!("[{name}]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n")
}

#[test]
fn credentials_that_have_ended_are_read_again_from_their_file() {
    let world = World::new();
    let file = world.desk.file("credentials", &profile("default", ACCESS_KEY, SECRET_KEY));
    let mut command = world.command(&format!("{} {FOLLOWED}", world.line()));
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    command.env("AWS_SHARED_CREDENTIALS_FILE", &file);
    let follower = Follower::start(command);
    follower.steps(1.0);
    world.desk.file("credentials", &profile("default", "gone", "gone"));
    // The session that is in use does not know of it.
    world.s3.refuse("GetObject", "ExpiredToken");
    follower.until_metric("issuerctl_failed_steps_total", |failed| failed >= 2.0);
    let (_, text) = follower.ask("/metrics");
    assert!(text.contains("issuerctl_failures_total{reason=\"not-permitted\"}"), "{text}");
    world.s3.refuse_nothing();
    follower.until_said("the credentials do not work: NotSignedUp");
    world.cluster_has(&[1, 0]);
    world.desk.file("credentials", &profile("default", ACCESS_KEY, SECRET_KEY));
    world.until_published(&[0, 1]);
}

/// The issuer of the program itself is not published yet: STS refuses its token, and with it everything.
#[test]
fn an_issuer_whose_own_token_sts_refuses_is_published_with_the_fallback_and_then_with_the_token() {
    let (world, sts) = (World::new(), IamServer::start());
    let issuer = format!("{}/my-oidc/prod", world.store.url());
    let token = world.keys[0].token(&issuer, "issuer-system/issuerctl", "sts.amazonaws.com");
    let token = world.desk.file("token", &token);
    let credentials = world.desk.file("credentials", &profile("bootstrap", ACCESS_KEY, SECRET_KEY));
    let line = world.line();
    let start = |options: &str| {
        let mut command = world.command(&format!("{line} {FOLLOWED} {options}"));
        command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
        command
            .env("AWS_SHARED_CREDENTIALS_FILE", &credentials)
            .env("AWS_WEB_IDENTITY_TOKEN_FILE", &token)
            .env("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/sync")
            .env("AWS_REGION", "us-west-2")
            .env("AWS_ENDPOINT_URL_STS", sts.url());
        Follower::start(command)
    };
    sts.refuse_tokens(
        "InvalidIdentityToken",
        "Couldn't retrieve verification key from your identity provider",
    );
    let stuck = start("");
    stuck.until_metric("issuerctl_failed_steps_total", |failed| failed >= 1.0);
    assert!(world.published().is_empty());
    drop(stuck);

    let follower = start("--fallback-profile bootstrap");
    world.until_published(&[0]);
    follower.until_metric("issuerctl_fallback_credentials", |used| used == 1.0);
    let warned = follower.log().into_iter().find(|event| {
        event["message"].as_str().unwrap_or_default().contains("the fallback profile are in use")
    });
    let warned = warned.unwrap();
    assert_eq!((&warned["level"], &warned["profile"]), (&json!("warn"), &json!("bootstrap")));
    assert!(warned["message"].as_str().unwrap().contains("Couldn't retrieve verification key"));
    drop(follower);

    // Now STS accepts the token: the fallback is not used although it is there.
    sts.accept_tokens();
    sts.change(|account| account.trusts_every_token = true);
    let provider = issuer.trim_start_matches("https://").to_owned();
    sts.change(|account| {
        let arn = format!("arn:aws:iam::111122223333:oidc-provider/{provider}");
        let entry = account.providers.entry(arn).or_default();
        entry.url.clone_from(&provider);
        entry.client_ids = ["sts.amazonaws.com".to_owned()].into();
    });
    let follower = start("--fallback-profile bootstrap");
    follower.until_metric("issuerctl_last_success_timestamp_seconds", |secs| secs > 1.7e9);
    assert_eq!(follower.metric("issuerctl_fallback_credentials"), Some(0.0));
    assert!(!follower.has_said("fallback profile"));
}
