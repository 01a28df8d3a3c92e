//! moto, for what MinIO does not implement: public access block, object ownership, location, IAM.

use std::process::Command;

use crate::process::{Process, free_port};
use crate::{http, installed};

/// A running moto server.
pub struct Moto {
    _process: Process,
    _folder: tempfile::TempDir,
    url: String,
}

impl Default for Moto {
    fn default() -> Self {
        Self::start()
    }
}

impl Moto {
    /// Starts one.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let url = format!("http://127.0.0.1:{port}");
        let mut command = Command::new(installed("python/bin/moto_server"));
        command
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .env("MOTO_IAM_LOAD_MANAGED_POLICIES", "true");
        let mut process = Process::start("moto", &command, folder.path());
        process.wait_for(|_| {
            (http::status(&format!("{url}/moto-api/"), None) == Some(200)).then_some(())
        });
        Self { _process: process, _folder: folder, url }
    }

    /// Enforces IAM policies from now on.
    pub fn enforce_policies(&self) {
        let (status, answer) = http::post_as(
            &format!("{}/moto-api/reset-auth", self.url),
            "text/plain",
            "0".to_owned(),
        );
        assert_eq!(status, 200, "{answer}");
    }

    /// For every `--endpoint-url`.
    pub fn url(&self) -> &str {
        &self.url
    }
}
