//! What a program does while nothing fails.

use std::time::Duration;

use serde_json::Value;

use crate::desk::ended;
use crate::world::{Follower, World, until};

#[test]
fn a_key_of_the_cluster_is_published_and_none_is_ever_removed() {
    let world = World::new();
    let follower = world.follow("");
    follower.until_metric("issuerctl_last_success_timestamp_seconds", |secs| secs > 1.7e9);
    assert_eq!(world.published(), [world.keys[0].kid.clone()]);
    world.cluster_has(&[1, 0]);
    world.until_published(&[0, 1]);
    world.cluster_has(&[1]);
    follower.steps(2.0);
    world.cluster_has(&[2]);
    world.until_published(&[2]);
    follower.until_metric("issuerctl_published_keys", |keys| keys == 3.0);
    assert!(world.has_published(&[0, 1, 2]));
    for name in ["issuerctl_live_key_published", "issuerctl_verify_passed"] {
        assert_eq!(follower.metric(name), Some(1.0), "{name}");
    }
    assert_eq!(follower.metric("issuerctl_failed_steps_total"), Some(0.0));
    assert_eq!(follower.metric("issuerctl_writes_total"), Some(3.0));
    assert_eq!((follower.ask("/livez").0, follower.ask("/readyz").0), (200, 200));
    let (code, log) = follower.terminate();
    assert_eq!(code, Some(0));
    assert!(log.iter().all(Value::is_object), "a line is not JSON: {log:#?}");
}

#[test]
fn a_change_of_the_keys_does_not_wait_for_the_interval() {
    let world = World::new();
    let line = format!(
        "{} --interval 1h --key-interval 1s --listen 127.0.0.1:0 --log-format json",
        world.line()
    );
    let follower = Follower::start(world.command(&line));
    world.until_published(&[0]);
    follower.until_said("AWS STS accepts the issuer");
    world.cluster_has(&[1, 0]);
    let took = world.until_published(&[1]);
    assert!(took < Duration::from_secs(15), "{took:?}");
    assert!(follower.has_said("the keys of the cluster have changed"));
}

#[test]
fn a_step_that_has_nothing_to_do_writes_nothing() {
    let world = World::new();
    world.once("", 0);
    world.s3.take_log();
    let before = world.s3.dump();
    let asked = world.api.log().len();
    let (out, _) = world.once("", 0);
    assert_eq!(out, "");
    let calls = world.s3.take_log();
    assert!(
        calls.iter().all(|call| !call.starts_with("Put") && !call.starts_with("Delete")),
        "{calls:#?}"
    );
    assert_eq!(world.s3.dump(), before);
    // Two documents of the cluster, and what `docs/running.md` says of the store.
    assert_eq!(world.api.log().len() - asked, 2);
    println!("requests of a step that has nothing to do: 2 to the API server, and {}", calls.len());
    assert!(calls.len() <= 14, "{calls:#?}");
}

#[test]
fn sigterm_lets_the_step_in_hand_end() {
    let world = World::new();
    world.s3.delay(Duration::from_millis(300));
    let follower = Follower::start(world.command(&format!(
        "{} --interval 1h --key-interval 1h --log-format json --verbose",
        world.line()
    )));
    follower.until_said("changing bucket");
    let (code, log) = follower.terminate();
    assert_eq!(code, Some(0));
    let said = |text: &str| {
        log.iter().any(|event| event["message"].as_str().unwrap_or_default().contains(text))
    };
    assert!(said("SIGTERM") && said("AWS STS accepts the issuer"), "{log:#?}");
    world.s3.delay(Duration::ZERO);
    let issuer = format!("{}/my-oidc/prod", world.store.url());
    let verify = format!("verify --issuer {issuer} --allow-port --ca-file ca.pem --key 0.pub");
    ended(&world.desk.run(&verify), 0);
}

#[test]
fn one_step_ends_with_the_exit_code_of_its_failure() {
    let world = World::new();
    world.once("", 0);
    world.door.turn(false);
    let (_, err) = world.once("", 1);
    assert!(err.contains("ERROR") && err.contains("the step failed"), "{err}");
    world.door.turn(true);
    let (_, err) = world.once("--issuer https://oidc.example.com/other", 4);
    assert!(err.contains("oidc.example.com/other"), "{err}");
    world.s3.refuse("GetObject", "AccessDenied");
    let (_, err) = world.once("--log-format json", 6);
    let last: Value = serde_json::from_str(err.lines().last().unwrap()).unwrap();
    assert_eq!(last["level"], "error", "{err}");
}

/// An issuer of a file, with these keys and a folder of its own.
fn issuer(name: &str, key: &str) -> String {
    format!(
        "---\napiVersion: issuerctl.dev/v1alpha1\nkind: ServiceAccountIssuer\nmetadata: {{name: {name}}}\n\
         spec:\n  issuer: https://oidc.example.com/{name}\n  keys: [{key}]\n  store: {{folder: \
         site-{name}}}\n"
    )
}

#[test]
fn the_issuers_of_a_file_are_followed_and_a_changed_file_is_read_again() {
    let world = World::new();
    let file = |names: &[&str]| {
        let issuer = |name: &&str| issuer(name, "{apiserver: {kubeconfig: kubeconfig}}");
        world.desk.file("issuers.yaml", &names.iter().map(issuer).collect::<String>());
    };
    file(&["a", "b"]);
    let follower = Follower::start(world.command(
        "sync -f issuers.yaml --interval 1s --key-interval 1s --listen 127.0.0.1:0 --log-format json",
    ));
    let is_published =
        |name: &str| world.desk.path().join(format!("site-{name}/keys.json")).exists();
    until(|| is_published("a") && is_published("b"));
    world.desk.file("issuers.yaml", "kind: nothing\n");
    follower.until_said("the changed issuer file is not used");
    follower.steps(1.0);
    file(&["b", "c"]);
    until(|| is_published("c"));
    let (_, text) = follower.ask("/metrics");
    assert!(!text.contains("issuer=\"a\"") && text.contains("issuer=\"b\""), "{text}");
    assert!(is_published("a"), "the documents of an issuer that is not followed any more stay");
    let begun = |entry: &&Value| {
        entry["issuer"] == "b" && entry["message"] == "the documents in the folder are correct"
    };
    assert_eq!(follower.log().iter().filter(begun).count(), 1, "b was not changed, and goes on");
}

#[test]
fn a_new_file_in_a_folder_is_followed_and_one_that_is_gone_is_not() {
    let world = World::new();
    let folder = world.desk.path().join("issuers");
    std::fs::create_dir(&folder).unwrap();
    // Paths in a file are relative to it.
    let file = |name: &str| {
        let text = issuer(name, "{file: ../0.pub}").replace("site-", "../site-");
        world.desk.file(&format!("issuers/{name}.yaml"), &text);
    };
    file("a");
    let follower = Follower::start(world.command(
        "sync -f issuers --interval 1s --key-interval 1s --listen 127.0.0.1:0 --log-format json",
    ));
    let is_published =
        |name: &str| world.desk.path().join(format!("site-{name}/keys.json")).exists();
    until(|| is_published("a"));
    file("b");
    until(|| is_published("b"));
    std::fs::remove_file(folder.join("a.yaml")).unwrap();
    until(|| !follower.ask("/metrics").1.contains("issuer=\"a\""));
    assert!(is_published("a"), "its documents stay");
}

#[test]
fn the_gravest_failure_of_several_issuers_is_the_end_of_one_step() {
    let world = World::new();
    let file = [issuer("a", "{file: missing.pub}"), issuer("b", "{file: 0.pub}")].concat();
    world.desk.file("issuers.yaml", &file);
    std::fs::create_dir(world.desk.path().join("site-b")).unwrap();
    world.desk.file("site-b/keys.json", "{");
    let (_, err) = ended(&world.desk.run("sync -f issuers.yaml --once"), 4);
    assert!(err.contains("missing.pub"), "{err}");
}

#[test]
fn what_would_have_no_effect_or_flood_a_server_is_refused() {
    let world = World::new();
    for (line, says) in [
        ("sync -f - --once".to_owned(), "standard input can be read only once"),
        // The file has these settings.
        ("sync -f issuer.yaml --keep-history 0".to_owned(), "cannot be used with"),
        ("sync -f issuer.yaml --shape kubernetes".to_owned(), "cannot be used with"),
        ("sync -f issuer.yaml --allow-port".to_owned(), "cannot be used with"),
        ("sync -f issuer.yaml --allow-weak-keys".to_owned(), "cannot be used with"),
        ("sync -f issuer.yaml --namespace default".to_owned(), "cannot be used with"),
        ("rotate status -f issuer.yaml --shape kubernetes".to_owned(), "cannot be used with"),
        (format!("sync --key - {} --once", world.place()), "standard input can be read only once"),
        (format!("{} --interval 10ms", world.line()), "shorter than 1s"),
        (format!("{} --once --interval 10s", world.line()), "cannot be used with"),
        (format!("{} --listen 8080", world.line()), "--listen"),
    ] {
        let (_, err) = ended(&world.desk.run(&line), 2);
        assert!(err.contains(says), "{line}: {err}");
    }
}

#[test]
fn a_secret_whose_only_key_is_replaced_is_that_of_the_cluster_which_was_followed() {
    let world = World::new();
    let of_secret = format!("sync --cluster prod --kubeconfig kubeconfig {}", world.place());
    let follower = Follower::start(world.command(&format!(
        "{of_secret} --interval 1s --key-interval 1s --listen 127.0.0.1:0 --log-format json"
    )));
    follower.steps(1.0);
    world.cluster_has(&[1]);
    world.until_published(&[0, 1]);
    drop(follower);
    // Whoever starts now cannot know it.
    world.cluster_has(&[2]);
    let once = |options: &str, code| {
        ended(&world.command(&format!("{of_secret} --once {options}")).output().unwrap(), code).1
    };
    let err = once("", 4);
    assert!(
        err.contains("probably a different cluster") && err.contains("--allow-other-cluster"),
        "{err}"
    );
    assert!(!world.has_published(&[2]));
    once("--allow-other-cluster", 0);
    assert!(world.has_published(&[0, 1, 2]));
}

#[test]
fn a_cluster_that_names_another_issuer_is_another_one_also_after_a_success() {
    let world = World::new();
    let follower = world.follow("");
    follower.steps(1.0);
    *world.issuer.lock().unwrap() = "https://staging.example.com".to_owned();
    world.cluster_has(&[1]);
    follower.until_said("probably a different cluster");
    assert!(!world.has_published(&[1]));
    assert!(world.has_published(&[0]));
}
