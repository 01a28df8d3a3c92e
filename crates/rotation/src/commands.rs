//! The command lines of the steps.

use issuer_diagnostic::for_a_shell;
use issuer_distribution::Distribution;

use crate::Rotation;

/// The files of the new key, and that of the public keys that a Secret has before it is changed.
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
                &[format!("cat {NEW_PUB} >> /etc/kubernetes/pki/sa.pub"), stop("kube-apiserver")],
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
                &[microk8s(&format!("cp {NEW_PUB} {MICROK8S}/certs/new-sa.pub"), "new-sa.pub", "")],
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
                    // The key that is replaced; a second run does not replace it by the new one.
                    microk8s(
                        &format!(
                            "(cmp -s {NEW_KEY} {MICROK8S}/certs/serviceaccount.key || cp -p {MICROK8S}/certs/serviceaccount.key {MICROK8S}/certs/old-sa.key)"
                        ),
                        "old-sa.key",
                        &format!(
                            " && install -m 660 {NEW_KEY} {MICROK8S}/certs/serviceaccount.key"
                        ),
                    ),
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

/// The files of MicroK8s.
const MICROK8S: &str = "/var/snap/microk8s/current";

/// MicroK8s: once the first command has made a file with a key, the API server also accepts that one. With a
/// file that is not there it would not start, so each command is done only if the one before it was.
fn microk8s(first: &str, file: &str, then: &str) -> String {
    format!(
        "{first} && echo '--service-account-key-file=${{SNAP_DATA}}/certs/{file}' >> {MICROK8S}/args/kube-apiserver{then} && snap restart microk8s.daemon-kubelite"
    )
}

/// k3s and RKE2: the first key of `service.key` signs, all are accepted. Those that are there stay.
fn rancher(name: &str, service: &str, new_first: bool) -> Vec<String> {
    let now = format!("/var/lib/rancher/{name}/server/tls/service.key");
    let staged = format!("/opt/{name}/server/tls");
    let keys = if new_first { format!("{NEW_KEY} {now}") } else { format!("{now} {NEW_KEY}") };
    vec![
        "# on one server; the first key of the file signs, all are accepted".to_owned(),
        format!(
            "mkdir -p -m 700 {staged} && cat {keys} > {staged}/service.key && {name} certificate rotate-ca --path /opt/{name}/server"
        ),
        format!("# then one server after the other: systemctl restart {service}"),
    ]
}

/// Cluster API and EKS Anywhere: the Secret of the cluster's key is read when a machine is made. Its public keys
/// are saved and stay.
fn capi(namespace: &str, sign: bool) -> Vec<String> {
    let base64 = |files: &str| format!("$(cat {files} | base64 | tr -d '\\n')");
    let (needs, data) = if sign {
        let (key, keys) = (base64(NEW_KEY), base64(&format!("{NEW_PUB} {OLD_PUB}")));
        let data = format!(r#"{{\"tls.key\":\"{key}\",\"tls.crt\":\"{keys}\"}}"#);
        (format!("test -s {NEW_KEY} && test -s {NEW_PUB}"), data)
    } else {
        let keys = base64(&format!("{OLD_PUB} {NEW_PUB}"));
        (format!("test -s {NEW_PUB}"), format!(r#"{{\"tls.crt\":\"{keys}\"}}"#))
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
            r"mkdir -p old && kubectl get secret NAME-sa -n {namespace} -o jsonpath='{{.data.tls\.crt}}' | base64 -d > {OLD_PUB}"
        ),
        format!(
            r#"test -s {OLD_PUB} && {needs} && kubectl patch secret NAME-sa -n {namespace} --type merge -p "{{\"data\":{data}}}""#
        ),
        roll,
    ]
}
