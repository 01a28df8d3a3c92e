//! What was published before, and the way back to it: `history` and `rollback`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "shared with other tests")]
mod desk;
mod place;
mod signer;

use std::ops::Deref;

use issuer_test_support::{ApiServer, Reply, S3Server};
use serde_json::Value;

use desk::ended;
use place::{ISSUER, Place, TOKEN};

const KEYS: &str = "prod/keys.json";

/// What is published at a place.
struct Bench(Place);

impl Deref for Bench {
    type Target = Place;

    fn deref(&self) -> &Place {
        &self.0
    }
}

impl Bench {
    fn folder() -> Self {
        Self(Place::folder())
    }

    fn bucket(server: &S3Server) -> Self {
        Self(Place::bucket(server))
    }

    #[track_caller]
    fn publish(&self, keys: &str) {
        self.run(&format!("publish --no-verify {keys}"), 0);
    }

    #[track_caller]
    fn versions(&self) -> Vec<Value> {
        let (out, _) = self.run("history --output json", 0);
        let object: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(object["issuer"], ISSUER);
        object["versions"].as_array().unwrap().clone()
    }

    /// The kids of a dry run of a publish, which are all that are published.
    #[track_caller]
    fn kids(&self) -> Vec<String> {
        let (out, _) = self.run("keys --output json", 0);
        kids(&serde_json::from_str::<Value>(&out).unwrap()["keys"])
    }
}

fn kids(keys: &Value) -> Vec<String> {
    keys.as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// The same in each place: a key comes, another goes, and both are undone.
fn there_and_back(bench: &Bench) {
    bench.publish("--key old.pub");
    assert_eq!(bench.versions().len(), 1, "nothing was published before");
    let (_, err) = bench.run("rollback", 3);
    assert!(err.contains("no history"), "{err}");
    bench.publish("--key new.pub");
    // A run that changes nothing keeps nothing.
    bench.publish("--key new.pub");
    bench.publish("--key new.pub --prune");
    let (old, new) = (bench.old.kid.clone(), bench.new.kid.clone());
    let versions = bench.versions();
    assert_eq!(versions.len(), 3, "{versions:#?}");
    assert_eq!(versions[0]["version"], Value::Null);
    assert_eq!(kids(&versions[0]["removed"]), [old.as_str()]);
    assert_eq!(kids(&versions[1]["added"]), [new.as_str()]);
    assert_eq!(kids(&versions[2]["keys"]), [old.as_str()]);
    assert!(versions.iter().all(|one| one["published"].is_string()), "{versions:#?}");

    let (out, _) = bench.run("rollback --dry-run --no-verify", 0);
    assert!(out.contains(&format!("+ key \"{old}\"")), "{out}");
    assert_eq!(bench.kids(), [new.as_str()], "a dry run changes nothing");
    bench.run("rollback --no-verify", 0);
    assert_eq!(bench.kids(), [new.as_str(), old.as_str()]);
    // The site that was replaced is kept, too: the way back is a way forth.
    assert_eq!(bench.versions().len(), 4);
    bench.run("rollback --no-verify", 0);
    assert_eq!(bench.kids(), [new.as_str()]);
    let first = bench.versions().last().unwrap()["version"].as_str().unwrap().to_owned();
    let (_, err) = bench.run(&format!("rollback {first} --no-verify"), 4);
    assert!(err.contains(&new), "a key is added and another removed: {err}");
    bench.run("rollback --no-verify", 0);
    bench.run(&format!("rollback {first} --no-verify"), 0);
    assert_eq!(bench.kids(), [old.as_str()]);
}

#[test]
fn what_was_published_in_a_folder_is_listed_and_restored() {
    let bench = Bench::folder();
    there_and_back(&bench);
    // The folder as a web server serves it is complete and verified, and says who did it.
    let line = format!("rollback {}", bench.options);
    let (_, err) = ended(&bench.desk.run_with(&line, &[("USER", "ann"), ("HOSTNAME", "ci")]), 0);
    assert!(err.contains("verified"), "{err}");
    assert_eq!(bench.versions()[0]["by"], "ann@ci");
}

#[cfg(unix)]
#[test]
fn nobody_else_can_read_the_history_of_a_folder() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::folder();
    bench.publish("--key old.pub");
    bench.publish("--key new.pub");
    let mode = |path: &str| {
        let path = bench.desk.path().join("site").join(path);
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    let version = bench.versions()[1]["version"].as_str().unwrap().to_owned();
    assert_eq!(mode(".issuerctl"), 0o700);
    assert_eq!(mode(".issuerctl/history"), 0o700);
    assert_eq!(mode(&format!(".issuerctl/history/{version}")), 0o600);
    assert_eq!(mode("keys.json"), 0o644);
}

#[test]
fn what_was_published_in_a_bucket_is_listed_and_restored() {
    let server = S3Server::start();
    let bench = Bench::bucket(&server);
    there_and_back(&bench);
    let copies = server.dump().into_keys().filter(|key| key.contains("/.issuerctl/")).count();
    assert!(copies > 0);
}

#[test]
fn a_bucket_with_versioning_needs_no_copies() {
    let server = S3Server::start();
    let bench = Bench::bucket(&server);
    server.keep_versions("my-oidc");
    there_and_back(&bench);
    let copies = server.dump().into_keys().filter(|key| key.contains("/.issuerctl/")).count();
    assert_eq!(copies, 0);
}

#[test]
fn as_many_sites_are_kept_as_requested() {
    let bench = Bench::folder();
    for run in 0..3 {
        bench.publish("--key old.pub --keep-history 2");
        bench.publish("--key new.pub --keep-history 2");
        bench.publish("--key old.pub --prune --keep-history 2");
        assert!(bench.versions().len() <= 3, "run {run}");
    }
    assert_eq!(bench.versions().len(), 3);
    // A file declares it, and 0 turns it off.
    bench.desk.file(
        "issuer.yaml",
        &format!(
            "apiVersion: issuerctl.dev/v1alpha1\nkind: ServiceAccountIssuer\nmetadata: {{name: \
             prod}}\nspec:\n  issuer: {ISSUER}\n  keys: [{{file: new.pub}}]\n  store: {{folder: \
             site}}\n  keepHistory: 0\n"
        ),
    );
    let copies = || std::fs::read_dir(bench.desk.path().join("site/.issuerctl/history")).unwrap();
    ended(&bench.desk.run("apply -f issuer.yaml"), 0);
    assert_eq!(copies().count(), 2);
    ended(&bench.desk.run_with("rollback -f issuer.yaml --keep-history 1", &[]), 0);
    assert_eq!(copies().count(), 1);
}

#[test]
fn a_copy_that_cannot_be_written_ends_the_run_before_anything_changes() {
    let server = S3Server::start();
    let bench = Bench::bucket(&server);
    bench.publish("--key old.pub");
    let before = server.dump();
    let copy = |code| {
        // Every write but those of the documents.
        server.refuse("PutObject", code);
    };
    copy("AccessDenied");
    let (_, err) = bench.run("publish --no-verify --key new.pub", 6);
    assert!(err.contains(".issuerctl/history"), "{err}");
    assert_eq!(server.dump(), before);
    server.refuse_nothing();

    let bench = Bench::folder();
    bench.publish("--key old.pub");
    let hidden = bench.desk.path().join("site/.issuerctl");
    std::fs::remove_dir_all(&hidden).unwrap();
    std::fs::write(hidden, "in the way").unwrap();
    let before = bench.kids();
    let (_, err) = bench.run("publish --no-verify --key new.pub", 1);
    assert!(err.contains(".issuerctl") && err.contains("--keep-history 0"), "{err}");
    assert_eq!(bench.kids(), before);
    bench.run("publish --no-verify --key new.pub --keep-history 0", 0);
}

#[test]
fn what_cannot_be_restored_is_one_error_and_nothing_is_written() {
    let bench = Bench::folder();
    bench.publish("--key old.pub");
    bench.publish("--key new.pub");
    let version = bench.versions()[1]["version"].as_str().unwrap().to_owned();
    let path = bench.desk.path().join("site/.issuerctl/history").join(&version);
    let whole = std::fs::read_to_string(&path).unwrap();
    let before = bench.kids();
    let refused = |line: &str, code: i32, says: &str| {
        let (_, err) = bench.run(line, code);
        assert_eq!(err.matches("error:").count(), 1, "{err}");
        assert!(err.contains(says), "{err}");
        assert_eq!(bench.kids(), before, "{line}");
    };
    for unknown in ["20200101T000000.000Z-0123456789abcdef", "../../keys.json", "v1"] {
        refused(&format!("rollback {unknown}"), 3, "has no version");
    }
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    refused("rollback", 3, "cannot be restored");
    let (out, _) = bench.run("history", 0);
    assert!(out.contains("EOF while parsing"), "{out}");
    std::fs::write(&path, whole.replace("\"format\":1", "\"format\":2")).unwrap();
    refused("rollback", 3, "another format");
    std::fs::write(&path, whole.replace("oidc.example.com/prod", "oidc.example.com/test")).unwrap();
    refused(&format!("rollback {version}"), 4, "different issuer");
    // The documents of another time under this name.
    bench.publish("--key old.pub --prune");
    let newest = bench.versions()[1]["version"].as_str().unwrap().to_owned();
    let other = std::fs::read(path.with_file_name(newest)).unwrap();
    std::fs::write(&path, other).unwrap();
    let (_, err) = bench.run(&format!("rollback {version}"), 3);
    assert!(err.contains("not those that its name stands for"), "{err}");
}

#[test]
fn a_version_in_a_bucket_that_does_not_exist_or_is_of_another_issuer_is_one_error() {
    let server = S3Server::start();
    let bench = Bench::bucket(&server);
    server.keep_versions("my-oidc");
    bench.publish("--key old.pub");
    bench.publish("--key new.pub");
    let before = server.get("my-oidc", KEYS);
    let (_, err) = bench.run("rollback v99", 3);
    assert!(err.contains("has no version \"v99\""), "{err}");
    let place = bench.options.replace("example.com/prod", "example.com/test");
    let line = format!("publish --no-verify --key new.pub --change-issuer {place}");
    ended(&bench.desk.run(&line), 0);
    let (_, err) = ended(&bench.desk.run(&format!("rollback --no-verify {place}")), 4);
    assert!(err.contains("different issuer"), "{err}");
    assert_eq!(server.get("my-oidc", KEYS), before);
}

#[test]
fn a_rollback_keeps_the_live_key() {
    let bench = Bench::folder();
    bench.publish("--key old.pub");
    bench.publish("--key new.pub");
    let token = bench.new.token(ISSUER, "default/app", "sts.amazonaws.com");
    bench.desk.file("token", &token);
    let reply =
        Reply { status: 201, ..Reply::ok(format!(r#"{{"status":{{"token":"{token}"}}}}"#)) };
    let server = ApiServer::start([(TOKEN, reply)]);
    bench.desk.file("kubeconfig", &server.kubeconfig("{token: a-token}"));
    for known in ["--token token", "--check-live default/app --kubeconfig kubeconfig"] {
        let (_, err) = bench.run(&format!("rollback {known}"), 4);
        assert!(err.contains(&bench.new.kid) && err.contains("--drop-live-key"), "{err}");
        assert!(!err.contains("--key FILE"), "a rollback has no such option: {err}");
        assert_eq!(bench.kids().len(), 2);
    }
    let (_, err) = bench.run("rollback --token token --drop-live-key", 0);
    assert!(err.contains("warning:") && err.contains(&bench.new.kid), "{err}");
    assert_eq!(bench.kids(), [bench.old.kid.as_str()]);
}

#[test]
fn documents_that_somebody_destroyed_are_restored_on_request() {
    let bench = Bench::folder();
    bench.publish("--key old.pub");
    bench.publish("--key new.pub");
    let both = std::fs::read(bench.desk.path().join("site/keys.json")).unwrap();
    bench.publish("--key new.pub --prune");
    bench.desk.file("site/keys.json", "<html>");
    let (_, err) = bench.run("rollback", 4);
    assert!(err.contains("hint: --replace-unreadable replaces it"), "{err}");
    bench.run("rollback --replace-unreadable", 0);
    assert_eq!(std::fs::read(bench.desk.path().join("site/keys.json")).unwrap(), both);
}

#[test]
fn a_deletion_takes_the_history_with_it() {
    let bench = Bench::folder();
    bench.publish("--key old.pub");
    bench.publish("--key new.pub");
    bench.desk.file(
        "issuer.yaml",
        &format!(
            "apiVersion: issuerctl.dev/v1alpha1\nkind: ServiceAccountIssuer\nmetadata: {{name: \
             prod}}\nspec:\n  issuer: {ISSUER}\n  store: {{folder: site}}\n  keys: [{{file: \
             new.pub}}]\n"
        ),
    );
    let (out, _) = ended(&bench.desk.run("delete -f issuer.yaml --dry-run"), 0);
    assert!(out.contains("- history .issuerctl/history"), "{out}");
    ended(&bench.desk.run("delete -f issuer.yaml"), 0);
    assert!(!bench.desk.path().join("site/.issuerctl").exists());
}

/// The permission of a call (Service Authorization Reference, "Amazon S3").
fn action(call: &str) -> String {
    let action = match call {
        "HeadBucket" | "ListObjectsV2" => "ListBucket",
        "ListObjectVersions" => "ListBucketVersions",
        other => other,
    };
    format!("s3:{action}")
}

/// Whether a printed policy allows an action on an object, or on the bucket.
fn allows(policy: &Value, action: &str, key: &str) -> bool {
    let list = |value: &Value| match value {
        Value::Array(list) => list.clone(),
        one => vec![one.clone()],
    };
    let arn = ["arn:aws:s3:::my-oidc", key].join(if key.is_empty() { "" } else { "/" });
    let names = |pattern: &Value| match pattern.as_str().unwrap().strip_suffix('*') {
        Some(prefix) => arn.starts_with(prefix),
        None => *pattern == arn,
    };
    policy["Statement"].as_array().unwrap().iter().any(|statement| {
        list(&statement["Action"]).contains(&action.into())
            && list(&statement["Resource"]).iter().any(names)
    })
}

#[test]
fn the_printed_policies_have_what_the_history_needs_and_no_more() {
    for versioning in [false, true] {
        let server = S3Server::start();
        let bench = Bench::bucket(&server);
        if versioning {
            server.keep_versions("my-oidc");
        }
        bench.publish("--key old.pub");
        for line in [
            "publish --no-verify --key new.pub",
            "publish --no-verify --key new.pub --prune --keep-history 1",
            "history",
            "rollback --no-verify",
        ] {
            let (out, _) = bench.run(&format!("{line} --print-iam-policy"), 0);
            let policy: Value = serde_json::from_str(&out).unwrap();
            server.take_log();
            bench.run(line, 0);
            for call in server.take_log() {
                let mut words = call.split(' ');
                let action = action(words.next().unwrap());
                let key = words.next().filter(|word| word.contains('/') && !word.contains('='));
                assert!(allows(&policy, &action, key.unwrap_or_default()), "{line}: {call}\n{out}");
            }
            let reads_back = !line.starts_with("publish");
            assert_eq!(allows(&policy, "s3:ListBucketVersions", ""), reads_back, "{line}\n{out}");
            assert_eq!(allows(&policy, "s3:GetObjectVersion", KEYS), reads_back, "{line}\n{out}");
            let writes = line != "history";
            let copy = "prod/.issuerctl/history/x";
            assert_eq!(allows(&policy, "s3:PutObject", copy), writes, "{line}\n{out}");
        }
    }
    let server = S3Server::start();
    let bench = Bench::bucket(&server);
    let (out, _) = bench.run("publish --key old.pub --keep-history 0 --print-iam-policy", 0);
    assert!(!out.contains(".issuerctl"), "{out}");
}

#[test]
fn a_folder_names_its_own_issuer() {
    let bench = Bench::folder();
    bench.publish("--key old.pub");
    bench.publish("--key new.pub");
    let here = |line: &str, code| ended(&bench.desk.run(line), code);
    for line in ["history --to site", "keys --to site", "rollback --to site --no-verify"] {
        here(line, 0);
    }
    assert_eq!(bench.kids(), [bench.old.kid.as_str()]);
    bench.desk.file("site/.well-known/openid-configuration", r#"{"issuer":"no issuer"}"#);
    for line in ["history --to site", "keys --to site", "rollback --to site"] {
        let (_, err) = here(line, 2);
        assert!(err.contains("--issuer is required"), "{err}");
    }
}
