//! The pod identity webhook: is it asked about these pods, and can the API server call it?

use issuer_diagnostic::{Fault, date, quote};
use issuer_trust::{Authorities, not_after};
use serde_json::Value;

use super::case::Case;
use super::injection::{
    fault, is_refused_by_webhook, reason, refusal_of_webhook, works_all_the_same,
};
use super::policy;
use crate::diagnosis::Report;
use crate::kubernetes::{items, name, text};
use crate::probe::{is_added_by_a_controller, webhook_service};
use crate::scope::LeftOut;
use crate::{Fact, Workload};

pub(super) fn judge(case: &Case<'_>, report: &mut Report) {
    const ID: &str = "webhook";
    let seen = &case.seen.injection;
    let Some(all) = seen.webhooks.known() else {
        return report.skip(ID, format!("mutatingwebhookconfigurations: {}", seen.webhooks.why()));
    };
    let Some((configuration, hook)) = case.webhook else {
        return absent(case, report, all);
    };
    report.pass(ID, format!("the webhook {} is configured", name(configuration)));
    let before = report.root();
    scope(case, report, configuration, hook);
    if report.root() == before {
        service(case, report, hook);
    }
    if report.root() == before {
        endpoints(case, report, hook);
    }
    if report.root() == before {
        certificate(case, report, configuration, hook);
    }
}

fn absent(case: &Case<'_>, report: &mut Report, all: &[Value]) {
    const ID: &str = "webhook";
    let policies = policy::names(case);
    if !policies.is_empty() {
        return report
            .pass(ID, format!("no webhook; the admission policy {} does it", policies.join(", ")));
    }
    if policy::lost(case).is_some() {
        return report.pass(ID, "no webhook; an admission policy is bound");
    }
    if case.would_be_given() == Some(true) {
        return report
            .pass(ID, "no webhook of a known name, and a pod made now gets its role all the same");
    }
    if case.is_self_provided() {
        return report.pass(ID, "no webhook; the workload brings role and token file itself");
    }
    if works_all_the_same(case) {
        return report.skip(
            ID,
            "no pod identity webhook of a known name, and the pods have their roles: what gives them is not known",
        );
    }
    if !matches!(case.seen.injection.policies, Fact::Known(_)) && case.would_be_given().is_none() {
        return report.skip(
            ID,
            format!(
                "no pod identity webhook; mutatingadmissionpolicies: {}",
                case.seen.injection.policies.why()
            ),
        );
    }
    let others: Vec<&str> = all.iter().map(name).take(4).collect();
    let others = match others.is_empty() {
        true => String::new(),
        false => format!(" (there are other webhooks: {})", others.join(", ")),
    };
    let cause = format!(
        "no pod identity webhook and no MutatingAdmissionPolicy is installed in the cluster{others}: nothing \
         gives pods the role of their ServiceAccount"
    );
    let fix = "install one: `issuerctl render policy | kubectl apply -f -` (before Kubernetes 1.36, unless the \
               feature gate MutatingAdmissionPolicy is on: `issuerctl render webhook`), then recreate the pods";
    fault(case, report, ID, Fault::new(cause, fix));
}

/// Whether the webhook is asked about these pods.
fn scope(case: &Case<'_>, report: &mut Report, configuration: &Value, hook: &Value) {
    const ID: &str = "webhook-scope";
    let configuration = name(configuration);
    match case.scope.left_out(hook, items(hook, "rules")) {
        Some(left_out) => {
            let what = format!("the webhook {configuration}");
            let edit = format!("kubectl edit mutatingwebhookconfigurations {configuration}");
            fault(case, report, ID, excluded(case, &what, &edit, left_out));
        }
        None if case.subject.is_none() => report.pass(ID, "its rules include the creation of pods"),
        None => match unjudged(case, hook) {
            Some(what) => {
                report.skip(ID, format!("its rules include the creation of pods; {what}"))
            }
            None => report.pass(ID, "its rules and selectors include these pods"),
        },
    }
}

/// What of the scope of a webhook or a policy cannot be judged, and why.
pub(super) fn unjudged(case: &Case<'_>, hook: &Value) -> Option<String> {
    let asks = |selector: &str| hook[selector].as_object().is_some_and(|own| !own.is_empty());
    let workload = &case.seen.workload;
    if asks("namespaceSelector") && workload.namespace.known().is_none() {
        return Some(format!(
            "its namespaceSelector is not judged: the namespace: {}",
            workload.namespace.why()
        ));
    }
    if asks("objectSelector") && case.workload.is_none() {
        let mut whys = workload.controllers.whys();
        whys.extend(Some(workload.pods.why()).filter(|why| !why.is_empty()));
        let why = if whys.is_empty() { "there are none".to_owned() } else { whys.join("; ") };
        return Some(format!("its objectSelector is not judged: the pods: {why}"));
    }
    let conditions = case.scope.unjudged(hook);
    (!conditions.is_empty())
        .then(|| format!("its matchConditions ({}) are not judged", conditions.join(", ")))
}

/// Why a webhook, a policy or a binding leaves out these pods; `edit` is the command that changes it.
pub(super) fn excluded(case: &Case<'_>, what: &str, edit: &str, left_out: LeftOut) -> Fault {
    const SKIP: &str = "eks.amazonaws.com/skip-pod-identity-webhook";
    let space = case.subject.map_or("NAMESPACE", |own| own.namespace.as_str());
    let place = case.workload.as_ref().map(Workload::reference).unwrap_or_default();
    let of_pods = |label: &str| match label.strip_suffix('-') {
        Some(label) if is_added_by_a_controller(label) => format!(
            "take the label {label} out of the objectSelector, since every pod of a Job has it: `{edit}`, then {}",
            case.recreate()
        ),
        Some(label) => format!(
            "remove the label {label} from the pod template of {place}, and {}",
            case.recreate()
        ),
        None => {
            format!("add the label {label} to the pod template of {place}, and {}", case.recreate())
        }
    };
    match left_out {
        LeftOut::Namespace(why, label) => Fault::new(
            format!("the namespaceSelector of {what} asks for {why} in the namespace {space}"),
            match label.starts_with("kubernetes.io/metadata.name") {
                true => format!(
                    "include the namespace {space} in the namespaceSelector: `{edit}`, then {}",
                    case.recreate()
                ),
                false => format!(
                    "`kubectl label namespace {space} {label} --overwrite`, then {}",
                    case.recreate()
                ),
            },
        ),
        LeftOut::Pods(_, label) if label.strip_suffix('-') == Some(SKIP) => Fault::new(
            format!(
                "the pods of {place} opt out: they have the label {SKIP}, whose value does not matter, and the \
                 objectSelector of {what} leaves out pods with it"
            ),
            of_pods(&label),
        ),
        LeftOut::Pods(why, label) => Fault::new(
            format!("the objectSelector of {what} asks for {why} in the pods of {place}"),
            of_pods(&label),
        ),
        LeftOut::Condition(name, expression) => Fault::new(
            format!(
                "the matchCondition {name} of {what} leaves out the pods of {}: {} is false for them",
                case.subject.map_or_else(String::new, ToString::to_string),
                quote(&issuer_diagnostic::shorten(&expression))
            ),
            format!(
                "change the matchCondition {name} (`{edit}`), or what it asks for, and {}",
                case.recreate()
            ),
        ),
        LeftOut::Excluded(rule) => Fault::new(
            format!("the excludeResourceRules of {what} leave out the creation of pods: {rule}"),
            format!(
                "remove this rule from excludeResourceRules: `{edit}`, then {}",
                case.recreate()
            ),
        ),
        LeftOut::Rules(why) => Fault::new(
            format!("the rules of {what} do not include the creation of pods: {why}"),
            format!(
                "add the rule {{operations: [CREATE], apiGroups: [\"\"], apiVersions: [v1], resources: [pods]}}: `{edit}`"
            ),
        ),
    }
}

fn service(case: &Case<'_>, report: &mut Report, hook: &Value) {
    const ID: &str = "webhook-service";
    let Some((namespace, service, port)) = webhook_service(hook) else {
        let host = hook.pointer("/clientConfig/url").and_then(Value::as_str).unwrap_or_default();
        return report.skip(
            ID,
            format!(
                "the webhook is called at a URL ({})",
                host.split('?').next().unwrap_or_default()
            ),
        );
    };
    match &case.seen.injection.service {
        Fact::Known(None) => fault(
            case,
            report,
            ID,
            Fault::new(
                format!(
                    "the webhook is called at the Service {namespace}/{service}, which does not exist"
                ),
                format!(
                    "install the webhook again, or correct clientConfig.service: `kubectl get services \
                 --namespace {namespace}` lists those that exist"
                ),
            ),
        ),
        Fact::Known(Some(object)) => {
            let ports = items(&object["spec"], "ports");
            let has = ports.iter().any(|own| own["port"].as_u64() == Some(port.into()));
            if !has {
                let list: Vec<String> = ports.iter().map(|own| own["port"].to_string()).collect();
                return fault(
                    case,
                    report,
                    ID,
                    Fault::new(
                        format!(
                            "the webhook is called at port {port} of the Service {namespace}/{service}, which has \
                         the port {} alone",
                            list.join(", ")
                        ),
                        format!(
                            "set the port of clientConfig.service to {}: `kubectl edit \
                         mutatingwebhookconfigurations`",
                            list.first().map_or("443", String::as_str)
                        ),
                    ),
                );
            }
            report.pass(ID, format!("the Service {namespace}/{service} exists"));
        }
        unknown => report.skip(ID, format!("the Service {namespace}/{service}: {}", unknown.why())),
    }
}

fn endpoints(case: &Case<'_>, report: &mut Report, hook: &Value) {
    const ID: &str = "webhook-endpoints";
    let Some((namespace, service, _)) = webhook_service(hook) else { return };
    let seen = &case.seen.injection;
    let Some(slices) = seen.slices.known() else {
        return report
            .skip(ID, format!("the endpoints of {namespace}/{service}: {}", seen.slices.why()));
    };
    let all = || slices.iter().flat_map(|slice| items(slice, "endpoints"));
    let ready =
        all().filter(|own| own.pointer("/conditions/ready") != Some(&Value::Bool(false))).count();
    if ready > 0 {
        report.pass(ID, format!("the Service {namespace}/{service} has {ready} ready endpoint(s)"));
        image(case, report, &namespace, false);
        return;
    }
    let pods = seen.pods.known().map_or(&[][..], Vec::as_slice);
    let said = refusal_of_webhook(case).map_or(String::new(), |_| {
        "; its failurePolicy is Fail, so the API server refuses every pod".to_owned()
    });
    let deployment = seen.deployment.known().and_then(Option::as_ref);
    let waiting = pods.iter().find_map(waiting);
    if image(case, report, &namespace, true) {
        report.follows(ID);
        return;
    }
    let why = match (waiting, pods, deployment) {
        (Some((pod, container, reason, _)), ..) => {
            format!("its pod {pod} is not ready: the container {container} is waiting ({reason})")
        }
        (None, [pod, ..], _) => format!("its pod {} is not ready", name(pod)),
        (None, [], Some(own)) if own["spec"]["replicas"] == 0 => {
            format!("the Deployment {} has 0 replicas", name(own))
        }
        (None, [], Some(own)) => format!(
            "no pod has the labels that the Service selects; the Deployment {} has {} of {} replicas ready",
            name(own),
            own["status"]["readyReplicas"].as_u64().unwrap_or_default(),
            own["spec"]["replicas"].as_u64().unwrap_or(1)
        ),
        (None, [], None) => "no pod of it was found".to_owned(),
    };
    let fix = match (pods, deployment) {
        ([pod, ..], _) => format!(
            "get the webhook's pod running: `kubectl describe pod {} --namespace {namespace}` and `kubectl logs \
             {} --namespace {namespace}` say what it lacks",
            name(pod),
            name(pod)
        ),
        ([], Some(own)) if own["spec"]["replicas"] == 0 => {
            format!("`kubectl scale deployment {} --replicas 2 --namespace {namespace}`", name(own))
        }
        ([], _) => format!(
            "get the webhook's pods running: `kubectl get deployments,pods --namespace {namespace}`; compare the \
             selector of the Service {service} with their labels"
        ),
    };
    fault(
        case,
        report,
        ID,
        Fault::new(
            format!(
                "the Service {namespace}/{service} of the webhook has no ready endpoint: {why}{said}"
            ),
            fix,
        ),
    );
}

/// Pod, container, reason and image of what waits in a pod.
fn waiting(pod: &Value) -> Option<(String, String, String, String)> {
    let states = ["containerStatuses", "initContainerStatuses"].into_iter();
    let states = states.flat_map(|list| items(&pod["status"], list));
    let mut waiting = states.filter_map(|state| {
        let reason = state
            .pointer("/state/waiting/reason")
            .or(state.pointer("/state/terminated/reason"))?
            .as_str()?;
        let (container, image) = (text(state, "name"), text(state, "image"));
        Some((name(pod).to_owned(), container.to_owned(), reason.to_owned(), image.to_owned()))
    });
    waiting.next()
}

/// Whether an image cannot be pulled, and nothing else serves the webhook.
fn image(case: &Case<'_>, report: &mut Report, namespace: &str, is_down: bool) -> bool {
    const ID: &str = "webhook-image";
    const REASONS: [&str; 5] = [
        "ImagePullBackOff",
        "ErrImagePull",
        "InvalidImageName",
        "ErrImageNeverPull",
        "RegistryUnavailable",
    ];
    let pods = case.seen.injection.pods.known().map_or(&[][..], Vec::as_slice);
    let found = pods
        .iter()
        .filter_map(waiting)
        .find(|(_, _, reason, _)| REASONS.contains(&reason.as_str()));
    let Some((pod, _, reason, image)) = found else { return false };
    let deployment = case
        .seen
        .injection
        .deployment
        .known()
        .and_then(Option::as_ref)
        .map_or("pod-identity-webhook", name);
    let refuses = match is_refused_by_webhook(case) {
        true => "; its failurePolicy is Fail, so the API server refuses every pod",
        false => "",
    };
    let cause = format!(
        "the webhook is not ready: its pod {pod} cannot pull the image {} ({reason}){refuses}",
        quote(&image)
    );
    let fix = format!(
        "correct the image, or its registry: `kubectl describe pod {pod} --namespace {namespace}` has the reason; \
         `kubectl set image deployment/{deployment} '*=IMAGE' --namespace {namespace}` with one that can be pulled"
    );
    if is_down {
        fault(case, report, ID, Fault::new(cause, fix));
    } else {
        report.warn(ID, cause, fix);
    }
    true
}

fn certificate(case: &Case<'_>, report: &mut Report, configuration: &Value, hook: &Value) {
    const ID: &str = "webhook-certificate";
    let configuration = name(configuration);
    let renew = format!(
        "renew the serving certificate and the caBundle of {configuration} together: with cert-manager, annotate \
         the configuration with cert-manager.io/inject-ca-from; else install the webhook again (`issuerctl render \
         webhook --help`)"
    );
    let serving = &case.seen.injection.serving;
    let bundle = hook.pointer("/clientConfig/caBundle").and_then(Value::as_str).unwrap_or_default();
    if let Some(message) = refusal_of_webhook(case)
        .filter(|message| message.contains("x509") || message.contains("tls:"))
    {
        return fault(
            case,
            report,
            ID,
            Fault::new(
                format!(
                    "the API server does not accept the certificate of the webhook against the caBundle of \
                 {configuration}: {}",
                    reason(message)
                ),
                renew,
            ),
        );
    }
    if bundle.is_empty() && webhook_service(hook).is_some() {
        return fault(
            case,
            report,
            ID,
            Fault::new(
                format!(
                    "the caBundle of the webhook {configuration} is empty: the API server trusts no certificate of \
                 its Service but those of public CAs"
                ),
                renew,
            ),
        );
    }
    if !bundle.is_empty() {
        match Authorities::parse_usable(bundle.as_bytes()) {
            Err(error) => {
                return fault(
                    case,
                    report,
                    ID,
                    Fault::new(
                        format!(
                            "the caBundle of the webhook {configuration} has no usable certificate: {error}"
                        ),
                        renew,
                    ),
                );
            }
            Ok(authorities) => {
                let ends: Vec<u64> =
                    authorities.certificates().iter().filter_map(not_after).collect();
                if let Some(last) =
                    ends.iter().max().filter(|last| **last < case.seen.asked.now_secs)
                {
                    return fault(
                        case,
                        report,
                        ID,
                        Fault::new(
                            format!(
                                "the CA in the caBundle of the webhook {configuration} has expired on {}",
                                date(*last)
                            ),
                            renew,
                        ),
                    );
                }
            }
        }
    }
    match serving.known() {
        Some(own) => match &own.fault {
            Some(why) => fault(
                case,
                report,
                ID,
                Fault::new(
                    format!(
                        "the certificate that the webhook serves ({}) does not satisfy the caBundle of \
                     {configuration}: {why}; with failurePolicy Ignore pods are let in as they are",
                        own.address
                    ),
                    renew,
                ),
            ),
            None => report
                .pass(ID, format!("the certificate at {} satisfies the caBundle", own.address)),
        },
        None => report.skip(ID, format!("the serving certificate: {}", serving.why())),
    }
}
