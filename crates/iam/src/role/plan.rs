//! The calls from the observed to the desired state.

use issuer_change::Field;
use serde_json::Value;

use super::{Role, RoleName, RoleSpec, RoleState};
use crate::names::iam_arn;
use crate::tags::{self, CREATED, MADE_POLICY, OWN, Record, TRUST, Tags};
use crate::{Documents, Error, PolicyArn, RolePath, ServiceAccountPattern, TrustPolicy};

/// One call that changes the role or its policies.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum RoleStep {
    /// `CreateRole`.
    Create {
        /// The trust policy.
        trust: TrustPolicy,
        /// Tags, including those of issuerctl.
        tags: Tags,
        /// The path, if it is not `/`.
        path: Option<RolePath>,
        /// The maximum session duration in seconds, if it is not the default of one hour.
        max_session_secs: Option<u32>,
        /// The permissions boundary.
        boundary: Option<PolicyArn>,
    },
    /// `UpdateAssumeRolePolicy`; computed again from the policy as read just before.
    UpdateTrust {
        /// The current value.
        from: TrustPolicy,
        /// The new value.
        to: TrustPolicy,
    },
    /// `UpdateRole`, in seconds.
    SetMaxSession {
        /// The current value.
        from: u32,
        /// The new value.
        to: u32,
    },
    /// `PutRolePermissionsBoundary`.
    SetBoundary {
        /// The current value.
        from: Option<String>,
        /// The new value.
        to: PolicyArn,
    },
    /// `PutRolePolicy`.
    PutInline {
        /// The name of the policy.
        name: String,
        /// The current value.
        from: Option<Value>,
        /// The new value.
        to: Value,
    },
    /// `DeleteRolePolicy`.
    DeleteInline(String),
    /// `CreatePolicy`.
    CreatePolicy(String, Value),
    /// `CreatePolicyVersion`, after `DeletePolicyVersion` if the maximum is reached.
    UpdatePolicy {
        /// The policy.
        arn: String,
        /// Its current document.
        from: Value,
        /// Its new document.
        to: Value,
        /// The version to delete first.
        surplus_version: Option<String>,
    },
    /// `AttachRolePolicy`.
    Attach {
        /// The policy.
        arn: String,
        /// Whether issuerctl creates it, so that it may not be visible everywhere yet.
        is_made: bool,
    },
    /// `DetachRolePolicy`.
    Detach(String),
    /// `DeletePolicy`, with all its versions.
    DeletePolicy(String),
    /// `TagRole`.
    Tag {
        /// The current tags with the same keys.
        from: Tags,
        /// The new value.
        to: Tags,
    },
    /// `UntagRole`.
    Untag(Vec<String>),
    /// `DeleteRole`, if its trust policy only has statements with these `Sid`s.
    Delete(Vec<String>),
}

/// The steps to a role.
#[derive(Debug, Clone, PartialEq)]
pub struct RolePlan {
    /// The name of the role.
    pub name: RoleName,
    /// The ARN of the role that exists or will exist.
    pub arn: String,
    /// The role as it was read.
    pub(crate) before: Option<Role>,
    /// The steps, in order.
    pub steps: Vec<RoleStep>,
    /// The unmanaged parts of the role, which are kept.
    pub(crate) kept: Vec<Field>,
    /// ARNs of desired customer managed policies that are up to date.
    pub(crate) unchanged: Vec<String>,
    /// Warnings for the user, each with its id.
    pub(crate) notices: Vec<(&'static str, String)>,
    /// ARNs of policies that were not deleted because they are in use; set by the execution.
    pub stayed: Vec<String>,
    /// Whether the execution has changed something.
    pub(crate) wrote: bool,
}

impl RolePlan {
    /// Compares the desired with the observed state. What issuerctl added earlier and is no longer
    /// requested is removed; unmanaged parts are kept.
    ///
    /// # Errors
    /// [`Error::Path`], [`Error::Shared`], [`Error::ForeignPolicy`], [`Error::DeletedPrincipal`], [`Error::TooLarge`];
    /// those of [`TrustPolicy::with`].
    pub fn new(spec: &RoleSpec, found: &RoleState) -> Result<Self, Error> {
        let path = found
            .role
            .as_ref()
            .map(|role| role.path.as_str())
            .or(spec.path.as_ref().map(RolePath::as_str));
        let path_and_name = format!("{}{}", path.unwrap_or("/"), spec.name);
        let mut plan = Self {
            name: spec.name.clone(),
            before: found.role.clone(),
            arn: iam_arn(spec.trust.partition, &spec.trust.account, "role", &path_and_name),
            steps: Vec::new(),
            kept: found.role.as_ref().map(Role::unmanaged).unwrap_or_default(),
            unchanged: Vec::new(),
            notices: Vec::new(),
            stayed: Vec::new(),
            wrote: false,
        };
        match &found.role {
            None => plan.steps.push(RoleStep::Create {
                trust: spec.trust_policy(TrustPolicy::default())?,
                tags: Tags::new(),
                path: spec.path.clone(),
                max_session_secs: spec.max_session_secs,
                boundary: spec.boundary.clone(),
            }),
            Some(role) => plan.reconcile_role(spec, role)?,
        }
        let accounts = spec.trust.service_accounts.iter();
        let wide = accounts.filter_map(ServiceAccountPattern::warning);
        plan.notices.extend(wide.map(|message| ("service-accounts-wide", message)));
        plan.check_size()?;
        let role = found.role.as_ref();
        let inline = plan.inline(spec, role)?;
        let attached = plan.attachments(spec, found)?;
        plan.say_removed_policies();
        plan.tags(spec, role, [(Record::INLINE, inline), (Record::ATTACHED, attached)]);
        Ok(plan)
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether this run changes anything, or has changed something.
    #[must_use]
    pub fn changes_anything(&self) -> bool {
        self.wrote || !self.is_empty()
    }

    /// Whether the execution has changed something, also if it failed.
    #[must_use]
    pub fn wrote(&self) -> bool {
        self.wrote
    }

    fn check_size(&mut self) -> Result<(), Error> {
        let trust = self.steps.iter().find_map(|step| match step {
            RoleStep::Create { trust, .. } | RoleStep::UpdateTrust { to: trust, .. } => Some(trust),
            _ => None,
        });
        let Some(trust) = trust else { return Ok(()) };
        trust.check_size()?;
        if let Some(warning) = trust.size_warning() {
            let message = format!("the trust policy of {} will have {warning}", self.name);
            self.notices.push(("trust-policy-size", message));
        }
        Ok(())
    }

    fn reconcile_role(&mut self, spec: &RoleSpec, role: &Role) -> Result<(), Error> {
        if let Some(path) = spec.path.as_ref().filter(|path| path.as_str() != role.path) {
            let (there, wanted) = (role.path.clone(), path.to_string());
            return Err(Error::Path { role: role.name.to_string(), there, wanted });
        }
        if let Some(known) = &spec.shared_with {
            let strangers = role.trust.strangers(&spec.trust.issuer, known);
            if !strangers.is_empty() {
                return Err(Error::Shared { role: role.name.to_string(), providers: strangers });
            }
        }
        if !role.is_ours() {
            let message = "issuerctl did not create the role; only what is requested is changed";
            self.notices.push(("unmanaged-role", message.to_owned()));
        }
        let trust = spec.trust_policy(role.trust.clone())?;
        if trust != role.trust {
            if let Some((statement, principal)) = trust.deleted_principal() {
                let role = role.name.to_string();
                return Err(Error::DeletedPrincipal { role, statement, principal });
            }
            self.say_removed_claims(spec, role, &trust);
            self.steps.push(RoleStep::UpdateTrust { from: role.trust.clone(), to: trust });
        }
        if let Some(secs) = spec.max_session_secs.filter(|secs| *secs != role.max_session_secs) {
            self.steps.push(RoleStep::SetMaxSession { from: role.max_session_secs, to: secs });
        }
        let boundary = spec.boundary.as_ref();
        if let Some(to) =
            boundary.filter(|boundary| role.boundary.as_deref() != Some(boundary.as_str()))
        {
            self.steps.push(RoleStep::SetBoundary { from: role.boundary.clone(), to: to.clone() });
        }
        Ok(())
    }

    /// A service account that is not requested any more is only a line of a JSON document.
    fn say_removed_claims(&mut self, spec: &RoleSpec, role: &Role, trust: &TrustPolicy) {
        let (before, after) = (role.trust.claims(&spec.trust), trust.claims(&spec.trust));
        for subject in before.subjects.iter().filter(|one| !after.subjects.contains(one)) {
            let name = subject.strip_prefix("system:serviceaccount:").unwrap_or(subject);
            let message = format!(
                "{} can no longer assume the role {}: it was requested earlier, and is not now",
                name.replacen(':', "/", 1),
                self.name
            );
            self.notices.push(("service-account-removed", message));
        }
        for audience in before.audiences.iter().filter(|one| !after.audiences.contains(one)) {
            let message = format!(
                "tokens for the audience {audience} can no longer assume the role {}",
                self.name
            );
            self.notices.push(("audience-removed", message));
        }
    }

    /// Says which permissions the role loses.
    fn say_removed_policies(&mut self) {
        let removed = self.steps.iter().filter_map(|step| match step {
            RoleStep::Detach(arn) => Some(arn),
            RoleStep::DeleteInline(name) => Some(name),
            _ => None,
        });
        let said = removed.map(|policy| {
            let message = format!(
                "the role {} loses the permissions of the policy {policy}: it was requested \
                 earlier, and is not now",
                self.name
            );
            ("policy-removed", message)
        });
        self.notices.extend(said.collect::<Vec<_>>());
    }

    /// Returns the record of those that issuerctl manages for this issuer afterwards.
    fn inline(&mut self, spec: &RoleSpec, role: Option<&Role>) -> Result<Record, Error> {
        let none = Documents::new();
        let present = role.map_or(&none, |role| &role.inline);
        let (mut own, others) = added(spec, role, Record::INLINE);
        let Some(wanted) = &spec.inline else { return Ok(own) };
        for (name, document) in wanted {
            let there = present.get(name);
            let is_ours = own.has(name) || others.has(name);
            if there != Some(document) {
                if there.is_some() && !is_ours {
                    return Err(Error::ForeignInline {
                        role: spec.name.to_string(),
                        policy: name.clone(),
                    });
                }
                let (from, to) = (there.cloned(), document.clone());
                self.steps.push(RoleStep::PutInline { name: name.clone(), from, to });
            }
            if there.is_none() || is_ours {
                own = own.with(name);
            }
        }
        for name in present.keys().filter(|name| !wanted.contains_key(*name)) {
            if own.has(name) && !spec.add {
                own = own.without(name);
                if !others.has(name) {
                    self.steps.push(RoleStep::DeleteInline(name.clone()));
                }
            }
        }
        Ok(own)
    }

    /// Returns the record of those that issuerctl manages for this issuer afterwards.
    fn attachments(&mut self, spec: &RoleSpec, found: &RoleState) -> Result<Record, Error> {
        let role = found.role.as_ref();
        let present = role.map_or(&[][..], |role| &role.attached);
        let (mut own, others) = added(spec, role, Record::ATTACHED);
        let mut wanted: Vec<String> =
            spec.policy_arns.iter().flatten().map(PolicyArn::to_string).collect();
        let given = wanted.len();
        wanted.extend(self.managed(spec, found)?);
        for (index, arn) in wanted.iter().enumerate() {
            let is_there = present.contains(arn) || wanted[..index].contains(arn);
            if !is_there {
                self.steps.push(RoleStep::Attach { arn: arn.clone(), is_made: index >= given });
            }
            if !is_there || others.has(arn) {
                own = own.with(arn);
            }
        }
        let made: Vec<(&str, String)> = role.map(|role| made(spec, role)).unwrap_or_default();
        for arn in present.iter().filter(|arn| !wanted.contains(arn)) {
            let is_made = made.iter().any(|(_, of_account)| of_account == arn);
            let is_spoken_of =
                if is_made { spec.managed.is_some() } else { spec.policy_arns.is_some() };
            if own.has(arn) && is_spoken_of && !spec.add {
                own = own.without(arn);
                if !others.has(arn) {
                    self.steps.push(RoleStep::Detach(arn.clone()));
                }
            }
        }
        let sid = spec.trust.sid();
        let others =
            role.map(|role| role.recorded(Record::ATTACHED, |of| of != sid)).unwrap_or_default();
        let unwanted =
            made.into_iter().filter(|(_, arn)| !wanted.contains(arn) && !others.has(arn));
        for (name, arn) in unwanted.filter(|_| spec.managed.is_some() && !spec.add) {
            if found.managed.get(name).is_some_and(|policy| policy.is_ours) {
                self.steps.push(RoleStep::DeletePolicy(arn));
            }
            self.steps.push(RoleStep::Untag(vec![format!("{MADE_POLICY}{name}")]));
        }
        Ok(own)
    }

    /// Returns the ARNs of the desired customer managed policies.
    fn managed(&mut self, spec: &RoleSpec, found: &RoleState) -> Result<Vec<String>, Error> {
        let mut arns = Vec::new();
        for (name, document) in spec.managed.iter().flatten() {
            match found.managed.get(name) {
                None => {
                    self.steps.push(RoleStep::CreatePolicy(name.clone(), document.clone()));
                    arns.push(spec.policy_arn(name));
                }
                Some(policy) if policy.document == *document => {
                    arns.push(policy.arn.clone());
                    self.unchanged.push(policy.arn.clone());
                }
                Some(policy) if !policy.is_ours => {
                    return Err(Error::ForeignPolicy { arn: policy.arn.clone() });
                }
                Some(policy) => {
                    arns.push(policy.arn.clone());
                    self.steps.push(RoleStep::UpdatePolicy {
                        arn: policy.arn.clone(),
                        from: policy.document.clone(),
                        to: document.clone(),
                        surplus_version: policy.surplus_version.clone(),
                    });
                }
            }
        }
        Ok(arns)
    }

    /// Ownership is recorded before anything is added, and until everything is removed, so that the
    /// next run recognises everything that an interrupted run leaves behind.
    fn tags(&mut self, spec: &RoleSpec, role: Option<&Role>, records: [(&str, Record); 2]) {
        let none = Tags::new();
        let present = role.map_or(&none, |role| &role.tags);
        let [mut first, mut last] = [spec.tags.clone().unwrap_or_default(), Tags::new()];
        let (mut keys, others) = added(spec, role, Record::TAGS);
        let mut untag = Vec::new();
        // If no tags are requested, existing ones are kept.
        if let Some(wanted) = &spec.tags {
            for key in
                present.keys().filter(|key| !key.starts_with(OWN) && !wanted.contains_key(*key))
            {
                if keys.has(key) && !spec.add {
                    keys = keys.without(key);
                    untag.extend((!others.has(key)).then(|| key.clone()));
                }
            }
            for key in wanted.keys().filter(|key| !present.contains_key(*key) || others.has(key)) {
                keys = keys.with(key);
            }
        }
        let sid = spec.trust.sid();
        for (kind, after) in records.into_iter().chain([(Record::TAGS, keys)]) {
            let name = format!("{kind}{sid}");
            let both = Record::of(present, kind, |of| of == sid).union(&after);
            first.insert(name.clone(), both.value());
            if both != after {
                last.insert(name, after.value());
            }
        }
        // An empty record needs no tag, unless an existing one must be emptied.
        first.retain(|key, value| !value.is_empty() || present.contains_key(key));
        if role.is_none() {
            first.insert(CREATED.to_owned(), "true".to_owned());
        }
        first.insert(
            format!("{TRUST}{sid}"),
            spec.file.clone().unwrap_or_else(|| "true".to_owned()),
        );
        // Recorded before the creation, so that it is found after an interrupted run.
        let new = self.steps.iter().filter_map(|step| match step {
            RoleStep::CreatePolicy(name, _) => {
                Some((format!("{MADE_POLICY}{name}"), "true".to_owned()))
            }
            _ => None,
        });
        first.extend(new);
        let missing = tags::missing(&first, present);
        match self.steps.first_mut() {
            Some(RoleStep::Create { tags, .. }) => *tags = missing,
            _ if missing.is_empty() => {}
            _ => self.steps.insert(0, tag_step(present, missing)),
        }
        if !untag.is_empty() {
            let message = format!(
                "the role {} loses the tag {}: it was requested earlier, and is not now",
                self.name,
                untag.join(", ")
            );
            self.notices.push(("tag-removed", message));
            self.steps.push(RoleStep::Untag(untag));
        }
        if !last.is_empty() {
            self.steps.push(tag_step(present, last));
        }
    }
}

/// What was added for this issuer, and for others.
fn added(spec: &RoleSpec, role: Option<&Role>, kind: &str) -> (Record, Record) {
    let sid = spec.trust.sid();
    match role {
        Some(role) => (role.added(kind, |of| of == sid), role.added(kind, |of| of != sid)),
        None => Default::default(),
    }
}

fn tag_step(present: &Tags, to: Tags) -> RoleStep {
    RoleStep::Tag { from: tags::before(present, &to), to }
}

/// The customer managed policies that issuerctl created for the role, with their ARNs.
fn made<'a>(spec: &RoleSpec, role: &'a Role) -> Vec<(&'a str, String)> {
    role.made_policies().map(|name| (name, spec.policy_arn(name))).collect()
}

impl RoleStep {
    /// Whether it is independent of its neighbouring steps.
    pub(crate) fn is_independent(&self) -> bool {
        matches!(
            self,
            Self::SetMaxSession { .. }
                | Self::SetBoundary { .. }
                | Self::PutInline { .. }
                | Self::DeleteInline(_)
                | Self::Attach { .. }
                | Self::Detach(_)
        )
    }
}
