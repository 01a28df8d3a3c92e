//! Statements, read for one issuer.

use serde_json::Value;

use super::context::{self, Presence};
use super::keys::Key;
use super::operator::{How, Operator};
use super::options::Wanted;
use super::principal::Principal;
use super::subject::{Reach, reach};
use crate::glob::glob;
use crate::json::{is_values, members, strings, texts};

/// The action that exchanges a token for credentials.
pub(super) const ACTION: &str = "sts:AssumeRoleWithWebIdentity";

/// A statement as read for the issuer.
pub(super) struct Statement<'a> {
    /// What messages call it.
    pub(super) label: String,
    pub(super) value: &'a Value,
    pub(super) principal: Principal<'a>,
    /// The principals in a `NotPrincipal`.
    pub(super) not_principal: Option<Principal<'a>>,
    pub(super) conditions: Vec<Condition<'a>>,
    naming: Naming,
}

/// How a statement's principal names the issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Naming {
    /// Not at all.
    No,
    /// With a difference in case.
    OtherCase,
    /// In the right case, but not as a valid provider ARN.
    Loosely,
    /// As a valid provider ARN.
    Rightly,
}

/// One key under one operator.
pub(super) struct Condition<'a> {
    pub(super) operator: Operator,
    pub(super) operator_name: &'a str,
    pub(super) key: Key,
    pub(super) key_name: &'a str,
    pub(super) values: Vec<String>,
    /// Whether IAM accepts such values at all.
    pub(super) well_formed: bool,
}

impl<'a> Statement<'a> {
    pub(super) fn read(value: &'a Value, index: usize, count: usize, wanted: &Wanted) -> Self {
        let mut principal = Principal::read(&value["Principal"]);
        // To allow all but some principals is to allow everyone.
        let but_some = value["Effect"] != "Deny" && value.get("NotPrincipal").is_some();
        principal.everyone |= but_some;
        principal.any_account |= but_some;
        let mut label = if count == 1 {
            "the statement".to_owned()
        } else {
            format!("statement {}", index + 1)
        };
        if let Some(sid) = value["Sid"].as_str() {
            label = format!("{label} ({sid})");
        }
        Self {
            label,
            value,
            naming: match &principal {
                principal if principal.lists(wanted) => Naming::Rightly,
                principal if principal.names_in_case(&wanted.issuer) => Naming::Loosely,
                principal if principal.names(&wanted.issuer) => Naming::OtherCase,
                _ => Naming::No,
            },
            principal,
            not_principal: value.get("NotPrincipal").map(Principal::read),
            conditions: conditions(value, &wanted.issuer),
        }
    }

    pub(super) fn denies(&self) -> bool {
        self.value["Effect"] == "Deny"
    }

    pub(super) fn naming(&self) -> Naming {
        self.naming
    }

    pub(super) fn keys_name_issuer(&self) -> bool {
        self.conditions.iter().any(|condition| condition.key.means_ours())
    }

    /// Whether every principal is allowed, with tokens of any issuer.
    pub(super) fn allows_everyone(&self) -> bool {
        self.principal.everyone && (self.has_action() || self.keys_name_issuer())
    }

    /// Whether it allows only what accompanies a token's action, such as session tags.
    pub(super) fn is_addition(&self) -> bool {
        let actions = strings(&self.value["Action"]);
        !actions.is_empty() && actions.iter().all(|action| of_sessions(action))
    }

    pub(super) fn federated(&self) -> impl Iterator<Item = &'a str> + use<'_, 'a> {
        self.principal.federated.iter().copied()
    }

    /// Whether it is for the providers of other issuers too.
    pub(super) fn has_other_providers(&self, wanted: &Wanted) -> bool {
        self.federated().any(|text| !Principal::is_like(text, &wanted.issuer))
    }

    /// Whether this statement allows a token; conditions on what is not in a token count as met.
    pub(super) fn allows(&self, audience: &str, subject: Option<&str>, wanted: &Wanted) -> bool {
        self.value["Effect"] == "Allow"
            && self.principal.is(wanted)
            && self.has_action()
            && self
                .conditions
                .iter()
                .all(|condition| condition.met(audience, subject) != Some(false))
    }

    /// Whether it seems to be meant for such a token, even if it does not allow it.
    pub(super) fn is_meant_for(&self, audience: &str, subject: Option<&str>) -> bool {
        self.conditions.iter().all(|condition| {
            let values = &condition.values;
            if condition.operator.positive().is_none()
                || !condition.key.means_ours()
                || values.is_empty()
            {
                return true;
            }
            match (condition.key.claim(), subject) {
                (Some("aud"), _) => values.iter().any(|value| like(value, audience)),
                (Some("sub"), Some(subject)) => values.iter().any(|value| {
                    like(value, subject) || reach(&value.to_lowercase()) == Reach::Nobody
                }),
                _ => true,
            }
        })
    }

    /// Whether its actions include the one for tokens.
    pub(super) fn has_action(&self) -> bool {
        self.takes(ACTION)
    }

    /// Whether its actions include this one. Case makes no difference.
    pub(super) fn takes(&self, wanted: &str) -> bool {
        let any = |value: &Value| strings(value).iter().any(|action| takes(action, wanted));
        match self.value.get("NotAction") {
            Some(not) => !any(not),
            None => any(&self.value["Action"]),
        }
    }
}

impl Condition<'_> {
    /// Whether a token meets it; `None` if that depends on what is not known.
    pub(super) fn met(&self, audience: &str, subject: Option<&str>) -> Option<bool> {
        let claim = match &self.key {
            Key::Context => {
                return match context::presence(self.key_name) {
                    Presence::Absent(_) => Some(self.operator.holds(&self.values, None)),
                    Presence::Always(value) if self.operator.compares_words() => {
                        Some(self.operator.holds(&self.values, Some(value)))
                    }
                    Presence::Always(_) | Presence::Varies => None,
                };
            }
            Key::Ours { claim } if claim == "aud" => Some(audience),
            Key::Ours { claim } if claim == "sub" => Some(subject?),
            // Service-account tokens have no other claim for which IAM has a condition key.
            Key::Ours { .. } | Key::Astray { .. } => None,
        };
        Some(self.operator.holds(&self.values, claim))
    }
}

/// Whether an action of a policy includes this one.
pub(super) fn takes(action: &str, wanted: &str) -> bool {
    glob(&action.to_ascii_lowercase(), &wanted.to_ascii_lowercase())
}

/// Whether it is an action that accompanies the one for tokens.
pub(super) fn of_sessions(action: &str) -> bool {
    ["sts:TagSession", "sts:SetSourceIdentity"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(action))
}

fn conditions<'a>(statement: &'a Value, issuer: &str) -> Vec<Condition<'a>> {
    let mut all = Vec::new();
    for (operator_name, keys) in members(&statement["Condition"]) {
        for (key_name, values) in members(keys) {
            all.push(Condition {
                operator: Operator::read(operator_name),
                operator_name,
                key: Key::read(key_name, issuer),
                key_name,
                values: texts(values),
                well_formed: is_values(values),
            });
        }
    }
    all
}

fn like(value: &str, text: &str) -> bool {
    How::Like.is_met(&value.to_lowercase(), &text.to_lowercase())
}
