//! What was found in a trust policy.

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LintReport {
    /// Every fault; and for each part of the policy that has none, that it is right.
    pub findings: Vec<Finding>,
}

/// One fault of a policy, or that a part of it is right.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// Its stable name, in kebab case.
    pub id: &'static str,
    /// How bad it is.
    pub status: Status,
    /// What is there, in plain words.
    pub message: String,
    /// What follows from it, for a fault.
    pub consequence: Option<String>,
    /// The mend, for a fault.
    pub fix: Option<String>,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// It is right.
    Pass,
    /// It works, and may still be a trap.
    Warn,
    /// It does not work, or lets in far more than anybody wants.
    Fail,
}

impl LintReport {
    /// Whether nothing in it is a failure.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.findings.iter().all(|finding| finding.status != Status::Fail)
    }
}
