//! What the webhook would do, done to manifests.

use issuer_yaml::{At, Edit, Editor, Step, position};
use serde_json::Value;

use crate::mutation::{ContainerMutation, text};
use crate::warning::warnings;
use crate::workload::{Path, Place, at, at_mut, places, strings};
use crate::{Accounts, Error, Mutation, Settings, Warning, manifests};

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
    let documents = manifests::read(manifests)?;
    let mut accounts = Accounts::default();
    // Of two with one name, the API server keeps the last.
    for (_, value) in documents.iter().rev() {
        accounts.collect(value, namespace, config);
    }
    accounts.extend(known);

    // A text without a document has comments at most.
    let without = if documents.is_empty() { manifests } else { "" };
    let (mut text, mut pods) = (without.to_owned(), Vec::new());
    for (document, mut value) in documents {
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
        match edited(own, &changes, &value) {
            _ if changes.is_empty() => text.push_str(own),
            Some(edited) => text.push_str(&edited),
            None => {
                let (line, _) = position(manifests, document.root.first());
                return Err(Error::Layout { line });
            }
        }
    }
    Ok(Injected { text, pods })
}

/// A pod's path in its document, and its change.
type Change = (Path, Mutation);

/// The document with the changes, if that is what is wanted when it is read back. Parts of pods
/// that are shared through anchors are written out first.
fn edited(text: &str, changes: &[Change], wanted: &Value) -> Option<String> {
    let mut editor = Editor::new(text).ok()?;
    for (path, change) in changes {
        for place in lists(path, change) {
            let (_, owner) = place.split_last()?;
            editor.own(0, owner).ok()?;
            // One that is merged from elsewhere is written as it has to be.
            if editor.node(0, &place).is_some() {
                editor.own(0, &place).ok()?;
            }
        }
    }
    let mut edits = Vec::new();
    for (path, change) in changes {
        at(wanted, &below(path, "spec")).filter(|spec| spec.is_object())?;
        for added in &change.containers {
            let container = container(path, added);
            edits.extend(adding(&editor, &container, "env", &added.env, wanted)?);
            let mounts = added.mount.as_slice();
            edits.extend(adding(&editor, &container, "volumeMounts", mounts, wanted)?);
        }
        let volume = change.volume.as_slice();
        edits.extend(adding(&editor, &below(path, "spec"), "volumes", volume, wanted)?);
    }
    editor.apply(edits).ok()?;
    let same = editor.documents().len() == 1 && editor.documents()[0].root.value().ok()? == *wanted;
    same.then(|| editor.into_text())
}

/// The lists that a change adds to.
fn lists(path: &Path, change: &Mutation) -> Vec<Path> {
    let containers = change
        .containers
        .iter()
        .flat_map(|added| ["env", "volumeMounts"].map(|name| below(&container(path, added), name)));
    let volumes = change.volume.iter().map(|_| below(&below(path, "spec"), "volumes"));
    containers.chain(volumes).collect()
}

/// The change that adds to a list of an object: to the volumes in front of the others.
fn adding(
    editor: &Editor,
    object: &Path,
    name: &'static str,
    values: &[Value],
    whole: &Value,
) -> Option<Vec<Edit>> {
    let place = below(object, name);
    // What is no object gets nothing.
    let Some(wanted) = at(whole, &place).filter(|_| !values.is_empty()) else {
        return Some(Vec::new());
    };
    if editor.node(0, &place).is_none() {
        return editor.inserted_entry(0, object, name, &wanted.into()).ok();
    }
    let values: Vec<_> = values.iter().map(issuer_yaml::Value::from).collect();
    let end = if name == "volumes" { At::Start } else { At::End };
    editor.inserted(0, &place, end, &values).ok()
}

fn container(path: &Path, added: &ContainerMutation) -> Path {
    let mut container = below(&below(path, "spec"), added.list);
    container.push(Step::Index(added.index));
    container
}

fn below(path: &Path, name: &'static str) -> Path {
    let mut path = path.clone();
    path.push(Step::Name(name));
    path
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
