//! The command line. Man pages and completions are generated from these definitions.

mod distribution;
mod file;
mod iam;
mod pods;
mod render;

use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use issuer_cluster::{ClusterName, Namespace, ServiceAccountRef};
use issuer_discovery::Ports;
use issuer_jwks::{KeyKind, WeakKeys};

pub(crate) use iam::{
    AwsArgs, LintArgs, NamedFile, ProviderApplyArgs, ProviderCommand, ProviderDeleteArgs,
    ProviderListArgs, ProviderShowArgs, RoleApplyArgs, RoleCommand, RoleDeleteArgs, RoleListArgs,
    RoleShowArgs, TrustPolicyArgs,
};

pub(crate) use distribution::{DistributionArgs, DistributionCommand, FromClusterArgs};
pub(crate) use file::{ApplyArgs, DeclaredArgs, DeleteArgs, FileArgs, PlanArgs};
pub(crate) use pods::{
    InjectArgs, OnFailure, PolicyArgs, PolicyCheckArgs, PolicyCommand, RolesFrom, WebhookArgs,
};
pub(crate) use render::{RenderArgs, RenderCommand, ResourceCommand};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Publish the service account issuer of a Kubernetes cluster and verify that AWS accepts its
/// tokens.
///
/// A Kubernetes cluster signs service account tokens. AWS STS accepts them once it can read two
/// small public documents. issuerctl generates both from the cluster's public signing keys,
/// publishes them to S3 or a folder without losing a key, and reads them back the way STS does.
#[derive(Debug, Parser)]
#[command(name = "issuerctl", version, styles = STYLES, max_term_width = 110, after_long_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) general: GeneralArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// One line per exit code (`docs/usage.md`).
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  success, or nothing to do
  1  failure (network, disk or server error)
  2  invalid command line
  3  invalid input (file, key, document or URL), or it names what does not exist
  4  conflict with existing state
  5  verification failed
  6  permission denied, or the bucket belongs to another account
  7  plan only: changes are pending";

#[derive(Debug, Args)]
#[command(next_help_heading = "General options")]
pub(crate) struct GeneralArgs {
    /// Output format: plain data, or one JSON object with schema_version
    #[arg(long, short, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) output: OutputFormat,
    /// Print only warnings and errors
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Print more detail
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,
    /// Time limit of the run; each request has its own, too
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 900,
        value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) timeout: u32,
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
    Url(UrlArgs),
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
    Inject(Box<InjectArgs>),
    #[command(subcommand)]
    Policy(PolicyCommand),
    Schema(SchemaArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
    /// Print the version
    Version,
}

/// Generate a signing key pair: sa.key (private, mode 0600) and sa.pub
///
/// The files have the format that kube-apiserver reads: sa.key for
/// --service-account-signing-key-file, sa.pub for --service-account-key-file. Existing files are
/// never overwritten.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl keygen --algorithm rsa-2048 --out-dir /etc/kubernetes/pki
  issuerctl keygen --algorithm p256 --out-dir ./new-key")]
pub(crate) struct KeygenArgs {
    /// Key algorithm and size
    #[arg(long, value_enum)]
    pub(crate) algorithm: KeyAlgorithm,
    /// Folder for sa.key and sa.pub; created if it does not exist
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

/// Print the public keys as PEM (SPKI), one block per key
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl extract --cluster prod > sa.pub
  issuerctl extract --apiserver --context workload")]
pub(crate) struct ExtractArgs {
    #[command(flatten)]
    pub(crate) keys: RequiredKeyArgs,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
}

/// Print the JWK Set (keys.json), byte for byte as kube-apiserver serves it
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl jwks --key /etc/kubernetes/pki/sa.pub > keys.json
  issuerctl jwks --cluster prod --key old-sa.pub --pretty")]
pub(crate) struct JwksArgs {
    #[command(flatten)]
    pub(crate) keys: RequiredKeyArgs,
    /// Repeat the first key with an empty kid, for tokens of Kubernetes versions before 1.16
    #[arg(long)]
    pub(crate) with_empty_kid: bool,
    /// Indent the JSON
    #[arg(long)]
    pub(crate) pretty: bool,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
}

/// Print the OpenID Connect discovery document
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl discovery --issuer https://oidc.example.com/prod --key sa.pub
  issuerctl discovery --issuer https://oidc.example.com/prod --apiserver \\
      --shape kubernetes")]
pub(crate) struct DiscoveryArgs {
    /// Issuer URL, as in the cluster's --service-account-issuer
    #[arg(long, value_name = "URL")]
    pub(crate) issuer: String,
    /// URL of the JWK Set [default: ISSUER/keys.json]
    #[arg(long, value_name = "URL")]
    pub(crate) jwks_uri: Option<String>,
    #[command(flatten)]
    pub(crate) document: DocumentArgs,
    /// Indent the JSON
    #[arg(long)]
    pub(crate) pretty: bool,
    #[command(flatten)]
    pub(crate) keys: RequiredKeyArgs,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
}

/// Publish keys.json and the discovery document, and verify them
///
/// Reads the published documents, merges the keys, writes only what differs, and reads the result
/// back the way AWS STS does. Writes are conditional: a concurrent change is never overwritten.
/// Published keys that are not given are kept and reported. A second run changes nothing. Prints
/// the issuer URL.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl publish --cluster prod --to s3://my-oidc/prod \\
      --region us-west-2 --create-bucket
  issuerctl publish --key sa.pub --to ./site \\
      --issuer https://oidc.example.com/prod
  ISSUER=$(issuerctl publish --key sa.pub --to s3://my-oidc/prod --quiet)
  issuerctl publish --key new-sa.pub --to s3://my-oidc/prod --dry-run")]
pub(crate) struct PublishArgs {
    #[command(flatten)]
    pub(crate) keys: RequiredKeyArgs,
    /// Destination: a folder, or s3://BUCKET[/PREFIX]
    #[arg(long, value_name = "DIR|s3://BUCKET[/PREFIX]", value_hint = ValueHint::AnyPath)]
    pub(crate) to: String,
    /// Issuer URL [default for S3: derived from bucket, region and prefix]
    #[arg(long, value_name = "URL")]
    pub(crate) issuer: Option<String>,
    /// Remove published keys that are not given
    #[arg(long)]
    pub(crate) prune: bool,
    #[command(flatten)]
    pub(crate) replacing: Replacing,
    /// Show what would change, without changing anything
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Skip reading the published documents back
    #[arg(long)]
    pub(crate) no_verify: bool,
    /// Repeat the first key with an empty kid, for tokens of Kubernetes versions before 1.16
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

/// Which published documents are replaced, whatever they say.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct Replacing {
    /// Replace a published discovery document that names a different issuer or jwks_uri
    #[arg(long)]
    pub(crate) change_issuer: bool,
    /// Replace published documents that cannot be read; keys that can be found in them are kept
    #[arg(long)]
    pub(crate) replace_unreadable: bool,
}

/// Print the issuer URL that a store has, before anything exists
///
/// The URL follows from the bucket, its region and the prefix. EKS Anywhere needs it in
/// podIamConfig.serviceAccountIssuer before the cluster is created. With --region, AWS is not
/// called; without it, the region of an existing bucket is looked up.
#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("place").required(true).args(["to", "file"]),
    after_help = "\
Examples:
  issuerctl url --to s3://my-oidc/prod --region us-west-2
  issuerctl url -f issuer.yaml"
)]
pub(crate) struct UrlArgs {
    /// Bucket and prefix: s3://BUCKET[/PREFIX]
    #[arg(long, value_name = "s3://BUCKET[/PREFIX]")]
    pub(crate) to: Option<String>,
    /// File with one or more issuers, or - for standard input (repeatable)
    #[arg(long, short, value_name = "FILE|-", value_hint = ValueHint::FilePath)]
    file: Vec<PathBuf>,
    /// Use path-style URLs: the bucket name in the path, not in the host name
    #[arg(long, requires = "to")]
    pub(crate) path_style: bool,
    /// Region of the bucket [default: that of the existing bucket, or of the profile for a new one]
    #[arg(long, value_name = "R")]
    region: Option<String>,
    /// Named profile from the AWS config and credentials files
    #[arg(long, value_name = "P")]
    profile: Option<String>,
    /// Endpoint URL of an S3-compatible store
    #[arg(long, value_name = "URL")]
    endpoint_url: Option<String>,
    #[command(flatten)]
    tls: TlsArgs,
}

impl UrlArgs {
    pub(crate) fn file(&self) -> FileArgs {
        FileArgs { file: self.file.clone() }
    }

    pub(crate) fn aws(&self) -> AwsArgs {
        AwsArgs {
            region: self.region.clone(),
            profile: self.profile.clone(),
            endpoint_url: self.endpoint_url.clone(),
            print_iam_policy: false,
            tls: self.tls.clone(),
        }
    }
}

/// Check an issuer, and optionally a token, the way AWS STS does
///
/// Fetches both documents anonymously, without following redirects, within 5 seconds, and reports
/// what is wrong and how to fix it.
#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("site-or-issuer").required(true).multiple(true).args(["issuer", "site"]),
    after_help = "\
Examples:
  issuerctl verify --issuer https://my-oidc.s3.us-west-2.amazonaws.com/prod
  issuerctl verify --issuer https://oidc.example.com/prod --cluster prod
  kubectl create token app --audience sts.amazonaws.com |
      issuerctl verify --issuer https://oidc.example.com/prod --token -"
)]
pub(crate) struct VerifyArgs {
    /// Issuer URL, as in the cluster's --service-account-issuer
    #[arg(long, value_name = "URL")]
    pub(crate) issuer: Option<String>,
    /// Folder with the two documents; nothing is fetched
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) site: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) keys: KeyArgs,
    /// Also check this token: a file, or - for standard input
    #[arg(long, value_name = "FILE|-", value_hint = ValueHint::FilePath)]
    pub(crate) token: Option<PathBuf>,
    /// Audience (client ID) of the OIDC provider in IAM (repeatable)
    #[arg(long, value_name = "AUD", default_value = "sts.amazonaws.com")]
    pub(crate) audience: Vec<String>,
    #[command(flatten)]
    pub(crate) ports: PortArgs,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
}

/// Print the JSON Schema of the issuer file, or of the objects of --output json
///
/// With the first line `# yaml-language-server: $schema=issuer.schema.json`, editors complete and
/// check an issuer file.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl schema > issuer.schema.json
  issuerctl schema output > output.schema.json")]
pub(crate) struct SchemaArgs {
    /// Whose schema
    #[arg(value_enum, default_value_t)]
    pub(crate) of: SchemaOf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum SchemaOf {
    /// The file of plan, apply, delete and render
    #[default]
    Issuer,
    /// The objects of --output json
    Output,
}

/// Print a shell completion script
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

/// Write man pages for all commands to a folder
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl man --out-dir /usr/local/share/man/man1")]
pub(crate) struct ManArgs {
    /// Folder for the man pages; created if it does not exist
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) out_dir: PathBuf,
}

/// Key sources, at least one of which is required.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("key-source").required(true).multiple(true).args(["key", "jwks", "cluster", "apiserver"]))]
pub(crate) struct RequiredKeyArgs {
    #[command(flatten)]
    pub(crate) keys: KeyArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Key sources (may be combined)")]
pub(crate) struct KeyArgs {
    /// Key file, PEM or DER: public key, certificate or private key; - for standard input
    /// (repeatable)
    #[arg(long, value_name = "FILE|-", value_hint = ValueHint::FilePath)]
    pub(crate) key: Vec<PathBuf>,
    /// JWK Set: a file, an https URL, or - for standard input (repeatable)
    #[arg(long, value_name = "FILE|URL|-", value_hint = ValueHint::FilePath)]
    pub(crate) jwks: Vec<PathBuf>,
    /// Cluster whose Secret NAME-sa is on the management cluster (EKS Anywhere, Cluster API)
    #[arg(long, value_name = "NAME")]
    pub(crate) cluster: Option<ClusterName>,
    /// Namespace of that Secret
    #[arg(long, value_name = "NS", default_value = "eksa-system")]
    pub(crate) namespace: Namespace,
    /// Use the keys that the running API server publishes (/openid/v1/jwks)
    #[arg(long)]
    pub(crate) apiserver: bool,
    /// Accept RSA keys shorter than 2048 bits
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
    /// Kubeconfig file [default: KUBECONFIG, ~/.kube/config, the pod's service account]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Kubeconfig context
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DocumentArgs {
    /// Fields of the discovery document: the seven of the self-hosted IRSA guide, or the five of
    /// the API server
    #[arg(long, value_enum, default_value_t)]
    pub(crate) shape: Shape,
    #[command(flatten)]
    pub(crate) ports: PortArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PortArgs {
    /// Accept an issuer URL with a port, which IAM does not
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
    /// Request a token for this service account from the API server, and publish only if one of
    /// the keys verifies it
    #[arg(long, value_name = "NS/NAME")]
    pub(crate) check_live: Option<ServiceAccountRef>,
    /// Kubeconfig file of the signing cluster, if the keys come from another one
    #[arg(long, value_name = "FILE", requires = "check_live", value_hint = ValueHint::FilePath)]
    pub(crate) live_kubeconfig: Option<PathBuf>,
    /// Kubeconfig context of the signing cluster
    #[arg(long, value_name = "NAME", requires = "check_live")]
    pub(crate) live_context: Option<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "S3")]
pub(crate) struct S3Args {
    /// Create the bucket if it does not exist
    #[arg(long)]
    pub(crate) create_bucket: bool,
    /// How public read access is granted: by bucket policy, by object ACLs, or not by issuerctl
    #[arg(long, value_enum, default_value_t)]
    pub(crate) access: Access,
    /// Region of the bucket [default: that of the existing bucket, or of the profile for a new one]
    #[arg(long, value_name = "R")]
    pub(crate) region: Option<String>,
    /// Named profile from the AWS config and credentials files
    #[arg(long, value_name = "P")]
    pub(crate) profile: Option<String>,
    /// Endpoint URL of an S3-compatible store
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint_url: Option<String>,
    /// Use path-style URLs: the bucket name in the path, not in the host name
    #[arg(long)]
    pub(crate) path_style: bool,
    /// ID of the AWS account that must own the bucket
    #[arg(long, value_name = "ID")]
    pub(crate) expected_bucket_owner: Option<String>,
    /// Print the IAM policy that this command needs, and exit
    #[arg(long)]
    pub(crate) print_iam_policy: bool,
    /// Cache lifetime of the documents (Cache-Control: max-age) [default: 300]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) max_age: Option<u32>,
}

impl S3Args {
    /// The options that were given and have no meaning for a folder.
    pub(crate) fn given(&self) -> Vec<&'static str> {
        let given = [
            ("--create-bucket", self.create_bucket),
            ("--access", self.access != Access::default()),
            ("--region", self.region.is_some()),
            ("--profile", self.profile.is_some()),
            ("--endpoint-url", self.endpoint_url.is_some()),
            ("--path-style", self.path_style),
            ("--expected-bucket-owner", self.expected_bucket_owner.is_some()),
            ("--max-age", self.max_age.is_some()),
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

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct TlsArgs {
    /// CA certificates (PEM or DER) to trust in addition to those of the system
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) ca_file: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_definitions_are_consistent() {
        super::Cli::command().debug_assert();
    }

    #[test]
    fn examples_can_be_pasted_from_a_terminal_of_80_columns() {
        let mut commands = vec![super::Cli::command()];
        while let Some(command) = commands.pop() {
            commands.extend(command.get_subcommands().cloned());
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let lines: Vec<&str> = help.lines().collect();
            for (line, next) in lines.iter().zip(lines.iter().skip(1).chain([&""])) {
                assert!(line.chars().count() <= 79, "{line}");
                let goes_on = line.ends_with(['\\', '|']);
                assert_eq!(goes_on, next.starts_with("      "), "{line}");
            }
        }
    }
}
