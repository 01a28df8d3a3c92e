//! The objects of `provider` and `role`.

use issuer_diagnostic::Check;
use issuer_iam::{Provider, ProviderPlan, ProviderStep};
use serde::Serialize;

use super::SCHEMA_VERSION;

/// `provider apply` and `provider delete`.
#[derive(Debug, Serialize)]
pub(crate) struct ProviderChange<'a> {
    pub(crate) schema_version: u32,
    pub(crate) issuer: &'a str,
    pub(crate) arn: &'a str,
    pub(crate) dry_run: bool,
    /// Whether anything was changed, or would be.
    pub(crate) changed: bool,
    pub(crate) steps: Vec<Step>,
    /// Audiences that nobody asked for and that stay.
    pub(crate) kept_audiences: &'a [String],
    pub(crate) notices: &'a [String],
}

/// One change.
#[derive(Debug, Serialize)]
pub(crate) struct Step {
    /// `create`, `add-audience`, `remove-audience`, `set-thumbprints`, `tag` or `delete`.
    pub(crate) action: &'static str,
    /// What it is about: URL, audience, thumbprints, `KEY=VALUE`, or ARN.
    pub(crate) values: Vec<String>,
}

/// `provider show`.
#[derive(Debug, Serialize)]
pub(crate) struct ProviderState<'a> {
    pub(crate) schema_version: u32,
    pub(crate) issuer: &'a str,
    pub(crate) arn: &'a str,
    pub(crate) exists: bool,
    /// Whether issuerctl made it.
    pub(crate) ours: bool,
    pub(crate) audiences: &'a [String],
    pub(crate) thumbprints: &'a [String],
    pub(crate) tags: std::collections::BTreeMap<String, String>,
}

/// `role apply` and `role delete`.
#[derive(Debug, Serialize)]
pub(crate) struct RoleChange<'a> {
    pub(crate) schema_version: u32,
    pub(crate) role: &'a str,
    /// Empty where `role delete` finds no role.
    pub(crate) arn: &'a str,
    pub(crate) dry_run: bool,
    /// Whether anything was changed, or would be.
    pub(crate) changed: bool,
    /// One text a step, in order.
    pub(crate) steps: Vec<String>,
    pub(crate) notices: &'a [String],
    /// The command that annotates each service account.
    pub(crate) annotate: Vec<String>,
}

/// `role show`.
#[derive(Debug, Serialize)]
pub(crate) struct RoleState<'a> {
    pub(crate) schema_version: u32,
    pub(crate) role: &'a str,
    pub(crate) exists: bool,
    /// Whether issuerctl made it.
    pub(crate) ours: bool,
    pub(crate) arn: &'a str,
    /// The trust policy's text.
    pub(crate) trust_policy: String,
    pub(crate) max_session_secs: u32,
    pub(crate) permissions_boundary: Option<&'a str>,
    pub(crate) attached: &'a [String],
    /// Names of the policies within the role.
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
    pub(crate) findings: &'a [Check],
}

impl<'a> Lint<'a> {
    pub(crate) fn new(issuer: &'a str, report: &'a issuer_iam::LintReport) -> Self {
        let (findings, passed) = (&report.findings, report.passed());
        Self { schema_version: SCHEMA_VERSION, issuer, passed, findings }
    }
}

/// `role trust-policy`.
#[derive(Debug, Serialize)]
pub(crate) struct Trust {
    pub(crate) schema_version: u32,
    /// The policy's text.
    pub(crate) document: String,
    /// Characters without white space, as IAM counts them.
    pub(crate) size: usize,
}

impl<'a> ProviderChange<'a> {
    pub(crate) fn new(issuer: &'a str, plan: &'a ProviderPlan, dry_run: bool) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            issuer,
            arn: &plan.arn,
            dry_run,
            changed: plan.changes_anything(),
            steps: plan.steps.iter().map(Step::from).collect(),
            kept_audiences: &plan.kept,
            notices: &plan.notices,
        }
    }
}

impl From<&ProviderStep> for Step {
    fn from(step: &ProviderStep) -> Self {
        let (action, values) = match step {
            ProviderStep::Create { url, .. } => ("create", vec![url.clone()]),
            ProviderStep::AddAudience(audience) => ("add-audience", vec![audience.clone()]),
            ProviderStep::RemoveAudience(audience) => ("remove-audience", vec![audience.clone()]),
            ProviderStep::SetThumbprints { to, .. } => ("set-thumbprints", to.clone()),
            ProviderStep::Tag { to, .. } => {
                ("tag", to.iter().map(|(key, value)| format!("{key}={value}")).collect())
            }
        };
        Self { action, values }
    }
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
