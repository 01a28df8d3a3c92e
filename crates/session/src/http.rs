//! The HTTP client of the SDK: proxies of the environment, additional CA certificates, and errors
//! that name the host.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_smithy_async::rt::sleep::SharedAsyncSleep;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use issuer_diagnostic::Waiting;
use issuer_proxy::{Proxy, Settings};
use issuer_trust::{Authorities, CertificateFault, handshake_fault};
use url::Url;

use crate::Error;
use crate::body::bounded;

/// A host that did not answer.
#[derive(Debug)]
pub(crate) struct NoAnswer {
    text: String,
}

/// A client that trusts these authorities in addition to those of the system.
///
/// # Errors
/// [`Error::Client`]
pub(crate) fn client(authorities: &Authorities) -> Result<SharedHttpClient, Error> {
    let mut store = TrustStore::default();
    // The SDK panics on a certificate that is not valid.
    store.add_pem_certificate(authorities.to_pem());
    let tls = TlsContext::builder()
        .with_trust_store(store)
        .build()
        .map_err(|error| Error::Client { reason: error.to_string() })?;
    let proxies = Arc::new(Settings::from_env());
    // One per set of timeouts: those of the instance metadata service are far too short for
    // S3.
    let connectors: Mutex<HashMap<_, SharedHttpConnector>> = Mutex::default();
    Ok(http_client_fn(move |settings, components| {
        let limits = (settings.connect_timeout(), settings.read_timeout());
        let make = || {
            SharedHttpConnector::new(Connectors {
                settings: settings.clone(),
                sleep: components.sleep_impl(),
                tls: tls.clone(),
                proxies: proxies.clone(),
                connectors: Mutex::default(),
            })
        };
        locked(&connectors).entry(limits).or_insert_with(make).clone()
    }))
}

/// The connectors of one set of timeouts, one for each proxy.
#[derive(Debug)]
struct Connectors {
    settings: HttpConnectorSettings,
    /// Of the components alone this: they hold the client, which holds this connector.
    sleep: Option<SharedAsyncSleep>,
    tls: TlsContext,
    proxies: Arc<Settings>,
    connectors: Mutex<HashMap<Option<String>, SharedHttpConnector>>,
}

impl Connectors {
    fn connector(&self, proxy: Option<&Proxy>) -> Result<SharedHttpConnector, ConnectorError> {
        let key = proxy.map(|proxy| proxy.url().to_string());
        if let Some(connector) = locked(&self.connectors).get(&key) {
            return Ok(connector.clone());
        }
        let config = match &key {
            Some(url) => ProxyConfig::all(url.as_str())
                .map_err(|_| ConnectorError::user("the proxy is not a valid URL".into()))?,
            None => ProxyConfig::disabled(),
        };
        let mut builder =
            Connector::builder().connector_settings(self.settings.clone()).proxy_config(config);
        builder.set_sleep_impl(self.sleep.clone());
        let connector = builder
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .tls_context(self.tls.clone())
            .build();
        let connector = SharedHttpConnector::new(connector);
        locked(&self.connectors).insert(key, connector.clone());
        Ok(connector)
    }
}

impl HttpConnector for Connectors {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let url = match Url::parse(request.uri()) {
            Ok(url) => url,
            Err(error) => {
                return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into())));
            }
        };
        let host = host_of(&url);
        let proxy = match self.proxies.proxy_for(&url) {
            Ok(proxy) => proxy,
            Err(error) => {
                let text = format!("{host}{UNUSABLE}{error}");
                let error = ConnectorError::user(NoAnswer { text }.into());
                return HttpConnectorFuture::ready(Err(error));
            }
        };
        let connector = match self.connector(proxy.as_ref()) {
            Ok(connector) => connector,
            Err(error) => return HttpConnectorFuture::ready(Err(error)),
        };
        let limits = self.settings.clone();
        HttpConnectorFuture::new(async move {
            let shown = proxy.map(|proxy| proxy.to_string());
            let waiting = Waiting::new(match &shown {
                Some(proxy) => format!("{host}, through the proxy {proxy}"),
                None => host.clone(),
            });
            let answer = connector.call(request).await;
            let mut answer =
                answer.map_err(|error| named(error, &host, shown.as_deref(), &limits))?;
            let body = std::mem::replace(answer.body_mut(), SdkBody::taken());
            *answer.body_mut() = bounded(body, host, waiting);
            Ok(answer)
        })
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Host and port, without anything else of the URL.
pub(crate) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The same error with the name of the host; of the same kind, so that it is retried alike.
fn named(
    error: ConnectorError,
    host: &str,
    proxy: Option<&str>,
    limits: &HttpConnectorSettings,
) -> ConnectorError {
    let metadata = error.connection_metadata().cloned();
    let text = describe(&error, host, proxy, limits);
    let kind = (error.is_timeout(), error.is_io(), error.is_user(), error.as_other());
    let source = Box::new(NoAnswer { text });
    let named = match kind {
        (true, ..) => ConnectorError::timeout(source),
        (_, true, ..) => ConnectorError::io(source),
        (_, _, true, _) => ConnectorError::user(source),
        (.., other) => ConnectorError::other(source, other),
    };
    match metadata {
        Some(metadata) => named.with_connection(metadata),
        None => named,
    }
}

fn describe(
    error: &ConnectorError,
    host: &str,
    proxy: Option<&str>,
    limits: &HttpConnectorSettings,
) -> String {
    let causes: Vec<&(dyn StdError + 'static)> = issuer_diagnostic::causes(error).collect();
    let says = |text: &str| causes.iter().any(|cause| cause.to_string().contains(text));
    let io = |kind: std::io::ErrorKind| {
        causes.iter().any(|cause| {
            cause.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == kind)
        })
    };
    // What the connection is made to.
    let peer = proxy.map_or_else(|| host.to_owned(), |proxy| format!("the proxy {proxy}"));
    let behind = proxy.map_or_else(String::new, |_| format!(", so {host} could not be reached"));
    let seconds = |limit: Option<Duration>| {
        limit.map_or_else(String::new, |limit| format!(" within {} s", limit.as_secs()))
    };
    if error.is_timeout() && says("connect timeout") {
        let limit = seconds(limits.connect_timeout());
        format!("{peer} did not accept a connection{limit}{behind}")
    } else if error.is_timeout() {
        let through = proxy.map_or_else(String::new, |proxy| format!(" through the proxy {proxy}"));
        format!("{host} did not answer{}{through}", seconds(limits.read_timeout()))
    } else if says("dns error") || says("failed to lookup address") {
        format!("{peer}{UNRESOLVED}{behind}")
    } else if io(std::io::ErrorKind::ConnectionRefused) {
        format!("{peer} refused the connection{behind}")
    } else if proxy.is_some() && says("authorization required") {
        format!("{peer} requires a user name and a password (407){behind}")
    } else if proxy.is_some() && says("tunnel error") && says("end of file") {
        format!("{peer} closed the connection, as a server that is not an HTTP proxy does{behind}")
    } else if proxy.is_some() && says("tunnel error") {
        format!("{peer} refused to connect to {host}")
    } else if let Some(fault) =
        causes.iter().find_map(|cause| cause.downcast_ref::<rustls::Error>())
    {
        match fault {
            rustls::Error::InvalidCertificate(fault) => {
                format!("no secure connection to {host}: {}", CertificateFault::of(fault, None))
            }
            other => format!("no secure connection to {host}: {}", handshake_fault(other)),
        }
    } else {
        let reason = causes.last().map(ToString::to_string).unwrap_or_default();
        format!("the connection to {peer} failed{behind}: {reason}")
    }
}

/// The middle of the message about a proxy that cannot be used.
pub(crate) const UNUSABLE: &str = " cannot be reached: ";

/// The end of the message about a name that DNS does not have.
pub(crate) const UNRESOLVED: &str = " cannot be resolved (DNS)";

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl StdError for NoAnswer {}
