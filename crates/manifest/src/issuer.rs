//! The file's shape, which is that of a Kubernetes object.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use issuer_cluster::{ClusterName, Namespace};
use issuer_discovery::{IssuerUrl, Shape};
use issuer_iam::{
    AccountId, Audience, Documents, PolicyArn, RoleName, RolePath, ServiceAccountPattern, Tags,
    Thumbprint,
};
use issuer_publish::{AccessMode, BucketName, Prefix, S3Location};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::text;

/// An issuer: the keys of a cluster, where they are published, and what AWS IAM needs.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Issuer {
    /// Version of this format.
    pub api_version: ApiVersion,
    /// `ServiceAccountIssuer`.
    pub kind: Kind,
    /// How the object is called.
    pub metadata: Metadata,
    /// What is wanted.
    pub spec: Spec,
}

/// Version of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum ApiVersion {
    /// The first one.
    #[serde(rename = "issuerctl.dev/v1alpha1")]
    V1Alpha1,
}

/// What the object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Kind {
    /// The issuer of service account tokens.
    ServiceAccountIssuer,
}

/// How the object is called.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Metadata {
    /// Name of the object. Roles remember in a tag which object they come from.
    #[serde(deserialize_with = "text::parsed")]
    #[schemars(with = "String", regex(pattern = r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$"))]
    pub name: Name,
    /// For Kubernetes; issuerctl does not look at it.
    #[serde(default)]
    pub namespace: Option<String>,
    /// For Kubernetes; issuerctl does not look at them.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// For Kubernetes; issuerctl does not look at them.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

/// Name of an object: 1 to 63 lower-case letters, digits, hyphens and dots.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Spec {
    /// Where the public signing keys come from; any mix of sources.
    #[serde(default)]
    pub keys: Vec<KeySource>,
    /// Accept RSA keys of fewer than 2048 bits.
    #[serde(default)]
    pub allow_weak_keys: bool,
    /// Where the two documents are published. Without `keys` and `store`, only IAM is managed.
    #[serde(default, deserialize_with = "text::present")]
    pub store: Option<StoreSpec>,
    /// Issuer URL, as in the cluster's --service-account-issuer; follows from an S3 store.
    #[serde(default, deserialize_with = "text::issuer")]
    #[schemars(with = "Option<String>", regex(pattern = "^https://"))]
    pub issuer: Option<IssuerUrl>,
    /// Members of the discovery document: the self-hosted guide's seven, or the API server's five.
    #[serde(default, deserialize_with = "text::shape")]
    #[schemars(with = "String", extend("enum" = ["irsa", "kubernetes"], "default" = "irsa"))]
    pub shape: Shape,
    /// The OIDC provider in IAM; without it none is made or changed.
    #[serde(default, deserialize_with = "text::present")]
    pub provider: Option<Provider>,
    /// Roles that service accounts may assume.
    #[serde(default)]
    pub roles: Vec<Role>,
}

/// One source of keys.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum KeySource {
    /// The Secret NAME-sa on the management cluster (EKS Anywhere, Cluster API).
    Cluster(ClusterSource),
    /// The keys that the running API server itself publishes (/openid/v1/jwks).
    Apiserver(ApiServerSource),
    /// A file: PEM or DER, public key, certificate or private key.
    File(PathBuf),
    /// A JWK Set file.
    Jwks(PathBuf),
}

/// The Secret NAME-sa on the management cluster.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ClusterSource {
    /// Name of the cluster.
    #[serde(deserialize_with = "text::parsed")]
    #[schemars(with = "String")]
    pub name: ClusterName,
    /// Namespace of the Secret.
    #[serde(default, deserialize_with = "text::parsed")]
    #[schemars(with = "String", extend("default" = "eksa-system"))]
    pub namespace: Namespace,
    /// Kubeconfig file, where it is not the usual one.
    #[serde(default)]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig.
    #[serde(default)]
    pub context: Option<String>,
}

/// A running API server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ApiServerSource {
    /// Kubeconfig file, where it is not the usual one.
    #[serde(default)]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig.
    #[serde(default)]
    pub context: Option<String>,
}

/// Where the two documents are published.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum StoreSpec {
    /// A bucket of S3 or of a compatible store.
    S3(Box<S3Store>),
    /// A folder, which something else serves at the issuer URL.
    Folder(PathBuf),
}

/// A bucket and how it is made public.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct S3Store {
    /// Name of the bucket.
    #[serde(deserialize_with = "text::parsed")]
    #[schemars(with = "String", regex(pattern = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"))]
    pub bucket: BucketName,
    /// What stands before the documents' names.
    #[serde(default, deserialize_with = "text::parsed")]
    #[schemars(with = "String")]
    pub prefix: Prefix,
    /// Region of the bucket.
    #[serde(default)]
    pub region: Option<String>,
    /// Make the bucket where it is not there.
    #[serde(default)]
    pub create_bucket: bool,
    /// How the world may read: a bucket policy, object ACLs, or something else that serves the
    /// bucket.
    #[serde(default, deserialize_with = "text::access")]
    #[schemars(with = "String", extend("enum" = ["policy", "acl", "none"], "default" = "policy"))]
    pub access: AccessMode,
    /// Endpoint of a compatible store.
    #[serde(default)]
    pub endpoint_url: Option<String>,
    /// Put the bucket into the path, not the host.
    #[serde(default)]
    pub path_style: bool,
    /// Account that must own the bucket.
    #[serde(default, deserialize_with = "text::optional")]
    #[schemars(with = "Option<String>", regex(pattern = "^[0-9]{12}$"))]
    pub expected_bucket_owner: Option<AccountId>,
    /// How long readers may cache the documents, in seconds.
    #[serde(default = "default_max_age")]
    pub max_age: u32,
}

/// The OIDC provider in IAM.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Provider {
    /// Audiences that tokens may be for.
    #[serde(default = "default_audiences", deserialize_with = "text::some")]
    #[schemars(with = "Vec<String>", length(min = 1), extend("default" = ["sts.amazonaws.com"]))]
    pub audiences: Vec<Audience>,
    /// Tags to be set.
    #[serde(default, deserialize_with = "text::tags")]
    pub tags: Tags,
    /// Thumbprints to be set, auto being the top of the certificate chain as served; only a private
    /// CA needs one.
    #[serde(default, deserialize_with = "text::each")]
    #[schemars(with = "Vec<String>")]
    pub thumbprints: Vec<ThumbprintSource>,
}

/// A thumbprint, or where it is taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ThumbprintSource {
    /// The top of the certificate chain as served.
    Auto,
    /// This one.
    Given(Thumbprint),
}

/// A role that service accounts may assume. What issuerctl added earlier and is not listed any more
/// is taken away; what others added stays.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Role {
    /// Name of the role.
    #[serde(deserialize_with = "text::parsed")]
    #[schemars(with = "String", regex(pattern = r"^[A-Za-z0-9+=,.@_-]{1,64}$"))]
    pub name: RoleName,
    /// NAMESPACE/NAME; * and ? stand in one of the two.
    #[serde(deserialize_with = "text::some")]
    #[schemars(with = "Vec<String>", length(min = 1))]
    pub service_accounts: Vec<ServiceAccountPattern>,
    /// Audiences that tokens must be for; without them the provider's.
    #[serde(default, deserialize_with = "text::some_optional")]
    #[schemars(with = "Option<Vec<String>>", length(min = 1))]
    pub audiences: Option<Vec<Audience>>,
    /// Policies to be attached.
    #[serde(default, deserialize_with = "text::each")]
    #[schemars(with = "Vec<String>")]
    pub policy_arns: Vec<PolicyArn>,
    /// Policies within the role, by their names.
    #[serde(default, deserialize_with = "text::policies")]
    #[schemars(with = "BTreeMap<String, BTreeMap<String, Value>>")]
    pub inline_policies: Documents,
    /// Policies of the account, by their names: made, updated by a new version, and attached.
    #[serde(default, deserialize_with = "text::policies")]
    #[schemars(with = "BTreeMap<String, BTreeMap<String, Value>>")]
    pub managed_policies: Documents,
    /// Path of a new role, such as /apps/.
    #[serde(default, deserialize_with = "text::optional")]
    #[schemars(with = "Option<String>", regex(pattern = "^/(.*/)?$"))]
    pub path: Option<RolePath>,
    /// Permissions boundary; one that is there stays where none is given.
    #[serde(default, deserialize_with = "text::optional")]
    #[schemars(
        with = "Option<String>",
        regex(pattern = "^arn:[a-z-]+:iam::([0-9]{12}|aws):policy/.")
    )]
    pub permissions_boundary: Option<PolicyArn>,
    /// The longest session, in seconds; the one that is there stays where none is given.
    #[serde(default, deserialize_with = "text::session")]
    #[schemars(range(min = 3600, max = 43200))]
    pub max_session_duration: Option<u32>,
    /// Tags to be set.
    #[serde(default, deserialize_with = "text::tags")]
    pub tags: Tags,
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

fn default_max_age() -> u32 {
    300
}

pub(crate) fn default_audiences() -> Vec<Audience> {
    vec![Audience::default()]
}
