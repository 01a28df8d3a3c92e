//! VersityGW: a second object store beside MinIO, and an IAM with OIDC providers and roles.

use std::path::Path;
use std::process::Command;

use issuer_test_support::Authority;

use crate::process::{Process, free_port};
use crate::{BucketHost, PASSWORD, USER, http, installed};

/// An IAM of VersityGW. Its STS reads issuers at public addresses only, so no token can be exchanged
/// here.
pub struct VersityIam {
    _process: Process,
    _folder: tempfile::TempDir,
    url: String,
}

impl BucketHost {
    /// Starts VersityGW in place of MinIO: over HTTPS, or without an authority over plain HTTP.
    pub fn versitygw(authority: Option<&Authority>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let mut command = gateway(port);
        let mut scheme = "http";
        if let Some(authority) = authority {
            let (certificate, key) = authority.server_pem();
            let (cert_file, key_file) = (folder.path().join("cert"), folder.path().join("key"));
            std::fs::write(&cert_file, certificate).unwrap();
            std::fs::write(&key_file, key).unwrap();
            command.arg("--cert").arg(cert_file).arg("--key").arg(key_file);
            scheme = "https";
        }
        // Not every file system has extended attributes.
        let (data, sidecar) = (folder.path().join("data"), folder.path().join("metadata"));
        for directory in [&data, &sidecar] {
            std::fs::create_dir(directory).unwrap();
        }
        command.arg("posix").arg("--sidecar").arg(sidecar).arg(data);
        let url = format!("{scheme}://localhost:{port}");
        let process = started("versitygw", &command, &url, folder.path(), authority);
        Self { process, folder, url }
    }
}

impl VersityIam {
    /// Starts one.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let mut command = gateway(port);
        command.arg("iam").arg("--dir").arg(folder.path());
        let url = format!("http://localhost:{port}");
        let process = started("versitygw-iam", &command, &url, folder.path(), None);
        Self { _process: process, _folder: folder, url }
    }

    /// Endpoint of IAM and STS.
    pub fn url(&self) -> &str {
        &self.url
    }
}

fn gateway(port: u16) -> Command {
    let mut command = Command::new(installed("versitygw/versitygw"));
    command.args(["--port", &format!("127.0.0.1:{port}"), "--health", "/healthz", "--quiet"]);
    command.args(["--access", USER, "--secret", PASSWORD, "--region", "us-east-1"]);
    command
}

fn started(
    name: &str,
    command: &Command,
    url: &str,
    folder: &Path,
    authority: Option<&Authority>,
) -> Process {
    let mut process = Process::start(name, command, folder);
    let ready = format!("{url}/healthz");
    process.wait_for(|_| (http::status(&ready, authority) == Some(200)).then_some(()));
    process
}
