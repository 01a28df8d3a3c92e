//! Tags, and those that record what issuerctl manages.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest, Sha256};

use crate::{Error, Name};

/// Prefix of the tag keys of issuerctl.
pub(crate) const OWN: &str = "issuerctl.dev/";

/// Records that issuerctl created a provider or a role.
pub(crate) const CREATED: &str = "issuerctl.dev/created";

/// Followed by a `Sid`: records that issuerctl manages this statement of a role. The value is the
/// name in the file, or `true`. Each issuer has its own tag, since several can write concurrently.
pub(crate) const TRUST: &str = "issuerctl.dev/trust/";

/// Followed by a name: records that issuerctl created this customer managed policy for a role.
pub(crate) const MADE_POLICY: &str = "issuerctl.dev/policy/";

/// Tags by key.
pub type Tags = BTreeMap<String, String>;

/// A tag, `KEY=VALUE` (IAM user guide, "Tagging IAM resources").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// 1 to 128 characters.
    pub key: String,
    /// Up to 256 characters.
    pub value: String,
}

impl FromStr for Tag {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.split_once('=') {
            Some((key, value)) => Self::new(key, value),
            None => Err(Error::invalid(Name::Tag, text, "it is not KEY=VALUE")),
        }
    }
}

impl Tag {
    /// Whether the key is reserved for issuerctl.
    #[must_use]
    pub fn is_own(key: &str) -> bool {
        key.starts_with(OWN)
    }

    /// A tag that IAM accepts and whose key is not reserved.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn new(key: &str, value: &str) -> Result<Self, Error> {
        let refuse = |reason| Err(Error::invalid(Name::Tag, &format!("{key}={value}"), reason));
        let allowed = |text: &str| {
            text.chars().all(|c| c.is_alphanumeric() || c == ' ' || "_.:/=+-@".contains(c))
        };
        if !(1..=128).contains(&key.chars().count()) || value.chars().count() > 256 {
            return refuse("a key has 1 to 128 characters, a value up to 256");
        }
        if !allowed(key) || !allowed(value) {
            return refuse("a tag consists of letters, digits, spaces and _.:/=+-@");
        }
        if key.to_ascii_lowercase().starts_with("aws:") || key.starts_with(OWN) {
            return refuse("keys that begin with aws: or issuerctl.dev/ are reserved");
        }
        Ok(Self { key: key.to_owned(), value: value.to_owned() })
    }
}

/// The tags that are not set, or have a different value.
pub(crate) fn missing(wanted: &Tags, present: &Tags) -> Tags {
    wanted
        .iter()
        .filter(|(key, value)| present.get(*key) != Some(value))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect()
}

/// The present tags that have one of these keys.
pub(crate) fn before(present: &Tags, to: &Tags) -> Tags {
    let there = to.keys().filter_map(|key| present.get_key_value(key));
    there.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// What issuerctl added to a role for one issuer, since several issuers can share a role: short
/// hashes of names in one tag, because a tag value has at most 256 characters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Record(BTreeSet<String>);

impl Record {
    /// ARNs of attached policies; the `Sid` of the issuer's statement follows.
    pub(crate) const ATTACHED: &str = "issuerctl.dev/attached/";
    /// Names of inline policies.
    pub(crate) const INLINE: &str = "issuerctl.dev/inline/";
    /// Keys of tags.
    pub(crate) const TAGS: &str = "issuerctl.dev/tags/";

    /// What was added for these issuers.
    pub(crate) fn of(tags: &Tags, kind: &str, wanted: impl Fn(&str) -> bool) -> Self {
        let of_issuers = tags.iter().filter(|(key, _)| key.strip_prefix(kind).is_some_and(&wanted));
        let hashes =
            of_issuers.flat_map(|(_, value)| value.split(' ')).filter(|hash| !hash.is_empty());
        Self(hashes.map(str::to_owned).collect())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains(&hash(name))
    }

    /// Adds a name.
    pub(crate) fn with(mut self, name: &str) -> Self {
        self.0.insert(hash(name));
        self
    }

    /// Removes a name.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.remove(&hash(name));
        self
    }

    /// Drops recorded names that no longer exist: if re-created, they belong to whoever did so.
    pub(crate) fn among<'a>(mut self, names: impl Iterator<Item = &'a String>) -> Self {
        let there: BTreeSet<String> = names.map(|name| hash(name)).collect();
        self.0.retain(|hash| there.contains(hash));
        self
    }

    /// The union of both records.
    pub(crate) fn union(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).cloned().collect())
    }

    pub(crate) fn value(&self) -> String {
        self.0.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
    }
}

fn hash(name: &str) -> String {
    // Four characters, so that a tag can record about fifty names.
    Base64UrlUnpadded::encode_string(&Sha256::digest(name)[..3])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_and_reserved_tags_are_rejected() {
        for text in
            ["", "a", "=b", "aws:x=1", "AWS:x=1", "issuerctl.dev/created=no", "a=b;c", "a\n=b"]
        {
            assert!(text.parse::<Tag>().is_err(), "{text:?}");
        }
        let tag: Tag = "team=a=b".parse().unwrap();
        assert_eq!((tag.key.as_str(), tag.value.as_str()), ("team", "a=b"));
    }
}
