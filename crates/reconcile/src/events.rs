//! Events of a reconciliation.

use issuer_change::{ChangeSet, Notice};
use issuer_verify::Verdict;

use crate::RoleProof;

/// An event of one issuer.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The start of a wait: `reading the cluster's keys`.
    Waiting(&'a str),
    /// The end of a wait.
    Waited,
    /// A new plan, made after a concurrent change.
    Replanned(&'a ChangeSet),
    /// A resource is being changed: `keys.json`, `role app`.
    Started(&'a str),
    /// The published site was copied to the history under this name, before it is changed.
    Kept(&'a str),
    /// A fresh token of the cluster is signed by one of the keys, and has this issuer.
    LiveKeyProved,
    /// The issuer was read back and verified.
    Verified {
        /// The result.
        verdict: &'a Verdict,
        /// Whether it was read from a folder instead of over https.
        folder: bool,
    },
    /// AWS STS would accept a fresh token of a role, or has accepted it.
    Proved(&'a RoleProof),
    /// A warning for the user.
    Notice(&'a Notice),
    /// What the run works with: a cluster and its context; an account, region and profile.
    Using(&'a str),
    /// A detail, such as the keys.
    Detail(&'a str),
}

/// A receiver of events.
pub trait Events {
    /// Receives an event; `issuer` is its [`crate::Target::label`].
    fn event(&self, issuer: &str, event: Event<'_>);
}

/// Ignores all events.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Events for Silent {
    fn event(&self, _: &str, _: Event<'_>) {}
}
