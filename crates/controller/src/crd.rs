//! The CustomResourceDefinition: made from the types of the issuer file, so that a file is an object.

use serde_json::{Map, Value, json};

use crate::object::{GROUP, KIND, PLURAL, VERSION};
use crate::schema;
use crate::status::Status;

/// Limits of lists and texts: the API server bounds the cost of a rule by them.
const LIMITS: [(&str, &str, u64); 8] = [
    ("keys", "maxItems", 16),
    ("roles", "maxItems", 500),
    ("roles[].serviceAccounts", "maxItems", 100),
    ("issuer", "maxLength", 255),
    ("keys[].jwks", "maxLength", 2048),
    ("keys[].file", "maxLength", 1024),
    ("store.folder", "maxLength", 1024),
    ("store.s3.endpointUrl", "maxLength", 2048),
];

/// What holds between fields, and what belongs to the command line alone. A field that a cluster cannot
/// have is in the schema all the same: the API server would otherwise remove it, and what the author
/// asked for would silently be something else.
const RULES: [(&str, &str, &str); 15] = [
    (
        "",
        "(has(self.keys) && size(self.keys) > 0) == has(self.store)",
        "spec.keys and spec.store belong together: set both, or neither to manage IAM alone",
    ),
    ("", "has(self.issuer) || has(self.store)", "spec.issuer is required without spec.store"),
    (
        "",
        "!has(self.workload) || !has(self.keys) || self.keys.all(k, !has(k.cluster))",
        "spec.workload is the cluster of the controller, and keys[].cluster is another one: remove one of \
         the two",
    ),
    (
        "keys[]",
        "[has(self.cluster), has(self.apiserver), has(self.jwks), has(self.file)].exists_one(x, x)",
        "an entry of spec.keys has exactly one of cluster, apiserver and jwks; write an entry for each",
    ),
    (
        "keys[]",
        "!has(self.file)",
        "file is for the command line: use cluster, apiserver, or jwks with an https URL",
    ),
    (
        "keys[]",
        "!has(self.jwks) || self.jwks.startsWith('https://')",
        "jwks must be an https URL: the controller reads no files",
    ),
    (
        "keys[].cluster",
        "!has(self.kubeconfig) && !has(self.context)",
        "kubeconfig and context are for the command line: the controller reads Secrets of its own cluster",
    ),
    (
        "keys[].apiserver",
        "!has(self.kubeconfig) && !has(self.context)",
        "kubeconfig and context are for the command line: the controller asks its own API server",
    ),
    ("store", "has(self.s3) != has(self.folder)", "spec.store has exactly one store: s3"),
    ("store", "!has(self.folder)", "folder is for the command line: use s3"),
    (
        "store.s3",
        "!has(self.sharedBucket) || !self.sharedBucket || !has(self.access) || self.access == 'policy'",
        "sharedBucket requires access: policy",
    ),
    (
        "store.s3",
        "!has(self.certificateArn) || (has(self.access) && self.access == 'cloudfront')",
        "certificateArn requires access: cloudfront",
    ),
    (
        "store.s3",
        "!has(self.endpointUrl) || !has(self.access) || self.access != 'cloudfront'",
        "access: cloudfront is for a bucket in AWS, without endpointUrl",
    ),
    (
        "workload",
        "!has(self.kubeconfig) && !has(self.context)",
        "kubeconfig and context are for the command line: the controller changes its own cluster",
    ),
    (
        "workload",
        "!has(self.restart) || !self.restart",
        "restart is for the command line: the controller restarts no workloads; use kubectl rollout restart",
    ),
];

/// The object that `kubectl apply` installs.
#[must_use]
pub fn definition() -> Value {
    let column = |name: &str, path: &str, text: &str| {
        let kind = match name {
            "Keys" => "integer",
            "Age" => "date",
            _ => "string",
        };
        json!({"name": name, "type": kind, "jsonPath": path, "description": text})
    };
    let ready = |field: &str| format!(".status.conditions[?(@.type==\"Ready\")].{field}");
    let wide = |mut column: Value| {
        column["priority"] = json!(1);
        column
    };
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{PLURAL}.{GROUP}")},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": format!("{KIND}List"),
                "plural": PLURAL,
                "singular": "serviceaccountissuer",
                "shortNames": ["sai"],
            },
            "versions": [{
                "name": VERSION,
                "served": true,
                "storage": true,
                "subresources": {"status": {}},
                "additionalPrinterColumns": [
                    column("Ready", &ready("status"), "Whether everything is as declared"),
                    column("Reason", &ready("reason"), "Why"),
                    column("Issuer", ".status.issuer", "The issuer URL"),
                    column("Keys", ".status.keyCount", "How many keys are published"),
                    wide(column("Suspended", ".spec.suspend", "Whether it is left alone")),
                    wide(column("Message", &ready("message"), "What is wrong, and how to fix it")),
                    column("Age", ".metadata.creationTimestamp", "Since its creation"),
                ],
                "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "description": "An issuer of service account tokens: the keys of a cluster, where they \
                                    are published, and its provider and roles in IAM.",
                    "required": ["spec"],
                    "properties": {
                        "apiVersion": {"type": "string"},
                        "kind": {"type": "string"},
                        "metadata": {"type": "object"},
                        "spec": spec(),
                        "status": status(),
                    },
                    "x-kubernetes-validations": [{
                        "rule": "size(self.metadata.name) <= 63",
                        "message": "metadata.name has at most 63 characters: it is the value of a tag",
                    }],
                }},
            }],
        },
    })
}

/// The same as a file.
///
/// # Errors
/// There is none that could happen: JSON can be written as YAML.
pub fn yaml() -> Result<String, serde_saphyr::SerializeError> {
    serde_saphyr::to_string(&definition())
}

fn spec() -> Value {
    let mut spec = schema::of::<issuer_manifest::Spec>();
    for (path, text) in [
        ("suspend", "Change nothing, and check nothing, until this is false."),
        (
            "deletionPolicy",
            "What happens to the resources in AWS and in the cluster when this object is deleted: Retain \
             keeps them, Delete deletes what this object was applied to, as `issuerctl delete` does. \
             Default: Retain.",
        ),
        (
            "driftPolicy",
            "What happens when somebody else has changed them: Repair changes them back, Report only says \
             so. A new key is published in any case. Default: Repair.",
        ),
    ] {
        set(&mut spec, path, |field| {
            field.insert("description".to_owned(), text.into());
        });
    }
    set(&mut spec, "keys[].cluster.namespace", |field| {
        let text = "Namespace of the Secret: that of this object, which is the default.";
        field.insert("description".to_owned(), text.into());
    });
    for (path, name, limit) in LIMITS {
        set(&mut spec, path, |field| {
            field.insert(name.to_owned(), limit.into());
        });
    }
    set(&mut spec, "roles", |field| {
        field.insert("x-kubernetes-list-type".to_owned(), "map".into());
        field.insert("x-kubernetes-list-map-keys".to_owned(), json!(["name"]));
    });
    for (path, rule, message) in RULES {
        let rule = json!({"rule": rule, "message": message});
        set(&mut spec, path, |field| match field.get_mut("x-kubernetes-validations") {
            Some(Value::Array(rules)) => rules.push(rule.clone()),
            _ => {
                field.insert("x-kubernetes-validations".to_owned(), json!([rule]));
            }
        });
    }
    spec
}

fn status() -> Value {
    let mut status = schema::of::<Status>();
    set(&mut status, "conditions", |field| {
        field.insert("x-kubernetes-list-type".to_owned(), "map".into());
        field.insert("x-kubernetes-list-map-keys".to_owned(), json!(["type"]));
    });
    set(&mut status, "conditions[].lastTransitionTime", |field| {
        field.insert("format".to_owned(), "date-time".into());
    });
    status
}

/// Changes a field that there is; the tests prove that each is.
fn set(schema: &mut Value, path: &str, change: impl FnOnce(&mut Map<String, Value>)) {
    if let Some(field) = schema::field(schema, path) {
        change(field);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_and_each_rule_is_about_a_field_that_there_is() {
        let mut spec = spec();
        for path in LIMITS.iter().map(|limit| limit.0).chain(RULES.iter().map(|rule| rule.0)) {
            assert!(schema::field(&mut spec, path).is_some(), "{path}");
        }
        for path in ["keys[].cluster.namespace", "suspend", "deletionPolicy", "driftPolicy"] {
            assert!(schema::field(&mut spec, path).is_some(), "{path}");
        }
        assert!(schema::field(&mut status(), "conditions[].lastTransitionTime").is_some());
    }

    #[test]
    fn the_schema_is_structural() {
        fn check(path: &str, schema: &Value) {
            let Value::Object(members) = schema else { panic!("{path} is no schema: {schema}") };
            for name in ["$ref", "anyOf", "oneOf", "const", "default", "title", "$defs"] {
                assert!(!members.contains_key(name), "{path} has {name}");
            }
            let any = members.contains_key("x-kubernetes-preserve-unknown-fields");
            assert!(any || members["type"].is_string(), "{path} has no type");
            assert!(
                !(members.contains_key("properties")
                    && members.contains_key("additionalProperties")),
                "{path}"
            );
            for (name, field) in
                members.get("properties").and_then(Value::as_object).into_iter().flatten()
            {
                check(&format!("{path}.{name}"), field);
            }
            for inner in ["items", "additionalProperties"] {
                if let Some(inner) = members.get(inner) {
                    check(&format!("{path}[]"), inner);
                }
            }
        }
        check("spec", &spec());
        check("status", &status());
    }
}
