//! `keys` and `rotate`: the published keys, and how the signing key is changed.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand, ValueHint};
use issuer_cluster::ServiceAccountRef;

use super::keys::KeyAlgorithm;
use super::migration::NamedDistribution;
use super::{DocumentArgs, KeepArgs, KubeArgs, RetireArgs, S3Args, TlsArgs, Word};

/// Change the signing key of a cluster without an outage
///
/// There is no state file: which step is next follows from the published keys, from the keys that
/// each API server accepts (/openid/v1/jwks), and from the key that its fresh tokens are signed with.
#[derive(Debug, Subcommand)]
pub(crate) enum RotateCommand {
    Status(Box<RotateStatusArgs>),
    Start(Box<RotateStartArgs>),
    Finish(Box<RotateFinishArgs>),
    Abort(Box<RotateAbortArgs>),
}

/// Show the steps of a rotation, and which are done; exits with 7 if one is left
///
/// Reads the published keys, and asks every API server for its keys and for fresh tokens. What cannot
/// be read is marked unknown. Nothing is changed: run it again after each step.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl rotate status -f issuer.yaml --check-live default/default \\
      --for kubeadm
  issuerctl rotate status --to s3://my-oidc/prod --check-live default/default \\
      --server https://10.0.0.1:6443 --server https://10.0.0.2:6443")]
pub(crate) struct RotateStatusArgs {
    #[command(flatten)]
    pub(crate) site: SiteArgs,
    /// Distribution of the cluster: its commands are in the steps
    #[arg(long = "for", value_enum, value_name = "DISTRIBUTION")]
    pub(crate) distribution: Option<NamedDistribution>,
    /// The kid of the new key [default: by the order of keys.json, where the newest is first]
    #[arg(long, value_name = "KID", allow_hyphen_values = true)]
    pub(crate) new_kid: Option<String>,
    // For the printed commands.
    #[command(flatten)]
    pub(crate) keep: KeepArgs,
    #[command(flatten)]
    pub(crate) servers: ServerArgs,
    #[command(flatten)]
    pub(crate) waits: WaitArgs,
}

/// Publish the new public key beside the old one
///
/// Refused while another rotation is under way. If the key is published already, nothing is changed.
#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("new").required(true).args(["new_key", "generate"]),
    after_help = "\
Examples:
  issuerctl rotate start --new-key new/sa.pub -f issuer.yaml
  issuerctl rotate start --generate --out-dir ./new --to s3://my-oidc/prod"
)]
pub(crate) struct RotateStartArgs {
    /// File with the new key; its public half is published
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) new_key: Option<PathBuf>,
    /// Generate the new key: sa.key and sa.pub in --out-dir; a pair that is there is used
    #[arg(long, requires = "out_dir", conflicts_with = "dry_run")]
    pub(crate) generate: bool,
    /// Algorithm and size of the generated key
    #[arg(long, value_enum, default_value_t = KeyAlgorithm::Rsa2048)]
    pub(crate) algorithm: KeyAlgorithm,
    /// Folder for the generated key; created if it does not exist
    #[arg(long, value_name = "DIR", requires = "generate", value_hint = ValueHint::DirPath)]
    pub(crate) out_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

/// Remove the old key, once no token of it can be valid
///
/// Refused as long as an API server signs with it, or tokens of it may be valid: the life of a token
/// and 5 minutes after the last API server was started.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl rotate finish -f issuer.yaml --check-live default/default
  issuerctl rotate finish -f issuer.yaml --now --new-kid=KID")]
pub(crate) struct RotateFinishArgs {
    /// Remove the old key at once, because it was stolen; says what stops working
    #[arg(long)]
    pub(crate) now: bool,
    /// The kid of the new key [default: by the order of keys.json, where the newest is first]
    #[arg(long, value_name = "KID", allow_hyphen_values = true)]
    pub(crate) new_kid: Option<String>,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    #[command(flatten)]
    pub(crate) waits: WaitArgs,
}

/// Remove the new key again, as long as it has not signed
#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("new").required(true).args(["new_key", "new_kid"]),
    after_help = "\
Examples:
  issuerctl rotate abort --new-key new/sa.pub -f issuer.yaml \\
      --check-live default/default"
)]
pub(crate) struct RotateAbortArgs {
    /// File with the new key
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) new_key: Option<PathBuf>,
    /// The kid of the new key
    #[arg(long, value_name = "KID", allow_hyphen_values = true)]
    pub(crate) new_kid: Option<String>,
    /// Remove the new key although a run saw it signing lately (--retire-after)
    #[arg(long)]
    pub(crate) drop_live_key: bool,
    #[command(flatten)]
    pub(crate) retire: RetireArgs,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

/// Show the published keys: since when, whether they are in use, and when they may be removed
///
/// With --check-live, fresh tokens say which key signs.
#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("where").required(true).multiple(true).args(["to", "file", "issuer"]),
    after_help = "\
Examples:
  issuerctl keys --issuer https://my-oidc.s3.us-west-2.amazonaws.com/prod
  issuerctl keys -f issuer.yaml --check-live default/default --output json"
)]
pub(crate) struct KeysArgs {
    #[command(flatten)]
    pub(crate) site: PlaceArgs,
    #[command(flatten)]
    pub(crate) servers: ServerArgs,
    #[command(flatten)]
    pub(crate) waits: WaitArgs,
}

/// What commands that change the published keys have in common.
#[derive(Debug, Args)]
pub(crate) struct ChangeArgs {
    #[command(flatten)]
    pub(crate) site: SiteArgs,
    /// Show what would change, without changing anything
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Skip reading the published documents back
    #[arg(long)]
    pub(crate) no_verify: bool,
    #[command(flatten)]
    pub(crate) keep: KeepArgs,
    #[command(flatten)]
    pub(crate) servers: ServerArgs,
}

/// Where the keys are published.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("place").required(true).args(["to", "file"]))]
pub(crate) struct SiteArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
}

/// Where the keys are published, without a requirement.
#[derive(Debug, Args)]
pub(crate) struct PlaceArgs {
    /// Where they are published: a folder, or s3://BUCKET[/PREFIX]
    #[arg(long, value_name = "DIR|s3://BUCKET[/PREFIX]", value_hint = ValueHint::AnyPath)]
    pub(crate) to: Option<String>,
    /// File that declares the issuer
    #[arg(long, short, alias = "filename", value_name = "FILE", value_hint = ValueHint::FilePath,
        conflicts_with_all = ["shape", "allow_port"])]
    pub(crate) file: Option<PathBuf>,
    /// Issuer URL [default for S3: derived from bucket, region and prefix]
    #[arg(long, value_name = "URL", conflicts_with = "file")]
    pub(crate) issuer: Option<String>,
    #[command(flatten)]
    pub(crate) document: DocumentArgs,
    #[command(flatten)]
    pub(crate) s3: S3Args,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
}

impl PlaceArgs {
    /// What was given of them.
    pub(crate) fn given(&self) -> Vec<Word> {
        let Self { to, file, issuer, document, s3, tls: TlsArgs { ca_file } } = self;
        let place = [
            Word::path("-f", file.as_ref()),
            Word::of("--to", to.as_ref()),
            Word::of("--issuer", issuer.as_ref()),
        ];
        let ca_file = Word::path("--ca-file", ca_file.as_ref());
        let (document, s3) = (document.given(), s3.given());
        place.into_iter().flatten().chain(document).chain(s3).chain(ca_file).collect()
    }
}

/// How the API servers are asked.
#[derive(Debug, Args)]
#[command(next_help_heading = "API servers")]
pub(crate) struct ServerArgs {
    /// Service account for which fresh tokens are requested: they say which key signs
    #[arg(long, value_name = "NS/NAME")]
    pub(crate) check_live: Option<ServiceAccountRef>,
    /// URL of one API server of several (repeatable) [default: that of the kubeconfig]
    #[arg(long, value_name = "URL")]
    pub(crate) server: Vec<String>,
    /// Fresh tokens that are requested at each URL, so that a load balancer passes them to several API
    /// servers
    #[arg(long, value_name = "N", default_value_t = Self::TRIES,
        value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) tries: u8,
    /// When the last API server was started with the new key, if it is not a pod: 2026-11-26T10:00:00Z
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_rfc3339_weak)]
    pub(crate) signing_since: Option<SystemTime>,
    #[command(flatten)]
    pub(crate) kube: KubeArgs,
}

impl ServerArgs {
    const TRIES: u8 = 10;

    /// What was given of them, and an example of the account if none was; without the time since when the
    /// new key signs, which is not true in every step.
    pub(crate) fn given(&self) -> Vec<Word> {
        let Self {
            check_live,
            server,
            tries,
            signing_since: _,
            kube: KubeArgs { kubeconfig, context },
        } = self;
        let account = check_live.as_ref().map(ToString::to_string);
        let words = [
            Word::of("--check-live", Some(account.unwrap_or_else(|| "NS/NAME".to_owned()))),
            Word::path("--kubeconfig", kubeconfig.as_ref()),
            Word::of("--context", context.as_ref()),
            Word::of("--tries", Some(*tries).filter(|tries| *tries != Self::TRIES)),
        ];
        let servers = server.iter().map(|url| Word::of("--server", Some(url)));
        words.into_iter().chain(servers).flatten().collect()
    }

    /// Since when the new key signs, if it was given.
    pub(crate) fn since(&self) -> Option<Word> {
        Word::of("--signing-since", self.signing_since.map(humantime::format_rfc3339))
    }
}

/// How long tokens and caches live.
#[derive(Debug, Args)]
#[command(next_help_heading = "Waits")]
pub(crate) struct WaitArgs {
    /// The longest life of a token for AWS, such as 24h
    #[arg(long, value_name = "DURATION", default_value = "24h",
        value_parser = humantime::parse_duration)]
    pub(crate) token_life: Duration,
    /// How long a reader may keep the published keys, such as 24h [default: 1h, or --max-age if that is
    /// longer]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(crate) cache_life: Option<Duration>,
}

impl WaitArgs {
    const TOKEN_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

    /// What was given of them.
    pub(crate) fn given(&self) -> Vec<Word> {
        let Self { token_life, cache_life } = self;
        let given = [
            Word::duration("--token-life", Some(*token_life), Some(Self::TOKEN_LIFE)),
            Word::duration("--cache-life", *cache_life, None),
        ];
        given.into_iter().flatten().collect()
    }
}
