//! The EKS Anywhere operator: one command with the management cluster's kubeconfig, right after
//! `create cluster`.

use std::path::PathBuf;

use base64ct::{Base64, Encoding};
use issuerctl_e2e::{ApiServer, Etcd, Flags, OLDEST, Pod, Publisher, exchange, repository};

use crate::figures::Flow;

/// Creates a key as Cluster API does: PKCS#1 and SPKI.
const CLUSTER_API_KEY: &str = r#"
from cryptography.hazmat.primitives import serialization as s
from cryptography.hazmat.primitives.asymmetric import rsa
key = rsa.generate_private_key(65537, 2048)
open("cluster.key", "wb").write(key.private_bytes(s.Encoding.PEM, s.PrivateFormat.TraditionalOpenSSL, s.NoEncryption()))
open("cluster.pub", "wb").write(key.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo))
"#;

/// What serves admission policies in 1.34 and 1.35.
const POLICIES: [(&str, &str); 2] = [
    ("runtime-config", "admissionregistration.k8s.io/v1beta1=true"),
    ("feature-gates", "MutatingAdmissionPolicy=true"),
];

/// A management cluster with the Secret of a workload cluster, and that workload cluster.
pub(crate) struct Clusters {
    pub(crate) workload: ApiServer,
    pub(crate) management: ApiServer,
    /// For a service account that may only read the Secret.
    pub(crate) kubeconfig: PathBuf,
    etcd: Etcd,
}

impl Clusters {
    /// One more API server of the workload cluster, with the pair of keys `KEY.key` and `KEY.pub`.
    pub(crate) fn beside(
        &self,
        publisher: &Publisher,
        version: &str,
        issuer: &str,
        key: &str,
        others: &[(&str, &str)],
    ) -> ApiServer {
        let file = |end: &str| publisher.sandbox.path().join(format!("{key}.{end}"));
        let known = ["cluster.pub", "management-keys/sa.pub"];
        let known = known.map(|name| publisher.sandbox.path().join(name));
        let policies = if version == OLDEST { &POLICIES[..] } else { &[] };
        let flags = Flags {
            issuers: &[issuer],
            signing_key: &file("key"),
            public_keys: &known.each_ref().map(PathBuf::as_path),
            others: &[policies, others].concat(),
        };
        ApiServer::start(version, "workload", &self.etcd, &publisher.authority, &flags)
    }
}

/// Starts both; the workload cluster's tokens have this issuer.
pub(crate) fn clusters(publisher: &Publisher, version: &str, issuer: &str) -> Clusters {
    let (sandbox, authority) = (&publisher.sandbox, &publisher.authority);
    let etcd = Etcd::start(version);
    sandbox.python(CLUSTER_API_KEY, &[]).succeeded();
    publisher.keygen("rsa-2048", "management-keys");
    let file = |name: &str| sandbox.path().join(name);
    let start = |name: &str, issuer: &str, key: &str, public: &str| {
        let (key, public) = (file(key), file(public));
        let others = if version == OLDEST { &POLICIES[..] } else { &[] };
        let flags =
            Flags { issuers: &[issuer], signing_key: &key, public_keys: &[&public], others };
        ApiServer::start(version, name, &etcd, authority, &flags)
    };
    let management = start(
        "management",
        "https://kubernetes.default.svc.cluster.local",
        "management-keys/sa.key",
        "management-keys/sa.pub",
    );
    management
        .apply(&secret(&file_text(publisher, "cluster.key"), &file_text(publisher, "cluster.pub")));
    // The Role of the docs, and a kubeconfig of its ServiceAccount, which has no other permissions.
    management.create_account("issuerctl/issuerctl");
    let role = repository().join("docs/rbac/secret-reader.yaml");
    management.kubectl(&format!("apply -f {}", role.display()));
    let kubeconfig = management.kubeconfig(&management.token_with("issuerctl/issuerctl", ""));
    let limited = |verb_and_resource: &str| {
        let as_user = "--as system:serviceaccount:issuerctl:issuerctl";
        management
            .try_kubectl(&format!("auth can-i {verb_and_resource} -n eksa-system {as_user}"))
            .out
            .trim()
            == "yes"
    };
    assert!(limited("get secrets/prod-sa"));
    assert!(
        !limited("list secrets") && !limited("get secrets/other-sa") && !limited("get configmaps")
    );
    let workload = start("workload", issuer, "cluster.key", "cluster.pub");
    Clusters { workload, management, kubeconfig, etcd }
}

/// Fails if the output contains the cluster's private key.
pub(crate) fn hides_the_key(publisher: &Publisher, printed: &str) {
    let private = file_text(publisher, "cluster.key");
    let mut body = private.lines().filter(|line| !line.starts_with('-'));
    assert!(!body.any(|line| printed.contains(line)), "the private key was printed");
}

pub(crate) fn run(version: &str) {
    let publisher = Publisher::new();
    let Clusters { workload, management, kubeconfig, .. } =
        &clusters(&publisher, version, &publisher.issuer("prod"));
    let flow = Flow::new(format!("EKS Anywhere operator (Kubernetes {version})"));
    let published = flow.step("issuerctl publish --cluster prod --to s3://…", 1, || {
        publisher
            .publish(&format!("--cluster prod --kubeconfig {}", kubeconfig.display()), "prod")
            .ended(0)
    });
    assert_eq!(published.out, format!("{}\n", publisher.issuer("prod")));
    hides_the_key(&publisher, &published.err);

    let account = flow
        .step("provider and role (MinIO's configuration here)", 2, || publisher.account("prod"));
    let token = workload.token("default/app");
    flow.step("a pod reads an object (aws CLI, Rust SDK)", 0, || {
        Pod::new(&account, &token).reads_the_object();
    });
    // Tokens of the management cluster and tokens for another audience are refused.
    exchange(&account, &management.token("default/app")).unwrap_err();
    exchange(&account, &workload.token_with("default/app", "--audience other")).unwrap_err();
}

fn file_text(publisher: &Publisher, name: &str) -> String {
    std::fs::read_to_string(publisher.sandbox.path().join(name)).unwrap()
}

/// As Cluster API's `util/secret` creates it, in the namespace that EKS Anywhere uses.
fn secret(private_pem: &str, public_pem: &str) -> String {
    let (key, certificate) = (
        Base64::encode_string(private_pem.as_bytes()),
        Base64::encode_string(public_pem.as_bytes()),
    );
    format!(
        "apiVersion: v1\nkind: Namespace\nmetadata: {{name: eksa-system}}\n---\napiVersion: \
         v1\nkind: Secret\ntype: cluster.x-k8s.io/secret\nmetadata:\n  name: prod-sa\n  namespace: \
         eksa-system\n  labels: {{cluster.x-k8s.io/cluster-name: prod}}\ndata:\n  tls.crt: \
         {certificate}\n  tls.key: {key}\n"
    )
}
