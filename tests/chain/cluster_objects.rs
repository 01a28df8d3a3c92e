//! The changed objects of Cluster API and EKS Anywhere, and the printed ones of cert-manager, on an API
//! server with their CRDs, and a Talos machine configuration in Talos' own reader.

use std::process::Command;

use issuer_test_support::Authority;
use issuerctl_e2e::{ApiServer, Etcd, Flags, Sandbox, installed, repository};
use serde_json::Value;

const NEW: &str = "https://my-oidc.s3.us-west-2.amazonaws.com/prod";
const DEFAULT: &str = "https://kubernetes.default.svc.cluster.local";
const CLUSTER_API: &str = "controlplane.cluster.x-k8s.io";
const EKS_ANYWHERE: &str = "anywhere.eks.amazonaws.com";
const CERT_MANAGER: &str = "cert-manager.io";

pub(crate) fn crds(version: &str) {
    let authority = Authority::new();
    let sandbox = Sandbox::new(&authority);
    let (_etcd, server) = with_crds(
        version,
        &authority,
        &sandbox,
        &[(CLUSTER_API, "kubeadmcontrolplanes"), (EKS_ANYWHERE, "clusters")],
    );
    server.kubectl("create namespace clusters");

    // The API server refuses what the rules of the CRD refuse, so it would see a mistake of ours.
    let text = fixture("cluster-api-several-objects");
    let twice = text.replace("- name: audit-log-path", "- name: cloud-provider");
    let refused = try_dry_run(&sandbox, &server, &object(&twice, CLUSTER_API));
    assert!(refused.contains("extraArgs name must be unique"), "{refused}");

    let cases = [
        ("cluster-api", "cluster-api-several-objects", ""),
        ("cluster-api", "cluster-api-keep", DEFAULT),
        ("cluster-api", "cluster-api-v1beta1", DEFAULT),
        ("eks-anywhere", "eks-anywhere-several-objects", ""),
    ];
    for (distribution, name, kept) in cases {
        sandbox.file("object.yaml", &fixture(name));
        let keep = if kept.is_empty() { String::new() } else { format!("--keep-issuer {kept}") };
        let line = format!("render {distribution} --issuer {NEW} {keep} --into object.yaml");
        let changed = sandbox.issuerctl(&line).succeeded();
        let group = if distribution == "cluster-api" { CLUSTER_API } else { EKS_ANYWHERE };
        let refused = try_dry_run(&sandbox, &server, &object(&changed, group));
        assert_eq!(refused, "", "{name}:\n{changed}");
        assert!(object(&changed, group).contains(NEW));
    }
    from_cluster(&sandbox, &server);
}

/// What `render webhook --cert-manager` prints is taken by the CRDs, and its parts name each other:
/// the webhook's configuration its Certificate, the Certificates their Issuers, the Issuer and the
/// Deployment the Secrets that cert-manager writes.
pub(crate) fn cert_manager(version: &str) {
    let authority = Authority::new();
    let sandbox = Sandbox::new(&authority);
    let crds = [(CERT_MANAGER, "certificates"), (CERT_MANAGER, "issuers")];
    let (_etcd, server) = with_crds(version, &authority, &sandbox, &crds);
    let get = |line: &str| -> Value {
        serde_json::from_str(&server.kubectl(&format!("get {line} -o json"))).unwrap()
    };
    for namespace in ["pod-identity-webhook", "irsa-system"] {
        let line = format!("render webhook --cert-manager --namespace {namespace}");
        let printed = sandbox.issuerctl(&line).succeeded();
        let file = sandbox.file("webhook.yaml", &printed);
        server.kubectl(&format!("apply --validate=strict -f {}", file.display()));

        let hook = get("mutatingwebhookconfiguration pod-identity-webhook");
        let source = &hook["metadata"]["annotations"]["cert-manager.io/inject-ca-from"];
        let (place, name) = source.as_str().unwrap().split_once('/').unwrap();
        assert_eq!(place, namespace);
        let object = |kind: &str, name: &Value| {
            get(&format!("{kind} {} --namespace {namespace}", name.as_str().unwrap()))
        };
        let serving = object("certificate", &name.into());
        let client = &hook["webhooks"][0]["clientConfig"]["service"];
        assert_eq!(client["namespace"], namespace);
        let host = format!("{}.{namespace}.svc", client["name"].as_str().unwrap());
        let names = serving["spec"]["dnsNames"].as_array().unwrap();
        assert!(names.contains(&host.as_str().into()), "{names:?} {host}");
        let deployment = object("deployment", &"pod-identity-webhook".into());
        let volumes = deployment["spec"]["template"]["spec"]["volumes"].as_array().unwrap();
        let secret = &serving["spec"]["secretName"];
        assert!(volumes.iter().any(|volume| volume["secret"]["secretName"] == *secret));

        let signing = object("issuer", &serving["spec"]["issuerRef"]["name"]);
        let certificates = get(&format!("certificates --namespace {namespace}"));
        let mut certificates = certificates["items"].as_array().unwrap().iter();
        let of_issuer = &signing["spec"]["ca"]["secretName"];
        let root = certificates.find(|one| one["spec"]["secretName"] == *of_issuer).unwrap();
        assert_eq!(root["spec"]["isCA"], true);
        let own = object("issuer", &root["spec"]["issuerRef"]["name"]);
        assert!(own["spec"]["selfSigned"].is_object(), "{own:#}");

        // The CRDs would see a mistake of ours.
        for (right, wrong, says) in [
            ("algorithm: ECDSA", "algorithm: DSA", "Unsupported value"),
            ("rotationPolicy: Always", "rotationPolicy: Sometimes", "Unsupported value"),
            ("secretName:", "secret:", "unknown field"),
        ] {
            assert!(printed.contains(right), "{right}");
            let refused = try_dry_run(&sandbox, &server, &printed.replace(right, wrong));
            assert!(refused.contains(says), "{wrong}: {refused}");
        }
    }
}

/// An API server with CRDs.
fn with_crds(
    version: &str,
    authority: &Authority,
    sandbox: &Sandbox,
    crds: &[(&str, &str)],
) -> (Etcd, ApiServer) {
    sandbox.issuerctl("keygen --out-dir pki").succeeded();
    let etcd = Etcd::start(version);
    let (key, public) = (sandbox.path().join("pki/sa.key"), sandbox.path().join("pki/sa.pub"));
    let flags =
        Flags { issuers: &[DEFAULT], signing_key: &key, public_keys: &[&public], others: &[] };
    let server = ApiServer::start(version, "management", &etcd, authority, &flags);
    for (group, plural) in crds {
        let file = installed(&format!("crds/{group}_{plural}.yaml"));
        server.kubectl(&format!("apply --server-side -f {}", file.display()));
        let name = format!("crd/{plural}.{group}");
        // `--for=condition` is an error as long as there are no conditions at all.
        let is = "jsonpath={.status.conditions[?(@.type==\"Established\")].status}=True";
        server.kubectl(&format!("wait --for={is} {name} --timeout=60s"));
    }
    (etcd, server)
}

/// The object in the cluster is changed by the printed command, and then there is nothing to change.
fn from_cluster(sandbox: &Sandbox, server: &ApiServer) {
    let kubeconfig = server.kubeconfig("admin-token");
    for (distribution, name, group, of) in [
        (
            "cluster-api",
            "cluster-api-several-objects",
            CLUSTER_API,
            "--name prod-cp --namespace clusters",
        ),
        (
            "eks-anywhere",
            "eks-anywhere-several-objects",
            EKS_ANYWHERE,
            "--name prod --namespace default",
        ),
    ] {
        server.apply(&object(&fixture(name), group));
        let line = format!(
            "render {distribution} --issuer {NEW} --from-cluster {of} --kubeconfig {} --output json",
            kubeconfig.display()
        );
        let render =
            || -> Value { serde_json::from_str(&sandbox.issuerctl(&line).succeeded()).unwrap() };
        let rendered = render();
        assert_eq!(rendered["changed"], true);
        let patch = sandbox.file("patch.yaml", rendered["document"].as_str().unwrap());
        let command = rendered["rollout"][0].as_str().unwrap();
        let command = command.replace("FILE", &patch.display().to_string());
        let words: Vec<&str> = command.split_whitespace().collect();
        let patching = words.iter().position(|word| *word == "-n").unwrap();
        server.kubectl(&words[patching..].join(" "));
        let again = render();
        assert_eq!(again["changed"], false, "{again:#}");
    }
}

pub(crate) fn talos() {
    let sandbox = Sandbox::new(&Authority::new());
    let program = installed("talos/talos-config");
    let endpoint = "https://10.5.0.2:6443";
    let config = sandbox.run(Command::new(&program).arg("generate")).succeeded();
    let file = sandbox.file("controlplane.yaml", &config);
    let issuers = || {
        let out = sandbox.run(Command::new(&program).arg("check").arg(&file)).succeeded();
        out.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(issuers(), [""; 0]);
    for (flags, expected) in [
        (format!("--issuer {endpoint} --keep-issuer {NEW}"), vec![endpoint, NEW]),
        (format!("--issuer {NEW} --keep-issuer {endpoint}"), vec![NEW, endpoint]),
        (format!("--issuer {NEW} --drop-issuer {endpoint}"), vec![NEW]),
    ] {
        let line = format!("render talos {flags} --into controlplane.yaml --write");
        sandbox.issuerctl(&line).succeeded();
        assert_eq!(issuers(), expected);
    }
    // Nothing else of the configuration has changed.
    let changed = std::fs::read_to_string(&file).unwrap();
    let mut rest = changed.lines();
    assert!(config.lines().all(|line| rest.any(|other| other == line)), "{changed}");
}

fn fixture(name: &str) -> String {
    let path = repository().join(format!("fixtures/cluster-config/files/{name}.yaml"));
    std::fs::read_to_string(path).unwrap()
}

/// The object of a group, out of a file with several.
fn object(file: &str, group: &str) -> String {
    let head = format!("apiVersion: {group}/");
    let mut objects = file.split("\n---\n").filter(|text| {
        text.lines().any(|line| line.starts_with(&head))
            && text
                .lines()
                .any(|line| line == "kind: KubeadmControlPlane" || line == "kind: Cluster")
    });
    objects.next().unwrap().to_owned()
}

/// What the API server says against an object; empty if nothing.
fn try_dry_run(sandbox: &Sandbox, server: &ApiServer, object: &str) -> String {
    let file = sandbox.file("dry-run.yaml", object);
    let line = format!("apply --dry-run=server --validate=strict -f {}", file.display());
    let ran = server.try_kubectl(&line);
    if ran.code == Some(0) { String::new() } else { ran.err }
}
