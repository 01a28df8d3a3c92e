//! What STS makes of a fresh token: evidence for everything before it, and the last word.

use issuer_diagnostic::{Check, Fault, quote};

use super::case::Case;
use super::condition::{self, Unjudged};
use crate::diagnosis::Report;
use crate::seen::Exchange;

/// How long a new role may take to be known everywhere, in seconds.
const SPREADS_SECS: u64 = 120;

pub(super) fn judge(case: &Case<'_>, report: &mut Report) {
    const ID: &str = "exchange";
    match case.seen.exchange.known() {
        None => {
            report.skip(ID, format!("the exchange of a fresh token: {}", case.seen.exchange.why()))
        }
        Some(Exchange::Passed { assumed, endpoint }) => {
            let of_another = match &case.signs {
                Some(signs) if !case.is_proved() => {
                    format!(" of {}, which says nothing of the issuer in question", quote(signs))
                }
                _ => String::new(),
            };
            report.pass(
                ID,
                format!(
                    "{endpoint} gave credentials of {assumed} for a fresh token{of_another}; they were dropped"
                ),
            );
        }
        Some(Exchange::Refused { code, message, status, endpoint }) => {
            let code = code.as_deref().unwrap_or_default();
            let said = match (code, status) {
                ("", Some(status)) => format!("HTTP {status}: {message}"),
                ("", None) => message.clone(),
                (code, _) if message.starts_with(code) => message.clone(),
                (code, _) => format!("{code}: {message}"),
            };
            let fault = match report.root() {
                Some(root) => Fault::new(
                    format!("{endpoint} refuses a fresh token, which follows from {root}"),
                    format!("see {root}"),
                ),
                None => match condition::of_request(case, report, code, message) {
                    Some(Unjudged::OfThisRequest(fault)) => {
                        let cause = format!("{endpoint}: {said}: {}", fault.cause);
                        return report.warn(ID, cause, fault.fix);
                    }
                    Some(Unjudged::OfEach(fault)) => fault,
                    None => explained(case, code, message, *status, endpoint),
                },
            };
            report.exchange(Check::fail(ID, said, fault));
        }
    }
}

/// Nothing else is wrong, as far as can be seen.
fn explained(
    case: &Case<'_>,
    code: &str,
    message: &str,
    status: Option<u16>,
    endpoint: &str,
) -> Fault {
    let role = case.arn.as_ref().map_or("the role", |arn| arn.text.as_str());
    let issuer = case.issuer.as_deref().unwrap_or("the issuer");
    let url = case.issuer.as_deref().unwrap_or("URL");
    let refuses = format!("{endpoint} refuses a fresh token for {role}");
    let is_outage = status.is_some_and(|status| status >= 500)
        || [
            "InternalFailure",
            "InternalError",
            "ServiceUnavailable",
            "Throttling",
            "ThrottlingException",
            "RequestLimitExceeded",
        ]
        .contains(&code);
    if is_outage {
        let status = status.map(|status| format!(" (HTTP {status})")).unwrap_or_default();
        return Fault::new(
            format!("STS itself fails at {endpoint}{status}: {message}; nothing else is wrong"),
            "try again later; https://health.aws.amazon.com has outages, and AWS_REGION of the pods may name another region",
        );
    }
    if code == "RegionDisabledException" || message.contains("not activated in this region") {
        return Fault::new(
            format!(
                "STS is not activated in the region of the pods for this account ({endpoint}): {message}"
            ),
            "activate it (IAM console, Account settings, Security Token Service), enable the region for the account, or set \
             AWS_REGION of the pods to another region",
        );
    }
    if code == "IDPCommunicationError" || message.contains("Couldn't retrieve verification key") {
        return Fault::new(
            format!(
                "{refuses}: it could not read the documents of {issuer}, although this machine can: {message}"
            ),
            format!(
                "make the documents readable from the internet for everybody, without a firewall, an address list or a VPN \
                 (`issuerctl verify --issuer {url}` from a machine outside says more); STS waits 5 s"
            ),
        );
    }
    let of_time = ["expired", "not valid yet", "too old"];
    if code == "ExpiredTokenException" || of_time.iter().any(|word| message.contains(word)) {
        return Fault::new(
            format!("{refuses} because of its time: {message}"),
            "correct the clocks of the control plane (NTP)",
        );
    }
    let is_of_arn = message.contains("ARN") || message.contains("roleArn");
    if ["ValidationError", "InvalidParameterValue"].contains(&code) && is_of_arn {
        return Fault::new(
            format!("{refuses}: the ARN of the role is not valid ({message})"),
            "correct the annotation",
        );
    }
    if message.contains("audience") {
        return Fault::new(
            format!("{refuses}: its audience {} is not a client ID of the provider", case.audience),
            format!("`issuerctl provider apply --issuer {issuer} --audience {}`", case.audience),
        );
    }
    if code == "InvalidIdentityToken" || code == "IDPRejectedClaim" {
        return Fault::new(
            format!("{refuses}: {message}; documents, provider and token look right from here"),
            format!(
                "IAM may take a minute to know a new or changed provider: try again, then `issuerctl verify --issuer {url}`"
            ),
        );
    }
    if code == "AccessDenied" || message.contains("Not authorized to perform") {
        return denied(case, message, &refuses, role, issuer);
    }
    let said = match (code, status) {
        ("", Some(status)) => {
            format!("HTTP {status}, without an error code of STS: {message}")
        }
        ("", None) => format!("without an error code: {message}"),
        (code, _) if message.starts_with(code) => message.to_owned(),
        (code, _) => format!("{code}: {message}"),
    };
    Fault::new(
        format!("{refuses}: {said}"),
        "look the error up (AWS STS API Reference, AssumeRoleWithWebIdentity and Common Errors); if it is none of STS, a \
         proxy or another endpoint has answered (AWS_ENDPOINT_URL_STS)",
    )
}

/// AccessDenied: a missing role, its trust policy and a policy of the organization look alike.
fn denied(case: &Case<'_>, message: &str, refuses: &str, role: &str, issuer: &str) -> Fault {
    if message.contains("explicit deny") || message.contains("control policy") {
        return Fault::new(
            format!("{refuses}: a policy of the organization denies it: {message}"),
            "ask the administrators of the organization for the service control policy (or resource control policy) that \
             denies sts:AssumeRoleWithWebIdentity",
        );
    }
    if message.contains("VPC endpoint policy") {
        return Fault::new(
            format!("{refuses}: the policy of the VPC endpoint of STS denies it: {message}"),
            "allow sts:AssumeRoleWithWebIdentity in the policy of the endpoint (`aws ec2 describe-vpc-endpoints`)",
        );
    }
    let foreign = case.arn.as_ref().zip(case.seen.aws.caller.known());
    let foreign = foreign.filter(|(arn, caller)| arn.account != caller.account);
    let seen = case.seen.aws.role.known().and_then(Option::as_ref).filter(|_| foreign.is_none());
    let age = seen.and_then(|own| case.seen.asked.now_secs.checked_sub(own.created_secs?));
    if let Some(age) = age.filter(|age| *age < SPREADS_SECS) {
        return Fault::new(
            format!(
                "{refuses}: the role was created {age} s ago, and IAM takes a while to know it everywhere"
            ),
            "wait a minute, and run doctor again",
        );
    }
    if seen.is_some() {
        return Fault::new(
            format!(
                "{refuses} (AccessDenied), although its trust policy allows it: what remains is a policy of the organization \
                 (SCP, RCP) that denies sts:AssumeRoleWithWebIdentity, or a change of the trust policy in the last minute"
            ),
            "look at the event AssumeRoleWithWebIdentity in CloudTrail, and ask the administrators of the organization for \
             service control policies with a Deny",
        );
    }
    let account = case.subject.map_or("NAMESPACE/NAME".to_owned(), ToString::to_string);
    let sub = case.subject.map_or(String::new(), |own| {
        format!(" for system:serviceaccount:{}:{}", own.namespace, own.name)
    });
    let name = case.arn.as_ref().map_or("NAME", |arn| arn.name.as_str());
    let why = match foreign {
        Some((arn, caller)) => {
            format!(
                "it is in the account {}, and the credentials are of {}",
                arn.account, caller.account
            )
        }
        None if case.seen.aws.caller.known().is_none() => case.seen.aws.caller.why(),
        None => case.seen.aws.role.why(),
    };
    Fault::new(
        format!(
            "{refuses} (AccessDenied): the role {role} does not exist, or its trust policy does not allow the issuer{sub}; STS \
             says the same for both, and the role cannot be read here ({why})"
        ),
        format!(
            "have the trust policy checked by somebody who may read it: `aws iam get-role --role-name {name} | issuerctl role \
             lint - --issuer {issuer} --service-account {account}`"
        ),
    )
}
