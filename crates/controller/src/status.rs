//! The status of an object.

use std::fmt;

use issuer_diagnostic::ErrorKind;
use issuer_jwks::JwkSet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the controller reports.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The generation of the object that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The generation that was applied last, whole and without an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_generation: Option<i64>,
    /// The issuer URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The key IDs that are published.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// How many keys are published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_count: Option<usize>,
    /// Where the keys came from when they were published last. Other keys of the same source are
    /// new keys of the same cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key_sources: Vec<String>,
    /// What this object was applied to: its place, its issuer, its provider, its roles and their policies.
    /// They are its own, also while its spec is not valid; nothing else is deleted with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<String>,
    /// The conditions, one of each type.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}

/// One aspect of the state (metav1.Condition).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Which aspect.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// `True`, `False` or `Unknown`.
    pub status: Truth,
    /// The generation of the object that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When `status` changed last (RFC 3339).
    pub last_transition_time: String,
    /// Why, as one word for programs.
    #[schemars(with = "String")]
    pub reason: Reason,
    /// Why, for people.
    pub message: String,
}

/// The types of conditions, in the order in which a run gets to them.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Kind {
    /// All of the others are true.
    Ready,
    /// The keys of the cluster are published.
    KeysPublished,
    /// The published documents were read back, and AWS STS would accept them.
    Verified,
    /// The OIDC provider in IAM is as requested.
    ProviderReady,
    /// The roles in IAM are as requested.
    RolesReady,
    /// The cluster gives pods their roles.
    WorkloadReady,
}

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Truth {
    /// It does.
    True,
    /// It does not.
    False,
    /// It was not found out.
    Unknown,
}

/// Why a condition has its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// Everything is as declared.
    Ready,
    /// The keys are published.
    Published,
    /// AWS STS would accept tokens of the issuer.
    Accepted,
    /// It is as declared.
    UpToDate,
    /// It is as declared, and roles that are no longer declared were kept.
    RolesLeft,
    /// The object does not ask for it.
    NotRequested,
    /// It was done before a later step failed.
    Applied,
    /// It is being repaired.
    Repairing,
    /// A distribution is being deployed or disabled.
    Deploying,
    /// It was not checked, because of what failed before.
    NotReached,
    /// The object says that nothing is to be done.
    Suspended,
    /// The object is not valid.
    InvalidSpec,
    /// A value, key or document cannot be used.
    InvalidInput,
    /// Something that is named does not exist.
    NotFound,
    /// Something else claims the same.
    Conflict,
    /// The keys are of another cluster.
    OtherCluster,
    /// Pods get tokens of another issuer.
    OtherIssuer,
    /// The issuer would be another one than before.
    IssuerChanged,
    /// Somebody else has changed something.
    DriftFound,
    /// A permission is missing.
    AccessDenied,
    /// AWS STS would not accept tokens of the issuer.
    NotAccepted,
    /// A server could not be reached, or failed.
    Unavailable,
    /// One that another release of the controller has written.
    #[serde(other)]
    Other,
}

impl Reason {
    /// The kind of failure of an object that is not ready for this reason.
    #[must_use]
    pub fn error_kind(self) -> ErrorKind {
        match self {
            Self::InvalidSpec | Self::InvalidInput => ErrorKind::InvalidInput,
            Self::NotFound => ErrorKind::NotFound,
            Self::Conflict
            | Self::OtherCluster
            | Self::OtherIssuer
            | Self::IssuerChanged
            | Self::DriftFound => ErrorKind::Conflict,
            Self::AccessDenied => ErrorKind::NotPermitted,
            Self::NotAccepted => ErrorKind::Refused,
            _ => ErrorKind::Other,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A condition as a run finds it, before it is compared with the one that there was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which aspect.
    pub kind: Kind,
    /// Whether it holds.
    pub status: Truth,
    /// Why, as one word.
    pub reason: Reason,
    /// Why, as text.
    pub message: String,
}

impl Kind {
    /// Those below `Ready`.
    pub const PARTS: [Self; 5] = [
        Self::KeysPublished,
        Self::Verified,
        Self::ProviderReady,
        Self::RolesReady,
        Self::WorkloadReady,
    ];
}

impl Finding {
    /// A condition that holds.
    #[must_use]
    pub fn good(kind: Kind, reason: Reason, message: impl Into<String>) -> Self {
        Self { kind, status: Truth::True, reason, message: message.into() }
    }

    /// A condition that does not hold.
    #[must_use]
    pub fn bad(kind: Kind, reason: Reason, message: impl Into<String>) -> Self {
        Self { kind, status: Truth::False, reason, message: message.into() }
    }

    /// A condition that was not found out.
    #[must_use]
    pub fn unknown(kind: Kind, reason: Reason, message: impl Into<String>) -> Self {
        Self { kind, status: Truth::Unknown, reason, message: message.into() }
    }
}

impl Status {
    /// The condition of a type.
    #[must_use]
    pub fn condition(&self, kind: Kind) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.kind == kind)
    }

    /// Whether a condition is true.
    #[must_use]
    pub fn is(&self, kind: Kind) -> bool {
        self.condition(kind).is_some_and(|condition| condition.status == Truth::True)
    }

    /// Records which keys are published.
    pub fn set_keys(&mut self, keys: &JwkSet) {
        self.keys = keys.keys().iter().map(|key| key.kid.to_string()).collect();
        self.key_count = Some(self.keys.len());
    }

    /// What is remembered of it if it could not be written, and the API server had `written` before: what was
    /// done was done, but nothing was reported or claimed. It is about no generation, so that whatever is
    /// found next is written, also if the API server has taken this one all the same.
    #[must_use]
    pub fn unwritten(self, written: Self) -> Self {
        let Self { claims, conditions, .. } = written;
        Self { observed_generation: None, claims, conditions, ..self }
    }

    /// Replaces the conditions. The time of a condition whose status is the same stays, so that an
    /// unchanged state is an unchanged status and needs no request.
    pub fn set(&mut self, findings: Vec<Finding>, generation: Option<i64>, now: &str) {
        let conditions = findings.into_iter().map(|found| {
            let before = self.condition(found.kind).filter(|before| before.status == found.status);
            let since = before.map_or(now, |before| &before.last_transition_time);
            Condition {
                kind: found.kind,
                status: found.status,
                observed_generation: generation,
                last_transition_time: since.to_owned(),
                reason: found.reason,
                message: found.message,
            }
        });
        self.conditions = conditions.collect();
        self.observed_generation = generation;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_written_is_written_whatever_is_found_next() {
        let ready = |reason| vec![Finding::good(Kind::Ready, reason, "")];
        let mut written = Status::default();
        written.set(ready(Reason::Ready), Some(1), "t1");
        let mut found = written.clone();
        found.claims = vec!["role app".to_owned()];
        found.issuer = Some("https://a.example.com".to_owned());
        found.set(ready(Reason::Applied), Some(1), "t2");
        let remembered = found.clone().unwritten(written.clone());
        // The next run finds the same, or finds again what was there before.
        for next in [Reason::Applied, Reason::Ready] {
            let mut status = remembered.clone();
            status.set(ready(next), Some(1), "t3");
            assert_ne!(status, remembered);
        }
        // What was not written is claimed anew, and what protects the issuer stays.
        assert_eq!((&remembered.claims, &remembered.issuer), (&written.claims, &found.issuer));
        assert_eq!(remembered.conditions, written.conditions);
    }

    #[test]
    fn the_time_of_a_condition_is_when_its_status_changed() {
        let mut status = Status::default();
        let bad = |message: &str| vec![Finding::bad(Kind::Ready, Reason::AccessDenied, message)];
        status.set(bad("a"), Some(1), "t1");
        let first = status.clone();
        status.set(bad("a"), Some(1), "t2");
        assert_eq!(status, first);
        status.set(bad("b"), Some(2), "t3");
        let ready = status.condition(Kind::Ready).unwrap();
        assert_eq!(
            (ready.last_transition_time.as_str(), ready.observed_generation),
            ("t1", Some(2))
        );
        status.set(vec![Finding::good(Kind::Ready, Reason::Ready, "")], Some(2), "t4");
        assert_eq!(status.condition(Kind::Ready).unwrap().last_transition_time, "t4");
        assert!(status.is(Kind::Ready) && !status.is(Kind::Verified));
    }
}
