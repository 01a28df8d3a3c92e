//! Texts in all layouts that people and programs write, each with what it means.

use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};

/// The names of mappings.
pub(crate) const KEYS: [&str; 6] = ["a", "b", "key", "yes", "c d", "x/y"];

/// A text, and what it means.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    pub(crate) text: String,
    /// One a document.
    pub(crate) values: Vec<Json>,
    /// Whether parts are shared through aliases, which a change writes out.
    pub(crate) shared: bool,
}

/// Texts of one to three documents: block and flow style, JSON, any indentation, comments and empty
/// lines at any place, quotes and literal blocks, anchors, aliases and merge keys, other line ends,
/// no last one, tabs, a byte order mark.
pub(crate) fn texts() -> impl Strategy<Value = Text> {
    (prop::collection::vec(collection(), 1..4), any::<u64>()).prop_map(|(documents, seed)| {
        let mut writer = Writer { chance: Chance(seed), ..Writer::default() };
        let mut values = Vec::new();
        for document in &documents {
            values.push(writer.document(document, values.is_empty()));
        }
        let Writer { mut text, mut chance, shared, ends_in_block, .. } = writer;
        if chance.one_in(4) && !ends_in_block && !text.ends_with("\n\n") {
            text.pop();
        }
        if chance.one_in(4) {
            text = text.replace('\n', "\r\n");
        }
        if chance.one_in(6) {
            text.insert(0, '\u{feff}');
        }
        Text { text, values, shared }
    })
}

/// Mappings and sequences that are not empty.
fn collection() -> impl Strategy<Value = Json> {
    let leaf = prop::sample::select(vec![
        json!("x"),
        json!("two words"),
        json!("it's"),
        json!("yes"),
        json!("1"),
        json!(""),
        json!("a: b"),
        json!("#no"),
        json!("é"),
        json!("one\ntwo"),
        json!("one\n\n two\n"),
        json!("one\n\n"),
        json!(1),
        json!(true),
        json!(null),
        json!([]),
        json!({}),
    ]);
    let below = leaf.prop_recursive(3, 20, 4, |inner| prop_oneof![list(inner.clone()), map(inner)]);
    prop_oneof![list(below.clone()), map(below.clone()), map(below)]
}

fn list(inner: impl Strategy<Value = Json>) -> impl Strategy<Value = Json> {
    prop::collection::vec(inner, 1..4).prop_map(Json::Array)
}

fn map(inner: impl Strategy<Value = Json>) -> impl Strategy<Value = Json> {
    let keys = prop::sample::subsequence(KEYS.to_vec(), 1..4).prop_shuffle();
    (keys, prop::collection::vec(inner, 3)).prop_map(|(keys, values)| {
        Json::Object(keys.into_iter().map(str::to_owned).zip(values).collect())
    })
}

#[derive(Default)]
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % limit
    }

    fn one_in(&mut self, limit: usize) -> bool {
        self.below(limit) == 0
    }
}

#[derive(Default)]
struct Writer {
    chance: Chance,
    text: String,
    step: usize,
    dash: usize,
    anchors: Vec<(String, Json)>,
    count: usize,
    shared: bool,
    /// Whether the last value is a literal block, which the last line break belongs to.
    ends_in_block: bool,
    /// Whether empty lines would belong to the value before them.
    keeps: bool,
}

impl Writer {
    fn document(&mut self, value: &Json, first: bool) -> Json {
        self.anchors.clear();
        self.step = 1 + self.chance.below(4);
        self.dash = self.chance.below(self.step + 1);
        if !first || self.chance.one_in(3) {
            self.text.push_str("---");
            self.end();
        }
        self.between(0);
        if self.chance.one_in(5) {
            let tabs = self.chance.one_in(2);
            let text = match self.chance.one_in(2) {
                true => value.to_string(),
                false => format!("{value:#}").replace("  ", if tabs { "\t" } else { "  " }),
            };
            self.text.push_str(&text);
            self.text.push('\n');
            self.ends_in_block = false;
            return value.clone();
        }
        if self.chance.one_in(6) {
            let value = self.flow(value, 0);
            self.end();
            return value;
        }
        self.children(value, 0)
    }

    /// What comes behind `key:` or `-`, to the end of its last line. What is below is in `column`
    /// or deeper.
    fn below(&mut self, value: &Json, column: usize, in_list: bool) -> Json {
        if !self.anchors.is_empty() && self.chance.one_in(6) {
            let (name, value) = self.anchors[self.chance.below(self.anchors.len())].clone();
            self.text.push_str(&format!(" *{name}"));
            self.shared = true;
            self.end();
            return value;
        }
        let is_empty = matches!(value, Json::Array(items) if items.is_empty())
            || matches!(value, Json::Object(members) if members.is_empty());
        let anchor = (!value.is_null() && self.chance.one_in(6)).then(|| {
            self.count += 1;
            format!("n{}", self.count)
        });
        if let Some(name) = &anchor {
            self.text.push_str(&format!(" &{name}"));
        }
        let written = match value {
            _ if is_empty || (self.chance.one_in(4) && !value.is_string()) => {
                self.text.push(' ');
                let value = self.flow(value, column);
                self.end();
                value
            }
            Json::Array(_) | Json::Object(_) => {
                let compact = in_list && anchor.is_none() && self.chance.below(4) > 0;
                let column = column
                    + match value {
                        _ if in_list => 1 + self.chance.below(3),
                        Json::Array(_) => self.dash,
                        _ => self.step,
                    };
                if compact {
                    // The first child is behind the dash.
                    let used = self.text.len() - self.text.rfind('\n').map_or(0, |end| end + 1);
                    let column = column.max(used + 1);
                    self.text.push_str(&" ".repeat(column - used));
                    self.children_behind(value, column)
                } else {
                    self.end();
                    self.children(value, column)
                }
            }
            Json::String(text) => {
                self.string(text, column + self.step.max(1));
                value.clone()
            }
            other => {
                let text = match (other.is_null(), self.chance.below(3)) {
                    (true, 0) => String::new(),
                    (true, 1) => " ~".to_owned(),
                    _ => format!(" {other}"),
                };
                self.text.push_str(&text);
                self.end();
                value.clone()
            }
        };
        self.anchors.extend(anchor.map(|name| (name, written.clone())));
        written
    }

    fn children(&mut self, value: &Json, column: usize) -> Json {
        self.between(column);
        self.text.push_str(&" ".repeat(column));
        self.children_behind(value, column)
    }

    /// The children, the first one behind what is on the line.
    fn children_behind(&mut self, value: &Json, column: usize) -> Json {
        let next = |writer: &mut Self, first: &mut bool| {
            if !std::mem::take(first) {
                writer.between(column);
                writer.text.push_str(&" ".repeat(column));
            }
        };
        let mut first = true;
        match value {
            Json::Array(items) => {
                let mut all = Vec::new();
                for item in items {
                    next(self, &mut first);
                    self.text.push('-');
                    all.push(self.below(item, column, true));
                }
                Json::Array(all)
            }
            Json::Object(members) => {
                let mut all = Map::new();
                let mut maps = self.anchors.iter().filter(|(_, value)| value.is_object());
                if let Some((name, merged)) = maps.next_back().cloned()
                    && self.chance.one_in(3)
                {
                    next(self, &mut first);
                    self.text.push_str(&format!("<<: *{name}"));
                    self.end();
                    self.shared = true;
                    all.extend(merged.as_object().cloned().unwrap_or_default());
                }
                for (name, value) in members {
                    next(self, &mut first);
                    self.key(name);
                    self.text.push(':');
                    let value = self.below(value, column, false);
                    all.insert(name.clone(), value);
                }
                Json::Object(all)
            }
            other => other.clone(),
        }
    }

    fn string(&mut self, text: &str, column: usize) {
        let is_block = !text.is_empty() && !text.starts_with([' ', '\n']);
        if is_block && (text.contains('\n') || self.chance.one_in(5)) && !self.chance.one_in(4) {
            let body = text.strip_suffix('\n');
            let keeps = body.is_some_and(|body| body.ends_with('\n'));
            self.text.push_str(match body {
                None => " |-",
                Some(_) if keeps => " |+",
                Some(_) => " |",
            });
            self.end();
            for line in body.unwrap_or(text).split('\n') {
                let indent = if line.is_empty() { 0 } else { column };
                self.text.push_str(&format!("{}{line}\n", " ".repeat(indent)));
            }
            (self.ends_in_block, self.keeps) = (true, keeps);
            return;
        }
        let text = self.inline(text);
        self.text.push(' ');
        self.text.push_str(&text);
        self.end();
    }

    fn inline(&mut self, text: &str) -> String {
        let plain = !text.is_empty()
            && text.chars().all(|c| c.is_alphabetic() || " /".contains(c))
            && text != "yes";
        match self.chance.below(3) {
            0 if plain => text.to_owned(),
            1 if !text.contains('\n') => format!("'{}'", text.replace('\'', "''")),
            _ => Json::from(text).to_string(),
        }
    }

    /// A value with brackets and braces, on one line or on several.
    fn flow(&mut self, value: &Json, column: usize) -> Json {
        let lines = self.chance.one_in(3);
        let tab = self.chance.one_in(4);
        let separate = |writer: &mut Self, column: usize| {
            if lines {
                let indent = if tab && column == 0 { "\t".to_owned() } else { " ".repeat(column) };
                writer.text.push_str(&format!("\n{indent}"));
            }
        };
        let (open, close, children): (_, _, Vec<(Option<&String>, &Json)>) = match value {
            Json::Array(items) => ('[', ']', items.iter().map(|item| (None, item)).collect()),
            Json::Object(members) => {
                ('{', '}', members.iter().map(|(name, value)| (Some(name), value)).collect())
            }
            Json::String(text) => {
                let text = self.inline(text);
                self.text.push_str(&text);
                return value.clone();
            }
            other => {
                self.text.push_str(&other.to_string());
                return value.clone();
            }
        };
        self.text.push(open);
        let last = children.len();
        for (index, (name, child)) in children.into_iter().enumerate() {
            separate(self, column + 2);
            if let Some(name) = name {
                self.key(name);
                self.text.push_str(": ");
            }
            self.flow(child, column + 2);
            if index + 1 < last {
                self.text.push_str(if lines { "," } else { ", " });
            } else if self.chance.one_in(6) {
                self.text.push(',');
            }
        }
        separate(self, column + 1);
        self.text.push(close);
        value.clone()
    }

    fn key(&mut self, name: &str) {
        let name = self.inline(name);
        self.text.push_str(&name);
    }

    /// The end of a line, with or without a comment.
    fn end(&mut self) {
        let comment = match self.chance.below(8) {
            0 => " # c\n",
            1 => "\t # c: d\n",
            _ => "\n",
        };
        self.text.push_str(comment);
        (self.ends_in_block, self.keeps) = (false, false);
    }

    /// Lines in front of one whose content is in `column`.
    fn between(&mut self, column: usize) {
        while self.chance.one_in(5) {
            if self.chance.one_in(3) && !self.keeps {
                self.text.push('\n');
            } else {
                let indent = " ".repeat(self.chance.below(column + 1));
                self.text.push_str(&format!("{indent}# c - x\n"));
                self.keeps = false;
            }
        }
    }
}
