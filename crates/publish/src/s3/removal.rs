//! Taking away what a publish has put there.

use std::collections::BTreeMap;

use aws_sdk_s3::types::{Tag, Tagging};
use issuer_discovery::{DISCOVERY_NAME, KEYS_NAME};

use super::access::{Look, POLICY_TRIES};
use super::policy::{self, Without};
use super::{S3, code};
use crate::{Error, OwnBucket, Present, Version};

/// The tag of a bucket that issuerctl made.
const CREATED: &str = "issuerctl.dev/created";

impl S3 {
    /// Everything at once: independent requests go out together.
    pub(crate) async fn read_for_removal(&self) -> Result<Present, Error> {
        let (keys, discovery) =
            (self.location.object_key(KEYS_NAME), self.location.object_key(DISCOVERY_NAME));
        let (keys, discovery, policy, own, other) = tokio::join!(
            self.get_document(KEYS_NAME, &keys),
            self.get_document(DISCOVERY_NAME, &discovery),
            self.read_policy(),
            self.bucket_tags(),
            self.other_object(),
        );
        // What cannot be seen of the bucket itself is none of ours to take away.
        let mut notices = Vec::new();
        let statement = match policy {
            Ok(Look::Is(Some(text))) => {
                policy::without_ours(&self.location, &text)? != Without::Unchanged
            }
            Ok(_) => false,
            Err(Error::Denied { .. }) => {
                notices.push(
                    "s3:GetBucketPolicy is denied, so a statement of issuerctl in the \
                              bucket's policy stays",
                );
                false
            }
            Err(error) => return Err(error),
        };
        let own_bucket = match own {
            Ok(tags) if tags.contains_key(CREATED) => {
                Some(OwnBucket { name: self.location.bucket.to_string(), other_object: other? })
            }
            Ok(_) => None,
            Err(Error::Denied { .. }) => {
                notices.push("s3:GetBucketTagging is denied, so the bucket stays, whoever made it");
                None
            }
            Err(error) => return Err(error),
        };
        Ok(Present { keys: keys?, discovery: discovery?, statement, own_bucket, notices })
    }

    pub(crate) async fn remove(&self, name: &str, version: &Version) -> Result<(), Error> {
        let key = self.location.object_key(name);
        let request = || {
            let request =
                self.client.delete_object().bucket(self.location.bucket.as_str()).key(&key);
            request.set_expected_bucket_owner(self.options.expected_bucket_owner.clone())
        };
        let mut answer = request().if_match(&version.tag).send().await;
        // A compatible store may have no conditional deletion.
        if matches!(&answer, Err(error) if self.has_no_such_thing(code(error).as_deref(), error)) {
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

    /// S3 has no conditional write of a policy, so it is read just before, and again afterwards.
    pub(crate) async fn revoke(&self) -> Result<(), Error> {
        let bucket = self.location.bucket.as_str();
        let owner = || self.options.expected_bucket_owner.clone();
        for _ in 0..POLICY_TRIES {
            let Look::Is(Some(existing)) = self.read_policy().await? else { return Ok(()) };
            match policy::without_ours(&self.location, &existing)? {
                Without::Unchanged => return Ok(()),
                Without::Put(text) => {
                    let request = self
                        .client
                        .put_bucket_policy()
                        .bucket(bucket)
                        .set_expected_bucket_owner(owner());
                    let answer = request.policy(text).send().await;
                    answer.map_err(|error| {
                        self.failed("PutBucketPolicy", &["s3:PutBucketPolicy"], "", &error)
                    })?;
                }
                Without::Nothing => {
                    let request = self
                        .client
                        .delete_bucket_policy()
                        .bucket(bucket)
                        .set_expected_bucket_owner(owner());
                    let answer = request.send().await;
                    answer.map_err(|error| {
                        self.failed("DeleteBucketPolicy", &["s3:DeleteBucketPolicy"], "", &error)
                    })?;
                }
            }
        }
        Err(Error::Changed { location: format!("the policy of the bucket {bucket}") })
    }

    pub(crate) async fn delete_bucket(&self) -> Result<bool, Error> {
        let request = self.client.delete_bucket().bucket(self.location.bucket.as_str());
        let answer = request
            .set_expected_bucket_owner(self.options.expected_bucket_owner.clone())
            .send()
            .await;
        match answer {
            Ok(_) => Ok(true),
            Err(error) => match code(&error).as_deref() {
                Some("BucketNotEmpty") => Ok(false),
                Some("NoSuchBucket") => Ok(true),
                _ => Err(self.failed("DeleteBucket", &["s3:DeleteBucket"], "", &error)),
            },
        }
    }

    /// Tags a bucket that was just made; a store without tags, or a refusal, is no reason to stop.
    #[expect(clippy::expect_used, reason = "all required members are given")]
    pub(super) async fn mark_bucket(&self) -> bool {
        let tag = Tag::builder().key(CREATED).value("true").build().expect("has key and value");
        let tagging = Tagging::builder().tag_set(tag).build().expect("has its one member");
        let request =
            self.client.put_bucket_tagging().bucket(self.location.bucket.as_str()).tagging(tagging);
        request
            .set_expected_bucket_owner(self.options.expected_bucket_owner.clone())
            .send()
            .await
            .is_ok()
    }

    /// Its tags; nothing where it has none, or where the store knows none.
    pub(super) async fn bucket_tags(&self) -> Result<BTreeMap<String, String>, Error> {
        let request = self.client.get_bucket_tagging().bucket(self.location.bucket.as_str());
        let answer = request
            .set_expected_bucket_owner(self.options.expected_bucket_owner.clone())
            .send()
            .await;
        match answer {
            Ok(output) => Ok(output
                .tag_set()
                .iter()
                .map(|tag| (tag.key().to_owned(), tag.value().to_owned()))
                .collect()),
            Err(error)
                if matches!(code(&error).as_deref(), Some("NoSuchTagSet" | "NoSuchBucket")) =>
            {
                Ok(BTreeMap::new())
            }
            Err(error) if self.has_no_such_thing(code(&error).as_deref(), &error) => {
                Ok(BTreeMap::new())
            }
            Err(error) => {
                Err(self.failed("GetBucketTagging", &["s3:GetBucketTagging"], "", &error))
            }
        }
    }

    /// An object that is none of the two documents; two more than one of them tell.
    async fn other_object(&self) -> Result<Option<String>, Error> {
        let ours = [KEYS_NAME, DISCOVERY_NAME].map(|name| self.location.object_key(name));
        let request =
            self.client.list_objects_v2().bucket(self.location.bucket.as_str()).max_keys(3);
        let answer = request
            .set_expected_bucket_owner(self.options.expected_bucket_owner.clone())
            .send()
            .await;
        match answer {
            Ok(output) => {
                let keys = output.contents().iter().filter_map(|object| object.key());
                Ok(keys.filter(|key| !ours.iter().any(|own| own == key)).map(str::to_owned).next())
            }
            Err(error) if code(&error).as_deref() == Some("NoSuchBucket") => Ok(None),
            Err(error) => Err(self.failed("ListObjectsV2", &["s3:ListBucket"], "", &error)),
        }
    }
}
