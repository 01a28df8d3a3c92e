//! New values as text.

use serde_json::Value;

use crate::scalar;

/// New documents as YAML, each but the first behind its `---`. Texts that would need quotes in
/// every line, such as expressions, are literal blocks.
#[must_use]
pub fn to_yaml<'a>(documents: impl IntoIterator<Item = &'a Value>) -> String {
    let style = Style { newline: "\n", dash: 0, json: false, spaced: true };
    let mut out = String::new();
    for document in documents {
        if !out.is_empty() {
            out.push_str("---\n");
        }
        let lines = match document {
            Value::Object(map) if !map.is_empty() => {
                map.iter().flat_map(|(key, value)| style.entry(key, value, 0)).collect()
            }
            Value::Array(items) if !items.is_empty() => style.items(items, 0),
            other => vec![style.flow(other)],
        };
        lines.iter().for_each(|line| out.extend([line.as_str(), "\n"]));
    }
    out
}

/// How a document is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    /// Its line break.
    pub(crate) newline: &'static str,
    /// Columns from a key to the dashes of its sequence.
    pub(crate) dash: usize,
    /// Whether it is JSON: everything is quoted.
    pub(crate) json: bool,
    /// Whether colons and commas are followed by a space.
    pub(crate) spaced: bool,
}

impl Style {
    /// `- item`, a line each, without the last line break.
    pub(crate) fn items(self, values: &[Value], column: usize) -> Vec<String> {
        values.iter().flat_map(|value| self.item(value, column)).collect()
    }

    /// `key: value`, and below it what does not fit on its line.
    pub(crate) fn entry(self, key: &str, value: &Value, column: usize) -> Vec<String> {
        let key = format!("{}{}:", " ".repeat(column), scalar::text(key));
        match value {
            Value::Array(items) if !items.is_empty() => {
                let mut lines = vec![key];
                lines.extend(self.items(items, column + self.dash));
                lines
            }
            Value::Object(map) if !map.is_empty() => {
                let mut lines = vec![key];
                lines.extend(map.iter().flat_map(|(k, v)| self.entry(k, v, column + 2)));
                lines
            }
            Value::String(text) if is_block(text) => {
                let pad = " ".repeat(column + 2);
                let header = if text.ends_with('\n') { "|" } else { "|-" };
                let mut lines = vec![format!("{key} {header}")];
                lines.extend(text.lines().map(|line| format!("{pad}{line}")));
                lines
            }
            _ => vec![format!("{key} {}", self.flow(value))],
        }
    }

    /// On one line.
    pub(crate) fn flow(self, value: &Value) -> String {
        let (comma, colon) = if self.spaced { (", ", ": ") } else { (",", ":") };
        match value {
            Value::Array(items) => {
                let items: Vec<String> = items.iter().map(|item| self.flow(item)).collect();
                format!("[{}]", items.join(comma))
            }
            Value::Object(map) => {
                let entries: Vec<String> = map
                    .iter()
                    .map(|(k, v)| format!("{}{colon}{}", self.word(k), self.flow(v)))
                    .collect();
                format!("{{{}}}", entries.join(comma))
            }
            Value::String(text) => self.word(text),
            other => other.to_string(),
        }
    }

    /// On several lines; `indent` is that of the line it starts on, `step` what is added a level.
    pub(crate) fn pretty(self, value: &Value, indent: &str, step: &str) -> String {
        let inner = format!("{indent}{step}");
        let separator = format!(",{}{inner}", self.newline);
        let wrap = |open: char, parts: Vec<String>, close: char| {
            format!(
                "{open}{}{inner}{}{}{indent}{close}",
                self.newline,
                parts.join(&separator),
                self.newline
            )
        };
        match value {
            Value::Array(items) if !items.is_empty() => {
                wrap('[', items.iter().map(|item| self.pretty(item, &inner, step)).collect(), ']')
            }
            Value::Object(map) if !map.is_empty() => {
                let entry = |(k, v): (&String, &Value)| {
                    format!("{}: {}", self.word(k), self.pretty(v, &inner, step))
                };
                wrap('{', map.iter().map(entry).collect(), '}')
            }
            other => self.flow(other),
        }
    }

    fn item(self, value: &Value, column: usize) -> Vec<String> {
        let dash = format!("{}- ", " ".repeat(column));
        match value {
            Value::Object(map) if !map.is_empty() => {
                let mut lines: Vec<String> =
                    map.iter().flat_map(|(k, v)| self.entry(k, v, column + 2)).collect();
                if let Some(first) = lines.first_mut() {
                    first.replace_range(..column + 2, &dash);
                }
                lines
            }
            _ => vec![format!("{dash}{}", self.flow(value))],
        }
    }

    fn word(self, text: &str) -> String {
        if self.json { Value::from(text).to_string() } else { scalar::text(text) }
    }
}

/// Whether a text is better written as a literal block, and can be.
fn is_block(text: &str) -> bool {
    let fits = |line: &str| {
        !line.is_empty()
            && !line.starts_with(' ')
            && !line.ends_with(' ')
            && line.chars().all(|c| c == ' ' || c.is_ascii_graphic())
    };
    let mut lines = text.lines();
    text.contains(['\'', '"', '\n'])
        && text.trim_end_matches('\n').len() + 1 >= text.len()
        && lines.next().is_some_and(fits)
        && lines.all(|line| fits(line.trim_start_matches(' ')))
}
