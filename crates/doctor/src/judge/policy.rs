//! MutatingAdmissionPolicies that give pods their roles, and their bindings.

use issuer_diagnostic::Fault;
use issuer_pods::{Dispenser, dispensers};
use serde_json::{Value, json};

use super::case::Case;
use super::injection::fault;
use super::webhook::{excluded, unjudged};
use crate::diagnosis::Report;
use crate::kubernetes::{items, labels, name, text};
use crate::labels::{mend, unmet};
use crate::scope::LeftOut;

/// The names of the policies that set the variables of a role.
pub(super) fn names(case: &Case<'_>) -> Vec<String> {
    let Some(all) = case.seen.injection.policies.known() else { return Vec::new() };
    let found = dispensers("mutatingadmissionpolicies", &json!({"items": all}));
    found.into_iter().filter(|(kind, _)| *kind == Dispenser::Policy).map(|(_, name)| name).collect()
}

/// The conditions of these policies of which it is not known whether they hold.
pub(super) fn unjudged_conditions<'a>(case: &Case<'a>) -> Vec<&'a str> {
    let names = names(case);
    let all = case.seen.injection.policies.known().into_iter().flatten();
    let own = all.filter(|own| names.iter().any(|wanted| wanted == name(own)));
    own.flat_map(|own| case.scope.unjudged(&own["spec"])).collect()
}

/// A binding about roles, and its policy, which does not exist.
pub(super) fn lost<'a>(case: &Case<'a>) -> Option<(&'a str, &'a str)> {
    let all = case.seen.injection.policies.known()?;
    let bindings = case.seen.injection.bindings.known()?.iter();
    let mut wanted = bindings.map(|own| (name(own), text(&own["spec"], "policyName")));
    wanted
        .find(|(_, wanted)| wanted.contains("irsa") && !all.iter().any(|own| name(own) == *wanted))
}

pub(super) fn judge(case: &Case<'_>, report: &mut Report) {
    const ID: &str = "policy";
    let seen = &case.seen.injection;
    let Some(all) = seen.policies.known() else {
        return report.skip(ID, format!("mutatingadmissionpolicies: {}", seen.policies.why()));
    };
    let names = names(case);
    let Some(policy) = all.iter().find(|own| names.iter().any(|wanted| wanted == name(own))) else {
        if let Some((binding, wanted)) = lost(case).filter(|_| case.webhook.is_none()) {
            return fault(
                case,
                report,
                ID,
                Fault::new(
                    format!(
                        "the binding {binding} names the admission policy {wanted}, which does not exist"
                    ),
                    "create the policy again: `issuerctl render policy | kubectl apply -f -`",
                ),
            );
        }
        return report.pass(ID, "no admission policy is about roles");
    };
    let Some(bindings) = seen.bindings.known() else {
        return report
            .skip(ID, format!("mutatingadmissionpolicybindings: {}", seen.bindings.why()));
    };
    if case.webhook.is_some() && report.root().is_some() {
        return report.follows(ID);
    }
    let policy_name = name(policy);
    let bound: Vec<&Value> =
        bindings.iter().filter(|own| own["spec"]["policyName"] == policy_name).collect();
    if bound.is_empty() {
        return fault(
            case,
            report,
            ID,
            Fault::new(
                format!(
                    "the admission policy {policy_name} has no binding (MutatingAdmissionPolicyBinding): it does nothing"
                ),
                "create the binding: `issuerctl render policy | kubectl apply -f -`",
            ),
        );
    }
    let constraints = &policy["spec"]["matchConstraints"];
    let what = format!("the admission policy {policy_name}");
    let edit = format!("kubectl edit mutatingadmissionpolicies {policy_name}");
    let left_out = case.scope.left_out(constraints, items(constraints, "resourceRules"));
    // Conditions stand beside the constraints.
    match left_out.or_else(|| case.scope.unselected(&policy["spec"])) {
        // Whether its own account has a role is judged with the annotation.
        Some(left_out)
            if case.annotation.is_some() || !matches!(left_out, LeftOut::Condition(..)) =>
        {
            return fault(case, report, ID, excluded(case, &what, &edit, left_out));
        }
        _ => {}
    }
    if case.subject.is_none() {
        return report.pass(ID, format!("{what} is bound"));
    }
    let whys: Vec<Option<Fault>> = bound.iter().map(|own| unbound(case, policy, own)).collect();
    if whys.iter().all(Option::is_some)
        && let Some(found) = whys.into_iter().flatten().next()
    {
        return fault(case, report, ID, found);
    }
    match unjudged(case, constraints) {
        Some(why) => report.skip(ID, format!("{what} is bound; {why}")),
        None => report.pass(ID, format!("{what} and its binding include these pods")),
    }
}

/// Why a binding does not take this ServiceAccount or its pods.
fn unbound(case: &Case<'_>, policy: &Value, binding: &Value) -> Option<Fault> {
    let subject = case.subject?;
    let what = format!("the binding {}", name(binding));
    let resources = &binding["spec"]["matchResources"];
    // Without rules of its own, it takes what the policy takes.
    let left_out = match items(resources, "resourceRules") {
        [] => case.scope.unselected(resources),
        rules => case.scope.left_out(resources, rules),
    };
    if let Some(left_out) = left_out {
        let edit = format!("kubectl edit mutatingadmissionpolicybindings {}", name(binding));
        return Some(excluded(case, &what, &edit, left_out));
    }
    let takes_accounts = policy["spec"]["paramKind"]["kind"] == "ServiceAccount";
    let reference = &binding["spec"]["paramRef"];
    if !takes_accounts {
        return None;
    }
    if reference.is_null() {
        return Some(Fault::new(
            format!("{what} has no paramRef, and the policy reads ServiceAccounts as parameters"),
            "render policy and binding again: `issuerctl render policy | kubectl apply -f -`",
        ));
    }
    let (namespace, account) = (text(reference, "namespace"), text(reference, "name"));
    if !namespace.is_empty() && namespace != subject.namespace {
        return Some(Fault::new(
            format!(
                "the paramRef of {what} takes ServiceAccounts of the namespace {namespace} alone, and this one is {subject}"
            ),
            format!(
                "remove the namespace from paramRef: `kubectl edit mutatingadmissionpolicybindings {}`",
                name(binding)
            ),
        ));
    }
    if !account.is_empty() && account != subject.name {
        return Some(Fault::new(
            format!(
                "the paramRef of {what} takes the ServiceAccount {account} alone, and this one is {subject}"
            ),
            format!(
                "use a selector in paramRef instead of a name: `kubectl edit mutatingadmissionpolicybindings {}`",
                name(binding)
            ),
        ));
    }
    let object = case.seen.workload.account.known().and_then(Option::as_ref)?;
    let selector = &reference["selector"];
    let why = unmet(selector, labels(object))?;
    let label = mend(selector, labels(object)).unwrap_or_default();
    Some(Fault::new(
        format!("the selector of {what} asks for {why} in the ServiceAccount {subject}"),
        format!(
            "`kubectl label {} {label} --overwrite`, then {}",
            case.account_words(),
            case.recreate()
        ),
    ))
}
