//! What happens while an issuer is reconciled.

use issuer_change::{ChangeSet, Notice};
use issuer_verify::Verdict;

/// Something that happened, of one issuer.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// This is being waited for: `reading the cluster's keys`.
    Waiting(&'a str),
    /// What was waited for has come.
    Waited,
    /// Somebody else was faster: this is planned instead of what was planned before.
    Replanned(&'a ChangeSet),
    /// A resource is being changed: `keys.json`, `role app`.
    Started(&'a str),
    /// Everything of this issuer is done.
    Finished,
    /// A fresh token of the cluster is signed by one of the keys, and names the issuer.
    LiveKeyProved,
    /// The issuer was read back and judged.
    Verified {
        /// What was found.
        verdict: &'a Verdict,
        /// Whether it was read from a folder, and not as AWS STS does.
        folder: bool,
    },
    /// Something that the user has to be told.
    Notice(&'a Notice),
    /// Something that is not essential: which keys, which account.
    Detail(&'a str),
}

/// Who wants to know.
pub trait Events {
    /// `issuer` is what [`crate::Target::label`] says.
    fn event(&self, issuer: &str, event: Event<'_>);
}

/// Nobody does.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Events for Silent {
    fn event(&self, _: &str, _: Event<'_>) {}
}
