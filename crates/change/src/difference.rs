//! The line differences of two documents, as in `diff -u`.

use serde_json::{Map, Value};
use similar::{ChangeTag, TextDiff};

use crate::Action;

/// Context lines around a difference.
const CONTEXT: usize = 2;

/// The differing lines of both documents, indented, with context; a gap is shown as one line.
pub(crate) fn documents(
    before: Option<&Map<String, Value>>,
    after: Option<&Map<String, Value>>,
) -> Vec<(Action, String)> {
    let text = |document: Option<&Map<String, Value>>| {
        document
            .map(|document| format!("{:#}", Value::Object(document.clone())))
            .unwrap_or_default()
    };
    let (before, after) = (text(before), text(after));
    let diff = TextDiff::from_lines(&before, &after);
    let mut lines = Vec::new();
    for (index, group) in diff.grouped_ops(CONTEXT).iter().enumerate() {
        if index > 0 {
            lines.push((Action::Keep, "…".to_owned()));
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let action = match change.tag() {
                ChangeTag::Delete => Action::Delete,
                ChangeTag::Insert => Action::Create,
                ChangeTag::Equal => Action::Keep,
            };
            lines.push((action, change.value().trim_end_matches('\n').to_owned()));
        }
    }
    lines
}
