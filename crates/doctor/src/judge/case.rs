//! What follows from everything that was seen, before it is judged.

use issuer_discovery::IssuerUrl;
use issuer_pods::{Settings, skipped_containers};
use serde_json::Value;

use super::audience::audience_of;
use super::own::{self, Own};
use crate::RoleArn;
use crate::kubernetes::{annotation, items, named, text};
use crate::probe::{
    self, Renewal, Workload, created, find_webhook, has_ended, of_pod, pods_of, settings_of,
    workload_of,
};
use crate::scope::Scope;
use crate::seen::{Exchange, Seen, Subject};

/// The audience that every AWS SDK and the webhook use.
pub(super) const AUDIENCE: &str = "sts.amazonaws.com";

/// One question, and what is known beforehand.
#[derive(Clone)]
pub(super) struct Case<'a> {
    pub(super) seen: &'a Seen,
    pub(super) subject: Option<&'a Subject>,
    /// The issuer in question.
    pub(super) issuer: Option<String>,
    /// The same, if it can be an issuer at all.
    pub(super) url: Option<IssuerUrl>,
    /// The issuer that signs tokens now.
    pub(super) signs: Option<String>,
    /// What the webhook's flags say.
    pub(super) settings: Settings,
    /// The value of the annotation.
    pub(super) annotation: Option<String>,
    /// The role that pods should get, and where it is named.
    pub(super) role: Option<(String, &'static str)>,
    /// The same, if it is an ARN.
    pub(super) arn: Option<RoleArn>,
    /// The audience of the pods' tokens, and whether something says so.
    pub(super) audience: String,
    pub(super) is_audience_known: bool,
    pub(super) workload: Option<Workload>,
    /// The webhook and its entry.
    pub(super) webhook: Option<(&'a Value, &'a Value)>,
    /// Which pods a webhook or a policy is called about.
    pub(super) scope: Scope,
    /// The pods in question that run.
    pub(super) pods: Vec<&'a Value>,
}

impl<'a> Case<'a> {
    pub(super) fn of(seen: &'a Seen) -> Self {
        let subject = seen.asked.subject.as_ref();
        let signs = signs(seen);
        let issuer = seen.asked.issuer.clone().or_else(|| seen.documents.issuer.clone());
        let issuer = issuer.or_else(|| signs.clone());
        let url =
            issuer.as_deref().and_then(|text| IssuerUrl::parse(text, seen.asked.ports()).ok());
        let settings = settings_of(&seen.injection);
        let workload = workload_of(seen);
        let pods = pods(seen);
        let account = seen.workload.account.known().and_then(Option::as_ref);
        let key = settings.annotation("role-arn");
        let annotation = account.and_then(|own| annotation(own, &key)).map(str::to_owned);
        let role = role(seen, annotation.as_deref(), &pods, workload.as_ref());
        let arn = role.as_ref().and_then(|(text, _)| RoleArn::parse(text).ok());
        let audience = audience_of(seen);
        Self {
            seen,
            subject,
            issuer,
            url,
            signs,
            settings,
            annotation,
            role,
            arn,
            audience: audience.text,
            is_audience_known: audience.is_known,
            workload,
            webhook: find_webhook(seen),
            scope: Scope::of(seen),
            pods,
        }
    }

    /// The same about what one pod was made from.
    pub(super) fn about(&self, pod: &Value) -> Self {
        let workload = of_pod(pod, &self.seen.workload.controllers);
        Self { workload: Some(workload), ..self.clone() }
    }

    /// The annotation of a pod or template that leaves out every container of it: its value.
    pub(super) fn skips_all<'b>(&self, pod: &'b Value) -> Option<&'b str> {
        let value = annotation(pod, &self.settings.annotation("skip-containers"))?;
        let skipped = skipped_containers(value)?;
        let mut lists =
            ["containers", "initContainers"].into_iter().flat_map(|list| items(&pod["spec"], list));
        lists.all(|own| skipped.iter().any(|name| name == text(own, "name"))).then_some(value)
    }

    /// How the pods bring role and token themselves, if they do or may.
    pub(super) fn own(&self) -> Option<Own> {
        own::of(self.seen, &self.workload.as_ref()?.template)
    }

    /// Whether the pods bring role and token themselves.
    pub(super) fn is_self_provided(&self) -> bool {
        matches!(self.own(), Some(Own::Named | Own::From(_)))
    }

    /// Whether the youngest pod has its role.
    pub(super) fn is_given(&self) -> bool {
        let mut youngest = self.pods.iter().rev().filter(|pod| !probe::opts_out(pod));
        youngest.next().is_some_and(|pod| has_identity(pod))
    }

    /// The pod that would be stored now.
    pub(super) fn stored(&self) -> Option<&'a Value> {
        self.seen.stored()
    }

    /// Whether a pod made now would get a role; `None` if it is not known.
    pub(super) fn would_be_given(&self) -> Option<bool> {
        self.stored().map(has_identity)
    }

    /// Whether STS gave credentials for a fresh token of the issuer in question: success with that of
    /// another issuer says nothing of this one.
    pub(super) fn is_proved(&self) -> bool {
        self.seen.is_proved() && (self.signs.is_none() || self.signs == self.issuer)
    }

    /// The refusal of STS: code and message.
    pub(super) fn refusal(&self) -> Option<(&'a str, &'a str)> {
        match self.seen.exchange.known() {
            Some(Exchange::Refused { code, message, .. }) => {
                Some((code.as_deref().unwrap_or_default(), message.as_str()))
            }
            _ => None,
        }
    }

    /// Whether STS refused with a text.
    pub(super) fn is_refused_for(&self, text: &str) -> bool {
        self.refusal().is_some_and(|(_, message)| message.contains(text))
    }

    /// The role that the cluster names, whatever was asked for, and where.
    pub(super) fn named_role(&self) -> Option<(String, &'static str)> {
        named_role(self.seen, self.annotation.as_deref(), &self.pods, self.workload.as_ref())
    }

    /// The ARN that the annotation should have, with what is known of it: the role that was asked for, the one
    /// that the file declares, else one of this name, which may have to be filled in.
    pub(super) fn wanted_role(&self, text: Option<&str>) -> String {
        let asked = &self.seen.asked;
        if let Some(role) = asked.role.as_ref().filter(|role| RoleArn::parse(role).is_ok()) {
            return role.clone();
        }
        let declared = asked.declared.as_ref().map_or(&[][..], |own| own.roles.as_slice());
        // IAM takes 64 characters.
        let is_name =
            |text: &&str| (1..=64).contains(&text.len()) && !text.contains([':', '/', '$', ' ']);
        let name = match (declared, text.filter(is_name)) {
            ([only], _) => only,
            (_, Some(name)) => name,
            _ => "NAME",
        };
        let caller = self.seen.aws.caller.known();
        let (partition, account) =
            caller.map_or(("aws", "ACCOUNT"), |own| (own.partition.as_str(), own.account.as_str()));
        format!("arn:{partition}:iam::{account}:role/{name}")
    }

    /// `kubectl … serviceaccount NAME --namespace NAMESPACE`, the part behind the verb.
    pub(super) fn account_words(&self) -> String {
        let (namespace, name) = self
            .subject
            .map_or(("NAMESPACE", "NAME"), |own| (own.namespace.as_str(), own.name.as_str()));
        format!("serviceaccount {name} --namespace {namespace}")
    }

    /// The command that annotates the ServiceAccount with a role, and what follows.
    pub(super) fn annotate(&self, arn: &str) -> String {
        format!(
            "`kubectl annotate {} {}={arn} --overwrite`, then {}",
            self.account_words(),
            self.settings.annotation("role-arn"),
            self.recreate()
        )
    }

    /// How the pods are made anew.
    pub(super) fn recreate(&self) -> String {
        let namespace = self.subject.map_or("NAMESPACE", |own| own.namespace.as_str());
        match &self.workload {
            Some(own) if own.is_restarted() => {
                let (reference, renewal) = (own.reference(), &own.renewal);
                let restart =
                    format!("`kubectl rollout restart {reference} --namespace {namespace}`");
                match renewal {
                    // kubectl refuses to restart one that is paused.
                    Renewal::Paused => format!(
                        "recreate the pods: resume {reference}, which is paused (`kubectl rollout resume {reference} \
                         --namespace {namespace}`), then {restart}"
                    ),
                    Renewal::OnDelete(Some(selector)) => format!(
                        "recreate the pods: delete them (`kubectl delete pods --namespace {namespace} --selector \
                         {selector}`), and {reference} makes new ones; with its updateStrategy OnDelete a restart does not"
                    ),
                    Renewal::OnDelete(None) => format!(
                        "recreate the pods: delete them, and {reference} makes new ones; with its updateStrategy OnDelete \
                         a restart does not"
                    ),
                    Renewal::Usual => format!("recreate the pods: {restart}"),
                }
            }
            Some(own) if own.kind == "Pod" => format!(
                "recreate the pod: delete it (`kubectl delete pod {} --namespace {namespace}`) and create it again",
                own.name
            ),
            Some(own) => {
                format!("recreate the pods: delete them, and {} makes new ones", own.reference())
            }
            None => "recreate the pods".to_owned(),
        }
    }
}

/// The issuer of fresh tokens, of the discovery document, or the first in the flags.
fn signs(seen: &Seen) -> Option<String> {
    let token = seen.cluster.tokens.known().and_then(|tokens| tokens.first());
    let token = token.map(|token| token.iss.clone());
    let published = seen.cluster.discovery.known().and_then(Option::as_ref);
    let flags = || seen.cluster.flagz.known()?.as_ref()?.issuers().first().cloned();
    token.or_else(|| published.map(|own| own.issuer.clone())).or_else(flags)
}

/// Those of the pods that have not ended, unless it was asked for, and are not being deleted: the oldest first.
fn pods(seen: &Seen) -> Vec<&Value> {
    let mut pods = pods_of(seen);
    pods.retain(|pod| {
        (seen.asked.pod.is_some() || !has_ended(pod))
            && pod.pointer("/metadata/deletionTimestamp").is_none()
    });
    pods.sort_by_key(|pod| created(pod));
    pods
}

fn role(
    seen: &Seen,
    annotation: Option<&str>,
    pods: &[&Value],
    workload: Option<&Workload>,
) -> Option<(String, &'static str)> {
    match &seen.asked.role {
        Some(given) => Some((given.clone(), "--role")),
        None => named_role(seen, annotation, pods, workload),
    }
}

/// The same without the role that was given.
fn named_role(
    seen: &Seen,
    annotation: Option<&str>,
    pods: &[&Value],
    workload: Option<&Workload>,
) -> Option<(String, &'static str)> {
    let of_stored = || seen.stored().and_then(role_in).map(|role| (role, "the dry run"));
    match annotation.filter(|role| !role.is_empty()) {
        // The webhook makes an ARN of a name (--compose-role-arn).
        Some(role) if RoleArn::parse(role).is_err() => {
            let composed = of_stored().filter(|(own, _)| own != role && own.ends_with(role));
            composed.or_else(|| Some((role.to_owned(), "the annotation")))
        }
        Some(role) => Some((role.to_owned(), "the annotation")),
        None => {
            let of_pod = pods.iter().rev().find_map(|pod| role_in(pod));
            let of_template = || role_in(&workload?.template);
            of_stored()
                .or_else(|| of_pod.map(|role| (role, "the pod")))
                .or_else(|| of_template().map(|role| (role, "the template of the pods")))
        }
    }
}

/// The role that the account's pods should get, as far as it is known.
#[must_use]
pub fn role_of(seen: &Seen) -> Option<String> {
    Case::of(seen).role.map(|(role, _)| role)
}

/// The role that a pod's containers name.
pub(super) fn role_in(pod: &Value) -> Option<String> {
    let spec = pod.get("spec")?;
    let lists = ["containers", "initContainers"].into_iter().flat_map(|list| items(spec, list));
    let mut roles =
        lists.filter_map(|own| named(own, "env", "AWS_ROLE_ARN")?.get("value")?.as_str());
    roles.find(|role| !role.is_empty()).map(str::to_owned)
}

/// Whether any container of a pod has a variable of its role.
#[must_use]
pub fn has_identity(pod: &Value) -> bool {
    let spec = pod.get("spec").unwrap_or(&Value::Null);
    let lists = ["containers", "initContainers"].into_iter().flat_map(|list| items(spec, list));
    let mut lists = lists;
    lists.any(|own| {
        ["AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"]
            .iter()
            .any(|name| named(own, "env", name).is_some())
    })
}
