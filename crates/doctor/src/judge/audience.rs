//! Whom the pods' tokens are for, and what the ServiceAccount says of them.

use issuer_diagnostic::{Fault, quote};
use serde_json::Value;

use super::case::{AUDIENCE, Case};
use super::containers::{FILE, is_expanded, value};
use super::{own, token_file};
use crate::diagnosis::Report;
use crate::kubernetes::{annotation, items, text};
use crate::probe::{pods_of, settings_of, workload_of};
use crate::seen::{Audience, Seen};

/// The audience of the pods' tokens: as given, or as it was requested; else what volumes, the account
/// or the webhook's flags say, one of the provider first; else the usual one.
#[must_use]
pub fn audience_of(seen: &Seen) -> Audience {
    let known = |text: &str| Audience { text: text.to_owned(), is_known: true };
    if let Some(given) = &seen.asked.audience {
        return known(given);
    }
    let requested = seen.cluster.tokens.known().and(seen.cluster.requested.as_ref());
    if let Some(requested) = requested {
        return requested.clone();
    }
    let named = named(seen);
    let provider = seen.aws.provider.known().and_then(Option::as_ref);
    let accepted = provider.map(|own| own.audiences.as_slice());
    let usual = || named.first().map(|_| AUDIENCE.to_owned());
    let chosen = match accepted {
        // What is wrong with the others is judged where they stand.
        Some(list) => named
            .iter()
            .find(|own| list.contains(own))
            .cloned()
            .or_else(|| usual().filter(|usual| list.contains(usual)))
            .or_else(|| named.first().cloned()),
        None => named.iter().find(|own| !is_endpoint(own)).cloned().or_else(usual),
    };
    if let Some(chosen) = chosen {
        return known(&chosen);
    }
    // Nothing says it. The trust policy asks for one, and the provider may have it.
    let role = seen.aws.role.known().and_then(Option::as_ref);
    let wanted = role.map(|role| of_trust(&role.trust)).unwrap_or_default();
    let has = |own: &&String| accepted.is_none_or(|list| list.contains(own));
    let usual = wanted.iter().find(|own| *own == AUDIENCE);
    match usual.filter(has).or(wanted.iter().find(has)).or(usual) {
        Some(wanted) => known(wanted),
        None => Audience { text: AUDIENCE.to_owned(), is_known: false },
    }
}

/// The audiences that are named, those that count first.
fn named(seen: &Seen) -> Vec<String> {
    let settings = settings_of(&seen.injection);
    let account = seen.workload.account.known().and_then(Option::as_ref);
    let annotated = account.and_then(|own| annotation(own, &settings.annotation("audience")));
    let template = workload_of(seen).map(|workload| workload.template);
    // Neither annotation nor webhook changes a token that the workload mounts itself.
    let by_hand = template.as_ref().filter(|template| own::of(seen, template).is_some());
    let injection = &seen.injection;
    let has_flags = injection.deployment.known().is_some_and(Option::is_some)
        || injection.pods.known().is_some_and(|pods| !pods.is_empty());
    let of_pods = seen.stored().into_iter().chain(pods_of(seen));
    by_hand
        .and_then(of_own)
        .into_iter()
        .chain(annotated)
        .chain(of_pods.filter_map(of_file))
        .chain(has_flags.then_some(settings.audience.as_str()))
        .filter(|own| !own.trim().is_empty())
        .map(str::to_owned)
        .collect()
}

/// The audience of the token that a pod's variable names.
fn of_file(pod: &Value) -> Option<&str> {
    let lists = ["containers", "initContainers"].into_iter();
    let mut containers = lists.flat_map(|list| items(&pod["spec"], list));
    containers.find_map(|container| {
        let path = value(container, FILE).filter(|path| !path.is_empty() && !is_expanded(path))?;
        let token = token_file::token_at(pod, container, path)?;
        Some(text(token, "audience")).filter(|audience| !audience.is_empty())
    })
}

/// The same for a template whose variables come from somewhere else: its only token for others than the
/// API server.
fn of_own(template: &Value) -> Option<&str> {
    of_file(template).or_else(|| {
        let volumes = items(&template["spec"], "volumes").iter();
        let mut audiences: Vec<&str> = volumes.flat_map(own::audiences).collect();
        audiences.sort_unstable();
        audiences.dedup();
        match audiences[..] {
            [only] => Some(only),
            _ => None,
        }
    })
}

/// The audiences that conditions of a trust policy ask for.
fn of_trust(policy: &str) -> Vec<String> {
    let Ok(policy) = serde_json::from_str::<Value>(policy) else { return Vec::new() };
    let statements = match &policy["Statement"] {
        Value::Array(all) => all.as_slice(),
        one => std::slice::from_ref(one),
    };
    let operators = statements.iter().filter_map(|own| own["Condition"].as_object());
    let conditions = operators.flat_map(|own| own.values()).filter_map(Value::as_object);
    let values = conditions.flatten().filter(|(key, _)| key.to_ascii_lowercase().ends_with(":aud"));
    let each = values.flat_map(|(_, value)| match value {
        Value::Array(all) => all.as_slice(),
        one => std::slice::from_ref(one),
    });
    each.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The audience that the account's tokens get, against those of the provider.
pub(super) fn judge(case: &Case<'_>, report: &mut Report) {
    const ID: &str = "annotation";
    let key = case.settings.annotation("audience");
    let account = case.seen.workload.account.known().and_then(Option::as_ref);
    let (Some(subject), Some(value)) =
        (case.subject, account.and_then(|own| annotation(own, &key)))
    else {
        return;
    };
    let provider = case.seen.aws.provider.known().and_then(Option::as_ref);
    let accepted = provider.map(|own| own.audiences.clone());
    let is_wrong = match &accepted {
        Some(list) => !list.iter().any(|own| own == value),
        None => {
            value.is_empty()
                || value.trim() != value
                || is_endpoint(value)
                || case.is_refused_for("audience")
        }
    };
    if !is_wrong || (case.is_proved() && case.audience == value) {
        return;
    }
    let list = accepted.unwrap_or_else(|| vec![AUDIENCE.to_owned()]);
    let what = match value {
        "" => "empty, so that the token has the API server's audience".to_owned(),
        value => quote(value),
    };
    let wanted =
        list.iter().find(|own| *own == AUDIENCE).or(list.first()).map_or(AUDIENCE, String::as_str);
    let fault = Fault::new(
        format!(
            "the annotation {key} of {subject} is {what}: the pods' tokens have this audience, and the \
             provider's client IDs are {}",
            list.iter().map(|own| quote(own)).collect::<Vec<_>>().join(", ")
        ),
        format!(
            "`kubectl annotate {} {key}={wanted} --overwrite` (or remove it), then {}",
            case.account_words(),
            case.recreate()
        ),
    );
    report.fail(ID, "InvalidIdentityToken: Incorrect token audience", fault);
}

/// `sts.REGION.amazonaws.com` is where STS is, and not what tokens are for.
fn is_endpoint(audience: &str) -> bool {
    audience != AUDIENCE && audience.contains("sts.") && audience.contains("amazonaws.com")
}
