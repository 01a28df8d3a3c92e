//! What follows from what was read so far.

use issuer_doctor::{Fact, RoleArn, Seen, Subject, pods_of, role_of, settings_of};
use serde_json::Value;

/// The account of the pod that was asked for.
pub(super) fn subject(seen: &mut Seen) {
    let (Some(name), Some(subject)) = (&seen.asked.pod, &seen.asked.subject) else { return };
    if !subject.name.is_empty() {
        return;
    }
    let pods = seen.workload.pods.known().into_iter().flatten();
    let mut pods = pods.filter(|pod| pod["metadata"]["name"] == name.as_str());
    let account = pods.next().map(|pod| {
        let account = pod["spec"]["serviceAccountName"].as_str();
        account.unwrap_or("default").to_owned()
    });
    let namespace = subject.namespace.clone();
    // Without its pod, nothing is known of the account.
    if account.is_some() || seen.workload.pods.known().is_none() {
        seen.asked.subject = account.map(|name| Subject { namespace, name });
    }
}

/// The issuer in question: as given, else the one that signs.
pub(super) fn issuer(seen: &Seen) -> Option<String> {
    let published = seen.cluster.discovery.known().and_then(Option::as_ref);
    let token = seen.cluster.tokens.known().and_then(|tokens| tokens.first());
    let given = seen.asked.issuer.clone();
    given
        .or_else(|| token.map(|token| token.iss.clone()))
        .or_else(|| published.map(|own| own.issuer.clone()))
}

/// The role of the account, if it is an ARN.
pub(super) fn role(seen: &Seen) -> Option<RoleArn> {
    RoleArn::parse(&role_of(seen)?).ok()
}

/// The region whose STS the pods ask, and whether they ask the global one.
pub(super) fn sts(seen: &Seen) -> (Option<String>, bool) {
    let mut sources = pods_of(seen).into_iter().chain(seen.stored());
    let found = sources.find_map(|pod| {
        let containers = pod["spec"]["containers"].as_array()?;
        containers.iter().find_map(|own| {
            let value = |name: &str| variable(own, name);
            let region = value("AWS_REGION").or_else(|| value("AWS_DEFAULT_REGION"))?;
            Some((region, value("AWS_STS_REGIONAL_ENDPOINTS").as_deref() == Some("legacy")))
        })
    });
    match found {
        Some((region, legacy)) => (Some(region), legacy),
        None => {
            let settings = settings_of(&seen.injection);
            (settings.region.or_else(|| seen.asked.region.clone()), false)
        }
    }
}

fn variable(container: &Value, name: &str) -> Option<String> {
    let env = container["env"].as_array()?;
    let found = env.iter().rev().find(|own| own["name"] == name)?;
    found["value"].as_str().filter(|value| !value.is_empty()).map(str::to_owned)
}

/// Why nothing was asked of a cluster.
pub(super) fn no_cluster<T>(seen: &Seen) -> Fact<T> {
    Fact::NotAsked(seen.asked.no_cluster.clone().unwrap_or_else(|| "no cluster".to_owned()))
}
