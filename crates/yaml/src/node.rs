//! A document as a tree of nodes, each with its place in the text.

use std::ops::Range;
use std::rc::Rc;

use granit_parser::ScalarStyle;
use serde_json::{Map, Value};

use crate::Error;
use crate::scalar::{is_null, plain};

/// The values that one document may expand to.
pub(crate) const LIMIT: usize = 1_000_000;

/// The key whose mappings are merged into the one that has it (YAML type repository, `merge`).
const MERGE: &str = "<<";

/// How deep merged mappings are followed for one name.
const MERGES: u8 = 8;

/// A node of a document. Clones share what is below.
#[derive(Debug, Clone)]
pub struct Node {
    pub(crate) kind: Rc<Kind>,
    /// The text that may hold the node begins here: after the colon, the dash or the start of the
    /// document.
    pub(crate) lead: usize,
    /// Its first byte, without anchor and tag; for block scalars the header.
    pub(crate) start: usize,
    /// The byte after its last one, without line breaks that are not content.
    pub(crate) end: usize,
    pub(crate) anchor: Option<Anchor>,
    /// The place of the tag.
    pub(crate) tag: Option<Range<usize>>,
    /// How many levels are below it, through aliases.
    pub(crate) height: usize,
}

#[derive(Debug, Clone)]
pub(crate) struct Anchor {
    pub(crate) id: usize,
    pub(crate) name: String,
    pub(crate) place: Range<usize>,
}

/// What a node is.
#[derive(Debug)]
pub(crate) enum Kind {
    Scalar {
        text: String,
        style: ScalarStyle,
        /// Whether quotes or a tag make it a string, whatever it looks like.
        string: bool,
    },
    Sequence {
        flow: bool,
        items: Vec<Node>,
    },
    Mapping {
        flow: bool,
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
}

impl Node {
    /// Its first byte, anchor and tag included.
    #[must_use]
    pub fn first(&self) -> usize {
        let anchor = self.anchor.as_ref().map(|anchor| anchor.place.start);
        let tag = self.tag.as_ref().map(|tag| tag.start);
        [anchor, tag].into_iter().flatten().fold(self.start, usize::min)
    }

    /// Its bytes, without anchor and tag.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.start..self.end
    }

    /// The node that an alias stands for; itself if it is none.
    #[must_use]
    pub fn resolved(&self) -> &Self {
        match &*self.kind {
            Kind::Alias(node) => node.resolved(),
            _ => self,
        }
    }

    /// Its items as written, not through an alias; none if it is not a sequence.
    #[must_use]
    pub fn items(&self) -> &[Self] {
        match &*self.kind {
            Kind::Sequence { items, .. } => items,
            _ => &[],
        }
    }

    /// Its entries as written, not through an alias; none if it is not a mapping.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        match &*self.kind {
            Kind::Mapping { entries, .. } => entries,
            _ => &[],
        }
    }

    /// The entry of a name that is written in this mapping itself. Of two, the last, as in
    /// Kubernetes.
    #[must_use]
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries().iter().rev().find(|entry| entry.key.text() == Some(name))
    }

    /// The value of a name, through aliases and merged mappings.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.lookup(name, 0)
    }

    /// The value at a path of names, through aliases and merged mappings.
    #[must_use]
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self.resolved(), |node, name| node.get(name))
    }

    /// The text at a path of names.
    #[must_use]
    pub fn text_at(&self, path: &[&str]) -> Option<&str> {
        self.at(path).and_then(Self::text)
    }

    /// Names and values of a mapping, those of merged mappings included.
    #[must_use]
    pub fn members(&self) -> Vec<(&str, &Self)> {
        let mut members: Vec<(&str, &Self)> = Vec::new();
        let mut pending = vec![(self, 0_u8)];
        while let Some((node, depth)) = pending.pop() {
            let node = node.resolved();
            if depth > 0 {
                pending.extend(node.items().iter().rev().map(|item| (item, depth)));
            }
            for Entry { key, value } in node.entries().iter().rev() {
                match key.text().unwrap_or_default() {
                    MERGE if depth < MERGES => pending.push((value, depth + 1)),
                    name if members.iter().any(|(other, _)| *other == name) => {}
                    name => members.push((name, value)),
                }
            }
        }
        members
    }

    /// The text of a scalar as it is written, without quotes and escapes; `None` if it is null.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &*self.kind {
            Kind::Scalar { text, .. } if !self.is_null() => Some(text),
            _ => None,
        }
    }

    /// Its value as Kubernetes reads it, with aliases and merged mappings resolved.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub fn value(&self) -> Result<Value, Error> {
        let mut left = LIMIT;
        self.resolve(&mut left).ok_or(Error::TooLarge { limit: LIMIT })
    }

    /// How it is quoted, if it is a scalar.
    #[must_use]
    pub fn style(&self) -> Option<ScalarStyle> {
        match &*self.kind {
            Kind::Scalar { style, .. } => Some(*style),
            _ => None,
        }
    }

    /// Whether it is a mapping.
    #[must_use]
    pub fn is_mapping(&self) -> bool {
        matches!(*self.kind, Kind::Mapping { .. })
    }

    /// Whether it is a sequence.
    #[must_use]
    pub fn is_sequence(&self) -> bool {
        matches!(*self.kind, Kind::Sequence { .. })
    }

    /// Whether it is null, or has no value at all.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(&*self.kind, Kind::Scalar { text, string: false, .. } if is_null(text))
    }

    /// Whether it is null, or a mapping or sequence without content.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match &*self.kind {
            Kind::Mapping { entries, .. } => entries.is_empty(),
            Kind::Sequence { items, .. } => items.is_empty(),
            Kind::Scalar { .. } => self.is_null(),
            Kind::Alias(_) => false,
        }
    }

    /// Whether it is written with braces or brackets, which no block style can be part of.
    pub(crate) fn is_flow(&self) -> bool {
        matches!(*self.kind, Kind::Sequence { flow: true, .. } | Kind::Mapping { flow: true, .. })
    }

    pub(crate) fn is_alias(&self) -> bool {
        matches!(*self.kind, Kind::Alias(_))
    }

    /// Where the content may begin: after anchor and tag.
    pub(crate) fn after_properties(&self) -> usize {
        let anchor = self.anchor.as_ref().map(|anchor| anchor.place.end);
        let tag = self.tag.as_ref().map(|tag| tag.end);
        [anchor, tag].into_iter().flatten().fold(self.lead, usize::max)
    }

    /// Calls `visit` for this node and all below it, parents first, as written: not through
    /// aliases.
    pub(crate) fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Self)) {
        visit(self);
        self.items().iter().for_each(|item| item.walk(visit));
        for Entry { key, value } in self.entries() {
            key.walk(visit);
            value.walk(visit);
        }
    }

    fn lookup(&self, name: &str, depth: u8) -> Option<&Self> {
        let node = self.resolved();
        if let Some(entry) = node.entry(name) {
            return Some(entry.value.resolved());
        }
        if depth > MERGES {
            return None;
        }
        let merges = node.entries().iter().filter(|entry| entry.key.text() == Some(MERGE));
        merges.map(|entry| entry.value.resolved()).find_map(|merged| match merged.items() {
            [] => merged.lookup(name, depth + 1),
            items => items.iter().find_map(|item| item.lookup(name, depth + 1)),
        })
    }

    fn resolve(&self, left: &mut usize) -> Option<Value> {
        *left = left.checked_sub(1)?;
        Some(match &*self.kind {
            Kind::Scalar { text, string: true, .. } => Value::String(text.clone()),
            Kind::Scalar { text, .. } => plain(text),
            Kind::Alias(node) => node.resolve(left)?,
            Kind::Sequence { items, .. } => {
                Value::Array(items.iter().map(|item| item.resolve(left)).collect::<Option<_>>()?)
            }
            Kind::Mapping { entries, .. } => {
                let mut map = Map::new();
                for entry in entries {
                    let value = entry.value.resolve(left)?;
                    if entry.key.text() == Some(MERGE) {
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
                if !entries.iter().any(|entry| entry.key.text() == Some(&key)) {
                    map.entry(key).or_insert(value);
                }
            }
        }
        Value::Array(list) => list.into_iter().for_each(|value| merge(map, value, entries)),
        _ => {}
    }
}
