//! The Roles in `docs/rbac` are sufficient, and each of their rules is required.

use issuerctl_e2e::{Etcd, Moto, Publisher, Ran, repository};

pub(crate) fn run(version: &str) {
    let publisher = Publisher::new();
    let sandbox = &publisher.sandbox;
    publisher.keygen("rsa-2048", "pki");
    let etcd = Etcd::start(version);
    let server = publisher.api_server(version, &etcd, "pki", &["pki"]);
    for account in ["issuerctl/issuerctl", "default/app", "eksa-system/default"] {
        server.create_account(account);
    }
    let public = sandbox.path().join("pki/sa.pub");
    server.kubectl(&format!(
        "-n eksa-system create secret generic prod-sa --from-file=tls.crt={}",
        public.display()
    ));
    // By default every service account may read the two documents; without this binding only the
    // Roles of the docs count.
    server.kubectl("delete clusterrolebinding system:service-account-issuer-discovery");
    let kubeconfig = server.kubeconfig(&server.token_with("issuerctl/issuerctl", ""));
    let publish = |flags: &str| {
        publisher
            .publish(&format!("{flags} --dry-run --kubeconfig {}", kubeconfig.display()), "prod")
    };

    let flows = [
        ("secret-reader", "--cluster prod", ["get", "prod-sa", "eksa-system"]),
        ("discovery-reader", "--apiserver", ["get", "/openid/v1/jwks", ""]),
        (
            "live-token",
            "--key pki/sa.pub --check-live default/app",
            ["create", "serviceaccounts/token", "default"],
        ),
    ];
    for (role, flags, named) in flows {
        let file = repository().join(format!("docs/rbac/{role}.yaml"));
        assert_refused(publish(flags), &named);
        server.kubectl(&format!("apply -f {}", file.display()));
        publish(flags).ended(0);
    }
    // One command that needs all of them.
    let all = "--cluster prod --apiserver --check-live default/app";
    publish(all).ended(0);
    for (role, _, named) in flows {
        let file = repository().join(format!("docs/rbac/{role}.yaml"));
        let rules = if role == "discovery-reader" { "clusterrole" } else { "role" };
        server.kubectl(&format!(
            "delete {rules} issuerctl-{role} -n {}",
            if named[2].is_empty() { "default" } else { named[2] }
        ));
        assert_refused(publish(all), &named);
        server.kubectl(&format!("apply -f {}", file.display()));
    }
    // The Role that allows a write, with moto for the IAM role.
    let moto = Moto::start();
    let line = format!(
        "role apply app --issuer https://h.example/prod --service-account default/app \
         --endpoint-url {} --annotate --kubeconfig {}",
        moto.url(),
        kubeconfig.display()
    );
    assert_refused(sandbox.issuerctl(&line), &["patch", "app", "default"]);
    server
        .kubectl(&format!("apply -f {}", repository().join("docs/rbac/annotator.yaml").display()));
    sandbox.issuerctl(&line).ended(0);
    let account = server.kubectl("-n default get serviceaccount app -o yaml");
    assert!(
        account.contains("eks.amazonaws.com/role-arn: arn:aws:iam::123456789012:role/app"),
        "{account}"
    );

    // The rule with two paths needs both.
    for (kept, missing) in [
        ("/openid/v1/jwks", "/.well-known/openid-configuration"),
        ("/.well-known/openid-configuration", "/openid/v1/jwks"),
    ] {
        let patch =
            format!(r#"[{{"op":"replace","path":"/rules/0/nonResourceURLs","value":["{kept}"]}}]"#);
        server.kubectl(&format!(
            "patch clusterrole issuerctl-discovery-reader --type json -p {patch}"
        ));
        assert_refused(publish("--apiserver"), &["get", missing]);
    }
}

fn assert_refused(ran: Ran, named: &[&str]) {
    let ran = ran.ended(6);
    for part in named {
        assert!(ran.err.contains(part), "{part} is not mentioned: {}", ran.err);
    }
}
