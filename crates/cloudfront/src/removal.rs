//! Deleting a distribution: it is disabled, which takes minutes to be everywhere, and then deleted.

use issuer_change::{Action, Change, ChangeSet, Describe, Kind, Resource};

use crate::{Distribution, FrontState};

/// What the deletion of an issuer removes from CloudFront. Its distribution has the comment of
/// issuerctl, or it is not found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrontRemoval {
    pub(crate) distribution: Option<Distribution>,
    pub(crate) access_control: Option<String>,
    pub(crate) wrote: bool,
}

impl FrontRemoval {
    /// Plans the deletion.
    #[must_use]
    pub fn new(state: &FrontState) -> Self {
        let (distribution, access_control) =
            (state.distribution.clone(), state.access_control.clone());
        Self { distribution, access_control, wrote: false }
    }

    /// The distribution that is deleted, as it was before.
    #[must_use]
    pub fn distribution(&self) -> Option<&Distribution> {
        self.distribution.as_ref()
    }

    /// Whether the execution has changed something, also if it failed.
    #[must_use]
    pub fn wrote(&self) -> bool {
        self.wrote
    }
}

impl Describe for FrontRemoval {
    fn describe(&self, into: &mut ChangeSet) {
        if let Some(there) = &self.distribution {
            let resource = Resource::new(Kind::Distribution, &there.id, &there.arn);
            into.push(Change::new(resource, Action::Delete));
            into.notice(
                "distribution-deletion",
                format!(
                    "the distribution {} is disabled first, and deleted when that is everywhere, usually \
                     after 3 to 10 minutes",
                    there.id
                ),
            );
        }
    }
}
