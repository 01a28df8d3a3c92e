//! When a key may leave that its cluster does not publish any more, by what was recorded of it.
//!
//! Unlike [`crate::may_finish`], nothing is known here of when an API server was started: an external
//! signer changes its keys without a restart.

use crate::facts::MARGIN_SECS;

/// A published key that no source has any more, as the runs before have recorded it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Absence {
    /// Whether a source has ever had it: the new key of a rotation is published before.
    pub was_given: bool,
    /// Since when the runs are not given it, in seconds since 1970, if that was recorded.
    pub missing_secs: Option<u64>,
    /// Until when it may have signed at most, in seconds since 1970, if it was seen signing.
    pub signed_until_secs: Option<u64>,
}

impl Absence {
    /// From when on the key may be removed: every token that it has signed has expired, and its readers'
    /// clocks may differ. `None` as long as nothing says since when it is missing, or that a source has had it.
    #[must_use]
    pub fn may_go_secs(&self, token_secs: u64) -> Option<u64> {
        let last =
            self.missing_secs.filter(|_| self.was_given)?.max(self.signed_until_secs.unwrap_or(0));
        Some(last.saturating_add(token_secs).saturating_add(MARGIN_SECS))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: u64 = 24 * 60 * 60;

    #[test]
    fn a_key_of_which_nothing_was_recorded_stays() {
        let absence = Absence { was_given: true, missing_secs: None, signed_until_secs: Some(0) };
        assert_eq!(absence.may_go_secs(0), None);
        let announced = Absence { was_given: false, missing_secs: Some(0), ..absence };
        assert_eq!(announced.may_go_secs(0), None);
    }

    proptest! {
        #[test]
        fn no_token_of_a_key_that_may_go_is_valid(
            missing in 0..u64::MAX / 2,
            signed in prop::option::of(0..u64::MAX / 2),
            life in 0..10 * DAY,
        ) {
            let absence = Absence {
                was_given: true,
                missing_secs: Some(missing),
                signed_until_secs: signed,
            };
            let may_go = absence.may_go_secs(life).unwrap();
            prop_assert!(may_go >= missing + life + MARGIN_SECS);
            prop_assert!(signed.is_none_or(|signed| may_go >= signed + life + MARGIN_SECS));
        }
    }
}
