//! Texts of messages: values of documents and tokens, with nothing in them hidden, and the fix that
//! most faults share.

use serde_json::Value;

pub(crate) use issuer_diagnostic::{date, quote, shorten};

/// The fix for most hosting faults.
pub(crate) const PUBLISH: &str = "publish the documents to a public bucket (issuerctl publish)";

/// A JSON value: strings as [`quote`] writes them, everything else compact and shortened.
pub(crate) fn show(value: &Value) -> String {
    match value {
        Value::String(text) => quote(text),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            let shown: Vec<_> = items.iter().take(8).map(show).collect();
            format!("[{}{}]", shown.join(", "), if items.len() > 8 { ", …" } else { "" })
        }
        other => shorten(&other.to_string()),
    }
}

/// What a JSON value is: `a string`.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
