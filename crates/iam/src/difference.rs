//! What differs between two documents, line by line, as `diff -u` shows it.

use serde_json::Value;
use similar::{ChangeTag, TextDiff};

/// Lines around a difference.
const CONTEXT: usize = 2;

/// Both documents indented, each line behind `+`, `-` or a space; parts that are the same are left
/// out.
pub(crate) fn documents(from: &Value, to: &Value) -> String {
    texts(&format!("{from:#}"), &format!("{to:#}"))
}

/// The same for texts.
pub(crate) fn texts(from: &str, to: &str) -> String {
    let diff = TextDiff::from_lines(from, to);
    let mut text = String::new();
    for (index, group) in diff.grouped_ops(CONTEXT).iter().enumerate() {
        if index > 0 {
            text.push_str("  …\n");
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            text.push_str(match change.tag() {
                ChangeTag::Delete => "- ",
                ChangeTag::Insert => "+ ",
                ChangeTag::Equal => "  ",
            });
            text.push_str(change.value().trim_end_matches('\n'));
            text.push('\n');
        }
    }
    text
}
