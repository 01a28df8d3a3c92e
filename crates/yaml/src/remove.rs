//! Entries and items that are taken out.

use std::ops::Range;

use crate::change::is_block;
use crate::editor::Path;
use crate::node::Kind;
use crate::place::{column, line_end, line_start, lines, previous_end};
use crate::{Edit, Editor, Error, Node, Step};

impl Editor {
    /// Takes an entry or an item out. Comments on lines of their own stay.
    ///
    /// # Errors
    /// [`Error::Unsupported`], also for what a merged mapping has.
    pub fn remove(&mut self, document: usize, path: &Path<'_>) -> Result<(), Error> {
        let node = self.replaceable(document, path)?;
        let (last, above) = path.split_last().ok_or(Error::Unsupported)?;
        let parent = self.existing(document, above)?;
        let index = match last {
            Step::Index(index) => Some(*index),
            Step::Name(name) => {
                parent.entries().iter().rposition(|entry| entry.key.text() == Some(name))
            }
        };
        let edits = self.removed(document, parent, index.ok_or(Error::Unsupported)?, &node)?;
        self.apply(edits)?;
        let merged = match last {
            Step::Name(name) => self.node(document, above).and_then(|parent| parent.get(name)),
            Step::Index(_) => None,
        };
        if merged.is_some() { Err(Error::Unsupported) } else { Ok(()) }
    }

    fn removed(
        &self,
        document: usize,
        parent: &Node,
        index: usize,
        node: &Node,
    ) -> Result<Vec<Edit>, Error> {
        let places = self.places(parent)?;
        let place = places.get(index).cloned().ok_or(Error::Unsupported)?;
        let next = places.get(index + 1);
        if parent.is_flow() {
            let range = match (next, index.checked_sub(1)) {
                (Some(next), _) => place.start..next.start,
                (None, Some(before)) => places[before].end..place.end,
                (None, None) => place,
            };
            return Ok(vec![Edit::new(range, "")]);
        }
        let start = line_start(&self.text, place.start);
        let block = self.block_before(document, start);
        if !self.text[start..place.start].trim().is_empty() {
            // The first entry behind a dash: the next one takes its place.
            let next = next.ok_or(Error::Unsupported)?.start;
            let indent = self.text[start..place.start].find('-').unwrap_or(0);
            let comments = self.comments(node, place.start..next, block.map(|_| indent));
            return Ok(vec![Edit::new(start..start, comments), Edit::new(place.start..next, "")]);
        }
        let own = block.map(|_| column(&self.text, place.start));
        let end = line_end(&self.text, place.end);
        let mut comments = self.comments(node, start..end, own);
        let newline = match &self.text[end..] {
            // Without a line break at the end of the text, the one in front of it goes, unless it
            // belongs to a block.
            "" if comments.is_empty() && !block.is_some_and(ends_in_break) => {
                return Ok(vec![Edit::new(previous_end(&self.text, start)..end, "")]);
            }
            "" => {
                comments.truncate(comments.trim_end().len());
                0
            }
            // Empty lines would belong to the block.
            rest if block.is_some_and(|block| self.keeps_lines(block)) => {
                let content = rest.trim_start();
                rest[..rest.len() - content.len()].rfind('\n').map_or(0, |newline| newline + 1)
            }
            rest if rest.starts_with("\r\n") => 2,
            rest => usize::from(rest.starts_with('\n')),
        };
        Ok(vec![Edit::new(start..end + newline, comments)])
    }

    /// The places of a collection's children; in block style from the dash or the key.
    fn places(&self, parent: &Node) -> Result<Vec<Range<usize>>, Error> {
        match &*parent.kind {
            Kind::Mapping { entries, .. } => Ok(entries
                .iter()
                .map(|entry| entry.key.first()..entry.value.end.max(entry.key.end))
                .collect()),
            Kind::Sequence { flow: true, items } => {
                Ok(items.iter().map(|item| item.first()..item.end).collect())
            }
            Kind::Sequence { items, .. } => {
                items.iter().map(|item| Ok(self.dash(item)?..item.end)).collect()
            }
            _ => Err(Error::Unsupported),
        }
    }

    /// The lines that are comments, where this node is; no deeper than `indent`.
    fn comments(&self, node: &Node, range: Range<usize>, indent: Option<usize>) -> String {
        let mut scalars = Vec::new();
        node.walk(&mut |node| scalars.extend(node.style().map(|_| node.start..node.end)));
        let is_comment = |line: &Range<usize>| {
            let trimmed = self.text[line.clone()].trim_start();
            let at = line.end - trimmed.len();
            trimmed.starts_with('#')
                && !scalars.iter().any(|scalar| scalar.start < at && at < scalar.end)
        };
        let comment = |line: Range<usize>| {
            let comment = self.text[line.clone()].trim_start();
            let (whole, own) = (&self.text[line.clone()], line.len() - comment.len());
            match indent {
                Some(indent) if indent < own => " ".repeat(indent) + comment,
                _ => whole.to_owned(),
            }
        };
        lines(&self.text, range).filter(is_comment).map(comment).collect()
    }

    /// The block scalar that ends in front of this place. What comes to be behind it must not
    /// become part of it.
    fn block_before(&self, document: usize, at: usize) -> Option<&Node> {
        let mut last: Option<&Node> = None;
        for root in self.roots().take(document + 1) {
            root.walk(&mut |node| {
                if node.start < at {
                    last = Some(node);
                }
            });
        }
        last.filter(|last| is_block(last))
    }

    /// Whether empty lines behind a block scalar are part of it.
    fn keeps_lines(&self, block: &Node) -> bool {
        let header = &self.text[block.start..line_end(&self.text, block.start)];
        header.split('#').next().is_some_and(|header| header.contains('+'))
    }
}

fn ends_in_break(block: &Node) -> bool {
    block.text().is_some_and(|text| text.ends_with('\n'))
}
