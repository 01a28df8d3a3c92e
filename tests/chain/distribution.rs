//! kubeadm's configuration, from the merged file to the tokens: `config validate`, the static Pod of
//! `init phase control-plane apiserver`, and an API server with its flags.

use std::path::Path;
use std::process::Command;

use base64ct::{Base64UrlUnpadded, Encoding};
use issuer_test_support::Authority;
use issuerctl_e2e::{ApiServer, Etcd, Flags, Sandbox, installed};
use serde_json::Value;

const NEW: &str = "https://my-oidc.s3.us-west-2.amazonaws.com/prod";
const DEFAULT: &str = "https://kubernetes.default.svc.cluster.local";

/// Comments and an argument that stay, and no issuer yet.
const CONFIG: &str = "\
# the prod cluster
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: vVERSION
apiServer:
  extraArgs:
  - name: profiling   # benchmark
    value: \"false\"
";

pub(crate) fn run(version: &str) {
    let authority = Authority::new();
    let sandbox = Sandbox::new(&authority);
    sandbox.issuerctl("keygen --algorithm rsa-2048 --out-dir pki").succeeded();
    let etcd = Etcd::start(version);
    let start = |issuers: &[String]| {
        let issuers: Vec<&str> = issuers.iter().map(String::as_str).collect();
        let (key, public) = (sandbox.path().join("pki/sa.key"), sandbox.path().join("pki/sa.pub"));
        let flags =
            Flags { issuers: &issuers, signing_key: &key, public_keys: &[&public], others: &[] };
        ApiServer::start(version, "kubeadm", &etcd, &authority, &flags)
    };
    let root = sandbox.path().join("root");
    std::fs::create_dir(&root).unwrap();
    let config = root.join("kubeadm.yaml");
    std::fs::write(&config, CONFIG.replace("VERSION", version)).unwrap();

    // Before: what kubeadm sets by itself.
    let before = flags(&sandbox, version, &root);
    assert_eq!(values(&before, "service-account-issuer"), [DEFAULT]);
    let server = start(&values(&before, "service-account-issuer"));
    let old_token = server.token_with("default/app", "");
    assert_eq!(issuer_of(&old_token), DEFAULT);
    drop(server);

    let mut next = format!("--issuer {DEFAULT} --keep-issuer {NEW}");
    let mut new_token = None;
    for (signing, old_is_accepted) in [(DEFAULT, true), (NEW, true), (NEW, false)] {
        let line =
            format!("render kubeadm {next} --into {} --write --output json", config.display());
        let out = sandbox.issuerctl(&line).succeeded();
        let object: Value = serde_json::from_str(&out).unwrap();
        let flags = flags(&sandbox, version, &root);
        let issuers = values(&flags, "service-account-issuer");
        assert_eq!(serde_json::to_value(&issuers).unwrap(), object["issuers"], "{flags:?}");
        assert_eq!(issuers[0], signing);
        assert_eq!(values(&flags, "profiling"), ["false"]);
        let server = start(&issuers);
        let token = server.token_with("default/app", "");
        assert_eq!(issuer_of(&token), signing);
        let accepted = |token: &str| {
            server.review(token, signing)["authenticated"] == true
                || server.review(token, DEFAULT)["authenticated"] == true
        };
        assert!(accepted(&token));
        assert_eq!(accepted(&old_token), old_is_accepted, "{issuers:?}");
        if signing == NEW {
            assert_eq!(values(&flags, "service-account-jwks-uri"), [format!("{NEW}/keys.json")]);
            new_token.get_or_insert(token);
        }
        if let Some(command) = object["next"].as_str() {
            let issuers = command.strip_prefix("issuerctl render kubeadm ").unwrap();
            next = issuers.split(" --into").next().unwrap().to_owned();
        }
    }
    let text = std::fs::read_to_string(&config).unwrap();
    assert!(text.starts_with("# the prod cluster\n") && text.contains("# benchmark"), "{text}");
}

/// The flags of the static Pod that kubeadm writes.
fn flags(sandbox: &Sandbox, version: &str, root: &Path) -> Vec<(String, String)> {
    let kubeadm = installed(&format!("kubernetes-{version}/kubeadm"));
    let validate = ["config", "validate", "--config"];
    sandbox.run(Command::new(&kubeadm).args(validate).arg(root.join("kubeadm.yaml"))).ended(0);
    // It changes its root folder, for which users other than root need a namespace.
    let is_root = sandbox.run(Command::new("id").arg("-u")).out.trim() == "0";
    let mut command = Command::new(if is_root { "env" } else { "unshare" });
    command.args(if is_root { &[][..] } else { &["--map-root-user"] });
    command.arg(&kubeadm).args(["init", "phase", "control-plane", "apiserver"]);
    command.args(["--config", "/kubeadm.yaml", "--rootfs"]).arg(root);
    sandbox.run(command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")).ended(0);
    let pod = root.join("etc/kubernetes/manifests/kube-apiserver.yaml");
    let text = std::fs::read_to_string(pod).unwrap();
    let flags = text.lines().filter_map(|line| line.trim().strip_prefix("- --")?.split_once('='));
    flags.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn values(flags: &[(String, String)], name: &str) -> Vec<String> {
    let mine = flags.iter().filter(|(flag, _)| flag == name);
    mine.map(|(_, value)| value.clone()).collect()
}

fn issuer_of(token: &str) -> String {
    let claims = Base64UrlUnpadded::decode_vec(token.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    claims["iss"].as_str().unwrap().to_owned()
}
