//! The last line of a plan.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Action, Change};

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

impl Summary {
    /// Counts each resource once, regardless of its fields. A resource that several issuers share
    /// counts once, with the first change that does not keep it.
    #[must_use]
    pub fn of<'a>(changes: impl IntoIterator<Item = &'a Change>) -> Self {
        let mut actions = std::collections::BTreeMap::new();
        for change in changes {
            let resource = (change.resource.kind, change.resource.locator.as_str());
            let action = actions.entry(resource).or_insert(change.action);
            if *action == Action::Keep {
                *action = change.action;
            }
        }
        let count = |wanted| actions.values().filter(|action| **action == wanted).count();
        Self {
            create: count(Action::Create),
            update: count(Action::Update),
            delete: count(Action::Delete),
            keep: count(Action::Keep),
        }
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
