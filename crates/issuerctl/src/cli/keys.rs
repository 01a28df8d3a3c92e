//! Commands that make or read keys, and the options that say where keys are read from.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use issuer_cluster::{ClusterName, Namespace};
use issuer_jwks::{KeyKind, WeakKeys};

use super::{DocumentArgs, KubeArgs, TlsArgs};

/// Generate a signing key pair: sa.key (private, mode 0600) and sa.pub
///
/// The files have the format that kube-apiserver reads: sa.key for
/// --service-account-signing-key-file, sa.pub for --service-account-key-file. Existing files are
/// never overwritten.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl keygen --out-dir /etc/kubernetes/pki
  issuerctl keygen --algorithm p256 --out-dir ./new-key")]
pub(crate) struct KeygenArgs {
    /// Key algorithm and size
    #[arg(long, value_enum, default_value_t = KeyAlgorithm::Rsa2048)]
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
