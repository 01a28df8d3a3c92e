//! Public access as AWS has it since April 2023: ownership, public access block, bucket policy, in
//! this order.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::{
    BucketLocationConstraint, CreateBucketConfiguration, ObjectOwnership, OwnershipControls,
    OwnershipControlsRule, Permission, PublicAccessBlockConfiguration,
};

use super::policy;
use super::{S3, code};
use crate::Error;

/// How often our statement is put back into, or taken out of, a policy that others write at the
/// same time.
pub(super) const POLICY_TRIES: u32 = 3;

/// How long an opened public access block may take to hold everywhere.
const SPREAD_LIMIT: Duration = Duration::from_secs(10);

/// The grantee that stands for everybody in an ACL.
const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";

const UNMARKED: &str = "the new bucket could not be tagged as made by issuerctl \
                        (s3:PutBucketTagging), so `issuerctl delete` will leave it";

const NO_BLOCK: &str =
    "this store has no public access block or ownership controls; going on without";

/// How the world may read the two objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AccessMode {
    /// By a bucket policy.
    #[default]
    Policy,
    /// By an ACL on each object, for stores that know nothing else.
    Acl,
    /// Something else sees to it.
    None,
}

/// What has to be done before the documents can be written and read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccessPlan {
    create_bucket: bool,
    ownership: bool,
    /// What objects' ownership is now, where it is anything.
    ownership_now: Option<String>,
    block: Option<Block>,
    /// What the block is now, where there is one.
    block_now: Option<Block>,
    policy: Option<String>,
    notices: BTreeSet<String>,
}

/// The public access block of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block {
    block_acls: bool,
    ignore_acls: bool,
    block_policy: bool,
    restrict_buckets: bool,
}

impl Block {
    /// All members where there is no block yet, else those that change.
    fn changes(self, now: Option<Self>) -> String {
        let members = |block: Self| {
            [
                ("BlockPublicAcls", block.block_acls),
                ("IgnorePublicAcls", block.ignore_acls),
                ("BlockPublicPolicy", block.block_policy),
                ("RestrictPublicBuckets", block.restrict_buckets),
            ]
        };
        let texts = members(self).into_iter().enumerate().filter_map(|(index, (name, value))| {
            match now.map(|now| members(now)[index].1) {
                None => Some(format!("{name}={value}")),
                Some(now) if now != value => Some(format!("{name}={now} -> {value}")),
                Some(_) => None,
            }
        });
        texts.collect::<Vec<_>>().join(" ")
    }
}

impl AccessPlan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps().is_empty()
    }

    /// Whether the bucket is not there yet.
    pub(super) fn creates_bucket(&self) -> bool {
        self.create_bucket
    }

    /// One text a step, in order.
    pub fn steps(&self) -> Vec<String> {
        let mut steps = Vec::new();
        if self.create_bucket {
            steps.push("create the bucket".to_owned());
        }
        if self.ownership {
            let now =
                self.ownership_now.as_ref().map(|now| format!("{now} -> ")).unwrap_or_default();
            steps.push(format!("object ownership: {now}BucketOwnerEnforced"));
        }
        if let Some(block) = self.block {
            steps.push(format!("public access block: {}", block.changes(self.block_now)));
        }
        if self.policy.is_some() {
            steps.push("bucket policy: everybody may s3:GetObject the two documents".to_owned());
        }
        steps
    }

    /// What the user has to be told.
    pub fn notices(&self) -> impl Iterator<Item = &str> {
        self.notices.iter().map(String::as_str)
    }
}

/// The answer to one look.
pub(super) enum Look<T> {
    Is(T),
    /// The store has no such thing.
    Unknown,
    NoBucket,
}

impl S3 {
    pub(super) async fn read_access(&self) -> Result<AccessPlan, Error> {
        if self.options.access != AccessMode::Policy {
            return self.read_bucket().await;
        }
        let (ownership, block, policy) =
            tokio::join!(self.read_ownership(), self.read_block(), self.read_policy());
        let mut plan = AccessPlan::default();
        let wanted = Block {
            block_acls: true,
            ignore_acls: true,
            block_policy: false,
            restrict_buckets: false,
        };
        match ownership? {
            Look::Is(Some(ObjectOwnership::BucketOwnerEnforced)) => {}
            Look::Is(other) => {
                plan.ownership = true;
                plan.ownership_now = other.as_ref().map(|other| other.as_str().to_owned());
                // Where nothing is set, ACLs count as well: so it is in buckets made before April
                // 2023.
                plan.notices.insert(
                    "from now on the ACLs of all objects in this bucket count for nothing"
                        .to_owned(),
                );
            }
            Look::Unknown => self.note_unknown(&mut plan),
            Look::NoBucket => return self.new_bucket(wanted),
        }
        let block = block?;
        let opens = matches!(block, Look::Is(Some(Block { restrict_buckets: true, .. })));
        match block {
            Look::Is(block) => {
                plan.block = (block != Some(wanted)).then_some(wanted);
                plan.block_now = block;
            }
            Look::Unknown => self.note_unknown(&mut plan),
            Look::NoBucket => return self.new_bucket(wanted),
        }
        match policy? {
            Look::Is(existing) => {
                plan.policy = self.merged_policy(existing.as_deref())?;
                let existing = existing.unwrap_or_default();
                let exposed =
                    if opens { policy::public(&existing, &self.objects()) } else { Vec::new() };
                if !exposed.is_empty() {
                    return Err(Error::WouldExpose {
                        bucket: self.location.bucket.to_string(),
                        sids: exposed,
                    });
                }
                for sid in policy::denies(&existing, &self.objects()) {
                    plan.notices.insert(format!(
                        "the bucket policy's statement {sid:?} forbids reading; no permission \
                         outweighs it"
                    ));
                }
            }
            Look::Unknown => return Err(self.no_policies("GetBucketPolicy is not implemented")),
            Look::NoBucket => return self.new_bucket(wanted),
        }
        Ok(plan)
    }

    pub(crate) async fn grant(&self, plan: &AccessPlan) -> Result<Vec<&'static str>, Error> {
        let mut notices = Vec::new();
        if plan.create_bucket && self.create_bucket().await? && !self.mark_bucket().await {
            notices.push(UNMARKED);
        }
        // A new bucket of AWS has it already; one of a compatible store may have no such thing.
        if plan.ownership {
            self.put_ownership().await?;
        }
        if let Some(block) = plan.block
            && !self.put_block(block, plan.create_bucket).await?
        {
            notices.push(NO_BLOCK);
        }
        if plan.policy.is_some() {
            let start = Instant::now();
            // A block that was just opened may take a moment to be open everywhere.
            while let Err(error) = self.put_policy().await {
                let spreads = plan.block.is_some() && start.elapsed() < SPREAD_LIMIT;
                let blocked = matches!(&error, Error::Denied { by_public_access_block: true, .. });
                if !(spreads && blocked) {
                    return Err(error);
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        Ok(notices)
    }

    /// ACLs are looked at only where they are what lets the world read.
    pub(super) async fn is_readable_by_acl(&self, key: &str) -> Result<bool, Error> {
        if self.options.access != AccessMode::Acl {
            return Ok(true);
        }
        let answer = self
            .client
            .get_object_acl()
            .bucket(self.location.bucket.as_str())
            .key(key)
            .set_expected_bucket_owner(self.options.expected_bucket_owner.clone())
            .send()
            .await;
        match answer {
            Ok(output) => Ok(output.grants().iter().any(|grant| {
                let everybody =
                    grant.grantee().and_then(|grantee| grantee.uri()) == Some(ALL_USERS);
                everybody
                    && matches!(
                        grant.permission(),
                        Some(Permission::Read | Permission::FullControl)
                    )
            })),
            Err(error) if matches!(code(&error).as_deref(), Some("NoSuchKey" | "NoSuchBucket")) => {
                Ok(true)
            }
            Err(error) if self.has_no_such_thing(code(&error).as_deref(), &error) => Ok(true),
            Err(error) => Err(self.failed("GetObjectAcl", &["s3:GetObjectAcl"], key, &error)),
        }
    }

    /// `--access acl` and `none` leave the bucket's settings alone, and only ask whether it is
    /// there.
    pub(super) async fn read_bucket(&self) -> Result<AccessPlan, Error> {
        let bucket = self.location.bucket.as_str();
        let answer = self
            .client
            .head_bucket()
            .bucket(bucket)
            .set_expected_bucket_owner(self.options.expected_bucket_owner.clone())
            .send()
            .await;
        match answer {
            Ok(_) => Ok(AccessPlan::default()),
            Err(error) if error.raw_response().is_some_and(|r| r.status().as_u16() == 404) => {
                self.missing_bucket()?;
                Ok(AccessPlan { create_bucket: true, ..AccessPlan::default() })
            }
            // A job that may only write two objects cannot ask for the bucket; the objects
            // themselves will tell.
            Err(error) if error.raw_response().is_some_and(|r| r.status().as_u16() == 403) => {
                Ok(AccessPlan::default())
            }
            Err(error) => Err(self.failed("HeadBucket", &["s3:ListBucket"], "", &error)),
        }
    }

    pub(super) async fn read_ownership(&self) -> Result<Look<Option<ObjectOwnership>>, Error> {
        let answer = self
            .client
            .get_bucket_ownership_controls()
            .bucket(self.location.bucket.as_str())
            .set_expected_bucket_owner(self.options.expected_bucket_owner.clone())
            .send()
            .await;
        match answer {
            Ok(output) => {
                let rule =
                    output.ownership_controls().and_then(|controls| controls.rules().first());
                Ok(Look::Is(rule.map(|rule| rule.object_ownership().clone())))
            }
            Err(error) => self.look(
                &error,
                "OwnershipControlsNotFoundError",
                None,
                "GetBucketOwnershipControls",
                &["s3:GetBucketOwnershipControls"],
            ),
        }
    }

    pub(super) async fn read_block(&self) -> Result<Look<Option<Block>>, Error> {
        let answer = self
            .client
            .get_public_access_block()
            .bucket(self.location.bucket.as_str())
            .set_expected_bucket_owner(self.options.expected_bucket_owner.clone())
            .send()
            .await;
        match answer {
            Ok(output) => {
                Ok(Look::Is(output.public_access_block_configuration().map(|block| Block {
                    block_acls: block.block_public_acls() == Some(true),
                    ignore_acls: block.ignore_public_acls() == Some(true),
                    block_policy: block.block_public_policy() == Some(true),
                    restrict_buckets: block.restrict_public_buckets() == Some(true),
                })))
            }
            Err(error) => self.look(
                &error,
                "NoSuchPublicAccessBlockConfiguration",
                None,
                "GetPublicAccessBlock",
                &["s3:GetBucketPublicAccessBlock"],
            ),
        }
    }

    pub(super) async fn read_policy(&self) -> Result<Look<Option<String>>, Error> {
        let answer = self
            .client
            .get_bucket_policy()
            .bucket(self.location.bucket.as_str())
            .set_expected_bucket_owner(self.options.expected_bucket_owner.clone())
            .send()
            .await;
        match answer {
            Ok(output) => {
                Ok(Look::Is(output.policy().filter(|text| !text.is_empty()).map(str::to_owned)))
            }
            Err(error) => self.look(
                &error,
                "NoSuchBucketPolicy",
                None,
                "GetBucketPolicy",
                &["s3:GetBucketPolicy"],
            ),
        }
    }

    /// What an error answer to a look means: nothing set, no such thing in this store, no bucket,
    /// or a failure.
    fn look<T, E>(
        &self,
        error: &SdkError<E>,
        nothing_set: &str,
        nothing: T,
        call: &'static str,
        permissions: &'static [&'static str],
    ) -> Result<Look<T>, Error>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        match code(error).as_deref() {
            Some(code) if code == nothing_set => Ok(Look::Is(nothing)),
            Some("NoSuchBucket") => Ok(Look::NoBucket),
            code if self.has_no_such_thing(code, error) => Ok(Look::Unknown),
            _ => Err(self.failed(call, permissions, "", error)),
        }
    }

    /// AWS knows all of these calls; a compatible store may answer that it does not.
    pub(super) fn has_no_such_thing<E>(&self, code: Option<&str>, error: &SdkError<E>) -> bool {
        let status = error.raw_response().map(|response| response.status().as_u16());
        self.options.endpoint_url.is_some()
            && (matches!(
                code,
                Some(
                    "NotImplemented" | "MalformedXML" | "MethodNotAllowed" | "UnsupportedOperation"
                )
            ) || matches!(status, Some(405 | 501)))
    }

    fn note_unknown(&self, plan: &mut AccessPlan) {
        plan.notices.insert(NO_BLOCK.to_owned());
    }

    fn no_policies(&self, message: &str) -> Error {
        Error::NoPolicies { bucket: self.location.bucket.to_string(), message: message.to_owned() }
    }

    fn objects(&self) -> [String; 2] {
        self.location.object_arns(&self.region)
    }

    fn missing_bucket(&self) -> Result<(), Error> {
        if self.options.create_bucket {
            Ok(())
        } else {
            Err(Error::NoBucket { bucket: self.location.bucket.to_string() })
        }
    }

    fn new_bucket(&self, block: Block) -> Result<AccessPlan, Error> {
        self.missing_bucket()?;
        let policy = self.merged_policy(None)?;
        Ok(AccessPlan { create_bucket: true, block: Some(block), policy, ..AccessPlan::default() })
    }

    fn merged_policy(&self, existing: Option<&str>) -> Result<Option<String>, Error> {
        policy::with_ours(&self.location, &self.region, existing)
    }

    /// Whether it was made now, and not by somebody a moment ago.
    async fn create_bucket(&self) -> Result<bool, Error> {
        let bucket = self.location.bucket.as_str();
        // us-east-1 is the one region that must not be named.
        let configuration = (self.region != "us-east-1").then(|| {
            let region = BucketLocationConstraint::from(self.region.as_str());
            CreateBucketConfiguration::builder().location_constraint(region).build()
        });
        let enforced = self.options.access == AccessMode::Policy;
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

    #[expect(clippy::expect_used, reason = "all required members are given")]
    async fn put_ownership(&self) -> Result<(), Error> {
        let rule = OwnershipControlsRule::builder()
            .object_ownership(ObjectOwnership::BucketOwnerEnforced)
            .build();
        let controls =
            OwnershipControls::builder().rules(rule.expect("has its one member")).build();
        self.client
            .put_bucket_ownership_controls()
            .bucket(self.location.bucket.as_str())
            .set_expected_bucket_owner(self.options.expected_bucket_owner.clone())
            .ownership_controls(controls.expect("has its one member"))
            .send()
            .await
            .map(|_| ())
            .map_err(|error| {
                self.failed(
                    "PutBucketOwnershipControls",
                    &["s3:PutBucketOwnershipControls"],
                    "",
                    &error,
                )
            })
    }

    async fn put_block(&self, block: Block, new_bucket: bool) -> Result<bool, Error> {
        let configuration = PublicAccessBlockConfiguration::builder()
            .block_public_acls(block.block_acls)
            .ignore_public_acls(block.ignore_acls)
            .block_public_policy(block.block_policy)
            .restrict_public_buckets(block.restrict_buckets)
            .build();
        let answer = self
            .client
            .put_public_access_block()
            .bucket(self.location.bucket.as_str())
            .set_expected_bucket_owner(self.options.expected_bucket_owner.clone())
            .public_access_block_configuration(configuration)
            .send()
            .await;
        match answer {
            Ok(_) => Ok(true),
            // Nobody could ask a bucket that was not there yet.
            Err(error) if new_bucket && self.has_no_such_thing(code(&error).as_deref(), &error) => {
                Ok(false)
            }
            Err(error) => Err(self.failed(
                "PutPublicAccessBlock",
                &["s3:PutBucketPublicAccessBlock"],
                "",
                &error,
            )),
        }
    }

    /// S3 has no conditional write of a policy, so it is read just before, and again afterwards:
    /// whoever wrote in between has taken our statement away.
    async fn put_policy(&self) -> Result<(), Error> {
        for _ in 0..POLICY_TRIES {
            let existing = match self.read_policy().await? {
                Look::Is(existing) => existing,
                Look::Unknown => return Err(self.no_policies("GetBucketPolicy is not implemented")),
                Look::NoBucket => None,
            };
            let Some(text) = self.merged_policy(existing.as_deref())? else { return Ok(()) };
            let answer = self
                .client
                .put_bucket_policy()
                .bucket(self.location.bucket.as_str())
                .set_expected_bucket_owner(self.options.expected_bucket_owner.clone())
                .policy(text)
                .send()
                .await;
            if let Err(error) = answer {
                return Err(if self.has_no_such_thing(code(&error).as_deref(), &error) {
                    self.no_policies(&super::message(&error))
                } else {
                    self.failed("PutBucketPolicy", &["s3:PutBucketPolicy"], "", &error)
                });
            }
        }
        Err(Error::Changed {
            location: format!("the policy of the bucket {}", self.location.bucket),
        })
    }
}
