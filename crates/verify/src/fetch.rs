//! Fetching as AWS STS does: anonymously, over https, without following redirects, with limits.

use std::io;
use std::time::Duration;

use issuer_diagnostic::{Waiting, causes};
use issuer_discovery::{DISCOVERY_NAME, IssuerUrl, KEYS_NAME};
use issuer_jwks::MAX_INPUT_BYTES;
use issuer_proxy::Settings;
use issuer_trust::{Authorities, Served};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};
use serde_json::Value;
use sha1::{Digest, Sha1};
use tokio::time::{Instant, timeout_at};

use crate::proxy;
use crate::tls;
use crate::{
    Answer, BodyFault, Error, Fetched, Observation, ProxyFault, TIME_LIMIT_SECS, Unreached, Vantage,
};

/// Options of [`fetch`] and [`top_of_chain`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FetchOptions {
    /// Authorities that are trusted in addition to the system's.
    pub authorities: Authorities,
    /// The proxies.
    pub proxies: Settings,
}

impl FetchOptions {
    /// Options that trust these authorities beside the system's, with the proxies of the environment.
    #[must_use]
    pub fn new(authorities: Authorities) -> Self {
        Self { authorities, proxies: Settings::from_env() }
    }
}

/// Fetches an issuer's documents: the discovery document, then the keys that it points to, in two
/// requests at the same time.
///
/// # Errors
/// [`Error::Client`]; what is wrong with the issuer is part of the
/// [`Observation`].
pub async fn fetch(issuer: &IssuerUrl, options: &FetchOptions) -> Result<Observation, Error> {
    let fetcher = Fetcher::new(options, Policy::none())?;
    let discovery = fetcher.get(&issuer.document_url(DISCOVERY_NAME)).await;
    let (keys, keys_again) = match next(issuer, &discovery) {
        Next::Nothing => (None, None),
        Next::Probe(url) => (Some(fetcher.get(&url).await), None),
        Next::Keys(url) => {
            let (once, again) = tokio::join!(fetcher.get(&url), fetcher.get(&url));
            (Some(once), Some(again))
        }
    };
    let vantage = Vantage::Network {
        proxy: discovery.proxy.is_some(),
        extra_roots: !options.authorities.is_empty(),
    };
    Ok(Observation {
        issuer: Some(issuer.as_str().to_owned()),
        vantage,
        discovery,
        keys,
        keys_again,
    })
}

/// The thumbprint of an issuer's host as IAM uses it: SHA-1, in hexadecimal digits, of the top
/// certificate of the chain that the server sends (IAM user guide, "Obtain the thumbprint for an
/// OpenID Connect Identity Provider"), whether it is trusted or not.
///
/// # Errors
/// [`Error::NoChain`] if there is no TLS server; [`Error::Client`].
pub async fn top_of_chain(issuer: &IssuerUrl, options: &FetchOptions) -> Result<String, Error> {
    let fetcher = Fetcher::new(options, Policy::none())?;
    let fetched = fetcher.get(&issuer.document_url(DISCOVERY_NAME)).await;
    let top = fetcher.served.top().ok_or_else(|| Error::NoChain {
        url: match &fetched.proxy {
            Some(proxy) => format!("{} through the proxy {proxy}", fetched.location),
            None => fetched.location,
        },
    })?;
    Ok(thumbprint(&top))
}

/// The certificates of an issuer's host as AWS sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostChain {
    /// SHA-1 of each certificate that the server sends, the top of the chain last.
    pub thumbprints: Vec<String>,
    /// Whether the system trusts it, without the authorities of the options.
    pub is_public: bool,
}

/// The certificates of an issuer's host, and whether a client without the authorities of the options
/// trusts them, as AWS does those of public authorities.
///
/// # Errors
/// [`Error::NoChain`] if there is no TLS server; [`Error::Client`].
pub async fn host_chain(issuer: &IssuerUrl, options: &FetchOptions) -> Result<HostChain, Error> {
    let plain =
        FetchOptions { authorities: Authorities::default(), proxies: options.proxies.clone() };
    let fetcher = Fetcher::new(&plain, Policy::none())?;
    let fetched = fetcher.get(&issuer.document_url(DISCOVERY_NAME)).await;
    let certificates = fetcher.served.certificates();
    if certificates.is_empty() {
        return Err(Error::NoChain { url: fetched.location });
    }
    let thumbprints = certificates.iter().map(|one| thumbprint(one)).collect();
    let is_public = !matches!(&fetched.outcome, Err(Unreached::Certificate(_)));
    Ok(HostChain { thumbprints, is_public })
}

/// SHA-1 of a certificate's DER, in hexadecimal digits.
#[must_use]
pub fn thumbprint(der: &[u8]) -> String {
    Sha1::digest(der).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What to fetch after the discovery document.
enum Next {
    /// The host cannot be reached, or the document's `jwks_uri` must not be fetched.
    Nothing,
    /// The document does not exist: probing `keys.json` distinguishes a missing upload from denied
    /// access.
    Probe(String),
    /// The document's `jwks_uri`.
    Keys(String),
}

fn next(issuer: &IssuerUrl, discovery: &Fetched) -> Next {
    let Ok(answer) = &discovery.outcome else { return Next::Nothing };
    if answer.body_fault == Some(BodyFault::TimedOut) {
        return Next::Nothing;
    }
    let document = discovery.document().and_then(|body| serde_json::from_slice::<Value>(body).ok());
    let is_https = |uri: &str| Url::parse(uri).is_ok_and(|url| url.scheme() == "https");
    match document.as_ref().and_then(|document| document.get("jwks_uri")).and_then(Value::as_str) {
        Some(uri) if is_https(uri) => Next::Keys(uri.to_owned()),
        Some(_) => Next::Nothing,
        None => Next::Probe(issuer.document_url(KEYS_NAME)),
    }
}

pub(crate) struct Fetcher {
    client: Client,
    served: Served,
    proxies: Settings,
}

impl Fetcher {
    pub(crate) fn new(options: &FetchOptions, redirects: Policy) -> Result<Self, Error> {
        let (tls, served) = tls::config(&options.authorities)?;
        let proxies = options.proxies.clone();
        let of_url = move |url: &Url| Some(proxies.proxy_for(url).ok()??.url().clone());
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(true)
            .no_proxy()
            .proxy(reqwest::Proxy::custom(of_url))
            .redirect(redirects)
            .referer(false)
            .retry(reqwest::retry::never())
            // A little less than the limit, so that a slow connection is distinguished from a slow
            // response.
            .connect_timeout(limit() - Duration::from_millis(100))
            .user_agent(concat!("issuerctl/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Error::Client(error.into()))?;
        Ok(Self { client, served, proxies: options.proxies.clone() })
    }

    pub(crate) async fn get(&self, url: &str) -> Fetched {
        let deadline = Instant::now() + limit();
        let location = url.to_owned();
        let proxy = match Url::parse(url).map(|url| self.proxies.proxy_for(&url)) {
            Ok(Ok(proxy)) => proxy.map(|proxy| proxy.to_string()),
            Ok(Err(error)) => {
                let fault = ProxyFault::Setting(error.to_string());
                return Fetched { location, outcome: Err(Unreached::Proxy(fault)), proxy: None };
            }
            // The request fails in the same way.
            Err(_) => None,
        };
        let shown = url.split('?').next().unwrap_or_default();
        let _waiting = Waiting::new(match &proxy {
            Some(proxy) => format!("{shown}, through the proxy {proxy},"),
            None => shown.to_owned(),
        });
        let outcome = match timeout_at(deadline, self.client.get(url).send()).await {
            Err(_) => Err(Unreached::AnswerTimedOut),
            Ok(Err(error)) => {
                let unreached = classify(&error, &self.served);
                let texts = causes(&error).map(|cause| cause.to_string().into());
                Err(if proxy.is_some() { proxy::through(unreached, texts) } else { unreached })
            }
            Ok(Ok(response)) => Ok(read(response, deadline).await),
        };
        Fetched { location, outcome, proxy }
    }
}

async fn read(mut response: Response, deadline: Instant) -> Answer {
    let headers = response.headers().iter();
    let headers = headers.map(|(name, value)| {
        (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    let mut answer = Answer {
        status: response.status().as_u16(),
        headers: headers.collect(),
        address: response.remote_addr().map(|address| address.ip()),
        ..Answer::default()
    };
    answer.body_fault = loop {
        match timeout_at(deadline, response.chunk()).await {
            Err(_) => break Some(BodyFault::TimedOut),
            Ok(Err(_)) => break Some(BodyFault::Truncated),
            Ok(Ok(None)) => break None,
            Ok(Ok(Some(chunk))) if answer.body.len() + chunk.len() > MAX_INPUT_BYTES => {
                break Some(BodyFault::TooLarge);
            }
            Ok(Ok(Some(chunk))) => answer.body.extend_from_slice(&chunk),
        }
    };
    answer
}

fn limit() -> Duration {
    Duration::from_secs(TIME_LIMIT_SECS)
}

fn classify(error: &reqwest::Error, served: &Served) -> Unreached {
    if let Some(tls) = causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>()) {
        return tls::classify(tls, served);
    }
    if error.is_timeout() {
        return if error.is_connect() {
            Unreached::ConnectTimedOut
        } else {
            Unreached::AnswerTimedOut
        };
    }
    // hyper-util's resolver error has no public type.
    if causes(error).any(|cause| cause.to_string().starts_with("dns error")) {
        return Unreached::NameNotFound;
    }
    let last = causes(error).last().map_or_else(|| error.to_string(), ToString::to_string);
    match causes(error)
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .last()
        .map(io::Error::kind)
    {
        Some(io::ErrorKind::ConnectionRefused) => Unreached::Refused,
        Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => {
            Unreached::Unroutable
        }
        Some(
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof,
        ) => Unreached::Closed,
        // hyper's messages for a response that ends within its headers, and for one that it cannot
        // parse.
        _ if last.contains("before message completed") => Unreached::Closed,
        _ if ["invalid HTTP", "HTTP header", "content-length", "transfer-encoding"]
            .iter()
            .any(|w| last.contains(w)) =>
        {
            Unreached::NotHttp(last)
        }
        _ => Unreached::Other(last),
    }
}
