//! A published discovery document, also with members that are there twice.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

/// The members that a document must have (OpenID Connect Discovery 1.0 section 3, without the
/// endpoints of logins).
pub const REQUIRED: [&str; 5] = [
    "issuer",
    "jwks_uri",
    "response_types_supported",
    "subject_types_supported",
    "id_token_signing_alg_values_supported",
];

/// The members of a JSON object, in order, including duplicates.
#[derive(Debug, Clone, PartialEq)]
pub struct Published(Vec<(String, Value)>);

impl Published {
    /// Reads a JSON object.
    ///
    /// # Errors
    /// Anything else.
    pub fn parse(bytes: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(bytes)
    }

    /// A member; of several, the last one, which most readers take.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().rev().find(|(member, _)| member == name).map(|(_, value)| value)
    }

    /// The first of these members that is there with different values.
    #[must_use]
    pub fn contradiction<'n>(&self, names: &[&'n str]) -> Option<&'n str> {
        let differs = |name: &str| {
            let mut values = self.0.iter().filter(|(member, _)| member == name);
            let first = values.next();
            values.any(|other| Some(other) != first)
        };
        names.iter().copied().find(|name| differs(name))
    }
}

impl<'de> Deserialize<'de> for Published {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Published;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Published, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Published(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_different_values_contradict_each_other() {
        let read = |text: &str| Published::parse(text.as_bytes()).unwrap();
        for (text, expected) in [
            (r#"{"issuer":"a","jwks_uri":"b"}"#, None),
            (r#"{"issuer":"a","issuer":"a"}"#, None),
            (r#"{"issuer":"a","issuer":"b"}"#, Some("issuer")),
            (r#"{"issuer":"a","jwks_uri":"b","x":1,"x":2,"jwks_uri":null}"#, Some("jwks_uri")),
        ] {
            assert_eq!(read(text).contradiction(&REQUIRED), expected, "{text}");
        }
        assert_eq!(read(r#"{"issuer":"a","issuer":"b"}"#).get("issuer"), Some(&"b".into()));
        assert!(Published::parse(b"[]").is_err() && Published::parse(b"{} x").is_err());
    }

    proptest! {
        #[test]
        fn a_member_is_the_one_that_other_readers_take(text in r#"\{("[ab]":[12],){0,4}"c":3\}"#) {
            let value: Value = serde_json::from_str(&text).unwrap();
            let published = Published::parse(text.as_bytes()).unwrap();
            for name in ["a", "b", "c", "d"] {
                prop_assert_eq!(published.get(name), value.get(name));
            }
        }
    }
}
