//! `--output jsonl` of `plan`, `apply` and `delete`: an object for each issuer as it ends, and the
//! totals at the end.

use issuer_change::{Summary, Tally};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Failed, Issuer, SCHEMA_VERSION};
use crate::failure::Failure;

/// An issuer that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its position in the files.
    pub(crate) index: usize,
    pub(crate) name: String,
    pub(crate) issuer: Issuer,
    pub(crate) failure: Option<Failure>,
}

/// A line of `--output jsonl`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Line {
    /// An issuer that has ended, with the members that it has in `--output json`.
    Issuer(Box<IssuerLine>),
    /// The last line of a run.
    Summary(SummaryLine),
    /// The only line of a run that failed before its first issuer.
    Error(Failed),
}

/// One issuer.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct IssuerLine {
    pub(crate) schema_version: u32,
    #[serde(flatten)]
    pub(crate) issuer: Issuer,
}

/// The totals of a run.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct SummaryLine {
    pub(crate) schema_version: u32,
    /// Whether the changes are only planned.
    pub(crate) dry_run: bool,
    /// Whether anything was changed, or would change.
    pub(crate) changed: bool,
    /// How many issuers the files have.
    pub(crate) issuers: usize,
    /// How many of them failed.
    pub(crate) failed: usize,
    /// How many resources are created, updated, deleted and kept.
    pub(crate) summary: Summary,
}

/// What is kept of the issuers that have ended.
#[derive(Debug)]
pub(crate) struct Totals {
    dry_run: bool,
    issuers: usize,
    tally: Tally,
    pub(crate) changed: bool,
    pub(crate) failed: usize,
}

impl Line {
    pub(crate) fn issuer(issuer: Issuer) -> Self {
        Self::Issuer(Box::new(IssuerLine { schema_version: SCHEMA_VERSION, issuer }))
    }

    pub(crate) fn summary(totals: &Totals) -> Self {
        let Totals { dry_run, issuers, changed, failed, .. } = *totals;
        let (schema_version, summary) = (SCHEMA_VERSION, totals.summary());
        Self::Summary(SummaryLine { schema_version, dry_run, changed, issuers, failed, summary })
    }
}

impl Totals {
    pub(crate) fn new(dry_run: bool) -> Self {
        let tally = Tally::default();
        Self { dry_run, issuers: 0, tally, changed: false, failed: 0 }
    }

    pub(crate) fn add(&mut self, issuer: &Issuer) {
        self.issuers += 1;
        self.changed |= issuer.changed;
        self.failed += usize::from(issuer.error.is_some());
        self.tally.add(&issuer.changes);
    }

    pub(crate) fn summary(&self) -> Summary {
        self.tally.summary()
    }

    /// What was done, in one line.
    pub(crate) fn done(&self) -> String {
        let done = self.issuers - self.failed;
        format!("{done} of {} issuers are up to date: {}", self.issuers, in_past(self.summary()))
    }
}

/// One issuer that has ended, in one line.
pub(crate) fn end_of_issuer(issuer: &Issuer) -> String {
    format!("{}: {}", issuer.name, in_past(Summary::of(&issuer.changes)))
}

fn in_past(summary: Summary) -> String {
    let Summary { create, update, delete, keep: _ } = summary;
    let counts = [(create, "created"), (update, "updated"), (delete, "deleted")];
    let named = counts.iter().filter(|(count, _)| *count > 0);
    let named: Vec<String> = named.map(|(count, what)| format!("{count} {what}")).collect();
    if named.is_empty() { "no changes".to_owned() } else { named.join(", ") }
}
