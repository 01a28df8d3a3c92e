//! What a pod needs to use its role: one volume, and variables and a mount for each container.

use serde_json::{Map, Value, json};

use crate::identity::seconds;
use crate::{Annotations, Identity, Settings, skip};

/// The name of the volume with the token.
pub(crate) const VOLUME: &str = "aws-iam-token";

const IDENTITY: [&str; 2] = ["AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"];
const REGION: [&str; 2] = ["AWS_DEFAULT_REGION", "AWS_REGION"];
const STS: &str = "AWS_STS_REGIONAL_ENDPOINTS";

/// The fields of a pod that have containers, in the order in which the webhook sees them.
const LISTS: [&str; 2] = ["initContainers", "containers"];

/// What the pod identity webhook would add to a pod.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mutation {
    /// The volume with the token, if there is none; it becomes the first one.
    pub volume: Option<Value>,
    /// The containers that get something.
    pub containers: Vec<ContainerMutation>,
}

/// What a container gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerMutation {
    /// `initContainers` or `containers`.
    pub list: &'static str,
    /// Its index in the list.
    pub index: usize,
    /// Variables, added behind those that it has.
    pub env: Vec<Value>,
    /// The mount of the token, added behind those that it has.
    pub mount: Option<Value>,
}

impl Mutation {
    /// For a pod's `spec` and annotations.
    #[must_use]
    pub fn new(
        identity: &Identity,
        annotations: &Annotations,
        spec: &Value,
        settings: &Settings,
    ) -> Self {
        let skipped = annotations
            .get(&settings.annotation("skip-containers"))
            .and_then(|value| skip::names(value))
            .unwrap_or_default();
        let expiration = annotations
            .get(&settings.annotation("token-expiration"))
            .and_then(|text| seconds(text))
            .unwrap_or(identity.expiration);
        let token_file = settings.token_file(is_windows(spec));
        let containers = containers(spec).filter_map(|(list, index, container)| {
            let name = text(container, "name");
            if skipped.iter().any(|skipped| skipped == name) {
                return None;
            }
            let (env, mount) = additions(container, identity, &token_file, settings);
            let nothing = env.is_empty() && mount.is_none();
            (!nothing).then_some(ContainerMutation { list, index, env, mount })
        });
        let containers = containers.collect();
        let has_volume = named(spec, "volumes", VOLUME).is_some();
        let volume = (!has_volume).then(|| volume(&identity.audience, expiration));
        Self { volume, containers }
    }

    /// Whether the pod has everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.volume.is_none() && self.containers.is_empty()
    }

    /// The pod's `spec` with the additions.
    #[must_use]
    pub fn apply(&self, mut spec: Value) -> Value {
        for change in &self.containers {
            let container = spec
                .get_mut(change.list)
                .and_then(|list| list.get_mut(change.index))
                .and_then(Value::as_object_mut);
            if let Some(container) = container {
                extend(container, "env", &change.env);
                extend(container, "volumeMounts", change.mount.as_slice());
            }
        }
        if let (Some(volume), Some(spec)) = (&self.volume, spec.as_object_mut()) {
            let mut volumes = vec![volume.clone()];
            volumes.append(&mut take(spec, "volumes"));
            spec.insert("volumes".to_owned(), volumes.into());
        }
        spec
    }
}

/// The containers of a pod that the webhook looks at: not ephemeral ones.
pub(crate) fn containers(spec: &Value) -> impl Iterator<Item = (&'static str, usize, &Value)> {
    LISTS.into_iter().flat_map(move |list| {
        items(spec, list).iter().enumerate().map(move |(index, container)| (list, index, container))
    })
}

/// The items of a list; none if it is absent or null.
pub(crate) fn items<'a>(value: &'a Value, list: &str) -> &'a [Value] {
    value.get(list).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The item of a list with this name.
pub(crate) fn named<'a>(value: &'a Value, list: &str, name: &str) -> Option<&'a Value> {
    items(value, list).iter().find(|item| text(item, "name") == name)
}

/// A member that is a text; else empty.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn additions(
    container: &Value,
    identity: &Identity,
    token_file: &str,
    settings: &Settings,
) -> (Vec<Value>, Option<Value>) {
    let has = |name: &&str| named(container, "env", name).is_some();
    let (role, region, sts) = (IDENTITY.iter().any(has), REGION.iter().any(has), has(&STS));
    if role && region && sts {
        return (Vec::new(), None);
    }
    let mut env = Vec::new();
    let mut add = |name: &str, value: &str| env.push(json!({"name": name, "value": value}));
    if identity.regional_sts && !sts {
        add(STS, "regional");
    }
    if let Some(value) = settings.region.as_deref().filter(|value| !value.is_empty() && !region) {
        REGION.iter().for_each(|name| add(name, value));
    }
    if !role {
        add(IDENTITY[0], &identity.role);
        add(IDENTITY[1], token_file);
    }
    let mounted = named(container, "volumeMounts", VOLUME).is_some();
    let mount =
        || json!({"name": VOLUME, "readOnly": true, "mountPath": settings.mount_path.as_str()});
    (env, (!mounted).then(mount))
}

fn volume(audience: &str, expiration: i64) -> Value {
    let mut token = Map::new();
    if !audience.is_empty() {
        token.insert("audience".to_owned(), audience.into());
    }
    token.insert("expirationSeconds".to_owned(), expiration.into());
    token.insert("path".to_owned(), "token".into());
    json!({"name": VOLUME, "projected": {"sources": [{"serviceAccountToken": token}]}})
}

fn is_windows(spec: &Value) -> bool {
    let selector = spec.get("nodeSelector");
    ["kubernetes.io/os", "beta.kubernetes.io/os"]
        .iter()
        .any(|key| selector.is_some_and(|selector| text(selector, key) == "windows"))
}

fn extend(object: &mut Map<String, Value>, key: &str, values: &[Value]) {
    if !values.is_empty() {
        let mut all = take(object, key);
        all.extend_from_slice(values);
        object.insert(key.to_owned(), all.into());
    }
}

/// The list, which is left null; empty if it is absent.
fn take(object: &mut Map<String, Value>, key: &str) -> Vec<Value> {
    match object.get_mut(key).map(Value::take) {
        Some(Value::Array(list)) => list,
        _ => Vec::new(),
    }
}
