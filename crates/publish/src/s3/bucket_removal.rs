//! What the deletion of a site removes from its bucket: our statement in the policy, and the bucket
//! itself if issuerctl created it.

use issuer_change::{Action, Change, ChangeSet, Describe, Field, Kind, Reason, Resource};

use super::bucket::{BucketSpec, BucketState, CREATED, Setting, document};
use super::policy::{self, Without};
use crate::Error;

/// What a deletion does to a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BucketRemoval {
    name: String,
    /// The policy before and after our statement is removed from it.
    statement: Option<(String, Option<String>)>,
    fate: Fate,
    /// Whether the policy could not be read.
    policy_denied: bool,
    /// Why the statement for all issuers of the bucket is kept: a document of another one, or `None` if
    /// the bucket could not be listed.
    shared_with: Option<Option<String>>,
}

/// What happens to the bucket itself.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    /// issuerctl did not create it.
    Unmanaged,
    /// Whether issuerctl created it could not be read.
    Unreadable,
    /// It is deleted.
    Deleted,
    /// issuerctl created it, and it contains this object.
    NotEmpty(String),
}

impl BucketRemoval {
    /// Plans the deletion: of our statement, unless the document `keeps` is kept, and of the bucket
    /// if issuerctl created it and it is empty afterwards.
    ///
    /// # Errors
    /// [`Error::BadPolicy`], [`Error::DeletedPrincipals`].
    pub(crate) fn new(
        spec: &BucketSpec,
        state: &BucketState,
        keeps: Option<&str>,
    ) -> Result<Self, Error> {
        let name = spec.location.bucket.to_string();
        let shared_with = match &state.other_site {
            Setting::Present(key) => Some(Some(key.clone())),
            Setting::Denied => Some(None),
            _ => None,
        };
        let statement = match state.policy.present().filter(|_| keeps.is_none()) {
            Some(text) => {
                match policy::without_ours(&spec.location, text, shared_with.is_some())? {
                    Without::Unchanged => None,
                    Without::Put(to) => {
                        policy::check_accepted(&spec.location, &to)?;
                        Some((text.clone(), Some(to)))
                    }
                    Without::Nothing => Some((text.clone(), None)),
                }
            }
            None => None,
        };
        let other = keeps.map(str::to_owned).or_else(|| state.other_object.present().cloned());
        let fate = match (&state.tags, other) {
            (Setting::Denied, _) => Fate::Unreadable,
            (Setting::Present(tags), None) if tags.contains_key(CREATED) => Fate::Deleted,
            (Setting::Present(tags), Some(other)) if tags.contains_key(CREATED) => {
                Fate::NotEmpty(other)
            }
            _ => Fate::Unmanaged,
        };
        let policy_denied = matches!(state.policy, Setting::Denied);
        let shared_with = shared_with.filter(|_| keeps.is_none());
        Ok(Self { name, statement, fate, policy_denied, shared_with })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn removes_statement(&self) -> bool {
        self.statement.is_some()
    }

    /// Whether the statement for all issuers is kept for others, which may be deleted meanwhile.
    pub(crate) fn keeps_shared(&self) -> bool {
        self.shared_with.is_some()
    }

    pub(crate) fn deletes_bucket(&self) -> bool {
        self.fate == Fate::Deleted
    }

    /// Whether issuerctl created the bucket.
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self.fate, Fate::Deleted | Fate::NotEmpty(_))
    }

    /// Whether there is nothing to do and nothing to report.
    pub(crate) fn is_empty(&self) -> bool {
        self.statement.is_none() && !self.is_ours()
    }
}

impl Describe for BucketRemoval {
    fn describe(&self, into: &mut ChangeSet) {
        if self.policy_denied {
            into.notice(
                "bucket-policy-not-readable",
                "s3:GetBucketPolicy is denied, so a statement of issuerctl in the bucket policy \
                 is not removed",
            );
        }
        if let Some(with) = &self.shared_with {
            let why = match with {
                Some(key) => format!("{key} of another issuer is public by it"),
                None => "whether other issuers use it is not known (s3:ListBucket)".to_owned(),
            };
            let message = format!(
                "the statement for all issuers in the policy of the bucket {} is kept: {why}",
                self.name
            );
            into.notice("shared-statement-kept", message);
        }
        if self.fate == Fate::Unreadable {
            into.notice(
                "bucket-tags-not-readable",
                "s3:GetBucketTagging is denied, so the bucket is kept even if issuerctl created it",
            );
        }
        let resource = Resource::new(Kind::Bucket, &self.name, &self.name);
        let statement = self.statement.iter().map(|(from, to)| {
            Field::between("bucket_policy", Some(document(from)), to.as_deref().map(document))
        });
        match &self.fate {
            Fate::Deleted => into.push(Change::new(resource, Action::Delete)),
            Fate::NotEmpty(key) => {
                let kept = Field::kept("object", key.as_str(), Reason::Unmanaged);
                let mut change = Change::keep(resource, Reason::NotEmpty).with_field(kept);
                if self.statement.is_some() {
                    change.action = Action::Update;
                }
                into.push(change.with_fields(statement));
            }
            Fate::Unmanaged | Fate::Unreadable if self.statement.is_some() => {
                into.push(Change::new(resource, Action::Update).with_fields(statement));
            }
            Fate::Unmanaged | Fate::Unreadable => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::AccessMode;

    #[test]
    fn a_bucket_with_something_else_in_it_is_kept() {
        let spec = BucketSpec {
            location: "s3://my-oidc/prod".parse().unwrap(),
            region: "us-west-2".to_owned(),
            access: AccessMode::Policy,
            shared: false,
            distribution: None,
            create: true,
        };
        let ours = BTreeMap::from([(CREATED.to_owned(), "true".to_owned())]);
        let mut state = BucketState {
            policy: Setting::Absent,
            tags: Setting::Present(ours),
            ..BucketState::default()
        };
        let removal = |state: &BucketState| BucketRemoval::new(&spec, state, None).unwrap();
        assert!(removal(&state).deletes_bucket());
        state.other_object = Setting::Present("logs/1".to_owned());
        let text = removal(&state).changes().to_string();
        assert_eq!(
            text,
            "= bucket my-oidc (not empty, kept)\n    = object  logs/1 (not managed by issuerctl, \
             kept)\n"
        );
    }
}
