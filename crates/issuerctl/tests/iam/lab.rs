//! A folder, the two servers, and the command run in it.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use issuer_test_support::{Account, IamServer, S3Server};
use serde_json::{Value, json};

use crate::desk::{Desk, ended, golden};

/// The bucket of every file.
pub(crate) const BUCKET: &str = "my-oidc";

/// The provider of the issuer `prod`.
pub(crate) const PROVIDER: &str = "arn:aws:iam::111122223333:oidc-provider/oidc.example.com/prod";

/// A folder, and servers that nothing of this machine's environment leads past.
pub(crate) struct Lab {
    desk: Desk,
    pub(crate) s3: S3Server,
    pub(crate) iam: IamServer,
}

/// One document of a file.
pub(crate) struct Issuer<'a> {
    pub(crate) name: &'a str,
    /// `policy` or `none`.
    pub(crate) access: &'a str,
    /// Whether the bucket is made if it is not there.
    pub(crate) create: bool,
    /// Lines of the provider and the roles, in `spec`.
    pub(crate) iam: &'a str,
}

/// A provider and a role with one of everything that a role can have.
pub(crate) const WHOLE: &str = r#"
  provider: {audiences: [sts.amazonaws.com], tags: {team: platform}}
  roles:
  - name: app
    serviceAccounts: [default/app]
    policyArns: [arn:aws:iam::aws:policy/ReadOnlyAccess]
    inlinePolicies:
      in:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Action: "s3:GetObject", Resource: "*"}]
    managedPolicies:
      app-s3:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Action: "s3:PutObject", Resource: "*"}]
    maxSessionDuration: 7200
    tags: {team: platform}
"#;

/// A provider and a role with an attached policy.
pub(crate) const SMALL: &str = "
  provider: {audiences: [sts.amazonaws.com]}
  roles:
  - name: app
    serviceAccounts: [default/app]
    policyArns: [arn:aws:iam::aws:policy/ReadOnlyAccess]
";

impl<'a> Issuer<'a> {
    /// `prod` in a bucket that the run makes.
    pub(crate) fn prod(iam: &'a str) -> Self {
        Self { name: "prod", access: "policy", create: true, iam }
    }

    /// Of this name, published and nothing else, in a bucket that is there.
    pub(crate) fn site(name: &'a str, access: &'a str) -> Self {
        Self { name, access, create: false, iam: "" }
    }
}

impl Lab {
    /// Servers without anything, and a key.
    pub(crate) fn new() -> Self {
        let desk = Desk::new();
        desk.file("sa.pub", &golden("encodings/rsa2048.spki.pem"));
        Self { desk, s3: S3Server::start(), iam: IamServer::start() }
    }

    pub(crate) fn file(&self, name: &str, contents: &str) -> PathBuf {
        self.desk.file(name, contents)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.desk.path().join(name)
    }

    /// Writes `issuer.yaml`. The bucket is on the server of plain http, so nothing is read back.
    pub(crate) fn issuers(&self, issuers: &[Issuer<'_>]) -> PathBuf {
        let mut text = String::new();
        for Issuer { name, access, create, iam } in issuers {
            let endpoint = self.s3.endpoint();
            write!(
                text,
                "---\napiVersion: issuerctl.dev/v1alpha1\nkind: ServiceAccountIssuer\nmetadata: \
                 {{name: {name}}}\nspec:\n  keys: [{{file: sa.pub}}]\n  issuer: \
                 https://oidc.example.com/{name}\n  store: {{s3: {{bucket: {BUCKET}, prefix: \
                 {name}, region: us-west-2, createBucket: {create}, access: {access}, endpointUrl: \
                 \"{endpoint}\", pathStyle: true}}}}\n{iam}\n"
            )
            .unwrap();
        }
        self.file("issuer.yaml", &text)
    }

    /// The command with arguments that have no spaces.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = self.desk.command(line);
        command
            .env("AWS_REGION", "us-west-2")
            // A connection that is cut is not tried again, as by a run that is killed.
            .env("AWS_MAX_ATTEMPTS", "1")
            .env("AWS_ENDPOINT_URL_IAM", self.iam.url())
            .env("AWS_ENDPOINT_URL_STS", self.iam.url());
        command
    }

    /// Runs it; standard output and standard error.
    #[track_caller]
    pub(crate) fn run(&self, line: &str, code: i32) -> (String, String) {
        ended(&self.command(line).output().unwrap(), code)
    }

    pub(crate) fn plan(&self, code: i32) -> String {
        self.run("plan -f issuer.yaml", code).0
    }

    pub(crate) fn apply(&self, code: i32) -> (String, String) {
        self.run("apply -f issuer.yaml --no-verify", code)
    }

    /// The bucket's policy.
    pub(crate) fn bucket_policy(&self) -> Value {
        serde_json::from_str(&self.s3.policy(BUCKET).unwrap()).unwrap()
    }

    /// Everything there is, in S3 and in IAM.
    pub(crate) fn everything(&self) -> (std::collections::BTreeMap<String, String>, Account) {
        (self.s3.dump(), self.iam.account())
    }
}

/// A statement of a trust policy that somebody else writes.
pub(crate) fn theirs(sid: &str) -> Value {
    let ec2 = json!({"Service": "ec2.amazonaws.com"});
    json!({"Sid": sid, "Effect": "Allow", "Principal": ec2, "Action": "sts:AssumeRole"})
}

/// A bucket policy that somebody else wrote, and that does not make anything public.
pub(crate) fn their_bucket_policy() -> String {
    let admin = json!({"AWS": "arn:aws:iam::444455556666:root"});
    let statement = json!({
        "Sid": "Theirs", "Effect": "Allow", "Principal": admin, "Action": "s3:GetObject",
        "Resource": format!("arn:aws:s3:::{BUCKET}/*"),
    });
    json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()
}

/// `Sid`s of a policy.
pub(crate) fn sids(policy: &Value) -> Vec<String> {
    let sids = policy["Statement"].as_array().unwrap().iter().map(|statement| &statement["Sid"]);
    sids.map(|sid| sid.as_str().unwrap_or_default().to_owned()).collect()
}
