//! A cluster with the chart installed: exactly the rights and the flags that it renders, beside a MinIO that can
//! be cut off and an IAM in moto.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64ct::{Base64, Encoding};
use issuer_test_support::ISSUER_HOST;
use issuerctl_e2e::{
    ApiServer, BUCKET, Client, Controller, Etcd, Moto, Proxy, Publisher, Relay, get,
};
use serde_json::{Value, json};

/// The namespace of the release.
pub(crate) const RELEASE: &str = "issuerctl-system";

/// The namespace of the objects.
pub(crate) const CLUSTERS: &str = "clusters";

/// What a replica says that ends because it has lost the lease.
pub(crate) const LOST: &str = "no longer the leader";

/// How often each object is looked at here, in seconds.
pub(crate) const INTERVAL: u64 = 5;

/// A cluster with the chart installed, and what its issuers are published to.
pub(crate) struct World {
    pub(crate) publisher: Publisher,
    moto: Moto,
    pub(crate) proxy: Proxy,
    pub(crate) s3: Relay,
    pub(crate) api: ApiServer,
    pub(crate) client: Client,
    pub(crate) server: Relay,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) flags: String,
    pub(crate) etcd: Etcd,
}

impl World {
    pub(crate) fn new(version: &str) -> Self {
        Self::with(version, "")
    }

    /// The same with other values of the chart.
    pub(crate) fn with(version: &str, values: &str) -> Self {
        let mut publisher = Publisher::new();
        let s3 = Relay::to(publisher.host.url());
        let (moto, proxy) = (Moto::start(), Proxy::to(s3.url()));
        publisher.sandbox = publisher
            .sandbox
            .with("AWS_ENDPOINT_URL_IAM", moto.url())
            .with("AWS_ENDPOINT_URL_STS", moto.url())
            .with("HTTPS_PROXY", proxy.url())
            .with("NO_PROXY", "localhost,127.0.0.1");
        publisher.keygen("rsa-2048", "signing");
        let etcd = Etcd::start(version);
        let api = publisher.api_server(version, &etcd, "signing", &["signing"]);
        let server = Relay::to(&api.url());
        api.kubectl(&format!("create namespace {CLUSTERS}"));
        let admin = api.kubeconfig("admin-token");
        publisher
            .sandbox
            .helm(&format!(
                "install issuerctl charts/issuerctl --kubeconfig {} --namespace {RELEASE} \
                 --create-namespace --set controller.namespaces={{{CLUSTERS}}} --set \
                 controller.secrets[0].namespace={CLUSTERS} --set \
                 controller.secrets[0].names={{prod-sa,other-sa}} --set controller.interval={INTERVAL} \
                 --set controller.allowedEndpoints={{{}}} {values}",
                admin.display(),
                s3.url()
            ))
            .succeeded();
        // As in a pod, the token is a file.
        let token = api.token_with(&format!("{RELEASE}/issuerctl"), "");
        let file = publisher.sandbox.file("controller.token", &token);
        let text = std::fs::read_to_string(api.kubeconfig(&token)).unwrap();
        let text =
            text.replace(&format!("token: {token}"), &format!("tokenFile: {}", file.display()));
        let kubeconfig = publisher
            .sandbox
            .file("controller.kubeconfig", &text.replace(&api.url(), server.url()));
        let client = api.client();
        let path = format!("/apis/apps/v1/namespaces/{RELEASE}/deployments/issuerctl");
        let (_, deployment) = client.send("GET", &path, "application/json", &Value::Null);
        let pod = &deployment["spec"]["template"]["spec"]["containers"][0];
        let flags = pod["args"].as_array().unwrap().iter().map(|flag| flag.as_str().unwrap());
        let flags = flags.filter(|flag| *flag != "run" && !flag.starts_with("--listen"));
        let flags = format!("{} --ca-file ca.pem", flags.collect::<Vec<_>>().join(" ")).replace(
            "--ca-file ca.pem",
            &format!("--ca-file {}", publisher.sandbox.path().join("ca.pem").display()),
        );
        Self { publisher, moto, proxy, s3, api, client, server, kubeconfig, flags, etcd }
    }

    /// Replaces the API server by another one on the same etcd, without an outage.
    pub(crate) fn replace_api(&mut self, api: ApiServer) {
        self.server.lead_to(&api.url());
        self.client = api.client();
        self.api = api;
    }

    /// Renews the token of the pod, as the kubelet does.
    pub(crate) fn renew_token(&self) {
        let token = self.api.token_with(&format!("{RELEASE}/issuerctl"), "");
        self.publisher.sandbox.file("controller.token", &token);
    }

    pub(crate) fn start(&self, name: &str) -> Controller {
        self.start_with(name, "", &[])
    }

    /// A replica with more flags, and with other variables, or without some.
    pub(crate) fn start_with(
        &self,
        name: &str,
        flags: &str,
        variables: &[(&str, Option<&str>)],
    ) -> Controller {
        let flags = format!("{} {flags}", self.flags);
        let sandbox = &self.publisher.sandbox;
        Controller::start_with(sandbox, &self.kubeconfig, name, &flags, variables)
    }

    /// The replica that has the lease.
    pub(crate) fn leader(&self) -> String {
        let path = format!("/apis/coordination.k8s.io/v1/namespaces/{RELEASE}/leases/issuerctl");
        let (_, lease) = self.client.send("GET", &path, "application/json", &Value::Null);
        lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
    }

    /// Makes a key, and puts it into the Secret of a cluster as Cluster API does. Returns its kid.
    pub(crate) fn set_key(&self, cluster: &str, folder: &str) -> String {
        let kid = self.publisher.keygen("rsa-2048", folder);
        let file = |name: &str| {
            let path = self.publisher.sandbox.path().join(folder).join(name);
            Base64::encode_string(&std::fs::read(path).unwrap())
        };
        self.api.apply(
            &json!({
                "apiVersion": "v1", "kind": "Secret", "type": "cluster.x-k8s.io/secret",
                "metadata": {"name": format!("{cluster}-sa"), "namespace": CLUSTERS},
                "data": {"tls.crt": file("sa.pub"), "tls.key": file("sa.key")},
            })
            .to_string(),
        );
        kid
    }

    /// An object whose issuer is published under its name.
    pub(crate) fn object(&self, name: &str, more: &Value) -> Value {
        let mut object = json!({
            "apiVersion": "issuerctl.dev/v1alpha1",
            "kind": "ServiceAccountIssuer",
            "metadata": {"name": name, "namespace": CLUSTERS},
            "spec": {
                "keys": [{"cluster": {"name": name}}],
                "store": {"s3": {
                    "bucket": BUCKET, "prefix": name, "region": "us-east-1", "createBucket": true,
                    "endpointUrl": self.s3.url(), "pathStyle": true,
                }},
                "issuer": format!("https://{ISSUER_HOST}/{BUCKET}/{name}"),
                "provider": {},
                "roles": [{
                    "name": format!("{name}-app"),
                    "serviceAccounts": ["default/app"],
                    "policyArns": ["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"],
                }],
            },
        });
        let spec = object["spec"].as_object_mut().unwrap();
        spec.extend(more.as_object().unwrap().clone());
        object
    }

    pub(crate) fn path(name: &str) -> String {
        format!("/apis/issuerctl.dev/v1alpha1/namespaces/{CLUSTERS}/serviceaccountissuers/{name}")
    }

    pub(crate) fn read(&self, name: &str) -> Option<Value> {
        let (status, object) =
            self.client.send("GET", &Self::path(name), "application/json", &Value::Null);
        (status == 200).then_some(object)
    }

    pub(crate) fn change(&self, name: &str, patch: &Value) -> (u16, Value) {
        self.client.send("PATCH", &Self::path(name), "application/merge-patch+json", patch)
    }

    #[track_caller]
    pub(crate) fn changed(&self, name: &str, patch: &Value) {
        let (status, answer) = self.change(name, patch);
        assert_eq!(status, 200, "{answer}");
    }

    /// Waits for a condition with this reason; returns how long that took, and its message.
    #[track_caller]
    pub(crate) fn waits_for(&self, name: &str, kind: &str, reason: &str) -> (Duration, String) {
        let begin = Instant::now();
        let limit = Duration::from_secs(60);
        loop {
            let object = self.read(name).unwrap_or_default();
            let conditions = object["status"]["conditions"].as_array();
            let mut conditions = conditions.into_iter().flatten();
            let found = conditions.find(|one| one["type"] == kind);
            let current =
                object["status"]["observedGeneration"] == object["metadata"]["generation"];
            if let Some(found) = found
                && found["reason"] == reason
                && current
            {
                return (begin.elapsed(), found["message"].as_str().unwrap().to_owned());
            }
            assert!(begin.elapsed() < limit, "{name} never has {kind} {reason}: {object:#}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The kids that are published, read anonymously.
    pub(crate) fn published(&self, name: &str) -> Vec<String> {
        let url = format!("{}/{BUCKET}/{name}/keys.json", self.publisher.host.url());
        let keys = get(&url, &self.publisher.authority);
        keys.map(|keys| Publisher::kids(&keys).lines().map(str::to_owned).collect())
            .unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn until(&self, what: &str, done: impl Fn() -> bool) -> Duration {
        let begin = Instant::now();
        while !done() {
            assert!(begin.elapsed() < Duration::from_secs(90), "{what} never happens");
            std::thread::sleep(Duration::from_millis(50));
        }
        begin.elapsed()
    }

    /// The reasons of the Events of an object.
    pub(crate) fn events(&self, name: &str) -> Vec<String> {
        self.told(name).into_iter().map(|(reason, _)| reason).collect()
    }

    /// The texts of the Events of an object that have this reason.
    pub(crate) fn notes(&self, name: &str, reason: &str) -> Vec<String> {
        let told = self.told(name).into_iter();
        told.filter(|(of, _)| of == reason).map(|(_, note)| note).collect()
    }

    fn told(&self, name: &str) -> Vec<(String, String)> {
        let path = format!("/apis/events.k8s.io/v1/namespaces/{CLUSTERS}/events");
        let (_, events) = self.client.send("GET", &path, "application/json", &Value::Null);
        let events = events["items"].as_array().unwrap().iter();
        let of_object = events.filter(|event| event["regarding"]["name"] == name);
        let text = |event: &Value, name: &str| event[name].as_str().unwrap_or_default().to_owned();
        of_object.map(|event| (text(event, "reason"), text(event, "note"))).collect()
    }

    pub(crate) fn iam(&self, line: &str) -> issuerctl_e2e::Ran {
        self.publisher.sandbox.aws(&format!("--endpoint-url {} iam {line}", self.moto.url()))
    }

    /// How many requests MinIO and the API server have had.
    pub(crate) fn requests(&self) -> (u64, u64) {
        let (_, text) = self.client.text("/metrics");
        let sum = |text: &str, name: &str| {
            let of_name = text.lines().filter(|line| line.starts_with(name));
            let value = |line: &str| line.rsplit(' ').next()?.parse::<f64>().ok();
            of_name.filter_map(value).sum::<f64>()
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a number of requests"
        )]
        let whole = |count: f64| count as u64;
        let url = format!("{}/minio/v2/metrics/cluster", self.publisher.host.url());
        let s3 = get(&url, &self.publisher.authority).unwrap_or_default();
        (whole(sum(&s3, "minio_s3_requests_total")), whole(sum(&text, "apiserver_request_total")))
    }

    pub(crate) fn make_private(&self) {
        self.publisher.aws(&format!("s3api delete-bucket-policy --bucket {BUCKET}")).succeeded();
    }
}

pub(crate) fn tell(what: &str, took: Duration) {
    println!("controller: {what}: {:.1} s", took.as_secs_f64());
}

/// Fails unless a file of the chart or of `deploy` is what `printed` says; `UPDATE=1` writes it.
pub(crate) fn assert_current(file: &Path, printed: &str) {
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(file, printed).unwrap();
    }
    let there = std::fs::read_to_string(file).unwrap_or_default();
    assert!(there == printed, "{} is out of date; UPDATE=1 writes it", file.display());
}
