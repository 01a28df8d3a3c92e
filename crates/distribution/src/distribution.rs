//! The distributions.

use std::fmt;

/// A way to run Kubernetes that has its own configuration of the API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Distribution {
    /// kubeadm: `ClusterConfiguration`.
    Kubeadm,
    /// Amazon EKS Anywhere: `Cluster`.
    EksAnywhere,
    /// Cluster API: `KubeadmControlPlane`.
    ClusterApi,
    /// Talos Linux: the machine configuration.
    Talos,
    /// k3s: `/etc/rancher/k3s/config.yaml`.
    K3s,
    /// RKE2: `/etc/rancher/rke2/config.yaml`.
    Rke2,
    /// kops: `Cluster`.
    Kops,
    /// k0s: `ClusterConfig`.
    K0s,
    /// MicroK8s: the arguments of the API server.
    MicroK8s,
}

impl Distribution {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Kubeadm,
        Self::EksAnywhere,
        Self::ClusterApi,
        Self::Talos,
        Self::K3s,
        Self::Rke2,
        Self::Kops,
        Self::K0s,
        Self::MicroK8s,
    ];

    /// Its name in lower case, such as `eks-anywhere`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kubeadm => "kubeadm",
            Self::EksAnywhere => "eks-anywhere",
            Self::ClusterApi => "cluster-api",
            Self::Talos => "talos",
            Self::K3s => "k3s",
            Self::Rke2 => "rke2",
            Self::Kops => "kops",
            Self::K0s => "k0s",
            Self::MicroK8s => "microk8s",
        }
    }

    /// Its name as its own documentation writes it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Kubeadm => "kubeadm",
            Self::EksAnywhere => "EKS Anywhere",
            Self::ClusterApi => "Cluster API",
            Self::Talos => "Talos",
            Self::K3s => "k3s",
            Self::Rke2 => "RKE2",
            Self::Kops => "kops",
            Self::K0s => "k0s",
            Self::MicroK8s => "MicroK8s",
        }
    }

    /// The configuration that names the issuer, with an article.
    #[must_use]
    pub fn file(self) -> &'static str {
        match self {
            Self::Kubeadm => "a kubeadm ClusterConfiguration (kubeadm.k8s.io)",
            Self::EksAnywhere => "an EKS Anywhere Cluster (anywhere.eks.amazonaws.com)",
            Self::ClusterApi => "a KubeadmControlPlane (controlplane.cluster.x-k8s.io)",
            Self::Talos => "a Talos machine configuration",
            Self::K3s => "a k3s config.yaml",
            Self::Rke2 => "an RKE2 config.yaml",
            Self::Kops => "a kops Cluster (kops.k8s.io)",
            Self::K0s => "a k0s ClusterConfig (k0s.k0sproject.io)",
            Self::MicroK8s => "a MicroK8s file of kube-apiserver arguments",
        }
    }

    /// Whether its configuration can hold one issuer only.
    #[must_use]
    pub fn has_one_issuer(self) -> bool {
        self == Self::EksAnywhere
    }

    /// Whether its files hold secrets besides.
    #[must_use]
    pub fn has_secrets(self) -> bool {
        matches!(self, Self::Talos | Self::K3s | Self::Rke2 | Self::ClusterApi | Self::Kubeadm)
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
