//! Exec plugins (client-go credential plugins, `client.authentication.k8s.io`).

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use issuer_diagnostic::{Waiting, decode};
use issuer_jwks::MAX_INPUT_BYTES;
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

/// Why a plugin gives no credentials. It has nothing of the plugin's output, arguments and variables:
/// also what a plugin writes to standard error can hold a secret, in whatever form.
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
    #[error("it did not end within {limit_secs} s{}", unshown(*.lines))]
    TimedOut {
        /// The limit.
        limit_secs: u64,
        /// The lines that it wrote to standard error.
        lines: usize,
    },
    /// It reports a failure.
    #[error("{how}{}", unshown(*.lines))]
    Failed {
        /// `exit code 1`, or the signal.
        how: String,
        /// The lines that it wrote to standard error.
        lines: usize,
    },
    /// Its standard output is not an ExecCredential.
    #[error("it printed something other than an ExecCredential{}", unshown(*.lines))]
    NotACredential {
        /// The lines that it wrote to standard error.
        lines: usize,
    },
    /// An ExecCredential of another version than the kubeconfig says.
    #[error(
        "its ExecCredential is of another apiVersion than {configured}, which the kubeconfig \
         says{}", unshown(*.lines)
    )]
    OtherVersion {
        /// `apiVersion` of the plugin in the kubeconfig.
        configured: &'static str,
        /// The lines that it wrote to standard error.
        lines: usize,
    },
    /// An ExecCredential with a certificate or a key alone.
    #[error(
        "its ExecCredential has only one of clientCertificateData and clientKeyData{}",
        unshown(*.lines)
    )]
    HalfACertificate {
        /// The lines that it wrote to standard error.
        lines: usize,
    },
    /// An ExecCredential without a token and without a certificate.
    #[error("its ExecCredential has neither a token nor a client certificate{}", unshown(*.lines))]
    NoCredential {
        /// The lines that it wrote to standard error.
        lines: usize,
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
    let lines =
        String::from_utf8_lossy(&err).lines().filter(|line| !line.trim().is_empty()).count();
    match ended {
        Err(_) => Err(PluginFault::TimedOut { limit_secs: LIMIT.as_secs(), lines }),
        Ok(Err(error)) => Err(PluginFault::Start(error.kind())),
        Ok(Ok(status)) if !status.success() => Err(PluginFault::Failed { how: how(status), lines }),
        Ok(Ok(_)) => parse(&out, version, lines),
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
fn parse(out: &[u8], version: &'static str, lines: usize) -> Result<Status, PluginFault> {
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
        return Err(PluginFault::NotACredential { lines });
    };
    if credential.kind != "ExecCredential" {
        return Err(PluginFault::NotACredential { lines });
    }
    let Some(status) = credential.status else { return Err(PluginFault::NoCredential { lines }) };
    let has = |data: Option<&str>| data.is_some_and(|data| !data.trim().is_empty());
    let certificate = has(status.client_certificate_data.as_deref());
    let key = has(status.client_key_data.as_ref().map(|key| key.as_str()));
    match (has(status.token.as_ref().map(|token| token.as_str())), certificate, key) {
        (_, true, false) | (_, false, true) => Err(PluginFault::HalfACertificate { lines }),
        (false, false, false) => Err(PluginFault::NoCredential { lines }),
        _ if credential.api_version != version => {
            Err(PluginFault::OtherVersion { configured: version, lines })
        }
        _ => Ok(status),
    }
}

fn how(status: ExitStatus) -> String {
    status
        .code()
        .map_or_else(|| status.to_string(), |code| format!("it failed with exit code {code}"))
}

fn unshown(lines: usize) -> String {
    let lines = match lines {
        0 => return String::new(),
        1 => "a line".to_owned(),
        more => format!("{more} lines"),
    };
    format!("; it wrote {lines} to standard error, not shown here since that can hold a secret")
}
