//! Changes to a text, each as small as it can be.

use std::ops::Range;

use serde_json::Value;

use crate::layout::Style;
use crate::{Entry, Kind, Node};

/// Collects changes to one document of a text; [`Self::finish`] makes them.
///
/// Everything that a change does not concern stays as it is, to the byte. New lines follow the
/// indentation, line breaks and quoting of the document.
#[derive(Debug)]
pub struct Editor<'a> {
    text: &'a str,
    style: Style,
    edits: Vec<Edit>,
}

#[derive(Debug)]
struct Edit {
    span: Range<usize>,
    text: String,
    /// Of two insertions at one place, the deeper one comes first. An item is deeper than a key in
    /// the column of its dash.
    depth: usize,
}

impl<'a> Editor<'a> {
    /// An editor for a document of the text.
    #[must_use]
    pub fn new(text: &'a str, document: &Node) -> Self {
        Self { text, style: style(text, document), edits: Vec::new() }
    }

    /// Adds items at the end of the sequence that is the entry's value. One that is null or empty
    /// becomes a sequence; an alias becomes a copy of what it stands for.
    pub fn append(&mut self, entry: &Entry, values: &[Value]) {
        match &*entry.value.kind {
            Kind::Sequence { flow: false, items } if !items.is_empty() => {
                let column = entry.value.column;
                let lines = self.style.items(values, column);
                self.lines_after(entry.value.span.end, lines, column * 2 + 1);
            }
            Kind::Sequence { flow: true, items } => match (items.first(), items.last()) {
                (Some(first), Some(last)) => {
                    let added: Vec<String> =
                        values.iter().map(|value| self.inner(value, &entry.value, first)).collect();
                    let separator = self.separator(&entry.value, first);
                    self.insert(last.span.end, format!("{separator}{}", added.join(&separator)));
                }
                _ => self.set(entry, &Value::Array(values.to_vec())),
            },
            Kind::Alias(node) => {
                let mut all = match node.value() {
                    Ok(Value::Array(all)) => all,
                    _ => Vec::new(),
                };
                all.extend_from_slice(values);
                self.replace(&entry.value, &Value::Array(all));
            }
            _ => self.set(entry, &Value::Array(values.to_vec())),
        }
    }

    /// Adds an item in front of the sequence that is the entry's value, otherwise like
    /// [`Self::append`].
    pub fn prepend(&mut self, entry: &Entry, value: &Value) {
        match &*entry.value.kind {
            Kind::Sequence { flow: false, items } if !items.is_empty() => {
                let column = entry.value.column;
                let lines = self.style.items(std::slice::from_ref(value), column);
                self.lines_after(entry.key.span.end, lines, column * 2 + 1);
            }
            Kind::Sequence { flow: true, items } if !items.is_empty() => {
                let Some(first) = items.first() else { return };
                let added = self.inner(value, &entry.value, first);
                let separator = self.separator(&entry.value, first);
                self.insert(first.span.start, format!("{added}{separator}"));
            }
            Kind::Alias(node) => {
                let mut all = vec![value.clone()];
                if let Ok(Value::Array(rest)) = node.value() {
                    all.extend(rest);
                }
                self.replace(&entry.value, &Value::Array(all));
            }
            _ => self.set(entry, &Value::Array(vec![value.clone()])),
        }
    }

    /// Adds an entry at the end of a mapping that does not have its key.
    pub fn add(&mut self, mapping: &Node, key: &str, value: &Value) {
        let Kind::Mapping { flow, entries } = &*mapping.kind else { return };
        match entries.last() {
            Some(last) if *flow => {
                let first = &entries.first().unwrap_or(last).key;
                let colon = if self.style.spaced { ": " } else { ":" };
                let key = self.style.flow(&Value::from(key));
                let value = self.inner(value, mapping, first);
                let separator = self.separator(mapping, first);
                let end = last.value.span.end.max(last.key.span.end);
                self.insert(end, format!("{separator}{key}{colon}{value}"));
            }
            Some(_) => {
                let column = mapping.column;
                let lines = self.style.entry(key, value, column);
                self.lines_after(mapping.span.end, lines, column * 2);
            }
            None => {
                let map = std::iter::once((key.to_owned(), value.clone())).collect();
                self.replace(mapping, &Value::Object(map));
            }
        }
    }

    /// Replaces a node, on its line.
    pub fn replace(&mut self, node: &Node, value: &Value) {
        let text = self.style.flow(value);
        self.edits.push(Edit { span: node.span(), text, depth: 0 });
    }

    /// Replaces every alias of the document by a copy of what it stands for, so that each part can
    /// be changed by itself.
    pub fn expand(&mut self, document: &Node) {
        let mut aliases = Vec::new();
        document.walk(&mut |node| {
            if node.is_alias() {
                aliases.push(node.clone());
            }
        });
        for alias in aliases {
            if let Ok(value) = alias.value() {
                self.replace(&alias, &value);
            }
        }
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// The text with all changes.
    #[must_use]
    pub fn finish(mut self) -> String {
        self.edits.sort_by_key(|edit| (edit.span.start, std::cmp::Reverse(edit.depth)));
        let mut out = String::with_capacity(self.text.len() + 1024);
        let mut at = 0;
        for edit in &self.edits {
            out.push_str(self.text.get(at..edit.span.start).unwrap_or_default());
            out.push_str(&edit.text);
            at = at.max(edit.span.end);
        }
        out.push_str(self.text.get(at..).unwrap_or_default());
        out
    }

    /// Gives an entry a value in place of an empty one.
    fn set(&mut self, entry: &Entry, value: &Value) {
        let between = self.text.get(entry.key.span.end..entry.value.span.start);
        let is_plain = between.is_some_and(|between| between.trim() == ":");
        let old = self.text.get(entry.value.span()).unwrap_or_default();
        let is_null = old.is_empty();
        // Flow style, an anchor or a tag, a value on other lines: the new one takes its place.
        if entry.flow || entry.value.line != entry.key.line || old.contains('\n') {
            return self.replace(&entry.value, value);
        }
        if !is_null && !is_plain {
            return self.replace(&entry.value, value);
        }
        let Some(colon) = self.colon(entry) else {
            return self.replace(&entry.value, value);
        };
        if !is_null {
            let span = colon..entry.value.span.end;
            self.edits.push(Edit { span, text: String::new(), depth: 0 });
        }
        let column = entry.key.column;
        let lines = self.style.entry("x", value, column).split_off(1);
        self.lines_after(colon.max(entry.value.span.end), lines, column * 2 + 1);
    }

    /// Behind the colon of an entry.
    fn colon(&self, entry: &Entry) -> Option<usize> {
        let rest = self.text.get(entry.key.span.end..)?;
        let colon = rest.find(':')?;
        rest[..colon].trim().is_empty().then_some(entry.key.span.end + colon + 1)
    }

    /// Adds lines behind the line that the offset is on.
    fn lines_after(&mut self, offset: usize, lines: Vec<String>, depth: usize) {
        let rest = self.text.get(offset..).unwrap_or_default();
        let end = rest
            .find('\n')
            .map_or(rest.len(), |end| if rest[..end].ends_with('\r') { end - 1 } else { end });
        let text = lines.iter().map(|line| format!("{}{line}", self.style.newline)).collect();
        self.edits.push(Edit { span: offset + end..offset + end, text, depth });
    }

    fn insert(&mut self, at: usize, text: String) {
        self.edits.push(Edit { span: at..at, text, depth: 0 });
    }

    /// A child of a flow collection, on several lines if its siblings are.
    fn inner(&self, value: &Value, parent: &Node, first: &Node) -> String {
        match self.indents(parent, first) {
            Some((own, step)) => self.style.pretty(value, own, step),
            None => self.style.flow(value),
        }
    }

    fn separator(&self, parent: &Node, first: &Node) -> String {
        match self.indents(parent, first) {
            Some((own, _)) => format!(",{}{own}", self.style.newline),
            None if self.style.spaced => ", ".to_owned(),
            None => ",".to_owned(),
        }
    }

    /// The indentation of the first child, and by how much it is deeper than the line of its
    /// parent, if it is on a line of its own.
    fn indents(&self, parent: &Node, first: &Node) -> Option<(&'a str, &'a str)> {
        let own = self.indent(first.span.start);
        let is_alone = self.text.get(..first.span.start)?.ends_with(own)
            && self.line_start(first.span.start) + own.len() == first.span.start
            && parent.line != first.line;
        let outer = self.indent(parent.span.start);
        is_alone.then(|| (own, own.strip_prefix(outer).unwrap_or("  ")))
    }

    fn line_start(&self, offset: usize) -> usize {
        self.text.get(..offset).and_then(|text| text.rfind('\n')).map_or(0, |end| end + 1)
    }

    fn indent(&self, offset: usize) -> &'a str {
        let line = self.text.get(self.line_start(offset)..).unwrap_or_default();
        line.get(..line.len() - line.trim_start_matches([' ', '\t']).len()).unwrap_or_default()
    }
}

fn style(text: &str, document: &Node) -> Style {
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut dash = None;
    document.walk(&mut |node| {
        for entry in node.entries() {
            let is_block = entry.value.is_collection() && !entry.value.is_flow();
            let is_sequence = matches!(entry.value.kind(), Kind::Sequence { .. });
            if is_block && is_sequence && !entry.value.is_empty() && !node.is_alias() {
                dash.get_or_insert(entry.value.column.saturating_sub(entry.key.column));
            }
        }
    });
    let json = document.is_flow();
    let own = text.get(document.span()).unwrap_or_default();
    let spaced = !json || own.contains("\": ") || own.contains('\n');
    Style { newline, dash: dash.unwrap_or(0).min(8), json, spaced }
}
