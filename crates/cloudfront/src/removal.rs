//! Deleting a distribution: it is disabled, which takes minutes to be everywhere, and then deleted.

use issuer_change::{Action, Change, ChangeSet, Describe, Field, Kind, Resource};
use issuer_publish::S3Location;

use crate::spec::comment;
use crate::{Distribution, FrontState};

/// What the deletion of an issuer removes from CloudFront. Its distribution has the comment of
/// issuerctl, or it is not found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrontRemoval {
    location: S3Location,
    pub(crate) distribution: Option<Distribution>,
    pub(crate) access_control: Option<String>,
    cache_policy: Option<String>,
    pub(crate) wrote: bool,
}

impl FrontRemoval {
    /// Plans the deletion for a place.
    #[must_use]
    pub fn new(location: &S3Location, state: &FrontState) -> Self {
        let FrontState { distribution, access_control, cache_policy } = state.clone();
        Self {
            location: location.clone(),
            distribution,
            access_control,
            cache_policy,
            wrote: false,
        }
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

    /// The cache policies that may not be used any more: that of the distribution, and that of the issuer.
    pub(crate) fn cache_policies(&self) -> Vec<String> {
        let of_distribution = self.distribution.as_ref().map(|there| &there.settings.cache_policy);
        let used = of_distribution.filter(|id| !id.is_empty());
        let own = self.cache_policy.as_ref().filter(|own| Some(*own) != used);
        used.into_iter().chain(own).cloned().collect()
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
            return;
        }
        // What a run has left that ended after the deletion of the distribution.
        let left =
            [("origin_access_control", &self.access_control), ("cache_policy", &self.cache_policy)];
        let left = left.into_iter().filter_map(|(name, id)| Some((name, id.as_deref()?)));
        let left: Vec<Field> = left.map(|(name, id)| Field::removed(name, id)).collect();
        if !left.is_empty() {
            let (name, locator) = (comment(&self.location), self.location.to_string());
            let resource = Resource::new(Kind::Distribution, name, locator);
            into.push(Change::new(resource, Action::Delete).with_fields(left));
        }
    }
}
