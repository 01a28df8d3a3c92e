//! The part of a Secret that is read: only `tls.crt`.

use std::fmt;

use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, Visitor};

/// A Secret without its private part: `tls.key` is never kept.
#[derive(Debug, Deserialize)]
pub(crate) struct Secret {
    #[serde(default)]
    pub(crate) data: Data,
}

/// `data`: one value, and the names of all others.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Data {
    /// Base64, as the API server writes it.
    pub(crate) tls_crt: Option<String>,
    pub(crate) members: Vec<String>,
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DataVisitor;
        impl<'de> Visitor<'de> for DataVisitor {
            type Value = Data;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the data of a Secret")
            }

            fn visit_unit<E>(self) -> Result<Data, E> {
                Ok(Data::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Data, A::Error> {
                let mut data = Data::default();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "tls.crt" {
                        data.tls_crt = Some(map.next_value()?);
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                    data.members.push(name);
                }
                Ok(data)
            }
        }
        deserializer.deserialize_any(DataVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_key_in_the_answer_is_not_in_the_value() {
        let answer =
            r#"{"kind":"Secret","data":{"tls.key":"c2VjcmV0","tls.crt":"cHVibGlj","x":"eA=="}}"#;
        let secret: Secret = serde_json::from_str(answer).unwrap();
        assert_eq!(secret.data.tls_crt.as_deref(), Some("cHVibGlj"));
        assert_eq!(secret.data.members, ["tls.key", "tls.crt", "x"]);
        assert!(!format!("{secret:?}").contains("c2VjcmV0"));
    }

    #[test]
    fn a_secret_without_data_is_read_as_empty() {
        for answer in ["{}", r#"{"data":null}"#, r#"{"data":{}}"#] {
            assert_eq!(serde_json::from_str::<Secret>(answer).unwrap().data, Data::default());
        }
    }
}
