//! What the webhook would do, done to manifests.

use issuer_yaml::{Editor, Node};
use serde_json::Value;

use crate::mutation::text;
use crate::warning::warnings;
use crate::workload::{Path, Place, Step, at, at_mut, places, strings};
use crate::{Accounts, Error, Mutation, Settings, Warning};

/// The label that opts a pod out; the webhook's configuration has it, not its flags.
pub(crate) const SKIP_LABEL: &str = "eks.amazonaws.com/skip-pod-identity-webhook";

/// Manifests with the roles of their pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Injected {
    /// The manifests.
    pub text: String,
    /// The pods and templates, in order.
    pub pods: Vec<Pod>,
}

/// A pod or template, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Its kind, namespace and name: `Deployment demo/app`.
    pub name: String,
    /// Its ServiceAccount: `demo/app`.
    pub service_account: String,
    /// What became of it.
    pub outcome: Outcome,
    /// What may not be as intended.
    pub warnings: Vec<Warning>,
}

/// What became of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It got this role.
    Injected {
        /// The role's ARN.
        role: String,
    },
    /// It had everything already.
    Unchanged,
    /// Its ServiceAccount has no role.
    NoRole,
    /// Its ServiceAccount is not known.
    UnknownAccount,
    /// Its label opts it out.
    OptedOut,
    /// It is the mirror of a static pod, which has no ServiceAccount.
    Mirror,
}

/// Adds to each pod and template of the manifests what the pod identity webhook would add. The
/// ServiceAccounts of the manifests count before `known` ones. Objects without a namespace are in
/// `namespace`. Everything else stays as it is, to the byte.
///
/// # Errors
/// [`Error`].
pub fn inject(
    manifests: &str,
    known: &Accounts,
    namespace: &str,
    settings: &Settings,
    config: bool,
) -> Result<Injected, Error> {
    let documents = issuer_yaml::parse(manifests)?;
    let values = documents.iter().map(|document| document.root.value());
    let values = values.collect::<Result<Vec<_>, _>>()?;
    let mut accounts = Accounts::default();
    // Of two with one name, the API server keeps the last.
    for value in values.iter().rev() {
        accounts.collect(value, namespace, config);
    }
    accounts.extend(known);

    // A text without a document has comments at most.
    let without = if documents.is_empty() { manifests } else { "" };
    let (mut text, mut pods) = (without.to_owned(), Vec::new());
    for (document, mut value) in documents.iter().zip(values) {
        let mut changes = Vec::new();
        for place in places(&value) {
            let (pod, change) = plan(&value, &place, &accounts, namespace, settings);
            changes.extend(change.map(|change| (place.path, change)));
            pods.push(pod);
        }
        for (path, change) in &changes {
            if let Some(spec) = at_mut(&mut value, path).and_then(|pod| pod.get_mut("spec")) {
                *spec = change.apply(spec.take());
            }
        }
        let own = manifests.get(document.range.clone()).unwrap_or_default();
        let line = document.root.line();
        match edited(own, &changes, &value) {
            _ if changes.is_empty() => text.push_str(own),
            Some(edited) => text.push_str(&edited),
            None => return Err(Error::Layout { line }),
        }
    }
    Ok(Injected { text, pods })
}

/// A pod's path in its document, and its change.
type Change = (Path, Mutation);

/// The document with the changes, if that is what is wanted when it is read back. Where parts are
/// shared through anchors, they are written out first.
fn edited(text: &str, changes: &[Change], wanted: &Value) -> Option<String> {
    let document = issuer_yaml::parse(text).ok()?.into_iter().next()?.root;
    if let Some(done) = edit(text, &document, changes, wanted) {
        return Some(done);
    }
    let mut editor = Editor::new(text, &document);
    editor.expand(&document);
    let text = editor.finish();
    let document = issuer_yaml::parse(&text).ok()?.into_iter().next()?.root;
    edit(&text, &document, changes, wanted)
}

fn edit(text: &str, document: &Node, changes: &[Change], whole: &Value) -> Option<String> {
    let mut editor = Editor::new(text, document);
    for (path, change) in changes {
        let (spec, wanted) = (follow(document, path)?, at(whole, path)?);
        let (spec, wanted) = (spec.get("spec").filter(own)?, wanted.get("spec")?);
        for added in &change.containers {
            let container = spec.get(added.list).filter(own)?.items().get(added.index);
            let container = container.filter(own)?;
            let wanted = wanted.get(added.list)?.get(added.index)?;
            append(&mut editor, container, "env", &added.env, wanted);
            append(&mut editor, container, "volumeMounts", added.mount.as_slice(), wanted);
        }
        if let Some(volume) = &change.volume {
            match spec.entry("volumes") {
                Some(entry) => editor.prepend(entry, volume),
                None => editor.add(spec, "volumes", wanted.get("volumes")?),
            }
        }
    }
    let text = editor.finish();
    let read = issuer_yaml::parse(&text).ok()?;
    let same = read.len() == 1 && read.first()?.root.value().ok()? == *whole;
    same.then_some(text)
}

/// Adds to a list; one that is not there, or merged from elsewhere, is written as it has to be.
fn append(editor: &mut Editor<'_>, object: &Node, key: &str, values: &[Value], wanted: &Value) {
    match (object.entry(key), wanted.get(key)) {
        _ if values.is_empty() => {}
        (Some(entry), _) => editor.append(entry, values),
        (None, Some(list)) => editor.add(object, key, list),
        (None, None) => {}
    }
}

/// Whether it is written here, and not an alias.
fn own(node: &&Node) -> bool {
    !node.is_alias()
}

fn follow<'a>(document: &'a Node, path: &[Step]) -> Option<&'a Node> {
    path.iter().try_fold(document, |node, step| {
        let next = match step {
            Step::Key(key) => node.get(key),
            Step::Index(index) => node.items().get(*index),
        };
        next.filter(own)
    })
}

fn plan(
    document: &Value,
    place: &Place,
    accounts: &Accounts,
    namespace: &str,
    settings: &Settings,
) -> (Pod, Option<Mutation>) {
    let pod = at(document, &place.path).unwrap_or(&Value::Null);
    let spec = pod.get("spec").unwrap_or(&Value::Null);
    let namespace = place.namespace.as_deref().unwrap_or(namespace);
    let account = ["serviceAccountName", "serviceAccount"].map(|name| text(spec, name));
    let account = account.into_iter().find(|name| !name.is_empty());
    let name = account.unwrap_or("default");
    let annotations = strings(pod, "annotations");
    let mut result = Pod {
        name: format!("{} {namespace}/{}", place.kind, place.name),
        service_account: format!("{namespace}/{name}"),
        outcome: Outcome::NoRole,
        warnings: Vec::new(),
    };
    if annotations.contains_key("kubernetes.io/config.mirror") {
        result.outcome = Outcome::Mirror;
        return (result, None);
    }
    if strings(pod, "labels").contains_key(SKIP_LABEL) {
        result.outcome = Outcome::OptedOut;
        return (result, None);
    }
    let Some(identity) = accounts.identity(namespace, name, settings) else {
        if account.is_some() && accounts.get(namespace, name).is_none() {
            result.outcome = Outcome::UnknownAccount;
        }
        return (result, None);
    };
    let mutation = Mutation::new(&identity, &annotations, spec, settings);
    result.warnings =
        warnings(&identity, &mutation, &annotations, accounts.get(namespace, name), spec, settings);
    if mutation.is_empty() {
        result.outcome = Outcome::Unchanged;
        return (result, None);
    }
    result.outcome = Outcome::Injected { role: identity.role };
    (result, Some(mutation))
}
