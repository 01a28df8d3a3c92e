//! The S3 API calls for a bucket and its settings; the decisions are in [`super::bucket`].

use std::collections::BTreeMap;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_public_access_block::GetPublicAccessBlockOutput;
use aws_sdk_s3::types::{
    BucketLocationConstraint, CreateBucketConfiguration, ObjectOwnership, OwnershipControls,
    OwnershipControlsRule, PublicAccessBlockConfiguration, Tag, Tagging,
};
use futures_util::future::join_all;
use issuer_change::Notice;
use issuer_discovery::{DISCOVERY_NAME, KEYS_NAME};

use super::bucket::{
    AccessMode, Block, BucketPlan, BucketState, BucketStep, CREATED, ENFORCED, Existence, NO_BLOCK,
    NO_BLOCK_TEXT, Setting,
};
use super::lease::LEASE_KEY;
use super::policy;
use super::{Listed, Purpose, S3, code};
use crate::Error;
use crate::history::FOLDER;

/// The maximum number of objects whose ACLs are read.
const ACLS: usize = 50;

/// The maximum number of pages, of 1,000 objects each, in which other issuers are looked for; the
/// statement for all issuers is kept if there are more.
const LISTED_PAGES: usize = 100;

const NOT_TAGGED: &str = "the new bucket could not be tagged as created by issuerctl \
                          (s3:PutBucketTagging), so `issuerctl delete` will keep it";

impl S3 {
    /// Reads the bucket and the settings that this purpose needs, concurrently.
    ///
    /// # Errors
    /// A denied or failed call.
    pub(super) async fn read_bucket(
        &self,
        purpose: Purpose,
        listed: &Listed,
    ) -> Result<BucketState, Error> {
        // Nothing else of it is read.
        if self.options.access == AccessMode::None && listed.has_bucket() {
            return Ok(BucketState { existence: Existence::Exists, ..BucketState::default() });
        }
        match purpose {
            Purpose::Remove => self.read_for_removal().await,
            Purpose::Import => {
                let mut state = self.read_for_publish().await?;
                if self.options.create_bucket && state.existence != Existence::Missing {
                    state.tags = self.read_tags().await?;
                }
                Ok(state)
            }
            Purpose::Plan | Purpose::Publish | Purpose::History | Purpose::Rollback => {
                self.read_for_publish().await
            }
        }
    }

    /// Executes a plan. Each completed step is passed to `done`, with a warning for the user, if
    /// any.
    ///
    /// # Errors
    /// A denied or failed call.
    pub(crate) async fn apply_bucket(
        &self,
        plan: &BucketPlan,
        mut done: impl FnMut(Option<Notice>),
    ) -> Result<(), Error> {
        let creates = plan.steps().contains(&BucketStep::Create);
        let mut relaxes = false;
        for step in plan.steps() {
            let notice = match step {
                // It waits for others, and is a write only while it has its lease.
                BucketStep::PutPolicy { .. } => self.add_statement(relaxes).await.map(|()| None)?,
                _ => issuer_diagnostic::write(self.apply_step(step, creates)).await?,
            };
            relaxes |= matches!(step, BucketStep::SetBlock { .. });
            issuer_diagnostic::wrote(format!("settings of the bucket {}", self.location.bucket));
            done(notice.map(|(id, message)| Notice { id: id.into(), message: message.to_owned() }));
        }
        Ok(())
    }

    /// One step of a plan, except for the policy, and a warning for the user: its id, and its text.
    async fn apply_step(
        &self,
        step: &BucketStep,
        creates: bool,
    ) -> Result<Option<(&'static str, &'static str)>, Error> {
        match step {
            BucketStep::Create => {
                let tagged = !self.create_bucket().await? || self.tag_bucket().await;
                return Ok((!tagged).then_some(("bucket-not-tagged", NOT_TAGGED)));
            }
            BucketStep::SetOwnership { .. } => self.put_ownership().await?,
            BucketStep::SetBlock { to, .. } => {
                let implemented = self.put_block(*to, creates).await?;
                return Ok((!implemented).then_some((NO_BLOCK, NO_BLOCK_TEXT)));
            }
            BucketStep::PutPolicy { .. } => {}
        }
        Ok(None)
    }

    /// Deletes the bucket if it is empty; returns whether it was deleted.
    ///
    /// # Errors
    /// A denied or failed call.
    pub(crate) async fn delete_bucket(&self) -> Result<bool, Error> {
        if issuer_diagnostic::write(self.try_delete_bucket()).await? {
            return Ok(true);
        }
        // A run that was killed may have left its lease, and nothing else.
        if self.other_object().await? != Setting::Absent {
            return Ok(false);
        }
        self.clear_lease().await?;
        issuer_diagnostic::write(self.try_delete_bucket()).await
    }

    async fn try_delete_bucket(&self) -> Result<bool, Error> {
        let request = self.client.delete_bucket().bucket(self.location.bucket.as_str());
        let owner = self.options.expected_bucket_owner.clone();
        match request.set_expected_bucket_owner(owner).send().await {
            Ok(_) => Ok(true),
            Err(error) => match code(&error).as_deref() {
                Some("BucketNotEmpty") => Ok(false),
                Some("NoSuchBucket") => Ok(true),
                _ => Err(self.failed("DeleteBucket", &["s3:DeleteBucket"], "", &error)),
            },
        }
    }

    /// Whether the store does not implement the call; AWS implements all of them.
    pub(super) fn is_unsupported<E>(&self, code: Option<&str>, error: &SdkError<E>) -> bool {
        const CODES: [&str; 4] =
            ["NotImplemented", "MalformedXML", "MethodNotAllowed", "UnsupportedOperation"];
        let status = error.raw_response().map(|response| response.status().as_u16());
        self.options.endpoint_url.is_some()
            && (code.is_some_and(|code| CODES.contains(&code)) || matches!(status, Some(405 | 501)))
    }

    async fn read_for_publish(&self) -> Result<BucketState, Error> {
        match self.options.access {
            AccessMode::Policy => {}
            AccessMode::Acl => return self.read_for_acls().await,
            AccessMode::CloudFront => {
                return match self.read_policy().await {
                    Err(Error::NoBucket { .. }) => Ok(missing()),
                    policy => Ok(BucketState { policy: policy?, ..BucketState::default() }),
                };
            }
            AccessMode::None => return self.head_bucket().await,
        }
        let (ownership, block, policy) =
            tokio::join!(self.read_ownership(), self.read_block(), self.read_policy());
        // All requests fail with NoBucket if the bucket does not exist.
        match (ownership, block, policy) {
            (Err(Error::NoBucket { .. }), ..)
            | (Ok(_), Err(Error::NoBucket { .. }), _)
            | (Ok(_), Ok(_), Err(Error::NoBucket { .. })) => Ok(missing()),
            (ownership, block, policy) => {
                let (ownership, block, policy) = self.all_of(ownership, block, policy)?;
                let public_by_acl = match acls_have_effect(&ownership, &block) {
                    true => self.public_by_acl().await?,
                    false => Setting::NotRead,
                };
                let state = BucketState { ownership, block, policy, ..BucketState::default() };
                Ok(BucketState { public_by_acl, ..state })
            }
        }
    }

    /// The settings, or every one that is denied.
    ///
    /// # Errors
    /// [`Error::Several`]; any other error.
    fn all_of<A, B, C>(
        &self,
        a: Result<A, Error>,
        b: Result<B, Error>,
        c: Result<C, Error>,
    ) -> Result<(A, B, C), Error> {
        match (a, b, c) {
            (Ok(a), Ok(b), Ok(c)) => Ok((a, b, c)),
            (a, b, c) => {
                let errors = [a.err(), b.err(), c.err()].into_iter().flatten();
                let (denied, mut others): (Vec<_>, Vec<_>) =
                    errors.partition(|error| matches!(error, Error::Denied { .. }));
                // What is wrong with a request is often wrong with all.
                match others.is_empty() {
                    true => Err(Error::all(&self.location.bucket, denied)),
                    false => Err(others.swap_remove(0)),
                }
            }
        }
    }

    /// What forbids ACLs; a job that may not read it finds out when it writes.
    async fn read_for_acls(&self) -> Result<BucketState, Error> {
        let (state, ownership, block) =
            tokio::join!(self.head_bucket(), self.read_ownership(), self.read_block());
        let state = state?;
        if state.existence == Existence::Missing {
            return Ok(state);
        }
        let (ownership, block) =
            (ownership.unwrap_or(Setting::Denied), block.unwrap_or(Setting::Denied));
        Ok(BucketState { ownership, block, ..state })
    }

    /// Policy and public access block, each as far as it can be read.
    pub(super) async fn read_publicity(&self) -> Result<BucketState, Error> {
        let (block, policy) = tokio::join!(self.read_block(), self.read_policy());
        match (block, policy) {
            (Err(Error::NoBucket { .. }), _) | (_, Err(Error::NoBucket { .. })) => Ok(missing()),
            (Err(error), Err(_)) => Err(error),
            (block, policy) => {
                let (block, policy) = (block.unwrap_or_default(), policy.unwrap_or_default());
                Ok(BucketState { block, policy, ..BucketState::default() })
            }
        }
    }

    /// The other objects whose ACL makes them public, of the first page of objects; documents of
    /// other issuers first, since a cluster depends on them.
    async fn public_by_acl(&self) -> Result<Setting<Vec<String>>, Error> {
        let request = self.client.list_objects_v2().bucket(self.location.bucket.as_str());
        let owner = self.options.expected_bucket_owner.clone();
        let listed = match request.set_expected_bucket_owner(owner).send().await {
            Ok(listed) if listed.name().is_none() => {
                return Err(self.incomplete("ListObjectsV2", "Name"));
            }
            Ok(listed) => listed,
            Err(error) => {
                let setting =
                    self.setting(&error, "NoSuchBucket", "ListObjectsV2", &["s3:ListBucket"]);
                return or_denied(setting);
            }
        };
        let ours = [KEYS_NAME, DISCOVERY_NAME].map(|name| self.location.object_key(name));
        let others = listed.contents().iter().filter_map(|object| object.key());
        let mut keys: Vec<&str> = others.filter(|key| !ours.iter().any(|own| own == key)).collect();
        let is_site = |key: &&str| key.ends_with(KEYS_NAME) || key.ends_with(DISCOVERY_NAME);
        keys.sort_by_key(|key| !is_site(key));
        let asked = join_all(keys.iter().take(ACLS).map(|key| self.read_acl(key))).await;
        let mut public = Vec::new();
        let mut denied = false;
        for (key, answer) in keys.iter().zip(asked) {
            match answer {
                Ok(Setting::Present(true)) => public.push((*key).to_owned()),
                Ok(_) => {}
                // Better a question too many than a cluster without its issuer.
                Err(Error::Denied { .. }) if is_site(key) => public.push((*key).to_owned()),
                Err(Error::Denied { .. }) => denied = true,
                Err(error) => return Err(error),
            }
        }
        let unknown = denied && public.is_empty();
        Ok(if unknown { Setting::Denied } else { Setting::Present(public) })
    }

    async fn read_for_removal(&self) -> Result<BucketState, Error> {
        let (policy, tags, other) =
            tokio::join!(self.read_policy(), self.read_tags(), self.other_object());
        let (policy, tags) = match (policy, tags) {
            (Err(Error::NoBucket { .. }), _) | (_, Err(Error::NoBucket { .. })) => {
                return Ok(missing());
            }
            (policy, tags) => (or_denied(policy)?, or_denied(tags)?),
        };
        let other_site = match policy.present() {
            Some(policy) => self.other_site(policy).await?,
            None => Setting::NotRead,
        };
        // Other objects matter only in a bucket that issuerctl created.
        let ours = tags.present().is_some_and(|tags| tags.contains_key(CREATED));
        let other_object = if ours { other? } else { Setting::NotRead };
        Ok(BucketState { policy, tags, other_object, other_site, ..BucketState::default() })
    }

    async fn head_bucket(&self) -> Result<BucketState, Error> {
        let request = self.client.head_bucket().bucket(self.location.bucket.as_str());
        let owner = self.options.expected_bucket_owner.clone();
        let existence = |existence| BucketState { existence, ..BucketState::default() };
        match request.set_expected_bucket_owner(owner).send().await {
            Ok(_) => Ok(existence(Existence::Exists)),
            Err(error) => match error.raw_response().map(|answer| answer.status().as_u16()) {
                Some(404) => Ok(missing()),
                // Credentials limited to the two objects get 403 here; the object calls report
                // real failures.
                Some(403) => Ok(existence(Existence::Unknown)),
                _ => Err(self.failed("HeadBucket", &["s3:ListBucket"], "", &error)),
            },
        }
    }

    async fn read_ownership(&self) -> Result<Setting<String>, Error> {
        let request =
            self.client.get_bucket_ownership_controls().bucket(self.location.bucket.as_str());
        let owner = self.options.expected_bucket_owner.clone();
        match request.set_expected_bucket_owner(owner).send().await {
            Ok(output) => {
                let rule =
                    output.ownership_controls().and_then(|controls| controls.rules().first());
                // A cut answer ends in the middle of the value.
                let is_known =
                    |ownership: &String| ObjectOwnership::values().contains(&ownership.as_str());
                let ownership = rule.map(|rule| rule.object_ownership().as_str().to_owned());
                let ownership = ownership.filter(is_known);
                let missing = || self.incomplete("GetBucketOwnershipControls", "ObjectOwnership");
                ownership.map(Setting::Present).ok_or_else(missing)
            }
            Err(error) => self.setting(
                &error,
                "OwnershipControlsNotFoundError",
                "GetBucketOwnershipControls",
                &["s3:GetBucketOwnershipControls"],
            ),
        }
    }

    async fn read_block(&self) -> Result<Setting<Block>, Error> {
        let request = self.client.get_public_access_block().bucket(self.location.bucket.as_str());
        let owner = self.options.expected_bucket_owner.clone();
        match request.set_expected_bucket_owner(owner).send().await {
            Ok(output) => self.block_of(&output).map(Setting::Present),
            Err(error) => self.setting(
                &error,
                "NoSuchPublicAccessBlockConfiguration",
                "GetPublicAccessBlock",
                &["s3:GetBucketPublicAccessBlock"],
            ),
        }
    }

    /// All members of a public access block.
    ///
    /// # Errors
    /// [`Error::Incomplete`].
    pub(super) fn block_of(&self, output: &GetPublicAccessBlockOutput) -> Result<Block, Error> {
        let missing = |member| self.incomplete("GetPublicAccessBlock", member);
        let block = output
            .public_access_block_configuration()
            .ok_or_else(|| missing("PublicAccessBlockConfiguration"))?;
        let flag = |flag: Option<bool>, member| flag.ok_or_else(|| missing(member));
        Ok(Block {
            block_public_acls: flag(block.block_public_acls(), "BlockPublicAcls")?,
            ignore_public_acls: flag(block.ignore_public_acls(), "IgnorePublicAcls")?,
            block_public_policy: flag(block.block_public_policy(), "BlockPublicPolicy")?,
            restrict_public_buckets: flag(
                block.restrict_public_buckets(),
                "RestrictPublicBuckets",
            )?,
        })
    }

    pub(super) async fn read_policy(&self) -> Result<Setting<String>, Error> {
        let request = self.client.get_bucket_policy().bucket(self.location.bucket.as_str());
        let owner = self.options.expected_bucket_owner.clone();
        match request.set_expected_bucket_owner(owner).send().await {
            Ok(output) => {
                let text = output.policy().filter(|text| !text.trim().is_empty());
                let missing = || self.incomplete("GetBucketPolicy", "the policy");
                text.map(|text| Setting::Present(text.to_owned())).ok_or_else(missing)
            }
            Err(error) => self.setting(
                &error,
                "NoSuchBucketPolicy",
                "GetBucketPolicy",
                &["s3:GetBucketPolicy"],
            ),
        }
    }

    async fn read_tags(&self) -> Result<Setting<BTreeMap<String, String>>, Error> {
        let request = self.client.get_bucket_tagging().bucket(self.location.bucket.as_str());
        let owner = self.options.expected_bucket_owner.clone();
        match request.set_expected_bucket_owner(owner).send().await {
            Ok(output) => {
                let tags = output.tag_set().iter();
                let tags = tags.map(|tag| (tag.key().to_owned(), tag.value().to_owned()));
                Ok(Setting::Present(tags.collect()))
            }
            Err(error) => {
                self.setting(&error, "NoSuchTagSet", "GetBucketTagging", &["s3:GetBucketTagging"])
            }
        }
    }

    /// The first object that is neither document, nor a copy in their history, nor the lease.
    async fn other_object(&self) -> Result<Setting<String>, Error> {
        let ours = [KEYS_NAME, DISCOVERY_NAME].map(|name| self.location.object_key(name));
        let history = self.location.object_key(&format!("{FOLDER}/"));
        let is_ours = |key: &&str| {
            key.starts_with(&history) || *key == LEASE_KEY || ours.iter().any(|own| own == key)
        };
        let request = self.client.list_objects_v2().bucket(self.location.bucket.as_str());
        let owner = self.options.expected_bucket_owner.clone();
        match request.set_expected_bucket_owner(owner).send().await {
            Ok(output) if output.name().is_none() => Err(self.incomplete("ListObjectsV2", "Name")),
            Ok(output) => {
                let mut keys = output.contents().iter().filter_map(|object| object.key());
                let other = keys.find(|key| !is_ours(key));
                Ok(other.map_or(Setting::Absent, |key| Setting::Present(key.to_owned())))
            }
            Err(error) => self.setting(&error, "NoSuchBucket", "ListObjectsV2", &["s3:ListBucket"]),
        }
    }

    /// The first document of another issuer that is public by the statement for all issuers of the
    /// bucket; not read if the policy has none.
    pub(super) async fn other_site(&self, policy: &str) -> Result<Setting<String>, Error> {
        if !policy::is_shared(policy) {
            return Ok(Setting::NotRead);
        }
        let ours = [KEYS_NAME, DISCOVERY_NAME].map(|name| self.location.object_key(name));
        let request = self
            .client
            .list_objects_v2()
            .bucket(self.location.bucket.as_str())
            .set_expected_bucket_owner(self.options.expected_bucket_owner.clone());
        let mut pages = request.into_paginator().send();
        for _ in 0..LISTED_PAGES {
            let page = match pages.next().await {
                None => return Ok(Setting::Absent),
                Some(Ok(page)) if page.name().is_none() => {
                    return Err(self.incomplete("ListObjectsV2", "Name"));
                }
                Some(Ok(page)) => page,
                Some(Err(error)) => {
                    let setting =
                        self.setting(&error, "NoSuchBucket", "ListObjectsV2", &["s3:ListBucket"]);
                    return or_denied(setting);
                }
            };
            let mut keys = page.contents().iter().filter_map(|object| object.key());
            let other = keys.find(|key| {
                !ours.iter().any(|own| own == key) && policy::is_shared_by(policy, key)
            });
            if let Some(key) = other {
                return Ok(Setting::Present(key.to_owned()));
            }
        }
        Ok(Setting::Denied)
    }

    /// The meaning of an error response: the setting is absent, not implemented, or unreadable.
    pub(super) fn setting<T, E>(
        &self,
        error: &SdkError<E>,
        absent: &str,
        call: &'static str,
        permissions: &'static [&'static str],
    ) -> Result<Setting<T>, Error>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        match code(error).as_deref() {
            Some(code) if code == absent => Ok(Setting::Absent),
            code if self.is_unsupported(code, error) => Ok(Setting::Unsupported),
            _ => Err(self.failed(call, permissions, "", error)),
        }
    }

    /// Creates the bucket; returns false if it already belongs to this account.
    async fn create_bucket(&self) -> Result<bool, Error> {
        let bucket = self.location.bucket.as_str();
        // us-east-1 must not be given as a location constraint.
        let configuration = (self.region != "us-east-1").then(|| {
            let region = BucketLocationConstraint::from(self.region.as_str());
            CreateBucketConfiguration::builder().location_constraint(region).build()
        });
        let enforced = self.options.access.is_by_policy();
        let answer = self
            .client
            .create_bucket()
            .bucket(bucket)
            .set_create_bucket_configuration(configuration)
            .set_object_ownership(enforced.then_some(ObjectOwnership::BucketOwnerEnforced))
            .send()
            .await;
        match answer {
            Ok(_) => Ok(true),
            Err(error) => match code(&error).as_deref() {
                Some("BucketAlreadyOwnedByYou") => Ok(false),
                Some("BucketAlreadyExists") => Err(Error::OtherOwner {
                    bucket: bucket.to_owned(),
                    reason: super::message(&error),
                }),
                _ => Err(self.failed("CreateBucket", &["s3:CreateBucket"], "", &error)),
            },
        }
    }

    /// Returns whether the tag was set; a failure does not end the run.
    #[expect(clippy::expect_used, reason = "all required members are set")]
    async fn tag_bucket(&self) -> bool {
        let tag = Tag::builder().key(CREATED).value("true").build().expect("has key and value");
        let tagging = Tagging::builder().tag_set(tag).build().expect("has its one member");
        let bucket = self.location.bucket.as_str();
        let request = self.client.put_bucket_tagging().bucket(bucket).tagging(tagging);
        let owner = self.options.expected_bucket_owner.clone();
        request.set_expected_bucket_owner(owner).send().await.is_ok()
    }

    #[expect(clippy::expect_used, reason = "all required members are set")]
    async fn put_ownership(&self) -> Result<(), Error> {
        const CALL: &str = "PutBucketOwnershipControls";
        let rule = OwnershipControlsRule::builder()
            .object_ownership(ObjectOwnership::BucketOwnerEnforced)
            .build();
        let controls =
            OwnershipControls::builder().rules(rule.expect("has its one member")).build();
        let request = self
            .client
            .put_bucket_ownership_controls()
            .bucket(self.location.bucket.as_str())
            .set_expected_bucket_owner(self.options.expected_bucket_owner.clone())
            .ownership_controls(controls.expect("has its one member"));
        let answer = request.send().await.map(drop);
        answer.map_err(|error| self.failed(CALL, &["s3:PutBucketOwnershipControls"], "", &error))
    }

    /// Returns whether the store implements it, which is not known yet for a new bucket.
    async fn put_block(&self, block: Block, new_bucket: bool) -> Result<bool, Error> {
        const CALL: &str = "PutPublicAccessBlock";
        let configuration = PublicAccessBlockConfiguration::builder()
            .block_public_acls(block.block_public_acls)
            .ignore_public_acls(block.ignore_public_acls)
            .block_public_policy(block.block_public_policy)
            .restrict_public_buckets(block.restrict_public_buckets)
            .build();
        let request = self
            .client
            .put_public_access_block()
            .bucket(self.location.bucket.as_str())
            .set_expected_bucket_owner(self.options.expected_bucket_owner.clone())
            .public_access_block_configuration(configuration);
        match request.send().await {
            Ok(_) => Ok(true),
            Err(error) if new_bucket && self.is_unsupported(code(&error).as_deref(), &error) => {
                Ok(false)
            }
            Err(error) => Err(self.failed(CALL, &["s3:PutBucketPublicAccessBlock"], "", &error)),
        }
    }
}

/// Whether objects can be public by their ACLs (S3 user guide, "Controlling ownership of objects" and
/// "Blocking public access", `IgnorePublicAcls`).
fn acls_have_effect(ownership: &Setting<String>, block: &Setting<Block>) -> bool {
    let enforced = ownership.present().is_some_and(|ownership| ownership == ENFORCED);
    let ignored = block.present().is_some_and(|block| block.ignore_public_acls);
    !enforced && !ignored && *ownership != Setting::Unsupported
}

fn missing() -> BucketState {
    BucketState { existence: Existence::Missing, ..BucketState::default() }
}

/// A denied read becomes a state, if the run does not depend on the setting.
fn or_denied<T>(setting: Result<Setting<T>, Error>) -> Result<Setting<T>, Error> {
    match setting {
        Err(Error::Denied { .. }) => Ok(Setting::Denied),
        other => other,
    }
}
