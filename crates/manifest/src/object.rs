//! An issuer that is an object in a cluster: the same fields, as a JSON value instead of text.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::parse::{KEYS, check};
use crate::{Error, Issuer};

/// A field that the API server adds, with any value. They are listed one by one, so that a field with a
/// typo is still refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ignored;

impl<'de> Deserialize<'de> for Ignored {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

impl JsonSchema for Ignored {
    fn schema_name() -> Cow<'static, str> {
        "Ignored".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({})
    }
}

/// Reads the spec of an object. Errors name the field by its path from the object's root, such as
/// `spec.store.s3.bucket`, and do not quote key material.
///
/// # Errors
/// [`Error::Field`], [`Error::Unfit`].
pub fn from_object(name: &str, spec: &Value) -> Result<Issuer, Error> {
    if let Some(path) = key_material("spec", spec) {
        let reason = "this is key material; an object names where keys are, and never has them";
        return Err(Error::Field { path, reason: reason.to_owned() });
    }
    let whole = json!({
        "apiVersion": "issuerctl.dev/v1alpha1",
        "kind": "ServiceAccountIssuer",
        "metadata": {"name": name},
        "spec": spec,
    });
    let issuer: Issuer = serde_path_to_error::deserialize(whole).map_err(|error| {
        let path = error.path().to_string();
        Error::Field { path, reason: error.into_inner().to_string() }
    })?;
    check(&issuer)?;
    Ok(issuer)
}

/// The path of a string that has the form of a key.
fn key_material(path: &str, value: &Value) -> Option<String> {
    let is_key = |text: &str| KEYS.iter().any(|key| text.contains(key));
    match value {
        Value::String(text) => is_key(text).then(|| path.to_owned()),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(index, item)| key_material(&format!("{path}[{index}]"), item)),
        Value::Object(members) => members.iter().find_map(|(name, member)| {
            if name == "kty" {
                return Some(path.to_owned());
            }
            key_material(&format!("{path}.{name}"), member)
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(spec: Value) -> String {
        from_object("prod", &spec).unwrap_err().to_string()
    }

    #[test]
    fn a_spec_is_read_as_the_file_is() {
        let spec = json!({
            "keys": [{"cluster": {"name": "prod", "namespace": "eksa-system"}}],
            "store": {"s3": {"bucket": "my-oidc", "prefix": "prod"}},
            "provider": {},
            "roles": [{"name": "app", "serviceAccounts": ["default/app"]}],
        });
        let text = json!({
            "apiVersion": "issuerctl.dev/v1alpha1",
            "kind": "ServiceAccountIssuer",
            "metadata": {"name": "prod"},
            "spec": spec,
        });
        let of_file = crate::parse(&text.to_string()).unwrap().remove(0);
        assert_eq!(from_object("prod", &spec).unwrap(), of_file);
    }

    #[test]
    fn an_error_names_the_field_by_its_path() {
        let store = json!({"s3": {"bucket": "my-oidc"}});
        let keys = json!([{"apiserver": {}}]);
        for (spec, path) in [
            (json!({"keys": keys, "store": {"s3": {"bucket": "A"}}}), "spec.store.s3.bucket: "),
            (
                json!({"keys": keys, "store": {"s3": {"bucket": "my-oidc", "region": "us east"}}}),
                "spec.store.s3.region: ",
            ),
            (
                json!({"keys": keys, "store": {"s3": {"bucket": "my-oidc", "region": ""}}}),
                "spec.store.s3.region: ",
            ),
            (
                json!({"keys": keys, "store": {"s3": {"bucket": "my-oidc", "prefix": "a".repeat(901)}}}),
                "spec.store.s3.prefix: ",
            ),
            (json!({"keys": [{"cluster": {}}], "store": store}), "spec.keys[0].cluster: "),
            (json!({"keys": keys, "stor": store}), "spec.stor: unknown field `stor`"),
            (
                json!({"keys": keys, "store": store, "roles": [
                    {"name": "a", "serviceAccounts": ["x"]}
                ]}),
                "spec.roles[0].serviceAccounts",
            ),
        ] {
            let text = refusal(spec);
            assert!(text.starts_with(path), "{text}");
        }
        assert!(refusal(json!({"keys": keys})).contains("add a store"));
    }

    #[test]
    fn key_material_is_refused_and_not_quoted() {
        let pem = "-----BEGIN PRIVATE KEY-----\nMIIhidden";
        for spec in [
            json!({"keys": [{"file": pem}]}),
            json!({"roles": [{"inlinePolicies": {"p": {"kty": "RSA", "d": "hidden"}}}]}),
        ] {
            let text = refusal(spec);
            assert!(text.contains("key material") && !text.contains("hidden"), "{text}");
        }
    }
}
