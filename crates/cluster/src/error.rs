//! Errors of requests to a cluster.

use std::path::{Path, PathBuf};

use issuer_diagnostic::{Diagnostic, ErrorKind, Stray, for_a_shell};
use issuer_trust::{AuthoritiesFault, CertificateFault};

use crate::{Connection, Doubt, PluginFault, ServiceAccountRef};

/// Why a request to a cluster failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The kubeconfig cannot be read.
    #[error("cannot read the kubeconfig {}", path.display())]
    ReadKubeconfig {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The file is not a kubeconfig. Its text, which has credentials, is never repeated.
    #[error(
        "{} is not a valid kubeconfig: line {line}, column {column} is not valid YAML, or has a \
         value of another type",
        path.display()
    )]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: u64,
        /// From 1.
        column: u64,
    },
    /// A character that looks like white space or punctuation, and is none for YAML.
    #[error("{} is not a valid kubeconfig: it has {stray}", path.display())]
    Stray {
        /// The file.
        path: PathBuf,
        /// The character, and its place.
        stray: Stray,
    },
    /// The file is text in an encoding that YAML does not have.
    #[error("{} is not a valid kubeconfig", path.display())]
    Encoding {
        /// The file.
        path: PathBuf,
        /// What it is.
        source: issuer_diagnostic::EncodingFault,
    },
    /// No context is selected.
    #[error("the kubeconfig {} has no current-context; its contexts are {}", path.display(), list(known))]
    NoCurrentContext {
        /// The (first) file.
        path: PathBuf,
        /// The contexts that exist.
        known: Vec<String>,
    },
    /// A context that does not exist.
    #[error(
        "the context {context:?} does not exist in the kubeconfig{}; it has {}",
        path.as_ref().map(|path| format!(" {}", path.display())).unwrap_or_default(),
        list(known)
    )]
    NoContext {
        /// The (first) file, if there is one.
        path: Option<PathBuf>,
        /// The context.
        context: String,
        /// The contexts that exist.
        known: Vec<String>,
    },
    /// Neither a kubeconfig nor a pod's service account.
    #[error("no kubeconfig was found (KUBECONFIG, ~/.kube/config), and this does not run in a pod")]
    NoConfiguration,
    /// A user or a cluster that does not exist.
    #[error("the {kind} {name:?} of {context} does not exist; its {kind}s are {}", list(known))]
    NoEntry {
        /// `context "prod" in the kubeconfig /home/a/.kube/config`.
        context: String,
        /// `user` or `cluster`.
        kind: &'static str,
        /// The name.
        name: String,
        /// Those that exist.
        known: Vec<String>,
        /// The command for kubectl that corrects it.
        command: Box<str>,
    },
    /// An entry of the kubeconfig that cannot be used.
    #[error("{entry} cannot be used: {reason}")]
    Entry {
        /// `cluster "prod" in the kubeconfig /home/a/.kube/config`.
        entry: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file that the kubeconfig names cannot be read.
    #[error("cannot read {}, the {field} of {entry}", path.display())]
    File {
        /// `user "admin"`.
        entry: String,
        /// The field.
        field: String,
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// Credentials that only an auth-provider has, which client-go no longer has either.
    #[error("{user} has the auth-provider {provider:?}, which is not supported")]
    AuthProvider {
        /// `user "admin"`.
        user: String,
        /// Its name.
        provider: String,
    },
    /// An exec plugin with an apiVersion that client-go does not accept either.
    #[error("the exec plugin of {user} cannot be used: {reason}")]
    PluginVersion {
        /// `user "admin" in the kubeconfig /home/a/.kube/config`.
        user: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An exec plugin that gives no credentials.
    #[error("the exec plugin {command:?} of {user} gives no credentials: {fault}")]
    Plugin {
        /// The program.
        command: String,
        /// `user "admin"`.
        user: String,
        /// What is wrong.
        fault: Box<PluginFault>,
        /// The cluster.
        connection: Box<Connection>,
        /// The kubeconfig's text about its installation.
        install_hint: Option<String>,
    },
    /// A proxy that cannot be used.
    #[error("the proxy of the API server cannot be used")]
    ProxySetting(#[from] issuer_proxy::Error),
    /// The proxy gives no connection.
    #[error("the proxy {proxy} gives no connection to {server}: {reason}")]
    Proxy {
        /// Its URL, and the variable or field that names it.
        proxy: String,
        /// The API server.
        server: String,
        /// The network error.
        reason: String,
    },
    /// Certificates of the API server's authority that cannot be used.
    #[error("{place} cannot be used")]
    Authority {
        /// `the certificate-authority-data of cluster "prod" in the kubeconfig /home/a/.kube/config`.
        place: String,
        /// What is wrong with them.
        source: AuthoritiesFault,
    },
    /// The certificate of the API server is not accepted.
    #[error("no secure connection to {server}: {fault}")]
    Certificate {
        /// The API server.
        server: String,
        /// What is wrong with it.
        fault: CertificateFault,
    },
    /// No TLS connection.
    #[error("no secure connection to {server}: {reason}")]
    Tls {
        /// The API server.
        server: String,
        /// What is wrong.
        reason: String,
    },
    /// No response.
    #[error("{server} does not respond: {reason}")]
    Unreachable {
        /// The API server.
        server: String,
        /// The network error.
        reason: String,
    },
    /// No response in time.
    #[error("{server} does not respond within {limit_secs} s ({verb} on {resource})")]
    Timeout {
        /// The API server, and the proxy, if any.
        server: String,
        /// The RBAC verb.
        verb: &'static str,
        /// The resource with its name and namespace, if any.
        resource: String,
        /// The limit.
        limit_secs: u64,
    },
    /// 429, 503 or 504, again and again.
    #[error(
        "{server} is busy: it answered {verb} on {resource} with {} {}{}: {message}",
        status_text(*status),
        times(*attempts),
        after(*retry_after_secs)
    )]
    Busy {
        /// The API server.
        server: String,
        /// The RBAC verb.
        verb: &'static str,
        /// The resource with its name and namespace, if any.
        resource: String,
        /// The HTTP status.
        status: u16,
        /// How many requests were sent.
        attempts: u32,
        /// `Retry-After` of the last response.
        retry_after_secs: Option<u32>,
        /// Its message.
        message: String,
    },
    /// 401.
    #[error("{server} does not accept the credentials (401): {message}{}", because(doubt))]
    Unauthorized {
        /// The API server.
        server: String,
        /// Its message.
        message: String,
        /// What is known of the credentials.
        doubt: Option<Box<Doubt>>,
    },
    /// A page of a web server.
    #[error(
        "{server} answered {verb} on {resource} with {status} and an HTML page, so something other than the API server has responded"
    )]
    Page {
        /// The API server.
        server: String,
        /// The RBAC verb.
        verb: &'static str,
        /// The resource with its name and namespace, if any.
        resource: String,
        /// The HTTP status.
        status: u16,
    },
    /// 403.
    #[error("{verb} on {resource} is forbidden (403 from {server}): {message}{}", because(doubt))]
    Forbidden {
        /// The API server.
        server: String,
        /// The RBAC verb.
        verb: &'static str,
        /// The resource with its name and namespace, if any.
        resource: String,
        /// Its message.
        message: String,
        /// What is known of the credentials.
        doubt: Option<Box<Doubt>>,
    },
    /// 403 of a namespace that accepts no new objects any more.
    #[error(
        "the namespace {namespace} is being deleted: {verb} on {resource} is refused (403 from {server})"
    )]
    Terminating {
        /// The namespace.
        namespace: String,
        /// The API server.
        server: String,
        /// The RBAC verb.
        verb: &'static str,
        /// The resource with its name and namespace, if any.
        resource: String,
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
        /// The service account that it is, or belongs to.
        account: Option<ServiceAccountRef>,
        /// The cluster.
        connection: Box<Connection>,
    },
    /// 409: the object changed, or another field manager owns a field.
    #[error("{verb} on {resource} conflicts with its present state (409 from {server}): {message}")]
    Conflict {
        /// The API server.
        server: String,
        /// The RBAC verb.
        verb: &'static str,
        /// The resource with its name and namespace, if any.
        resource: String,
        /// Its message.
        message: String,
    },
    /// 3xx, which no API server sends for these paths.
    #[error("{server} redirects {verb} on {resource} to {to} ({status})")]
    Redirect {
        /// The API server.
        server: String,
        /// The RBAC verb.
        verb: &'static str,
        /// Resource with its name.
        resource: String,
        /// The HTTP status.
        status: u16,
        /// Scheme and host: the rest of the URL can have a token in it.
        to: String,
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
            Self::ReadKubeconfig { .. }
            | Self::Kubeconfig { .. }
            | Self::Encoding { .. }
            | Self::NoCurrentContext { .. }
            | Self::NoContext { .. }
            | Self::NoConfiguration
            | Self::Entry { .. }
            | Self::NoEntry { .. }
            | Self::PluginVersion { .. }
            | Self::Stray { .. }
            | Self::File { .. }
            | Self::AuthProvider { .. }
            | Self::Authority { .. }
            | Self::ProxySetting(_)
            | Self::NoCertificate { .. }
            | Self::Keys { .. } => ErrorKind::InvalidInput,
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Conflict { .. } | Self::Terminating { .. } => ErrorKind::Conflict,
            Self::Unauthorized { .. } | Self::Forbidden { .. } => ErrorKind::NotPermitted,
            _ => ErrorKind::Other,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoConfiguration => {
                "set KUBECONFIG to a kubeconfig file: kubeadm has one in /etc/kubernetes/admin.conf of \
                 its control plane nodes, k3s in /etc/rancher/k3s/k3s.yaml, and `kubectl config view` \
                 shows which one kubectl uses"
            }
            Self::Kubeconfig { path, .. } => {
                let kubectl = of_file(path).kubectl();
                return Some(format!("`{kubectl} config view` reports what is wrong in that line"));
            }
            Self::Stray { .. } => {
                "type this character anew: it looks like a space or a quotation mark, and is none \
                 for YAML"
            }
            Self::NoEntry { command, .. } => {
                return Some(format!("correct the context (`{command}`), or use another"));
            }
            Self::NoCurrentContext { path, known } => {
                let name = match known.as_slice() {
                    [name] => for_a_shell(name),
                    _ => "NAME".to_owned(),
                };
                let kubectl = of_file(path).kubectl();
                return Some(format!("`{kubectl} config use-context {name}` sets it"));
            }
            Self::PluginVersion { .. } => {
                "set apiVersion: client.authentication.k8s.io/v1 (or v1beta1), whichever the plugin \
                 prints; kubectl refuses this one too"
            }
            Self::AuthProvider { .. } => {
                "use an exec plugin instead, such as kubelogin or gke-gcloud-auth-plugin"
            }
            Self::Plugin { install_hint, fault, .. } if **fault == PluginFault::NotInstalled => {
                let unknown =
                    "install it, or use a kubeconfig with a token or a client certificate";
                return Some(install_hint.as_deref().unwrap_or(unknown).to_owned());
            }
            Self::Plugin { fault, .. } if matches!(**fault, PluginFault::OtherVersion { .. }) => {
                "set the apiVersion of the plugin in the kubeconfig to the one that it prints, or \
                 update the plugin"
            }
            Self::Plugin { connection, .. } => {
                return Some(connection.in_commands(
                    "run the plugin in a terminal (`kubectl get --raw /version` does), and log in \
                     again if it asks for it",
                ));
            }
            Self::ProxySetting(error) => return error.hint(),
            Self::Page { .. } => {
                "a proxy, a login page or another web server answers at this address: check server and \
                 proxy-url of the kubeconfig, and HTTPS_PROXY"
            }
            Self::Proxy { proxy, .. } if proxy.contains("proxy-url") => {
                "check the proxy, or remove proxy-url from the kubeconfig if the server can be reached \
                 without one (NO_PROXY does not apply to it)"
            }
            Self::Proxy { .. } => {
                "check the proxy; NO_PROXY names hosts that are reached without one"
            }
            Self::Authority { source, .. } => return source.hint(),
            Self::Certificate { fault, .. } => match fault {
                CertificateFault::Expired { .. } => {
                    "renew the certificate of the API server and restart it (kubeadm certs renew \
                     apiserver), or correct the clock of this machine"
                }
                CertificateFault::NotYetValid { .. } => {
                    "correct the clock of this machine, or issue the certificate of the API server \
                     anew"
                }
                CertificateFault::WrongName { .. } => {
                    "set the server of the kubeconfig, or its tls-server-name, to a name that the \
                     certificate has"
                }
                CertificateFault::Untrusted(_) => {
                    "set certificate-authority-data of the kubeconfig to the CA of this API server; \
                     a wrong server, and a proxy that decrypts TLS, have the same effect"
                }
                _ => "issue the certificate of the API server anew, as one for servers",
            },
            Self::Terminating { namespace, .. } => {
                return Some(format!("run again when the namespace {namespace} is gone"));
            }
            Self::Busy { .. } => {
                "try again later; the API server, or what is in front of it, limits requests"
            }
            Self::Unauthorized { doubt: Some(doubt), .. } => return Some(doubt.hint()),
            Self::Forbidden { doubt: Some(doubt), .. }
                if matches!(**doubt, Doubt::NoCredentials { .. }) =>
            {
                return Some(doubt.hint());
            }
            Self::Forbidden { message, .. } if message.contains("system:anonymous") => {
                "the server took the request for an anonymous one: it does not know the credentials \
                 of this user"
            }
            Self::Unauthorized { .. } => {
                "check the user of the kubeconfig; its token or certificate may have expired"
            }
            Self::Forbidden { verb, resource, .. } => {
                return Some(format!(
                    "let this user {verb} {resource}; https://github.com/issuerctl/issuerctl/blob/main/docs/rbac.md has a Role that is sufficient"
                ));
            }
            Self::NotFound { object: Object::Secret, connection, .. } => {
                return Some(connection.in_commands(
                    "use the kubeconfig of the management cluster, the name of the cluster as in \
                     `kubectl get clusters -A`, and its namespace (EKS Anywhere: eksa-system; plain \
                     Cluster API: the namespace of the cluster)",
                ));
            }
            Self::NotFound {
                object: Object::ServiceAccount,
                account: Some(account),
                connection,
                ..
            } => {
                let (kubectl, namespace) = (connection.kubectl(), account.namespace());
                return Some(format!(
                    "create it in the cluster whose pods use it: `{kubectl} create serviceaccount \
                     {} --namespace {namespace}`; `{kubectl} get serviceaccounts -A` lists those \
                     that exist",
                    account.name()
                ));
            }
            Self::NotFound { object: Object::ControlPlane, .. } => {
                "kubeadm's ConfigMap is in the cluster itself; the objects of EKS Anywhere and \
                 Cluster API are on the management cluster, in the namespace of the cluster"
            }
            Self::NotFound { object: Object::Endpoint, .. } => {
                "the API server publishes its keys only if --service-account-issuer is an https \
                 URL"
            }
            Self::Redirect { .. } => {
                "an API server does not redirect: a login page, a proxy or a web console answers \
                 there. Set the server of the kubeconfig to the API server itself (often \
                 https://HOST:6443), or log in to the proxy with its own tool"
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

fn of_file(path: &Path) -> Connection {
    Connection { kubeconfig: Some(path.to_owned()), context: None }
}

fn because(doubt: &Option<Box<Doubt>>) -> String {
    doubt.as_ref().map(|doubt| format!("; {doubt}")).unwrap_or_default()
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
    /// An object with the configuration of an API server.
    ControlPlane,
    /// Anything else.
    Other,
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn status_text(status: u16) -> String {
    let reason = http::StatusCode::from_u16(status).ok().and_then(|code| code.canonical_reason());
    format!("{status} {}", reason.unwrap_or_default()).trim_end().to_owned()
}

fn times(attempts: u32) -> String {
    if attempts == 1 { "once".to_owned() } else { format!("{attempts} times") }
}

fn after(seconds: Option<u32>) -> String {
    seconds.map(|seconds| format!(" (Retry-After: {seconds} s)")).unwrap_or_default()
}
