//! The command itself, run in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use issuer_test_support::{ACCESS_KEY, SECRET_KEY};

/// A folder, and the command run in it with nothing of this machine's environment.
pub(crate) struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn file(&self, name: &str, contents: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, contents).unwrap();
        path
    }

    pub(crate) fn run(&self, line: &str) -> Output {
        self.run_with(line, &[])
    }

    /// The command with arguments that have no spaces.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_issuerctl"));
        command
            .args(line.split_whitespace())
            .current_dir(self.path())
            .env_clear()
            .env("HOME", self.path())
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
            .env("AWS_EC2_METADATA_DISABLED", "true");
        command
    }

    /// The same with other variables; an empty one is left out.
    pub(crate) fn run_with(&self, line: &str, env: &[(&str, &str)]) -> Output {
        let mut command = self.command(line);
        for (name, value) in env {
            if value.is_empty() {
                command.env_remove(name)
            } else {
                command.env(name, value)
            };
        }
        command.output().unwrap()
    }
}

#[track_caller]
pub(crate) fn ended(output: &Output, code: i32) -> (String, String) {
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    assert_eq!(output.status.code(), Some(code), "stdout: {out}\nstderr: {err}");
    (out, err)
}

pub(crate) fn golden(path: &str) -> String {
    std::fs::read_to_string(format!("{}/../../fixtures/golden/{path}", env!("CARGO_MANIFEST_DIR")))
        .unwrap()
}
