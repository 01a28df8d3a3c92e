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

/// Options of a session. `Debug` shows only the length of the PEM: a file of certificates may also
/// contain a private key.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct SessionOptions {
    /// The region; by default that of the environment or the profile.
    pub region: Option<String>,
    /// A named profile from the config and credentials files.
    pub profile: Option<String>,
    /// The endpoint URL of all services.
    pub endpoint_url: Option<String>,
    /// CA certificates (PEM) to trust in addition to those of the system.
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
        /// The name.
        profile: String,
    },
    /// Certificates that are not valid.
    #[error("the CA certificates cannot be used: {reason}")]
    ExtraRoots {
        /// The error of the library.
        reason: String,
    },
}

impl Diagnostic for Error {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidInput
    }
}

/// Finds credentials and region with the default chain of the SDK; AWS is not called yet.
///
/// # Errors
/// [`Error::NoProfile`], [`Error::ExtraRoots`].
pub async fn load(options: &SessionOptions) -> Result<SdkConfig, Error> {
    let http = http_client(options)?;
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http.clone());
    if let Some(profile) = &options.profile {
        // Files that cannot be read are reported when credentials are requested.
        let profiles =
            aws_config::profile::load(&Fs::real(), &Env::real(), &Default::default(), None).await;
        if profiles.is_ok_and(|profiles| profiles.get_profile(profile).is_none()) {
            return Err(Error::NoProfile { profile: profile.clone() });
        }
        // The default chain would prefer credentials in the environment to a profile that was
        // given.
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

/// `AWS_ENDPOINT_URL_SERVICE`, `AWS_ENDPOINT_URL` and `endpoint_url` of the profile, with the
/// precedence of the SDK.
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

/// The HTTP client of the SDK, with the proxies of the environment, which it ignores by default, and
/// additional CA certificates.
fn http_client(options: &SessionOptions) -> Result<SharedHttpClient, Error> {
    let mut roots = TrustStore::default();
    if let Some(pem) = &options.extra_roots_pem {
        roots.add_pem_certificate(pem.clone());
    }
    let tls = TlsContext::builder()
        .with_trust_store(roots)
        .build()
        .map_err(|error| Error::ExtraRoots { reason: error.to_string() })?;
    // One per set of timeouts: those of the instance metadata service are far too short for
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
