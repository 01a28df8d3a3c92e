//! A text as trees of nodes, one a document.

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use granit_parser::{
    ErrorKind, Event, Parser, ScalarStyle, ScanError, Span, StrInput, StructureStyle, Tag,
};
use issuer_diagnostic::deceptive_in;

use crate::node::{Anchor, Kind};
use crate::place::{line_end, skip_blank};
use crate::{Entry, Error, Node};

/// The levels that a value may have, as in `serde_json`. Those of aliases add up.
const DEPTH: usize = 128;

/// One of the documents of a text.
#[derive(Debug, Clone)]
pub struct Document {
    /// Its part of the text, in bytes, with its `---` and what follows up to the next one. The
    /// parts of all documents make up the text.
    pub range: Range<usize>,
    /// Its content; null if it has none. Places count from the start of the whole text.
    pub root: Node,
}

/// Reads the documents of a YAML or JSON text.
///
/// # Errors
/// [`Error::Syntax`].
pub fn parse(text: &str) -> Result<Vec<Document>, Error> {
    // Generated files have long comments, for which the parser has a limit.
    let options = granit_parser::options! { emit_comments: false, emit_anchor_events: true };
    let mut reader = Reader {
        text,
        events: Parser::new_from_str_with_options(text, options),
        anchors: HashMap::new(),
        level: 0,
    };
    let mut documents: Vec<Document> = Vec::new();
    while let Some((event, span)) = reader.next()? {
        match event {
            Event::DocumentStart(..) => {
                reader.anchors.clear();
                let Range { start, end } = place(&span);
                let start = documents.last().map_or(0, |_| start);
                if let Some(last) = documents.last_mut() {
                    last.range.end = start;
                }
                let root = reader.node(Some(end), &span)?;
                documents.push(Document { range: start..text.len(), root });
            }
            Event::StreamEnd => break,
            _ => {}
        }
    }
    Ok(documents)
}

struct Reader<'a> {
    text: &'a str,
    events: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Node>,
    /// How many values the one that is being read is in.
    level: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, Error> {
        self.events.next_event().transpose().map_err(|error| syntax(&error, self.text))
    }

    /// The next node; `at` is where an error is reported if there is none.
    fn node(&mut self, lead: Option<usize>, at: &Span) -> Result<Node, Error> {
        let (event, span) = self.next()?.ok_or_else(|| missing(at))?;
        self.of(event, &span, lead)
    }

    /// The node that begins with this event. The parser reports neither dashes nor colons, nor
    /// where block collections end, so they are found here.
    fn of(&mut self, event: Event<'a>, span: &Span, lead: Option<usize>) -> Result<Node, Error> {
        if self.level > DEPTH {
            return Err(invalid(span, "values are nested too deeply"));
        }
        self.level += 1;
        let Range { start, end } = place(span);
        let anchor = match event {
            Event::Scalar(_, _, id, _)
            | Event::SequenceStart(_, id, _)
            | Event::MappingStart(_, id, _)
                if id > 0 =>
            {
                Some(self.anchor(span)?)
            }
            _ => None,
        };
        let tag = span.tag_span().and_then(|span| span.byte_range());
        let lead = lead.unwrap_or(start);
        let properties =
            [anchor.as_ref().map(|anchor| anchor.place.end), tag.as_ref().map(|tag| tag.end)];
        let inside = properties.into_iter().flatten().fold(lead, usize::max);
        let (kind, start, end) = match event {
            Event::Scalar(value, style, _, tag) => {
                let string = style != ScalarStyle::Plain
                    || tag.as_deref().and_then(Tag::core_suffix) == Some("str");
                let scalar = |text| Kind::Scalar { text, style, string };
                match style {
                    ScalarStyle::Literal | ScalarStyle::Folded => {
                        let start = skip_blank(self.text, inside);
                        (scalar(value.into_owned()), start, self.block_end(start, end))
                    }
                    // The parser gives `~` for nothing at all.
                    ScalarStyle::Plain if start == end => (scalar(String::new()), inside, inside),
                    _ => (scalar(value.into_owned()), start, end),
                }
            }
            Event::SequenceStart(StructureStyle::Flow, ..) => {
                let (items, _, end) = self.items(None, start, span)?;
                (Kind::Sequence { flow: true, items }, start, end)
            }
            Event::SequenceStart(..) => {
                let (items, start, end) = self.items(Some(inside), inside, span)?;
                (Kind::Sequence { flow: false, items }, start, end)
            }
            Event::MappingStart(style, ..) => {
                let flow = style == StructureStyle::Flow;
                let (entries, close) = self.entries(span)?;
                let first = entries.first().map_or(inside, |entry| entry.key.first());
                let last = entries.last().map_or(inside, |entry| entry.value.end);
                let (start, end) = if flow { (start, close) } else { (first, last) };
                (Kind::Mapping { flow, entries }, start, end)
            }
            Event::Alias(id) => {
                let node = self.anchors.get(&id).cloned().ok_or_else(|| missing(span))?;
                (Kind::Alias(node), start, end)
            }
            _ => return Err(missing(span)),
        };
        let height = match &kind {
            Kind::Scalar { .. } => 0,
            Kind::Alias(node) => node.height,
            Kind::Sequence { items, .. } => {
                1 + items.iter().map(|item| item.height).max().unwrap_or(0)
            }
            Kind::Mapping { entries, .. } => {
                let heights = entries.iter().map(|entry| entry.key.height.max(entry.value.height));
                1 + heights.max().unwrap_or(0)
            }
        };
        if height > DEPTH {
            return Err(invalid(span, "values are nested too deeply"));
        }
        let node = Node { kind: Rc::new(kind), lead, start, end, anchor, tag, height };
        self.level -= 1;
        if let Some(anchor) = &node.anchor {
            self.anchors.insert(anchor.id, node.clone());
        }
        Ok(node)
    }

    /// The items of a sequence, where it begins and where it ends; in block style with the places
    /// of the dashes, behind `dash`.
    fn items(
        &mut self,
        mut dash: Option<usize>,
        mut start: usize,
        at: &Span,
    ) -> Result<(Vec<Node>, usize, usize), Error> {
        let mut items: Vec<Node> = Vec::new();
        loop {
            let (event, span) = self.next()?.ok_or_else(|| missing(at))?;
            if matches!(event, Event::SequenceEnd) {
                return Ok((items, start, dash.unwrap_or_else(|| place(&span).end)));
            }
            let found = dash.map(|dash| skip_blank(self.text, dash));
            let found = found.filter(|&dash| self.text[dash..].starts_with('-'));
            let item = self.of(event, &span, found.map(|dash| dash + 1))?;
            if let Some(dash) = &mut dash {
                *dash = item.end;
                if items.is_empty() {
                    start = found.unwrap_or_else(|| item.first());
                }
            }
            items.push(item);
        }
    }

    /// The entries of a mapping, and the end of what closes it.
    fn entries(&mut self, at: &Span) -> Result<(Vec<Entry>, usize), Error> {
        let mut entries = Vec::new();
        loop {
            let (event, span) = self.next()?.ok_or_else(|| missing(at))?;
            if matches!(event, Event::MappingEnd) {
                return Ok((entries, place(&span).end));
            }
            let key = self.of(event, &span, None)?;
            let after = skip_blank(self.text, key.end);
            let colon = self.text[after..].starts_with(':');
            let value = self.node(Some(if colon { after + 1 } else { key.end }), &span)?;
            entries.push(Entry { key, value });
        }
    }

    fn anchor(&mut self, at: &Span) -> Result<Anchor, Error> {
        match self.next()? {
            Some((Event::Anchor(id, name), span)) => {
                Ok(Anchor { id, name: name.into_owned(), place: place(&span) })
            }
            _ => Err(missing(at)),
        }
    }

    /// The end of what a block scalar's value needs; the parser's also covers empty lines behind.
    fn block_end(&self, start: usize, end: usize) -> usize {
        let header = &self.text[start..line_end(self.text, start)];
        let keeps = header.split('#').next().is_some_and(|header| header.contains('+'));
        // Where the parser ends may be behind the indentation of what follows.
        let content = self.text[start..end.max(start)].trim_end_matches([' ', '\t']);
        let content = match content.strip_suffix('\n') {
            Some(lines) if keeps => lines.strip_suffix('\r').unwrap_or(lines),
            _ if keeps => content,
            _ => content.trim_end(),
        };
        start + content.len().max(header.trim_end().len())
    }
}

fn place(span: &Span) -> Range<usize> {
    span.byte_range().unwrap_or_default()
}

/// The parser's words, unless they quote the text or say too little. YAML takes a no-break space for a
/// letter, so the fault that it causes is named, too.
fn syntax(error: &ScanError, text: &str) -> Error {
    let words = error.kind().to_string();
    let reason = match error.kind() {
        ErrorKind::UnknownAnchor => "an alias without an anchor",
        ErrorKind::UnexpectedEof
        | ErrorKind::UnexpectedEofFlowSequence
        | ErrorKind::UnexpectedEofFlowMapping
        | ErrorKind::UnexpectedEofImplicitFlowMapping => "the text ends too early",
        ErrorKind::ExpectedBlockMappingKey | ErrorKind::ExpectedBlockSequenceEntry => {
            "the indentation does not fit the lines above"
        }
        ErrorKind::UnexpectedCharacter { .. }
        | ErrorKind::Custom(_)
        | ErrorKind::ExpectedNodeContent
        | ErrorKind::ExpectedFlowMappingSeparator
        | ErrorKind::ExpectedFlowSequenceSeparator => "check the indentation, brackets and quotes",
        _ => &words,
    };
    let at = error.marker();
    let line = text.split('\n').nth(at.line().saturating_sub(1)).unwrap_or_default();
    let reason = match deceptive_in(line).next() {
        Some(stray) => format!("{reason}; the line has {} in column {}", stray.what, stray.column),
        None => reason.to_owned(),
    };
    Error::Syntax { line: at.line(), column: at.col() + 1, reason }
}

fn missing(at: &Span) -> Error {
    invalid(at, "a value is missing, or an alias refers to itself")
}

fn invalid(at: &Span, reason: &str) -> Error {
    let (line, column) = (at.start.line(), at.start.col() + 1);
    Error::Syntax { line, column, reason: reason.to_owned() }
}
