//! What of an object is kept. Values of variables, and whatever else may be a secret, are dropped where
//! the object is received.

use serde_json::{Map, Value, json};

use crate::kubernetes::{items, text};

/// Variables whose values are needed and no secrets.
const SHOWN: [&str; 14] = [
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_STS_REGIONAL_ENDPOINTS",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_SDK_LOAD_CONFIG",
    "AWS_ROLE_SESSION_NAME",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_STS",
];

/// A pod, a workload or a template as far as it matters for a role: without values of variables other
/// than those of the SDK that are no secrets, without commands, and without what kubectl or an operator
/// has stored of it in annotations.
#[must_use]
pub fn outline(object: &Value) -> Value {
    let mut kept = members(object, &["apiVersion", "kind"]);
    kept["metadata"] = metadata(&object["metadata"]);
    let spec = &object["spec"];
    // A CronJob's template is that of its Jobs.
    let template = spec.get("template").or_else(|| spec.pointer("/jobTemplate/spec/template"));
    kept["spec"] = match template {
        Some(template) => {
            let mut workload = members(spec, &["replicas", "selector", "paused", "updateStrategy"]);
            workload["template"] = json!({"metadata": metadata(&template["metadata"]), "spec": pod(&template["spec"])});
            workload
        }
        None => pod(spec),
    };
    let status = &object["status"];
    kept["status"] = members(
        status,
        &[
            "phase",
            "reason",
            "replicas",
            "readyReplicas",
            "availableReplicas",
            "unavailableReplicas",
            "conditions",
            "startTime",
            "podIP",
        ],
    );
    for list in ["containerStatuses", "initContainerStatuses"] {
        let states = items(status, list).iter();
        let states = states.map(|state| {
            members(state, &["name", "state", "lastState", "ready", "restartCount", "image"])
        });
        kept["status"][list] = states.collect();
    }
    kept
}

/// The names of a Secret's or ConfigMap's keys, from its `managedFields` alone.
#[must_use]
pub fn secret_keys(partial: &Value) -> Vec<String> {
    let mut keys = Vec::new();
    for entry in
        partial.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten()
    {
        for data in ["f:data", "f:stringData", "f:binaryData"] {
            let fields = entry.get("fieldsV1").and_then(|fields| fields.get(data));
            for field in fields.and_then(Value::as_object).into_iter().flat_map(Map::keys) {
                keys.extend(field.strip_prefix("f:").map(str::to_owned));
            }
        }
    }
    // A server that does not know PartialObjectMetadata sends the whole object: names alone are kept.
    for data in ["data", "stringData", "binaryData"] {
        keys.extend(
            partial.get(data).and_then(Value::as_object).into_iter().flat_map(Map::keys).cloned(),
        );
    }
    keys.sort();
    keys.dedup();
    keys
}

fn metadata(object: &Value) -> Value {
    let mut kept = members(
        object,
        &[
            "name",
            "generateName",
            "namespace",
            "uid",
            "labels",
            "creationTimestamp",
            "deletionTimestamp",
        ],
    );
    let annotations = object["annotations"].as_object().into_iter().flatten();
    let annotations = annotations.filter(|(name, _)| !name.ends_with("last-applied-configuration"));
    kept["annotations"] = annotations.map(|(name, value)| (name.clone(), value.clone())).collect();
    let owners = items(object, "ownerReferences").iter();
    kept["ownerReferences"] =
        owners.map(|owner| members(owner, &["kind", "name", "controller", "uid"])).collect();
    // Who wrote which field when; no values.
    kept["managedFields"] = object.get("managedFields").cloned().unwrap_or_default();
    kept
}

fn pod(spec: &Value) -> Value {
    let mut kept = members(
        spec,
        &[
            "serviceAccountName",
            "serviceAccount",
            "automountServiceAccountToken",
            "nodeSelector",
            "hostNetwork",
            "nodeName",
            "os",
        ],
    );
    kept["securityContext"] = security(&spec["securityContext"]);
    let volumes = items(spec, "volumes").iter();
    let volume = |volume: &Value| {
        let mut kept = members(volume, &["name", "projected", "secret", "configMap"]);
        let known = ["name", "projected", "secret", "configMap"];
        let kind = volume.as_object().into_iter().flat_map(Map::keys);
        if let Some(kind) = kind.into_iter().find(|kind| !known.contains(&kind.as_str())) {
            kept["kind"] = kind.as_str().into();
        }
        kept
    };
    kept["volumes"] = volumes.map(volume).collect();
    for list in ["initContainers", "containers"] {
        kept[list] = items(spec, list).iter().map(container).collect();
    }
    kept
}

fn container(container: &Value) -> Value {
    let mut kept = members(container, &["name", "image", "volumeMounts", "restartPolicy"]);
    kept["securityContext"] = security(&container["securityContext"]);
    let variable = |own: &Value| {
        let mut kept = members(own, &["name"]);
        if let Some(value) = own.get("value") {
            let shown = SHOWN.contains(&text(own, "name")) || value == "";
            kept["value"] = if shown { value.clone() } else { "(not kept)".into() };
        }
        if let Some(from) = own.get("valueFrom") {
            kept["valueFrom"] = from.clone();
        }
        kept
    };
    kept["env"] = items(container, "env").iter().map(variable).collect();
    kept["envFrom"] = items(container, "envFrom").iter().cloned().collect();
    kept["args"] = flags(container).into_iter().map(Value::from).collect();
    kept
}

/// Flags of the webhook that stand alone, without a value.
const SWITCHES: [&str; 4] =
    ["in-cluster", "sts-regional-endpoint", "watch-config-map", "compose-role-arn"];

/// Its flags with a value.
const FLAGS: [&str; 10] = [
    "annotation-prefix",
    "token-audience",
    "aws-default-region",
    "token-expiration",
    "token-mount-path",
    "service-name",
    "namespace",
    "tls-secret",
    "tls-cert",
    "port",
];

/// The webhook's flags, each as one word; none of them is a secret, and other programs' are not kept.
/// Its value may be the next word, which a switch does not take (pflag).
fn flags(container: &Value) -> Vec<String> {
    let words = ["command", "args"].into_iter().flat_map(|list| items(container, list));
    let mut words = words.map(|word| word.as_str().unwrap_or_default());
    let mut kept = Vec::new();
    while let Some(word) = words.next() {
        let Some(flag) = word.strip_prefix("--") else { continue };
        match flag.split_once('=') {
            Some((name, _)) if SWITCHES.contains(&name) || FLAGS.contains(&name) => {
                kept.push(word.to_owned());
            }
            None if SWITCHES.contains(&flag) => kept.push(format!("{word}=true")),
            None if FLAGS.contains(&flag) => {
                kept.extend(words.next().map(|value| format!("{word}={value}")));
            }
            _ => {}
        }
    }
    kept
}

fn security(context: &Value) -> Value {
    members(
        context,
        &[
            "runAsUser",
            "runAsGroup",
            "runAsNonRoot",
            "fsGroup",
            "supplementalGroups",
            "windowsOptions",
        ],
    )
}

fn members(value: &Value, names: &[&str]) -> Value {
    let present =
        names.iter().filter_map(|name| Some(((*name).to_owned(), value.get(name)?.clone())));
    Value::Object(present.collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outline_has_no_value_that_may_be_a_secret() {
        let container = json!({
            "name": "main",
            "command": ["sh", "-c", "MARKER"],
            "args": ["--token=MARKER", "--annotation-prefix=eks.amazonaws.com"],
            "env": [
                {"name": "PASSWORD", "value": "MARKER"},
                {"name": "AWS_SECRET_ACCESS_KEY", "value": "MARKER"},
                {"name": "AWS_ROLE_ARN", "value": "arn"},
            ],
        });
        let spec = json!({"containers": [container], "initContainers": [container]});
        let metadata = json!({"annotations": {
            "kubectl.kubernetes.io/last-applied-configuration": "MARKER",
        }});
        for object in [
            json!({"metadata": metadata, "spec": spec}),
            json!({"spec": {"template": {"metadata": metadata, "spec": spec}}}),
        ] {
            let outline = outline(&object).to_string();
            assert!(!outline.contains("MARKER"), "{outline}");
            assert!(
                outline.contains("\"arn\"") && outline.contains("--annotation-prefix"),
                "{outline}"
            );
        }
    }

    #[test]
    fn a_flag_has_its_value_in_one_word_or_two() {
        let container = json!({
            "command": ["/webhook", "--in-cluster", "--namespace", "kube-system", "--sts-regional-endpoint"],
            "args": ["--annotation-prefix", "a.example", "--token-audience=b", "--password", "MARKER", "--port"],
        });
        assert_eq!(
            flags(&container),
            [
                "--in-cluster=true",
                "--namespace=kube-system",
                "--sts-regional-endpoint=true",
                "--annotation-prefix=a.example",
                "--token-audience=b",
            ]
        );
    }

    #[test]
    fn the_keys_of_a_secret_are_known_without_their_values() {
        let partial = json!({"metadata": {"managedFields": [
            {"fieldsV1": {"f:data": {".": {}, "f:AWS_ACCESS_KEY_ID": {}, "f:other": {}}, "f:type": {}}},
        ]}});
        assert_eq!(secret_keys(&partial), ["AWS_ACCESS_KEY_ID", "other"]);
        assert_eq!(secret_keys(&json!({"data": {"a": "MARKER"}})), ["a"]);
        assert!(secret_keys(&json!({})).is_empty());
    }
}
