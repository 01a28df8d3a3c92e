//! Members of Kubernetes objects.

use serde_json::Value;

/// The items of a list; none if it is absent or null.
pub(crate) fn items<'a>(value: &'a Value, list: &str) -> &'a [Value] {
    value.get(list).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A member that is a text; else empty.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// `metadata.name`.
pub(crate) fn name(object: &Value) -> &str {
    object.get("metadata").map_or("", |metadata| text(metadata, "name"))
}

/// `metadata.namespace`.
pub(crate) fn namespace(object: &Value) -> &str {
    object.get("metadata").map_or("", |metadata| text(metadata, "namespace"))
}

/// `metadata.labels`.
pub(crate) fn labels(object: &Value) -> &Value {
    object.pointer("/metadata/labels").unwrap_or(&Value::Null)
}

/// An annotation.
pub(crate) fn annotation<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get("metadata")?.get("annotations")?.get(name)?.as_str()
}

/// The item of a list with this name.
pub(crate) fn named<'a>(value: &'a Value, list: &str, name: &str) -> Option<&'a Value> {
    items(value, list).iter().find(|item| text(item, "name") == name)
}

/// The controller of an object: kind and name.
pub(crate) fn owner(object: &Value) -> Option<(&str, &str)> {
    let owners =
        object.get("metadata").map_or(&[][..], |metadata| items(metadata, "ownerReferences"));
    let owner = owners.iter().find(|owner| owner["controller"] == true).or(owners.first())?;
    Some((text(owner, "kind"), text(owner, "name")))
}

/// The name of a pod's ServiceAccount.
pub(crate) fn account_of(pod: &Value) -> &str {
    let spec = pod.get("spec").unwrap_or(&Value::Null);
    match (text(spec, "serviceAccountName"), text(spec, "serviceAccount")) {
        ("", "") => "default",
        ("", old) => old,
        (name, _) => name,
    }
}
