//! New YAML: what is written where nothing was.

use granit_parser::ScalarStyle;

/// A value to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    /// A number, a truth value or nothing.
    Raw(String),
    /// Text in the style of its neighbor.
    Styled(String, ScalarStyle),
    /// A block of lines.
    Lines(String),
    List(Vec<Value>),
    Map(Vec<(String, Value)>),
}

/// How the file is laid out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    /// Columns of one level.
    pub(crate) step: usize,
    /// Columns between a name and the dashes below it.
    pub(crate) dash: usize,
    pub(crate) newline: &'static str,
}

pub(crate) fn text(text: impl Into<String>) -> Value {
    Value::Text(text.into())
}

pub(crate) fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Map(entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

impl Value {
    /// The value below these names.
    pub(crate) fn below(self, names: &[&str]) -> Self {
        names.iter().rev().fold(self, |value, name| map([(name, value)]))
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
            Self::Text(_) | Self::Raw(_) | Self::Styled(..) => {
                (format!(" {}", self.scalar(false)), Vec::new())
            }
            Self::Lines(text) => {
                let indent = " ".repeat(column + layout.step);
                let (header, lines) = literal(text, layout.step);
                let lines = lines.into_iter().map(|line| match line {
                    "" => String::new(),
                    line => format!("{indent}{line}"),
                });
                (format!(" {header}"), lines.collect())
            }
            Self::List(items) if items.is_empty() => (" []".to_owned(), Vec::new()),
            Self::Map(entries) if entries.is_empty() => (" {}".to_owned(), Vec::new()),
            Self::List(items) => {
                let column = column + if in_list { 2 } else { layout.dash };
                (String::new(), items.iter().flat_map(|item| item.item(column, layout)).collect())
            }
            Self::Map(entries) => {
                let column = column + if in_list { 2 } else { layout.step };
                let lines =
                    entries.iter().flat_map(|(name, value)| entry(name, value, column, layout));
                (String::new(), lines.collect())
            }
        }
    }

    /// The lines of an item whose dash stands at `column`.
    pub(crate) fn item(&self, column: usize, layout: Layout) -> Vec<String> {
        let (first, mut lines) = self.block(column, layout, true);
        let dash = format!("{}-", " ".repeat(column));
        if first.is_empty() && !lines.is_empty() {
            lines[0] = format!("{dash} {}", lines[0].trim_start());
            return lines;
        }
        lines.insert(0, format!("{dash}{first}"));
        lines
    }

    /// In flow style.
    pub(crate) fn flow(&self, json: bool) -> String {
        match self {
            Self::Text(text) if json => quoted(text),
            Self::Lines(text) => quoted(text),
            Self::Text(_) | Self::Raw(_) | Self::Styled(..) => self.scalar(true),
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(|item| item.flow(json)).collect();
                format!("[{}]", items.join(", "))
            }
            Self::Map(entries) => {
                let entries: Vec<String> = entries
                    .iter()
                    .map(|(name, value)| format!("{}: {}", flow_name(name, json), value.flow(json)))
                    .collect();
                format!("{{{}}}", entries.join(", "))
            }
        }
    }

    fn scalar(&self, flow: bool) -> String {
        match self {
            Self::Text(text) => scalar(text, ScalarStyle::Plain, flow),
            Self::Raw(text) => text.clone(),
            Self::Styled(text, style) => scalar(text, *style, flow),
            _ => String::new(),
        }
    }
}

/// A whole document.
pub(crate) fn document(value: &Value) -> String {
    let layout = Layout { step: 2, dash: 0, newline: "\n" };
    match value {
        Value::Map(entries) if !entries.is_empty() => {
            let lines = entries.iter().flat_map(|(name, value)| entry(name, value, 0, layout));
            lines.map(|line| line + "\n").collect()
        }
        value => value.flow(false) + "\n",
    }
}

/// The lines of `name: value`, with the name at `column`.
pub(crate) fn entry(name: &str, value: &Value, column: usize, layout: Layout) -> Vec<String> {
    let (first, mut lines) = value.block(column, layout, false);
    let name = scalar(name, ScalarStyle::Plain, false);
    lines.insert(0, format!("{}{name}:{first}", " ".repeat(column)));
    lines
}

pub(crate) fn flow_name(name: &str, json: bool) -> String {
    if json { quoted(name) } else { scalar(name, ScalarStyle::Plain, true) }
}

/// Header and lines of a literal block (YAML 1.2.2 section 8.1.2).
pub(crate) fn literal(text: &str, step: usize) -> (String, Vec<&str>) {
    let body = text.strip_suffix('\n');
    let chomping = match body {
        None => "-",
        Some(body) if body.is_empty() || body.ends_with('\n') => "+",
        Some(_) => "",
    };
    let body = body.unwrap_or(text);
    let lines: Vec<&str> = body.split('\n').collect();
    let indented =
        lines.iter().find(|line| !line.is_empty()).is_some_and(|line| line.starts_with(' '));
    let digit = if indented { step.to_string() } else { String::new() };
    (format!("|{digit}{chomping}"), lines)
}

/// A scalar in this style, or between double quotes where the style cannot hold it.
pub(crate) fn scalar(text: &str, style: ScalarStyle, flow: bool) -> String {
    match style {
        ScalarStyle::SingleQuoted if !text.chars().any(char::is_control) => {
            format!("'{}'", text.replace('\'', "''"))
        }
        ScalarStyle::Plain if is_plain(text, flow) => text.to_owned(),
        _ => quoted(text),
    }
}

/// A JSON string is a YAML string.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Whether every reader takes it as a string without quotes.
fn is_plain(text: &str, flow: bool) -> bool {
    let first = text.trim_start_matches('-');
    let begins = first.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let holds = |c: char| {
        c.is_ascii_alphanumeric()
            || "-._~:/?@!$&'()*+;=%".contains(c)
            || (!flow && ",[]".contains(c))
    };
    let word = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    begins
        && text.chars().all(holds)
        && !text.ends_with(':')
        && !text.starts_with("---")
        && !word.iter().any(|word| word.eq_ignore_ascii_case(text))
}
