//! The objects of `provider show`, `role show`, `role lint` and `role trust-policy`.

use std::fmt::Write as _;

use issuer_diagnostic::{Check, Status};
use issuer_iam::{Provider, RoleReport, Tag};
use serde::Serialize;

use super::{SCHEMA_VERSION, line, status_style};
use crate::failure::Failure;

/// `provider show`.
#[derive(Debug, Serialize)]
pub(crate) struct ProviderState<'a> {
    pub(crate) schema_version: u32,
    pub(crate) issuer: &'a str,
    pub(crate) arn: &'a str,
    pub(crate) exists: bool,
    /// Whether issuerctl created it.
    pub(crate) ours: bool,
    pub(crate) audiences: &'a [String],
    pub(crate) thumbprints: &'a [String],
    pub(crate) tags: std::collections::BTreeMap<String, String>,
}

/// `role show`.
#[derive(Debug, Serialize)]
pub(crate) struct RoleState<'a> {
    pub(crate) schema_version: u32,
    pub(crate) role: &'a str,
    pub(crate) exists: bool,
    /// Whether issuerctl created it.
    pub(crate) ours: bool,
    pub(crate) arn: &'a str,
    /// The text of the trust policy.
    pub(crate) trust_policy: String,
    pub(crate) max_session_secs: u32,
    pub(crate) permissions_boundary: Option<&'a str>,
    pub(crate) attached: &'a [String],
    /// Names of the inline policies.
    pub(crate) inline: Vec<&'a str>,
    pub(crate) tags: std::collections::BTreeMap<String, String>,
}

impl<'a> RoleState<'a> {
    pub(crate) fn new(name: &'a str, role: Option<&'a issuer_iam::Role>) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            role: name,
            exists: role.is_some(),
            ours: role.is_some_and(issuer_iam::Role::is_ours),
            arn: role.map(|role| role.arn.as_str()).unwrap_or_default(),
            trust_policy: role.map(|role| role.trust.to_json_pretty()).unwrap_or_default(),
            max_session_secs: role.map(|role| role.max_session_secs).unwrap_or_default(),
            permissions_boundary: role.and_then(|role| role.boundary.as_deref()),
            attached: role.map_or(&[], |role| &role.attached),
            inline: role
                .map(|role| role.inline.keys().map(String::as_str).collect())
                .unwrap_or_default(),
            tags: role.map(|role| role.tags.clone()).unwrap_or_default(),
        }
    }
}

/// `role lint`.
#[derive(Debug, Serialize)]
pub(crate) struct Lint<'a> {
    pub(crate) schema_version: u32,
    pub(crate) issuer: &'a str,
    pub(crate) passed: bool,
    /// The findings on the only policy; empty if there are several roles.
    pub(crate) findings: &'a [Check],
    /// Several roles, each with its findings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) roles: Vec<LintedRole<'a>>,
}

/// A role in `Lint`.
#[derive(Debug, Serialize)]
pub(crate) struct LintedRole<'a> {
    pub(crate) role: Option<&'a str>,
    /// False if its policy cannot be read, or has values that the file does not contain.
    pub(crate) judged: bool,
    pub(crate) trusts_issuer: bool,
    pub(crate) passed: bool,
    pub(crate) findings: &'a [Check],
}

impl<'a> Lint<'a> {
    pub(crate) fn new(issuer: &'a str, reports: &'a [RoleReport], passed: bool) -> Self {
        let mut lint = Self {
            schema_version: SCHEMA_VERSION,
            issuer,
            passed,
            findings: &[],
            roles: Vec::new(),
        };
        match reports {
            [only] => lint.findings = &only.report.findings,
            several => lint.roles = several.iter().map(LintedRole::new).collect(),
        }
        lint
    }
}

impl<'a> LintedRole<'a> {
    fn new(report: &'a RoleReport) -> Self {
        Self {
            role: report.role.as_deref(),
            judged: report.unjudged.is_none(),
            trusts_issuer: report.trusts_issuer,
            passed: report.report.passed(),
            findings: &report.report.findings,
        }
    }
}

/// Several roles, a line each.
pub(crate) fn roles_text(reports: &[RoleReport], passed: bool) -> String {
    let mut text = String::new();
    let name = |report: &RoleReport| report.role.clone().unwrap_or_default();
    let width = reports.iter().map(|report| name(report).len()).max().unwrap_or_default();
    for report in reports {
        let (status, message) = summary(report);
        let style = status_style(status);
        let name = name(report);
        let _ = writeln!(text, "  {style}{status}{style:#}  {name:width$}  {message}");
    }
    let _ = writeln!(text, "{}", if passed { "passed" } else { "FAILED" });
    text
}

/// The worst finding of a role, and how many more there are.
fn summary(report: &RoleReport) -> (Status, String) {
    let findings = &report.report.findings;
    let all = |status| findings.iter().filter(move |check| check.status == status);
    if !report.trusts_issuer && report.unjudged.is_none() {
        let missing = findings.iter().find(|check| check.id == "statement-missing");
        return (Status::Skip, missing.map(|check| check.message.clone()).unwrap_or_default());
    }
    for status in [Status::Fail, Status::Warn] {
        if let Some(first) = all(status).next() {
            let more = match all(status).count() {
                1 => String::new(),
                count => format!(" ({} more)", count - 1),
            };
            return (status, format!("{}: {}{more}", first.id, first.message));
        }
    }
    (Status::Pass, "trusts the issuer".to_owned())
}

/// `role trust-policy`.
#[derive(Debug, Serialize)]
pub(crate) struct Trust {
    pub(crate) schema_version: u32,
    /// The text of the policy.
    pub(crate) document: String,
    /// Characters without white space, as IAM counts them.
    pub(crate) size: usize,
}

impl<'a> ProviderState<'a> {
    pub(crate) fn new(issuer: &'a str, arn: &'a str, provider: Option<&'a Provider>) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            issuer,
            arn,
            exists: provider.is_some(),
            ours: provider.is_some_and(Provider::is_ours),
            audiences: provider.map_or(&[], |provider| &provider.audiences),
            thumbprints: provider.map_or(&[], |provider| &provider.thumbprints),
            tags: provider.map(|provider| provider.tags.clone()).unwrap_or_default(),
        }
    }
}

/// A provider as text.
///
/// # Errors
/// Standard output cannot be written to.
pub(crate) fn provider(provider: &Provider) -> Result<(), Failure> {
    let thumbprints = match &provider.thumbprints[..] {
        [] => "none".to_owned(),
        thumbprints => thumbprints.join(", "),
    };
    line(&format!("arn         {}", provider.arn))?;
    line(&format!("created by  {}", creator(provider.is_ours())))?;
    line(&format!("audiences   {}", provider.audiences.join(", ")))?;
    line(&format!("thumbprints {thumbprints}"))?;
    let mut tags = provider.tags.iter().filter(|(key, _)| !Tag::is_own(key));
    tags.try_for_each(|(key, value)| line(&format!("tag         {key}={value}")))
}

/// Who created a resource; the tags that say so are not shown.
fn creator(ours: bool) -> &'static str {
    if ours { "issuerctl" } else { "others" }
}

/// A role as text.
///
/// # Errors
/// Standard output cannot be written to.
pub(crate) fn role(state: &RoleState<'_>) -> Result<(), Failure> {
    line(&format!("arn         {}", state.arn))?;
    line(&format!("created by  {}", creator(state.ours)))?;
    state.attached.iter().try_for_each(|arn| line(&format!("attached    {arn}")))?;
    state.inline.iter().try_for_each(|name| line(&format!("inline      {name}")))?;
    if let Some(boundary) = state.permissions_boundary {
        line(&format!("boundary    {boundary}"))?;
    }
    line(&format!("session     at most {} s", state.max_session_secs))?;
    let mut tags = state.tags.iter().filter(|(key, _)| !Tag::is_own(key));
    tags.try_for_each(|(key, value)| line(&format!("tag         {key}={value}")))?;
    line(&state.trust_policy)
}
