//! When a key came and went, and that it stays while tokens of it may be valid.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "shared with other tests")]
mod desk;
mod place;
mod signer;

use std::ops::Deref;
use std::time::{Duration, SystemTime};

use issuer_test_support::{ApiServer, Reply, S3Server};
use serde_json::Value;

use desk::ended;
use place::{ISSUER, Place, TOKEN};
use signer::Signer;

const LIVE: &str = "--check-live default/app --kubeconfig kubeconfig";

/// A cluster that signs with the old key, and a place to publish to.
struct Bench {
    place: Place,
    _server: ApiServer,
}

impl Deref for Bench {
    type Target = Place;

    fn deref(&self) -> &Place {
        &self.place
    }
}

impl Bench {
    fn at(place: Place) -> Self {
        let token = place.old.token(ISSUER, "default/app", "sts.amazonaws.com");
        place.desk.file("token", &token);
        let body = format!(r#"{{"status":{{"token":"{token}"}}}}"#);
        let server = ApiServer::start([(TOKEN, Reply { status: 201, ..Reply::ok(body) })]);
        place.desk.file("kubeconfig", &server.kubeconfig("{token: a-token}"));
        Self { place, _server: server }
    }

    fn folder() -> Self {
        Self::at(Place::folder())
    }

    fn bucket(server: &S3Server) -> Self {
        Self::at(Place::bucket(server))
    }

    /// An issuer file with the new key alone.
    fn issuer_file(&self) {
        self.desk.file(
            "issuer.yaml",
            &format!(
                "apiVersion: issuerctl.dev/v1alpha1\nkind: ServiceAccountIssuer\nmetadata: {{name: \
                 prod}}\nspec:\n  issuer: {ISSUER}\n  keys: [{{file: new.pub}}]\n  store: {{folder: \
                 site}}\n"
            ),
        );
    }

    #[track_caller]
    fn publish(&self, line: &str, code: i32) -> String {
        self.run(&format!("publish --no-verify {line}"), code).1
    }

    /// What `keys` says of a key.
    #[track_caller]
    fn key(&self, signer: &Signer) -> Value {
        let (out, _) = self.run("keys --output json", 0);
        let keys: Value = serde_json::from_str(&out).unwrap();
        let keys = keys["keys"].as_array().unwrap();
        keys.iter().find(|key| key["kid"] == signer.kid.as_str()).unwrap().clone()
    }

    /// Makes what is recorded in the folder older by so many hours.
    fn age(&self, hours: u64) {
        let path = self.desk.path().join("site/.issuerctl/keys");
        let text = std::fs::read_to_string(&path).unwrap();
        let older = |time: &str| match u64::from_str_radix(time, 36) {
            Ok(time) => base36(time - hours * 3600),
            Err(_) => String::new(),
        };
        let entry = |entry: &str| match entry.split_once(':') {
            Some((hash, times)) => {
                format!("{hash}:{}", times.split(',').map(older).collect::<Vec<_>>().join(","))
            }
            None => entry.to_owned(),
        };
        std::fs::write(&path, text.split(';').map(entry).collect::<Vec<_>>().join(";")).unwrap();
    }
}

fn base36(mut number: u64) -> String {
    let mut text = String::new();
    while number > 0 {
        text.insert(0, char::from_digit((number % 36) as u32, 36).unwrap());
        number /= 36;
    }
    text
}

/// The same in each place.
fn comes_and_goes(bench: &Bench) {
    bench.publish("--key old.pub", 0);
    let old = bench.key(&bench.old);
    assert!(old["since"].is_string() && old["since"] == old["last_confirmed"], "{old:#}");
    assert!(old["missing_since"].is_null() && old["last_seen_signing"].is_null(), "{old:#}");
    bench.publish(&format!("--key new.pub {LIVE}"), 0);
    let (old, new) = (bench.key(&bench.old), bench.key(&bench.new));
    assert!(old["missing_since"].is_string() && old["last_seen_signing"].is_string(), "{old:#}");
    assert!(new["missing_since"].is_null() && new["last_seen_signing"].is_null(), "{new:#}");
    let (out, _) = bench.run("keys", 0);
    assert!(out.contains("not given to runs since"), "{out}");
    assert!(out.contains("saw it sign at"), "{out}");
    // Nobody asks the cluster now, and yet its key stays.
    let err = bench.publish("--key new.pub --prune", 4);
    assert!(err.contains(&bench.old.kid) && err.contains("was seen signing at"), "{err}");
    assert!(err.contains("--drop-live-key") && err.contains("or wait until"), "{err}");
    let err = bench.publish("--key new.pub --prune --drop-live-key", 0);
    assert!(err.contains("warning:") && err.contains(&bench.old.kid), "{err}");
}

#[test]
fn a_folder_knows_when_a_key_came_and_keeps_one_that_was_seen_signing() {
    comes_and_goes(&Bench::folder());
}

#[test]
fn a_bucket_knows_when_a_key_came_and_keeps_one_that_was_seen_signing() {
    let server = S3Server::start();
    comes_and_goes(&Bench::bucket(&server));
}

#[test]
fn a_key_may_go_a_day_after_it_was_seen_signing_or_as_requested() {
    let bench = Bench::folder();
    bench.publish("--key old.pub --key new.pub --token token", 0);
    bench.age(24);
    // It may have signed an hour after that was recorded.
    bench.publish("--key new.pub --prune", 4);
    bench.publish("--key new.pub --prune --retire-after 30h", 4);
    bench.issuer_file();
    bench.age(2);
    bench.publish("--key new.pub --prune --retire-after 30h", 4);
    bench.publish("--key new.pub --prune", 0);
}

#[test]
fn a_site_that_another_tool_robbed_of_the_live_key_is_not_published_as_it_is() {
    let bench = Bench::folder();
    bench.publish("--key old.pub --key new.pub --token token", 0);
    let (jwks, _) = ended(&bench.desk.run("jwks --key new.pub"), 0);
    bench.desk.file("site/keys.json", &jwks);
    let err = bench.publish("--key new.pub", 4);
    assert!(err.contains("a key that is not in keys.json any more"), "{err}");
    bench.issuer_file();
    for command in ["plan", "apply"] {
        ended(&bench.desk.run(&format!("{command} -f issuer.yaml")), 4);
    }
    let allowed = "plan -f issuer.yaml --drop-live-key";
    ended(&bench.desk.run(allowed), 0);
    bench.publish("--key old.pub --key new.pub", 0);
}

#[test]
fn a_rollback_keeps_a_key_that_was_seen_signing() {
    let bench = Bench::folder();
    bench.publish("--key new.pub", 0);
    bench.publish("--key old.pub --token token", 0);
    let (_, err) = bench.run("rollback", 4);
    assert!(err.contains(&bench.old.kid) && err.contains("was seen signing at"), "{err}");
    let (_, err) = bench.run("rollback --drop-live-key", 0);
    assert!(err.contains("warning:") && err.contains(&bench.old.kid), "{err}");
}

#[test]
fn a_run_that_changes_nothing_records_a_sighting_once_an_hour_and_otherwise_nothing_for_a_day() {
    let server = S3Server::start();
    let bench = Bench::bucket(&server);
    bench.publish("--key old.pub", 0);
    let writes = || {
        let log = server.take_log();
        log.into_iter().filter(|line| line.starts_with("PutObject prod/keys.json")).count()
    };
    writes();
    bench.publish("--key old.pub", 0);
    assert_eq!(writes(), 0);
    let (out, _) = bench.run(&format!("publish --no-verify --key old.pub {LIVE} --output json"), 0);
    let published: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(published["changed"], false, "what is recorded is no change");
    // One of them asks whether the store keeps conditions.
    assert_eq!(writes(), 2);
    bench.publish(&format!("--key old.pub {LIVE}"), 0);
    assert_eq!(writes(), 0);
    assert!(bench.key(&bench.old)["last_seen_signing"].is_string());
}

#[test]
fn a_sighting_that_cannot_be_recorded_is_a_warning() {
    let server = S3Server::start();
    let bench = Bench::bucket(&server);
    bench.publish("--key old.pub", 0);
    server.refuse("PutObject", "AccessDenied");
    let err = bench.publish(&format!("--key old.pub {LIVE}"), 0);
    assert!(err.contains("warning:") && err.contains("could not be recorded"), "{err}");
}

#[test]
fn what_is_recorded_in_a_folder_is_refreshed_once_a_day_and_damage_is_not_known() {
    let bench = Bench::folder();
    bench.publish("--key old.pub --key new.pub", 0);
    let keys = bench.desk.path().join("site/keys.json");
    let written = std::fs::metadata(&keys).unwrap().modified().unwrap();
    let first = bench.key(&bench.old)["last_confirmed"].clone();
    bench.age(20);
    bench.publish("--key new.pub", 0);
    assert!(bench.key(&bench.old)["missing_since"].is_null());
    bench.age(5);
    bench.publish("--key new.pub", 0);
    let old = bench.key(&bench.old);
    assert!(old["missing_since"].is_string() && old["last_confirmed"] != first, "{old:#}");
    assert_eq!(std::fs::metadata(&keys).unwrap().modified().unwrap(), written);
    for damage in ["", "2;abc", "1;;;:,,,;x", "\u{0}\u{1}"] {
        bench.desk.file("site/.issuerctl/keys", damage);
        assert!(bench.key(&bench.old)["since"].is_null(), "{damage:?}");
        let (out, _) = bench.run("keys", 0);
        assert!(out.contains("not known") && out.contains("by 20"), "{out}");
    }
    assert!(SystemTime::now().duration_since(written).unwrap() < Duration::from_secs(600));
}

#[test]
fn a_clock_that_is_hours_off_is_said() {
    let server = S3Server::start();
    let bench = Bench::bucket(&server);
    bench.publish("--key old.pub", 0);
    server.clock_behind(3 * 3600);
    let err = bench.publish("--key old.pub", 0);
    let says = "the clock of this machine is 3 h ahead of that of the store";
    assert!(err.contains("warning:") && err.contains(says), "{err}");
    server.clock_behind(60);
    let err = bench.publish("--key old.pub", 0);
    assert!(!err.contains("clock"), "{err}");
}
