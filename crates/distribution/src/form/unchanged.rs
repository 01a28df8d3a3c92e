//! A last look before a file is handed out: everything that is not about the issuer has its value.

use issuer_yaml::{Editor, Node, ScalarStyle};

use crate::Distribution;
use crate::jwks_uri::is_of;

/// The values that a file may expand to.
const LIMIT: usize = 1_000_000;

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
    let leaves = |editor: &Editor| {
        let (mut leaves, mut left) = (Vec::new(), LIMIT);
        for root in editor.roots() {
            collect(root, String::new(), &mut leaves, &mut left)?;
        }
        leaves.retain(|leaf| !about(leaf));
        leaves.sort();
        Some(leaves)
    };
    leaves(&before).is_some_and(|before| Some(before) == leaves(&after))
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Leaf {
    path: String,
    value: String,
    /// Without quotes it may be a number or a truth value.
    plain: bool,
}

/// Values by their paths. Places in lists do not count, and neither do empty containers. `None` if
/// aliases make too many of them.
fn collect(node: &Node, path: String, leaves: &mut Vec<Leaf>, left: &mut usize) -> Option<()> {
    *left = left.checked_sub(1)?;
    let node = node.resolved();
    for (name, value) in node.members() {
        collect(value, format!("{path}/{name}"), leaves, left)?;
    }
    for item in node.items() {
        collect(item, path.clone(), leaves, left)?;
    }
    if let Some(text) = node.text() {
        let plain = node.style() == Some(ScalarStyle::Plain);
        leaves.push(Leaf { path, value: text.to_owned(), plain });
    }
    Some(())
}
