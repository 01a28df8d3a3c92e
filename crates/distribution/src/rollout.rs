//! What has to be restarted after the file has changed, and in which order.

use crate::Distribution;

/// The steps that make the API servers read the change, in order.
#[must_use]
pub fn rollout(distribution: Distribution) -> &'static [&'static str] {
    use Distribution as D;
    match distribution {
        D::Kubeadm => &[
            "on each control-plane node, one after the other: kubeadm init phase control-plane apiserver --config FILE",
            "wait until its API server is ready before the next node",
            "then once: kubeadm init phase upload-config kubeadm --config FILE (otherwise the next kubeadm upgrade brings the old flags back)",
        ],
        D::EksAnywhere => &[
            "eksctl anywhere upgrade cluster -f FILE, which replaces the control-plane machines one by one",
            "try it on a spare cluster first (aws/eks-anywhere#7108, #9824)",
        ],
        D::ClusterApi => &[
            "kubectl apply -f FILE on the management cluster: every control-plane machine is replaced, one by one",
            "wait until the KubeadmControlPlane is ready before the next step",
        ],
        D::Talos => &[
            "on each control-plane node, one after the other: talosctl apply-config -n NODE -f FILE (for a patch: talosctl patch machineconfig -n NODE -p @FILE)",
            "wait until its API server is ready before the next node",
        ],
        D::K3s => &[
            "the same lines on every server; then one server after the other: systemctl restart k3s",
        ],
        D::Rke2 => &[
            "the same lines on every server; then one server after the other: systemctl restart rke2-server",
        ],
        D::Kops => &[
            "kops replace -f FILE",
            "kops update cluster --yes",
            "kops rolling-update cluster --instance-group-roles control-plane --yes",
        ],
        D::K0s => &[
            "the same lines in the configuration file of every controller; then one controller after the other: systemctl restart k0scontroller",
        ],
        D::MicroK8s => &[
            "the same lines on every node; then one node after the other: snap restart microk8s.daemon-kubelite",
        ],
    }
}
