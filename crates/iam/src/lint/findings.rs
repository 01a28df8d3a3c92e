//! Collects the findings.

use std::collections::BTreeSet;

use super::report::{Finding, LintReport, Status};

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
    found: Vec<Finding>,
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
        self.add(topic, id, Status::Fail, message.into(), consequence.into(), fix.into());
    }

    pub(super) fn warn(
        &mut self,
        topic: Topic,
        id: &'static str,
        message: impl Into<String>,
        consequence: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.add(topic, id, Status::Warn, message.into(), consequence.into(), fix.into());
    }

    /// Marks a topic as not correct, because of a finding under another topic.
    pub(super) fn touch(&mut self, topic: Topic) {
        self.touched.insert(topic);
    }

    /// How many of them are failures.
    pub(super) fn failures(&self) -> usize {
        self.found.iter().filter(|finding| finding.status == Status::Fail).count()
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
            (Topic::Deny, "deny", "no statement denies it".to_owned()),
            (Topic::Size, "size", "the policy is within IAM's quota".to_owned()),
        ];
        let passes = right
            .into_iter()
            .filter(|(topic, ..)| {
                (judged || *topic == Topic::Size) && !self.touched.contains(topic)
            })
            .map(|(_, id, message)| Finding {
                id,
                status: Status::Pass,
                message,
                consequence: None,
                fix: None,
            });
        LintReport { findings: passes.collect::<Vec<_>>().into_iter().chain(self.found).collect() }
    }

    fn add(
        &mut self,
        topic: Topic,
        id: &'static str,
        status: Status,
        message: String,
        consequence: String,
        fix: String,
    ) {
        self.touched.insert(topic);
        self.found.push(Finding {
            id,
            status,
            message,
            consequence: Some(consequence),
            fix: Some(fix),
        });
    }
}

/// Texts in quotes, separated by commas.
pub(super) fn list<T: AsRef<str>>(texts: &[T]) -> String {
    texts.iter().map(|text| format!("{:?}", text.as_ref())).collect::<Vec<_>>().join(", ")
}
