//! Whether the containers can read the token file.
//!
//! The kubelet's rules (`pkg/volume/projected`): if every container, init containers too, has the same
//! runAsUser, the file is that user's, 0600; with fsGroup its group may read it; with neither it is root's,
//! with the volume's defaultMode, 0644 by default. Before Kubernetes 1.19 it was root's, 0600.

use issuer_diagnostic::Fault;
use serde_json::Value;

use super::case::Case;
use super::containers::{FILE, place, value, with_role};
use super::pod::Finding;
use crate::kubernetes::{items, name, named, text};

pub(super) fn judge(case: &Case<'_>, pod: &Value) -> Vec<Finding> {
    let spec = &pod["spec"];
    let windows = spec.pointer("/nodeSelector/kubernetes.io~1os").is_some_and(|os| os == "windows")
        || spec.pointer("/os/name").is_some_and(|os| os == "windows");
    if windows || spec.pointer("/securityContext/fsGroup").is_some_and(|group| !group.is_null()) {
        return Vec::new();
    }
    let old = case.seen.cluster.version.known().is_some_and(|version| is_before_1_19(version));
    let lists = ["initContainers", "containers"].into_iter().flat_map(|list| items(spec, list));
    let users: Vec<Option<i64>> = lists.map(|own| user(spec, own)).collect();
    let same = users
        .first()
        .copied()
        .flatten()
        .filter(|first| users.iter().all(|own| *own == Some(*first)));
    if same.is_some() && !old {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for container in with_role(pod) {
        let Some(path) = value(container, FILE) else { continue };
        let mounts = items(container, "volumeMounts").iter();
        let mount = mounts
            .filter(|own| path.starts_with(text(own, "mountPath")))
            .max_by_key(|own| text(own, "mountPath").len());
        let Some(volume) = mount.and_then(|own| named(spec, "volumes", text(own, "name"))) else {
            continue;
        };
        let mode = if old {
            0o600
        } else {
            volume.pointer("/projected/defaultMode").and_then(Value::as_i64).unwrap_or(0o644)
        };
        let group = group(spec, container);
        if mode & 0o004 != 0 || (mode & 0o040 != 0 && group == Some(0)) {
            continue;
        }
        // Without runAsGroup it is that of the image, which often is root's.
        let is_sure = mode & 0o040 == 0 || group.is_some();
        let who = match user(spec, container) {
            Some(0) => continue,
            Some(user) => Some(format!("runs as the user {user}")),
            None if non_root(spec, container) => {
                Some("runs as the image's own user, which is not root (runAsNonRoot)".to_owned())
            }
            None => None,
        };
        let because = match old {
            true => "before Kubernetes 1.19 the file is root's with the mode 0600".to_owned(),
            false => format!(
                "the volume {} has the mode {mode:04o}, {}, and there is no fsGroup, so the file is root's{}",
                text(volume, "name"),
                match users.iter().any(Option::is_some) {
                    true => "the containers have different users",
                    false => "no runAsUser is set",
                },
                if is_sure {
                    ""
                } else {
                    ", whose group may read it, and the group is that of the image"
                }
            ),
        };
        let fault = Fault::new(
            format!(
                "the container {} of the pod {} cannot read its token file (permission denied): it {}, and {because}",
                text(container, "name"),
                name(pod),
                who.as_deref().unwrap_or("may not run as root")
            ),
            format!(
                "set securityContext.fsGroup of the pod in {}, or defaultMode: 0644 of the volume {}, and {}",
                place(case),
                text(volume, "name"),
                case.recreate()
            ),
        );
        findings.push(match who {
            Some(_) if is_sure => {
                Finding::Fault("the SDK cannot read the token, and does not use the role", fault)
            }
            _ => Finding::Doubt(fault),
        });
    }
    findings
}

fn user(spec: &Value, container: &Value) -> Option<i64> {
    let own = container.pointer("/securityContext/runAsUser").and_then(Value::as_i64);
    own.or_else(|| spec.pointer("/securityContext/runAsUser").and_then(Value::as_i64))
}

/// The group of a container: root's if it is one of several; `None` if the image decides.
fn group(spec: &Value, container: &Value) -> Option<i64> {
    let supplemental =
        spec.pointer("/securityContext/supplementalGroups").and_then(Value::as_array);
    if supplemental.is_some_and(|groups| groups.iter().any(|own| own == 0)) {
        return Some(0);
    }
    let own = container.pointer("/securityContext/runAsGroup").and_then(Value::as_i64);
    own.or_else(|| spec.pointer("/securityContext/runAsGroup").and_then(Value::as_i64))
}

fn non_root(spec: &Value, container: &Value) -> bool {
    let own = container.pointer("/securityContext/runAsNonRoot").and_then(Value::as_bool);
    own.or_else(|| spec.pointer("/securityContext/runAsNonRoot").and_then(Value::as_bool))
        .unwrap_or_default()
}

fn is_before_1_19(version: &str) -> bool {
    let mut parts = version
        .split('.')
        .map(|part| part.chars().take_while(char::is_ascii_digit).collect::<String>());
    let (major, minor) = (parts.next(), parts.next().and_then(|minor| minor.parse::<u32>().ok()));
    major.as_deref() == Some("1") && minor.is_some_and(|minor| minor < 19)
}
