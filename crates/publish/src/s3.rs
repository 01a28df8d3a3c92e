//! S3 and S3-compatible stores.

mod bucket;
mod bucket_removal;
mod calls;
mod client;
mod fleet;
mod history;
mod lease;
mod location;
mod objects;
mod permissions;
mod policy;
mod policy_calls;
mod preflight;
mod preflight_calls;
mod statements;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use issuer_discovery::{DISCOVERY_NAME, KEYS_NAME, Partition};
use issuer_session::{Cause, is_web_page, message};

pub use bucket::{
    AccessMode, Block, BucketPlan, BucketSpec, BucketState, BucketStep, Existence, Setting,
};
pub(crate) use bucket_removal::BucketRemoval;
pub use client::S3Clients;
use client::{Account, Buckets, Probes, StoreClock};
use fleet::Listed;
pub use fleet::{Fleet, Fleets};
pub use location::{BucketName, Prefix, S3Location};
pub use permissions::{Purpose, permissions};
pub use policy::{with_distribution as private_bucket_policy, with_ours as bucket_policy};
pub use preflight::Preflight;

use crate::state::{Attributes, Bucket};
use crate::{Error, StoreState, Stored};

/// The names of object attributes in plans.
const CONTENT_TYPE: &str = "content_type";
const CACHE_CONTROL: &str = "cache_control";
const CONTENT_ENCODING: &str = "content_encoding";
const ACL: &str = "acl";
const ENCRYPTION: &str = "server_side_encryption";

/// SSE-S3 (S3 API reference, `x-amz-server-side-encryption`), the only encryption that anonymous
/// readers get past.
pub const SSE_S3: &str = "AES256";

/// In place of a `Content-Encoding`: with one, readers take the plain document for a compressed one.
const NOT_ENCODED: &str = "none";

/// The canned ACL that allows anonymous reads.
const PUBLIC_READ: &str = "public-read";

/// The `Content-Type` of the documents.
pub const MEDIA_TYPE: &str = "application/json";

/// Metadata (`x-amz-meta-…`) of an object that issuerctl created.
const CREATED: &str = "issuerctl-created";

/// Metadata of `keys.json`: its issuer, which the document does not name.
const ISSUER: &str = "issuerctl-issuer";

/// How to access a bucket, and how it is made public.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct S3Options {
    /// The region; by default that of the existing bucket, or of the session for a new one.
    pub region: Option<String>,
    /// Endpoint URL of an S3-compatible store.
    pub endpoint_url: Option<String>,
    /// Whether URLs are path-style.
    pub path_style: bool,
    /// The account that must own the bucket.
    pub expected_bucket_owner: Option<String>,
    /// `max-age` of the documents' `Cache-Control`, in seconds.
    pub max_age_secs: u32,
    /// How public read access is granted.
    pub access: AccessMode,
    /// Whether one statement of the bucket policy is for all issuers in the bucket.
    pub shared_bucket: bool,
    /// The ARN of the certificate for an issuer with a domain of its own, with
    /// [`AccessMode::CloudFront`].
    pub certificate_arn: Option<String>,
    /// Whether the bucket is created if it does not exist.
    pub create_bucket: bool,
    /// Whether writes have no conditions, for a store that ignores or refuses them.
    pub unconditional: bool,
}

/// A prefix in a bucket.
#[derive(Debug)]
pub struct S3 {
    client: Client,
    location: S3Location,
    options: S3Options,
    region: String,
    /// Whether the stores of buckets keep the conditions of writes.
    probes: Probes,
    /// The buckets whose store does not implement encryption.
    unencrypted: Buckets,
    account: Account,
    /// The address of `s3-control`, if it is configured.
    control_url: Option<String>,
    clock: StoreClock,
    front: Option<Front>,
    fleet: Option<Fleet>,
}

/// The distribution that serves the documents of a private bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Front {
    /// Its ARN.
    pub arn: String,
    /// Its domain.
    pub domain: String,
}

impl S3Options {
    /// The `Cache-Control` of the documents.
    #[must_use]
    pub fn cache_control(&self) -> String {
        format!("public, max-age={}", self.max_age_secs)
    }
}

impl S3 {
    /// A store that uses the clients of a session; the default region is that of the bucket. What its
    /// issuer shares with the others of a fleet is asked once for all.
    ///
    /// # Errors
    /// [`Error::NoRegion`].
    pub async fn connect(
        clients: &S3Clients,
        location: S3Location,
        options: S3Options,
        fleet: Option<Fleet>,
    ) -> Result<Self, Error> {
        let connected = client::connect(clients, &location, &options, fleet.as_ref()).await?;
        let options = S3Options { endpoint_url: connected.endpoint_url, ..options };
        Ok(Self {
            client: connected.client,
            location,
            options,
            region: connected.region,
            probes: clients.probes(),
            unencrypted: clients.unencrypted(),
            account: clients.account(),
            control_url: clients.control_url(),
            clock: clients.clock(),
            front: None,
            fleet,
        })
    }

    /// A store that uses an existing client.
    #[must_use]
    pub fn with_client(
        client: Client,
        location: S3Location,
        options: S3Options,
        region: String,
    ) -> Self {
        Self {
            client,
            location,
            options,
            region,
            probes: Probes::default(),
            unencrypted: Buckets::default(),
            account: Account::default(),
            control_url: None,
            clock: StoreClock::default(),
            front: None,
            fleet: None,
        }
    }

    /// The same store behind a distribution.
    #[must_use]
    pub fn behind(self, front: Option<Front>) -> Self {
        Self { front, ..self }
    }

    /// The same store, of an issuer of a fleet.
    #[must_use]
    pub fn among(self, fleet: Option<Fleet>) -> Self {
        Self { fleet, ..self }
    }

    /// The same store, with the address of the API for settings of the account (`s3-control`).
    #[must_use]
    pub fn with_control_url(self, url: String) -> Self {
        Self { control_url: Some(url), ..self }
    }

    /// The region of the bucket.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The issuer URL derived from bucket, region and prefix, or from the endpoint of an
    /// S3-compatible store.
    ///
    /// # Errors
    /// [`Error::NoIssuer`] if the endpoint is not an https URL; [`Error::NoDistribution`].
    pub fn issuer_url(&self) -> Result<String, Error> {
        if self.options.access == AccessMode::CloudFront {
            let front = self.front.as_ref();
            let unknown = || Error::NoDistribution { location: self.location.to_string() };
            return front.map(|front| format!("https://{}", front.domain)).ok_or_else(unknown);
        }
        self.location.issuer_url(
            &self.region,
            self.options.endpoint_url.as_deref(),
            self.options.path_style,
        )
    }

    /// `s3://BUCKET[/PREFIX]`.
    #[must_use]
    pub fn location(&self) -> String {
        self.location.to_string()
    }

    /// Reads everything for the first time in a run: what the list of a fleet says is not asked again.
    pub(crate) async fn read(&self, purpose: Purpose) -> Result<StoreState, Error> {
        match &self.fleet {
            Some(fleet) if purpose == Purpose::Plan => {
                self.read_all(purpose, fleet.listed(self).await).await
            }
            _ => self.read_all(purpose, &Listed::Nothing).await,
        }
    }

    /// Reads everything as it is now.
    pub(crate) async fn read_again(&self) -> Result<StoreState, Error> {
        self.read_all(Purpose::Plan, &Listed::Nothing).await
    }

    /// Reads what a list does not say; independent requests are sent concurrently.
    async fn read_all(&self, purpose: Purpose, listed: &Listed) -> Result<StoreState, Error> {
        let history = async {
            match purpose {
                Purpose::Remove => match self.list_kept().await {
                    Ok(kept) => {
                        let names = kept.into_iter().map(|kept| kept.version);
                        Ok(Setting::Present(names.collect()))
                    }
                    // What is not known is left, and said.
                    Err(Error::Denied { .. }) => Ok(Setting::Denied),
                    Err(error) => Err(error),
                },
                _ => Ok(Setting::NotRead),
            }
        };
        let document = async |name| match listed.lacks(&self.location.object_key(name)) {
            true => Ok(None),
            false => self.read_document(name, purpose).await,
        };
        let (keys, discovery, state, history) = tokio::join!(
            document(KEYS_NAME),
            document(DISCOVERY_NAME),
            self.read_bucket(purpose, listed),
            history,
        );
        // An error about the bucket is more specific than one about an object in it, except for an
        // answer to HEAD, which has no code.
        let (keys, state) = match (keys, state) {
            (Err(error), Err(Error::Call { code: None, .. })) => return Err(error),
            (keys, state) => (keys, state?),
        };
        let mut bucket = Bucket { state, spec: self.bucket_spec() };
        let (keys, discovery, desired, history) = (keys?, discovery?, self.desired(), history?);
        // Only what is set up can be in need of something: a bucket that serves its documents does.
        let sets_up = || {
            let plan = BucketPlan::new(&bucket.spec, &bucket.state);
            keys.is_none() || discovery.is_none() || !plan.is_ok_and(|plan| plan.is_empty())
        };
        if matches!(purpose, Purpose::Plan | Purpose::Publish) && sets_up() {
            bucket.state.preflight = self.read_preflight(bucket.state.existence).await;
        }
        let (read_secs, clock_ahead_secs) = self.clock.now();
        let (bucket, notices) = (Some(bucket), Vec::new());
        Ok(StoreState {
            keys,
            discovery,
            desired,
            bucket,
            history,
            read_secs,
            clock_ahead_secs,
            notices,
        })
    }

    /// What decides whether the bucket's objects are public: policy and public access block. One that
    /// cannot be read is [`Setting::NotRead`].
    ///
    /// # Errors
    /// None of them could be read, and why.
    pub async fn publicity(&self) -> Result<BucketState, Error> {
        self.read_publicity().await
    }

    /// How the discovery document and the keys are encrypted; `None` for one that does not exist.
    ///
    /// # Errors
    /// A denied or failed call.
    pub async fn encryption_of_documents(&self) -> Result<[Option<String>; 2], Error> {
        let [keys, discovery] = self.read_documents().await?;
        let encryption = |stored: Stored| stored.attributes.get(ENCRYPTION).cloned();
        let of = |stored: Option<Stored>| stored.map(|own| encryption(own).unwrap_or_default());
        Ok([of(discovery), of(keys)])
    }

    /// The documents with what a plan for them depends on, without the bucket.
    pub(crate) async fn read_objects(&self) -> Result<StoreState, Error> {
        let (keys, discovery) = tokio::join!(
            self.read_document(KEYS_NAME, Purpose::Plan),
            self.read_document(DISCOVERY_NAME, Purpose::Plan),
        );
        let (keys, discovery, desired) = (keys?, discovery?, self.desired());
        let (read_secs, clock_ahead_secs) = self.clock.now();
        Ok(StoreState {
            keys,
            discovery,
            desired,
            bucket: None,
            history: Setting::NotRead,
            read_secs,
            clock_ahead_secs,
            notices: Vec::new(),
        })
    }

    /// The desired state of the bucket.
    fn bucket_spec(&self) -> BucketSpec {
        BucketSpec {
            location: self.location.clone(),
            region: self.region.clone(),
            access: self.options.access,
            shared: self.options.shared_bucket,
            distribution: self.front.as_ref().map(|front| front.arn.clone()),
            create: self.options.create_bucket,
        }
    }

    /// The attributes that an object should have.
    fn desired(&self) -> Attributes {
        let mut desired = Attributes::from([
            (CONTENT_TYPE, MEDIA_TYPE.to_owned()),
            (CACHE_CONTROL, self.options.cache_control()),
            (CONTENT_ENCODING, NOT_ENCODED.to_owned()),
            (ENCRYPTION, SSE_S3.to_owned()),
        ]);
        if self.options.access == AccessMode::Acl {
            desired.insert(ACL, PUBLIC_READ.to_owned());
        }
        desired
    }

    /// An answer that lacks what every answer has must not be taken for a setting that is off.
    fn incomplete(&self, call: &'static str, missing: &'static str) -> Error {
        Error::Incomplete { call, bucket: self.location.bucket.to_string(), missing }
    }

    /// The error for a failed call; problems of the bucket have their own errors.
    fn failed<E>(
        &self,
        call: &'static str,
        permissions: &'static [&'static str],
        resource: &str,
        error: &SdkError<E>,
    ) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let bucket = self.location.bucket.to_string();
        let resource =
            if resource.is_empty() { bucket.clone() } else { format!("{bucket}/{resource}") };
        let arn = || format!("arn:{}:s3:::{resource}", Partition::of_region(&self.region).name);
        let message = message(error);
        let code = code(error);
        let status = error.raw_response().map(|response| response.status().as_u16());
        let denied = || Error::Denied {
            call,
            permissions,
            resource: arn(),
            code: code.clone(),
            by_public_access_block: names_public_access_block(&message),
            message: message.clone(),
        };
        if let Some(actual) = region_of(error).filter(|actual| *actual != self.region) {
            return Error::OtherRegion { bucket, actual, asked: self.region.clone() };
        }
        match code.as_deref() {
            Some("NoSuchBucket") => Error::NoBucket { bucket },
            // Two runs are configuring the same bucket.
            Some("OperationAborted") => Error::Changed { location: self.location.to_string() },
            code if Cause::of(code, &message).is_about_credentials() => {
                Error::Credentials { code: code.map(str::to_owned), message }
            }
            // The response of AWS about the policy of a bucket of another account.
            Some("MethodNotAllowed") if self.options.endpoint_url.is_none() => Error::OtherOwner {
                bucket,
                reason: format!("{call} is not allowed from other accounts"),
            },
            Some("AccessDenied" | "AllAccessDisabled" | "AccountProblem") => denied(),
            None if status == Some(403) && !is_web_page(error) => denied(),
            _ => Error::Call { call, resource, code: code.clone(), message },
        }
    }
}

/// Whether S3 Block Public Access denied the call. S3 has no separate error code for it: the code
/// is AccessDenied, and the message ends in "because public policies are blocked by the
/// BlockPublicPolicy block public access setting" (S3 user guide, "Troubleshoot access denied (403
/// Forbidden) errors").
fn names_public_access_block(message: &str) -> bool {
    message.contains("BlockPublicPolicy")
}

/// The region in an error response: in a header, or in the message of
/// AuthorizationHeaderMalformed.
fn region_of<E: ProvideErrorMetadata>(error: &SdkError<E>) -> Option<String> {
    let response = error.raw_response()?;
    if !matches!(response.status().as_u16(), 300..=399 | 400 | 403) {
        return None;
    }
    if let Some(region) = response.headers().get("x-amz-bucket-region") {
        return Some(region.to_owned());
    }
    let service = error
        .as_service_error()
        .filter(|error| error.code() == Some("AuthorizationHeaderMalformed"))?;
    let (_, rest) = service.message()?.split_once("expecting '")?;
    rest.split_once('\'').map(|(region, _)| region.to_owned())
}

/// The error code; a response to HEAD has no body, so it only has a status.
fn code<E: ProvideErrorMetadata>(error: &SdkError<E>) -> Option<String> {
    issuer_session::code(error).or_else(|| match error.raw_response()?.status().as_u16() {
        412 => Some("PreconditionFailed".to_owned()),
        409 => Some("ConditionalRequestConflict".to_owned()),
        _ => None,
    })
}
