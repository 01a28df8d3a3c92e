//! Taking away what issuerctl added.

use std::fmt;

use issuer_discovery::IssuerUrl;

use super::{Role, RoleFound, RoleStep};
use crate::tags::{CREATED, OWN, TRUST};
use crate::trust;

/// What is taken away of a role.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RoleDeletion {
    /// The role that is there.
    pub arn: Option<String>,
    /// In order; the last one is [`RoleStep::Delete`] where nothing of others is left.
    pub steps: Vec<RoleStep>,
    /// Why the role itself stays.
    pub kept: Vec<String>,
    /// The `Sid`s that leave its trust policy.
    pub(crate) sids: Vec<String>,
    /// Whether an earlier try of this run has taken something away already.
    pub(crate) interrupted: bool,
}

impl RoleDeletion {
    /// Takes away what issuerctl added, for one issuer or for all, and the role itself where issuerctl made it and nothing of
    /// others is left.
    pub fn new(found: &RoleFound, issuer: Option<&IssuerUrl>) -> Self {
        let mut deletion = Self::default();
        let Some(role) = &found.role else { return deletion };
        deletion.arn = Some(role.arn.clone());
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
            let to = role.trust.clone().without(&gone);
            deletion.steps.insert(0, RoleStep::UpdateTrust { from: role.trust.clone(), to });
        }
        deletion.forget(role, &gone, stay.is_empty());
        deletion
    }

    /// Whether there is nothing to take away, and nothing to say.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.kept.is_empty()
    }

    /// Whether this run takes anything away, or has.
    pub fn changes_anything(&self) -> bool {
        self.interrupted || !self.steps.is_empty()
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

impl fmt::Display for RoleDeletion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            writeln!(f, "  {step}")?;
        }
        for reason in &self.kept {
            writeln!(f, "  = role        stays: {reason}")?;
        }
        if self.steps.is_empty() { writeln!(f, "nothing to do") } else { Ok(()) }
    }
}
