//! `render kubeadm` and the other distributions: the API server's configuration.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use issuer_cluster::Namespace;
use issuer_distribution::Distribution;

use super::KubeArgs;

/// The configuration of the API server, so that its tokens name the issuer.
#[derive(Debug, Subcommand)]
pub(crate) enum DistributionCommand {
    /// Print the lines of kubeadm's ClusterConfiguration that set the issuer
    #[command(after_help = "\
Examples:
  issuerctl render kubeadm --issuer https://oidc.example.com/prod
  issuerctl render kubeadm -f issuer.yaml --into kubeadm.yaml --write \\
      --keep-issuer https://kubernetes.default.svc.cluster.local
  issuerctl render kubeadm -f issuer.yaml --from-cluster > patch.yaml")]
    Kubeadm(ClusterDistributionArgs),
    /// Print the lines of the EKS Anywhere Cluster that set the issuer
    ///
    /// EKS Anywhere holds one issuer: the issuer before it is no longer accepted.
    #[command(after_help = "\
Examples:
  issuerctl render eks-anywhere -f issuer.yaml --into prod.yaml
  issuerctl render eks-anywhere -f issuer.yaml --from-cluster --name prod \\
      > patch.yaml")]
    EksAnywhere(ClusterDistributionArgs),
    /// Print the lines of Cluster API's KubeadmControlPlane that set the issuer
    #[command(after_help = "\
Examples:
  issuerctl render cluster-api -f issuer.yaml --into prod.yaml --name prod-cp")]
    ClusterApi(ClusterDistributionArgs),
    /// Print the lines of a Talos machine configuration that set the issuer
    #[command(after_help = "\
Examples:
  issuerctl render talos -f issuer.yaml --into controlplane.yaml \\
      --keep-issuer https://10.1.2.3:6443")]
    Talos(DistributionArgs),
    /// Print the lines of k3s's config.yaml that set the issuer
    #[command(after_help = "\
Examples:
  issuerctl render k3s -f issuer.yaml \\
      --into /etc/rancher/k3s/config.yaml --write")]
    K3s(DistributionArgs),
    /// Print the lines of RKE2's config.yaml that set the issuer
    #[command(after_help = "\
Examples:
  issuerctl render rke2 -f issuer.yaml \\
      --into /etc/rancher/rke2/config.yaml --write")]
    Rke2(DistributionArgs),
    /// Print the lines of the kops Cluster that set the issuer
    #[command(after_help = "\
Examples:
  kops get -o yaml |
      issuerctl render kops -f issuer.yaml --into - > cluster.yaml")]
    Kops(DistributionArgs),
    /// Print the lines of k0s's ClusterConfig that set the issuer
    #[command(after_help = "\
Examples:
  issuerctl render k0s -f issuer.yaml --into /etc/k0s/k0s.yaml --write")]
    K0s(DistributionArgs),
    /// Print the arguments of MicroK8s's API server that set the issuer
    #[command(after_help = "\
Examples:
  issuerctl render microk8s -f issuer.yaml \\
      --into /var/snap/microk8s/current/args/kube-apiserver --write")]
    #[command(name = "microk8s")]
    MicroK8s(DistributionArgs),
}

impl DistributionCommand {
    pub(crate) fn parts(&self) -> (Distribution, &DistributionArgs) {
        match self {
            Self::Kubeadm(args) => (Distribution::Kubeadm, &args.render),
            Self::EksAnywhere(args) => (Distribution::EksAnywhere, &args.render),
            Self::ClusterApi(args) => (Distribution::ClusterApi, &args.render),
            Self::Talos(args) => (Distribution::Talos, args),
            Self::K3s(args) => (Distribution::K3s, args),
            Self::Rke2(args) => (Distribution::Rke2, args),
            Self::Kops(args) => (Distribution::Kops, args),
            Self::K0s(args) => (Distribution::K0s, args),
            Self::MicroK8s(args) => (Distribution::MicroK8s, args),
        }
    }

    /// Where the configuration is read, if from a cluster.
    pub(crate) fn cluster(&self) -> Option<&FromClusterArgs> {
        match self {
            Self::Kubeadm(args) | Self::EksAnywhere(args) | Self::ClusterApi(args) => {
                Some(&args.cluster).filter(|cluster| cluster.from_cluster)
            }
            _ => None,
        }
    }
}

/// The same for a distribution that keeps its configuration in a cluster.
#[derive(Debug, Args)]
pub(crate) struct ClusterDistributionArgs {
    #[command(flatten)]
    pub(crate) render: DistributionArgs,
    #[command(flatten)]
    pub(crate) cluster: FromClusterArgs,
}

#[derive(Debug, Args)]
pub(crate) struct FromClusterArgs {
    /// Read the configuration from the cluster, and print the change for `kubectl patch`; nothing is
    /// written to the cluster
    #[arg(long, conflicts_with_all = ["into", "write"])]
    pub(crate) from_cluster: bool,
    /// Namespace of the object on the management cluster
    #[arg(long, value_name = "NAME", default_value = "default", requires = "from_cluster")]
    pub(crate) namespace: Namespace,
    #[command(flatten)]
    pub(crate) kube: KubeArgs,
}

/// Which issuers, and where they are written.
#[derive(Debug, Args)]
pub(crate) struct DistributionArgs {
    #[command(flatten)]
    pub(crate) source: IssuerSource,
    /// Region of the bucket, if the file has neither it nor the issuer
    #[arg(long, value_name = "R", requires = "file")]
    pub(crate) region: Option<String>,
    /// Issuer whose tokens stay accepted (repeatable)
    #[arg(long, value_name = "URL")]
    pub(crate) keep_issuer: Vec<String>,
    /// Issuer whose tokens are no longer accepted (repeatable)
    #[arg(long, value_name = "URL")]
    pub(crate) drop_issuer: Vec<String>,
    /// Kubernetes version of the cluster, if the file does not have it
    #[arg(long, value_name = "VERSION")]
    pub(crate) kubernetes_version: Option<String>,
    /// Name of the cluster, if the file has several
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Existing configuration: print it with the change made, or - for standard input
    #[arg(long, value_name = "FILE|-", value_hint = ValueHint::FilePath)]
    pub(crate) into: Option<PathBuf>,
    /// Change the file in place
    #[arg(long, requires = "into")]
    pub(crate) write: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct IssuerSource {
    /// Issuer URL that the API server is to sign with
    #[arg(long, value_name = "URL")]
    pub(crate) issuer: Option<String>,
    /// File with the issuer, or - for standard input
    #[arg(long, short, value_name = "FILE|-", value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,
}
