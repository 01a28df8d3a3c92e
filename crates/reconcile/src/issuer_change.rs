//! Reading what a move from one issuer URL to another is judged by.

use std::collections::BTreeMap;

use issuer_cluster::{Cluster, Connection};
use issuer_diagnostic::{Check, now_secs, one_line};
use issuer_discovery::IssuerUrl;
use issuer_iam::{DEFAULT_AUDIENCE, ProviderArn, TrustingRole};
use issuer_jwks::{JwkSet, WeakKeys};
use issuer_migration::{Facts, Known, Providers, TrustedRole, api_servers, token_pods};
use issuer_verify::{Expected, Fetched};
use serde_json::Value;

use crate::{Error, Reconciler, Target};

impl Reconciler<'_> {
    /// Reads the documents, providers and roles of both issuers, and the cluster; what cannot be read is
    /// unknown, with its reason. `target` is what a file declares of the new issuer.
    pub async fn issuer_change(
        &self,
        connection: &Connection,
        target: Option<&Target>,
        from: &IssuerUrl,
        to: &IssuerUrl,
    ) -> Facts {
        let (in_cluster, in_iam, new, old) = tokio::join!(
            cluster(connection),
            self.providers_and_roles(from, to),
            issuer_verify::fetch(to, &self.shared.fetch),
            issuer_verify::fetch(from, &self.shared.fetch),
        );
        let (providers, roles) = match in_iam {
            Ok((providers, old, new)) => {
                (Known::Seen(providers), Known::Seen(merged(old, new, target)))
            }
            Err(error) => {
                let reason = one_line(&error);
                (Known::Unknown(reason.clone()), Known::Unknown(reason))
            }
        };
        let audiences = match &providers {
            Known::Seen(Providers { old: Some(old), .. }) => old.clone(),
            _ => vec![DEFAULT_AUDIENCE.to_owned()],
        };
        let (keys, cluster) = match in_cluster {
            Ok((keys, signing, pods)) => {
                let pods = issuer_migration::Cluster {
                    signing,
                    servers: api_servers(&pods),
                    pods: token_pods(&pods, &audiences),
                };
                (Some(keys), Known::Seen(pods))
            }
            Err(error) => (None, Known::Unknown(one_line(&error))),
        };
        let expected = Expected {
            issuer: Some(to.clone()),
            keys,
            now_secs: now_secs(),
            weak: WeakKeys::Allow,
            ..Expected::default()
        };
        let documents = match new {
            Ok(seen) => {
                let verdict = issuer_verify::judge(&seen, &expected);
                Known::Seen(verdict.checks.into_iter().find(Check::failed))
            }
            Err(error) => Known::Unknown(one_line(&error)),
        };
        let old_documents = match old {
            Ok(seen) => is_published(from, &seen.discovery),
            Err(error) => Known::Unknown(one_line(&error)),
        };
        let now_secs = expected.now_secs;
        Facts { documents, old_documents, providers, roles, cluster, now_secs }
    }

    /// The providers of both issuers, and the roles that trust the old and the new one.
    async fn providers_and_roles(
        &self,
        from: &IssuerUrl,
        to: &IssuerUrl,
    ) -> Result<(Providers, Vec<TrustingRole>, Vec<TrustingRole>), Error> {
        let iam = self.iam().await?;
        let (old, new, roles) = tokio::join!(
            iam.find_provider_alone(from),
            iam.find_provider_alone(to),
            iam.list_roles()
        );
        let arn = |url| ProviderArn::new(iam.partition(), iam.account(), url);
        // IAM has no provider for a URL with a port.
        let trusting = |arn: Option<ProviderArn>| match (&roles, arn) {
            (Ok(roles), Some(arn)) => roles.trusting(Some(&arn)),
            _ => Vec::new(),
        };
        let (old_roles, new_roles) = (trusting(arn(from).ok()), trusting(Some(arn(to)?)));
        if let Err(error) = roles {
            return Err(error.into());
        }
        let audiences = |state: issuer_iam::ProviderState| state.provider.map(|one| one.audiences);
        let old = if arn(from).is_ok() { audiences(old?) } else { None };
        Ok((Providers { old, new: audiences(new?) }, old_roles, new_roles))
    }
}

/// Whether the old issuer still has its discovery document. Only an answer that it does not says so:
/// where its name is not resolved, or a proxy does not let it through, somebody else can read it.
fn is_published(from: &IssuerUrl, discovery: &Fetched) -> Known<bool> {
    // The default issuers of distributions are names within the cluster.
    if from.host().split('.').any(|label| label == "svc") {
        return Known::Seen(false);
    }
    match &discovery.outcome {
        Ok(answer) => match answer.status {
            200 => Known::Seen(true),
            403 | 404 | 410 => Known::Seen(false),
            status => Known::Unknown(format!("its server answered {status}")),
        },
        Err(_) => Known::Unknown("its server could not be asked from here".to_owned()),
    }
}

/// The keys of the API server, its issuer, and all pods.
async fn cluster(connection: &Connection) -> Result<(JwkSet, String, Vec<Value>), Error> {
    let cluster = Cluster::connect(connection).await?;
    let (served, pods) =
        tokio::join!(cluster.served(WeakKeys::Allow), cluster.list("/api/v1/pods", "", "pods"));
    let served = served?;
    Ok((served.keys, served.issuer, pods?))
}

/// One entry for each role: those that trust one of the issuers, or will.
fn merged(
    old: Vec<TrustingRole>,
    new: Vec<TrustingRole>,
    target: Option<&Target>,
) -> Vec<TrustedRole> {
    let mut roles = BTreeMap::<String, TrustedRole>::new();
    for role in old {
        let entry = roles.entry(role.name).or_default();
        entry.old = role.subjects;
        entry.is_ours = role.is_ours;
    }
    for role in new {
        roles.entry(role.name).or_default().new = role.subjects;
    }
    for role in target.iter().flat_map(|target| &target.roles) {
        let accounts = role.service_accounts.iter().map(ToString::to_string);
        roles.entry(role.name.to_string()).or_default().requested = accounts.collect();
    }
    let named = |(name, role)| TrustedRole { name, ..role };
    roles.into_iter().map(named).collect()
}
