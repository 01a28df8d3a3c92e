//! The objects of `provider` and `role`.

use issuer_aws::{Provider, ProviderPlan, ProviderStep};
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
            changed: !plan.is_empty(),
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
            ProviderStep::SetThumbprints(list) => ("set-thumbprints", list.clone()),
            ProviderStep::Tag(tags) => ("tag", tags.iter().map(|(key, value)| format!("{key}={value}")).collect()),
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
