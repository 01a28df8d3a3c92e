//! Programs that a person, a job or a pod would run, with nothing of this machine's environment.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use issuer_test_support::Authority;

use crate::installed;
use crate::servers::repository;

/// How a program ended.
#[derive(Debug)]
pub struct Ran {
    /// The command line.
    pub line: String,
    /// Its exit code.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ran {
    /// What it printed on standard output, if it ended well.
    #[track_caller]
    pub fn succeeded(self) -> String {
        self.ended(0).out
    }

    /// Itself, if it ended with this code.
    #[track_caller]
    pub fn ended(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "{}\nstdout: {}\nstderr: {}",
            self.line,
            self.out,
            self.err
        );
        self
    }
}

/// A folder that somebody works in, with the certificate of the test's authority in `ca.pem` and an
/// environment of its own.
pub struct Desk {
    folder: tempfile::TempDir,
    env: Vec<(String, String)>,
}

impl Desk {
    /// An empty one.
    pub fn new(authority: &Authority) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        // The aws CLI caches credentials below HOME by role ARN, and MinIO's ARN is always the
        // same.
        let env = vec![
            ("HOME".to_owned(), folder.path().display().to_string()),
            ("AWS_EC2_METADATA_DISABLED".to_owned(), "true".to_owned()),
            ("AWS_REGION".to_owned(), "us-east-1".to_owned()),
            // The aws CLI's own name for it.
            ("AWS_DEFAULT_REGION".to_owned(), "us-east-1".to_owned()),
        ];
        Self { folder, env }
    }

    /// One with credentials that moto takes.
    pub fn in_moto() -> Self {
        Self::new(&Authority::new())
            .with("AWS_ACCESS_KEY_ID", "test")
            .with("AWS_SECRET_ACCESS_KEY", "test")
    }

    /// The same with one more variable.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file into it.
    pub fn file(&self, name: &str, contents: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, contents).unwrap();
        path
    }

    /// Runs issuerctl, as a user would, in a job without a terminal.
    pub fn issuerctl(&self, line: &str) -> Ran {
        self.run(Command::new(program("issuerctl")).args(line.split_whitespace()))
    }

    /// Runs the aws CLI.
    pub fn aws(&self, line: &str) -> Ran {
        // A script that looks for its interpreter.
        let path = installed("python/bin/python").parent().unwrap().to_owned();
        self.run(
            Command::new(installed("python/bin/aws"))
                .args(line.split_whitespace())
                .env("PATH", path),
        )
    }

    /// Runs a Python program in the environment that has PyJWT and cryptography.
    pub fn python(&self, program: &str, args: &[&str]) -> Ran {
        self.run(Command::new(installed("python/bin/python")).arg("-c").arg(program).args(args))
    }

    /// Runs any program in the folder, with the environment of the desk and what the command sets
    /// itself.
    pub fn run(&self, command: &mut Command) -> Ran {
        let own: Vec<_> = command
            .get_envs()
            .map(|(name, value)| (name.to_owned(), value.map(ToOwned::to_owned)))
            .collect();
        command.env_clear().envs(self.env.iter().cloned());
        for (name, value) in own {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        run(command.current_dir(self.path()))
    }
}

/// A program of this workspace, beside the running test.
pub fn program(name: &str) -> PathBuf {
    profile_folder().join(name)
}

/// Builds issuerctl in the profile of the running test; cargo builds only what the test itself
/// depends on.
pub fn build_issuerctl() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--package", "issuerctl", "--locked"]).current_dir(repository());
    if profile_folder().ends_with("release") {
        command.arg("--release");
    }
    assert!(command.status().unwrap().success(), "issuerctl could not be built");
}

/// Runs a program to its end, without any input.
pub(crate) fn run(command: &mut Command) -> Ran {
    let line = format!("{command:?}");
    let output =
        command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{line}: {error}"));
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ran { line, code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// `target/debug` or `target/release`.
fn profile_folder() -> PathBuf {
    std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned()
}
