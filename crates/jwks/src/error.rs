//! What can be wrong with keys and key sets.

use crate::KeyId;

/// Why bytes are no key, or keys are no JWK Set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A kid of more than 1024 characters, the API server's limit.
    #[error("the kid is longer than 1024 characters")]
    KidTooLong,
    /// The document is not JSON.
    #[error("not JSON: {reason} at line {line} column {column}")]
    NotJson {
        /// What the JSON reader says.
        reason: String,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// One entry of `keys` is unusable.
    #[error("key {number} of the set{}: {fault}", .kid.as_ref().map(|k| format!(" (kid {k:?})")).unwrap_or_default())]
    Entry {
        /// Position in `keys`, from 1.
        number: usize,
        /// Its `kid`, where it has one.
        kid: Option<String>,
        /// What is wrong with it.
        fault: JwkFault,
    },
    /// Two different keys under one kid.
    #[error("two different keys have the kid {:?}", kid.as_str())]
    KidConflict {
        /// The kid they share.
        kid: KeyId,
    },
    /// More keys of one type than AWS STS accepts.
    #[error("{count} {key_type} keys; AWS STS accepts at most 100 of a type")]
    TooManyKeys {
        /// `RSA` or `EC`.
        key_type: &'static str,
        /// How many there are.
        count: usize,
    },
}

/// What is wrong with one entry of a JWK Set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwkFault {
    /// A private member (RFC 7518 sections 6.2.2, 6.3.2, 6.4.1).
    #[error("it has the private member {member:?}")]
    PrivateMember {
        /// `d`, `p`, `q`, `dp`, `dq`, `qi`, `oth` or `k`.
        member: &'static str,
    },
    /// No `kid`.
    #[error("it has no kid")]
    MissingKid,
}
