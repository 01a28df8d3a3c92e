//! The events of the engine, in the log.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use issuer_change::Notice;
use issuer_reconcile::{Event, Events};

use crate::failure::Failure;

/// How long a message that is repeated in each step is not written again.
const QUIET: Duration = Duration::from_secs(60 * 60);

/// More messages than this are not remembered.
const REMEMBERED: usize = 10_000;

/// Writes events; those that each step has again are written once in an hour.
#[derive(Debug, Default)]
pub(crate) struct Log {
    said: RefCell<HashMap<String, Instant>>,
}

impl Log {
    /// Writes a notice.
    pub(super) fn notice(&self, issuer: &str, notice: &Notice) {
        if self.is_news(issuer, &notice.message) {
            tracing::warn!(issuer, id = &*notice.id, "{}", notice.message);
        }
    }

    /// Whether this was not written within the last hour.
    fn is_news(&self, issuer: &str, text: &str) -> bool {
        let (mut said, now) = (self.said.borrow_mut(), Instant::now());
        if said.len() >= REMEMBERED {
            said.retain(|_, when| now.duration_since(*when) < QUIET);
        }
        let key = format!("{issuer}\n{text}");
        match said.get(&key) {
            Some(when) if now.duration_since(*when) < QUIET => false,
            _ if said.len() >= REMEMBERED => true,
            _ => {
                said.insert(key, now);
                true
            }
        }
    }
}

impl Events for Log {
    fn event(&self, issuer: &str, event: Event<'_>) {
        match event {
            Event::Notice(notice) => self.notice(issuer, notice),
            Event::Using(text) if self.is_news(issuer, text) => {
                tracing::info!(issuer, "{text}");
            }
            Event::Replanned(_) => {
                tracing::info!(issuer, "changed by another writer, planned again");
            }
            Event::Kept(version) => {
                tracing::info!(issuer, version, "the published site is kept in the history");
            }
            Event::Started(what) => tracing::debug!(issuer, "changing {what}"),
            Event::Detail(text) => tracing::debug!(issuer, "{text}"),
            _ => {}
        }
    }
}

/// Writes a failure in one line.
pub(super) fn failure(issuer: &str, what: &str, failure: &Failure) {
    let causes = failure.causes.iter().map(|cause| format!(": {cause}")).collect::<String>();
    let hint = Some(failure.hints.join("; ")).filter(|hint| !hint.is_empty());
    tracing::error!(issuer, hint, "{what}: {}{causes}", failure.message);
}
