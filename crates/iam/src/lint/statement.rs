//! Statements, read for one issuer.

use serde_json::Value;

use super::Wanted;
use super::claims;
use super::findings::{Findings, Topic, list};
use super::grammar;
use super::keys::Key;
use super::operator::{How, Operator, glob};
use super::principal::Principal;
use super::subject::{Reach, reach};

const ACTION: &str = "sts:AssumeRoleWithWebIdentity";
const ASSUME_ROLE: &str = "sts:AssumeRole";

/// A statement as it looks to the issuer.
pub(super) struct Statement<'a> {
    /// What messages call it.
    pub(super) label: String,
    pub(super) value: &'a Value,
    principal: Principal<'a>,
    /// Who is meant by a `NotPrincipal`.
    not_principal: Option<Principal<'a>>,
    pub(super) conditions: Vec<Condition<'a>>,
    naming: Naming,
}

/// How a statement's principal speaks of the issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Naming {
    /// Not at all.
    No,
    /// As something that differs in case.
    OtherCase,
    /// If not as an ARN should.
    Loosely,
    /// As it should.
    Rightly,
}

/// One key under one operator.
pub(super) struct Condition<'a> {
    pub(super) operator: Operator,
    pub(super) operator_name: &'a str,
    pub(super) key: Key,
    pub(super) key_name: &'a str,
    pub(super) values: Vec<String>,
    /// Whether IAM takes such values at all.
    pub(super) well_formed: bool,
}

impl<'a> Statement<'a> {
    pub(super) fn read(value: &'a Value, index: usize, count: usize, wanted: &Wanted) -> Self {
        let mut principal = Principal::read(&value["Principal"]);
        // To allow all but some is to allow everybody.
        let but_some = value["Effect"] != "Deny" && value.get("NotPrincipal").is_some();
        principal.everybody |= but_some;
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

    /// Whether everybody with a token of anybody is let in.
    pub(super) fn lets_everybody(&self) -> bool {
        self.principal.everybody && (self.takes_action() || self.keys_name_issuer())
    }

    /// Whether it allows only what goes with a token's action, such as tags of the session.
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

    /// Names what is wrong with it as one for the issuer, and says whether anything fails.
    pub(super) fn judge(&self, wanted: &Wanted, findings: &mut Findings) -> bool {
        let before = findings.failures();
        grammar::judge_statement(self, findings);
        self.principal.judge(&self.label, wanted, findings);
        self.judge_action(findings);
        claims::judge(self, wanted, findings);
        findings.failures() > before
    }

    /// Names what it lets in beside tokens, as one that is not for the issuer.
    pub(super) fn judge_everybody(&self, findings: &mut Findings) {
        if self.value["Effect"] != "Allow"
            || !self.principal.any_account
            || !self.takes(ASSUME_ROLE)
        {
            return;
        }
        let fix = "name the accounts or roles that may assume it, or take the statement out";
        if self.conditions.is_empty() {
            findings.fail(
                Topic::Others,
                "everybody",
                format!("{} lets everybody in by {ASSUME_ROLE}, without a condition", self.label),
                "every AWS account in the world gets the role, whatever the other statements ask \
                 for",
                fix,
            );
        } else {
            findings.warn(
                Topic::Others,
                "everybody",
                format!(
                    "{} lets everybody in by {ASSUME_ROLE} who meets its conditions",
                    self.label
                ),
                "these conditions alone keep other AWS accounts from the role",
                fix,
            );
        }
    }

    /// Names a `Deny` that takes the tokens' access back.
    pub(super) fn judge_deny(&self, wanted: &Wanted, findings: &mut Findings) {
        let concerns = match &self.not_principal {
            Some(spared) => !spared.is(wanted),
            None => self.principal.is(wanted),
        };
        if !self.denies() || !concerns || !self.takes_action() {
            return;
        }
        // The surest answer for any of the audiences.
        let hit =
            wanted.audiences.iter().filter_map(|audience| self.deny_hits(audience, wanted)).max();
        match hit {
            None => {}
            Some(Hit::Surely) => findings.fail(
                Topic::Deny,
                "deny",
                format!("{} denies {ACTION} to the tokens", self.label),
                "STS answers AccessDenied: a Deny outweighs every Allow",
                "take the statement out, or narrow its conditions",
            ),
            Some(Hit::Perhaps) => findings.warn(
                Topic::Deny,
                "deny",
                format!("{} denies {ACTION} to some requests", self.label),
                "STS answers AccessDenied to them, whatever the other statements say",
                "make sure that its conditions do not meet your service accounts",
            ),
        }
    }

    /// Whether a token gets in by this statement; conditions on things that no token has count as
    /// met.
    pub(super) fn lets_in(&self, audience: &str, subject: Option<&str>, wanted: &Wanted) -> bool {
        self.value["Effect"] == "Allow"
            && self.principal.is(wanted)
            && self.takes_action()
            && self
                .conditions
                .iter()
                .all(|condition| condition.met(audience, subject) != Some(false))
    }

    /// Whether it looks as if it were meant for such a token, whatever keeps the token out.
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

    fn judge_action(&self, findings: &mut Findings) {
        let actions = strings(&self.value["Action"]);
        let fix = format!("write \"Action\": \"{ACTION}\"");
        if !self.takes_action() {
            let what = if actions.is_empty() {
                "no Action".to_owned()
            } else {
                format!("Action {}", list(&actions))
            };
            findings.fail(
                Topic::Action,
                "action-wrong",
                format!("{} has {what}", self.label),
                "no token is let in: tokens come with AssumeRoleWithWebIdentity alone",
                fix,
            );
            return;
        }
        grammar::judge_services(self, findings);
        let named = |action: &&str| action.eq_ignore_ascii_case(ACTION);
        let (wide, others): (Vec<&str>, Vec<&str>) = actions
            .iter()
            .copied()
            .filter(|action| !named(action))
            .partition(|action| takes(action, ACTION));
        if !wide.is_empty() || !actions.iter().any(named) {
            let message = if wide.is_empty() {
                format!("{} allows {ACTION} only by not excluding it", self.label)
            } else {
                format!(
                    "{} allows {}, a wildcard, where tokens need {ACTION}",
                    self.label,
                    list(&wide)
                )
            };
            let consequence =
                "it allows more than tokens need, and IAM may refuse it in a trust policy";
            findings.warn(Topic::Action, "action-wide", message, consequence, &*fix);
        }
        let idle: Vec<&str> = others
            .into_iter()
            .filter(|action| grammar::is_of_sts(action) && !of_sessions(action))
            .collect();
        if !idle.is_empty() {
            findings.warn(
                Topic::Action,
                "action-extra",
                format!("{} also allows {}", self.label, list(&idle)),
                "it does nothing for tokens, and would let in whoever else is put into the \
                 principal",
                format!("take {} out", list(&idle)),
            );
        }
    }

    /// Whether its actions include the one of tokens.
    fn takes_action(&self) -> bool {
        self.takes(ACTION)
    }

    /// Whether its actions include this one. Case makes no difference.
    fn takes(&self, wanted: &str) -> bool {
        let any = |value: &Value| strings(value).iter().any(|action| takes(action, wanted));
        match self.value.get("NotAction") {
            Some(not) => !any(not),
            None => any(&self.value["Action"]),
        }
    }

    fn deny_hits(&self, audience: &str, wanted: &Wanted) -> Option<Hit> {
        let mut hit = Hit::Surely;
        for condition in &self.conditions {
            match condition.met(audience, wanted.subject.as_deref()) {
                Some(false) => return None,
                Some(true) => {}
                None => hit = Hit::Perhaps,
            }
        }
        Some(hit)
    }
}

impl Condition<'_> {
    /// Whether a token meets it; `None` where that depends on what is not known.
    pub(super) fn met(&self, audience: &str, subject: Option<&str>) -> Option<bool> {
        let claim = match &self.key {
            Key::Context => return None,
            Key::Ours { claim } if claim == "aud" => Some(audience),
            Key::Ours { claim } if claim == "sub" => Some(subject?),
            // Tokens of service accounts have no other claim that IAM knows a key for.
            Key::Ours { .. } | Key::Astray { .. } => None,
        };
        Some(self.operator.holds(&self.values, claim))
    }
}

/// How sure it is that a `Deny` meets the tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Hit {
    Perhaps,
    Surely,
}

/// One text, or the texts of a list.
pub(super) fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(values) => values.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The members of an object.
pub(super) fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// Whether an action of a policy includes this one.
fn takes(action: &str, wanted: &str) -> bool {
    glob(&action.to_ascii_lowercase(), &wanted.to_ascii_lowercase())
}

/// Whether it is an action that goes with the one of tokens.
fn of_sessions(action: &str) -> bool {
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
                well_formed: grammar::is_values(values),
            });
        }
    }
    all
}

/// Values as texts: IAM takes `true` for `"true"` and 1 for `"1"`.
pub(super) fn texts(values: &Value) -> Vec<String> {
    match values {
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::String(text) => vec![text.clone()],
        Value::Bool(_) | Value::Number(_) => vec![values.to_string()],
        Value::Null | Value::Object(_) => Vec::new(),
    }
}

fn like(value: &str, text: &str) -> bool {
    How::Like.is_met(&value.to_lowercase(), &text.to_lowercase())
}
