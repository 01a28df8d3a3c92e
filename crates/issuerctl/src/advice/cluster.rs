//! Errors of clusters.

use issuer_cluster::{LiveFault, Object};

use super::{Setting, Surface, jwks};

pub(super) fn cluster(error: &issuer_cluster::Error, surface: Surface) -> Option<String> {
    use issuer_cluster::Error as E;
    let setting = |setting| surface.setting(setting);
    Some(match error {
        E::ReadKubeconfig { .. } | E::Kubeconfig { .. } | E::NoConfiguration => {
            "--kubeconfig FILE names a kubeconfig file".to_owned()
        }
        E::NoContext { .. } | E::NoCurrentContext { .. } => {
            "name an existing context with --context".to_owned()
        }
        E::NotFound { object: Object::Secret, .. } => format!(
            "the namespace is set with {}; {} reads the keys from the API server instead",
            setting(Setting::Namespace),
            setting(Setting::ApiServer)
        ),
        E::NotFound { object: Object::ServiceAccount, .. } if surface == Surface::Flags => {
            "for --check-live, --live-kubeconfig and --live-context name the workload cluster: \
             --cluster reads the keys from the management cluster"
                .to_owned()
        }
        E::NotFound { object: Object::Endpoint, .. } => format!(
            "use {} or {} instead",
            setting(Setting::Key("FILE")),
            setting(Setting::Cluster)
        ),
        E::Keys { source, .. } => jwks(source, surface)?,
        _ => return None,
    })
}

pub(super) fn live(fault: &LiveFault, surface: Surface) -> Option<String> {
    let setting = |setting| surface.setting(setting);
    Some(match fault {
        LiveFault::WrongKey { .. } => {
            let token = match surface {
                Surface::Flags => {
                    "--live-kubeconfig and --live-context select the cluster of the token"
                }
                Surface::File => "--token names a file with a token of the cluster",
            };
            format!(
                "add the key with {}, or all keys of the API server with {}; {token}, and \
                 --drop-live-key publishes without it",
                setting(Setting::Key("FILE")),
                setting(Setting::ApiServer)
            )
        }
        LiveFault::Signature(_) => {
            format!("use {} or the right sa.pub", setting(Setting::ApiServer))
        }
        LiveFault::WrongIssuer { .. } => format!("or set {}", setting(Setting::Issuer)),
        _ => return None,
    })
}
