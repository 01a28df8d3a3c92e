//! What is asked of an API server, and what is made of its answers.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use issuer_cluster::{Cluster, Connection, Error, LiveFault, ObjectKind, ObjectRef, check_live};
use issuer_diagnostic::{Diagnostic, ErrorKind};
use issuer_discovery::{IssuerUrl, Ports};
use issuer_jwks::{JwkSet, Note, SignatureFault, Token, WeakKeys};
use issuer_test_support::{ApiServer, Authority, Reply};

const SECRET: &str = "GET /api/v1/namespaces/eksa-system/secrets/prod-sa";
const JWKS: &str = "GET /openid/v1/jwks";
const DOCUMENT: &str = "GET /.well-known/openid-configuration";
const TOKEN: &str = "POST /api/v1/namespaces/default/serviceaccounts/app/token";

fn golden(path: &str) -> String {
    std::fs::read_to_string(format!("{}/../../fixtures/golden/{path}", env!("CARGO_MANIFEST_DIR")))
        .unwrap()
}

fn base64(text: &str) -> String {
    use base64ct::Encoding;
    base64ct::Base64::encode_string(text.as_bytes())
}

/// As Cluster API makes it, the private half included.
fn secret(certificate: &str) -> Reply {
    let key = base64(&golden("cases/rsa2048/signing.rsa2048.key.pem"));
    let certificate = base64(certificate);
    Reply::ok(format!(
        r#"{{"kind":"Secret","apiVersion":"v1","metadata":{{"name":"prod-sa"}},"data":{{"tls.crt":"{certificate}","tls.key":"{key}"}},"type":"cluster.x-k8s.io/secret"}}"#
    ))
}

struct Test {
    server: ApiServer,
    folder: tempfile::TempDir,
}

impl Test {
    fn new(replies: impl IntoIterator<Item = (&'static str, Reply)>) -> Self {
        Self { server: ApiServer::start(replies), folder: tempfile::tempdir().unwrap() }
    }

    fn kubeconfig(&self, user: &str) -> PathBuf {
        let path = self.folder.path().join("kubeconfig");
        std::fs::write(&path, self.server.kubeconfig(user)).unwrap();
        path
    }

    async fn cluster(&self) -> Cluster {
        let connection =
            Connection { kubeconfig: Some(self.kubeconfig("{token: a-token}")), context: None };
        Cluster::connect(&connection).await.unwrap()
    }

    async fn secret_keys(&self) -> Result<issuer_jwks::Reading, Error> {
        self.cluster()
            .await
            .secret_keys(
                &"prod".parse().unwrap(),
                &"eksa-system".parse().unwrap(),
                WeakKeys::Refuse,
            )
            .await
    }
}

#[tokio::test]
async fn every_block_of_tls_crt_is_read_by_one_request_and_tls_key_never_shown() {
    let both = golden("encodings/rsa2048.spki.pem") + &golden("encodings/p256.spki.pem");
    let test = Test::new([(SECRET, secret(&both))]);
    let reading = test.secret_keys().await.unwrap();
    assert_eq!(reading.set.keys().len(), 2);
    assert_eq!(test.server.log(), [format!("{SECRET} Bearer a-token")]);
    assert!(!format!("{reading:?}").contains("PRIVATE"));
}

#[tokio::test]
async fn a_private_key_in_tls_crt_gives_its_public_half_and_a_note() {
    let test = Test::new([(SECRET, secret(&golden("encodings/rsa2048.pkcs1priv.pem")))]);
    let reading = test.secret_keys().await.unwrap();
    assert_eq!(reading.notes, [Note::PrivateKey { block: 1 }]);
}

#[tokio::test]
async fn a_refusal_names_verb_resource_and_namespace() {
    let test = Test::new([(
        SECRET,
        Reply::status(403, "secrets \"prod-sa\" is forbidden: User \"x\" cannot get"),
    )]);
    let error = test.secret_keys().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotPermitted);
    for part in ["get", "prod-sa", "eksa-system", "cannot get"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    assert!(error.hint().unwrap().contains("docs/rbac.md"));
}

#[tokio::test]
async fn an_annotation_is_one_patch_that_names_nothing_else() {
    let test =
        Test::new([("PATCH /api/v1/namespaces/default/serviceaccounts/app", Reply::ok("{}"))]);
    let account = "default/app".parse().unwrap();
    test.cluster()
        .await
        .annotate(&account, "eks.amazonaws.com/role-arn", "arn:aws:iam::1:role/app")
        .await
        .unwrap();
    assert_eq!(
        test.server.log(),
        [
            r#"PATCH /api/v1/namespaces/default/serviceaccounts/app Bearer a-token {"metadata":{"annotations":{"eks.amazonaws.com/role-arn":"arn:aws:iam::1:role/app"}}}"#
        ]
    );
    let other = "default/other".parse().unwrap();
    let error = test.cluster().await.annotate(&other, "a", "b").await.unwrap_err();
    assert!(
        matches!(&error, Error::NotFound { resource, .. } if resource.contains("other")),
        "{error}"
    );
}

/// The right is asked for before the object is looked for, as kube-apiserver does.
#[tokio::test]
async fn a_dry_run_changes_nothing_and_also_answers_for_an_object_that_does_not_exist() {
    let server = ApiServer::answering(&Authority::new(), |asked| match asked.line.as_str() {
        line if !line.contains("&dryRun=All") => Reply::status(500, "this changes something"),
        line if line.contains("/payments/") => Reply::status(403, "forbidden"),
        line if line.contains("/later?") => Reply::status(404, "not found"),
        _ => Reply::ok("{}"),
    });
    let test = Test { server, folder: tempfile::tempdir().unwrap() };
    let cluster = test.cluster().await;
    let account = |namespace: &str, name: &str| {
        ObjectRef::namespaced(ObjectKind::ServiceAccount, namespace, name)
    };
    let (object, none) = (serde_json::json!({"kind": "ServiceAccount"}), serde_json::json!({}));
    cluster.dry_run_apply(&account("default", "app"), &object, true).await.unwrap();
    cluster.dry_run_merge(&account("default", "later"), &none).await.unwrap();
    let theirs = account("payments", "later");
    for refused in [
        cluster.dry_run_apply(&theirs, &object, true).await,
        cluster.dry_run_merge(&theirs, &none).await,
    ] {
        assert!(matches!(refused, Err(Error::Forbidden { .. })), "{refused:?}");
    }
}

#[tokio::test]
async fn a_missing_secret_points_to_the_management_cluster() {
    let test = Test::new([]);
    let error = test.secret_keys().await.unwrap_err();
    assert!(
        matches!(&error, Error::NotFound { resource, .. } if resource.contains("prod-sa")),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("management cluster"));
}

#[tokio::test]
async fn an_answer_that_is_no_secret_is_named_and_quotes_nothing() {
    for (answer, says) in [
        (Reply::ok("<html>Sign in</html>"), "HTML"),
        (Reply::ok(r#"{"data":{"tls.crt":17,"tls.key":"hidden"}}"#), "line 1"),
        (Reply::ok(r#"{"data":{"tls.key":"hidden"}}"#), "tls.key"),
        (Reply::ok(r#"{"data":{"tls.crt":"***"}}"#), "base64"),
        (
            Reply::ok(format!(r#"{{"data":{{"tls.crt":"{}"}}}}"#, base64("nonsense"))),
            "no usable key",
        ),
        (Reply::ok("x".repeat((1 << 20) + 1)), "1 MiB"),
        (Reply::status(500, "etcd is away"), "etcd is away"),
    ] {
        let error = Test::new([(SECRET, answer)]).secret_keys().await.unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert!(!format!("{error} {error:?}").contains("hidden"), "{error:?}");
    }
}

#[tokio::test]
async fn the_served_keys_are_those_of_the_api_server_byte_for_byte() {
    let test = Test::new([
        (JWKS, Reply::ok(golden("cases/multi-all-six/jwks.json"))),
        (DOCUMENT, Reply::ok(golden("cases/multi-all-six/openid-configuration.json"))),
    ]);
    let served = test.cluster().await.served(WeakKeys::Refuse).await.unwrap();
    assert_eq!(served.keys.to_json(), golden("cases/multi-all-six/jwks.json"));
    assert_eq!(served.issuer, "https://example-bucket.s3.us-west-2.amazonaws.com/demo");
    assert_eq!(test.server.log().len(), 2);
}

#[tokio::test]
async fn an_api_server_that_serves_no_keys_says_why() {
    let error = Test::new([]).cluster().await.served(WeakKeys::Refuse).await.unwrap_err();
    assert!(error.hint().unwrap().contains("--service-account-issuer"), "{error}");
}

#[tokio::test]
async fn a_fresh_token_is_asked_for_with_the_audience_of_sts() {
    let token = golden("cases/p256/token.jwt");
    let answer = format!(r#"{{"kind":"TokenRequest","status":{{"token":"{}"}}}}"#, token.trim());
    let test = Test::new([(TOKEN, Reply { status: 201, ..Reply::ok(answer) })]);
    let fresh = test
        .cluster()
        .await
        .fresh_token(&"default/app".parse().unwrap(), "sts.amazonaws.com")
        .await
        .unwrap();
    assert_eq!(fresh.compact(), token.trim());
    let log = test.server.log().join("\n");
    assert!(
        log.contains(r#""audiences":["sts.amazonaws.com"]"#)
            && log.contains(r#""expirationSeconds":600"#),
        "{log}"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn an_exec_plugin_gives_the_token() {
    use std::os::unix::fs::PermissionsExt;
    let test = Test::new([(SECRET, secret(&golden("encodings/rsa2048.spki.pem")))]);
    let plugin = test.folder.path().join("plugin");
    let answer = r#"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"from-plugin"}}"#;
    std::fs::write(&plugin, format!("#!/bin/sh\necho '{answer}'\n")).unwrap();
    std::fs::set_permissions(&plugin, std::fs::Permissions::from_mode(0o755)).unwrap();
    let user = format!(
        "{{exec: {{apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: \
         {}}}}}",
        plugin.display()
    );
    let connection = Connection { kubeconfig: Some(test.kubeconfig(&user)), context: None };
    let cluster = Cluster::connect(&connection).await.unwrap();
    cluster
        .secret_keys(&"prod".parse().unwrap(), &"eksa-system".parse().unwrap(), WeakKeys::Refuse)
        .await
        .unwrap();
    assert_eq!(test.server.log(), [format!("{SECRET} Bearer from-plugin")]);
}

#[tokio::test]
async fn a_context_that_is_not_there_is_answered_with_those_that_are() {
    let test = Test::new([]);
    let kubeconfig = Some(test.kubeconfig("{token: x}"));
    let connection =
        Connection { kubeconfig: kubeconfig.clone(), context: Some("prod".to_owned()) };
    let error = Cluster::connect(&connection).await.err().unwrap();
    assert!(error.to_string().contains("test, other"), "{error}");
    assert!(
        Cluster::connect(&Connection { kubeconfig, context: Some("other".to_owned()) })
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn an_unusable_kubeconfig_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nothing");
    for text in
        [None, Some("not: [yaml"), Some("apiVersion: v1\nkind: Config\ncurrent-context: x\n")]
    {
        if let Some(text) = text {
            std::fs::write(&path, text).unwrap();
        }
        let error = Cluster::connect(&Connection { kubeconfig: Some(path.clone()), context: None })
            .await
            .err()
            .unwrap();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let test = Test::new([]);
    let path = test.kubeconfig("{token: x}");
    drop(test.server);
    let cluster =
        Cluster::connect(&Connection { kubeconfig: Some(path), context: None }).await.unwrap();
    let error = cluster.served(WeakKeys::Refuse).await.unwrap_err();
    assert!(
        matches!(&error, Error::Unreachable { server, .. } if server.contains("localhost")),
        "{error}"
    );
}

#[tokio::test]
async fn a_server_that_is_busy_is_asked_again_and_its_page_is_not_quoted() {
    let page = Reply { status: 503, ..Reply::ok("<html>token: hidden</html>") };
    let test = Test::new([(SECRET, page)]);
    let error = test.secret_keys().await.unwrap_err();
    assert!(matches!(&error, Error::Busy { status: 503, attempts: 4, .. }), "{error}");
    let text = format!("{error} {error:?}");
    assert!(text.contains("503 Service Unavailable") && text.contains("HTML"), "{text}");
    assert!(!text.contains("hidden"), "{text}");
    assert_eq!(test.server.log().len(), 4);
}

#[tokio::test]
async fn a_page_of_a_web_server_is_not_taken_for_a_question_of_permissions() {
    for status in [200, 401, 403, 404, 500] {
        let page = Reply { status, ..Reply::ok("<html>token: hidden</html>") };
        let error = Test::new([(SECRET, page)]).secret_keys().await.unwrap_err();
        assert!(matches!(&error, Error::Page { status: of, .. } if *of == status), "{error}");
        assert!(error.hint().unwrap().contains("proxy-url"), "{error}");
        assert!(!format!("{error} {error:?}").contains("hidden"), "{error:?}");
    }
}

#[tokio::test]
async fn credentials_of_a_file_are_read_again_once_after_a_401() {
    let test = Test::new([(SECRET, Reply::status(401, "Unauthorized"))]);
    let token = test.folder.path().join("token");
    std::fs::write(&token, "one\n").unwrap();
    let connection =
        Connection { kubeconfig: Some(test.kubeconfig("{tokenFile: token}")), context: None };
    let cluster = Cluster::connect(&connection).await.unwrap();
    std::fs::write(&token, "two\n").unwrap();
    let error = cluster
        .secret_keys(&"prod".parse().unwrap(), &"eksa-system".parse().unwrap(), WeakKeys::Refuse)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotPermitted);
    assert_eq!(test.server.log(), [format!("{SECRET} Bearer one"), format!("{SECRET} Bearer two")]);
}

#[tokio::test]
async fn a_server_that_the_kubeconfig_does_not_trust_is_not_said_to_be_silent() {
    let (test, other) = (Test::new([]), Test::new([]));
    let path = test.kubeconfig("{token: x}");
    let (right, wrong) = (test.server.kubeconfig(""), other.server.kubeconfig(""));
    let authority = |text: &str| {
        let (_, rest) = text.split_once("certificate-authority-data: ").unwrap();
        rest.lines().next().unwrap().to_owned()
    };
    let text = std::fs::read_to_string(&path).unwrap();
    let named = |name: &str| {
        let server = format!("    tls-server-name: {name}\n    server:");
        text.replace("localhost", "127.0.0.1").replace("    server:", &server)
    };
    for (kubeconfig, says) in [
        (text.replace(&authority(&right), &authority(&wrong)), "not trusted"),
        (
            named("other.example.com"),
            "not for the name \"other.example.com\" but for \"localhost\"",
        ),
    ] {
        std::fs::write(&path, kubeconfig).unwrap();
        let connection = Connection { kubeconfig: Some(path.clone()), context: None };
        let cluster = Cluster::connect(&connection).await.unwrap();
        let error = cluster.served(WeakKeys::Refuse).await.unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert!(error.hint().unwrap().contains("of the kubeconfig"));
    }
    for kubeconfig in [
        named("localhost"),
        text.replace(
            &format!("certificate-authority-data: {}", authority(&right)),
            "insecure-skip-tls-verify: true",
        ),
    ] {
        std::fs::write(&path, kubeconfig).unwrap();
        let connection = Connection { kubeconfig: Some(path.clone()), context: None };
        let cluster = Cluster::connect(&connection).await.unwrap();
        let error = cluster.served(WeakKeys::Refuse).await.unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }), "{error}");
    }
}

#[tokio::test]
async fn the_certificate_of_an_api_server_is_judged_in_plain_words_with_what_to_do() {
    use issuer_test_support::Authority;
    let said = async |authority: Authority| {
        let server = ApiServer::start_under(&authority, []);
        let test = Test { server, folder: tempfile::tempdir().unwrap() };
        test.cluster().await.served(WeakKeys::Refuse).await.unwrap_err()
    };
    for (authority, says, does) in [
        (
            Authority::with_servers(|params| params.not_after = rcgen::date_time_ymd(2001, 2, 3)),
            "its TLS certificate has expired on 2001-02-03",
            "kubeadm certs renew apiserver",
        ),
        (
            Authority::with_servers(|params| params.not_before = rcgen::date_time_ymd(4001, 2, 3)),
            "is not yet valid before 4001-02-03",
            "clock",
        ),
        (
            Authority::with_servers(|params| {
                params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
                params.distinguished_name.push(rcgen::DnType::CommonName, "localhost");
            }),
            "it is marked as that of a CA",
            "anew",
        ),
        (
            Authority::with_servers(|params| {
                params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
            }),
            "it is not for servers",
            "anew",
        ),
    ] {
        let error = said(authority).await;
        assert!(matches!(error, Error::Certificate { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(says) && text.contains("https://localhost"), "{text}");
        assert!(error.hint().unwrap().contains(does), "{text}");
        assert!(!text.contains("CaUsed") && !text.contains("InvalidCertificate"), "{text}");
    }
    // As kubectl, which takes a server's own certificate for its authority.
    let error = said(Authority::of_itself()).await;
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
}

#[tokio::test]
async fn the_authority_of_a_kubeconfig_is_read_in_every_form_and_named_if_it_is_none() {
    let test = Test::new([]);
    let path = test.kubeconfig("{token: x}");
    let whole = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = whole.split_once("certificate-authority-data: ").unwrap();
    let (data, after) = rest.split_once('\n').unwrap();
    let said = async |field: &str| {
        std::fs::write(&path, format!("{before}{field}\n{after}")).unwrap();
        let connection = Connection { kubeconfig: Some(path.clone()), context: None };
        match Cluster::connect(&connection).await {
            Ok(cluster) => cluster.served(WeakKeys::Refuse).await.unwrap_err(),
            Err(error) => error,
        }
    };
    use base64ct::Encoding;
    let pem = base64ct::Base64::decode_vec(data).unwrap();
    let file = |name: &str, bytes: &[u8]| {
        std::fs::write(test.folder.path().join(name), bytes).unwrap();
        format!("certificate-authority: {name}")
    };
    let bad = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for field in [
        file("pem", &pem),
        file("base64", data.as_bytes()),
        // kubectl skips a block that is not valid.
        file("bad-first", &[bad.as_slice(), &pem].concat()),
        format!("certificate-authority-data: {}", base64(data)),
    ] {
        let error = said(&field).await;
        assert!(matches!(error, Error::NotFound { .. }), "{field}: {error}");
    }
    let key = golden("encodings/rsa2048.pkcs1priv.pem");
    for (field, says) in [
        (file("bad", bad), "PEM block 1 is not a valid X.509 certificate"),
        (file("key", key.as_bytes()), "it is a private key"),
        (format!("certificate-authority-data: {}", base64(&key)), "it is a private key"),
        (
            format!(
                "certificate-authority-data: |\n      {}",
                String::from_utf8_lossy(&pem).trim().replace('\n', "\n      ")
            ),
            "certificate-authority-data is PEM text; it must be the base64 of that",
        ),
        ("certificate-authority-data: '***'".to_owned(), "is not valid base64"),
    ] {
        let error = said(&field).await;
        let source = std::error::Error::source(&error).map(ToString::to_string);
        let text = format!("{error}: {}", source.unwrap_or_default());
        assert!(text.contains(says) && text.contains("cluster \"test\""), "{text}");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}

fn case(name: &str) -> (Token, JwkSet) {
    let set =
        JwkSet::parse(golden(&format!("cases/{name}/jwks.json")).as_bytes(), WeakKeys::Refuse)
            .unwrap();
    (Token::parse(&golden(&format!("cases/{name}/token.jwt"))).unwrap(), set)
}

#[test]
fn a_live_token_holds_with_its_key_and_issuer_and_every_other_is_named() {
    let issuer = |text| IssuerUrl::parse(text, Ports::Refuse).unwrap();
    let right = issuer("https://example-bucket.s3.us-west-2.amazonaws.com/demo");
    let (token, keys) = case("p256");
    let (_, others) = case("rsa2048");
    assert_eq!(check_live(&token, &keys, &right), Ok(()));

    let fault = check_live(&token, &others, &right).unwrap_err();
    assert!(matches!(fault, LiveFault::WrongKey { .. }));
    for kid in [token.kid().unwrap(), others.keys()[0].kid.as_str()] {
        assert!(fault.to_string().contains(kid), "{fault}");
    }

    let other = issuer("https://other.example.com");
    let fault = check_live(&token, &keys, &other).unwrap_err();
    assert!(
        fault.to_string().contains(right.as_str()) && fault.to_string().contains(other.as_str()),
        "{fault}"
    );

    let stolen = others.to_json().replace(others.keys()[0].kid.as_str(), token.kid().unwrap());
    let stolen = JwkSet::parse(stolen.as_bytes(), WeakKeys::Refuse).unwrap();
    let fault = check_live(&token, &stolen, &right).unwrap_err();
    assert!(
        matches!(fault, LiveFault::Signature(SignatureFault::AlgorithmMismatch { .. })),
        "{fault}"
    );
}
