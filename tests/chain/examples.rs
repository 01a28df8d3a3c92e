//! `docs/examples`: the files fit the schema as another implementation reads it, and are planned
//! and applied on moto.

use std::fs;
use std::path::Path;

use base64ct::{Base64, Encoding};
use issuer_test_support::{ApiServer, Reply};
use issuerctl_e2e::{Desk, Moto, repository};
use serde_json::json;

/// The schema, and the file, as PyYAML and jsonschema read them; the second argument must not fit.
const CHECK: &str = r#"
import json, sys, yaml, jsonschema
validator = jsonschema.Draft202012Validator(json.load(open(sys.argv[1])))
document = yaml.safe_load(open("issuer.yaml"))
validator.validate(document)
document["spec"]["rolls"] = document["spec"].pop("roles")
assert not validator.is_valid(document), "the schema takes anything"
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
    assert!(seen >= 2, "only {seen} examples were found");
}

fn one(folder: &Path) {
    let moto = Moto::start();
    let desk = Desk::in_moto().with("AWS_ENDPOINT_URL", moto.url());
    for file in fs::read_dir(folder).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), desk.path().join(file.file_name())).unwrap();
    }
    let schema = repository().join("docs/issuer.schema.json");
    desk.python(CHECK, &[schema.to_str().unwrap()]).succeeded();

    // What the examples expect around them: a kubeadm cluster's public key, and an EKS Anywhere
    // management cluster.
    desk.issuerctl("keygen --algorithm rsa-2048 --out-dir pki").succeeded();
    let public = fs::read(desk.path().join("pki/sa.pub")).unwrap();
    fs::write(desk.path().join("sa.pub"), &public).unwrap();
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "prod-sa", "namespace": "eksa-system"},
        "data": {"tls.crt": Base64::encode_string(&public)},
    });
    let secret = Reply::ok(secret.to_string());
    let management =
        ApiServer::start([("GET /api/v1/namespaces/eksa-system/secrets/prod-sa", secret)]);
    desk.file("config", &management.kubeconfig("{token: test}"));
    let desk = desk.with("KUBECONFIG", "config");

    desk.issuerctl("plan -f issuer.yaml").ended(7);
    desk.issuerctl("apply -f issuer.yaml --no-verify").ended(0);
    desk.issuerctl("plan -f issuer.yaml").ended(0);
}
