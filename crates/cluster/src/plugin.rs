//! Exec plugins (client-go credential plugins, `client.authentication.k8s.io`).

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use issuer_diagnostic::{Waiting, decode};
use issuer_jwks::MAX_INPUT_BYTES;
use issuer_redact::redact_values;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use zeroize::Zeroizing;

use crate::kubeconfig::Exec;

/// A plugin that waits for somebody would wait for ever in a job.
const LIMIT: Duration = Duration::from_secs(30);

/// How long the output is waited for after the plugin has ended: a program that it left running may
/// hold its pipes open for ever.
const GRACE: Duration = Duration::from_secs(1);

/// Shorter words are those of any command line: `eks`, `-c`.
const SHORTEST_VALUE: usize = 3;

/// Credentials from a plugin: `status` of an ExecCredential.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status {
    #[serde(default)]
    pub(crate) token: Option<Zeroizing<String>>,
    #[serde(default)]
    pub(crate) client_certificate_data: Option<String>,
    #[serde(default)]
    pub(crate) client_key_data: Option<Zeroizing<String>>,
    #[serde(default)]
    pub(crate) expiration_timestamp: Option<String>,
}

/// Why a plugin gives no credentials. It has nothing of the plugin's standard output, arguments and
/// variables.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PluginFault {
    /// The program does not exist.
    #[error("it is not installed")]
    NotInstalled,
    /// The operating system does not start it.
    #[error("it cannot be started: {0}")]
    Start(std::io::ErrorKind),
    /// It does not end.
    #[error("it did not end within {limit_secs} s{}", quote(.said))]
    TimedOut {
        /// The limit.
        limit_secs: u64,
        /// The end of its standard error.
        said: String,
    },
    /// It reports a failure.
    #[error("{how}{}", quote(.said))]
    Failed {
        /// `exit code 1`, or the signal.
        how: String,
        /// The end of its standard error.
        said: String,
    },
    /// Its standard output is not an ExecCredential.
    #[error("it printed something other than an ExecCredential{}", quote(.said))]
    NotACredential {
        /// The end of its standard error.
        said: String,
    },
    /// An ExecCredential of another version than the kubeconfig says.
    #[error(
        "its ExecCredential is of another apiVersion than {configured}, which the kubeconfig \
         says{}", quote(.said)
    )]
    OtherVersion {
        /// `apiVersion` of the plugin in the kubeconfig.
        configured: &'static str,
        /// The end of its standard error.
        said: String,
    },
    /// An ExecCredential with a certificate or a key alone.
    #[error(
        "its ExecCredential has only one of clientCertificateData and clientKeyData{}",
        quote(.said)
    )]
    HalfACertificate {
        /// The end of its standard error.
        said: String,
    },
    /// An ExecCredential without a token and without a certificate.
    #[error("its ExecCredential has neither a token nor a client certificate{}", quote(.said))]
    NoCredential {
        /// The end of its standard error.
        said: String,
    },
}

/// Runs a plugin without a terminal: it cannot ask for anything.
pub(crate) async fn run(
    exec: &Exec,
    version: &'static str,
    cluster: Option<Value>,
) -> Result<Status, PluginFault> {
    let mut child =
        command(exec, version, cluster).spawn().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => PluginFault::NotInstalled,
            kind => PluginFault::Start(kind),
        })?;
    let _waiting = Waiting::new(format!("the exec plugin {:?}", exec.command));
    let (mut out, mut err) = (Zeroizing::new(Vec::new()), Vec::new());
    let ended = {
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let mut read =
            Box::pin(async { tokio::join!(fill(stdout, &mut out), fill(stderr, &mut err)) });
        let whole = async {
            let mut is_read = false;
            let status = loop {
                tokio::select! {
                    status = child.wait() => break status,
                    _ = &mut read, if !is_read => is_read = true,
                }
            };
            if !is_read {
                let _ = tokio::time::timeout(GRACE, &mut read).await;
            }
            status
        };
        tokio::time::timeout(LIMIT, whole).await
    };
    let said = said_by(&err, exec, &out);
    match ended {
        Err(_) => Err(PluginFault::TimedOut { limit_secs: LIMIT.as_secs(), said }),
        Ok(Err(error)) => Err(PluginFault::Start(error.kind())),
        Ok(Ok(status)) if !status.success() => Err(PluginFault::Failed { how: how(status), said }),
        Ok(Ok(_)) => parse(&out, version, said),
    }
}

/// The version that the kubeconfig configures.
///
/// # Errors
/// What is wrong with it; client-go refuses the same.
pub(crate) fn version(exec: &Exec) -> Result<&'static str, &'static str> {
    match exec.api_version.as_deref().unwrap_or_default() {
        "client.authentication.k8s.io/v1" => Ok("client.authentication.k8s.io/v1"),
        "client.authentication.k8s.io/v1beta1" => Ok("client.authentication.k8s.io/v1beta1"),
        "client.authentication.k8s.io/v1alpha1" => Err(
            "its apiVersion is client.authentication.k8s.io/v1alpha1, which Kubernetes 1.24 removed",
        ),
        "" => Err("it has no apiVersion"),
        _ => Err("its apiVersion is not one of client.authentication.k8s.io"),
    }
}

fn command(exec: &Exec, version: &str, cluster: Option<Value>) -> Command {
    let mut spec = json!({"interactive": false});
    if let Some(cluster) = cluster {
        spec["cluster"] = cluster;
    }
    let info = json!({"kind": "ExecCredential", "apiVersion": version, "spec": spec});
    let mut command = Command::new(&exec.command);
    command
        .args(&exec.args)
        .envs(exec.env.iter().map(|variable| (&variable.name, &variable.value)))
        .env("KUBERNETES_EXEC_INFO", info.to_string())
        // Standard input may be a key file.
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn fill(from: Option<impl AsyncRead + Unpin>, into: &mut Vec<u8>) {
    if let Some(from) = from {
        // What cannot be read is missing in the text, which is then not valid.
        let _ = from.take(MAX_INPUT_BYTES as u64).read_to_end(into).await;
    }
}

/// client-go decodes JSON and YAML.
fn parse(out: &[u8], version: &'static str, said: String) -> Result<Status, PluginFault> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Credential {
        #[serde(default)]
        api_version: String,
        #[serde(default)]
        kind: String,
        #[serde(default)]
        status: Option<Status>,
    }
    // Its message may quote a value.
    let text = decode(out).map(|decoded| decoded.text).unwrap_or_default();
    let Ok(credential) = serde_saphyr::from_str::<Credential>(&text) else {
        return Err(PluginFault::NotACredential { said });
    };
    if credential.kind != "ExecCredential" {
        return Err(PluginFault::NotACredential { said });
    }
    let Some(status) = credential.status else { return Err(PluginFault::NoCredential { said }) };
    let has = |data: Option<&str>| data.is_some_and(|data| !data.trim().is_empty());
    let certificate = has(status.client_certificate_data.as_deref());
    let key = has(status.client_key_data.as_ref().map(|key| key.as_str()));
    match (has(status.token.as_ref().map(|token| token.as_str())), certificate, key) {
        (_, true, false) | (_, false, true) => Err(PluginFault::HalfACertificate { said }),
        (false, false, false) => Err(PluginFault::NoCredential { said }),
        _ if credential.api_version != version => {
            Err(PluginFault::OtherVersion { configured: version, said })
        }
        _ => Ok(status),
    }
}

fn how(status: ExitStatus) -> String {
    status
        .code()
        .map_or_else(|| status.to_string(), |code| format!("it failed with exit code {code}"))
}

/// The last lines of the plugin's standard error without the values that it was given and the words
/// that it printed as credentials.
fn said_by(err: &[u8], exec: &Exec, out: &[u8]) -> String {
    let err = String::from_utf8_lossy(&err[err.len().saturating_sub(4096)..]).into_owned();
    let out = String::from_utf8_lossy(out);
    let arguments = exec.args.iter().filter_map(|argument| match argument.split_once('=') {
        Some((_, value)) => Some(value),
        None => (!argument.starts_with('-')).then_some(argument.as_str()),
    });
    let printed = out.split(|c: char| c.is_whitespace() || "\"',".contains(c));
    // The whole of one can be encoded, too.
    let whole = exec.args.iter().map(String::as_str).filter(|argument| argument.contains('='));
    let values = arguments
        .chain(whole)
        .chain(exec.env.iter().map(|variable| variable.value.as_str()))
        .chain(printed)
        .flat_map(|value| std::iter::once(value).chain(value.lines()))
        .filter(|value| value.len() >= SHORTEST_VALUE);
    let text = redact_values(&err, values);
    let lines: Vec<String> = text
        .lines()
        .map(|line| line.chars().filter(|c| !c.is_control()).take(200).collect::<String>())
        .filter(|line| is_plain(line))
        .collect();
    lines[lines.len().saturating_sub(3)..].join("; ")
}

/// Whether a line is a sentence in words, none of which is about a secret: forms in which a plugin can
/// print one are without number.
fn is_plain(line: &str) -> bool {
    const ABOUT_SECRETS: [&str; 6] = ["secret", "passw", "passphrase", "token", "cookie", "pwd"];
    let is_word = |word: &str| {
        let letters = word.trim_matches(|c: char| ".,;:!?'\"()*".contains(c));
        letters.len() <= 20 && letters.chars().all(|c| c.is_alphabetic() || "-'".contains(c))
    };
    let lower = line.to_lowercase();
    line.split_whitespace().count() > 1
        && !line.contains("--")
        && line.split_whitespace().all(is_word)
        && !ABOUT_SECRETS.iter().any(|word| lower.contains(word))
}

fn quote(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(", and says: {text}") }
}
