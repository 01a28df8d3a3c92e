//! The object of `history`, and its text.

use std::fmt::Write as _;

use issuer_diagnostic::{date, one_line};
use issuer_publish::HistoryEntry;
use issuer_redact::redact;
use serde::Serialize;

use super::{Key, SCHEMA_VERSION, layout};

/// `history`.
#[derive(Debug, Serialize)]
pub(crate) struct History {
    pub(crate) schema_version: u32,
    /// The issuer URL.
    pub(crate) issuer: String,
    /// What is published, and then what was published before, the newest first.
    pub(crate) versions: Vec<Version>,
}

/// A site, now or before.
#[derive(Debug, Serialize)]
pub(crate) struct Version {
    /// What `rollback` calls it; null is the one that is published now.
    pub(crate) version: Option<String>,
    /// When it was published; null if that is not known.
    pub(crate) published: Option<String>,
    /// Who published it; null if that is not known.
    pub(crate) by: Option<String>,
    /// Its keys; null if they cannot be read.
    pub(crate) keys: Option<Vec<Key>>,
    /// Why they cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unreadable: Option<String>,
    /// The keys that the site before it did not have.
    pub(crate) added: Vec<Key>,
    /// The keys that only the site before it had.
    pub(crate) removed: Vec<Key>,
}

impl History {
    pub(crate) fn new(issuer: &str, entries: &[HistoryEntry]) -> Self {
        let keys = |keys: &[issuer_jwks::Jwk]| keys.iter().map(Key::from).collect::<Vec<_>>();
        let version = |entry: &HistoryEntry| Version {
            version: entry.version.clone(),
            published: entry.published_secs.map(date),
            by: entry.by.as_deref().map(redact),
            keys: entry.keys.as_ref().ok().map(|set| keys(set.keys())),
            unreadable: entry.keys.as_ref().err().map(|error| redact(&one_line(error))),
            added: keys(&entry.added),
            removed: keys(&entry.removed),
        };
        let versions = entries.iter().map(version).collect();
        Self { schema_version: SCHEMA_VERSION, issuer: issuer.to_owned(), versions }
    }

    /// A table: one line for each site, and below it the keys that came and went with it.
    pub(crate) fn text(&self) -> String {
        let unknown = || "not known".to_owned();
        let mut rows = vec![["VERSION", "PUBLISHED", "KEYS", "BY"].map(str::to_owned)];
        rows.extend(self.versions.iter().map(|one| {
            [
                one.version.clone().unwrap_or_else(|| "(published now)".to_owned()),
                one.published.clone().unwrap_or_else(unknown),
                one.keys.as_ref().map_or_else(|| "?".to_owned(), |keys| keys.len().to_string()),
                one.by.clone().unwrap_or_else(unknown),
            ]
        }));
        let lines = layout::table(&rows);
        let mut text = String::new();
        for (index, line) in lines.iter().enumerate() {
            let _ = writeln!(text, "{line}");
            let Some(one) = index.checked_sub(1).and_then(|index| self.versions.get(index)) else {
                continue;
            };
            if let Some(reason) = &one.unreadable {
                let line = layout::hanging(&format!("    {reason}"), 4, layout::columns());
                let _ = writeln!(text, "{line}");
            }
            for (sign, keys) in [('+', &one.added), ('-', &one.removed)] {
                for key in keys {
                    let _ = writeln!(text, "    {sign} {:?}  {} {}", key.kid, key.kind, key.alg);
                }
            }
        }
        text
    }
}
