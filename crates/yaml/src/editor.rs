//! A text that is being changed. What is not about a change keeps its bytes.

use std::cell::OnceCell;
use std::cmp::Reverse;
use std::collections::HashSet;
use std::ops::Range;

use crate::layout::{Inline, Layout, is_double};
use crate::place::position;
use crate::{Document, Error, Node, parse};

/// A step of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// The value of a name.
    Name(&'a str),
    /// An item.
    Index(usize),
}

/// Where a value is.
pub type Path<'a> = [Step<'a>];

/// A text of YAML documents that is being changed. New lines follow the indentation, line breaks
/// and quoting of the document.
#[derive(Debug, Clone)]
pub struct Editor {
    pub(crate) text: String,
    documents: Vec<Document>,
    layouts: Vec<OnceCell<Layout>>,
}

/// A change of one place, made with others by [`Editor::apply`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    pub(crate) place: Range<usize>,
    pub(crate) text: String,
    /// Of two insertions at one place, the deeper one comes first. An item is deeper than a key in
    /// the column of its dash.
    pub(crate) depth: usize,
}

impl<'a> Step<'a> {
    /// A path of names.
    #[must_use]
    pub fn names(path: &[&'a str]) -> Vec<Self> {
        path.iter().copied().map(Step::Name).collect()
    }
}

impl Editor {
    /// # Errors
    /// [`Error::Syntax`].
    pub fn new(text: impl Into<String>) -> Result<Self, Error> {
        let text = text.into();
        let documents = parse(&text)?;
        let layouts = vec![OnceCell::new(); documents.len()];
        Ok(Self { text, documents, layouts })
    }

    /// The text with all changes.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text with all changes.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }

    /// The documents of the text.
    #[must_use]
    pub fn documents(&self) -> &[Document] {
        &self.documents
    }

    /// The content of each document.
    pub fn roots(&self) -> impl DoubleEndedIterator<Item = &Node> {
        self.documents.iter().map(|document| &document.root)
    }

    /// Line and column of a place, from 1.
    #[must_use]
    pub fn position(&self, at: usize) -> (usize, usize) {
        position(&self.text, at)
    }

    /// The node at a path, as it is written there, without following aliases.
    #[must_use]
    pub fn node(&self, document: usize, path: &Path<'_>) -> Option<&Node> {
        path.iter().try_fold(&self.documents.get(document)?.root, |node, step| match step {
            Step::Name(name) => node.entry(name).map(|entry| &entry.value),
            Step::Index(index) => node.items().get(*index),
        })
    }

    /// The first name that a mapping has twice; readers refuse it or disagree which one counts.
    #[must_use]
    pub fn duplicate(&self, within: Option<&[&str]>) -> Option<Error> {
        let mut found = None;
        let counts = |name: &str| name != "<<" && within.is_none_or(|names| names.contains(&name));
        for document in &self.documents {
            document.root.walk(&mut |node| {
                let mut names = HashSet::new();
                for key in node.entries().iter().map(|entry| &entry.key) {
                    let name = key.text().filter(|name| counts(name));
                    if found.is_none() && name.is_some_and(|name| !names.insert(name)) {
                        found = Some(key.first());
                    }
                }
            });
        }
        let (line, column) = position(&self.text, found?);
        Some(Error::Duplicate { line, column })
    }

    /// Adds text at the end.
    ///
    /// # Errors
    /// [`Error::Unsupported`].
    pub fn append(&mut self, new: &str) -> Result<(), Error> {
        let end = self.text.len();
        let newline = self.layout(0).newline;
        let missing = if self.text.is_empty() || self.text.ends_with('\n') { "" } else { newline };
        self.splice(end..end, format!("{missing}{}", new.replace('\n', newline)))
    }

    /// Makes several changes, none of which may concern the place of another.
    ///
    /// # Errors
    /// [`Error::Unsupported`]: the result is not valid.
    pub fn apply(&mut self, mut edits: Vec<Edit>) -> Result<(), Error> {
        edits.sort_by_key(|edit| (edit.place.start, Reverse(edit.depth)));
        let added: usize = edits.iter().map(|edit| edit.text.len()).sum();
        let mut text = String::with_capacity(self.text.len() + added);
        let mut at = 0;
        for edit in &edits {
            text.push_str(self.text.get(at..edit.place.start).ok_or(Error::Unsupported)?);
            text.push_str(&edit.text);
            at = edit.place.end.max(edit.place.start);
        }
        text.push_str(self.text.get(at..).ok_or(Error::Unsupported)?);
        *self = Self::new(text).map_err(|_| Error::Unsupported)?;
        Ok(())
    }

    pub(crate) fn splice(
        &mut self,
        place: Range<usize>,
        text: impl Into<String>,
    ) -> Result<(), Error> {
        self.apply(vec![Edit::new(place, text)])
    }

    pub(crate) fn existing(&self, document: usize, path: &Path<'_>) -> Result<&Node, Error> {
        self.node(document, path).ok_or(Error::Unsupported)
    }

    /// How the document, or else the text, is laid out.
    pub(crate) fn layout(&self, document: usize) -> Layout {
        let layout = || Layout::of(&self.text, &self.documents, document);
        self.layouts.get(document).map_or_else(layout, |known| *known.get_or_init(layout))
    }

    /// How a new child of a collection with braces or brackets is written: as its neighbors, or
    /// else as the document.
    pub(crate) fn inline(&self, document: usize, parent: &Node) -> Inline {
        let inline = self.layout(document).inline;
        Inline { json: inline.json || is_json(parent), ..inline }
    }

    /// Whether a node is within a collection with braces or brackets.
    pub(crate) fn in_flow(&self, document: usize, path: &Path<'_>) -> bool {
        (0..path.len()).any(|depth| self.node(document, &path[..depth]).is_some_and(Node::is_flow))
    }

    /// The dash of an item in block style.
    pub(crate) fn dash(&self, item: &Node) -> Result<usize, Error> {
        let dash = item.lead.checked_sub(1).filter(|&dash| self.text[dash..].starts_with('-'));
        dash.ok_or(Error::Unsupported)
    }
}

impl Edit {
    pub(crate) fn new(place: Range<usize>, text: impl Into<String>) -> Self {
        Self { place, text: text.into(), depth: 0 }
    }
}

/// Whether the children of a collection are quoted as in JSON.
fn is_json(parent: &Node) -> bool {
    if parent.is_empty() {
        return false;
    }
    parent.entries().iter().all(|entry| is_double(&entry.key))
        && parent.items().iter().all(|item| is_double(item) || (item.is_flow() && is_json(item)))
}
