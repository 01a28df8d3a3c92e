//! What is wrong with a role's trust policy, for one issuer.
//!
//! The rules are those of the IAM user guide: "Create a role for OpenID Connect federation", "IAM
//! JSON policy elements: Principal", "… Condition operators", "Single-valued vs. multivalued
//! context keys" and "IAM and AWS STS quotas". Statements for other issuers and services are not
//! judged, except for what IAM rejects and for anonymous or cross-account access to the role.

mod claims;
mod context;
mod difference;
mod duplicates;
mod findings;
mod grammar;
mod input;
mod json;
mod judge;
mod keys;
mod operator;
mod options;
mod principal;
mod report;
mod statement;
mod subject;
mod together;

pub use options::LintOptions;
pub use report::LintReport;

use crate::{Error, MAX_TRUST_POLICY, USUAL_TRUST_POLICY};
use difference::nearest;
use findings::{Findings, Topic, list};
use input::Document;
use options::Wanted;
use statement::{Naming, Statement};

/// How many values a message shows.
const SHOWN: usize = 3;

/// Judges the trust policy `text` for one issuer. It may be percent-encoded, as IAM's API returns
/// it, or part of the output of `aws iam get-role`.
///
/// # Errors
/// [`Error::NotAPolicy`], with line and column if it is not JSON; [`Error::Port`].
pub fn lint(text: &str, expected: &LintOptions) -> Result<LintReport, Error> {
    let issuer = &expected.issuer;
    if issuer.without_scheme() != format!("{}{}", issuer.host(), issuer.path()) {
        return Err(Error::Port { issuer: issuer.to_string() });
    }
    let Document { policy, twice, size: length } = Document::read(text)?;
    let wanted = Wanted::new(expected);
    let mut findings = Findings::default();
    for name in &twice {
        duplicate(name, &mut findings);
    }
    let count = policy.statements().len();
    let statements: Vec<Statement<'_>> = (policy.statements().iter().enumerate())
        .map(|(index, value)| Statement::read(value, index, count, &wanted))
        .collect();
    grammar::judge_policy(&policy, &statements, &mut findings);
    let ours = ours(&statements);
    let is_other =
        |statement: &&Statement<'_>| !ours.iter().any(|ours| std::ptr::eq(*ours, *statement));
    let others: Vec<&Statement<'_>> = statements.iter().filter(is_other).collect();
    if ours.is_empty() {
        statement_missing(&statements, &wanted, &mut findings);
    }
    let explained: Vec<bool> =
        ours.iter().map(|statement| judge::statement(statement, &wanted, &mut findings)).collect();
    let judged: Vec<(&Statement<'_>, bool)> = ours.into_iter().zip(explained).collect();
    for statement in others {
        grammar::judge_statement(statement, &mut findings);
        grammar::judge_principals(statement, |_, _| false, &mut findings);
        grammar::judge_missing(statement, &mut findings);
        grammar::judge_services(statement, &mut findings);
        judge::public_access(statement, &mut findings);
    }
    coverage(&judged, &wanted, &mut findings);
    for statement in &statements {
        judge::deny(statement, &wanted, &mut findings);
    }
    size(length, &mut findings);
    Ok(findings.into_report(!judged.is_empty(), &wanted.issuer))
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
            "IAM rejects it; the quota is {USUAL_TRUST_POLICY}, or {MAX_TRUST_POLICY} on request"
        );
        findings.fail(Topic::Size, "size", message, consequence, fix);
    } else if size > USUAL_TRUST_POLICY {
        let consequence = format!(
            "IAM rejects it unless the account's quota \"Role trust policy length\" was raised \
             above {USUAL_TRUST_POLICY}"
        );
        findings.warn(Topic::Size, "size", message, consequence, fix);
    }
}
