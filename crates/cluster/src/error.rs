//! Why a cluster's keys could not be read.

use std::path::PathBuf;

/// What kind of failure it is; the command line has an exit code for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Category {
    /// What was given, or found, is unusable.
    BadInput,
    /// The API server refuses the call.
    NotPermitted,
    /// Anything else.
    Failure,
}

/// Why a cluster's keys could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The kubeconfig cannot be used.
    #[error("the kubeconfig {} cannot be used", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What the library says.
        source: Box<kube::config::KubeconfigError>,
    },
    /// A context that the kubeconfig does not have.
    #[error("the kubeconfig has no context {context:?}; it has {}", if known.is_empty() { "none".to_owned() } else { known.join(", ") })]
    NoContext {
        /// As given.
        context: String,
        /// Those it has.
        known: Vec<String>,
    },
    /// Neither a kubeconfig nor a pod's own account.
    #[error("there is no kubeconfig, and this is no pod with a service account: {reason}")]
    NoConfiguration {
        /// What was looked for.
        reason: String,
    },
    /// The client cannot be made.
    #[error("no connection to {server} can be set up")]
    Client {
        /// The API server.
        server: String,
        /// What the library says.
        source: Box<kube::Error>,
    },
    /// No answer.
    #[error("{server} does not answer")]
    Unreachable {
        /// The API server.
        server: String,
        /// What the network says.
        source: Box<kube::Error>,
    },
    /// No answer in time.
    #[error("{server} does not answer within {limit_secs} s")]
    Timeout {
        /// The API server.
        server: String,
        /// The limit.
        limit_secs: u64,
    },
    /// 401.
    #[error("{server} does not accept the credentials (401): {message}")]
    Unauthorized {
        /// The API server.
        server: String,
        /// What it says.
        message: String,
    },
    /// 403.
    #[error("{server} does not permit {verb} on {resource} (403): {message}")]
    Forbidden {
        /// The API server.
        server: String,
        /// The RBAC verb.
        verb: &'static str,
        /// Resource with its name, and namespace where it has one.
        resource: String,
        /// What it says.
        message: String,
    },
    /// 404.
    #[error("{resource} is not there (404 from {server})")]
    NotFound {
        /// The API server.
        server: String,
        /// Resource with its name, and namespace where it has one.
        resource: String,
    },
    /// Any other status.
    #[error("{server} answers {verb} on {resource} with {status}: {message}")]
    Status {
        /// The API server.
        server: String,
        /// The RBAC verb.
        verb: &'static str,
        /// Resource with its name.
        resource: String,
        /// The HTTP status.
        status: u16,
        /// What it says.
        message: String,
    },
    /// An answer that is not what it should be.
    #[error("the answer for {resource} is {what}")]
    Answer {
        /// Resource with its name.
        resource: String,
        /// What it is instead.
        what: String,
    },
    /// A Secret without `tls.crt`.
    #[error("{secret} has no tls.crt; it has {}", if members.is_empty() { "no data".to_owned() } else { members.join(", ") })]
    NoCertificate {
        /// The Secret.
        secret: String,
        /// Names of what it has.
        members: Vec<String>,
    },
    /// A `tls.crt`, or a served JWK Set, without a usable key.
    #[error("no usable key in {resource}")]
    Keys {
        /// Where the keys were looked for.
        resource: String,
        /// What is wrong with them.
        source: issuer_jwks::Error,
    },
    /// A TokenRequest answered with something else than a token.
    #[error("the fresh token of {account} is no JWT")]
    Token {
        /// The service account.
        account: String,
        /// What is wrong with it.
        source: issuer_jwks::TokenFault,
    },
}

impl Error {
    /// What kind of failure it is.
    pub fn category(&self) -> Category {
        match self {
            Self::Kubeconfig { .. } | Self::NoContext { .. } | Self::NoConfiguration { .. } => {
                Category::BadInput
            }
            Self::NoCertificate { .. } | Self::Keys { .. } => Category::BadInput,
            Self::Unauthorized { .. } | Self::Forbidden { .. } => Category::NotPermitted,
            _ => Category::Failure,
        }
    }

    /// What to do about it, in plain words.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Kubeconfig { .. } | Self::NoConfiguration { .. } => {
                "give --kubeconfig FILE, or set KUBECONFIG".to_owned()
            }
            Self::NoContext { .. } => "give one of them to --context".to_owned(),
            Self::Unauthorized { .. } => "look at the kubeconfig's user; a token or certificate \
                                          may have run out"
                .to_owned(),
            Self::Forbidden { verb, resource, .. } => {
                format!("let this user {verb} {resource}; docs/rbac.md has a Role that is enough")
            }
            Self::NotFound { resource, .. } if resource.starts_with("Secret") => {
                "give the kubeconfig of the management cluster, the cluster's name as in `kubectl \
                 get clusters -A`, and --namespace where it is not eksa-system (plain Cluster API: \
                 the cluster's own); or read the keys with --apiserver"
                    .to_owned()
            }
            Self::NotFound { resource, .. } if resource.starts_with("ServiceAccount") => {
                "name one that exists; `kubectl get serviceaccounts -A` lists them".to_owned()
            }
            Self::NotFound { .. } => {
                "the API server publishes keys only where --service-account-issuer is an https \
                 URL; give --key or --cluster"
                    .to_owned()
            }
            Self::Unreachable { .. } | Self::Timeout { .. } => {
                "look at the server in the kubeconfig, and at VPN, firewall and proxy".to_owned()
            }
            Self::Keys { source, .. } => source.hint()?.to_owned(),
            _ => return None,
        })
    }
}
