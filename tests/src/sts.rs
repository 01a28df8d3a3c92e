//! Tokens for credentials, and what credentials are for.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use issuer_test_support::Authority;

use crate::{AwsAccount, Desk, Ran, http, program};

/// How long an account may take to read its policies.
const LOADING_LIMIT: Duration = Duration::from_secs(30);

/// Asks an account's STS: its answer where it hands out credentials, else what it says.
///
/// # Errors
/// STS's own words.
pub fn exchange(account: &AwsAccount, token: &str) -> Result<String, String> {
    let form = [
        ("Action", "AssumeRoleWithWebIdentity"),
        ("Version", "2011-06-15"),
        ("RoleSessionName", "test"),
        ("RoleArn", account.role_arn()),
        ("WebIdentityToken", token),
    ];
    let start = Instant::now();
    loop {
        match http::post(account.url(), &form) {
            (200, answer) if answer.contains("<SecretAccessKey>") => return Ok(answer),
            // MinIO answers before it has read its own policies; that says nothing about the token.
            (_, answer)
                if answer.contains("None of the given policies")
                    && start.elapsed() < LOADING_LIMIT =>
            {
                thread::sleep(Duration::from_millis(200));
            }
            (status, answer) => return Err(format!("{status}: {answer}")),
        }
    }
}

/// A pod as the pod identity webhook leaves it: a token file, a role, and nothing else.
pub struct Pod {
    desk: Desk,
    sts: String,
}

impl Pod {
    /// A pod with this token.
    pub fn new(account: &AwsAccount, token: &str) -> Self {
        // Waits until the account has read its policies; whether it takes the token is for the pod
        // to find out.
        let _ = exchange(account, token);
        let desk = Desk::new(&Authority::new());
        let file = desk.file("token", token);
        let desk = desk
            .with("AWS_ROLE_ARN", account.role_arn())
            .with("AWS_WEB_IDENTITY_TOKEN_FILE", file.to_str().unwrap())
            .with("AWS_ENDPOINT_URL", account.url());
        Self { desk, sts: front(account.url().to_owned()) }
    }

    /// Reads the account's object with the aws CLI.
    pub fn read_with_aws_cli(&self) -> Ran {
        self.desk.aws("s3 cp s3://data/hello -")
    }

    /// Reads it with the Rust SDK's default chain.
    pub fn read_with_rust_sdk(&self) -> Ran {
        let mut command = Command::new(program("read-object"));
        self.desk.run(command.args(["data", "hello"]).env("AWS_ENDPOINT_URL_STS", &self.sts))
    }

    /// Reads it both ways, and proves that it is what lies there.
    #[track_caller]
    pub fn reads_the_object(&self) {
        assert_eq!(self.read_with_aws_cli().succeeded(), "hello");
        assert_eq!(self.read_with_rust_sdk().succeeded(), "hello");
    }
}

/// An STS in front of MinIO's that names who was assumed. MinIO leaves `<Arn>` empty; AWS never
/// does, and the Rust SDK refuses an answer without it.
fn front(account: String) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that goes away in the middle is its own affair.
            let _ = relay(stream, &account);
        }
    });
    url
}

fn relay(mut stream: TcpStream, account: &str) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut form = vec![0; length];
    reader.read_exact(&mut form)?;
    let (status, body) = http::post_body(account, String::from_utf8_lossy(&form).into_owned());
    let body =
        body.replace("<Arn></Arn>", "<Arn>arn:aws:sts::000000000000:assumed-role/minio/test</Arn>");
    write!(
        stream,
        "HTTP/1.1 {status} Whatever\r\ncontent-type: text/xml\r\ncontent-length: {}\r\nconnection: \
         close\r\n\r\n{body}",
        body.len()
    )
}
