//! S3 and S3-compatible stores.

mod bucket;
mod bucket_removal;
mod calls;
mod client;
mod history;
mod lease;
mod location;
mod permissions;
mod policy;
mod policy_calls;
mod preflight;
mod preflight_calls;
mod statements;

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ObjectCannedAcl, Permission, ServerSideEncryption};
use issuer_discovery::{DISCOVERY_NAME, KEYS_NAME, Partition};
use issuer_jwks::MAX_INPUT_BYTES;
use issuer_session::{Cause, is_web_page, message};

pub use bucket::{
    AccessMode, Block, BucketPlan, BucketSpec, BucketState, BucketStep, Existence, Setting,
};
pub(crate) use bucket_removal::BucketRemoval;
pub use client::S3Clients;
use client::{Account, Probed, StoreClock};
pub use location::{BucketName, Prefix, S3Location};
pub use permissions::{Purpose, permissions};
pub use policy::{with_distribution as private_bucket_policy, with_ours as bucket_policy};
pub use preflight::Preflight;

use crate::state::{Attributes, Bucket, Write};
use crate::{Condition, Error, KeyRecord, RECORD, StoreState, Stored, Version};

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

/// The ACL grantee for anonymous readers.
const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";

/// The `Content-Type` of the documents.
pub const MEDIA_TYPE: &str = "application/json";

/// Metadata (`x-amz-meta-…`) of an object that issuerctl created.
const CREATED: &str = "issuerctl-created";

/// Metadata of `keys.json`: its issuer, which the document does not name.
const ISSUER: &str = "issuerctl-issuer";

/// The bytes of all names and values of the metadata of an object (S3 user guide, "Working with object
/// metadata"); some stores count what the names begin with, too.
const MAX_METADATA: usize = 2048 - 3 * "x-amz-meta-".len();

/// The ETag of an object without bytes: their MD5 (S3 API reference, "Object").
const EMPTY: &str = "d41d8cd98f00b204e9800998ecf8427e";

/// The call of which a body may break off; other failures of it have another name.
const BODY: &str = "the body of GetObject";

/// How often a body is read that breaks off.
const BODIES: u32 = 3;

/// Before it is read again.
const BODY_PAUSE: Duration = Duration::from_millis(200);

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
    probed: Probed,
    account: Account,
    /// The address of `s3-control`, if it is configured.
    control_url: Option<String>,
    clock: StoreClock,
    front: Option<Front>,
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
    /// A store that uses the clients of a session; the default region is that of the bucket.
    ///
    /// # Errors
    /// [`Error::NoRegion`].
    pub async fn connect(
        clients: &S3Clients,
        location: S3Location,
        options: S3Options,
    ) -> Result<Self, Error> {
        let connected = client::connect(clients, &location, &options).await?;
        let options = S3Options { endpoint_url: connected.endpoint_url, ..options };
        let (client, region, probed) = (connected.client, connected.region, clients.probed());
        let (account, control_url, clock) =
            (clients.account(), clients.control_url(), clients.clock());
        let front = None;
        Ok(Self { client, region, probed, account, control_url, clock, front, location, options })
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
            probed: Probed::default(),
            account: Account::default(),
            control_url: None,
            clock: StoreClock::default(),
            front: None,
        }
    }

    /// The same store behind a distribution.
    #[must_use]
    pub fn behind(self, front: Option<Front>) -> Self {
        Self { front, ..self }
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

    /// Reads everything; independent requests are sent concurrently.
    pub(crate) async fn read(&self, purpose: Purpose) -> Result<StoreState, Error> {
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
        let (keys, discovery, state, history) = tokio::join!(
            self.read_document(KEYS_NAME, purpose),
            self.read_document(DISCOVERY_NAME, purpose),
            self.read_bucket(purpose),
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

    /// The two documents alone.
    pub(crate) async fn read_documents(&self) -> Result<[Option<Stored>; 2], Error> {
        let [keys, discovery] =
            [KEYS_NAME, DISCOVERY_NAME].map(|name| (name, self.location.object_key(name)));
        let (keys, discovery) = tokio::join!(
            self.get_document(keys.0, &keys.1),
            self.get_document(discovery.0, &discovery.1),
        );
        Ok([keys?, discovery?])
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

    /// Writes a document if the condition still holds. Only an answer with an ETag is one of a store.
    pub(crate) async fn write(&self, write: Write<'_>) -> Result<Version, Error> {
        let name = write.name;
        let key = self.location.object_key(name);
        if self.options.unconditional {
            let now = self.get_document(name, &key).await?;
            if !write.condition.holds_for(now.as_ref()) {
                return Err(Error::Changed { location: format!("{}/{name}", self.location) });
            }
        } else {
            self.probe_conditions(&write).await?;
        }
        let encrypted = || {
            let request = self.put_object(&key, &write);
            request.server_side_encryption(ServerSideEncryption::Aes256)
        };
        let mut answer = encrypted().send().await;
        // An S3-compatible store may not implement SSE-S3.
        if matches!(&answer, Err(error) if self.refuses_encryption(error)) {
            answer = self.put_object(&key, &write).send().await;
        }
        let answer = answer.map_err(|error| match code(&error).as_deref() {
            // 412, 409, or 404 for If-Match on a deleted document.
            Some("PreconditionFailed" | "ConditionalRequestConflict" | "NoSuchKey") => {
                Error::Changed { location: format!("{}/{name}", self.location) }
            }
            Some("AccessControlListNotSupported") => {
                Error::NoAcls { bucket: self.location.bucket.to_string() }
            }
            _ if self.refuses_conditions(&error) => Error::NoConditionalWrites {
                location: self.location.to_string(),
                message: message(&error),
            },
            _ if self.options.access == AccessMode::Acl => {
                self.failed("PutObject", &["s3:PutObject", "s3:PutObjectAcl"], &key, &error)
            }
            _ => self.failed("PutObject", &["s3:PutObject"], &key, &error),
        })?;
        match answer.e_tag().filter(|etag| !etag.is_empty()) {
            Some(etag) => Ok(Version { tag: etag.to_owned(), ours: write.condition.ours() }),
            None => Err(Error::NotStored {
                location: format!("{}/{name}", self.location),
                what: "its answer has no ETag",
            }),
        }
    }

    /// Whether a store keeps the conditions of writes, which no answer says: a write of the same that
    /// must fail, once a run. S3 itself keeps them.
    ///
    /// # Errors
    /// [`Error::IgnoredConditions`].
    pub(crate) async fn probe_conditions(&self, write: &Write<'_>) -> Result<(), Error> {
        let Some(endpoint) = &self.options.endpoint_url else { return Ok(()) };
        if self.options.unconditional {
            return Ok(());
        }
        let key = &self.location.object_key(write.name);
        if !self.probed.is_first(endpoint, self.location.bucket.as_str()) {
            return Ok(());
        }
        let tag = format!("\"{}\"", "0".repeat(32));
        let never = Condition::Unchanged(Version { tag, ours: write.condition.ours() });
        let answer = self.put_object(key, &Write { condition: &never, ..*write }).send().await;
        // Any failure that is not about the condition is that of the write, too.
        match answer {
            Err(_) => Ok(()),
            Ok(_) => Err(Error::IgnoredConditions {
                location: format!("{}/{}", self.location, write.name),
            }),
        }
    }

    fn put_object(&self, key: &str, write: &Write<'_>) -> PutObjectFluentBuilder {
        let request = self
            .client
            .put_object()
            .bucket(self.location.bucket.as_str())
            .key(key)
            .set_expected_bucket_owner(self.options.expected_bucket_owner.clone())
            .content_type(MEDIA_TYPE)
            .cache_control(self.options.cache_control())
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .set_acl(
                (self.options.access == AccessMode::Acl).then_some(ObjectCannedAcl::PublicRead),
            )
            .body(ByteStream::from(write.bytes.to_vec()))
            .set_metadata(Some(metadata(write)));
        match write.condition {
            _ if self.options.unconditional => request,
            Condition::Absent => request.if_none_match("*"),
            Condition::Unchanged(version) => request.if_match(&version.tag),
        }
    }

    /// Whether an S3-compatible store does not implement conditional writes: Storj answers
    /// NotImplemented, Backblaze B2 also InvalidArgument with the name of the header.
    fn refuses_conditions<E>(&self, error: &SdkError<E>) -> bool
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let status = error.raw_response().map(|response| response.status().as_u16());
        let names_header = || {
            let message = message(error).to_ascii_lowercase();
            message.contains("if-none-match") || message.contains("if-match")
        };
        self.options.endpoint_url.is_some()
            && match code(error).as_deref() {
                Some("NotImplemented") => true,
                Some("InvalidArgument" | "InvalidRequest") => names_header(),
                _ => status == Some(501),
            }
    }

    /// Whether an S3-compatible store refuses a write because of its encryption: MinIO without KMS
    /// and R2 answer NotImplemented, Ceph InvalidArgument or InvalidEncryptionAlgorithmError.
    fn refuses_encryption<E: ProvideErrorMetadata>(&self, error: &SdkError<E>) -> bool {
        const CODES: [&str; 3] =
            ["InvalidArgument", "InvalidRequest", "InvalidEncryptionAlgorithmError"];
        let code = code(error);
        self.is_unsupported(code.as_deref(), error)
            || (self.options.endpoint_url.is_some()
                && code.is_some_and(|code| CODES.contains(&code.as_str())))
    }

    pub(crate) async fn remove(&self, name: &str, version: &Version) -> Result<(), Error> {
        let key = self.location.object_key(name);
        let request = || {
            let request =
                self.client.delete_object().bucket(self.location.bucket.as_str()).key(&key);
            request.set_expected_bucket_owner(self.options.expected_bucket_owner.clone())
        };
        let mut answer = request().if_match(&version.tag).send().await;
        // An S3-compatible store may not implement conditional deletes.
        if matches!(&answer, Err(error) if self.is_unsupported(code(error).as_deref(), error)) {
            answer = request().send().await;
        }
        answer.map(drop).or_else(|error| match code(&error).as_deref() {
            Some("NoSuchKey" | "NoSuchBucket") => Ok(()),
            Some("PreconditionFailed" | "ConditionalRequestConflict") => {
                Err(Error::Changed { location: format!("{}/{name}", self.location) })
            }
            _ => Err(self.failed("DeleteObject", &["s3:DeleteObject"], &key, &error)),
        })
    }

    async fn read_document(&self, name: &str, purpose: Purpose) -> Result<Option<Stored>, Error> {
        let key = self.location.object_key(name);
        // ACLs are read only if they make the objects public.
        if self.options.access != AccessMode::Acl || purpose == Purpose::Remove {
            return self.get_document(name, &key).await;
        }
        let (stored, public) = tokio::join!(self.get_document(name, &key), self.read_acl(&key));
        let Some(mut stored) = stored? else { return Ok(None) };
        // An ACL that the store does not have needs no repair.
        if !matches!(public?, Setting::Present(false)) {
            stored.attributes.insert(ACL, PUBLIC_READ.to_owned());
        }
        Ok(Some(stored))
    }

    /// Whether the ACL of an object allows anonymous reads.
    pub(crate) async fn read_acl(&self, key: &str) -> Result<Setting<bool>, Error> {
        let request = self.client.get_object_acl().bucket(self.location.bucket.as_str()).key(key);
        let owner = self.options.expected_bucket_owner.clone();
        match request.set_expected_bucket_owner(owner).send().await {
            // Every object has an owner.
            Ok(output) if output.owner().is_none() && output.grants().is_empty() => {
                Err(self.incomplete("GetObjectAcl", "Owner"))
            }
            Ok(output) => Ok(Setting::Present(output.grants().iter().any(|grant| {
                let anonymous =
                    grant.grantee().and_then(|grantee| grantee.uri()) == Some(ALL_USERS);
                let reads = [Permission::Read, Permission::FullControl];
                anonymous && grant.permission().is_some_and(|permission| reads.contains(permission))
            }))),
            Err(error) => match code(&error).as_deref() {
                Some("NoSuchKey" | "NoSuchBucket") => Ok(Setting::Absent),
                code if self.is_unsupported(code, &error) => Ok(Setting::Unsupported),
                _ => Err(self.failed("GetObjectAcl", &["s3:GetObjectAcl"], key, &error)),
            },
        }
    }

    async fn get_document(&self, name: &str, key: &str) -> Result<Option<Stored>, Error> {
        self.get_version(name, key, None, MAX_INPUT_BYTES).await
    }

    /// A version of an object, up to `limit` bytes and one; without an ID, the current one.
    async fn get_version(
        &self,
        name: &str,
        key: &str,
        id: Option<&str>,
        limit: usize,
    ) -> Result<Option<Stored>, Error> {
        let mut left = BODIES;
        loop {
            match self.try_get_version(name, key, id, limit).await {
                // The client repeats requests, not bodies that break off.
                Err(Error::Call { call: BODY, .. }) if left > 1 => left -= 1,
                answer => return answer,
            }
            tokio::time::sleep(BODY_PAUSE).await;
        }
    }

    async fn try_get_version(
        &self,
        name: &str,
        key: &str,
        id: Option<&str>,
        limit: usize,
    ) -> Result<Option<Stored>, Error> {
        let answer = self
            .client
            .get_object()
            .bucket(self.location.bucket.as_str())
            .key(key)
            .set_version_id(id.map(str::to_owned))
            .set_expected_bucket_owner(self.options.expected_bucket_owner.clone())
            .send()
            .await;
        let object = match answer {
            Ok(object) => object,
            Err(error) if matches!(code(&error).as_deref(), Some("NoSuchKey")) => return Ok(None),
            // Reported by the requests about the bucket.
            Err(error) if code(&error).as_deref() == Some("NoSuchBucket") => return Ok(None),
            // An ID that S3 never gives is an invalid argument.
            Err(error)
                if id.is_some()
                    && matches!(
                        code(&error).as_deref(),
                        Some("NoSuchVersion" | "InvalidArgument" | "MethodNotAllowed")
                    ) =>
            {
                return Ok(None);
            }
            Err(error) => {
                let permissions: &[&str] = match id {
                    None => &["s3:GetObject", "s3:ListBucket"],
                    Some(_) => &["s3:GetObjectVersion", "s3:ListBucketVersions"],
                };
                return Err(self.failed("GetObject", permissions, key, &error));
            }
        };
        // An object without encryption, from before 2023 or in another store, is as readable.
        let encryption =
            object.server_side_encryption().map_or(SSE_S3, |encryption| encryption.as_str());
        // That of an upload in chunks, which some stores keep, is none of the object.
        let encoding = object.content_encoding().filter(|encoding| {
            !matches!(encoding.trim_end_matches([',', ' ']), "" | "aws-chunked" | "identity")
        });
        let encoding = encoding.unwrap_or(NOT_ENCODED);
        let headers = [
            (CONTENT_TYPE, object.content_type()),
            (CACHE_CONTROL, object.cache_control()),
            (CONTENT_ENCODING, Some(encoding)),
            (ENCRYPTION, Some(encryption)),
        ];
        let headers =
            headers.into_iter().filter_map(|(name, value)| Some((name, value?.to_owned())));
        let attributes = headers.collect();
        let location = || format!("{}/{name}", self.location);
        // Without an ETag a write cannot be conditional.
        let Some(etag) = object.e_tag().filter(|etag| !etag.is_empty()) else {
            return Err(Error::NoEtag { location: location() });
        };
        let ours = object.metadata().is_some_and(|metadata| metadata.contains_key(CREATED));
        let issuer = object.metadata().and_then(|metadata| metadata.get(ISSUER)).cloned();
        let version = Version { tag: etag.to_owned(), ours };
        let record = object.metadata().and_then(|metadata| metadata.get(RECORD));
        let record = record.map(|text| KeyRecord::parse(text)).unwrap_or_default();
        let written_secs = object.last_modified().and_then(|time| time.secs().try_into().ok());
        // A version with an ID of its own stays, also if versioning was suspended since.
        let retained = object.version_id().is_some_and(|id| id != history::NULL_VERSION);
        let bytes = collect(object.body, limit).await.map_err(|message| Error::Call {
            call: BODY,
            resource: key.to_owned(),
            code: None,
            message,
        })?;
        // An answer without its body must not be taken for a document without keys.
        if bytes.is_empty() && version.tag.trim_matches('"') != EMPTY {
            return Err(self.incomplete("GetObject", "the document"));
        }
        Ok(Some(Stored { bytes, version, attributes, issuer, written_secs, retained, record }))
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

/// What is recorded beside an object.
fn metadata(write: &Write<'_>) -> HashMap<String, String> {
    let created = write.condition.ours().then_some((CREATED, "true"));
    let issuer = (write.name == KEYS_NAME).then_some((ISSUER, write.issuer));
    let both = created.into_iter().chain(issuer);
    let mut metadata: HashMap<String, String> =
        both.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    if write.name == KEYS_NAME {
        let taken: usize = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
        let room = MAX_METADATA.saturating_sub(taken + RECORD.len());
        let record = write.record.encode(room);
        if !record.is_empty() {
            metadata.insert(RECORD.to_owned(), record);
        }
    }
    metadata
}

/// The body, or the beginning of one that is too large ([`Stored::bytes`]).
async fn collect(mut body: ByteStream, limit: usize) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = body.try_next().await.map_err(|error| error.to_string())? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > limit {
            bytes.truncate(limit + 1);
            break;
        }
    }
    Ok(bytes)
}

/// The error code; a response to HEAD has no body, so it only has a status.
fn code<E: ProvideErrorMetadata>(error: &SdkError<E>) -> Option<String> {
    issuer_session::code(error).or_else(|| match error.raw_response()?.status().as_u16() {
        412 => Some("PreconditionFailed".to_owned()),
        409 => Some("ConditionalRequestConflict".to_owned()),
        _ => None,
    })
}
