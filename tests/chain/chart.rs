//! The chart, with the real Helm and on a real API server.

use std::process::Command;

use issuer_test_support::Authority;
use issuerctl_e2e::{
    ApiServer, Etcd, NEWEST, OLDEST, Publisher, Ran, Sandbox, program, repository,
};
use serde_json::Value;

use crate::controller_world::assert_current;

const CHART: &str = "charts/issuerctl";

/// Everything that can be enabled, in controller mode.
const WHOLE: &str = "\
replicas: 3
image: {repository: registry.example/issuer-controller, digest: \
'sha256:0000000000000000000000000000000000000000000000000000000000000000'}
aws: {region: eu-west-1, roleArn: 'arn:aws:iam::111122223333:role/issuerctl', fallbackSecret: aws-bootstrap}
caConfigMap: authorities
labels: {team: platform}
podLabels: {team: identity}
controller:
  namespaces: [clusters, eksa-system]
  secrets: [{namespace: eksa-system, names: [prod-sa, test-sa]}]
  readClusters: true
  workload: {enabled: true, namespaces: [apps]}
  allowedEndpoints: ['https://minio.example.com']
networkPolicy: {enabled: true, metricsFrom: [{namespaceSelector: {}}]}
serviceMonitor: {enabled: true, labels: {release: prometheus, team: monitoring}}
prometheusRule: {enabled: true, labels: {team: monitoring}}
nodeSelector: {kubernetes.io/os: linux}
tolerations: [{operator: Exists}]
extraEnv: [{name: HTTPS_PROXY, value: 'http://proxy.example:3128'}]
podAnnotations: {a: b}
priorityClassName: system-cluster-critical
";

const SYNC: &str = "\
mode: sync
aws: {region: eu-west-1, secret: aws}
sync:
  secrets: [{namespace: eksa-system, names: [prod-sa]}]
  file: |
    apiVersion: issuerctl.dev/v1alpha1
    kind: ServiceAccountIssuer
    metadata: {name: prod}
    spec:
      keys: [{apiserver: {}}]
      store: {s3: {bucket: my-oidc, prefix: prod}}
";

/// Definitions of the Prometheus operator, as far as the chart needs them.
const MONITORING: [(&str, &str); 2] =
    [("servicemonitors", "ServiceMonitor"), ("prometheusrules", "PrometheusRule")];

fn values(sandbox: &Sandbox) -> [(&'static str, String); 3] {
    [("default", ""), ("whole", WHOLE), ("sync", SYNC)].map(|(name, text)| {
        let file = sandbox.file(&format!("{name}.yaml"), text);
        (name, file.display().to_string())
    })
}

fn template(sandbox: &Sandbox, flags: &str) -> Ran {
    template_as(sandbox, "issuerctl", flags)
}

/// The release of this name.
fn template_as(sandbox: &Sandbox, release: &str, flags: &str) -> Ran {
    // Helm as it is built here takes an old version for that of the cluster.
    let version = if flags.contains("--kube-version") { "" } else { "--kube-version 1.34.0" };
    let chart = format!("{CHART} --namespace issuerctl-system");
    sandbox.helm(&format!("template {release} {chart} {version} {flags}"))
}

/// What needs no server.
pub(crate) fn renders() {
    let sandbox = Sandbox::new(&Authority::new());
    for (name, file) in values(&sandbox) {
        sandbox.helm(&format!("lint --strict {CHART} -f {file}")).succeeded();
        let rendered = template(&sandbox, &format!("-f {file}")).succeeded();
        let objects: Vec<Value> = serde_saphyr::from_multiple(&rendered).unwrap();
        let objects: Vec<&Value> = objects.iter().filter(|object| object.is_object()).collect();
        let kinds: Vec<&str> =
            objects.iter().filter_map(|object| object["kind"].as_str()).collect();
        for kind in ["ServiceMonitor", "PrometheusRule", "NetworkPolicy"] {
            assert_eq!(kinds.contains(&kind), name == "whole", "{name}: {kinds:?}");
        }
        assert_eq!(kinds.contains(&"CustomResourceDefinition"), name != "sync", "{name}");
        for object in &objects {
            assert_no_secret_is_listed(object);
            if object["kind"] == "Deployment" {
                assert_is_restricted(object);
            }
        }
    }
    let whole = sandbox.path().join("whole.yaml");
    let flags = format!("-f {} -s templates/deployment.yaml", whole.display());
    let deployment = template(&sandbox, &flags).succeeded();
    for line in [
        "registry.example/issuer-controller@sha256:000",
        "--namespace=clusters",
        "--namespace=eksa-system",
        "--allow-endpoint=https://minio.example.com",
        "audience: \"sts.amazonaws.com\"",
        "value: \"arn:aws:iam::111122223333:role/issuerctl\"",
    ] {
        assert!(deployment.contains(line), "{line}: {deployment}");
    }
    takes_its_arguments(&sandbox);
    let entry = |number: u8, name: &str| {
        let at = format!("controller.secrets[{number}]");
        format!("--set {at}.namespace=eksa-system --set {at}.names={{{name}}}")
    };
    let flags = format!("{} {} -s templates/rbac.yaml", entry(0, "a-sa"), entry(1, "b-sa"));
    let roles = template(&sandbox, &flags).succeeded();
    assert!(roles.contains("resourceNames: [\"a-sa\",\"b-sa\"]"), "{roles}");
    assert_eq!(roles.matches("kind: Role\n").count(), 2, "{roles}");
    // What YAML could take for a number is a name.
    let flags = "--set-string controller.namespaces={123} --namespace 456 -s templates/rbac.yaml";
    let roles = template(&sandbox, flags).succeeded();
    assert!(
        roles.contains("namespace: \"123\"") && roles.contains("namespace: \"456\""),
        "{roles}"
    );
    names_a_service(&sandbox);
    // What the chart does not set is anybody's to set.
    let rendered = template(
        &sandbox,
        "--set mode=sync --set sync.arguments={--region=us-west-2,--profile,-x}",
    );
    assert!(rendered.succeeded().contains("--region=us-west-2"));
    let sync = "--set mode=sync --set sync.arguments={--cluster=prod} --set sync.checkLive=apps/app \
                --set sync.secrets[0].namespace=eksa-system --set sync.secrets[0].names={prod-sa} \
                --set sync.readClusters=true";
    let rendered = template(&sandbox, sync).succeeded();
    for line in ["--check-live=apps/app", "serviceaccounts/token", "kubeadmcontrolplanes"] {
        assert!(rendered.contains(line), "{line}: {rendered}");
    }
    // An alert that is due more often than a step would not be one.
    let slow = "--set prometheusRule.enabled=true --set mode=sync --set sync.arguments={--apiserver} \
                --set sync.interval=1h -s templates/prometheusrule.yaml";
    let rules = template(&sandbox, slow).succeeded();
    assert!(rules.contains("> 10800") && rules.contains("for 180 minutes"), "{rules}");
    // Nothing says that Prometheus reads the metrics.
    assert!(!rules.contains("IssuerctlDown"), "{rules}");
    for (flags, says) in [
        ("--set mode=both", "mode"),
        ("--set replicas=-1", "replicas"),
        ("--set unknown=1", "unknown"),
        (
            "--set controller.secrets[0].namespace=a --set controller.secrets[0].names={any}",
            "names",
        ),
        ("--set aws.roleArn=app", "roleArn"),
        ("--set aws.fallbackSecret=bootstrap", "aws.roleArn, which is empty"),
        ("--set aws.secret=a --set aws.roleArn=arn:aws:iam::111122223333:role/a", "aws.secret"),
        ("--set mode=sync", "sync.arguments"),
        ("--set mode=sync --set sync.arguments={--apiserver} --set sync.interval=0s", "interval"),
        (
            "--set mode=sync --set sync.arguments={--apiserver} --set sync.interval=25h",
            "sync.interval is longer than 24h",
        ),
        ("--set mode=sync --set sync.file=x --set sync.checkLive=a/b", "sync.checkLive"),
        ("--set mode=sync --set sync.arguments={--interval=5s}", "set sync.interval instead"),
        ("--set mode=sync --set sync.arguments={--listen,[::]:1}", "set listenAddress instead"),
        ("--set mode=sync --set sync.arguments={--log-format=text}", "set logFormat instead"),
        ("--set mode=sync --set sync.arguments={--once}", "--once"),
        (
            "--set mode=sync --set sync.arguments={--region=us-west-2} --set aws.region=us-west-2",
            "set aws.region instead",
        ),
        (
            "--set mode=sync --set sync.arguments={--ca-file,/ca.pem} --set caConfigMap=ca",
            "set caConfigMap instead",
        ),
        ("--set mode=sync --set sync.file=x --set sync.arguments={-fy}", "set sync.file instead"),
        ("--set mode=sync --set sync.file=x --set sync.arguments={--apiserver}", "--apiserver"),
        ("--set mode=sync --set sync.file=x --set sync.arguments={--to=site}", "has --to, which"),
        ("--set controller.namespaces={a,a}", "namespaces"),
        ("--set fullnameOverride=My_Name", "fullnameOverride"),
        ("--set fullnameOverride=1st", "fullnameOverride"),
        ("--set listenAddress=localhost", "listenAddress"),
        ("--set podLabels.app\\.kubernetes\\.io/name=x", "propertyName"),
        ("--set labels.team=1", "labels"),
        ("--set-string serviceMonitor.interval=", "interval"),
        ("--set-string serviceMonitor.interval=30", "interval"),
        ("--set-string serviceMonitor.interval=30s1h", "interval"),
        ("--set resources.cpu=1", "resources"),
        ("--set controller.allowedEndpoints={minio}", "allowedEndpoints"),
        ("--kube-version 1.30.0", "kubeVersion"),
    ] {
        let refused = template(&sandbox, flags);
        assert!(refused.code != Some(0) && refused.err.contains(says), "{flags}: {}", refused.err);
    }
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: issuerctl-system}\n";
    let rendered = template(&sandbox, "").succeeded();
    let text = format!(
        "# Made from charts/issuerctl with its default values. A test compares it with the chart.\n\
         {namespace}{rendered}"
    );
    assert_current(&repository().join("deploy/install.yaml"), &text);
}

/// A release may have a name that no Service has.
fn names_a_service(sandbox: &Sandbox) {
    for (release, flags, name) in [
        ("my.issuerctl", "", "my-issuerctl"),
        ("prod.eu", "", "prod-eu-issuerctl"),
        ("1st", "--set fullnameOverride=a", "a"),
        ("prod", "--set-string nameOverride=1", "prod-1"),
    ] {
        let flags = format!("{flags} -s templates/service.yaml");
        let service = template_as(sandbox, release, &flags).succeeded();
        assert!(service.contains(&format!("name: \"{name}\"\n")), "{release}: {service}");
    }
    let refused = template_as(sandbox, "1st", "");
    assert!(refused.code != Some(0) && refused.err.contains("fullnameOverride"), "{refused:?}");
}

/// The programs know the flags that the chart gives them.
fn takes_its_arguments(sandbox: &Sandbox) {
    for (values, program_name) in [("whole", "issuer-controller"), ("sync", "issuerctl")] {
        let file = sandbox.path().join(format!("{values}.yaml"));
        let flags = format!("-f {} -s templates/deployment.yaml", file.display());
        let rendered = template(sandbox, &flags).succeeded();
        let objects: Vec<Value> = serde_saphyr::from_multiple(&rendered).unwrap();
        let deployment = objects.iter().find(|object| object["kind"] == "Deployment").unwrap();
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        let arguments = container["args"].as_array().unwrap().iter().filter_map(Value::as_str);
        let mut command = Command::new(program(program_name));
        // No variable of this sandbox leads to a cluster, and no file of the pod is here.
        command.args(arguments);
        let ran = sandbox.run(&mut command);
        assert!(ran.code != Some(2) && ran.code != Some(0), "{ran:?}");
        assert!(!ran.err.contains("unexpected argument"), "{ran:?}");
    }
}

fn assert_no_secret_is_listed(object: &Value) {
    for rule in object["rules"].as_array().into_iter().flatten() {
        let has = |field: &str, value: &str| {
            rule[field].as_array().into_iter().flatten().any(|one| one == value || one == "*")
        };
        if has("resources", "secrets") {
            assert!(!has("verbs", "list") && !has("verbs", "watch"), "{object:#}");
            assert!(rule["resourceNames"].as_array().is_some_and(|names| !names.is_empty()));
        }
    }
}

/// The restricted Pod Security Standard, and a root file system that cannot be written to.
fn assert_is_restricted(deployment: &Value) {
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["runAsUser"], 65532);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    let container = &pod["containers"][0]["securityContext"];
    assert_eq!(container["readOnlyRootFilesystem"], true);
    assert_eq!(container["allowPrivilegeEscalation"], false);
    assert_eq!(container["capabilities"]["drop"][0], "ALL");
}

/// Install, upgrade to other values and back, uninstall.
pub(crate) fn installs() {
    let publisher = Publisher::new();
    publisher.keygen("rsa-2048", "signing");
    for version in [OLDEST, NEWEST] {
        let etcd = Etcd::start(version);
        let api = publisher.api_server(version, &etcd, "signing", &["signing"]);
        let sandbox = &publisher.sandbox;
        let admin = api.kubeconfig("admin-token");
        let helm = |line: &str| {
            let flags = "--namespace issuerctl-system";
            sandbox.helm(&format!("{line} --kubeconfig {} {flags}", admin.display())).succeeded()
        };
        for namespace in ["clusters", "eksa-system", "apps"] {
            api.kubectl(&format!("create namespace {namespace}"));
        }
        for (plural, kind) in MONITORING {
            api.apply(&definition(plural, kind));
        }
        let install = repository().join("deploy/install.yaml");
        // The objects of a namespace that the same file creates are tried where there is one.
        let text = std::fs::read_to_string(install).unwrap();
        let file = sandbox.file("install.yaml", &text.replace("issuerctl-system", "apps"));
        api.kubectl(&format!("apply --server-side --dry-run=server -f {}", file.display()));

        let [(_, default), (_, whole), (_, sync)] = values(sandbox);
        helm(&format!("install issuerctl {CHART} --create-namespace -f {default}"));
        let wait = || {
            // The API server serves a new definition after a moment.
            api.kubectl(
                "wait --for condition=established --timeout 30s \
                 crd/serviceaccountissuers.issuerctl.dev",
            );
        };
        wait();
        for file in [&whole, &sync, &default, &whole] {
            let said = helm(&format!("upgrade issuerctl {CHART} -f {file}"));
            let warns = said.contains("delete one of the namespaces clusters, eksa-system:");
            assert_eq!(warns, file == &whole, "{said}");
            wait();
        }
        // The same by server-side apply, which leaves what nobody requests any more as it is.
        for file in [&default, &sync, &default] {
            let flags = format!("-f {file} --namespace apps -s templates/deployment.yaml");
            let file = sandbox.file("deployment.yaml", &template(sandbox, &flags).succeeded());
            api.kubectl(&format!("apply --server-side -f {}", file.display()));
        }
        api.kubectl("delete deployment issuerctl --namespace apps");
        helm("uninstall issuerctl");
        let left = left(&api);
        assert_eq!(
            left,
            ["customresourcedefinition.apiextensions.k8s.io/serviceaccountissuers.issuerctl.dev"]
        );
        // The definition that stayed does not keep the chart from being installed again.
        helm(&format!("install issuerctl {CHART}"));
        helm("uninstall issuerctl");
    }
}

/// Whatever carries the name of the release.
fn left(api: &ApiServer) -> Vec<String> {
    let kinds = api.kubectl("api-resources --verbs=list -o name");
    let kinds: Vec<&str> = kinds.lines().filter(|kind| !kind.starts_with("events")).collect();
    let found = api.kubectl(&format!(
        "get {} -A -l app.kubernetes.io/instance=issuerctl -o name --ignore-not-found",
        kinds.join(",")
    ));
    found.lines().map(str::to_owned).collect()
}

fn definition(plural: &str, kind: &str) -> String {
    let singular = kind.to_lowercase();
    format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: \
         {plural}.monitoring.coreos.com}}\nspec:\n  group: monitoring.coreos.com\n  scope: Namespaced\n  \
         names: {{kind: {kind}, listKind: {kind}List, plural: {plural}, singular: {singular}}}\n  \
         versions:\n  - name: v1\n    served: true\n    storage: true\n    schema: {{openAPIV3Schema: \
         {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}\n"
    )
}
