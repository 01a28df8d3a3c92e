//! A server as a child process that ends with the test, even if the test is killed.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a server may take to start.
const READY_LIMIT: Duration = Duration::from_secs(90);

/// A shell between the test and the server. It kills the server when its standard input closes: the
/// test drops the handle, panics or is killed.
const SUPERVISOR: &str = r#"exec 3<&0
"$@" </dev/null 3<&- &
server=$!
(cat <&3 >/dev/null; kill -9 $server 2>/dev/null) &
exec 3<&-
wait $server"#;

/// A running server.
pub(crate) struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with its output in a log file in `folder`.
    pub(crate) fn start(name: &str, command: &Command, folder: &Path) -> Self {
        let log = folder.join(format!("{name}.log"));
        let output = File::create(&log).unwrap();
        let mut supervisor = Command::new("sh");
        supervisor
            .arg("-c")
            .arg(SUPERVISOR)
            .arg(name)
            .arg(command.get_program())
            .args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => supervisor.env(key, value),
                None => supervisor.env_remove(key),
            };
        }
        supervisor
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(output.try_clone().unwrap())
            .stderr(output);
        let child = supervisor.spawn().unwrap();
        Self { name: name.to_owned(), child, log }
    }

    /// Waits until `ready` returns a value.
    pub(crate) fn wait_for<T>(&mut self, mut ready: impl FnMut(&str) -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(ready) = ready(&self.log()) {
                return ready;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "{} exited with {ended:?}:\n{}", self.name, self.tail());
            assert!(
                start.elapsed() < READY_LIMIT,
                "{} is not ready after {READY_LIMIT:?}:\n{}",
                self.name,
                self.tail()
            );
            sleep(Duration::from_millis(100));
        }
    }

    /// The process ID of the server, which is the first child of the shell.
    pub(crate) fn server_id(&self) -> u32 {
        let id = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        children.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// Waits until the server has ended by itself.
    pub(crate) fn wait_for_end(&mut self) {
        let start = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            let name = &self.name;
            assert!(start.elapsed() < READY_LIMIT, "{name} does not end:\n{}", self.tail());
            sleep(Duration::from_millis(50));
        }
    }

    /// Kills the server.
    pub(crate) fn kill(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }

    /// Its output so far.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The last lines of the output, for failure messages.
    pub(crate) fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that is not in use. It is outside the ephemeral range, since the system could assign
/// those to any client meanwhile.
pub(crate) fn free_port() -> u16 {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 10_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Concurrent runs start at different ports.
    let offset = u16::try_from(std::process::id() * 31 % u32::from(COUNT)).unwrap();
    loop {
        let port = FIRST + (offset + NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
