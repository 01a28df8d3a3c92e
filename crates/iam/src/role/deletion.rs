//! Planning the deletion of what issuerctl added to a role.

use issuer_change::{Field, Reason};
use issuer_discovery::IssuerUrl;

use super::{Role, RoleState, RoleStep};
use crate::tags::{CREATED, MADE_POLICY, OWN, Record, TRUST};
use crate::trust;

/// The deletion of a role, or of what issuerctl added to it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RoleDeletion {
    /// ARN of the existing role.
    pub arn: Option<String>,
    /// The steps, in order; the last one is [`RoleStep::Delete`] if nothing unmanaged is left.
    pub steps: Vec<RoleStep>,
    /// Why the role itself is kept.
    pub kept: Vec<Reason>,
    /// The unmanaged parts of the role.
    pub(crate) kept_fields: Vec<Field>,
    /// The role as it was read.
    pub(crate) before: Option<Role>,
    /// ARNs of policies that were not deleted because they are in use; set by the execution.
    pub stayed: Vec<String>,
    /// The `Sid`s of the statements that are removed from its trust policy.
    pub(crate) sids: Vec<String>,
    /// Whether the execution has removed something.
    pub(crate) wrote: bool,
}

impl RoleDeletion {
    /// Removes what issuerctl added, for one issuer or for all, and deletes the role if issuerctl
    /// created it and nothing unmanaged is left. What was also added for another issuer is kept. If
    /// the role no longer exists, the policies that issuerctl created for it are deleted.
    pub fn new(found: &RoleState, issuer: Option<&IssuerUrl>) -> Self {
        let mut deletion = Self::default();
        let Some(role) = &found.role else {
            let made = found.managed.values().filter(|policy| policy.is_ours);
            deletion.steps.extend(made.map(|policy| RoleStep::DeletePolicy(policy.arn.clone())));
            return deletion;
        };
        deletion.arn = Some(role.arn.clone());
        deletion.before = Some(role.clone());
        let own = issuer.map(trust::sid);
        let goes = |sid: &str| own.as_deref().is_none_or(|own| own == sid);
        let ours = role.trusted_by_us();
        let (gone, stay): (Vec<String>, Vec<String>) =
            ours.iter().cloned().partition(|sid| goes(sid));
        deletion.sids.clone_from(&gone);
        deletion.remove_policies(role, found, &goes, stay.is_empty());
        if !stay.is_empty() {
            deletion.kept.push(Reason::OtherIssuer);
        } else if !role.is_ours() {
            deletion.kept.push(Reason::Unmanaged);
        }
        if role.trust.has_others_than(&ours) {
            deletion.kept.push(Reason::InUse);
        }
        if !deletion.kept.is_empty() {
            deletion.kept_fields = role.unmanaged();
        } else {
            deletion.steps.push(RoleStep::Delete(gone));
            return deletion;
        }
        if !gone.is_empty() {
            let to = role.trust.clone().without(&gone);
            deletion.steps.insert(0, RoleStep::UpdateTrust { from: role.trust.clone(), to });
        }
        deletion.forget(role, &goes, stay.is_empty());
        deletion
    }

    /// Whether there is nothing to remove, and nothing to report.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.kept.is_empty()
    }

    /// Whether this run removes anything, or has removed something.
    #[must_use]
    pub fn changes_anything(&self) -> bool {
        self.wrote || !self.steps.is_empty()
    }

    /// Whether the execution has removed something, also if it failed.
    #[must_use]
    pub fn wrote(&self) -> bool {
        self.wrote
    }

    fn remove_policies(
        &mut self,
        role: &Role,
        found: &RoleState,
        goes: &impl Fn(&str) -> bool,
        everything: bool,
    ) {
        let added = |kind| (role.added(kind, goes), role.added(kind, |sid| !goes(sid)));
        let (inline, inline_stays) = added(Record::INLINE);
        for name in role.inline.keys().filter(|name| !inline_stays.has(name)) {
            if inline.has(name) {
                self.steps.push(RoleStep::DeleteInline(name.clone()));
            } else if everything {
                self.kept.push(Reason::InUse);
            }
        }
        let (attached, attached_stays) = added(Record::ATTACHED);
        for arn in role.attached.iter().filter(|arn| !attached_stays.has(arn)) {
            if attached.has(arn) {
                self.steps.push(RoleStep::Detach(arn.clone()));
            } else if everything {
                self.kept.push(Reason::InUse);
            }
        }
        let made = role
            .made_policies()
            .filter_map(|name| found.managed.get(name))
            .filter(|policy| policy.is_ours);
        let recorded = role.recorded(Record::ATTACHED, goes);
        let recorded_stays = role.recorded(Record::ATTACHED, |sid| !goes(sid));
        for policy in made.filter(|policy| everything || recorded.has(&policy.arn)) {
            if !recorded_stays.has(&policy.arn) {
                self.steps.push(RoleStep::DeletePolicy(policy.arn.clone()));
            }
        }
    }

    /// Removes the tags that record removed parts from a role that is kept.
    fn forget(&mut self, role: &Role, goes: &impl Fn(&str) -> bool, everything: bool) {
        let (tagged, tagged_stays) =
            (role.added(Record::TAGS, goes), role.added(Record::TAGS, |sid| !goes(sid)));
        let goes_too = |name: &str| {
            let is_it = |arn: &String| arn.rsplit('/').next() == Some(name);
            self.steps.iter().any(|step| matches!(step, RoleStep::DeletePolicy(arn) if is_it(arn)))
        };
        let kinds = [TRUST, Record::ATTACHED, Record::INLINE, Record::TAGS];
        let is_over = |key: &str| match kinds.iter().find_map(|kind| key.strip_prefix(kind)) {
            Some(sid) => everything || goes(sid),
            None if key.starts_with(OWN) => match key.strip_prefix(MADE_POLICY) {
                Some(name) => everything || goes_too(name),
                None => everything && key != CREATED,
            },
            None => tagged.has(key) && !tagged_stays.has(key),
        };
        let keys: Vec<String> = role.tags.keys().filter(|key| is_over(key)).cloned().collect();
        if !keys.is_empty() {
            self.steps.push(RoleStep::Untag(keys));
        }
    }
}
