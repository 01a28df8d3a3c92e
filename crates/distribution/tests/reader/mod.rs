//! What each distribution makes of its configuration, written without the crate's own reader.

use serde_json::Value;

pub(crate) fn documents(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text.trim_start_matches('\u{feff}'))
        .unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Everything that a file says, in a form that can be compared.
pub(crate) fn values(distribution: &str, text: &str) -> Vec<Value> {
    if distribution == "microk8s" {
        let mut flags: Vec<Value> =
            flags(text).into_iter().map(|(name, value)| format!("{name}={value}").into()).collect();
        flags.sort_by_key(ToString::to_string);
        return flags;
    }
    documents(text)
}

pub(crate) fn is_about_the_issuer(line: &str) -> bool {
    let word = line.trim().trim_start_matches("- ");
    [
        "service-account-issuer",
        "service-account-jwks-uri",
        "serviceAccountIssuer",
        "issuerURL",
        "old-oidc",
    ]
    .iter()
    .any(|name| word.contains(name))
}

/// The accepted issuers; the first signs.
pub(crate) fn issuers(distribution: &str, text: &str) -> Vec<String> {
    match distribution {
        "microk8s" => flags(text)
            .into_iter()
            .filter(|(name, _)| name == "service-account-issuer")
            .map(|(_, value)| value)
            .collect(),
        "k3s" | "rke2" => rancher(&documents(text)[0]),
        "talos" => talos(&documents(text)),
        "kubeadm" => {
            let config = kind(text, "ClusterConfiguration");
            let domain = config["networking"]["dnsDomain"].as_str().unwrap_or("cluster.local");
            or(
                extra_args(&config["apiServer"]["extraArgs"]),
                &format!("https://kubernetes.default.svc.{domain}"),
            )
        }
        "cluster-api" => cluster_api(text),
        "eks-anywhere" => {
            vec![string(&kind(text, "Cluster")["spec"]["podIamConfig"]["serviceAccountIssuer"])]
        }
        "kops" => {
            let server = kind(text, "Cluster")["spec"]["kubeAPIServer"].clone();
            [
                vec![string(&server["serviceAccountIssuer"])],
                strings(&server["additionalServiceAccountIssuers"]),
            ]
            .concat()
        }
        "k0s" => {
            let api = kind(text, "ClusterConfig")["spec"]["api"].clone();
            let raw = strings(&api["rawArgs"]);
            let first = or(
                strings(&api["extraArgs"]["service-account-issuer"]),
                "https://kubernetes.default.svc",
            );
            let rest = raw.iter().filter_map(|flag| flag.strip_prefix("--service-account-issuer="));
            first.into_iter().chain(rest.map(str::to_owned)).collect()
        }
        other => panic!("{other}"),
    }
}

fn kind(text: &str, kind: &str) -> Value {
    documents(text).into_iter().find(|document| document["kind"] == kind).unwrap()
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a text")).to_owned()
}

fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().map(string).collect(),
        value => vec![string(value)],
    }
}

fn or(values: Vec<String>, default: &str) -> Vec<String> {
    if values.is_empty() { vec![default.to_owned()] } else { values }
}

fn extra_args(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items
            .iter()
            .filter(|item| item["name"] == "service-account-issuer")
            .map(|item| string(&item["value"]))
            .collect(),
        value => strings(&value["service-account-issuer"]),
    }
}

fn rancher(config: &Value) -> Vec<String> {
    let domain = config["cluster-domain"].as_str().unwrap_or("cluster.local");
    let arguments = config.get("kube-apiserver-arg").or(config.get("kube-apiserver-arg+"));
    let found = strings(arguments.unwrap_or(&Value::Null)).into_iter().filter_map(|argument| {
        argument.trim_start_matches("--").strip_prefix("service-account-issuer=").map(str::to_owned)
    });
    or(found.collect(), &format!("https://kubernetes.default.svc.{domain}"))
}

fn talos(documents: &[Value]) -> Vec<String> {
    let of = |kind: &str| documents.iter().find(|document| document["kind"] == kind);
    if let Some(accounts) = of("KubeServiceAccountConfig") {
        let issuers = [
            vec![string(&accounts["issuer"]["issuerURL"])],
            strings(&accounts["accepted"]["issuers"]),
        ]
        .concat();
        let audiences = or(strings(&accounts["accepted"]["audiences"]), &issuers[0]);
        assert!(
            issuers.iter().all(|issuer| audiences.contains(issuer)),
            "{issuers:?} {audiences:?}"
        );
        return issuers;
    }
    let main = documents.iter().find(|document| document.get("cluster").is_some()).unwrap();
    strings(&main["cluster"]["apiServer"]["extraArgs"]["service-account-issuer"])
}

fn cluster_api(text: &str) -> Vec<String> {
    let plane = kind(text, "KubeadmControlPlane");
    let spec = &plane["spec"]["kubeadmConfigSpec"];
    let mut issuers = or(
        extra_args(&spec["clusterConfiguration"]["apiServer"]["extraArgs"]),
        "https://kubernetes.default.svc.cluster.local",
    );
    assert_eq!(issuers.len(), 1, "the CRD refuses a name twice");
    let added = |node: &str| -> Vec<String> {
        let Some(directory) = spec[node]["patches"]["directory"].as_str() else {
            return Vec::new();
        };
        let files = spec["files"].as_array().cloned().unwrap_or_default();
        let mine = files.iter().filter(|file| {
            string(&file["path"]).strip_prefix(directory).is_some_and(|name| {
                name.starts_with("/kube-apiserver") && name.ends_with("+json.yaml")
            })
        });
        mine.flat_map(|file| {
            let operations: Value = documents(&string(&file["content"]))[0].clone();
            let operations = operations.as_array().cloned().unwrap();
            operations.into_iter().filter_map(|operation| {
                assert_eq!(operation["op"], "add");
                string(&operation["value"])
                    .strip_prefix("--service-account-issuer=")
                    .map(str::to_owned)
            })
        })
        .collect()
    };
    let (init, join) = (added("initConfiguration"), added("joinConfiguration"));
    assert_eq!(init, join, "all machines accept the same issuers");
    issuers.extend(init);
    issuers
}

fn flags(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let words: Vec<String> =
        lines.flat_map(str::split_whitespace).map(|word| word.replace(['\'', '"'], "")).collect();
    let mut flags: Vec<(String, String)> = Vec::new();
    for word in words {
        match word.strip_prefix("--") {
            Some(flag) => {
                let (name, value) = flag.split_once('=').unwrap_or((flag, ""));
                flags.push((name.to_owned(), value.to_owned()));
            }
            None => flags.last_mut().unwrap().1 = word,
        }
    }
    flags
}
