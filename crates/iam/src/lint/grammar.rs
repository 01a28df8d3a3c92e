//! What IAM rejects in a policy, in statements for any issuer or service (IAM user guide, "Grammar
//! of the IAM JSON policy language" and "IAM JSON policy elements: Sid", "… Version").

use issuer_discovery::Partition;
use serde_json::Value;

use super::findings::{Findings, Topic, list};
use super::operator::{Base, Operator};
use super::statement::Statement;
use super::values;
use crate::difference::nearest;
use crate::json::{is_values, members, strings, texts};
use crate::{TrustPolicy, principals};

const REFUSED: &str = "IAM returns MalformedPolicyDocument";

const TOP: [&str; 3] = ["Version", "Id", "Statement"];
const STATEMENT: [&str; 9] = [
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
];
/// Valid in other policies, so that it has a finding of its own.
const RESOURCE: [&str; 2] = ["Resource", "NotResource"];
const PRINCIPAL: [&str; 4] = ["AWS", "Federated", "Service", "CanonicalUser"];

/// Reports what is wrong outside the statements, and between them.
pub(super) fn judge_policy(
    policy: &TrustPolicy,
    statements: &[Statement<'_>],
    findings: &mut Findings,
) {
    version(policy, findings);
    unknown("the policy", policy.members(), &TOP, findings);
    id(policy, findings);
    let mut sids: Vec<&str> =
        statements.iter().filter_map(|statement| statement.value["Sid"].as_str()).collect();
    sids.sort_unstable();
    // Several statements may have an empty one.
    let mut twice: Vec<&str> = sids
        .windows(2)
        .filter(|pair| pair[0] == pair[1] && !pair[0].is_empty())
        .map(|pair| pair[0])
        .collect();
    twice.dedup();
    if !twice.is_empty() {
        refuse(
            findings,
            "sid-twice",
            format!("several statements have the Sid {}", list(&twice)),
            "give each statement a unique Sid, or none",
        );
    }
}

/// Reports what is wrong with the form of a statement.
pub(super) fn judge_statement(statement: &Statement<'_>, findings: &mut Findings) {
    let (label, value) = (statement.label.as_str(), statement.value);
    effect(label, value, findings);
    sid(label, value, findings);
    unknown(label, members(value), &STATEMENT, findings);
    for member in ["Principal", "NotPrincipal"] {
        unknown(&format!("the {member} of {label}"), members(&value[member]), &PRINCIPAL, findings);
    }
    for (member, not) in [("Principal", "NotPrincipal"), ("Action", "NotAction")] {
        if value.get(member).and(value.get(not)).is_some() {
            let message = format!("{label} has both {member} and {not}");
            refuse(findings, "member-both", message, format!("keep {member} and remove {not}"));
        }
    }
    if RESOURCE.iter().any(|member| value.get(member).is_some()) {
        refuse(
            findings,
            "statement-resource",
            format!("{label} has a Resource"),
            "remove the Resource: the resource of a trust policy is its role",
        );
    }
    conditions(label, value, findings);
    condition_values(statement, findings);
}

/// Reports principals that IAM rejects, except for those that are `explained` by other findings.
pub(super) fn judge_principals(
    statement: &Statement<'_>,
    partition: Option<Partition>,
    explained: impl Fn(&str, &str) -> bool,
    findings: &mut Findings,
) {
    for kind in principals::misshapen(statement.value) {
        if !explained(kind, "") {
            let message = format!("the {kind} principal of {} is not a string", statement.label);
            let message = format!("{message} or an array of strings");
            let fix = format!("write it as \"{kind}\": \"VALUE\", or remove it");
            refuse(findings, "principal-form", message, fix);
        }
    }
    for (kind, text, there) in principals::elsewhere(statement.value, partition) {
        if !explained(kind, text) {
            let role = partition.map_or("", |partition| partition.name);
            findings.fail(
                Topic::Statement,
                "principal-partition",
                format!(
                    "{} has the {kind} principal {text:?} in the partition {}, while the role is \
                     in {role}",
                    statement.label, there.name
                ),
                format!("{REFUSED} (Invalid principal in policy): partitions share nothing"),
                "write a principal of the role's partition, or remove it",
            );
        }
    }
    for rejected in principals::rejected(statement.value) {
        if explained(rejected.kind, rejected.text) {
            continue;
        }
        findings.fail(
            Topic::Statement,
            "principal-rejected",
            format!(
                "{} has the {} principal {:?}, {}",
                statement.label, rejected.kind, rejected.text, rejected.reason
            ),
            format!("{REFUSED} (Invalid principal in policy), also when another statement changes"),
            rejected.fix,
        );
    }
}

/// Reports what is missing in a statement that is not for the issuer; for the issuer's own, other
/// findings do.
pub(super) fn judge_missing(statement: &Statement<'_>, findings: &mut Findings) {
    let value = statement.value;
    let is_principal = |value: &Value| value == "*" || members(value).next().is_some();
    let is_action = |value: &Value| !strings(value).is_empty();
    for (member, not, is_there) in [
        ("Principal", "NotPrincipal", is_principal as fn(&Value) -> bool),
        ("Action", "NotAction", is_action),
    ] {
        if !is_there(&value[member]) && !is_there(&value[not]) {
            refuse(
                findings,
                "member-missing",
                format!("{} has no valid {member}", statement.label),
                format!(
                    "add its {member}, or remove the statement if it does not belong in a trust \
                     policy"
                ),
            );
        }
    }
}

/// Reports actions of other services.
pub(super) fn judge_services(statement: &Statement<'_>, findings: &mut Findings) {
    let actions = ["Action", "NotAction"].map(|member| strings(&statement.value[member])).concat();
    let (known, foreign): (Vec<&str>, Vec<&str>) =
        actions.into_iter().partition(|action| is_of_sts(action));
    let unknown: Vec<&str> = known.into_iter().filter(|action| is_unknown(action)).collect();
    if let [first, ..] = unknown[..] {
        let fix = match nearest(TRUST_ACTIONS, first) {
            Some((meant, _)) => format!("write {meant}, or remove it"),
            None => "remove it".to_owned(),
        };
        findings.fail(
            Topic::Action,
            "action-unknown",
            format!("{} has the action {}", statement.label, list(&unknown)),
            format!(
                "{REFUSED}: the actions of a trust policy are {}",
                TRUST_ACTIONS.map(|action| action.trim_start_matches("sts:")).join(", ")
            ),
            fix,
        );
    }
    if foreign.contains(&"*") {
        findings.fail(
            Topic::Action,
            "action-all",
            format!("{} has the action \"*\", the actions of all services", statement.label),
            format!("{REFUSED}: a trust policy may have only actions of STS"),
            "name the actions: sts:AssumeRoleWithWebIdentity for tokens, sts:AssumeRole for roles, \
             users and services",
        );
    }
    let foreign: Vec<&str> = foreign.into_iter().filter(|action| *action != "*").collect();
    if !foreign.is_empty() {
        findings.fail(
            Topic::Action,
            "action-service",
            format!("{} has the action {}", statement.label, list(&foreign)),
            format!("{REFUSED}: a trust policy may have only actions of STS"),
            "move it to a managed or inline policy of the role",
        );
    }
}

/// The actions of a trust policy ("AssumeRole policy may only specify STS AssumeRole actions"), and
/// those that accompany them (Service Authorization Reference, "AWS Security Token Service").
const TRUST_ACTIONS: [&str; 6] = [
    "sts:AssumeRole",
    "sts:AssumeRoleWithSAML",
    "sts:AssumeRoleWithWebIdentity",
    "sts:SetContext",
    "sts:SetSourceIdentity",
    "sts:TagSession",
];

/// Whether it is an action of STS that no trust policy has; those with wildcards have findings of
/// their own.
pub(super) fn is_unknown(action: &str) -> bool {
    is_of_sts(action)
        && !action.contains(['*', '?'])
        && !TRUST_ACTIONS.iter().any(|known| known.eq_ignore_ascii_case(action))
}

pub(super) fn is_of_sts(action: &str) -> bool {
    action.get(..4).is_some_and(|service| service.eq_ignore_ascii_case("sts:"))
}

fn refuse(findings: &mut Findings, id: &'static str, message: String, fix: impl Into<String>) {
    findings.fail(Topic::Statement, id, message, REFUSED, fix);
}

fn version(policy: &TrustPolicy, findings: &mut Findings) {
    let fix = r#"write "Version": "2012-10-17""#;
    let Some(version) = policy.version() else {
        findings.warn(
            Topic::Statement,
            "policy-version",
            "the policy has no Version",
            "IAM reads it as 2008-10-17, a version without variables such as ${aws:username}",
            fix,
        );
        return;
    };
    if !matches!(version.as_str(), Some("2012-10-17" | "2008-10-17")) {
        let fix =
            format!("{fix}; it is the version of the policy language, not a date of your choice");
        refuse(findings, "policy-version", format!("the Version is {version}"), fix);
    }
}

fn id(policy: &TrustPolicy, findings: &mut Findings) {
    let id = policy.members().find(|(name, _)| *name == "Id").map(|(_, value)| value);
    if let Some(id) = id.filter(|id| !id.is_string()) {
        let message = format!("the Id of the policy is {id}, which is not a string");
        refuse(findings, "id-form", message, "write it in quotes, or remove it");
    }
}

fn unknown<'v>(
    label: &str,
    members: impl Iterator<Item = (&'v String, &'v Value)>,
    known: &[&str],
    findings: &mut Findings,
) {
    let allowed: Vec<&str> =
        known.iter().copied().filter(|name| !RESOURCE.contains(name)).collect();
    for (name, _) in members.filter(|(name, _)| !known.contains(&name.as_str())) {
        let fix = match allowed.iter().find(|meant| meant.eq_ignore_ascii_case(name)) {
            Some(meant) => format!("write {meant}"),
            None => format!("remove it; valid members are {}", allowed.join(", ")),
        };
        let message = format!("{label} has the member {name:?}, which IAM does not know");
        refuse(findings, "member-unknown", message, fix);
    }
}

fn effect(label: &str, value: &Value, findings: &mut Findings) {
    let effect = &value["Effect"];
    if effect != "Allow" && effect != "Deny" {
        let what =
            if effect.is_null() { "no Effect".to_owned() } else { format!("the Effect {effect}") };
        refuse(
            findings,
            "statement-effect",
            format!("{label} has {what}"),
            r#"write "Effect": "Allow""#,
        );
    }
}

fn sid(label: &str, value: &Value, findings: &mut Findings) {
    let Some(sid) = value.get("Sid") else { return };
    if !sid.as_str().is_some_and(|text| text.bytes().all(|b| b.is_ascii_alphanumeric())) {
        let message =
            format!("{label} has the Sid {sid}, but a Sid may contain only letters and digits");
        let kept: String =
            texts(sid).concat().chars().filter(char::is_ascii_alphanumeric).collect();
        refuse(findings, "sid-form", message, format!("write \"Sid\": \"{kept}\", or remove it"));
    }
}

/// Values of another type than the operator compares. An operator that is wrong for a claim of a
/// token has a finding of its own.
fn condition_values(statement: &Statement<'_>, findings: &mut Findings) {
    for condition in &statement.conditions {
        let of_token = matches!(condition.key.claim(), Some("aud" | "sub"));
        let fault = values::fault(condition.operator, &condition.values).filter(|_| !of_token);
        let Some(fault) = fault else { continue };
        findings.fail(
            Topic::Statement,
            "condition-value",
            format!(
                "{} has {} for {} under {}, which is not {}",
                statement.label,
                list(&fault.values),
                condition.key_name,
                condition.operator_name,
                fault.kind
            ),
            "IAM rejects the policy, or no request meets the condition",
            format!("write a value such as {}", fault.example),
        );
    }
}

fn conditions(label: &str, value: &Value, findings: &mut Findings) {
    let misshapen = |findings: &mut Findings, what: String| {
        let message = format!("{label} has {what}");
        let fix = r#"write it as "Condition": {"StringEquals": {"KEY": "VALUE"}}, with an array for several values"#;
        refuse(findings, "condition-form", message, fix);
    };
    let Some(condition) = value.get("Condition") else { return };
    if !condition.is_object() {
        misshapen(findings, "a Condition that is not an object".to_owned());
    }
    for (name, keys) in members(condition) {
        if Operator::read(name).base == Base::Unknown {
            refuse(
                findings,
                "operator-unknown",
                format!("{label} has the condition operator {name:?}, which IAM does not know"),
                "use StringEquals, or StringLike if a value has a wildcard",
            );
        }
        if !keys.is_object() {
            misshapen(
                findings,
                format!("a value of {name} that is not an object of keys and values"),
            );
        }
        for (key, _) in members(keys).filter(|(_, values)| !is_values(values)) {
            misshapen(
                findings,
                format!(
                    "a value of {name} for {key} that is neither a string nor an array of strings"
                ),
            );
        }
    }
}
