//! `history` and `rollback`: what was published before, and the way back to it.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};
use issuer_cluster::ServiceAccountRef;

use super::{KubeArgs, SiteArgs, Word};

/// List what was published before: when, by whom, and which keys came and went
///
/// A run that changes the documents keeps the previous ones: as versions in a bucket with versioning,
/// otherwise as a copy that only you can read (.issuerctl/history below the place of the documents).
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl history --to s3://my-oidc/prod
  issuerctl history -f issuer.yaml --output json")]
pub(crate) struct HistoryArgs {
    #[command(flatten)]
    pub(crate) site: SiteArgs,
    /// How many previous sites are listed, at most
    #[arg(long, value_name = "N", default_value_t = 10,
        value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) limit: u16,
}

/// Publish again what was published before
///
/// The keys become those of the previous site, and the discovery document is written from them. A key
/// that is published now and was not then is removed, so every check of `publish` applies: see
/// --check-live. The site that is replaced is kept, too.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl rollback --to s3://my-oidc/prod --dry-run
  issuerctl rollback 20261126T101500.123Z-0123456789abcdef -f issuer.yaml \\
      --check-live default/default")]
pub(crate) struct RollbackArgs {
    /// Version, as listed by `issuerctl history` [default: the one before the published one]
    #[arg(value_name = "VERSION", allow_hyphen_values = true)]
    pub(crate) version: Option<String>,
    #[command(flatten)]
    pub(crate) site: SiteArgs,
    /// Show what would change, without changing anything
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Skip reading the published documents back
    #[arg(long)]
    pub(crate) no_verify: bool,
    /// Publish although a key is missing that the cluster signs with now (--check-live, --token), or was
    /// seen signing lately (--retire-after)
    #[arg(long)]
    pub(crate) drop_live_key: bool,
    #[command(flatten)]
    pub(crate) retire: RetireArgs,
    /// Replace published documents that cannot be read
    #[arg(long)]
    pub(crate) replace_unreadable: bool,
    #[command(flatten)]
    pub(crate) keep: KeepArgs,
    /// Request a token for this service account from the API server, and publish only if one of
    /// the keys verifies it
    #[arg(long, value_name = "NS/NAME", help_heading = "Live check")]
    pub(crate) check_live: Option<ServiceAccountRef>,
    /// Publish only if one of the keys verifies this token of the cluster: a file, or - for standard
    /// input
    #[arg(long, value_name = "FILE|-", value_hint = ValueHint::FilePath, help_heading = "Live check")]
    pub(crate) token: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) kube: KubeArgs,
}

/// How long a key stays after it was seen signing.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct RetireArgs {
    /// How long a key must stay after a run saw it signing, such as 24h [default: 24h]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    retire_after: Option<Duration>,
}

impl RetireArgs {
    /// In seconds.
    pub(crate) fn secs(self) -> Option<u64> {
        self.retire_after.map(|after| after.as_secs())
    }
}

/// How much of the history is kept.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct KeepArgs {
    /// How many previous sites are kept where the store does not keep versions itself; 0 keeps none
    /// [default: 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=1000))]
    pub(crate) keep_history: Option<u32>,
}

impl KeepArgs {
    /// What was given of them.
    pub(crate) fn given(self) -> Option<Word> {
        let Self { keep_history } = self;
        Word::of("--keep-history", keep_history)
    }
}
