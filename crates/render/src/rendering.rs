//! The input of the renderers.

use std::collections::{BTreeMap, BTreeSet};

use issuer_cloudfront::FrontSpec;
use issuer_discovery::{IssuerUrl, Partition};
use issuer_iam::{AccountId, Provider, ProviderArn, ProviderSpec, RoleSpec, RoleState, Tags};
use issuer_publish::{AccessMode, S3Location};

use crate::Error;

/// One document of a file, with everything resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendering {
    /// Name of the document.
    pub name: String,
    /// The issuer.
    pub issuer: IssuerUrl,
    /// Account of the provider and the roles.
    pub account: AccountId,
    /// Its partition.
    pub partition: Partition,
    /// The two documents, if they are published to S3.
    pub site: Option<RenderedSite>,
    /// The provider, if one is declared.
    pub provider: Option<ProviderSpec>,
    /// The roles, in order.
    pub roles: Vec<RoleSpec>,
}

/// The two documents of an issuer, and their bucket.
#[derive(Debug, Clone, PartialEq)]
pub struct RenderedSite {
    /// Bucket and prefix.
    pub location: S3Location,
    /// Region of the bucket.
    pub region: String,
    /// Whether the bucket is created; if not, it is managed elsewhere.
    pub create_bucket: bool,
    /// How public read access is granted.
    pub access: AccessMode,
    /// Whether one statement of the bucket policy is for all issuers in the bucket.
    pub shared_bucket: bool,
    /// The distribution, if CloudFront serves a private bucket.
    pub front: Option<FrontSpec>,
    /// `Cache-Control` of the documents.
    pub cache_control: String,
    /// Their bytes; `None` for tools that cannot create objects.
    pub documents: Option<RenderedDocuments>,
    /// The `issuerctl publish` command line, for tools that cannot create objects.
    pub publish_line: String,
}

/// The bytes of the two documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedDocuments {
    /// The JWK Set.
    pub keys_json: Vec<u8>,
    /// The discovery document.
    pub discovery_json: Vec<u8>,
}

/// Resources that already exist.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Existing {
    /// Buckets by name.
    pub buckets: BTreeMap<String, ExistingBucket>,
    /// OIDC providers.
    pub providers: Vec<Provider>,
    /// Roles and their policies, by name of the role.
    pub roles: BTreeMap<String, RoleState>,
}

/// An existing bucket.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExistingBucket {
    /// Whether it has ownership controls.
    pub ownership: bool,
    /// Whether it has a public access block.
    pub block: bool,
    /// Its policy, which may have unmanaged statements.
    pub policy: Option<String>,
    /// Its tags.
    pub tags: Tags,
    /// Keys of the documents that exist.
    pub objects: BTreeSet<String>,
}

impl Rendering {
    /// The ARN of the provider.
    pub(crate) fn provider_arn(&self) -> Result<String, Error> {
        Ok(ProviderArn::new(self.partition, &self.account, &self.issuer)?.to_string())
    }
}
