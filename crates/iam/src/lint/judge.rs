//! The findings on a statement: as one for the issuer, as one for somebody else, and as a `Deny`.

use super::findings::{Findings, Topic, list};
use super::json::strings;
use super::options::Wanted;
use super::statement::{ACTION, Statement, of_sessions, takes};
use super::{claims, grammar};

const ASSUME_ROLE: &str = "sts:AssumeRole";

/// Names what is wrong with it as one for the issuer, and says whether anything fails.
pub(super) fn statement(
    statement: &Statement<'_>,
    wanted: &Wanted,
    findings: &mut Findings,
) -> bool {
    let before = findings.failures();
    grammar::judge_statement(statement, findings);
    statement.principal.judge(&statement.label, wanted, findings);
    action(statement, findings);
    claims::judge(statement, wanted, findings);
    findings.failures() > before
}

/// Names what it lets in beside tokens, as one that is not for the issuer.
pub(super) fn everybody(statement: &Statement<'_>, findings: &mut Findings) {
    if statement.value["Effect"] != "Allow"
        || !statement.principal.any_account
        || !statement.takes(ASSUME_ROLE)
    {
        return;
    }
    let fix = "name the accounts or roles that may assume it, or take the statement out";
    if statement.conditions.is_empty() {
        findings.fail(
            Topic::Others,
            "everybody",
            format!("{} lets everybody in by {ASSUME_ROLE}, without a condition", statement.label),
            "every AWS account in the world gets the role, whatever the other statements ask \
             for",
            fix,
        );
    } else {
        findings.warn(
            Topic::Others,
            "everybody",
            format!(
                "{} lets everybody in by {ASSUME_ROLE} who meets its conditions",
                statement.label
            ),
            "these conditions alone keep other AWS accounts from the role",
            fix,
        );
    }
}

/// Names a `Deny` that takes the tokens' access back.
pub(super) fn deny(statement: &Statement<'_>, wanted: &Wanted, findings: &mut Findings) {
    let concerns = match &statement.not_principal {
        Some(spared) => !spared.is(wanted),
        None => statement.principal.is(wanted),
    };
    if !statement.denies() || !concerns || !statement.takes_action() {
        return;
    }
    // The surest answer for any of the audiences.
    let hit =
        wanted.audiences.iter().filter_map(|audience| deny_hits(statement, audience, wanted)).max();
    match hit {
        None => {}
        Some(Hit::Surely) => findings.fail(
            Topic::Deny,
            "deny",
            format!("{} denies {ACTION} to the tokens", statement.label),
            "STS answers AccessDenied: a Deny outweighs every Allow",
            "take the statement out, or narrow its conditions",
        ),
        Some(Hit::Perhaps) => findings.warn(
            Topic::Deny,
            "deny",
            format!("{} denies {ACTION} to some requests", statement.label),
            "STS answers AccessDenied to them, whatever the other statements say",
            "make sure that its conditions do not meet your service accounts",
        ),
    }
}

fn action(statement: &Statement<'_>, findings: &mut Findings) {
    let actions = strings(&statement.value["Action"]);
    let fix = format!("write \"Action\": \"{ACTION}\"");
    if !statement.takes_action() {
        let what = if actions.is_empty() {
            "no Action".to_owned()
        } else {
            format!("Action {}", list(&actions))
        };
        findings.fail(
            Topic::Action,
            "action-wrong",
            format!("{} has {what}", statement.label),
            "no token is let in: tokens come with AssumeRoleWithWebIdentity alone",
            fix,
        );
        return;
    }
    grammar::judge_services(statement, findings);
    let named = |action: &&str| action.eq_ignore_ascii_case(ACTION);
    let (wide, others): (Vec<&str>, Vec<&str>) = actions
        .iter()
        .copied()
        .filter(|action| !named(action))
        .partition(|action| takes(action, ACTION));
    if !wide.is_empty() || !actions.iter().any(named) {
        let message = if wide.is_empty() {
            format!("{} allows {ACTION} only by not excluding it", statement.label)
        } else {
            format!(
                "{} allows {}, a wildcard, where tokens need {ACTION}",
                statement.label,
                list(&wide)
            )
        };
        let consequence =
            "it allows more than tokens need, and IAM may refuse it in a trust policy";
        findings.warn(Topic::Action, "action-wide", message, consequence, &*fix);
    }
    let idle: Vec<&str> = others
        .into_iter()
        .filter(|action| grammar::is_of_sts(action) && !of_sessions(action))
        .collect();
    if !idle.is_empty() {
        findings.warn(
            Topic::Action,
            "action-extra",
            format!("{} also allows {}", statement.label, list(&idle)),
            "it does nothing for tokens, and would let in whoever else is put into the \
             principal",
            format!("take {} out", list(&idle)),
        );
    }
}

fn deny_hits(statement: &Statement<'_>, audience: &str, wanted: &Wanted) -> Option<Hit> {
    let mut hit = Hit::Surely;
    for condition in &statement.conditions {
        match condition.met(audience, wanted.subject.as_deref()) {
            Some(false) => return None,
            Some(true) => {}
            None => hit = Hit::Perhaps,
        }
    }
    Some(hit)
}

/// How sure it is that a `Deny` meets the tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Hit {
    Perhaps,
    Surely,
}
