//! Values that are replaced.

use granit_parser::ScalarStyle;

use crate::editor::Path;
use crate::place::{column, line_end, lines, position};
use crate::scalar::{literal, scalar};
use crate::{Edit, Editor, Error, Node, Step, Value};

impl Editor {
    /// Replaces the text of a scalar and keeps its style.
    ///
    /// # Errors
    /// [`Error::Unsupported`].
    pub fn set_text(&mut self, document: usize, path: &Path<'_>, text: &str) -> Result<(), Error> {
        let node = self.owned(document, path)?;
        if node.text() == Some(text) {
            return Ok(());
        }
        let style = match node.style() {
            Some(ScalarStyle::Literal | ScalarStyle::Folded) | None => ScalarStyle::Plain,
            Some(style) => style,
        };
        let mut new = scalar(text, style, self.in_flow(document, path));
        if is_block(&node) {
            let header = &self.text[node.start..line_end(&self.text, node.start)];
            let comment = header.find('#').map(|at| &header[header[..at].trim_end().len()..]);
            new.push_str(comment.unwrap_or_default());
        }
        let spaced = node.start == node.end && !self.text[..node.start].ends_with([' ', '\t']);
        self.splice(node.start..node.end, if spaced { format!(" {new}") } else { new })
    }

    /// Replaces a block of lines, such as the content of a file.
    ///
    /// # Errors
    /// [`Error::Unsupported`].
    pub fn set_lines(&mut self, document: usize, path: &Path<'_>, text: &str) -> Result<(), Error> {
        let node = self.owned(document, path)?;
        let body = line_end(&self.text, node.start) + 1;
        let first = self.text.get(body..node.end).and_then(|body| {
            let line = body.lines().find(|line| !line.trim().is_empty())?;
            Some(line.len() - line.trim_start_matches(' ').len())
        });
        let indent = match first {
            Some(indent) if indent > 0 && node.style() == Some(ScalarStyle::Literal) => indent,
            _ => return self.set_value(document, path, &Value::Lines(text.to_owned())),
        };
        let layout = self.layout(document);
        let (header, lines) = literal(text, layout.step);
        let indent = " ".repeat(indent);
        let lines: Vec<String> = lines
            .iter()
            .map(|line| if line.is_empty() { String::new() } else { format!("{indent}{line}") })
            .collect();
        let old = &self.text[node.start..line_end(&self.text, node.start)];
        let rest = &old[old.find([' ', '\t']).unwrap_or(old.len())..];
        let new = format!("{header}{rest}{}{}", layout.newline, lines.join(layout.newline));
        self.splice(node.start..node.end, new)
    }

    /// Gives an entry or an item a new value, in block style where the document is.
    ///
    /// # Errors
    /// [`Error::Unsupported`].
    pub fn set_value(
        &mut self,
        document: usize,
        path: &Path<'_>,
        value: &Value,
    ) -> Result<(), Error> {
        self.replaceable(document, path)?;
        let edits = self.value_edits(document, path, value)?;
        self.apply(edits)
    }

    /// Makes one text of a list, and keeps its comments.
    ///
    /// # Errors
    /// [`Error::Unsupported`].
    pub fn collapse(&mut self, document: usize, path: &Path<'_>, text: &str) -> Result<(), Error> {
        let node = self.replaceable(document, path)?;
        if node.is_flow() || self.in_flow(document, path) {
            return self.set_value(document, path, &Value::text(text));
        }
        let item = node.items().iter().find(|item| item.text() == Some(text));
        let rest = |at: usize| &self.text[at..line_end(&self.text, at)];
        let (lead, end) = (node.after_properties(), line_end(&self.text, node.end));
        let comment = [Some(rest(lead)), item.map(|item| rest(item.end))];
        let comment = comment.into_iter().flatten().find(|rest| rest.contains('#'));
        let mut new =
            format!(" {}{}", scalar(text, ScalarStyle::Plain, false), comment.unwrap_or_default());
        for line in lines(&self.text, lead..end).skip(1) {
            let line = &self.text[line];
            if line.trim_start().starts_with('#') {
                new.push_str(if line.ends_with("\r\n") { "\r\n" } else { "\n" });
                new.push_str(line.trim_end());
            }
        }
        self.splice(lead..end, new)
    }

    /// Writes a value at a path of names, and creates what is missing or empty above it.
    ///
    /// # Errors
    /// [`Error::NoMapping`], [`Error::Unsupported`].
    pub fn put(&mut self, document: usize, path: &[&str], value: Value) -> Result<(), Error> {
        self.own(document, &Step::names(path))?;
        for depth in 0..path.len() {
            let steps = Step::names(&path[..depth]);
            let node = self.existing(document, &steps)?;
            if node.is_empty() && (depth > 0 || node.is_flow()) {
                return self.set_value(document, &steps, &value.below(&path[depth..]));
            }
            if !node.is_mapping() {
                let (line, column) = position(&self.text, node.first());
                return Err(Error::NoMapping { line, column });
            }
            if node.entry(path[depth]).is_none() {
                let value = value.below(&path[depth + 1..]);
                return self.insert_entry(document, &steps, path[depth], &value);
            }
        }
        self.set_value(document, &Step::names(path), &value)
    }

    /// What [`Self::set_value`] changes, for a value that is written here and nowhere else.
    pub(crate) fn value_edits(
        &self,
        document: usize,
        path: &Path<'_>,
        value: &Value,
    ) -> Result<Vec<Edit>, Error> {
        let node = self.existing(document, path)?;
        let Some((last, above)) = path.split_last() else {
            let new = value.flow(self.layout(document).inline);
            return Ok(vec![Edit::new(node.start..node.end, new)]);
        };
        let parent = self.existing(document, above)?;
        let lead = node.after_properties();
        if self.in_flow(document, path) {
            let first = parent.items().first().or(parent.entries().first().map(|entry| &entry.key));
            let new = self.child(document, parent, first.unwrap_or(node), value);
            let spaced = self.inline(document, parent).spaced
                && node.start == lead
                && !self.text[..lead].ends_with([' ', '\t', '[', ',']);
            let new = if spaced { format!(" {new}") } else { new };
            return Ok(vec![Edit::new(node.start..node.end, new)]);
        }
        let layout = self.layout(document);
        let (place, in_list) = match last {
            Step::Name(name) => (parent.entry(name).ok_or(Error::Unsupported)?.key.first(), false),
            Step::Index(_) => (self.dash(node)?, true),
        };
        let above = column(&self.text, place);
        let (first, lines) = value.block(above, layout, in_list);
        // Comments stay: one between the name and the old value, and one behind it.
        let comment = self.text.get(lead..node.start).is_some_and(|text| text.contains('#'));
        let place = match first.as_str() {
            _ if !comment => lead..node.end,
            "" => self.text[..node.start].trim_end().len()..node.end,
            _ => node.start..node.end,
        };
        let first = match first.trim_start() {
            // On a line of its own it is deeper than its name.
            own if comment && !own.is_empty() => {
                let missing = (above + 1).saturating_sub(column(&self.text, node.start));
                " ".repeat(missing) + own
            }
            _ => first,
        };
        let below = self.lines_after(node.end, &lines, document, above * 2 + 1);
        Ok(vec![Edit { depth: usize::MAX, ..Edit::new(place, first) }, below])
    }
}

pub(crate) fn is_block(node: &Node) -> bool {
    matches!(node.style(), Some(ScalarStyle::Literal | ScalarStyle::Folded))
}
