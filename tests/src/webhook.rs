//! The pod identity webhook of AWS.

use std::path::Path;
use std::process::Command;

use crate::installed;
use crate::process::{Process, free_port};

/// A running webhook.
pub struct PodIdentityWebhook {
    _process: Process,
    _folder: tempfile::TempDir,
    port: u16,
}

impl PodIdentityWebhook {
    /// Starts one with this certificate and key (PEM) and these flags; the port is another one.
    pub fn start(certificate: &[u8], key: &[u8], flags: &[String], kubeconfig: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (tls_cert, tls_key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        std::fs::write(&tls_cert, certificate).unwrap();
        std::fs::write(&tls_key, key).unwrap();
        let (port, metrics) = (free_port(), free_port());
        let program = "pod-identity-webhook/amazon-eks-pod-identity-webhook";
        let mut command = Command::new(installed(program));
        command.args(flags.iter().filter(|flag| !flag.starts_with("--port=")));
        command.arg(format!("--port={port}")).arg(format!("--metrics-port={metrics}"));
        command.arg("--tls-cert").arg(tls_cert).arg("--tls-key").arg(tls_key);
        command.arg("--kubeconfig").arg(kubeconfig);
        let mut process = Process::start("pod-identity-webhook", &command, folder.path());
        process.wait_for(|_| std::net::TcpStream::connect(("127.0.0.1", port)).ok());
        Self { _process: process, _folder: folder, port }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }
}
