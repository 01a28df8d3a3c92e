//! `docs/examples`: another implementation validates the files against the schema, and they are
//! planned and applied on moto.

use std::fs;
use std::path::Path;

use base64ct::{Base64, Encoding};
use issuer_test_support::{ApiServer, ClusterServer, Reply};
use issuerctl_e2e::{Moto, Sandbox, repository};
use serde_json::json;

/// Validates the file with PyYAML and jsonschema; with a misspelled member it must be invalid.
const CHECK: &str = r#"
import json, sys, yaml, jsonschema
validator = jsonschema.Draft202012Validator(json.load(open(sys.argv[1])))
document = yaml.safe_load(open("issuer.yaml"))
validator.validate(document)
document["spec"]["rolls"] = document["spec"].pop("roles")
assert not validator.is_valid(document), "the schema accepts an unknown member"
"#;

pub(crate) fn run() {
    let examples = repository().join("docs/examples");
    let mut seen = 0;
    for entry in fs::read_dir(&examples).unwrap() {
        let folder = entry.unwrap().path();
        if folder.is_dir() {
            one(&folder);
            seen += 1;
        }
    }
    assert!(seen >= 2, "found only {seen} examples");
}

fn one(folder: &Path) {
    let moto = Moto::start();
    let sandbox = Sandbox::in_moto().with("AWS_ENDPOINT_URL", moto.url());
    for file in fs::read_dir(folder).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), sandbox.path().join(file.file_name())).unwrap();
    }
    let schema = repository().join("docs/issuer.schema.json");
    sandbox.python(CHECK, &[schema.to_str().unwrap()]).succeeded();

    // What the examples expect: the public key of a kubeadm cluster, and an EKS Anywhere management
    // cluster.
    sandbox.issuerctl("keygen --algorithm rsa-2048 --out-dir pki").succeeded();
    let public = fs::read(sandbox.path().join("pki/sa.pub")).unwrap();
    fs::write(sandbox.path().join("sa.pub"), &public).unwrap();
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "prod-sa", "namespace": "eksa-system"},
        "data": {"tls.crt": Base64::encode_string(&public)},
    });
    let secret = Reply::ok(secret.to_string());
    let management =
        ApiServer::start([("GET /api/v1/namespaces/eksa-system/secrets/prod-sa", secret)]);
    sandbox.file("config", &management.kubeconfig("{token: test}"));
    // The workload cluster of EKS Anywhere; nothing signs tokens here.
    let workload = ClusterServer::start();
    workload.forbid("create token");
    fs::create_dir(sandbox.path().join("prod")).unwrap();
    sandbox.file("prod/prod-eks-a-cluster.kubeconfig", &workload.kubeconfig());
    let sandbox = sandbox.with("KUBECONFIG", "config");

    sandbox.issuerctl("plan -f issuer.yaml").ended(7);
    sandbox.issuerctl("apply -f issuer.yaml --no-verify").ended(0);
    sandbox.issuerctl("plan -f issuer.yaml").ended(0);
}
