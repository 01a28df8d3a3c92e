//! Programs that a person, a job or a pod would run, isolated from the environment of the test.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use issuer_test_support::Authority;

use crate::installed;
use crate::servers::repository;

/// The result of a program.
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
    /// Standard output; fails unless the exit code is 0.
    #[track_caller]
    pub fn succeeded(self) -> String {
        self.ended(0).out
    }

    /// The result itself; fails unless the exit code is this one.
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

/// A temporary working directory with its own environment variables. `ca.pem` is the certificate of
/// the test's authority.
pub struct Sandbox {
    folder: tempfile::TempDir,
    env: Vec<(String, String)>,
}

impl Sandbox {
    /// A sandbox without other files.
    pub fn new(authority: &Authority) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        // The aws CLI caches credentials in HOME by role ARN, and MinIO's role ARN is always the
        // same.
        let env = vec![
            ("HOME".to_owned(), folder.path().display().to_string()),
            ("AWS_EC2_METADATA_DISABLED".to_owned(), "true".to_owned()),
            ("AWS_REGION".to_owned(), "us-east-1".to_owned()),
            // The name that the aws CLI uses.
            ("AWS_DEFAULT_REGION".to_owned(), "us-east-1".to_owned()),
        ];
        Self { folder, env }
    }

    /// A sandbox with credentials for moto.
    pub fn in_moto() -> Self {
        Self::new(&Authority::new())
            .with("AWS_ACCESS_KEY_ID", "test")
            .with("AWS_SECRET_ACCESS_KEY", "test")
    }

    /// The same with one more environment variable.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file into the directory.
    pub fn file(&self, name: &str, contents: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, contents).unwrap();
        path
    }

    /// Runs issuerctl without a terminal.
    pub fn issuerctl(&self, line: &str) -> Ran {
        self.run(Command::new(program("issuerctl")).args(line.split_whitespace()))
    }

    /// Runs the helm CLI in the repository.
    pub fn helm(&self, line: &str) -> Ran {
        let mut command = Command::new(installed("packagers/helm"));
        command.args(line.split_whitespace());
        let command = self.prepared(&mut command);
        run(command.current_dir(repository()))
    }

    /// Runs the aws CLI.
    pub fn aws(&self, line: &str) -> Ran {
        // A script that looks up its interpreter.
        let path = installed("python/bin/python").parent().unwrap().to_owned();
        self.run(
            Command::new(installed("python/bin/aws"))
                .args(line.split_whitespace())
                .env("PATH", path),
        )
    }

    /// Runs a Python program in the virtual environment with PyJWT and cryptography.
    pub fn python(&self, program: &str, args: &[&str]) -> Ran {
        self.run(Command::new(installed("python/bin/python")).arg("-c").arg(program).args(args))
    }

    /// Runs any program in the directory, with the variables of the sandbox and of the command.
    pub fn run(&self, command: &mut Command) -> Ran {
        run(self.prepared(command))
    }

    /// A program that is to run in the directory, with the variables of the sandbox and of the command.
    pub fn prepared<'c>(&self, command: &'c mut Command) -> &'c mut Command {
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
        command.current_dir(self.path())
    }
}

/// A program of this workspace, built in the profile of the running test.
pub fn program(name: &str) -> PathBuf {
    profile_folder().join(name)
}

/// Builds the programs in the profile of the running test; cargo builds only the dependencies of the
/// test.
pub fn build_programs() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    let packages = ["--package", "issuerctl", "--package", "issuer-controller"];
    command.arg("build").args(packages).arg("--locked").current_dir(repository());
    if profile_folder().ends_with("release") {
        command.arg("--release");
    }
    assert!(command.status().unwrap().success(), "the programs could not be built");
}

/// Runs a program to completion, without input.
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
