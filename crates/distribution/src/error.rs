//! Why the lines cannot be written.

use issuer_diagnostic::{Diagnostic, ErrorKind};
use issuer_discovery::IssuerUrlError;

use crate::Distribution;

/// Why the lines cannot be written. No message quotes values of the file other than issuers, kinds
/// and names: the files of some distributions hold secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Invalid YAML.
    #[error("line {line} column {column}: {reason}")]
    Yaml {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What is not valid.
        reason: String,
    },
    /// A file of another kind.
    #[error("line {line} column {column}: {found} is not {}", distribution.file())]
    OtherKind {
        /// The distribution that was asked for.
        distribution: Distribution,
        /// What the file is instead.
        found: String,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// A file for a machine without an API server.
    #[error("line {line} column {column}: there is no API server here: {reason}")]
    NoApiServer {
        /// Why.
        reason: String,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// A value of another form than the distribution reads.
    #[error("line {line} column {column}: {reason}")]
    Layout {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What is needed.
        reason: String,
    },
    /// Several clusters in a file.
    #[error("the file has several clusters: {}", names.join(", "))]
    Several {
        /// Their names.
        names: Vec<String>,
    },
    /// A name that no cluster of the file has.
    #[error("the file has no cluster {name:?}; it has {}", if known.is_empty() { "none with a name".to_owned() } else { known.join(", ") })]
    NoSuchName {
        /// The name that was asked for.
        name: String,
        /// The names of the file.
        known: Vec<String>,
    },
    /// The signing issuer would no longer be accepted.
    #[error(
        "the API server signs with {issuer} now, and would no longer accept it: every running pod has a token of that issuer and would lose access to the API server"
    )]
    Lost {
        /// The issuer.
        issuer: String,
        /// Whether the file has the name of a variable, which stands for an issuer that is not known
        /// here (MicroK8s).
        is_variable: bool,
        /// Whether the distribution holds one issuer, so that it cannot be kept (EKS Anywhere).
        only_one: bool,
    },
    /// Several issuers, where the configuration holds one.
    #[error("{why}, so {} cannot stay accepted beside {issuer}", kept.join(", "))]
    OneIssuer {
        /// What holds one issuer only.
        why: String,
        /// The issuer that signs.
        issuer: String,
        /// The issuers that were to be kept.
        kept: Vec<String>,
        /// What else can be done.
        instead: String,
    },
    /// EKS Anywhere joins the values of two places.
    #[error(
        "apiServerExtraArgs sets {name} to {value}; EKS Anywhere joins it and podIamConfig with a comma, which is one issuer that no token has"
    )]
    ExtraArgs {
        /// The flag.
        name: &'static str,
        /// Its value.
        value: String,
    },
    /// kops publishes an issuer of its own.
    #[error(
        "the cluster has serviceAccountIssuerDiscovery.discoveryStore {store}: kops publishes there, and would write a document for {issuer} in that place"
    )]
    DiscoveryStore {
        /// The store.
        store: String,
        /// The issuer that was asked for.
        issuer: String,
    },
    /// kubeadm sorts the flags.
    #[error(
        "kubeadm {version} sorts the flags of the API server, so {first} would sign instead of {issuer}"
    )]
    Sorted {
        /// The version.
        version: String,
        /// The alphabetically first issuer.
        first: String,
        /// The issuer that was asked for.
        issuer: String,
    },
    /// A version that cannot read what would be written.
    #[error("{what} {version} does not read {needed}: it exists from {since}")]
    TooOld {
        /// The program.
        what: &'static str,
        /// Its version.
        version: String,
        /// What would be written.
        needed: &'static str,
        /// The first version that reads it.
        since: &'static str,
    },
    /// A place outside the file decides.
    #[error("{reason}")]
    Elsewhere {
        /// What decides, and where.
        reason: String,
    },
    /// An issuer that is not valid.
    #[error(transparent)]
    Issuer(#[from] IssuerUrlError),
    /// An issuer to be kept that no token can have.
    #[error("the issuer {issuer:?}, which is to be kept, {reason}")]
    Kept {
        /// The issuer.
        issuer: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An issuer that is both kept and given up.
    #[error("the issuer {issuer} is to be accepted and to be dropped")]
    KeptAndDropped {
        /// The issuer.
        issuer: String,
    },
    /// An issuer that MicroK8s would change.
    #[error("the issuer {issuer} has a $, which MicroK8s reads as the name of a variable")]
    Expanded {
        /// The issuer.
        issuer: String,
    },
    /// A version that cannot be read.
    #[error("{version:?} is not a version of Kubernetes, such as 1.34.2")]
    Version {
        /// As given.
        version: String,
    },
    /// A layout that cannot be changed in place with certainty.
    #[error("the file is laid out in a way that cannot be changed in place")]
    Unsupported,
}

impl From<issuer_yaml::Error> for Error {
    fn from(error: issuer_yaml::Error) -> Self {
        use issuer_yaml::Error as E;
        match error {
            E::Syntax { line, column, reason } => Self::Yaml { line, column, reason },
            E::Duplicate { line, column } => {
                let reason = "the mapping has this name twice".to_owned();
                Self::Yaml { line, column, reason }
            }
            E::NoMapping { line, column } => {
                let reason = "a mapping is needed here".to_owned();
                Self::Layout { line, column, reason }
            }
            _ => Self::Unsupported,
        }
    }
}

impl Diagnostic for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Lost { .. }
            | Self::OneIssuer { .. }
            | Self::ExtraArgs { .. }
            | Self::DiscoveryStore { .. }
            | Self::Sorted { .. }
            | Self::TooOld { .. }
            | Self::Elsewhere { .. } => ErrorKind::Conflict,
            _ => ErrorKind::InvalidInput,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::OneIssuer { instead, .. } => return Some(instead.clone()),
            Self::Issuer(error) => return error.hint(),
            Self::ExtraArgs { .. } => {
                "remove the flag from apiServerExtraArgs and set podIamConfig.serviceAccountIssuer alone"
            }
            Self::DiscoveryStore { .. } => {
                "remove serviceAccountIssuerDiscovery first: what kops publishes there is then no \
                 longer updated, so publish the keys for the old issuer too until it is dropped"
            }
            Self::Sorted { .. } => {
                "use kubeadm 1.32.12, 1.33.8, 1.34.4, 1.35.1 or later, or leave the kept issuer out \
                 and add it with a directory of patches: kube-apiserver+json.yaml with \
                 [{op: add, path: /spec/containers/0/command/-, value: --service-account-issuer=URL}]"
            }
            Self::TooOld { .. } => "upgrade it first, or keep one issuer only",
            Self::OtherKind { distribution: Distribution::Kubeadm, found, .. }
                if found.contains("Pod") =>
            {
                "kubeadm writes the static Pod from its ClusterConfiguration: `kubectl -n kube-system \
                 get configmap kubeadm-config -o jsonpath='{.data.ClusterConfiguration}'`"
            }
            Self::OtherKind { distribution: Distribution::K0s, found, .. }
                if found.starts_with("a Cluster") =>
            {
                "k0sctl has the ClusterConfig in spec.k0s.config: change it there"
            }
            Self::OtherKind { distribution: Distribution::EksAnywhere, found, .. }
                if found.starts_with("a Cluster") =>
            {
                "the Cluster of EKS Anywhere has apiVersion anywhere.eks.amazonaws.com/v1alpha1"
            }
            Self::Unsupported => "add the lines of the fragment, without a file, by hand",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
