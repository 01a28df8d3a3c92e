//! Files with a JSON patch of the static Pod, in the `files` of a `KubeadmControlPlane`.

use issuer_yaml::{Editor, Node, Step, Value};

use super::flags::{Entries, ISSUER, Slot, write_list};
use crate::Error;

/// Where kubeadm looks for patches by default of this tool.
pub(crate) const DIRECTORY: &str = "/etc/kubernetes/patches";

/// The end of the command of the API server's container.
const COMMAND: &str = "/spec/containers/0/command/-";

/// A patch that may be read and changed.
pub(crate) struct Patch {
    editor: Editor,
}

impl Patch {
    /// Reads the content of a file, if it is a JSON patch.
    pub(crate) fn read(content: &str) -> Option<Self> {
        let editor = Editor::new(content).ok()?;
        let list = editor.documents().len() == 1 && editor.documents()[0].root.is_sequence();
        list.then_some(Self { editor })
    }

    /// The issuers that it adds.
    pub(crate) fn slots(&self) -> Vec<Slot> {
        let document = &self.editor.documents()[0].root;
        let items = document.items().iter().enumerate();
        items
            .filter_map(|(index, item)| {
                let get = |name| item.get(name).and_then(Node::text);
                let is_command = get("path")?.starts_with("/spec/containers/0/command/");
                let value =
                    get("value")?.strip_prefix("--")?.strip_prefix(ISSUER)?.strip_prefix('=')?;
                (get("op") == Some("add") && is_command)
                    .then(|| Slot { index, value: value.to_owned() })
            })
            .collect()
    }

    /// The content with these issuers; `None` if nothing is left.
    pub(crate) fn write(mut self, wanted: &[&str]) -> Result<Option<String>, Error> {
        let slots = self.slots();
        if wanted.is_empty() && slots.len() == self.editor.documents()[0].root.items().len() {
            return Ok(None);
        }
        write_list(&mut self.editor, 0, &[], &slots, wanted, &Operations)?;
        Ok(Some(self.editor.into_text()))
    }
}

/// A new patch.
pub(crate) fn content(issuers: &[String]) -> String {
    let operations = issuers
        .iter()
        .map(|issuer| format!("- op: add\n  path: {COMMAND}\n  value: --{ISSUER}={issuer}\n"));
    operations.collect()
}

/// Whether kubeadm takes a file of this name for a JSON patch of the API server.
pub(crate) fn is_patch(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("kube-apiserver") else { return false };
    let Some((stem, extension)) = rest.rsplit_once('.') else { return false };
    matches!(extension, "yaml" | "yml" | "json") && stem.ends_with("+json")
}

struct Operations;

impl Entries for Operations {
    fn entry(&self, _: &Editor, _: Option<usize>, value: &str) -> Value {
        let value = format!("--{ISSUER}={value}");
        Value::map([
            ("op", Value::text("add")),
            ("path", Value::text(COMMAND)),
            ("value", Value::text(value)),
        ])
    }

    fn replace(
        &self,
        editor: &mut Editor,
        index: usize,
        value: &str,
    ) -> Result<(), issuer_yaml::Error> {
        let place = [&Step::names(&[])[..], &[Step::Index(index), Step::Name("value")]].concat();
        editor.set_text(0, &place, &format!("--{ISSUER}={value}"))
    }
}
