//! The pods that run now: do they have the role, and can they use it?

use issuer_diagnostic::{Fault, shorten};
use serde_json::Value;

use super::case::{Case, has_identity};
use super::own::{self, Own};
use super::{containers, credentials, readable, region, table, token_file};
use crate::controllers::template;
use crate::diagnosis::Report;
use crate::kubernetes::{account_of, items, name, text};
use crate::probe::{created, opts_out};

/// What is wrong with one pod.
pub(super) enum Finding {
    /// It keeps the pod from its role.
    Fault(&'static str, Fault),
    /// It may.
    Doubt(Fault),
    /// It cannot be judged, and why.
    Unknown(String),
}

impl Finding {
    /// The same, if it is not certain that it matters.
    pub(super) fn doubted(self) -> Self {
        match self {
            Self::Fault(_, fault) => Self::Doubt(fault),
            other => other,
        }
    }
}

const CONTAINERS: &str = "pod-containers";

const IDS: [&str; 6] =
    ["pod-env", "pod-credentials", "pod-token", "pod-readable", "pod-region", CONTAINERS];

pub(super) fn judge(case: &Case<'_>, report: &mut Report) {
    const ID: &str = "pod-injected";
    if let Some(reason) = &case.seen.asked.no_cluster {
        return report.skip(ID, format!("nothing is known of the cluster: {reason}"));
    }
    let Some(subject) = case.subject else { return table::judge(case, report) };
    if case.seen.workload.pods.known().is_none() {
        return report
            .skip(ID, format!("the pods of {subject}: {}", case.seen.workload.pods.why()));
    }
    if case.pods.is_empty() {
        return none(case, report);
    }
    let (given, bare): (Vec<&Value>, Vec<&Value>) =
        case.pods.iter().partition(|pod| has_identity(pod));
    // A pod that names all of its containers in an annotation has nothing else wrong with it.
    let (skipping, bare): (Vec<&Value>, Vec<&Value>) =
        bare.iter().partition(|pod| case.skips_all(pod).is_some());
    if given.is_empty() && bare.is_empty() {
        for id in IDS.into_iter().filter(|id| *id != CONTAINERS) {
            report.follows_of(id, CONTAINERS);
        }
        return skipping
            .first()
            .map_or((), |pod| containers::skipped(&case.about(pod), pod, report));
    }
    injected(case, report, &given, &bare);
    if given.is_empty() {
        IDS.into_iter().for_each(|id| report.follows_of(id, ID));
        return;
    }
    let checks: [fn(&Case<'_>, &Value) -> Vec<Finding>; 6] = [
        containers::env,
        credentials::judge,
        token_file::judge,
        readable::judge,
        region::judge,
        containers::all,
    ];
    for (id, check) in IDS.into_iter().zip(checks) {
        let findings: Vec<Finding> =
            given.iter().flat_map(|pod| check(&case.about(pod), pod)).collect();
        settle(report, id, findings);
    }
}

/// One check from what was found about all pods.
fn settle(report: &mut Report, id: &'static str, findings: Vec<Finding>) {
    let (mut doubt, mut unknown) = (None, None);
    for finding in findings {
        match finding {
            Finding::Fault(consequence, fault) => return report.fail(id, consequence, fault),
            Finding::Doubt(fault) => doubt = doubt.or(Some(fault)),
            Finding::Unknown(why) => unknown = unknown.or(Some(why)),
        }
    }
    match (doubt, unknown) {
        (Some(fault), _) => report.warn(id, fault.cause, fault.fix),
        (None, Some(why)) => report.skip(id, why),
        (None, None) => report.pass(id, right(id)),
    }
}

fn right(id: &str) -> &'static str {
    match id {
        "pod-env" => "role and token file are named, and the role is the right one",
        "pod-credentials" => "no other credentials come before the role",
        "pod-token" => "the token file is mounted, and its audience is right",
        "pod-readable" => "every container can read the token",
        "pod-region" => "the region is set",
        _ => "every container has the role",
    }
}

/// Whether the pods have what the webhook or the policy gives.
fn injected(case: &Case<'_>, report: &mut Report, given: &[&Value], bare: &[&Value]) {
    const ID: &str = "pod-injected";
    let Some(subject) = case.subject else { return };
    // What a pod without the variables may have instead: other objects, a configuration file of the SDK.
    let instead = |pod: &Value| {
        let containers = items(&pod["spec"], "containers");
        let has_file =
            containers.iter().any(|own| containers::variable(own, "AWS_CONFIG_FILE").is_some());
        match own::of(case.seen, pod) {
            Some(Own::From(what)) => Some(format!("come from {what}, which is not read")),
            Some(Own::Unknown(why)) => Some(format!("may come from elsewhere: {why}")),
            _ => has_file.then(|| {
                "may come from a configuration file of the SDK (AWS_CONFIG_FILE), which is not read"
                    .to_owned()
            }),
        }
    };
    let (configured, bare): (Vec<&Value>, Vec<&Value>) =
        bare.iter().partition(|pod| instead(pod).is_some());
    // Another workload of the account may do without the role on purpose.
    let (opted, others): (Vec<&Value>, Vec<&Value>) = bare.iter().partition(|pod| opts_out(pod));
    let bare = if given.is_empty() && others.is_empty() { &opted } else { &others };
    let Some(pod) = bare.first() else {
        return match configured.first().and_then(|pod| Some((name(pod), instead(pod)?))) {
            Some((pod, what)) => {
                report.skip(ID, format!("role and token file of the pod {pod} {what}"));
            }
            None => {
                let whys = case.seen.workload.controllers.whys().into_iter();
                let whys: String = whys.map(|why| format!("; what makes them: {why}")).collect();
                let opted = match opted.len() {
                    0 => String::new(),
                    count => format!("; {count} without them opt out by their label"),
                };
                report.pass(
                    ID,
                    format!(
                        "{} pod(s) of {subject} have the role's variables{opted}{whys}",
                        given.len()
                    ),
                );
            }
        };
    };
    if case.role.is_none() && case.annotation.is_none() && report.root().is_none() {
        return report.skip(ID, format!("{subject} has no role"));
    }
    if report.root().is_some_and(|root| !root.starts_with("cluster") && !root.starts_with("bucket"))
        && case.would_be_given() != Some(true)
    {
        return report.follows(ID);
    }
    let case = &case.about(pod);
    let place = containers::place(case);
    let count = match (bare.len(), given.len()) {
        (1, 0) => String::new(),
        (bare, given) => format!(" ({bare} of {} pods)", bare + given),
    };
    let made = created(pod);
    let annotated = annotated_at(case).filter(|at| at.as_str() > made);
    let when = match (annotated, case.would_be_given()) {
        (Some(at), _) => format!("it was made at {made}, before the annotation was set (at {at})"),
        (None, Some(true)) => {
            format!(
                "it was made at {made}, before a pod of {subject} could get one: a pod made now gets it"
            )
        }
        (None, _) => format!(
            "it was made at {made}, perhaps before the annotation or the webhook; pods are changed \
                              only when they are made"
        ),
    };
    if opts_out(pod) {
        let fault = Fault::new(
            format!(
                "the pod {} has no role{count}: its label eks.amazonaws.com/skip-pod-identity-webhook opts out, \
                 whatever its value",
                name(pod)
            ),
            format!("remove the label from {place}, and {}", case.recreate()),
        );
        return report.fail(ID, super::injection::SO, fault);
    }
    let fault = Fault::new(
        format!("the pod {} of {subject} has no role{count}: {when}", name(pod)),
        case.recreate(),
    );
    report.fail(ID, super::injection::SO, fault);
}

/// When the annotation was set last, as its `managedFields` say.
fn annotated_at(case: &Case<'_>) -> Option<String> {
    let account = case.seen.workload.account.known()?.as_ref()?;
    let field = format!("f:{}", case.settings.annotation("role-arn"));
    let fields = account.pointer("/metadata/managedFields")?.as_array()?.iter();
    let times = fields.filter(|own| {
        own.pointer("/fieldsV1/f:metadata/f:annotations")
            .is_some_and(|fields| fields.get(&field).is_some())
    });
    times.filter_map(|own| own["time"].as_str().map(str::to_owned)).max()
}

/// No pod runs as the account: because none can be created?
fn none(case: &Case<'_>, report: &mut Report) {
    const ID: &str = "pod-injected";
    let Some(subject) = case.subject else { return };
    let Some((who, message)) = failed_creation(case) else {
        let whys = case.seen.workload.controllers.whys().into_iter();
        let whys: String = whys.map(|why| format!("; {why}")).collect();
        report.skip(ID, format!("no pod runs as {subject}{whys}"));
        return of_template(case, report);
    };
    let is_webhook =
        |name: &str| message.contains(name) && message.contains("failed calling webhook");
    let is_of_roles = match case.webhook {
        Some((_, hook)) => is_webhook(text(hook, "name")),
        None => ["pod-identity", "iam-for-pods", "irsa"].iter().any(|word| is_webhook(word)),
    };
    if is_of_roles && case.would_be_given() != Some(true) {
        let fault = Fault::new(
            format!(
                "no pod runs as {subject}: {who} cannot create any, because the API server cannot call the pod identity \
                 webhook, and its failurePolicy is Fail: {}",
                super::injection::reason(&message)
            ),
            super::injection::mend(case, &message),
        );
        return report.fail("injection", "the API server refuses every pod", fault);
    }
    let cause = format!("no pod runs as {subject}: {who} cannot create any: {}", shorten(&message));
    let fix = format!("see its events: `kubectl get events --namespace {}`", subject.namespace);
    report.warn(ID, cause, fix);
}

/// What the template of pods that do not run now, such as those of a CronJob, brings with it.
fn of_template(case: &Case<'_>, report: &mut Report) {
    let Some(workload) = case.workload.as_ref().filter(|own| own.kind != "Pod") else { return };
    if case.role.is_none() {
        return;
    }
    let mut template = workload.template.clone();
    template["metadata"]["name"] = format!("template of {}", workload.reference()).into();
    let checks: [(&'static str, Vec<Finding>); 3] = [
        ("pod-env", containers::env(case, &template)),
        ("pod-credentials", credentials::of_template(case, &template)),
        ("pod-token", token_file::judge(case, &template)),
    ];
    for (id, findings) in checks.into_iter().filter(|(_, findings)| !findings.is_empty()) {
        // A Job without pods has ended.
        let has_ended = workload.kind == "Job";
        let findings = findings.into_iter();
        settle(
            report,
            id,
            findings.map(|own| if has_ended { own.doubted() } else { own }).collect(),
        );
    }
}

/// What cannot create pods of the account, and why, as its condition or an event says.
fn failed_creation(case: &Case<'_>) -> Option<(String, String)> {
    let subject = case.subject?;
    let workload = case.workload.as_ref();
    let is_ours = |kind: &str, own: &Value| {
        account_of(template(own)) == subject.name
            || workload.is_some_and(|made| made.kind == kind && made.name == name(own))
    };
    let mut ours = case.seen.workload.controllers.all().filter(|(kind, own)| is_ours(kind, own));
    ours.find_map(|(kind, own)| {
        let mut conditions = items(&own["status"], "conditions").iter();
        let failure = conditions.find(|condition| {
            condition["type"] == "ReplicaFailure" && condition["status"] != "False"
        });
        let mut events = case.seen.workload.events.known().into_iter().flatten();
        let event = || {
            events.find(|event| {
                let about = &event["involvedObject"];
                about["kind"] == kind && about["name"] == name(own)
            })
        };
        let message = text(failure.or_else(event)?, "message").to_owned();
        Some((format!("the {kind} {}", name(own)), message))
    })
}
