//! etcd and kube-apiserver.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use base64ct::{Base64, Encoding};

use issuer_test_support::Authority;
use serde_json::Value;

use crate::process::{Process, free_port};
use crate::programs::run;
use crate::{Ran, http, installed, repository};

/// One etcd; every API server stores its objects under its own prefix.
pub struct Etcd {
    _process: Process,
    _folder: tempfile::TempDir,
    url: String,
}

impl Etcd {
    /// Starts the etcd of a Kubernetes version.
    pub fn start(version: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (client, peer) = (free_port(), free_port());
        let url = format!("http://127.0.0.1:{client}");
        let peer = format!("http://127.0.0.1:{peer}");
        let mut command = Command::new(installed(&format!("kubernetes-{version}/etcd")));
        command.arg("--data-dir").arg(folder.path().join("data")).args([
            "--unsafe-no-fsync",
            "--log-level",
            "warn",
        ]);
        command.args(["--listen-client-urls", &url, "--advertise-client-urls", &url]);
        command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
        command.args(["--initial-cluster", &format!("default={peer}")]);
        let mut process = Process::start("etcd", &command, folder.path());
        process.wait_for(|_| {
            (http::status(&format!("{url}/health"), None) == Some(200)).then_some(())
        });
        Self { _process: process, _folder: folder, url }
    }
}

/// The flags of an API server that tests set.
pub struct Flags<'a> {
    /// `--service-account-issuer`; new tokens have the first.
    pub issuers: &'a [&'a str],
    /// `--service-account-signing-key-file`.
    pub signing_key: &'a Path,
    /// `--service-account-key-file`, in order.
    pub public_keys: &'a [&'a Path],
    /// Any other flags, name and value.
    pub others: &'a [(&'a str, &'a str)],
}

/// Requests to an API server, without a process for each.
pub struct Client {
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
    url: String,
}

impl Client {
    /// Sends a request with a body of this media type; returns status and answer.
    pub fn send(&self, method: &str, path: &str, media_type: &str, body: &Value) -> (u16, Value) {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = self
            .client
            .request(method, format!("{}{path}", self.url))
            .bearer_auth("admin-token")
            .header("content-type", media_type)
            .body(body.to_string());
        self.runtime.block_on(async {
            let response = request.send().await.unwrap();
            let status = response.status().as_u16();
            (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap())
        })
    }

    /// Reads a path that is not an object; returns status and text.
    pub fn text(&self, path: &str) -> (u16, String) {
        let request = self.client.get(format!("{}{path}", self.url)).bearer_auth("admin-token");
        self.runtime.block_on(async {
            let response = request.send().await.unwrap();
            (response.status().as_u16(), response.text().await.unwrap())
        })
    }

    /// Creates an object; returns status and answer.
    pub fn create(&self, path: &str, body: &Value) -> (u16, Value) {
        self.send("POST", path, "application/json", body)
    }
}

/// A kube-apiserver with RBAC and two bearer tokens: `admin-token`, and `stranger-token` without
/// permissions.
pub struct ApiServer {
    _process: Process,
    folder: tempfile::TempDir,
    url: String,
    authority_pem: String,
    kubectl: PathBuf,
}

impl ApiServer {
    /// Starts one and waits until it is ready. Servers of the same name on the same etcd share
    /// their objects.
    pub fn start(
        version: &str,
        name: &str,
        etcd: &Etcd,
        authority: &Authority,
        flags: &Flags<'_>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        let (certificate_pem, key_pem) = authority.server_pem();
        std::fs::write(&certificate, certificate_pem).unwrap();
        std::fs::write(&key, key_pem).unwrap();
        let tokens = folder.path().join("tokens.csv");
        std::fs::write(&tokens, "admin-token,admin,1,system:masters\nstranger-token,stranger,2\n")
            .unwrap();
        let port = free_port();
        let mut command = Command::new(installed(&format!("kubernetes-{version}/kube-apiserver")));
        let mut flag = |name: &str, value: &dyn AsRef<OsStr>| {
            let mut flag = OsString::from(format!("--{name}="));
            flag.push(value.as_ref());
            command.arg(flag);
        };
        flag("etcd-servers", &etcd.url);
        flag("etcd-prefix", &format!("/{name}"));
        flag("bind-address", &"127.0.0.1");
        flag("advertise-address", &"127.0.0.1");
        flag("secure-port", &port.to_string());
        flag("tls-cert-file", &certificate);
        flag("tls-private-key-file", &key);
        flag("cert-dir", &folder.path());
        flag("token-auth-file", &tokens);
        flag("authorization-mode", &"RBAC");
        flag("service-cluster-ip-range", &"10.0.0.0/24");
        flag("endpoint-reconciler-type", &"none");
        // There is no controller manager that would create `default` service accounts.
        if !flags.others.iter().any(|(name, _)| *name == "enable-admission-plugins") {
            flag("disable-admission-plugins", &"ServiceAccount");
        }
        // An external signer has the keys.
        if !flags.others.iter().any(|(name, _)| *name == "service-account-signing-endpoint") {
            flag("service-account-signing-key-file", &flags.signing_key);
        }
        for issuer in flags.issuers {
            flag("service-account-issuer", issuer);
        }
        for public in flags.public_keys {
            flag("service-account-key-file", public);
        }
        flag("service-account-jwks-uri", &format!("{}/keys.json", flags.issuers[0]));
        for (name, value) in flags.others {
            flag(name, value);
        }
        let url = format!("https://localhost:{port}");
        let mut process = Process::start("kube-apiserver", &command, folder.path());
        let ready = format!("{url}/readyz");
        process.wait_for(|_| (http::status(&ready, Some(authority)) == Some(200)).then_some(()));
        let kubectl = installed(&format!("kubernetes-{version}/kubectl"));
        Self { _process: process, folder, url, authority_pem: authority.pem().to_owned(), kubectl }
    }

    /// Its host and port.
    pub fn host_and_port(&self) -> (&str, &str) {
        self.url.trim_start_matches("https://").split_once(':').unwrap()
    }

    /// Its URL.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// A kubeconfig with this bearer token.
    pub fn kubeconfig(&self, token: &str) -> PathBuf {
        let path = self
            .folder
            .path()
            .join(format!("kubeconfig-{}", &token[token.len().saturating_sub(14)..]));
        let authority = Base64::encode_string(self.authority_pem.as_bytes());
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters:\n- name: c\n  \
             cluster:\n    server: {}\n    \
             certificate-authority-data: {authority}\ncontexts:\n- name: c\n  context: {{cluster: \
             c, user: u}}\nusers:\n\
             - name: u\n  user: {{token: {token}}}\n",
            self.url
        );
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Runs kubectl as admin; returns its standard output.
    #[track_caller]
    pub fn kubectl(&self, line: &str) -> String {
        self.try_kubectl(line).succeeded()
    }

    /// The same, without failing if kubectl does.
    pub fn try_kubectl(&self, line: &str) -> Ran {
        let mut command = Command::new(&self.kubectl);
        // For a separate discovery cache.
        command.env("HOME", self.folder.path()).current_dir(repository());
        command
            .arg("--kubeconfig")
            .arg(self.kubeconfig("admin-token"))
            .args(line.split_whitespace());
        run(&mut command)
    }

    /// Applies YAML or JSON as admin.
    #[track_caller]
    pub fn apply(&self, text: &str) {
        let file = self.folder.path().join("apply.yaml");
        std::fs::write(&file, text).unwrap();
        self.kubectl(&format!("apply -f {}", file.display()));
    }

    /// Its requests as admin, on one connection.
    pub fn client(&self) -> Client {
        let certificate = reqwest::Certificate::from_pem(self.authority_pem.as_bytes()).unwrap();
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(60))
            .no_proxy()
            .tls_certs_merge([certificate])
            .build()
            .unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Client { runtime, client, url: self.url.clone() }
    }

    /// Creates a service account, `NAMESPACE/NAME`, and its namespace if they do not exist.
    pub fn create_account(&self, account: &str) {
        let (namespace, name) = account.split_once('/').unwrap();
        self.try_kubectl(&format!("create namespace {namespace}"));
        self.try_kubectl(&format!("-n {namespace} create serviceaccount {name}"));
    }

    /// A new token of a service account for AWS STS.
    #[track_caller]
    pub fn token(&self, account: &str) -> String {
        self.token_with(account, "--audience sts.amazonaws.com")
    }

    /// A new token with flags of `kubectl create token`.
    #[track_caller]
    pub fn token_with(&self, account: &str, flags: &str) -> String {
        self.create_account(account);
        let (namespace, name) = account.split_once('/').unwrap();
        self.kubectl(&format!("-n {namespace} create token {name} {flags}")).trim().to_owned()
    }

    /// A folder like a pod's /var/run/secrets/kubernetes.io/serviceaccount, with `token`, `ca.crt`
    /// and `namespace`.
    pub fn pod_files(&self, account: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), self.token_with(account, "")).unwrap();
        std::fs::write(folder.path().join("ca.crt"), &self.authority_pem).unwrap();
        std::fs::write(folder.path().join("namespace"), account.split_once('/').unwrap().0)
            .unwrap();
        folder
    }

    /// The status of a TokenReview.
    pub fn review(&self, token: &str, audience: &str) -> Value {
        let review = serde_json::json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, "audiences": [audience]},
        });
        let file = self.folder.path().join("review.json");
        std::fs::write(&file, review.to_string()).unwrap();
        let answer = self.kubectl(&format!("create -o json -f {}", file.display()));
        serde_json::from_str::<Value>(&answer).unwrap()["status"].clone()
    }
}
