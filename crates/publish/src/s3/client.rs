//! The client, and the region of the bucket.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use aws_config::{Region, SdkConfig};
use aws_sdk_s3::Client;
use issuer_session::{Cause, check_endpoint, check_region, configured_endpoint, message};

use super::{S3Location, S3Options};
use crate::Error;

/// The clients of a run: one for each region, endpoint and addressing style.
#[derive(Debug)]
pub struct S3Clients {
    config: SdkConfig,
    endpoint_url: Option<String>,
    clients: Mutex<HashMap<ClientKey, Client>>,
}

/// Region, endpoint, and whether URLs are path-style.
type ClientKey = (String, Option<String>, bool);

pub(super) struct Connected {
    pub(super) client: Client,
    pub(super) region: String,
    /// The endpoint of the options, or of the environment or profile.
    pub(super) endpoint_url: Option<String>,
}

impl S3Clients {
    /// Clients with the credentials of this session.
    #[must_use]
    pub fn new(config: SdkConfig) -> Self {
        let endpoint_url = configured_endpoint(&config, "S3");
        Self { config, endpoint_url, clients: Mutex::default() }
    }

    fn client(&self, options: &S3Options, region: &str) -> Client {
        let key = (region.to_owned(), options.endpoint_url.clone(), options.path_style);
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let mut builder = aws_sdk_s3::config::Builder::from(&self.config)
                .region(Region::new(region.to_owned()))
                .force_path_style(options.path_style);
            if let Some(endpoint) = &options.endpoint_url {
                builder = builder.endpoint_url(endpoint);
            }
            Client::from_conf(builder.build())
        };
        clients.entry(key).or_insert_with(make).clone()
    }
}

pub(super) async fn connect(
    clients: &S3Clients,
    location: &S3Location,
    options: &S3Options,
) -> Result<Connected, Error> {
    if let Some(region) = &options.region {
        check_region(region)?;
    }
    if let Some(endpoint) = &options.endpoint_url {
        check_endpoint(endpoint)?;
    }
    let endpoint_url = options.endpoint_url.clone().or_else(|| clients.endpoint_url.clone());
    let configured = clients.config.region().map(|region| region.as_ref().to_owned());
    let given = options.region.clone().or_else(|| configured.clone());
    let start = given.unwrap_or_else(|| "us-east-1".to_owned());
    let client = clients.client(options, &start);
    let connected =
        |client, region| Ok(Connected { client, region, endpoint_url: endpoint_url.clone() });
    if options.region.is_some() || endpoint_url.is_some() {
        return connected(client, start);
    }
    // The region of the profile is the default for new buckets; S3 reports that of existing ones.
    match bucket_region(&client, location).await? {
        Some(actual) if actual != start => connected(clients.client(options, &actual), actual),
        None if configured.is_none() && options.create_bucket => {
            Err(Error::NoRegion { bucket: location.bucket.to_string() })
        }
        _ => connected(client, start),
    }
}

/// Every S3 response about a bucket has its region, even if access is denied.
async fn bucket_region(client: &Client, location: &S3Location) -> Result<Option<String>, Error> {
    let bucket = location.bucket.as_str();
    match client.head_bucket().bucket(bucket).send().await {
        Ok(output) => Ok(output.bucket_region().map(str::to_owned)),
        Err(error) => match error.raw_response() {
            Some(answer) => Ok(answer.headers().get("x-amz-bucket-region").map(str::to_owned)),
            None => Err(unanswered("HeadBucket", bucket, message(&error))),
        },
    }
}

/// The error for a call without an answer.
fn unanswered(call: &'static str, resource: &str, message: String) -> Error {
    match Cause::of(None, &message).is_about_credentials() {
        true => Error::Credentials { code: None, message },
        false => Error::Call { call, resource: resource.to_owned(), code: None, message },
    }
}
