//! The settings of a bucket: observed state, desired state, and the steps in between.
//!
//! Public access as in AWS since April 2023: bucket policy, object ownership, public access block.
//! The policy comes before ACLs lose their effect, so that the documents are readable all the time; a
//! public access block that forbids the policy is relaxed just before, and no more than that.

use std::collections::BTreeMap;

use issuer_change::{Action, Change, ChangeSet, Describe, Field, Kind, Reason, Resource, Value};

use issuer_discovery::{DISCOVERY_NAME, KEYS_NAME, Partition};

use super::S3Location;
use super::preflight::{self, Preflight};
use super::{policy, statements};
use crate::Error;

/// The tag of a bucket that issuerctl created.
pub(crate) const CREATED: &str = "issuerctl.dev/created";

/// The object ownership setting that disables ACLs.
pub(super) const ENFORCED: &str = "BucketOwnerEnforced";

/// The public access block that allows public bucket policies, but no public ACLs.
const OPEN: Block = Block {
    block_public_acls: true,
    ignore_public_acls: true,
    block_public_policy: false,
    restrict_public_buckets: false,
};

/// How public read access to the two objects is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AccessMode {
    /// By a bucket policy.
    #[default]
    Policy,
    /// By an ACL on each object, for stores without bucket policies.
    Acl,
    /// By a CloudFront distribution that may read the two objects; the bucket stays private.
    CloudFront,
    /// Managed outside issuerctl.
    None,
}

impl AccessMode {
    /// Whether the bucket policy grants it.
    pub(super) fn is_by_policy(self) -> bool {
        matches!(self, Self::Policy | Self::CloudFront)
    }
}

/// The desired state of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketSpec {
    /// The bucket, and the prefix of the two documents.
    pub location: S3Location,
    /// Its region.
    pub region: String,
    /// How public read access to the two documents is granted.
    pub access: AccessMode,
    /// Whether one statement of the policy is for all issuers in the bucket.
    pub shared: bool,
    /// The ARN of the distribution that may read the documents, with [`AccessMode::CloudFront`].
    pub distribution: Option<String>,
    /// Whether it is created if it does not exist.
    pub create: bool,
}

/// One bucket setting, as read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Setting<T> {
    /// This run does not need it.
    #[default]
    NotRead,
    /// The credentials do not permit reading it.
    Denied,
    /// The store does not implement it.
    Unsupported,
    /// It is not set.
    Absent,
    /// It is set.
    Present(T),
}

/// Whether a bucket exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Existence {
    /// It exists.
    #[default]
    Exists,
    /// It does not exist.
    Missing,
    /// The credentials do not permit checking.
    Unknown,
}

/// The public access block of a bucket (S3 API, `PublicAccessBlockConfiguration`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// `BlockPublicAcls`
    pub block_public_acls: bool,
    /// `IgnorePublicAcls`
    pub ignore_public_acls: bool,
    /// `BlockPublicPolicy`
    pub block_public_policy: bool,
    /// `RestrictPublicBuckets`
    pub restrict_public_buckets: bool,
}

/// The observed state of a bucket; which settings are read depends on the purpose.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BucketState {
    /// Whether it exists; if not, all settings are [`Setting::NotRead`].
    pub existence: Existence,
    /// Object ownership, such as `BucketOwnerEnforced`.
    pub ownership: Setting<String>,
    /// The public access block.
    pub block: Setting<Block>,
    /// The text of the bucket policy.
    pub policy: Setting<String>,
    /// Its tags.
    pub tags: Setting<BTreeMap<String, String>>,
    /// The key of an object in it that is neither of the two documents.
    pub other_object: Setting<String>,
    /// The keys of such objects that are public by their ACL, if ACLs have an effect.
    pub public_by_acl: Setting<Vec<String>>,
    /// The key of a document of another issuer, if the policy has a statement for all of them.
    pub other_site: Setting<String>,
    /// What may stand in the way of anonymous readers; read before the bucket is set up.
    pub preflight: Preflight,
}

/// One call that changes a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BucketStep {
    /// `CreateBucket`, with `BucketOwnerEnforced` if access is by policy, and
    /// `PutBucketTagging`.
    Create,
    /// `PutBucketOwnershipControls` to `BucketOwnerEnforced`.
    SetOwnership {
        /// The current value.
        from: Option<String>,
    },
    /// `PutPublicAccessBlock`.
    SetBlock {
        /// The current value.
        from: Option<Block>,
        /// The new value.
        to: Block,
    },
    /// `PutBucketPolicy`; merged again into the policy as read just before.
    PutPolicy {
        /// The current text.
        from: Option<String>,
        /// The new text.
        to: String,
    },
}

/// The steps from the observed to the desired state, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketPlan {
    name: String,
    access: AccessMode,
    steps: Vec<BucketStep>,
    notices: Vec<(&'static str, String)>,
}

impl Block {
    /// Its members by their names in the S3 API.
    #[must_use]
    pub fn members(self) -> [(&'static str, bool); 4] {
        [
            ("BlockPublicAcls", self.block_public_acls),
            ("IgnorePublicAcls", self.ignore_public_acls),
            ("BlockPublicPolicy", self.block_public_policy),
            ("RestrictPublicBuckets", self.restrict_public_buckets),
        ]
    }
}

impl Block {
    /// The names of those that are on.
    pub(crate) fn on(self) -> Vec<&'static str> {
        self.members().into_iter().filter(|(_, is_on)| *is_on).map(|(name, _)| name).collect()
    }
}

impl<T> Setting<T> {
    /// The value, if it is set and was read.
    pub fn present(&self) -> Option<&T> {
        match self {
            Self::Present(value) => Some(value),
            _ => None,
        }
    }
}

impl BucketSpec {
    fn objects(&self) -> [String; 2] {
        self.location.object_arns(&self.region)
    }

    /// The policy with our statement, if it has to be written.
    pub(super) fn policy(&self, existing: Option<&str>) -> Result<Option<String>, Error> {
        match (self.access, &self.distribution) {
            (AccessMode::CloudFront, Some(arn)) => {
                policy::with_distribution(&self.location, &self.region, arn, existing)
            }
            (AccessMode::CloudFront, None) => Ok(None),
            _ => policy::with_ours(&self.location, &self.region, self.shared, existing),
        }
    }
}

impl BucketPlan {
    /// Compares the observed with the desired state. Unmanaged policy statements are kept.
    ///
    /// # Errors
    /// [`Error::NoBucket`], [`Error::NoPolicies`], [`Error::BadPolicy`], [`Error::WouldExpose`],
    /// [`Error::DeletedPrincipals`], [`Error::PolicyTooLarge`], [`Error::WouldHide`],
    /// [`Error::AccountBlocks`], [`Error::RequesterPays`], [`Error::NoAcls`], [`Error::BlocksAcls`],
    /// [`Error::ForcesKms`]; [`Error::Several`] if it is more than one of them.
    pub fn new(spec: &BucketSpec, state: &BucketState) -> Result<Self, Error> {
        let name = spec.location.bucket.to_string();
        let mut plan = Self { name, access: spec.access, steps: Vec::new(), notices: Vec::new() };
        let mut problems = preflight::problems(spec, state);
        match state.existence {
            Existence::Missing if !spec.create => {
                problems.push(Error::NoBucket { bucket: plan.name.clone() });
            }
            Existence::Missing => problems.extend(plan.create(spec).err()),
            Existence::Exists | Existence::Unknown if spec.access.is_by_policy() => {
                plan.open(spec, state, &mut problems);
            }
            Existence::Exists | Existence::Unknown => {}
        }
        if let Some(length) = state.preflight.retention.present() {
            let message = format!(
                "S3 Object Lock keeps every version of an object in the bucket {} for {length}: a \
                 replaced or deleted document is not public any more, but the bucket cannot be deleted \
                 before",
                plan.name
            );
            plan.notices.push(("object-lock", message));
        }
        match problems.is_empty() {
            true => Ok(plan),
            false => Err(Error::all(&spec.location.bucket, problems)),
        }
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The steps, in order.
    #[must_use]
    pub fn steps(&self) -> &[BucketStep] {
        &self.steps
    }

    fn create(&mut self, spec: &BucketSpec) -> Result<(), Error> {
        self.steps.push(BucketStep::Create);
        if spec.access == AccessMode::Policy {
            self.steps.push(BucketStep::SetBlock { from: None, to: OPEN });
        }
        if spec.access.is_by_policy() {
            let to = spec.policy(None)?;
            self.say_shared(spec, to.as_deref());
            self.steps.extend(to.map(|to| BucketStep::PutPolicy { from: None, to }));
        }
        Ok(())
    }

    fn open(&mut self, spec: &BucketSpec, state: &BucketState, problems: &mut Vec<Error>) {
        let existing = match &state.policy {
            Setting::Unsupported => {
                let message = "GetBucketPolicy is not implemented".to_owned();
                problems.push(Error::NoPolicies { bucket: self.name.clone(), message });
                return;
            }
            setting => setting.present(),
        };
        let text = existing.map(String::as_str).unwrap_or_default();
        let is_public = spec.access == AccessMode::Policy;
        let restricted = state.block.present().is_some_and(|block| block.restrict_public_buckets);
        if restricted {
            let sids = statements::public(text, &spec.objects());
            if !sids.is_empty() {
                problems.push(Error::WouldExpose { bucket: self.name.clone(), sids });
            }
        }
        for sid in statements::denies(text, &spec.objects()).into_iter().filter(|_| is_public) {
            let message = format!(
                "the bucket policy's statement {sid:?} denies reading; no Allow overrides a Deny"
            );
            self.notices.push(("policy-denies-reading", message));
        }
        let to = match spec.policy(existing.map(String::as_str)) {
            Ok(to) => to,
            Err(error) => {
                problems.push(error);
                None
            }
        };
        let refused = to.as_ref().and_then(|to| policy::check_accepted(&spec.location, to).err());
        problems.extend(refused);
        self.say_shared(spec, to.as_deref());
        let from = existing.cloned();
        // A private bucket keeps its settings.
        if !is_public {
            self.steps.extend(to.map(|to| BucketStep::PutPolicy { from, to }));
            return;
        }
        let block = self.relax_block(&state.block);
        self.steps.extend(to.map(|to| BucketStep::PutPolicy { from, to }));
        problems.extend(self.set_ownership(spec, state).err());
        self.set_block(&state.block, block);
    }

    /// The statement for all issuers is wider than the documents of this one.
    fn say_shared(&mut self, spec: &BucketSpec, to: Option<&str>) {
        if spec.shared && to.is_some() {
            let message = format!(
                "every object of the bucket {} whose name ends in /{KEYS_NAME} or /{DISCOVERY_NAME} \
                 becomes public",
                self.name
            );
            self.notices.push(("shared-bucket", message));
        }
    }

    /// Allows public policies; returns the block as it is then.
    fn relax_block(&mut self, setting: &Setting<Block>) -> Option<Block> {
        let from = setting.present().copied()?;
        let to = Block { block_public_policy: false, restrict_public_buckets: false, ..from };
        if to != from {
            self.steps.push(BucketStep::SetBlock { from: Some(from), to });
        }
        Some(to)
    }

    fn set_ownership(&mut self, spec: &BucketSpec, state: &BucketState) -> Result<(), Error> {
        let from = match &state.ownership {
            Setting::Present(ownership) if ownership == ENFORCED => return Ok(()),
            Setting::Unsupported => {
                self.without_block();
                return Ok(());
            }
            setting => setting.present().cloned(),
        };
        let text = state.policy.present().map(String::as_str).unwrap_or_default();
        let exposed = match &state.public_by_acl {
            Setting::Present(keys) => {
                let partition = Partition::of_region(&spec.region).name;
                statements::not_public(&spec.location, partition, text, keys)
            }
            _ => Vec::new(),
        };
        if !exposed.is_empty() {
            return Err(Error::WouldHide { bucket: self.name.clone(), objects: exposed });
        }
        // Without ownership controls ACLs are in effect (buckets created before April 2023).
        let message = match &state.public_by_acl {
            Setting::Denied => {
                "the ACLs of all objects in this bucket will no longer have any effect; whether \
                 other objects are public by their ACLs is not known (s3:GetObjectAcl is denied)"
            }
            _ => "the ACLs of all objects in this bucket will no longer have any effect",
        };
        self.notices.push(("acls-disabled", message.to_owned()));
        self.steps.push(BucketStep::SetOwnership { from });
        Ok(())
    }

    /// `from` is the block after [`Self::relax_block`].
    fn set_block(&mut self, setting: &Setting<Block>, from: Option<Block>) {
        match setting {
            Setting::Unsupported => self.without_block(),
            _ if from == Some(OPEN) => {}
            _ => self.steps.push(BucketStep::SetBlock { from, to: OPEN }),
        }
    }

    fn without_block(&mut self) {
        let notice = (NO_BLOCK, NO_BLOCK_TEXT.to_owned());
        if !self.notices.contains(&notice) {
            self.notices.push(notice);
        }
    }
}

/// The id of the notice about a store without public access block or ownership controls.
pub(super) const NO_BLOCK: &str = "no-public-access-block";

pub(super) const NO_BLOCK_TEXT: &str =
    "this store has no public access block or ownership controls; continuing without them";

impl Describe for BucketPlan {
    fn describe(&self, into: &mut ChangeSet) {
        for (id, message) in &self.notices {
            into.notice(id, message.clone());
        }
        let resource = Resource::new(Kind::Bucket, &self.name, &self.name);
        if self.steps.is_empty() {
            if self.access.is_by_policy() {
                into.push(Change::keep(resource, Reason::Unchanged));
            }
            return;
        }
        let creates = self.steps.contains(&BucketStep::Create);
        let action = if creates { Action::Create } else { Action::Update };
        let mut change = Change::new(resource, action);
        for step in &self.steps {
            change.fields.extend(fields(step, self.access));
        }
        into.push(change);
    }
}

fn fields(step: &BucketStep, access: AccessMode) -> Vec<Field> {
    match step {
        BucketStep::Create => {
            let ownership =
                access.is_by_policy().then(|| Field::added("object_ownership", ENFORCED));
            ownership.into_iter().chain([Field::added("tag", "true").of(CREATED)]).collect()
        }
        BucketStep::SetOwnership { from } => {
            let from = from.as_deref().map(Value::from);
            vec![Field::between("object_ownership", from, Some(ENFORCED.into()))]
        }
        BucketStep::SetBlock { from, to } => {
            let before = |index: usize| from.map(|from| from.members()[index].1);
            let members = to.members().into_iter().enumerate();
            let changed = members.filter(|(index, (_, to))| before(*index) != Some(*to));
            let field = |(index, (name, to)): (usize, (&str, bool))| {
                let before = before(index).map(Value::from);
                Field::between("public_access_block", before, Some(to.into())).of(name)
            };
            changed.map(field).collect()
        }
        BucketStep::PutPolicy { from, to } => {
            let from = from.as_deref().map(document);
            vec![Field::between("bucket_policy", from, Some(document(to)))]
        }
    }
}

/// The policy as JSON, if it is a JSON object.
pub(super) fn document(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(document) => Value::Document(document),
        Err(_) => Value::Text(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> BucketSpec {
        BucketSpec {
            location: "s3://my-oidc/prod".parse().unwrap(),
            region: "us-west-2".to_owned(),
            access: AccessMode::Policy,
            shared: false,
            distribution: None,
            create: true,
        }
    }

    fn closed() -> BucketState {
        let all = Block {
            block_public_acls: true,
            ignore_public_acls: true,
            block_public_policy: true,
            restrict_public_buckets: true,
        };
        BucketState {
            ownership: Setting::Present(ENFORCED.to_owned()),
            block: Setting::Present(all),
            policy: Setting::Absent,
            ..BucketState::default()
        }
    }

    #[test]
    fn an_unmanaged_policy_is_updated_with_its_whole_diff() {
        let theirs = r#"{"Version":"2012-10-17","Statement":[{"Sid":"Theirs","Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"*"}]}"#;
        let state = BucketState {
            block: Setting::Present(OPEN),
            policy: Setting::Present(theirs.to_owned()),
            ..closed()
        };
        let plan = BucketPlan::new(&spec(), &state).unwrap();
        let set = plan.changes();
        assert_eq!(set.changes[0].action, Action::Update);
        let text = set.to_string();
        assert!(text.contains("~ bucket policy\n"), "{text}");
        assert!(text.contains(r#"+       "Sid": "IssuerctlPublicRead"#), "{text}");
        assert!(!text.lines().any(|line| line.trim_start().starts_with("- ")), "{text}");
    }

    #[test]
    fn only_the_members_of_the_block_that_change_are_shown() {
        let text = BucketPlan::new(&spec(), &closed()).unwrap().changes().to_string();
        let members: Vec<&str> =
            text.lines().filter(|line| line.contains("public access block")).collect();
        assert_eq!(
            members,
            [
                "    ~ public access block \"BlockPublicPolicy\"  true -> false",
                "    ~ public access block \"RestrictPublicBuckets\"  true -> false"
            ]
        );
    }

    #[test]
    fn a_missing_bucket_is_created_only_when_requested() {
        let missing = BucketState { existence: Existence::Missing, ..BucketState::default() };
        let plan = BucketPlan::new(&spec(), &missing).unwrap();
        assert_eq!(plan.changes().changes[0].action, Action::Create);
        let without = BucketSpec { create: false, ..spec() };
        let refused = BucketPlan::new(&without, &missing);
        assert!(matches!(refused, Err(Error::NoBucket { .. })));
    }

    #[test]
    fn a_block_that_covers_public_unmanaged_statements_is_not_relaxed() {
        let wide = r#"{"Version":"2012-10-17","Statement":[{"Sid":"All","Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::my-oidc/*"}]}"#;
        let state = BucketState { policy: Setting::Present(wide.to_owned()), ..closed() };
        let refused = BucketPlan::new(&spec(), &state);
        assert!(matches!(refused, Err(Error::WouldExpose { sids, .. }) if sids == ["All"]));
        // If anonymous readers can read them already, opening it exposes nothing new.
        let open = BucketState { block: Setting::Present(OPEN), ..state };
        assert!(BucketPlan::new(&spec(), &open).is_ok());
    }
}
