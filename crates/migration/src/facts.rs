//! What was read before the steps are judged.

use issuer_diagnostic::Check;

/// Something that was read, or the reason why it was not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known<T> {
    /// It was read.
    Seen(T),
    /// It was not; why.
    Unknown(String),
}

/// Everything that the steps are judged by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The first failed check of the new issuer's documents, with the keys of the API server if
    /// they are known.
    pub documents: Known<Option<Check>>,
    /// Whether a discovery document is still published for the old issuer.
    pub old_documents: Known<bool>,
    /// The two providers in IAM.
    pub providers: Known<Providers>,
    /// The roles that trust one of the two issuers, or will.
    pub roles: Known<Vec<TrustedRole>>,
    /// The API servers and the pods.
    pub cluster: Known<Cluster>,
    /// The current time, in seconds since 1970.
    pub now_secs: u64,
}

/// The audiences (client IDs) of the two OIDC providers; `None` if one does not exist.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Providers {
    /// Those of the old issuer's provider.
    pub old: Option<Vec<String>>,
    /// Those of the new issuer's provider.
    pub new: Option<Vec<String>>,
}

/// A role, and which subjects of the two issuers may assume it: service accounts as
/// `NAMESPACE/NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrustedRole {
    /// Its name.
    pub name: String,
    /// Subjects of the old issuer.
    pub old: Vec<String>,
    /// Subjects of the new issuer.
    pub new: Vec<String>,
    /// Subjects that a file requests for the new issuer.
    pub requested: Vec<String>,
    /// Whether issuerctl wrote the statement of the old issuer.
    pub is_ours: bool,
}

/// What a cluster says of its API servers and pods.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cluster {
    /// The issuer in the API server's own discovery document: the one that signs there.
    pub signing: String,
    /// The static pods of its API servers; empty where they are not pods (k3s, k0s, MicroK8s).
    pub servers: Vec<ApiServer>,
    /// Pods with a token for AWS.
    pub pods: Vec<TokenPod>,
}

/// One API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiServer {
    /// The name of its pod.
    pub name: String,
    /// Its `--service-account-issuer` flags, in order: the first signs, all are accepted.
    pub issuers: Vec<String>,
    /// When it was started, in seconds since 1970.
    pub started_secs: Option<u64>,
}

/// A pod that holds a token for AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenPod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// When it was created, in seconds since 1970.
    pub created_secs: u64,
}

impl Facts {
    /// Nothing was read, for this reason.
    #[must_use]
    pub fn unknown(reason: &str) -> Self {
        let reason = || reason.to_owned();
        Self {
            documents: Known::Unknown(reason()),
            old_documents: Known::Unknown(reason()),
            providers: Known::Unknown(reason()),
            roles: Known::Unknown(reason()),
            cluster: Known::Unknown(reason()),
            now_secs: 0,
        }
    }
}
