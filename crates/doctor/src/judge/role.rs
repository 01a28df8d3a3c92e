//! The role: that it exists, its trust policy for this very token, and its permissions.

use issuer_diagnostic::{Fault, Status, quote};
use issuer_discovery::{IssuerUrl, Partition};
use issuer_iam::LintOptions;

use super::case::Case;
use super::lint;
use crate::RoleArn;
use crate::diagnosis::Report;
use crate::seen::{RoleSeen, Subject};

const SO: &str = "AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity";

pub(super) fn judge(case: &Case<'_>, report: &mut Report) {
    const ID: &str = "role";
    let aws = &case.seen.aws;
    let Some(arn) = &case.arn else {
        return match &case.role {
            Some((text, place)) => {
                report.skip(ID, format!("{place} is {text:?}, which is not the ARN of a role"))
            }
            None => report.skip(ID, "no role is known"),
        };
    };
    if let Some(caller) = aws.caller.known()
        && caller.account != arn.account
    {
        return report.skip(
            ID,
            format!(
                "{} is in another account than the credentials ({}), and cannot be read",
                arn.text, caller.account
            ),
        );
    }
    let Some(found) = aws.role.known() else {
        let why = if aws.caller.known().is_none() { aws.caller.why() } else { aws.role.why() };
        return match case.is_proved() {
            true => report.pass(ID, format!("{}: {why}; STS gave its credentials", arn.text)),
            false => report.skip(ID, format!("{}: {why}", arn.text)),
        };
    };
    let Some(role) = found else {
        let fault = Fault::new(
            format!(
                "the role {} does not exist in the account {} ({})",
                arn.name, arn.account, arn.text
            ),
            format!("{}; or correct the annotation", create(case, arn)),
        );
        report.doubt(ID, SO, fault);
        report.follows_of("role-statement-missing", ID);
        return;
    };
    if role.arn != arn.text {
        let fault = Fault::new(
            format!(
                "the ARN of the role {} is {}, and the pods name {}: path and letter case are part of it",
                arn.name, role.arn, arn.text
            ),
            case.annotate(&role.arn),
        );
        report.doubt(ID, SO, fault);
        return;
    }
    report.pass(ID, format!("{} exists", role.arn));
    trust(case, report, arn, role);
    permissions(case, report, arn, role);
}

/// The command that creates the role, or lets it trust the account.
fn create(case: &Case<'_>, arn: &RoleArn) -> String {
    let issuer = case.issuer.as_deref().unwrap_or("URL");
    let account = case.subject.map_or("NAMESPACE/NAME".to_owned(), ToString::to_string);
    // Role and path are two things in IAM, and the role of another path has another ARN.
    let path = match arn.path() {
        "/" => String::new(),
        path => format!(" --path {path}"),
    };
    format!(
        "`issuerctl role apply {}{path} --issuer {issuer} --service-account {account} --add`",
        arn.name
    )
}

fn options(case: &Case<'_>, issuer: &IssuerUrl, arn: &RoleArn, audiences: &[&str]) -> LintOptions {
    let mut options = LintOptions::new(issuer.clone());
    options.allow_port = case.seen.asked.allow_port;
    options.service_account = case.subject.and_then(|subject| subject.to_string().parse().ok());
    options.account = arn.account.parse().ok();
    options.partition = Partition::named(&arn.partition);
    options.audiences = audiences.iter().filter_map(|own| own.parse().ok()).collect();
    options.now =
        Some(std::time::UNIX_EPOCH + std::time::Duration::from_secs(case.seen.asked.now_secs));
    options
}

/// Whether the trust policy, as far as it is known, refuses tokens with these audiences.
pub(super) fn refuses_audiences(case: &Case<'_>, audiences: &[&str]) -> bool {
    let role = case.seen.aws.role.known().and_then(Option::as_ref);
    let (Some(role), Some(issuer), Some(arn)) = (role, &case.url, &case.arn) else { return false };
    let options = options(case, issuer, arn, audiences);
    let found = issuer_iam::lint(&role.trust, &options).map(|report| report.findings);
    found.is_ok_and(|all| all.iter().any(|own| own.failed() && own.id == "aud-mismatch"))
}

fn trust(case: &Case<'_>, report: &mut Report, arn: &RoleArn, role: &RoleSeen) {
    let Some(issuer) = &case.url else {
        return report
            .skip("role-statement-missing", "the trust policy is not judged: no issuer is known");
    };
    let options = options(case, issuer, arn, &[&case.audience]);
    let findings = match issuer_iam::lint(&role.trust, &options) {
        Ok(report) => report.findings,
        Err(error) => {
            return report.skip(
                "role-unjudged",
                format!("the trust policy of {} cannot be judged: {error}", arn.name),
            );
        }
    };
    for finding in findings {
        let mut finding = lint::of_role(finding);
        if finding.failed() {
            let message = finding
                .message
                .replace("; there is one for ", "; there is one for another issuer: ");
            let has = if finding.id == "role-deny" { " has a Deny" } else { "" };
            finding.message = format!("the trust policy of {}{has}: {message}", arn.name);
            if let Some(Subject { namespace, name }) = case.subject {
                finding.fix = finding
                    .fix
                    .map(|fix| fix.replace("NAMESPACE:NAME", &format!("{namespace}:{name}")));
            }
            if let Some(subject) = case.subject.filter(|_| finding.id.starts_with("role-sub")) {
                let Subject { namespace, name } = subject;
                let own = format!("system:serviceaccount:{namespace}:{name}");
                if !finding.message.contains(&own) {
                    finding.message += &format!("; the token has the sub {}", quote(&own));
                }
            }
            if ["role-sub-mismatch", "role-statement-missing"].contains(&finding.id) {
                let fix = finding.fix.unwrap_or_default();
                finding.fix = Some(format!("{fix}; {} does that", create(case, arn)));
            }
        }
        // That more is allowed than intended keeps nobody from the role.
        if finding.failed() && lint::is_open(finding.id) {
            finding.status = Status::Warn;
        }
        report.take(finding, true);
    }
}

fn permissions(case: &Case<'_>, report: &mut Report, arn: &RoleArn, role: &RoleSeen) {
    const ID: &str = "role-permissions";
    let (attached, inline) = (&case.seen.aws.attached, &case.seen.aws.inline);
    // A policy of AWS, which denies every action.
    let denies_all = |arn: &&String| arn.ends_with(":iam::aws:policy/AWSDenyAll");
    let boundary = role.boundary.iter().find(denies_all);
    if let Some(policy) =
        attached.known().and_then(|list| list.iter().find(denies_all)).or(boundary)
    {
        let (place, remove) = match boundary {
            Some(_) => (
                "as its permissions boundary",
                format!("delete-role-permissions-boundary --role-name {}", arn.name),
            ),
            None => (
                "attached",
                format!("detach-role-policy --role-name {} --policy-arn {policy}", arn.name),
            ),
        };
        return report.warn(
            ID,
            format!("the role {} has {policy} {place}: pods get its credentials, and every call is denied", arn.name),
            format!("`aws iam {remove}`"),
        );
    }
    match (attached.known().map(Vec::len), inline.known()) {
        (Some(0), Some(0)) => report.warn(
            ID,
            format!(
                "the role {} has no policy, neither attached nor inline: pods get its credentials, and every call is denied",
                arn.name
            ),
            format!("`aws iam attach-role-policy --role-name {} --policy-arn POLICY_ARN`", arn.name),
        ),
        (Some(attached), Some(inline)) => {
            let boundary = role.boundary.as_ref().map(|own| format!(", within the boundary {own}"));
            report.pass(
                ID,
                format!("{attached} attached and {inline} inline policies{}", boundary.unwrap_or_default()),
            );
        }
        _ => {
            let whys = [attached.why(), inline.why()].into_iter().filter(|why| !why.is_empty());
            report.skip(ID, whys.collect::<Vec<_>>().join("; "));
        }
    }
}
