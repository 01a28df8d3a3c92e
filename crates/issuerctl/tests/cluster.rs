//! What the command says of a cluster that does not answer, or has not what was asked for: the server,
//! the step, the proxy, and commands that reach the same cluster.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod desk;

use std::net::TcpListener;
use std::time::{Duration, Instant};

use issuer_test_support::{ApiServer, Authority, IamServer, Reply};

use desk::{Desk, ended, golden};

/// A server that accepts connections and never answers.
fn silent() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || listener.incoming().collect::<Vec<_>>());
    address
}

fn kubeconfig(server: &str, proxy: &str) -> String {
    format!(
        "current-context: c\nclusters:\n- name: k\n  cluster: {{server: '{server}', proxy-url: \
         '{proxy}', insecure-skip-tls-verify: true}}\ncontexts:\n- name: c\n  context: {{cluster: \
         k, user: u}}\nusers:\n- name: u\n  user: {{token: hidden}}\n"
    )
}

#[test]
fn a_wait_names_the_server_the_step_and_the_proxy_and_nothing_secret() {
    let (server, proxy) = (silent(), silent());
    let desk = Desk::new();
    desk.file("sa.pub", &golden("encodings/rsa2048.spki.pem"));
    desk.file("direct", &kubeconfig(&format!("https://u:hidden@{server}"), ""));
    let through = kubeconfig("https://k8s.example.com:6443", &format!("http://u:hidden@{proxy}"));
    desk.file("through", &through);
    let tls = kubeconfig("https://k8s.example.com:6443", &format!("https://u:hidden@{proxy}"));
    desk.file("through-tls", &tls);
    let live = "publish --key sa.pub --to site --issuer https://oidc.example.com --check-live \
                default/app --live-kubeconfig direct";
    let began = Instant::now();
    std::thread::scope(|scope| {
        for (line, says) in [
            ("jwks --apiserver --kubeconfig direct", [&*server, "(get on /openid/v1/jwks)"]),
            ("jwks --cluster prod --kubeconfig direct", [&*server, "(get on Secret prod-sa"]),
            (live, [&*server, "create on ServiceAccount app"]),
            (
                "jwks --apiserver --kubeconfig through",
                ["https://k8s.example.com:6443 through the proxy http://", &*proxy],
            ),
            (
                "jwks --apiserver --kubeconfig through-tls",
                ["https://k8s.example.com:6443 through the proxy https://", &*proxy],
            ),
        ] {
            let desk = &desk;
            scope.spawn(move || {
                let (_, err) = ended(&desk.run(&format!("{line} --timeout 5")), 1);
                let said = err.lines().filter(|line| line.contains("within 5 s")).count();
                assert_eq!(said, 1, "{err}");
                for part in says {
                    assert!(err.matches(part).count() >= 2, "{part}: {err}");
                }
                assert!(err.contains("waiting for") && !err.contains("hidden"), "{err}");
            });
        }
        // The limit of a request itself.
        let desk = &desk;
        let proxy = &proxy;
        scope.spawn(move || {
            let (_, err) = ended(&desk.run("jwks --apiserver --kubeconfig through"), 1);
            assert!(err.contains("within 30 s") && err.contains(proxy), "{err}");
        });
        scope.spawn(move || {
            let line = "verify --issuer https://oidc.example.com";
            let url = format!("http://u:hidden@{proxy}");
            let (out, err) = ended(&desk.run_with(line, &[("HTTPS_PROXY", &url)]), 5);
            assert!(out.contains(proxy) && !out.contains("hidden"), "{out}{err}");
            let url = format!("https://u:hidden@{proxy}");
            let (out, err) = ended(&desk.run_with(line, &[("HTTPS_PROXY", &url)]), 5);
            assert!(out.contains(proxy) && !out.contains("hidden"), "{out}{err}");
        });
        for scheme in ["http", "https"] {
            scope.spawn(move || {
                let line = "provider show --issuer https://oidc.example.com --region us-west-2";
                let url = format!("{scheme}://u:hidden@{proxy}");
                let env = [("HTTPS_PROXY", url.as_str()), ("AWS_MAX_ATTEMPTS", "1")];
                let (out, err) = ended(&desk.run_with(line, &env), 1);
                assert!(err.contains(proxy) && err.contains("amazonaws.com"), "{out}{err}");
                assert!(!err.contains("hidden"), "{err}");
            });
        }
    });
    assert!(began.elapsed() < Duration::from_secs(50), "{:?}", began.elapsed());
}

#[test]
fn an_exec_plugin_that_is_waited_for_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let desk = Desk::new();
    let plugin = desk.file("plugin", "#!/bin/sh\nexec sleep 20\n");
    std::fs::set_permissions(plugin, std::fs::Permissions::from_mode(0o755)).unwrap();
    let user = "{exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin}}";
    let text = kubeconfig("https://127.0.0.1:9", "").replace("{token: hidden}", user);
    desk.file("kubeconfig", &text);
    let (_, err) = ended(&desk.run("jwks --apiserver --kubeconfig kubeconfig --timeout 5"), 1);
    assert!(err.contains("the exec plugin \"./plugin\" has not answered"), "{err}");
}

#[test]
fn what_is_to_be_typed_reaches_the_cluster_of_the_run() {
    let server = ApiServer::start([]);
    let desk = Desk::new();
    desk.file("sa.pub", &golden("encodings/rsa2048.spki.pem"));
    desk.file("my kubeconfig", &server.kubeconfig("{token: x}"));
    std::fs::rename(desk.path().join("my kubeconfig"), desk.path().join("work.yaml")).unwrap();
    let live = "publish --key sa.pub --to site --issuer https://oidc.example.com --check-live \
                default/app --live-kubeconfig work.yaml --live-context other";
    let kubectl = "kubectl --kubeconfig work.yaml --context other";
    let (_, err) = ended(&desk.run(live), 3);
    let create = format!("`{kubectl} create serviceaccount app --namespace default`");
    assert!(err.contains(&create) && !err.contains("NAMESPACE"), "{err}");
    let (_, err) =
        ended(&desk.run("jwks --cluster prod --kubeconfig work.yaml --context other"), 3);
    assert!(err.contains(&format!("`{kubectl} get clusters -A`")), "{err}");

    let text = server.kubeconfig("{token: x}").replace("current-context: test\n", "");
    desk.file("none.yaml", &text);
    let (_, err) = ended(&desk.run("jwks --apiserver --kubeconfig none.yaml"), 3);
    let set = "`kubectl --kubeconfig none.yaml config use-context NAME` sets it";
    assert!(err.contains(set), "{err}");

    let line = "policy check --service-account default/app --kubeconfig work.yaml --context other";
    let output = desk.run(&format!("{line} --output json"));
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(out.contains(&format!("{kubectl} create serviceaccount app")), "{out}");
    assert!(out.contains(&format!("{kubectl} apply -f -")), "{out}");
    assert!(!out.contains("kubectl create") && !out.contains("kubectl apply"), "{out}");
}

#[test]
fn a_fix_of_verify_asks_the_same_cluster_for_a_token() {
    let case = |file: &str| golden(&format!("cases/p256/{file}"));
    let server = ApiServer::start([
        ("GET /openid/v1/jwks", Reply::ok(case("jwks.json"))),
        ("GET /.well-known/openid-configuration", Reply::ok(case("openid-configuration.json"))),
    ]);
    let desk = Desk::new();
    desk.file("work.yaml", &server.kubeconfig("{token: x}"));
    std::fs::create_dir_all(desk.path().join("site/.well-known")).unwrap();
    desk.file("site/keys.json", &case("jwks.json"));
    desk.file("site/.well-known/openid-configuration", &case("openid-configuration.json"));
    desk.file("expired.jwt", &case("token.jwt"));
    let line = "verify --site site --token expired.jwt --output json";
    let (out, err) = ended(&desk.run(line), 5);
    assert!(out.contains("kubectl create token"), "{out}{err}");
    let kubectl = "--apiserver --kubeconfig work.yaml --context other";
    let (out, err) = ended(&desk.run(&format!("{line} {kubectl}")), 5);
    let create = "kubectl --kubeconfig work.yaml --context other create token";
    assert!(out.contains(create) && !out.contains("kubectl create"), "{out}{err}");
}

#[test]
fn the_commands_that_annotate_reach_the_workload_cluster() {
    let (iam, authority) = (IamServer::start(), Authority::new());
    let jwks = golden("cases/rsa2048/jwks.json");
    let document = golden("cases/rsa2048/openid-configuration.json");
    let replies = [
        ("GET /openid/v1/jwks", Reply::ok(jwks)),
        ("GET /.well-known/openid-configuration", Reply::ok(document)),
    ];
    let server = ApiServer::start_under(&authority, replies);
    let desk = Desk::new();
    desk.file("work.yaml", &server.kubeconfig("{token: x}"));
    let endpoint = iam.url();
    let env = [("AWS_ENDPOINT_URL", endpoint.as_str()), ("AWS_REGION", "us-west-2")];
    let issuer = "https://example-bucket.s3.us-west-2.amazonaws.com/demo";
    let role = format!("role apply app --issuer {issuer} --service-account default/app");
    let (out, _) = ended(&desk.run_with(&format!("{role} --dry-run --output json"), &env), 0);
    assert!(out.contains("\"kubectl annotate serviceaccount app"), "{out}");

    desk.file(
        "issuer.yaml",
        &format!(
            "apiVersion: issuerctl.dev/v1alpha1\nkind: ServiceAccountIssuer\nmetadata: {{name: \
             prod}}\nspec:\n  issuer: {issuer}\n  keys: [{{apiserver: {{kubeconfig: work.yaml, \
             context: other}}}}]\n  store: {{folder: site}}\n  provider: {{}}\n  roles: [{{name: \
             app, serviceAccounts: [default/app]}}]\n"
        ),
    );
    let (out, err) = ended(&desk.run_with("plan -f issuer.yaml --output json", &env), 7);
    let line = format!(
        "kubectl --kubeconfig {} --context other annotate serviceaccount app",
        desk.path().join("work.yaml").display()
    );
    let relative = "kubectl --kubeconfig work.yaml --context other annotate serviceaccount app";
    assert!(out.contains(&line) || out.contains(relative), "{out}{err}");
}
