//! Runs that are killed, ended by signals, or race each other; and the key that the cluster signs with.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod desk;
#[path = "safety/races.rs"]
mod races;
mod signer;

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use issuer_jwks::{JwkSet, WeakKeys};
use issuer_test_support::{ApiServer, Fault, FaultProxy, Reply, S3Server};

use desk::{Desk, ended, golden};
use signer::Signer;

const ISSUER: &str = "https://oidc.example.com/prod";
const TOKEN: &str = "POST /api/v1/namespaces/default/serviceaccounts/app/token";

/// A place to publish to, and what readers find there.
trait Place {
    /// The options that select it.
    fn options(&self) -> String;

    fn read(&self, desk: &Desk, name: &str) -> Option<Vec<u8>>;
}

struct Folder(String);

impl Place for Folder {
    fn options(&self) -> String {
        format!("--to {} --issuer {ISSUER}", self.0)
    }

    fn read(&self, desk: &Desk, name: &str) -> Option<Vec<u8>> {
        std::fs::read(desk.path().join(&self.0).join(name)).ok()
    }
}

struct Bucket(S3Server);

impl Bucket {
    fn new() -> Self {
        let server = S3Server::start();
        server.make_bucket("my-oidc");
        Self(server)
    }
}

impl Place for Bucket {
    fn options(&self) -> String {
        format!(
            "--to s3://my-oidc/prod --region us-west-2 --access none --endpoint-url {} --path-style \
             --issuer {ISSUER} --no-verify",
            self.0.endpoint()
        )
    }

    fn read(&self, _: &Desk, name: &str) -> Option<Vec<u8>> {
        self.0.get("my-oidc", &format!("prod/{name}"))
    }
}

/// The kids of a site that readers can use: its document lists the algorithm of each key.
fn kids(place: &dyn Place, desk: &Desk) -> Vec<String> {
    let Some(keys) = place.read(desk, "keys.json") else { return Vec::new() };
    let keys = JwkSet::parse(&keys, WeakKeys::Refuse).unwrap();
    if let Some(document) = place.read(desk, ".well-known/openid-configuration") {
        let document: serde_json::Value = serde_json::from_slice(&document).unwrap();
        let listed = document["id_token_signing_alg_values_supported"].as_array().unwrap();
        for algorithm in keys.algorithms() {
            assert!(listed.iter().any(|name| name == algorithm.as_str()), "{algorithm}");
        }
    }
    keys.keys().iter().map(|jwk| jwk.kid.to_string()).collect()
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn start(desk: &Desk, line: &str) -> Child {
    desk.command(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// `CRASH_RUNS=N` sets how many runs are killed, of each kind.
#[expect(clippy::print_stderr, reason = "how many runs were cut off depends on the machine")]
fn killed_runs(new: impl Fn(u64) -> Box<dyn Place>) {
    let signer = Signer::new();
    let runs = number("CRASH_RUNS", 12);
    let mut cut_off = 0;
    for run in 0..runs {
        let desk = Desk::new();
        let place = new(run);
        desk.file("old.pub", &golden("encodings/rsa2048.spki.pem"));
        desk.file("new.pub", &signer.public_pem);
        let line = |key: &str| format!("publish --key {key} {}", place.options());
        let first = run.is_multiple_of(2);
        if !first {
            ended(&desk.run(&line("old.pub")), 0);
        }
        let before = kids(&*place, &desk);
        let mut child = start(&desk, &line("new.pub"));
        std::thread::sleep(Duration::from_micros(run * 7919 % 120_000));
        child.kill().unwrap();
        cut_off += u64::from(child.wait().unwrap().code().is_none());
        let after = kids(&*place, &desk);
        assert!(before.iter().all(|kid| after.contains(kid)), "run {run}: a key was lost");
        ended(&desk.run(&line("new.pub")), 0);
        let now = kids(&*place, &desk);
        assert!(before.iter().chain([&signer.kid]).all(|kid| now.contains(kid)), "run {run}");
        assert!(place.read(&desk, ".well-known/openid-configuration").is_some());
        for folder in ["site", "site/.well-known", "site/.issuerctl/history"] {
            let left = std::fs::read_dir(desk.path().join(folder)).into_iter().flatten().flatten();
            let is_left = |name: &str| name.starts_with(".issuerctl") && name != ".issuerctl";
            let left = left.filter(|entry| is_left(&entry.file_name().to_string_lossy()));
            assert_eq!(left.count(), 0, "run {run}: something is left in {folder}");
        }
    }
    eprintln!("{runs} runs, {cut_off} of them were cut off");
}

#[test]
fn a_killed_run_leaves_a_site_that_works_and_the_next_one_completes_it_in_a_folder() {
    killed_runs(|_| Box::new(Folder("site".to_owned())));
}

#[test]
fn a_killed_run_leaves_a_site_that_works_and_the_next_one_completes_it_in_a_bucket() {
    killed_runs(|_| Box::new(Bucket::new()));
}

fn race(place: &dyn Place) {
    let desk = Desk::new();
    let signers: Vec<Signer> = (0..number("RACE_RUNS", 16)).map(|_| Signer::new()).collect();
    let running = signers.iter().enumerate().map(|(index, signer)| {
        desk.file(&format!("{index}.pub"), &signer.public_pem);
        start(&desk, &format!("publish --key {index}.pub {}", place.options()))
    });
    let running: Vec<Child> = running.collect();
    for child in running {
        ended(&child.wait_with_output().unwrap(), 0);
    }
    let published = kids(place, &desk);
    assert_eq!(published.len(), signers.len());
    assert!(signers.iter().all(|signer| published.contains(&signer.kid)), "a key was lost");
}

#[test]
fn every_key_of_processes_that_race_in_a_folder_is_published() {
    race(&Folder("site".to_owned()));
}

#[test]
fn every_key_of_processes_that_race_in_a_bucket_is_published() {
    race(&Bucket::new());
}

#[cfg(unix)]
fn signal(child: &Child, name: &str) {
    let done = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(done.success());
}

#[cfg(unix)]
fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(30), "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(unix)]
#[test]
fn a_signal_ends_a_run_between_two_writes_and_says_how_far_it_came() {
    for (name, code) in [("-INT", 130), ("-TERM", 143)] {
        let bucket = Bucket::new();
        let desk = Desk::new();
        desk.file("sa.pub", &golden("encodings/rsa2048.spki.pem"));
        let line = format!("publish --key sa.pub {}", bucket.options());
        // While it reads, nothing is written.
        bucket.0.delay(Duration::from_secs(60));
        let child = start(&desk, &line);
        wait_for("a read", || bucket.0.peak_connections() > 0);
        signal(&child, name);
        let (_, err) = ended(&child.wait_with_output().unwrap(), code);
        assert!(err.contains("before it wrote anything"), "{err}");
        assert_eq!(kids(&bucket, &desk).len(), 0);

        // What it reads is logged once it is answered; then it writes.
        bucket.0.take_log();
        bucket.0.delay(Duration::from_secs(3));
        let child = start(&desk, &line);
        let mut reads = 0;
        wait_for("three reads", || {
            reads += bucket.0.take_log().len();
            reads >= 3
        });
        std::thread::sleep(Duration::from_secs(1));
        signal(&child, name);
        let (_, err) = ended(&child.wait_with_output().unwrap(), code);
        let says = format!("error: SIG{}: the run was ended after it wrote", &name[1..]);
        let ends = format!("{says} s3://my-oidc/prod/keys.json\n");
        assert!(err.contains("waiting for the write that has begun"), "{err}");
        assert!(err.contains(&ends) && err.contains("the next run continues"), "{err}");
        assert_eq!(kids(&bucket, &desk).len(), 1, "the write that had begun was cut off");
        assert!(bucket.read(&desk, ".well-known/openid-configuration").is_none());
        bucket.0.delay(Duration::ZERO);
        ended(&desk.run(&line), 0);
        assert!(bucket.read(&desk, ".well-known/openid-configuration").is_some());
    }
}

/// An API server whose fresh tokens are signed by this key.
fn api_server(signer: &Signer) -> ApiServer {
    let token = signer.token(ISSUER, "default/app", "sts.amazonaws.com");
    let reply =
        Reply { status: 201, ..Reply::ok(format!(r#"{{"status":{{"token":"{token}"}}}}"#)) };
    ApiServer::start([(TOKEN, reply)])
}

#[test]
fn the_key_that_the_cluster_signs_with_is_removed_only_on_request() {
    let (live, new) = (Signer::new(), Signer::new());
    let server = api_server(&live);
    let desk = Desk::new();
    desk.file("kubeconfig", &server.kubeconfig("{token: a-token}"));
    desk.file("live.pub", &live.public_pem);
    desk.file("new.pub", &new.public_pem);
    desk.file("token", &live.token(ISSUER, "default/app", "sts.amazonaws.com"));
    let site = Folder("site".to_owned());
    let line = |rest: &str| format!("publish {} {rest}", site.options());
    ended(&desk.run(&line("--key live.pub")), 0);
    ended(&desk.run(&line("--key new.pub --token token")), 0);
    let both = kids(&site, &desk);
    for known in ["--check-live default/app --kubeconfig kubeconfig", "--token token"] {
        let (_, err) = ended(&desk.run(&line(&format!("--key new.pub --prune {known}"))), 4);
        assert!(err.contains(&live.kid) && err.contains("--drop-live-key"), "{err}");
        assert_eq!(kids(&site, &desk), both, "{known}");
    }
    // A file declares the same.
    desk.file(
        "issuer.yaml",
        &format!(
            "apiVersion: issuerctl.dev/v1alpha1\nkind: ServiceAccountIssuer\nmetadata: {{name: \
             prod}}\nspec:\n  issuer: {ISSUER}\n  keys: [{{file: new.pub}}]\n  store: {{folder: \
             empty}}\n"
        ),
    );
    for command in ["plan", "apply"] {
        let (_, err) = ended(&desk.run(&format!("{command} -f issuer.yaml --token token")), 4);
        assert!(err.contains(&live.kid), "{err}");
    }
    assert!(!desk.path().join("empty").exists());
    let (_, err) =
        ended(&desk.run(&line("--key new.pub --prune --token token --drop-live-key")), 0);
    assert!(err.contains("warning:") && err.contains("signs with the key"), "{err}");
    assert_eq!(kids(&site, &desk), [new.kid]);
}

#[test]
fn what_is_no_token_of_the_issuer_proves_nothing() {
    let (live, desk) = (Signer::new(), Desk::new());
    desk.file("live.pub", &live.public_pem);
    desk.file("other", &live.token("https://oidc.example.com/x", "default/app", "x"));
    desk.file("none", "hello");
    let line =
        |token: &str| format!("publish --key live.pub --to site --issuer {ISSUER} --token {token}");
    let (_, err) = ended(&desk.run(&line("none")), 3);
    assert!(err.contains("none is not a token"), "{err}");
    let (_, err) = ended(&desk.run(&line("other")), 5);
    assert!(err.contains("https://oidc.example.com/x"), "{err}");
    assert!(!desk.path().join("site").exists());
}

#[test]
fn a_store_that_is_asked_too_often_is_asked_again() {
    for status in [429, 503] {
        let bucket = Bucket::new();
        let proxy = FaultProxy::start(&bucket.0.endpoint(), 1, 0);
        let desk = Desk::new();
        desk.file("sa.pub", &golden("encodings/rsa2048.spki.pem"));
        let options = bucket.options().replace(&bucket.0.endpoint(), &proxy.endpoint());
        // The question whether it keeps conditions, and the write.
        proxy.times(4, "PUT /my-oidc/prod/keys.json", Fault::Busy(status));
        ended(&desk.run(&format!("publish --key sa.pub {options}")), 0);
        let busy = proxy.log().into_iter().filter(|line| line.contains("Busy")).count();
        assert_eq!(busy, 4, "{status}");
    }
}
