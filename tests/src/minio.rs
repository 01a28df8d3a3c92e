//! MinIO twice: one hosts the bucket over TLS; the other is "the AWS account" with an STS that
//! reads the issuer.

use std::path::Path;
use std::process::Command;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use issuer_test_support::Authority;

use crate::process::{Process, free_port};
use crate::{Proxy, Sandbox, http, installed};

/// The root user of both servers.
pub const USER: &str = "issuerctl-root";
/// Its password.
pub const PASSWORD: &str = "issuerctl-secret";

/// An object store over HTTPS.
pub struct BucketHost {
    pub(crate) process: Process,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) url: String,
}

/// An S3 and STS that issues credentials for the tokens of one issuer.
pub struct AwsAccount {
    _process: Process,
    _folder: tempfile::TempDir,
    url: String,
    role_arn: String,
}

impl BucketHost {
    /// Starts one.
    pub fn start(authority: &Authority) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let certs = folder.path().join("certs");
        std::fs::create_dir_all(&certs).unwrap();
        let (certificate, key) = authority.server_pem();
        std::fs::write(certs.join("public.crt"), certificate).unwrap();
        std::fs::write(certs.join("private.key"), key).unwrap();
        trust(&certs, authority);
        let port = free_port();
        let url = format!("https://localhost:{port}");
        let process = Process::start("minio-host", &server(&folder, port, &certs), folder.path());
        let mut host = Self { process, folder, url };
        host.wait(authority);
        host
    }

    fn wait(&mut self, authority: &Authority) {
        let ready = format!("{}/minio/health/ready", self.url);
        self.process
            .wait_for(|_| (http::status(&ready, Some(authority)) == Some(200)).then_some(()));
    }

    /// Stops the server, and starts it again with its data, at its address, with other variables.
    pub fn restart(&mut self, authority: &Authority, variables: &[(&str, &str)]) {
        let mut command = self.command();
        command.envs(variables.iter().copied());
        self.restarted(&command);
        self.wait(authority);
    }

    /// The same with an STS that trusts an issuer, which it reads through a proxy; returns the ARN of the role
    /// that may do everything in S3.
    ///
    /// # Errors
    /// The error of its STS, which reads the issuer's documents while it starts.
    pub fn restart_as_sts(
        &mut self,
        authority: &Authority,
        issuer: &str,
        proxy: &Proxy,
    ) -> Result<String, String> {
        let mut command = self.command();
        reads(&mut command, issuer, "readwrite", Some(proxy));
        self.restarted(&command);
        let role_arn = role_arn(&mut self.process);
        self.wait(authority);
        role_arn
    }

    fn command(&self) -> Command {
        let port = self.url.rsplit(':').next().unwrap().parse().unwrap();
        server(&self.folder, port, &self.folder.path().join("certs"))
    }

    fn restarted(&mut self, command: &Command) {
        self.process.kill();
        self.process = Process::start("minio-host", command, self.folder.path());
    }

    /// Starts one over plain HTTP.
    pub fn without_tls() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let certs = folder.path().join("certs");
        std::fs::create_dir_all(&certs).unwrap();
        let port = free_port();
        let url = format!("http://127.0.0.1:{port}");
        let mut process =
            Process::start("minio-plain", &server(&folder, port, &certs), folder.path());
        let ready = format!("{url}/minio/health/ready");
        process.wait_for(|_| (http::status(&ready, None) == Some(200)).then_some(()));
        Self { process, folder, url }
    }

    /// For `--endpoint-url`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A client with the rights of the root user. It knows no authority: for a host without TLS.
    pub fn client(&self) -> Client {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(&self.url)
            .credentials_provider(Credentials::new(USER, PASSWORD, None, None, "test"))
            .force_path_style(true)
            .build();
        Client::from_conf(config)
    }
}

impl AwsAccount {
    /// Starts one whose STS trusts `issuer`, in place of a provider and a role. Its bucket `data`
    /// has the object `hello` with the text `hello`.
    ///
    /// # Errors
    /// The error of its STS, which reads the issuer's documents while it starts.
    pub fn start(authority: &Authority, issuer: &str) -> Result<Self, String> {
        Ok(Self::trusting(Some(authority), issuer)?.with_the_object(authority))
    }

    fn with_the_object(self, authority: &Authority) -> Self {
        let sandbox = Sandbox::new(authority)
            .with("AWS_ACCESS_KEY_ID", USER)
            .with("AWS_SECRET_ACCESS_KEY", PASSWORD)
            .with("AWS_ENDPOINT_URL", self.url());
        sandbox.file("hello", "hello");
        sandbox.aws("s3 mb s3://data").succeeded();
        sandbox.aws("s3 cp hello s3://data/hello").succeeded();
        self
    }

    /// The same without any object. Without an authority, it does not trust the issuer's
    /// certificate.
    ///
    /// # Errors
    /// As [`AwsAccount::start`].
    pub fn trusting(authority: Option<&Authority>, issuer: &str) -> Result<Self, String> {
        Self::reading(authority, issuer, None)
    }

    /// The same as [`AwsAccount::start`], with an STS that reaches the issuer through a proxy.
    ///
    /// # Errors
    /// As [`AwsAccount::start`].
    pub fn behind(proxy: &Proxy, authority: &Authority, issuer: &str) -> Result<Self, String> {
        Ok(Self::reading(Some(authority), issuer, Some(proxy))?.with_the_object(authority))
    }

    fn reading(
        authority: Option<&Authority>,
        issuer: &str,
        proxy: Option<&Proxy>,
    ) -> Result<Self, String> {
        let folder = tempfile::tempdir().unwrap();
        let certs = folder.path().join("certs");
        if let Some(authority) = authority {
            trust(&certs, authority);
        }
        let port = free_port();
        let url = format!("http://127.0.0.1:{port}");
        let mut command = server(&folder, port, &certs);
        reads(&mut command, issuer, "readonly", proxy);
        let mut process = Process::start("minio-account", &command, folder.path());
        let role_arn = role_arn(&mut process)?;
        let ready = format!("{url}/minio/health/ready");
        process.wait_for(|_| (http::status(&ready, None) == Some(200)).then_some(()));
        Ok(Self { _process: process, _folder: folder, url, role_arn })
    }

    /// Endpoint of its S3 and STS.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The role of every accepted token.
    pub fn role_arn(&self) -> &str {
        &self.role_arn
    }
}

/// Whoever has a certificate of this authority is trusted.
fn trust(certs: &Path, authority: &Authority) {
    std::fs::create_dir_all(certs.join("CAs")).unwrap();
    std::fs::write(certs.join("CAs/ca.pem"), authority.pem()).unwrap();
}

/// With an STS whose tokens are those of an issuer, and whose only role has this policy.
fn reads(command: &mut Command, issuer: &str, policy: &str, proxy: Option<&Proxy>) {
    let document = format!("{issuer}/.well-known/openid-configuration");
    command
        .env("MINIO_IDENTITY_OPENID_CONFIG_URL", document)
        .env("MINIO_IDENTITY_OPENID_CLIENT_ID", "sts.amazonaws.com")
        .env("MINIO_IDENTITY_OPENID_ROLE_POLICY", policy);
    if let Some(proxy) = proxy {
        command.env("HTTPS_PROXY", proxy.url()).env_remove("NO_PROXY");
    }
}

/// The role of an STS, as its log says when it has read the issuer.
fn role_arn(process: &mut Process) -> Result<String, String> {
    process.wait_for(|log| {
        if let Some((_, why)) = log.split_once("Unable to initialize OpenID: ") {
            return Some(Err(why.lines().next().unwrap_or_default().to_owned()));
        }
        let (_, rest) = log.split_once("arn:minio:iam:")?;
        Some(Ok(format!("arn:minio:iam:{}", rest.split_whitespace().next()?)))
    })
}

fn server(folder: &tempfile::TempDir, port: u16, certs: &Path) -> Command {
    let mut command = Command::new(installed("minio/minio"));
    command.arg("server").arg(folder.path().join("data")).arg("--certs-dir").arg(certs);
    command.args(["--address", &format!("127.0.0.1:{port}")]);
    command
        .env("MINIO_ROOT_USER", USER)
        .env("MINIO_ROOT_PASSWORD", PASSWORD)
        .env("MINIO_BROWSER", "off");
    command.env("HOME", folder.path()).env("MINIO_UPDATE", "off").env("NO_PROXY", "*");
    // Tests count requests.
    command.env("MINIO_PROMETHEUS_AUTH_TYPE", "public");
    command
}
