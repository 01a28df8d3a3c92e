//! One case: a folder, the command, and what must and must not come out of it.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64ct::{Base64UrlUnpadded, Encoding};
use regex::{Regex, RegexBuilder};
use rsa::pkcs1v15::SigningKey;
use rsa::pkcs8::DecodePrivateKey;
use rsa::sha2::Sha256;
use rsa::signature::{SignatureEncoding, Signer};
use serde_json::{Value, json};

use crate::servers::Servers;

/// The time limit of a case that does not give one.
const LIMIT_SECS: u64 = 30;

/// `expected.txt`: lines of `name: value`, in which a name may stand several times.
pub(crate) struct Case {
    folder: PathBuf,
    lines: Vec<(String, String)>,
}

impl Case {
    pub(crate) fn read(folder: &Path) -> Self {
        let text = fs::read_to_string(folder.join("expected.txt")).unwrap();
        let lines = text
            .lines()
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Self { folder: folder.to_owned(), lines }
    }

    pub(crate) fn takes_long(&self) -> bool {
        self.get("limit").is_some()
    }

    /// Runs the command in a copy of the folder; the result is what was wrong.
    pub(crate) fn run(&self, servers: &Servers) -> Option<String> {
        let desk = tempfile::tempdir().unwrap();
        let server = self.get("needs").and_then(|need| servers.of(need));
        let fill = |text: &str| {
            let text = text.replace("@DIR@", desk.path().to_str().unwrap()).replace("\\n", "\n");
            match &server {
                Some((placeholder, url)) => text.replace(placeholder, url),
                None => text,
            }
        };
        copy(&self.folder, desk.path(), &fill);
        if let Some(file) = self.get("sign") {
            fs::write(desk.path().join(file), signed_token(desk.path())).unwrap();
        }
        let line = fill(self.get("run").unwrap());
        let command = |more: &[&str]| {
            let mut words = line.split_whitespace();
            assert_eq!(words.next(), Some("issuerctl"));
            let mut command = Command::new(env!("CARGO_BIN_EXE_issuerctl"));
            command
                .args(words)
                .args(more)
                .current_dir(desk.path())
                .env_clear()
                .env("HOME", desk.path())
                .env("PATH", format!("{}:/usr/bin:/bin", desk.path().display()))
                .env("AWS_EC2_METADATA_DISABLED", "true");
            for value in self.all("env") {
                let (name, value) = value.split_once('=').unwrap();
                command.env(name, fill(value));
            }
            command
        };
        let began = Instant::now();
        let (code, out, err) = finish(&mut command(&[]), self.get("stdin"), desk.path());
        let took = began.elapsed();
        // What was left behind shows in the plan of a second run.
        let left = self.get("again").and_then(|pattern| {
            let (_, out, err) = finish(&mut command(&["--dry-run"]), None, desk.path());
            let said = format!("{out}\n{err}");
            (!is_found(pattern, &said))
                .then(|| format!("a second run does not say: {pattern}\n{said}"))
        });
        let wrong = self.judge(code, &out, &err, took, desk.path());
        (left.is_some() || wrong.is_some()).then(|| {
            let name = self.folder.file_name().unwrap().display();
            format!("== {name}\n{}{}", left.unwrap_or_default(), wrong.unwrap_or_default())
        })
    }

    fn judge(
        &self,
        code: Option<i32>,
        out: &str,
        err: &str,
        took: Duration,
        desk: &Path,
    ) -> Option<String> {
        let mut faults = String::new();
        let said = unfolded(&format!("{out}\n{err}"));
        let is_right =
            |code: i32| self.get("exit").unwrap().split(' ').any(|right| right.parse() == Ok(code));
        if !code.is_some_and(is_right) {
            writeln!(faults, "it ended with {code:?}").unwrap();
        }
        for pattern in self.all("says").filter(|pattern| !is_found(pattern, &said)) {
            writeln!(faults, "it does not say: {pattern}").unwrap();
        }
        for pattern in self.all("never").filter(|pattern| is_found(pattern, &said)) {
            writeln!(faults, "it says: {pattern}").unwrap();
        }
        for part in self.all("out").filter(|part| !out.contains(part)) {
            writeln!(faults, "standard output does not have: {part}").unwrap();
        }
        for path in self.all("makes-no").filter(|path| desk.join(path).exists()) {
            writeln!(faults, "it made {path}").unwrap();
        }
        let limit = self.get("limit").map_or(LIMIT_SECS, |secs| secs.parse().unwrap());
        if took > Duration::from_secs(limit) {
            writeln!(faults, "it took {took:?}").unwrap();
        }
        (!faults.is_empty()).then(|| format!("{faults}-- stdout\n{out}\n-- stderr\n{err}"))
    }

    fn get<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).next()
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.lines.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.trim())
    }
}

/// Text whose lines are not continued: a report fits 80 columns.
fn unfolded(text: &str) -> String {
    Regex::new("\n {12,}").unwrap().replace_all(text, " ").into_owned()
}

fn is_found(pattern: &str, text: &str) -> bool {
    RegexBuilder::new(pattern).case_insensitive(true).build().unwrap().is_match(text)
}

/// Copies a folder; placeholders in a kubeconfig are filled, and scripts can be executed.
fn copy(from: &Path, to: &Path, fill: &impl Fn(&str) -> String) {
    for entry in fs::read_dir(from).unwrap() {
        let source = entry.unwrap().path();
        let target = to.join(source.file_name().unwrap());
        if source.is_dir() {
            fs::create_dir(&target).unwrap();
            copy(&source, &target, fill);
            continue;
        }
        let bytes = fs::read(&source).unwrap();
        let filled = match std::str::from_utf8(&bytes) {
            Ok(text) if text.contains("@DIR@") || text.contains("@API@") => {
                // The file's own `\n` are left: they belong to its format.
                text.split("\\n").map(fill).collect::<Vec<_>>().join("\\n").into_bytes()
            }
            _ => bytes,
        };
        fs::write(&target, filled).unwrap();
        if source.extension().is_some_and(|extension| extension == "sh") {
            fs::set_permissions(&target, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
}

fn finish(
    command: &mut Command,
    stdin: Option<&str>,
    desk: &Path,
) -> (Option<i32>, String, String) {
    let input = stdin.map(|file| fs::read(desk.join(file)).unwrap());
    let mut child = command
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    if let Some(input) = input {
        child.stdin.take().unwrap().write_all(&input).unwrap();
    }
    let output = child.wait_with_output().unwrap();
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

/// A token of `default/app` that is valid now, signed RS256 by `sign.key`.
fn signed_token(desk: &Path) -> String {
    let key = fs::read_to_string(desk.join("sign.key")).unwrap();
    let key = rsa::PrivateKey::from_pkcs8_pem(&key).unwrap();
    let set: Value =
        serde_json::from_slice(&fs::read(desk.join("site/keys.json")).unwrap()).unwrap();
    let document = fs::read(desk.join("site/.well-known/openid-configuration")).unwrap();
    let document: Value = serde_json::from_slice(&document).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let header = json!({"alg": "RS256", "kid": set["keys"][0]["kid"]});
    let claims = json!({
        "iss": document["issuer"],
        "sub": "system:serviceaccount:default:app",
        "aud": ["sts.amazonaws.com"],
        "iat": now,
        "nbf": now,
        "exp": now + 3600,
    });
    let encode = |part: &[u8]| Base64UrlUnpadded::encode_string(part);
    let signed = format!(
        "{}.{}",
        encode(header.to_string().as_bytes()),
        encode(claims.to_string().as_bytes())
    );
    let signature = SigningKey::<Sha256>::new(key).sign(signed.as_bytes());
    format!("{signed}.{}", encode(&signature.to_bytes()))
}
