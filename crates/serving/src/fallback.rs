//! Credentials for the case that AWS STS refuses those of the pod.

use std::sync::atomic::{AtomicBool, Ordering};

use issuer_session::Fallback;

use crate::Metrics;

/// Tells by metric and log when the fallback profile comes into use, and when it no longer is.
#[derive(Debug, Default)]
pub struct FallbackWatch {
    fallback: Option<Fallback>,
    was_in_use: AtomicBool,
}

impl FallbackWatch {
    /// Watches a fallback profile; without one there is nothing to tell.
    #[must_use]
    pub fn new(fallback: Option<Fallback>) -> Self {
        Self { fallback, was_in_use: AtomicBool::new(false) }
    }

    /// Looks whether it is in use. To be called after every step.
    pub fn look(&self, metrics: &Metrics) {
        let Some(fallback) = &self.fallback else { return };
        let refusal = fallback.refusal();
        metrics.fallback_credentials(refusal.is_some());
        let was_in_use = self.was_in_use.swap(refusal.is_some(), Ordering::Relaxed);
        let profile = fallback.profile();
        match refusal {
            Some(refusal) if !was_in_use => tracing::warn!(
                profile,
                "AWS STS refuses the web identity token of this program ({refusal}): the credentials of \
                 the fallback profile are in use"
            ),
            None if was_in_use => tracing::info!(
                profile,
                "AWS STS accepts the web identity token of this program: the fallback profile is not in \
                 use any more"
            ),
            _ => {}
        }
    }
}
