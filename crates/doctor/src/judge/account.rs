//! The ServiceAccount and its annotations.

use issuer_diagnostic::{Fault, quote};
use serde_json::{Map, Value};

use super::audience;
use super::case::{Case, has_identity};
use super::own::Own;
use crate::diagnosis::Report;
use crate::kubernetes::{account_of, annotation, labels, name, namespace, text};
use crate::probe::{has_ended, of_pod};
use crate::{Fact, RoleArn, Workload};

const SO: &str =
    "the pods get no role, and the SDK finds no credentials or takes those of the node";

pub(super) fn judge(case: &Case<'_>, report: &mut Report) {
    if case.subject.is_none() {
        return report.skip(
            "service-account",
            "no ServiceAccount was asked for: --service-account NAMESPACE/NAME",
        );
    }
    if let Some(reason) = &case.seen.asked.no_cluster {
        report.skip("service-account", format!("nothing is known of the cluster: {reason}"));
        return given_role(case, report);
    }
    exists(case, report);
    role(case, report);
    audience::judge(case, report);
    expiration(case, report);
}

fn exists(case: &Case<'_>, report: &mut Report) {
    const ID: &str = "service-account";
    let Some(subject) = case.subject else { return };
    if let Fact::Known(None) = &case.seen.workload.namespace {
        let fault = Fault::new(
            format!(
                "the namespace {} does not exist in {}",
                subject.namespace, case.seen.cluster.place
            ),
            "correct the namespace, or use the kubeconfig of the cluster that has it",
        );
        return report.fail(ID, SO, fault);
    }
    match &case.seen.workload.account {
        Fact::Known(None) => {
            let known = case.seen.workload.accounts.known().map_or(&[][..], Vec::as_slice);
            let others: Vec<&str> =
                known.iter().map(name).filter(|name| !name.is_empty()).take(5).collect();
            let others = match others.is_empty() {
                true => String::new(),
                false => format!("; the namespace has {}", others.join(", ")),
            };
            let fault = Fault::new(
                format!(
                    "the ServiceAccount {subject} does not exist{others}; its pods cannot be created"
                ),
                format!(
                    "`kubectl create serviceaccount {} --namespace {}`, and annotate it with its role; or \
                     correct serviceAccountName in the workload",
                    subject.name, subject.namespace
                ),
            );
            report.fail(ID, "the API server refuses pods that name it", fault);
        }
        Fact::Known(Some(_)) if runs_as_another(case, report) => {}
        Fact::Known(Some(account)) if account.pointer("/metadata/deletionTimestamp").is_some() => {
            report.warn(ID, format!("{subject} is being deleted"), "wait, and create it again");
        }
        Fact::Known(Some(_)) => report.pass(ID, format!("{subject} exists")),
        unknown => report.skip(ID, format!("the ServiceAccount {subject}: {}", unknown.why())),
    }
}

/// The pods that were probably meant run as another account, and none as this one. A failure if they
/// are called like the account; else it may be that nothing runs as it yet.
fn runs_as_another(case: &Case<'_>, report: &mut Report) -> bool {
    let Some((subject, pods)) = case.subject.zip(case.seen.workload.pods.known()) else {
        return false;
    };
    let controllers = &case.seen.workload.controllers;
    if case.seen.asked.pod.is_some()
        || pods.iter().any(|pod| account_of(pod) == subject.name)
        || controllers.running_as(&subject.name).is_some()
    {
        return false;
    }
    let here = pods.iter().filter(|pod| namespace(pod) == subject.namespace && !has_ended(pod));
    let found: Vec<(&Value, Workload)> = here.map(|pod| (pod, of_pod(pod, controllers))).collect();
    let is_called = |(pod, own): &&(&Value, Workload)| {
        let app = ["app", "app.kubernetes.io/name"]
            .iter()
            .any(|label| labels(pod).get(label).is_some_and(|app| *app == subject.name.as_str()));
        own.name == subject.name || app
    };
    let same = found.iter().find(is_called);
    let only = match &found[..] {
        [one] if account_of(one.0) == "default" => Some(one),
        _ => None,
    };
    let Some((pod, workload)) = same.or(only) else { return false };
    let (reference, other) = (workload.reference(), account_of(pod));
    let why = match text(&workload.template["spec"], "serviceAccountName") {
        "" => ", because their template has no serviceAccountName".to_owned(),
        _ => format!(" (serviceAccountName: {other})"),
    };
    // What uses it may be among what may not be listed.
    let unknown = controllers.whys();
    let others = match unknown.is_empty() {
        true => String::new(),
        false => {
            format!("; whether anything else uses {subject} is not known ({})", unknown.join("; "))
        }
    };
    let fault = Fault::new(
        format!(
            "no pod runs as the ServiceAccount {subject}: the pods of {reference}, such as {}, run as {}{why}{others}",
            name(pod),
            quote(other)
        ),
        format!(
            "set it: `kubectl set serviceaccount {reference} {} --namespace {}`",
            subject.name, subject.namespace
        ),
    );
    if same.is_some() && !has_identity(pod) && unknown.is_empty() {
        report.fail("service-account", SO, fault);
    } else {
        report.warn("service-account", fault.cause, fault.fix);
    }
    true
}

/// A role that was given without a cluster.
fn given_role(case: &Case<'_>, report: &mut Report) {
    if let Some(given) = &case.seen.asked.role {
        match RoleArn::parse(given) {
            Ok(_) => report.pass("annotation", format!("the role that was given is {given}")),
            Err(why) => {
                let fault = Fault::new(
                    format!("{} is not the ARN of a role: {why}", quote(given)),
                    format!("give the ARN of a role: {}", case.wanted_role(None)),
                );
                report.fail("annotation", "STS refuses the request", fault);
            }
        }
    }
}

fn role(case: &Case<'_>, report: &mut Report) {
    const ID: &str = "annotation";
    let Some(subject) = case.subject else { return };
    let key = case.settings.annotation("role-arn");
    match &case.seen.workload.account {
        Fact::Known(None) => report.follows(ID),
        Fact::Known(Some(account)) => {
            if let Some(value) = annotation(account, &key).filter(|value| !value.is_empty()) {
                return of_value(case, report, value);
            }
            missing(case, report, account);
        }
        unknown => match &case.role {
            Some((role, place)) => {
                report.skip(
                    ID,
                    format!("the annotation of {subject}: {}; {place} names {role}", unknown.why()),
                );
            }
            None => report.skip(ID, format!("the annotation of {subject}: {}", unknown.why())),
        },
    }
}

fn of_value(case: &Case<'_>, report: &mut Report, value: &str) {
    const ID: &str = "annotation";
    let Some(subject) = case.subject else { return };
    let key = case.settings.annotation("role-arn");
    let composed = case.arn.as_ref().filter(|arn| arn.text != value && arn.text.ends_with(value));
    let arn = match (RoleArn::parse(value), composed) {
        (Ok(arn), _) => arn,
        (Err(_), Some(arn)) => {
            let text = &arn.text;
            return report
                .pass(ID, format!("{key} of {subject} is {}, which becomes {text}", quote(value)));
        }
        (Err(why), None) => {
            let fix = match RoleArn::meant(value) {
                Some(meant) => case.annotate(&meant.text),
                None => format!(
                    "set it to the role's ARN: {}",
                    case.annotate(&case.wanted_role(Some(value)))
                ),
            };
            let cause = format!(
                "{key} of {subject} is {}, which is not the ARN of a role: {why}",
                quote(value)
            );
            return report.fail(
                ID,
                "STS refuses the request: Request ARN is invalid",
                Fault::new(cause, fix),
            );
        }
    };
    if let Some(given) = case.seen.asked.role.as_ref().filter(|given| *given != value) {
        let fault = Fault::new(
            format!("{key} of {subject} is {value}, and the role that was asked for is {given}"),
            case.annotate(given),
        );
        return report.fail(ID, "the pods get the role of the annotation", fault);
    }
    if let Some(caller) = case.seen.aws.caller.known()
        && caller.account == arn.account
        && caller.partition != arn.partition
    {
        let right = arn.text.replacen(&arn.partition, &caller.partition, 1);
        let fault = Fault::new(
            format!(
                "{key} of {subject} is {value}, in the partition {}, and the account {} is in {}",
                arn.partition, arn.account, caller.partition
            ),
            case.annotate(&right),
        );
        return report.doubt(ID, "STS finds neither the provider nor the role", fault);
    }
    if let Some(fault) = of_another_account(case, &arn) {
        return match case.refusal() {
            Some(_) => {
                report.fail(ID, "STS looks for the provider in the account of the role", fault)
            }
            None => report.warn(ID, fault.cause, fault.fix),
        };
    }
    let declared = case.seen.asked.declared.as_ref().filter(|own| !own.roles.is_empty());
    if let Some(own) = declared.filter(|own| !own.roles.contains(&arn.name)) {
        return report.warn(
            ID,
            format!(
                "{key} of {subject} is {value}, and {} declares {} for it",
                own.name,
                own.roles.join(", ")
            ),
            match own.annotates {
                true => format!(
                    "`issuerctl apply -f {}`, then {}",
                    issuer_diagnostic::for_a_shell(&own.file),
                    case.recreate()
                ),
                false => {
                    format!("{}; or correct the file", case.annotate(&case.wanted_role(None)))
                }
            },
        );
    }
    report.pass(ID, format!("{key} of {subject} is {value}"));
}

/// The role is in an account without the provider, and the account of the credentials has it.
fn of_another_account(case: &Case<'_>, arn: &RoleArn) -> Option<Fault> {
    let caller = case.seen.aws.caller.known()?;
    let issuer = case.issuer.as_deref()?;
    let has_provider = case.seen.aws.provider.known().is_some_and(Option::is_some);
    let refused = case.is_refused_for("No OpenIDConnect provider found");
    if arn.account == caller.account
        || !has_provider
        || (case.refusal().is_some() && !refused)
        || case.is_proved()
    {
        return None;
    }
    let role = case.seen.aws.role.known().and_then(Option::as_ref);
    let also = role.map(|own| format!(" and the role {}", own.arn)).unwrap_or_default();
    let key = case.settings.annotation("role-arn");
    let said = if refused { ", and STS finds no provider of this issuer there" } else { "" };
    let cause = format!(
        "{key} names a role in the account {}{said}; the provider of {issuer}{also} is in the account {}, \
         whose credentials are used here",
        arn.account, caller.account
    );
    let fix = match role {
        Some(own) => format!(
            "correct the account: {}; or create provider and role in the account {}",
            case.annotate(&own.arn),
            arn.account
        ),
        None => format!(
            "correct the account in the annotation, or create the provider in the account {}: `issuerctl \
             provider apply --issuer {issuer}` with its credentials",
            arn.account
        ),
    };
    Some(Fault::new(cause, fix))
}

fn missing(case: &Case<'_>, report: &mut Report, account: &Value) {
    const ID: &str = "annotation";
    let Some(subject) = case.subject else { return };
    let key = case.settings.annotation("role-arn");
    let wanted = case.wanted_role(None);
    let has_none = format!("{subject} has no annotation {key}");
    match (case.own(), case.named_role()) {
        (Some(Own::Named | Own::From(_)), Some((role, place))) => {
            return report.pass(ID, format!("{has_none}; {place} names the role {role}"));
        }
        (Some(Own::Named), None) => {
            return report
                .pass(ID, format!("{has_none}; the workload names role and token file itself"));
        }
        (Some(Own::From(what)), None) => {
            return report
                .pass(ID, format!("{has_none}; role and token file of the pods come from {what}"));
        }
        (Some(Own::Unknown(why)), _) => {
            return report.skip(
                ID,
                format!(
                    "{has_none}; whether the workload names the role itself is not known: {why}"
                ),
            );
        }
        (None, _) => {}
    }
    let own = annotations(account);
    let is_arn = |value: &str| value.contains(":role/") && value.contains("arn:");
    let similar = |name: &str| {
        let tail = name.rsplit('/').next().unwrap_or(name);
        let letters: String = tail.chars().filter(char::is_ascii_alphanumeric).collect();
        letters.eq_ignore_ascii_case("rolearn")
    };
    if let Some((name, value)) =
        own.iter().find(|(name, value)| (similar(name) || is_arn(value)) && !value.is_empty())
    {
        let is_other = name.rsplit('/').next() == key.rsplit('/').next()
            && case.settings.prefix != "eks.amazonaws.com";
        let why = match is_other {
            true => {
                format!("the webhook reads {key} (--annotation-prefix={})", case.settings.prefix)
            }
            false => format!("the webhook reads {key}, and not this one"),
        };
        let value = value.as_str();
        let arn = if RoleArn::parse(value).is_ok() { value } else { wanted.as_str() };
        let fault = Fault::new(
            format!("{subject} has the annotation {name}, and no {key}: {why}"),
            format!(
                "{}; and remove the other: `kubectl annotate {} {name}-`",
                case.annotate(arn),
                case.account_words()
            ),
        );
        return report.fail(ID, SO, fault);
    }
    if annotation(account, &key) == Some("") && case.named_role().is_none() {
        let fault = Fault::new(
            format!("the annotation {key} of {subject} is empty, so the webhook does nothing"),
            case.annotate(&wanted),
        );
        return report.fail(ID, SO, fault);
    }
    // What pods that run were given earlier, those that are made now may not get.
    let is_past = |place: &str| place == "the pod" && case.would_be_given() == Some(false);
    if let Some((role, place)) = case.named_role().filter(|(_, place)| !is_past(place)) {
        return report.pass(ID, format!("{has_none}; {place} names the role {role}"));
    }
    let workload = case.workload.as_ref();
    let of_pod = case
        .pods
        .iter()
        .find_map(|pod| Some((format!("the pod {}", name(pod)), annotation(pod, &key)?)));
    let of_template = workload.and_then(|own| {
        Some((format!("the pods of {}", own.reference()), annotation(&own.template, &key)?))
    });
    let of_controller = case.seen.workload.controllers.all().find_map(|(kind, own)| {
        Some((format!("the {kind} {}", name(own)), annotation(own, &key)?))
    });
    let of_namespace = case
        .seen
        .workload
        .namespace
        .known()
        .and_then(Option::as_ref)
        .and_then(|own| Some((format!("the namespace {}", name(own)), annotation(own, &key)?)));
    if let Some((place, value)) = of_template.or(of_pod).or(of_controller).or(of_namespace) {
        let arn = if RoleArn::parse(value).is_ok() { value } else { wanted.as_str() };
        let fault = Fault::new(
            format!(
                "the annotation {key} stands on {place}, and not on the ServiceAccount {subject}; the webhook \
                 reads the ServiceAccount alone"
            ),
            format!("annotate the ServiceAccount: {}", case.annotate(arn)),
        );
        return report.fail(ID, SO, fault);
    }
    if case
        .seen
        .workload
        .account
        .known()
        .and_then(Option::as_ref)
        .and_then(|own| own.pointer("/metadata/labels"))
        .and_then(Value::as_object)
        .is_some_and(|labels| labels.keys().any(|label| similar(label)))
    {
        let fault = Fault::new(
            format!("{subject} has {key} as a label, not as an annotation"),
            case.annotate(&wanted),
        );
        return report.fail(ID, SO, fault);
    }
    let known = case.seen.workload.accounts.known().map_or(&[][..], Vec::as_slice);
    let other = known.iter().find(|own| {
        namespace(own) == subject.namespace
            && name(own) != subject.name
            && annotation(own, &key).is_some()
    });
    let hint = other.map_or(String::new(), |own| {
        format!(
            "; the ServiceAccount {} of the same namespace has one ({}): do the pods name the wrong account?",
            name(own),
            annotation(own, &key).unwrap_or_default()
        )
    });
    let names: Vec<&str> = own.iter().map(|(name, _)| name.as_str()).take(4).collect();
    let has =
        if names.is_empty() { String::new() } else { format!("; it has {}", names.join(", ")) };
    let fault = Fault::new(
        format!("the ServiceAccount {subject} has no annotation {key}{has}{hint}"),
        match other.filter(|_| subject.name == "default") {
            Some(own) => format!(
                "let the pods run as {}: set serviceAccountName in their template; or annotate this one: {}",
                name(own),
                case.annotate(&wanted)
            ),
            None => case.annotate(&wanted),
        },
    );
    report.fail(ID, SO, fault);
}

/// A lifetime that the webhook ignores, or the API server refuses.
fn expiration(case: &Case<'_>, report: &mut Report) {
    let key = case.settings.annotation("token-expiration");
    let account = case.seen.workload.account.known().and_then(Option::as_ref);
    let Some(value) = account.and_then(|own| annotation(own, &key)) else { return };
    let fix = format!("`kubectl annotate {} {key}=86400 --overwrite`", case.account_words());
    match value.parse::<i64>() {
        Err(_) => report.warn(
            "annotation",
            format!(
                "the annotation {key} is {}, which is not a number of seconds, and is ignored",
                quote(value)
            ),
            fix,
        ),
        Ok(seconds) if seconds > 1 << 32 => {
            let fault = Fault::new(
                format!(
                    "the annotation {key} is {value}, more seconds than the API server accepts: it refuses the pods"
                ),
                fix,
            );
            report.fail("annotation", "no pod can be created", fault);
        }
        Ok(_) => {}
    }
}

fn annotations(object: &Value) -> Vec<(String, String)> {
    let members: Option<&Map<String, Value>> =
        object.pointer("/metadata/annotations").and_then(Value::as_object);
    let members = members.into_iter().flatten();
    members.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}
