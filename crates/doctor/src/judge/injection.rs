//! What gives pods their roles, and whether a pod made now would get its role.

use issuer_diagnostic::{Fault, quote};

use super::case::{Case, role_in};
use super::own::Own;
use super::{policy, table, webhook};
use crate::diagnosis::Report;
use crate::kubernetes::{items, name};
use crate::seen::DryRun;

pub(super) const SO: &str =
    "new pods get no role, and the SDK finds no credentials or takes those of the node";

pub(super) fn judge(case: &Case<'_>, report: &mut Report) {
    if let Some(reason) = &case.seen.asked.no_cluster {
        return report.skip("injection", format!("nothing is known of the cluster: {reason}"));
    }
    webhook::judge(case, report);
    policy::judge(case, report);
    dry_run(case, report);
}

/// Whether what is wrong with a webhook or a policy keeps pods from their roles.
pub(super) fn is_at_fault(case: &Case<'_>) -> bool {
    if case.subject.is_none() {
        return table::any_lacks(case);
    }
    if case.own().is_some()
        || case.would_be_given() == Some(true)
        || skips_all(case).is_some()
        || unlike_pods(case).is_some()
    {
        return false;
    }
    // Without a dry run, the youngest pod shows whether it works, whatever gave it its role.
    case.would_be_given() == Some(false) || is_refused_by_webhook(case) || !case.is_given()
}

/// Whether pods have their roles although nothing is known to give them, as far as pods that run show.
pub(super) fn works_all_the_same(case: &Case<'_>) -> bool {
    match case.subject {
        None => table::all_have(case),
        Some(_) => case.would_be_given().is_none() && case.is_given(),
    }
}

/// The conditions that may tell a dry run from the pods that run and have the role: they may be about the
/// dry run itself or about who asks.
fn unlike_pods(case: &Case<'_>) -> Option<String> {
    let has_failed =
        case.seen.injection.called.known().is_some_and(|called| called.failed_open > 0.0);
    if case.would_be_given() != Some(false) || !case.is_given() || has_failed {
        return None;
    }
    let of_webhook = case.webhook.map(|(_, hook)| case.scope.unjudged(hook)).unwrap_or_default();
    let conditions: Vec<&str> =
        of_webhook.into_iter().chain(policy::unjudged_conditions(case)).collect();
    (!conditions.is_empty()).then(|| conditions.join(", "))
}

/// A fault of webhook or policy: what is wrong if pods get no role, and a doubt if they do.
pub(super) fn fault(case: &Case<'_>, report: &mut Report, id: &'static str, fault: Fault) {
    let is_asked = case.subject.is_none() || case.role.is_some() || case.annotation.is_some();
    if is_at_fault(case) && is_asked {
        report.fail(id, SO, fault);
    } else {
        report.warn(id, fault.cause, fault.fix);
    }
}

/// The annotation of the pods that leaves out all of their containers: its value.
fn skips_all<'b>(case: &'b Case<'_>) -> Option<&'b str> {
    case.skips_all(&case.workload.as_ref()?.template)
}

/// Whether the dry run was refused because the pod identity webhook could not be called.
pub(super) fn is_refused_by_webhook(case: &Case<'_>) -> bool {
    refusal_of_webhook(case).is_some()
}

/// The message of a refusal by the pod identity webhook.
pub(super) fn refusal_of_webhook<'a>(case: &Case<'a>) -> Option<&'a str> {
    let Some(DryRun::Refused { message, .. }) = case.seen.injection.dry_run.known() else {
        return None;
    };
    let (_, hook) = case.webhook?;
    let name = hook["name"].as_str()?;
    (message.contains("failed calling webhook") && message.contains(name))
        .then_some(message.as_str())
}

/// What is behind the call itself in the API server's message about a webhook.
pub(super) fn reason(message: &str) -> String {
    let reason = message.rsplit_once("\": ").map_or(message, |(_, reason)| reason);
    issuer_diagnostic::shorten(reason)
}

/// What to do about a webhook that cannot be called.
pub(super) fn mend(case: &Case<'_>, message: &str) -> String {
    let is_late = ["deadline exceeded", "timeout", "timed out", "no route"]
        .iter()
        .any(|word| reason(message).contains(word));
    if let Some(url) = url(case) {
        return format!(
            "mend the server at {url}, which clientConfig.url of the webhook names (its log, its certificate, the way to it \
             from the control plane), or correct the URL; until then failurePolicy: Ignore lets pods in without a role"
        );
    }
    let mend = if is_late {
        "let the control plane reach the port of the webhook's pods (firewall, security group, NetworkPolicy), or run the \
         webhook with hostNetwork; until then failurePolicy: Ignore lets pods in without a role"
    } else {
        "mend the webhook (its pod, its log, its certificate); until then failurePolicy: Ignore lets pods in without a role"
    };
    mend.to_owned()
}

/// Where a webhook without a Service is called, without what may be a secret in it.
fn url<'a>(case: &Case<'a>) -> Option<&'a str> {
    let (_, hook) = case.webhook?;
    hook.pointer("/clientConfig/url")?.as_str()?.split('?').next()
}

fn dry_run(case: &Case<'_>, report: &mut Report) {
    const ID: &str = "injection";
    let Some(subject) = case.subject else {
        return report
            .skip(ID, "no ServiceAccount was asked for: --service-account NAMESPACE/NAME");
    };
    match case.seen.injection.dry_run.known() {
        None => {
            report.skip(ID, format!("a dry run of a pod: {}", case.seen.injection.dry_run.why()))
        }
        Some(DryRun::Refused { status, message }) => match refusal_of_webhook(case) {
            Some(_) if report.root().is_some() => report.follows(ID),
            Some(_) => {
                let fault = Fault::new(
                    format!(
                        "no pod can be created: the API server cannot call the pod identity webhook, and its \
                         failurePolicy is Fail: {}",
                        reason(message)
                    ),
                    mend(case, message),
                );
                report.fail(ID, "the API server refuses every pod", fault);
            }
            None => report.skip(
                ID,
                format!(
                    "the dry run was refused, which says nothing about roles ({status}: {})",
                    issuer_diagnostic::shorten(message)
                ),
            ),
        },
        Some(DryRun::Stored(pod)) => {
            let given = role_in(pod);
            match (case.would_be_given(), given) {
                (Some(true), Some(given)) => {
                    let template = case.workload.as_ref().and_then(|own| role_in(&own.template));
                    let wanted = case.annotation.as_ref().filter(|own| !own.is_empty() && !given.ends_with(own.as_str()));
                    match wanted.filter(|_| template.is_none()) {
                        Some(wanted) => {
                            let fault = Fault::new(
                                format!("a pod of {subject} made now gets the role {given}, and the annotation is {wanted}"),
                                "render the policy again from the file (`issuerctl render policy --help`), or \
                                 correct the annotation",
                            );
                            report.fail(ID, "the pods use another role", fault);
                        }
                        None => report.pass(ID, format!("a pod of {subject} made now gets the role {given}")),
                    }
                }
                (Some(true), None) => report.pass(ID, format!("a pod of {subject} made now gets its variables")),
                _ if case.is_self_provided() => report.pass(
                    ID,
                    "the workload names role and token file itself; nothing has to be given to its pods",
                ),
                _ if matches!(case.own(), Some(Own::Unknown(_))) => report.skip(
                    ID,
                    "a pod made now is given nothing, and may bring role and token file itself",
                ),
                _ if report.root().is_some() => report.follows(ID),
                _ if unlike_pods(case).is_some() => report.warn(
                    ID,
                    format!(
                        "a dry run is given nothing, and the youngest pod of {subject} has the role: the matchConditions \
                         {} are not judged, and may leave out dry runs (request.dryRun) or who asks (request.userInfo)",
                        unlike_pods(case).unwrap_or_default()
                    ),
                    format!("see whether a new pod gets the role: {}", case.recreate()),
                ),
                _ if skips_all(case).is_some() => report.follows_of(ID, "pod-containers"),
                _ if case.annotation.is_none() && case.role.is_none() => {
                    report.skip(ID, format!("{subject} has no role"));
                }
                _ => nothing_given(case, report, pod),
            }
        }
    }
}

/// A pod made now gets nothing, and nothing that can be seen says why.
fn nothing_given(case: &Case<'_>, report: &mut Report, stored: &serde_json::Value) {
    let Some(subject) = case.subject else { return };
    let partly = items(&stored["spec"], "volumes").iter().any(|own| own["name"] == "aws-iam-token");
    let got = if partly { "a volume, and no variables" } else { "nothing" };
    if let Some((configuration, hook)) = case.webhook {
        let unjudged = case.scope.unjudged(hook).join(", ");
        let (namespace, service) = crate::webhook_service(hook)
            .map_or(("NAMESPACE".to_owned(), "pod-identity-webhook".to_owned()), |own| {
                (own.0, own.1)
            });
        let hook = quote(hook["name"].as_str().unwrap_or_default());
        let log = format!("`kubectl logs deployment/{service} --namespace {namespace}`");
        let read_accounts = format!(
            "let its ServiceAccount get, list and watch serviceaccounts (ClusterRole), and restart it: `kubectl rollout \
             restart deployment/{service} --namespace {namespace}`"
        );
        if let Some(url) = url(case) {
            let fault = Fault::new(
                format!(
                    "the webhook {hook} is called at {url} (clientConfig.url), and a pod of {subject} made now gets {got} (dry \
                     run): either the API server cannot call it (failurePolicy Ignore hides that), or it answers without a \
                     patch, as it does when it may not read ServiceAccounts"
                ),
                format!(
                    "read the log of the server at {url}, and let it read the ServiceAccounts of this cluster; let the control \
                     plane reach it, and renew its certificate and the caBundle together"
                ),
            );
            return report.fail("webhook-answer", SO, fault);
        }
        let called = case.seen.injection.called.known();
        let serving = case.seen.injection.serving.known();
        let (cause, fix) = match (called, serving) {
            (Some(called), _) if called.failed_open > 0.0 => (
                format!(
                    "the API server cannot call the webhook {hook}, and its failurePolicy Ignore lets pods of {subject} in as \
                     they are: a pod made now gets {got} (dry run), and apiserver_admission_webhook_fail_open_count rose by \
                     {}. Its Service has a ready endpoint, so either its certificate is not one of the caBundle, or its port \
                     does not answer",
                    called.failed_open
                ),
                format!(
                    "read its log: {log}. \"TLS handshake error\": renew the serving certificate and the caBundle together \
                     (cert-manager's CA injector, or install it again). No line: let the control plane reach the port of its \
                     pods (targetPort, firewall, NetworkPolicy)"
                ),
            ),
            (Some(called), _) if called.answered > 0.0 => (
                format!(
                    "the webhook {hook} is called about pods of {subject} and answers (the API server's metrics count it), and \
                     yet a pod made now gets {got} (dry run): it answers without a patch, as it does when it may not read \
                     ServiceAccounts"
                ),
                format!("read its log: {log}; {read_accounts}"),
            ),
            (_, Some(serving)) => (
                format!(
                    "the webhook {hook} is called about pods of {subject}, its certificate ({}) satisfies the caBundle, and yet \
                     a pod made now gets {got} (dry run): it answers without a patch, as it does when it may not read \
                     ServiceAccounts",
                    serving.address
                ),
                format!("read its log: {log}; {read_accounts}"),
            ),
            _ if !unjudged.is_empty() => (
                format!(
                    "the webhook {hook} has the matchConditions {unjudged}, which cannot be judged here, and a pod of \
                     {subject} made now gets {got} (dry run): either they leave out these pods, or the API server cannot \
                     call it, or it answers without a patch"
                ),
                format!(
                    "check the matchConditions against these pods: `kubectl get mutatingwebhookconfigurations {} --output \
                     yaml`; if they hold, read its log: {log}",
                    name(configuration)
                ),
            ),
            _ => (
                format!(
                    "the webhook {hook} should be called about pods of {subject}, and yet a pod made now gets {got} (dry run): \
                     either the API server cannot call it (failurePolicy Ignore hides that; its certificate may not be one of \
                     the caBundle), or it answers without a patch, as it does when it may not read ServiceAccounts"
                ),
                format!(
                    "read its log: {log}. \"TLS handshake error\" or no line at all: renew the serving certificate and the \
                     caBundle (cert-manager's CA injector, or install it again). Else {read_accounts}"
                ),
            ),
        };
        return report.fail("webhook-answer", SO, Fault::new(cause, fix));
    }
    let names = policy::names(case);
    let cause = match names.is_empty() {
        true => format!("a pod of {subject} made now gets {got} (dry run)"),
        false => format!(
            "the admission policy {} takes pods of {subject}, and yet a pod made now gets {got} (dry run): \
             its matchConditions or expressions do not find the role",
            names.join(", ")
        ),
    };
    let fix = "render the policy again (`issuerctl render policy --help`), and compare";
    report.fail("injection", SO, Fault::new(cause, fix));
}
