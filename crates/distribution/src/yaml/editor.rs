//! Changes of single places. What is not about the change keeps its bytes.

use std::ops::Range;

use granit_parser::ScalarStyle;

use super::tree::{Document, Kind, Node, column, line_start, parse, position};
use super::value::{Layout, quoted};
use crate::Error;

/// A step of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step<'a> {
    Name(&'a str),
    Index(usize),
}

/// A text of YAML documents that is being changed.
#[derive(Debug, Clone)]
pub(crate) struct Editor {
    pub(super) text: String,
    documents: Vec<Document>,
}

pub(crate) type Path<'a> = [Step<'a>];

/// A path of names.
pub(crate) fn names<'a>(path: &[&'a str]) -> Vec<Step<'a>> {
    path.iter().map(|name| Step::Name(name)).collect()
}

impl Editor {
    /// # Errors
    /// [`Error::Yaml`].
    pub(crate) fn new(text: &str) -> Result<Self, Error> {
        Ok(Self { documents: parse(text)?, text: text.to_owned() })
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }

    pub(crate) fn documents(&self) -> &[Document] {
        &self.documents
    }

    pub(crate) fn position(&self, at: usize) -> (usize, usize) {
        position(&self.text, at)
    }

    /// The node at a path, as it stands there, without following aliases.
    pub(crate) fn node(&self, document: usize, path: &Path<'_>) -> Option<&Node> {
        path.iter().try_fold(&self.documents.get(document)?.root, |node, step| match step {
            Step::Name(name) => node.entry(name).map(|(_, value)| value),
            Step::Index(index) => node.items().get(*index).map(|item| &item.node),
        })
    }

    pub(super) fn existing(&self, document: usize, path: &Path<'_>) -> Result<&Node, Error> {
        self.node(document, path).ok_or(Error::Unsupported)
    }

    /// Makes sure that every node of the path stands at its place and nowhere else: aliases and
    /// merged mappings become copies, and what other places refer to moves there.
    pub(crate) fn own(&mut self, document: usize, path: &Path<'_>) -> Result<(), Error> {
        for depth in 0..=path.len() {
            let (above, here) = (&path[..depth.saturating_sub(1)], &path[..depth]);
            let tree = self.documents.get(document).ok_or(Error::Unsupported)?;
            match self.node(document, here) {
                Some(node) if matches!(node.kind, Kind::Alias { .. }) => {
                    let copy = self.copy(document, tree.resolve(node));
                    let place = node.first()..node.end;
                    self.splice(place, &copy)?;
                }
                Some(_) => {}
                None => {
                    let Some(Step::Name(name)) = path.get(depth.wrapping_sub(1)) else { break };
                    let Some(parent) = self.node(document, above) else { break };
                    let Some(merged) = tree.get(parent, name) else { break };
                    let copy = self.copy(document, merged);
                    self.insert_raw(document, above, name, &copy)?;
                }
            }
            self.release(document, here, false)?;
        }
        Ok(())
    }

    /// Gives the anchor of this node, or all anchors of its subtree, to the first alias elsewhere.
    pub(super) fn release(
        &mut self,
        document: usize,
        path: &Path<'_>,
        deep: bool,
    ) -> Result<(), Error> {
        loop {
            let tree = self.documents.get(document).ok_or(Error::Unsupported)?;
            let Some(node) = self.node(document, path) else { return Ok(()) };
            let inside = node.first()..node.end;
            let mut anchored = Vec::new();
            node.walk(&mut |node| {
                anchored.extend(node.anchor.as_ref().map(|anchor| (node, anchor)))
            });
            if !deep {
                anchored.retain(|(other, _)| other.start == node.start && other.end == node.end);
            }
            let mut first = None;
            tree.root.walk(&mut |other| {
                if let Kind::Alias { id } = other.kind
                    && first.is_none()
                    && !inside.contains(&other.start)
                    && let Some((node, anchor)) =
                        anchored.iter().find(|(_, anchor)| anchor.id == id)
                {
                    first = Some((other.start..other.end, *node, (*anchor).clone()));
                }
            });
            let Some((alias, node, anchor)) = first else { return Ok(()) };
            let copy = format!("&{} {}", anchor.name, self.copy(document, node));
            // The alias stands behind its anchor.
            self.splice_text(alias, &copy);
            let place = anchor_with_space(&self.text, anchor.place);
            self.splice(place, "")?;
        }
    }

    /// The subtree in flow style, without anchors and aliases.
    fn copy(&self, document: usize, node: &Node) -> String {
        let Some(tree) = self.documents.get(document) else { return String::new() };
        let node = tree.resolve(node);
        let tag = node.tag.clone().map(|tag| format!("{} ", &self.text[tag])).unwrap_or_default();
        let copy = match &node.kind {
            Kind::Scalar { value, style: ScalarStyle::Plain } => {
                let special = |c: char| ",[]{}#&*!|>'\"%@`".contains(c) || c.is_whitespace();
                if value.is_empty() {
                    "null".to_owned()
                } else if value.contains(special) || value.contains(": ") || value.ends_with(':') {
                    quoted(value)
                } else {
                    value.clone()
                }
            }
            Kind::Scalar { value, .. } => quoted(value),
            Kind::Sequence { items, .. } => {
                let items: Vec<String> =
                    items.iter().map(|item| self.copy(document, &item.node)).collect();
                format!("[{}]", items.join(", "))
            }
            Kind::Mapping { entries, .. } => {
                let entries = entries.iter().map(|(key, value)| {
                    format!("{}: {}", self.copy(document, key), self.copy(document, value))
                });
                format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
            }
            Kind::Alias { .. } => String::new(),
        };
        tag + &copy
    }

    pub(crate) fn layout_error(&self, node: &Node, reason: &str) -> Error {
        let (line, column) = self.position(node.first());
        Error::Layout { line, column, reason: reason.to_owned() }
    }

    /// Lines with their line breaks.
    pub(super) fn lines_of(&self, range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let mut at = range.start;
        let text = &self.text;
        std::iter::from_fn(move || {
            if at >= range.end {
                return None;
            }
            let end = text[at..].find('\n').map_or(text.len(), |length| at + length + 1);
            let line = at..end;
            at = end;
            Some(line)
        })
    }

    /// A comma, and a new line where the neighbor has one of its own.
    pub(super) fn flow_separator(&self, open: usize, neighbor: usize) -> String {
        let start = line_start(&self.text, neighbor);
        let before = &self.text[start..neighbor];
        if start > open && before.trim().is_empty() {
            let newline = if self.text[..start].ends_with("\r\n") { "\r\n" } else { "\n" };
            return format!(",{newline}{before}");
        }
        ", ".to_owned()
    }

    /// Whether a node stands within a flow collection.
    pub(super) fn in_flow(&self, document: usize, path: &Path<'_>) -> bool {
        (0..path.len()).any(|depth| self.node(document, &path[..depth]).is_some_and(Node::is_flow))
    }

    pub(super) fn is_json(&self, document: usize, path: &Path<'_>) -> bool {
        let parent = self.node(document, &path[..path.len().saturating_sub(1)]);
        parent.is_some_and(|parent| self.is_json_node(parent))
    }

    /// Whether the neighbors are quoted as in JSON; without neighbors, whether the file is.
    pub(super) fn is_json_node(&self, node: &Node) -> bool {
        let double = |node: &Node| node.style() == Some(ScalarStyle::DoubleQuoted);
        match &node.kind {
            Kind::Mapping { entries, .. } if !entries.is_empty() => {
                entries.iter().all(|(key, _)| double(key))
            }
            Kind::Sequence { items, .. } if !items.is_empty() => items.iter().all(|item| {
                double(&item.node) || (item.node.is_flow() && self.is_json_node(&item.node))
            }),
            _ => self.text.trim_start().starts_with(['{', '[']),
        }
    }

    /// How the document, or else the file, is laid out.
    pub(super) fn layout(&self, document: usize) -> Layout {
        let (mut step, mut dash) = (None, None);
        let here = self.documents.get(document).into_iter();
        for tree in here.chain(&self.documents) {
            tree.root.walk(&mut |node| {
                if !node.is_mapping() || node.is_flow() {
                    return;
                }
                for (key, value) in node.entries() {
                    let own = column(&self.text, key.first());
                    let below = column(&self.text, value.start);
                    match &value.kind {
                        Kind::Mapping { flow: false, .. } if below > own => {
                            step.get_or_insert(below - own);
                        }
                        Kind::Sequence { flow: false, .. } if below >= own => {
                            dash.get_or_insert(below - own);
                        }
                        _ => {}
                    }
                }
            });
        }
        let newline = if self.text.contains("\r\n") { "\r\n" } else { "\n" };
        let step = step.unwrap_or(2);
        Layout { step, dash: dash.unwrap_or(if step > 2 { step } else { 0 }), newline }
    }

    pub(super) fn splice_text(&mut self, place: Range<usize>, new: &str) {
        self.text.replace_range(place, new);
    }

    pub(super) fn splice(&mut self, place: Range<usize>, new: &str) -> Result<(), Error> {
        self.splice_text(place, new);
        self.documents = parse(&self.text).map_err(|_| Error::Unsupported)?;
        Ok(())
    }

    /// Adds text at the end of the file.
    pub(crate) fn append(&mut self, new: &str) -> Result<(), Error> {
        let end = self.text.len();
        let newline = self.layout(0).newline;
        let missing = if self.text.is_empty() || self.text.ends_with('\n') { "" } else { newline };
        let new = format!("{missing}{}", new.replace('\n', newline));
        self.splice(end..end, &new)
    }

    /// The first name that a mapping has twice; readers refuse it or disagree which one counts.
    pub(crate) fn duplicate(&self, within: Option<&[&str]>) -> Option<Error> {
        let mut found = None;
        for tree in &self.documents {
            tree.root.walk(&mut |node| {
                let entries = node.entries();
                for (index, (key, _)) in entries.iter().enumerate() {
                    let Some(name) = key.text() else { continue };
                    let counts = within.is_none_or(|names| names.contains(&name));
                    if counts
                        && found.is_none()
                        && name != "<<"
                        && entries[..index].iter().any(|(other, _)| other.text() == Some(name))
                    {
                        found = Some(key.first());
                    }
                }
            });
        }
        let (line, column) = position(&self.text, found?);
        let reason = "the mapping has this name twice".to_owned();
        Some(Error::Yaml { line, column, reason })
    }
}

/// An anchor with the space that divides it from what it names, or from the colon before it.
fn anchor_with_space(text: &str, place: Range<usize>) -> Range<usize> {
    let blank = [' ', '\t'];
    let rest = text[place.end..].trim_start_matches(blank);
    if rest.is_empty() || rest.starts_with(['\n', '\r', '#']) {
        text[..place.start].trim_end_matches(blank).len()..place.end
    } else {
        place.start..text.len() - rest.len()
    }
}
