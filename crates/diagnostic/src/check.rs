//! Checks: one question each, and its answer.

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
pub enum Status {
    /// It is as it should be.
    Pass,
    /// It works as far as is known, and may still be a trap.
    Warn,
    /// It does not work, or allows far more than intended.
    Fail,
    /// It was not checked, because an earlier check failed or the input for it was not given.
    Skip,
}

impl Status {
    /// `pass`, `warn`, `fail` or `skip`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Skip => "skip",
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// One question and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Check {
    /// Its stable name, in kebab case.
    pub id: &'static str,
    /// The result.
    pub status: Status,
    /// The cause in plain words, with the values that were seen.
    pub message: String,
    /// What happens because of it; for an issuer, the error of AWS STS.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub consequence: Option<String>,
    /// The one thing to do about it.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub fix: Option<String>,
    /// What the fix needs to be told to do, beyond what it says.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub remedy: Option<Remedy>,
}

/// What a fix does that its command does only on request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Remedy {
    /// Replaces a published document that cannot be read, or a kid that another key has.
    ReplaceUnreadable,
    /// Replaces a discovery document that names a different issuer or `jwks_uri`.
    ReplaceOther,
    /// Adds the thumbprint of a private CA to the provider in IAM.
    AddThumbprint,
}

impl Check {
    /// It is as it should be.
    #[must_use]
    pub fn pass(id: &'static str, message: impl Into<String>) -> Self {
        Self::new(id, Status::Pass, message.into())
    }

    /// It was not checked; `message` says why.
    #[must_use]
    pub fn skip(id: &'static str, message: impl Into<String>) -> Self {
        Self::new(id, Status::Skip, message.into())
    }

    /// It works, and may still be a trap.
    #[must_use]
    pub fn warn(id: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(id, Status::Warn, message.into()).with_fix(fix)
    }

    /// It does not work. A failure always comes with its consequence and its fix.
    #[must_use]
    pub fn fail(id: &'static str, consequence: impl Into<String>, fault: Fault) -> Self {
        let check = Self::new(id, Status::Fail, fault.cause).with_consequence(consequence);
        Self { remedy: fault.remedy, ..check.with_fix(fault.fix) }
    }

    /// A fault that does not keep it from working.
    #[must_use]
    pub fn warn_of(id: &'static str, fault: Fault) -> Self {
        Self { remedy: fault.remedy, ..Self::warn(id, fault.cause, fault.fix) }
    }

    /// The same check with what happens because of it.
    #[must_use]
    pub fn with_consequence(self, consequence: impl Into<String>) -> Self {
        Self { consequence: Some(consequence.into()), ..self }
    }

    /// The same check with what to do about it.
    #[must_use]
    pub fn with_fix(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }

    /// Whether it failed.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.status == Status::Fail
    }

    fn new(id: &'static str, status: Status, message: String) -> Self {
        Self { id, status, message, consequence: None, fix: None, remedy: None }
    }
}

/// A cause and its fix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong, with the values that were seen.
    pub cause: String,
    /// The one thing to do about it.
    pub fix: String,
    /// What the fix needs to be told to do, beyond what it says.
    pub remedy: Option<Remedy>,
}

impl Fault {
    /// A cause and its fix.
    #[must_use]
    pub fn new(cause: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { cause: cause.into(), fix: fix.into(), remedy: None }
    }

    /// The same fault, whose fix does this.
    #[must_use]
    pub fn with_remedy(self, remedy: Remedy) -> Self {
        Self { remedy: Some(remedy), ..self }
    }
}

#[cfg(all(test, feature = "serde"))]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_check_is_written_without_what_it_does_not_have() {
        let checks = [
            (Check::pass("sub", "fine"), json!({"id": "sub", "status": "pass", "message": "fine"})),
            (
                Check::fail("aud", "AccessDenied", Fault::new("no audience", "add it")),
                json!({"id": "aud", "status": "fail", "message": "no audience",
                       "consequence": "AccessDenied", "fix": "add it"}),
            ),
        ];
        for (check, written) in checks {
            assert_eq!(serde_json::to_value(&check).unwrap(), written);
        }
    }

    #[test]
    fn a_status_is_written_as_it_is_shown() {
        for status in [Status::Pass, Status::Warn, Status::Fail, Status::Skip] {
            assert_eq!(serde_json::to_value(status).unwrap(), json!(status.as_str()));
        }
    }
}
