//! An external signer of service account tokens, whose keys change while it runs.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::installed;
use crate::process::Process;

/// A process that an API server asks for keys and signatures (`--service-account-signing-endpoint`).
pub struct ExternalSigner {
    _process: Process,
    folder: tempfile::TempDir,
}

impl ExternalSigner {
    /// Starts one with a key: its kid, and its private key as `issuerctl keygen` writes it.
    pub fn start(kid: &str, private_key: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), kid, &[(kid, private_key)]);
        let socket = folder.path().join("signer.sock");
        let mut command = Command::new(installed("external-signer/external-signer"));
        command.arg(&socket).arg(folder.path());
        let mut process = Process::start("external-signer", &command, folder.path());
        process.wait_for(|log| log.contains("serving").then_some(()));
        Self { _process: process, folder }
    }

    /// For `--service-account-signing-endpoint`.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("signer.sock")
    }

    /// From now on it has these keys, and signs with that of this kid.
    pub fn has(&self, signs: &str, keys: &[(&str, &Path)]) {
        write(self.folder.path(), signs, keys);
    }
}

fn write(folder: &Path, signs: &str, keys: &[(&str, &Path)]) {
    let entry = |(kid, private_key): &(&str, &Path)| json!({"kid": kid, "file": private_key});
    let keys: Vec<Value> = keys.iter().map(entry).collect();
    let text = json!({"signs": signs, "keys": keys}).to_string();
    // At once: the signer reads it for each request.
    std::fs::write(folder.join("keys.json.new"), text).unwrap();
    std::fs::rename(folder.join("keys.json.new"), folder.join("keys.json")).unwrap();
}
