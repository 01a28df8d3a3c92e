//! Keys of clusters: whose they are, and which are not added to the published ones.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod desk;

use issuer_test_support::{ApiServer, IamServer, Reply};
use serde_json::{Value, json};

use desk::{Desk, ended, golden};

const ISSUER: &str = "https://oidc.example.com/prod";
const SECRET: &str = "GET /api/v1/namespaces/eksa-system/secrets/prod-sa";
const EKS_ANYWHERE: &str =
    "GET /apis/anywhere.eks.amazonaws.com/v1alpha1/namespaces/eksa-system/clusters/prod";

/// A management cluster with the Secret of a cluster, and these objects.
fn management(objects: Vec<(&'static str, Value)>) -> (ApiServer, Desk) {
    let secret = (SECRET, Reply::secret(&golden("encodings/rsa2048.spki.pem")));
    let objects = objects.into_iter().map(|(line, object)| (line, Reply::ok(object.to_string())));
    let server = ApiServer::start(objects.chain([secret]));
    let desk = Desk::new();
    desk.file("kubeconfig", &server.kubeconfig("{token: a-token}"));
    desk.file("theirs.json", &golden("cases/p256/jwks.json"));
    (server, desk)
}

fn eks_anywhere(issuer: &str) -> (&'static str, Value) {
    (EKS_ANYWHERE, json!({"spec": {"podIamConfig": {"serviceAccountIssuer": issuer}}}))
}

/// The objects of a cluster of Cluster API.
fn cluster_api(issuer: &str) -> Vec<(&'static str, Value)> {
    let version = |version: &str| json!({"preferredVersion": {"version": version}});
    let arguments = json!([{"name": "service-account-issuer", "value": issuer}]);
    vec![
        ("GET /apis/cluster.x-k8s.io", version("v1beta2")),
        (
            "GET /apis/cluster.x-k8s.io/v1beta2/namespaces/eksa-system/clusters/prod",
            json!({"spec": {"controlPlaneRef": {
                "kind": "KubeadmControlPlane", "name": "prod-control-plane"
            }}}),
        ),
        ("GET /apis/controlplane.cluster.x-k8s.io", version("v1beta2")),
        (
            "GET /apis/controlplane.cluster.x-k8s.io/v1beta2/namespaces/eksa-system/\
             kubeadmcontrolplanes/prod-control-plane",
            json!({"spec": {"kubeadmConfigSpec": {"clusterConfiguration": {"apiServer": {
                "extraArgs": arguments
            }}}}}),
        ),
    ]
}

const PUBLISH: &str = "publish --cluster prod --kubeconfig kubeconfig --context other";

fn place() -> String {
    format!("--to site --issuer {ISSUER}")
}

#[test]
fn keys_of_a_secret_are_not_added_to_those_of_a_cluster_that_is_not_known_to_be_the_same() {
    let other = "https://kubernetes.default.svc";
    for (objects, says) in [
        (vec![], "is not known"),
        (vec![eks_anywhere(other)], other),
        (cluster_api(other), other),
        // A Secret of the same management cluster, whose control plane has no flags to read.
        (cluster_api(other).into_iter().take(1).collect(), "is not known"),
    ] {
        let (server, desk) = management(objects);
        ended(&desk.run(&format!("publish --jwks theirs.json {}", place())), 0);
        let keys = || std::fs::read_to_string(desk.path().join("site/keys.json")).unwrap();
        let published = keys();
        let (_, err) = ended(&desk.run(&format!("{PUBLISH} {}", place())), 4);
        for part in [
            says,
            "the cluster prod",
            server.url().as_str(),
            "(context other)",
            "`kubectl --kubeconfig kubeconfig --context other get kubeadmcontrolplanes",
            "--allow-other-cluster",
        ] {
            assert!(err.contains(part), "{part}: {err}");
        }
        assert_eq!(keys(), published);
        // What the hint says; from then on the cluster is known.
        ended(&desk.run(&format!("{PUBLISH} {} --allow-other-cluster", place())), 0);
        assert_ne!(keys(), published);
        ended(&desk.run(&format!("{PUBLISH} {}", place())), 0);
    }
}

#[test]
fn a_new_key_of_a_cluster_that_is_configured_with_the_issuer_is_added() {
    for objects in [vec![eks_anywhere(ISSUER)], cluster_api(ISSUER)] {
        let (_server, desk) = management(objects);
        ended(&desk.run(&format!("publish --jwks theirs.json {}", place())), 0);
        ended(&desk.run(&format!("{PUBLISH} {}", place())), 0);
    }
}

#[test]
fn the_objects_of_a_cluster_are_read_only_if_its_keys_are_new_beside_others() {
    let (server, desk) = management(vec![eks_anywhere(ISSUER)]);
    ended(&desk.run(&format!("{PUBLISH} {}", place())), 0);
    ended(&desk.run(&format!("{PUBLISH} {}", place())), 0);
    assert!(server.log().iter().all(|line| line.starts_with(SECRET)), "{:?}", server.log());
}

#[test]
fn the_permissions_that_are_printed_include_the_objects_of_a_cluster_if_and_only_if_they_are_read()
{
    let (_server, desk) = management(vec![eks_anywhere(ISSUER)]);
    let issuer = |kubeconfig: &str| {
        format!(
            "apiVersion: issuerctl.dev/v1alpha1\nkind: ServiceAccountIssuer\nmetadata: {{name: \
             prod}}\nspec:\n  issuer: {ISSUER}\n  keys: [{{cluster: {{name: prod, kubeconfig: \
             {kubeconfig}}}}}]\n  store: {{folder: site}}\n"
        )
    };
    desk.file("issuer.yaml", &issuer("kubeconfig"));
    let objects =
        ["anywhere.eks.amazonaws.com", "cluster.x-k8s.io", "controlplane.cluster.x-k8s.io"];
    let printed = |read: bool| {
        for command in ["plan", "apply"] {
            let (out, _) = ended(&desk.run(&format!("{command} -f issuer.yaml --print-rbac")), 0);
            assert!(out.contains("prod-sa"), "{out}");
            for group in objects {
                assert_eq!(out.contains(&format!("- {group}\n")), read, "{command} {group}: {out}");
            }
        }
        let (out, _) = ended(&desk.run("delete -f issuer.yaml --print-rbac"), 0);
        assert_eq!(out, "");
    };
    // Nothing is published, so there is no other cluster.
    printed(false);
    ended(&desk.run(&format!("publish --jwks theirs.json {}", place())), 0);
    printed(true);
    ended(&desk.run("apply -f issuer.yaml"), 0);
    printed(false);
    // What cannot be read may be new.
    let other = ApiServer::start([(SECRET, Reply::status(403, "forbidden"))]);
    desk.file("other", &other.kubeconfig("{token: a-token}"));
    desk.file("issuer.yaml", &issuer("other"));
    printed(true);
}

#[test]
fn a_file_names_the_cluster_and_needs_the_option_as_well() {
    let (_server, desk) = management(vec![]);
    ended(&desk.run(&format!("publish --jwks theirs.json {}", place())), 0);
    desk.file(
        "issuer.yaml",
        &format!(
            "apiVersion: issuerctl.dev/v1alpha1\nkind: ServiceAccountIssuer\nmetadata: {{name: \
             prod}}\nspec:\n  issuer: {ISSUER}\n  keys: [{{cluster: {{name: prod, kubeconfig: \
             kubeconfig}}}}]\n  store: {{folder: site}}\n"
        ),
    );
    let (_, err) = ended(&desk.run("plan -f issuer.yaml"), 4);
    assert!(
        err.contains("cluster: {name: NAME}") && err.contains("kubectl --kubeconfig "),
        "{err}"
    );
    ended(&desk.run("apply -f issuer.yaml --allow-other-cluster"), 0);
}

/// An API server whose issuer is the default of `kubeadm`.
fn other_issuer() -> ApiServer {
    let document = r#"{"issuer":"https://kubernetes.default.svc","jwks_uri":"https://10.0.0.1/openid/v1/jwks"}"#;
    let keys = Reply::ok(golden("cases/rsa2048/jwks.json"));
    ApiServer::start([
        ("GET /openid/v1/jwks", keys),
        ("GET /.well-known/openid-configuration", Reply::ok(document)),
    ])
}

#[test]
fn another_issuer_than_the_api_servers_own_is_said() {
    let (server, desk) = (other_issuer(), Desk::new());
    desk.file("kubeconfig", &server.kubeconfig("{token: a-token}"));
    let line = "--apiserver --kubeconfig kubeconfig --to site --issuer https://oidc.example.com";
    let (_, err) = ended(&desk.run(&format!("publish {line}")), 0);
    assert!(
        err.contains("https://kubernetes.default.svc") && err.contains("--service-account-issuer"),
        "{err}"
    );
    let (_, err) = ended(&desk.run("jwks --apiserver --kubeconfig kubeconfig"), 0);
    assert_eq!(err, format!("keys: the API server {} (context test)\n", server.url()));
}

#[test]
fn the_keys_of_a_cluster_of_another_issuer_are_not_added_to_the_keys_of_this_one() {
    let (server, desk) = (other_issuer(), Desk::new());
    desk.file("kubeconfig", &server.kubeconfig("{token: a-token}"));
    desk.file("theirs.json", &golden("cases/p256/jwks.json"));
    let place = "--to site --issuer https://oidc.example.com";
    let cluster = "--apiserver --kubeconfig kubeconfig";
    ended(&desk.run(&format!("publish --jwks theirs.json {place}")), 0);
    let published = std::fs::read_to_string(desk.path().join("site/keys.json")).unwrap();
    let (_, err) = ended(&desk.run(&format!("publish {cluster} {place}")), 4);
    assert!(err.contains(server.url().trim_end_matches('/')), "{err}");
    assert!(err.contains("kubernetes.default.svc") && err.contains("--context"), "{err}");
    assert_eq!(std::fs::read_to_string(desk.path().join("site/keys.json")).unwrap(), published);

    // The command of the hint asks the cluster that was given.
    let command = "`kubectl --kubeconfig kubeconfig --context other cluster-info`";
    let (_, err) = ended(&desk.run(&format!("publish {cluster} --context other {place}")), 4);
    assert!(err.contains(command) && err.contains("(context other)"), "{err}");

    // What the hint says, for a new key of the right cluster.
    ended(&desk.run(&format!("publish {cluster} {place} --allow-other-cluster")), 0);
    // From then on it is known.
    ended(&desk.run(&format!("publish {cluster} {place}")), 0);
}

#[test]
fn render_warns_of_its_keys_as_apply_does_with_aws_and_without() {
    let (api, aws, desk) = (other_issuer(), IamServer::start(), Desk::new());
    desk.file("kubeconfig", &api.kubeconfig("{token: a-token}"));
    desk.file("sa.key", &golden("encodings/p256.sec1.pem"));
    let file = |store: &str| {
        format!(
            "apiVersion: issuerctl.dev/v1alpha1\nkind: ServiceAccountIssuer\nmetadata: {{name: \
             prod}}\nspec:\n  issuer: https://oidc.example.com\n  keys: [{{file: sa.key}}, \
             {{apiserver: {{}}}}]\n  store: {store}\n"
        )
    };
    desk.file("issuer.yaml", &file("{s3: {bucket: my-oidc, region: us-west-2}}"));
    let url = aws.url();
    let env = [("KUBECONFIG", "kubeconfig"), ("AWS_ENDPOINT_URL_STS", url.as_str())];
    let line = "render terraform -f issuer.yaml --region us-west-2";
    for account in ["", " --account 111122223333"] {
        let (out, err) = ended(&desk.run_with(&format!("{line}{account}"), &env), 0);
        assert!(out.contains("aws_s3_object"), "{out}");
        assert!(err.contains("sa.key: block 1 is a private key"), "{account}: {err}");
        assert!(err.contains("is https://kubernetes"), "{account}: {err}");
    }

    // No document is rendered for a folder, so its keys are not needed.
    desk.file("issuer.yaml", &file("{folder: site}"));
    std::fs::remove_file(desk.path().join("sa.key")).unwrap();
    for account in ["", " --account 111122223333"] {
        let (_, err) = ended(&desk.run_with(&format!("{line}{account}"), &env), 0);
        assert!(!err.contains("warning") && !err.contains("keys:"), "{account}: {err}");
    }
}
