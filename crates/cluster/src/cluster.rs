//! Requests to an API server.

use std::time::{Duration, Instant};

use base64ct::{Base64, Encoding};
use http::{Method, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use issuer_diagnostic::Waiting;
use issuer_jwks::{JwkSet, MAX_INPUT_BYTES, Reading, Token, WeakKeys};
use issuer_redact::redact;
use serde::Deserialize;
use tokio::sync::RwLock;
use zeroize::Zeroizing;

use crate::configuration::Configuration;
use crate::link::Link;
use crate::secret::Secret;
use crate::{ClusterName, Connection, Error, Namespace, Object, ServiceAccountRef};

/// Media types of requests.
const JSON: &str = "application/json";
pub(crate) const MERGE_PATCH: &str = "application/merge-patch+json";
pub(crate) const APPLY_PATCH: &str = "application/apply-patch+yaml";

/// Media types of answers. The JWK Set has its own; kube-apiserver returns 406 to clients that do not
/// accept it.
const ANSWERS: &str = "application/json, application/jwk-set+json";

/// What a response is whose end is not read.
pub(crate) const TOO_LARGE: &str = "larger than";

/// Metrics of an API server with many kinds have tens of MiB.
const MAX_METRICS_BYTES: usize = 64 << 20;

/// For one request and its whole response.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// How long a server that is busy is asked again.
const BUSY_LIMIT: Duration = Duration::from_secs(20);

/// Requests to a server that says when to ask again; client-go's limit.
const MAX_BUSY: u32 = 10;

/// Requests to a server that does not.
const MAX_UNAVAILABLE: u32 = 4;

/// A connection to an API server.
pub struct Cluster {
    configuration: Configuration,
    server: String,
    /// Replaced when credentials have expired.
    link: RwLock<Link>,
    /// For one request and its whole response.
    answer_limit: Duration,
    /// How long a server that is busy is asked again.
    busy_limit: Duration,
    /// The largest answer that is read.
    max_bytes: usize,
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

/// A discovery document of an API server.
#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: String,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Cluster {
    /// Reads the configuration and runs the exec plugin, if any; no request is sent yet.
    ///
    /// # Errors
    /// A kubeconfig that cannot be read or used: [`Error::ReadKubeconfig`], [`Error::Kubeconfig`],
    /// [`Error::Stray`], [`Error::NoCurrentContext`], [`Error::NoContext`], [`Error::NoEntry`], [`Error::NoConfiguration`],
    /// [`Error::Entry`], [`Error::File`], [`Error::Authority`], [`Error::AuthProvider`], [`Error::ProxySetting`];
    /// [`Error::PluginVersion`], [`Error::Plugin`].
    pub async fn connect(connection: &Connection) -> Result<Self, Error> {
        Self::configured(Configuration::load(connection)?).await
    }

    /// The same for one API server of several, by its URL: as with kubectl's `--server`, everything but
    /// the server and its name in TLS is that of the kubeconfig.
    ///
    /// # Errors
    /// Those of [`Cluster::connect`]; a URL that is not valid.
    pub async fn connect_to(connection: &Connection, server: &str) -> Result<Self, Error> {
        Self::configured(Configuration::load_for(connection, server)?).await
    }

    async fn configured(configuration: Configuration) -> Result<Self, Error> {
        let link = Link::new(&configuration).await?;
        let server = link.server().to_owned();
        let (answer_limit, busy_limit) = (ANSWER_LIMIT, BUSY_LIMIT);
        let link = RwLock::new(link);
        let max_bytes = MAX_INPUT_BYTES;
        Ok(Self { configuration, server, link, answer_limit, busy_limit, max_bytes })
    }

    /// The same for somebody who does not wait: `limit` for a response, and as long for a server that
    /// is busy.
    #[must_use]
    pub fn within(self, limit: Duration) -> Self {
        Self { answer_limit: limit, busy_limit: limit, ..self }
    }

    /// The same for larger answers, as those about all pods are.
    #[must_use]
    pub fn with_answers_up_to(self, max_bytes: usize) -> Self {
        Self { max_bytes, ..self }
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
        let path = "/openid/v1/jwks";
        let (keys, document) = tokio::join!(
            self.ask(Method::GET, path, "get", (Object::Endpoint, path), None),
            self.served_document(),
        );
        let keys = JwkSet::parse(&keys?, weak).and_then(|set| {
            if set.is_empty() { Err(issuer_jwks::Error::EmptySet) } else { Ok(set) }
        });
        let keys = keys.map_err(|source| Error::Keys { resource: path.to_owned(), source })?;
        let document = document?;
        Ok(Served { keys, issuer: document.issuer, jwks_uri: document.jwks_uri })
    }

    /// The issuer of its tokens, as it publishes it; `None` if that may not be read, or is not published.
    ///
    /// # Errors
    /// Failures of the connection.
    pub async fn served_issuer(&self) -> Result<Option<String>, Error> {
        match self.served_document().await {
            Ok(document) => Ok(Some(document.issuer)),
            Err(Error::NotFound { .. } | Error::Forbidden { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn served_document(&self) -> Result<Document, Error> {
        let path = "/.well-known/openid-configuration";
        let body = self.ask(Method::GET, path, "get", (Object::Endpoint, path), None).await?;
        parse(&body, path)
    }

    /// `/openid/v1/jwks` alone, which may have no key.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Keys`], and failures of the connection.
    pub async fn served_keys(&self, weak: WeakKeys) -> Result<JwkSet, Error> {
        let path = "/openid/v1/jwks";
        let body = self.ask(Method::GET, path, "get", (Object::Endpoint, path), None).await?;
        JwkSet::parse(&body, weak)
            .map_err(|source| Error::Keys { resource: path.to_owned(), source })
    }

    /// The URL of its API server.
    #[must_use]
    pub fn server(&self) -> &str {
        self.server.trim_end_matches('/')
    }

    /// Which cluster this is: the URL of its API server, and the context of the kubeconfig.
    #[must_use]
    pub fn place(&self) -> String {
        let server = self.server();
        match &self.configuration.context {
            Some(context) => format!("{server} (context {context})"),
            None => server.to_owned(),
        }
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

    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        verb: &'static str,
        (object, resource): (Object, &str),
        body: Option<String>,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let media_type = match method {
            Method::PATCH => MERGE_PATCH,
            _ => JSON,
        };
        let body = body.as_deref().map(|text| (media_type, text));
        self.request(&method, path, verb, (object, resource), body).await
    }

    /// The same with a body of another media type.
    pub(crate) async fn request(
        &self,
        method: &Method,
        path: &str,
        verb: &'static str,
        (object, resource): (Object, &str),
        body: Option<(&'static str, &str)>,
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let answer =
            self.answer(method, path, (verb, resource), body, ANSWERS, self.max_bytes).await?;
        self.accepted(answer, path, verb, (object, resource)).await
    }

    /// Reads any path with other media types; `resource` is what it is in the rules of RBAC.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], and failures of the connection.
    pub async fn read(
        &self,
        path: &str,
        accept: &'static str,
        (verb, resource): (&'static str, &str),
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        self.read_up_to(self.max_bytes, path, accept, (verb, resource)).await
    }

    /// Reads what is larger than objects are, such as metrics.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn read_metrics(&self, path: &str) -> Result<Zeroizing<Vec<u8>>, Error> {
        self.read_up_to(MAX_METRICS_BYTES, path, "text/plain", ("get", path)).await
    }

    async fn read_up_to(
        &self,
        limit: usize,
        path: &str,
        accept: &'static str,
        (verb, resource): (&'static str, &str),
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let answer = self.answer(&Method::GET, path, (verb, resource), None, accept, limit).await?;
        self.accepted(answer, path, verb, (Object::Other, resource)).await
    }

    /// The body of a success, or what the status means.
    async fn accepted(
        &self,
        answer: Answer,
        path: &str,
        verb: &'static str,
        (object, resource): (Object, &str),
    ) -> Result<Zeroizing<Vec<u8>>, Error> {
        let (server, resource) = (self.server.clone(), resource.to_owned());
        if is_html(&answer.body) && !(300..400).contains(&answer.status) {
            return Err(Error::Page { server, verb, resource, status: answer.status });
        }
        if (200..300).contains(&answer.status) {
            return Ok(answer.body);
        }
        let Answer { status, body, redirect, .. } = answer;
        let message = status_message(&body);
        let doubt = self.link.read().await.doubt.clone().map(Box::new);
        Err(match status {
            401 => Error::Unauthorized { server, message, doubt },
            403 => match terminating(path, &body) {
                Some(namespace) => Error::Terminating { namespace, server, verb, resource },
                None => Error::Forbidden { server, verb, resource, message, doubt },
            },
            404 => Error::NotFound {
                object,
                server,
                resource,
                account: account_of(path),
                connection: Box::new(self.configuration.connection.clone()),
            },
            409 => Error::Conflict { server, verb, resource, message },
            300..=399 => Error::Redirect { to: redirect, server, verb, resource, status },
            _ => Error::Status { server, verb, resource, status, message },
        })
    }

    /// One answer. A server that is busy is asked again, and new credentials are tried once after a
    /// 401, as client-go does.
    async fn answer(
        &self,
        method: &Method,
        path: &str,
        (verb, resource): (&'static str, &str),
        body: Option<(&'static str, &str)>,
        accept: &'static str,
        limit: usize,
    ) -> Result<Answer, Error> {
        let begun = Instant::now();
        let (mut attempts, mut renewed) = (0, false);
        loop {
            attempts += 1;
            let answer = self.exchange(method, path, (verb, resource), body, accept, limit).await?;
            if answer.status == 401 && !renewed && self.link.read().await.renewable {
                renewed = true;
                *self.link.write().await = Link::new(&self.configuration).await?;
                continue;
            }
            if !matches!(answer.status, 429 | 503 | 504) {
                return Ok(answer);
            }
            let wait = answer.retry_after.unwrap_or_else(|| backoff(attempts));
            let most = if answer.retry_after.is_some() { MAX_BUSY } else { MAX_UNAVAILABLE };
            if attempts >= most || begun.elapsed() + wait > self.busy_limit {
                return Err(Error::Busy {
                    server: self.server.clone(),
                    verb,
                    resource: resource.to_owned(),
                    status: answer.status,
                    attempts,
                    retry_after_secs: answer
                        .retry_after
                        .and_then(|wait| wait.as_secs().try_into().ok()),
                    message: status_message(&answer.body),
                });
            }
            tokio::time::sleep(wait).await;
        }
    }

    async fn exchange(
        &self,
        method: &Method,
        path: &str,
        (verb, resource): (&'static str, &str),
        body: Option<(&'static str, &str)>,
        accept: &'static str,
        limit: usize,
    ) -> Result<Answer, Error> {
        let link = self.link.read().await;
        let (server, route) = (link.server(), link.route());
        let _waiting = Waiting::new(format!("{server}{route} ({verb} on {resource})"));
        let whole = async {
            let response = link.send(method.clone(), path, body, accept).await?;
            let status = response.status().as_u16();
            let retry_after = response.headers().get(header::RETRY_AFTER);
            let retry_after = retry_after
                .and_then(|value| value.to_str().ok()?.trim().parse().ok())
                .map(Duration::from_secs);
            let redirect = host_of(response.headers().get(header::LOCATION));
            match Limited::new(response.into_body(), limit).collect().await {
                Ok(collected) => {
                    let body = Zeroizing::new(collected.to_bytes().to_vec());
                    Ok(Answer { status, retry_after, redirect, body })
                }
                Err(error) if error.is::<LengthLimitError>() => Err(Error::Answer {
                    resource: resource.to_owned(),
                    what: format!("{TOO_LARGE} {} MiB", limit >> 20),
                }),
                Err(error) => Err(link.unreachable(&*error)),
            }
        };
        tokio::time::timeout(self.answer_limit, whole).await.unwrap_or_else(|_| {
            Err(Error::Timeout {
                server: format!("{server}{route}"),
                verb,
                resource: resource.to_owned(),
                limit_secs: self.answer_limit.as_secs(),
            })
        })
    }
}

/// A response, read to its end.
struct Answer {
    status: u16,
    retry_after: Option<Duration>,
    /// Where it leads to, if it is a redirect.
    redirect: String,
    body: Zeroizing<Vec<u8>>,
}

/// The service account that a path is about.
fn account_of(path: &str) -> Option<ServiceAccountRef> {
    let (namespace, rest) = path.strip_prefix("/api/v1/namespaces/")?.split_once('/')?;
    let name = rest.strip_prefix("serviceaccounts/")?.split('/').next()?;
    format!("{namespace}/{name}").parse().ok()
}

/// The namespace of a path, if the answer says that it accepts no new objects any more.
fn terminating(path: &str, body: &[u8]) -> Option<String> {
    let status: serde_json::Value = serde_json::from_slice(body).ok()?;
    let mut causes = status["details"]["causes"].as_array().into_iter().flatten();
    // Older API servers have no causes.
    let is_said = causes.any(|cause| cause["reason"] == "NamespaceTerminating")
        || status["message"]
            .as_str()
            .is_some_and(|message| message.ends_with("because it is being terminated"));
    let (_, within) = path.split_once("/namespaces/").filter(|_| is_said)?;
    Some(within.split(['/', '?']).next()?.to_owned())
}

/// Half a second, doubled for each attempt.
fn backoff(attempts: u32) -> Duration {
    Duration::from_millis(250).saturating_mul(2_u32.saturating_pow(attempts))
}

pub(crate) fn parse<T: for<'de> Deserialize<'de>>(body: &[u8], resource: &str) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|error| {
        // The message of the JSON parser may quote a value, which may be secret.
        let what =
            format!("not the expected JSON (line {} column {})", error.line(), error.column());
        Error::Answer { resource: resource.to_owned(), what }
    })
}

/// Scheme and host of the URL in a header.
fn host_of(location: Option<&header::HeaderValue>) -> String {
    let url = location.and_then(|value| url::Url::parse(value.to_str().ok()?).ok());
    let host = url.filter(url::Url::has_host).map(|mut url| {
        let _ = (url.set_username(""), url.set_password(None));
        url[..url::Position::BeforePath].to_owned()
    });
    host.unwrap_or_else(|| "another path".to_owned())
}

/// The message of a metav1.Status, or the beginning of any other text.
fn status_message(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Status {
        message: String,
    }
    if let Ok(status) = serde_json::from_slice::<Status>(body) {
        return redact(&status.message);
    }
    if is_html(body) {
        return "an HTML page, so something other than the API server has responded".to_owned();
    }
    redact(String::from_utf8_lossy(&body[..body.len().min(200)]).trim())
}

fn is_html(body: &[u8]) -> bool {
    body.trim_ascii_start().starts_with(b"<")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_namespace_that_is_being_deleted_is_not_a_question_of_permissions() {
        let path = "/api/v1/namespaces/jobs/serviceaccounts/nightly?fieldManager=issuerctl";
        let said = |status: serde_json::Value| terminating(path, status.to_string().as_bytes());
        let jobs = Some("jobs".to_owned());
        let causes = json!([{"reason": "Other"}, {"reason": "NamespaceTerminating"}]);
        assert_eq!(said(json!({"message": "", "details": {"causes": causes}})), jobs);
        let message = "serviceaccounts \"nightly\" is forbidden: unable to create new content in \
                       namespace jobs because it is being terminated";
        assert_eq!(said(json!({"message": message})), jobs);
        let denied = "serviceaccounts \"nightly\" is forbidden: User \"u\" cannot patch resource";
        assert_eq!(said(json!({"message": denied, "details": {"name": "nightly"}})), None);
        assert_eq!(terminating(path, b"<html>because it is being terminated"), None);
        // A path without a namespace.
        assert_eq!(
            terminating("/api/v1/nodes", json!({"message": message}).to_string().as_bytes()),
            None
        );
    }
}
