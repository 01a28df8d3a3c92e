//! What is wrong with a role's trust policy, for one issuer.
//!
//! The rules are those of the IAM user guide: "Create a role for OpenID Connect federation", "IAM
//! JSON policy elements: Principal", "… Condition operators", "Single-valued vs. multivalued
//! context keys" and "IAM and AWS STS quotas". Statements for other issuers and services are not
//! judged, except for what IAM rejects and for anonymous or cross-account access to the role.

mod claims;
mod context;
mod duplicates;
mod findings;
mod grammar;
mod input;
mod judge;
mod keys;
mod operator;
mod options;
mod principal;
mod report;
mod roles;
mod statement;
mod subject;
mod template;
mod time;
mod together;
mod values;
mod yaml;

pub use options::LintOptions;
pub use report::LintReport;

use issuer_diagnostic::{Check, Fault};
use issuer_discovery::Partition;

use crate::difference::nearest;
use crate::{APPROVED_TRUST_POLICY, Error, MAX_TRUST_POLICY, USUAL_TRUST_POLICY};
use findings::{Findings, Topic, list};
use input::{Document, Input, Unread};
use options::Wanted;
use principal::Principal;
use statement::{Naming, Statement};

/// How many values a message shows.
const SHOWN: usize = 3;

/// The verdict on one role.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoleReport {
    /// What the text calls the role; `None` for a policy alone.
    pub role: Option<String>,
    /// Whether a statement of its trust policy is for the issuer.
    pub trusts_issuer: bool,
    /// Why its policy could not be judged, which is then the only finding.
    pub unjudged: Option<Error>,
    /// The findings.
    pub report: LintReport,
}

/// The verdicts on all roles of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoleReports {
    /// One for each role.
    pub roles: Vec<RoleReport>,
    /// Whether AWS says that there are more roles than the text has.
    pub truncated: bool,
}

/// Judges every trust policy in `text` for one issuer. The text is a policy in JSON or YAML; a
/// policy that is percent-encoded, as IAM's API returns it; or roles as the AWS CLI
/// (`aws iam get-role`, `list-roles`), CloudFormation templates and Terraform (`terraform show
/// -json`, states and plans in JSON) have them. Of several roles, one that cannot be judged does not
/// affect the others.
///
/// # Errors
/// [`Error::NotAPolicy`], with line and column if it is neither JSON nor YAML; [`Error::Port`].
pub fn lint_roles(text: &str, expected: &LintOptions) -> Result<RoleReports, Error> {
    let issuer = &expected.issuer;
    let has_port = issuer.without_scheme() != format!("{}{}", issuer.host(), issuer.path());
    if has_port && !expected.allow_port {
        return Err(Error::Port { issuer: issuer.to_string() });
    }
    let wanted = Wanted::new(expected);
    let Input { documents, truncated } = Input::read(text, &wanted)?;
    let roles = documents.into_iter().map(|document| match document {
        Ok(mut document) => match document.account.take().filter(|_| wanted.account.is_none()) {
            Some(account) => judge(document, &wanted.of_account(account)),
            None => judge(document, &wanted),
        },
        Err(unread) => unjudged(unread),
    });
    Ok(RoleReports { roles: roles.collect(), truncated })
}

/// Judges the only trust policy in `text` for one issuer.
///
/// # Errors
/// Those of [`lint_roles`]; [`Error::NotAPolicy`] if there are several.
pub fn lint(text: &str, expected: &LintOptions) -> Result<LintReport, Error> {
    let mut reports = lint_roles(text, expected)?.roles;
    match (reports.pop(), reports.len()) {
        (Some(only), 0) => Ok(only.report),
        (_, others) => Err(Error::NotAPolicy { reason: format!("it has {} policies", others + 1) }),
    }
}

fn judge(document: Document, wanted: &Wanted) -> RoleReport {
    let Document { role, account: _, policy, twice, comment, size: length } = document;
    let mut findings = Findings::default();
    if let Some(comment) = comment {
        findings.fail(
            Topic::Statement,
            "comment",
            format!("the text has a comment before the policy ({comment})"),
            "IAM returns MalformedPolicyDocument: JSON has no comments",
            "remove the comment",
        );
    }
    for name in &twice {
        duplicate(name, &mut findings);
    }
    let count = policy.statements().len();
    let statements: Vec<Statement<'_>> = (policy.statements().iter().enumerate())
        .map(|(index, value)| Statement::read(value, index, count, wanted))
        .collect();
    grammar::judge_policy(&policy, &statements, &mut findings);
    let ours = ours(&statements);
    let is_other =
        |statement: &&Statement<'_>| !ours.iter().any(|ours| std::ptr::eq(*ours, *statement));
    let others: Vec<&Statement<'_>> = statements.iter().filter(is_other).collect();
    if ours.is_empty() {
        statement_missing(&statements, wanted, &mut findings);
    }
    let partition = partition(&ours, wanted);
    let explained: Vec<bool> = ours
        .iter()
        .map(|statement| judge::statement(statement, wanted, partition, &mut findings))
        .collect();
    let judged: Vec<(&Statement<'_>, bool)> = ours.into_iter().zip(explained).collect();
    for statement in others {
        grammar::judge_statement(statement, &mut findings);
        let emulated = |_: &str, text: &str| wanted.emulates(text);
        grammar::judge_principals(statement, partition, emulated, &mut findings);
        grammar::judge_missing(statement, &mut findings);
        grammar::judge_services(statement, &mut findings);
        judge::public_access(statement, &mut findings);
    }
    coverage(&judged, wanted, &mut findings);
    for statement in &statements {
        judge::deny(statement, wanted, &mut findings);
    }
    size(length, &mut findings);
    let trusts_issuer = !judged.is_empty();
    let report = findings.into_report(trusts_issuer, &wanted.issuer);
    RoleReport { role, trusts_issuer, unjudged: None, report }
}

fn unjudged(unread: Unread) -> RoleReport {
    let named = unread.named();
    let Unread { role, error } = unread;
    let reason = match *error {
        Error::NotAPolicy { reason } => reason,
        other => other.to_string(),
    };
    let fault = Fault::new(
        format!("the policy cannot be judged: {reason}"),
        "lint the policy of the deployed role: aws iam get-role --role-name NAME",
    );
    let finding = Check::fail("unjudged", "whether it allows the tokens is not known", fault);
    let report = LintReport { findings: vec![finding] };
    RoleReport { role, trusts_issuer: false, unjudged: Some(named), report }
}

/// The partition of the role: that of its provider, or the given one.
fn partition(ours: &[&Statement<'_>], wanted: &Wanted) -> Option<Partition> {
    let mut providers = ours.iter().filter(|statement| statement.naming() == Naming::Rightly);
    let arns = providers.next().into_iter().flat_map(|statement| statement.federated());
    let mut ours = arns.filter(|arn| Principal::is_like(arn, &wanted.issuer));
    let named = ours.next().and_then(|arn| Partition::named(arn.split(':').nth(1)?));
    named.or(wanted.partition.filter(|_| !wanted.partition_of_host))
}

/// The statements that should allow tokens of the issuer.
fn ours<'s, 'a>(statements: &'s [Statement<'a>]) -> Vec<&'s Statement<'a>> {
    let allow = || statements.iter().filter(|statement| !statement.denies());
    let best = allow().map(Statement::naming).max();
    let ours: Vec<_> = allow()
        .filter(|statement| match statement.naming() {
            Naming::Rightly | Naming::Loosely => true,
            // If another statement is correct, this one is for another issuer, which differs in
            // case.
            Naming::OtherCase => best != Some(Naming::Rightly),
            // Condition keys alone may have been copied into the statement for another issuer.
            Naming::No => {
                statement.allows_everyone()
                    || (best == Some(Naming::No) && statement.keys_name_issuer())
            }
        })
        .collect();
    // Session tags may have a statement of their own, in addition to the one for tokens.
    let all_additions = ours.iter().all(|statement| statement.is_addition());
    ours.into_iter().filter(|statement| all_additions || !statement.is_addition()).collect()
}

fn duplicate(name: &str, findings: &mut Findings) {
    findings.fail(
        Topic::Statement,
        "member-twice",
        format!("an object has the member {name:?} twice"),
        "one of them is ignored, or IAM rejects the policy",
        "merge the two members into one",
    );
}

fn statement_missing(statements: &[Statement<'_>], wanted: &Wanted, findings: &mut Findings) {
    let others: Vec<&str> = statements
        .iter()
        .flat_map(Statement::federated)
        .filter(|text| text.contains("oidc-provider"))
        .collect();
    let message = if others.is_empty() {
        format!("no statement is for {}", wanted.issuer)
    } else {
        let message =
            format!("no statement is for {}; there is one for {}", wanted.issuer, list(&others));
        match nearest(others.iter().map(|arn| principal::tail(arn)), &wanted.issuer) {
            Some((_, how)) => format!("{message}, {how}"),
            None => message,
        }
    };
    findings.fail(
        Topic::Statement,
        "statement-missing",
        message,
        "no token of this issuer can assume the role",
        "add the statement that `issuerctl role trust-policy` prints",
    );
}

/// Whether some statement allows the expected tokens, unless a finding on a statement that is meant
/// for them already says why not.
fn coverage(judged: &[(&Statement<'_>, bool)], wanted: &Wanted, findings: &mut Findings) {
    let subject = wanted.subject.as_deref();
    let (mut no_aud, mut no_sub) = (Vec::new(), Vec::new());
    for audience in &wanted.audiences {
        let allows =
            |(statement, _): &(&Statement<'_>, bool)| statement.allows(audience, subject, wanted);
        let explained = |(statement, explained): &(&Statement<'_>, bool)| {
            *explained && statement.is_meant_for(audience, subject)
        };
        if judged.is_empty() || judged.iter().any(allows) || judged.iter().any(explained) {
            continue;
        }
        if subject.is_some()
            && judged.iter().any(|(statement, _)| statement.is_meant_for(audience, None))
        {
            no_sub.push(audience.as_str());
        } else {
            no_aud.push(audience.as_str());
        }
    }
    if !no_aud.is_empty() {
        findings.fail(
            Topic::Aud,
            "aud-mismatch",
            format!(
                "no statement allows the audience {}{}",
                list(&no_aud),
                instead("aud", no_aud[0], judged)
            ),
            "STS returns AccessDenied for tokens with it",
            format!("set {}:aud to {}", wanted.issuer, list(&no_aud)),
        );
    }
    if let (false, Some(subject)) = (no_sub.is_empty(), subject) {
        findings.fail(
            Topic::Sub,
            "sub-mismatch",
            format!("no statement allows {subject}{}", instead("sub", subject, judged)),
            "STS returns AccessDenied for this service account",
            format!("add \"{subject}\" to the values of {}:sub", wanted.issuer),
        );
    }
}

/// What the statements have for a claim instead: the value that is most like the expected one, or
/// the values.
fn instead(claim: &str, expected: &str, judged: &[(&Statement<'_>, bool)]) -> String {
    let mut values: Vec<&str> = Vec::new();
    for condition in judged.iter().flat_map(|(statement, _)| &statement.conditions) {
        if condition.operator.positive().is_some() && condition.key.claim() == Some(claim) {
            values.extend(condition.values.iter().map(String::as_str));
        }
    }
    match nearest(values.iter().copied(), expected) {
        Some((value, how)) => format!("; the policy has {value:?}, {how}"),
        None if values.is_empty() => String::new(),
        None if values.len() > SHOWN => {
            format!("; the policy has {} and others", list(&values[..SHOWN]))
        }
        None => format!("; the policy has {}", list(&values)),
    }
}

/// IAM and AWS STS quotas, "Role trust policy length".
fn size(size: usize, findings: &mut Findings) {
    let message = format!("the policy has {size} characters without white space");
    let fix = "match the service accounts of one namespace with a wildcard, or use several roles";
    if size > MAX_TRUST_POLICY {
        let consequence = format!(
            "IAM rejects it; the quota is {USUAL_TRUST_POLICY}, and {APPROVED_TRUST_POLICY} or \
             {MAX_TRUST_POLICY} on request"
        );
        findings.fail(Topic::Size, "size", message, consequence, fix);
    } else if size > USUAL_TRUST_POLICY {
        let consequence = format!(
            "IAM rejects it unless the account's quota \"Role trust policy length\" was raised \
             above {USUAL_TRUST_POLICY} (to {APPROVED_TRUST_POLICY} or {MAX_TRUST_POLICY})"
        );
        findings.warn(Topic::Size, "size", message, consequence, fix);
    }
}
