//! The findings on a trust policy.

/// The result of [`lint`](crate::lint()).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LintReport {
    /// Every problem, and for each part of the policy without one, a finding that it is correct.
    pub findings: Vec<Finding>,
}

/// One problem of a policy, or a part of it that is correct.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// Its stable name, in kebab case.
    pub id: &'static str,
    /// Its severity.
    pub status: Status,
    /// What is in the policy, in plain words.
    pub message: String,
    /// What follows from it, for a problem.
    pub consequence: Option<String>,
    /// How to fix it, for a problem.
    pub fix: Option<String>,
}

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Correct.
    Pass,
    /// It works, but is likely to cause problems.
    Warn,
    /// It does not work, or allows far more than intended.
    Fail,
}

impl LintReport {
    /// Whether no finding is a failure.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.findings.iter().all(|finding| finding.status != Status::Fail)
    }
}
