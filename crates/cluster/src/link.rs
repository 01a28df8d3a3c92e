//! HTTP to one API server: TLS, proxy and time limits, and what a failure means.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use base64ct::{Base64, Encoding};
use http::{HeaderMap, Method, Request, Response, Uri, header};
use http_body_util::Full;
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::TokioExecutor;
use issuer_diagnostic::causes;
use issuer_proxy::Proxy;
use issuer_redact::register;
use issuer_trust::{CertificateFault, Served, handshake_fault};
use percent_encoding::percent_decode_str;
use rustls::pki_types::ServerName;

use crate::configuration::Configuration;
use crate::credentials::Credentials;
use crate::{Doubt, Error, tls};

const CONNECT_LIMIT: Duration = Duration::from_secs(10);

pub(crate) type Body = hyper::body::Incoming;

/// A client for one API server.
pub(crate) struct Link {
    client: Connected,
    headers: HeaderMap,
    /// Its URL, without user and password and without a final `/`.
    server: String,
    proxy: Option<Proxy>,
    served: Served,
    /// Whether new credentials may help after a 401.
    pub(crate) renewable: bool,
    /// Why the server may refuse the credentials.
    pub(crate) doubt: Option<Doubt>,
}

enum Connected {
    Directly(Box<Pool<HttpConnector>>),
    Through(Box<Pool<Tunnel<HttpsConnector<HttpConnector>>>>),
}

type Pool<C> = Client<HttpsConnector<C>, Full<hyper::body::Bytes>>;

impl Link {
    /// Reads the credentials; no request is sent yet.
    pub(crate) async fn new(configuration: &Configuration) -> Result<Self, Error> {
        let Credentials { headers, identity, renewable, doubt } =
            Credentials::of(configuration).await?;
        let unusable =
            |reason: String| Error::Entry { entry: configuration.entry().to_owned(), reason };
        let (tls, served) =
            tls::client_config(configuration.trust()?, identity).map_err(unusable)?;
        let mut builder = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
        if let Some(name) = &configuration.server_name {
            let name = ServerName::try_from(name.clone())
                .map_err(|_| unusable("its tls-server-name is not a host name".to_owned()))?;
            builder = builder.with_server_name_resolver(FixedServerNameResolver::new(name));
        }
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECT_LIMIT));
        // The body of a request is a write of its own, which would wait for a delayed ACK.
        tcp.set_nodelay(true);
        let client = match &configuration.proxy {
            None => Connected::Directly(Box::new(
                pool().build(builder.enable_http1().wrap_connector(tcp)),
            )),
            Some(proxy) => {
                let tunnel = tunnel(proxy, tcp).map_err(unusable)?;
                Connected::Through(Box::new(
                    pool().build(builder.enable_http1().wrap_connector(tunnel)),
                ))
            }
        };
        Ok(Self {
            client,
            headers,
            server: base(configuration),
            proxy: configuration.proxy.clone(),
            served,
            renewable,
            doubt,
        })
    }

    /// Sends a request; `path` begins with `/`, and a body has its media type.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<(&'static str, &str)>,
        accept: &'static str,
    ) -> Result<Response<Body>, Error> {
        let (content_type, body) = body.unwrap_or(("application/json", ""));
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.server))
            .header(header::ACCEPT, accept)
            .header(header::CONTENT_TYPE, content_type)
            .header(header::USER_AGENT, concat!("issuerctl/", env!("CARGO_PKG_VERSION")))
            .body(Full::from(body.to_owned()))
            .map_err(|error| self.unreachable(&error))?;
        request.headers_mut().extend(self.headers.clone());
        let sent = match &self.client {
            Connected::Directly(client) => client.request(request).await,
            Connected::Through(client) => client.request(request).await,
        };
        sent.map_err(|error| self.failed(&error))
    }

    /// A failure while a response is read.
    pub(crate) fn unreachable(&self, error: &(dyn StdError + 'static)) -> Error {
        Error::Unreachable { server: self.server.clone(), reason: reason(error) }
    }

    /// The URL without user and password.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// For messages about a server that does not respond: ` through the proxy …`.
    pub(crate) fn route(&self) -> String {
        self.proxy.as_ref().map(|proxy| format!(" through the proxy {proxy}")).unwrap_or_default()
    }

    fn failed(&self, error: &legacy::Error) -> Error {
        let server = self.server.clone();
        let fault = causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>());
        match (&self.proxy, fault) {
            (Some(proxy), Some(fault)) if is_of_proxy(error) => {
                let reason = match fault {
                    rustls::Error::InvalidCertificate(fault) => {
                        CertificateFault::of(fault, None).to_string()
                    }
                    other => handshake_fault(other),
                };
                return Error::Proxy { proxy: proxy.to_string(), server, reason };
            }
            (_, Some(rustls::Error::InvalidCertificate(fault))) => {
                let fault = CertificateFault::of(fault, self.served.chain());
                return Error::Certificate { server, fault };
            }
            (_, Some(fault)) => return Error::Tls { server, reason: handshake_fault(fault) },
            (_, None) => {}
        }
        match &self.proxy {
            Some(proxy) if error.is_connect() => {
                Error::Proxy { proxy: proxy.to_string(), server, reason: proxy_reason(error) }
            }
            _ => self.unreachable(error),
        }
    }
}

fn pool() -> legacy::Builder {
    legacy::Builder::new(TokioExecutor::new())
}

fn tunnel(
    proxy: &Proxy,
    tcp: HttpConnector,
) -> Result<Tunnel<HttpsConnector<HttpConnector>>, String> {
    let (tls, _) = tls::client_config(tls::Trust::System, None)?;
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    let mut url = proxy.url().clone();
    let authorization = authorization(&url);
    // The user and the password go into a header.
    let _ = (url.set_username(""), url.set_password(None));
    let uri: Uri = url.as_str().parse().map_err(|_| format!("{proxy} is not a valid URL"))?;
    let tunnel = Tunnel::new(uri, connector);
    Ok(match authorization.and_then(|value| header::HeaderValue::try_from(value).ok()) {
        Some(value) => tunnel.with_auth(value),
        None => tunnel,
    })
}

fn authorization(url: &url::Url) -> Option<String> {
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let password = decode(url.password().unwrap_or_default());
    register(&password);
    (!url.username().is_empty() || !password.is_empty()).then(|| {
        let pair = format!("{}:{password}", decode(url.username()));
        format!("Basic {}", Base64::encode_string(pair.as_bytes()))
    })
}

/// What the paths of requests are appended to.
fn base(configuration: &Configuration) -> String {
    let mut url = configuration.server.clone();
    let _ = (url.set_username(""), url.set_password(None));
    url.set_query(None);
    url.set_fragment(None);
    url.as_str().trim_end_matches('/').to_owned()
}

/// Whether the connection to the proxy itself failed.
fn is_of_proxy(error: &legacy::Error) -> bool {
    causes(error)
        .any(|cause| cause.to_string() == "tunnel error: failed to create underlying connection")
}

/// hyper-util's error of a tunnel has no public type.
fn proxy_reason(error: &legacy::Error) -> String {
    let said = |what: &str| causes(error).any(|cause| cause.to_string() == what);
    if said("tunnel error: proxy authorization required") {
        return "it requires a user and a password (407)".to_owned();
    }
    if said("tunnel error: unsuccessful") {
        return "it refuses to connect to the server".to_owned();
    }
    reason(error)
}

/// The innermost cause, without the numbers of the operating system; the outer ones only say which
/// layer reports it.
fn reason(error: &(dyn StdError + 'static)) -> String {
    // hyper-util's error of a resolver has no public type.
    if causes(error).any(|cause| cause.to_string().starts_with("dns error")) {
        return "its host name does not resolve (DNS)".to_owned();
    }
    let io = causes(error).filter_map(|cause| cause.downcast_ref::<io::Error>()).last();
    match io.map(io::Error::kind).filter(|kind| *kind != io::ErrorKind::Other) {
        Some(kind) => kind.to_string(),
        None => causes(error).last().map_or_else(|| error.to_string(), ToString::to_string),
    }
}
