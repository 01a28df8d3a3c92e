//! Which workloads have pods that run without their role.

use std::collections::BTreeMap;

use issuer_change::{Action, Change, ChangeSet, Describe, Field, Notice, Resource};
use issuer_cluster::ObjectRef;
use issuer_pods::{Annotations, Identity, Settings, lacks_role, with_role};
use serde_json::Value;

use crate::injection::kind;
use crate::{AccountPlan, Chosen, WorkloadSpec};

/// What runs under the ServiceAccounts of the roles.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Running {
    /// Pods that run or will.
    pub pods: Vec<Pod>,
    /// The workloads that they belong to.
    pub workloads: BTreeMap<ObjectRef, Workload>,
    /// Why pods could not be read.
    pub unreadable: Option<String>,
}

/// A pod, and what it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct Pod {
    /// What of it matters for its role; values of other variables, which can be secrets, are not kept.
    pub outline: Value,
    /// When it was created, in seconds since 1970.
    pub created: u64,
    /// What it belongs to.
    pub owner: Owner,
}

/// What a pod belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// Nothing.
    Nobody,
    /// A Deployment, StatefulSet or DaemonSet.
    Workload(ObjectRef),
    /// Something that does not replace its pods, by kind and name.
    Other(String),
}

/// A Deployment, StatefulSet or DaemonSet.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// The outline of its pods' template.
    pub template: Value,
    /// When it was restarted, in seconds since 1970.
    pub restarted: Option<u64>,
}

/// A workload that is restarted.
#[derive(Debug, Clone, PartialEq)]
pub struct RestartPlan {
    pub(crate) place: ObjectRef,
    locator: String,
    pods: Vec<String>,
    pub(crate) identity: Identity,
    pub(crate) done: bool,
}

/// Plans restarts, or says what runs without its role.
pub(crate) fn plan(
    spec: &WorkloadSpec,
    running: &Running,
    accounts: &[AccountPlan],
    chosen: Chosen,
    server: &str,
) -> (Vec<RestartPlan>, Vec<Notice>) {
    let (mut restarts, mut notices) = (Vec::new(), Vec::new());
    if let Some(reason) = &running.unreadable {
        let message = format!("{reason}, so pods that run without their role are not found");
        notices.push(notice("pods-not-readable", message));
    }
    for account in accounts {
        let Some(identity) = identity(account) else { continue };
        let namespace = account.place.namespace().unwrap_or_default();
        if chosen == Chosen::Webhook && namespace == "kube-system" {
            continue;
        }
        for (owner, pods) in without_role(running, account, &identity) {
            match judge(&owner, &pods, running, &identity) {
                Verdict::Restart(place) if spec.restart => restarts.push(RestartPlan {
                    locator: format!("{server}{}", place.path()),
                    place,
                    pods: pods.iter().map(|pod| name(&pod.outline)).collect(),
                    identity: identity.clone(),
                    done: false,
                }),
                Verdict::Restart(place) => {
                    notices.push(notice("pods-without-role", without(&place, spec, &identity)));
                }
                Verdict::Other(message) => notices.push(notice("pods-without-role", message)),
            }
        }
    }
    (restarts, notices)
}

/// What can be done about the pods of one owner.
enum Verdict {
    Restart(ObjectRef),
    Other(String),
}

fn judge(owner: &Owner, pods: &[&Pod], running: &Running, identity: &Identity) -> Verdict {
    let names: Vec<String> = pods.iter().map(|pod| full_name(&pod.outline)).collect();
    let (names, role) = (names.join(", "), &identity.role);
    let place = match owner {
        Owner::Nobody => {
            return Verdict::Other(format!(
                "{names} run without the role {role}, and nothing replaces them: delete and create \
                 them again"
            ));
        }
        Owner::Other(what) => {
            return Verdict::Other(format!(
                "{names} of {what} run without the role {role}: the next pods get it"
            ));
        }
        Owner::Workload(place) => place,
    };
    let Some(workload) = running.workloads.get(place) else {
        return Verdict::Other(format!("{names} run without the role {role}"));
    };
    let next = with_role(&workload.template, identity, &Settings::default());
    if lacks_role(&next, identity, &Settings::default()) {
        return Verdict::Other(format!(
            "the template of {place} has a role of its own, so its pods do not get the role {role}"
        ));
    }
    let created = pods.iter().map(|pod| pod.created).max().unwrap_or_default();
    if workload.restarted.is_some_and(|restarted| restarted >= created) {
        return Verdict::Other(format!(
            "{place} was restarted, and {names} without the role {role} were not replaced yet"
        ));
    }
    Verdict::Restart(place.clone())
}

/// Pods of a ServiceAccount that run without its role, by what they belong to.
fn without_role<'a>(
    running: &'a Running,
    account: &AccountPlan,
    identity: &Identity,
) -> BTreeMap<Owner, Vec<&'a Pod>> {
    let mut found: BTreeMap<Owner, Vec<&Pod>> = BTreeMap::new();
    let text = |pod: &Value, pointer: &str| {
        pod.pointer(pointer).and_then(Value::as_str).map(str::to_owned)
    };
    for pod in &running.pods {
        let of_account = text(&pod.outline, "/metadata/namespace").as_deref()
            == account.place.namespace()
            && text(&pod.outline, "/spec/serviceAccountName").as_deref()
                == Some(account.place.name());
        if of_account && lacks_role(&pod.outline, identity, &Settings::default()) {
            found.entry(pod.owner.clone()).or_default().push(pod);
        }
    }
    found
}

/// What pods of a ServiceAccount get, once it is annotated.
fn identity(account: &AccountPlan) -> Option<Identity> {
    let settings = Settings::default();
    let mut annotations =
        Annotations::from([(settings.annotation("role-arn"), account.role.clone()?)]);
    if let Some(audience) = &account.audience {
        annotations.insert(settings.annotation("audience"), audience.clone());
    }
    Identity::of(&annotations, &settings)
}

fn without(place: &ObjectRef, spec: &WorkloadSpec, identity: &Identity) -> String {
    let kind = place.kind().as_str().to_lowercase();
    let (name, namespace) = (place.name(), place.namespace().unwrap_or_default());
    let (role, kubectl) = (&identity.role, &spec.kubectl);
    format!(
        "pods of {place} run without the role {role}: `{kubectl} rollout restart {kind}/{name} \
         --namespace {namespace}`"
    )
}

fn notice(id: &'static str, message: String) -> Notice {
    Notice { id: id.into(), message }
}

fn name(outline: &Value) -> String {
    outline["metadata"]["name"].as_str().unwrap_or_default().to_owned()
}

fn full_name(outline: &Value) -> String {
    let namespace = outline["metadata"]["namespace"].as_str().unwrap_or_default();
    format!("{namespace}/{}", name(outline))
}

impl Describe for RestartPlan {
    fn describe(&self, into: &mut ChangeSet) {
        let name = self.place.full_name();
        let resource = Resource::new(kind(self.place.kind()), name, &self.locator);
        let field = Field::added("restart", self.pods.clone());
        into.push(Change::new(resource, Action::Update).with_field(field));
    }
}
