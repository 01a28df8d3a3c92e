//! New items and entries.

use crate::editor::Path;
use crate::node::Kind;
use crate::place::{column, line_end, line_start};
use crate::{Edit, Editor, Error, Node, Value};

/// Where new items of a sequence are put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// In front of all others, and of the comments above them.
    Start,
    /// In front of this item.
    Before(usize),
    /// Behind this item, and in front of the comments that follow it.
    After(usize),
    /// Behind all others.
    End,
}

impl Editor {
    /// Adds items to a sequence. One that is null or empty becomes a sequence of them.
    ///
    /// # Errors
    /// [`Error::Unsupported`].
    pub fn insert(
        &mut self,
        document: usize,
        path: &Path<'_>,
        at: At,
        values: &[Value],
    ) -> Result<(), Error> {
        self.own(document, path)?;
        if self.existing(document, path)?.is_empty() {
            return self.set_value(document, path, &Value::List(values.to_vec()));
        }
        let edits = self.inserted(document, path, at, values)?;
        self.apply(edits)
    }

    /// Adds an entry at the end of a mapping that does not have its name.
    ///
    /// # Errors
    /// [`Error::Unsupported`].
    pub fn insert_entry(
        &mut self,
        document: usize,
        path: &Path<'_>,
        name: &str,
        value: &Value,
    ) -> Result<(), Error> {
        let edits = self.inserted_entry(document, path, name, value)?;
        self.apply(edits)
    }

    /// What [`Self::insert`] changes, for a sequence that is written here and nowhere else
    /// ([`Self::own`]).
    ///
    /// # Errors
    /// [`Error::Unsupported`].
    pub fn inserted(
        &self,
        document: usize,
        path: &Path<'_>,
        at: At,
        values: &[Value],
    ) -> Result<Vec<Edit>, Error> {
        let node = self.existing(document, path)?;
        let (Some(first), Some(last)) = (node.items().first(), node.items().last()) else {
            return self.value_edits(document, path, &Value::List(values.to_vec()));
        };
        let (neighbor, before) = match at {
            At::Start => (first, true),
            At::Before(index) => (node.items().get(index).ok_or(Error::Unsupported)?, true),
            At::After(index) => (node.items().get(index).unwrap_or(last), false),
            At::End => (last, false),
        };
        if node.is_flow() {
            let separator = self.separator(document, node, first);
            let new: Vec<String> =
                values.iter().map(|value| self.child(document, node, first, value)).collect();
            let new = new.join(&separator);
            return Ok(vec![if before {
                Edit::new(neighbor.first()..neighbor.first(), new + &separator)
            } else {
                Edit::new(neighbor.end..neighbor.end, separator + &new)
            }]);
        }
        let layout = self.layout(document);
        let column = column(&self.text, self.dash(first)?);
        let lines: Vec<String> =
            values.iter().flat_map(|value| value.item(column, layout)).collect();
        let depth = column * 2 + 1;
        let above = self.text.get(node.lead..node.start);
        if at == At::Start && above.is_some_and(|above| above.contains('\n')) {
            return Ok(vec![self.lines_after(node.lead, &lines, document, depth)]);
        }
        if !before {
            return Ok(vec![self.lines_after(neighbor.end, &lines, document, depth)]);
        }
        let dash = self.dash(neighbor)?;
        let start = line_start(&self.text, dash);
        if !self.text[start..dash].trim().is_empty() {
            return Err(Error::Unsupported);
        }
        let text = lines.iter().map(|line| format!("{line}{}", layout.newline)).collect();
        Ok(vec![Edit { place: start..start, text, depth }])
    }

    /// What [`Self::insert_entry`] changes.
    ///
    /// # Errors
    /// [`Error::Unsupported`].
    pub fn inserted_entry(
        &self,
        document: usize,
        path: &Path<'_>,
        name: &str,
        value: &Value,
    ) -> Result<Vec<Edit>, Error> {
        let node = self.existing(document, path)?;
        match node.entries().first() {
            Some(_) if !node.is_flow() => {
                let column = column(&self.text, node.start);
                let lines = value.entry(name, column, self.layout(document));
                Ok(vec![self.lines_after(node.end, &lines, document, column * 2)])
            }
            first => {
                let first = first.map_or(node, |entry| &entry.key);
                let raw = self.child(document, node, first, value);
                Ok(vec![self.raw_entry(document, node, name, &raw)?])
            }
        }
    }

    /// The same with a value that is on one line.
    pub(crate) fn raw_entry(
        &self,
        document: usize,
        node: &Node,
        name: &str,
        raw: &str,
    ) -> Result<Edit, Error> {
        let Kind::Mapping { flow, entries } = &*node.kind else { return Err(Error::Unsupported) };
        if !flow {
            let column = column(&self.text, node.start);
            let value = Value::Raw(raw.to_owned());
            let lines = value.entry(name, column, self.layout(document));
            return Ok(self.lines_after(node.end, &lines, document, column * 2));
        }
        let new = self.inline(document, node).entry(name, raw);
        Ok(match entries.first().zip(entries.last()) {
            None => Edit::new(node.start + 1..node.start + 1, new),
            Some((first, last)) => {
                let end = last.value.end.max(last.key.end);
                Edit::new(end..end, self.separator(document, node, &first.key) + &new)
            }
        })
    }

    /// A new child of a collection with braces or brackets: on several lines if the first one is
    /// on a line of its own.
    pub(crate) fn child(
        &self,
        document: usize,
        parent: &Node,
        first: &Node,
        value: &Value,
    ) -> String {
        let inline = self.inline(document, parent);
        let newline = self.layout(document).newline;
        match self.indents(parent, first) {
            Some((own, step)) => value.pretty(inline, newline, own, step),
            None => value.flow(inline),
        }
    }

    /// Adds lines behind the line that the place is on.
    pub(crate) fn lines_after(
        &self,
        at: usize,
        lines: &[String],
        document: usize,
        depth: usize,
    ) -> Edit {
        let end = line_end(&self.text, at);
        let newline = self.layout(document).newline;
        let text = lines.iter().map(|line| format!("{newline}{line}")).collect();
        Edit { place: end..end, text, depth }
    }

    fn separator(&self, document: usize, parent: &Node, first: &Node) -> String {
        match self.indents(parent, first) {
            Some((own, _)) => format!(",{}{own}", self.layout(document).newline),
            None => self.inline(document, parent).comma().to_owned(),
        }
    }

    /// The indentation of the first child, and by how much it is deeper than the line of its
    /// parent, if it is on a line of its own.
    fn indents(&self, parent: &Node, first: &Node) -> Option<(&str, &str)> {
        let between = self.text.get(parent.start..first.first())?;
        let own = &between[between.rfind('\n')? + 1..];
        let start = line_start(&self.text, parent.start);
        let line = &self.text[start..parent.start];
        let outer = &line[..line.len() - line.trim_start().len()];
        own.trim().is_empty().then(|| (own, own.strip_prefix(outer).unwrap_or("  ")))
    }
}
