//! Which field of an object an error is about. The hints of the libraries are about keys, Kubernetes and
//! AWS, and know of no object; what needs a decision that an object cannot express is a command.

use issuer_diagnostic::Diagnostic as _;
use issuer_reconcile::{Error, MissingPolicy};

use crate::object::Key;

/// The field to set, or the command to run once.
pub(crate) fn of(key: &Key, error: &Error) -> Option<String> {
    use issuer_publish::Error as P;
    let once = |option: &str| {
        let Key { namespace, name } = key;
        format!(
            "run `kubectl get serviceaccountissuer {name} --namespace {namespace} --output yaml > FILE` and \
             `issuerctl apply -f FILE {option}` once, with a kubeconfig of this cluster"
        )
    };
    Some(match error {
        Error::OtherCluster { .. } => {
            format!(
                "correct spec.keys, or, if this is the right cluster, {}",
                once("--allow-other-cluster")
            )
        }
        Error::Iam(issuer_iam::Error::Shared { role, .. }) => format!(
            "give spec.roles[] a name of its own; objects of one namespace may share a role, and with an \
             issuer that none of them has, a person decides with `issuerctl role apply {role} --issuer URL \
             --service-account NAMESPACE/NAME`, where URL is the issuer of this object"
        ),
        Error::MissingPolicies(missing) => {
            let fields: Vec<String> = missing.iter().map(MissingPolicy::path).collect();
            format!(
                "correct {}, or create the policy (`aws iam create-policy`); spec.roles[].managedPolicies \
                 creates policies from their documents",
                fields.join(", ")
            )
        }
        Error::Cluster(issuer_cluster::Error::NotFound { .. }) => {
            "spec.keys[].cluster.name names the cluster NAME of a Secret NAME-sa in the namespace of this \
             object; spec.keys[].apiserver reads the keys of the controller's own cluster"
                .to_owned()
        }
        Error::Cluster(issuer_cluster::Error::Forbidden { .. }) => {
            "the administrator of the controller permits Secrets by name: controller.secrets in the chart"
                .to_owned()
        }
        Error::Workload(issuer_workload::Error::NotPermitted { account, .. }) => {
            let namespace = account.split('/').next().unwrap_or_default();
            format!(
                "the administrator of the controller permits the namespace {namespace} with \
                 controller.workload.namespaces in the chart; otherwise remove {account} from \
                 spec.roles[].serviceAccounts, or set spec.workload.serviceAccounts: leave if something else \
                 annotates it"
            )
        }
        Error::Workload(issuer_workload::Error::Cluster(
            issuer_cluster::Error::Forbidden { .. },
        )) => "the administrator of the controller permits spec.workload with \
               controller.workload.enabled, and the namespaces of the ServiceAccounts with \
               controller.workload.namespaces, in the chart; if something else gives pods their roles, set \
               spec.workload.injection: none"
            .to_owned(),
        Error::Workload(issuer_workload::Error::NoPolicies) => {
            "Kubernetes 1.36 serves it, and 1.34 and 1.35 do with \
             --feature-gates=MutatingAdmissionPolicy=true and \
             --runtime-config=admissionregistration.k8s.io/v1beta1=true; otherwise install the pod identity \
             webhook, which the controller does not install (`issuerctl render webhook`), and set \
             spec.workload.injection: none"
                .to_owned()
        }
        Error::Publish(P::Credentials { code, .. })
        | Error::Iam(issuer_iam::Error::Credentials { code, .. })
        | Error::CloudFront(issuer_cloudfront::Error::Credentials { code, .. }) => {
            // What AWS says of a key has its own hint; what a shell has to look at is not here.
            let of_key = error.hint().filter(|_| code.is_some());
            let of_key = of_key.map(|hint| format!("{hint}; ")).unwrap_or_default();
            format!(
                "{of_key}the administrator of the controller gives it its credentials with aws.roleArn or \
                 aws.secret in the chart, and those for the time in which AWS STS refuses the token of its pod \
                 with aws.fallbackSecret (docs/running.md)"
            )
        }
        Error::Publish(error) => match error {
            P::NoBucket { .. } => "set spec.store.s3.createBucket: true to create it".to_owned(),
            P::NoRegion { .. } => "set spec.store.s3.region".to_owned(),
            P::OtherRegion { actual, .. } => format!("set spec.store.s3.region: {actual}"),
            P::NoPolicies { .. } => "set spec.store.s3.access: acl, or none if the store makes the \
                                     objects public by itself"
                .to_owned(),
            P::NoAcls { .. } => "remove spec.store.s3.access: acl".to_owned(),
            P::WouldExpose { .. } => {
                "set spec.store.s3.access: none if something else serves the bucket".to_owned()
            }
            P::WouldHide { .. } => "set spec.store.s3.access: acl to keep the ACLs".to_owned(),
            P::AccountBlocks { .. } => "set spec.store.s3.access: cloudfront for a private bucket, or none \
                                        and spec.issuer for one that something else serves"
                .to_owned(),
            P::PolicyTooLarge { .. } => "set spec.store.s3.sharedBucket: true".to_owned(),
            P::NoIssuer { .. } => "set spec.issuer".to_owned(),
            P::NoConditionalWrites { .. } | P::IgnoredConditions { .. } => {
                "set spec.store.s3.unconditional: true, as long as nothing else writes there".to_owned()
            }
            P::Unreadable { .. } => once("--replace-unreadable"),
            P::OtherKeys { .. } | P::OtherIssuer { .. } => format!(
                "correct spec.store or spec.issuer; if the document is to be replaced, {}",
                once("--change-issuer")
            ),
            _ => return None,
        },
        _ => return None,
    })
}
