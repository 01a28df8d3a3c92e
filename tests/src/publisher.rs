//! Whoever publishes: a bucket host, a desk with credentials for it, and the issuers that follow.

use std::fmt::Write;
use std::path::Path;

use issuer_test_support::Authority;

use crate::{ApiServer, AwsAccount, BucketHost, Desk, Etcd, Flags, PASSWORD, Ran, USER, http};

/// The bucket of every issuer.
pub const BUCKET: &str = "my-oidc";

/// A desk whose `issuerctl publish` goes to a MinIO behind TLS.
pub struct Publisher {
    /// Vouches for the host, and for whatever else the test starts.
    pub authority: Authority,
    /// Where the bucket lies.
    pub host: BucketHost,
    /// Where the commands run.
    pub desk: Desk,
}

impl Default for Publisher {
    fn default() -> Self {
        Self::new()
    }
}

impl Publisher {
    /// Starts the host.
    pub fn new() -> Self {
        let authority = Authority::new();
        let host = BucketHost::start(&authority);
        let desk = Desk::new(&authority)
            .with("AWS_ACCESS_KEY_ID", USER)
            .with("AWS_SECRET_ACCESS_KEY", PASSWORD);
        Self { authority, host, desk }
    }

    /// The issuer that follows from a prefix.
    pub fn issuer(&self, prefix: &str) -> String {
        format!("{}/{BUCKET}/{prefix}", self.host.url())
    }

    /// The command that publishes under a prefix; everything behind the key source and flags is the
    /// store's address.
    pub fn publish_line(&self, flags: &str, prefix: &str) -> String {
        let url = self.host.url();
        format!(
            "publish {flags} --to s3://{BUCKET}/{prefix} --create-bucket --endpoint-url {url} \
             --path-style --allow-port --ca-file ca.pem"
        )
    }

    /// Runs it.
    pub fn publish(&self, flags: &str, prefix: &str) -> Ran {
        self.desk.issuerctl(&self.publish_line(flags, prefix))
    }

    /// Runs `issuerctl verify` on an issuer.
    pub fn verify(&self, issuer: &str, flags: &str) -> Ran {
        self.desk
            .issuerctl(&format!("verify --issuer {issuer} --allow-port --ca-file ca.pem {flags}"))
    }

    /// The aws CLI on the bucket's host.
    pub fn aws(&self, line: &str) -> Ran {
        self.desk.aws(&format!("--endpoint-url {} --ca-bundle ca.pem {line}", self.host.url()))
    }

    /// An account whose STS trusts the issuer of a prefix.
    #[track_caller]
    pub fn account(&self, prefix: &str) -> AwsAccount {
        AwsAccount::start(&self.authority, &self.issuer(prefix))
            .unwrap_or_else(|why| panic!("the account: {why}"))
    }

    /// An API server of the issuer under `prod`: it signs with the key in one folder of the desk
    /// and knows those in some.
    pub fn api_server(
        &self,
        version: &str,
        etcd: &Etcd,
        signing: &str,
        known: &[&str],
    ) -> ApiServer {
        let desk = self.desk.path();
        let known: Vec<_> = known.iter().map(|folder| desk.join(folder).join("sa.pub")).collect();
        let known: Vec<&Path> = known.iter().map(AsRef::as_ref).collect();
        let key = desk.join(signing).join("sa.key");
        let flags = Flags {
            issuers: &[&self.issuer("prod")],
            signing_key: &key,
            public_keys: &known,
            others: &[],
        };
        ApiServer::start(version, "prod", etcd, &self.authority, &flags)
    }

    /// The published keys, as a stranger reads them.
    pub fn published_keys(&self, prefix: &str) -> Option<String> {
        http::get(&format!("{}/keys.json", self.issuer(prefix)), &self.authority)
    }

    /// Makes a key pair in a folder of the desk with `issuerctl keygen`, and gives its kid.
    #[track_caller]
    pub fn keygen(&self, algorithm: &str, folder: &str) -> String {
        let made = self
            .desk
            .issuerctl(&format!("keygen --algorithm {algorithm} --out-dir {folder} --output json"));
        let made: serde_json::Value = serde_json::from_str(&made.succeeded()).unwrap();
        made["key"]["kid"].as_str().unwrap().to_owned()
    }

    /// The values of `kid` in a JWK Set, in order, a line each.
    pub fn kids(jwks: &str) -> String {
        let set: serde_json::Value = serde_json::from_str(jwks).unwrap();
        set["keys"].as_array().unwrap().iter().fold(String::new(), |mut text, key| {
            let _ = writeln!(text, "{}", key["kid"].as_str().unwrap());
            text
        })
    }
}
