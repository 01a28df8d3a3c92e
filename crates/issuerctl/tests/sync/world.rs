//! A cluster, a store, and programs that follow the one with the other.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use issuer_test_support::{ApiServer, Authority, Reply, S3Server};
use serde_json::{Value, json};

use crate::desk::{Desk, ended};
use crate::signer::Signer;
use crate::switch::Switch;

/// How long a program may take for what a test waits for.
const PATIENCE: Duration = Duration::from_secs(40);

/// A cluster whose keys change, a bucket, and a folder with what reaches both.
pub(crate) struct World {
    pub(crate) desk: Desk,
    pub(crate) s3: Arc<S3Server>,
    /// Before the bucket.
    pub(crate) store: Switch,
    pub(crate) api: ApiServer,
    /// Before the API server.
    pub(crate) door: Switch,
    /// Its JWK Set, and the same keys in PEM.
    jwks: Arc<Mutex<(String, String)>>,
    /// The issuer that its API server names.
    pub(crate) issuer: Arc<Mutex<String>>,
    pub(crate) keys: Vec<Signer>,
}

impl World {
    /// The first of four keys is that of the cluster; the bucket is still to be made.
    pub(crate) fn new() -> Self {
        Self::of(&Authority::new())
    }

    /// The same, with servers of this authority.
    pub(crate) fn of(authority: &Authority) -> Self {
        let desk = Desk::new();
        let s3 = Arc::new(S3Server::start_https(authority));
        let store = Switch::before(&s3.endpoint());
        let keys: Vec<Signer> = (0..4).map(|_| Signer::new()).collect();
        for (number, key) in keys.iter().enumerate() {
            desk.file(&format!("{number}.pub"), &key.public_pem);
        }
        let jwks = Arc::new(Mutex::new((String::new(), String::new())));
        let issuer = Arc::new(Mutex::new(format!("{}/my-oidc/prod", store.url())));
        let (served, named) = (jwks.clone(), issuer.clone());
        let api = ApiServer::answering(authority, move |asked| match asked.line.as_str() {
            "GET /openid/v1/jwks" => Reply::ok(served.lock().unwrap().0.clone()),
            "GET /api/v1/namespaces/eksa-system/secrets/prod-sa" => {
                Reply::secret(&served.lock().unwrap().1)
            }
            "GET /.well-known/openid-configuration" => {
                let issuer = named.lock().unwrap().clone();
                let document = json!({"issuer": issuer, "jwks_uri": "https://a/openid/v1/jwks"});
                Reply::ok(document.to_string())
            }
            _ => Reply::status(404, "not found"),
        });
        let door = Switch::before(&api.url());
        let kubeconfig = api.kubeconfig("{token: a-token}").replace(&api.url(), &door.url());
        desk.file("kubeconfig", &kubeconfig);
        desk.file("ca.pem", authority.pem());
        let world = Self { desk, s3, store, api, door, jwks, issuer, keys };
        world.cluster_has(&[0]);
        world
    }

    /// From now on the cluster has these keys.
    pub(crate) fn cluster_has(&self, keys: &[usize]) {
        let files: String = keys.iter().map(|key| format!(" --key {key}.pub")).collect();
        let (jwks, _) = ended(&self.desk.run(&format!("jwks{files}")), 0);
        let pem = keys.iter().map(|key| self.keys[*key].public_pem.as_str()).collect();
        *self.jwks.lock().unwrap() = (jwks, pem);
    }

    /// Where the documents are, and what reaches both servers.
    pub(crate) fn place(&self) -> String {
        format!(
            "--to s3://my-oidc/prod --region us-west-2 --create-bucket --endpoint-url {} --path-style \
             --allow-port --ca-file ca.pem",
            self.store.url()
        )
    }

    /// `sync` of the cluster, with a step each second.
    pub(crate) fn line(&self) -> String {
        format!("sync --apiserver --kubeconfig kubeconfig {}", self.place())
    }

    pub(crate) fn follow(&self, options: &str) -> Follower {
        Follower::start(self.command(&format!(
            "{} --interval 1s --key-interval 1s --listen 127.0.0.1:0 --log-format json {options}",
            self.line()
        )))
    }

    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = self.desk.command(line);
        command.env("AWS_MAX_ATTEMPTS", "1");
        command
    }

    /// One step; standard output and standard error.
    #[track_caller]
    pub(crate) fn once(&self, options: &str, code: i32) -> (String, String) {
        let line = format!("{} --once {options}", self.line());
        ended(&self.command(&line).output().unwrap(), code)
    }

    /// The kids of the published keys, or none.
    pub(crate) fn published(&self) -> Vec<String> {
        let bytes = self.s3.get("my-oidc", "prod/keys.json").unwrap_or_default();
        let set: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let keys = set["keys"].as_array().cloned().unwrap_or_default();
        keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) fn has_published(&self, keys: &[usize]) -> bool {
        let published = self.published();
        keys.iter().all(|key| published.contains(&self.keys[*key].kid))
    }

    /// Waits until all of these keys are published, and returns how long it took.
    #[track_caller]
    pub(crate) fn until_published(&self, keys: &[usize]) -> Duration {
        until(|| self.has_published(keys))
    }
}

/// Waits until something is so, and returns how long it took.
#[track_caller]
pub(crate) fn until(mut is_so: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "it did not happen within {} s", PATIENCE.as_secs());
        thread::sleep(Duration::from_millis(50));
    }
    begun.elapsed()
}

/// A running `sync`; killed when it is dropped.
pub(crate) struct Follower {
    pub(crate) child: Child,
    log: Arc<Mutex<Vec<Value>>>,
}

impl Follower {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (lines, into) = (BufReader::new(child.stderr.take().unwrap()).lines(), log.clone());
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or(Value::String(line));
                into.lock().unwrap().push(event);
            }
        });
        Self { child, log }
    }

    /// Everything that it has logged.
    pub(crate) fn log(&self) -> Vec<Value> {
        self.log.lock().unwrap().clone()
    }

    /// Whether it has logged a message with this text.
    pub(crate) fn has_said(&self, text: &str) -> bool {
        self.log().iter().any(|event| event["message"].as_str().unwrap_or_default().contains(text))
    }

    #[track_caller]
    pub(crate) fn until_said(&self, text: &str) {
        let begun = Instant::now();
        while !self.has_said(text) {
            assert!(begun.elapsed() < PATIENCE, "{text:?} is not in {:#?}", self.log());
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn address(&self) -> String {
        self.until_said("serving");
        let serving = |event: &Value| Some(event["address"].as_str()?.to_owned());
        self.log().iter().find_map(serving).unwrap()
    }

    /// Status and body of an answer.
    pub(crate) fn ask(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), body.to_owned())
    }

    /// The value of a metric of the only issuer, or of the process.
    pub(crate) fn metric(&self, name: &str) -> Option<f64> {
        let (_, text) = self.ask("/metrics");
        let mut lines = text.lines().filter(|line| !line.starts_with('#'));
        let is_it = |line: &&str| line.split(['{', ' ']).next() == Some(name);
        lines.find(is_it)?.rsplit(' ').next()?.parse().ok()
    }

    #[track_caller]
    pub(crate) fn until_metric(&self, name: &str, is_so: impl Fn(f64) -> bool) -> Duration {
        let begun = Instant::now();
        while !self.metric(name).is_some_and(&is_so) {
            let (value, log) = (self.metric(name), self.log());
            assert!(begun.elapsed() < PATIENCE, "{name} is {value:?}: {log:#?}");
            thread::sleep(Duration::from_millis(50));
        }
        begun.elapsed()
    }

    /// Waits for so many steps more that have ended.
    #[track_caller]
    pub(crate) fn steps(&self, more: f64) {
        let before = self.metric("issuerctl_steps_total").unwrap_or_default();
        self.until_metric("issuerctl_steps_total", |steps| steps >= before + more);
    }

    /// SIGTERM; returns the exit code.
    #[track_caller]
    pub(crate) fn terminate(mut self) -> (Option<i32>, Vec<Value>) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let mut status = None;
        until(|| {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        (status.unwrap().code(), self.log())
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
