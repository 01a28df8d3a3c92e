//! The findings on a trust policy.

use issuer_diagnostic::Check;

/// The result of [`lint`](crate::lint()).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LintReport {
    /// Every problem, and for each part of the policy without one, a finding that it is correct.
    pub findings: Vec<Check>,
}

impl LintReport {
    /// Whether no finding is a failure.
    #[must_use]
    pub fn passed(&self) -> bool {
        !self.findings.iter().any(Check::failed)
    }
}
