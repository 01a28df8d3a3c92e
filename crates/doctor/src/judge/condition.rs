//! Conditions of a trust policy on the request itself, which nobody but STS can judge.

use std::collections::BTreeSet;

use issuer_diagnostic::{Fault, quote};
use serde_json::Value;

use super::case::Case;
use crate::diagnosis::Report;

/// What the findings about such conditions are called.
const WARNINGS: [&str; 3] = ["role-key-other", "role-deny", "role-unjudged"];

/// Keys in which the request of doctor differs from those of the pods: address and session name.
const OF_THIS_REQUEST: [&str; 7] = [
    "sts:rolesessionname",
    "aws:sourceip",
    "aws:vpcsourceip",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:sourcevpcarn",
    "aws:useragent",
];

/// A refusal that a condition of the trust policy explains.
#[derive(Debug)]
pub(super) enum Unjudged {
    /// The pods' requests may meet it although that of doctor does not.
    OfThisRequest(Fault),
    /// It is the same for the pods.
    OfEach(Fault),
}

/// The conditions that explain an AccessDenied, if there are any.
pub(super) fn of_request(
    case: &Case<'_>,
    report: &Report,
    code: &str,
    message: &str,
) -> Option<Unjudged> {
    let is_explained = ["explicit deny", "control policy", "endpoint policy"]
        .iter()
        .any(|word| message.contains(word));
    if code != "AccessDenied" || is_explained || !report.warns(&WARNINGS) {
        return None;
    }
    let role = case.seen.aws.role.known().and_then(Option::as_ref)?;
    let keys = keys(&serde_json::from_str(&role.trust).ok()?);
    if keys.is_empty() {
        return None;
    }
    let differs =
        keys.iter().any(|key| OF_THIS_REQUEST.contains(&key.to_ascii_lowercase().as_str()));
    let list = keys.iter().map(|key| quote(key)).collect::<Vec<_>>().join(" and ");
    let cause = format!(
        "the trust policy of {} has a condition on {list}, which depends on the request, and most likely is why STS \
         refuses this one",
        role.arn
    );
    Some(match differs {
        true => Unjudged::OfThisRequest(Fault::new(
            format!(
                "{cause}; it comes from this machine's address and with a session name of its own, so that those of the \
                 pods may be allowed all the same"
            ),
            format!(
                "compare {list} with the requests of the pods: the event AssumeRoleWithWebIdentity in CloudTrail has their \
                 address and session name, or run `aws sts get-caller-identity` in a pod"
            ),
        )),
        false => Unjudged::OfEach(Fault::new(
            cause,
            format!(
                "compare {list} with the event AssumeRoleWithWebIdentity in CloudTrail, and correct the condition: `aws iam \
                 update-assume-role-policy --role-name {} --policy-document FILE`",
                role.arn.rsplit('/').next().unwrap_or_default()
            ),
        )),
    })
}

/// The keys of conditions that are about the request.
fn keys(policy: &Value) -> BTreeSet<String> {
    let statements = match &policy["Statement"] {
        Value::Array(all) => all.as_slice(),
        one => std::slice::from_ref(one),
    };
    let operators = statements.iter().filter_map(|own| own["Condition"].as_object());
    let conditions = operators.flat_map(|own| own.values()).filter_map(Value::as_object);
    let keys = conditions.flat_map(|own| own.keys()).filter(|key| {
        let key = key.to_ascii_lowercase();
        key.starts_with("aws:") || key.starts_with("sts:")
    });
    keys.cloned().collect()
}
