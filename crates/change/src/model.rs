//! The data model: resources, what happens to them, and their fields before and after.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happens to a resource.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It does not exist and is created.
    Create,
    /// It exists and is changed.
    Update,
    /// It exists and is deleted.
    Delete,
    /// It exists and is kept unchanged; [`Change::reason`] says why.
    Keep,
}

/// The kind of a resource.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// An S3 bucket with its settings.
    Bucket,
    /// A CloudFront distribution, with what it refers to.
    Distribution,
    /// A published document: `keys.json` with its keys, or the discovery document.
    Document,
    /// The copies of previous documents.
    History,
    /// An OIDC provider in IAM.
    OidcProvider,
    /// A role in IAM, with its trust policy, inline policies and attachments.
    Role,
    /// A customer managed policy in IAM.
    ManagedPolicy,
    /// A ServiceAccount, with its annotations.
    ServiceAccount,
    /// A namespace.
    Namespace,
    /// A MutatingAdmissionPolicy, which gives pods their roles.
    MutatingAdmissionPolicy,
    /// Its binding.
    MutatingAdmissionPolicyBinding,
    /// The configuration that makes an API server call the webhook that gives pods their roles.
    MutatingWebhookConfiguration,
    /// A ClusterRole.
    ClusterRole,
    /// A ClusterRoleBinding.
    ClusterRoleBinding,
    /// A Secret.
    Secret,
    /// A Service.
    Service,
    /// A PodDisruptionBudget.
    PodDisruptionBudget,
    /// A Deployment.
    Deployment,
    /// A StatefulSet.
    StatefulSet,
    /// A DaemonSet.
    DaemonSet,
}

/// A resource with its name and its unique identifier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Resource {
    /// Its kind.
    pub kind: Kind,
    /// Its name: `app`, `keys.json`, `my-oidc`.
    pub name: String,
    /// Its identifier: an ARN, `s3://BUCKET/KEY`, a path, or the URL of an object at an API server.
    pub locator: String,
}

/// The value of a field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Value {
    /// A boolean.
    Flag(bool),
    /// A number; the field's name ends with its unit (`max_session_duration_secs`).
    Number(u64),
    /// A string.
    Text(String),
    /// Strings; their order does not matter.
    List(Vec<String>),
    /// A JSON document, such as a policy.
    Document(serde_json::Map<String, serde_json::Value>),
}

/// A field of a resource before and after. Both are equal if it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Field {
    /// Its name, such as `trust_policy`, `audiences` or `tag`.
    pub name: Cow<'static, str>,
    /// Which one of several: a kid, the name of a policy, the key of a tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// The value now; absent if the field does not exist yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// The value afterwards; absent if the field is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
    /// Why it is kept, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// Why something is kept.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// It already is as requested.
    Unchanged,
    /// It was not created by issuerctl.
    Unmanaged,
    /// It is not requested, and is removed only on demand.
    NotRequested,
    /// It is not, or no longer, in the file.
    NotInFile,
    /// An OIDC provider in the account still trusts the issuer.
    StillTrusted,
    /// Another issuer also uses it.
    OtherIssuer,
    /// Something else uses it.
    InUse,
    /// It contains something that issuerctl does not manage.
    NotEmpty,
    /// Whether it may be deleted could not be read.
    Unreadable,
}

/// What happens to one resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// The resource.
    pub resource: Resource,
    /// What happens to it.
    pub action: Action,
    /// The fields that change, and those that are kept for a reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
    /// Why it is kept, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// A warning for the user that is not a change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Notice {
    /// A stable identifier, such as `unmanaged-role`.
    pub id: Cow<'static, str>,
    /// The text.
    pub message: String,
}

/// Everything that a plan would change.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ChangeSet {
    /// The changes, in the order of execution.
    pub changes: Vec<Change>,
    /// Warnings for the user.
    pub notices: Vec<Notice>,
}

/// A plan that can describe its changes.
pub trait Describe {
    /// Adds the plan's changes and notices to a set.
    fn describe(&self, into: &mut ChangeSet);

    /// The change set of the plan.
    #[must_use]
    fn changes(&self) -> ChangeSet {
        let mut set = ChangeSet::default();
        self.describe(&mut set);
        set
    }
}

impl Action {
    /// The sign in front of a line: `+`, `~`, `-` or `=`.
    #[must_use]
    pub fn sign(self) -> char {
        match self {
            Self::Create => '+',
            Self::Update => '~',
            Self::Delete => '-',
            Self::Keep => '=',
        }
    }
}

impl Kind {
    /// The word in texts.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bucket => "bucket",
            Self::Distribution => "distribution",
            Self::Document => "document",
            Self::History => "history",
            Self::OidcProvider => "OIDC provider",
            Self::Role => "role",
            Self::ManagedPolicy => "managed policy",
            Self::ServiceAccount => "ServiceAccount",
            Self::Namespace => "Namespace",
            Self::MutatingAdmissionPolicy => "MutatingAdmissionPolicy",
            Self::MutatingAdmissionPolicyBinding => "MutatingAdmissionPolicyBinding",
            Self::MutatingWebhookConfiguration => "MutatingWebhookConfiguration",
            Self::ClusterRole => "ClusterRole",
            Self::ClusterRoleBinding => "ClusterRoleBinding",
            Self::Secret => "Secret",
            Self::Service => "Service",
            Self::PodDisruptionBudget => "PodDisruptionBudget",
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
        }
    }
}

impl Reason {
    /// The words in texts.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Unmanaged => "not managed by issuerctl, kept",
            Self::NotRequested => "not requested, kept",
            Self::NotInFile => "not in the file, kept",
            Self::StillTrusted => "an OIDC provider still trusts the issuer, kept",
            Self::OtherIssuer => "used by another issuer, kept",
            Self::InUse => "in use, kept",
            Self::NotEmpty => "not empty, kept",
            Self::Unreadable => "not readable, kept",
        }
    }
}

impl Resource {
    /// A resource by kind, name and identifier.
    #[must_use]
    pub fn new(kind: Kind, name: impl Into<String>, locator: impl Into<String>) -> Self {
        Self { kind, name: name.into(), locator: locator.into() }
    }
}

impl Field {
    /// A field that does not exist yet.
    #[must_use]
    pub fn added(name: &'static str, after: impl Into<Value>) -> Self {
        Self { after: Some(after.into()), ..Self::named(name) }
    }

    /// A field that is removed.
    #[must_use]
    pub fn removed(name: &'static str, before: impl Into<Value>) -> Self {
        Self { before: Some(before.into()), ..Self::named(name) }
    }

    /// A field that changes.
    #[must_use]
    pub fn changed(name: &'static str, before: impl Into<Value>, after: impl Into<Value>) -> Self {
        Self { before: Some(before.into()), after: Some(after.into()), ..Self::named(name) }
    }

    /// A field that is added, changed or removed, depending on its values.
    #[must_use]
    pub fn between(name: &'static str, before: Option<Value>, after: Option<Value>) -> Self {
        Self { before, after, ..Self::named(name) }
    }

    /// A field that is kept.
    #[must_use]
    pub fn kept(name: &'static str, value: impl Into<Value>, reason: Reason) -> Self {
        let value = Some(value.into());
        Self { before: value.clone(), after: value, reason: Some(reason), ..Self::named(name) }
    }

    /// The same field, as one of several with the same name.
    #[must_use]
    pub fn of(mut self, item: impl Into<String>) -> Self {
        self.item = Some(item.into());
        self
    }

    /// What happens to it.
    #[must_use]
    pub fn action(&self) -> Action {
        match (&self.before, &self.after) {
            (None, Some(_)) => Action::Create,
            (Some(_), None) => Action::Delete,
            (before, after) if before == after => Action::Keep,
            _ => Action::Update,
        }
    }

    fn named(name: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), item: None, before: None, after: None, reason: None }
    }
}

impl Change {
    /// A change without fields.
    #[must_use]
    pub fn new(resource: Resource, action: Action) -> Self {
        Self { resource, action, fields: Vec::new(), reason: None }
    }

    /// A resource that is kept.
    #[must_use]
    pub fn keep(resource: Resource, reason: Reason) -> Self {
        Self { reason: Some(reason), ..Self::new(resource, Action::Keep) }
    }

    /// The same change with one more field.
    #[must_use]
    pub fn with_field(mut self, field: Field) -> Self {
        self.fields.push(field);
        self
    }

    /// The same change with more fields.
    #[must_use]
    pub fn with_fields(mut self, fields: impl IntoIterator<Item = Field>) -> Self {
        self.fields.extend(fields);
        self
    }
}

impl ChangeSet {
    /// Adds a change.
    pub fn push(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// Adds a notice, unless it is already present.
    pub fn notice(&mut self, id: &'static str, message: impl Into<String>) {
        let notice = Notice { id: Cow::Borrowed(id), message: message.into() };
        if !self.notices.contains(&notice) {
            self.notices.push(notice);
        }
    }

    /// Whether anything would be created, updated or deleted.
    #[must_use]
    pub fn changes_anything(&self) -> bool {
        self.changes.iter().any(|change| change.action != Action::Keep)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Self::Number(u64::try_from(number).unwrap_or_default())
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<Vec<String>> for Value {
    fn from(list: Vec<String>) -> Self {
        Self::List(list)
    }
}

impl From<serde_json::Value> for Value {
    /// Other JSON values are represented by their text.
    fn from(value: serde_json::Value) -> Self {
        use serde_json::Value as Json;
        let texts = |list: &[Json]| {
            list.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        };
        match value {
            Json::Bool(flag) => Self::Flag(flag),
            Json::String(text) => Self::Text(text),
            Json::Object(document) => Self::Document(document),
            Json::Array(list) => match texts(&list) {
                Some(texts) => Self::List(texts),
                None => Self::Text(Json::Array(list).to_string()),
            },
            Json::Number(number) => match number.as_u64() {
                Some(number) => Self::Number(number),
                None => Self::Text(number.to_string()),
            },
            Json::Null => Self::Text("null".to_owned()),
        }
    }
}
