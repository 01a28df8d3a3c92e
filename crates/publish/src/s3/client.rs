//! Credentials, region and connection, as the SDK's default chain finds them.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::Client;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::{SharedHttpClient, SharedHttpConnector, http_client_fn};

use super::{S3Location, S3Options};
use crate::Error;

pub(super) struct Connected {
    pub(super) client: Client,
    pub(super) region: String,
}

pub(super) async fn connect(location: &S3Location, options: &S3Options) -> Result<Connected, Error> {
    let config = load(options).await?;
    let configured = config.region().map(|region| region.as_ref().to_owned());
    let start = configured.clone().unwrap_or_else(|| "us-east-1".to_owned());
    let client = client(&config, options, &start);
    if options.region.is_some() || options.endpoint_url.is_some() {
        return Ok(Connected { client, region: start });
    }
    // The profile's region is a default for new buckets; one that is there says itself where it lies.
    match bucket_region(&client, location).await {
        Some(actual) if actual != start => {
            Ok(Connected { client: self::client(&config, options, &actual), region: actual })
        }
        None if configured.is_none() && options.create_bucket => {
            Err(Error::Options(format!("no region is known for the new bucket {}; give --region", location.bucket)))
        }
        _ => Ok(Connected { client, region: start }),
    }
}

async fn load(options: &S3Options) -> Result<SdkConfig, Error> {
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http_client(options)?);
    if let Some(profile) = &options.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(region) = &options.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(endpoint) = &options.endpoint_url {
        loader = loader.endpoint_url(endpoint);
    }
    Ok(loader.load().await)
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
    let connector: std::sync::OnceLock<SharedHttpConnector> = std::sync::OnceLock::new();
    Ok(http_client_fn(move |settings, components| {
        let make = || {
            let mut builder =
                Connector::builder().connector_settings(settings.clone()).proxy_config(ProxyConfig::from_env());
            builder.set_sleep_impl(components.sleep_impl());
            let connector = builder.tls_provider(Provider::Rustls(CryptoMode::AwsLc)).tls_context(tls.clone()).build();
            SharedHttpConnector::new(connector)
        };
        connector.get_or_init(make).clone()
    }))
}
