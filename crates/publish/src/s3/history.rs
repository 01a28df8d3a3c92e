//! The history of a site in a bucket: copies below a private prefix, and the versions that a bucket
//! with versioning keeps itself.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ChecksumAlgorithm;
use futures_util::future::join_all;
use issuer_discovery::KEYS_NAME;
use issuer_jwks::MAX_INPUT_BYTES;

use super::{MEDIA_TYPE, S3, code};
use crate::Error;
use crate::history::{self, FOLDER, Listed, MAX_BYTES, PastSite, Read};

/// No cache may keep what nobody may read.
const NOT_CACHED: &str = "no-store";

/// The ID of a version that is overwritten with the next write (S3 user guide, "Working with objects in
/// a versioning-suspended bucket").
pub(super) const NULL_VERSION: &str = "null";

/// The version that follows another.
struct After {
    secs: Option<u64>,
    etag: Option<String>,
    is_null: bool,
}

impl S3 {
    /// Writes a copy. A copy of this name that is there already has these contents.
    ///
    /// # Errors
    /// A denied or failed call; [`Error::NotStored`].
    pub(crate) async fn keep(&self, name: &str, past: &PastSite) -> Result<(), Error> {
        let key = self.location.object_key(&format!("{FOLDER}/{name}"));
        let request = |encryption| {
            let request = self
                .client
                .put_object()
                .bucket(self.location.bucket.as_str())
                .key(&key)
                .set_expected_bucket_owner(self.options.expected_bucket_owner.clone())
                .content_type(MEDIA_TYPE)
                .cache_control(NOT_CACHED)
                .checksum_algorithm(ChecksumAlgorithm::Sha256)
                .set_server_side_encryption(encryption)
                .body(ByteStream::from(past.to_bytes()));
            if self.options.unconditional { request } else { request.if_none_match("*") }
        };
        let answer = self.send_encrypted(request).await;
        let location = || format!("{}/{FOLDER}/{name}", self.location);
        match answer {
            Ok(answer) if answer.e_tag().is_some_and(|etag| !etag.is_empty()) => Ok(()),
            Ok(_) => Err(Error::NotStored { location: location(), what: "its answer has no ETag" }),
            // It is there: its first answer was lost.
            Err(error) if code(&error).as_deref() == Some("PreconditionFailed") => Ok(()),
            Err(error) if self.refuses_conditions(&error) => Err(Error::NoConditionalWrites {
                location: self.location.to_string(),
                message: super::message(&error),
            }),
            Err(error) => Err(self.failed("PutObject", &["s3:PutObject"], &key, &error)),
        }
    }

    /// Reads a copy, if it is there.
    ///
    /// # Errors
    /// A denied or failed call.
    pub(crate) async fn read_kept(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let name = format!("{FOLDER}/{name}");
        let key = self.location.object_key(&name);
        let stored = self.get_version(&name, &key, None, MAX_BYTES).await?;
        Ok(stored.map(|stored| stored.bytes))
    }

    /// The names of the copies, with the times at which they were written.
    ///
    /// # Errors
    /// A denied or failed call.
    pub(crate) async fn list_kept(&self) -> Result<Vec<Listed>, Error> {
        let prefix = self.location.object_key(&format!("{FOLDER}/"));
        let mut listed = Vec::new();
        let mut token = None;
        loop {
            let request = self
                .client
                .list_objects_v2()
                .bucket(self.location.bucket.as_str())
                .prefix(&prefix)
                .set_continuation_token(token)
                .set_expected_bucket_owner(self.options.expected_bucket_owner.clone());
            let page = match request.send().await {
                Ok(page) if page.name().is_none() => {
                    return Err(self.incomplete("ListObjectsV2", "Name"));
                }
                Ok(page) => page,
                Err(error) if code(&error).as_deref() == Some("NoSuchBucket") => return Ok(listed),
                Err(error) => {
                    return Err(self.failed("ListObjectsV2", &["s3:ListBucket"], "", &error));
                }
            };
            listed.extend(page.contents().iter().filter_map(|object| {
                let name = object.key()?.strip_prefix(&prefix)?;
                let secs = object.last_modified().and_then(|time| time.secs().try_into().ok());
                history::is_name(name).then(|| Listed {
                    version: name.to_owned(),
                    replaced_secs: secs,
                    before_copies: false,
                    owner: None,
                })
            }));
            token = page.next_continuation_token().map(str::to_owned);
            if token.is_none() {
                return Ok(listed);
            }
        }
    }

    /// Deletes a copy.
    ///
    /// # Errors
    /// A denied or failed call.
    pub(crate) async fn forget(&self, name: &str) -> Result<(), Error> {
        let key = self.location.object_key(&format!("{FOLDER}/{name}"));
        let request = self.client.delete_object().bucket(self.location.bucket.as_str()).key(&key);
        let owner = self.options.expected_bucket_owner.clone();
        let answer = request.set_expected_bucket_owner(owner).send().await;
        answer.map(drop).or_else(|error| match code(&error).as_deref() {
            Some("NoSuchKey" | "NoSuchBucket") => Ok(()),
            _ => Err(self.failed("DeleteObject", &["s3:DeleteObject"], &key, &error)),
        })
    }

    /// The newest `limit` previous sites: copies and versions.
    ///
    /// # Errors
    /// A denied or failed list. What cannot be read is an error of its own in the list.
    pub(crate) async fn history(&self, limit: usize) -> Result<Vec<Read>, Error> {
        let (copies, versions) = tokio::join!(self.list_kept(), self.list_versions(limit));
        let mut copies = copies?;
        history::newest_first(&mut copies);
        copies.truncate(limit);
        let listed = history::merged(copies, versions?);
        let read = listed.into_iter().map(|listed| async move {
            let site = self.read_past(&listed.version).await.transpose()?;
            Some((listed, site))
        });
        Ok(join_all(read).await.into_iter().flatten().collect())
    }

    /// A previous site, if there is one of this version: a copy, or a version of `keys.json`.
    ///
    /// # Errors
    /// A denied or failed call; [`Error::BrokenHistory`].
    pub(crate) async fn read_past(&self, version: &str) -> Result<Option<PastSite>, Error> {
        if history::is_name(version) {
            let location = format!("{}/{FOLDER}/{version}", self.location);
            let read = self.read_kept(version).await?;
            return read.map(|bytes| PastSite::parse(&bytes, version, &location)).transpose();
        }
        let key = self.location.object_key(KEYS_NAME);
        let stored = self.get_version(KEYS_NAME, &key, Some(version), MAX_INPUT_BYTES).await?;
        Ok(stored.map(|stored| PastSite {
            keys: Some(stored.bytes),
            discovery: None,
            issuer: stored.issuer,
            published_secs: stored.written_secs,
            replaced_by: None,
        }))
    }

    /// The previous versions of `keys.json`, the newest first; none if the store has no versions.
    async fn list_versions(&self, limit: usize) -> Result<Vec<Listed>, Error> {
        let key = self.location.object_key(KEYS_NAME);
        let mut listed: Vec<Listed> = Vec::new();
        // The version after the one that is listed next.
        let mut after: Option<After> = None;
        let (mut key_marker, mut version_marker) = (None, None);
        loop {
            let request = self
                .client
                .list_object_versions()
                .bucket(self.location.bucket.as_str())
                .prefix(&key)
                .set_key_marker(key_marker)
                .set_version_id_marker(version_marker)
                .set_expected_bucket_owner(self.options.expected_bucket_owner.clone());
            let page = match request.send().await {
                Ok(page) if page.name().is_none() => {
                    return Err(self.incomplete("ListObjectVersions", "Name"));
                }
                Ok(page) => page,
                Err(error) => match code(&error).as_deref() {
                    Some("NoSuchBucket") => return Ok(listed),
                    code if self.is_unsupported(code, &error) => return Ok(listed),
                    _ => {
                        const CALL: &str = "ListObjectVersions";
                        return Err(self.failed(CALL, &["s3:ListBucketVersions"], "", &error));
                    }
                },
            };
            let own = page.versions().iter().filter(|version| version.key() == Some(&key));
            for version in own {
                let secs = version.last_modified().and_then(|time| time.secs().try_into().ok());
                let etag = version.e_tag().map(str::to_owned);
                let is_latest = version.is_latest() == Some(true);
                let Some(id) = version.version_id() else { continue };
                let is_null = id == NULL_VERSION;
                let newer = after.replace(After { secs, etag: etag.clone(), is_null });
                // A write of the same bytes changed nothing that readers find.
                let is_same =
                    newer.as_ref().is_some_and(|newer| etag.is_some() && newer.etag == etag);
                if is_latest || is_same {
                    continue;
                }
                // A null version has overwritten those before it, of which there are copies alone.
                let before_copies = newer.as_ref().is_some_and(|newer| newer.is_null);
                let replaced = newer.filter(|_| !before_copies).and_then(|newer| newer.secs);
                let owner = version.owner();
                let owner = owner.and_then(|owner| owner.display_name().or(owner.id()));
                listed.push(Listed {
                    version: id.to_owned(),
                    replaced_secs: replaced.or(secs),
                    before_copies,
                    owner: owner.map(str::to_owned),
                });
            }
            // The keys are in order, so what begins with this one and is another follows it.
            let is_over = page.versions().iter().any(|version| version.key() != Some(&key));
            if listed.len() >= limit || is_over || page.is_truncated() != Some(true) {
                listed.truncate(limit);
                return Ok(listed);
            }
            key_marker = page.next_key_marker().map(str::to_owned);
            version_marker = page.next_version_id_marker().map(str::to_owned);
            if key_marker.is_none() {
                return Ok(listed);
            }
        }
    }
}
