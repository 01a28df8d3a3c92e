//! Errors of requests to a cluster.

use std::path::PathBuf;

use issuer_diagnostic::{Diagnostic, ErrorKind};

/// Why a request to a cluster failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The kubeconfig cannot be used.
    #[error("the kubeconfig {} cannot be used", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// The error of the library.
        source: Box<kube::config::KubeconfigError>,
    },
    /// A context that does not exist.
    #[error("the context {context:?} does not exist in the kubeconfig; it has {}", if known.is_empty() { "none".to_owned() } else { known.join(", ") })]
    NoContext {
        /// The context.
        context: String,
        /// The contexts that exist.
        known: Vec<String>,
    },
    /// Neither a kubeconfig nor a pod's service account.
    #[error("no kubeconfig was found, and this is not a pod with a service account: {reason}")]
    NoConfiguration {
        /// What was looked for.
        reason: String,
    },
    /// The client cannot be created.
    #[error("the connection to {server} cannot be set up")]
    Client {
        /// The API server.
        server: String,
        /// The error of the library.
        source: Box<kube::Error>,
    },
    /// No response.
    #[error("{server} does not respond")]
    Unreachable {
        /// The API server.
        server: String,
        /// The network error.
        source: Box<kube::Error>,
    },
    /// No response in time.
    #[error("{server} does not respond within {limit_secs} s")]
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
        /// Its message.
        message: String,
    },
    /// 403.
    #[error("{verb} on {resource} is forbidden (403 from {server}): {message}")]
    Forbidden {
        /// The API server.
        server: String,
        /// The RBAC verb.
        verb: &'static str,
        /// The resource with its name and namespace, if any.
        resource: String,
        /// Its message.
        message: String,
    },
    /// 404.
    #[error("{resource} does not exist (404 from {server})")]
    NotFound {
        /// What kind of object it is.
        object: Object,
        /// The API server.
        server: String,
        /// The resource with its name and namespace, if any.
        resource: String,
    },
    /// Any other status.
    #[error("{verb} on {resource} failed with status {status} from {server}: {message}")]
    Status {
        /// The API server.
        server: String,
        /// The RBAC verb.
        verb: &'static str,
        /// Resource with its name.
        resource: String,
        /// The HTTP status.
        status: u16,
        /// Its message.
        message: String,
    },
    /// An unexpected response.
    #[error("the response for {resource} is {what}")]
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
        /// The names of its data.
        members: Vec<String>,
    },
    /// A `tls.crt`, or a served JWK Set, without a usable key.
    #[error("there is no usable key in {resource}")]
    Keys {
        /// Where the keys were looked for.
        resource: String,
        /// What is wrong with them.
        source: issuer_jwks::Error,
    },
    /// A TokenRequest that returned something other than a token.
    #[error("the new token of {account} is not a valid JWT")]
    Token {
        /// The service account.
        account: String,
        /// What is wrong with it.
        source: issuer_jwks::TokenFault,
    },
}

impl Diagnostic for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Kubeconfig { .. }
            | Self::NoContext { .. }
            | Self::NoConfiguration { .. }
            | Self::NoCertificate { .. }
            | Self::Keys { .. } => ErrorKind::InvalidInput,
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Unauthorized { .. } | Self::Forbidden { .. } => ErrorKind::NotPermitted,
            _ => ErrorKind::Other,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Kubeconfig { .. } | Self::NoConfiguration { .. } => {
                "set KUBECONFIG to a kubeconfig file"
            }
            Self::Unauthorized { .. } => {
                "check the user of the kubeconfig; its token or certificate may have expired"
            }
            Self::Forbidden { verb, resource, .. } => {
                return Some(format!(
                    "let this user {verb} {resource}; https://github.com/issuerctl/issuerctl/blob/main/docs/rbac.md has a Role that is sufficient"
                ));
            }
            Self::NotFound { object: Object::Secret, .. } => {
                "use the kubeconfig of the management cluster, the name of the cluster as in \
                 `kubectl get clusters -A`, and its namespace (EKS Anywhere: eksa-system; plain \
                 Cluster API: the namespace of the cluster)"
            }
            Self::NotFound { object: Object::ServiceAccount, .. } => {
                "use one that exists; `kubectl get serviceaccounts -A` lists them"
            }
            Self::NotFound { object: Object::Endpoint, .. } => {
                "the API server publishes its keys only if --service-account-issuer is an https \
                 URL"
            }
            Self::Unreachable { .. } | Self::Timeout { .. } => {
                "check the server of the kubeconfig, and VPN, firewall and proxy"
            }
            Self::Keys { source, .. } => return source.hint(),
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

/// What kind of object a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Object {
    /// The Secret with a cluster's keys.
    Secret,
    /// A ServiceAccount.
    ServiceAccount,
    /// A path that the API server serves.
    Endpoint,
}
