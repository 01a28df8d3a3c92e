//! Exchanges tokens for credentials and uses these.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use issuer_test_support::Authority;

use crate::{AwsAccount, BucketHost, Ran, Sandbox, http, program};

/// How long an account may take to load its policies.
const LOADING_LIMIT: Duration = Duration::from_secs(30);

/// Exchanges a token for credentials at the STS of an account; returns its answer.
///
/// # Errors
/// The error of STS.
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
            // MinIO answers before it has loaded its policies; this is not about the token.
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

/// A pod as the pod identity webhook configures it: a token file and a role.
pub struct Pod {
    sandbox: Sandbox,
    sts: String,
}

impl Pod {
    /// A pod with this token.
    pub fn new(account: &AwsAccount, token: &str) -> Self {
        // Waits until the account has loaded its policies; the pod itself finds out whether the
        // token is accepted.
        let _ = exchange(account, token);
        let sandbox = Sandbox::new(&Authority::new());
        let file = sandbox.file("token", token);
        let sandbox = sandbox
            .with("AWS_ROLE_ARN", account.role_arn())
            .with("AWS_WEB_IDENTITY_TOKEN_FILE", file.to_str().unwrap())
            .with("AWS_ENDPOINT_URL", account.url());
        Self { sandbox, sts: front(account.url().to_owned()) }
    }

    /// Reads the account's object with the aws CLI.
    pub fn read_with_aws_cli(&self) -> Ran {
        self.sandbox.aws("s3 cp s3://data/hello -")
    }

    /// Reads it with the Rust SDK's default chain.
    pub fn read_with_rust_sdk(&self) -> Ran {
        let mut command = Command::new(program("read-object"));
        self.sandbox.run(command.args(["data", "hello"]).env("AWS_ENDPOINT_URL_STS", &self.sts))
    }

    /// Reads the object both ways and compares its contents.
    #[track_caller]
    pub fn reads_the_object(&self) {
        assert_eq!(self.read_with_aws_cli().succeeded(), "hello");
        assert_eq!(self.read_with_rust_sdk().succeeded(), "hello");
    }
}

/// The STS of AWS, as the one of a MinIO with TLS: it refuses all tokens until the account has a provider for
/// their issuer, which a MinIO has only if it can read the issuer while it starts.
pub struct TokenService {
    url: String,
    role_arn: Arc<Mutex<Option<String>>>,
}

impl TokenService {
    /// One without a provider, in front of this MinIO.
    pub fn before(host: &BucketHost, authority: &Authority) -> Self {
        let (host, pem) = (host.url().to_owned(), authority.pem().to_owned());
        let role_arn = Arc::<Mutex<Option<String>>>::default();
        let trusts = Arc::clone(&role_arn);
        let url = serve(move |form| match trusts.lock().unwrap().as_deref() {
            None => (400, NO_PROVIDER.to_owned()),
            Some(role_arn) => {
                // A role of AWS has another ARN.
                let fields = form.split('&').map(|field| match field.starts_with("RoleArn=") {
                    true => format!("RoleArn={}", http::percent(role_arn)),
                    false => field.to_owned(),
                });
                let form = fields.collect::<Vec<_>>().join("&");
                http::post_body(&host, Some(&pem), form)
            }
        });
        Self { url, role_arn }
    }

    /// For `AWS_ENDPOINT_URL_STS`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on it has a provider, and MinIO has this role.
    pub fn trusts(&self, role_arn: String) {
        *self.role_arn.lock().unwrap() = Some(role_arn);
    }
}

/// What AWS STS answers.
const NO_PROVIDER: &str = "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error>\
                           <Type>Sender</Type><Code>InvalidIdentityToken</Code><Message>No OpenIDConnect \
                           provider found in your account</Message></Error><RequestId>1</RequestId>\
                           </ErrorResponse>";

/// A proxy in front of MinIO's STS.
fn front(account: String) -> String {
    serve(move |form| http::post_body(&account, None, form))
}

/// A server that answers forms, and adds the ARN of the assumed role to what MinIO answers: MinIO leaves `<Arn>`
/// empty; AWS never does, and the Rust SDK rejects an answer without it.
fn serve(answer: impl Fn(String) -> (u16, String) + Send + 'static) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client may disconnect at any time.
            let _ = relay(stream, &answer);
        }
    });
    url
}

fn relay(mut stream: TcpStream, answer: impl Fn(String) -> (u16, String)) -> std::io::Result<()> {
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
    let (status, body) = answer(String::from_utf8_lossy(&form).into_owned());
    let body =
        body.replace("<Arn></Arn>", "<Arn>arn:aws:sts::000000000000:assumed-role/minio/test</Arn>");
    write!(
        stream,
        "HTTP/1.1 {status} Whatever\r\ncontent-type: text/xml\r\ncontent-length: {}\r\nconnection: \
         close\r\n\r\n{body}",
        body.len()
    )
}
