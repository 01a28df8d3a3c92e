//! Tags, and those by which issuerctl knows its own.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest, Sha256};

use crate::{Error, Name};

/// What the keys of issuerctl's own tags begin with.
pub(crate) const OWN: &str = "issuerctl.dev/";

/// Says of a provider or role that issuerctl made it.
pub(crate) const CREATED: &str = "issuerctl.dev/created";

/// With a `Sid` behind it: says of a role that issuerctl wrote the statement, and the name of the
/// file that asked for it or `true`. A tag each, since several issuers write at once.
pub(crate) const TRUST: &str = "issuerctl.dev/trust/";

/// With a name behind it: says of a role that issuerctl made a policy of the account for it.
pub(crate) const MADE_POLICY: &str = "issuerctl.dev/policy/";

/// Tags by their keys.
pub type Tags = BTreeMap<String, String>;

/// One tag, `KEY=VALUE` (IAM user guide, "Tagging IAM resources").
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
    /// Whether a tag of this key is issuerctl's own.
    #[must_use]
    pub fn is_own(key: &str) -> bool {
        key.starts_with(OWN)
    }

    /// A tag that IAM takes and that is not one of issuerctl's own.
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

/// Those that are not set yet, or to another value.
pub(crate) fn missing(wanted: &Tags, present: &Tags) -> Tags {
    wanted
        .iter()
        .filter(|(key, value)| present.get(*key) != Some(value))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect()
}

/// What is there under the keys of others.
pub(crate) fn before(present: &Tags, to: &Tags) -> Tags {
    let there = to.keys().filter_map(|key| present.get_key_value(key));
    there.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// What issuerctl added to a role in the name of one issuer, since several share a role: short
/// hashes of names in one tag, as a tag's value has room for 256 characters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Record(BTreeSet<String>);

impl Record {
    /// ARNs of attached policies; the `Sid` of the issuer's statement follows.
    pub(crate) const ATTACHED: &str = "issuerctl.dev/attached/";
    /// Names of inline policies.
    pub(crate) const INLINE: &str = "issuerctl.dev/inline/";
    /// Keys of tags.
    pub(crate) const TAGS: &str = "issuerctl.dev/tags/";

    /// What was added in the name of the issuers whose `Sid`s are wanted.
    pub(crate) fn of(tags: &Tags, kind: &str, wanted: impl Fn(&str) -> bool) -> Self {
        let of_issuers = tags.iter().filter(|(key, _)| key.strip_prefix(kind).is_some_and(&wanted));
        let hashes =
            of_issuers.flat_map(|(_, value)| value.split(' ')).filter(|hash| !hash.is_empty());
        Self(hashes.map(str::to_owned).collect())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains(&hash(name))
    }

    /// The same with a name that was added.
    pub(crate) fn with(mut self, name: &str) -> Self {
        self.0.insert(hash(name));
        self
    }

    /// The same without what is there no more.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.remove(&hash(name));
        self
    }

    /// Those of the names that are there; what is gone may come back as somebody else's.
    pub(crate) fn among<'a>(mut self, names: impl Iterator<Item = &'a String>) -> Self {
        let there: BTreeSet<String> = names.map(|name| hash(name)).collect();
        self.0.retain(|hash| there.contains(hash));
        self
    }

    /// The names of both.
    pub(crate) fn union(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).cloned().collect())
    }

    pub(crate) fn value(&self) -> String {
        self.0.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
    }
}

fn hash(name: &str) -> String {
    // Four characters, so that a tag has room for fifty.
    Base64UrlUnpadded::encode_string(&Sha256::digest(name)[..3])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_that_iam_or_issuerctl_would_trip_over_are_refused() {
        for text in
            ["", "a", "=b", "aws:x=1", "AWS:x=1", "issuerctl.dev/created=no", "a=b;c", "a\n=b"]
        {
            assert!(text.parse::<Tag>().is_err(), "{text:?}");
        }
        let tag: Tag = "team=a=b".parse().unwrap();
        assert_eq!((tag.key.as_str(), tag.value.as_str()), ("team", "a=b"));
    }
}
