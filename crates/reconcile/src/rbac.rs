//! What a run has to be allowed in its clusters.

use issuer_change::Notice;
use issuer_cluster::Connection;
use issuer_publish::Purpose;
use issuer_workload::{Rbac, Run};

use crate::{Error, Event, KeySource, Reconciler, Scope, Target, workload};

/// The rules that one issuer needs in one cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterNeeds {
    /// The name of the issuer.
    pub name: String,
    /// The cluster.
    pub connection: Connection,
    /// What the run is allowed there.
    pub rbac: Rbac,
}

/// The least rules of a run for this purpose, by issuer and cluster. A cluster that cannot be read is
/// taken to have everything that the file names, and nothing else.
///
/// # Errors
/// An issuer URL that is not known.
pub async fn cluster_permissions(
    reconciler: &Reconciler<'_>,
    targets: &[Target],
    purpose: Purpose,
) -> Result<Vec<ClusterNeeds>, Error> {
    let mut all: Vec<ClusterNeeds> = Vec::new();
    for target in targets {
        for (connection, rbac) in of_target(reconciler, target, purpose).await? {
            let name = target.label();
            let same =
                |needs: &&mut ClusterNeeds| needs.connection == connection && needs.name == name;
            match all.iter_mut().find(same) {
                Some(needs) => needs.rbac.extend(rbac),
                None if rbac.is_empty() => {}
                None => all.push(ClusterNeeds { name, connection, rbac }),
            }
        }
    }
    Ok(all)
}

async fn of_target(
    reconciler: &Reconciler<'_>,
    target: &Target,
    purpose: Purpose,
) -> Result<Vec<(Connection, Rbac)>, Error> {
    let mut all = Vec::new();
    if purpose != Purpose::Remove {
        let sources = || target.site.iter().flat_map(|site| &site.keys);
        all.extend(sources().filter_map(of_source));
        if sources().any(|source| matches!(source, KeySource::Secret { .. })) {
            let looked_up = reconciler.looked_up(target).await;
            let is = |source: &&KeySource| {
                looked_up.as_ref().is_none_or(|looked_up| looked_up.contains(source))
            };
            all.extend(sources().filter(is).filter_map(of_lookup));
        }
    }
    if let Some(workload) = &target.workload {
        let url = reconciler.issuer(target).await?;
        let (run, scope) = match purpose {
            Purpose::Publish => (Run::Apply, Scope::apply(false)),
            Purpose::Remove => (Run::Delete, Scope::delete(false, false)),
            _ => (Run::Plan, Scope::apply(false)),
        };
        let seen = match reconciler.observe_workload(target, &url, scope).await {
            Ok(seen) => seen,
            Err(error) => {
                let message = format!(
                    "the cluster was not read, so the rules are for whatever the file may mean: {error}"
                );
                let notice = Notice { id: "cluster-not-read".into(), message };
                reconciler.event(target, Event::Notice(&notice));
                None
            }
        };
        let spec = workload::unresolved(target, workload, &url);
        let rbac = issuer_workload::permissions(&spec, seen.as_ref().map(|(_, state)| state), run);
        all.push((workload.connection.clone(), rbac));
    }
    Ok(all)
}

/// The objects of the management cluster that say which issuer a cluster has. The name of its
/// KubeadmControlPlane is only known from its Cluster.
fn of_lookup(source: &KeySource) -> Option<(Connection, Rbac)> {
    let KeySource::Secret { cluster, namespace, connection } = source else { return None };
    let mut rbac = Rbac::default();
    let (namespace, name) = (namespace.to_string(), cluster.as_str());
    for (group, resource, name) in [
        ("anywhere.eks.amazonaws.com", "clusters", Some(name)),
        ("cluster.x-k8s.io", "clusters", Some(name)),
        ("controlplane.cluster.x-k8s.io", "kubeadmcontrolplanes", None),
    ] {
        rbac.allow(Some(&namespace), (group, resource), &["get"], name);
    }
    Some((connection.clone(), rbac))
}

fn of_source(source: &KeySource) -> Option<(Connection, Rbac)> {
    let mut rbac = Rbac::default();
    match source {
        KeySource::Secret { cluster, namespace, connection } => {
            let name = format!("{cluster}-sa");
            let namespace = namespace.to_string();
            rbac.allow(Some(&namespace), ("", "secrets"), &["get"], Some(&name));
            Some((connection.clone(), rbac))
        }
        KeySource::ApiServer(connection) => {
            rbac.allow_path("/openid/v1/jwks");
            rbac.allow_path("/.well-known/openid-configuration");
            Some((connection.clone(), rbac))
        }
        KeySource::File(_) | KeySource::Jwks(_) => None,
    }
}
