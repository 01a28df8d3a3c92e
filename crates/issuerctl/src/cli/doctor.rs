//! `doctor`: why pods do not get their role.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use issuer_cluster::{ClusterName, Connection, Namespace, ServiceAccountRef};

use super::site::PortArgs;
use super::{AwsArgs, FileArgs, KubeArgs};

/// Find out why pods do not get their AWS role: one cause, and its fix
///
/// Looks at the cluster, the issuer's documents, the ServiceAccount, the webhook or policy, the pods,
/// and IAM, exchanges a fresh token with AWS STS, and names the first thing that is wrong. What is not
/// given is learnt. Nothing is changed: it reads, requests a token, and creates a pod by dry run only.
/// With fewer permissions it makes fewer checks, and says which permission each of the others needs.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  issuerctl doctor --service-account default/app
  issuerctl doctor --pod default/app-6d5f9c7b8d-x7k2p --verbose
  issuerctl doctor -f issuer.yaml --service-account default/app \\
      --management-kubeconfig mgmt.kubeconfig --cluster prod
  issuerctl doctor --issuer https://oidc.example.com/prod \\
      --role arn:aws:iam::111122223333:role/app --service-account default/app")]
pub(crate) struct DoctorArgs {
    /// Issuer file: issuer, bucket and roles are those that it declares
    #[arg(long, short, value_name = "FILE|-", conflicts_with = "issuer", value_hint = ValueHint::FilePath)]
    file: Option<PathBuf>,
    /// Issuer URL [default: the one that the cluster signs with]
    #[arg(long, value_name = "URL")]
    pub(crate) issuer: Option<String>,
    /// ServiceAccount whose pods should get a role [default: a table of all that have one]
    #[arg(long, value_name = "NS/NAME", conflicts_with = "pod")]
    pub(crate) service_account: Option<ServiceAccountRef>,
    /// Pod that should get a role
    #[arg(long, value_name = "NS/NAME")]
    pub(crate) pod: Option<ServiceAccountRef>,
    /// ARN of the role [default: that of the annotation or the pod]
    #[arg(long, value_name = "ARN")]
    pub(crate) role: Option<String>,
    /// Audience of the pods' tokens [default: that of the annotation or the webhook]
    #[arg(long, value_name = "AUD")]
    pub(crate) audience: Option<issuer_iam::Audience>,
    #[command(flatten)]
    pub(crate) kube: KubeArgs,
    /// Kubeconfig file of the management cluster (EKS Anywhere, Cluster API)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    management_kubeconfig: Option<PathBuf>,
    /// Kubeconfig context of the management cluster
    #[arg(long, value_name = "NAME")]
    management_context: Option<String>,
    /// Name of the cluster on its management cluster
    #[arg(long, value_name = "NAME")]
    pub(crate) cluster: Option<ClusterName>,
    /// Namespace of the cluster on its management cluster
    #[arg(long, value_name = "NS", requires = "cluster")]
    pub(crate) namespace: Option<Namespace>,
    /// Bucket of the documents, whose endpoint --endpoint-url then is [default: that of the issuer's
    /// host, if it is one of S3]
    #[arg(long, value_name = "s3://BUCKET[/PREFIX]")]
    pub(crate) store: Option<String>,
    /// Use path-style URLs: the bucket name in the path, not in the host name
    #[arg(long)]
    pub(crate) path_style: bool,
    #[command(flatten)]
    pub(crate) ports: PortArgs,
    /// Do not create a pod by dry run
    #[arg(long)]
    pub(crate) no_dry_run: bool,
    /// Do not exchange a fresh token with AWS STS
    #[arg(long)]
    pub(crate) no_exchange: bool,
    /// Print the Roles and ClusterRoles that this run needs in its cluster, and exit
    #[arg(long, conflicts_with = "print_iam_policy")]
    pub(crate) print_rbac: bool,
    #[command(flatten)]
    pub(crate) aws: AwsArgs,
}

impl DoctorArgs {
    pub(crate) fn file(&self) -> Option<FileArgs> {
        let file = vec![self.file.clone()?];
        Some(FileArgs { file, ..FileArgs::default() })
    }

    /// The connection to the management cluster, if one was given.
    pub(crate) fn management(&self) -> Option<Connection> {
        let given = self.management_kubeconfig.is_some() || self.management_context.is_some();
        let connection = Connection {
            kubeconfig: self.management_kubeconfig.clone().or_else(|| self.kube.kubeconfig.clone()),
            context: self.management_context.clone(),
        };
        given.then_some(connection)
    }
}
