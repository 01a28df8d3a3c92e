//! From the strings of a file to validated types; errors have their position in the file.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;

use issuer_discovery::{IssuerUrl, Ports, Shape};
use issuer_iam::{Documents, PolicyName, Tag, Tags};
use issuer_publish::{AccessMode, Destination, Error as Fault};
use issuer_workload::{AccountsMode, Injection};
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::Value;

/// A string that its type parses.
pub(crate) fn parsed<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Parsed::deserialize(deserializer)?.0)
}

/// A folder; the address of a bucket would otherwise be a folder of that name.
pub(crate) fn folder<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    let wrong = |error: &dyn Display, meant: &str| {
        D::Error::custom(format!("{error}; for {meant}, write s3: {{bucket: …}} instead of folder"))
    };
    match String::deserialize(deserializer)?.parse() {
        Ok(Destination::Folder(folder)) => Ok(folder),
        Ok(Destination::S3(location)) => {
            Err(wrong(&format!("{location} is a bucket, not a folder"), &location.to_string()))
        }
        Err(Fault::Destination { fault, meant: Some(meant), .. }) if meant.starts_with("s3://") => {
            Err(wrong(&format!("the folder {fault}"), &meant))
        }
        Err(error) => Err(D::Error::custom(error)),
    }
}

/// The same, for a field that may be missing.
pub(crate) fn optional<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    Ok(Option::<Parsed<T>>::deserialize(deserializer)?.map(|parsed| parsed.0))
}

/// A list of them.
pub(crate) fn each<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    Ok(Vec::<Parsed<T>>::deserialize(deserializer)?.into_iter().map(|parsed| parsed.0).collect())
}

/// A list with at least one entry.
pub(crate) fn some<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    let list = each(deserializer)?;
    if list.is_empty() {
        Err(D::Error::custom("the list needs at least one entry"))
    } else {
        Ok(list)
    }
}

/// The same, for a field that may be missing.
pub(crate) fn some_optional<'de, D, T>(deserializer: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    some(deserializer).map(Some)
}

/// An issuer; whether it may have a port depends on the rest of the file.
pub(crate) fn issuer<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<IssuerUrl>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| IssuerUrl::parse(&text, Ports::Allow).map_err(D::Error::custom)).transpose()
}

/// A region, of AWS or of another store: it becomes a part of host names.
pub(crate) fn region<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    let is_part = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    match text {
        Some(text) if text.is_empty() || !text.bytes().all(is_part) => Err(D::Error::custom(
            "a region consists of letters, digits and hyphens, such as us-west-2",
        )),
        text => Ok(text),
    }
}

pub(crate) fn shape<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Shape, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "irsa" => Ok(Shape::Irsa),
        "kubernetes" => Ok(Shape::Kubernetes),
        other => Err(D::Error::unknown_variant(other, &["irsa", "kubernetes"])),
    }
}

pub(crate) fn access<'de, D: Deserializer<'de>>(deserializer: D) -> Result<AccessMode, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "policy" => Ok(AccessMode::Policy),
        "acl" => Ok(AccessMode::Acl),
        "cloudfront" => Ok(AccessMode::CloudFront),
        "none" => Ok(AccessMode::None),
        other => Err(D::Error::unknown_variant(other, &["policy", "acl", "cloudfront", "none"])),
    }
}

pub(crate) fn injection<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Injection, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| D::Error::unknown_variant(&text, &Injection::NAMES))
}

pub(crate) fn accounts<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<AccountsMode, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| D::Error::unknown_variant(&text, &AccountsMode::NAMES))
}

/// Maximum session duration in seconds (`roleMaxSessionDurationType`).
pub(crate) fn session<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    match Option::<u32>::deserialize(deserializer)? {
        Some(secs) if !(3600..=43200).contains(&secs) => {
            Err(D::Error::custom("the maximum session duration is 3600 to 43200 seconds"))
        }
        secs => Ok(secs),
    }
}

/// How many previous sites are kept.
pub(crate) fn keep_history<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        1001.. => Err(D::Error::custom("at most 1000 previous sites can be kept")),
        count => Ok(count),
    }
}

/// Cache lifetime in seconds.
pub(crate) fn max_age<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        86_401.. => Err(D::Error::custom(
            "the maximum is 86400 seconds: readers would not see a new key for longer than a day",
        )),
        secs => Ok(secs),
    }
}

pub(crate) fn tags<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Tags, D::Error> {
    let pairs = BTreeMap::<String, String>::deserialize(deserializer)?;
    let tag =
        |(key, value): (String, String)| Tag::new(&key, &value).map(|tag| (tag.key, tag.value));
    pairs.into_iter().map(tag).collect::<Result<Tags, _>>().map_err(D::Error::custom)
}

pub(crate) fn policies<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Documents, D::Error> {
    let documents = BTreeMap::<Parsed<PolicyName>, Policy>::deserialize(deserializer)?;
    Ok(documents.into_iter().map(|(name, policy)| (name.0.to_string(), policy.0)).collect())
}

/// A parsed string.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Parsed<T>(T);

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map(Self).map_err(D::Error::custom)
    }
}

/// A field with a value: one without a value is ambiguous, so it is refused.
pub(crate) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    match Option::<T>::deserialize(deserializer)? {
        None => Err(D::Error::custom(
            "the field has no value: write {} for the defaults, or remove the field",
        )),
        present => Ok(present),
    }
}

/// IAM's values are strings; a YAML number no longer has its original spelling.
fn with_texts(value: Value) -> Result<Value, &'static str> {
    Ok(match value {
        Value::Number(number) if number.is_f64() => {
            return Err("the values of a policy are strings: write this number between quotes");
        }
        Value::Number(number) => Value::String(number.to_string()),
        Value::Array(list) => {
            Value::Array(list.into_iter().map(with_texts).collect::<Result<_, _>>()?)
        }
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .map(|(name, value)| Ok((name, with_texts(value)?)))
                .collect::<Result<_, &str>>()?,
        ),
        other => other,
    })
}

/// A policy document.
struct Policy(Value);

impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let document = with_texts(Value::deserialize(deserializer)?).map_err(D::Error::custom)?;
        issuer_iam::check_permissions(&document).map_err(D::Error::custom)?;
        Ok(Self(document))
    }
}
