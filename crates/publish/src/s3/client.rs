//! The client, and the region of the bucket.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_config::{Region, SdkConfig};
use aws_sdk_s3::Client;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextRef, InterceptorContext,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::retries::classifiers::{
    ClassifyRetry, RetryAction, RetryClassifierPriority,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::date_time::{DateTime, Format as DateTimeFormat};
use aws_smithy_types::retry::ErrorKind;
use issuer_diagnostic::now_secs;
use issuer_session::{
    Cause, check_endpoint, check_region, configured_endpoint, message, service_endpoint,
};
use tokio::sync::OnceCell;

use super::{Fleet, S3Location, S3Options};
use crate::Error;

/// The clients of a run: one for each region, endpoint and addressing style.
#[derive(Debug)]
pub struct S3Clients {
    config: SdkConfig,
    endpoint_url: Option<String>,
    clients: Mutex<HashMap<ClientKey, Client>>,
    probes: Probes,
    unencrypted: Buckets,
    account: Account,
    clock: StoreClock,
}

/// The account of the credentials, asked for when it is first needed.
#[derive(Debug, Clone, Default)]
pub(super) struct Account {
    config: Option<SdkConfig>,
    id: Arc<OnceCell<Option<String>>>,
}

impl Account {
    /// Whether it can be asked for.
    pub(super) fn is_known(&self) -> bool {
        self.config.is_some()
    }

    /// Its ID, if STS says it.
    pub(super) async fn id(&self) -> Option<String> {
        let config = self.config.as_ref()?;
        let ask = || async {
            let config = match config.region() {
                Some(_) => config.clone(),
                None => config.to_builder().region(Region::new("us-east-1")).build(),
            };
            let answer = aws_sdk_sts::Client::new(&config).get_caller_identity().send().await;
            answer.ok()?.account().map(str::to_owned)
        };
        self.id.get_or_init(ask).await.clone()
    }
}

/// Buckets at endpoints of which something is known, so that it is not asked for each issuer.
#[derive(Debug, Clone, Default)]
pub(super) struct Buckets(Arc<Mutex<HashSet<(String, String)>>>);

impl Buckets {
    pub(super) fn add(&self, endpoint: &str, bucket: &str) {
        self.known().insert((endpoint.to_owned(), bucket.to_owned()));
    }

    pub(super) fn has(&self, endpoint: &str, bucket: &str) -> bool {
        self.known().contains(&(endpoint.to_owned(), bucket.to_owned()))
    }

    fn known(&self) -> MutexGuard<'_, HashSet<(String, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether stores keep the conditions of writes, which each bucket is asked once.
#[derive(Debug, Clone, Default)]
pub(super) struct Probes(Arc<Mutex<HashMap<(String, String), Probe>>>);

/// The document that a store has written under a condition that cannot hold, if it did.
type Probe = Arc<OnceCell<Option<String>>>;

impl Probes {
    pub(super) fn of(&self, endpoint: &str, bucket: &str) -> Probe {
        let mut probes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(probes.entry((endpoint.to_owned(), bucket.to_owned())).or_default())
    }
}

/// The clock of the store, as its answers tell (`Date`, RFC 9110 section 6.6.1).
#[derive(Debug, Clone, Default)]
pub(super) struct StoreClock {
    /// How many seconds the clock of this machine is ahead.
    ahead: Arc<AtomicI64>,
}

impl StoreClock {
    /// The time of the store, and how many seconds the clock of this machine is ahead of it.
    pub(super) fn now(&self) -> (u64, i64) {
        let ahead = self.ahead.load(Ordering::Relaxed);
        (now_secs().saturating_add_signed(ahead.saturating_neg()), ahead)
    }
}

#[dyn_dispatch_hint]
impl Intercept for StoreClock {
    fn name(&self) -> &'static str {
        "StoreClock"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let date = date.and_then(|text| DateTime::from_str(text, DateTimeFormat::HttpDate).ok());
        if let (Some(date), Ok(now)) = (date, i64::try_from(now_secs())) {
            self.ahead.store(now.saturating_sub(date.secs()), Ordering::Relaxed);
        }
        Ok(())
    }
}

/// A server that is asked too often: 429, which the SDK takes for a fault of the request, and the pause
/// that it asks for in `Retry-After`.
#[derive(Debug)]
struct Busy;

impl ClassifyRetry for Busy {
    fn name(&self) -> &'static str {
        "busy"
    }

    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::http_status_code_classifier())
    }

    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let Some(response) = context.response() else { return RetryAction::NoActionIndicated };
        let pause = || response.headers().get("retry-after")?.trim().parse().ok();
        match (response.status().as_u16(), pause()) {
            (429 | 503, Some(secs)) => RetryAction::retryable_error_with_explicit_delay(
                ErrorKind::ThrottlingError,
                Duration::from_secs(secs).min(LONGEST),
            ),
            (429, None) => RetryAction::throttling_error(),
            _ => RetryAction::NoActionIndicated,
        }
    }
}

/// The longest pause that a server can ask for.
const LONGEST: Duration = Duration::from_secs(20);

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
        let (probes, unencrypted) = (Probes::default(), Buckets::default());
        let (clients, clock) = (Mutex::default(), StoreClock::default());
        let account = Account { config: Some(config.clone()), id: Arc::default() };
        Self { config, endpoint_url, clients, probes, unencrypted, account, clock }
    }

    pub(super) fn account(&self) -> Account {
        self.account.clone()
    }

    /// The address of the API for settings of the account, if it has one of its own: that of all services
    /// is often that of a store which has no such API.
    pub(super) fn control_url(&self) -> Option<String> {
        let of_all = self.config.endpoint_url();
        service_endpoint(&self.config, "S3 Control").filter(|url| Some(url.as_str()) != of_all)
    }

    pub(super) fn probes(&self) -> Probes {
        self.probes.clone()
    }

    pub(super) fn unencrypted(&self) -> Buckets {
        self.unencrypted.clone()
    }

    pub(super) fn clock(&self) -> StoreClock {
        self.clock.clone()
    }

    fn client(&self, options: &S3Options, region: &str) -> Client {
        let key = (region.to_owned(), options.endpoint_url.clone(), options.path_style);
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let mut builder = aws_sdk_s3::config::Builder::from(&self.config)
                .region(Region::new(region.to_owned()))
                .retry_classifier(Busy)
                .interceptor(self.clock.clone())
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
    fleet: Option<&Fleet>,
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
    let ask = bucket_region(&client, location);
    let actual = match fleet {
        Some(fleet) => fleet.region(ask).await?,
        None => ask.await?,
    };
    match actual {
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
