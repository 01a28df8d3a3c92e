//! Keys of the request context other than a token's claims (IAM user guide, "AWS global condition
//! context keys", "IAM and AWS STS condition context keys"; Service Authorization Reference, "AWS
//! Security Token Service").

use super::findings::{Findings, Topic, list};
use super::options::Wanted;
use super::statement::Condition;
use super::time::{Outlook, outlook};

/// Whether `AssumeRoleWithWebIdentity` with a service-account token has a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// Always, with this value.
    Always(&'static str),
    /// With a value that depends on the request, or only in some requests.
    Varies,
    /// Never, and why.
    Absent(&'static str),
}

/// The caller proves who it is with the token, not with a signature.
const UNSIGNED: &str = "the caller has no AWS credentials yet";
const SERVICE: &str = "only calls of AWS services have it";
const SESSION: &str = "only calls with the credentials of a role or user have it";
const TAGS: &str = "Kubernetes puts no session tags into tokens";
const OTHER_CALL: &str = "only other API calls have it";

/// Keys that are never there, in lower case; those that end in a slash are followed by a name.
const ABSENT: [(&str, &str); 31] = [
    ("aws:multifactorauthpresent", "a service account has no MFA"),
    ("aws:multifactorauthage", "a service account has no MFA"),
    ("aws:sourceaccount", SERVICE),
    ("aws:sourcearn", SERVICE),
    ("aws:sourceorgid", SERVICE),
    ("aws:sourceorgpaths", SERVICE),
    ("aws:sourceowner", SERVICE),
    ("aws:principalservicename", SERVICE),
    ("aws:principalservicenameslist", SERVICE),
    ("aws:principalisawsservice", UNSIGNED),
    ("aws:principalarn", UNSIGNED),
    ("aws:principalaccount", UNSIGNED),
    ("aws:principalorgid", UNSIGNED),
    ("aws:principalorgpaths", UNSIGNED),
    ("aws:principaltag/", UNSIGNED),
    ("aws:username", UNSIGNED),
    ("aws:tokenissuetime", SESSION),
    ("aws:federatedprovider", SESSION),
    ("aws:sourceidentity", SESSION),
    ("aws:assumedroot", SESSION),
    ("aws:chatbotsourcearn", SESSION),
    ("aws:ec2instancesourcevpc", SESSION),
    ("aws:ec2instancesourceprivateipv4", SESSION),
    ("aws:calledvia", SESSION),
    ("aws:calledviafirst", SESSION),
    ("aws:calledvialast", SESSION),
    ("aws:requesttag/", TAGS),
    ("aws:tagkeys", TAGS),
    ("sts:transitivetagkeys", TAGS),
    ("sts:sourceidentity", "Kubernetes puts no source identity into tokens"),
    ("sts:externalid", "only AssumeRole has it"),
];

/// Whether requests have a key, whose case makes no difference.
pub(super) fn presence(key: &str) -> Presence {
    let key = key.to_ascii_lowercase();
    let is = |known: &str| key == known || (known.ends_with('/') && key.starts_with(known));
    match key.as_str() {
        // STS answers over TLS only.
        "aws:securetransport" => return Presence::Always("true"),
        "aws:viaawsservice" => return Presence::Always("false"),
        "sts:rolesessionname" | "sts:durationseconds" => return Presence::Varies,
        _ => {}
    }
    if let Some((_, why)) = ABSENT.iter().find(|(known, _)| is(known)) {
        return Presence::Absent(why);
    }
    match key.split_once(':') {
        // New global keys are added from time to time.
        Some(("aws" | "sts", _)) => Presence::Varies,
        Some(("iam", name)) if name.starts_with("resourcetag/") => Presence::Varies,
        Some(("saml", _)) => Presence::Absent("only AssumeRoleWithSAML has it"),
        _ => Presence::Absent(OTHER_CALL),
    }
}

/// Reports a condition on a key other than a token's claims.
pub(super) fn judge(
    label: &str,
    condition: &Condition<'_>,
    wanted: &Wanted,
    findings: &mut Findings,
) {
    if condition.values.is_empty() && condition.well_formed {
        return empty(label, condition, findings);
    }
    let message = format!("{label} has a condition on {:?}", condition.key_name);
    let never = "no token is allowed: the condition is never met";
    match (presence(condition.key_name), condition.met("", None)) {
        (Presence::Absent(why), met) => {
            let message =
                format!("{message}, which no request with a service-account token has: {why}");
            if met == Some(false) {
                findings.fail(Topic::Statement, "key-absent", message, never, "remove it");
            } else {
                let fix = "remove it, and do not rely on it";
                findings.warn(Topic::Statement, "key-absent", message, "it requires nothing", fix);
            }
        }
        (Presence::Always(value), Some(false)) => {
            let message = format!("{message}, which is always {value}");
            findings.fail(Topic::Statement, "key-constant", message, never, "remove it");
        }
        (Presence::Always(_), Some(true)) => {}
        _ if wanted.now.is_some_and(|now| outlook(condition, now) == Some(Outlook::Never)) => {
            let message = format!(
                "{label} has {} {} for {}, which is over",
                condition.operator_name,
                list(&condition.values),
                condition.key_name
            );
            let never = "no token is allowed any more";
            findings.fail(Topic::Statement, "time-over", message, never, "change or remove it");
        }
        _ if wanted.now.is_some_and(|now| outlook(condition, now) == Some(Outlook::Later)) => {
            let message = format!(
                "{label} has {} {} for {}, which is still to come",
                condition.operator_name,
                list(&condition.values),
                condition.key_name
            );
            let fix = "make sure that this is what you want, or remove it";
            findings.warn(
                Topic::Statement,
                "time-later",
                message,
                "no token is allowed until then",
                fix,
            );
        }
        _ => findings.warn(
            Topic::Statement,
            "key-other",
            message,
            "whether a token is allowed also depends on the request, which is not judged here",
            "make sure that the requests of the pods meet it",
        ),
    }
}

/// Reports a condition with an empty array of values.
fn empty(label: &str, condition: &Condition<'_>, findings: &mut Findings) {
    let message = format!(
        "{label} has no value for {} under {}",
        condition.key_name, condition.operator_name
    );
    if condition.operator.needs_values() {
        let fix = format!("add the value that {} must have, or remove it", condition.key_name);
        findings.fail(Topic::Statement, "condition-empty", message, "no token is allowed", fix);
    } else {
        let consequence = "it requires nothing of a value, or that there is none";
        findings.warn(Topic::Statement, "condition-empty", message, consequence, "remove it");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_signed_requests_and_of_services_are_never_there() {
        for key in [
            "aws:SourceAccount",
            "AWS:SourceArn",
            "aws:PrincipalOrgID",
            "aws:PrincipalTag/team",
            "aws:MultiFactorAuthAge",
            "aws:RequestTag/team",
            "sts:ExternalId",
            "saml:aud",
            "ec2:SourceInstanceARN",
            "iam:PassedToService",
        ] {
            assert!(matches!(presence(key), Presence::Absent(_)), "{key}");
        }
        for key in [
            "aws:SourceIp",
            "aws:SourceVpce",
            "aws:RequestedRegion",
            "aws:CurrentTime",
            "aws:ResourceTag/team",
            "iam:ResourceTag/team",
            "sts:RoleSessionName",
            "aws:NotYetKnown",
        ] {
            assert_eq!(presence(key), Presence::Varies, "{key}");
        }
    }
}
