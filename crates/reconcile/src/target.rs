//! The desired state of an issuer, resolved without I/O: paths joined, defaults filled in.

use std::path::{Path, PathBuf};

use issuer_cluster::{Connection, ServiceAccountRef};
use issuer_discovery::{IssuerUrl, Partition, Ports, Shape};
use issuer_iam::policies::{ProviderNeeds, RoleNeeds};
use issuer_iam::{
    AccountId, Audience, Documents, PolicyArn, ProviderSpec, RoleName, RolePath, RoleSpec,
    ServiceAccountPattern, Tags, Thumbprint, Trust,
};
use issuer_jwks::{JwksSource, Token, WeakKeys};
use issuer_manifest::{Issuer, KeySource as FileKeySource, StoreSpec, ThumbprintSource};
use issuer_publish::{KEEP_HISTORY, PlanOptions, RETIRE_SECS, S3Location, S3Options};
use issuer_workload::{AccountsMode, Injection};

use crate::KeySource;

/// The desired state of one issuer.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// `metadata.name` in the file, recorded in the tags of roles; `None` without a file.
    pub name: Option<String>,
    /// The issuer; by default derived from the store.
    pub issuer: Option<IssuerUrl>,
    /// Whether the issuer may have a port.
    pub ports: Ports,
    /// The two documents, if they are managed.
    pub site: Option<SiteTarget>,
    /// The OIDC provider in IAM, if it is managed.
    pub provider: Option<ProviderTarget>,
    /// The roles, in order.
    pub roles: Vec<RoleTarget>,
    /// The cluster whose pods use the roles, if it is managed.
    pub workload: Option<WorkloadTarget>,
}

/// The desired site: keys and store.
#[derive(Debug, Clone, PartialEq)]
pub struct SiteTarget {
    /// Where the keys come from.
    pub keys: Vec<KeySource>,
    /// Where the documents are stored.
    pub store: StoreTarget,
    /// The members of the discovery document.
    pub shape: Shape,
    /// Options of its plan.
    pub options: PlanOptions,
    /// A check that the cluster signs with these keys, before anything is written.
    pub live: Option<LiveCheck>,
    /// A token of the cluster: the key that signed it must be published.
    pub token: Option<Token>,
    /// Whether keys of a cluster are published although it is probably not the one of this issuer.
    pub other_cluster: OtherCluster,
    /// Who publishes them, which is recorded in the history.
    pub by: Option<String>,
}

/// Whether the keys of a cluster are published none of which was published before, while others are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OtherCluster {
    /// They are not, and neither are those of a JWK Set at a URL: whoever names it answers for nobody else.
    RefuseSets,
    /// They are not: it is probably another cluster.
    #[default]
    Refuse,
    /// Those in a Secret are, unless its cluster is known to have another issuer: the Secret is the one that
    /// the published keys came from, has one key, and does not say whose it is.
    KnownSecret,
    /// They are.
    Allow,
}

impl OtherCluster {
    /// As an option says.
    #[must_use]
    pub fn allow_if(allowed: bool) -> Self {
        if allowed { Self::Allow } else { Self::Refuse }
    }
}

/// Where the documents are stored.
#[derive(Debug, Clone, PartialEq)]
pub enum StoreTarget {
    /// A folder that a web server serves.
    Folder(PathBuf),
    /// A bucket in S3 or an S3-compatible store.
    S3(S3Location, S3Options),
}

/// A fresh token that must be signed by one of the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveCheck {
    /// The service account of the token.
    pub account: ServiceAccountRef,
    /// The connection to the signing cluster.
    pub connection: Connection,
}

/// The desired provider.
#[derive(Debug, Clone, PartialEq)]
pub struct ProviderTarget {
    /// Audiences, at least one.
    pub audiences: Vec<Audience>,
    /// Tags to set.
    pub tags: Tags,
    /// Thumbprints to set.
    pub thumbprints: Vec<ThumbprintSource>,
    /// Whether other audiences are removed.
    pub prune: bool,
}

/// A desired role. Settings that are `None` are left unchanged.
#[derive(Debug, Clone, PartialEq)]
pub struct RoleTarget {
    /// Its name.
    pub name: RoleName,
    /// The service accounts that may assume it.
    pub service_accounts: Vec<ServiceAccountPattern>,
    /// Audiences that tokens must have.
    pub audiences: Vec<Audience>,
    /// Policies to attach.
    pub policy_arns: Option<Vec<PolicyArn>>,
    /// Inline policies.
    pub inline: Option<Documents>,
    /// Customer managed policies.
    pub managed: Option<Documents>,
    /// The permissions boundary.
    pub boundary: Option<PolicyArn>,
    /// Path of a new role.
    pub path: Option<RolePath>,
    /// The maximum session duration, in seconds.
    pub max_session_secs: Option<u32>,
    /// Tags to set.
    pub tags: Option<Tags>,
    /// Whether what was requested earlier is kept, and this is only added.
    pub add: bool,
    /// [`RoleSpec::shared_with`].
    pub shared_with: Option<Vec<IssuerUrl>>,
}

/// The cluster whose pods use the roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkloadTarget {
    /// The connection to it.
    pub connection: Connection,
    /// What gives pods their roles.
    pub injection: Injection,
    /// What happens to ServiceAccounts.
    pub accounts: AccountsMode,
    /// Whether workloads whose pods run without their role are restarted.
    pub restart: bool,
}

/// Defaults for settings that a file omits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Defaults {
    /// Connection to clusters.
    pub connection: Connection,
    /// Region of a bucket.
    pub region: Option<String>,
    /// Whether a published document of a different issuer is replaced.
    pub change_issuer: bool,
    /// Whether published documents that cannot be read are replaced.
    pub replace_unreadable: bool,
    /// [`PlanOptions::drop_live_key`].
    pub drop_live_key: bool,
    /// [`PlanOptions::retire_secs`]; by default [`RETIRE_SECS`].
    pub retire_secs: Option<u64>,
    /// [`OtherCluster::Allow`].
    pub allow_other_cluster: bool,
    /// [`SiteTarget::by`].
    pub by: Option<String>,
}

impl Target {
    /// The connection to the cluster whose pods use the issuer, if one was given: that of the check of
    /// its key, or of its API server. The cluster that a Secret is read from is another.
    #[must_use]
    pub fn cluster_of_pods(&self) -> Option<Connection> {
        let site = self.site.as_ref()?;
        let of_live = site.live.as_ref().map(|live| &live.connection);
        let mut servers = site.keys.iter().filter_map(|source| match source {
            KeySource::ApiServer(connection) => Some(connection),
            _ => None,
        });
        of_live.or_else(|| servers.next()).cloned()
    }

    /// An issuer of a file; paths in the file are relative to `base`.
    ///
    /// Omitted lists are empty, so that what issuerctl added earlier is removed; an omitted path,
    /// permissions boundary or maximum session duration is left unchanged. Keys are never pruned by
    /// a file: a key may be missing by mistake.
    #[must_use]
    pub fn from_issuer(issuer: &Issuer, base: &Path, defaults: &Defaults) -> Self {
        let spec = &issuer.spec;
        let weak = if spec.allow_weak_keys { WeakKeys::Allow } else { WeakKeys::Refuse };
        let site = spec.store.as_ref().map(|store| SiteTarget {
            keys: spec
                .keys
                .iter()
                .map(|source| key_source(issuer, source, base, defaults))
                .collect(),
            store: store_target(store, base, defaults),
            shape: spec.shape,
            options: PlanOptions {
                change_issuer: defaults.change_issuer,
                replace_unreadable: defaults.replace_unreadable,
                weak,
                keep_history: spec.keep_history,
                retire_secs: defaults.retire_secs.unwrap_or(RETIRE_SECS),
                drop_live_key: defaults.drop_live_key,
                ..PlanOptions::default()
            },
            live: None,
            token: None,
            other_cluster: OtherCluster::allow_if(defaults.allow_other_cluster),
            by: defaults.by.clone(),
        });
        let provider = spec.provider.as_ref().map(|provider| ProviderTarget {
            audiences: provider.audiences.clone(),
            tags: provider.tags.clone(),
            thumbprints: provider.thumbprints.clone(),
            prune: false,
        });
        let usual = provider.as_ref().map(|provider| provider.audiences.clone());
        let usual = usual.unwrap_or_else(|| vec![Audience::default()]);
        let role = |role: &issuer_manifest::Role| RoleTarget {
            name: role.name.clone(),
            service_accounts: role.service_accounts.clone(),
            audiences: role.audiences.clone().unwrap_or_else(|| usual.clone()),
            policy_arns: Some(role.policy_arns.clone()),
            inline: Some(role.inline_policies.clone()),
            managed: Some(role.managed_policies.clone()),
            boundary: role.permissions_boundary.clone(),
            path: role.path.clone(),
            max_session_secs: role.max_session_duration,
            tags: Some(role.tags.clone()),
            add: false,
            shared_with: None,
        };
        Self {
            name: Some(issuer.name().to_owned()),
            issuer: spec.issuer.clone(),
            ports: spec.ports(),
            site,
            provider,
            roles: spec.roles.iter().map(role).collect(),
            workload: spec.workload.as_ref().map(|workload| WorkloadTarget {
                connection: connection(&workload.kubeconfig, &workload.context, base, defaults),
                injection: workload.injection,
                accounts: workload.service_accounts,
                restart: workload.restart,
            }),
        }
    }

    /// A target that has only an issuer.
    #[must_use]
    pub fn of(issuer: IssuerUrl) -> Self {
        Self {
            name: None,
            issuer: Some(issuer),
            ports: Ports::Refuse,
            site: None,
            provider: None,
            roles: Vec::new(),
            workload: None,
        }
    }

    /// Its label in messages: its name, its issuer, or its store.
    #[must_use]
    pub fn label(&self) -> String {
        let issuer = || self.issuer.as_ref().map(ToString::to_string);
        let store = || self.site.as_ref().map(|site| site.store.to_string());
        self.name.clone().or_else(issuer).or_else(store).unwrap_or_default()
    }

    /// Whether anything in IAM is managed.
    #[must_use]
    pub fn needs_iam(&self) -> bool {
        self.provider.is_some() || !self.roles.is_empty()
    }

    /// Whether the site is in a bucket of AWS, and not in a compatible store or a folder. Other tools
    /// support no other stores. A provider may trust the bucket even if the target has none: whoever
    /// gets the bucket name could then assume every role.
    #[must_use]
    pub fn is_in_aws(&self) -> bool {
        self.s3().is_some_and(|(_, options)| options.endpoint_url.is_none())
    }

    /// The folder of the site, if it is published to one.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        match &self.site.as_ref()?.store {
            StoreTarget::Folder(folder) => Some(folder),
            StoreTarget::S3(..) => None,
        }
    }

    /// The bucket of the site, if it is published to one.
    #[must_use]
    pub fn s3(&self) -> Option<(&S3Location, &S3Options)> {
        match &self.site.as_ref()?.store {
            StoreTarget::S3(location, options) => Some((location, options)),
            StoreTarget::Folder(_) => None,
        }
    }

    /// Whether a thumbprint of the certificate chain of the issuer is needed.
    #[must_use]
    pub fn needs_top_of_chain(&self) -> bool {
        let mut thumbprints = self.provider.iter().flat_map(|provider| &provider.thumbprints);
        thumbprints.any(|thumbprint| *thumbprint == ThumbprintSource::Auto)
    }

    /// The specification of the provider. `top_of_chain` replaces the thumbprints that are `auto`,
    /// which are omitted without it.
    #[must_use]
    pub fn provider_spec(
        &self,
        issuer: &IssuerUrl,
        top_of_chain: Option<&Thumbprint>,
    ) -> Option<ProviderSpec> {
        let provider = self.provider.as_ref()?;
        let thumbprints = provider.thumbprints.iter().filter_map(|source| match source {
            ThumbprintSource::Auto => top_of_chain.cloned(),
            ThumbprintSource::Given(thumbprint) => Some(thumbprint.clone()),
        });
        Some(ProviderSpec {
            issuer: issuer.clone(),
            audiences: provider.audiences.clone(),
            tags: provider.tags.clone(),
            thumbprints: thumbprints.collect(),
            prune: provider.prune,
        })
    }

    /// The specifications of the roles.
    #[must_use]
    pub fn role_specs(
        &self,
        issuer: &IssuerUrl,
        account: &AccountId,
        partition: Partition,
    ) -> Vec<RoleSpec> {
        let spec = |role: &RoleTarget| RoleSpec {
            name: role.name.clone(),
            trust: Trust {
                partition,
                account: account.clone(),
                issuer: issuer.clone(),
                audiences: role.audiences.clone(),
                service_accounts: role.service_accounts.clone(),
            },
            policy_arns: role.policy_arns.clone(),
            inline: role.inline.clone(),
            managed: role.managed.clone(),
            boundary: role.boundary.clone(),
            path: role.path.clone(),
            max_session_secs: role.max_session_secs,
            tags: role.tags.clone(),
            add: role.add,
            shared_with: role.shared_with.clone(),
            file: self.name.clone(),
        };
        self.roles.iter().map(spec).collect()
    }
}

impl SiteTarget {
    /// A site of which only the store is known.
    #[must_use]
    pub fn of(store: StoreTarget) -> Self {
        Self {
            keys: Vec::new(),
            store,
            shape: Shape::default(),
            options: PlanOptions {
                keep_history: KEEP_HISTORY,
                retire_secs: RETIRE_SECS,
                ..PlanOptions::default()
            },
            live: None,
            token: None,
            other_cluster: OtherCluster::Refuse,
            by: None,
        }
    }
}

impl ProviderTarget {
    /// The permissions that a run needs.
    #[must_use]
    pub fn needs(&self) -> ProviderNeeds {
        ProviderNeeds { prune: self.prune, thumbprints: !self.thumbprints.is_empty() }
    }
}

impl RoleTarget {
    /// The permissions that a run needs; `made` are the customer managed policies that earlier runs
    /// created for the role.
    #[must_use]
    pub fn needs<'a>(&'a self, made: &'a [String]) -> RoleNeeds<'a> {
        RoleNeeds {
            name: &self.name,
            inline: self.inline.as_ref(),
            attached: self.policy_arns.as_deref(),
            managed: self.managed.as_ref(),
            own: made
                .iter()
                .chain(self.managed.iter().flat_map(|all| all.keys()))
                .map(String::as_str)
                .collect(),
            add: self.add,
            boundary: self.boundary.as_ref(),
            session: self.max_session_secs.is_some(),
            tags: self.tags.is_some(),
        }
    }
}

impl std::fmt::Display for StoreTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "{}", folder.display()),
            Self::S3(location, _) => write!(f, "{location}"),
        }
    }
}

/// A key source.
fn key_source(
    issuer: &Issuer,
    source: &FileKeySource,
    base: &Path,
    defaults: &Defaults,
) -> KeySource {
    let connection = |kubeconfig, context| connection(kubeconfig, context, base, defaults);
    match source {
        FileKeySource::File(file) => KeySource::File(path(base, file)),
        FileKeySource::Jwks(JwksSource::File(file)) => {
            KeySource::Jwks(JwksSource::File(path(base, file)))
        }
        FileKeySource::Jwks(source) => KeySource::Jwks(source.clone()),
        FileKeySource::Cluster(cluster) => KeySource::Secret {
            cluster: cluster.name.clone(),
            namespace: issuer.namespace_of(cluster),
            connection: connection(&cluster.kubeconfig, &cluster.context),
        },
        FileKeySource::Apiserver(server) => {
            KeySource::ApiServer(connection(&server.kubeconfig, &server.context))
        }
    }
}

/// A connection without settings of its own is that of the run.
fn connection(
    kubeconfig: &Option<PathBuf>,
    context: &Option<String>,
    base: &Path,
    defaults: &Defaults,
) -> Connection {
    let default = &defaults.connection;
    let of_default = default.context.clone().filter(|_| kubeconfig.is_none());
    let kubeconfig = kubeconfig.as_deref().map(|file| path(base, file));
    Connection {
        kubeconfig: kubeconfig.or_else(|| default.kubeconfig.clone()),
        context: context.clone().or(of_default),
    }
}

fn store_target(store: &StoreSpec, base: &Path, defaults: &Defaults) -> StoreTarget {
    match store {
        StoreSpec::Folder(folder) => StoreTarget::Folder(path(base, folder)),
        StoreSpec::S3(s3) => {
            let options = S3Options {
                region: s3.region.clone().or_else(|| defaults.region.clone()),
                // Only the file says that a bucket is not in AWS; the endpoint of the run is added when
                // the store is connected.
                endpoint_url: s3.endpoint_url.clone(),
                path_style: s3.path_style,
                expected_bucket_owner: s3.expected_bucket_owner.as_ref().map(ToString::to_string),
                max_age_secs: s3.max_age,
                access: s3.access,
                shared_bucket: s3.shared_bucket,
                certificate_arn: s3.certificate_arn.clone(),
                create_bucket: s3.create_bucket,
                unconditional: s3.unconditional,
            };
            StoreTarget::S3(s3.location(), options)
        }
    }
}

/// Joins a path; `-` in a file is a file name, not standard input.
fn path(base: &Path, file: &Path) -> PathBuf {
    if base.as_os_str().is_empty() && file == Path::new("-") {
        Path::new(".").join(file)
    } else {
        base.join(file)
    }
}
