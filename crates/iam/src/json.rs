//! Values of a policy, whose grammar allows one string wherever it allows an array of strings.

use serde_json::Value;

/// One string, or the strings of an array.
pub(crate) fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(values) => values.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The members of an object.
pub(crate) fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// Values as strings: IAM reads `true` as `"true"` and 1 as `"1"`.
pub(crate) fn texts(values: &Value) -> Vec<String> {
    match values {
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::String(text) => vec![text.clone()],
        Value::Bool(_) | Value::Number(_) => vec![values.to_string()],
        Value::Null | Value::Object(_) => Vec::new(),
    }
}

/// Whether it is valid as the values of a condition.
pub(crate) fn is_values(value: &Value) -> bool {
    let one = |value: &Value| matches!(value, Value::String(_) | Value::Bool(_) | Value::Number(_));
    one(value) || value.as_array().is_some_and(|values| values.iter().all(one))
}
