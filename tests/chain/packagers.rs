//! `inject` within kustomize and Helm, as the docs show it.

use std::process::Command;

use issuer_test_support::Authority;
use issuerctl_e2e::{Sandbox, installed, program};
use serde_json::Value;

const ACCOUNTS: &str = "\
apiVersion: v1
kind: ServiceAccount
metadata:
  name: app
  annotations:
    eks.amazonaws.com/role-arn: arn:aws:iam::111122223333:role/app
";

const APP: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: app
spec:
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app}}
    spec:
      serviceAccountName: app
      containers:
      - name: main
        image: registry.example/app:1
";

/// A KRM function, with the files of docs/pods.md.
pub(crate) fn kustomize() {
    let sandbox = Sandbox::new(&Authority::new());
    let docs = include_str!("../../docs/pods.md");
    for name in ["kustomization.yaml", "inject.yaml"] {
        let (_, block) = docs.split_once(&format!("    # {name}\n")).unwrap();
        let lines = block.lines().take_while(|line| line.starts_with("    "));
        let text: String = lines.map(|line| format!("{}\n", &line[4..])).collect();
        // Where the docs expect it in PATH.
        let path = format!("path: {}", program("issuerctl").display());
        sandbox.file(name, &text.replace("path: issuerctl", &path));
    }
    sandbox.file("accounts.yaml", ACCOUNTS);
    sandbox.file("app.yaml", APP);
    let mut build = Command::new(installed("packagers/kustomize"));
    build.args(["build", "--enable-alpha-plugins", "--enable-exec", "."]);
    assert_has_role(&sandbox.run(&mut build).succeeded());
}

/// A post-renderer, with the options of docs/pods.md.
pub(crate) fn helm() {
    let sandbox = Sandbox::new(&Authority::new());
    std::fs::create_dir_all(sandbox.path().join("chart/templates")).unwrap();
    sandbox.file("chart/Chart.yaml", "apiVersion: v2\nname: app\nversion: 0.1.0\n");
    sandbox.file("chart/templates/accounts.yaml", ACCOUNTS);
    sandbox.file("chart/templates/app.yaml", APP);
    let docs = include_str!("../../docs/pods.md");
    let (_, options) = docs.split_once("./chart --post-renderer issuerctl ").unwrap();
    let mut template = Command::new(installed("packagers/helm"));
    template.args(["template", "app", "./chart", "--post-renderer"]).arg(program("issuerctl"));
    template.args(options.lines().next().unwrap().split_whitespace());
    assert_has_role(&sandbox.run(&mut template).succeeded());
}

#[track_caller]
fn assert_has_role(rendered: &str) {
    let documents: Vec<Value> = serde_saphyr::from_multiple(rendered).unwrap();
    let kinds: Vec<&str> = documents.iter().filter_map(|own| own["kind"].as_str()).collect();
    assert_eq!(kinds.len(), 2, "{rendered}");
    let app = documents.iter().find(|own| own["kind"] == "Deployment").unwrap();
    let spec = &app["spec"]["template"]["spec"];
    assert_eq!(spec["containers"][0]["env"][0]["name"], "AWS_ROLE_ARN", "{rendered}");
    assert_eq!(spec["volumes"][0]["name"], "aws-iam-token", "{rendered}");
}
