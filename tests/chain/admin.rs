//! The self-managed cluster before `kubeadm init`: keygen, publish, then the API server with these
//! files.

use issuerctl_e2e::{ApiServer, Etcd, Pod, Publisher, exchange};

use crate::figures::Flow;

/// All algorithms of keygen.
pub(crate) const ALGORITHMS: [&str; 6] =
    ["rsa-2048", "rsa-3072", "rsa-4096", "p256", "p384", "p521"];

pub(crate) fn one_key(version: &str, algorithm: &str) {
    let publisher = Publisher::new();
    let flow = Flow::new(format!("DIY admin, {algorithm} (Kubernetes {version})"));
    let kid = flow.step("issuerctl keygen", 1, || publisher.keygen(algorithm, "pki"));
    let issuer = flow.step("issuerctl publish --key sa.pub --to s3://…", 1, || {
        publisher.publish("--key pki/sa.pub", "prod").succeeded()
    });
    assert_eq!(issuer.trim(), publisher.issuer("prod"));
    let etcd = Etcd::start(version);
    let server = publisher.api_server(version, &etcd, "pki", &["pki"]);

    let account = flow
        .step("provider and role (MinIO's configuration here)", 2, || publisher.account("prod"));
    let token = server.token("default/app");
    flow.step("the first token reads an object (aws CLI, Rust SDK)", 0, || {
        Pod::new(&account, &token).reads_the_object();
    });
    publisher.sandbox.file("token", &token);
    publisher.verify(issuer.trim(), "--key pki/sa.pub --token token").ended(0);
    assert_published_is_served(&publisher, &server);

    let kubeconfig = server.kubeconfig("admin-token");
    let live = format!("--check-live default/app --kubeconfig {}", kubeconfig.display());
    publisher.publish(&format!("--key pki/sa.pub {live}"), "prod").ended(0);
    let other = publisher.keygen(algorithm, "other");
    let refused = publisher.publish(&format!("--key other/sa.pub {live}"), "elsewhere").ended(4);
    assert!(refused.err.contains(&kid) && refused.err.contains(&other), "{}", refused.err);
    assert_eq!(publisher.published_keys("elsewhere"), None, "something was written");
}

pub(crate) fn several_keys(version: &str) {
    let publisher = Publisher::new();
    for algorithm in ALGORITHMS {
        publisher.keygen(algorithm, algorithm);
    }
    let flags = ALGORITHMS.map(|algorithm| format!("--key {algorithm}/sa.pub")).join(" ");
    publisher.publish(&flags, "prod").ended(0);
    let etcd = Etcd::start(version);
    let server = publisher.api_server(version, &etcd, "p384", &ALGORITHMS);
    assert_published_is_served(&publisher, &server);
    let account = publisher.account("prod");
    exchange(&account, &server.token("default/app")).unwrap();
}

/// `diff <(kubectl get --raw /openid/v1/jwks) <(curl -s $ISSUER/keys.json)`, and the API server as
/// a key source.
fn assert_published_is_served(publisher: &Publisher, server: &ApiServer) {
    let served = server.kubectl("get --raw /openid/v1/jwks");
    assert_eq!(publisher.published_keys("prod").as_deref(), Some(served.as_str()));
    let kubeconfig = server.kubeconfig("admin-token");
    let line = format!("jwks --apiserver --kubeconfig {}", kubeconfig.display());
    assert_eq!(publisher.sandbox.issuerctl(&line).succeeded(), served);
    let document = server.kubectl("get --raw /.well-known/openid-configuration");
    let line = format!(
        "discovery --apiserver --kubeconfig {} --issuer {} --shape kubernetes --allow-port",
        kubeconfig.display(),
        publisher.issuer("prod")
    );
    assert_eq!(publisher.sandbox.issuerctl(&line).succeeded(), document);
}
