//! Server-side apply and merge patches with `managedFields` (structured-merge-diff): members of
//! objects are owned one by one, lists as a whole.

use serde_json::{Map, Value, json};

/// A path of members.
type Field = Vec<String>;

/// Applies an object.
///
/// # Errors
/// The fields that other managers own, if it is not forced.
pub(super) fn apply(
    live: Option<Value>,
    patch: &Value,
    manager: &str,
    force: bool,
) -> Result<Value, String> {
    let mut next = live.clone().unwrap_or_else(|| {
        let mut identity = json!({});
        for name in ["name", "namespace"] {
            if let Some(value) = patch["metadata"].get(name) {
                identity[name] = value.clone();
            }
        }
        json!({"apiVersion": patch["apiVersion"], "kind": patch["kind"], "metadata": identity})
    });
    let mut entries = entries(&next);
    let wanted = fields(patch);
    let mut conflicts = Vec::new();
    for field in &wanted {
        let value = at(patch, field);
        if live.as_ref().and_then(|live| at(live, field)) == value {
            continue;
        }
        for (other, operation, owned) in &mut entries {
            let is_self = other == manager && operation == "Apply";
            if !is_self && owned.contains(field) {
                if force {
                    owned.retain(|own| own != field);
                } else {
                    conflicts.push(format!("conflict with {other:?}: .{}", field.join(".")));
                }
            }
        }
        set(&mut next, field, value.cloned());
    }
    if !conflicts.is_empty() {
        return Err(format!(
            "Apply failed with {} conflicts: {}",
            conflicts.len(),
            conflicts.join(", ")
        ));
    }
    let own = entries.iter().position(|(name, how, _)| name == manager && how == "Apply");
    let before = own.map(|at| entries.remove(at).2).unwrap_or_default();
    for field in before.iter().filter(|field| !wanted.contains(field)) {
        if !entries.iter().any(|(_, _, owned)| owned.contains(field)) {
            set(&mut next, field, None);
        }
    }
    entries.push((manager.to_owned(), "Apply".to_owned(), wanted));
    write(&mut next, entries);
    Ok(next)
}

/// Merges a patch (RFC 7396).
pub(super) fn merge(live: Value, patch: &Value, manager: &str) -> Value {
    let mut next = live;
    let mut entries = entries(&next);
    let changed: Vec<Field> =
        fields(patch).into_iter().filter(|field| at(&next, field) != at(patch, field)).collect();
    for field in &changed {
        let value = at(patch, field).filter(|value| !value.is_null()).cloned();
        for (_, _, owned) in &mut entries {
            owned.retain(|own| own != field);
        }
        set(&mut next, field, value);
    }
    own(&mut entries, manager, "Update", changed);
    write(&mut next, entries);
    next
}

/// Makes a manager the owner of every field that nobody owns.
pub(super) fn claim(object: &mut Value, manager: &str, operation: &str) {
    let mut entries = entries(object);
    let mut changed = fields(object);
    changed.retain(|field| !entries.iter().any(|(_, _, owned)| owned.contains(field)));
    own(&mut entries, manager, operation, changed);
    write(object, entries);
}

fn own(
    entries: &mut Vec<(String, String, Vec<Field>)>,
    manager: &str,
    operation: &str,
    fields: Vec<Field>,
) {
    match entries.iter_mut().find(|(name, how, _)| name == manager && how == operation) {
        Some((_, _, owned)) => owned.extend(fields),
        None => entries.push((manager.to_owned(), operation.to_owned(), fields)),
    }
}

/// All leaves but those that identify the object.
fn fields(object: &Value) -> Vec<Field> {
    fn walk(value: &Value, path: &mut Field, all: &mut Vec<Field>) {
        match value {
            Value::Object(members) if !members.is_empty() => {
                for (name, value) in members {
                    path.push(name.clone());
                    walk(value, path, all);
                    path.pop();
                }
            }
            _ => all.push(path.clone()),
        }
    }
    let mut all = Vec::new();
    walk(object, &mut Vec::new(), &mut all);
    let identity = |field: &Field| {
        let name = field.last().map_or("", String::as_str);
        match field.first().map(String::as_str) {
            Some("metadata") => match field.get(1).map(String::as_str) {
                Some("annotations" | "labels") => field.len() < 3,
                Some("managedFields") => true,
                _ => ["name", "namespace", "resourceVersion", "uid"].contains(&name),
            },
            Some("apiVersion" | "kind") => true,
            _ => false,
        }
    };
    all.retain(|field| !identity(field));
    all
}

fn at<'a>(object: &'a Value, field: &Field) -> Option<&'a Value> {
    field.iter().try_fold(object, |value, name| value.get(name))
}

/// Sets or removes a member, with the objects around it.
fn set(object: &mut Value, field: &[String], value: Option<Value>) {
    let [name, rest @ ..] = field else { return };
    if !object.is_object() {
        *object = json!({});
    }
    let members = object.as_object_mut().unwrap();
    match (rest, value) {
        ([], None) => drop(members.remove(name)),
        ([], Some(value)) => drop(members.insert(name.clone(), value)),
        (rest, value) => {
            let inner = members.entry(name.clone()).or_insert_with(|| json!({}));
            set(inner, rest, value);
            if inner.as_object().is_some_and(Map::is_empty) {
                members.remove(name);
            }
        }
    }
}

fn entries(object: &Value) -> Vec<(String, String, Vec<Field>)> {
    fn walk(value: &Value, path: &mut Field, all: &mut Vec<Field>) {
        let members = value.as_object().unwrap();
        if members.is_empty() {
            all.push(path.clone());
        }
        for (name, value) in members {
            path.push(name.strip_prefix("f:").unwrap().to_owned());
            walk(value, path, all);
            path.pop();
        }
    }
    let managed = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    let entry = |entry: &Value| {
        let text = |name: &str| entry[name].as_str().unwrap().to_owned();
        let mut owned = Vec::new();
        walk(&entry["fieldsV1"], &mut Vec::new(), &mut owned);
        (text("manager"), text("operation"), owned)
    };
    managed.iter().map(entry).collect()
}

fn write(object: &mut Value, entries: Vec<(String, String, Vec<Field>)>) {
    let entries = entries.into_iter().filter(|(_, _, owned)| {
        // An entry that owns nothing is dropped.
        owned.iter().any(|field| !field.is_empty())
    });
    let managed = entries.map(|(manager, operation, owned)| {
        let mut tree = json!({});
        for field in owned {
            let names: Field = field.iter().map(|name| format!("f:{name}")).collect();
            set(&mut tree, &names, Some(json!({})));
        }
        json!({"manager": manager, "operation": operation, "fieldsType": "FieldsV1", "fieldsV1": tree})
    });
    object["metadata"]["managedFields"] = managed.collect();
}
