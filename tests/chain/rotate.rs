//! A rotation by `rotate`, step by step with the commands that it prints, on two API servers of one
//! cluster. A client with fresh tokens reads an object throughout.

use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use issuer_diagnostic::date;
use issuerctl_e2e::{ApiServer, AwsAccount, BUCKET, Client, Etcd, Flags, Pod, Publisher, Ran};
use serde_json::{Value, json};

const NODES: [&str; 2] = ["node-a", "node-b"];
const KUBEADM_KEYS: &str = "/etc/kubernetes/pki";

pub(crate) fn run(version: &str) {
    let mut control_plane = ControlPlane::new(version);
    control_plane.servers[0].create_account("default/app");
    let account = control_plane.publisher.account("prod");
    let load_balancer = LoadBalancer::default();
    load_balancer.passes_to(&control_plane);
    std::thread::scope(|scope| {
        let stop = Stop(&load_balancer.stopped);
        let reader = scope.spawn(|| load_balancer.read_until_stopped(&account));
        control_plane.rotate(&load_balancer);
        drop(stop);
        let reads = reader.join().unwrap();
        let count = |kid: &str| reads.iter().filter(|read| *read == kid).count();
        let (old, new) = (&control_plane.old, control_plane.kid("new"));
        assert!(count(old) > 0 && count(&new) > 0, "{reads:?}");
        println!("{} reads with the old key, {} with the new one", count(old), count(&new));
    });
}

/// Two control-plane nodes, and the machine of the administrator.
struct ControlPlane<'v> {
    publisher: Publisher,
    etcd: Etcd,
    version: &'v str,
    servers: Vec<ApiServer>,
    old: String,
}

impl<'v> ControlPlane<'v> {
    fn new(version: &'v str) -> Self {
        let (publisher, etcd) = (Publisher::new(), Etcd::start(version));
        let old = publisher.keygen("rsa-2048", "old");
        publisher.publish("--key old/sa.pub", "prod").ended(0);
        for node in NODES {
            let copy = format!("mkdir {node} && cp old/sa.key old/sa.pub {node}/");
            publisher.sandbox.run(Command::new("sh").args(["-c", &copy])).ended(0);
        }
        let mut control_plane = Self { publisher, etcd, version, servers: Vec::new(), old };
        control_plane.servers = NODES.iter().map(|node| control_plane.start(node)).collect();
        control_plane.started_ago(0);
        control_plane
    }

    fn start(&self, node: &str) -> ApiServer {
        let folder = self.publisher.sandbox.path().join(node);
        let flags = Flags {
            issuers: &[&self.publisher.issuer("prod")],
            signing_key: &folder.join("sa.key"),
            public_keys: &[&folder.join("sa.pub")],
            others: &[],
        };
        ApiServer::start(self.version, "prod", &self.etcd, &self.publisher.authority, &flags)
    }

    fn rotate(&mut self, load_balancer: &LoadBalancer) {
        self.issuerctl("status", "").ended(0);
        self.issuerctl("start --generate --out-dir new", "").ended(0);
        let step = self.next("accept", "");
        self.obey(&step, load_balancer);
        self.next("caches", "");
        // No reader of this test has a cache.
        let step = self.next("sign", "--cache-life 0s");
        // The old key cannot go, and the new one can be taken back and published again.
        self.issuerctl("finish", "").ended(4);
        self.issuerctl("abort --new-key new/sa.pub", "").ended(0);
        self.issuerctl("start --generate --out-dir new", "").ended(0);
        self.obey(&step, load_balancer);
        self.next("tokens", "");
        let early = self.issuerctl("finish", "").ended(4);
        assert!(early.err.contains("may be valid until"), "{}", early.err);
        self.issuerctl("abort --new-key new/sa.pub", "").ended(4);
        // No test waits for a day.
        self.started_ago(25 * 60 * 60);
        let step = self.next("drop", "");
        self.obey(&step, load_balancer);
        self.issuerctl("finish", "").ended(0);
        let kids = Publisher::kids(&self.publisher.published_keys("prod").unwrap());
        assert_eq!(kids, format!("{}\n", self.kid("new")));
        let step = self.next("forget", "");
        self.obey(&step, load_balancer);
        self.issuerctl("status", "").ended(0);
    }

    fn issuerctl(&self, command: &str, options: &str) -> Ran {
        let servers = self.servers.iter().map(|server| format!(" --server {}", url(server)));
        let servers: String = servers.collect();
        // The name of a file with a secret in it would not be printed.
        let kubeconfig = self.servers[0].kubeconfig("admin-token");
        let sandbox = &self.publisher.sandbox;
        std::fs::copy(kubeconfig, sandbox.path().join("admin.conf")).unwrap();
        sandbox.issuerctl(&format!(
            "rotate {command} {options} --to s3://{BUCKET}/prod --endpoint-url {} --path-style \
             --allow-port --ca-file ca.pem --check-live default/app --kubeconfig admin.conf{servers}",
            self.publisher.host.url(),
        ))
    }

    /// The next step, which must be this one.
    #[track_caller]
    fn next(&self, id: &str, options: &str) -> Value {
        let line = format!("{options} --for kubeadm --output json");
        let status = self.issuerctl("status", &line).ended(7);
        let status: Value = serde_json::from_str(&status.out).unwrap();
        assert_eq!(status["next"], id, "{status:#}");
        let steps = status["steps"].as_array().unwrap();
        steps.iter().find(|step| step["id"] == id).unwrap().clone()
    }

    /// Does what a step says, on each node in turn where that is said.
    fn obey(&mut self, step: &Value, load_balancer: &LoadBalancer) {
        let commands: Vec<String> = serde_json::from_value(step["commands"].clone()).unwrap();
        let on_nodes = commands[0].starts_with("# on each control-plane node");
        if !on_nodes {
            for line in &commands {
                let line = line.strip_prefix("issuerctl ").unwrap();
                self.publisher.sandbox.issuerctl(line).ended(0);
            }
            return;
        }
        for (index, node) in NODES.iter().enumerate() {
            for line in commands.iter().filter(|line| !line.starts_with(['#'])) {
                if line.starts_with("crictl stop") && line.contains("controller-manager") {
                    // There is none.
                } else if line.starts_with("crictl stop") {
                    // kubelet starts it again, and the load balancer waits for it.
                    load_balancer.clients.lock().unwrap().clear();
                    let others = self.servers.iter().enumerate().filter(|(one, _)| *one != index);
                    let others = others.map(|(_, server)| server.client()).collect();
                    *load_balancer.clients.lock().unwrap() = others;
                    self.servers[index] = self.start(node);
                    load_balancer.passes_to(self);
                } else {
                    let line = line.replace(KUBEADM_KEYS, node);
                    self.publisher.sandbox.run(Command::new("sh").args(["-c", &line])).ended(0);
                }
            }
        }
        self.started_ago(0);
    }

    /// What kubelet says of the API servers.
    fn started_ago(&self, secs: u64) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let (server, client) = (&self.servers[0], self.servers[0].client());
        server.create_account("kube-system/default");
        for node in NODES {
            let name = format!("kube-apiserver-{node}");
            let issuer = format!("--service-account-issuer={}", self.publisher.issuer("prod"));
            let pods = "/api/v1/namespaces/kube-system/pods";
            let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
                "spec": {"automountServiceAccountToken": false, "containers": [{
                    "name": "kube-apiserver", "image": "a",
                    "command": ["kube-apiserver", issuer]}]}});
            let (code, answer) = client.create(pods, &pod);
            assert!(code == 201 || code == 409, "{answer}");
            let started = date(now - secs);
            let status = json!({"status": {"containerStatuses": [{"name": "kube-apiserver",
                "image": "a", "imageID": "a", "ready": true, "restartCount": 0,
                "state": {"running": {"startedAt": started}}}]}});
            let merge = "application/merge-patch+json";
            let (code, answer) =
                client.send("PATCH", &format!("{pods}/{name}/status"), merge, &status);
            assert_eq!(code, 200, "{answer}");
        }
    }

    fn kid(&self, folder: &str) -> String {
        let line = format!("jwks --key {folder}/sa.pub");
        Publisher::kids(&self.publisher.sandbox.issuerctl(&line).succeeded()).trim().to_owned()
    }
}

fn url(server: &ApiServer) -> String {
    let (host, port) = server.host_and_port();
    format!("https://{host}:{port}")
}

/// Passes requests to the API servers that are ready, in turn.
#[derive(Default)]
struct LoadBalancer {
    clients: Mutex<Vec<Client>>,
    stopped: AtomicBool,
}

impl LoadBalancer {
    fn passes_to(&self, control_plane: &ControlPlane<'_>) {
        let clients = control_plane.servers.iter().map(ApiServer::client).collect();
        *self.clients.lock().unwrap() = clients;
    }

    /// A fresh token.
    fn token(&self, turn: usize) -> String {
        loop {
            let clients = self.clients.lock().unwrap();
            let Some(client) = clients.get(turn % clients.len().max(1)) else {
                drop(clients);
                std::thread::sleep(Duration::from_millis(20));
                continue;
            };
            let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
                "spec": {"audiences": ["sts.amazonaws.com"]}});
            let path = "/api/v1/namespaces/default/serviceaccounts/app/token";
            let (code, answer) = client.create(path, &request);
            assert_eq!(code, 201, "{answer}");
            return answer["status"]["token"].as_str().unwrap().to_owned();
        }
    }

    /// Reads the object with one fresh token after the other; returns their kids.
    fn read_until_stopped(&self, account: &AwsAccount) -> Vec<String> {
        let mut kids = Vec::new();
        while !self.stopped.load(Ordering::Relaxed) {
            let token = self.token(kids.len());
            let read = Pod::new(account, &token).read_with_aws_cli();
            assert_eq!(read.succeeded(), "hello", "after {kids:?}");
            kids.push(crate::rotation::kid(&token));
        }
        kids
    }
}

/// Stops the reader, also if the test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
