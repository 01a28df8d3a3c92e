//! How often a request is sent again: `AWS_RETRY_MODE`, `AWS_MAX_ATTEMPTS`, and the settings of the
//! profile.
//!
//! The SDK panics on values that it does not know, and `legacy`, which other tools take, is one.

use aws_config::profile::Profile;
use aws_config::retry::{RetryConfig, RetryMode};

use crate::Error;
use crate::chain::ProfileFault;

/// The modes (AWS SDKs and tools reference guide, "Retry behavior").
const MODES: &str = "is not standard, adaptive or legacy";

const NUMBERS: &str = "is not a whole number from 1 to 4294967295";

/// What the environment says of retries; the values are valid.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Retries {
    pub(crate) mode: Option<RetryMode>,
    pub(crate) max_attempts: Option<u32>,
}

impl Retries {
    /// Reads both values; an empty one counts as none.
    ///
    /// # Errors
    /// Which one is not valid, and what is allowed.
    pub(crate) fn parse(
        mode: Option<&str>,
        max_attempts: Option<&str>,
    ) -> Result<Self, (Field, &'static str)> {
        let set = |value: Option<&str>| {
            value.map(str::trim).filter(|value| !value.is_empty()).map(str::to_lowercase)
        };
        let mode = match set(mode).as_deref() {
            None => None,
            // What `legacy` differs in is retried in `standard`, too.
            Some("standard" | "legacy") => Some(RetryMode::Standard),
            Some("adaptive") => Some(RetryMode::Adaptive),
            Some(_) => return Err((Field::Mode, MODES)),
        };
        let max_attempts = match set(max_attempts).map(|text| text.parse::<u32>()) {
            None => None,
            Some(Ok(number)) if number > 0 => Some(number),
            Some(_) => return Err((Field::MaxAttempts, NUMBERS)),
        };
        Ok(Self { mode, max_attempts })
    }

    /// With what the environment does not say from the profile.
    ///
    /// # Errors
    /// [`Error::Profile`]
    pub(crate) fn or_of_profile(self, profile: Option<&Profile>) -> Result<RetryConfig, Error> {
        let Some(profile) = profile else { return Ok(self.config()) };
        // What the environment replaces is not looked at.
        let mode = profile.get("retry_mode").filter(|_| self.mode.is_none());
        let attempts = profile.get("max_attempts").filter(|_| self.max_attempts.is_none());
        let of_profile = Self::parse(mode, attempts).map_err(|(field, reason)| {
            let setting = match field {
                Field::Mode => "retry_mode",
                Field::MaxAttempts => "max_attempts",
            };
            let fault = ProfileFault::Retries { setting, reason };
            Error::Profile { profile: profile.name().to_owned(), fault }
        })?;
        let mode = self.mode.or(of_profile.mode);
        Ok(Self { mode, max_attempts: self.max_attempts.or(of_profile.max_attempts) }.config())
    }

    /// For the SDK.
    pub(crate) fn config(self) -> RetryConfig {
        let config = RetryConfig::standard();
        let config = self.mode.map_or(config.clone(), |mode| config.with_retry_mode(mode));
        self.max_attempts.map_or(config.clone(), |attempts| config.with_max_attempts(attempts))
    }
}

/// One of the two settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Mode,
    MaxAttempts,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_other_tools_take_is_taken_and_anything_else_is_refused() {
        for (mode, attempts, means) in [
            (None, None, (None, None)),
            (Some(""), Some(" "), (None, None)),
            (Some("legacy"), None, (Some(RetryMode::Standard), None)),
            (Some("Standard\n"), Some("1"), (Some(RetryMode::Standard), Some(1))),
            (Some("adaptive"), Some(" 7 "), (Some(RetryMode::Adaptive), Some(7))),
        ] {
            let parsed = Retries::parse(mode, attempts).unwrap();
            assert_eq!((parsed.mode, parsed.max_attempts), means, "{mode:?} {attempts:?}");
        }
        assert_eq!(Retries::parse(Some("xx"), None), Err((Field::Mode, MODES)));
        for wrong in ["0", "-1", "abc", "99999999999", "1.5"] {
            let refused = Retries::parse(None, Some(wrong));
            assert_eq!(refused, Err((Field::MaxAttempts, NUMBERS)), "{wrong}");
        }
    }

    #[test]
    fn without_settings_the_defaults_of_the_sdk_apply() {
        assert_eq!(Retries::default().config(), RetryConfig::standard());
        let once = Retries { mode: Some(RetryMode::Adaptive), max_attempts: Some(1) }.config();
        assert_eq!((once.mode(), once.max_attempts()), (RetryMode::Adaptive, 1));
    }
}
