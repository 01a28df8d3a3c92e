//! The change sets of plans and deletions of roles.

use issuer_change::{Action, Change, ChangeSet, Describe, Field, Kind, Reason, Resource, Value};

use super::{Role, RoleDeletion, RolePlan, RoleStep};
use crate::tags::Tags;
use crate::{TrustPolicy, trust};

impl Describe for RolePlan {
    fn describe(&self, into: &mut ChangeSet) {
        for (id, message) in &self.notices {
            into.notice(id, message.clone());
        }
        let policies = policies(&self.steps, &self.arn);
        let (created, deleted): (Vec<_>, Vec<_>) =
            policies.into_iter().partition(|policy| policy.action != Action::Delete);
        let unchanged = self.unchanged.iter();
        into.changes.extend(unchanged.map(|arn| Change::keep(managed(arn), Reason::Unchanged)));
        into.changes.extend(created);
        let fields = fields(&self.steps, self.before.as_ref());
        let resource = Resource::new(Kind::Role, self.name.as_str(), &self.arn);
        let change = match &self.before {
            None => Change::new(resource, Action::Create),
            Some(_) if fields.is_empty() => Change::keep(resource, Reason::Unchanged),
            Some(_) => Change::new(resource, Action::Update),
        };
        into.push(change.with_fields(fields).with_fields(self.kept.iter().cloned()));
        into.changes.extend(deleted);
    }
}

impl Describe for RoleDeletion {
    fn describe(&self, into: &mut ChangeSet) {
        if let Some(role) = &self.before {
            let resource = Resource::new(Kind::Role, role.name.as_str(), &role.arn);
            let deletes = self.steps.iter().any(|step| matches!(step, RoleStep::Delete(_)));
            let fields = fields(&self.steps, self.before.as_ref());
            let action = match (deletes, fields.is_empty()) {
                (true, _) => Action::Delete,
                (false, true) => Action::Keep,
                (false, false) => Action::Update,
            };
            let mut change = Change::new(resource, action).with_fields(fields);
            change.reason = self.kept.first().copied();
            into.push(change.with_fields(self.kept_fields.iter().cloned()));
        }
        into.changes.extend(policies(&self.steps, ""));
    }
}

impl Role {
    /// The unmanaged parts of the role.
    pub(super) fn unmanaged(&self) -> Vec<Field> {
        use crate::tags::Record;
        let ours = self.trusted_by_us();
        let kept = |name, value: Value| Field::kept(name, value, Reason::Unmanaged);
        let statements = self.trust.statements().iter().filter_map(|statement| {
            match statement["Sid"].as_str() {
                Some(sid) if sid == trust::NOBODY || ours.iter().any(|own| own == sid) => None,
                sid => Some(kept("statement", sid.unwrap_or("without a Sid").into())),
            }
        });
        let attached = self.added(Record::ATTACHED, |_| true);
        let attached = self.attached.iter().filter(move |arn| !attached.has(arn));
        let inline = self.added(Record::INLINE, |_| true);
        let inline = self.inline.iter().filter(move |(name, _)| !inline.has(name));
        statements
            .chain(attached.map(|arn| kept("attached_policy", arn.as_str().into())))
            .chain(inline.map(|(name, document)| {
                kept("inline_policy", document.clone().into()).of(name.as_str())
            }))
            .collect()
    }
}

/// The fields of the role that the steps change.
fn fields(steps: &[RoleStep], before: Option<&Role>) -> Vec<Field> {
    let mut fields: Vec<Field> = Vec::new();
    for field in steps.iter().flat_map(|step| of_step(step, before)) {
        // What one step adds temporarily, a later one may remove again.
        let same = |other: &&mut Field| {
            field.item.is_some() && other.name == field.name && other.item == field.item
        };
        match fields.iter_mut().find(same) {
            Some(earlier) => earlier.after = field.after,
            None => fields.push(field),
        }
    }
    fields.retain(|field| field.before != field.after);
    fields
}

fn of_step(step: &RoleStep, before: Option<&Role>) -> Vec<Field> {
    let one = |field| vec![field];
    match step {
        RoleStep::Create { trust, tags, path, max_session_secs, boundary } => {
            let mut fields = one(Field::added("trust_policy", document(trust)));
            let session =
                max_session_secs.map(|secs| Field::added("max_session_duration_secs", secs));
            let boundary = boundary.iter();
            fields.extend(path.iter().map(|path| Field::added("path", path.as_str())));
            fields.extend(session);
            fields.extend(boundary.map(|arn| Field::added("permissions_boundary", arn.as_str())));
            fields.extend(tag_fields(&Tags::new(), tags));
            fields
        }
        RoleStep::UpdateTrust { from, to } => {
            one(Field::changed("trust_policy", document(from), document(to)))
        }
        RoleStep::SetMaxSession { from, to } => {
            one(Field::changed("max_session_duration_secs", *from, *to))
        }
        RoleStep::SetBoundary { from, to } => {
            let from = from.as_deref().map(Value::from);
            one(Field::between("permissions_boundary", from, Some(to.as_str().into())))
        }
        RoleStep::PutInline { name, from, to } => {
            let (from, to) = (from.clone().map(Value::from), to.clone().into());
            one(Field::between("inline_policy", from, Some(to)).of(name.as_str()))
        }
        RoleStep::DeleteInline(name) => {
            let from = before.and_then(|role| role.inline.get(name)).cloned().unwrap_or_default();
            one(Field::removed("inline_policy", from).of(name.as_str()))
        }
        RoleStep::Attach { arn, .. } => one(Field::added("attached_policy", arn.as_str())),
        RoleStep::Detach(arn) => one(Field::removed("attached_policy", arn.as_str())),
        RoleStep::Tag { from, to } => tag_fields(from, to),
        RoleStep::Untag(keys) => {
            let from = |key: &String| before.and_then(|role| role.tags.get(key)).cloned();
            let removed = |key: &String| {
                Field::removed("tag", from(key).unwrap_or_default()).of(key.as_str())
            };
            keys.iter().map(removed).collect()
        }
        RoleStep::CreatePolicy(..)
        | RoleStep::UpdatePolicy { .. }
        | RoleStep::DeletePolicy(_)
        | RoleStep::Delete(_) => Vec::new(),
    }
}

/// Customer managed policies are resources of their own. One that is created is in the account of
/// the role, and has no path.
fn policies(steps: &[RoleStep], role: &str) -> Vec<Change> {
    let account = role.split_once(":role/").map_or("", |(account, _)| account);
    let change = |step: &RoleStep| match step {
        RoleStep::CreatePolicy(name, document) => {
            let document = Field::added("policy_document", document.clone());
            let arn = format!("{account}:policy/{name}");
            Some(Change::new(managed(&arn), Action::Create).with_field(document))
        }
        RoleStep::UpdatePolicy { arn, from, to, .. } => {
            let document = Field::changed("policy_document", from.clone(), to.clone());
            Some(Change::new(managed(arn), Action::Update).with_field(document))
        }
        RoleStep::DeletePolicy(arn) => Some(Change::new(managed(arn), Action::Delete)),
        _ => None,
    };
    steps.iter().filter_map(change).collect()
}

fn managed(arn: &str) -> Resource {
    Resource::new(Kind::ManagedPolicy, arn.rsplit('/').next().unwrap_or(arn), arn)
}

/// A field for each tag that is set.
pub(crate) fn tag_fields(from: &Tags, to: &Tags) -> Vec<Field> {
    let field = |(key, value): (&String, &String)| {
        let from = from.get(key).map(|value| value.as_str().into());
        Field::between("tag", from, Some(value.as_str().into())).of(key.as_str())
    };
    to.iter().map(field).collect()
}

fn document(trust: &TrustPolicy) -> Value {
    trust.to_value().into()
}
