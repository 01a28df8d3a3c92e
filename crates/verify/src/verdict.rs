//! The verdict on an issuer.

pub use issuer_diagnostic::{Check, Status};

pub(crate) use issuer_diagnostic::{Fault, Remedy};

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
        !self.checks.iter().any(Check::failed)
    }
}

/// A fault whose fix publishes the document again, in place of the one that is there.
pub(crate) fn replacing(cause: impl Into<String>, fix: impl Into<String>) -> Fault {
    Fault::new(cause, fix).with_remedy(Remedy::ReplaceUnreadable)
}
