//! Other credentials that the SDK takes before the role.

use issuer_diagnostic::{Fault, quote};
use serde_json::Value;

use super::case::Case;
use super::containers::{is_expanded, main, place, removal, shown, value, variable, with_role};
use super::pod::Finding;
use super::sources::{self, Taken, taken};
use crate::kubernetes::{items, name, named, text};

const KEYS: [&str; 2] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];

const PROFILES: [&str; 2] = ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"];

const SO: &str = "the SDK uses the access key, and not the role";

pub(super) fn judge(case: &Case<'_>, pod: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (main, _) = main(case, pod);
    let has_role = |name: &str| with_role(pod).any(|own| text(own, "name") == name);
    for container in with_role(pod) {
        let own = of_container(case, pod, container);
        // What a sidecar uses may be meant for it alone.
        let is_beside = text(container, "name") != main && has_role(main);
        findings.extend(own.into_iter().map(|own| if is_beside { own.doubted() } else { own }));
    }
    findings
}

/// The same for pods that are not there yet: the template, of which nobody knows what the webhook gives.
pub(super) fn of_template(case: &Case<'_>, template: &Value) -> Vec<Finding> {
    let (main, _) = main(case, template);
    let containers = items(&template["spec"], "containers").iter();
    let each = containers.flat_map(|container| {
        let own = of_container(case, template, container).into_iter();
        let is_beside = text(container, "name") != main;
        own.map(move |own| if is_beside { own.doubted() } else { own })
    });
    each.collect()
}

fn of_container(case: &Case<'_>, pod: &Value, container: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    of_variables(case, pod, container, &mut findings);
    of_sources(case, pod, container, &mut findings);
    of_profile(case, pod, container, &mut findings);
    findings
}

/// Whether a variable has a value; SDKs take an empty one as none. `None` if it is not known.
fn is_set(case: &Case<'_>, container: &Value, name: &str) -> Option<bool> {
    let Some(own) = variable(container, name) else { return Some(false) };
    match (own.get("value"), own.get("valueFrom")) {
        (Some(value), _) => Some(value != ""),
        (None, Some(from)) => sources::exists(case, from),
        (None, None) => Some(false),
    }
}

/// Static keys among the variables; by name, their values are not kept.
fn of_variables(case: &Case<'_>, pod: &Value, container: &Value, findings: &mut Vec<Finding>) {
    let mut there = Vec::new();
    for name in KEYS.into_iter().chain(["AWS_SESSION_TOKEN"]) {
        match is_set(case, container, name) {
            Some(true) => there.push(name),
            Some(false) => {}
            None => findings.push(Finding::Unknown(format!(
                "whether {name} of the container {} of the pod {} has a value: its object is optional, and not known",
                text(container, "name"),
                crate::kubernetes::name(pod)
            ))),
        }
    }
    // A secret key without its ID is no credential.
    if !there.contains(&KEYS[0]) {
        return;
    }
    let from =
        KEYS.iter().filter_map(|key| variable(container, key)?.get("valueFrom")).find_map(|from| {
            let secret = from.pointer("/secretKeyRef/name").and_then(Value::as_str);
            secret.map(|own| format!(" from the Secret {own}"))
        });
    findings.push(Finding::Fault(
        SO,
        Fault::new(
            format!(
                "{} {} set{} in the container {} of the pod {}: static keys precede the role in every SDK",
                there.join(" and "),
                if there.len() == 1 { "is" } else { "are" },
                from.unwrap_or_default(),
                text(container, "name"),
                name(pod)
            ),
            removal(case, container, &there),
        ),
    ));
}

/// Static keys that come from a whole Secret or ConfigMap.
fn of_sources(case: &Case<'_>, pod: &Value, container: &Value, findings: &mut Vec<Finding>) {
    let wanted: Vec<&str> =
        KEYS.into_iter().filter(|key| variable(container, key).is_none()).collect();
    match taken(case, container, &wanted) {
        Taken::Named(found) => findings.push(Finding::Fault(
            SO,
            Fault::new(
                format!(
                    "the {}, from which the container {} of the pod {} takes variables (envFrom), has {}: static keys \
                     precede the role in every SDK",
                    found.object,
                    text(container, "name"),
                    name(pod),
                    found.names.join(" and ")
                ),
                taking_away(case, &found.object),
            ),
        )),
        Taken::Unknown(why) => findings.push(Finding::Unknown(why)),
        Taken::Nothing => {}
    }
}

/// How a container no longer gets variables from a whole object.
fn taking_away(case: &Case<'_>, object: &str) -> String {
    format!(
        "remove the keys from the {object}, or the {object} from envFrom in {}, and {}",
        place(case),
        case.recreate()
    )
}

/// A profile or credentials file, which some SDKs take first.
fn of_profile(case: &Case<'_>, pod: &Value, container: &Value, findings: &mut Vec<Finding>) {
    let (pod_name, own) = (name(pod), text(container, "name"));
    let spec = &pod["spec"];
    let mounts = items(container, "volumeMounts");
    let is_file = |volume: &Value| {
        volume.get("secret").is_some()
            || volume.get("configMap").is_some()
            || volume["kind"].is_string()
            || (volume.get("projected").is_some()
                && !volume["projected"].to_string().contains("serviceAccountToken"))
    };
    let folder = mounts.iter().find(|mount| {
        let path = text(mount, "mountPath");
        let is_aws = path.ends_with("/.aws") || path.contains("/.aws/");
        is_aws && named(spec, "volumes", text(mount, "name")).is_some_and(is_file)
    });
    let has_config = variable(container, "AWS_CONFIG_FILE").is_some()
        || folder.is_some()
        || variable(container, "AWS_SHARED_CREDENTIALS_FILE").is_some();
    for variable_name in PROFILES {
        let Some(profile) = variable(container, variable_name) else { continue };
        if is_set(case, container, variable_name) != Some(true) {
            continue;
        }
        let profile =
            profile.get("value").and_then(Value::as_str).unwrap_or("(from another object)");
        let fault = Fault::new(
            format!(
                "{variable_name} is {} in the container {own} of the pod {pod_name}: SDKs then take the profile instead \
                 of the role{}",
                shown(profile),
                if has_config { "" } else { ", and no file with profiles is mounted" }
            ),
            removal(case, container, &[variable_name]),
        );
        // Some SDKs do without a file for the profile of this name.
        findings.push(match has_config || profile == "default" || is_expanded(profile) {
            true => Finding::Doubt(fault),
            false => Finding::Fault("the SDK looks for the profile, and not for the role", fault),
        });
        return;
    }
    let unset_ones: Vec<&str> =
        PROFILES.into_iter().filter(|name| variable(container, name).is_none()).collect();
    if let Taken::Named(found) = taken(case, container, &unset_ones) {
        findings.push(Finding::Doubt(Fault::new(
            format!(
                "the {}, from which the container {own} of the pod {pod_name} takes variables (envFrom), has {}: unless it \
                 is empty, SDKs take this profile instead of the role",
                found.object,
                found.names.join(" and ")
            ),
            taking_away(case, &found.object),
        )));
        return;
    }
    let file = value(container, "AWS_SHARED_CREDENTIALS_FILE");
    let place_of_file =
        file.map(str::to_owned).or_else(|| folder.map(|mount| text(mount, "mountPath").to_owned()));
    if let Some(path) = place_of_file {
        findings.push(Finding::Doubt(Fault::new(
            format!(
                "the container {own} of the pod {pod_name} has a credentials file ({}): some SDKs (JavaScript) take its \
                 default profile before the role",
                quote(&path)
            ),
            format!("remove the file, and AWS_SHARED_CREDENTIALS_FILE, from {}, if it has static keys", place(case)),
        )));
    }
}
