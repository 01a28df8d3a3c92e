//! New values as text.

use serde_json::Value;

use crate::scalar;

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
                let entries: Vec<String> =
                    map.iter().map(|(k, v)| format!("{}{colon}{}", self.word(k), self.flow(v))).collect();
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
