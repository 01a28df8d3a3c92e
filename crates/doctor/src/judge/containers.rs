//! The containers of a pod: which of them have the role, and what they name.

use issuer_diagnostic::{Fault, quote};
use issuer_pods::skipped_containers;
use serde_json::Value;

use super::case::{Case, role_in};
use super::pod::Finding;
use crate::RoleArn;
use crate::diagnosis::Report;
use crate::kubernetes::{annotation, items, name, text};
use crate::probe::{Renewal, given_at_admission};

pub(super) const ROLE: &str = "AWS_ROLE_ARN";
pub(super) const FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";

/// A variable of a container; of several with one name, the last counts.
pub(super) fn variable<'a>(container: &'a Value, name: &str) -> Option<&'a Value> {
    items(container, "env").iter().rev().find(|own| text(own, "name") == name)
}

/// The value of a variable, if it is written in the pod; API servers leave out an empty one.
pub(super) fn value<'a>(container: &'a Value, name: &str) -> Option<&'a str> {
    let own = variable(container, name)?;
    match own.get("value") {
        Some(value) => value.as_str(),
        None => own.get("valueFrom").is_none().then_some(""),
    }
}

/// A value in a message. A secret key that was taken for another variable is not shown.
pub(super) fn shown(value: &str) -> String {
    match issuer_redact::is_access_key(value) {
        true => issuer_redact::REDACTED.to_owned(),
        false => quote(value),
    }
}

/// What to do first if a pod without a controller may bring variables itself: what admission added to it
/// cannot be told from its manifest.
pub(super) fn of_manifest(case: &Case<'_>, variables: &[&str]) -> String {
    let is_bare = case.workload.as_ref().is_some_and(|own| own.kind == "Pod");
    match is_bare {
        true => format!(
            "remove {} from the manifest of the pod if they are in it, and ",
            variables.join(" and ")
        ),
        false => String::new(),
    }
}

/// Whether a value has another variable in it, `$(NAME)`, which the kubelet replaces.
pub(super) fn is_expanded(value: &str) -> bool {
    value.replace("$$", "").contains("$(")
}

/// The containers of a pod with their list, and those of them that have a variable of the role.
pub(super) fn with_role(pod: &Value) -> impl Iterator<Item = &Value> {
    each(pod).map(|(_, own)| own).filter(|own| has(own))
}

fn each(pod: &Value) -> impl Iterator<Item = (&'static str, &Value)> {
    let spec = &pod["spec"];
    ["containers", "initContainers"]
        .into_iter()
        .flat_map(move |list| items(spec, list).iter().map(move |own| (list, own)))
}

fn has(container: &Value) -> bool {
    [ROLE, FILE].iter().any(|name| variable(container, name).is_some())
}

/// Whether the template of the pods sets a variable itself.
pub(super) fn is_of_template(case: &Case<'_>, container: &Value, variable_name: &str) -> bool {
    let Some(workload) = &case.workload else { return false };
    let spec = &workload.template["spec"];
    let lists = ["containers", "initContainers"].into_iter().flat_map(|list| items(spec, list));
    let mut same = lists.filter(|own| own["name"] == container["name"]);
    workload.kind != "Pod"
        && !given_at_admission(&workload.template)
        && same.any(|own| variable(own, variable_name).is_some())
}

/// Where a variable of a container is to be changed.
pub(super) fn place(case: &Case<'_>) -> String {
    case.workload.as_ref().map_or("the pod's template".to_owned(), |own| {
        format!("the template of {}", own.reference())
    })
}

/// How variables are removed from what the pods are made of.
pub(super) fn removal(case: &Case<'_>, container: &Value, variables: &[&str]) -> String {
    let namespace = case.subject.map_or("NAMESPACE", |own| own.namespace.as_str());
    let names = variables.join(" and ");
    match &case.workload {
        Some(own) if own.is_restarted() => {
            let list: Vec<String> = variables.iter().map(|name| format!("{name}-")).collect();
            let command = format!(
                "remove {names} from {}: `kubectl set env {} --namespace {namespace} --containers {} {}`",
                place(case),
                own.reference(),
                text(container, "name"),
                list.join(" ")
            );
            match own.renewal {
                Renewal::Usual => command,
                _ => format!("{command}, and {}", case.recreate()),
            }
        }
        Some(own) if own.kind == "Job" => format!(
            "delete {}, remove {names} from its manifest, and create it again: the template of a Job cannot be changed",
            own.reference()
        ),
        Some(own) if own.kind == "CronJob" => {
            format!("remove {names} from {}: its next run does without", place(case))
        }
        Some(own) if own.kind == "Pod" => {
            format!(
                "remove {names} from the manifest of {}, and {}",
                own.reference(),
                case.recreate()
            )
        }
        _ => format!("remove {names} from {}, and {}", place(case), case.recreate()),
    }
}

/// Role and token file: both are there, and the role is the right one.
pub(super) fn env(case: &Case<'_>, pod: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    for container in with_role(pod) {
        let (role, file) = (variable(container, ROLE), variable(container, FILE));
        let (pod, own) = (name(pod), text(container, "name"));
        if let Some(given) =
            value(container, ROLE).filter(|own| !own.is_empty() && !is_expanded(own))
            && let Err(why) = RoleArn::parse(given)
        {
            let by_hand = is_of_template(case, container, ROLE);
            let fix = match RoleArn::meant(given).filter(|_| by_hand) {
                Some(meant) => format!("write {} in {}", meant.text, place(case)),
                None if by_hand => format!(
                    "write the ARN of the role, {}, in {}",
                    case.wanted_role(Some(given)),
                    place(case)
                ),
                None => format!(
                    "correct the annotation of the ServiceAccount, and {}{}",
                    of_manifest(case, &[ROLE, FILE]),
                    case.recreate()
                ),
            };
            findings.push(Finding::Fault(
                "STS refuses the request: Request ARN is invalid",
                Fault::new(
                    format!("{ROLE} of the container {own} of the pod {pod} is {}, which is not the ARN of a role: {why}", quote(given)),
                    fix,
                ),
            ));
        }
        match (role, file) {
            (Some(_), None) | (None, Some(_)) => {
                let (there, lacks) = if role.is_some() { (ROLE, FILE) } else { (FILE, ROLE) };
                findings.push(Finding::Fault(
                    "the SDK does not use the role",
                    Fault::new(
                        format!(
                            "the container {own} of the pod {pod} has {there} and not {lacks}: the webhook adds neither \
                             where one of them is set already"
                        ),
                        format!("let the webhook set both: {}", removal(case, container, &[there])),
                    ),
                ));
            }
            _ => {}
        }
        for (name, found) in [(ROLE, role), (FILE, file)] {
            if value(container, name) == Some("") {
                findings.push(Finding::Fault(
                    "the SDK does not use the role",
                    Fault::new(
                        format!("{name} is empty in the container {own} of the pod {pod}"),
                        removal(case, container, &[name]),
                    ),
                ));
            } else if found.is_some_and(|found| {
                found.get("valueFrom").is_some() || value(container, name).is_some_and(is_expanded)
            }) {
                findings.push(Finding::Unknown(format!(
                    "{name} of the container {own} of the pod {pod} comes from another object or variable, which is not read"
                )));
            }
        }
        findings.extend(session_and_endpoint(case, pod, container));
        let wanted =
            case.role.as_ref().filter(|(_, place)| ["--role", "the annotation"].contains(place));
        let given = value(container, ROLE);
        if let (Some((wanted, place_of_role)), Some(given)) = (wanted, given)
            && given != wanted
            && !given.is_empty()
            && !is_expanded(given)
            && !(case.arn.is_none() && given.ends_with(wanted.as_str()))
        {
            let own_template = is_of_template(case, container, ROLE);
            let cause = format!(
                "{ROLE} of the container {own} of the pod {pod} is {}, and {place_of_role} is {}{}",
                quote(given),
                quote(wanted),
                if own_template {
                    "; the template of the pods sets it, and the webhook leaves it"
                } else {
                    ""
                }
            );
            let would = case.stored().and_then(role_in);
            let fix = match own_template {
                true => removal(case, container, &[ROLE, FILE]),
                false if would.as_deref().is_none_or(|own| own == wanted.as_str()) => {
                    format!(
                        "the pod was made before the annotation was changed: {}{}",
                        of_manifest(case, &[ROLE, FILE]),
                        case.recreate()
                    )
                }
                false => of_manifest(case, &[ROLE, FILE]) + &case.recreate(),
            };
            let fault = Fault::new(cause, fix);
            // Then it is the annotation that is wrong, and a new pod would be worse off.
            let is_no_role = !own_template && matches!(case.seen.aws.role.known(), Some(None));
            findings.push(match is_no_role {
                true => Finding::Doubt(fault),
                false => Finding::Fault("the pod uses another role", fault),
            });
        }
    }
    findings
}

/// What else the request to STS is made of: the name of the session, and where it goes.
fn session_and_endpoint(case: &Case<'_>, pod: &str, container: &Value) -> Vec<Finding> {
    const SESSION: &str = "AWS_ROLE_SESSION_NAME";
    let own = text(container, "name");
    let mut findings = Vec::new();
    let is_valid = |name: &str| {
        let is_one = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
        (2..=64).contains(&name.len()) && name.chars().all(is_one)
    };
    // Without a value, SDKs make one up.
    let session = value(container, SESSION).filter(|name| !name.is_empty() && !name.contains("$("));
    if let Some(session) = session.filter(|name| !is_valid(name)) {
        findings.push(Finding::Fault(
            "STS refuses the request: ValidationError: roleSessionName failed to satisfy constraint",
            Fault::new(
                format!(
                    "{SESSION} of the container {own} of the pod {pod} is {}, and the name of a session has 2 to 64 letters, \
                     digits and _+=,.@-",
                    shown(session)
                ),
                format!("set another one in {}, or {}", place(case), removal(case, container, &[SESSION])),
            ),
        ));
    }
    let endpoint = ["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"]
        .into_iter()
        .find_map(|name| Some((name, value(container, name).filter(|url| !url.is_empty())?)));
    if let Some((variable, url)) = endpoint
        && !["amazonaws.com", "amazonaws.com.cn"].iter().any(|host| {
            let rest = url.split("://").nth(1).unwrap_or(url);
            let given = rest.split(['/', ':']).next().unwrap_or_default();
            given.ends_with(&format!(".{host}"))
        })
    {
        findings.push(Finding::Doubt(Fault::new(
            format!(
                "{variable} of the container {own} of the pod {pod} is {}: its requests to STS go there, and not to AWS",
                quote(url)
            ),
            format!("unless that is meant, {}", removal(case, container, &[variable])),
        )));
    }
    findings
}

/// The annotation of a pod leaves out all of its containers.
pub(super) fn skipped(case: &Case<'_>, pod: &Value, report: &mut Report) {
    let key = case.settings.annotation("skip-containers");
    let fault = Fault::new(
        format!(
            "the pod {} has no role: its annotation {key} is {} and leaves out every container",
            name(pod),
            quote(annotation(pod, &key).unwrap_or_default())
        ),
        format!("remove the annotation {key} from {}, and {}", place(case), case.recreate()),
    );
    report.fail("pod-containers", "no container has credentials of the role", fault);
}

/// The name of the container that the role is for, and whether anything names it: the annotation of kubectl,
/// or the workload, which is called like it. Else it is the first of the template, since others may add
/// theirs before it.
pub(super) fn main<'b>(case: &'b Case<'_>, pod: &'b Value) -> (&'b str, bool) {
    if let Some(named) = annotation(pod, "kubectl.kubernetes.io/default-container") {
        return (named, true);
    }
    let containers = items(&pod["spec"], "containers");
    let is_called_like_it = |own: &&Value| {
        case.workload.as_ref().is_some_and(|workload| workload.name == text(own, "name"))
    };
    if let Some(own) = containers.iter().find(is_called_like_it) {
        return (text(own, "name"), true);
    }
    let of_template =
        case.workload.as_ref().map_or(&[][..], |own| items(&own.template["spec"], "containers"));
    let own = |container: &&Value| of_template.iter().any(|own| own["name"] == container["name"]);
    let first = containers.iter().find(own).or(containers.first());
    (first.map_or("", |own| text(own, "name")), false)
}

/// Whether a container was left out.
pub(super) fn all(case: &Case<'_>, pod: &Value) -> Vec<Finding> {
    let key = case.settings.annotation("skip-containers");
    let value = annotation(pod, &key).unwrap_or_default();
    let skipped = skipped_containers(value).unwrap_or_default();
    let containers = items(&pod["spec"], "containers");
    let (main, is_named) = main(case, pod);
    // Then somebody wanted an init container alone to have it.
    let is_of_init = !containers.iter().any(has);
    let mut findings = Vec::new();
    for (list, container) in each(pod).filter(|(_, own)| !has(own)) {
        let own = text(container, "name");
        let is_skipped = skipped.iter().any(|name| name == own);
        let cause = match is_skipped {
            true => format!(
                "the container {own} of the pod {} has no role: the annotation {key} names it ({})",
                name(pod),
                quote(value)
            ),
            false => format!(
                "the container {own} of the pod {} has no role, and others have it: it was added after the webhook, \
                 or by hand",
                name(pod)
            ),
        };
        // A workload that names the role itself names it where it needs it.
        if case.is_self_provided() && !is_skipped {
            if own == main && list == "containers" {
                findings.push(Finding::Doubt(Fault::new(
                    format!(
                        "the container {own} of the pod {} has no role, and {} names it in others",
                        name(pod),
                        place(case)
                    ),
                    format!(
                        "if it needs the role, name it and the token file there, too, and {}",
                        case.recreate()
                    ),
                )));
            }
            continue;
        }
        let fix = match is_skipped {
            true => format!(
                "take {own} out of the annotation {key} in {}, and {}",
                place(case),
                case.recreate()
            ),
            false => format!(
                "{}; a webhook that adds containers later needs reinvocationPolicy: IfNeeded in the pod \
                              identity webhook",
                case.recreate()
            ),
        };
        if own == main && list == "containers" {
            let fault = Fault::new(cause, fix);
            findings.push(match is_skipped && (is_of_init || !is_named) {
                true => Finding::Doubt(fault),
                false => Finding::Fault("this container has no credentials of the role", fault),
            });
        } else if !is_skipped && list == "containers" {
            findings.push(Finding::Doubt(Fault::new(cause, fix)));
        }
    }
    findings
}
