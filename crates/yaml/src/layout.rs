//! How a document is laid out, which new lines follow.

use granit_parser::ScalarStyle;

use crate::node::Kind;
use crate::place::column;
use crate::{Document, Entry, Node};

/// How a document is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Columns of one level.
    pub(crate) step: usize,
    /// Columns between a name and the dashes below it.
    pub(crate) dash: usize,
    pub(crate) newline: &'static str,
    /// How collections on one line are written where no neighbor shows it.
    pub(crate) inline: Inline,
}

/// How collections with braces and brackets are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Inline {
    /// Whether all strings are quoted.
    pub(crate) json: bool,
    /// Whether colons and commas are followed by a space.
    pub(crate) spaced: bool,
}

impl Layout {
    /// That of new documents.
    pub(crate) const NEW: Self =
        Self { step: 2, dash: 0, newline: "\n", inline: Inline { json: false, spaced: true } };

    /// That of a document; what it does not show is as in the others of its text.
    pub(crate) fn of(text: &str, documents: &[Document], index: usize) -> Self {
        let here = documents.get(index);
        let (mut step, mut dash) = (None, None);
        for document in here.into_iter().chain(documents) {
            if step.is_some() && dash.is_some() {
                break;
            }
            columns(text, &document.root, &mut step, &mut dash);
        }
        let own = here.and_then(|document| text.get(document.range.clone()));
        let own = own.filter(|own| own.contains('\n')).unwrap_or(text);
        let step = step.unwrap_or(2);
        Self {
            step,
            dash: dash.unwrap_or(if step > 2 { step } else { 0 }),
            newline: if own.contains("\r\n") { "\r\n" } else { "\n" },
            inline: here.map_or(Self::NEW.inline, |document| inline(text, &document.root)),
        }
    }
}

/// The first indentation of a mapping in a mapping, and of a sequence in one.
fn columns(text: &str, root: &Node, step: &mut Option<usize>, dash: &mut Option<usize>) {
    root.walk(&mut |node| {
        if (step.is_some() && dash.is_some()) || node.is_flow() {
            return;
        }
        for Entry { key, value } in node.entries() {
            let wanted = match &*value.kind {
                Kind::Mapping { flow: false, .. } => &mut *step,
                Kind::Sequence { flow: false, .. } => &mut *dash,
                _ => continue,
            };
            if wanted.is_some() {
                continue;
            }
            let (own, below) = (column(text, key.first()), column(text, value.start));
            let least = if value.is_mapping() { own + 1 } else { own };
            *wanted = (below >= least).then(|| below - own);
        }
    });
}

fn inline(text: &str, root: &Node) -> Inline {
    let mut json = root.is_flow();
    root.walk(&mut |node| {
        let is_value =
            matches!(node.style(), None | Some(ScalarStyle::Plain | ScalarStyle::DoubleQuoted));
        let keys = node.entries().iter().all(|entry| is_double(&entry.key));
        json = json && is_value && keys;
    });
    let own = text.get(root.start..root.end).unwrap_or_default();
    Inline { json, spaced: !json || has_space(own) }
}

/// Whether there is white space outside of strings.
fn has_space(json: &str) -> bool {
    let (mut quoted, mut escaped) = (false, false);
    json.bytes().any(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            _ => return !quoted && byte.is_ascii_whitespace(),
        }
        false
    })
}

/// Whether it is quoted as in JSON.
pub(crate) fn is_double(node: &Node) -> bool {
    node.style() == Some(ScalarStyle::DoubleQuoted)
}
