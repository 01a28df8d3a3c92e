//! What of an object is ours: its label, the issuers that use it, and the managers of its fields.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// The label of everything that issuerctl creates.
pub(crate) const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "issuerctl");

/// The annotation with the issuers that an object is managed for, separated by spaces: the last one
/// that is deleted takes the object or its annotations with it.
pub(crate) const ISSUERS: &str = "issuerctl.dev/issuers";

/// The field manager of our server-side applies.
const MANAGER: &str = "issuerctl";

/// Annotations or labels by name.
pub(crate) type Names = BTreeMap<String, String>;

/// Who wrote a field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Manager {
    pub(crate) name: String,
    is_apply: bool,
}

impl Manager {
    /// Whether it is an earlier run.
    pub(crate) fn is_us(&self) -> bool {
        self.name == MANAGER && self.is_apply
    }
}

/// The metadata of an object.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Metadata {
    pub(crate) resource_version: String,
    pub(crate) annotations: Names,
    pub(crate) labels: Names,
    managed_fields: Vec<Value>,
}

impl Metadata {
    /// That of an object.
    pub(crate) fn of(object: &Value) -> Self {
        let metadata = &object["metadata"];
        let text = |name: &str| metadata[name].as_str().unwrap_or_default().to_owned();
        Self {
            resource_version: text("resourceVersion"),
            annotations: names(&metadata["annotations"]),
            labels: names(&metadata["labels"]),
            managed_fields: metadata["managedFields"].as_array().cloned().unwrap_or_default(),
        }
    }

    /// The issuers that it is managed for.
    pub(crate) fn issuers(&self) -> BTreeSet<String> {
        let text = self.annotations.get(ISSUERS).map(String::as_str).unwrap_or_default();
        text.split_whitespace().map(str::to_owned).collect()
    }

    /// Whether an earlier run created it, and nobody else writes to it.
    pub(crate) fn is_created(&self) -> bool {
        let (label, value) = MANAGED_BY;
        self.labels.get(label).is_some_and(|found| found == value)
            && !self.issuers().is_empty()
            && self.managed_fields.iter().all(|entry| entry["manager"] == MANAGER)
    }

    /// Who wrote an annotation.
    pub(crate) fn managers(&self, annotation: &str) -> Vec<Manager> {
        let field = format!("f:{annotation}");
        let wrote =
            |entry: &&Value| entry["fieldsV1"]["f:metadata"]["f:annotations"].get(&field).is_some();
        let manager = |entry: &Value| Manager {
            name: entry["manager"].as_str().unwrap_or_default().to_owned(),
            is_apply: entry["operation"] == "Apply",
        };
        self.managed_fields.iter().filter(wrote).map(manager).collect()
    }

    /// Whether earlier runs wrote an annotation, and nobody else.
    pub(crate) fn is_only_ours(&self, annotation: &str) -> bool {
        let managers = self.managers(annotation);
        !managers.is_empty() && managers.iter().all(Manager::is_us)
    }
}

/// Whether an object is being deleted: it stays until its finalizers are done, and nothing brings it
/// back.
pub(crate) fn is_terminating(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

/// The value of [`ISSUERS`].
pub(crate) fn list(issuers: &BTreeSet<String>) -> String {
    issuers.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
}

/// As JSON.
pub(crate) fn object(names: &Names) -> Value {
    let members = names.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
    Value::Object(members.collect::<Map<_, _>>())
}

fn names(value: &Value) -> Names {
    let members = value.as_object().into_iter().flatten();
    members.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}
