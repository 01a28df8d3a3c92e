//! From what is there to what is wanted, in calls.

use std::fmt;

use issuer_discovery::IssuerUrl;
use serde_json::Value;

use super::{Documents, Role, RoleFound, RoleSpec};
use crate::tags::{self, CREATED, MADE_POLICY, OWN, Record, TRUST, Tags};
use crate::{Error, TrustPolicy, USUAL_TRUST_POLICY, trust};

/// One call that changes something.
#[derive(Debug, Clone, PartialEq)]
pub enum RoleStep {
    /// `CreateRole`.
    Create {
        /// The trust policy.
        trust: TrustPolicy,
        /// Tags, ours among them.
        tags: Tags,
    },
    /// `UpdateAssumeRolePolicy`; worked out again from what is there just before.
    UpdateTrust(TrustPolicy),
    /// `UpdateRole`, in seconds.
    SetMaxSession(u32),
    /// `PutRolePermissionsBoundary`.
    SetBoundary(String),
    /// `PutRolePolicy`.
    PutInline(String, Value),
    /// `DeleteRolePolicy`.
    DeleteInline(String),
    /// `CreatePolicy`.
    CreatePolicy(String, Value),
    /// `CreatePolicyVersion`, after `DeletePolicyVersion` where there is no room.
    UpdatePolicy {
        /// The policy.
        arn: String,
        /// Its new document.
        document: Value,
        /// The version that makes room.
        surplus_version: Option<String>,
    },
    /// `AttachRolePolicy`.
    Attach(String),
    /// `DetachRolePolicy`.
    Detach(String),
    /// `DeletePolicy`, with all its versions.
    DeletePolicy(String),
    /// `TagRole`.
    Tag(Tags),
    /// `UntagRole`.
    Untag(Vec<String>),
    /// `DeleteRole`.
    Delete,
}

/// The steps to a role; `Display` is the dry run.
#[derive(Debug, Clone, PartialEq)]
pub struct RolePlan {
    /// In order.
    pub steps: Vec<RoleStep>,
    /// What the user has to be told.
    pub notices: Vec<String>,
}

/// What is taken away of a role.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RoleDeletion {
    /// In order; the last one is [`RoleStep::Delete`] where nothing of others is left.
    pub steps: Vec<RoleStep>,
    /// Why the role itself stays.
    pub kept: Vec<String>,
    /// The `Sid`s that leave its trust policy.
    pub(crate) sids: Vec<String>,
}

impl RolePlan {
    /// Compares what is wanted with what is there. What issuerctl added earlier and is no longer asked for goes; what others
    /// added stays.
    ///
    /// # Errors
    /// [`Error::Path`], [`Error::ForeignPolicy`]; those of [`TrustPolicy::with`].
    pub fn new(spec: &RoleSpec, found: &RoleFound) -> Result<Self, Error> {
        let mut plan = Self { steps: Vec::new(), notices: Vec::new() };
        match &found.role {
            None => {
                let trust = TrustPolicy::default().with(&spec.trust)?;
                plan.steps.push(RoleStep::Create { trust, tags: Tags::new() });
            }
            Some(role) => plan.reconcile_role(spec, role)?,
        }
        plan.say_size();
        let role = found.role.as_ref();
        let inline = plan.inline(spec, role)?;
        let attached = plan.attachments(spec, found)?;
        plan.tags(spec, role, [(Record::INLINE, inline), (Record::ATTACHED, attached)]);
        Ok(plan)
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    fn say_size(&mut self) {
        let size = self.steps.iter().find_map(|step| match step {
            RoleStep::Create { trust, .. } | RoleStep::UpdateTrust(trust) => Some(trust.size()),
            _ => None,
        });
        if let Some(size) = size.filter(|size| *size > USUAL_TRUST_POLICY) {
            self.notices.push(format!(
                "the trust policy will have {size} characters; accounts whose quota was not raised take {USUAL_TRUST_POLICY}"
            ));
        }
    }

    fn reconcile_role(&mut self, spec: &RoleSpec, role: &Role) -> Result<(), Error> {
        if let Some(path) = spec.path.as_ref().filter(|path| **path != role.path) {
            let (there, wanted) = (role.path.clone(), path.clone());
            return Err(Error::Path { role: role.name.to_string(), there, wanted });
        }
        if !role.is_ours() {
            self.notices
                .push("the role was made by somebody else; it is kept as it is but for what is asked for".to_owned());
        }
        let trust = role.trust.clone().with(&spec.trust)?;
        if trust != role.trust {
            self.steps.push(RoleStep::UpdateTrust(trust));
        }
        if let Some(secs) = spec.max_session_secs.filter(|secs| *secs != role.max_session_secs) {
            self.steps.push(RoleStep::SetMaxSession(secs));
        }
        if let Some(boundary) = spec.boundary.as_ref().filter(|boundary| role.boundary.as_ref() != Some(boundary)) {
            self.steps.push(RoleStep::SetBoundary(boundary.clone()));
        }
        Ok(())
    }

    /// Gives the record of those that will be ours.
    fn inline(&mut self, spec: &RoleSpec, role: Option<&Role>) -> Result<Record, Error> {
        let none = Documents::new();
        let present = role.map_or(&none, |role| &role.inline);
        let mut record = role.map(Role::inline_by_us).unwrap_or_default();
        let Some(wanted) = &spec.inline else { return Ok(record) };
        for (name, document) in wanted {
            if !present.contains_key(name) {
                record = record.with(name);
            }
            if present.get(name) != Some(document) {
                if !record.has(name) {
                    return Err(Error::ForeignInline { role: spec.name.to_string(), policy: name.clone() });
                }
                self.steps.push(RoleStep::PutInline(name.clone(), document.clone()));
            }
        }
        for name in present.keys().filter(|name| !wanted.contains_key(*name)) {
            if record.has(name) {
                record = record.without(name);
                self.steps.push(RoleStep::DeleteInline(name.clone()));
            }
        }
        Ok(record)
    }

    /// Gives the record of those that will be ours.
    fn attachments(&mut self, spec: &RoleSpec, found: &RoleFound) -> Result<Record, Error> {
        let role = found.role.as_ref();
        let present = role.map_or(&[][..], |role| &role.attached);
        let mut record = role.map(Role::attached_by_us).unwrap_or_default();
        let mut wanted: Vec<String> = spec.policy_arns.clone().unwrap_or_default();
        wanted.extend(self.managed(spec, found)?);
        for arn in &wanted {
            if !present.contains(arn) {
                record = record.with(arn);
                self.steps.push(RoleStep::Attach(arn.clone()));
            }
        }
        let made: Vec<(&str, String)> = role.map(|role| made(spec, role)).unwrap_or_default();
        for arn in present.iter().filter(|arn| !wanted.contains(arn)) {
            if !record.has(arn) {
                continue;
            }
            let is_made = made.iter().any(|(_, of_account)| of_account == arn);
            if if is_made { spec.managed.is_some() } else { spec.policy_arns.is_some() } {
                record = record.without(arn);
                self.steps.push(RoleStep::Detach(arn.clone()));
            }
        }
        for (name, arn) in made.into_iter().filter(|(_, arn)| !wanted.contains(arn) && spec.managed.is_some()) {
            if found.managed.get(name).is_some_and(|policy| policy.is_ours) {
                self.steps.push(RoleStep::DeletePolicy(arn));
            }
            self.steps.push(RoleStep::Untag(vec![format!("{MADE_POLICY}{name}")]));
        }
        Ok(record)
    }

    /// Gives the ARNs of the wanted policies of the account.
    fn managed(&mut self, spec: &RoleSpec, found: &RoleFound) -> Result<Vec<String>, Error> {
        let mut arns = Vec::new();
        for (name, document) in spec.managed.iter().flatten() {
            match found.managed.get(name) {
                None => {
                    self.steps.push(RoleStep::CreatePolicy(name.clone(), document.clone()));
                    arns.push(spec.policy_arn(name));
                }
                Some(policy) if policy.document == *document => arns.push(policy.arn.clone()),
                Some(policy) if !policy.is_ours => return Err(Error::ForeignPolicy { arn: policy.arn.clone() }),
                Some(policy) => {
                    arns.push(policy.arn.clone());
                    self.steps.push(RoleStep::UpdatePolicy {
                        arn: policy.arn.clone(),
                        document: document.clone(),
                        surplus_version: policy.surplus_version.clone(),
                    });
                }
            }
        }
        Ok(arns)
    }

    /// What is ours is recorded before anything is added and until everything is taken away, so that a run that is cut off
    /// leaves nothing behind that the next one would take for somebody else's.
    fn tags(&mut self, spec: &RoleSpec, role: Option<&Role>, records: [(&str, Record); 2]) {
        let none = Tags::new();
        let present = role.map_or(&none, |role| &role.tags);
        let [mut first, mut last] = [spec.tags.clone(), Tags::new()];
        let mut keys = role.map(Role::tagged_by_us).unwrap_or_default();
        let mut untag = Vec::new();
        // Without any tag asked for, those that are there stay.
        if !spec.tags.is_empty() {
            for key in present.keys().filter(|key| !key.starts_with(OWN) && !spec.tags.contains_key(*key)) {
                if keys.has(key) {
                    keys = keys.without(key);
                    untag.push(key.clone());
                }
            }
            for key in spec.tags.keys().filter(|key| !present.contains_key(*key)) {
                keys = keys.with(key);
            }
        }
        for (name, after) in records.into_iter().chain([(Record::TAGS, keys)]) {
            let both = Record::of(present, name).union(&after);
            first.insert(name.to_owned(), both.value());
            if both != after {
                last.insert(name.to_owned(), after.value());
            }
        }
        // An empty record is no tag, unless one has to be emptied.
        first.retain(|key, value| !value.is_empty() || present.contains_key(key));
        if role.is_none() {
            first.insert(CREATED.to_owned(), "true".to_owned());
        }
        first.insert(format!("{TRUST}{}", spec.trust.sid()), "true".to_owned());
        // Before it is made, so that it is found again wherever the run is cut off.
        let new = self.steps.iter().filter_map(|step| match step {
            RoleStep::CreatePolicy(name, _) => Some((format!("{MADE_POLICY}{name}"), "true".to_owned())),
            _ => None,
        });
        first.extend(new);
        let missing = tags::missing(&first, present);
        match self.steps.first_mut() {
            Some(RoleStep::Create { tags, .. }) => *tags = missing,
            _ if missing.is_empty() => {}
            _ => self.steps.insert(0, RoleStep::Tag(missing)),
        }
        if !untag.is_empty() {
            self.steps.push(RoleStep::Untag(untag));
        }
        if !last.is_empty() {
            self.steps.push(RoleStep::Tag(last));
        }
    }
}

impl RoleDeletion {
    /// Takes away what issuerctl added, for one issuer or for all, and the role itself where issuerctl made it and nothing of
    /// others is left.
    pub fn new(found: &RoleFound, issuer: Option<&IssuerUrl>) -> Self {
        let mut deletion = Self::default();
        let Some(role) = &found.role else { return deletion };
        let ours = role.trusted_by_us();
        let (gone, stay): (Vec<String>, Vec<String>) =
            ours.iter().cloned().partition(|sid| issuer.is_none_or(|issuer| *sid == trust::sid(issuer)));
        deletion.sids.clone_from(&gone);
        if stay.is_empty() {
            deletion.take_policies(role, found);
            if !role.is_ours() {
                deletion.kept.push("issuerctl did not make it".to_owned());
            }
        } else {
            deletion.kept.push("it trusts other issuers of ours".to_owned());
        }
        if role.trust.has_others_than(&ours) {
            deletion.kept.push("others added statements to its trust policy".to_owned());
        }
        if deletion.kept.is_empty() {
            deletion.steps.push(RoleStep::Delete);
            return deletion;
        }
        if !gone.is_empty() {
            deletion.steps.insert(0, RoleStep::UpdateTrust(role.trust.clone().without(&gone)));
        }
        deletion.forget(role, &gone, stay.is_empty());
        deletion
    }

    fn take_policies(&mut self, role: &Role, found: &RoleFound) {
        let (inline, attached) = (role.inline_by_us(), role.attached_by_us());
        for name in role.inline.keys() {
            if inline.has(name) {
                self.steps.push(RoleStep::DeleteInline(name.clone()));
            } else {
                self.kept.push(format!("others added the inline policy {name}"));
            }
        }
        for arn in &role.attached {
            if attached.has(arn) {
                self.steps.push(RoleStep::Detach(arn.clone()));
            } else {
                self.kept.push(format!("others attached {arn}"));
            }
        }
        for policy in role.made_policies().filter_map(|name| found.managed.get(name)).filter(|policy| policy.is_ours) {
            self.steps.push(RoleStep::DeletePolicy(policy.arn.clone()));
        }
    }

    /// Takes the tags away of a role that stays: what they record is gone.
    fn forget(&mut self, role: &Role, gone: &[String], everything: bool) {
        let tagged = role.tagged_by_us();
        let is_over = |key: &str| match key.strip_prefix(TRUST) {
            Some(sid) => everything || gone.iter().any(|gone| gone == sid),
            None => everything && key != CREATED && (key.starts_with(OWN) || tagged.has(key)),
        };
        let keys: Vec<String> = role.tags.keys().filter(|key| is_over(key)).cloned().collect();
        if !keys.is_empty() {
            self.steps.push(RoleStep::Untag(keys));
        }
    }
}

/// The policies of the account that issuerctl made for the role, with their ARNs.
fn made<'a>(spec: &RoleSpec, role: &'a Role) -> Vec<(&'a str, String)> {
    role.made_policies().map(|name| (name, spec.policy_arn(name))).collect()
}

impl fmt::Display for RolePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            writeln!(f, "  {step}")?;
        }
        if self.is_empty() { writeln!(f, "nothing to do") } else { Ok(()) }
    }
}

impl fmt::Display for RoleStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create { .. } => f.write_str("+ role"),
            Self::UpdateTrust(_) => f.write_str("~ trust       the statements of issuerctl"),
            Self::SetMaxSession(secs) => write!(f, "~ session     at most {secs} s"),
            Self::SetBoundary(arn) => write!(f, "~ boundary    {arn}"),
            Self::PutInline(name, _) => write!(f, "~ inline      {name}"),
            Self::DeleteInline(name) => write!(f, "- inline      {name}"),
            Self::CreatePolicy(name, _) => write!(f, "+ policy      {name}"),
            Self::UpdatePolicy { arn, .. } => write!(f, "~ policy      {arn}"),
            Self::Attach(arn) => write!(f, "+ attachment  {arn}"),
            Self::Detach(arn) => write!(f, "- attachment  {arn}"),
            Self::DeletePolicy(arn) => write!(f, "- policy      {arn}"),
            Self::Tag(tags) => {
                let pairs: Vec<String> = tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
                write!(f, "~ tags        {}", pairs.join(", "))
            }
            Self::Untag(keys) => write!(f, "- tags        {}", keys.join(", ")),
            Self::Delete => f.write_str("- role"),
        }
    }
}
