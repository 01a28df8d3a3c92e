//! The command line. Man pages and completions are made from these definitions.

mod file;
mod iam;
mod render;

use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use issuer_cluster::{ClusterName, Namespace, ServiceAccountRef};
use issuer_discovery::Ports;
use issuer_jwks::{KeyKind, WeakKeys};

pub(crate) use iam::{
    AwsArgs, LintArgs, NamedFile, ProviderApplyArgs, ProviderCommand, ProviderDeleteArgs,
    ProviderShowArgs, RoleApplyArgs, RoleCommand, RoleDeleteArgs, RoleShowArgs, TrustPolicyArgs,
};

pub(crate) use file::{ApplyArgs, DeleteArgs, FileArgs, PlanArgs};
pub(crate) use render::{RenderArgs, RenderCommand};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Publishes a Kubernetes cluster's service-account issuer, and proves that AWS will accept its
/// tokens.
///
/// A cluster signs service-account tokens; AWS STS accepts them once it can read two small public
/// documents. issuerctl makes both from the cluster's public signing keys, puts them on S3 or into
/// a folder without ever losing a key, and reads them back as STS does.
#[derive(Debug, Parser)]
#[command(name = "issuerctl", version, styles = STYLES, max_term_width = 110, after_long_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) general: GeneralArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done, or nothing to do
  1  failure (network, disk, a server's fault)
  2  usage
  3  bad input (a file, key, document or URL)
  4  conflict with what is there already
  5  verification failed
  6  not permitted, or the bucket belongs to someone else
  7  plan: something would change";

#[derive(Debug, Args)]
#[command(next_help_heading = "General options")]
pub(crate) struct GeneralArgs {
    /// What stands on standard output: the plain data, or one JSON object with schema_version
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) output: OutputFormat,
    /// Say only warnings and errors
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say more of what is done
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum OutputFormat {
    #[default]
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Keygen(KeygenArgs),
    Extract(ExtractArgs),
    Jwks(JwksArgs),
    Discovery(DiscoveryArgs),
    Publish(Box<PublishArgs>),
    Verify(VerifyArgs),
    #[command(subcommand)]
    Provider(ProviderCommand),
    #[command(subcommand)]
    Role(RoleCommand),
    Plan(PlanArgs),
    Apply(ApplyArgs),
    Delete(DeleteArgs),
    #[command(subcommand)]
    Render(RenderCommand),
    Completions(CompletionsArgs),
    Man(ManArgs),
}

/// Make a signing key: sa.key (private, mode 0600) and sa.pub
///
/// In the form that kube-apiserver reads: sa.key for --service-account-signing-key-file, sa.pub for
/// --service-account-key-file. Existing files are never overwritten.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl keygen --algorithm rsa-2048 --out-dir /etc/kubernetes/pki
  issuerctl keygen --algorithm p256 --out-dir ./new-key")]
pub(crate) struct KeygenArgs {
    /// Kind of key
    #[arg(long, value_enum)]
    pub(crate) algorithm: KeyAlgorithm,
    /// Folder for sa.key and sa.pub; made where it is not there
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) out_dir: PathBuf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum KeyAlgorithm {
    #[value(name = "rsa-2048")]
    Rsa2048,
    #[value(name = "rsa-3072")]
    Rsa3072,
    #[value(name = "rsa-4096")]
    Rsa4096,
    #[value(name = "p256")]
    P256,
    #[value(name = "p384")]
    P384,
    #[value(name = "p521")]
    P521,
}

impl From<KeyAlgorithm> for KeyKind {
    fn from(algorithm: KeyAlgorithm) -> Self {
        match algorithm {
            KeyAlgorithm::Rsa2048 => Self::Rsa2048,
            KeyAlgorithm::Rsa3072 => Self::Rsa3072,
            KeyAlgorithm::Rsa4096 => Self::Rsa4096,
            KeyAlgorithm::P256 => Self::P256,
            KeyAlgorithm::P384 => Self::P384,
            KeyAlgorithm::P521 => Self::P521,
        }
    }
}

/// Write the public keys as PEM (SPKI), one block a key, to standard output
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl extract --cluster prod > sa.pub
  issuerctl extract --apiserver --context workload")]
pub(crate) struct ExtractArgs {
    #[command(flatten)]
    pub(crate) keys: RequiredKeyArgs,
}

/// Write the JWK Set (keys.json) to standard output, byte for byte as kube-apiserver serves it
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl jwks --key /etc/kubernetes/pki/sa.pub > keys.json
  issuerctl jwks --cluster prod --key old-sa.pub --pretty")]
pub(crate) struct JwksArgs {
    #[command(flatten)]
    pub(crate) keys: RequiredKeyArgs,
    /// Repeat the first key under the kid "", for tokens of clusters before Kubernetes 1.16
    #[arg(long)]
    pub(crate) with_empty_kid: bool,
    /// Indent the JSON
    #[arg(long)]
    pub(crate) pretty: bool,
}

/// Write the OpenID Connect discovery document to standard output
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl discovery --issuer https://oidc.example.com/prod --key sa.pub
  issuerctl discovery --issuer https://oidc.example.com/prod --shape kubernetes --apiserver")]
pub(crate) struct DiscoveryArgs {
    /// Issuer URL, as in the cluster's --service-account-issuer
    #[arg(long, value_name = "URL")]
    pub(crate) issuer: String,
    /// Where the JWK Set lies [default: ISSUER/keys.json]
    #[arg(long, value_name = "URL")]
    pub(crate) jwks_uri: Option<String>,
    #[command(flatten)]
    pub(crate) document: DocumentArgs,
    /// Indent the JSON
    #[arg(long)]
    pub(crate) pretty: bool,
    #[command(flatten)]
    pub(crate) keys: RequiredKeyArgs,
}

/// Publish keys.json and the discovery document, and verify them
///
/// Reads what is published, merges the keys, writes only what differs, under the condition that
/// nobody else wrote meanwhile, and reads it back as AWS STS does. Keys that are published and not
/// given are kept, and named. Running it again changes nothing. The issuer URL stands on standard
/// output.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl publish --cluster prod --to s3://my-oidc/prod --region us-west-2 --create-bucket
  issuerctl publish --key sa.pub --to ./site --issuer https://oidc.example.com/prod
  ISSUER=$(issuerctl publish --key sa.pub --to s3://my-oidc/prod --quiet)
  issuerctl publish --key new-sa.pub --to s3://my-oidc/prod --dry-run")]
pub(crate) struct PublishArgs {
    #[command(flatten)]
    pub(crate) keys: RequiredKeyArgs,
    /// Where to publish: a folder, or s3://BUCKET[/PREFIX]
    #[arg(long, value_name = "DIR|s3://BUCKET[/PREFIX]", value_hint = ValueHint::AnyPath)]
    pub(crate) to: String,
    /// Issuer URL [default for S3: follows from bucket, region and prefix]
    #[arg(long, value_name = "URL")]
    pub(crate) issuer: Option<String>,
    /// Drop published keys that are not given
    #[arg(long)]
    pub(crate) prune: bool,
    /// Let the published discovery document, which names another issuer or jwks_uri, be replaced
    #[arg(long)]
    pub(crate) change_issuer: bool,
    /// Print the plan and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not read the site back
    #[arg(long)]
    pub(crate) no_verify: bool,
    /// Repeat the first key under the kid "", for tokens of clusters before Kubernetes 1.16
    #[arg(long)]
    pub(crate) with_empty_kid: bool,
    #[command(flatten)]
    pub(crate) document: DocumentArgs,
    #[command(flatten)]
    pub(crate) live: LiveArgs,
    #[command(flatten)]
    pub(crate) s3: S3Args,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
}

/// Judge an issuer, and a token, as AWS STS would
///
/// Fetches both documents anonymously, without following redirects, within 5 s, and names what is
/// wrong with its mend.
#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("site-or-issuer").required(true).multiple(true).args(["issuer", "site"]),
    after_help = "\
Examples:
  issuerctl verify --issuer https://my-oidc.s3.us-west-2.amazonaws.com/prod
  issuerctl verify --issuer https://oidc.example.com/prod --cluster prod
  kubectl create token app --audience sts.amazonaws.com | issuerctl verify --issuer \
  https://oidc.example.com/prod --token -"
)]
pub(crate) struct VerifyArgs {
    /// Issuer URL, as in the cluster's --service-account-issuer
    #[arg(long, value_name = "URL")]
    pub(crate) issuer: Option<String>,
    /// Folder with the two documents, instead of the network
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) site: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) keys: KeyArgs,
    /// Token to judge too: a file, or - for standard input
    #[arg(long, value_name = "FILE|-", value_hint = ValueHint::FilePath)]
    pub(crate) token: Option<PathBuf>,
    /// Audience that the provider in IAM knows (repeatable)
    #[arg(long, value_name = "AUD", default_value = "sts.amazonaws.com")]
    pub(crate) audience: Vec<String>,
    #[command(flatten)]
    pub(crate) ports: PortArgs,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
}

/// Write a completion script for a shell to standard output
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl completions bash > /etc/bash_completion.d/issuerctl
  issuerctl completions zsh > \"${fpath[1]}/_issuerctl\"")]
pub(crate) struct CompletionsArgs {
    /// Shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

/// Write a man page for each command into a folder
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl man --out-dir /usr/local/share/man/man1")]
pub(crate) struct ManArgs {
    /// Folder for the pages; made where it is not there
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) out_dir: PathBuf,
}

/// `KEY-SOURCE…` where at least one is needed.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("key-source").required(true).multiple(true).args(["key", "jwks", "cluster", "apiserver"]))]
pub(crate) struct RequiredKeyArgs {
    #[command(flatten)]
    pub(crate) keys: KeyArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Key sources (may be combined)")]
pub(crate) struct KeyArgs {
    /// Key file: PEM or DER, public key, certificate or private key; - for standard input
    /// (repeatable)
    #[arg(long, value_name = "FILE|-", value_hint = ValueHint::FilePath)]
    pub(crate) key: Vec<PathBuf>,
    /// JWK Set file; - for standard input (repeatable)
    #[arg(long, value_name = "FILE|-", value_hint = ValueHint::FilePath)]
    pub(crate) jwks: Vec<PathBuf>,
    /// Cluster whose Secret NAME-sa lies on the management cluster (EKS Anywhere, Cluster API)
    #[arg(long, value_name = "NAME")]
    pub(crate) cluster: Option<ClusterName>,
    /// Namespace of that Secret
    #[arg(long, value_name = "NS", default_value = "eksa-system")]
    pub(crate) namespace: Namespace,
    /// The keys that the running API server itself publishes (/openid/v1/jwks)
    #[arg(long)]
    pub(crate) apiserver: bool,
    /// Accept RSA keys of fewer than 2048 bits
    #[arg(long)]
    pub(crate) allow_weak_keys: bool,
    #[command(flatten)]
    pub(crate) kube: KubeArgs,
}

impl KeyArgs {
    pub(crate) fn is_empty(&self) -> bool {
        self.key.is_empty() && self.jwks.is_empty() && !self.is_remote()
    }

    pub(crate) fn is_remote(&self) -> bool {
        self.cluster.is_some() || self.apiserver
    }

    pub(crate) fn weak(&self) -> WeakKeys {
        if self.allow_weak_keys { WeakKeys::Allow } else { WeakKeys::Refuse }
    }
}

#[derive(Debug, Args)]
pub(crate) struct KubeArgs {
    /// Kubeconfig file [default: KUBECONFIG, ~/.kube/config, the pod's own account]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DocumentArgs {
    /// Members of the discovery document: the self-hosted guide's seven, or the API server's five
    #[arg(long, value_enum, default_value_t)]
    pub(crate) shape: Shape,
    #[command(flatten)]
    pub(crate) ports: PortArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PortArgs {
    /// Take an issuer with a port; IAM does not
    #[arg(long)]
    pub(crate) allow_port: bool,
}

impl PortArgs {
    pub(crate) fn ports(&self) -> Ports {
        if self.allow_port { Ports::Allow } else { Ports::Refuse }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Shape {
    #[default]
    Irsa,
    Kubernetes,
}

impl From<Shape> for issuer_discovery::Shape {
    fn from(shape: Shape) -> Self {
        match shape {
            Shape::Irsa => Self::Irsa,
            Shape::Kubernetes => Self::Kubernetes,
        }
    }
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Live check")]
pub(crate) struct LiveArgs {
    /// Ask the API server for a fresh token of this service account, and publish only if the keys
    /// cover it
    #[arg(long, value_name = "NS/NAME")]
    pub(crate) check_live: Option<ServiceAccountRef>,
    /// Kubeconfig of the cluster that signs, where it is not the one the keys come from
    #[arg(long, value_name = "FILE", requires = "check_live", value_hint = ValueHint::FilePath)]
    pub(crate) live_kubeconfig: Option<PathBuf>,
    /// Context of the cluster that signs
    #[arg(long, value_name = "NAME", requires = "check_live")]
    pub(crate) live_context: Option<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "S3")]
pub(crate) struct S3Args {
    /// Make the bucket where it is not there
    #[arg(long)]
    pub(crate) create_bucket: bool,
    /// How the world may read: a bucket policy, object ACLs, or something else that serves the
    /// bucket
    #[arg(long, value_enum, default_value_t)]
    pub(crate) access: Access,
    /// Region of the bucket [default: the profile's, then the bucket's own]
    #[arg(long, value_name = "R")]
    pub(crate) region: Option<String>,
    /// Profile in ~/.aws/config
    #[arg(long, value_name = "P")]
    pub(crate) profile: Option<String>,
    /// Endpoint of a compatible store
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint_url: Option<String>,
    /// Put the bucket into the path, not the host
    #[arg(long)]
    pub(crate) path_style: bool,
    /// Account that must own the bucket
    #[arg(long, value_name = "ID")]
    pub(crate) expected_bucket_owner: Option<String>,
    /// Print the IAM policy that this very run needs, and do nothing
    #[arg(long)]
    pub(crate) print_iam_policy: bool,
    /// How long readers may cache the documents
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub(crate) max_age: u32,
}

impl S3Args {
    /// The options that were given, but for those that a folder may have too.
    pub(crate) fn given(&self) -> Vec<&'static str> {
        let given = [
            ("--create-bucket", self.create_bucket),
            ("--access", self.access != Access::default()),
            ("--region", self.region.is_some()),
            ("--profile", self.profile.is_some()),
            ("--endpoint-url", self.endpoint_url.is_some()),
            ("--path-style", self.path_style),
            ("--print-iam-policy", self.print_iam_policy),
            ("--expected-bucket-owner", self.expected_bucket_owner.is_some()),
        ];
        given.into_iter().filter(|(_, is_given)| *is_given).map(|(name, _)| name).collect()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Access {
    #[default]
    Policy,
    Acl,
    None,
}

#[derive(Debug, Args)]
pub(crate) struct TlsArgs {
    /// Certificate authorities to trust beside the system's (PEM)
    #[arg(long, value_name = "PEM", value_hint = ValueHint::FilePath)]
    pub(crate) ca_file: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_definitions_are_consistent() {
        super::Cli::command().debug_assert();
    }
}
