//! From the JSON Schema of a type to a structural schema, which is what a CustomResourceDefinition
//! may have.
//!
//! The API server sets no defaults: a stored object then says what its author wrote, and a diff of it
//! shows nothing else. The text of each field names its default instead.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// The structural schema of a type.
pub(crate) fn of<T: JsonSchema>() -> Value {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    structural(settings.into_generator().into_root_schema_for::<T>().to_value())
}

fn structural(schema: Value) -> Value {
    let Value::Object(mut schema) = schema else {
        // `true`: a value of any form.
        return json!({"x-kubernetes-preserve-unknown-fields": true});
    };
    // `format` checks no number here, and a larger one could not be read.
    if schema.get("format") == Some(&json!("uint32")) {
        schema.entry("maximum").or_insert(u32::MAX.into());
    }
    for unknown in ["$schema", "$defs", "title", "format"] {
        schema.remove(unknown);
    }
    if let Some(variants) = schema.remove("anyOf").or_else(|| schema.remove("oneOf")) {
        merge(&mut schema, variants);
    }
    if let Some(Value::Array(types)) = schema.get("type") {
        let given = types.iter().find(|one| *one != "null").cloned().unwrap_or_default();
        schema.insert("type".to_owned(), given);
    }
    describe(&mut schema);
    match schema.remove("additionalProperties") {
        Some(Value::Bool(true)) => {
            schema.insert("x-kubernetes-preserve-unknown-fields".to_owned(), true.into());
        }
        Some(Value::Object(values)) => {
            let values = structural(values.into());
            schema.insert("additionalProperties".to_owned(), values);
        }
        // The API server removes unknown fields, and kubectl refuses them.
        _ => {}
    }
    if let Some(items) = schema.remove("items") {
        schema.insert("items".to_owned(), structural(items));
    }
    if let Some(Value::Object(properties)) = schema.remove("properties") {
        let properties = properties.into_iter().map(|(name, one)| (name, structural(one)));
        schema.insert("properties".to_owned(), Value::Object(properties.collect()));
    }
    schema.into()
}

/// An optional value, an enumeration of texts, or an object with one of several fields.
fn merge(schema: &mut Map<String, Value>, variants: Value) {
    let Value::Array(variants) = variants else { return };
    let variants: Vec<Map<String, Value>> = variants
        .into_iter()
        .filter_map(|variant| match variant {
            Value::Object(variant) if variant.get("type") != Some(&json!("null")) => Some(variant),
            _ => None,
        })
        .collect();
    let constants: Vec<Value> =
        variants.iter().filter_map(|variant| variant.get("const").cloned()).collect();
    if !constants.is_empty() {
        schema.insert("type".to_owned(), json!("string"));
        schema.insert("enum".to_owned(), constants.into());
        return;
    }
    let is_optional = variants.len() == 1;
    let mut properties = Map::new();
    for mut variant in variants {
        if is_optional {
            for (name, value) in variant {
                match (name.as_str(), value) {
                    // Both levels may have variants: an optional object with one of several fields.
                    ("oneOf" | "anyOf", inner) => merge(schema, inner),
                    (_, value) => {
                        schema.entry(name).or_insert(value);
                    }
                }
            }
            return;
        }
        let text = variant.remove("description");
        if let Some(Value::Object(own)) = variant.remove("properties") {
            for (name, mut property) in own {
                if let (Some(text), Value::Object(property)) = (&text, &mut property) {
                    property.insert("description".to_owned(), text.clone());
                }
                properties.insert(name, property);
            }
        }
    }
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("properties".to_owned(), properties.into());
}

/// The default as a sentence of the description.
fn describe(schema: &mut Map<String, Value>) {
    let default = schema.remove("default").filter(|default| match default {
        Value::Null | Value::Bool(false) => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::Bool(true) | Value::Number(_) | Value::String(_) => true,
    });
    let Some(Value::String(text)) = schema.get("description") else { return };
    let mut text = text.replace('\n', " ");
    if let Some(default) = default {
        let shown = default.as_str().map_or_else(|| default.to_string(), str::to_owned);
        text = format!("{text} Default: {shown}.");
    }
    schema.insert("description".to_owned(), text.into());
}

/// The schema of a field, by a path such as `spec.keys[].cluster`.
pub(crate) fn field<'a>(schema: &'a mut Value, path: &str) -> Option<&'a mut Map<String, Value>> {
    let mut place = schema;
    for name in path.split('.').filter(|name| !name.is_empty()) {
        let (name, items) = name.strip_suffix("[]").map_or((name, false), |name| (name, true));
        place = place.get_mut("properties")?.get_mut(name)?;
        if items {
            place = place.get_mut("items")?;
        }
    }
    place.as_object_mut()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only the schema is used")]
    enum Place {
        /// The first.
        One(Inner),
        /// The second.
        Two(String),
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only the schema is used")]
    struct Inner {
        /// A number.
        #[serde(default)]
        number: Option<u32>,
        any: std::collections::BTreeMap<String, Value>,
    }

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only the schema is used")]
    struct Whole {
        /// Where.
        #[serde(default)]
        place: Option<Place>,
    }

    #[test]
    fn a_choice_becomes_an_object_with_each_of_its_fields() {
        let mut schema = of::<Whole>();
        assert_eq!(
            schema,
            json!({"type": "object", "properties": {"place": {
                "type": "object",
                "description": "Where.",
                "properties": {
                    "One": {
                        "type": "object",
                        "description": "The first.",
                        "properties": {
                            "number": {
                                "type": "integer",
                                "minimum": 0,
                                "maximum": 4_294_967_295_u32,
                                "description": "A number.",
                            },
                            "any": {
                                "type": "object",
                                "x-kubernetes-preserve-unknown-fields": true,
                            },
                        },
                        "required": ["any"],
                    },
                    "Two": {"type": "string", "description": "The second."},
                },
            }}})
        );
        assert!(field(&mut schema, "place.One.number").is_some());
        assert!(field(&mut schema, "place.Three").is_none());
    }
}
