//! What gives pods the role of their ServiceAccount: an admission policy, or the webhook.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use issuer_change::{Action, Change, ChangeSet, Describe, Field, Kind, Notice, Reason, Resource};
use issuer_cluster::{ObjectKind, ObjectRef};
use issuer_pods::{
    Dispenser, FailurePolicy, POLICY, PolicyApi, PolicyOptions, Roles, ServingCertificate,
    Settings, WEBHOOK, WEBHOOK_IMAGE, WebhookOptions, policy, webhook,
};
use serde_json::{Map, Value, json};

use crate::ownership::{ISSUERS, MANAGED_BY, Metadata, list};
use crate::{CertificateInUse, Error, Injection, WorkloadSpec};

/// What was read of what gives pods their roles.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct InjectionState {
    /// The version in which the API server serves admission policies.
    pub api: Option<PolicyApi>,
    /// What gives pods their roles and was not created by issuerctl for an issuer, by name.
    pub others: BTreeMap<Dispenser, Vec<String>>,
    /// Existing objects with the names of ours, without those that are being deleted; of a Secret,
    /// the public part.
    pub objects: BTreeMap<ObjectRef, Value>,
    /// Those that are being deleted.
    pub terminating: BTreeSet<ObjectRef>,
    /// The webhook's certificate, if it has one of ours.
    pub certificate: Option<CertificateInUse>,
}

/// What will give pods their roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Chosen {
    /// Nothing of ours, and nothing is said about it.
    #[default]
    Nothing,
    /// Something in the cluster that issuerctl does not manage.
    Other,
    /// An admission policy.
    Policy(PolicyApi),
    /// The pod identity webhook.
    Webhook,
}

/// What happens to one object.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectPlan {
    pub(crate) place: ObjectRef,
    locator: String,
    action: Action,
    reason: Option<Reason>,
    fields: Vec<Field>,
    pub(crate) step: Option<ObjectStep>,
    pub(crate) done: bool,
}

/// A request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ObjectStep {
    /// Server-side apply. An object that depends on the certificate is made with it, and gets this
    /// metadata.
    Apply { object: Value, needs_certificate: bool, force: bool },
    /// A merge patch.
    Merge(Value),
    /// A deletion of this version.
    Delete(String),
}

impl InjectionState {
    /// Whether an earlier run for any issuer installed a policy or the webhook.
    fn has_ours(&self) -> bool {
        let gives_roles = |kind| {
            matches!(
                kind,
                ObjectKind::MutatingAdmissionPolicy | ObjectKind::MutatingWebhookConfiguration
            )
        };
        self.objects.iter().any(|(place, object)| {
            gives_roles(place.kind()) && !Metadata::of(object).issuers().is_empty()
        })
    }
}

impl Chosen {
    /// What it is, if it is one of ours.
    #[must_use]
    pub fn as_text(self) -> Option<String> {
        match self {
            Self::Policy(api) => Some(format!("an admission policy ({})", api.as_str())),
            Self::Webhook => Some("the pod identity webhook".to_owned()),
            Self::Nothing | Self::Other => None,
        }
    }
}

/// Chooses, and plans every object.
///
/// # Errors
/// [`Error::NoPolicies`], [`Error::NameTaken`], [`Error::Terminating`].
pub(crate) fn plan(
    spec: &WorkloadSpec,
    state: &InjectionState,
    server: &str,
) -> Result<(Chosen, Vec<ObjectPlan>, Vec<Notice>), Error> {
    if spec.injection == Injection::None {
        return Ok((Chosen::Nothing, Vec::new(), Vec::new()));
    }
    let (chosen, notice) = choose(spec.injection, state)?;
    let planner = Planner { issuer: spec.issuer.as_str(), state, server };
    let is_renewed =
        state.certificate.as_ref().is_none_or(|in_use| in_use.is_ending(SystemTime::now()));
    let desired = match chosen {
        Chosen::Policy(api) => policy(&policy_options(api)).map_err(|_| Error::NoPolicies)?,
        Chosen::Webhook => {
            let mut objects = webhook(&webhook_options(known_certificate(state, is_renewed)));
            objects.insert(1, secret_without_data());
            objects
        }
        Chosen::Other | Chosen::Nothing => Vec::new(),
    };
    let (mut plans, mut taken, mut wanted) = (Vec::new(), Vec::new(), Vec::new());
    for object in &desired {
        let Some(place) = ObjectRef::of(object) else { continue };
        if state.terminating.contains(&place) {
            return Err(Error::Terminating { object: place.to_string() });
        }
        match planner.apply(&place, object, is_renewed) {
            Some(plan) => plans.push(plan),
            None => taken.push(place.to_string()),
        }
        wanted.push(place);
    }
    if !taken.is_empty() {
        return Err(Error::NameTaken { objects: taken });
    }
    let obsolete = state.objects.iter().rev().filter(|(place, _)| !wanted.contains(place));
    plans.extend(obsolete.filter_map(|(place, live)| planner.take_back(place, live)));
    Ok((chosen, plans, notice.into_iter().collect()))
}

/// Plans the end of everything that was done for the issuer.
pub(crate) fn plan_deletion(
    spec: &WorkloadSpec,
    state: &InjectionState,
    server: &str,
) -> Vec<ObjectPlan> {
    let planner = Planner { issuer: spec.issuer.as_str(), state, server };
    let mut plans: Vec<ObjectPlan> =
        state.objects.iter().filter_map(|(place, live)| planner.take_back(place, live)).collect();
    plans.sort_by_key(|plan| std::cmp::Reverse(rank(plan.place.kind())));
    plans
}

/// The objects of the webhook with a new certificate, by place.
///
/// # Errors
/// [`Error::Certificate`].
pub(crate) fn with_new_certificate(
    in_use: Option<&CertificateInUse>,
) -> Result<BTreeMap<ObjectRef, Value>, Error> {
    let kept = in_use.map(CertificateInUse::newest_authority).unwrap_or_default();
    let names = issuer_pods::webhook_names(WEBHOOK);
    let made = crate::certificate::make_certificate(names, crate::certificate::DAYS, &kept)?;
    let objects = webhook(&webhook_options(made)).into_iter();
    Ok(objects.filter_map(|object| Some((ObjectRef::of(&object)?, object))).collect())
}

/// The order of creation: what others refer to first, and what makes the API server act last.
pub(crate) fn rank(kind: ObjectKind) -> u8 {
    match kind {
        ObjectKind::Namespace => 0,
        // The API server checks that whoever binds a ClusterRole has what is in it.
        ObjectKind::ClusterRoleBinding
        | ObjectKind::MutatingAdmissionPolicyBinding
        | ObjectKind::MutatingWebhookConfiguration => 2,
        _ => 1,
    }
}

/// What gives pods their roles, and what has to be said about it.
///
/// # Errors
/// [`Error::NoPolicies`].
pub(crate) fn choose(
    wanted: Injection,
    state: &InjectionState,
) -> Result<(Chosen, Option<Notice>), Error> {
    let (mine, other) = match wanted {
        Injection::Webhook => (Dispenser::Webhook, Dispenser::Policy),
        _ => (Dispenser::Policy, Dispenser::Webhook),
    };
    let present = |dispenser: Dispenser| {
        let names = state.others.get(&dispenser)?.join(", ");
        let what = match dispenser {
            Dispenser::Policy => "admission policy",
            Dispenser::Webhook => "webhook",
        };
        Some(format!("the {what} {names}, which issuerctl does not manage,"))
    };
    let already = |what: String| {
        let message = format!("{what} gives pods their roles already: nothing is added to it");
        Ok((Chosen::Other, Some(Notice { id: "injection-unmanaged".into(), message })))
    };
    // What an earlier run installed stays, whatever somebody else adds.
    let is_ours = state.has_ours();
    if let Some(what) = present(mine).filter(|_| !is_ours) {
        return already(what);
    }
    if wanted == Injection::Auto
        && !is_ours
        && let Some(what) = present(other)
    {
        return already(what);
    }
    let chosen = match (wanted, state.api) {
        (Injection::Auto | Injection::Policy, Some(api)) => Chosen::Policy(api),
        (Injection::Policy, None) => return Err(Error::NoPolicies),
        _ => Chosen::Webhook,
    };
    let beside = present(other).or_else(|| present(mine)).map(|what| Notice {
        id: "two-injections".into(),
        message: format!(
            "{what} gives pods their roles, too: nothing is added twice, and one of the two can be \
             deleted"
        ),
    });
    Ok((chosen, beside))
}

fn policy_options(api: PolicyApi) -> PolicyOptions {
    PolicyOptions {
        settings: Settings::default(),
        api,
        roles: Roles::Annotations { labelled: false },
        namespaces: None,
        guard: false,
    }
}

fn webhook_options(certificate: ServingCertificate) -> WebhookOptions {
    WebhookOptions {
        settings: Settings::default(),
        namespace: WEBHOOK.to_owned(),
        image: WEBHOOK_IMAGE.to_owned(),
        certificate,
        failure_policy: FailurePolicy::Ignore,
        namespaces: None,
    }
}

/// The certificate as far as it is known: a new one is made when the plan is executed.
fn known_certificate(state: &InjectionState, is_renewed: bool) -> ServingCertificate {
    let in_use = state.certificate.as_ref().filter(|_| !is_renewed);
    ServingCertificate::InCluster {
        authorities: in_use.map(|in_use| in_use.authorities.clone()).unwrap_or_default(),
    }
}

/// The Secret as a plan has it: what is in it is made when the plan is executed.
fn secret_without_data() -> Value {
    let metadata = json!({"name": WEBHOOK, "namespace": WEBHOOK,
                          "labels": {"app.kubernetes.io/name": WEBHOOK}});
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata})
}

struct Planner<'a> {
    issuer: &'a str,
    state: &'a InjectionState,
    server: &'a str,
}

impl Planner<'_> {
    /// An object as it is to be; `None` if somebody else has one of its name.
    fn apply(&self, place: &ObjectRef, object: &Value, is_renewed: bool) -> Option<ObjectPlan> {
        let needs_certificate = is_renewed
            && matches!(
                place.kind(),
                ObjectKind::Secret | ObjectKind::MutatingWebhookConfiguration
            );
        let live = self.state.objects.get(place);
        let metadata = live.map(Metadata::of).unwrap_or_default();
        if live.is_some() && metadata.issuers().is_empty() {
            let is_namespace = place.kind() == ObjectKind::Namespace;
            return is_namespace.then(|| self.keep(place, Reason::Unmanaged));
        }
        let mut object = object.clone();
        let mut issuers = metadata.issuers();
        issuers.insert(self.issuer.to_owned());
        object["metadata"]["labels"][MANAGED_BY.0] = MANAGED_BY.1.into();
        object["metadata"]["annotations"][ISSUERS] = list(&issuers).into();
        let Some(live) = live else {
            let step = ObjectStep::Apply { object, needs_certificate, force: false };
            return Some(self.plan(place, Action::Create, Vec::new(), step));
        };
        let is_secret = place.kind() == ObjectKind::Secret;
        if is_secret && !needs_certificate {
            // What a Secret has to be is not known; that its certificate is valid was read.
            return Some(self.keep(place, Reason::Unchanged));
        }
        let fields = match needs_certificate {
            false => differences(live, &object),
            true => vec![self.renewal()],
        };
        if fields.is_empty() {
            return Some(self.keep(place, Reason::Unchanged));
        }
        object["metadata"]["resourceVersion"] = metadata.resource_version.into();
        let step = ObjectStep::Apply { object, needs_certificate, force: true };
        Some(self.plan(place, Action::Update, fields, step))
    }

    /// The end of what was done for this issuer; `None` if nothing was.
    fn take_back(&self, place: &ObjectRef, live: &Value) -> Option<ObjectPlan> {
        let metadata = Metadata::of(live);
        let mut issuers = metadata.issuers();
        let before = list(&issuers);
        if !issuers.remove(self.issuer) {
            return None;
        }
        if issuers.is_empty() {
            let step = ObjectStep::Delete(metadata.resource_version);
            return Some(self.plan(place, Action::Delete, Vec::new(), step));
        }
        let after = list(&issuers);
        let patch = json!({"metadata": {
            "annotations": {ISSUERS: after},
            "resourceVersion": metadata.resource_version,
        }});
        let field = Field::changed("annotation", before, after).of(ISSUERS);
        Some(self.plan(place, Action::Update, vec![field], ObjectStep::Merge(patch)))
    }

    /// That a new certificate is made; nothing of it is known before.
    fn renewal(&self) -> Field {
        let in_use = self.state.certificate.as_ref();
        let end = in_use.map(|in_use| issuer_diagnostic::date(in_use.not_after));
        let before = end.map(|end| format!("valid until {end}").into());
        Field::between("certificate", before, Some("a new one".into()))
    }

    fn keep(&self, place: &ObjectRef, reason: Reason) -> ObjectPlan {
        ObjectPlan {
            place: place.clone(),
            locator: format!("{}{}", self.server, place.path()),
            action: Action::Keep,
            reason: Some(reason),
            fields: Vec::new(),
            step: None,
            done: false,
        }
    }

    fn plan(
        &self,
        place: &ObjectRef,
        action: Action,
        fields: Vec<Field>,
        step: ObjectStep,
    ) -> ObjectPlan {
        let kept = self.keep(place, Reason::Unchanged);
        ObjectPlan { action, fields, step: Some(step), reason: None, ..kept }
    }
}

impl ObjectPlan {
    /// Whether it is made with a new certificate.
    pub(crate) fn needs_certificate(&self) -> bool {
        matches!(self.step, Some(ObjectStep::Apply { needs_certificate: true, .. })) && !self.done
    }

    /// Whether it is deleted, or given up for this issuer.
    pub(crate) fn deletes(&self) -> bool {
        matches!(self.step, Some(ObjectStep::Delete(_) | ObjectStep::Merge(_)))
    }
}

impl Describe for ObjectPlan {
    fn describe(&self, into: &mut ChangeSet) {
        let name = self.place.full_name();
        let resource = Resource::new(kind(self.place.kind()), name, &self.locator);
        let change = Change::new(resource, self.action).with_fields(self.fields.clone());
        into.push(Change { reason: self.reason, ..change });
    }
}

/// The kind in a change set.
pub(crate) fn kind(kind: ObjectKind) -> Kind {
    match kind {
        ObjectKind::Namespace => Kind::Namespace,
        ObjectKind::ServiceAccount => Kind::ServiceAccount,
        ObjectKind::Secret => Kind::Secret,
        ObjectKind::Service => Kind::Service,
        ObjectKind::StatefulSet => Kind::StatefulSet,
        ObjectKind::DaemonSet => Kind::DaemonSet,
        ObjectKind::PodDisruptionBudget => Kind::PodDisruptionBudget,
        ObjectKind::ClusterRole => Kind::ClusterRole,
        ObjectKind::ClusterRoleBinding => Kind::ClusterRoleBinding,
        ObjectKind::MutatingAdmissionPolicy => Kind::MutatingAdmissionPolicy,
        ObjectKind::MutatingAdmissionPolicyBinding => Kind::MutatingAdmissionPolicyBinding,
        ObjectKind::MutatingWebhookConfiguration => Kind::MutatingWebhookConfiguration,
        _ => Kind::Deployment,
    }
}

/// The members that are not as requested; what the API server adds by itself does not count.
fn differences(live: &Value, object: &Value) -> Vec<Field> {
    let mut fields = Vec::new();
    for what in ["annotations", "labels"] {
        let members = object["metadata"][what].as_object().into_iter().flatten();
        for (name, value) in members {
            let before = live["metadata"][what].get(name);
            if before != Some(value) {
                let field = if what == "labels" { "label" } else { "annotation" };
                let text = |value: &Value| value.as_str().unwrap_or_default().into();
                fields.push(Field::between(field, before.map(text), Some(text(value))).of(name));
            }
        }
    }
    for (name, value) in object.as_object().into_iter().flatten() {
        if ["apiVersion", "kind", "metadata"].contains(&name.as_str()) {
            continue;
        }
        let before = &live[name];
        if !covers(before, value) {
            let (before, after) = (projected(before, value), value.clone());
            let field = Field::changed("content", document(before), document(after));
            fields.push(field.of(name));
        }
    }
    fields
}

/// Whether everything that is requested is there.
fn covers(live: &Value, requested: &Value) -> bool {
    match (live, requested) {
        (Value::Object(live), Value::Object(requested)) => requested
            .iter()
            .all(|(name, value)| live.get(name).is_some_and(|live| covers(live, value))),
        (Value::Array(live), Value::Array(requested)) => {
            live.len() == requested.len()
                && live.iter().zip(requested).all(|(live, value)| covers(live, value))
        }
        (live, requested) => live == requested,
    }
}

/// What is there of the members that are requested.
fn projected(live: &Value, requested: &Value) -> Value {
    match (live, requested) {
        (Value::Object(live), Value::Object(requested)) => {
            let present = requested.iter().filter_map(|(name, value)| {
                Some((name.clone(), projected(live.get(name)?, value)))
            });
            Value::Object(present.collect())
        }
        (Value::Array(live), Value::Array(requested)) if live.len() == requested.len() => {
            live.iter().zip(requested).map(|(live, value)| projected(live, value)).collect()
        }
        (live, _) => live.clone(),
    }
}

/// For the text, which shows documents line by line.
fn document(value: Value) -> Value {
    match value {
        Value::Array(list) => Value::Object(Map::from_iter([("items".to_owned(), list.into())])),
        value => value,
    }
}

/// The places of all objects that a plan may have.
pub(crate) fn places(api: Option<PolicyApi>) -> Vec<ObjectRef> {
    let mut places = vec![
        place_of_namespace(),
        ObjectRef::cluster_wide(ObjectKind::ClusterRole, WEBHOOK),
        ObjectRef::cluster_wide(ObjectKind::ClusterRoleBinding, WEBHOOK),
    ];
    if let Some(api) = api {
        let binding = ObjectRef::cluster_wide(ObjectKind::MutatingAdmissionPolicyBinding, POLICY);
        places.push(binding.in_version(api.as_str()));
    }
    places
}

/// The namespace of the webhook.
pub(crate) fn place_of_namespace() -> ObjectRef {
    ObjectRef::cluster_wide(ObjectKind::Namespace, WEBHOOK)
}

/// Those in the namespace of the webhook.
pub(crate) fn places_in_namespace() -> Vec<ObjectRef> {
    let kinds = [
        ObjectKind::ServiceAccount,
        ObjectKind::Secret,
        ObjectKind::Service,
        ObjectKind::Deployment,
        ObjectKind::PodDisruptionBudget,
    ];
    kinds.into_iter().map(|kind| ObjectRef::namespaced(kind, WEBHOOK, WEBHOOK)).collect()
}
