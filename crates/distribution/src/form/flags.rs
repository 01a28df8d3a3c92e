//! Flags as entries of a YAML list or mapping.

use issuer_yaml::{At, Editor, Node, Step, Value};

use super::objects::layout_error;
use crate::Error;
use crate::align::{Change, align};

/// The flag of the issuer.
pub(crate) const ISSUER: &str = "service-account-issuer";

/// The flag of the API server's own discovery document.
pub(crate) const JWKS_URI: &str = "service-account-jwks-uri";

/// An entry of a list that is about the issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slot {
    /// Its place in the list.
    pub(crate) index: usize,
    pub(crate) value: String,
}

/// How entries of a list are written.
pub(crate) trait Entries {
    /// A new entry, in the style of its neighbor.
    fn entry(&self, editor: &Editor, neighbor: Option<usize>, value: &str) -> Value;

    /// Replaces the value of an entry.
    fn replace(
        &self,
        editor: &mut Editor,
        index: usize,
        value: &str,
    ) -> Result<(), issuer_yaml::Error>;

    /// How many entries a value takes.
    fn width(&self, _editor: &Editor, _index: usize) -> usize {
        1
    }
}

/// Changes the entries of a list so that they hold the wanted values.
pub(crate) fn write_list(
    editor: &mut Editor,
    document: usize,
    path: &[&str],
    slots: &[Slot],
    wanted: &[&str],
    entries: &impl Entries,
) -> Result<(), issuer_yaml::Error> {
    let steps = Step::names(path);
    let existing: Vec<&str> = slots.iter().map(|slot| slot.value.as_str()).collect();
    if existing == wanted {
        return Ok(());
    }
    editor.own(document, &steps)?;
    let length = editor.node(document, &steps).map_or(0, |list| list.items().len());
    if length == 0 {
        if wanted.is_empty() {
            return Ok(());
        }
        let items = wanted.iter().map(|value| entries.entry(editor, None, value)).collect();
        return editor.put(document, path, Value::List(items));
    }
    let changes = align(&existing, wanted);
    for (slot, (before, change)) in slots.iter().zip(&changes.entries).rev() {
        let is_last = slots.last() == Some(slot);
        if is_last {
            let last = slot.index + entries.width(editor, slot.index) - 1;
            for value in changes.after.iter().rev() {
                let entry = entries.entry(editor, Some(slot.index), value);
                editor.insert(document, &steps, At::After(last), &[entry])?;
            }
        }
        match change {
            Change::Keep => {}
            Change::Replace(value) => entries.replace(editor, slot.index, value)?,
            Change::Remove => {
                for _ in 0..entries.width(editor, slot.index) {
                    remove_item(editor, document, &steps, slot.index)?;
                }
            }
        }
        for value in before.iter().rev() {
            let entry = entries.entry(editor, Some(slot.index), value);
            editor.insert(document, &steps, At::Before(slot.index), &[entry])?;
        }
    }
    if slots.is_empty() {
        for value in wanted {
            let entry = entries.entry(editor, Some(length - 1), value);
            editor.insert(document, &steps, At::End, &[entry])?;
        }
    }
    Ok(())
}

/// Takes an item out, and with the last one the list.
pub(crate) fn remove_item(
    editor: &mut Editor,
    document: usize,
    list: &[Step<'_>],
    index: usize,
) -> Result<(), issuer_yaml::Error> {
    let alone = editor.node(document, list).is_some_and(|list| list.items().len() == 1);
    if alone && !list.is_empty() {
        return editor.remove(document, list);
    }
    editor.remove(document, &[list, &[Step::Index(index)]].concat())
}

/// Sets the value of a name.
pub(crate) fn write_name(
    editor: &mut Editor,
    document: usize,
    path: &[&str],
    value: &str,
) -> Result<(), issuer_yaml::Error> {
    let scalar = editor.documents()[document].root.at(path).and_then(Node::text).map(str::to_owned);
    match scalar {
        Some(now) if now == value => Ok(()),
        Some(_) => editor.set_text(document, &Step::names(path), value),
        None => editor.put(document, path, Value::text(value)),
    }
}

/// `{name, value}` entries (kubeadm v1beta4, Cluster API v1beta2).
pub(crate) struct NameValues<'a> {
    pub(crate) document: usize,
    pub(crate) path: &'a [&'a str],
    pub(crate) name: &'static str,
}

impl NameValues<'_> {
    pub(crate) fn slots(&self, editor: &Editor) -> Vec<Slot> {
        let document = &editor.documents()[self.document].root;
        let items = document.at(self.path).map_or(&[][..], Node::items).iter().enumerate();
        let mine =
            items.filter(|(_, item)| item.get("name").and_then(Node::text) == Some(self.name));
        mine.map(|(index, item)| {
            let value = item.get("value").and_then(Node::text);
            Slot { index, value: value.unwrap_or_default().to_owned() }
        })
        .collect()
    }

    pub(crate) fn write(
        &self,
        editor: &mut Editor,
        wanted: &[&str],
    ) -> Result<(), issuer_yaml::Error> {
        let slots = self.slots(editor);
        write_list(editor, self.document, self.path, &slots, wanted, self)
    }

    /// The list, if it is one.
    pub(crate) fn check(&self, editor: &Editor) -> Result<(), Error> {
        let node = editor.documents()[self.document].root.at(self.path);
        match node {
            Some(node) if !node.is_sequence() && !node.is_empty() => Err(layout_error(
                editor,
                node,
                "extraArgs is a list of names and values in this version",
            )),
            _ => Ok(()),
        }
    }
}

impl Entries for NameValues<'_> {
    fn entry(&self, _: &Editor, _: Option<usize>, value: &str) -> Value {
        Value::map([("name", Value::text(self.name)), ("value", Value::text(value))])
    }

    fn replace(
        &self,
        editor: &mut Editor,
        index: usize,
        value: &str,
    ) -> Result<(), issuer_yaml::Error> {
        let item = [&Step::names(self.path)[..], &[Step::Index(index)]].concat();
        let place = [&item[..], &[Step::Name("value")]].concat();
        editor.own(self.document, &place)?;
        if editor.node(self.document, &place).is_some() {
            return editor.set_text(self.document, &place, value);
        }
        editor.insert_entry(self.document, &item, "value", &Value::text(value))
    }
}
