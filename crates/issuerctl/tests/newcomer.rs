//! The first error that somebody meets names the next command.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod desk;

use issuer_test_support::S3Server;

use desk::{Desk, ended, golden};

/// The hints of a command, in one line each.
fn hints(desk: &Desk, line: &str, env: &[(&str, &str)], code: i32) -> String {
    let (_, err) = ended(&desk.run_with(line, env), code);
    assert!(err.contains("error: "), "{line}: {err}");
    let hints = err.split_once("hint: ").map(|(_, hints)| hints.to_owned());
    assert!(
        hints.is_some(),
        "{line}: no hint
{err}"
    );
    hints.unwrap()
}

#[test]
fn a_command_without_what_it_needs_shows_one_that_is_complete() {
    let desk = Desk::new();
    for command in [
        "keygen",
        "extract",
        "jwks",
        "discovery",
        "publish",
        "url",
        "verify",
        "keys",
        "rotate status",
        "rotate start",
        "rotate finish",
        "rotate abort",
        "provider apply",
        "provider show",
        "provider delete",
        "role apply",
        "role show",
        "role delete",
        "role trust-policy",
        "role lint",
        "plan",
        "apply",
        "delete",
        "render terraform",
        "render cloudformation",
        "render kubernetes",
        "render kubeadm",
        "render eks-anywhere",
        "inject",
        "policy check",
        "issuer change plan",
        "man",
        "completions",
        "--output json publish",
    ] {
        let hints = hints(&desk, command, &[], 2);
        let words = command.trim_start_matches("--output json ");
        assert!(hints.contains(&format!("for example: issuerctl {words} ")), "{command}: {hints}");
    }
    let (out, err) = ended(&desk.run(""), 2);
    assert!(out.is_empty() && err.contains("Begin with:\n  issuerctl publish "), "{err}");
}

#[test]
fn the_first_obstacle_has_a_way_around_it() {
    let s3 = S3Server::start();
    let desk = Desk::new();
    desk.file("sa.pub", &golden("encodings/rsa2048.spki.pem"));
    let folder = std::fs::canonicalize(desk.path()).unwrap();
    let nothing = format!("there is no issuer.yaml in {}", folder.display());
    let none = [("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")];
    let endpoint = s3.endpoint();
    let store = [("AWS_ENDPOINT_URL", endpoint.as_str()), ("AWS_REGION", "us-west-2")];
    let site = "--issuer https://oidc.example.com --to";
    for (line, env, code, says) in [
        // No file, or another one.
        ("plan -f issuer.yaml".to_owned(), &[][..], 3, "issuerctl schema"),
        ("plan -f issuer.yaml".to_owned(), &[], 3, nothing.as_str()),
        ("apply -f sa.pub".to_owned(), &[], 3, "keys: [{file: sa.pub}]"),
        ("jwks --key gone.pub".to_owned(), &[], 3, "issuerctl keygen --out-dir DIR"),
        ("inject -f gone.yaml".to_owned(), &[], 3, "there is no gone.yaml in "),
        ("inject -f sa.pub".to_owned(), &[], 3, "apiVersion and kind"),
        // No credentials, no region, no kubeconfig.
        ("provider list".to_owned(), &none, 6, "aws configure"),
        ("publish --key sa.pub --to s3://my-oidc".to_owned(), &none, 6, "aws configure"),
        ("url --to s3://my-oidc".to_owned(), &none, 6, "--region REGION"),
        ("jwks --apiserver".to_owned(), &[], 3, "/etc/kubernetes/admin.conf"),
        ("jwks --cluster prod".to_owned(), &[], 3, "--kubeconfig FILE"),
        // No bucket, nothing published.
        (format!("publish --key sa.pub {site} s3://my-oidc"), &store, 3, "--create-bucket"),
        ("publish --key sa.pub --to ./site".to_owned(), &[], 2, "--issuer https://"),
        (
            "provider apply --issuer https://oidc.invalid".to_owned(),
            &[],
            5,
            "issuerctl verify --issuer https://oidc.invalid",
        ),
    ] {
        let said = hints(&desk, &line, env, code);
        assert!(said.contains(says), "{line}: {says}: {said}");
    }
    let (out, _) = ended(&desk.run("verify --site ."), 5);
    assert!(out.contains("fix: ") && out.contains("issuerctl publish"), "{out}");
}
