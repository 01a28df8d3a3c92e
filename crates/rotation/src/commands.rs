//! The command lines of the steps.

use issuer_diagnostic::for_a_shell;
use issuer_distribution::Distribution;

use crate::Rotation;

/// The files of the new key on a node, and that of the old public key.
const NEW_KEY: &str = "new/sa.key";
const NEW_PUB: &str = "new/sa.pub";
const OLD_PUB: &str = "old/sa.pub";

impl Rotation {
    /// Whether the configuration has room for one key only.
    pub(crate) fn has_one_key(&self) -> bool {
        self.distribution == Some(Distribution::Talos)
    }

    /// A command line of issuerctl. `signs`: all API servers sign with the new key.
    pub(crate) fn line(&self, command: &str, signs: bool) -> String {
        let since: &str = if signs { &self.since } else { "" };
        let mut line = format!("issuerctl rotate {command}");
        let new = self.new_kid.as_deref().map(|kid| format!("--new-kid={}", for_a_shell(kid)));
        let new = new.unwrap_or_default();
        for part in [self.place.as_str(), &new, &self.servers, since] {
            if !part.is_empty() {
                line += &format!(" {part}");
            }
        }
        line
    }

    /// The API servers accept both keys, and the old one signs.
    pub(crate) fn accept(&self) -> Vec<String> {
        use Distribution as D;
        match self.distribution {
            None => by_hand(&[
                "on every API server, one after the other: --service-account-key-file also names the new public key",
            ]),
            Some(D::Kubeadm) => in_turn(
                "control-plane node",
                &[
                    format!("cat {NEW_PUB} >> /etc/kubernetes/pki/sa.pub"),
                    stop("kube-apiserver"),
                ],
            ),
            Some(D::K0s) => in_turn(
                "controller",
                &[
                    format!("cat {NEW_PUB} >> /var/lib/k0s/pki/sa.pub"),
                    "systemctl restart k0scontroller".to_owned(),
                ],
            ),
            Some(D::K3s) => rancher("k3s", "k3s", false),
            Some(D::Rke2) => rancher("rke2", "rke2-server", false),
            Some(D::MicroK8s) => in_turn(
                "node",
                &[
                    format!("cp {NEW_PUB} /var/snap/microk8s/current/certs/new-sa.pub"),
                    "echo '--service-account-key-file=${SNAP_DATA}/certs/new-sa.pub' >> /var/snap/microk8s/current/args/kube-apiserver"
                        .to_owned(),
                    "snap restart microk8s.daemon-kubelite".to_owned(),
                ],
            ),
            Some(D::Kops) => vec![
                "# kops makes the new key: publish its public half by rotate start".to_owned(),
                "kops create keypair service-account".to_owned(),
                "kops update cluster --yes".to_owned(),
                "kops rolling-update cluster --instance-group-roles control-plane --yes".to_owned(),
            ],
            Some(D::ClusterApi) => capi("NAMESPACE", false),
            Some(D::EksAnywhere) => capi("eksa-system", false),
            Some(_) => Vec::new(),
        }
    }

    /// The new key signs, and both are accepted.
    pub(crate) fn sign(&self) -> Vec<String> {
        use Distribution as D;
        match self.distribution {
            None => by_hand(&[
                "on every API server, one after the other: --service-account-signing-key-file names the new key",
                "the same for --service-account-private-key-file of the controller manager",
            ]),
            Some(D::Kubeadm) => in_turn(
                "control-plane node",
                &[
                    format!("install -m 600 {NEW_KEY} /etc/kubernetes/pki/sa.key"),
                    stop("kube-apiserver"),
                    stop("kube-controller-manager"),
                ],
            ),
            Some(D::K0s) => in_turn(
                "controller",
                &[
                    format!("install -m 640 {NEW_KEY} /var/lib/k0s/pki/sa.key"),
                    "systemctl restart k0scontroller".to_owned(),
                ],
            ),
            Some(D::K3s) => rancher("k3s", "k3s", true),
            Some(D::Rke2) => rancher("rke2", "rke2-server", true),
            Some(D::MicroK8s) => in_turn(
                "node",
                &[
                    format!("cp {OLD_PUB} /var/snap/microk8s/current/certs/old-sa.pub"),
                    "echo '--service-account-key-file=${SNAP_DATA}/certs/old-sa.pub' >> /var/snap/microk8s/current/args/kube-apiserver"
                        .to_owned(),
                    format!(
                        "install -m 660 {NEW_KEY} /var/snap/microk8s/current/certs/serviceaccount.key"
                    ),
                    "snap restart microk8s.daemon-kubelite".to_owned(),
                ],
            ),
            Some(D::Kops) => vec![
                "kops promote keypair service-account".to_owned(),
                "kops update cluster --yes".to_owned(),
                "kops rolling-update cluster --instance-group-roles control-plane --yes".to_owned(),
            ],
            Some(D::ClusterApi) => capi("NAMESPACE", true),
            Some(D::EksAnywhere) => capi("eksa-system", true),
            Some(D::Talos) => by_hand(&[
                "in the machine configuration of every control-plane node: cluster.serviceAccount.key (base64 of the PEM; from Talos 1.14 on issuer.privateKey of KubeServiceAccountConfig) is the new private key",
                "then one node after the other: talosctl apply-config -n NODE -f FILE",
            ]),
            Some(_) => Vec::new(),
        }
    }

    /// The API servers accept the new key alone.
    pub(crate) fn forget(&self) -> Vec<String> {
        use Distribution as D;
        match self.distribution {
            Some(D::Kubeadm) => in_turn(
                "control-plane node",
                &[format!("cp {NEW_PUB} /etc/kubernetes/pki/sa.pub"), stop("kube-apiserver")],
            ),
            Some(D::K0s) => in_turn(
                "controller",
                &[
                    format!("cp {NEW_PUB} /var/lib/k0s/pki/sa.pub"),
                    "systemctl restart k0scontroller".to_owned(),
                ],
            ),
            Some(D::Kops) => vec![
                "kops distrust keypair service-account".to_owned(),
                "kops update cluster --yes".to_owned(),
                "kops rolling-update cluster --instance-group-roles control-plane --yes".to_owned(),
            ],
            _ => by_hand(&[
                "take the old key from the files of the API servers, in the same way as the new one was added",
            ]),
        }
    }
}

fn by_hand(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| format!("# {line}")).collect()
}

/// The same commands on each machine.
fn in_turn(machine: &str, commands: &[String]) -> Vec<String> {
    let before = format!(
        "# on each {machine}, one after the other; wait until its API server is ready before the next"
    );
    std::iter::once(before).chain(commands.iter().cloned()).collect()
}

/// kubelet starts the container of a static pod again.
fn stop(container: &str) -> String {
    format!("crictl stop \"$(crictl ps --quiet --name '^{container}$')\"")
}

/// k3s and RKE2: the first key of `service.key` signs, all are accepted.
fn rancher(name: &str, service: &str, new_first: bool) -> Vec<String> {
    let now = format!("/var/lib/rancher/{name}/server/tls/service.key");
    let staged = format!("/opt/{name}/server/tls/service.key");
    let keys = if new_first { format!("{NEW_KEY} old/sa.key") } else { format!("{now} {NEW_KEY}") };
    vec![
        "# on one server; the first key of the file signs, all are accepted".to_owned(),
        format!("mkdir -p -m 700 /opt/{name}/server/tls"),
        format!("cat {keys} > {staged}"),
        format!("{name} certificate rotate-ca --path /opt/{name}/server"),
        format!("# then one server after the other: systemctl restart {service}"),
    ]
}

/// Cluster API and EKS Anywhere: the Secret of the cluster's key is read when a machine is made.
fn capi(namespace: &str, sign: bool) -> Vec<String> {
    let data = if sign {
        format!(
            "{{\\\"tls.key\\\":\\\"$(base64 -w0 < {NEW_KEY})\\\",\\\"tls.crt\\\":\\\"$(cat {NEW_PUB} {OLD_PUB} | base64 -w0)\\\"}}"
        )
    } else {
        format!("{{\\\"tls.crt\\\":\\\"$(cat {OLD_PUB} {NEW_PUB} | base64 -w0)\\\"}}")
    };
    let roll = if namespace == "NAMESPACE" {
        "clusterctl alpha rollout restart kubeadmcontrolplane/NAME -n NAMESPACE".to_owned()
    } else {
        "# then replace the control-plane machines: eksctl anywhere upgrade cluster -f FILE with a change that does so (such as a newer machine image)"
            .to_owned()
    };
    vec![
        "# on the management cluster".to_owned(),
        format!(
            "kubectl patch secret NAME-sa -n {namespace} --type merge -p \"{{\\\"data\\\":{data}}}\""
        ),
        roll,
    ]
}
