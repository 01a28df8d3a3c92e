//! The documents of manifests.

use issuer_yaml::{Document, position};
use serde_json::Value;

use crate::Error;

/// The documents of a text with their values, all of them objects or empty. Whatever else is given
/// by mistake, such as a private key, must not be printed as if it was a manifest: to YAML, any text
/// is a scalar.
///
/// # Errors
/// [`Error::Yaml`], [`Error::NotAnObject`].
pub(crate) fn read(text: &str) -> Result<Vec<(Document, Value)>, Error> {
    let with_value = |document: Document| {
        let value = document.root.value()?;
        match fault(&value) {
            None => Ok((document, value)),
            Some(reason) => {
                let (line, _) = position(text, document.root.first());
                Err(Error::NotAnObject { line, reason })
            }
        }
    };
    issuer_yaml::parse(text)?.into_iter().map(with_value).collect()
}

fn fault(value: &Value) -> Option<&'static str> {
    match value {
        Value::Null => None,
        Value::Object(object) if object.is_empty() => None,
        Value::Object(object) if object.contains_key("kind") => None,
        Value::Object(object) if object.contains_key("apiVersion") => None,
        // A JWK is a mapping, too.
        Value::Object(_) => Some("has neither apiVersion nor kind"),
        Value::Array(items) => items.iter().find_map(fault).map(|_| "is a list of something else"),
        _ => Some("is text, not a mapping"),
    }
}
