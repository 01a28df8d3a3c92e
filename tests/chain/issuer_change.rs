//! A running cluster moves to another issuer: `issuer change plan` names the next step after each,
//! and its commands are what is done.

use issuer_test_support::ISSUER_HOST;
use issuerctl_e2e::{ApiServer, BUCKET, Etcd, Flags, Moto, Proxy, Publisher};
use serde_json::{Value, json};

pub(crate) fn run(version: &str) {
    let bench = Bench::new(version);
    let server = bench.cluster(&[&bench.old]);
    server.create_account("default/app");
    pod(&server, "default", "app", &json!({"name": "app", "image": "app"}));
    bench.publisher.sandbox.issuerctl("apply -f old.yaml --ca-file ca.pem").ended(0);

    // What AWS needs comes first; both documents of the file are applied by the same command.
    let step = bench.next(&server, "documents");
    assert_eq!(step["commands"], json!(["issuerctl apply -f issuer.yaml --ca-file ca.pem"]));
    bench.obey(&step);
    // Nothing else was left to do in AWS.
    let step = bench.next(&server, "accept");
    let issuers = issuers(&step);
    assert_eq!(issuers, [bench.old.as_str(), &bench.new]);

    drop(server);
    let server = bench.cluster(&[&bench.old, &bench.new]);
    let step = bench.next(&server, "sign");
    assert!(step["commands"][0].as_str().unwrap().contains("render kubeadm --issuer"));
    drop(server);
    let server = bench.cluster(&[&bench.new, &bench.old]);
    // The pod was created before the API server signed with the new issuer.
    let step = bench.next(&server, "tokens");
    assert!(step["finding"].as_str().unwrap().contains("default/app"), "{step}");
    server.kubectl("delete pod app -n default --force --grace-period=0");
    std::thread::sleep(std::time::Duration::from_secs(1));
    pod(&server, "default", "app", &json!({"name": "app", "image": "app"}));
    bench.next(&server, "drop");
    drop(server);
    let server = bench.cluster(&[&bench.new]);
    // The restart hides when the API server began to sign with it, so pods are looked at again.
    server.kubectl("delete pod app -n default --force --grace-period=0");
    std::thread::sleep(std::time::Duration::from_secs(1));
    pod(&server, "default", "app", &json!({"name": "app", "image": "app"}));
    let step = bench.next(&server, "old-trust");
    bench.obey(&step);
    let step = bench.next(&server, "old-provider");
    bench.obey(&step);
    bench.next(&server, "old-documents");
    bench.publisher.sandbox.issuerctl("delete -f old.yaml --ca-file ca.pem").ended(0);
    let over = bench.plan(&server, 0);
    assert_eq!(over["done"], true, "{over:#}");
    // The role still has the statement of the new issuer.
    let listed = bench.issuerctl("role list --output json").ended(0).out;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["roles"][0]["issuer"], bench.new.as_str());
}

struct Bench<'v> {
    publisher: Publisher,
    _moto: Moto,
    _proxy: Proxy,
    etcd: Etcd,
    version: &'v str,
    old: String,
    new: String,
}

impl<'v> Bench<'v> {
    fn new(version: &'v str) -> Self {
        let (publisher, moto, proxy) = Publisher::with_iam();
        let [old, new] =
            ["old", "new"].map(|prefix| format!("https://{ISSUER_HOST}/{BUCKET}/{prefix}"));
        publisher.keygen("rsa-2048", "pki");
        let document = |prefix: &str, issuer: &str| {
            format!(
                "apiVersion: issuerctl.dev/v1alpha1\nkind: ServiceAccountIssuer\nmetadata: {{name: {prefix}}}\nspec:\n  \
                 keys: [{{file: pki/sa.pub}}]\n  store: {{s3: {{bucket: {BUCKET}, prefix: {prefix}, \
                 createBucket: true, endpointUrl: \"{}\", pathStyle: true}}}}\n  issuer: {issuer}\n  \
                 provider: {{}}\n  roles: [{{name: app, serviceAccounts: [default/app]}}]\n",
                publisher.host.url()
            )
        };
        publisher.sandbox.file("old.yaml", &document("old", &old));
        publisher.sandbox.file("issuer.yaml", &document("new", &new));
        let etcd = Etcd::start(version);
        Self { publisher, _moto: moto, _proxy: proxy, etcd, version, old, new }
    }

    /// An API server with these issuers, and the static pod that a kubelet would have for it.
    fn cluster(&self, issuers: &[&str]) -> ApiServer {
        let path = self.publisher.sandbox.path();
        let (key, public) = (path.join("pki/sa.key"), path.join("pki/sa.pub"));
        let flags = Flags { issuers, signing_key: &key, public_keys: &[&public], others: &[] };
        let server =
            ApiServer::start(self.version, "prod", &self.etcd, &self.publisher.authority, &flags);
        server.try_kubectl("delete pod kube-apiserver-a -n kube-system --force --grace-period=0");
        server.create_account("kube-system/default");
        let flags = issuers.iter().map(|issuer| format!("--service-account-issuer={issuer}"));
        let command: Vec<String> = ["kube-apiserver".to_owned()].into_iter().chain(flags).collect();
        let container = json!({"name": "kube-apiserver", "image": "a", "command": command});
        pod(&server, "kube-system", "kube-apiserver-a", &container);
        let now = server.kubectl(
            "get pod kube-apiserver-a -n kube-system -o jsonpath={.metadata.creationTimestamp}",
        );
        let status = json!({"status": {"containerStatuses": [{"name": "kube-apiserver", "image": "a",
            "imageID": "a", "ready": true, "restartCount": 0,
            "state": {"running": {"startedAt": now.trim()}}}]}});
        let path = "/api/v1/namespaces/kube-system/pods/kube-apiserver-a/status";
        let merge = "application/merge-patch+json";
        let (code, answer) = server.client().send("PATCH", path, merge, &status);
        assert_eq!(code, 200, "{answer}");
        server
    }

    fn issuerctl(&self, line: &str) -> issuerctl_e2e::Ran {
        self.publisher.sandbox.issuerctl(line)
    }

    fn plan(&self, server: &ApiServer, code: i32) -> Value {
        let kubeconfig = server.kubeconfig("admin-token");
        let line = format!(
            "issuer change plan -f issuer.yaml --for kubeadm --from {} --to {} --kubeconfig {} \
             --ca-file ca.pem --output json",
            self.old,
            self.new,
            kubeconfig.display()
        );
        serde_json::from_str(&self.issuerctl(&line).ended(code).out).unwrap()
    }

    /// The next step, which must be this one.
    #[track_caller]
    fn next(&self, server: &ApiServer, id: &str) -> Value {
        let plan = self.plan(server, 7);
        assert_eq!(plan["next"], id, "{plan:#}");
        let steps = plan["steps"].as_array().unwrap();
        steps.iter().find(|step| step["id"] == id).unwrap().clone()
    }

    /// Does what a step says.
    fn obey(&self, step: &Value) {
        for command in step["commands"].as_array().unwrap() {
            let line = command.as_str().unwrap().strip_prefix("issuerctl ").unwrap();
            self.issuerctl(line).ended(0);
        }
    }
}

/// The issuers that the API server has after a step, the signing one first.
fn issuers(step: &Value) -> Vec<&str> {
    let words = step["commands"][0].as_str().unwrap().split_whitespace();
    words.filter(|word| word.starts_with("https://")).collect()
}

/// A pod with a token for AWS.
fn pod(server: &ApiServer, namespace: &str, name: &str, container: &Value) {
    let token = json!({"serviceAccountToken": {"audience": "sts.amazonaws.com", "path": "token"}});
    let account = if namespace == "default" { "app" } else { "default" };
    let (code, answer) = server.client().create(
        &format!("/api/v1/namespaces/{namespace}/pods"),
        &json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace},
            "spec": {"serviceAccountName": account, "automountServiceAccountToken": false,
                "containers": [container],
                "volumes": [{"name": "aws", "projected": {"sources": [token]}}]}}),
    );
    assert_eq!(code, 201, "{answer}");
}
