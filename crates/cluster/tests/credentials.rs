//! Kubeconfigs whose credentials are missing, hidden, expired, or given by a plugin that is not as it
//! should be.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use issuer_cluster::{Cluster, Connection, Error, PluginFault};
use issuer_diagnostic::{Diagnostic, ErrorKind};
use issuer_jwks::WeakKeys;
use issuer_test_support::{ApiServer, Reply};

const JWKS: &str = "GET /openid/v1/jwks";

struct Test {
    server: ApiServer,
    folder: tempfile::TempDir,
}

impl Test {
    /// A server that refuses every request with this status.
    fn refusing(status: u16, message: &str) -> Self {
        let document = "GET /.well-known/openid-configuration";
        let server = ApiServer::start([
            (JWKS, Reply::status(status, message)),
            (document, Reply::status(status, message)),
        ]);
        Self { server, folder: tempfile::tempdir().unwrap() }
    }

    fn write(&self, text: &str) -> Connection {
        let path = self.folder.path().join("kubeconfig");
        std::fs::write(&path, text).unwrap();
        Connection { kubeconfig: Some(path), context: None }
    }

    async fn error_of(&self, kubeconfig: &str) -> Error {
        match Cluster::connect(&self.write(kubeconfig)).await {
            Ok(cluster) => cluster.served(WeakKeys::Refuse).await.unwrap_err(),
            Err(error) => error,
        }
    }

    async fn error_for(&self, user: &str) -> Error {
        self.error_of(&self.server.kubeconfig(user)).await
    }

    /// The `exec` of a plugin that is this script.
    fn plugin(&self, version: &str, script: &str) -> String {
        let path = self.folder.path().join("plugin");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        format!("{{exec: {{{version}interactiveMode: Never, command: {}}}}}", path.display())
    }
}

const V1: &str = "apiVersion: client.authentication.k8s.io/v1, ";

fn credential(version: &str, status: &str) -> String {
    let version = format!("client.authentication.k8s.io/{version}");
    format!(r#"echo '{{"apiVersion":"{version}","kind":"ExecCredential","status":{status}}}'"#)
}

#[tokio::test]
async fn a_context_whose_user_or_cluster_does_not_exist_sends_no_anonymous_request() {
    let test = Test::refusing(403, "system:anonymous");
    let text = test.server.kubeconfig("{token: x}");
    let path = test.folder.path().join("kubeconfig").display().to_string();
    for (from, to, says) in [
        (
            "{cluster: test, user: test}",
            "{cluster: test, user: admin}",
            "the user \"admin\" of context \"test\"",
        ),
        (
            "{cluster: test, user: test}",
            "{cluster: prod, user: test}",
            "the cluster \"prod\" of context \"test\"",
        ),
        (
            "{cluster: test, user: test}",
            "{cluster: test, user: te\u{a0}st}",
            "the user \"te\\u{a0}st\" of context \"test\"",
        ),
        ("{cluster: test, user: test}", "{user: test}", "it has no cluster"),
    ] {
        let error = test.error_of(&text.replace(from, to)).await;
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let text = error.to_string();
        assert!(text.contains(says) && text.contains(&path), "{text}");
    }
    assert!(test.server.log().is_empty(), "no request may be sent");
}

#[tokio::test]
async fn a_no_break_space_is_named_with_its_file_and_place_and_no_request_is_sent() {
    let test = Test::refusing(403, "system:anonymous");
    let path = test.folder.path().join("kubeconfig").display().to_string();
    for (user, place) in [
        ("\n\u{a0}\u{a0}\u{a0}\u{a0}token: hidden", "column 1"),
        ("\n    token:\u{a0}hidden", "column 11"),
        ("\n    \u{a0}token: hidden", "column 5"),
        ("\n    token: hi\u{a0}dden", "its token has the character U+00A0 (no-break space)"),
        ("\n    token: hidden\u{200b}", "its token has the character U+200B (zero width space)"),
    ] {
        let error = test.error_for(user).await;
        let text = format!("{error}; {}", error.hint().unwrap_or_default());
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}");
        for part in [place, "the character U+", &path] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("hidden") && !text.contains("dden"), "{text}");
    }
    assert!(test.server.log().is_empty(), "no request may be sent");
    let server = test.server.kubeconfig("{token: x}").replace("https://", "https://\u{a0}");
    assert!(
        test.error_of(&server).await.to_string().contains("its server has the character U+00A0")
    );
}

#[tokio::test]
async fn a_user_without_credentials_is_named_when_the_server_refuses() {
    for (status, user) in [(401, "{}"), (403, "{}"), (403, "null"), (401, "{token: ''}")] {
        let test = Test::refusing(status, "User \"system:anonymous\" cannot get path");
        let error = test.error_for(user).await;
        assert_eq!(error.kind(), ErrorKind::NotPermitted);
        let text = error.to_string();
        assert!(text.contains("user \"test\"") && text.contains("has no credentials"), "{text}");
        let hint = error.hint().unwrap();
        assert!(
            hint.contains("`kubectl --kubeconfig /")
                && hint.contains(" config set-credentials test --token TOKEN`"),
            "{hint}"
        );
    }
    // In a flow mapping this is the name of a field.
    let test = Test::refusing(403, "system:anonymous");
    let error = test.error_for("{token:\u{a0}hidden}").await;
    let text = error.to_string();
    assert!(text.contains("no-break space") && !text.contains("hidden"), "{text}");
}

#[tokio::test]
async fn a_context_without_its_entry_is_corrected_in_its_own_file() {
    let test = Test::refusing(401, "x");
    for (from, to, kind) in
        [("user: test}", "user: gone}", "user"), ("cluster: test,", "cluster: gone,", "cluster")]
    {
        let error = test.error_of(&test.server.kubeconfig("{token: x}").replace(from, to)).await;
        let path = test.folder.path().join("kubeconfig");
        let command = format!(
            "`kubectl --kubeconfig {} config set-context test --{kind} test`",
            path.display()
        );
        assert!(error.hint().unwrap().contains(&command), "{error}: {:?}", error.hint());
    }
}

#[tokio::test]
async fn a_redirect_is_no_answer_of_an_api_server_and_only_its_host_is_shown() {
    for (location, to) in [
        (
            Some("https://u:HIDDEN@login.example.com:8443/sso?token=HIDDEN"),
            "https://login.example.com:8443 (302)",
        ),
        (Some("/HIDDEN"), "another path (302)"),
        (None, "another path (302)"),
    ] {
        let location = location.map(str::to_owned);
        let reply = Reply { status: 302, location, body: "HIDDEN".to_owned(), ..Reply::default() };
        let paths = [JWKS, "GET /.well-known/openid-configuration"];
        let server = ApiServer::start(paths.map(|path| (path, reply.clone())));
        let test = Test { server, folder: tempfile::tempdir().unwrap() };
        let error = test.error_for("{token: x}").await;
        let text = format!("{error} {}", error.hint().unwrap());
        assert!(text.contains(to) && text.contains("login page"), "{text}");
        assert!(!text.contains("HIDDEN"), "{text}");
    }
}

#[tokio::test]
async fn credentials_that_have_expired_are_named_when_the_server_refuses() {
    let test = Test::refusing(401, "Unauthorized");
    let golden = |path: &str| {
        let path = format!("{}/../../fixtures/golden/{path}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).unwrap().trim().to_owned()
    };
    let expired = r#"{"token":"hidden","expirationTimestamp":"2001-02-03T04:05:06Z"}"#;
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.not_after = rcgen::date_time_ymd(2001, 2, 3);
    let certificate = params.self_signed(&key).unwrap().pem();
    std::fs::write(test.folder.path().join("c.pem"), certificate + &key.serialize_pem()).unwrap();
    for (user, says) in [
        (format!("{{token: {}}}", golden("cases/p256/token.jwt")), "the token of user \"test\""),
        (test.plugin(V1, &credential("v1", expired)), "exec plugin, of user \"test\""),
        (
            "{client-certificate: c.pem, client-key: c.pem}".to_owned(),
            "the client certificate of user \"test\"",
        ),
    ] {
        let error = test.error_for(&user).await;
        let text = error.to_string();
        assert!(text.contains(says) && text.contains("expired"), "{text}");
        assert!(!text.contains("hidden") && error.hint().is_some(), "{text}");
    }
    let valid = r#"{"token":"hidden","expirationTimestamp":"9001-02-03T04:05:06Z"}"#;
    let error = test.error_for(&test.plugin(V1, &credential("v1", valid))).await;
    assert!(!error.to_string().contains("expired"), "{error}");
}

#[tokio::test]
async fn what_client_go_refuses_of_a_plugin_is_refused_and_nothing_of_its_output_is_quoted() {
    let test = Test::refusing(401, "Unauthorized");
    let beta = "apiVersion: client.authentication.k8s.io/v1beta1, ";
    let alpha = "apiVersion: client.authentication.k8s.io/v1alpha1, ";
    let token = r#"{"token":"hidden"}"#;
    for (version, script, says) in [
        ("", credential("v1", token), "it has no apiVersion"),
        (alpha, credential("v1alpha1", token), "which Kubernetes 1.24 removed"),
        ("apiVersion: v1, ", credential("v1", token), "is not one of client.authentication.k8s.io"),
        (
            beta,
            credential("v1", token),
            "of another apiVersion than client.authentication.k8s.io/v1beta1",
        ),
        (
            V1,
            credential("v1beta1", token),
            "of another apiVersion than client.authentication.k8s.io/v1,",
        ),
        (V1, credential("v1hidden", token), "of another apiVersion"),
        (
            V1,
            credential("v1", token).replace("ExecCredential", "Hidden"),
            "other than an ExecCredential",
        ),
        (V1, format!("echo '{token}'"), "other than an ExecCredential"),
        (V1, credential("v1", "null"), "neither a token nor a client certificate"),
        (V1, credential("v1", "{}"), "neither a token nor a client certificate"),
        (V1, credential("v1", r#"{"token":" "}"#), "neither a token nor a client certificate"),
        (
            V1,
            credential("v1", r#"{"clientKeyData":"hidden"}"#),
            "only one of clientCertificateData",
        ),
        (V1, credential("v1", r#"{"token":"x","clientCertificateData":"hidden"}"#), "only one of"),
    ] {
        let error = test.error_for(&test.plugin(version, &script)).await;
        let text = format!("{error}; {}", error.hint().unwrap_or_default());
        assert!(text.contains(says) && !text.to_lowercase().contains("hidden"), "{says}: {text}");
        assert!(error.hint().is_some(), "{text}");
    }
    let error = test.error_for("{exec: {apiVersion: client.authentication.k8s.io/v1}}").await;
    assert!(error.to_string().contains("its exec plugin has no command"), "{error}");
    assert!(test.server.log().is_empty(), "no request may be sent");
    for version in ["v1", "v1beta1"] {
        let configured = format!("apiVersion: client.authentication.k8s.io/{version}, ");
        let user = test.plugin(&configured, &credential(version, token));
        let error = test.error_for(&user).await;
        assert!(matches!(error, Error::Unauthorized { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_program_that_a_plugin_leaves_running_hides_neither_exit_code_nor_credentials() {
    let test = Test::refusing(401, "Unauthorized");
    let began = Instant::now();
    let error = test.error_for(&test.plugin(V1, "sleep 20 &\necho ok >&2\nexit 7")).await;
    let Error::Plugin { fault, .. } = &error else { panic!("{error}") };
    assert!(
        matches!(&**fault, PluginFault::Failed { how, .. } if how.contains("exit code 7")),
        "{fault:?}"
    );
    let script = format!("sleep 20 &\n{}", credential("v1", r#"{"token":"given"}"#));
    let error = test.error_for(&test.plugin(V1, &script)).await;
    assert!(matches!(error, Error::Unauthorized { .. }), "{error}");
    assert!(test.server.log().iter().any(|line| line.contains("Bearer given")));
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}
