//! API servers and tokens among the pods of a cluster (Kubernetes API, `v1` `Pod`).

use std::time::UNIX_EPOCH;

use issuer_distribution::flags_of_pod;
use serde_json::Value;

use crate::{ApiServer, TokenPod};

/// The API servers among the pods of `kube-system`, with the issuers in their flags.
#[must_use]
pub fn api_servers(pods: &[Value]) -> Vec<ApiServer> {
    let server = |pod: &Value| {
        let issuers = flags_of_pod(pod)?.issuers().to_vec();
        let statuses = list(&pod["status"]["containerStatuses"]);
        let status = statuses.iter().find(|one| one["name"] == "kube-apiserver");
        let started = status.and_then(|one| secs(&one["state"]["running"]["startedAt"]));
        let name = text(&pod["metadata"]["name"]).to_owned();
        (!issuers.is_empty()).then_some(ApiServer { name, issuers, started_secs: started })
    };
    pods.iter().filter_map(server).collect()
}

/// Whether an API server among the pods has its tokens signed by another program, which changes its keys
/// without a restart of the API server (KEP-740).
#[must_use]
pub fn has_external_signer(pods: &[Value]) -> bool {
    pods.iter().filter_map(flags_of_pod).any(|flags| flags.have_external_signer())
}

/// The running pods that hold a projected token with one of these audiences.
#[must_use]
pub fn token_pods(pods: &[Value], audiences: &[String]) -> Vec<TokenPod> {
    let holds = |pod: &Value| {
        let volumes = list(&pod["spec"]["volumes"]).iter();
        let mut sources = volumes.flat_map(|volume| list(&volume["projected"]["sources"]));
        sources.any(|source| {
            let audience = text(&source["serviceAccountToken"]["audience"]);
            audiences.iter().any(|one| one == audience)
        })
    };
    let over = |pod: &Value| matches!(text(&pod["status"]["phase"]), "Succeeded" | "Failed");
    let pod = |pod: &Value| {
        let metadata = &pod["metadata"];
        Some(TokenPod {
            namespace: text(&metadata["namespace"]).to_owned(),
            name: text(&metadata["name"]).to_owned(),
            created_secs: secs(&metadata["creationTimestamp"])?,
        })
    };
    pods.iter().filter(|pod| holds(pod) && !over(pod)).filter_map(pod).collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A Kubernetes timestamp (RFC 3339) in seconds since 1970.
fn secs(value: &Value) -> Option<u64> {
    let time = humantime::parse_rfc3339(value.as_str()?).ok()?;
    Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn flags_of_one_word_and_of_two_are_read_in_order() {
        let pods = [
            json!({"metadata": {"name": "kube-apiserver-a"},
             "spec": {"containers": [{"name": "kube-apiserver", "command": ["kube-apiserver",
                "--service-account-issuer=https://new.example.com", "--service-account-issuer",
                "https://old.example.com", "--service-account-issuer-x=https://no.example.com"]}]},
             "status": {"containerStatuses": [{"name": "kube-apiserver",
                "state": {"running": {"startedAt": "2026-11-26T10:00:00Z"}}}]}}),
            json!({"metadata": {"name": "coredns"}, "spec": {"containers": [{"name": "coredns"}]}}),
        ];
        let issuers = ["https://new.example.com", "https://old.example.com"].map(str::to_owned);
        let server = ApiServer {
            name: "kube-apiserver-a".to_owned(),
            issuers: issuers.to_vec(),
            started_secs: Some(1_795_687_200),
        };
        assert_eq!(api_servers(&pods), [server]);
    }

    #[test]
    fn only_pods_with_a_token_for_the_audience_count() {
        let pod = |name: &str, audience: &str, phase: &str| {
            let token = json!({"serviceAccountToken": {"audience": audience, "path": "token"}});
            json!({"metadata": {"namespace": "n", "name": name,
                    "creationTimestamp": "2026-11-26T10:00:00Z"},
                "spec": {"volumes": [{"projected": {"sources": [token]}}]},
                "status": {"phase": phase}})
        };
        let pods = [
            pod("a", "sts.amazonaws.com", "Running"),
            pod("b", "vault", "Running"),
            pod("c", "sts.amazonaws.com", "Succeeded"),
        ];
        let found = token_pods(&pods, &["sts.amazonaws.com".to_owned()]);
        assert_eq!(found.iter().map(|pod| pod.name.as_str()).collect::<Vec<_>>(), ["a"]);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::from),
            "[-a-z0-9:TZ]{0,24}".prop_map(Value::from),
            Just(json!("kube-apiserver"))
        ];
        leaf.prop_recursive(6, 64, 4, |inner| {
            let key = prop_oneof![
                Just("spec"),
                Just("containers"),
                Just("name"),
                Just("command"),
                Just("status"),
                Just("metadata"),
                Just("creationTimestamp")
            ];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((key, inner), 0..4).prop_map(|members| {
                    members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_answer_of_a_server_panics(value in any_json()) {
            let pods = [value];
            let _ = api_servers(&pods);
            let _ = token_pods(&pods, &["a".to_owned()]);
        }
    }
}
