//! Characters in manifests that are invisible or look like others, where they change what is meant.

use std::fmt;

use issuer_diagnostic::{Stray, Unexpected, deceptive, deceptive_in};
use issuer_yaml::{Entry, Node, position};

use crate::Settings;

/// A character that is invisible or looks like one of ASCII, in a name or a value that has to be
/// ASCII: a no-break space in the name of an annotation, a quotation mark of a text editor around a
/// role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lookalike {
    /// The character and its position.
    pub stray: Stray,
    /// What it is in, such as `the name of an annotation`.
    pub place: &'static str,
}

impl fmt::Display for Lookalike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, in {}", self.stray, self.place)
    }
}

/// The first [`Lookalike`] of each name and value of the manifests that decides about the role of a
/// pod. Free text, such as the data of a ConfigMap or the fields of a custom resource, is not
/// searched. None if the text is not valid YAML.
#[must_use]
pub fn lookalikes(manifests: &str, settings: &Settings) -> Vec<Lookalike> {
    if manifests.is_ascii() && !manifests.contains("\\u") {
        return Vec::new();
    }
    let documents = issuer_yaml::parse(manifests).unwrap_or_default();
    let prefix = settings.annotation("");
    let mut search = Search { text: manifests, prefix: &prefix, found: Vec::new() };
    documents.iter().for_each(|document| search.object(&document.root));
    search.found
}

/// The kinds whose fields all count: pods, what makes pods, and ServiceAccounts.
const KINDS: [&str; 10] = [
    "Pod",
    "PodTemplate",
    "ReplicationController",
    "CronJob",
    "Job",
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "ReplicaSet",
    "ServiceAccount",
];

const FIELD: &str = "the name of a field";

struct Search<'a> {
    text: &'a str,
    /// Of the annotations, with the slash.
    prefix: &'a str,
    found: Vec<Lookalike>,
}

impl Search<'_> {
    fn object(&mut self, object: &Node) {
        let kind = object.entry("kind").and_then(|entry| entry.value.text());
        let is_ours = kind.is_some_and(|kind| KINDS.contains(&plain(kind).as_str()));
        for Entry { key, value } in object.entries() {
            self.check(key, FIELD);
            match key.text().map(plain).as_deref() {
                Some("kind") => self.check(value, "a kind"),
                Some("apiVersion") => self.check(value, "an apiVersion"),
                Some("metadata") => self.fields(value),
                Some("items") => value.items().iter().for_each(|item| self.object(item)),
                _ if is_ours => self.fields(value),
                _ => {}
            }
        }
    }

    fn fields(&mut self, node: &Node) {
        node.items().iter().for_each(|item| self.fields(item));
        for Entry { key, value } in node.entries() {
            self.check(key, FIELD);
            match key.text().map(plain).as_deref() {
                Some("annotations") => self.annotations(value),
                Some("labels") => {
                    for Entry { key, value } in value.entries() {
                        self.check(key, "the name of a label");
                        self.check(value, "the value of a label");
                    }
                }
                Some("name") => self.check(value, "a name"),
                Some("namespace") => self.check(value, "a namespace"),
                Some("serviceAccountName" | "serviceAccount") => {
                    self.check(value, "the name of a ServiceAccount");
                }
                _ => self.fields(value),
            }
        }
    }

    fn annotations(&mut self, annotations: &Node) {
        for Entry { key, value } in annotations.entries() {
            self.check(key, "the name of an annotation");
            if key.text().is_some_and(|name| plain(name).starts_with(self.prefix)) {
                self.check(value, "the value of an annotation");
            }
        }
    }

    fn check(&mut self, node: &Node, place: &'static str) {
        let range = node.range();
        let written = self.text.get(range.clone()).unwrap_or_default();
        let is_deceptive = |c: &char| deceptive(*c).is_some();
        let raw = written.char_indices().find(|(_, c)| is_deceptive(c));
        // An escape sequence has its position at the beginning of the value.
        let escaped = || Some((0, deceptive_in(node.text()?).next()?));
        let (offset, what) = match raw {
            Some((offset, c)) => (offset, Unexpected::Character(c)),
            None => match escaped() {
                Some((offset, stray)) => (offset, stray.what),
                None => return,
            },
        };
        let (line, column) = position(self.text, range.start + offset);
        self.found.push(Lookalike { stray: Stray { what, line, column }, place });
    }
}

/// The text without these characters.
fn plain(text: &str) -> String {
    text.chars().filter(|c| deceptive(*c).is_none()).collect()
}
