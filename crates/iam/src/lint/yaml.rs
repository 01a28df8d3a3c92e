//! Policies in YAML, as the AWS CLI prints them with `output = yaml`, and as templates have them.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::{Options, Tagged};

use crate::Error;

/// The documents of a text, with the short form of an intrinsic function (`!Ref NAME`) as its long
/// one (`{"Ref": "NAME"}`).
///
/// # Errors
/// [`Error::NotAPolicy`], with line and column.
pub(super) fn read(text: &str) -> Result<Vec<Value>, Error> {
    let not = |reason: String| Error::NotAPolicy { reason };
    if is_hcl(text) {
        return Err(not(
            "it is Terraform source; give the output of terraform show -json".to_owned()
        ));
    }
    let mut options = Options::default();
    options.with_snippet = false;
    // Keep leading zeros of account IDs; only true and false are booleans.
    options.leading_zero_numbers_as_strings = true;
    options.strict_booleans = true;
    let read = serde_saphyr::from_multiple_with_options(text, options);
    let documents: Vec<Node> = read.map_err(|error| {
        let place = error.location().map_or_else(String::new, |location| {
            format!(" at line {} column {}", location.line(), location.column())
        });
        not(format!("it is neither JSON nor valid YAML{place}"))
    })?;
    let documents: Vec<Value> = documents.into_iter().map(|Node(value)| value).collect();
    if documents.iter().all(|document| !document.is_object() && !document.is_array()) {
        return Err(not("it is neither JSON nor a YAML mapping".to_owned()));
    }
    Ok(documents)
}

/// Functions whose short form is not `!` and the part after `Fn::` (CloudFormation, "Intrinsic
/// function reference").
const PLAIN: [&str; 2] = ["Ref", "Condition"];
/// The other functions that have a short form.
const FUNCTIONS: [&str; 18] = [
    "And",
    "Base64",
    "Cidr",
    "Contains",
    "Equals",
    "FindInMap",
    "GetAZs",
    "GetAtt",
    "If",
    "ImportValue",
    "Join",
    "Length",
    "Not",
    "Or",
    "Select",
    "Split",
    "Sub",
    "Transform",
];

/// A value with its tag.
struct Node(Value);

/// A value without its own tag; the values in it have theirs.
struct Untagged(Value);

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Tagged(Untagged(value), tag) = Tagged::deserialize(deserializer)?;
        let name = tag.as_deref().and_then(|tag| tag.strip_prefix('!')).and_then(long_form);
        Ok(Self(match name {
            Some(name) => Value::Object(Map::from_iter([(name, value)])),
            None => value,
        }))
    }
}

impl<'de> Deserialize<'de> for Untagged {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Values).map(Self)
    }
}

fn long_form(short: &str) -> Option<String> {
    if PLAIN.contains(&short) {
        return Some(short.to_owned());
    }
    FUNCTIONS.contains(&short).then(|| format!("Fn::{short}"))
}

/// Reads any value.
struct Values;

impl<'de> Visitor<'de> for Values {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Node::deserialize(deserializer).map(|Node(value)| value)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(Number::from_i128(value).map_or_else(|| value.to_string().into(), Value::Number))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Value, E> {
        Ok(Number::from_u128(value).map_or_else(|| value.to_string().into(), Value::Number))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Node(value)) = items.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some((name, Node(value))) = entries.next_entry::<String, Node>()? {
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

/// Whether it has blocks of Terraform's language.
fn is_hcl(text: &str) -> bool {
    text.lines().map(str::trim_start).any(|line| {
        ["resource \"", "data \"", "module \"", "locals {", "variable \""]
            .iter()
            .any(|block| line.starts_with(block))
    })
}
