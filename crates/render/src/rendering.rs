//! What goes in.

use std::collections::{BTreeMap, BTreeSet};

use issuer_discovery::{IssuerUrl, Partition};
use issuer_iam::{AccountId, Provider, ProviderArn, ProviderSpec, RoleSpec, RoleState, Tags};
use issuer_publish::{AccessMode, S3Location};

use crate::Error;

/// One document of a file, with everything worked out.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendering {
    /// Name of the document.
    pub name: String,
    /// The issuer.
    pub issuer: IssuerUrl,
    /// Account of provider and roles.
    pub account: AccountId,
    /// Its partition.
    pub partition: Partition,
    /// The two documents in S3, where they are published there.
    pub site: Option<RenderedSite>,
    /// The provider, where one is wanted.
    pub provider: Option<ProviderSpec>,
    /// The roles, in their order.
    pub roles: Vec<RoleSpec>,
}

/// The two documents of an issuer, and the bucket they lie in.
#[derive(Debug, Clone, PartialEq)]
pub struct RenderedSite {
    /// Bucket and prefix.
    pub location: S3Location,
    /// Region of the bucket.
    pub region: String,
    /// Whether the bucket is to be made; else it is somebody else's.
    pub create_bucket: bool,
    /// How the world may read.
    pub access: AccessMode,
    /// `Cache-Control` of the documents.
    pub cache_control: String,
    /// Their bytes; nothing for tools that know no objects.
    pub documents: Option<RenderedDocuments>,
    /// The `issuerctl publish` line that puts the documents, for tools that cannot.
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

/// What exists already.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Existing {
    /// Buckets by their names.
    pub buckets: BTreeMap<String, ExistingBucket>,
    /// OIDC providers.
    pub providers: Vec<Provider>,
    /// What was found of roles and their policies, by the roles' names.
    pub roles: BTreeMap<String, RoleState>,
}

/// What exists of a bucket that is there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExistingBucket {
    /// Whether it has ownership controls.
    pub ownership: bool,
    /// Whether it has a public access block.
    pub block: bool,
    /// Its policy, which others may have a part in.
    pub policy: Option<String>,
    /// Its tags.
    pub tags: Tags,
    /// Keys of those objects of ours that are there.
    pub objects: BTreeSet<String>,
}

impl Rendering {
    /// The ARN of the issuer's provider.
    pub(crate) fn provider_arn(&self) -> Result<String, Error> {
        Ok(ProviderArn::new(self.partition, &self.account, &self.issuer)?.to_string())
    }
}
