//! `render` of a distribution's configuration: files in place, exit codes, and a cluster's objects.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "shared with other tests")]
mod desk;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

use issuer_test_support::{ApiServer, Reply};
use serde_json::{Value, json};

use desk::{Desk, ended};

const NEW: &str = "https://oidc.example.com/prod";
const OLD: &str = "https://old-oidc.s3.eu-west-1.amazonaws.com/prod";
const DEFAULT: &str = "https://kubernetes.default.svc.cluster.local";

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/cluster-config")
}

fn golden(name: &str) -> String {
    fs::read_to_string(folder().join("files").join(name)).unwrap()
}

/// The cases that end in one way: name, command line without `--into`, file.
fn cases(desk: &Desk, refused: bool) -> Vec<(String, String, PathBuf)> {
    let text = fs::read_to_string(folder().join("cases.json")).unwrap();
    let cases: Vec<Value> = serde_json::from_str(&text).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let line = |case: &Value| {
        let kept = case["keep"].as_array().unwrap().iter();
        let kept: String = kept.map(|issuer| format!(" --keep-issuer {}", text(issuer))).collect();
        format!("render {} --issuer {}{kept}", text(&case["distribution"]), text(&case["issuer"]))
    };
    let wanted = cases.iter().filter(|case| (case["exit"] == 4) == refused);
    wanted
        .map(|case| {
            let name = text(&case["name"]);
            fs::create_dir(desk.path().join(&name)).unwrap();
            let file = desk
                .file(&format!("{name}/{}", text(&case["path"])), &golden(&text(&case["file"])));
            (name, line(case), file)
        })
        .collect()
}

#[test]
fn an_issuer_in_a_variable_of_microk8s_is_given_up_by_its_name_and_kept_by_its_value() {
    let desk = Desk::new();
    desk.file("args", "--service-account-issuer=$ISS\n--profiling=false\n");
    let line = format!("render microk8s --issuer {NEW} --into args");
    let (_, said) = ended(&desk.run(&line), 4);
    assert!(said.contains("--drop-issuer '$ISS'") && said.contains("--keep-issuer URL"), "{said}");
    assert!(!said.contains("--keep-issuer '$ISS'"), "{said}");
    // What the hint says; the other half would be refused.
    ended(&desk.run(&format!("{line} --keep-issuer $ISS")), 3);
    let (file, _) = ended(&desk.run(&format!("{line} --drop-issuer $ISS --keep-issuer {OLD}")), 0);
    assert!(file.contains(NEW) && file.contains(OLD) && !file.contains("$ISS"), "{file}");
}

#[test]
fn a_file_is_replaced_only_if_it_changes_and_keeps_its_mode() {
    let desk = Desk::new();
    let cases = cases(&desk, false);
    assert!(cases.len() > 15);
    for (name, line, file) in cases {
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        let into = format!("{line} --into {}", file.display());
        let (printed, said) = ended(&desk.run(&into), 0);
        assert!(said.contains("@@"), "{name}: no diff\n{said}");
        let (nothing, _) = ended(&desk.run(&format!("{into} --write")), 0);
        assert_eq!((nothing.as_str(), fs::read_to_string(&file).unwrap()), ("", printed), "{name}");
        let first = fs::metadata(&file).unwrap();
        assert_eq!(first.permissions().mode() & 0o777, 0o640, "{name}");
        let (_, said) = ended(&desk.run(&format!("{into} --write")), 0);
        let second = fs::metadata(&file).unwrap();
        assert!(said.contains("nothing to change"), "{name}: {said}");
        assert_eq!(
            (first.ino(), first.mtime_nsec()),
            (second.ino(), second.mtime_nsec()),
            "{name}"
        );
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1, "{name}");
    }
}

#[test]
fn a_refusal_prints_one_error_and_writes_nothing() {
    let desk = Desk::new();
    let cases = cases(&desk, true);
    assert!(cases.len() > 8);
    for (name, line, file) in cases {
        let before = fs::read(&file).unwrap();
        let output = desk.run(&format!("{line} --into {} --write", file.display()));
        let (out, err) = ended(&output, 4);
        assert!(out.is_empty(), "{name}: {out}");
        assert_eq!(err.matches("error:").count(), 1, "{name}: {err}");
        assert!(err.contains(OLD) || err.contains("discoveryStore"), "{name}: {err}");
        assert_eq!(fs::read(&file).unwrap(), before, "{name}");
    }
}

#[test]
fn files_that_are_not_valid_end_with_3_and_a_place() {
    let desk = Desk::new();
    for (distribution, text, says) in [
        ("kubeadm", "apiServer:\n  extraArgs: [a\n b: c\n", "line 3 column 3"),
        (
            "kubeadm",
            "apiVersion: v1\nkind: Pod\n",
            "line 2 column 7: a Pod (v1) is not a kubeadm ClusterConfiguration",
        ),
        ("kubeadm", "", "line 1 column 1: an empty file"),
        ("talos", "machine:\n  type: worker\n", "line 2 column 9: there is no API server here"),
        ("talos", "machine:\n  token: hunter2\n   key: [hunter3\n", "line 3 column 7"),
        (
            "microk8s",
            "---\nversion: 0.1.0\n",
            "line 1 column 1: YAML, such as a launch configuration",
        ),
        ("k0s", "apiVersion: k0sctl.k0sproject.io/v1beta1\nkind: Cluster\n", "spec.k0s.config"),
    ] {
        desk.file("file", text);
        let (out, err) =
            ended(&desk.run(&format!("render {distribution} --issuer {NEW} --into file")), 3);
        assert!(out.is_empty() && err.contains(says), "{text}\n{err}");
        assert!(!err.contains("hunter"), "{err}");
    }
    fs::write(desk.path().join("file"), b"a: \xff\n").unwrap();
    ended(&desk.run(&format!("render k3s --issuer {NEW} --into file")), 3);
    ended(&desk.run(&format!("render k3s --issuer {NEW} --into missing")), 3);
}

#[test]
fn a_command_line_that_is_not_valid_ends_with_2() {
    let desk = Desk::new();
    for line in [
        "render kubeadm",
        "render kubeadm --issuer https://a.example -f issuer.yaml",
        "render kubeadm --issuer https://a.example --write",
        "render kubeadm --issuer https://a.example --into - --write",
        "render kubeadm --issuer https://a.example --into file --from-cluster",
        "render k3s --issuer https://a.example --from-cluster",
        "render eks-anywhere --issuer https://a.example --from-cluster",
        "render minikube --issuer https://a.example",
    ] {
        ended(&desk.run(line), 2);
    }
}

#[test]
fn the_three_steps_follow_from_each_other() {
    let desk = Desk::new();
    desk.file("file", "cluster-init: true\n");
    let first = format!("render k3s --issuer {DEFAULT} --keep-issuer {NEW} --into file --write");
    let mut line = first.clone();
    let mut steps = Vec::new();
    loop {
        let (out, err) = ended(&desk.run(&format!("{line} --output json")), 0);
        let object: Value = serde_json::from_str(&out).unwrap();
        steps.push((object["step"].as_str().unwrap().to_owned(), object["issuers"].clone()));
        let Some(next) = object["next"].as_str() else { break };
        assert!(err.contains(next), "{err}");
        line = next.strip_prefix("issuerctl ").unwrap().to_owned();
    }
    assert_eq!(
        steps,
        [
            ("accept".to_owned(), json!([DEFAULT, NEW])),
            ("sign".to_owned(), json!([NEW, DEFAULT])),
            ("drop".to_owned(), json!([NEW])),
        ]
    );
    let text = fs::read_to_string(desk.path().join("file")).unwrap();
    assert!(
        !text.contains("svc.cluster.local") && text.contains(&format!("{NEW}/keys.json")),
        "{text}"
    );
}

#[test]
fn a_default_issuer_that_nobody_names_and_a_single_issuer_are_said_in_words() {
    let desk = Desk::new();
    desk.file("k3s", "cluster-init: true\n");
    let (_, err) = ended(&desk.run(&format!("render k3s --issuer {NEW} --into k3s --quiet")), 0);
    assert!(err.contains(DEFAULT) && err.contains("401"), "{err}");
    let (_, err) = ended(&desk.run(&format!("render eks-anywhere --issuer {NEW}")), 0);
    assert!(err.starts_with("warning: EKS Anywhere holds one issuer"), "{err}");
}

#[test]
fn the_hint_about_the_only_issuer_of_eks_anywhere_works() {
    let desk = Desk::new();
    let old = "https://old.example.com";
    let (file, _) = ended(&desk.run(&format!("render eks-anywhere --issuer {old}")), 0);
    let cluster =
        "apiVersion: anywhere.eks.amazonaws.com/v1alpha1\nkind: Cluster\nmetadata: {name: prod}\n";
    let spec = &file[file.find("spec:").unwrap()..];
    desk.file("cluster.yaml", &format!("{cluster}{spec}"));
    let line = format!("render eks-anywhere --issuer {NEW} --into cluster.yaml");
    let (_, err) = ended(&desk.run(&line), 4);
    assert!(
        err.contains(&format!("--drop-issuer {old}")) && !err.contains("--keep-issuer"),
        "{err}"
    );
    let (out, _) = ended(&desk.run(&format!("{line} --drop-issuer {old}")), 0);
    assert!(out.contains(NEW) && !out.contains(old), "{out}");
}

#[test]
fn a_secret_of_the_file_is_in_the_document_and_nowhere_else() {
    let desk = Desk::new();
    let flow = "{token: hunter2, kube-apiserver-arg: [v=2]}\n";
    desk.file("file", flow);
    let (out, err) = ended(&desk.run(&format!("render k3s --issuer {NEW} --into file")), 0);
    assert!(out.contains("hunter2") && !err.contains("hunter2"), "{err}");
    desk.file("file", &golden("talos-documents.yaml"));
    let line =
        format!("render talos --issuer {NEW} --keep-issuer https://10.1.2.3:6443 --into file");
    let (out, err) = ended(&desk.run(&line), 0);
    assert!(
        out.contains("BEGIN RSA") && !err.contains("BEGIN") && !err.contains("78avot"),
        "{err}"
    );
}

#[test]
fn a_file_and_an_option_give_the_same_lines() {
    let desk = Desk::new();
    desk.file(
        "issuer.yaml",
        &format!("apiVersion: issuerctl.dev/v1alpha1\nkind: ServiceAccountIssuer\nmetadata: {{name: prod}}\nspec: {{issuer: {NEW}}}\n"),
    );
    desk.file(
        "bucket.yaml",
        "apiVersion: issuerctl.dev/v1alpha1\nkind: ServiceAccountIssuer\nmetadata: {name: prod}\nspec:\n  keys: [{file: sa.pub}]\n  store: {s3: {bucket: my-oidc, prefix: prod}}\n",
    );
    for distribution in [
        "kubeadm",
        "eks-anywhere",
        "cluster-api",
        "talos",
        "k3s",
        "rke2",
        "kops",
        "k0s",
        "microk8s",
    ] {
        let (option, _) = ended(&desk.run(&format!("render {distribution} --issuer {NEW}")), 0);
        let (file, _) = ended(&desk.run(&format!("render {distribution} -f issuer.yaml")), 0);
        assert_eq!(option, file);
        assert!(option.contains(NEW) && option.ends_with('\n'));
    }
    let line = "render k3s -f bucket.yaml";
    let (_, err) = ended(&desk.run(line), 3);
    assert!(err.contains("--region"), "{err}");
    let (out, _) = ended(&desk.run(&format!("{line} --region us-west-2")), 0);
    assert!(out.contains("https://my-oidc.s3.us-west-2.amazonaws.com/prod"), "{out}");
}

#[test]
fn the_change_of_an_object_is_printed_and_nothing_is_written_to_the_cluster() {
    let config = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\nkubernetesVersion: v1.36.3\n";
    let configmap = json!({
        "metadata": {"name": "kubeadm-config", "namespace": "kube-system"},
        "data": {"ClusterConfiguration": config},
    });
    let cluster = json!({
        "apiVersion": "anywhere.eks.amazonaws.com/v1alpha1",
        "kind": "Cluster",
        "metadata": {"name": "prod", "namespace": "default"},
        "spec": {"podIamConfig": {"serviceAccountIssuer": OLD}},
    });
    let plane = json!({
        "apiVersion": "controlplane.cluster.x-k8s.io/v1beta1",
        "kind": "KubeadmControlPlane",
        "metadata": {"name": "cp", "namespace": "clusters"},
        "spec": {"kubeadmConfigSpec": {}},
    });
    let eks = "GET /apis/anywhere.eks.amazonaws.com/v1alpha1/namespaces/default/clusters/prod";
    let capi = "GET /apis/controlplane.cluster.x-k8s.io/v1beta1/namespaces/clusters/kubeadmcontrolplanes/cp";
    let server = ApiServer::start([
        (
            "GET /api/v1/namespaces/kube-system/configmaps/kubeadm-config",
            Reply::ok(configmap.to_string()),
        ),
        (eks, Reply::ok(cluster.to_string())),
        (
            "GET /apis/controlplane.cluster.x-k8s.io",
            Reply::ok(json!({"preferredVersion": {"version": "v1beta1"}}).to_string()),
        ),
        (capi, Reply::ok(plane.to_string())),
    ]);
    let desk = Desk::new();
    desk.file("kubeconfig", &server.kubeconfig("{token: a-token}"));
    let from = "--from-cluster --kubeconfig kubeconfig";

    let kubeadm = format!("render kubeadm --issuer {NEW} --keep-issuer {DEFAULT} {from}");
    let (out, err) = ended(&desk.run(&kubeadm), 0);
    assert!(out.starts_with("data:\n  ClusterConfiguration: |\n    apiVersion"), "{out}");
    assert!(
        out.contains(NEW)
            && err.contains("kubectl --kubeconfig kubeconfig -n kube-system patch configmap"),
        "{err}"
    );

    let eks = format!("render eks-anywhere --issuer {NEW} --name prod {from}");
    let (out, err) = ended(&desk.run(&eks), 4);
    assert!(out.is_empty() && err.contains(OLD), "{err}");
    let (out, _) = ended(&desk.run(&format!("{eks} --drop-issuer {OLD}")), 0);
    assert_eq!(out, format!("spec:\n  podIamConfig:\n    serviceAccountIssuer: {NEW}\n"));

    let capi = format!("render cluster-api --issuer {NEW} --name cp --namespace clusters {from}");
    let (out, err) = ended(&desk.run(&capi), 0);
    assert!(out.contains(&format!("service-account-issuer: {NEW}")), "{out}");
    assert!(
        err.contains("patch kubeadmcontrolplanes.controlplane.cluster.x-k8s.io cp --type merge"),
        "{err}"
    );

    let (_, err) = ended(&desk.run(&capi.replace("--name cp", "--name other")), 3);
    assert!(
        err.contains("KubeadmControlPlane other") && err.contains("management cluster"),
        "{err}"
    );
    assert!(server.log().iter().all(|call| call.starts_with("GET ")), "{:?}", server.log());
}
