//! The S3 implementation: the objects of s3s-fs, and what s3s-fs does not implement.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use s3s::dto::*;
use s3s::{Body, S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;
use tokio::sync::RwLock;

use super::{ConcurrentPut, Quirk, State};

/// The objects of s3s-fs, and what s3s-fs does not implement.
pub(super) struct Aws {
    pub(super) objects: Arc<FileSystem>,
    pub(super) state: Arc<Mutex<State>>,
    /// Reads and writes of objects: the condition of a write and the write are one step.
    pub(super) objects_lock: Arc<RwLock<()>>,
}

impl Aws {
    fn state(&self, bucket: &str) -> S3Result<MutexGuard<'_, State>> {
        let state = self.state.lock().unwrap();
        if state.root.join(bucket).is_dir() {
            Ok(state)
        } else {
            Err(s3_error!(NoSuchBucket, "The specified bucket does not exist"))
        }
    }
}

impl Aws {
    /// The concurrent write, if it happens before one of this object.
    async fn put_concurrently<T>(
        &self,
        bucket: &str,
        key: &str,
        request: &S3Request<T>,
    ) -> S3Result<()> {
        let is_due = |concurrent_put: &mut ConcurrentPut| {
            concurrent_put.before.as_ref().is_none_or(|before| before == key)
        };
        let concurrent_put = self.state(bucket)?.concurrent_put.take_if(is_due);
        if let Some(ConcurrentPut { bucket, key, bytes, .. }) = concurrent_put {
            let input = PutObjectInput::builder()
                .bucket(bucket)
                .key(key)
                .body(Some(StreamingBlob::from(Body::from(bytes))))
                .content_type(Some("application/json".to_owned()))
                .cache_control(Some("public, max-age=300".to_owned()))
                .build()
                .unwrap();
            self.objects.put_object(as_another_writer(input, request)).await?;
        }
        Ok(())
    }
}

impl State {
    /// Sets the time of an answer, if the clock is behind.
    fn tell_time<T>(&self, response: &mut S3Response<T>) {
        if self.behind > 0 {
            let time = Timestamp::from(SystemTime::now() - Duration::from_secs(self.behind));
            let mut date = Vec::new();
            time.format(TimestampFormat::HttpDate, &mut date).unwrap();
            response.headers.insert(hyper::header::DATE, date.try_into().unwrap());
        }
    }
}

fn as_another_writer<T, U>(input: T, request: &S3Request<U>) -> S3Request<T> {
    S3Request {
        input,
        method: request.method.clone(),
        uri: request.uri.clone(),
        headers: Default::default(),
        extensions: Default::default(),
        credentials: None,
        region: None,
        service: None,
        trailing_headers: None,
    }
}

/// The first part of the paths of `s3-control` (S3 API reference, "Amazon S3 Control"), which is taken
/// for the name of a bucket here.
const CONTROL: &str = "v20180820";

impl Aws {
    /// `GetPublicAccessBlock` of `s3-control`.
    fn account_block(&self) -> S3Result<S3Response<GetObjectOutput>> {
        let on = self.state.lock().unwrap().account_block;
        let on = on.ok_or_else(|| {
            let mut error = not_set("NoSuchPublicAccessBlockConfiguration");
            error.set_status_code(hyper::StatusCode::NOT_FOUND);
            error
        })?;
        let flag = |name: &str| format!("<{name}>{on}</{name}>");
        let flags =
            ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"];
        let text = format!(
            "<PublicAccessBlockConfiguration xmlns=\"http://awss3control.amazonaws.com/doc/2018-08-20/\">\
             {}</PublicAccessBlockConfiguration>",
            flags.map(flag).concat()
        );
        Ok(S3Response::new(GetObjectOutput {
            body: Some(StreamingBlob::from(Body::from(text))),
            content_type: Some("text/xml".to_owned()),
            ..GetObjectOutput::default()
        }))
    }
}

/// Whether a policy allows something to everybody.
fn is_public(policy: &str) -> bool {
    let Ok(policy) = serde_json::from_str::<serde_json::Value>(policy) else { return true };
    policy["Statement"].as_array().into_iter().flatten().any(|statement| {
        let principal = &statement["Principal"];
        statement["Effect"] == "Allow" && (principal == "*" || principal["AWS"] == "*")
    })
}

fn not_set(code: &'static str) -> S3Error {
    S3Error::with_message(S3ErrorCode::from_bytes(code.as_bytes()).unwrap(), "not set")
}

#[async_trait::async_trait]
impl S3 for Aws {
    async fn create_bucket(
        &self,
        request: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        let name = request.input.bucket.clone();
        let location = request
            .input
            .create_bucket_configuration
            .as_ref()
            .and_then(|configuration| configuration.location_constraint.as_ref())
            .map(|location| location.as_str().to_owned());
        if self.state.lock().unwrap().root.join(&name).is_dir() {
            return Err(s3_error!(BucketAlreadyOwnedByYou));
        }
        let response = self.objects.create_bucket(request).await?;
        self.state.lock().unwrap().new_bucket(&name, location);
        Ok(response)
    }

    async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        let mut response = self.objects.head_bucket(request).await?;
        self.state.lock().unwrap().tell_time(&mut response);
        Ok(response)
    }

    async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        if request.input.bucket == CONTROL {
            return self.account_block();
        }
        let object = (request.input.bucket.clone(), request.input.key.clone());
        let encryption = self.state(&object.0)?.encryption.get(&object).cloned();
        let encoding = self.state(&object.0)?.encodings.get(&object).cloned();
        let is_kms = encryption.as_ref().is_some_and(|e| e.as_str().starts_with("aws:kms"));
        if is_kms && request.credentials.is_none() {
            return Err(s3_error!(
                InvalidArgument,
                "Requests specifying Server Side Encryption with AWS KMS managed keys require AWS \
                 Signature Version 4."
            ));
        }
        let _reads = self.objects_lock.read().await;
        if let Some(id) = &request.input.version_id {
            let output = self.state(&object.0)?.versions.get(&object.0, &object.1, id)?;
            return Ok(S3Response::new(output));
        }
        let mut response = self.objects.get_object(request).await?;
        response.output.server_side_encryption = encryption;
        response.output.content_encoding = encoding;
        let state = self.state(&object.0)?;
        response.output.version_id = state.versions.current(&object.0, &object.1);
        state.tell_time(&mut response);
        Ok(response)
    }

    async fn put_object(
        &self,
        request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        self.put_concurrently(&request.input.bucket, &request.input.key, &request).await?;
        {
            let mut state = self.state(&request.input.bucket)?;
            let object = (request.input.bucket.clone(), request.input.key.clone());
            match &request.input.acl {
                Some(_) if !state.acls => return Err(not_set("AccessControlListNotSupported")),
                Some(acl) if acl.as_str() == ObjectCannedACL::PUBLIC_READ => {
                    state.readable.insert(object)
                }
                // A new object has only its owner's grant.
                _ => state.readable.remove(&object),
            };
            let object = (request.input.bucket.clone(), request.input.key.clone());
            match &request.input.content_encoding {
                Some(encoding) => state.encodings.insert(object, encoding.clone()),
                None => state.encodings.remove(&object),
            };
            let asked = request.input.server_side_encryption.clone();
            if asked.is_some() && state.without_encryption {
                let message = "Server side encryption specified but KMS is not configured";
                return Err(S3Error::with_message(S3ErrorCode::NotImplemented, message));
            }
            let (bucket, key) = (&request.input.bucket, &request.input.key);
            state.encrypt(bucket, key, asked);
        }
        let mut request = request;
        if self.state.lock().unwrap().quirk == Some(Quirk::Careless) {
            (request.input.if_match, request.input.if_none_match) = (None, None);
        }
        let (objects, state) = (self.objects.clone(), self.state.clone());
        let lock = self.objects_lock.clone();
        // A write that has begun ends, also if the client does not wait for it.
        let write = tokio::spawn(async move {
            let _writes = lock.write().await;
            let (bucket, key) = (request.input.bucket.clone(), request.input.key.clone());
            let metadata = request.input.metadata.clone();
            let mut response = objects.put_object(request).await?;
            let mut state = state.lock().unwrap();
            let bytes = std::fs::read(state.root.join(&bucket).join(&key)).unwrap();
            let etag = response.output.e_tag.clone();
            response.output.version_id =
                state.versions.keep((&bucket, &key), bytes, metadata, etag);
            Ok(response)
        });
        write.await.unwrap()
    }

    async fn get_object_acl(
        &self,
        request: S3Request<GetObjectAclInput>,
    ) -> S3Result<S3Response<GetObjectAclOutput>> {
        let state = self.state(&request.input.bucket)?;
        if !state.root.join(&request.input.bucket).join(&request.input.key).is_file() {
            return Err(s3_error!(NoSuchKey, "The specified key does not exist."));
        }
        let public = Grantee {
            type_: Type::from_static(Type::GROUP),
            uri: Some("http://acs.amazonaws.com/groups/global/AllUsers".to_owned()),
            display_name: None,
            email_address: None,
            id: None,
        };
        let read = Permission::from_static(Permission::READ);
        let grant = Grant { grantee: Some(public), permission: Some(read) };
        let is_readable = state.readable.contains(&(request.input.bucket, request.input.key));
        let grants = if is_readable { vec![grant] } else { Vec::new() };
        Ok(S3Response::new(GetObjectAclOutput {
            grants: Some(grants),
            owner: Some(Owner { id: Some("111122223333".to_owned()), display_name: None }),
            ..GetObjectAclOutput::default()
        }))
    }

    async fn get_bucket_request_payment(
        &self,
        request: S3Request<GetBucketRequestPaymentInput>,
    ) -> S3Result<S3Response<GetBucketRequestPaymentOutput>> {
        let state = self.state(&request.input.bucket)?;
        let payer = if state.requester_pays { Payer::REQUESTER } else { Payer::BUCKET_OWNER };
        let payer = Some(Payer::from_static(payer));
        Ok(S3Response::new(GetBucketRequestPaymentOutput { payer }))
    }

    async fn get_object_lock_configuration(
        &self,
        request: S3Request<GetObjectLockConfigurationInput>,
    ) -> S3Result<S3Response<GetObjectLockConfigurationOutput>> {
        let state = self.state(&request.input.bucket)?;
        let days =
            state.locked_days.ok_or_else(|| not_set("ObjectLockConfigurationNotFoundError"))?;
        let mode = Some(ObjectLockRetentionMode::from_static(ObjectLockRetentionMode::GOVERNANCE));
        let retention = DefaultRetention { days: Some(days), mode, years: None };
        let object_lock_configuration = Some(ObjectLockConfiguration {
            object_lock_enabled: Some(ObjectLockEnabled::from_static(ObjectLockEnabled::ENABLED)),
            rule: Some(ObjectLockRule { default_retention: Some(retention) }),
        });
        Ok(S3Response::new(GetObjectLockConfigurationOutput { object_lock_configuration }))
    }

    async fn get_bucket_policy(
        &self,
        request: S3Request<GetBucketPolicyInput>,
    ) -> S3Result<S3Response<GetBucketPolicyOutput>> {
        let state = self.state(&request.input.bucket)?;
        let policy = state
            .policies
            .get(&request.input.bucket)
            .cloned()
            .ok_or_else(|| not_set("NoSuchBucketPolicy"))?;
        Ok(S3Response::new(GetBucketPolicyOutput { policy: Some(policy) }))
    }

    async fn put_bucket_policy(
        &self,
        request: S3Request<PutBucketPolicyInput>,
    ) -> S3Result<S3Response<PutBucketPolicyOutput>> {
        let mut state = self.state(&request.input.bucket)?;
        if state
            .blocks
            .get(&request.input.bucket)
            .is_some_and(|block| block.block_public_policy == Some(true))
            && is_public(&request.input.policy)
        {
            return Err(s3_error!(
                AccessDenied,
                "public policies are blocked by the BlockPublicPolicy setting"
            ));
        }
        // The ID of a principal that does not exist any more.
        if ["\"AROA", "\"AIDA"].iter().any(|id| request.input.policy.contains(id)) {
            return Err(S3Error::with_message(
                S3ErrorCode::MalformedPolicy,
                "Invalid principal in policy",
            ));
        }
        let policy = state.overwritten.take().unwrap_or(request.input.policy);
        state.policies.insert(request.input.bucket, policy);
        Ok(S3Response::new(PutBucketPolicyOutput::default()))
    }

    async fn get_public_access_block(
        &self,
        request: S3Request<GetPublicAccessBlockInput>,
    ) -> S3Result<S3Response<GetPublicAccessBlockOutput>> {
        let state = self.state(&request.input.bucket)?;
        let block = state.blocks.get(&request.input.bucket).cloned();
        let block = block.ok_or_else(|| not_set("NoSuchPublicAccessBlockConfiguration"))?;
        Ok(S3Response::new(GetPublicAccessBlockOutput {
            public_access_block_configuration: Some(block),
        }))
    }

    async fn put_public_access_block(
        &self,
        request: S3Request<PutPublicAccessBlockInput>,
    ) -> S3Result<S3Response<PutPublicAccessBlockOutput>> {
        let mut state = self.state(&request.input.bucket)?;
        state.blocks.insert(request.input.bucket, request.input.public_access_block_configuration);
        Ok(S3Response::new(PutPublicAccessBlockOutput::default()))
    }

    async fn get_bucket_ownership_controls(
        &self,
        request: S3Request<GetBucketOwnershipControlsInput>,
    ) -> S3Result<S3Response<GetBucketOwnershipControlsOutput>> {
        let state = self.state(&request.input.bucket)?;
        let controls = state.ownership.get(&request.input.bucket).cloned();
        let controls = controls.ok_or_else(|| not_set("OwnershipControlsNotFoundError"))?;
        Ok(S3Response::new(GetBucketOwnershipControlsOutput { ownership_controls: Some(controls) }))
    }

    async fn put_bucket_ownership_controls(
        &self,
        request: S3Request<PutBucketOwnershipControlsInput>,
    ) -> S3Result<S3Response<PutBucketOwnershipControlsOutput>> {
        let mut state = self.state(&request.input.bucket)?;
        state.ownership.insert(request.input.bucket, request.input.ownership_controls);
        Ok(S3Response::new(PutBucketOwnershipControlsOutput::default()))
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.put_concurrently(&request.input.bucket, &request.input.key, &request).await?;
        if let Some(wanted) = &request.input.if_match {
            let input = HeadObjectInput::builder()
                .bucket(request.input.bucket.clone())
                .key(request.input.key.clone())
                .build()
                .unwrap();
            let there =
                self.objects.head_object(as_another_writer(input, &request)).await?.output.e_tag;
            let wanted = wanted.as_etag().map(|etag| etag.value().to_owned());
            if there.map(|etag| etag.value().to_owned()) != wanted {
                return Err(s3_error!(PreconditionFailed));
            }
        }
        self.objects.delete_object(request).await
    }

    async fn list_object_versions(
        &self,
        request: S3Request<ListObjectVersionsInput>,
    ) -> S3Result<S3Response<ListObjectVersionsOutput>> {
        let state = self.state(&request.input.bucket)?;
        let prefix = request.input.prefix.clone().unwrap_or_default();
        Ok(S3Response::new(ListObjectVersionsOutput {
            versions: Some(state.versions.list(&request.input.bucket, &prefix)),
            name: Some(request.input.bucket),
            is_truncated: Some(false),
            ..ListObjectVersionsOutput::default()
        }))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        self.objects.list_objects_v2(request).await
    }

    async fn delete_bucket(
        &self,
        request: S3Request<DeleteBucketInput>,
    ) -> S3Result<S3Response<DeleteBucketOutput>> {
        let input =
            ListObjectsV2Input::builder().bucket(request.input.bucket.clone()).build().unwrap();
        let listed = self.objects.list_objects_v2(as_another_writer(input, &request)).await?.output;
        if listed.contents.is_some_and(|contents| !contents.is_empty()) {
            return Err(s3_error!(BucketNotEmpty));
        }
        {
            // Its settings go with it.
            let (mut state, bucket) = (self.state(&request.input.bucket)?, &request.input.bucket);
            state.policies.remove(bucket);
            state.blocks.remove(bucket);
            state.ownership.remove(bucket);
            state.locations.remove(bucket);
            state.tags.remove(bucket);
        }
        self.objects.delete_bucket(request).await
    }

    async fn delete_bucket_policy(
        &self,
        request: S3Request<DeleteBucketPolicyInput>,
    ) -> S3Result<S3Response<DeleteBucketPolicyOutput>> {
        self.state(&request.input.bucket)?.policies.remove(&request.input.bucket);
        Ok(S3Response::new(DeleteBucketPolicyOutput::default()))
    }

    async fn get_bucket_tagging(
        &self,
        request: S3Request<GetBucketTaggingInput>,
    ) -> S3Result<S3Response<GetBucketTaggingOutput>> {
        let state = self.state(&request.input.bucket)?;
        let tags = state
            .tags
            .get(&request.input.bucket)
            .cloned()
            .ok_or_else(|| not_set("NoSuchTagSet"))?;
        Ok(S3Response::new(GetBucketTaggingOutput { tag_set: tags }))
    }

    async fn put_bucket_tagging(
        &self,
        request: S3Request<PutBucketTaggingInput>,
    ) -> S3Result<S3Response<PutBucketTaggingOutput>> {
        let mut state = self.state(&request.input.bucket)?;
        state.tags.insert(request.input.bucket, request.input.tagging.tag_set);
        Ok(S3Response::new(PutBucketTaggingOutput::default()))
    }
}
