//! issuer-controller as a process, as a pod of the chart would run it.

use std::path::Path;
use std::process::Command;

use crate::process::Process;
use crate::{Sandbox, program, serving};

/// A running replica; it is killed without warning when it is dropped.
pub struct Controller {
    process: Process,
    _folder: tempfile::TempDir,
}

impl Controller {
    /// Starts one with the variables of a sandbox. It reaches its cluster by a kubeconfig.
    pub fn start(sandbox: &Sandbox, kubeconfig: &Path, name: &str, flags: &str) -> Self {
        Self::start_with(sandbox, kubeconfig, name, flags, &[])
    }

    /// The same with other variables, or without some.
    pub fn start_with(
        sandbox: &Sandbox,
        kubeconfig: &Path,
        name: &str,
        flags: &str,
        variables: &[(&str, Option<&str>)],
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(program("issuer-controller"));
        command.args(["run", "--listen", "127.0.0.1:0", "--identity", name]);
        command.args(flags.split_whitespace());
        command.env("KUBECONFIG", kubeconfig);
        // Stores record it as a part of the user agent.
        command.env("AWS_SDK_UA_APP_ID", name);
        for (name, value) in variables {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let process = Process::start(name, sandbox.prepared(&mut command), folder.path());
        Self { process, _folder: folder }
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// The status and the text of `/livez`, `/readyz` or `/metrics`, once it listens.
    pub fn ask(&self, path: &str) -> Option<(u16, String)> {
        serving::ask(&self.log(), path)
    }

    /// The value of a metric, which may be named with its labels.
    pub fn metric(&self, series: &str) -> Option<f64> {
        serving::metric(&self.log(), series)
    }

    /// The most memory that it had so far, in MiB.
    pub fn peak_mib(&self) -> u64 {
        let status = format!("/proc/{}/status", self.process.server_id());
        let status = std::fs::read_to_string(status).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
        let kib: u64 = line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or(0);
        kib / 1024
    }

    /// Sends a signal, such as `STOP`.
    pub fn signal(&self, signal: &str) {
        let id = self.process.server_id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
    }

    /// Sends a signal, such as `TERM`, and waits until it has ended.
    pub fn end(self, signal: &str) -> String {
        self.signal(signal);
        self.ended()
    }

    /// Waits until it has ended by itself.
    pub fn ended(mut self) -> String {
        self.process.wait_for_end();
        self.log()
    }
}
