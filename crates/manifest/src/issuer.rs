//! The format of the file: a Kubernetes object.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use issuer_cluster::{ClusterName, Namespace};
use issuer_discovery::{IssuerUrl, Ports, Shape};
use issuer_iam::{
    AccountId, Audience, Documents, PolicyArn, RoleName, RolePath, ServiceAccountPattern, Tags,
    Thumbprint,
};
use issuer_jwks::JwksSource;
use issuer_publish::{AccessMode, BucketName, KEEP_HISTORY, Prefix, S3Location};
use issuer_workload::{AccountsMode, Injection};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::object::Ignored;
use crate::text;

/// An issuer: the keys of a cluster, where they are published, and its provider and roles in IAM.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Issuer {
    /// Version of this format.
    pub api_version: ApiVersion,
    /// `ServiceAccountIssuer`.
    pub kind: Kind,
    /// Metadata of the object.
    pub metadata: Metadata,
    /// The desired state.
    pub spec: Spec,
    /// The state of the object in a cluster; ignored by issuerctl.
    #[serde(default)]
    pub status: Ignored,
}

/// Version of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum ApiVersion {
    /// The first version.
    #[serde(rename = "issuerctl.dev/v1alpha1")]
    V1Alpha1,
}

/// The kind of the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Kind {
    /// The issuer of service account tokens.
    ServiceAccountIssuer,
}

/// Metadata of the object.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Metadata {
    /// Name of the object. A tag of each role records it.
    #[serde(deserialize_with = "text::parsed")]
    #[schemars(with = "String", regex(pattern = r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$"))]
    pub name: Name,
    /// Namespace of the object, which is the default of keys[].cluster.namespace.
    #[serde(default, deserialize_with = "text::optional")]
    #[schemars(with = "Option<String>")]
    pub namespace: Option<Namespace>,
    /// For Kubernetes; ignored by issuerctl.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// For Kubernetes; ignored by issuerctl.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// Of an object in a cluster; ignored by issuerctl.
    #[serde(default)]
    pub creation_timestamp: Ignored,
    /// Of an object in a cluster; ignored by issuerctl.
    #[serde(default)]
    pub deletion_grace_period_seconds: Ignored,
    /// Of an object in a cluster; ignored by issuerctl.
    #[serde(default)]
    pub deletion_timestamp: Ignored,
    /// Of an object in a cluster; ignored by issuerctl.
    #[serde(default)]
    pub finalizers: Ignored,
    /// Of an object in a cluster; ignored by issuerctl.
    #[serde(default)]
    pub generate_name: Ignored,
    /// Of an object in a cluster; ignored by issuerctl.
    #[serde(default)]
    pub generation: Ignored,
    /// Of an object in a cluster; ignored by issuerctl.
    #[serde(default)]
    pub managed_fields: Ignored,
    /// Of an object in a cluster; ignored by issuerctl.
    #[serde(default)]
    pub owner_references: Ignored,
    /// Of an object in a cluster; ignored by issuerctl.
    #[serde(default)]
    pub resource_version: Ignored,
    /// Of an object in a cluster; ignored by issuerctl.
    #[serde(default)]
    pub self_link: Ignored,
    /// Of an object in a cluster; ignored by issuerctl.
    #[serde(default)]
    pub uid: Ignored,
}

/// Name of an object: 1 to 63 lower-case letters, digits, hyphens and dots.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

/// The desired state.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Spec {
    /// Sources of the public signing keys; they can be combined.
    #[serde(default)]
    pub keys: Vec<KeySource>,
    /// Accept RSA keys shorter than 2048 bits.
    #[serde(default)]
    pub allow_weak_keys: bool,
    /// Where the two documents are published. Without `keys` and `store`, only IAM is managed.
    #[serde(default, deserialize_with = "text::present")]
    pub store: Option<StoreSpec>,
    /// How many previous sites are kept where the store does not keep versions itself; 0 keeps none.
    #[serde(default = "default_keep_history", deserialize_with = "text::keep_history")]
    #[schemars(range(max = 1000))]
    pub keep_history: u32,
    /// Issuer URL, as in the cluster's --service-account-issuer; by default derived from the S3
    /// store.
    #[serde(default, deserialize_with = "text::issuer")]
    #[schemars(with = "Option<String>", regex(pattern = "^https://"))]
    pub issuer: Option<IssuerUrl>,
    /// Fields of the discovery document: the seven of the self-hosted IRSA guide, or the five of
    /// the API server.
    #[serde(default, deserialize_with = "text::shape")]
    #[schemars(with = "String", extend("enum" = ["irsa", "kubernetes"], "default" = "irsa"))]
    pub shape: Shape,
    /// The OIDC provider in IAM; if omitted, no provider is created or changed.
    #[serde(default, deserialize_with = "text::present")]
    pub provider: Option<Provider>,
    /// Roles that service accounts may assume.
    #[serde(default)]
    pub roles: Vec<Role>,
    /// The cluster whose pods use the roles; if omitted, nothing is changed in a cluster.
    #[serde(default, deserialize_with = "text::present")]
    pub workload: Option<Workload>,
    /// For the controller, and ignored by issuerctl: change nothing, and check nothing, until this is
    /// false.
    #[serde(default)]
    pub suspend: bool,
    /// For the controller, and ignored by issuerctl: what happens to the resources in AWS and in the
    /// cluster when this object is deleted. Retain keeps them, Delete deletes what `issuerctl delete`
    /// would delete.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// For the controller, and ignored by issuerctl: what happens when somebody else has changed the
    /// resources. Repair changes them back, Report only says so. A new key is published in any case.
    #[serde(default)]
    pub drift_policy: DriftPolicy,
}

impl Spec {
    /// Whether the issuer may have a port: only IAM refuses one.
    #[must_use]
    pub fn ports(&self) -> Ports {
        match self.provider.is_none() && self.roles.is_empty() {
            true => Ports::Allow,
            false => Ports::Refuse,
        }
    }
}

/// A source of keys.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum KeySource {
    /// The Secret NAME-sa on the management cluster (EKS Anywhere, Cluster API).
    Cluster(ClusterSource),
    /// The keys that the running API server publishes (/openid/v1/jwks).
    Apiserver(ApiServerSource),
    /// A key file, PEM or DER: public key, certificate or private key.
    File(PathBuf),
    /// A JWK Set: a file, or an https URL.
    #[serde(deserialize_with = "text::parsed")]
    #[schemars(with = "String")]
    Jwks(JwksSource),
}

/// The Secret NAME-sa on the management cluster.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ClusterSource {
    /// Name of the cluster.
    #[serde(deserialize_with = "text::parsed")]
    #[schemars(with = "String")]
    pub name: ClusterName,
    /// Namespace of the Secret: by default metadata.namespace, and eksa-system without it.
    #[serde(default, deserialize_with = "text::optional")]
    #[schemars(with = "Option<String>")]
    pub namespace: Option<Namespace>,
    /// Kubeconfig file, if not the default one.
    #[serde(default)]
    pub kubeconfig: Option<PathBuf>,
    /// Kubeconfig context.
    #[serde(default)]
    pub context: Option<String>,
}

/// A running API server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ApiServerSource {
    /// Kubeconfig file, if not the default one.
    #[serde(default)]
    pub kubeconfig: Option<PathBuf>,
    /// Kubeconfig context.
    #[serde(default)]
    pub context: Option<String>,
}

/// Where the two documents are published.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum StoreSpec {
    /// A bucket in S3 or an S3-compatible store.
    S3(Box<S3Store>),
    /// A folder that a web server serves at the issuer URL.
    Folder(
        #[serde(deserialize_with = "text::folder")]
        #[schemars(with = "String")]
        PathBuf,
    ),
}

/// A bucket, and how public read access is granted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct S3Store {
    /// Name of the bucket.
    #[serde(deserialize_with = "text::parsed")]
    #[schemars(with = "String", regex(pattern = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"))]
    pub bucket: BucketName,
    /// Prefix of the object keys.
    #[serde(default, deserialize_with = "text::parsed")]
    #[schemars(with = "String", length(max = 900))]
    pub prefix: Prefix,
    /// Region of the bucket.
    #[serde(default, deserialize_with = "text::region")]
    #[schemars(regex(pattern = "^[A-Za-z0-9_-]+$"))]
    pub region: Option<String>,
    /// Create the bucket if it does not exist.
    #[serde(default)]
    pub create_bucket: bool,
    /// How public read access is granted: by bucket policy, by object ACLs, by a CloudFront distribution
    /// in front of a private bucket, or not by issuerctl.
    #[serde(default, deserialize_with = "text::access")]
    #[schemars(
        with = "String",
        extend("enum" = ["policy", "acl", "cloudfront", "none"], "default" = "policy")
    )]
    pub access: AccessMode,
    /// ARN of the certificate (ACM, us-east-1) for an issuer with a domain of its own. Requires access:
    /// cloudfront.
    #[serde(default)]
    #[schemars(regex(pattern = "^arn:aws:acm:us-east-1:[0-9]{12}:certificate/.+$"))]
    pub certificate_arn: Option<String>,
    /// Make the documents of all issuers in the bucket public by one statement of its policy, which
    /// keeps it small. Requires access: policy.
    #[serde(default)]
    pub shared_bucket: bool,
    /// Endpoint URL of an S3-compatible store.
    #[serde(default)]
    pub endpoint_url: Option<String>,
    /// Use path-style URLs: the bucket name in the path, not in the host name.
    #[serde(default)]
    pub path_style: bool,
    /// ID of the AWS account that must own the bucket.
    #[serde(default, deserialize_with = "text::optional")]
    #[schemars(with = "Option<String>", regex(pattern = "^[0-9]{12}$"))]
    pub expected_bucket_owner: Option<AccountId>,
    /// Write without conditions, to a store that ignores or refuses them; one writer at a time.
    #[serde(default)]
    pub unconditional: bool,
    /// Cache lifetime of the documents in seconds (Cache-Control: max-age), at most a day: a new key is of use
    /// after that time.
    #[serde(default = "default_max_age", deserialize_with = "text::max_age")]
    #[schemars(range(max = 86_400))]
    pub max_age: u32,
}

/// The OIDC provider in IAM.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Provider {
    /// Audiences (client IDs) to allow.
    #[serde(default = "default_audiences", deserialize_with = "text::some")]
    #[schemars(with = "Vec<String>", length(min = 1), extend("default" = ["sts.amazonaws.com"]))]
    pub audiences: Vec<Audience>,
    /// Tags to set.
    #[serde(default, deserialize_with = "text::tags")]
    pub tags: Tags,
    /// Thumbprints to set; auto stands for the last certificate of the chain that the server sends.
    /// Required only for a private CA.
    #[serde(default, deserialize_with = "text::each")]
    #[schemars(with = "Vec<String>")]
    pub thumbprints: Vec<ThumbprintSource>,
}

/// A thumbprint, or its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ThumbprintSource {
    /// The last certificate of the chain that the server sends.
    Auto,
    /// This thumbprint.
    Given(Thumbprint),
}

/// A role that service accounts may assume. What issuerctl added earlier and is no longer listed is
/// removed; what issuerctl does not manage is kept.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Role {
    /// Name of the role.
    #[serde(deserialize_with = "text::parsed")]
    #[schemars(with = "String", regex(pattern = r"^[A-Za-z0-9+=,.@_-]{1,64}$"))]
    pub name: RoleName,
    /// NAMESPACE/NAME; the wildcards * and ? are allowed in one of the two.
    #[serde(deserialize_with = "text::some")]
    #[schemars(with = "Vec<String>", length(min = 1))]
    pub service_accounts: Vec<ServiceAccountPattern>,
    /// Audiences that tokens must have; by default those of the provider.
    #[serde(default, deserialize_with = "text::some_optional")]
    #[schemars(with = "Option<Vec<String>>", length(min = 1))]
    pub audiences: Option<Vec<Audience>>,
    /// Managed policies to attach.
    #[serde(default, deserialize_with = "text::each")]
    #[schemars(with = "Vec<String>")]
    pub policy_arns: Vec<PolicyArn>,
    /// Inline policies by name.
    #[serde(default, deserialize_with = "text::policies")]
    #[schemars(with = "BTreeMap<String, BTreeMap<String, Value>>")]
    pub inline_policies: Documents,
    /// Customer managed policies by name: created, updated and attached.
    #[serde(default, deserialize_with = "text::policies")]
    #[schemars(with = "BTreeMap<String, BTreeMap<String, Value>>")]
    pub managed_policies: Documents,
    /// Path of the role if it is created, such as /apps/.
    #[serde(default, deserialize_with = "text::optional")]
    #[schemars(with = "Option<String>", regex(pattern = "^/(.*/)?$"))]
    pub path: Option<RolePath>,
    /// Permissions boundary; if omitted, an existing one is kept.
    #[serde(default, deserialize_with = "text::optional")]
    #[schemars(
        with = "Option<String>",
        regex(pattern = "^arn:[a-z-]+:iam::([0-9]{12}|aws):policy/.")
    )]
    pub permissions_boundary: Option<PolicyArn>,
    /// Maximum session duration in seconds; if omitted, the existing one is kept.
    #[serde(default, deserialize_with = "text::session")]
    #[schemars(range(min = 3600, max = 43200))]
    pub max_session_duration: Option<u32>,
    /// Tags to set.
    #[serde(default, deserialize_with = "text::tags")]
    pub tags: Tags,
}

/// The cluster whose pods use the roles.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Workload {
    /// Kubeconfig file of the workload cluster, if not the default one.
    #[serde(default)]
    pub kubeconfig: Option<PathBuf>,
    /// Kubeconfig context.
    #[serde(default)]
    pub context: Option<String>,
    /// What gives pods the role of their ServiceAccount: an admission policy in the API server, the
    /// pod identity webhook, or something that issuerctl does not manage (none). auto: the policy if
    /// the API server serves it, otherwise the webhook; nothing if something else does it already.
    #[serde(default, deserialize_with = "text::injection")]
    #[schemars(with = "String", extend("enum" = Injection::NAMES, "default" = "auto"))]
    pub injection: Injection,
    /// Annotate the ServiceAccounts of the roles that exist, also create those that do not, or leave
    /// all of them alone.
    #[serde(default, deserialize_with = "text::accounts")]
    #[schemars(with = "String", extend("enum" = AccountsMode::NAMES, "default" = "annotate"))]
    pub service_accounts: AccountsMode,
    /// Restart the Deployments, StatefulSets and DaemonSets whose pods run without their role.
    #[serde(default)]
    pub restart: bool,
}

/// What happens to the resources in AWS when the object is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// They stay, and tokens stay valid.
    #[default]
    Retain,
    /// They are deleted, as `issuerctl delete` does, before the object is gone.
    Delete,
}

/// What happens when something was changed by somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum DriftPolicy {
    /// It is changed back.
    #[default]
    Repair,
    /// It is only reported. A new key is published nevertheless.
    Report,
}

/// The format as a JSON Schema (draft 2020-12), for editors and `kubectl`-like tools.
#[must_use]
pub fn json_schema() -> Value {
    schemars::schema_for!(Issuer).to_value()
}

impl Issuer {
    /// `metadata.name`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.metadata.name.0
    }

    /// The namespace of the Secret of a cluster.
    #[must_use]
    pub fn namespace_of(&self, source: &ClusterSource) -> Namespace {
        let own = || self.metadata.namespace.clone();
        source.namespace.clone().or_else(own).unwrap_or_default()
    }
}

impl S3Store {
    /// Bucket and prefix.
    #[must_use]
    pub fn location(&self) -> S3Location {
        S3Location { bucket: self.bucket.clone(), prefix: self.prefix.clone() }
    }
}

impl FromStr for Name {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
        let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        if (1..=63).contains(&text.len())
            && text.bytes().all(inner)
            && text.starts_with(ends)
            && text.ends_with(ends)
        {
            Ok(Self(text.to_owned()))
        } else {
            Err("a name has 1 to 63 lower-case letters, digits, hyphens and dots")
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ThumbprintSource {
    type Err = issuer_iam::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "auto" { Ok(Self::Auto) } else { text.parse().map(Self::Given) }
    }
}

fn default_keep_history() -> u32 {
    KEEP_HISTORY
}

fn default_max_age() -> u32 {
    300
}

pub(crate) fn default_audiences() -> Vec<Audience> {
    vec![Audience::default()]
}
