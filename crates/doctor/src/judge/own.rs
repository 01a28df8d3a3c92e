//! Workloads that bring role and token themselves, so that nothing has to be given to their pods.

use serde_json::Value;

use super::containers::{FILE, ROLE, variable};
use super::sources;
use crate::kubernetes::{items, named, text};
use crate::probe::{given_at_admission, self_provided};
use crate::seen::Seen;

const CONFIG: &str = "AWS_CONFIG_FILE";

/// How pods come by role and token of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Own {
    /// A container has both variables.
    Named,
    /// They come from somewhere else: what it is.
    From(String),
    /// They may come from an object, and why that is not known.
    Unknown(String),
}

/// How the pods of a template, or a pod, come by them; `None` if they do not.
pub(super) fn of(seen: &Seen, template: &Value) -> Option<Own> {
    if self_provided(template) {
        return Some(Own::Named);
    }
    if given_at_admission(template) {
        return None;
    }
    let spec = &template["spec"];
    let lists = ["containers", "initContainers"].into_iter();
    let mut found = lists
        .flat_map(|list| items(spec, list))
        .filter_map(|container| of_container(seen, spec, container));
    let first = found.next()?;
    match first {
        Own::Unknown(_) => found.find(|own| !matches!(own, Own::Unknown(_))).or(Some(first)),
        _ => Some(first),
    }
}

fn of_container(seen: &Seen, spec: &Value, container: &Value) -> Option<Own> {
    let (taken, unknown) = sources::all(seen, container);
    let own = text(container, "name");
    let from = |name: &str| taken.iter().find(|(taken, _)| taken == name).map(|(_, object)| object);
    let has = |name: &str| variable(container, name).is_some() || from(name).is_some();
    if has(ROLE) && has(FILE) {
        let object = from(ROLE).or(from(FILE)).map_or("", String::as_str);
        return Some(Own::From(format!("the {object} (envFrom of the container {own})")));
    }
    // Neither a file nor a variable that is not known leads to a role without a token.
    if !mounts_token(spec, container) {
        return None;
    }
    if has(CONFIG) {
        return Some(Own::From(format!(
            "a configuration file of the SDK ({CONFIG} of the container {own})"
        )));
    }
    unknown.map(Own::Unknown)
}

/// Whether a container mounts a token that is not for the API server.
fn mounts_token(spec: &Value, container: &Value) -> bool {
    let volumes = items(container, "volumeMounts")
        .iter()
        .filter_map(|mount| named(spec, "volumes", text(mount, "name")));
    volumes.flat_map(audiences).next().is_some()
}

/// The audiences of the tokens in a volume, without those for the API server.
pub(super) fn audiences(volume: &Value) -> impl Iterator<Item = &str> {
    let sources = volume.get("projected").map_or(&[][..], |projected| items(projected, "sources"));
    let tokens = sources.iter().filter_map(|source| source.get("serviceAccountToken"));
    tokens.map(|token| text(token, "audience")).filter(|audience| !audience.is_empty())
}
