//! Where the configuration of a connection comes from: kubeconfig files, or the pod that this runs
//! in.

use std::path::{Path, PathBuf};

use base64ct::{Base64, Encoding};
use issuer_diagnostic::{Stray, deceptive_in, for_a_shell};
use issuer_jwks::MAX_INPUT_BYTES;
use issuer_proxy::{Proxy, Settings};
use issuer_trust::Authorities;
use serde_json::{Value, json};
use url::Url;
use zeroize::Zeroizing;

use crate::kubeconfig::{
    Kubeconfig, ParseFault, Place, SelectFault, Selection, Server, User, parse, stray_in,
    stray_in_structure,
};
use crate::tls::Trust;
use crate::{Connection, Error};

/// Files of a pod (client-go `rest.InClusterConfig`).
const POD_FOLDER: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// How an API server is reached, and by whom.
pub(crate) struct Configuration {
    pub(crate) server: Url,
    /// The context of the kubeconfig.
    pub(crate) context: Option<String>,
    pub(crate) server_name: Option<String>,
    pub(crate) proxy: Option<Proxy>,
    pub(crate) user: User,
    /// For messages: `user "admin" in the kubeconfig /home/a/.kube/config`.
    pub(crate) user_name: String,
    /// The command for kubectl that gives the user credentials.
    pub(crate) log_in: String,
    server_entry: Server,
    /// For messages, as `user_name`.
    cluster: String,
    /// A character in the kubeconfig that looks like another, for the case that something is missing.
    pub(crate) stray: Option<String>,
    pub(crate) connection: Connection,
}

impl Configuration {
    /// Reads the kubeconfig, or the service account of the pod.
    pub(crate) fn load(connection: &Connection) -> Result<Self, Error> {
        Self::load_with(connection, None)
    }

    /// The same for one server of several.
    pub(crate) fn load_for(connection: &Connection, server: &str) -> Result<Self, Error> {
        Self::load_with(connection, Some(server))
    }

    fn load_with(connection: &Connection, server: Option<&str>) -> Result<Self, Error> {
        let files = match &connection.kubeconfig {
            Some(path) => vec![path.clone()],
            None => default_files(),
        };
        let Some(path) = files.first().cloned() else {
            return match &connection.context {
                // The service account of a pod belongs to its own cluster, not to a context.
                Some(context) => Err(Error::NoContext {
                    path: None,
                    context: context.clone(),
                    known: Vec::new(),
                }),
                None => {
                    let mut of_pod = Self::of_pod(|name| std::env::var(name).ok())?;
                    if let Some(server) = server {
                        of_pod.server = server_url(&of_pod.cluster, Some(server))?;
                    }
                    Ok(of_pod)
                }
            };
        };
        let (mut whole, mut stray) = (Kubeconfig::default(), None);
        for file in files {
            let (kubeconfig, found) = read_file(&file)?;
            whole = whole.merge(kubeconfig);
            stray = stray.or(found.map(|found| format!("{} has {found}", file.display())));
        }
        let mut selection =
            whole.select(connection.context.as_deref()).map_err(|fault| match fault {
                SelectFault::Current { known } => {
                    Error::NoCurrentContext { path: path.clone(), known }
                }
                SelectFault::Context { context, known } => {
                    Error::NoContext { path: Some(path.clone()), context, known }
                }
                SelectFault::NoCluster { context } => Error::Entry {
                    entry: named("context", &context),
                    reason: "it has no cluster".to_owned(),
                },
                SelectFault::Cluster { context, cluster, known } => Error::NoEntry {
                    command: set_context(&context, "cluster", &known).into(),
                    context: named("context", &context),
                    kind: "cluster",
                    name: cluster,
                    known,
                },
                SelectFault::User { context, user, known } => Error::NoEntry {
                    command: set_context(&context, "user", &known).into(),
                    context: named("context", &context),
                    kind: "user",
                    name: user,
                    known,
                },
            })?;
        if let Some(server) = server {
            selection.server.server = Some(server.to_owned());
            selection.server.tls_server_name = None;
        }
        Self::of_kubeconfig(selection, stray, connection)
    }

    fn of_kubeconfig(
        selection: Selection,
        stray: Option<String>,
        connection: &Connection,
    ) -> Result<Self, Error> {
        let Selection { context, cluster, server: entry, user } = selection;
        let cluster = named("cluster", &cluster);
        let server = server_url(&cluster, entry.server.as_deref())?;
        let proxy = match entry.proxy_url.as_deref().filter(|url| !url.trim().is_empty()) {
            // As in client-go, NO_PROXY does not apply to it.
            Some(url) => Some(Proxy::parse("proxy-url of the kubeconfig", url)?),
            None => Settings::from_env().without_all_proxy().proxy_for(&server)?,
        };
        let (user_name, log_in, user) = match user {
            Some((place, user)) => {
                let log_in = config(&place, "set-credentials", "--token TOKEN");
                (named("user", &place), log_in, user)
            }
            None => {
                let log_in = set_context(&context, "user", &[]);
                (named("context", &context), log_in, User::default())
            }
        };
        Ok(Self {
            server,
            context: Some(context.name),
            server_name: entry.tls_server_name.clone().filter(|name| !name.is_empty()),
            proxy,
            user,
            user_name,
            log_in,
            server_entry: entry,
            cluster,
            stray,
            connection: connection.clone(),
        })
    }

    /// The service account of this pod. Proxies are for servers outside of the cluster.
    fn of_pod(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let set = |name: &str| {
            variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
        };
        let (Some(host), Some(port)) =
            (set("KUBERNETES_SERVICE_HOST"), set("KUBERNETES_SERVICE_PORT"))
        else {
            return Err(Error::NoConfiguration);
        };
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        let server =
            Url::parse(&format!("https://{host}:{port}")).map_err(|error| Error::Entry {
                entry: "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT".to_owned(),
                reason: error.to_string(),
            })?;
        let file = |name: &str| Some(format!("{POD_FOLDER}/{name}"));
        Ok(Self {
            server,
            context: None,
            server_name: None,
            proxy: None,
            user: User { token_file: file("token"), ..User::default() },
            user_name: "the service account of the pod".to_owned(),
            log_in: String::new(),
            server_entry: Server { certificate_authority: file("ca.crt"), ..Server::default() },
            cluster: "the cluster of the pod".to_owned(),
            stray: None,
            connection: Connection::default(),
        })
    }

    /// Whom the connection trusts.
    pub(crate) fn trust(&self) -> Result<Trust, Error> {
        let entry = &self.server_entry;
        if entry.insecure_skip_tls_verify {
            return Ok(Trust::Any);
        }
        let (data, path) = (
            entry.certificate_authority_data.as_deref(),
            entry.certificate_authority.as_deref().filter(|path| !path.is_empty()),
        );
        let Some(bytes) = self.pem(&self.cluster, "certificate-authority", data, path)? else {
            return Ok(Trust::System);
        };
        let authorities = Authorities::parse_usable(&bytes).map_err(|source| {
            let in_data = data.is_some_and(|data| !data.trim().is_empty());
            let place = match path.filter(|_| !in_data) {
                Some(path) => format!("{path}, the certificate-authority of {},", self.cluster),
                None => format!("the certificate-authority-data of {}", self.cluster),
            };
            Error::Authority { place, source }
        })?;
        Ok(Trust::Authorities(authorities))
    }

    /// A PEM text that is in the kubeconfig in base64, or in a file.
    pub(crate) fn pem(
        &self,
        entry: &str,
        field: &str,
        data: Option<&str>,
        path: Option<&str>,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
        if let Some(data) = data.filter(|data| !data.trim().is_empty()) {
            let compact: Zeroizing<String> = Zeroizing::new(data.split_whitespace().collect());
            return Base64::decode_vec(&compact).map(|pem| Some(Zeroizing::new(pem))).map_err(
                |_| {
                    let reason = match compact.starts_with("-----BEGIN") {
                        true => format!(
                            "{field}-data is PEM text; it must be the base64 of that, or {field} \
                             the name of the file"
                        ),
                        false => format!("{field}-data is not valid base64"),
                    };
                    Error::Entry { entry: entry.to_owned(), reason }
                },
            );
        }
        path.filter(|path| !path.is_empty())
            .map(|path| read(entry, field, Path::new(path)))
            .transpose()
    }

    /// For messages: `cluster "prod" in the kubeconfig /home/a/.kube/config`.
    pub(crate) fn entry(&self) -> &str {
        &self.cluster
    }

    /// `spec.cluster` of an ExecCredential (client.authentication.k8s.io/v1 `Cluster`).
    pub(crate) fn for_plugin(&self) -> Result<Value, Error> {
        let mut cluster = json!({"server": self.server.as_str()});
        if let Some(name) = &self.server_name {
            cluster["tls-server-name"] = json!(name);
        }
        match self.trust()? {
            Trust::Any => cluster["insecure-skip-tls-verify"] = json!(true),
            Trust::Authorities(authorities) => {
                let pem = authorities.to_pem();
                cluster["certificate-authority-data"] =
                    json!(Base64::encode_string(pem.as_bytes()));
            }
            Trust::System => {}
        }
        if let Some(url) = &self.server_entry.proxy_url {
            cluster["proxy-url"] = json!(url);
        }
        Ok(cluster)
    }
}

/// Reads a file that an entry names, up to 1 MiB.
pub(crate) fn read(entry: &str, field: &str, path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    bytes(path).map_err(|source| Error::File {
        entry: entry.to_owned(),
        field: field.to_owned(),
        path: path.to_owned(),
        source,
    })
}

fn bytes(path: &Path) -> std::io::Result<Zeroizing<Vec<u8>>> {
    use std::io::Read;
    let mut bytes = Zeroizing::new(Vec::new());
    std::fs::File::open(path)?.take(MAX_INPUT_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_INPUT_BYTES {
        return Err(std::io::Error::new(
            std::io::ErrorKind::FileTooLarge,
            "it is larger than 1 MiB",
        ));
    }
    Ok(bytes)
}

/// The command for kubectl that sets the cluster or the user of a context, to the one that there is.
fn set_context(context: &Place, kind: &str, known: &[String]) -> String {
    let name = match known {
        [name] => for_a_shell(name),
        _ => "NAME".to_owned(),
    };
    config(context, "set-context", &format!("--{kind} {name}"))
}

/// `kubectl --kubeconfig FILE config VERB NAME …` for an entry of a kubeconfig.
fn config(Place { file, name }: &Place, verb: &str, options: &str) -> String {
    let connection = Connection { kubeconfig: Some(file.clone()), context: None };
    format!("{} config {verb} {} {options}", connection.kubectl(), for_a_shell(name))
}

/// For messages: `user "admin" in the kubeconfig /home/a/.kube/config`.
fn named(kind: &str, Place { file, name }: &Place) -> String {
    format!("{kind} {name:?} in the kubeconfig {}", file.display())
}

/// The kubeconfig, and a character in it that looks like another.
fn read_file(path: &Path) -> Result<(Kubeconfig, Option<Stray>), Error> {
    let bytes =
        bytes(path).map_err(|source| Error::ReadKubeconfig { path: path.to_owned(), source })?;
    let text = issuer_diagnostic::decode(&bytes)
        .map_err(|source| Error::Encoding { path: path.to_owned(), source })?;
    if let Some(stray) = stray_in_structure(&text.text) {
        return Err(Error::Stray { path: path.to_owned(), stray });
    }
    let stray = stray_in(&text.text);
    let mut kubeconfig = parse(&text.text).map_err(|ParseFault { line, column }| match stray {
        Some(stray) if stray.line as u64 <= line => Error::Stray { path: path.to_owned(), stray },
        _ => Error::Kubeconfig { path: path.to_owned(), line, column },
    })?;
    kubeconfig.of_file(path);
    Ok((kubeconfig, stray))
}

/// The files of `KUBECONFIG` that exist (all of them if none does: then the first is the error), or
/// `~/.kube/config`.
fn default_files() -> Vec<PathBuf> {
    if let Some(value) = std::env::var_os("KUBECONFIG").filter(|value| !value.is_empty()) {
        let named: Vec<PathBuf> =
            std::env::split_paths(&value).filter(|path| !path.as_os_str().is_empty()).collect();
        let there: Vec<PathBuf> = named.iter().filter(|path| path.exists()).cloned().collect();
        return if there.is_empty() { named } else { there };
    }
    let home = std::env::home_dir().map(|home| home.join(".kube/config"));
    home.filter(|path| path.exists()).into_iter().collect()
}

/// The URL of an API server. It may have a user and a password, so no message repeats it before it
/// is parsed.
fn server_url(cluster: &str, server: Option<&str>) -> Result<Url, Error> {
    let refuse = |reason: String| Error::Entry { entry: cluster.to_owned(), reason };
    let text = server.map(str::trim).filter(|text| !text.is_empty());
    let text = text.ok_or_else(|| refuse("it has no server".to_owned()))?;
    let no_scheme = || refuse("its server has no scheme; it must begin with https://".to_owned());
    if let Some(stray) = deceptive_in(text).next() {
        return Err(refuse(format!("its server has {}", stray.what)));
    }
    if !text.contains("://") {
        return Err(no_scheme());
    }
    if text.matches("://").count() > 1 {
        return Err(refuse("its server has a scheme twice".to_owned()));
    }
    if let Some(sign) = text.chars().find(|sign| "${}<>".contains(*sign)) {
        let reason =
            format!("its server has the character {sign}: a placeholder was not filled in");
        return Err(refuse(reason));
    }
    let url = Url::parse(text)
        .map_err(|error| refuse(format!("its server is not a valid URL: {error}")))?;
    match (url.scheme(), url.host_str()) {
        ("https" | "http", Some(_)) => Ok(url),
        _ => Err(refuse("its server is not an https:// URL".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refusal(server: &str) -> String {
        server_url("k", Some(server)).unwrap_err().to_string()
    }

    #[test]
    fn a_scheme_twice_and_a_placeholder_are_no_host() {
        assert!(refusal("https://https://10.0.0.1:6443").contains("a scheme twice"));
        assert!(refusal("https://$IP:6443").contains("placeholder"));
        assert!(refusal("https://<control-plane>:6443").contains("placeholder"));
    }

    #[test]
    fn a_server_without_a_scheme_is_told_so_and_never_repeated() {
        for server in [
            "127.0.0.1",
            "10.0.0.1:6443",
            "k8s.example.com",
            "user:hidden@k8s:6443",
            "localhost:6443",
            "//k8s",
        ] {
            let text = refusal(server);
            assert!(text.contains("https://") && !text.contains("hidden"), "{text}");
        }
        for (server, says) in [
            ("", "no server"),
            ("  ", "no server"),
            ("https://", "empty host"),
            ("https://k8s:port", "invalid port"),
            ("https://user:hidden@k8s:99999", "invalid port"),
            ("ftp://hidden", "not an https:// URL"),
            ("https:///k8s:6443/x y", ""),
        ] {
            let Err(error) = server_url("k", Some(server)) else { continue };
            let text = error.to_string();
            assert!(
                text.contains(says)
                    && text.starts_with("k cannot be used")
                    && !text.contains("hidden"),
                "{text}"
            );
        }
        assert!(server_url("k", None).is_err());
        assert_eq!(
            server_url("k", Some(" https://k8s:6443\n")).unwrap().as_str(),
            "https://k8s:6443/"
        );
    }

    #[test]
    fn a_pod_needs_both_variables_and_may_have_an_ipv6_address() {
        let pod = |host: &str, port: &str| {
            let (host, port) = (host.to_owned(), port.to_owned());
            Configuration::of_pod(move |name| {
                Some(if name.ends_with("HOST") { host.clone() } else { port.clone() })
            })
        };
        let server = |host, port| pod(host, port).map(|found| found.server.to_string()).ok();
        assert_eq!(server("10.0.0.1", "443").as_deref(), Some("https://10.0.0.1/"));
        assert_eq!(server("fd00::1", "6443\n").as_deref(), Some("https://[fd00::1]:6443/"));
        assert!(matches!(pod("", "443"), Err(Error::NoConfiguration)));
        assert!(matches!(pod("10.0.0.1", "x"), Err(Error::Entry { .. })));
    }

    proptest! {
        #[test]
        fn no_server_panics(server in ".*", tail in "[!-~\\n\\t ]{0,30}") {
            let _ = server_url("k", Some(&server));
            let _ = server_url("k", Some(&format!("https://{tail}")));
        }
    }
}
