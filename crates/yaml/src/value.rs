//! New values as text.

use granit_parser::ScalarStyle;
use serde_json::Value as Json;

use crate::layout::{Inline, Layout};
use crate::scalar::{is_block, literal, quoted, scalar};

/// A value to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A string, without quotes where every reader takes it for a string.
    Text(String),
    /// A number, a truth value or null.
    Raw(String),
    /// A string in the style of its neighbor.
    Styled(String, ScalarStyle),
    /// A string as a block of lines.
    Lines(String),
    /// A sequence.
    List(Vec<Value>),
    /// A mapping.
    Map(Vec<(String, Value)>),
}

/// New documents, each but the first behind its `---`. Strings that would need quotes in every
/// line, such as expressions, are literal blocks.
#[must_use]
pub fn to_yaml<'a>(documents: impl IntoIterator<Item = &'a Json>) -> String {
    let mut out = String::new();
    for document in documents {
        if !out.is_empty() {
            out.push_str("---\n");
        }
        let lines = match Value::from(document) {
            Value::Map(entries) if !entries.is_empty() => {
                let lines = entries.iter().map(|(name, value)| value.entry(name, 0, Layout::NEW));
                lines.flatten().collect()
            }
            Value::List(items) if !items.is_empty() => {
                items.iter().flat_map(|item| item.item(0, Layout::NEW)).collect()
            }
            value => vec![value.flow(Layout::NEW.inline)],
        };
        lines.iter().for_each(|line: &String| out.extend([line.as_str(), "\n"]));
    }
    out
}

impl From<&Json> for Value {
    fn from(value: &Json) -> Self {
        match value {
            Json::String(text) if is_block(text) => Self::Lines(text.clone()),
            Json::String(text) => Self::Text(text.clone()),
            Json::Array(items) => Self::List(items.iter().map(Self::listed).collect()),
            Json::Object(members) => {
                let entry = |(name, value): (&String, &Json)| (name.clone(), Self::from(value));
                Self::Map(members.iter().map(entry).collect())
            }
            other => Self::Raw(other.to_string()),
        }
    }
}

impl Value {
    /// A string.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A mapping.
    #[must_use]
    pub fn map<const N: usize>(entries: [(&str, Self); N]) -> Self {
        Self::Map(entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// The value below these names.
    pub(crate) fn below(self, names: &[&str]) -> Self {
        names.iter().rev().fold(self, |value, name| Self::map([(name, value)]))
    }

    /// Its lines in block style: the first goes behind `name:` or `-`, the others are indented as
    /// children of a parent at `column`.
    pub(crate) fn block(
        &self,
        column: usize,
        layout: Layout,
        in_list: bool,
    ) -> (String, Vec<String>) {
        match self {
            Self::Lines(text) => {
                let indent = " ".repeat(column + layout.step);
                let (header, lines) = literal(text, layout.step);
                let lines = lines.into_iter().map(|line| match line {
                    "" => String::new(),
                    line => format!("{indent}{line}"),
                });
                (format!(" {header}"), lines.collect())
            }
            Self::List(items) if !items.is_empty() => {
                let column = column + if in_list { 2 } else { layout.dash };
                (String::new(), items.iter().flat_map(|item| item.item(column, layout)).collect())
            }
            Self::Map(entries) if !entries.is_empty() => {
                let column = column + if in_list { 2 } else { layout.step };
                let lines = entries.iter().map(|(name, value)| value.entry(name, column, layout));
                (String::new(), lines.flatten().collect())
            }
            value => (format!(" {}", value.scalar(false)), Vec::new()),
        }
    }

    /// The lines of `name: value`, with the name at `column`.
    pub(crate) fn entry(&self, name: &str, column: usize, layout: Layout) -> Vec<String> {
        let (first, mut lines) = self.block(column, layout, false);
        let name = scalar(name, ScalarStyle::Plain, false);
        lines.insert(0, format!("{}{name}:{first}", " ".repeat(column)));
        lines
    }

    /// The lines of an item whose dash is at `column`.
    pub(crate) fn item(&self, column: usize, layout: Layout) -> Vec<String> {
        let (first, mut lines) = self.block(column, layout, true);
        let dash = format!("{}-", " ".repeat(column));
        match lines.first_mut() {
            Some(line) if first.is_empty() => *line = format!("{dash} {}", line.trim_start()),
            _ => lines.insert(0, format!("{dash}{first}")),
        }
        lines
    }

    /// On one line.
    pub(crate) fn flow(&self, inline: Inline) -> String {
        match self {
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(|item| item.flow(inline)).collect();
                format!("[{}]", items.join(inline.comma()))
            }
            Self::Map(entries) => {
                let entries =
                    entries.iter().map(|(name, value)| inline.entry(name, &value.flow(inline)));
                format!("{{{}}}", entries.collect::<Vec<_>>().join(inline.comma()))
            }
            Self::Text(text) | Self::Styled(text, _) if inline.json => quoted(text),
            value => value.scalar(true),
        }
    }

    /// Each child on its line; `indent` is that of the line it starts on, `step` what is added a
    /// level.
    pub(crate) fn pretty(&self, inline: Inline, newline: &str, indent: &str, step: &str) -> String {
        let inner = format!("{newline}{indent}{step}");
        let pretty = |value: &Self| value.pretty(inline, newline, &inner[newline.len()..], step);
        let wrap = |open: char, parts: Vec<String>, close: char| {
            format!("{open}{inner}{}{newline}{indent}{close}", parts.join(&format!(",{inner}")))
        };
        match self {
            Self::List(items) if !items.is_empty() => {
                wrap('[', items.iter().map(pretty).collect(), ']')
            }
            Self::Map(entries) if !entries.is_empty() => {
                let entry = |(name, value): &(String, Self)| inline.entry(name, &pretty(value));
                wrap('{', entries.iter().map(entry).collect(), '}')
            }
            other => other.flow(inline),
        }
    }

    /// A string in a list is no block: a list is read better with an item a line.
    fn listed(value: &Json) -> Self {
        match value {
            Json::String(text) => Self::Text(text.clone()),
            other => Self::from(other),
        }
    }

    fn scalar(&self, flow: bool) -> String {
        match self {
            Self::Text(text) => scalar(text, ScalarStyle::Plain, flow),
            Self::Styled(text, style) => scalar(text, *style, flow),
            Self::Raw(text) => text.clone(),
            Self::Lines(text) => quoted(text),
            Self::List(_) => "[]".to_owned(),
            Self::Map(_) => "{}".to_owned(),
        }
    }
}

impl Inline {
    /// `name: value`.
    pub(crate) fn entry(self, name: &str, value: &str) -> String {
        let name = if self.json { quoted(name) } else { scalar(name, ScalarStyle::Plain, true) };
        format!("{name}{}{value}", if self.spaced { ": " } else { ":" })
    }

    pub(crate) fn comma(self) -> &'static str {
        if self.spaced { ", " } else { "," }
    }
}
