//! The verdict on an issuer.

pub use issuer_diagnostic::{Check, Status};

pub(crate) use issuer_diagnostic::Fault;

/// Every check of one issuer, in the order in which STS would come upon them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The issuer URL; for a folder the one that its document says, empty where it says none.
    pub issuer: String,
    /// The checks. The first that failed is the root of what is wrong.
    pub checks: Vec<Check>,
}

impl Verdict {
    /// Whether no check failed.
    pub fn passed(&self) -> bool {
        !self.checks.iter().any(Check::failed)
    }
}
