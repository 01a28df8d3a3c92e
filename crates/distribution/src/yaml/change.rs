//! The changes themselves: values set, entries added, entries taken out.

use std::ops::Range;

use granit_parser::ScalarStyle;

use super::editor::{Editor, Path, Step, names};
use super::tree::{Kind, column, line_end, line_start};
use super::value::{Value, entry, flow_name, literal, quoted, scalar};
use crate::Error;

impl Editor {
    /// Replaces the text of a scalar and keeps its style.
    pub(crate) fn set_text(
        &mut self,
        document: usize,
        path: &Path<'_>,
        text: &str,
    ) -> Result<(), Error> {
        self.own(document, path)?;
        let node = self.existing(document, path)?;
        if node.text() == Some(text) {
            return Ok(());
        }
        let flow = self.in_flow(document, path);
        let style = match node.style() {
            Some(ScalarStyle::Literal | ScalarStyle::Folded) | None => ScalarStyle::Plain,
            Some(style) => style,
        };
        let empty = node.start == node.end;
        let mut new = scalar(text, style, flow);
        if matches!(node.style(), Some(ScalarStyle::Literal | ScalarStyle::Folded)) {
            let header = &self.text[node.start..line_end(&self.text, node.start)];
            let comment = header.find('#').map(|at| &header[header[..at].trim_end().len()..]);
            new.push_str(comment.unwrap_or_default());
        }
        let spaced = empty && !self.text[..node.start].ends_with([' ', '\t']);
        let place = node.start..node.end;
        self.splice(place, &if spaced { format!(" {new}") } else { new })
    }

    /// Replaces a block of lines, such as the content of a file.
    pub(crate) fn set_lines(
        &mut self,
        document: usize,
        path: &Path<'_>,
        text: &str,
    ) -> Result<(), Error> {
        self.own(document, path)?;
        if self.in_flow(document, path) {
            return self.replace(document, path, &quoted(text));
        }
        let node = self.existing(document, path)?;
        let layout = self.layout(document);
        if node.style() != Some(ScalarStyle::Literal) {
            return self.set_value(document, path, &Value::Lines(text.to_owned()));
        }
        let body = line_end(&self.text, node.start) + 1;
        let first = self.text.get(body..).and_then(|rest| {
            rest.lines()
                .find(|line| !line.trim().is_empty())
                .map(|line| line.len() - line.trim_start_matches(' ').len())
        });
        let Some(indent) = first.filter(|indent| *indent > 0) else {
            return self.set_value(document, path, &Value::Lines(text.to_owned()));
        };
        let (header, lines) = literal(text, layout.step);
        let indent = " ".repeat(indent);
        let lines: Vec<String> = lines
            .iter()
            .map(|line| if line.is_empty() { String::new() } else { format!("{indent}{line}") })
            .collect();
        let old =
            self.text[node.start..].split([' ', '\t', '\r', '\n']).next().unwrap_or_default().len();
        let rest = self.text[node.start + old..line_end(&self.text, node.start)].to_owned();
        let new = format!("{header}{rest}{}{}", layout.newline, lines.join(layout.newline));
        let place = node.start..node.end;
        self.splice(place, &new)
    }

    /// Gives an entry a new value, in block style where the file is.
    pub(crate) fn set_value(
        &mut self,
        document: usize,
        path: &Path<'_>,
        value: &Value,
    ) -> Result<(), Error> {
        self.own(document, path)?;
        self.release(document, path, true)?;
        if self.in_flow(document, path) {
            let json = self.is_json(document, path);
            return self.replace(document, path, &value.flow(json));
        }
        let node = self.existing(document, path)?;
        let layout = self.layout(document);
        let parent = self.existing(document, &path[..path.len().saturating_sub(1)])?;
        let (column, in_list) = match path.last() {
            Some(Step::Name(name)) => {
                let (key, _) = parent.entry(name).ok_or(Error::Unsupported)?;
                (column(&self.text, key.first()), false)
            }
            Some(Step::Index(index)) => {
                let item = parent.items().get(*index).ok_or(Error::Unsupported)?;
                (column(&self.text, item.dash), true)
            }
            None => return Err(Error::Unsupported),
        };
        let (first, lines) = value.block(column, layout, in_list);
        let place = node.after_properties()..node.end;
        if lines.is_empty() || !first.is_empty() {
            let all = [&[first][..], &lines[..]].concat().join(layout.newline);
            return self.splice(place, &all);
        }
        // A comment behind the old value stays on its line.
        let below: String = lines.iter().map(|line| format!("{}{line}", layout.newline)).collect();
        let end = line_end(&self.text, place.end);
        self.splice_text(end..end, &below);
        self.splice(place, "")
    }

    /// Makes one text of a list, and keeps its comments.
    pub(crate) fn collapse(
        &mut self,
        document: usize,
        path: &Path<'_>,
        text: &str,
    ) -> Result<(), Error> {
        self.own(document, path)?;
        self.release(document, path, true)?;
        let node = self.existing(document, path)?;
        let item = node.items().iter().find(|item| item.node.text() == Some(text));
        if node.is_flow() || self.in_flow(document, path) {
            return self.set_value(document, path, &Value::Text(text.to_owned()));
        }
        let end = line_end(&self.text, node.end);
        let lead = node.after_properties();
        let name_line = &self.text[lead..line_end(&self.text, lead)];
        let item_line =
            item.map(|item| &self.text[item.node.end..line_end(&self.text, item.node.end)]);
        let comment =
            [Some(name_line), item_line].into_iter().flatten().find(|rest| rest.contains('#'));
        let mut new =
            format!(" {}{}", scalar(text, ScalarStyle::Plain, false), comment.unwrap_or_default());
        for line in self.lines_of(lead..end).skip(1) {
            let line = &self.text[line];
            if line.trim_start().starts_with('#') {
                new.push_str(if line.ends_with("\r\n") { "\r\n" } else { "\n" });
                new.push_str(line.trim_end());
            }
        }
        self.splice(lead..end, &new)
    }

    fn replace(&mut self, document: usize, path: &Path<'_>, new: &str) -> Result<(), Error> {
        let node = self.existing(document, path)?;
        let lead = node.after_properties();
        let spaced = node.start == lead && !self.text[..lead].ends_with([' ', '\t', '[', ',']);
        let place = node.start..node.end;
        self.splice(place, &if spaced { format!(" {new}") } else { new.to_owned() })
    }

    /// Writes a value at a path of names, and creates what is missing or empty above it.
    ///
    /// # Errors
    /// [`Error::Layout`]: a value stands where a mapping is needed.
    pub(crate) fn put(
        &mut self,
        document: usize,
        path: &[&str],
        value: Value,
    ) -> Result<(), Error> {
        self.own(document, &names(path))?;
        for depth in 0..path.len() {
            let steps = names(&path[..depth]);
            let node = self.existing(document, &steps)?;
            if node.is_empty() && (depth > 0 || node.is_flow()) {
                if depth == 0 {
                    let new = value.below(path).flow(false);
                    let place = node.start..node.end;
                    return self.splice(place, &new);
                }
                return self.set_value(document, &steps, &value.below(&path[depth..]));
            }
            if !node.is_mapping() {
                return Err(self.layout_error(node, "a mapping is needed here"));
            }
            if node.entry(path[depth]).is_none() {
                return self.insert_entry(
                    document,
                    &steps,
                    path[depth],
                    &value.below(&path[depth + 1..]),
                );
            }
        }
        self.set_value(document, &names(path), &value)
    }

    /// Adds an entry at the end of a mapping that has others.
    pub(crate) fn insert_entry(
        &mut self,
        document: usize,
        path: &Path<'_>,
        name: &str,
        value: &Value,
    ) -> Result<(), Error> {
        let node = self.existing(document, path)?;
        if node.is_flow() {
            let json = self.is_json_node(node);
            let raw = value.flow(json);
            return self.insert_raw(document, path, name, &raw);
        }
        let layout = self.layout(document);
        let lines = entry(name, value, column(&self.text, node.start), layout);
        let end = line_end(&self.text, node.end);
        let new: String = lines.iter().map(|line| format!("{}{line}", layout.newline)).collect();
        self.splice(end..end, &new)
    }

    /// The same with a value in flow style.
    pub(super) fn insert_raw(
        &mut self,
        document: usize,
        path: &Path<'_>,
        name: &str,
        raw: &str,
    ) -> Result<(), Error> {
        let node = self.existing(document, path)?;
        let json = self.is_json_node(node);
        if !node.is_flow() {
            let layout = self.layout(document);
            let indent = " ".repeat(column(&self.text, node.start));
            let name = scalar(name, ScalarStyle::Plain, false);
            let end = line_end(&self.text, node.end);
            return self.splice(end..end, &format!("{}{indent}{name}: {raw}", layout.newline));
        }
        let new = format!("{}: {raw}", flow_name(name, json));
        match node.entries().last() {
            None => {
                let at = node.start + 1;
                self.splice(at..at, &new)
            }
            Some((key, value)) => {
                let (first, end) = (key.first(), value.end.max(key.end));
                let separator = self.flow_separator(node.start, first);
                self.splice(end..end, &format!("{separator}{new}"))
            }
        }
    }

    /// Adds an item before `index`, or at the end.
    pub(crate) fn insert_item(
        &mut self,
        document: usize,
        path: &Path<'_>,
        index: usize,
        value: &Value,
    ) -> Result<(), Error> {
        self.own(document, path)?;
        let node = self.existing(document, path)?;
        let items = node.items();
        if items.is_empty() {
            return self.set_value(document, path, &Value::List(vec![value.clone()]));
        }
        let layout = self.layout(document);
        if node.is_flow() {
            let new = value.flow(self.is_json_node(node));
            return match items.get(index) {
                Some(item) => {
                    let at = item.node.first();
                    self.splice(at..at, &format!("{new}, "))
                }
                None => {
                    let last = &items[items.len() - 1].node;
                    let separator = self.flow_separator(node.start, last.first());
                    let end = last.end;
                    self.splice(end..end, &format!("{separator}{new}"))
                }
            };
        }
        let lines = value.item(column(&self.text, items[0].dash), layout);
        match items.get(index) {
            Some(item) => {
                let start = line_start(&self.text, item.dash);
                if !self.text[start..item.dash].trim_start_matches('\u{feff}').trim().is_empty() {
                    return Err(Error::Unsupported);
                }
                let new: String =
                    lines.iter().map(|line| format!("{line}{}", layout.newline)).collect();
                self.splice(start..start, &new)
            }
            None => {
                let end = line_end(&self.text, node.end);
                let new: String =
                    lines.iter().map(|line| format!("{}{line}", layout.newline)).collect();
                self.splice(end..end, &new)
            }
        }
    }

    /// Adds an item behind `index`, before comments that follow it.
    pub(crate) fn insert_after(
        &mut self,
        document: usize,
        path: &Path<'_>,
        index: usize,
        value: &Value,
    ) -> Result<(), Error> {
        self.own(document, path)?;
        let node = self.existing(document, path)?;
        let Some(item) = node.items().get(index) else {
            return self.insert_item(document, path, index, value);
        };
        if node.is_flow() {
            let separator = self.flow_separator(node.start, item.node.first());
            let new = format!("{separator}{}", value.flow(self.is_json_node(node)));
            let end = item.node.end;
            return self.splice(end..end, &new);
        }
        let layout = self.layout(document);
        let lines = value.item(column(&self.text, item.dash), layout);
        let end = line_end(&self.text, item.node.end);
        let new: String = lines.iter().map(|line| format!("{}{line}", layout.newline)).collect();
        self.splice(end..end, &new)
    }

    /// Takes an entry or an item out. Comments on lines of their own stay.
    pub(crate) fn remove(&mut self, document: usize, path: &Path<'_>) -> Result<(), Error> {
        self.own(document, path)?;
        self.release(document, path, true)?;
        let Some((last, above)) = path.split_last() else { return Err(Error::Unsupported) };
        let parent = self.existing(document, above)?;
        let places: Vec<Range<usize>> = match &parent.kind {
            Kind::Mapping { entries, .. } => {
                entries.iter().map(|(key, value)| key.first()..value.end.max(key.end)).collect()
            }
            Kind::Sequence { items, flow } => items
                .iter()
                .map(|item| if *flow { item.node.first() } else { item.dash }..item.node.end)
                .collect(),
            _ => return Err(Error::Unsupported),
        };
        let index = match last {
            Step::Index(index) => *index,
            Step::Name(name) => parent
                .entries()
                .iter()
                .position(|(key, _)| key.text() == Some(name))
                .ok_or(Error::Unsupported)?,
        };
        let place = places.get(index).cloned().ok_or(Error::Unsupported)?;
        if parent.is_flow() {
            let range = match (places.get(index + 1), index.checked_sub(1)) {
                (Some(next), _) => place.start..next.start,
                (None, Some(before)) => places[before].end..place.end,
                (None, None) => place,
            };
            return self.splice(range, "");
        }
        let node = self.existing(document, path)?;
        let mut scalars = Vec::new();
        node.walk(&mut |node| {
            if node.style().is_some() {
                scalars.push(node.start..node.end);
            }
        });
        let start = line_start(&self.text, place.start);
        let before = &self.text[start..place.start];
        if !before.trim().is_empty() {
            // The first entry behind a dash: the next one takes its place.
            let next = places.get(index + 1).ok_or(Error::Unsupported)?.start;
            return self.splice(place.start..next, "");
        }
        let end = line_end(&self.text, place.end);
        let kept: String = self
            .lines_of(start..end)
            .filter(|line| {
                let at = line.start
                    + (self.text[line.clone()].len() - self.text[line.clone()].trim_start().len());
                self.text[at..line.end].starts_with('#')
                    && !scalars.iter().any(|scalar| scalar.start < at && at < scalar.end)
            })
            .map(|line| self.text[line].to_owned())
            .collect();
        let rest = &self.text[end..];
        let newline =
            if rest.starts_with("\r\n") { 2 } else { usize::from(rest.starts_with('\n')) };
        self.splice(start..end + newline, &kept)
    }
}
