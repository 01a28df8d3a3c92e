//! Finding the object of a file.

use issuer_yaml::{Editor, Node};

use crate::request::shown;
use crate::{Distribution, Error, Request};

/// The document that has the API server's configuration.
///
/// # Errors
/// None, or several of them and none was named.
pub(crate) fn only(
    request: &Request,
    editor: &Editor,
    is_one: impl Fn(&Node) -> bool,
    name: &[&str],
) -> Result<usize, Error> {
    let documents = editor.documents();
    let found: Vec<usize> =
        (0..documents.len()).filter(|&index| is_one(&documents[index].root)).collect();
    let name_of = |index: usize| documents[index].root.text_at(name).map(short);
    let known = || found.iter().filter_map(|&index| name_of(index)).collect::<Vec<String>>();
    if found.is_empty() {
        return Err(other_kind(request.distribution, editor));
    }
    if let Some(name) = &request.name {
        let mut named = found.iter().filter(|&&index| name_of(index).as_ref() == Some(name));
        return match (named.next(), named.next()) {
            (Some(&index), None) => Ok(index),
            (Some(_), Some(_)) => Err(Error::Several { names: known() }),
            (None, _) => Err(Error::NoSuchName { name: short(name), known: known() }),
        };
    }
    match found[..] {
        [index] => Ok(index),
        _ => Err(Error::Several {
            names: found
                .iter()
                .map(|&index| {
                    let (line, _) = editor.position(documents[index].root.first());
                    name_of(index).unwrap_or_else(|| format!("one without a name, line {line}"))
                })
                .collect(),
        }),
    }
}

/// Whether the object has this kind in this group.
pub(crate) fn is(document: &Node, group: &str, kinds: &[&str]) -> bool {
    let version = document.text_at(&["apiVersion"]).unwrap_or_default();
    version.split_once('/').is_some_and(|(name, _)| name == group)
        && document.text_at(&["kind"]).is_some_and(|kind| kinds.contains(&kind))
}

/// The version of the object's API, such as `v1beta4`.
pub(crate) fn version(document: &Node) -> &str {
    document
        .text_at(&["apiVersion"])
        .and_then(|version| version.split_once('/'))
        .map_or("", |(_, version)| version)
}

/// The file is of another kind.
pub(crate) fn other_kind(distribution: Distribution, editor: &Editor) -> Error {
    let kinds: Vec<(&Node, &Node)> =
        editor.roots().filter_map(|root| Some((root, root.at(&["kind"])?))).collect();
    let at = kinds.first().map(|(_, kind)| kind.first());
    let at = at.or_else(|| editor.roots().next().map(Node::first));
    let (line, column) = editor.position(at.unwrap_or_default());
    let mut named: Vec<String> = Vec::new();
    for (document, kind) in kinds {
        let kind = short(kind.text().unwrap_or_default());
        let name = match document.text_at(&["apiVersion"]).map(short) {
            Some(version) if named.is_empty() => format!("{} {kind} ({version})", article(&kind)),
            _ => format!("{} {kind}", article(&kind)),
        };
        if !named.contains(&name) {
            named.push(name);
        }
    }
    let root = editor.roots().find(|root| !root.is_null());
    let found = match root {
        _ if !named.is_empty() => named.join(", "),
        None => "an empty file".to_owned(),
        Some(root) if root.is_mapping() => "YAML without a kind".to_owned(),
        Some(root) if root.is_sequence() => "a list".to_owned(),
        Some(_) => "text that is no mapping".to_owned(),
    };
    Error::OtherKind { distribution, found, line, column }
}

fn article(kind: &str) -> &'static str {
    if kind.starts_with(['A', 'E', 'I', 'O', 'U']) { "an" } else { "a" }
}

/// A kind or a name for messages: what looks like neither is not shown.
pub(crate) fn short(text: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._/:".contains(c);
    if !text.is_empty() && text.len() <= 100 && text.chars().all(fits) {
        return shown(text);
    }
    "(not shown)".to_owned()
}

/// A value of another form than the distribution reads.
pub(crate) fn layout_error(editor: &Editor, node: &Node, reason: &str) -> Error {
    let (line, column) = editor.position(node.first());
    Error::Layout { line, column, reason: reason.to_owned() }
}
