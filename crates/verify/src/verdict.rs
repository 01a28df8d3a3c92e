//! The verdict on an issuer.

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Passed.
    Pass,
    /// Failed: AWS STS would refuse a token because of it (or should).
    Fail,
    /// Accepted by STS as far as is known, but likely to cause problems.
    Warn,
    /// Not checked, because an earlier check failed or there was nothing to check.
    Skip,
}

/// One question about the issuer, and the result.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Check {
    /// Its stable name, in kebab case.
    pub id: &'static str,
    /// The result.
    pub status: Status,
    /// The cause in plain words, with the values that were observed.
    pub message: String,
    /// The error that AWS STS would return for `AssumeRoleWithWebIdentity`, for a failed check.
    pub sts_error: Option<String>,
    /// How to fix it, for a failed check or a warning.
    pub fix: Option<String>,
}

/// Every check of one issuer, in the order in which STS would make them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verdict {
    /// The issuer URL; for a folder, the one in its discovery document, or empty if it has none.
    pub issuer: String,
    /// The checks. The first that failed is the root cause.
    pub checks: Vec<Check>,
}

impl Verdict {
    /// Whether no check failed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.status != Status::Fail)
    }
}

impl Check {
    pub(crate) fn pass(id: &'static str, message: impl Into<String>) -> Self {
        Self { id, status: Status::Pass, message: message.into(), sts_error: None, fix: None }
    }

    pub(crate) fn skip(id: &'static str, message: impl Into<String>) -> Self {
        Self { status: Status::Skip, ..Self::pass(id, message) }
    }

    pub(crate) fn warn(
        id: &'static str,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { status: Status::Warn, fix: Some(fix.into()), ..Self::pass(id, message) }
    }

    pub(crate) fn fail(id: &'static str, sts_error: impl Into<String>, fault: Fault) -> Self {
        Self {
            status: Status::Fail,
            sts_error: Some(sts_error.into()),
            fix: Some(fault.fix),
            ..Self::pass(id, fault.cause)
        }
    }

    pub(crate) fn failed(&self) -> bool {
        self.status == Status::Fail
    }
}

/// A cause and its fix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) cause: String,
    pub(crate) fix: String,
}

impl Fault {
    pub(crate) fn new(cause: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { cause: cause.into(), fix: fix.into() }
    }
}
