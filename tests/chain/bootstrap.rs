//! The bootstrap job: a pod without a terminal, with its mounted service account, run repeatedly.

use std::process::Command;

use issuerctl_e2e::{BUCKET, Etcd, Publisher, exchange, program, repository};
use serde_json::Value;

/// The folder of a pod's service account is fixed, so it is mounted there for this process only.
const IN_POD: &str = r#"
mount -t tmpfs tmpfs /run
mkdir -p /run/secrets/kubernetes.io/serviceaccount
cp "$1"/* /run/secrets/kubernetes.io/serviceaccount/
shift
exec "$@"
"#;

pub(crate) fn run(version: &str) {
    let publisher = Publisher::new();
    let (sandbox, issuer) = (&publisher.sandbox, publisher.issuer("prod"));
    publisher.keygen("rsa-2048", "pki");
    let etcd = Etcd::start(version);
    let server = publisher.api_server(version, &etcd, "pki", &["pki"]);
    server.create_account("default/app");
    server.create_account("issuerctl/issuerctl");
    for role in ["discovery-reader", "live-token"] {
        let file = repository().join(format!("docs/rbac/{role}.yaml"));
        server.kubectl(&format!("apply -f {}", file.display()));
    }
    // Every write would add a version of the object.
    publisher.aws(&format!("s3api create-bucket --bucket {BUCKET}")).succeeded();
    let versioning = format!(
        "s3api put-bucket-versioning --bucket {BUCKET} --versioning-configuration Status=Enabled"
    );
    publisher.aws(&versioning).succeeded();

    let job = || {
        let pod = server.pod_files("issuerctl/issuerctl");
        let (host, port) = server.host_and_port();
        let line =
            publisher.publish_line("--apiserver --check-live default/app --output json", "prod");
        // Users other than root need a user namespace, too.
        let root = sandbox.run(Command::new("id").arg("-u")).out.trim() == "0";
        let mut command = Command::new("unshare");
        command.args(if root { &["--mount"][..] } else { &["--map-root-user", "--mount"] });
        command.args(["sh", "-euc", IN_POD, "job"]).arg(pod.path()).arg(program("issuerctl"));
        command.args(line.split_whitespace());
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("KUBERNETES_SERVICE_HOST", host).env("KUBERNETES_SERVICE_PORT", port);
        let ran = sandbox.run(&mut command).ended(0);
        serde_json::from_str::<Value>(&ran.out)
            .unwrap_or_else(|error| panic!("{error}: {}", ran.out))
    };
    let first = job();
    assert_eq!(
        (&first["changed"], &first["verification"]["passed"]),
        (&Value::Bool(true), &Value::Bool(true)),
        "{first}"
    );
    assert_eq!(versions(&publisher), 2);
    let second = job();
    assert_eq!(
        (&second["changed"], &second["verification"]["passed"]),
        (&Value::Bool(false), &Value::Bool(true)),
        "{second}"
    );
    assert_eq!(versions(&publisher), 2, "the second run wrote");
    assert_eq!(second["issuer"], issuer.as_str());
    exchange(&publisher.account("prod"), &server.token("default/app")).unwrap();
}

/// How many versions the two documents have; the lease on the bucket policy has one, too.
fn versions(publisher: &Publisher) -> usize {
    let listed =
        publisher.aws(&format!("s3api list-object-versions --bucket {BUCKET}")).succeeded();
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let keys = listed["Versions"].as_array().unwrap().iter().filter_map(|one| one["Key"].as_str());
    keys.filter(|key| !key.contains(".issuerctl/")).count()
}
