//! The findings on a statement: as one for the issuer, as an unrelated one, and as a `Deny`.

use issuer_discovery::Partition;

use super::findings::{Findings, Topic, list};
use super::options::Wanted;
use super::principal::Principal;
use super::statement::{ACTION, Statement, of_sessions, takes};
use super::time::{Outlook, outlook};
use super::{claims, grammar};
use crate::json::strings;

const ASSUME_ROLE: &str = "sts:AssumeRole";

/// Reports what is wrong with a statement for the issuer; returns whether anything fails.
pub(super) fn statement(
    statement: &Statement<'_>,
    wanted: &Wanted,
    partition: Option<Partition>,
    findings: &mut Findings,
) -> bool {
    let before = findings.failures();
    grammar::judge_statement(statement, findings);
    let named = statement.principal.lists(wanted);
    let explained = |kind: &str, text: &str| {
        Principal::is_like(text, &wanted.issuer)
            || (kind == "Federated" && !named)
            // A wildcard has a finding of its own.
            || (kind == "Service" && text == "*")
            || wanted.emulates(text)
    };
    grammar::judge_principals(statement, partition, explained, findings);
    statement.principal.judge(&statement.label, wanted, findings);
    action(statement, findings);
    claims::judge(statement, wanted, findings);
    findings.failures() > before
}

/// Reports a statement, not for the issuer, that allows any AWS account to assume the role.
pub(super) fn public_access(statement: &Statement<'_>, findings: &mut Findings) {
    if statement.value["Effect"] != "Allow"
        || !statement.principal.any_account
        || !statement.takes(ASSUME_ROLE)
    {
        return;
    }
    let fix = "name the accounts or roles that may assume it, or remove the statement";
    if statement.conditions.is_empty() {
        findings.fail(
            Topic::Others,
            "everybody",
            format!(
                "{} allows {ASSUME_ROLE} for every principal, without a condition",
                statement.label
            ),
            "every AWS account can assume the role, whatever the other statements require",
            fix,
        );
    } else {
        findings.warn(
            Topic::Others,
            "everybody",
            format!(
                "{} allows {ASSUME_ROLE} for every principal that meets its conditions",
                statement.label
            ),
            "only these conditions prevent other AWS accounts from assuming the role",
            fix,
        );
    }
}

/// Reports a `Deny` that applies to the tokens.
pub(super) fn deny(statement: &Statement<'_>, wanted: &Wanted, findings: &mut Findings) {
    let concerns = match &statement.not_principal {
        Some(spared) => !spared.is(wanted),
        None => statement.principal.is(wanted),
    };
    if !statement.denies() || !concerns || !statement.has_action() {
        return;
    }
    // The most certain result for any of the audiences.
    let hit =
        wanted.audiences.iter().filter_map(|audience| deny_hits(statement, audience, wanted)).max();
    match hit {
        None => {}
        Some(Hit::Surely) => findings.fail(
            Topic::Deny,
            "deny",
            format!("{} denies {ACTION} to the tokens", statement.label),
            "STS returns AccessDenied: a Deny overrides every Allow",
            "remove the statement, or narrow its conditions",
        ),
        Some(Hit::Perhaps) => findings.warn(
            Topic::Deny,
            "deny",
            format!("{} denies {ACTION} to some requests", statement.label),
            "STS returns AccessDenied for them, whatever the other statements allow",
            "make sure that its conditions do not apply to your service accounts",
        ),
    }
}

fn action(statement: &Statement<'_>, findings: &mut Findings) {
    let actions = strings(&statement.value["Action"]);
    let fix = format!("write \"Action\": \"{ACTION}\"");
    if !statement.has_action() {
        let what = if actions.is_empty() {
            "no Action".to_owned()
        } else {
            format!("Action {}", list(&actions))
        };
        findings.fail(
            Topic::Action,
            "action-wrong",
            format!("{} has {what}", statement.label),
            "no token is allowed: tokens are used only with AssumeRoleWithWebIdentity",
            fix,
        );
        return;
    }
    grammar::judge_services(statement, findings);
    let named = |action: &&str| action.eq_ignore_ascii_case(ACTION);
    let (wide, others): (Vec<&str>, Vec<&str>) = actions
        .iter()
        .copied()
        .filter(|action| !named(action) && *action != "*")
        .partition(|action| takes(action, ACTION));
    // The wildcard of all services is already reported as an action of others.
    let all = actions.contains(&"*");
    if !wide.is_empty() || !(all || actions.iter().any(named)) {
        let message = if wide.is_empty() {
            format!("{} allows {ACTION} only by not excluding it", statement.label)
        } else {
            format!(
                "{} allows {}, a wildcard, while tokens need only {ACTION}",
                statement.label,
                list(&wide)
            )
        };
        let consequence =
            "it allows more than tokens need, and IAM may reject it in a trust policy";
        findings.warn(Topic::Action, "action-wide", message, consequence, &*fix);
    }
    let extra: Vec<&str> = others
        .into_iter()
        .filter(|action| grammar::is_of_sts(action) && !grammar::is_unknown(action))
        .filter(|action| !of_sessions(action))
        .collect();
    if !extra.is_empty() {
        findings.warn(
            Topic::Action,
            "action-extra",
            format!("{} also allows {}", statement.label, list(&extra)),
            "it has no effect for tokens, and would allow any other principal that is added to the \
             statement",
            format!("remove {}", list(&extra)),
        );
    }
}

fn deny_hits(statement: &Statement<'_>, audience: &str, wanted: &Wanted) -> Option<Hit> {
    let mut hit = Hit::Surely;
    for condition in &statement.conditions {
        if wanted.now.is_some_and(|now| outlook(condition, now) == Some(Outlook::Never)) {
            return None;
        }
        match condition.met(audience, wanted.subject.as_deref()) {
            Some(false) => return None,
            Some(true) => {}
            None => hit = Hit::Perhaps,
        }
    }
    Some(hit)
}

/// How certain it is that a `Deny` applies to the tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Hit {
    Perhaps,
    Surely,
}
