//! Collects the findings.

use std::collections::BTreeSet;

use issuer_diagnostic::{Check, Fault};

use super::report::LintReport;

/// A part of a policy that is correct or has problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Topic {
    Statement,
    Provider,
    Action,
    Aud,
    Sub,
    Deny,
    /// Access granted by unrelated statements; never reported as passing.
    Others,
    Size,
}

/// The findings so far, and the topics that are not simply correct.
#[derive(Debug, Default)]
pub(super) struct Findings {
    found: Vec<Check>,
    touched: BTreeSet<Topic>,
}

impl Findings {
    pub(super) fn fail(
        &mut self,
        topic: Topic,
        id: &'static str,
        message: impl Into<String>,
        consequence: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.add(topic, Check::fail(id, consequence, Fault::new(message, fix)));
    }

    pub(super) fn warn(
        &mut self,
        topic: Topic,
        id: &'static str,
        message: impl Into<String>,
        consequence: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.add(topic, Check::warn(id, message, fix).with_consequence(consequence));
    }

    /// Marks a topic as not correct, because of a finding under another topic.
    pub(super) fn touch(&mut self, topic: Topic) {
        self.touched.insert(topic);
    }

    /// How many of them are failures.
    pub(super) fn failures(&self) -> usize {
        self.found.iter().filter(|check| check.failed()).count()
    }

    /// The problems, and the parts that are correct; without a statement for the issuer, only the
    /// size can be.
    pub(super) fn into_report(self, judged: bool, issuer: &str) -> LintReport {
        let right = [
            (Topic::Statement, "statement", format!("there is a statement for {issuer}")),
            (Topic::Provider, "provider", "the principal is the issuer's provider".to_owned()),
            (Topic::Action, "action", "the action is sts:AssumeRoleWithWebIdentity".to_owned()),
            (Topic::Aud, "aud", "the audience is checked".to_owned()),
            (Topic::Sub, "sub", "the service accounts are checked".to_owned()),
            (Topic::Deny, "deny", "no Deny statement applies".to_owned()),
            (Topic::Size, "size", "the policy is within IAM's quota".to_owned()),
        ];
        let passes = right
            .into_iter()
            .filter(|(topic, ..)| {
                (judged || *topic == Topic::Size) && !self.touched.contains(topic)
            })
            .map(|(_, id, message)| Check::pass(id, message));
        LintReport { findings: passes.collect::<Vec<_>>().into_iter().chain(self.found).collect() }
    }

    fn add(&mut self, topic: Topic, check: Check) {
        self.touched.insert(topic);
        self.found.push(check);
    }
}

/// Texts in quotes, separated by commas.
pub(super) fn list<T: AsRef<str>>(texts: &[T]) -> String {
    texts.iter().map(|text| format!("{:?}", text.as_ref())).collect::<Vec<_>>().join(", ")
}
