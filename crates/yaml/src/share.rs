//! Anchors, aliases and merged mappings: a place that is changed is made to be nowhere else.

use granit_parser::ScalarStyle;

use crate::editor::Path;
use crate::node::{Anchor, Kind, LIMIT};
use crate::scalar::quoted;
use crate::{Edit, Editor, Entry, Error, Node, Step};

impl Editor {
    /// Makes sure that every node of the path is written at its place and nowhere else: aliases
    /// and merged mappings become copies, and what other places refer to moves there.
    ///
    /// # Errors
    /// [`Error::Unsupported`], [`Error::TooLarge`].
    pub fn own(&mut self, document: usize, path: &Path<'_>) -> Result<(), Error> {
        for depth in 0..=path.len() {
            let (above, here) = (&path[..depth.saturating_sub(1)], &path[..depth]);
            match self.node(document, here) {
                Some(node) if node.is_alias() => {
                    let (place, copy) = (node.first()..node.end, self.copy(node)?);
                    self.splice(place, copy)?;
                }
                Some(_) => {}
                None => {
                    let Some(Step::Name(name)) = path.get(depth.wrapping_sub(1)) else { break };
                    let Some(parent) = self.node(document, above) else { break };
                    let Some(merged) = parent.get(name) else { break };
                    let copy = self.copy(merged)?;
                    let edit = self.raw_entry(document, parent, name, &copy)?;
                    self.apply(vec![edit])?;
                }
            }
            self.release(document, here, false)?;
        }
        Ok(())
    }

    /// The node at a path, which is written there and nowhere else.
    pub(crate) fn owned(&mut self, document: usize, path: &Path<'_>) -> Result<Node, Error> {
        self.own(document, path)?;
        self.existing(document, path).cloned()
    }

    /// The same, for a node that is replaced: what other places refer to below it moves there.
    pub(crate) fn replaceable(&mut self, document: usize, path: &Path<'_>) -> Result<Node, Error> {
        self.own(document, path)?;
        self.release(document, path, true)?;
        self.existing(document, path).cloned()
    }

    /// Gives the anchor of this node, or all anchors of its subtree, to the first alias elsewhere.
    fn release(&mut self, document: usize, path: &Path<'_>, deep: bool) -> Result<(), Error> {
        loop {
            let Some(node) = self.node(document, path) else { return Ok(()) };
            let mut anchored: Vec<&Anchor> = node.anchor.iter().collect();
            if deep {
                anchored.clear();
                node.walk(&mut |node| anchored.extend(&node.anchor));
            }
            if anchored.is_empty() {
                return Ok(());
            }
            let inside = node.first()..node.end;
            let mut first: Option<(&Node, &Anchor)> = None;
            let root = self.documents().get(document).map(|document| &document.root);
            root.ok_or(Error::Unsupported)?.walk(&mut |other| {
                if let Kind::Alias(target) = &*other.kind
                    && first.is_none()
                    && !inside.contains(&other.start)
                    && let Some(anchor) = &target.anchor
                    && anchored.iter().any(|mine| mine.id == anchor.id)
                {
                    first = Some((other, anchor));
                }
            });
            let Some((alias, anchor)) = first else { return Ok(()) };
            let copy = format!("&{} {}", anchor.name, self.copy(alias)?);
            let mut edits = vec![Edit::new(alias.start..alias.end, copy)];
            // What is replaced may refer to it once more, and goes with it.
            if !deep {
                edits.push(Edit::new(with_space(&self.text, anchor), ""));
            }
            self.apply(edits)?;
        }
    }

    /// The subtree on one line, without anchors and aliases.
    fn copy(&self, node: &Node) -> Result<String, Error> {
        let (mut copy, mut left) = (String::new(), LIMIT);
        self.write(node, &mut copy, &mut left).ok_or(Error::TooLarge { limit: LIMIT })?;
        Ok(copy)
    }

    fn write(&self, node: &Node, copy: &mut String, left: &mut usize) -> Option<()> {
        *left = left.checked_sub(1)?;
        let node = node.resolved();
        if let Some(tag) = &node.tag {
            copy.extend([&self.text[tag.clone()], " "]);
        }
        match &*node.kind {
            Kind::Scalar { text, style: ScalarStyle::Plain, .. } => {
                let special = |c: char| ",[]{}#&*!|>'\"%@`".contains(c) || c.is_whitespace();
                if text.is_empty() {
                    copy.push_str("null");
                } else if text.contains(special) || text.ends_with(':') {
                    copy.push_str(&quoted(text));
                } else {
                    copy.push_str(text);
                }
            }
            Kind::Scalar { text, .. } => copy.push_str(&quoted(text)),
            Kind::Sequence { items, .. } => {
                copy.push('[');
                for (index, item) in items.iter().enumerate() {
                    copy.push_str(if index > 0 { ", " } else { "" });
                    self.write(item, copy, left)?;
                }
                copy.push(']');
            }
            Kind::Mapping { entries, .. } => {
                copy.push('{');
                for (index, Entry { key, value }) in entries.iter().enumerate() {
                    copy.push_str(if index > 0 { ", " } else { "" });
                    self.write(key, copy, left)?;
                    copy.push_str(": ");
                    self.write(value, copy, left)?;
                }
                copy.push('}');
            }
            Kind::Alias(_) => {}
        }
        Some(())
    }
}

/// An anchor with the space that divides it from what it names, or from the colon before it.
fn with_space(text: &str, anchor: &Anchor) -> std::ops::Range<usize> {
    let (place, blank) = (&anchor.place, [' ', '\t']);
    let rest = text[place.end..].trim_start_matches(blank);
    if rest.is_empty() || rest.starts_with(['\n', '\r', '#']) {
        text[..place.start].trim_end_matches(blank).len()..place.end
    } else {
        place.start..text.len() - rest.len()
    }
}
