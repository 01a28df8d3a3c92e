//! Values of a policy, whose grammar has one text wherever it has a list of texts.

use serde_json::Value;

/// One text, or the texts of a list.
pub(super) fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(values) => values.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The members of an object.
pub(super) fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// Values as texts: IAM takes `true` for `"true"` and 1 for `"1"`.
pub(super) fn texts(values: &Value) -> Vec<String> {
    match values {
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::String(text) => vec![text.clone()],
        Value::Bool(_) | Value::Number(_) => vec![values.to_string()],
        Value::Null | Value::Object(_) => Vec::new(),
    }
}

/// Whether it is what the grammar calls the values of a condition.
pub(super) fn is_values(value: &Value) -> bool {
    let one = |value: &Value| matches!(value, Value::String(_) | Value::Bool(_) | Value::Number(_));
    one(value) || value.as_array().is_some_and(|values| values.iter().all(one))
}
