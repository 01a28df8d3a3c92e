//! Requests to an API server.

use std::path::PathBuf;
use std::time::Duration;

use base64ct::{Base64, Encoding};
use http::{Method, Request, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use issuer_jwks::{JwkSet, MAX_INPUT_BYTES, Reading, Token, WeakKeys};
use kube::Client;
use kube::client::Body;
use kube::config::{Config, ExecInteractiveMode, KubeConfigOptions, Kubeconfig, KubeconfigError};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::secret::Secret;
use crate::{ClusterName, Error, Namespace, Object, ServiceAccountRef};

const CONNECT_LIMIT: Duration = Duration::from_secs(10);
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// How to connect to a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Connection {
    /// A kubeconfig file; by default `KUBECONFIG`, `~/.kube/config`, or the pod's service account.
    pub kubeconfig: Option<PathBuf>,
    /// A context of the kubeconfig; by default the current one.
    pub context: Option<String>,
}

/// A connection to an API server.
pub struct Cluster {
    client: Client,
    server: String,
}

/// What an API server publishes about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// `/openid/v1/jwks`.
    pub keys: JwkSet,
    /// `issuer` in its discovery document.
    pub issuer: String,
    /// `jwks_uri` in its discovery document.
    pub jwks_uri: String,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Cluster {
    /// Reads the configuration; no request is sent yet.
    ///
    /// # Errors
    /// [`Error::Kubeconfig`], [`Error::NoContext`], [`Error::NoConfiguration`], [`Error::Client`].
    pub async fn connect(connection: &Connection) -> Result<Self, Error> {
        let mut config = configuration(connection).await?;
        config.connect_timeout = Some(CONNECT_LIMIT);
        config.read_timeout = Some(ANSWER_LIMIT);
        let server = config.cluster_url.to_string();
        let client = Client::try_from(config)
            .map_err(|error| Error::Client { server: server.clone(), source: Box::new(error) })?;
        Ok(Self { client, server })
    }

    /// The public keys in Secret `<cluster>-sa` (Cluster API `util/secret`): every PEM block of its
    /// `tls.crt`.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::NoCertificate`], [`Error::Keys`], and
    /// failures of the connection.
    pub async fn secret_keys(
        &self,
        cluster: &ClusterName,
        namespace: &Namespace,
        weak: WeakKeys,
    ) -> Result<Reading, Error> {
        let resource = format!("Secret {cluster}-sa in namespace {namespace}");
        let path = format!("/api/v1/namespaces/{namespace}/secrets/{cluster}-sa");
        let body = self.ask(Method::GET, &path, "get", (Object::Secret, &resource), None).await?;
        let secret: Secret = parse(&body, &resource)?;
        let Some(encoded) = secret.data.tls_crt else {
            return Err(Error::NoCertificate { secret: resource, members: secret.data.members });
        };
        let pem = Base64::decode_vec(&encoded).map_err(|_| Error::Answer {
            resource: resource.clone(),
            what: "not valid base64 in tls.crt".to_owned(),
        })?;
        // It may be a private key, stored there by mistake, so it must not stay in memory.
        let pem = Zeroizing::new(pem);
        let place = format!("tls.crt of {resource}");
        issuer_jwks::read(&pem, weak).map_err(|source| Error::Keys { resource: place, source })
    }

    /// What the server publishes; both documents are requested concurrently.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Keys`], and failures of the connection.
    pub async fn served(&self, weak: WeakKeys) -> Result<Served, Error> {
        #[derive(Deserialize)]
        struct Document {
            issuer: String,
            jwks_uri: String,
        }
        let (keys_path, document_path) = ("/openid/v1/jwks", "/.well-known/openid-configuration");
        let (keys, document) = tokio::join!(
            self.ask(Method::GET, keys_path, "get", (Object::Endpoint, keys_path), None),
            self.ask(Method::GET, document_path, "get", (Object::Endpoint, document_path), None),
        );
        let keys = JwkSet::parse(&keys?, weak).and_then(|set| {
            if set.is_empty() { Err(issuer_jwks::Error::EmptySet) } else { Ok(set) }
        });
        let keys = keys.map_err(|source| Error::Keys { resource: keys_path.to_owned(), source })?;
        let document: Document = parse(&document?, document_path)?;
        Ok(Served { keys, issuer: document.issuer, jwks_uri: document.jwks_uri })
    }

    /// The URL of the API server.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// A fresh token for a service account (TokenRequest, authentication.k8s.io/v1), valid for ten
    /// minutes.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Token`], and failures of the connection.
    pub async fn fresh_token(
        &self,
        account: &ServiceAccountRef,
        audience: &str,
    ) -> Result<Token, Error> {
        #[derive(Deserialize)]
        struct Answer {
            status: Status,
        }
        #[derive(Deserialize)]
        struct Status {
            token: String,
        }
        let (namespace, name) = (account.namespace(), account.name());
        let resource =
            format!("ServiceAccount {name} (serviceaccounts/token) in namespace {namespace}");
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token");
        let request = serde_json::json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"audiences": [audience], "expirationSeconds": 600},
        });
        let body = self
            .ask(
                Method::POST,
                &path,
                "create",
                (Object::ServiceAccount, &resource),
                Some(request.to_string()),
            )
            .await?;
        let answer: Answer = parse(&body, &resource)?;
        Token::parse(&answer.status.token)
            .map_err(|source| Error::Token { account: account.to_string(), source })
    }

    /// Sets an annotation of a service account and keeps the others (JSON Merge Patch, RFC 7396).
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], and failures of the connection.
    pub async fn annotate(
        &self,
        account: &ServiceAccountRef,
        key: &str,
        value: &str,
    ) -> Result<(), Error> {
        let (namespace, name) = (account.namespace(), account.name());
        let resource = format!("ServiceAccount {name} in namespace {namespace}");
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}");
        let patch = serde_json::json!({"metadata": {"annotations": {key: value}}});
        self.ask(
            Method::PATCH,
            &path,
            "patch",
            (Object::ServiceAccount, &resource),
            Some(patch.to_string()),
        )
        .await
        .map(drop)
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        verb: &'static str,
        (object, resource): (Object, &str),
        body: Option<String>,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let timeout =
            || Error::Timeout { server: self.server.clone(), limit_secs: ANSWER_LIMIT.as_secs() };
        let (status, body) =
            tokio::time::timeout(ANSWER_LIMIT, self.exchange(method, path, resource, body))
                .await
                .map_err(|_| timeout())??;
        if (200..300).contains(&status) {
            return Ok(body);
        }
        let (server, resource, message) =
            (self.server.clone(), resource.to_owned(), status_message(&body));
        Err(match status {
            401 => Error::Unauthorized { server, message },
            403 => Error::Forbidden { server, verb, resource, message },
            404 => Error::NotFound { object, server, resource },
            _ => Error::Status { server, verb, resource, status, message },
        })
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        resource: &str,
        body: Option<String>,
    ) -> Result<(u16, Zeroizing<Vec<u8>>), Error> {
        let unreachable = |source: kube::Error| Error::Unreachable {
            server: self.server.clone(),
            source: Box::new(source),
        };
        let content_type = if method == Method::PATCH {
            "application/merge-patch+json"
        } else {
            "application/json"
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            // The JWK Set has its own media type; kube-apiserver returns 406 to clients that
            // do not accept it.
            .header(header::ACCEPT, "application/json, application/jwk-set+json")
            .header(header::CONTENT_TYPE, content_type)
            .body(Body::from(body.unwrap_or_default().into_bytes()))
            .map_err(|error| unreachable(kube::Error::HttpError(error)))?;
        let response = self.client.send(request).await.map_err(unreachable)?;
        let status = response.status().as_u16();
        match Limited::new(response.into_body(), MAX_INPUT_BYTES).collect().await {
            Ok(collected) => Ok((status, Zeroizing::new(collected.to_bytes().to_vec()))),
            Err(error) if error.is::<LengthLimitError>() => Err(Error::Answer {
                resource: resource.to_owned(),
                what: "larger than 1 MiB".to_owned(),
            }),
            Err(error) => Err(unreachable(kube::Error::Service(error))),
        }
    }
}

async fn configuration(connection: &Connection) -> Result<Config, Error> {
    let options =
        KubeConfigOptions { context: connection.context.clone(), ..KubeConfigOptions::default() };
    let files = match &connection.kubeconfig {
        Some(path) => vec![path.clone()],
        None => default_files(),
    };
    let Some(path) = files.first().cloned() else {
        return match &connection.context {
            // The service account of a pod belongs to its own cluster, not to a context.
            Some(context) => Err(Error::NoContext { context: context.clone(), known: Vec::new() }),
            None => Config::incluster().map_err(|error| Error::NoConfiguration {
                reason: format!("neither KUBECONFIG nor ~/.kube/config exists; {error}"),
            }),
        };
    };
    let mut kubeconfig = read(files)?;
    if let Some(context) = &connection.context
        && !kubeconfig.contexts.iter().any(|named| named.name == *context)
    {
        let known = kubeconfig.contexts.iter().map(|named| named.name.clone()).collect();
        return Err(Error::NoContext { context: context.clone(), known });
    }
    for named in &mut kubeconfig.auth_infos {
        if let Some(exec) = named.auth_info.as_mut().and_then(|info| info.exec.as_mut()) {
            // Never prompt: standard input may be a key file.
            exec.interactive_mode = Some(ExecInteractiveMode::Never);
        }
    }
    Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(|error| Error::Kubeconfig { path, source: Box::new(error) })
}

/// Merges several files as kubectl does: the first definition of a name wins.
fn read(files: Vec<PathBuf>) -> Result<Kubeconfig, Error> {
    let mut whole = Kubeconfig::default();
    for path in files {
        let refuse = |error: KubeconfigError| Error::Kubeconfig {
            path: path.clone(),
            source: Box::new(error),
        };
        let next = Kubeconfig::read_from(&path).map_err(refuse)?;
        whole = whole.merge(next).map_err(refuse)?;
    }
    Ok(whole)
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

fn parse<T: for<'de> Deserialize<'de>>(body: &[u8], resource: &str) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|error| {
        let html = body.trim_ascii_start().starts_with(b"<");
        // The message of the JSON parser may quote a value, which may be secret.
        let place =
            format!("not the expected JSON (line {} column {})", error.line(), error.column());
        let what = if html {
            "HTML, so something other than the API server has responded".to_owned()
        } else {
            place
        };
        Error::Answer { resource: resource.to_owned(), what }
    })
}

/// The message of a metav1.Status, or the beginning of any other response.
fn status_message(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Status {
        message: String,
    }
    serde_json::from_slice::<Status>(body).map_or_else(
        |_| String::from_utf8_lossy(&body[..body.len().min(200)]).trim().to_owned(),
        |status| status.message,
    )
}
