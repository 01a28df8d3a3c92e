//! Where the pods are in a manifest.

use issuer_yaml::Step;
use serde_json::Value;

use crate::Annotations;
use crate::mutation::text;

/// A part of a document: the names and indices that lead to it.
pub(crate) type Path = Vec<Step<'static>>;

/// A pod, or a template of pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// To the object that has the pod's `metadata` and `spec`.
    pub(crate) path: Path,
    pub(crate) kind: String,
    pub(crate) namespace: Option<String>,
    pub(crate) name: String,
}

/// The groups of the workloads, with the path from the object to the pod.
const WORKLOADS: [(&str, &[&str], &[&str]); 5] = [
    ("Pod", &[""], &[]),
    ("PodTemplate", &[""], &["template"]),
    ("ReplicationController", &[""], &["spec", "template"]),
    ("CronJob", &["batch"], &["spec", "jobTemplate", "spec", "template"]),
    ("Job", &["batch"], &["spec", "template"]),
];
const APPS: [&str; 4] = ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"];

/// The pods of a document, also those in lists.
pub(crate) fn places(document: &Value) -> Vec<Place> {
    let mut places = Vec::new();
    objects(document, &mut |object, kind, path| {
        if let Some(below) = path_to_pod(kind, text(object, "apiVersion"), path.is_empty()) {
            let mut path = path.clone();
            path.extend(Step::names(below));
            let metadata = object.get("metadata").unwrap_or(&Value::Null);
            let name = [text(metadata, "name"), text(metadata, "generateName")];
            let name = name.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
            let namespace = text(metadata, "namespace");
            places.push(Place {
                path,
                kind: kind.to_owned(),
                namespace: (!namespace.is_empty()).then(|| namespace.to_owned()),
                name: name.to_owned(),
            });
        }
    });
    places
}

/// Calls `visit` for every object of a document with its kind, also for those in lists.
pub(crate) fn objects(document: &Value, visit: &mut impl FnMut(&Value, &str, &Path)) {
    walk(document, "", &mut Vec::new(), visit);
}

/// The value at the end of a path.
pub(crate) fn at<'a>(value: &'a Value, path: &[Step]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, step| match step {
        Step::Name(name) => value.get(name),
        Step::Index(index) => value.get(index),
    })
}

/// The value at the end of a path, to be changed.
pub(crate) fn at_mut<'a>(value: &'a mut Value, path: &[Step]) -> Option<&'a mut Value> {
    path.iter().try_fold(value, |value, step| match step {
        Step::Name(name) => value.get_mut(name),
        Step::Index(index) => value.get_mut(index),
    })
}

/// Annotations or labels; values that are no strings, which an API server refuses, as they read.
pub(crate) fn strings(object: &Value, name: &str) -> Annotations {
    let map = object.get("metadata").and_then(|metadata| metadata.get(name));
    let entries = map.and_then(Value::as_object).into_iter().flatten();
    entries
        .map(|(key, value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            (key.clone(), text)
        })
        .collect()
}

fn walk(
    object: &Value,
    assumed: &str,
    path: &mut Path,
    visit: &mut impl FnMut(&Value, &str, &Path),
) {
    let kind = match text(object, "kind") {
        "" => assumed,
        kind => kind,
    };
    let items = object.get("items").and_then(Value::as_array);
    match (kind.strip_suffix("List"), items) {
        (Some(of), Some(items)) => {
            // Items of typed lists may leave their kind out; ResourceList is that of KRM functions.
            let assumed = if of == "Resource" { "" } else { of };
            for (index, item) in items.iter().enumerate() {
                path.extend([Step::Name("items"), Step::Index(index)]);
                walk(item, assumed, path, visit);
                path.truncate(path.len() - 2);
            }
        }
        _ => visit(object, kind, path),
    }
}

fn path_to_pod(kind: &str, api_version: &str, top: bool) -> Option<&'static [&'static str]> {
    let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
    // An item of a typed list has no apiVersion of its own.
    let unknown = api_version.is_empty() && !top;
    if APPS.contains(&kind) {
        return (unknown || ["apps", "extensions"].contains(&group))
            .then_some(&["spec", "template"]);
    }
    WORKLOADS
        .iter()
        .find(|(name, groups, _)| *name == kind && (unknown || groups.contains(&group)))
        .filter(|_| unknown || !api_version.is_empty())
        .map(|(_, _, path)| *path)
}
