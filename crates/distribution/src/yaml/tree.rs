//! YAML with the place of every node, so that a change touches only the bytes that it is about.

use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, StructureStyle};

use crate::Error;

/// One document.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    pub(crate) root: Node,
}

/// A node and its place.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    /// The text that may hold the node begins here: after the colon, the dash or the start of the
    /// document.
    pub(crate) lead: usize,
    /// Its first byte, without anchor and tag; for block scalars the header.
    pub(crate) start: usize,
    /// The byte after its last one, without line breaks that are not content.
    pub(crate) end: usize,
    /// The anchor, if it has one.
    pub(crate) anchor: Option<Anchor>,
    /// Place of the tag.
    pub(crate) tag: Option<Range<usize>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Anchor {
    pub(crate) id: usize,
    pub(crate) name: String,
    pub(crate) place: Range<usize>,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Scalar { value: String, style: ScalarStyle },
    Sequence { flow: bool, items: Vec<Item> },
    Mapping { flow: bool, entries: Vec<(Node, Node)> },
    Alias { id: usize },
}

/// An item of a sequence; in block style with its dash.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) dash: usize,
    pub(crate) node: Node,
}

/// Reads all documents of a text.
///
/// # Errors
/// [`Error::Yaml`]; it quotes nothing of the text, which may hold secrets.
pub(crate) fn parse(text: &str) -> Result<Vec<Document>, Error> {
    // Generated files of Talos have long comments, for which the parser has a limit.
    let options = granit_parser::options! { emit_comments: false, emit_anchor_events: true };
    let mut documents = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    let mut begin = 0;
    let mut root: Option<Node> = None;
    let mut fresh = false;
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| {
            let (line, column) = (error.marker().line(), error.marker().col() + 1);
            Error::Yaml { line, column, reason: error.kind().to_string() }
        })?;
        let place = span.byte_range().unwrap_or_default();
        let tag = span.tag_span().and_then(|span| span.byte_range());
        let node = |kind| Node {
            kind,
            lead: 0,
            start: place.start,
            end: place.end,
            anchor: None,
            tag: tag.clone(),
        };
        match event {
            Event::DocumentStart(..) => {
                (begin, root) = (place.end, None);
            }
            Event::DocumentEnd => {
                if let Some(mut root) = root.take() {
                    root.locate(text, begin)?;
                    documents.push(Document { root });
                }
            }
            Event::Scalar(value, style, ..) => {
                // The parser gives `~` for nothing at all.
                let empty = style == ScalarStyle::Plain && place.is_empty();
                let value = if empty { String::new() } else { value.into_owned() };
                push(&mut open, &mut root, node(Kind::Scalar { value, style }));
                fresh = true;
                continue;
            }
            Event::Alias(id) => push(&mut open, &mut root, node(Kind::Alias { id })),
            Event::SequenceStart(style, ..) => {
                let flow = style == StructureStyle::Flow;
                open.push(Open::new(node(Kind::Sequence { flow, items: Vec::new() })));
            }
            Event::MappingStart(style, ..) => {
                let flow = style == StructureStyle::Flow;
                open.push(Open::new(node(Kind::Mapping { flow, entries: Vec::new() })));
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(mut closed) = open.pop() {
                    closed.node.end = place.end;
                    push(&mut open, &mut root, closed.node);
                }
            }
            Event::Anchor(id, name) => {
                let anchor = Anchor { id, name: name.into_owned(), place };
                let last = if fresh {
                    last_scalar(&mut open, &mut root)
                } else {
                    open.last_mut().map(|open| &mut open.node)
                };
                if let Some(node) = last {
                    node.anchor = Some(anchor);
                }
            }
            _ => {}
        }
        fresh = false;
    }
    Ok(documents)
}

/// A collection that is being read.
struct Open {
    node: Node,
    key: Option<Node>,
}

impl Open {
    fn new(node: Node) -> Self {
        Self { node, key: None }
    }
}

fn push(open: &mut [Open], root: &mut Option<Node>, node: Node) {
    let Some(last) = open.last_mut() else {
        *root = Some(node);
        return;
    };
    match &mut last.node.kind {
        Kind::Sequence { items, .. } => items.push(Item { dash: 0, node }),
        Kind::Mapping { entries, .. } => match last.key.take() {
            None => last.key = Some(node),
            Some(key) => entries.push((key, node)),
        },
        _ => {}
    }
}

fn last_scalar<'a>(open: &'a mut [Open], root: &'a mut Option<Node>) -> Option<&'a mut Node> {
    let Some(last) = open.last_mut() else { return root.as_mut() };
    if last.key.is_some() {
        return last.key.as_mut();
    }
    match &mut last.node.kind {
        Kind::Sequence { items, .. } => items.last_mut().map(|item| &mut item.node),
        Kind::Mapping { entries, .. } => entries.last_mut().map(|(_, value)| value),
        _ => None,
    }
}

impl Node {
    /// Finds dashes, colons and ends, which the parser does not report.
    fn locate(&mut self, text: &str, lead: usize) -> Result<(), Error> {
        self.lead = lead;
        let inside = self.after_properties();
        match &mut self.kind {
            Kind::Scalar { style: ScalarStyle::Literal | ScalarStyle::Folded, .. } => {
                self.start = skip_blank(text, inside);
                let header = &text[self.start..line_end(text, self.start)];
                let keeps = header.split('#').next().is_some_and(|header| header.contains('+'));
                let content = &text[self.start..self.end.max(self.start)];
                let content = if keeps {
                    content
                        .strip_suffix('\n')
                        .map_or(content, |c| c.strip_suffix('\r').unwrap_or(c))
                } else {
                    content.trim_end()
                };
                self.end = (self.start + content.len()).max(self.start + header.trim_end().len());
            }
            Kind::Scalar { style: ScalarStyle::Plain, value } if value.is_empty() => {
                (self.start, self.end) = (inside, inside);
            }
            Kind::Scalar { .. } | Kind::Alias { .. } => {}
            Kind::Mapping { flow, entries } => {
                let mut end = inside;
                for (key, value) in entries.iter_mut() {
                    let lead = key.start;
                    key.locate(text, lead)?;
                    let after = skip_blank(text, key.end);
                    let colon = text[after..].starts_with(':');
                    value.locate(text, if colon { after + 1 } else { key.end })?;
                    end = value.end;
                }
                if !*flow {
                    self.start = entries.first().map_or(inside, |(key, _)| key.first());
                    self.end = end;
                }
            }
            Kind::Sequence { flow, items } => {
                let mut end = inside;
                for item in items.iter_mut() {
                    if *flow {
                        let lead = item.node.first();
                        item.dash = lead;
                        item.node.locate(text, lead)?;
                    } else {
                        item.dash = skip_blank(text, end);
                        if !text[item.dash..].starts_with('-') {
                            return Err(Error::Unsupported);
                        }
                        item.node.locate(text, item.dash + 1)?;
                    }
                    end = item.node.end;
                }
                if !*flow {
                    self.start = items.first().map_or(inside, |item| item.dash);
                    self.end = end;
                }
            }
        }
        Ok(())
    }

    /// Where the content may begin: after anchor and tag.
    pub(crate) fn after_properties(&self) -> usize {
        let ends = [
            self.anchor.as_ref().map(|anchor| anchor.place.end),
            self.tag.as_ref().map(|tag| tag.end),
        ];
        ends.into_iter().flatten().chain([self.lead]).max().unwrap_or(self.lead)
    }

    /// Its first byte, anchor and tag included.
    pub(crate) fn first(&self) -> usize {
        let starts = [
            self.anchor.as_ref().map(|anchor| anchor.place.start),
            self.tag.as_ref().map(|tag| tag.start),
        ];
        starts.into_iter().flatten().chain([self.start]).min().unwrap_or(self.start)
    }

    pub(crate) fn entries(&self) -> &[(Node, Node)] {
        match &self.kind {
            Kind::Mapping { entries, .. } => entries,
            _ => &[],
        }
    }

    pub(crate) fn items(&self) -> &[Item] {
        match &self.kind {
            Kind::Sequence { items, .. } => items,
            _ => &[],
        }
    }

    pub(crate) fn is_mapping(&self) -> bool {
        matches!(self.kind, Kind::Mapping { .. })
    }

    pub(crate) fn is_sequence(&self) -> bool {
        matches!(self.kind, Kind::Sequence { .. })
    }

    pub(crate) fn is_flow(&self) -> bool {
        matches!(self.kind, Kind::Mapping { flow: true, .. } | Kind::Sequence { flow: true, .. })
    }

    /// A mapping, list or value without content.
    pub(crate) fn is_empty(&self) -> bool {
        match &self.kind {
            Kind::Mapping { entries, .. } => entries.is_empty(),
            Kind::Sequence { items, .. } => items.is_empty(),
            Kind::Scalar { .. } => self.is_null(),
            Kind::Alias { .. } => false,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar { value, style: ScalarStyle::Plain }
            if matches!(value.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The text of a scalar.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { value, .. } if !self.is_null() => Some(value),
            _ => None,
        }
    }

    pub(crate) fn style(&self) -> Option<ScalarStyle> {
        match &self.kind {
            Kind::Scalar { style, .. } => Some(*style),
            _ => None,
        }
    }

    /// The entry of a name that stands in this mapping itself.
    pub(crate) fn entry(&self, name: &str) -> Option<&(Node, Node)> {
        self.entries().iter().find(|(key, _)| key.text() == Some(name))
    }

    /// All nodes below, parents first.
    pub(crate) fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Node)) {
        visit(self);
        for (key, value) in self.entries() {
            key.walk(visit);
            value.walk(visit);
        }
        for item in self.items() {
            item.node.walk(visit);
        }
    }
}

impl Document {
    /// The node that an alias stands for.
    pub(crate) fn resolve<'a>(&'a self, node: &'a Node) -> &'a Node {
        let Kind::Alias { id } = node.kind else { return node };
        let mut found = None;
        self.root.walk(&mut |node| {
            if node.anchor.as_ref().is_some_and(|anchor| anchor.id == id) {
                found = Some(node);
            }
        });
        found.unwrap_or(node)
    }

    /// The value of a name, through aliases and merge keys (`<<`, YAML 1.1).
    pub(crate) fn get<'a>(&'a self, node: &'a Node, name: &str) -> Option<&'a Node> {
        self.lookup(node, name, 0)
    }

    /// The value at a path of names.
    pub(crate) fn at<'a>(&'a self, path: &[&str]) -> Option<&'a Node> {
        path.iter().try_fold(self.resolve(&self.root), |node, name| self.get(node, name))
    }

    /// The text at a path of names.
    pub(crate) fn text_at(&self, path: &[&str]) -> Option<&str> {
        self.at(path).and_then(Node::text)
    }

    /// Names and values of a mapping, those of merged mappings included.
    pub(crate) fn members<'a>(&'a self, node: &'a Node) -> Vec<(&'a str, &'a Node)> {
        let mut members: Vec<(&str, &Node)> = Vec::new();
        let mut pending = vec![(node, 0_u8)];
        while let Some((node, depth)) = pending.pop() {
            let node = self.resolve(node);
            pending.extend(
                node.items().iter().rev().filter(|_| depth > 0).map(|item| (&item.node, depth)),
            );
            for (key, value) in node.entries() {
                match key.text().unwrap_or_default() {
                    "<<" if depth < 8 => pending.push((value, depth + 1)),
                    name if members.iter().any(|(other, _)| *other == name) => {}
                    name => members.push((name, value)),
                }
            }
        }
        members
    }

    fn lookup<'a>(&'a self, node: &'a Node, name: &str, depth: u8) -> Option<&'a Node> {
        let node = self.resolve(node);
        if let Some((_, value)) = node.entry(name) {
            return Some(self.resolve(value));
        }
        if depth > 8 {
            return None;
        }
        let (_, merged) = node.entry("<<")?;
        let merged = self.resolve(merged);
        if merged.is_sequence() {
            return merged.items().iter().find_map(|item| self.lookup(&item.node, name, depth + 1));
        }
        self.lookup(merged, name, depth + 1)
    }
}

/// The end of the line, without its line break.
pub(crate) fn line_end(text: &str, at: usize) -> usize {
    let end = text[at..].find('\n').map_or(text.len(), |length| at + length);
    if end > at && text.as_bytes()[end - 1] == b'\r' && end < text.len() { end - 1 } else { end }
}

/// The start of the line.
pub(crate) fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

/// Characters between the start of the line and this place.
pub(crate) fn column(text: &str, at: usize) -> usize {
    text[line_start(text, at)..at].trim_start_matches('\u{feff}').chars().count()
}

/// Line and column of a place, from 1.
pub(crate) fn position(text: &str, at: usize) -> (usize, usize) {
    (text[..at].matches('\n').count() + 1, column(text, at) + 1)
}

/// The next byte that is neither white space nor part of a comment.
pub(crate) fn skip_blank(text: &str, mut at: usize) -> usize {
    let bytes = text.as_bytes();
    while at < bytes.len() {
        match bytes[at] {
            b' ' | b'\t' | b'\r' | b'\n' => at += 1,
            b'#' if at == 0 || bytes[at - 1].is_ascii_whitespace() => at = line_end(text, at),
            _ => break,
        }
    }
    at
}
