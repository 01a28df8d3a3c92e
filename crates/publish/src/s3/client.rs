//! Credentials, region and connection, as the SDK's default chain finds them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::Client;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::{SharedHttpClient, SharedHttpConnector, http_client_fn};
use aws_types::service_config::ServiceConfigKey;

use super::{S3Location, S3Options};
use crate::Error;

pub(super) struct Connected {
    pub(super) client: Client,
    pub(super) region: String,
    /// `--endpoint-url`, or what environment and profile say instead.
    pub(super) endpoint_url: Option<String>,
}

pub(super) async fn connect(location: &S3Location, options: &S3Options) -> Result<Connected, Error> {
    let config = load(options).await?;
    let endpoint_url = options.endpoint_url.clone().or_else(|| configured_endpoint(&config));
    let configured = config.region().map(|region| region.as_ref().to_owned());
    let start = configured.clone().unwrap_or_else(|| "us-east-1".to_owned());
    let client = client(&config, options, &start);
    let connected = |client, region| Ok(Connected { client, region, endpoint_url: endpoint_url.clone() });
    if options.region.is_some() || endpoint_url.is_some() {
        return connected(client, start);
    }
    // The profile's region is a default for new buckets; one that is there says itself where it lies.
    match bucket_region(&client, location).await {
        Some(actual) if actual != start => connected(self::client(&config, options, &actual), actual),
        None if configured.is_none() && options.create_bucket => {
            Err(Error::Options(format!("no region is known for the new bucket {}; give --region", location.bucket)))
        }
        _ => connected(client, start),
    }
}

async fn load(options: &S3Options) -> Result<SdkConfig, Error> {
    let http = http_client(options)?;
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http.clone());
    if let Some(profile) = &options.profile {
        // The default chain would let credentials in the environment win over a profile that was named.
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

/// `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL` and `endpoint_url` of the profile, as the SDK itself takes them.
fn configured_endpoint(config: &SdkConfig) -> Option<String> {
    let key =
        ServiceConfigKey::builder().service_id("S3").env("AWS_ENDPOINT_URL").profile("endpoint_url").build().ok()?;
    let for_s3 = config.service_config().and_then(|service| service.load_config(key));
    for_s3.or_else(|| config.endpoint_url().map(str::to_owned))
}

fn client(config: &SdkConfig, options: &S3Options, region: &str) -> Client {
    let builder = aws_sdk_s3::config::Builder::from(config)
        .region(Region::new(region.to_owned()))
        .force_path_style(options.path_style);
    Client::from_conf(builder.build())
}

/// Every answer of S3 about a bucket names its region, also a refusal.
async fn bucket_region(client: &Client, location: &S3Location) -> Option<String> {
    let header =
        |headers: &aws_smithy_runtime_api::http::Headers| headers.get("x-amz-bucket-region").map(str::to_owned);
    match client.head_bucket().bucket(location.bucket.as_str()).send().await {
        Ok(output) => output.bucket_region().map(str::to_owned),
        Err(error) => error.raw_response().and_then(|response| header(response.headers())),
    }
}

/// The SDK's own client with the environment's proxies, which it leaves out by default, and more certificate authorities.
fn http_client(options: &S3Options) -> Result<SharedHttpClient, Error> {
    let mut roots = TrustStore::default();
    if let Some(pem) = &options.extra_roots_pem {
        roots.add_pem_certificate(pem.clone());
    }
    let tls = TlsContext::builder()
        .with_trust_store(roots)
        .build()
        .map_err(|error| Error::Options(format!("the certificate authorities cannot be used: {error}")))?;
    // One for each set of time limits: those of the instance metadata service are far too short for S3.
    let connectors: Mutex<HashMap<_, SharedHttpConnector>> = Mutex::default();
    Ok(http_client_fn(move |settings, components| {
        let make = || {
            let mut builder =
                Connector::builder().connector_settings(settings.clone()).proxy_config(ProxyConfig::from_env());
            builder.set_sleep_impl(components.sleep_impl());
            let connector = builder.tls_provider(Provider::Rustls(CryptoMode::AwsLc)).tls_context(tls.clone()).build();
            SharedHttpConnector::new(connector)
        };
        let limits = (settings.connect_timeout(), settings.read_timeout());
        connectors.lock().unwrap_or_else(PoisonError::into_inner).entry(limits).or_insert_with(make).clone()
    }))
}
