//! A marker is put wherever a secret can be; no output repeats it.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use base64ct::{Base64, Encoding};
use issuer_test_support::{ApiServer, Reply};

const MARKER: &str = "NOT-FOR-ANY-LOG-4f1d";
const JWT: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ.NOT-FOR-ANY-LOG-4f1d";
const KUBECONFIG: &str = "jwks --apiserver --kubeconfig kubeconfig";

/// A place of a secret.
#[derive(Default)]
struct Place {
    files: Vec<(&'static str, String)>,
    env: Vec<(&'static str, String)>,
    args: Vec<String>,
    /// What shows that the place was reached.
    says: &'static str,
}

impl Place {
    fn new(command: &str, says: &'static str) -> Self {
        let args = command.split(' ').map(|word| word.replace("MARKER", MARKER)).collect();
        Self { args, says, ..Self::default() }
    }

    fn file(mut self, name: &'static str, text: &str) -> Self {
        self.files.push((name, text.replace("MARKER", MARKER)));
        self
    }

    fn env(mut self, name: &'static str, value: &str) -> Self {
        self.env.push((name, value.replace("MARKER", MARKER)));
        self
    }

    fn arg(mut self, value: &str) -> Self {
        self.args.push(value.replace("MARKER", MARKER));
        self
    }

    fn run(&self, more: &[&str]) -> Output {
        let desk = tempfile::tempdir().unwrap();
        for (name, text) in &self.files {
            let path = desk.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            if Path::new(name).extension().is_some_and(|extension| extension == "sh") {
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            }
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_issuerctl"));
        command
            .args(&self.args)
            .args(more)
            .current_dir(desk.path())
            .env_clear()
            .env("HOME", desk.path())
            .env("PATH", format!("{}:/usr/bin:/bin", desk.path().display()))
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_REGION", "us-west-2");
        for (name, value) in &self.env {
            command.env(name, value);
        }
        command.output().unwrap()
    }

    /// Runs it with every kind of output.
    fn check(&self) {
        let base64 = |text: &str| Base64::encode_string(text.as_bytes());
        let encoded = [
            MARKER.to_owned(),
            base64(&format!("u:{MARKER}")),
            base64(MARKER),
            base64(&format!("{MARKER}\n")),
        ];
        for more in [&["--verbose"][..], &["--verbose", "--output", "json"]] {
            let output = self.run(more);
            let text = [output.stdout, output.stderr]
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            let text = text.join("\n");
            let shown = text.replace(MARKER, "MARKER");
            assert!(
                !encoded.iter().any(|marker| text.contains(marker)),
                "{:?} {more:?}\n{shown}",
                self.args
            );
            assert!(!text.contains("panicked"), "{:?}\n{shown}", self.args);
            assert!(
                text.contains(self.says),
                "{:?} does not say {:?}\n{shown}",
                self.args,
                self.says
            );
        }
    }
}

fn kubeconfig(server: &str, user: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters:\n- name: k\n  cluster: {{server: \
         '{server}'}}\ncontexts:\n- name: c\n  context: {{cluster: k, user: u}}\nusers:\n- name: u\n  \
         user: {user}\n"
    )
}

fn user(user: &str, says: &'static str) -> Place {
    Place::new(KUBECONFIG, says).file("kubeconfig", &kubeconfig("https://127.0.0.1:9", user))
}

#[test]
fn faults_of_a_kubeconfig_repeat_none_of_it() {
    let lines = "\n    token: MARKER\n    password: MARKER\n    client-key-data: MARKER";
    let whole = kubeconfig("https://127.0.0.1:9", lines);
    for (right, wrong) in [
        ("    password:", "     password:"),
        ("    password:", "\tpassword:"),
        ("password: ", "password: \""),
        ("password: MARKER", "password: [MARKER]"),
        ("password: MARKER", "password: {MARKER: MARKER}"),
        ("token: MARKER", "token: !!int MARKER"),
        ("token: MARKER", "exec: MARKER"),
        ("user: \n", "user: MARKER\n"),
        ("user: \n", "user: *MARKER\n"),
        ("users:", "users: MARKER\nx:"),
        ("contexts:", "contexts: MARKER\nx:"),
        ("kind: Config", "MARKER"),
    ] {
        assert!(whole.contains(right), "{right}");
        Place::new(KUBECONFIG, "kubeconfig")
            .file("kubeconfig", &whole.replace(right, wrong))
            .check();
    }
}

#[test]
fn users_of_a_kubeconfig_are_not_shown() {
    user("{token: MARKER}", "refused").check();
    user("{token: \"MARKER\\n\"}", "refused").check();
    user("{token: \"MARKER\\nMARKER\"}", "line break").check();
    user("{token: \"MARKER\\0\"}", "control character").check();
    user("{tokenFile: token}", "line break").file("token", "a\nMARKER\n").check();
    user("{username: u, password: MARKER}", "refused").check();
    user("{client-certificate-data: MARKER, client-key-data: MARKER}", "not valid base64").check();
    user("{client-certificate-data: TUFSS0VS, client-key-data: TUFSS0VS}", "CERTIFICATE").check();
    user("{client-certificate: cert, client-key: key}", "client certificate")
        .file("cert", "-----BEGIN CERTIFICATE-----\nMARKER\n-----END CERTIFICATE-----\n")
        .file("key", "-----BEGIN PRIVATE KEY-----\nMARKER\n-----END PRIVATE KEY-----\n")
        .check();
    user(
        "{auth-provider: {name: azure, config: {access-token: MARKER, refresh-token: MARKER}}}",
        "azure",
    )
    .check();
    user(
        "{auth-provider: {name: oidc, config: {id-token: MARKER, refresh-token: MARKER}}}",
        "refused",
    )
    .check();
    user("{as: \"MARKER\\nx\"}", "as-groups").check();
}

#[test]
fn exec_plugins_do_not_get_their_values_and_their_output_shown() {
    let plugin = |script: &str, says| {
        user(
            "{exec: {apiVersion: client.authentication.k8s.io/v1, command: plugin.sh, args: [--password, MARKER, \
             '--secret=MARKER'], env: [{name: PASSWORD, value: MARKER}]}}",
            says,
        )
        .file("plugin.sh", &format!("#!/bin/sh\n{script}\n"))
    };
    let credential = r#"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"MARKER"}}"#;
    for (script, says) in [
        ("exit 3".to_owned(), "exit code 3"),
        ("echo login failed for $PASSWORD $1 $2 $3 >&2; exit 1".to_owned(), "exit code 1"),
        ("echo login failed; printf %s $2 | base64 >&2; exit 1".to_owned(), "exit code 1"),
        ("echo login failed >&2; echo $PASSWORD | base64 >&2; exit 1".to_owned(), "login failed"),
        ("echo login failed >&2; echo $3 | base64 >&2; exit 1".to_owned(), "login failed"),
        ("kill -9 $$".to_owned(), "signal"),
        ("echo a --client-secret MARKER >&2; exit 1".to_owned(), "exit code 1"),
        ("echo '{\"secret\":\"MARKER\"}' >&2; exit 1".to_owned(), "exit code 1"),
        ("echo curl -u admin:MARKER >&2; exit 1".to_owned(), "exit code 1"),
        ("echo Cookie: sid=MARKER >&2; exit 1".to_owned(), "exit code 1"),
        ("echo code=MARKER >&2; exit 1".to_owned(), "exit code 1"),
        ("echo passwd MARKER >&2; exit 1".to_owned(), "exit code 1"),
        (
            "printf NOT-FOR-ANY- >&2; echo LOG-4f1d token is opaque >&2; exit 1".to_owned(),
            "exit code 1",
        ),
        ("echo MARKER".to_owned(), "ExecCredential"),
        ("echo MARKER; echo got MARKER >&2".to_owned(), "ExecCredential"),
        (format!("echo {JWT}"), "ExecCredential"),
        (
            "echo '{\"kind\": \"ExecCredential\", \"status\": {\"token\": [\"MARKER\"]}}'"
                .to_owned(),
            "ExecCredential",
        ),
        (
            "echo '{\"kind\": \"ExecCredential\", \"status\": {\"clientKeyData\": \"MARKER\"}}'"
                .to_owned(),
            "only one of",
        ),
        (
            "echo '{\"kind\": \"ExecCredential\", \"status\": {\"token\": \"MARKER".to_owned()
                + "'",
            "ExecCredential",
        ),
        (
            format!(
                "echo '{}'",
                credential
                    .replace(r#""token""#, r#""clientCertificateData":"MARKER","clientKeyData""#)
            ),
            "CERTIFICATE",
        ),
        (format!("echo '{credential}'"), "refused"),
    ] {
        plugin(&script, says).check();
    }
    user(
        "{exec: {apiVersion: client.authentication.k8s.io/v1, command: no-such-plugin, args: [MARKER], env: [{name: A, value: MARKER}]}}",
        "no-such-plugin",
    )
    .check();
}

#[test]
fn servers_that_echo_a_header_are_not_repeated() {
    let basic = Base64::encode_string(format!("u:{MARKER}").as_bytes());
    for (status, echo) in [
        (401, format!("Bearer {MARKER} is not valid")),
        (403, format!("token {MARKER} may not")),
        (404, MARKER.to_owned()),
        (500, format!("headers: map[Authorization:[Bearer {MARKER}]]")),
        (500, format!("headers: map[Authorization:[Basic {basic}]]")),
        (302, format!("{JWT} {MARKER}")),
    ] {
        for body in [Reply::status(status, &echo), Reply { status, ..Reply::ok(echo.clone()) }] {
            let paths = ["GET /openid/v1/jwks", "GET /.well-known/openid-configuration"];
            let server = ApiServer::start(paths.map(|path| (path, body.clone())));
            for user in
                [format!("{{token: {MARKER}}}"), format!("{{username: u, password: {MARKER}}}")]
            {
                Place::new(KUBECONFIG, "error")
                    .file("kubeconfig", &server.kubeconfig(&user))
                    .check();
            }
        }
    }
}

#[test]
fn passwords_in_urls_are_not_shown() {
    let server = |server: &str, says| {
        Place::new(KUBECONFIG, says).file("kubeconfig", &kubeconfig(server, "{}"))
    };
    server("https://u:MARKER@127.0.0.1:9", "refused").check();
    server("https://u:MARKER@127.0.0.1:port", "port").check();
    server("u:MARKER@127.0.0.1", "https://").check();
    let far = || server("https://k8s.example.com", "127.0.0.2:9");
    far().env("HTTPS_PROXY", "http://u:MARKER@127.0.0.2:9").check();
    far().env("https_proxy", "u:MARKER@127.0.0.2:9").check();
    server("https://k8s.example.com", "SOCKS")
        .env("HTTPS_PROXY", "socks5://u:MARKER@127.0.0.2:9")
        .check();
    server("https://k8s.example.com", "valid URL")
        .env("HTTPS_PROXY", "http://u:MARKER@127.0.0.2:x")
        .check();
    let site = |to: &str| {
        Place::new("publish --key sa.pub --issuer https://oidc.example.com --to", "error")
            .arg(to)
            .file("sa.pub", "nothing")
    };
    for to in [
        "s3://u:MARKER@my-oidc/prod",
        "https://u:MARKER@s3.example.com/my-oidc",
        "s3:/u:MARKER@my-oidc",
    ] {
        site(to).check();
    }
    for url in ["https://u:MARKER@127.0.0.1:9", "http://u:MARKER@127.0.0.1:9"] {
        let call = || {
            Place::new("provider show --issuer https://oidc.example.com", "error")
                .env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
                .env("AWS_SECRET_ACCESS_KEY", "MARKER")
                .env("AWS_MAX_ATTEMPTS", "1")
        };
        call().env("AWS_ENDPOINT_URL", url).check();
        call().arg("--endpoint-url").arg(url).check();
    }
    Place::new("verify --issuer https://u:MARKER@oidc.example.com", "error").check();
    Place::new("verify --issuer https://u:MARKER@oidc.example.com:port/x", "error").check();
}

#[test]
fn arguments_that_are_secrets_are_not_repeated() {
    let pem = Base64::encode_string(format!("-----BEGIN PRIVATE KEY-----\n{MARKER}").as_bytes());
    for (option, value) in [
        ("--token=", JWT.to_owned()),
        ("--token=", format!("Bearer {JWT}")),
        ("", format!("Bearer {JWT}")),
        ("--no-such-option=", JWT.to_owned()),
        ("--key=", pem.clone()),
        ("", pem),
        ("--key=", format!("-----BEGIN PRIVATE KEY-----\n{MARKER}")),
        ("--jwks=", format!("{{\"keys\":[{{\"d\":\"{MARKER}\"}}]}}")),
        ("", format!(" {{\"keys\":[{{\"d\":\"{MARKER}\"}}]}}")),
        ("--jwks=", format!("[\"{MARKER}\"]")),
    ] {
        for command in ["verify", "jwks", "publish", "role lint"] {
            let argument = format!("{option}{value}");
            Place::new(command, "an argument is a key").arg(&argument).check();
        }
    }
}

#[test]
fn files_that_are_given_by_mistake_are_not_quoted() {
    let texts = [
        kubeconfig("https://127.0.0.1:9", "{token: MARKER}"),
        "[default]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = MARKER\n".to_owned(),
        "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\ndata: {tls.key: MARKER}\nstringData: {a: MARKER}\n".to_owned(),
        "-----BEGIN RSA PRIVATE KEY-----\nMARKER\n-----END RSA PRIVATE KEY-----\n".to_owned(),
        "-----BEGIN OPENSSH PRIVATE KEY-----\nMARKER\n-----END OPENSSH PRIVATE KEY-----\n".to_owned(),
        "{\"keys\":[{\"kty\":\"RSA\",\"d\":\"MARKER\",\"n\":1}]}".to_owned(),
        "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"x\",\"k\":\"MARKER\"}]}".to_owned(),
        "{\"token\": \"MARKER\"".to_owned(),
        "{\"status\": {\"token\": \"MARKER\"}}".to_owned(),
        format!("{JWT}.{MARKER}"),
        "MARKER".to_owned(),
        "password: MARKER\n  x: [".to_owned(),
    ];
    for text in texts {
        for command in [
            "jwks --key file",
            "jwks --jwks file",
            "discovery --key file --issuer https://oidc.example.com",
            "plan -f file",
            "render kubernetes -f file",
            "role lint file --issuer https://oidc.example.com",
            "verify --site site --token file",
            "verify --issuer https://oidc.example.com --ca-file file",
        ] {
            Place::new(command, "")
                .file("file", &text)
                .file("site/keys.json", "{\"keys\":[]}")
                .check();
        }
    }
}

/// These commands print the file that they are given, with a change.
#[test]
fn keys_and_tokens_given_as_manifests_or_configurations_are_refused_and_not_printed() {
    let mut commands: Vec<String> =
        ["inject -f file", "inject -f pod --service-accounts file"].map(str::to_owned).to_vec();
    let distributions = [
        "kubeadm",
        "eks-anywhere",
        "cluster-api",
        "talos",
        "k3s",
        "rke2",
        "kops",
        "k0s",
        "microk8s",
    ];
    commands.extend(distributions.map(|distribution| {
        format!("render {distribution} --issuer https://oidc.example.com --into file")
    }));
    for text in [
        "-----BEGIN RSA PRIVATE KEY-----\nMARKER\n-----END RSA PRIVATE KEY-----\n".to_owned(),
        "{\"kty\":\"RSA\",\"d\":\"MARKER\",\"n\":1}".to_owned(),
        "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"x\",\"k\":\"MARKER\"}]}".to_owned(),
        format!("{JWT}.{MARKER}"),
        "MARKER".to_owned(),
        "- MARKER\n".to_owned(),
    ] {
        for command in &commands {
            let place = Place::new(command, "error:")
                .file("file", &text)
                .file("pod", "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n");
            place.check();
            assert_eq!(place.run(&[]).status.code(), Some(3), "{command}\n{text}");
        }
    }
}

#[test]
fn access_keys_in_the_place_of_a_name_are_refused_and_not_repeated() {
    let id = "AKIAIOSFODNN7EXAMPLE";
    let call = || Place::new("provider show --issuer https://oidc.example.com", "error");
    for value in [
        format!("{id}:MARKER"),
        format!("{id}:x-MARKER"),
        format!("{id}/MARKER"),
        format!("{id} MARKER"),
        format!("aws_access_key_id={id}:MARKER"),
    ] {
        for variable in ["AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_REGION"] {
            call().env(variable, &value).check();
        }
        for option in ["--profile", "--region"] {
            call().arg(option).arg(&value).check();
        }
        Place::new("publish --key sa.pub --to", "error").arg(&format!("s3://{value}/x")).check();
        Place::new("role show", "error").arg(&value).check();
    }
    // A secret alone has no marker, but a form.
    let secret = "NotForAnyLog/4f1d+NotForAnyLog/4f1dNotFo";
    for place in [
        call().env("AWS_PROFILE", secret),
        call().env("AWS_REGION", secret),
        call().arg("--profile").arg(secret),
        call().arg(&format!("--region={secret}")),
        Place::new("role show", "error").arg(secret),
    ] {
        let output = place.run(&["--verbose"]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains("error") && !text.contains("NotForAnyLog"), "{text}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn credentials_of_aws_are_not_shown() {
    let call = || {
        Place::new("provider show --issuer https://oidc.example.com", "error")
            .env("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
            .env("AWS_MAX_ATTEMPTS", "1")
    };
    let keys = || call().env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE");
    keys().env("AWS_SECRET_ACCESS_KEY", "MARKER").env("AWS_SESSION_TOKEN", "MARKER").check();
    keys()
        .env("AWS_SECRET_ACCESS_KEY", "MARKER\n")
        .env("AWS_SESSION_TOKEN", "MARKER\nMARKER")
        .check();
    keys().env("AWS_SECRET_ACCESS_KEY", "x").env("AWS_SESSION_TOKEN", "MARKER\n").check();
    for text in [
        "[default]\naws_access_key_id = A\naws_secret_access_key = MARKER\n",
        "[default]\naws_access_key_id = A\naws_secret_access_key MARKER\n",
        "[default\naws_access_key_id = A\naws_secret_access_key = MARKER\n",
        "aws_secret_access_key = MARKER\n",
        "[default]\naws_secret_access_key = MARKER\n",
        "[default]\n MARKER\n",
        "[default]\naws_access_key_id = A\naws_secret_access_key = MARKER\naws_session_token = MARKER MARKER\n",
    ] {
        call().file(".aws/credentials", text).check();
    }
    for script in [
        "echo MARKER",
        "echo MARKER >&2; exit 1",
        "echo '{\"Version\": 1, \"SecretAccessKey\": \"MARKER\"}'",
    ] {
        call()
            .file(".aws/config", "[default]\ncredential_process = plugin.sh MARKER\n")
            .file("plugin.sh", &format!("#!/bin/sh\n{script}\n"))
            .check();
    }
}

#[test]
fn a_token_file_and_a_signed_url_are_not_shown() {
    Place::new("publish --key sa.pub --to", "error")
        .arg("s3://my-oidc/p?X-Amz-Signature=MARKER")
        .check();
    Place::new("publish --key sa.pub --to", "error").arg("s3://my-oidc/p?x=MARKER").check();
    for endpoint in ["http:/127.0.0.1:9", "http:///x", "http://127.0.0.1:9"] {
        Place::new("provider show --issuer https://oidc.example.com", "error")
            .file("token", "MARKER")
            .env("AWS_WEB_IDENTITY_TOKEN_FILE", "token")
            .env("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/x")
            .env("AWS_MAX_ATTEMPTS", "1")
            .env("AWS_ENDPOINT_URL", endpoint)
            .check();
    }
}
