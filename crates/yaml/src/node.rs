//! A document as a tree of nodes, each with its place in the text.

use std::ops::Range;
use std::rc::Rc;

use serde_json::{Map, Value};

use crate::Error;

/// The values that one document may expand to.
const LIMIT: usize = 1_000_000;

/// The key whose mappings are merged into the one that has it (YAML type repository, `merge`).
const MERGE: &str = "<<";

/// A node of a document. Clones share their children.
#[derive(Debug, Clone)]
pub struct Node {
    pub(crate) span: Range<usize>,
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) kind: Rc<Kind>,
}

/// What a node is.
#[derive(Debug)]
#[non_exhaustive]
pub enum Kind {
    /// A scalar, as Kubernetes reads it.
    Scalar(Value),
    /// A sequence.
    Sequence {
        /// Whether it is written with brackets.
        flow: bool,
        /// Its items.
        items: Vec<Node>,
    },
    /// A mapping.
    Mapping {
        /// Whether it is written with braces.
        flow: bool,
        /// Its entries, in the order of the text.
        entries: Vec<Entry>,
    },
    /// An alias of a node that has an anchor.
    Alias(Node),
}

/// A key and its value.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key.
    pub key: Node,
    /// The value; an empty one is null.
    pub value: Node,
    /// Whether its mapping is written with braces.
    pub(crate) flow: bool,
}

impl Node {
    /// What it is.
    #[must_use]
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Its place in the text, in bytes, without anchor, tag and what follows its last child.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Its line, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// Whether it is an alias.
    #[must_use]
    pub fn is_alias(&self) -> bool {
        matches!(*self.kind, Kind::Alias(_))
    }

    /// Its items, through an alias; none if it is not a sequence.
    #[must_use]
    pub fn items(&self) -> &[Self] {
        match &*self.kind {
            Kind::Sequence { items, .. } => items,
            Kind::Alias(node) => node.items(),
            _ => &[],
        }
    }

    /// Its entries, through an alias; none if it is not a mapping.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        match &*self.kind {
            Kind::Mapping { entries, .. } => entries,
            Kind::Alias(node) => node.entries(),
            _ => &[],
        }
    }

    /// The entry with this key. Of two, the last, as in Kubernetes. Merged mappings are not looked
    /// at.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().rev().find(|entry| entry.key.is(key))
    }

    /// The value of [`Self::entry`].
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// Its value, with aliases and merged mappings resolved.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub fn value(&self) -> Result<Value, Error> {
        let mut left = LIMIT;
        self.resolve(&mut left).ok_or(Error::TooLarge { line: self.line, limit: LIMIT })
    }

    /// Whether it is written in flow style, which no block style can be part of.
    pub(crate) fn is_flow(&self) -> bool {
        matches!(*self.kind, Kind::Sequence { flow: true, .. } | Kind::Mapping { flow: true, .. })
    }

    pub(crate) fn is_collection(&self) -> bool {
        matches!(*self.kind, Kind::Sequence { .. } | Kind::Mapping { .. })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.items().is_empty() && self.entries().is_empty()
    }

    /// Calls `visit` for this node and all below it, as written: not through aliases.
    pub(crate) fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Self)) {
        visit(self);
        match &*self.kind {
            Kind::Sequence { items, .. } => items.iter().for_each(|item| item.walk(visit)),
            Kind::Mapping { entries, .. } => entries.iter().for_each(|entry| {
                entry.key.walk(visit);
                entry.value.walk(visit);
            }),
            Kind::Scalar(_) | Kind::Alias(_) => {}
        }
    }

    fn is(&self, key: &str) -> bool {
        matches!(&*self.kind, Kind::Scalar(Value::String(text)) if text == key)
    }

    fn resolve(&self, left: &mut usize) -> Option<Value> {
        *left = left.checked_sub(1)?;
        Some(match &*self.kind {
            Kind::Scalar(value) => value.clone(),
            Kind::Alias(node) => node.resolve(left)?,
            Kind::Sequence { items, .. } => {
                Value::Array(items.iter().map(|item| item.resolve(left)).collect::<Option<_>>()?)
            }
            Kind::Mapping { entries, .. } => {
                let mut map = Map::new();
                for entry in entries {
                    let value = entry.value.resolve(left)?;
                    if entry.key.is(MERGE) {
                        merge(&mut map, value, entries);
                    } else {
                        map.insert(entry.key.name(left)?, value);
                    }
                }
                Value::Object(map)
            }
        })
    }

    /// A key as JSON has it.
    fn name(&self, left: &mut usize) -> Option<String> {
        Some(match self.resolve(left)? {
            Value::String(text) => text,
            other => other.to_string(),
        })
    }
}

/// Adds what a merge key names and neither an earlier merge nor the mapping itself has.
fn merge(map: &mut Map<String, Value>, value: Value, entries: &[Entry]) {
    match value {
        Value::Object(merged) => {
            for (key, value) in merged {
                if !entries.iter().any(|entry| entry.key.is(&key)) {
                    map.entry(key).or_insert(value);
                }
            }
        }
        Value::Array(list) => list.into_iter().for_each(|value| merge(map, value, entries)),
        _ => {}
    }
}
