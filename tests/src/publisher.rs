//! An object store, a sandbox with credentials for it, and the issuers published there.

use std::fmt::Write;
use std::path::Path;

use issuer_test_support::Authority;

use crate::{
    ApiServer, AwsAccount, BucketHost, Etcd, Flags, Moto, PASSWORD, Proxy, Ran, Sandbox, USER, http,
};

/// The bucket of every issuer.
pub const BUCKET: &str = "my-oidc";

/// A sandbox whose `issuerctl publish` goes to a MinIO behind TLS.
pub struct Publisher {
    /// Signs the certificates of all servers of the test.
    pub authority: Authority,
    /// The object store.
    pub host: BucketHost,
    /// The sandbox that commands run in.
    pub sandbox: Sandbox,
}

impl Default for Publisher {
    fn default() -> Self {
        Self::new()
    }
}

impl Publisher {
    /// Starts the object store.
    pub fn new() -> Self {
        let authority = Authority::new();
        let host = BucketHost::start(&authority);
        Self::with_host(authority, host)
    }

    /// The same on VersityGW.
    pub fn on_versitygw() -> Self {
        let authority = Authority::new();
        let host = BucketHost::versitygw(Some(&authority));
        Self::with_host(authority, host)
    }

    fn with_host(authority: Authority, host: BucketHost) -> Self {
        let sandbox = Sandbox::new(&authority)
            .with("AWS_ACCESS_KEY_ID", USER)
            .with("AWS_SECRET_ACCESS_KEY", PASSWORD);
        Self { authority, host, sandbox }
    }

    /// The same with IAM: an account in moto, and issuers on a host without a port, as IAM wants it,
    /// which only the proxy resolves.
    pub fn with_iam() -> (Self, Moto, Proxy) {
        let mut publisher = Self::new();
        let (moto, proxy) = (Moto::start(), Proxy::to(publisher.host.url()));
        publisher.sandbox = publisher
            .sandbox
            .with("AWS_ENDPOINT_URL_IAM", moto.url())
            .with("AWS_ENDPOINT_URL_STS", moto.url())
            .with("HTTPS_PROXY", proxy.url())
            .with("NO_PROXY", "localhost,127.0.0.1");
        (publisher, moto, proxy)
    }

    /// The issuer URL of a prefix.
    pub fn issuer(&self, prefix: &str) -> String {
        format!("{}/{BUCKET}/{prefix}", self.host.url())
    }

    /// The command that publishes under a prefix, with the address of the object store.
    pub fn publish_line(&self, flags: &str, prefix: &str) -> String {
        let url = self.host.url();
        format!(
            "publish {flags} --to s3://{BUCKET}/{prefix} --create-bucket --endpoint-url {url} \
             --path-style --allow-port --ca-file ca.pem"
        )
    }

    /// Runs it.
    pub fn publish(&self, flags: &str, prefix: &str) -> Ran {
        self.sandbox.issuerctl(&self.publish_line(flags, prefix))
    }

    /// Runs `issuerctl verify` on an issuer.
    pub fn verify(&self, issuer: &str, flags: &str) -> Ran {
        self.sandbox
            .issuerctl(&format!("verify --issuer {issuer} --allow-port --ca-file ca.pem {flags}"))
    }

    /// Runs the aws CLI on the object store.
    pub fn aws(&self, line: &str) -> Ran {
        self.sandbox.aws(&format!("--endpoint-url {} --ca-bundle ca.pem {line}", self.host.url()))
    }

    /// An account whose STS trusts the issuer of a prefix.
    #[track_caller]
    pub fn account(&self, prefix: &str) -> AwsAccount {
        AwsAccount::start(&self.authority, &self.issuer(prefix))
            .unwrap_or_else(|why| panic!("the account: {why}"))
    }

    /// An API server with the issuer of `prod`. It signs with the key in the folder `signing` and
    /// accepts those in the folders `known`.
    pub fn api_server(
        &self,
        version: &str,
        etcd: &Etcd,
        signing: &str,
        known: &[&str],
    ) -> ApiServer {
        let sandbox = self.sandbox.path();
        let known: Vec<_> =
            known.iter().map(|folder| sandbox.join(folder).join("sa.pub")).collect();
        let known: Vec<&Path> = known.iter().map(AsRef::as_ref).collect();
        let key = sandbox.join(signing).join("sa.key");
        let flags = Flags {
            issuers: &[&self.issuer("prod")],
            signing_key: &key,
            public_keys: &known,
            others: &[],
        };
        ApiServer::start(version, "prod", etcd, &self.authority, &flags)
    }

    /// The published keys, read anonymously.
    pub fn published_keys(&self, prefix: &str) -> Option<String> {
        http::get(&format!("{}/keys.json", self.issuer(prefix)), &self.authority)
    }

    /// Creates a key pair in a folder of the sandbox with `issuerctl keygen`; returns its `kid`.
    #[track_caller]
    pub fn keygen(&self, algorithm: &str, folder: &str) -> String {
        let made = self
            .sandbox
            .issuerctl(&format!("keygen --algorithm {algorithm} --out-dir {folder} --output json"));
        let made: serde_json::Value = serde_json::from_str(&made.succeeded()).unwrap();
        made["key"]["kid"].as_str().unwrap().to_owned()
    }

    /// The values of `kid` in a JWK Set, in order, one per line.
    pub fn kids(jwks: &str) -> String {
        let set: serde_json::Value = serde_json::from_str(jwks).unwrap();
        set["keys"].as_array().unwrap().iter().fold(String::new(), |mut text, key| {
            let _ = writeln!(text, "{}", key["kid"].as_str().unwrap());
            text
        })
    }
}
