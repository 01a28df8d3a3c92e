//! A text as trees of nodes, one a document.

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use granit_parser::{
    Event, Options, Parser, ScalarStyle, ScanError, Span, StrInput, StructureStyle, Tag,
};
use serde_json::Value;

use crate::scalar::plain;
use crate::{Entry, Error, Kind, Node};

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
    let mut options = Options::default();
    options.set_emit_comments(false);
    let mut reader = Reader {
        text,
        events: Parser::new_from_str_with_options(text, options),
        anchors: HashMap::new(),
    };
    let mut documents: Vec<Document> = Vec::new();
    while let Some((event, span)) = reader.next()? {
        match event {
            Event::DocumentStart(..) => {
                reader.anchors.clear();
                let start = documents.last().map_or(0, |_| place(&span).start);
                if let Some(last) = documents.last_mut() {
                    last.range.end = start;
                }
                documents.push(Document { range: start..text.len(), root: reader.node(&span)? });
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
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, Error> {
        self.events.next_event().transpose().map_err(|error| syntax(&error))
    }

    /// The next node; `at` is where an error is reported if there is none.
    fn node(&mut self, at: &Span) -> Result<Node, Error> {
        let (event, span) = self.next()?.ok_or_else(|| missing(at))?;
        self.of(event, &span)
    }

    fn of(&mut self, event: Event<'a>, span: &Span) -> Result<Node, Error> {
        let start = place(span);
        let (kind, end, anchor) = match event {
            Event::Scalar(value, style, anchor, tag) => {
                let end = self.scalar_end(&value, style, &start);
                (Kind::Scalar(scalar(&value, style, tag.as_deref())), end, anchor)
            }
            Event::SequenceStart(style, anchor, _) => {
                let mut items: Vec<Node> = Vec::new();
                let close = loop {
                    match self.next()?.ok_or_else(|| missing(span))? {
                        (Event::SequenceEnd, close) => break place(&close).end,
                        (event, span) => items.push(self.of(event, &span)?),
                    }
                };
                let flow = style == StructureStyle::Flow;
                let last = items.last().map_or(start.end, |item| item.span.end);
                (Kind::Sequence { flow, items }, if flow { close } else { last }, anchor)
            }
            Event::MappingStart(style, anchor, _) => {
                let flow = style == StructureStyle::Flow;
                let mut entries: Vec<Entry> = Vec::new();
                let close = loop {
                    let (event, at) = self.next()?.ok_or_else(|| missing(span))?;
                    if matches!(event, Event::MappingEnd) {
                        break place(&at).end;
                    }
                    let key = self.of(event, &at)?;
                    let mut value = self.node(&at)?;
                    if self.is_indentless(&value) {
                        value.column = key.column;
                    }
                    entries.push(Entry { key, value, flow });
                };
                let last = entries
                    .last()
                    .map_or(start.end, |entry| entry.value.span.end.max(entry.key.span.end));
                (Kind::Mapping { flow, entries }, if flow { close } else { last }, anchor)
            }
            Event::Alias(id) => {
                let node = self.anchors.get(&id).cloned().ok_or_else(|| missing(span))?;
                (Kind::Alias(node), start.end, 0)
            }
            _ => return Err(missing(span)),
        };
        let node = Node {
            span: start.start..end,
            line: span.start.line(),
            column: span.start.col(),
            kind: Rc::new(kind),
        };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    /// Whether it is a sequence whose dashes are in the column of its key: the parser reports where
    /// the first item is, and not the dash.
    fn is_indentless(&self, node: &Node) -> bool {
        let dash = self.text.as_bytes().get(node.span.start) == Some(&b'-');
        let before = self.text.get(..node.span.start).unwrap_or_default();
        let line = before.rfind('\n').map_or(before, |end| &before[end + 1..]);
        matches!(*node.kind, Kind::Sequence { flow: false, .. })
            && (!dash || !line.trim_start().is_empty())
    }

    /// The end of what a scalar's value needs: block scalars also cover the empty lines behind.
    fn scalar_end(&self, value: &str, style: ScalarStyle, span: &Range<usize>) -> usize {
        if !matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
            return span.end;
        }
        let text = self.text.get(span.clone()).unwrap_or_default();
        let keeps = value.ends_with("\n\n") || value == "\n";
        let kept = if keeps { text.trim_end_matches(' ') } else { text.trim_end() };
        let kept = kept.strip_suffix('\n').map_or(kept, |kept| kept.trim_end_matches('\r'));
        span.start + kept.len()
    }
}

fn place(span: &Span) -> Range<usize> {
    span.byte_range().unwrap_or_default()
}

fn scalar(value: &str, style: ScalarStyle, tag: Option<&Tag>) -> Value {
    match tag.and_then(Tag::core_suffix) {
        Some("str") => Value::String(value.to_owned()),
        _ if style == ScalarStyle::Plain => plain(value),
        _ => Value::String(value.to_owned()),
    }
}

/// The parser's own words can quote the text, so they are not used.
fn syntax(error: &ScanError) -> Error {
    use granit_parser::ErrorKind;
    let reason = match error.kind() {
        ErrorKind::UnknownAnchor => "an alias without an anchor",
        ErrorKind::UnexpectedEof
        | ErrorKind::UnexpectedEofFlowSequence
        | ErrorKind::UnexpectedEofFlowMapping
        | ErrorKind::UnexpectedEofImplicitFlowMapping => "the text ends too early",
        ErrorKind::ExpectedBlockMappingKey | ErrorKind::ExpectedBlockSequenceEntry => {
            "the indentation does not fit the lines above"
        }
        _ => "check the indentation, brackets and quotes",
    };
    let at = error.marker();
    Error::Syntax { line: at.line(), column: at.col() + 1, reason }
}

fn missing(at: &Span) -> Error {
    let (line, column) = (at.start.line(), at.start.col() + 1);
    Error::Syntax { line, column, reason: "a value is missing, or an alias refers to itself" }
}
