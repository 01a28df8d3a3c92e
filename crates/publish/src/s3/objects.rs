//! The two documents as objects: read, written under a condition, deleted.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::operation::put_object::{PutObjectError, PutObjectOutput};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ObjectCannedAcl, Permission, ServerSideEncryption};
use base64ct::{Base64, Encoding};
use issuer_discovery::{DISCOVERY_NAME, KEYS_NAME};
use issuer_jwks::MAX_INPUT_BYTES;
use issuer_session::message;
use sha2::{Digest, Sha256};

use super::{
    ACL, AccessMode, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, CREATED, ENCRYPTION, ISSUER,
    MEDIA_TYPE, NOT_ENCODED, PUBLIC_READ, Purpose, S3, SSE_S3, Setting, code, history,
};
use crate::state::{Write, Written};
use crate::{Condition, Error, KeyRecord, RECORD, Stored, Version};

/// The ACL grantee for anonymous readers.
const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";

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

impl S3 {
    /// The two documents alone.
    pub(crate) async fn read_documents(&self) -> Result<[Option<Stored>; 2], Error> {
        let (keys, discovery) =
            tokio::join!(self.get_document(KEYS_NAME), self.get_document(DISCOVERY_NAME));
        Ok([keys?, discovery?])
    }

    /// Writes a document if the condition still holds. Only an answer with an ETag is one of a store; one
    /// with the checksum of the bytes proves that it has read them.
    pub(crate) async fn write(&self, write: Write<'_>) -> Result<Written, Error> {
        let name = write.name;
        let key = self.location.object_key(name);
        if self.options.unconditional {
            let now = self.get_document(name).await?;
            if !write.condition.holds_for(now.as_ref()) {
                return Err(Error::Changed { location: format!("{}/{name}", self.location) });
            }
        } else {
            self.probe_conditions(&write).await?;
        }
        let request =
            |encryption| self.put_object(&key, &write).set_server_side_encryption(encryption);
        let answer = self.send_encrypted(request).await;
        let answer = answer.map_err(|error| match code(&error).as_deref() {
            _ if is_conflict(&error) => {
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
            Some(etag) => Ok(Written {
                version: Version { tag: etag.to_owned(), ours: write.condition.ours() },
                // Without conditions it may be gone before the next write.
                is_proved: !self.options.unconditional
                    && answer.checksum_sha256() == Some(checksum(write.bytes).as_str()),
            }),
            None => Err(Error::NotStored {
                location: format!("{}/{name}", self.location),
                what: "its answer has no ETag",
            }),
        }
    }

    /// Whether a store keeps the conditions of writes, which no answer says: a write of the same that
    /// must fail, once a run; no other is sent before its answer. S3 itself keeps them.
    ///
    /// # Errors
    /// [`Error::IgnoredConditions`].
    pub(crate) async fn probe_conditions(&self, write: &Write<'_>) -> Result<(), Error> {
        let Some(endpoint) = &self.options.endpoint_url else { return Ok(()) };
        if self.options.unconditional {
            return Ok(());
        }
        let ask = || async {
            let key = self.location.object_key(write.name);
            let tag = format!("\"{}\"", "0".repeat(32));
            let never = Condition::Unchanged(Version { tag, ours: write.condition.ours() });
            match self.put_object(&key, &Write { condition: &never, ..*write }).send().await {
                Ok(_) => Ok(Some(format!("{}/{}", self.location, write.name))),
                Err(error) if is_conflict(&error) => Ok(None),
                Err(error) => Err(error),
            }
        };
        let probe = self.probes.of(endpoint, self.location.bucket.as_str());
        match probe.get_or_try_init(ask).await {
            Ok(Some(location)) => Err(Error::IgnoredConditions { location: location.clone() }),
            // Any failure that is not about the condition is that of the write, too.
            Ok(None) | Err(_) => Ok(()),
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
    pub(super) fn refuses_conditions<E>(&self, error: &SdkError<E>) -> bool
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

    /// Sends a write with SSE-S3, or without it to a store that does not implement it: what one write has
    /// shown, the next ones do not ask again.
    pub(super) async fn send_encrypted(
        &self,
        request: impl Fn(Option<ServerSideEncryption>) -> PutObjectFluentBuilder,
    ) -> Result<PutObjectOutput, SdkError<PutObjectError>> {
        let bucket = self.location.bucket.as_str();
        let endpoint = self.options.endpoint_url.as_deref();
        if endpoint.is_some_and(|endpoint| self.unencrypted.has(endpoint, bucket)) {
            return request(None).send().await;
        }
        let answer = request(Some(ServerSideEncryption::Aes256)).send().await;
        if !matches!(&answer, Err(error) if self.refuses_encryption(error)) {
            return answer;
        }
        let answer = request(None).send().await;
        if let (Ok(_), Some(endpoint)) = (&answer, endpoint) {
            self.unencrypted.add(endpoint, bucket);
        }
        answer
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

    /// A document, with whether its ACL makes it public where that is what makes it public.
    pub(super) async fn read_document(
        &self,
        name: &str,
        purpose: Purpose,
    ) -> Result<Option<Stored>, Error> {
        // ACLs are read only if they make the objects public.
        if self.options.access != AccessMode::Acl || purpose == Purpose::Remove {
            return self.get_document(name).await;
        }
        let key = self.location.object_key(name);
        let (stored, public) = tokio::join!(self.get_document(name), self.read_acl(&key));
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

    /// A document as it is now.
    pub(crate) async fn get_document(&self, name: &str) -> Result<Option<Stored>, Error> {
        let key = self.location.object_key(name);
        self.get_version(name, &key, None, MAX_INPUT_BYTES).await
    }

    /// A version of an object, up to `limit` bytes and one; without an ID, the current one.
    pub(super) async fn get_version(
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
}

/// Whether the condition of a write does not hold: 412, 409, or 404 for If-Match on a deleted document.
fn is_conflict<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    let code = code(error);
    matches!(
        code.as_deref(),
        Some("PreconditionFailed" | "ConditionalRequestConflict" | "NoSuchKey")
    )
}

/// The checksum of a write and its answer (S3 API reference, `x-amz-checksum-sha256`).
fn checksum(bytes: &[u8]) -> String {
    Base64::encode_string(&Sha256::digest(bytes))
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
pub(super) async fn collect(mut body: ByteStream, limit: usize) -> Result<Vec<u8>, String> {
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
