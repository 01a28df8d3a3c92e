//! `sync` on a real API server: in a pod, with the rights of the docs alone, while keys change under load.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::rotation::kid;
use issuerctl_e2e::{
    ApiServer, BUCKET, Etcd, ExternalSigner, Flags, Load, Publisher, Relay, exchange, metric,
    program, repository,
};

/// The folder of a pod's service account is fixed, so it is there for this process only. As with a kubelet, its
/// files are replaced while the program runs.
const IN_POD: &str = r#"
mount -t tmpfs tmpfs /run
mkdir -p /run/secrets/kubernetes.io
ln -s "$1" /run/secrets/kubernetes.io/serviceaccount
shift
exec "$@"
"#;

/// How long a program may take for what a scenario waits for.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn run(version: &str) {
    let publisher = Publisher::new();
    let etcd = Etcd::start(version);
    let (old, new) = (publisher.keygen("rsa-2048", "old"), publisher.keygen("p256", "new"));
    let mut server = publisher.api_server(version, &etcd, "old", &["old"]);
    for manifest in ["sync/namespace", "sync/deployment", "sync/cronjob", "rbac/discovery-reader"] {
        let file = repository().join(format!("docs/{manifest}.yaml"));
        server.kubectl(&format!("apply --server-side -f {}", file.display()));
    }
    // Without this binding only the rights of the docs count.
    server.kubectl("delete clusterrolebinding system:service-account-issuer-discovery");
    let door = Relay::to(&server.url());
    let pod = server.pod_files("issuerctl/issuerctl");
    let line = line(&publisher, "--apiserver");
    let follower = Follower::in_pod(&publisher, &door, pod.path(), &line);
    follower.until("issuerctl_last_success_timestamp_seconds", |secs| secs > 1.7e9);
    assert_eq!(published(&publisher), format!("{old}\n"));
    let account = Arc::new(publisher.account("prod"));
    let load = Load::start(&account, server.token("default/app"));

    // Every API server has the new public key, and signs with the old one.
    server =
        replaced(&door, server, || publisher.api_server(version, &etcd, "old", &["old", "new"]));
    let took = until(|| published(&publisher).contains(&new));
    println!(
        "kubernetes {version}: from the start of an API server with a new key to its publication: {took:?}"
    );
    load.add(server.token("default/app"));
    // The new key signs.
    server =
        replaced(&door, server, || publisher.api_server(version, &etcd, "new", &["new", "old"]));
    let fresh = server.token("default/app");
    assert_eq!(kid(&fresh), new);
    load.add(fresh);
    // The kubelet renews the token of the pod.
    std::fs::write(pod.path().join("token"), server.token_with("issuerctl/issuerctl", "")).unwrap();
    // The old key leaves the API servers; tokens of it stay valid for AWS.
    server = replaced(&door, server, || publisher.api_server(version, &etcd, "new", &["new"]));
    load.add(server.token("default/app"));
    let last = follower.metric("issuerctl_last_success_timestamp_seconds").unwrap();
    follower.until("issuerctl_last_success_timestamp_seconds", |secs| secs > last);
    let kids = published(&publisher);
    assert!(kids.contains(&new) && kids.contains(&old), "{kids}");
    let exchanges = load.end();
    println!(
        "kubernetes {version}: {exchanges} exchanges while the key was rotated, none of which failed"
    );

    // Somebody makes the bucket private.
    publisher.aws(&format!("s3api delete-bucket-policy --bucket {BUCKET}")).succeeded();
    let took = follower.until("issuerctl_failed_verifications_total", |failed| failed >= 1.0);
    follower.until("issuerctl_verify_passed", |passed| passed == 1.0);
    println!("kubernetes {version}: from a private bucket to the metric: {took:?}");
    assert!(took < PATIENCE);
    println!(
        "kubernetes {version}: memory of sync: {} KiB",
        follower.resident_kib().expect("the program runs")
    );
    assert_eq!(follower.end(), Some(0));
    changed_secret(&publisher, &server);
}

/// The same from a Secret of a management cluster.
fn changed_secret(publisher: &Publisher, server: &ApiServer) {
    let secret = |key: &str| {
        let file = publisher.sandbox.path().join(format!("{key}/sa.pub"));
        let made = server.kubectl(&format!(
            "-n eksa-system create secret generic prod-sa --from-file=tls.crt={} --dry-run=client -o yaml",
            file.display()
        ));
        server.apply(&made);
    };
    server.create_account("eksa-system/default");
    secret("new");
    let rights = repository().join("docs/rbac/secret-reader.yaml");
    server.kubectl(&format!("apply -f {}", rights.display()));
    let kubeconfig = server.kubeconfig(&server.token_with("issuerctl/issuerctl", ""));
    let keys = format!("--cluster prod --kubeconfig {}", kubeconfig.display());
    let follower = Follower::start(publisher, &line(publisher, &keys));
    follower.until("issuerctl_last_success_timestamp_seconds", |secs| secs > 1.7e9);
    let next = publisher.keygen("p256", "next");
    secret("next");
    let took = until(|| published(publisher).contains(&next));
    println!("from a changed Secret to the publication: {took:?}");
    // The documents are read back before the step ends.
    follower.until("issuerctl_published_keys", |keys| keys == 3.0);
}

/// Keys whose kids are any string, and which change while the API server runs.
pub(crate) fn external_signer(version: &str) {
    let publisher = Publisher::new();
    let etcd = Etcd::start(version);
    for (algorithm, folder) in [("rsa-2048", "a"), ("p256", "b"), ("rsa-2048", "c")] {
        publisher.keygen(algorithm, folder);
    }
    let key = |folder: &str| publisher.sandbox.path().join(folder).join("sa.key");
    let (a, b, c) = (key("a"), key("b"), key("c"));
    // As a KMS names keys, as a person does, and as nobody should.
    let kids = ["arn:aws:kms:us-west-2:111122223333:key/1", "Schlüssel №2 \"neu\" / ../x", "0"];
    let signer = ExternalSigner::start(kids[0], &a);
    let socket = signer.socket();
    let issuer = publisher.issuer("prod");
    let flags = Flags {
        issuers: &[&issuer],
        signing_key: Path::new(""),
        public_keys: &[],
        others: &[("service-account-signing-endpoint", socket.to_str().unwrap())],
    };
    let server = ApiServer::start(version, "external", &etcd, &publisher.authority, &flags);
    let kubeconfig = server.kubeconfig("admin-token");
    let keys =
        format!("--apiserver --check-live default/app --kubeconfig {}", kubeconfig.display());
    server.create_account("default/app");
    let follower = Follower::start(&publisher, &line(&publisher, &keys));
    follower.until("issuerctl_last_success_timestamp_seconds", |secs| secs > 1.7e9);
    let account = Arc::new(publisher.account("prod"));
    let load = Load::start(&account, server.token("default/app"));
    let signs = |wanted: &str| {
        let mut fresh = String::new();
        until(|| {
            fresh = server.token("default/app");
            kid(&fresh) == wanted
        });
        exchange(&account, &fresh).unwrap_or_else(|why| panic!("{wanted}: {why}"));
        load.add(fresh);
    };
    signs(kids[0]);
    for (before, after, keys) in [
        (kids[0], kids[1], [(kids[0], a.as_path()), (kids[1], b.as_path())]),
        (kids[1], kids[2], [(kids[1], b.as_path()), (kids[2], c.as_path())]),
    ] {
        // A new key comes before it signs.
        signer.has(before, &keys);
        let took = until(|| published(&publisher).lines().any(|kid| kid == after));
        println!(
            "kubernetes {version}: from a new key of an external signer to its publication: {took:?}"
        );
        signer.has(after, &keys);
        signs(after);
        // The old key goes.
        signer.has(after, &keys[1..]);
        thread::sleep(Duration::from_secs(4));
        signs(after);
    }
    assert_eq!(published(&publisher).lines().count(), 3);
    assert_eq!(follower.metric("issuerctl_failed_steps_total"), Some(0.0));
    let exchanges = load.end();
    println!(
        "kubernetes {version}: {exchanges} exchanges while an external signer changed its keys, none of which failed"
    );
    assert_eq!(follower.end(), Some(0));
}

fn line(publisher: &Publisher, keys: &str) -> String {
    let publish = publisher.publish_line(keys, "prod");
    let publish = publish.trim_start_matches("publish ");
    format!("sync {publish} --interval 5s --key-interval 1s --listen 127.0.0.1:0 --log-format json")
}

/// The kids of the published keys, one a line.
fn published(publisher: &Publisher) -> String {
    publisher.published_keys("prod").map(|jwks| Publisher::kids(&jwks)).unwrap_or_default()
}

#[track_caller]
fn until(mut is_so: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "it did not happen within {} s", PATIENCE.as_secs());
        thread::sleep(Duration::from_millis(100));
    }
    begun.elapsed()
}

/// Stops an API server, starts another one, and leads to that.
fn replaced(door: &Relay, before: ApiServer, start: impl FnOnce() -> ApiServer) -> ApiServer {
    drop(before);
    let server = start();
    door.lead_to(&server.url());
    server
}

/// A running `sync`.
struct Follower {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
}

impl Follower {
    fn start(publisher: &Publisher, line: &str) -> Self {
        let mut command = Command::new(program("issuerctl"));
        command.args(line.split_whitespace());
        Self::spawn(publisher.sandbox.prepared(&mut command))
    }

    /// With the files of a pod, and the variables that lead to its API server.
    fn in_pod(publisher: &Publisher, door: &Relay, files: &Path, line: &str) -> Self {
        let sandbox = &publisher.sandbox;
        let root = sandbox.run(Command::new("id").arg("-u")).out.trim() == "0";
        let mut command = Command::new("unshare");
        command.args(if root { &["--mount"][..] } else { &["--map-root-user", "--mount"] });
        command.args(["sh", "-euc", IN_POD, "pod"]).arg(files).arg(program("issuerctl"));
        command.args(line.split_whitespace());
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("KUBERNETES_SERVICE_HOST", "localhost");
        command.env("KUBERNETES_SERVICE_PORT", door.port());
        Self::spawn(sandbox.prepared(&mut command))
    }

    fn spawn(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (lines, into) = (BufReader::new(child.stderr.take().unwrap()).lines(), log.clone());
        thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| into.lock().unwrap().push(line));
        });
        Self { child, log }
    }

    /// The value of a metric of the only issuer.
    fn metric(&self, name: &str) -> Option<f64> {
        metric(&self.log.lock().unwrap().join("\n"), name)
    }

    #[track_caller]
    fn until(&self, name: &str, is_so: impl Fn(f64) -> bool) -> Duration {
        let begun = Instant::now();
        while !self.metric(name).is_some_and(&is_so) {
            let (value, log) = (self.metric(name), self.log.lock().unwrap().join("\n"));
            assert!(begun.elapsed() < PATIENCE, "{name} is {value:?}:\n{log}");
            thread::sleep(Duration::from_millis(100));
        }
        begun.elapsed()
    }

    fn resident_kib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.split_whitespace().next()?.parse().ok()
    }

    /// SIGTERM; returns the exit code.
    fn end(mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let mut status = None;
        until(|| {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap().code()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
