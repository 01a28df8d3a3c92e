//! The lines alone.

use issuer_yaml::quoted;

use crate::decision::{Current, Decision, Step};
use crate::form::{cluster_api_file, k0s_raw_arguments, kubeadm_sorting, one_issuer, talos_lists};
use crate::request::shown;
use crate::rollout::rollout;
use crate::version::{self, Version};
use crate::{Distribution, Error, Request};

/// kubeadm writes v1beta4, a list, from this version on.
const LISTS_SINCE: Version = Version(1, 31, 0);

/// What can be known without a file: whether the first issuer looks like a default.
pub(crate) fn current(request: &Request) -> Current {
    let issuer = request.issuer.as_str();
    let default = match request.distribution {
        Distribution::Kops => issuer.starts_with("https://api.internal."),
        // The control-plane endpoint. An issuer that AWS accepts has no port.
        Distribution::Talos => has_port(issuer),
        Distribution::EksAnywhere => issuer == "https://kubernetes.default.svc.cluster.local",
        _ => {
            let rest = issuer.strip_prefix("https://kubernetes.default.svc");
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        }
    };
    let signing = vec![issuer.to_owned()];
    match default {
        // Step 1, or the way back: the default goes on signing.
        true => Current { accepted: signing.clone(), defaults: signing },
        // Step 2 keeps what signs now.
        false => Current { accepted: request.keep.clone(), defaults: Vec::new() },
    }
}

/// The lines, and what is to be known about them.
///
/// # Errors
/// The distribution cannot have these issuers.
pub(crate) fn lines(
    request: &Request,
    decision: &Decision,
) -> Result<(String, Vec<String>), Error> {
    use Distribution as D;
    let (signing, others) = (decision.signing(), decision.others());
    let uri = (!decision.default_signs).then(|| format!("{signing}/keys.json"));
    let flags = || {
        let issuers =
            decision.issuers.iter().map(|issuer| ("service-account-issuer", issuer.clone()));
        issuers.chain(uri.clone().map(|uri| ("service-account-jwks-uri", uri)))
    };
    let mut warnings = Vec::new();
    if others.is_empty() && !decision.default_signs {
        warnings.push(
            "no issuer is kept: tokens of the issuer that signs now, in a new cluster the default of \
             the distribution, get 401 from the API server until kubelet has renewed them (up to 48 \
             minutes) and the clients have read them again"
                .to_owned(),
        );
    }
    let lines = match request.distribution {
        D::Kubeadm => {
            let version = version::of(None, request.kubernetes_version.as_deref())?;
            if version.is_some_and(|version| version < LISTS_SINCE) {
                kubeadm_map(decision, uri.as_deref())?
            } else {
                warnings.extend(kubeadm_sorting(version, decision)?);
                let head = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\napiServer:\n  extraArgs:\n";
                flags().fold(head.to_owned(), |text, (name, value)| {
                    text + &format!("  - name: {name}\n    value: {}\n", quoted(&value))
                })
            }
        }
        D::EksAnywhere => {
            one_issuer(decision)?;
            format!(
                "apiVersion: anywhere.eks.amazonaws.com/v1alpha1\nkind: Cluster\nspec:\n  podIamConfig:\n    serviceAccountIssuer: {}\n",
                quoted(signing)
            )
        }
        D::ClusterApi => cluster_api(decision, uri.as_deref()),
        D::Talos => {
            if !others.is_empty() {
                warnings.extend(talos_lists(None)?);
            }
            let value = match others {
                [] => quoted(signing),
                _ => {
                    let issuers: Vec<String> =
                        decision.issuers.iter().map(|issuer| quoted(issuer)).collect();
                    format!("[{}]", issuers.join(", "))
                }
            };
            format!(
                "cluster:\n  apiServer:\n    extraArgs:\n      service-account-issuer: {value}\n"
            )
        }
        D::K3s | D::Rke2 => {
            let drop_in =
                request.path.as_deref().is_some_and(|path| path.contains("config.yaml.d/"));
            let head = if drop_in { "kube-apiserver-arg+:\n" } else { "kube-apiserver-arg:\n" };
            flags().fold(head.to_owned(), |text, (name, value)| {
                text + &format!("- {}\n", quoted(&format!("{name}={value}")))
            })
        }
        D::Kops => {
            let mut text =
                format!("spec:\n  kubeAPIServer:\n    serviceAccountIssuer: {}\n", quoted(signing));
            if !others.is_empty() {
                text.push_str("    additionalServiceAccountIssuers:\n");
                others
                    .iter()
                    .for_each(|issuer| text.push_str(&format!("    - {}\n", quoted(issuer))));
                warnings
                    .push("additionalServiceAccountIssuers needs kops 1.28.5 or later".to_owned());
            }
            text
        }
        D::K0s => {
            let mut text = format!(
                "apiVersion: k0s.k0sproject.io/v1beta1\nkind: ClusterConfig\nspec:\n  api:\n    extraArgs:\n      service-account-issuer: {}\n",
                quoted(signing)
            );
            if let Some(uri) = &uri {
                text.push_str(&format!("      service-account-jwks-uri: {}\n", quoted(uri)));
            }
            if !others.is_empty() {
                warnings.extend(k0s_raw_arguments(request)?);
                text.push_str("    rawArgs:\n");
                others.iter().for_each(|issuer| {
                    text.push_str(&format!(
                        "    - {}\n",
                        quoted(&format!("--service-account-issuer={issuer}"))
                    ));
                });
            }
            text
        }
        D::MicroK8s => flags().map(|(name, value)| format!("--{name}='{value}'\n")).collect(),
    };
    Ok((lines, warnings))
}

fn kubeadm_map(decision: &Decision, uri: Option<&str>) -> Result<String, Error> {
    if !decision.others().is_empty() {
        return Err(Error::OneIssuer {
            why: "kubeadm before 1.31 writes v1beta3, where a flag has one value".to_owned(),
            issuer: shown(decision.signing()),
            kept: decision.others().iter().map(|issuer| shown(issuer)).collect(),
            instead: "kubeadm 1.31 or later holds several; `kubeadm config migrate` writes v1beta4"
                .to_owned(),
        });
    }
    let mut text = format!(
        "apiVersion: kubeadm.k8s.io/v1beta3\nkind: ClusterConfiguration\napiServer:\n  extraArgs:\n    service-account-issuer: {}\n",
        quoted(decision.signing())
    );
    if let Some(uri) = uri {
        text.push_str(&format!("    service-account-jwks-uri: {}\n", quoted(uri)));
    }
    Ok(text)
}

fn cluster_api(decision: &Decision, uri: Option<&str>) -> String {
    let mut text = format!(
        "apiVersion: controlplane.cluster.x-k8s.io/v1beta2\nkind: KubeadmControlPlane\nspec:\n  \
         kubeadmConfigSpec:\n    clusterConfiguration:\n      apiServer:\n        extraArgs:\n        - \
         name: service-account-issuer\n          value: {}\n",
        quoted(decision.signing())
    );
    if let Some(uri) = uri {
        text.push_str(&format!(
            "        - name: service-account-jwks-uri\n          value: {}\n",
            quoted(uri)
        ));
    }
    if !decision.others().is_empty() {
        let (path, directory, content) = cluster_api_file(decision.others());
        text.push_str(&format!(
            "    files:\n    - path: {path}\n      owner: root:root\n      permissions: \"0644\"\n      content: |\n"
        ));
        content.lines().for_each(|line| text.push_str(&format!("        {line}\n")));
        for node in ["initConfiguration", "joinConfiguration"] {
            text.push_str(&format!(
                "    {node}:\n      patches:\n        directory: {directory}\n"
            ));
        }
    }
    text
}

/// A `KubeServiceAccountConfig` (Talos 1.14) as a patch: `issuer.privateKey` stays in the machine
/// configuration that it is merged with.
pub(crate) fn talos_document(decision: &Decision) -> String {
    let mut text = format!(
        "apiVersion: v1alpha1\nkind: KubeServiceAccountConfig\nissuer:\n  issuerURL: {}\n",
        quoted(decision.signing())
    );
    if !decision.others().is_empty() {
        text.push_str("accepted:\n  issuers:\n");
        decision
            .others()
            .iter()
            .for_each(|issuer| text.push_str(&format!("  - {}\n", quoted(issuer))));
        text.push_str("  audiences:\n");
        decision
            .issuers
            .iter()
            .for_each(|issuer| text.push_str(&format!("  - {}\n", quoted(issuer))));
    }
    text
}

/// The lines below a comment on what they do and what has to be restarted.
pub(crate) fn commented(request: &Request, decision: &Decision, lines: &str) -> String {
    let mut comment = Vec::new();
    let title = request.distribution.title();
    if request.distribution.has_one_issuer() {
        comment.push(format!(
            "{title} holds one issuer: with this change the issuer before it is no longer accepted at \
             once, and its tokens get 401 from the API server until kubelet has renewed them (up to 48 \
             minutes) and the clients have read them again."
        ));
    } else {
        let (signing, others) = (decision.signing(), decision.others());
        let which = match others {
            [] => "Step 3 of 3, or a new cluster".to_owned(),
            _ if decision.step == Step::Accept => "Step 1 of 3".to_owned(),
            _ => "Step 2 of 3".to_owned(),
        };
        let accepted = match others {
            [] => "no other issuer is accepted".to_owned(),
            others => format!(
                "{} stays accepted",
                others.iter().map(|issuer| shown(issuer)).collect::<Vec<_>>().join(", ")
            ),
        };
        comment.push(format!("{which}: {} signs; {accepted}.", shown(signing)));
        if request.distribution == Distribution::Talos {
            comment.push(
                "For a file without documents such as KubeAPIServerConfig (Talos 1.14); with them, give \
                 the file, and the document that counts is changed."
                    .to_owned(),
            );
        }
    }
    comment.extend(rollout(request.distribution).iter().map(|step| format!("- {step}")));
    let comment: String = comment
        .iter()
        .flat_map(|text| wrapped(text, 100))
        .map(|line| format!("# {line}\n"))
        .collect();
    comment + lines
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.len() - 1;
        if !lines[last].is_empty() && lines[last].len() + word.len() >= width {
            lines.push(format!("  {word}"));
        } else {
            if !lines[last].is_empty() {
                lines[last].push(' ');
            }
            lines[last].push_str(word);
        }
    }
    lines
}

fn has_port(issuer: &str) -> bool {
    let authority = issuer.split('/').nth(2).unwrap_or_default();
    let port = authority.rsplit_once(':').map(|(_, port)| port);
    port.is_some_and(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
}
