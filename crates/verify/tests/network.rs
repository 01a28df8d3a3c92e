//! Fetching from a server in this process that can be broken anywhere; every connection stays on
//! loopback.

#![allow(clippy::unwrap_used, reason = "a helper of tests may end them")]

#[path = "network/certificates.rs"]
mod certificates;
mod common;
#[path = "network/proxies.rs"]
mod proxies;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{assert_root, document, failed, keys, with};
use issuer_discovery::{IssuerUrl, Ports};
use issuer_jwks::JwksSource;
use issuer_proxy::Settings;
use issuer_verify::{
    Authorities, BodyFault, CertificateFault, Expected, FetchOptions, Observation, ProxyFault,
    Unreached, Verdict, fetch, fetch_jwks, judge,
};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{ServerConfig, SupportedProtocolVersion, version};

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn ca_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new([]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

/// A root, an intermediate below it, and server certificates of either.
struct Pki {
    root: Issuer,
    middle: Issuer,
}

/// The certificates that a server sends, and its key.
struct Served(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl Pki {
    fn new() -> Self {
        let root =
            CertifiedIssuer::self_signed(ca_params("Test Root"), KeyPair::generate().unwrap())
                .unwrap();
        let middle = CertifiedIssuer::signed_by(
            ca_params("Test Intermediate"),
            KeyPair::generate().unwrap(),
            &root,
        )
        .unwrap();
        Self { root, middle }
    }

    fn options(&self) -> FetchOptions {
        FetchOptions::new(Authorities::parse(self.root.pem().as_bytes()).unwrap())
    }

    fn server(&self, change: impl FnOnce(&mut CertificateParams)) -> Served {
        serve_with(change, |params, key| params.signed_by(key, &self.root).unwrap())
    }

    fn below_the_intermediate(&self, with_chain: bool) -> Served {
        let mut served =
            serve_with(|_| {}, |params, key| params.signed_by(key, &self.middle).unwrap());
        if with_chain {
            served.0.push(self.middle.der().clone());
        }
        served
    }
}

fn serve_with(
    change: impl FnOnce(&mut CertificateParams),
    sign: impl FnOnce(CertificateParams, &KeyPair) -> rcgen::Certificate,
) -> Served {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "server");
    change(&mut params);
    let certificate = sign(params, &key);
    Served(vec![certificate.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
}

/// What the server does with a request.
#[derive(Clone)]
enum Reply {
    Bytes(String),
    Slow(Duration),
    Drip(String),
    Close,
}

fn ok(body: &str) -> Reply {
    Reply::Bytes(format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: \
         close\r\n\r\n{body}",
        body.len()
    ))
}

struct Server {
    issuer: IssuerUrl,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Serves the two documents of `https://localhost:PORT/demo`, each answer changed by `change`.
    async fn start(
        served: Served,
        change: impl Fn(&str, Reply) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::start_with(served, &[&version::TLS13, &version::TLS12], change).await
    }

    async fn start_with(
        Served(chain, key): Served,
        versions: &[&'static SupportedProtocolVersion],
        change: impl Fn(&str, Reply) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = issuer_at(listener.local_addr().unwrap().port());
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let (base, log, change) = (issuer.to_string(), requests.clone(), Arc::new(change));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, base, log, change) =
                    (acceptor.clone(), base.clone(), log.clone(), change.clone());
                tokio::spawn(async move { answer(stream, acceptor, &base, &log, &*change).await });
            }
        });
        Self { issuer, requests }
    }

    fn log(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn issuer_at(port: u16) -> IssuerUrl {
    IssuerUrl::parse(&format!("https://localhost:{port}/demo"), Ports::Allow).unwrap()
}

async fn answer(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    base: &str,
    log: &Mutex<Vec<String>>,
    change: &(dyn Fn(&str, Reply) -> Reply + Sync),
) -> Option<()> {
    let mut stream = acceptor.accept(stream).await.ok()?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let path = head.split(' ').nth(1)?.to_owned();
    log.lock().unwrap().push(head);
    let usual = match path.as_str() {
        "/demo/.well-known/openid-configuration" => {
            let document = with(
                with(document(), "issuer", json!(base)),
                "jwks_uri",
                json!(format!("{base}/keys.json")),
            );
            ok(&document.to_string())
        }
        "/demo/keys.json" => ok(&keys().to_string()),
        _ => Reply::Bytes(
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned(),
        ),
    };
    match change(&path, usual) {
        Reply::Bytes(text) => {
            stream.write_all(text.as_bytes()).await.ok()?;
            stream.shutdown().await.ok()
        }
        Reply::Slow(time) => {
            tokio::time::sleep(time).await;
            None
        }
        Reply::Drip(text) => {
            for byte in text.bytes() {
                stream.write_all(&[byte]).await.ok()?;
                stream.flush().await.ok()?;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            None
        }
        Reply::Close => None,
    }
}

fn as_it_is(_: &str, usual: Reply) -> Reply {
    usual
}

async fn look(server: &Server, options: &FetchOptions) -> (Observation, Verdict) {
    let seen = fetch(&server.issuer, options).await.unwrap();
    let verdict = judge(&seen, &expected(&server.issuer));
    (seen, verdict)
}

fn expected(issuer: &IssuerUrl) -> Expected {
    Expected { issuer: Some(issuer.clone()), now_secs: common::NOW, ..Expected::default() }
}

#[tokio::test]
async fn a_well_issuer_costs_three_anonymous_requests() {
    let pki = Pki::new();
    let server = Server::start(pki.server(|_| {}), as_it_is).await;
    let (_, verdict) = look(&server, &pki.options()).await;
    assert!(verdict.passed(), "{verdict:#?}");
    let log = server.log();
    let lines: Vec<_> = log.iter().map(|head| head.lines().next().unwrap()).collect();
    let keys = "GET /demo/keys.json HTTP/1.1";
    assert_eq!(lines, ["GET /demo/.well-known/openid-configuration HTTP/1.1", keys, keys]);
    for head in &log {
        let head = head.to_ascii_lowercase();
        for name in ["authorization:", "cookie:", "accept-encoding:", "referer:"] {
            assert!(!head.contains(name), "{head}");
        }
    }
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let pki = Pki::new();
    for status in ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"] {
        let reply = Reply::Bytes(format!(
            "HTTP/1.1 {status}\r\nlocation: /demo/elsewhere.json\r\ncontent-length: \
             0\r\nconnection: close\r\n\r\n"
        ));
        let to_all = reply.clone();
        let server = Server::start(pki.server(|_| {}), move |_, _| to_all.clone()).await;
        let (_, verdict) = look(&server, &pki.options()).await;
        assert_root(
            status,
            &verdict,
            "discovery-reachable",
            &[&status[..3], "/demo/elsewhere.json"],
        );
        let server = Server::start(pki.server(|_| {}), move |path, usual| {
            if path.ends_with("keys.json") { reply.clone() } else { usual }
        })
        .await;
        let (_, verdict) = look(&server, &pki.options()).await;
        assert_root(status, &verdict, "keys-reachable", &[&status[..3], "/demo/elsewhere.json"]);
        assert!(server.log().iter().all(|head| !head.contains("elsewhere")), "{:?}", server.log());
    }
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_told() {
    let issuer = IssuerUrl::parse("https://no-such-host.invalid/demo", Ports::Refuse).unwrap();
    let seen = fetch(&issuer, &FetchOptions::new(Authorities::default())).await.unwrap();
    assert_eq!(seen.discovery.outcome, Err(Unreached::NameNotFound));
}

#[tokio::test]
async fn five_seconds_bound_headers_and_body_alike() {
    let pki = Pki::new();
    let slow = Server::start(pki.server(|_| {}), |_, _| Reply::Slow(Duration::from_secs(8))).await;
    let drip = Server::start(pki.server(|_| {}), |_, usual| match usual {
        Reply::Bytes(text) => Reply::Drip(text),
        other => other,
    })
    .await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent_issuer = issuer_at(silent.local_addr().unwrap().port());
    let options = pki.options();
    let started = std::time::Instant::now();
    let ((_, slow), (_, drip), silent) =
        tokio::join!(look(&slow, &options), look(&drip, &options), fetch(&silent_issuer, &options));
    assert!(started.elapsed() < Duration::from_secs(7), "{:?}", started.elapsed());
    assert_root("slow", &slow, "discovery-reachable", &["within 5 s"]);
    assert_root("drip", &drip, "discovery-reachable", &["within 5 s"]);
    let silent = judge(&silent.unwrap(), &expected(&silent_issuer));
    assert_root("silent", &silent, "discovery-reachable", &["within 5 s"]);
}

#[tokio::test]
async fn bodies_that_end_early_or_never_are_not_taken() {
    let pki = Pki::new();
    let short = |_: &str, _| {
        Reply::Bytes(
            "HTTP/1.1 200 OK\r\ncontent-length: 900\r\nconnection: close\r\n\r\n{\"issuer\":"
                .to_owned(),
        )
    };
    let server = Server::start(pki.server(|_| {}), short).await;
    let (seen, verdict) = look(&server, &pki.options()).await;
    assert_eq!(seen.discovery.outcome.unwrap().body_fault, Some(BodyFault::Truncated));
    assert_root("short", &verdict, "discovery-reachable", &["10 of 900 bytes"]);

    let server = Server::start(pki.server(|_| {}), |_, _| ok(&" ".repeat(2 << 20))).await;
    let (seen, _) = look(&server, &pki.options()).await;
    let answer = seen.discovery.outcome.unwrap();
    assert_eq!(answer.body_fault, Some(BodyFault::TooLarge));
    assert!(answer.body.len() <= issuer_jwks::MAX_INPUT_BYTES);

    let server = Server::start(pki.server(|_| {}), |_, _| Reply::Close).await;
    let (seen, _) = look(&server, &pki.options()).await;
    assert_eq!(seen.discovery.outcome, Err(Unreached::Closed));

    let garbage =
        |_: &str, _| Reply::Bytes("HTTP/1.1 200 OK\r\ncontent-length: abc\r\n\r\n{}".to_owned());
    let server = Server::start(pki.server(|_| {}), garbage).await;
    let (_, verdict) = look(&server, &pki.options()).await;
    assert_root("garbage", &verdict, "discovery-reachable", &["not valid HTTP", "content-length"]);
}

#[tokio::test]
async fn a_missing_document_has_the_keys_beside_it_looked_at_and_not_blamed() {
    let pki = Pki::new();
    let only_keys = |path: &str, usual| {
        let gone = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        if path.ends_with("keys.json") { usual } else { Reply::Bytes(gone.to_owned()) }
    };
    let server = Server::start(pki.server(|_| {}), only_keys).await;
    let (_, verdict) = look(&server, &pki.options()).await;
    assert_root("gone", &verdict, "discovery-reachable", &["404", "keys.json", "status 200"]);
    assert_eq!(server.log().len(), 2);
}

#[tokio::test]
async fn two_servers_with_different_keys_are_found_out() {
    let pki = Pki::new();
    let turn = std::sync::atomic::AtomicUsize::new(0);
    let alternating = move |path: &str, usual| {
        let first = path.ends_with("keys.json")
            && turn.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
        if first { ok(&common::other_keys().to_string()) } else { usual }
    };
    let server = Server::start(pki.server(|_| {}), alternating).await;
    let (_, verdict) = look(&server, &pki.options()).await;
    assert_eq!(failed(&verdict).iter().map(|check| check.id).collect::<Vec<_>>(), ["keys-stable"]);
}

#[tokio::test]
async fn a_jwks_uri_without_https_is_not_fetched() {
    let pki = Pki::new();
    let plain = |_: &str, _| {
        ok(&with(document(), "jwks_uri", json!("http://localhost/keys.json")).to_string())
    };
    let server = Server::start(pki.server(|_| {}), plain).await;
    let (seen, _) = look(&server, &pki.options()).await;
    assert!(seen.keys.is_none());
    assert_eq!(server.log().len(), 1);
}

#[tokio::test]
async fn a_jwk_set_is_read_from_a_url_and_never_over_http() {
    let pki = Pki::new();
    let redirect = |to: &str| {
        Reply::Bytes(format!(
            "HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: \
             close\r\n\r\n"
        ))
    };
    let server = Server::start(pki.server(|_| {}), move |path, usual| match path {
        "/demo/moved" => redirect("/demo/keys.json"),
        "/demo/downgraded" => redirect("http://127.0.0.1:9/keys.json"),
        "/demo/circle" => redirect("/demo/circle"),
        "/demo/large" => ok(&"x".repeat((1 << 20) + 1)),
        "/demo/closed" => Reply::Close,
        _ => usual,
    })
    .await;
    let read = async |path: &str, options: &FetchOptions| {
        let source = format!("{}/{path}", server.issuer).parse().unwrap();
        let JwksSource::Url(url) = source else { unreachable!("a URL") };
        fetch_jwks(&url, options).await.map_err(|error| error.to_string())
    };
    let options = pki.options();
    for path in ["keys.json", "moved", "keys.json?signature=secret"] {
        let expected = if path.contains('?') { None } else { Some(keys().to_string()) };
        let read = read(path, &options).await;
        match expected {
            Some(expected) => assert_eq!(read.unwrap(), expected.into_bytes(), "{path}"),
            None => assert!(!read.unwrap_err().contains("secret")),
        }
    }
    for (path, says) in [
        ("downgraded", "not https"),
        ("circle", "redirects more than 5 times"),
        ("large", "larger than 1 MiB"),
        ("closed", "closed the connection"),
        ("missing", "404"),
    ] {
        let error = read(path, &options).await.unwrap_err();
        assert!(error.contains(says), "{path}: {error}");
    }
    let untrusted =
        read("keys.json", &FetchOptions::new(Authorities::default())).await.unwrap_err();
    assert!(untrusted.contains("not trusted"), "{untrusted}");
}
