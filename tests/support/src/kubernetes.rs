//! A Kubernetes API server with the answers of a test.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64ct::{Base64, Encoding};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};

use crate::Authority;
use crate::server::Server;

/// One answer.
#[derive(Clone, Default)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: String,
    /// `Location`, for a redirect.
    pub location: Option<String>,
    /// The delay of the answer.
    pub delay: Duration,
}

impl Reply {
    /// 200 with a body.
    pub fn ok(body: impl Into<String>) -> Self {
        Self { status: 200, body: body.into(), ..Self::default() }
    }

    /// A Secret of Cluster API with this public key; its private key is not one.
    pub fn secret(public_pem: &str) -> Self {
        let data = serde_json::json!({
            "tls.crt": Base64::encode_string(public_pem.as_bytes()),
            "tls.key": Base64::encode_string(b"do-not-show-me"),
        });
        Self::ok(serde_json::json!({"data": data}).to_string())
    }

    /// An error in the format of the API server (metav1.Status).
    pub fn status(status: u16, message: &str) -> Self {
        let body = serde_json::json!({
            "kind": "Status",
            "apiVersion": "v1",
            "status": "Failure",
            "message": message,
            "code": status,
        });
        Self { status, body: body.to_string(), ..Self::default() }
    }
}

/// A request.
pub struct Asked {
    /// Method, path and query.
    pub line: String,
    /// `Accept`.
    pub accepted: String,
    /// The body.
    pub body: String,
}

/// An API server that speaks HTTPS.
pub struct ApiServer {
    server: Server,
    authority_pem: String,
    log: Arc<Mutex<Vec<String>>>,
}

impl ApiServer {
    /// Starts one with an answer for each `METHOD path`; anything else is answered with 404.
    pub fn start(replies: impl IntoIterator<Item = (&'static str, Reply)>) -> Self {
        Self::start_under(&Authority::new(), replies)
    }

    /// The same with a certificate of this authority.
    pub fn start_under(
        authority: &Authority,
        replies: impl IntoIterator<Item = (&'static str, Reply)>,
    ) -> Self {
        let replies: HashMap<&'static str, Reply> = replies.into_iter().collect();
        Self::answering(authority, move |asked| {
            let line = asked.line.split('?').next().unwrap_or_default();
            replies.get(line).cloned().unwrap_or_else(|| Reply::status(404, "not found"))
        })
    }

    /// One whose answers are made when it is asked.
    pub fn answering(
        authority: &Authority,
        answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let log = Arc::new(Mutex::new(Vec::new()));
        let (answer, service_log) = (Arc::new(answer), log.clone());
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            let (answer, log) = (answer.clone(), service_log.clone());
            async move {
                let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
                let line = format!("{} {path}", request.method());
                let header = |name: &str| {
                    request.headers().get(name).map(|v| v.to_str().unwrap().to_owned())
                };
                let accepted = header("accept").unwrap_or_else(|| "*/*".to_owned());
                let authorization = header("authorization");
                let body = request
                    .into_body()
                    .collect()
                    .await
                    .map(|body| body.to_bytes())
                    .unwrap_or_default();
                let body = String::from_utf8(body.to_vec()).unwrap();
                let plain = line.split('?').next().unwrap_or_default().to_owned();
                let words = [Some(plain.clone()), authorization, Some(body.clone())];
                let words: Vec<String> =
                    words.into_iter().flatten().filter(|word| !word.is_empty()).collect();
                log.lock().unwrap().push(words.join(" "));
                let mut reply = answer(&Asked { line, accepted: accepted.clone(), body });
                // As in kube-apiserver (pkg/routes/openidmetadata.go).
                let jwks = plain == "GET /openid/v1/jwks";
                if jwks
                    && !accepted.contains("application/jwk-set+json")
                    && !accepted.contains("*/*")
                {
                    reply = Reply::status(406, "Not Acceptable");
                }
                tokio::time::sleep(reply.delay).await;
                let mut response = Response::builder()
                    .status(reply.status)
                    .header("content-type", "application/json");
                if let Some(location) = &reply.location {
                    response = response.header("location", location);
                }
                Ok::<_, Infallible>(response.body(Full::new(Bytes::from(reply.body))).unwrap())
            }
        });
        Self {
            server: Server::start(Some(authority.acceptor()), service),
            authority_pem: authority.pem().to_owned(),
            log,
        }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.server.address.port())
    }

    /// The requests so far: method, path, `Authorization`, body.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// A kubeconfig for this server; `user` is the YAML of its one user (`{token: secret}`).
    pub fn kubeconfig(&self, user: &str) -> String {
        let server = self.url();
        let authority = Base64::encode_string(self.authority_pem.as_bytes());
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: test\nclusters:\n- name: test\n  \
             cluster:\n    server: {server}\n    certificate-authority-data: \
             {authority}\ncontexts:\n- name: test\n  context: {{cluster: test, user: test}}\n- \
             name: other\n  context: {{cluster: test, user: test}}\nusers:\n- name: test\n  user: \
             {user}\n"
        )
    }
}
