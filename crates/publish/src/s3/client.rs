//! The client, and the region of the bucket.

use aws_config::{Region, SdkConfig};
use aws_sdk_s3::Client;
use issuer_session::{SessionOptions, configured_endpoint};

use super::{S3Location, S3Options};
use crate::Error;

pub(super) struct Connected {
    pub(super) client: Client,
    pub(super) region: String,
    /// The endpoint of the options, else that of environment or profile.
    pub(super) endpoint_url: Option<String>,
}

pub(super) async fn connect(
    location: &S3Location,
    options: &S3Options,
) -> Result<Connected, Error> {
    let session = SessionOptions {
        region: options.region.clone(),
        profile: options.profile.clone(),
        endpoint_url: options.endpoint_url.clone(),
        extra_roots_pem: options.extra_roots_pem.clone(),
    };
    let config = issuer_session::load(&session).await?;
    let endpoint_url = options.endpoint_url.clone().or_else(|| configured_endpoint(&config, "S3"));
    let configured = config.region().map(|region| region.as_ref().to_owned());
    let start = configured.clone().unwrap_or_else(|| "us-east-1".to_owned());
    let client = client(&config, options, &start);
    let connected =
        |client, region| Ok(Connected { client, region, endpoint_url: endpoint_url.clone() });
    if options.region.is_some() || endpoint_url.is_some() {
        return connected(client, start);
    }
    // The profile's region is a default for new buckets; one that is there says itself where it
    // lies.
    match bucket_region(&client, location).await {
        Some(actual) if actual != start => {
            connected(self::client(&config, options, &actual), actual)
        }
        None if configured.is_none() && options.create_bucket => {
            Err(Error::NoRegion { bucket: location.bucket.to_string() })
        }
        _ => connected(client, start),
    }
}

fn client(config: &SdkConfig, options: &S3Options, region: &str) -> Client {
    let builder = aws_sdk_s3::config::Builder::from(config)
        .region(Region::new(region.to_owned()))
        .force_path_style(options.path_style);
    Client::from_conf(builder.build())
}

/// Every answer of S3 about a bucket names its region, also a refusal.
async fn bucket_region(client: &Client, location: &S3Location) -> Option<String> {
    let header = |headers: &aws_smithy_runtime_api::http::Headers| {
        headers.get("x-amz-bucket-region").map(str::to_owned)
    };
    match client.head_bucket().bucket(location.bucket.as_str()).send().await {
        Ok(output) => output.bucket_region().map(str::to_owned),
        Err(error) => error.raw_response().and_then(|response| header(response.headers())),
    }
}
