//! Buckets with versioning, which s3s-fs does not have: every write of an object is kept.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime};

use s3s::dto::*;
use s3s::{Body, S3Error, S3ErrorCode, S3Result};

/// The versions of all objects.
#[derive(Default)]
pub(super) struct Versions {
    buckets: HashSet<String>,
    /// The time at which everything is written from now on.
    clock: Option<SystemTime>,
    objects: HashMap<(String, String), Vec<Kept>>,
    last: u64,
}

/// One version of an object.
#[derive(Clone)]
struct Kept {
    id: String,
    bytes: Vec<u8>,
    metadata: Option<Metadata>,
    etag: Option<ETag>,
    written: SystemTime,
}

impl Versions {
    pub(super) fn enable(&mut self, bucket: &str) {
        self.buckets.insert(bucket.to_owned());
    }

    pub(super) fn stop_clock(&mut self) {
        // What is written by the clock of the machine is before it, however slow the machine is.
        self.clock = Some(SystemTime::now() + Duration::from_secs(60 * 60));
    }

    /// Keeps a version, and returns its ID; `None` in a bucket without versioning.
    pub(super) fn keep(
        &mut self,
        (bucket, key): (&str, &str),
        bytes: Vec<u8>,
        metadata: Option<Metadata>,
        etag: Option<ETag>,
    ) -> Option<String> {
        if !self.buckets.contains(bucket) {
            return None;
        }
        self.last += 1;
        // IDs have no order, as those of S3.
        let id = format!("{:016x}", self.last.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let written = whole_seconds(self.clock.unwrap_or_else(SystemTime::now));
        let version = Kept { id: id.clone(), bytes, metadata, etag, written };
        self.objects.entry((bucket.to_owned(), key.to_owned())).or_default().push(version);
        Some(id)
    }

    /// The ID of the current version.
    pub(super) fn current(&self, bucket: &str, key: &str) -> Option<String> {
        let versions = self.objects.get(&(bucket.to_owned(), key.to_owned()))?;
        Some(versions.last()?.id.clone())
    }

    /// # Errors
    /// `NoSuchVersion`.
    pub(super) fn get(&self, bucket: &str, key: &str, id: &str) -> S3Result<GetObjectOutput> {
        let versions = self.objects.get(&(bucket.to_owned(), key.to_owned()));
        let found = versions.into_iter().flatten().find(|version| version.id == id);
        let Some(version) = found.cloned() else {
            let message = "The specified version does not exist.";
            return Err(S3Error::with_message(S3ErrorCode::NoSuchVersion, message));
        };
        Ok(GetObjectOutput {
            content_length: i64::try_from(version.bytes.len()).ok(),
            body: Some(StreamingBlob::from(Body::from(version.bytes))),
            metadata: version.metadata,
            e_tag: version.etag,
            last_modified: Some(version.written.into()),
            version_id: Some(version.id),
            ..GetObjectOutput::default()
        })
    }

    /// All versions below a prefix, as S3 lists them: by key, the newest first.
    pub(super) fn list(&self, bucket: &str, prefix: &str) -> Vec<ObjectVersion> {
        let mut objects: Vec<_> = self
            .objects
            .iter()
            .filter(|((own, key), _)| own == bucket && key.starts_with(prefix))
            .collect();
        objects.sort_by_key(|(object, _)| *object);
        let listed = objects.into_iter().flat_map(|((_, key), versions)| {
            versions.iter().rev().enumerate().map(|(index, version)| ObjectVersion {
                key: Some(key.clone()),
                version_id: Some(version.id.clone()),
                is_latest: Some(index == 0),
                e_tag: version.etag.clone(),
                last_modified: Some(version.written.into()),
                owner: Some(Owner { id: Some("111122223333".to_owned()), display_name: None }),
                ..ObjectVersion::default()
            })
        });
        listed.collect()
    }
}

/// The times of S3 have no fraction.
fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}
