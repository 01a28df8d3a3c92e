#![doc = include_str!("../README.md")]

mod error;
mod replan;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region};
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::{SharedHttpClient, SharedHttpConnector, http_client_fn};
use aws_types::os_shim_internal::{Env, Fs};
use aws_types::service_config::ServiceConfigKey;
use issuer_diagnostic::{Diagnostic, ErrorKind};

pub use aws_config::SdkConfig;
pub use error::{code, is_about_credentials, message};
pub use replan::{Attempts, replan};

/// How AWS is reached. `Debug` has the PEM's length alone: a file of certificates may hold a private
/// key too.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct SessionOptions {
    /// The region; else the environment's or the profile's.
    pub region: Option<String>,
    /// A profile of `~/.aws/config`.
    pub profile: Option<String>,
    /// An endpoint for every service.
    pub endpoint_url: Option<String>,
    /// Certificate authorities (PEM) to trust beside the system's.
    pub extra_roots_pem: Option<Vec<u8>>,
}

impl fmt::Debug for SessionOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { region, profile, endpoint_url, extra_roots_pem } = self;
        f.debug_struct("SessionOptions")
            .field("region", region)
            .field("profile", profile)
            .field("endpoint_url", endpoint_url)
            .field("extra_roots_pem", &extra_roots_pem.as_ref().map(Vec::len))
            .finish()
    }
}

/// Why a session cannot be created.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A profile that does not exist.
    #[error("the profile {profile:?} does not exist in ~/.aws/config or ~/.aws/credentials")]
    NoProfile {
        /// As given.
        profile: String,
    },
    /// Certificates that are not valid.
    #[error("the certificate authorities cannot be used: {reason}")]
    ExtraRoots {
        /// What the library says.
        reason: String,
    },
}

impl Diagnostic for Error {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidInput
    }
}

/// Finds credentials and region by the SDK's default chain; nothing is asked of AWS yet.
///
/// # Errors
/// [`Error::NoProfile`], [`Error::ExtraRoots`].
pub async fn load(options: &SessionOptions) -> Result<SdkConfig, Error> {
    let http = http_client(options)?;
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http.clone());
    if let Some(profile) = &options.profile {
        // What cannot be read is named when its credentials are asked for.
        let profiles =
            aws_config::profile::load(&Fs::real(), &Env::real(), &Default::default(), None).await;
        if profiles.is_ok_and(|profiles| profiles.get_profile(profile).is_none()) {
            return Err(Error::NoProfile { profile: profile.clone() });
        }
        // The default chain would let credentials in the environment win over a profile that was
        // named.
        let provider = ProfileFileCredentialsProvider::builder()
            .configure(&ProviderConfig::default().with_http_client(http))
            .profile_name(profile)
            .build();
        loader = loader.profile_name(profile).credentials_provider(provider);
    }
    if let Some(region) = &options.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(endpoint) = &options.endpoint_url {
        loader = loader.endpoint_url(endpoint);
    }
    Ok(loader.load().await)
}

/// `AWS_ENDPOINT_URL_SERVICE`, `AWS_ENDPOINT_URL` and `endpoint_url` of the profile, as the SDK
/// itself takes them for a service.
#[must_use]
pub fn configured_endpoint(config: &SdkConfig, service: &str) -> Option<String> {
    let key = ServiceConfigKey::builder()
        .service_id(service)
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build()
        .ok()?;
    let for_service = config.service_config().and_then(|services| services.load_config(key));
    for_service.or_else(|| config.endpoint_url().map(str::to_owned))
}

/// The SDK's own client with the environment's proxies, which it leaves out by default, and more
/// certificate authorities.
fn http_client(options: &SessionOptions) -> Result<SharedHttpClient, Error> {
    let mut roots = TrustStore::default();
    if let Some(pem) = &options.extra_roots_pem {
        roots.add_pem_certificate(pem.clone());
    }
    let tls = TlsContext::builder()
        .with_trust_store(roots)
        .build()
        .map_err(|error| Error::ExtraRoots { reason: error.to_string() })?;
    // One for each set of time limits: those of the instance metadata service are far too short for
    // S3.
    let connectors: Mutex<HashMap<_, SharedHttpConnector>> = Mutex::default();
    Ok(http_client_fn(move |settings, components| {
        let make = || {
            let mut builder = Connector::builder()
                .connector_settings(settings.clone())
                .proxy_config(ProxyConfig::from_env());
            builder.set_sleep_impl(components.sleep_impl());
            let connector = builder
                .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
                .tls_context(tls.clone())
                .build();
            SharedHttpConnector::new(connector)
        };
        let limits = (settings.connect_timeout(), settings.read_timeout());
        connectors
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(limits)
            .or_insert_with(make)
            .clone()
    }))
}
