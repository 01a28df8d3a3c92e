#![doc = include_str!("../README.md")]

mod body;
mod cause;
mod chain;
mod credentials;
mod endpoint;
mod environment;
mod error;
mod fallback;
mod http;
mod profile;
mod region;
mod replan;
mod retry;
mod sdk_error;

use std::fmt;
use std::time::Duration;

use aws_config::identity::IdentityCache;
use aws_config::imds::region::ImdsRegionProvider;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_types::service_config::ServiceConfigKey;
use issuer_trust::Authorities;

use crate::credentials::Checked;
use crate::environment::Environment;
use crate::fallback::WithFallback;
use crate::profile::{Profiles, Selected};

pub use aws_config::SdkConfig;
pub use cause::Cause;
pub use chain::ProfileFault;
pub use endpoint::shown_endpoint;
pub use error::Error;
pub use fallback::Fallback;
pub use replan::{Attempts, replan};
pub use sdk_error::{code, is_web_page, message};

/// The time limit for a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// The time limit for the first byte of an answer.
const ANSWER: Duration = Duration::from_secs(10);

/// The time limit for a call with all its attempts and the pauses between them.
const CALL: Duration = Duration::from_secs(60);

/// The time limit for loading credentials: a plugin, or a few requests.
const CREDENTIALS: Duration = Duration::from_secs(30);

/// Options of a session.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct SessionOptions {
    /// The region; by default that of the environment or the profile.
    pub region: Option<String>,
    /// A named profile from the config and credentials files.
    pub profile: Option<String>,
    /// The endpoint URL of all services.
    pub endpoint_url: Option<String>,
    /// Authorities to trust in addition to those of the system and of `AWS_CA_BUNDLE`.
    pub authorities: Authorities,
    /// What is used while AWS STS refuses the web identity token of the process.
    pub fallback: Option<Fallback>,
}

impl fmt::Debug for SessionOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { region, profile, endpoint_url: _, authorities, fallback } = self;
        f.debug_struct("SessionOptions")
            .field("region", region)
            .field("profile", profile)
            .field("authorities", &authorities.certificates().len())
            .field("fallback", fallback)
            .finish_non_exhaustive()
    }
}

/// Finds credentials and region with the default chain of the SDK; AWS is not called yet.
///
/// # Errors
/// A profile that does not exist; variables, files, certificates, a region or an endpoint that
/// cannot be used.
pub async fn load(options: &SessionOptions) -> Result<SdkConfig, Error> {
    if let Ok(path) = std::env::var("AWS_WEB_IDENTITY_TOKEN_FILE") {
        chain::register_token(&path);
    }
    let environment = environment::read(&environment::of_process())?;
    if let Some(endpoint) = &options.endpoint_url {
        check_endpoint(endpoint)?;
    }
    let selected = selected(options, &environment);
    let keys = environment.keys.filter(|_| options.profile.is_none());
    let name = selected.as_ref().map(|selected| selected.name.clone());
    let is_set = |region: &String| !region.is_empty();
    let mut region = options.region.clone().filter(is_set).or(environment.region);
    let mut retries = environment.retries.config();
    let (mut base, mut files) = (None, EnvConfigFiles::default());
    match profile::read().await {
        Ok(Profiles { set: profiles, files: read }) => {
            profile::register_secrets(&profiles);
            if let Some(selected) = &selected {
                profile::check(&profiles, selected)?;
            }
            let first = name.as_deref().unwrap_or("default");
            if keys.is_none() {
                base = chain::base(&profiles, first)?.map(str::to_owned);
            }
            let of_profile = || profiles.get_profile(first)?.get("region").map(str::to_owned);
            region = region.or_else(of_profile).filter(is_set);
            retries = environment.retries.or_of_profile(profiles.get_profile(first))?;
            files = read;
        }
        // With keys in the environment the files are not needed.
        Err(error) if selected.is_some() || keys.is_none() => return Err(error),
        Err(_) => {}
    }
    if let Some(region) = &region {
        check_region(region)?;
    }
    let region = region.map(Region::new);

    let bundle = environment.ca_bundle.map(ca_bundle).transpose()?.unwrap_or_default();
    let http = http::client(&options.authorities.clone().and(&bundle))?;
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .read_timeout(ANSWER)
        .operation_timeout(CALL)
        .build();
    let provider = ProviderConfig::default()
        .with_http_client(http.clone())
        .with_timeout_config(timeouts.clone())
        .with_retry_config(retries.clone());
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .timeout_config(timeouts)
        .retry_config(retries)
        .identity_cache(IdentityCache::lazy().load_timeout(CREDENTIALS).build())
        .profile_files(files.clone());
    let named = name.clone();
    if let Some(name) = name {
        loader = loader.profile_name(name);
    }
    loader = match &region {
        Some(region) => loader.region(region.clone()),
        // The SDK would take an empty variable or setting for a region.
        None => loader.region(ImdsRegionProvider::builder().configure(&provider).build()),
    };
    if let Some(endpoint) = &options.endpoint_url {
        loader = loader.endpoint_url(endpoint);
    }
    let provider = provider.with_region(region);
    let credentials = match (&options.profile, keys) {
        // The default chain would prefer credentials in the environment to a profile that was
        // given.
        (Some(profile), _) => {
            let of_profile = ProfileFileCredentialsProvider::builder().configure(&provider);
            let of_profile = of_profile.profile_files(files).profile_name(profile).build();
            Some(Checked::new(of_profile, Some(profile.clone())))
        }
        (None, Some(keys)) => {
            let (id, secret) = (keys.access_key_id, keys.secret_access_key);
            let keys = Credentials::new(id, secret, keys.session_token, None, "environment");
            Some(Checked::new(keys, None))
        }
        (None, None) => None,
    };
    let config = match credentials {
        Some(credentials) => loader.credentials_provider(credentials.from(base)).load().await,
        None => {
            // The default chain takes the files from the loader alone.
            let config = loader.load().await;
            let chain = config.credentials_provider().map(|first| match &options.fallback {
                None => Checked::new(first, None),
                Some(fallback) => {
                    let (fallback, files) = (fallback.clone(), EnvConfigFiles::default());
                    let configuration = provider.clone();
                    Checked::new(WithFallback { first, fallback, configuration, files }, None)
                }
            });
            let chain = chain.map(|chain| SharedCredentialsProvider::new(chain.from(base)));
            let mut builder = config.into_builder();
            builder.set_credentials_provider(chain);
            builder.build()
        }
    };
    // Those of the environment were checked before.
    for service in ["S3", "IAM", "STS", "S3 Control", "CloudFront", "SSO", "SSO OIDC"] {
        let endpoint = service_endpoint(&config, service);
        if let Some(endpoint) = endpoint.or_else(|| configured_endpoint(&config, service)) {
            let profile = named.as_deref().unwrap_or("default");
            let setting = format!(
                "endpoint_url of the profile {profile:?} in the AWS config file, for {service},"
            );
            endpoint::check(&endpoint).map_err(|reason| Error::Endpoint { setting, reason })?;
        }
    }
    Ok(config)
}

/// The same configuration for another region.
#[must_use]
pub fn in_region(config: &SdkConfig, region: &str) -> SdkConfig {
    config.to_builder().region(Region::new(region.to_owned())).build()
}

/// Checks the name of a region: whether there can be one, not whether it exists.
///
/// # Errors
/// [`Error::Region`]
pub fn check_region(name: &str) -> Result<(), Error> {
    match region::malformed(name) {
        Some(reason) => {
            let is_key = issuer_redact::is_access_key(name);
            let name = if is_key { issuer_redact::REDACTED } else { name };
            Err(Error::Region { name: name.to_owned(), reason })
        }
        None => Ok(()),
    }
}

/// Checks an endpoint URL; it is not quoted, since people put passwords into it.
///
/// # Errors
/// [`Error::Endpoint`]
pub fn check_endpoint(url: &str) -> Result<(), Error> {
    let setting = "the given endpoint (--endpoint-url, or endpointUrl of the store)".to_owned();
    endpoint::check(url).map_err(|reason| Error::Endpoint { setting, reason })
}

/// The endpoint that was given, else `AWS_ENDPOINT_URL_SERVICE`, `AWS_ENDPOINT_URL` and `endpoint_url` of
/// the profile, with the precedence of the SDK.
#[must_use]
pub fn configured_endpoint(config: &SdkConfig, service: &str) -> Option<String> {
    let of_all = || config.endpoint_url().map(str::to_owned);
    if config.get_origin("endpoint_url").is_client_config() {
        return of_all();
    }
    service_endpoint(config, service).or_else(of_all)
}

/// The same without the endpoint that was given.
#[must_use]
pub fn service_endpoint(config: &SdkConfig, service: &str) -> Option<String> {
    let key = ServiceConfigKey::builder()
        .service_id(service)
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build()
        .ok()?;
    config.service_config()?.load_config(key)
}

/// The authorities of the file that `AWS_CA_BUNDLE` names.
fn ca_bundle(path: String) -> Result<Authorities, Error> {
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) => return Err(Error::ReadCaBundle { path, reason: error.to_string() }),
    };
    Authorities::parse(&bytes).map_err(|source| Error::CaBundle { path, source })
}

fn selected(options: &SessionOptions, environment: &Environment) -> Option<Selected> {
    let given = options.profile.clone().map(|name| Selected { name, variable: None });
    let of_variable = || {
        let (name, variable) = environment.profile.clone()?;
        Some(Selected { name, variable: Some(variable) })
    };
    given.or_else(of_variable)
}
