//! A last look before a file is handed out: everything that is not about the issuer has its value.

use granit_parser::ScalarStyle;

use crate::Distribution;
use crate::jwks_uri::is_of;
use crate::yaml::{Document, Editor, Node};

/// Whether nothing is lost but what is about the issuers, and nothing came but that.
pub(crate) fn keeps_everything_else(
    distribution: Distribution,
    issuers: &[String],
    before: &str,
    after: &str,
) -> bool {
    let (Ok(before), Ok(after)) = (Editor::new(before), Editor::new(after)) else { return false };
    let about = |leaf: &Leaf| {
        leaf.value.contains("service-account-issuer")
            || leaf.value.contains("service-account-jwks-uri")
            || issuers.iter().any(|issuer| is_of(&leaf.value, issuer))
            || leaf.path.ends_with("/op")
            || (distribution == Distribution::ClusterApi
                && (leaf.path.contains("/kubeadmConfigSpec/files/")
                    || leaf.path.ends_with("/patches/directory")))
            || (distribution == Distribution::Talos
                && (leaf.path == "/apiVersion" || leaf.value == "KubeServiceAccountConfig"))
    };
    let leaves = |editor: &Editor| -> Vec<Leaf> {
        let mut leaves = Vec::new();
        for document in editor.documents() {
            collect(document, &document.root, String::new(), 0, &mut leaves);
        }
        leaves.retain(|leaf| !about(leaf));
        leaves.sort();
        leaves
    };
    leaves(&before) == leaves(&after)
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Leaf {
    path: String,
    value: String,
    /// Without quotes it may be a number or a truth value.
    plain: bool,
}

/// Values by their paths. Places in lists do not count, and neither do empty containers.
fn collect(document: &Document, node: &Node, path: String, depth: u8, leaves: &mut Vec<Leaf>) {
    if depth > 60 {
        return;
    }
    let node = document.resolve(node);
    for (name, value) in document.members(node) {
        collect(document, value, format!("{path}/{name}"), depth + 1, leaves);
    }
    for item in node.items() {
        collect(document, &item.node, path.clone(), depth + 1, leaves);
    }
    if let Some(text) = node.text() {
        let plain = node.style() == Some(ScalarStyle::Plain);
        leaves.push(Leaf { path, value: text.to_owned(), plain });
    }
}
