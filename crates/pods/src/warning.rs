//! What may not be as intended, although it is what the webhook does.

use serde_json::Value;

use crate::mutation::{VOLUME, containers, items, named, text};
use crate::{Annotations, Identity, Mutation, Settings, skip};

/// The longest lifetime of a token that an API server accepts, in seconds.
const MAX_EXPIRATION: i64 = 1 << 32;

/// Something about a pod that may not be as intended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// The token has no audience, so it gets that of the API server, and STS refuses it.
    EmptyAudience,
    /// The role is not the ARN of a role.
    NotARole {
        /// What it is.
        role: String,
    },
    /// Another volume is mounted at the path of the token: the API server refuses the pod.
    PathInUse {
        /// The container.
        container: String,
        /// The path.
        path: String,
    },
    /// A container to be skipped does not exist.
    NothingToSkip {
        /// The name in the annotation.
        name: String,
    },
    /// The list of containers to be skipped is not valid CSV, so that none is skipped.
    SkipList,
    /// A volume has the token's name and is something else.
    ForeignVolume,
    /// An expiration that is not a number of seconds is ignored.
    Expiration {
        /// Whose annotation it is.
        of: &'static str,
        /// The value.
        value: String,
    },
    /// The API server refuses a lifetime of this length.
    TooLong {
        /// The lifetime in seconds.
        seconds: i64,
    },
    /// A switch that is neither true nor false is ignored.
    Switch {
        /// The value.
        value: String,
    },
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::EmptyAudience => f.write_str(
                "the audience is empty: the token gets the audience of the API server, and AWS STS \
                 refuses it",
            ),
            Self::NotARole { role } => write!(
                f,
                "{role:?} is not the ARN of an IAM role (arn:aws:iam::ACCOUNT:role/NAME): AWS STS \
                 refuses it"
            ),
            Self::PathInUse { container, path } => write!(
                f,
                "the container {container} already mounts another volume at {path}: the API server \
                 refuses the pod"
            ),
            Self::NothingToSkip { name } => write!(
                f,
                "skip-containers names {name:?}, which is not a container of the pod (spaces belong \
                 to the name)"
            ),
            Self::SkipList => {
                f.write_str("skip-containers is not valid CSV: no container is skipped")
            }
            Self::ForeignVolume => write!(
                f,
                "the volume {VOLUME} exists already and is not a projected service account token"
            ),
            Self::Expiration { of, value } => write!(
                f,
                "token-expiration of the {of} is {value:?}, which is not a number of seconds: it is \
                 ignored"
            ),
            Self::TooLong { seconds } => write!(
                f,
                "a token lifetime of {seconds} s is more than 2^32 s: the API server refuses the pod"
            ),
            Self::Switch { value } => write!(
                f,
                "sts-regional-endpoints is {value:?}, which is neither true nor false: it is ignored"
            ),
        }
    }
}

/// What may not be as intended about a pod with this role.
pub(crate) fn warnings(
    identity: &Identity,
    mutation: &Mutation,
    pod: &Annotations,
    account: Option<&Annotations>,
    spec: &Value,
    settings: &Settings,
) -> Vec<Warning> {
    let mut found = Vec::new();
    if identity.audience.is_empty() {
        found.push(Warning::EmptyAudience);
    }
    if !identity.has_role_arn() {
        found.push(Warning::NotARole { role: identity.role.clone() });
    }
    found.extend(expirations(mutation, pod, account, settings));
    let switch = account.and_then(|own| own.get(&settings.annotation("sts-regional-endpoints")));
    if let Some(value) = switch.filter(|value| crate::identity::boolean(value).is_none()) {
        found.push(Warning::Switch { value: value.clone() });
    }
    if let Some(list) = pod.get(&settings.annotation("skip-containers")) {
        let exists = |name: &str| containers(spec).any(|(.., own)| text(own, "name") == name);
        match skip::names(list) {
            None => found.push(Warning::SkipList),
            Some(names) => found.extend(
                names
                    .into_iter()
                    .filter(|name| !name.is_empty() && !exists(name))
                    .map(|name| Warning::NothingToSkip { name }),
            ),
        }
    }
    if named(spec, "volumes", VOLUME).is_some_and(|volume| !is_token(volume)) {
        found.push(Warning::ForeignVolume);
    }
    found.extend(clashes(mutation, spec, settings));
    found
}

fn expirations(
    mutation: &Mutation,
    pod: &Annotations,
    account: Option<&Annotations>,
    settings: &Settings,
) -> Vec<Warning> {
    let mut found = Vec::new();
    let name = settings.annotation("token-expiration");
    for (of, annotations) in [("pod", Some(pod)), ("ServiceAccount", account)] {
        let value = annotations.and_then(|annotations| annotations.get(&name));
        if let Some(value) = value.filter(|value| crate::identity::seconds(value).is_none()) {
            found.push(Warning::Expiration { of, value: value.clone() });
        }
    }
    let seconds = mutation.volume.as_ref().and_then(|volume| {
        volume.pointer("/projected/sources/0/serviceAccountToken/expirationSeconds")?.as_i64()
    });
    if let Some(seconds) = seconds.filter(|seconds| *seconds > MAX_EXPIRATION) {
        found.push(Warning::TooLong { seconds });
    }
    found
}

fn is_token(volume: &Value) -> bool {
    volume.get("projected").is_some_and(|projected| {
        items(projected, "sources").iter().any(|source| source.get("serviceAccountToken").is_some())
    })
}

fn clashes(mutation: &Mutation, spec: &Value, settings: &Settings) -> Vec<Warning> {
    let mounted = mutation.containers.iter().filter(|change| change.mount.is_some());
    let container = |list: &str, index: usize| items(spec, list).get(index);
    mounted
        .filter_map(|change| container(change.list, change.index))
        .filter(|container| {
            let mounts = items(container, "volumeMounts");
            mounts.iter().any(|mount| text(mount, "mountPath") == settings.mount_path)
        })
        .map(|container| Warning::PathInUse {
            container: text(container, "name").to_owned(),
            path: settings.mount_path.clone(),
        })
        .collect()
}
