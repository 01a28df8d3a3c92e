//! The verdict: checks in the order in which they are judged, and one root cause.

use issuer_diagnostic::{Check, Fault, Status};

/// A part of the way from the cluster to the credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Group {
    /// Which issuer signs now.
    Cluster,
    /// What is published, and a fresh token.
    Documents,
    /// The ServiceAccount.
    Account,
    /// What gives pods their roles.
    Injection,
    /// The pods that run now.
    Pod,
    /// Provider and role.
    Aws,
    /// The exchange with STS.
    Proof,
}

impl Group {
    /// Every group, in the order in which they are judged.
    pub const ALL: [Self; 7] = [
        Self::Cluster,
        Self::Documents,
        Self::Account,
        Self::Injection,
        Self::Pod,
        Self::Aws,
        Self::Proof,
    ];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cluster => "cluster",
            Self::Documents => "documents",
            Self::Account => "account",
            Self::Injection => "injection",
            Self::Pod => "pod",
            Self::Aws => "aws",
            Self::Proof => "proof",
        }
    }
}

/// Why pods do not get their role, or that they do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnosis {
    /// The issuer in question; empty if it is not known.
    pub issuer: String,
    /// Every check with its group, in the order in which they were judged; the first that failed is the
    /// root cause.
    pub checks: Vec<(Group, Check)>,
    /// Annotated ServiceAccounts with their pods, if no account was asked for: lines of a table.
    pub accounts: Vec<String>,
}

impl Diagnosis {
    /// Whether no check failed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.root().is_none()
    }

    /// The first check that failed.
    #[must_use]
    pub fn root(&self) -> Option<&Check> {
        self.checks.iter().map(|(_, check)| check).find(|check| check.failed())
    }

    /// Whether anything was found out beyond that there is an API server.
    #[must_use]
    pub fn is_useful(&self) -> bool {
        let is_answer =
            |check: &Check| check.status != Status::Skip && check.id != "cluster-access";
        self.checks.iter().any(|(_, check)| is_answer(check) || check.failed())
    }

    /// The checks of a group.
    pub fn of(&self, group: Group) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(move |(own, _)| *own == group).map(|(_, check)| check)
    }
}

/// The most characters that message and fix of a check have together.
const MOST: usize = 1499;

/// What is left of a message at least.
const LEAST: usize = 300;

/// Cuts what is longer than people read: the message, and of a fix only words behind its last command.
pub fn shorten(check: &mut Check) {
    if let Some(fix) = &mut check.fix {
        let commands = fix.rfind('`').map_or(0, |at| at + 1);
        let kept = fix.get(..commands).map_or(0, |kept| kept.chars().count());
        cut(fix, kept.max(MOST - LEAST));
    }
    let of_fix = check.fix.as_ref().map_or(0, |fix| fix.chars().count());
    cut(&mut check.message, MOST.saturating_sub(of_fix).max(LEAST));
}

fn cut(text: &mut String, most: usize) {
    if text.chars().count() > most {
        let kept: String = text.chars().take(most.saturating_sub(1)).collect();
        *text = kept + "…";
    }
}

/// The checks so far.
pub(crate) struct Report {
    checks: Vec<(Group, Check)>,
    group: Group,
    root: Option<&'static str>,
    /// Whether STS gave credentials for a fresh token.
    proved: bool,
}

impl Report {
    pub(crate) fn new(proved: bool) -> Self {
        Self { checks: Vec::new(), group: Group::Cluster, root: None, proved }
    }

    /// What follows is of this group.
    pub(crate) fn begin(&mut self, group: Group) {
        self.group = group;
    }

    /// The id of the root cause, if there is one already.
    pub(crate) fn root(&self) -> Option<&'static str> {
        self.root
    }

    /// Whether there is a warning with one of these ids.
    pub(crate) fn warns(&self, ids: &[&str]) -> bool {
        self.checks.iter().any(|(_, own)| own.status == Status::Warn && ids.contains(&own.id))
    }

    pub(crate) fn pass(&mut self, id: &'static str, message: impl Into<String>) {
        self.push(Check::pass(id, message));
    }

    pub(crate) fn skip(&mut self, id: &'static str, message: impl Into<String>) {
        self.push(Check::skip(id, message));
    }

    pub(crate) fn warn(
        &mut self,
        id: &'static str,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.push(Check::warn(id, message, fix));
    }

    /// A fault in the cluster: the root cause, or skipped if there is one already.
    pub(crate) fn fail(&mut self, id: &'static str, consequence: impl Into<String>, fault: Fault) {
        match self.root {
            None => {
                self.root = Some(id);
                self.push(Check::fail(id, consequence, fault));
            }
            Some(root) => self.skip(
                id,
                format!("judge it again once {root} is fixed; it looks as if {}", fault.cause),
            ),
        }
    }

    /// A fault on the side of AWS, which is a warning at most if STS gave credentials.
    pub(crate) fn doubt(&mut self, id: &'static str, consequence: impl Into<String>, fault: Fault) {
        if self.proved {
            let message = format!("{}; STS gives credentials all the same", fault.cause);
            self.warn(id, message, fault.fix);
        } else {
            self.fail(id, consequence, fault);
        }
    }

    /// It follows from the root cause.
    pub(crate) fn follows(&mut self, id: &'static str) {
        let root = self.root.unwrap_or("an earlier check");
        self.skip(id, format!("follows from {root}"));
    }

    /// It follows from another check.
    pub(crate) fn follows_of(&mut self, id: &'static str, other: &str) {
        self.skip(id, format!("follows from {other}"));
    }

    /// A check of another judge. Its failure is the root cause, or follows from it.
    pub(crate) fn take(&mut self, check: Check, is_of_aws: bool) {
        match (check.status, check.fix.clone()) {
            (Status::Fail, fix) => {
                let remedy = check.remedy;
                let fault = Fault { cause: check.message, fix: fix.unwrap_or_default(), remedy };
                let consequence = check.consequence.unwrap_or_default();
                match is_of_aws {
                    true => self.doubt(check.id, consequence, fault),
                    false => self.fail(check.id, consequence, fault),
                }
            }
            _ => self.push(check),
        }
    }

    /// The exchange may stand as failed behind the root cause.
    pub(crate) fn exchange(&mut self, check: Check) {
        if check.failed() && self.root.is_none() {
            self.root = Some(check.id);
        }
        self.push(check);
    }

    pub(crate) fn into_checks(self) -> Vec<(Group, Check)> {
        self.checks
    }

    fn push(&mut self, check: Check) {
        self.checks.push((self.group, check));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_cut_and_its_commands_are_not() {
        let long = |count: usize| "x".repeat(count);
        let length = |check: &Check| {
            check.message.chars().count() + check.fix.as_ref().map_or(0, |fix| fix.chars().count())
        };
        for (message, fix) in [
            (long(5000), "do `this`".to_owned()),
            (long(5000), format!("do `this`, {}", long(5000))),
            ("é".repeat(1400), long(5000)),
        ] {
            let mut check = Check::warn("annotation", message, fix.clone());
            shorten(&mut check);
            assert_eq!(length(&check), MOST, "{fix}");
            assert_eq!(check.fix.unwrap_or_default().contains("`this`"), fix.contains("`this`"));
        }
        let command = format!("do `{}`", long(1600));
        let mut check = Check::warn("annotation", long(5000), command.clone());
        shorten(&mut check);
        assert_eq!(check.fix, Some(command), "a command is left whole");
        let mut check = Check::warn("annotation", "short", "do `this`");
        let before = check.clone();
        shorten(&mut check);
        assert_eq!(check, before);
    }
}
