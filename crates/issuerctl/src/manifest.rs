//! `-f FILE|-`: from the file to its issuers, with every path made relative to the file.

use std::path::{Path, PathBuf};

use issuer_cluster::Connection;
use issuer_iam::policies::{ProviderNeeds, RoleNeeds};
use issuer_jwks::WeakKeys;
use issuer_manifest::{Issuer, KeySource, Role, StoreSpec};
use issuer_publish::{PlanOptions, S3Location, S3Options};

use crate::cli::{AwsArgs, FileArgs, KubeArgs};
use crate::failure::{Exit, Failure};
use crate::files;
use crate::sources::Source;

/// One issuer of a file.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    pub(crate) issuer: Issuer,
    /// The folder of the file.
    base: PathBuf,
}

/// Reads every file that was given.
///
/// # Errors
/// A file that cannot be read or understood; two issuers of one name.
pub(crate) fn read(args: &FileArgs) -> Result<Vec<Document>, Failure> {
    if args.file.iter().filter(|path| files::is_stdin(path)).count() > 1 {
        return Err(Failure::new(
            Exit::Usage,
            "standard input can be read once, and `-` was given more often",
        ));
    }
    let mut documents: Vec<Document> = Vec::new();
    for path in &args.file {
        let name = files::name_of(path);
        let invalid = || format!("{name} is not a valid issuer file");
        let refuse =
            |error: &dyn std::error::Error| Failure::while_doing(Exit::BadInput, invalid(), error);
        let text =
            String::from_utf8(files::read(path)?).map_err(|error| refuse(&error.utf8_error()))?;
        let base = path
            .parent()
            .filter(|_| !files::is_stdin(path))
            .map(Path::to_owned)
            .unwrap_or_default();
        for issuer in
            issuer_manifest::parse(&text).map_err(|error| Failure::because(invalid(), &error))?
        {
            if documents.iter().any(|document| document.issuer.name() == issuer.name()) {
                return Err(Failure::new(
                    Exit::BadInput,
                    format!("two issuers have the name {}", issuer.name()),
                ));
            }
            documents.push(Document { issuer, base: base.clone() });
        }
    }
    issuer_manifest::agree(&documents.iter().map(|document| &document.issuer).collect::<Vec<_>>())?;
    Ok(documents)
}

impl Document {
    /// Where the keys come from; a cluster that the file does not say how to reach is the one of
    /// the command line.
    pub(crate) fn sources(&self, kube: &KubeArgs) -> Vec<Source> {
        let connection = |kubeconfig: &Option<PathBuf>, context: &Option<String>| Connection {
            kubeconfig: kubeconfig
                .as_deref()
                .map(|path| self.path(path))
                .or_else(|| kube.kubeconfig.clone()),
            context: context
                .clone()
                .or_else(|| kube.context.clone().filter(|_| kubeconfig.is_none())),
        };
        let source = |source: &KeySource| match source {
            KeySource::File(path) => Source::Key(self.path(path)),
            KeySource::Jwks(path) => Source::Jwks(self.path(path)),
            KeySource::Cluster(cluster) => Source::Secret {
                cluster: cluster.name.clone(),
                namespace: cluster.namespace.clone(),
                connection: connection(&cluster.kubeconfig, &cluster.context),
            },
            KeySource::Apiserver(server) => {
                Source::ApiServer(connection(&server.kubeconfig, &server.context))
            }
        };
        self.issuer.spec.keys.iter().map(source).collect()
    }

    /// The folder that the site is published to, where it is one.
    pub(crate) fn folder(&self) -> Option<PathBuf> {
        match &self.issuer.spec.store {
            Some(StoreSpec::Folder(folder)) => Some(self.path(folder)),
            _ => None,
        }
    }

    /// The bucket that it is published to, where it is one, and how that is reached.
    ///
    /// # Errors
    /// Certificates that cannot be read.
    pub(crate) fn s3(&self, aws: &AwsArgs) -> Result<Option<(S3Location, S3Options)>, Failure> {
        let Some(StoreSpec::S3(s3)) = &self.issuer.spec.store else { return Ok(None) };
        let options = S3Options {
            region: self.region(aws),
            profile: aws.profile.clone(),
            endpoint_url: s3.endpoint_url.clone().or_else(|| aws.endpoint_url.clone()),
            path_style: s3.path_style,
            expected_bucket_owner: s3.expected_bucket_owner.as_ref().map(ToString::to_string),
            max_age_secs: s3.max_age,
            access: s3.access,
            create_bucket: s3.create_bucket,
            extra_roots_pem: aws.tls.ca_file.as_deref().map(files::read).transpose()?,
        };
        Ok(Some((s3.location(), options)))
    }

    /// That of the file, or else of the command line.
    pub(crate) fn region(&self, aws: &AwsArgs) -> Option<String> {
        let region = match &self.issuer.spec.store {
            Some(StoreSpec::S3(s3)) => s3.region.clone(),
            _ => None,
        };
        region.or_else(|| aws.region.clone())
    }

    /// How the site is planned. Keys are never pruned by a file: one may be missing from it by
    /// mistake.
    pub(crate) fn plan_options(&self, change_issuer: bool) -> PlanOptions {
        PlanOptions { change_issuer, weak: self.weak(), ..PlanOptions::default() }
    }

    pub(crate) fn weak(&self) -> WeakKeys {
        if self.issuer.spec.allow_weak_keys { WeakKeys::Allow } else { WeakKeys::Refuse }
    }

    /// Whether anything in IAM is seen to.
    pub(crate) fn needs_iam(&self) -> bool {
        self.issuer.spec.provider.is_some() || !self.issuer.spec.roles.is_empty()
    }

    /// What `apply` may do with the provider.
    pub(crate) fn provider_needs(&self) -> ProviderNeeds {
        let provider = self.issuer.spec.provider.as_ref();
        ProviderNeeds {
            prune: false,
            thumbprints: provider.is_some_and(|provider| !provider.thumbprints.is_empty()),
        }
    }

    /// What `apply` may do with a role: lists that the file leaves out may have had something
    /// earlier.
    pub(crate) fn role_needs(role: &Role) -> RoleNeeds<'_> {
        RoleNeeds {
            name: &role.name,
            inline: true,
            attached: true,
            managed: Some(&role.managed_policies),
            boundary: role.permissions_boundary.is_some(),
            session: role.max_session_duration.is_some(),
            tags: true,
        }
    }

    /// Whether a provider may trust a bucket of ours although the file has none: whoever takes its
    /// name then has every role.
    pub(crate) fn is_trusted_by_name(&self) -> bool {
        matches!(&self.issuer.spec.store, Some(StoreSpec::S3(s3)) if s3.endpoint_url.is_none())
    }

    fn path(&self, path: &Path) -> PathBuf {
        // `-` in a file is a name, and not standard input.
        if self.base.as_os_str().is_empty() && files::is_stdin(path) {
            Path::new(".").join(path)
        } else {
            self.base.join(path)
        }
    }
}
