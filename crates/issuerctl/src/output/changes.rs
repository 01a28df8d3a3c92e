//! Changes that were made or planned: one form for `publish`, `provider`, `role`, `plan`, `apply`
//! and `delete`. The text is rendered from these objects, so it never says more than the JSON.

use std::collections::BTreeMap;

use anstyle::{AnsiColor, Style};
use issuer_change::{
    Action, Change, ChangeSet, Describe, Field, Kind, Notice, Painter, Reason, Resource, Summary,
};
use issuer_discovery::IssuerUrl;
use issuer_iam::Tag;
use issuer_jwks::JwkSet;
use issuer_publish::KeyChange;
use issuer_reconcile::RoleProof;
use issuer_reconcile::Target;
use issuer_redact::redact;
use issuer_verify::Verdict;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Key, SCHEMA_VERSION};
use crate::advice;
use crate::failure::Failure;

/// `plan`, `apply` and `delete`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Plan {
    pub(crate) schema_version: u32,
    /// Whether the changes are only planned.
    pub(crate) dry_run: bool,
    /// Whether anything was changed, or would change.
    pub(crate) changed: bool,
    /// How many resources are created, updated, deleted and kept.
    pub(crate) summary: Summary,
    /// The issuers in the files, in order.
    pub(crate) issuers: Vec<Issuer>,
}

/// One issuer of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Issuer {
    /// `metadata.name`.
    pub(crate) name: String,
    /// The issuer URL; empty if the file does not give it and it could not be determined.
    pub(crate) issuer: String,
    /// The AWS account of the provider and the roles, if there are any.
    pub(crate) account: Option<String>,
    /// The ARN of the provider, if there is one.
    pub(crate) provider_arn: Option<String>,
    /// The ARNs of the roles by name.
    pub(crate) role_arns: BTreeMap<String, String>,
    /// Whether anything was changed, or would change.
    pub(crate) changed: bool,
    /// What happens to each resource, including those that are kept.
    pub(crate) changes: Vec<Change>,
    /// Names of roles that were removed from the file.
    pub(crate) orphaned_roles: Vec<String>,
    /// Warnings for the user.
    pub(crate) notices: Vec<Notice>,
    /// The commands that annotate the service accounts.
    pub(crate) annotate: Vec<String>,
    /// The result of reading the documents back.
    pub(crate) verification: Option<Verify>,
    /// What was proved of the roles, with a fresh token of each.
    pub(crate) proofs: Vec<Proof>,
    /// Why this issuer failed, if it did.
    pub(crate) error: Option<IssuerError>,
}

/// A fresh token of one ServiceAccount of a role, and what AWS STS makes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Proof {
    /// The role.
    pub(crate) role: String,
    /// `NAMESPACE/NAME`.
    pub(crate) service_account: String,
    /// How the token was judged, unless the issuer was not read (`--no-verify`).
    pub(crate) verification: Option<Verify>,
    /// Whose credentials it was exchanged for (`--prove`).
    pub(crate) assumed_role_arn: Option<String>,
}

/// The resources in IAM, with their ARNs.
fn arns(changes: &[Change]) -> impl Iterator<Item = (&Resource, &str)> {
    let resources = changes.iter().map(|change| &change.resource);
    let in_iam = resources.filter(|one| matches!(one.kind, Kind::OidcProvider | Kind::Role));
    in_iam.map(|resource| (resource, resource.locator.as_str()))
}

/// The account in an ARN.
fn account_of(arn: &str) -> Option<String> {
    arn.split(':').nth(4).filter(|account| !account.is_empty()).map(str::to_owned)
}

/// Why a command or an issuer failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct IssuerError {
    /// The exit code of this failure alone.
    pub(crate) exit_code: u8,
    /// What failed.
    pub(crate) message: String,
    /// The causes, outermost first.
    pub(crate) causes: Vec<String>,
    /// What to do about it.
    pub(crate) hints: Vec<String>,
}

/// `publish`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Publish {
    pub(crate) schema_version: u32,
    /// The issuer URL.
    pub(crate) issuer: String,
    /// Where the documents are stored.
    pub(crate) store: String,
    /// Whether the changes are only planned.
    pub(crate) dry_run: bool,
    /// Whether anything was changed, or would change.
    pub(crate) changed: bool,
    /// The keys that are given or published.
    pub(crate) keys: Vec<PublishedKey>,
    /// What happens to each resource.
    pub(crate) changes: Vec<Change>,
    /// Warnings for the user.
    pub(crate) notices: Vec<Notice>,
    /// The result of reading the documents back.
    pub(crate) verification: Option<Verify>,
}

/// A key of `publish`, and what happens to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct PublishedKey {
    #[serde(flatten)]
    pub(crate) key: Key,
    /// `added`, `unchanged`, `kept` or `pruned`.
    pub(crate) change: String,
}

/// `provider apply` and `provider delete`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ProviderChange {
    pub(crate) schema_version: u32,
    /// The issuer URL.
    pub(crate) issuer: String,
    /// ARN of the provider; empty if `provider delete` finds none.
    pub(crate) arn: String,
    /// Whether the changes are only planned.
    pub(crate) dry_run: bool,
    /// Whether anything was changed, or would change.
    pub(crate) changed: bool,
    /// What happens to the provider.
    pub(crate) changes: Vec<Change>,
    /// Warnings for the user.
    pub(crate) notices: Vec<Notice>,
}

/// `role apply` and `role delete`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct RoleChange {
    pub(crate) schema_version: u32,
    /// Name of the role.
    pub(crate) role: String,
    /// ARN of the role; empty if `role delete` finds none.
    pub(crate) arn: String,
    /// Whether the changes are only planned.
    pub(crate) dry_run: bool,
    /// Whether anything was changed, or would change.
    pub(crate) changed: bool,
    /// What happens to the role and its customer managed policies.
    pub(crate) changes: Vec<Change>,
    /// Warnings for the user.
    pub(crate) notices: Vec<Notice>,
    /// The command that annotates each service account.
    pub(crate) annotate: Vec<String>,
}

/// `verify`, and the verification of other commands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Verify {
    pub(crate) schema_version: u32,
    /// The issuer URL; empty if a folder does not name one.
    pub(crate) issuer: String,
    /// Whether AWS STS would accept the issuer, and the token if one was given.
    pub(crate) passed: bool,
    /// All checks; the first failed one is the root cause.
    pub(crate) checks: Vec<CheckResult>,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct CheckResult {
    /// Stable identifier of the check.
    pub(crate) id: String,
    /// `pass`, `warn`, `fail` or `skip`.
    pub(crate) status: String,
    /// What was found.
    pub(crate) message: String,
    /// The consequence: for an issuer or a token, the error of AWS STS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) consequence: Option<String>,
    /// Deprecated: the same text as `consequence`, under its name in `schema_version` 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sts_error: Option<String>,
    /// How to fix it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fix: Option<String>,
}

impl Plan {
    pub(crate) fn new(dry_run: bool, issuers: Vec<Issuer>) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            dry_run,
            changed: issuers.iter().any(|issuer| issuer.changed),
            summary: Summary::of(issuers.iter().flat_map(|issuer| &issuer.changes)),
            issuers,
        }
    }
}

impl Issuer {
    /// An issuer with its planned changes.
    pub(crate) fn new(name: String, url: &str, plan: &impl Describe) -> Self {
        let ChangeSet { changes, notices } = plan.changes();
        let account = arns(&changes).find_map(|(_, arn)| account_of(arn));
        let provider_arn = arns(&changes)
            .find(|(resource, _)| resource.kind == Kind::OidcProvider)
            .map(|(_, arn)| arn.to_owned());
        let role_arns = arns(&changes)
            .filter(|(resource, _)| resource.kind == Kind::Role)
            .map(|(resource, arn)| (resource.name.clone(), arn.to_owned()))
            .collect();
        Self {
            name,
            issuer: url.to_owned(),
            account,
            provider_arn,
            role_arns,
            changed: changes.iter().any(|change| change.action != Action::Keep),
            changes,
            orphaned_roles: Vec::new(),
            notices,
            annotate: Vec::new(),
            verification: None,
            proofs: Vec::new(),
            error: None,
        }
    }

    /// An issuer that could not be read or planned.
    pub(crate) fn failed(target: &Target, failure: &Failure) -> Self {
        let url = target.issuer.as_ref().map(IssuerUrl::as_str).unwrap_or_default();
        let error = Some(IssuerError::from(failure));
        Self { error, changed: false, ..Self::new(target.label(), url, &Nothing) }
    }

    /// A document that is not a valid issuer.
    pub(crate) fn refused(name: String, failure: &Failure) -> Self {
        let error = Some(IssuerError::from(failure));
        Self { error, changed: false, ..Self::new(name, "", &Nothing) }
    }

    pub(crate) fn text(&self) -> String {
        plan_text(&self.heading(), &self.changes)
    }

    pub(crate) fn heading(&self) -> String {
        match self.issuer.as_str() {
            "" => format!("issuer {}", self.name),
            issuer => format!("issuer {} ({issuer})", self.name),
        }
    }
}

/// A plan without changes.
struct Nothing;

impl Describe for Nothing {
    fn describe(&self, _: &mut ChangeSet) {}
}

impl Publish {
    /// A publish whose distribution does not exist yet, so that nothing else can be planned.
    pub(crate) fn of_front(target: &Target, set: ChangeSet) -> Self {
        let store = target.s3().map(|(location, _)| location.to_string());
        Self {
            schema_version: SCHEMA_VERSION,
            issuer: target.issuer.as_ref().map(ToString::to_string).unwrap_or_default(),
            store: store.unwrap_or_default(),
            dry_run: true,
            changed: true,
            keys: Vec::new(),
            changes: set.changes,
            notices: set.notices,
            verification: None,
        }
    }

    /// A run that has nothing to do, and plans nothing.
    pub(crate) fn unchanged(issuer: &IssuerUrl, store: &str, keys: &JwkSet, dry_run: bool) -> Self {
        let change = || "unchanged".to_owned();
        let key = |jwk| PublishedKey { key: Key::from(jwk), change: change() };
        Self {
            schema_version: SCHEMA_VERSION,
            issuer: issuer.to_string(),
            store: store.to_owned(),
            dry_run,
            changed: false,
            keys: keys.keys().iter().map(key).collect(),
            changes: Vec::new(),
            notices: Vec::new(),
            verification: None,
        }
    }

    pub(crate) fn new(
        plan: &issuer_publish::Plan,
        set: ChangeSet,
        verdict: Option<&Verdict>,
        dry_run: bool,
    ) -> Self {
        let key = |(jwk, change): &(issuer_jwks::Jwk, KeyChange)| PublishedKey {
            key: jwk.into(),
            change: match change {
                KeyChange::Added => "added",
                KeyChange::Unchanged => "unchanged",
                KeyChange::Kept => "kept",
                KeyChange::Pruned => "pruned",
            }
            .to_owned(),
        };
        Self {
            schema_version: SCHEMA_VERSION,
            issuer: plan.issuer().to_string(),
            store: plan.location().to_owned(),
            dry_run,
            changed: plan.changes_anything(),
            keys: plan.key_changes().iter().map(key).collect(),
            changes: set.changes,
            notices: set.notices,
            verification: verdict.map(Verify::from),
        }
    }
}

impl From<&Verdict> for Verify {
    fn from(verdict: &Verdict) -> Self {
        let check = |check: &issuer_diagnostic::Check| CheckResult {
            id: check.id.to_owned(),
            status: check.status.as_str().to_owned(),
            // A check may repeat what a server answered.
            message: redact(&check.message),
            consequence: check.consequence.as_deref().map(redact),
            sts_error: check.consequence.as_deref().map(redact),
            fix: check.fix.as_deref().map(redact),
        };
        Self {
            schema_version: SCHEMA_VERSION,
            issuer: verdict.issuer.clone(),
            passed: verdict.passed(),
            checks: advice::with_options(verdict.clone()).checks.iter().map(check).collect(),
        }
    }
}

impl From<&RoleProof> for Proof {
    fn from(proof: &RoleProof) -> Self {
        Self {
            role: proof.role.clone(),
            service_account: proof.account.clone(),
            verification: proof.verdict.as_ref().map(Verify::from),
            assumed_role_arn: proof.assumed_role.clone(),
        }
    }
}

impl From<&Failure> for IssuerError {
    fn from(failure: &Failure) -> Self {
        Self {
            exit_code: failure.exit as u8,
            message: redact(&failure.message),
            causes: failure.causes.iter().map(|cause| redact(cause)).collect(),
            hints: failure.hints.iter().map(|hint| redact(hint)).collect(),
        }
    }
}

/// Changes below a heading, coloured as in a diff.
fn plan_text(heading: &str, changes: &[Change]) -> String {
    let changes = issuer_change::render(changes, &Coloured);
    match (heading, changes.as_str()) {
        ("", changes) => changes.to_owned(),
        (heading, "") => format!("{heading}\n"),
        (heading, changes) => format!("{heading}\n\n{changes}"),
    }
}

/// The text of `--dry-run`: the changes, and how many resources change.
pub(crate) fn dry_run_text(heading: &str, changes: &[Change]) -> String {
    match plan_text(heading, changes).as_str() {
        "" => format!("{}\n", Summary::of(changes)),
        text => format!("{text}\n{}\n", Summary::of(changes)),
    }
}

/// The JSON Schema (draft 2020-12) of all objects of this module.
pub(crate) fn schema() -> serde_json::Value {
    #[derive(JsonSchema)]
    #[schemars(untagged, title = "issuerctl --output json")]
    #[expect(dead_code, reason = "only its schema is used")]
    enum Output {
        /// `plan`, `apply`, `delete`
        Plan(Plan),
        /// `publish`
        Publish(Publish),
        /// `provider apply`, `provider delete`
        Provider(ProviderChange),
        /// `role apply`, `role delete`
        Role(RoleChange),
        /// `verify`
        Verify(Verify),
        /// Any command that failed before it printed another object
        Failed(super::Failed),
        /// A line of `plan`, `apply` and `delete` with `--output jsonl`
        Line(super::Line),
    }
    schemars::schema_for!(Output).to_value()
}

/// The colours of a diff, and the options that remove what is kept.
struct Coloured;

impl Painter for Coloured {
    fn paint(&self, action: Action, line: &str) -> String {
        let style = match action {
            Action::Create => AnsiColor::Green.on_default(),
            Action::Delete => AnsiColor::Red.on_default(),
            Action::Update => AnsiColor::Yellow.on_default(),
            Action::Keep => Style::new().dimmed(),
        };
        format!("{style}{line}{style:#}")
    }

    fn advice(&self, kind: Kind, field: Option<&str>, reason: Reason) -> Option<String> {
        let advice = match (kind, field, reason) {
            (Kind::Document, Some("key"), Reason::NotRequested) => {
                "`issuerctl publish --prune` removes it"
            }
            (Kind::OidcProvider, Some("audience"), Reason::NotRequested) => {
                "`issuerctl provider apply --prune` removes it"
            }
            (Kind::OidcProvider, None, Reason::Unmanaged | Reason::NotInFile)
            | (Kind::Document, None, Reason::Unmanaged) => "--force deletes it",
            (Kind::Role, None, Reason::NotInFile) => "--prune deletes it",
            _ => return None,
        };
        Some(advice.to_owned())
    }

    fn together(&self, field: &Field) -> Option<&'static str> {
        is_record(field).then_some("tags that record what issuerctl manages")
    }
}

/// Whether a field is a tag of issuerctl's own, which grants nothing and denies nothing.
fn is_record(field: &Field) -> bool {
    field.name == "tag" && field.item.as_deref().is_some_and(Tag::is_own)
}

/// Whether anything in IAM changes that AWS propagates.
pub(crate) fn changes_iam(changes: &[Change]) -> bool {
    let in_iam = |change: &&Change| {
        matches!(change.resource.kind, Kind::OidcProvider | Kind::Role | Kind::ManagedPolicy)
    };
    changes.iter().filter(in_iam).any(|change| match change.action {
        Action::Keep => false,
        Action::Update => {
            change.fields.iter().any(|field| field.action() != Action::Keep && !is_record(field))
        }
        Action::Create | Action::Delete => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        let role = Resource::new(Kind::Role, "app", "arn:aws:iam::111122223333:role/app");
        let trust = serde_json::json!({"Version": "2012-10-17", "Statement": [{"Sid": "A"}]});
        let created = Change::new(role, Action::Create)
            .with_field(Field::added("trust_policy", trust))
            .with_field(Field::added("attached_policy", "arn:aws:iam::aws:policy/X"))
            .with_field(Field::added("tag", "platform").of("team"));
        let keys = Resource::new(Kind::Document, "keys.json", "s3://my-oidc/keys.json");
        let kept = Change::keep(keys, Reason::Unchanged)
            .with_field(Field::kept("key", "RSA-2048", Reason::NotRequested).of("a\nb"));
        let old = Resource::new(Kind::Role, "old", "arn:aws:iam::111122223333:role/old");
        let orphaned = Change::keep(old, Reason::NotInFile);
        let mut issuer = Issuer::new("prod".to_owned(), "https://oidc.example.com", &Nothing);
        issuer.changes = vec![kept, created, orphaned];
        issuer.changed = true;
        Plan::new(true, vec![issuer])
    }

    #[test]
    fn the_text_that_is_rendered_from_json_is_the_text_of_the_plan_to_the_byte() {
        let plan = plan();
        let json = serde_json::to_string_pretty(&plan).unwrap();
        let read_back: Plan = serde_json::from_str(&json).unwrap();
        assert_eq!(read_back, plan);
        assert_eq!(read_back.issuers[0].text(), plan.issuers[0].text());
        let counts = "1 to create, 0 to update, 0 to delete, 2 to keep";
        assert_eq!(read_back.summary.to_string(), counts);
    }

    #[test]
    fn what_is_kept_says_which_option_removes_it() {
        let text = anstream::adapter::strip_str(&plan().issuers[0].text()).to_string();
        assert!(text.contains("(not in the file, kept; --prune deletes it)"), "{text}");
        assert!(text.contains("`issuerctl publish --prune` removes it"), "{text}");
    }

    #[test]
    fn tags_of_its_own_are_one_line_and_no_change_that_takes_effect_later() {
        let own = |name: &str| Field::added("tag", "true").of(format!("issuerctl.dev/{name}"));
        let mut plan = plan();
        let role = &mut plan.issuers[0].changes[1];
        (role.action, role.fields) = (Action::Update, vec![own("trust/x"), own("inline/x")]);
        let text = anstream::adapter::strip_str(&plan.issuers[0].text()).to_string();
        assert!(text.contains("    + tags that record what issuerctl manages\n"), "{text}");
        assert!(!text.contains("issuerctl.dev/"), "{text}");
        assert!(!changes_iam(&plan.issuers[0].changes));
        plan.issuers[0].changes[1].fields.push(Field::added("tag", "platform").of("team"));
        assert!(changes_iam(&plan.issuers[0].changes));
        // A kept role, a document.
        plan.issuers[0].changes.remove(1);
        plan.issuers[0].changes[0].action = Action::Update;
        assert!(!changes_iam(&plan.issuers[0].changes));
    }

    #[test]
    fn the_schema_in_docs_is_that_of_the_objects() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/output.schema.json");
        let schema = format!("{:#}\n", schema());
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, &schema).unwrap();
        }
        let documented = std::fs::read_to_string(path).unwrap_or_default();
        assert!(documented == schema, "run UPDATE_DOCS=1 cargo test --workspace to update it");
    }
}
