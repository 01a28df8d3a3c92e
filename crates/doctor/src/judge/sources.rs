//! Variables that come from Secrets and ConfigMaps, by the names of their keys.

use serde_json::Value;

use super::case::Case;
use crate::Fact;
use crate::kubernetes::{items, text};
use crate::seen::Seen;

/// What a container takes from whole objects (`envFrom`).
pub(super) enum Taken {
    /// None of the variables.
    Nothing,
    Named(Found),
    /// The names of an object's keys are not known, and why.
    Unknown(String),
}

/// Variables and the object that they come from.
pub(super) struct Found {
    /// `Secret aws`.
    pub(super) object: String,
    pub(super) names: Vec<String>,
}

/// The names of an object's keys, `None` for one that does not exist.
fn keys<'a>(case: &Case<'a>, kind: &str, name: &str) -> Option<&'a Fact<Option<Vec<String>>>> {
    keys_of(case.seen, kind, name)
}

fn keys_of<'a>(seen: &'a Seen, kind: &str, name: &str) -> Option<&'a Fact<Option<Vec<String>>>> {
    let workload = &seen.workload;
    match kind {
        "Secret" => workload.secrets.get(name),
        _ => workload.config_maps.get(name),
    }
}

/// Every variable that a container takes from whole objects, with its object; and why some are not known.
pub(super) fn all(seen: &Seen, container: &Value) -> (Vec<(String, String)>, Option<String>) {
    let (mut taken, mut unknown) = (Vec::new(), None);
    for source in items(container, "envFrom") {
        let prefix = text(source, "prefix");
        for (kind, member) in [("Secret", "secretRef"), ("ConfigMap", "configMapRef")] {
            let Some(reference) = source.get(member) else { continue };
            let object = text(reference, "name");
            match keys_of(seen, kind, object) {
                Some(Fact::Known(found)) => {
                    let names = found.iter().flatten();
                    taken.extend(
                        names.map(|key| (format!("{prefix}{key}"), format!("{kind} {object}"))),
                    );
                }
                other => {
                    let why = other.map_or("not looked at".to_owned(), Fact::why);
                    unknown = unknown.or(Some(format!(
                        "the names of the keys in the {kind} {object} (envFrom of the container {}): {why}",
                        text(container, "name")
                    )));
                }
            }
        }
    }
    (taken, unknown)
}

/// Which of the variables a container takes from whole objects.
pub(super) fn taken(case: &Case<'_>, container: &Value, wanted: &[&str]) -> Taken {
    let mut unknown = None;
    for source in items(container, "envFrom") {
        let prefix = text(source, "prefix");
        for (kind, member) in [("Secret", "secretRef"), ("ConfigMap", "configMapRef")] {
            let Some(reference) = source.get(member) else { continue };
            let object = text(reference, "name");
            match keys(case, kind, object) {
                Some(Fact::Known(found)) => {
                    let names = found.iter().flatten().map(|key| format!("{prefix}{key}"));
                    let names: Vec<String> =
                        names.filter(|name| wanted.contains(&name.as_str())).collect();
                    if !names.is_empty() {
                        return Taken::Named(Found { object: format!("{kind} {object}"), names });
                    }
                }
                other => {
                    let why = other.map_or("not known".to_owned(), Fact::why);
                    unknown = unknown.or(Some(format!(
                        "the names of the keys in the {kind} {object} (envFrom of the container {}): {why}",
                        text(container, "name")
                    )));
                }
            }
        }
    }
    unknown.map_or(Taken::Nothing, Taken::Unknown)
}

/// Whether there is what a variable's `valueFrom` names: only an optional one may be absent in a pod that
/// runs. `None` if it is not known.
pub(super) fn exists(case: &Case<'_>, from: &Value) -> Option<bool> {
    for (kind, member) in [("Secret", "secretKeyRef"), ("ConfigMap", "configMapKeyRef")] {
        let Some(reference) = from.get(member).filter(|own| own["optional"] == true) else {
            continue;
        };
        let found = keys(case, kind, text(reference, "name"))?.known()?;
        let key = text(reference, "key");
        return Some(found.iter().flatten().any(|own| own == key));
    }
    Some(true)
}
