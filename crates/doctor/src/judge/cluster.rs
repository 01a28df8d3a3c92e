//! Which issuer signs now, against the one in question, and why that one.

use issuer_diagnostic::{Fault, listed, quote};
use issuer_discovery::IssuerUrl;
use issuer_distribution::ServerFlags;
use issuer_verify::Observation;
use serde_json::Value;

use super::case::Case;
use crate::Fact;
use crate::diagnosis::Report;
use crate::seen::TokenSeen;

/// Kubernetes releases before this one have tokens of ServiceAccounts in Secrets, too, and no support.
const OLDEST: u32 = 24;

/// The issuer of an API server without the flag, or of a distribution's own.
fn is_default(issuer: &str) -> bool {
    issuer.contains("://kubernetes.default")
}

pub(super) fn judge(case: &Case<'_>, report: &mut Report) {
    access(case, report);
    if case.seen.asked.no_cluster.is_some() {
        report.skip("cluster-issuer", "which issuer signs is not known without a cluster");
        return;
    }
    issuer(case, report);
    shared(case, report);
    flags(case, report);
}

fn access(case: &Case<'_>, report: &mut Report) {
    const ID: &str = "cluster-access";
    let cluster = &case.seen.cluster;
    if let Some(reason) = &case.seen.asked.no_cluster {
        report.skip(ID, format!("nothing is known of the cluster: {reason}"));
        return;
    }
    let Some(version) = cluster.version.known() else {
        report.skip(ID, format!("{}: {}", cluster.place, cluster.version.why()));
        return;
    };
    let minor = version.split('.').nth(1).and_then(|minor| {
        let digits: String = minor.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u32>().ok()
    });
    match minor {
        Some(minor) if minor < OLDEST && version.starts_with("1.") => report.warn(
            ID,
            format!(
                "{} runs Kubernetes {version}, which is before 1.{OLDEST}: tokens of ServiceAccounts may \
                 come from Secrets, without an audience, and the checks are made for later releases",
                cluster.place
            ),
            "upgrade the cluster",
        ),
        _ => report.pass(ID, format!("{} runs Kubernetes {version}", cluster.place)),
    }
}

fn issuer(case: &Case<'_>, report: &mut Report) {
    const ID: &str = "cluster-issuer";
    const SO: &str = "STS looks for a provider of the token's iss, byte for byte";
    let cluster = &case.seen.cluster;
    if let Some(tokens) = cluster.tokens.known()
        && let Some(message) = differing(tokens)
    {
        let fault = Fault::new(
            format!("the API servers of {} differ: {message}", cluster.place),
            "give every API server the same --service-account-issuer and the same signing key, and \
             restart those that differ",
        );
        report.fail(ID, "tokens of some API servers are refused", fault);
        return;
    }
    // Every API server names its first issuer in its own document.
    let token = cluster.tokens.known().and_then(|tokens| tokens.first());
    let published = cluster.discovery.known().and_then(Option::as_ref);
    if let (Some(token), Some(published)) = (token, published)
        && token.iss != published.issuer
    {
        let fault = Fault::new(
            format!(
                "the API servers of {} differ: one publishes the issuer {}, and one signs a fresh token with {}",
                cluster.place,
                quote(&published.issuer),
                quote(&token.iss)
            ),
            "give every API server the same --service-account-issuer, and restart those that differ",
        );
        report.fail(ID, "tokens of some API servers are refused", fault);
        return;
    }
    let Some(signs) = &case.signs else {
        let why = [cluster.discovery.why(), cluster.tokens.why()].join("; ");
        report.skip(ID, format!("which issuer signs is not known ({why})"));
        return;
    };
    let Some(issuer) = &case.issuer else {
        report.skip(ID, "no issuer is known");
        return;
    };
    if issuer != signs {
        let fault = mismatch(case, issuer, signs);
        report.doubt(ID, SO, fault);
        return;
    }
    match IssuerUrl::parse(signs, case.seen.asked.ports()) {
        _ if is_default(signs) => {
            let fault = Fault::new(
                format!(
                    "{} signs with its default issuer {}, which nothing outside the cluster can read",
                    cluster.place,
                    quote(signs)
                ),
                "publish an issuer (`issuerctl publish --help`), and make its URL the first \
                 --service-account-issuer of every API server (EKS Anywhere: \
                 spec.podIamConfig.serviceAccountIssuer)",
            );
            report.doubt(ID, SO, fault);
        }
        Ok(_) => report.pass(ID, format!("{} signs with {}", cluster.place, quote(signs))),
        Err(error) => {
            let fault = Fault::new(
                format!(
                    "{} signs with {}, which AWS cannot use: {error}",
                    cluster.place,
                    quote(signs)
                ),
                "set the first --service-account-issuer of every API server to an issuer URL without \
                 this fault",
            );
            report.doubt(ID, SO, fault);
        }
    }
}

/// Both issuers, how they differ, and where the one that signs comes from.
fn mismatch(case: &Case<'_>, issuer: &str, signs: &str) -> Fault {
    let cluster = &case.seen.cluster;
    let mut cause = format!(
        "{} signs tokens with the issuer {}, and the issuer in question is {}",
        cluster.place,
        quote(signs),
        quote(issuer)
    );
    let slash = signs.trim_end_matches('/') == issuer.trim_end_matches('/');
    if slash {
        cause += ": they differ by a slash at the end, and count as two issuers";
    } else if signs.eq_ignore_ascii_case(issuer) {
        cause += ": they differ in letter case, and count as two issuers";
    } else if signs.replacen("http://", "https://", 1) == issuer {
        cause += ": the API server has http, not https";
    } else if is_default(signs) {
        cause += ": that is the API server's default issuer";
    }
    let set = format!(
        "make {issuer} the first --service-account-issuer of every API server, byte for byte, restart \
         it, and recreate the pods"
    );
    if signs.contains(',') && signs.split(',').any(|part| part == issuer) {
        cause += "; two issuers stand in one flag, joined by a comma, which makes one of them";
        return Fault::new(cause, format!("repeat the flag for each issuer instead: {set}"));
    }
    let flags = cluster.flagz.known().and_then(Option::as_ref);
    let manifests = cluster.static_pods.known().map_or(&[][..], Vec::as_slice);
    let kubeadm = cluster.kubeadm.known().and_then(Option::as_ref);
    let managed = cluster.managed.known().map_or(&[][..], Vec::as_slice);
    let running = flags.map(|flags| flags.issuers());
    let in_manifest = manifests.iter().find(|(_, flags)| !flags.issuers().is_empty());
    let position = |issuers: &[String]| issuers.iter().position(|own| own == issuer);
    if let Some(object) = managed.iter().find(|own| own.issuer.as_deref() == Some(issuer)) {
        let (kind, name, namespace) = (object.kind, &object.name, &object.namespace);
        cause += &format!(
            "; {kind} {namespace}/{name} of the management cluster names the right one \
             ({}), and it did not reach the API server",
            field(kind)
        );
        let fix = match kind {
            "Cluster" => format!(
                "roll the control plane, so that podIamConfig reaches the API server: `eksctl anywhere \
                 upgrade cluster -f FILE` with the file of {name} (releases before 0.18 ignore a change \
                 of podIamConfig), then recreate the pods"
            ),
            _ => format!(
                "roll the control plane of {name}: `clusterctl alpha rollout restart \
                          kubeadmcontrolplane/{name}`"
            ),
        };
        return Fault::new(cause, fix);
    }
    if let Some(at) = running.and_then(position).filter(|at| *at > 0) {
        let order = listed(running.unwrap_or_default());
        cause += &format!(
            "; its flags are --service-account-issuer {order}: the first signs, the others are only \
             accepted, and this one is number {}",
            at + 1
        );
        return Fault::new(cause, format!("change the order: {set}"));
    }
    if let Some((pod, flags)) = in_manifest {
        match position(flags.issuers()) {
            Some(0) => {
                cause += &format!(
                    "; the manifest of {pod} names it first, so the manifest is not in force: this API \
                     server was not restarted with it, or another one answered"
                );
                return Fault::new(
                    cause,
                    format!(
                        "restart the API server with its manifest, or correct the other ones: {set}"
                    ),
                );
            }
            Some(at) => {
                cause += &format!(
                    "; it is issuer number {} in the manifest of {pod}, and the first one signs",
                    at + 1
                );
                return Fault::new(cause, format!("change the order: {set}"));
            }
            None => {}
        }
    }
    let old_form =
        kubeadm.filter(|(api, _)| api.ends_with("/v1beta3") || api.ends_with("/v1beta2"));
    let set = match old_form {
        Some((api, _)) => format!(
            "{set} (in kubeadm's {} extraArgs is a map, which cannot repeat a flag: `kubeadm config migrate` writes \
             the newer form)",
            api.rsplit('/').next().unwrap_or_default()
        ),
        None => set,
    };
    let named = |list: Option<&[String]>| list.filter(|list| !list.is_empty()).map(listed);
    match (named(running), in_manifest, kubeadm) {
        (_, _, Some((_, issuers))) if position(issuers).is_some() => {
            cause += "; kubeadm-config names it, and the manifests of the API servers do not";
            return Fault::new(
                cause,
                format!(
                    "write the manifests again on each control-plane node: `kubeadm init phase \
                     control-plane apiserver --config FILE`; {set}"
                ),
            );
        }
        (Some(list), ..) => cause += &format!("; its flag --service-account-issuer is {list}"),
        (None, Some((pod, flags)), _) => {
            cause += &format!(
                "; the manifest of {pod} has --service-account-issuer {}",
                listed(flags.issuers())
            );
        }
        (None, None, _) if is_default(signs) => {
            cause += "; --service-account-issuer is not set, as far as can be seen";
        }
        _ => {}
    }
    let fix = match (is_default(signs), managed) {
        (true, [object, ..]) => format!(
            "set {} of {}/{} in the management cluster to {issuer} and roll the control plane (EKS \
             Anywhere: `eksctl anywhere upgrade cluster -f FILE`)",
            field(object.kind),
            object.namespace,
            object.name
        ),
        (true, []) => format!(
            "{set} (EKS Anywhere: spec.podIamConfig.serviceAccountIssuer, then upgrade the cluster)"
        ),
        _ if slash => {
            format!("{set}: the flag without the slash, as document and provider have it")
        }
        _ => format!(
            "{set}; or, if {signs} is right, ask about that one: --issuer {signs}; or use the \
                      kubeconfig of the cluster that signs with {issuer}"
        ),
    };
    Fault::new(cause, fix)
}

fn field(kind: &str) -> &'static str {
    match kind {
        "Cluster" => "spec.podIamConfig.serviceAccountIssuer",
        _ => "apiServer.extraArgs, service-account-issuer",
    }
}

/// How tokens of one cluster differ, which were requested one by one.
fn differing(tokens: &[TokenSeen]) -> Option<String> {
    let mut kinds: Vec<(&str, &str)> = tokens.iter().map(kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    if kinds.len() < 2 {
        return None;
    }
    let shown = kinds.iter().map(|own| {
        let alike = || tokens.iter().filter(|token| kind(token) == *own);
        let servers: Vec<&str> = alike().filter_map(|token| token.server.as_deref()).collect();
        let from = match servers.is_empty() {
            true => String::new(),
            false => format!(" (from {})", servers.join(", ")),
        };
        let (iss, kid) = own;
        let (count, all) = (alike().count(), tokens.len());
        format!(
            "{count} of {all} fresh tokens have the issuer {} and the kid {}{from}",
            quote(iss),
            quote(kid)
        )
    });
    Some(shown.collect::<Vec<_>>().join(", "))
}

fn kind(token: &TokenSeen) -> (&str, &str) {
    (&token.iss, &token.kid)
}

/// Whether the published keys are those of this cluster, and of no other.
fn shared(case: &Case<'_>, report: &mut Report) {
    const ID: &str = "cluster-issuer-shared";
    if report.root().is_some() || case.signs != case.issuer {
        return;
    }
    let Some(own) = case.seen.cluster.kids.known() else {
        return report.skip(ID, format!("the API server's keys: {}", case.seen.cluster.kids.why()));
    };
    let Some(published) = case.seen.documents.observation.known().and_then(published_kids) else {
        return report.skip(ID, "the published keys are not known");
    };
    let foreign: Vec<&str> =
        published.iter().filter(|kid| !own.contains(kid)).map(String::as_str).collect();
    if !published.is_empty() && !own.is_empty() && foreign.len() == published.len() {
        let fault = Fault::new(
            format!(
                "none of the published keys (kid {}) is one of this cluster, whose keys are {}: they are \
                 those of another cluster with the same issuer, or were replaced here and not published",
                shown(&published),
                shown(own)
            ),
            format!(
                "publish the keys of this cluster, too: `issuerctl publish --apiserver --to {}` adds them; clusters \
                 that do not trust each other need an issuer each",
                case.seen.asked.store.as_deref().unwrap_or("s3://BUCKET/PREFIX")
            ),
        );
        return report.doubt(ID, "STS finds no key for the tokens", fault);
    }
    if foreign.is_empty() {
        return report.pass(ID, "every published key is one of this cluster");
    }
    report.warn(
        ID,
        format!(
            "published, and not a key of this API server: kid {}: a new key of a rotation that has begun (`issuerctl \
             rotate start`), one that was replaced, or that of another cluster with the same issuer, whose \
             ServiceAccounts of the same name get the same roles",
            listed(&foreign.iter().map(|kid| quote(kid)).collect::<Vec<_>>())
        ),
        "leave the new key of a rotation; if no cluster signs with a key any more, remove it: `issuerctl rotate \
         finish --help`; else give each cluster an issuer of its own",
    );
}

fn shown(kids: &[String]) -> String {
    listed(&kids.iter().map(|kid| quote(kid)).collect::<Vec<_>>())
}

/// The kids of the published keys.
fn published_kids(observation: &Observation) -> Option<Vec<String>> {
    let set: Value = serde_json::from_slice(observation.keys.as_ref()?.document()?).ok()?;
    let keys = set.get("keys")?.as_array()?;
    Some(keys.iter().filter_map(|key| key.get("kid")?.as_str().map(str::to_owned)).collect())
}

/// Where the issuer is configured, and whether what is configured is in force.
fn flags(case: &Case<'_>, report: &mut Report) {
    const ID: &str = "cluster-flags";
    let cluster = &case.seen.cluster;
    let manifests = cluster.static_pods.known().map_or(&[][..], Vec::as_slice);
    // The first one signs; others may be on their way, as while an issuer is changed.
    let signs = |own: &ServerFlags| own.issuers().first().cloned();
    if let Some((first, rest)) = manifests.split_first()
        && let Some(other) = rest.iter().find(|own| signs(&own.1) != signs(&first.1))
    {
        let list =
            |flags: &[String]| if flags.is_empty() { "none".to_owned() } else { listed(flags) };
        let fault = Fault::new(
            format!(
                "the API servers have different issuers: {} has --service-account-issuer {}, and {} has {}",
                first.0,
                list(first.1.issuers()),
                other.0,
                list(other.1.issuers())
            ),
            "give every API server the same --service-account-issuer, in the same order",
        );
        return report.fail(ID, "tokens of some API servers are refused", fault);
    }
    let running = cluster.flagz.known().and_then(Option::as_ref);
    let manifest = manifests.first();
    if let (Some(running), Some((pod, flags))) = (running, manifest)
        && !flags.issuers().is_empty()
        && running.issuers() != flags.issuers()
    {
        return report.warn(
            ID,
            format!(
                "the manifest of {pod} has --service-account-issuer {}, and the running server {}",
                listed(flags.issuers()),
                listed(running.issuers())
            ),
            "restart the API server with its manifest, or correct the manifest",
        );
    }
    let sources = [
        running.map(|flags| ("/flagz", listed(flags.issuers()))),
        manifest.map(|(_, flags)| ("the static pods", listed(flags.issuers()))),
        cluster
            .kubeadm
            .known()
            .and_then(Option::as_ref)
            .map(|(_, list)| ("kubeadm-config", listed(list))),
    ];
    let said: Vec<String> = sources
        .into_iter()
        .flatten()
        .filter(|(_, list)| !list.is_empty())
        .map(|(what, list)| format!("{what}: {list}"))
        .collect();
    match (said.is_empty(), &cluster.flagz, &cluster.static_pods) {
        (false, ..) => {
            report.pass(ID, format!("--service-account-issuer in {}", said.join("; in ")))
        }
        (true, Fact::Known(_), Fact::Known(_)) => {
            report.skip(ID, "neither /flagz nor a static pod shows the flags of the API server");
        }
        (true, flagz, pods) => {
            let whys = [flagz.why(), pods.why()].into_iter().filter(|why| !why.is_empty());
            report.skip(
                ID,
                format!("the flags of the API server: {}", whys.collect::<Vec<_>>().join("; ")),
            );
        }
    }
}
