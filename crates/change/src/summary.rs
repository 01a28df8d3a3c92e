//! The last line of a plan.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Action, Change, Kind};

/// How many resources are created, updated, deleted and kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// Resources to create.
    pub create: usize,
    /// Resources to update.
    pub update: usize,
    /// Resources to delete.
    pub delete: usize,
    /// Resources that are kept.
    pub keep: usize,
}

/// The changes of many issuers, of which only what a [`Summary`] needs is kept.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    actions: BTreeMap<(Kind, String), Action>,
}

impl Tally {
    /// Adds the changes of one issuer. A resource that several issuers share counts once, with the
    /// first change that does not keep it.
    pub fn add<'a>(&mut self, changes: impl IntoIterator<Item = &'a Change>) {
        for change in changes {
            let resource = (change.resource.kind, change.resource.locator.clone());
            let action = self.actions.entry(resource).or_insert(change.action);
            if *action == Action::Keep {
                *action = change.action;
            }
        }
    }

    /// The number of resources for each action.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let count = |wanted| self.actions.values().filter(|action| **action == wanted).count();
        Summary {
            create: count(Action::Create),
            update: count(Action::Update),
            delete: count(Action::Delete),
            keep: count(Action::Keep),
        }
    }
}

impl Summary {
    /// Counts each resource once, regardless of its fields, as [`Tally::add`] does.
    #[must_use]
    pub fn of<'a>(changes: impl IntoIterator<Item = &'a Change>) -> Self {
        let mut tally = Tally::default();
        tally.add(changes);
        tally.summary()
    }

    /// Whether anything is created, updated or deleted.
    #[must_use]
    pub fn changes_anything(&self) -> bool {
        self.create + self.update + self.delete > 0
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { create, update, delete, keep } = self;
        if !self.changes_anything() {
            return f.write_str("no changes");
        }
        write!(f, "{create} to create, {update} to update, {delete} to delete, {keep} to keep")
    }
}
