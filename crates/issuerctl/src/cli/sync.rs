//! `sync`: a cluster's keys, followed all the time.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum, ValueHint};
use issuer_cluster::ServiceAccountRef;

use super::{DocumentArgs, KeepArgs, KeyArgs, RetireArgs, S3Args, TlsArgs};

/// Follow the keys of a cluster: publish new ones, repair the documents, verify, and repeat
///
/// Each step reads the keys and the published documents, adds the keys that are missing, repairs what is
/// not as declared, and verifies the issuer the way AWS STS does. A published key is never removed, unless
/// --drop-retired is given and its time has come. Runs until SIGTERM, which lets the step in hand end; --once
/// is for a CronJob. Events are logged to standard error; --listen serves /metrics, /livez and /readyz.
#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("where").required(true).args(["to", "file"]),
    group = clap::ArgGroup::new("key-source").required(true).multiple(true)
        .args(["key", "jwks", "cluster", "apiserver", "file"]),
    after_help = "\
Examples:
  issuerctl sync --apiserver --to s3://my-oidc/prod --region us-west-2 \\
      --listen 0.0.0.0:8080
  issuerctl sync --cluster prod --to s3://my-oidc/prod --once
  issuerctl sync -f issuer.yaml --log-format json"
)]
pub(crate) struct SyncArgs {
    /// Destination: a folder, or s3://BUCKET[/PREFIX]
    #[arg(long, value_name = "DIR|s3://BUCKET[/PREFIX]", value_hint = ValueHint::AnyPath)]
    pub(crate) to: Option<String>,
    /// File with one or more issuers, or folder of such files, whose documents are followed; it is read
    /// again when it changes
    #[arg(long, short, alias = "filename", value_name = "FILE", value_hint = ValueHint::AnyPath,
        conflicts_with_all = ["issuer", "key", "jwks", "cluster", "namespace", "apiserver",
            "allow_weak_keys", "shape", "allow_port", "keep_history"])]
    pub(crate) file: Option<PathBuf>,
    /// Issuer URL [default for S3: derived from bucket, region and prefix]
    #[arg(long, value_name = "URL")]
    pub(crate) issuer: Option<String>,
    /// Do one step, and exit with its exit code
    #[arg(long, conflicts_with_all = ["interval", "key_interval", "listen"])]
    pub(crate) once: bool,
    /// The time between two steps; after a failure it is shorter
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = interval)]
    pub(crate) interval: Duration,
    /// How often the keys alone are read between two steps: a change begins a step
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = interval)]
    pub(crate) key_interval: Duration,
    /// Serve /metrics, /livez and /readyz at this address, such as 0.0.0.0:8080
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// Format of the log [default: text, or json with --output json]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
    /// Profile whose credentials are used while AWS STS refuses the web identity token of this pod, such
    /// as before its issuer is published
    #[arg(long, value_name = "NAME", help_heading = "AWS")]
    pub(crate) fallback_profile: Option<String>,
    /// Remove a published key once the cluster has not had it for --retire-after; all clusters of the issuer
    /// must be among the key sources
    #[arg(long)]
    pub(crate) drop_retired: bool,
    #[command(flatten)]
    pub(crate) retire: RetireArgs,
    /// Publish the keys of a cluster although only keys of a different one are published; from the first
    /// success on, a new key in the same Secret is known to be that of the cluster
    #[arg(long)]
    pub(crate) allow_other_cluster: bool,
    /// Publish only if one of the keys verifies a fresh token for this service account
    #[arg(long, value_name = "NS/NAME", help_heading = "Live check", conflicts_with = "file")]
    pub(crate) check_live: Option<ServiceAccountRef>,
    #[command(flatten)]
    pub(crate) keys: KeyArgs,
    #[command(flatten)]
    pub(crate) document: DocumentArgs,
    #[command(flatten)]
    pub(crate) keep: KeepArgs,
    #[command(flatten)]
    pub(crate) s3: S3Args,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// An interval that leaves others time for their requests.
fn interval(text: &str) -> Result<Duration, String> {
    let interval = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    let (shortest, longest) = (Duration::from_secs(1), Duration::from_secs(24 * 60 * 60));
    match interval {
        interval if interval < shortest => Err("it is shorter than 1s".to_owned()),
        interval if interval > longest => Err("it is longer than 24h".to_owned()),
        interval => Ok(interval),
    }
}
