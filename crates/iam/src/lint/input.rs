//! Trust policies in the forms in which they are available.

use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::duplicates;
use crate::{Error, TrustPolicy};

/// IAM API, type `Role`.
const DOCUMENT: &str = "AssumeRolePolicyDocument";

/// A policy, and what only its text shows.
pub(super) struct Document {
    pub(super) policy: TrustPolicy,
    /// Members that an object has twice.
    pub(super) twice: Vec<String>,
    /// Characters without white space, as IAM counts them.
    pub(super) size: usize,
}

impl Document {
    /// Reads a policy as it is; percent-encoded, as IAM's API returns it; or within the output of
    /// `aws iam get-role`.
    pub(super) fn read(text: &str) -> Result<Self, Error> {
        // Editors on Windows add it, and JSON parsers reject it.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if is_encoded(text) {
            return Self::plain(&decoded(text)?);
        }
        // Text that is not JSON is reported by `TrustPolicy::parse`.
        match serde_json::from_str(text).ok().and_then(within) {
            Some(Value::String(inner)) if is_encoded(&inner) => Self::plain(&decoded(&inner)?),
            Some(Value::String(inner)) => Self::plain(&inner),
            Some(inner) => {
                Ok(Self { twice: duplicates::find(text), ..Self::plain(&inner.to_string())? })
            }
            None => Self::plain(text),
        }
    }

    fn plain(text: &str) -> Result<Self, Error> {
        Ok(Self {
            policy: TrustPolicy::parse(text)?,
            twice: duplicates::find(text),
            size: text.chars().filter(|c| !c.is_whitespace()).count(),
        })
    }
}

/// The policy within something else: a role, the response with the role, or a string.
fn within(value: Value) -> Option<Value> {
    match value {
        Value::Object(mut members) if !members.contains_key("Statement") => {
            let role = members.get_mut("Role").and_then(Value::as_object_mut);
            role.and_then(|role| role.remove(DOCUMENT)).or_else(|| members.remove(DOCUMENT))
        }
        text @ Value::String(_) => Some(text),
        _ => None,
    }
}

/// JSON never begins with a percent sign.
fn is_encoded(text: &str) -> bool {
    text.trim_start().starts_with('%')
}

fn decoded(text: &str) -> Result<String, Error> {
    let text = percent_decode_str(text.trim()).decode_utf8();
    text.map(String::from).map_err(|_| Error::NotAPolicy {
        reason: "the percent-encoded text is not UTF-8".to_owned(),
    })
}
