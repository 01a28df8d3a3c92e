//! Fetching from a server in this process that can be broken anywhere; every connection stays on
//! loopback.

#![allow(clippy::unwrap_used, reason = "a helper of tests may end them")]

mod common;

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
async fn each_fault_of_a_certificate_is_told_apart() {
    let pki = Pki::new();
    let long_ago = |params: &mut CertificateParams| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    };
    let far_ahead = |params: &mut CertificateParams| params.not_before = date_time_ymd(3000, 1, 1);
    let other_name = |params: &mut CertificateParams| {
        params.subject_alt_names =
            CertificateParams::new(["x.example".to_owned()]).unwrap().subject_alt_names;
    };
    let self_signed = serve_with(|_| {}, |params, key| params.self_signed(key).unwrap());
    let unknown = Pki::new();
    let none = FetchOptions::new(Authorities::default());
    for (name, served, options, words) in [
        ("expired", pki.server(long_ago), pki.options(), &["expired", "2021-01-01", "renew"][..]),
        ("early", pki.server(far_ahead), pki.options(), &["not yet valid", "3000-01-01"]),
        (
            "name",
            pki.server(other_name),
            pki.options(),
            &["not for the name \"localhost\"", "x.example"],
        ),
        ("self-signed", self_signed, pki.options(), &["self-signed"]),
        ("unknown CA", unknown.server(|_| {}), none, &["unknown CA", "Test Root", "CA file"]),
        (
            "leaf only",
            pki.below_the_intermediate(false),
            pki.options(),
            &["incomplete", "Test Intermediate", "full chain"],
        ),
    ] {
        let server = Server::start(served, as_it_is).await;
        let (seen, verdict) = look(&server, &options).await;
        assert!(
            matches!(seen.discovery.outcome, Err(Unreached::Certificate(_))),
            "{name}: {:?}",
            seen.discovery
        );
        assert_root(name, &verdict, "discovery-reachable", words);
        assert!(server.log().is_empty(), "{name}");
    }
}

#[tokio::test]
async fn a_full_chain_and_either_version_of_tls_are_fine() {
    let pki = Pki::new();
    let server = Server::start(pki.below_the_intermediate(true), as_it_is).await;
    assert!(look(&server, &pki.options()).await.1.passed());
    for version in [&version::TLS12, &version::TLS13] {
        let server = Server::start_with(pki.server(|_| {}), &[version], as_it_is).await;
        assert!(look(&server, &pki.options()).await.1.passed(), "{version:?}");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_told_from_one_that_is_not_there() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = issuer_at(listener.local_addr().unwrap().port());
    let serving = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut hello = [0; 512];
            let _ = stream.read(&mut hello).await;
            let _ =
                stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
        }
    });
    let seen = fetch(&issuer, &FetchOptions::new(Authorities::default())).await.unwrap();
    assert_eq!(seen.discovery.outcome, Err(Unreached::NotTls));
    serving.abort();
    let _ = serving.await;
    let seen = fetch(&issuer, &FetchOptions::new(Authorities::default())).await.unwrap();
    assert_eq!(seen.discovery.outcome, Err(Unreached::Refused));
    assert!(seen.keys.is_none());
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
async fn an_untrusted_chain_is_described_by_what_was_sent() {
    let pki = Pki::new();
    let server = Server::start(pki.below_the_intermediate(true), as_it_is).await;
    let (seen, _) = look(&server, &FetchOptions::new(Authorities::default())).await;
    let Err(Unreached::Certificate(CertificateFault::Untrusted(Some(chain)))) =
        seen.discovery.outcome
    else {
        panic!("{:?}", seen.discovery);
    };
    assert_eq!(
        (chain.issuer.as_str(), chain.length, chain.names_its_signer),
        ("CN=Test Intermediate", 2, false)
    );
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

/// A proxy that answers CONNECT with this status line; after 200 it connects to `port`.
async fn proxy(status: &'static str, port: u16) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let requests = Arc::<Mutex<Vec<String>>>::default();
    let log = requests.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let log = log.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.ok()?);
                }
                log.lock().unwrap().push(String::from_utf8_lossy(&head).into_owned());
                let answer = format!("HTTP/1.1 {status}\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.ok()?;
                if !status.starts_with("200") {
                    return stream.shutdown().await.ok();
                }
                let mut server = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
                tokio::io::copy_bidirectional(&mut stream, &mut server).await.ok().map(|_| ())
            });
        }
    });
    (address.to_string(), requests)
}

fn through(options: FetchOptions, environment: &[(&str, &str)]) -> FetchOptions {
    let value = |name: &str| environment.iter().find(|(known, _)| *known == name);
    let proxies = Settings::read(|name| value(name).map(|(_, value)| (*value).to_owned()));
    let mut options = options;
    options.proxies = proxies;
    options
}

const PUBLIC: &str = "https://oidc.example.com/demo";

#[tokio::test]
async fn the_documents_are_requested_through_the_proxy_and_it_is_named_without_its_password() {
    let pki = Pki::new();
    let served = pki.server(|params| {
        params.subject_alt_names =
            vec![rcgen::SanType::DnsName("oidc.example.com".try_into().unwrap())];
    });
    let server = Server::start(served, as_it_is).await;
    let port = server.issuer.as_str().split([':', '/']).nth(4).unwrap().parse().unwrap();
    let (address, log) = proxy("200 OK", port).await;
    let issuer = IssuerUrl::parse(PUBLIC, Ports::Refuse).unwrap();
    let options = through(pki.options(), &[("HTTPS_PROXY", &format!("me:hidden@{address}"))]);
    let seen = fetch(&issuer, &options).await.unwrap();
    assert!(seen.discovery.document().is_some(), "{seen:?}");
    assert_eq!(seen.discovery.proxy, Some(format!("http://{address} (HTTPS_PROXY)")));
    let log = log.lock().unwrap().join("");
    assert!(log.starts_with("CONNECT oidc.example.com:443"), "{log}");
    assert!(log.to_lowercase().contains("proxy-authorization: basic bwu6aglkzgvu"), "{log}");
    let verdict = judge(&seen, &expected(&issuer));
    assert!(!format!("{seen:?}{verdict:?}").contains("hidden"));

    // Another CA than the trusted one: the proxy may have replaced the certificate.
    let other = through(Pki::new().options(), &[("HTTPS_PROXY", &address)]);
    let seen = fetch(&issuer, &other).await.unwrap();
    let verdict = judge(&seen, &expected(&issuer));
    assert_root("replaced", &verdict, "discovery-reachable", &["not trusted", "through the proxy"]);
}

#[tokio::test]
async fn what_a_proxy_does_not_do_is_not_a_fault_of_the_issuer() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let refuses = proxy("403 Forbidden", 0).await.0;
    let asks = proxy("407 Proxy Authentication Required", 0).await.0;
    let issuer = IssuerUrl::parse(PUBLIC, Ports::Refuse).unwrap();
    for (value, fault, words) in [
        (closed.as_str(), ProxyFault::NotReached("connection refused"), &["cannot be reached"][..]),
        (&refuses, ProxyFault::Refused, &["refuses to connect", "NO_PROXY=oidc.example.com"]),
        (&asks, ProxyFault::Credentials, &["credentials"]),
        ("proxy.invalid:1", ProxyFault::NotReached("its name does not resolve (DNS)"), &["DNS"]),
        (
            "socks5://me:hidden@127.0.0.1:1",
            ProxyFault::Setting(
                "HTTPS_PROXY names a SOCKS proxy, which is not supported".to_owned(),
            ),
            &["SOCKS", "HTTPS_PROXY"],
        ),
    ] {
        let options = through(FetchOptions::new(Authorities::default()), &[("HTTPS_PROXY", value)]);
        let seen = fetch(&issuer, &options).await.unwrap();
        assert_eq!(seen.discovery.outcome, Err(Unreached::Proxy(fault)), "{value}");
        let verdict = judge(&seen, &expected(&issuer));
        assert_root(value, &verdict, "discovery-reachable", words);
        let text = format!("{verdict:?}");
        assert!(
            text.contains("nothing is known of the issuer") && !text.contains("hidden"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn loopback_and_excepted_hosts_are_requested_without_the_proxy() {
    let pki = Pki::new();
    let server = Server::start(pki.server(|_| {}), as_it_is).await;
    let (address, log) = proxy("403 Forbidden", 0).await;
    let (_, verdict) = look(&server, &through(pki.options(), &[("HTTPS_PROXY", &address)])).await;
    assert!(verdict.passed(), "{verdict:#?}");
    let issuer = IssuerUrl::parse("https://oidc.invalid/demo", Ports::Refuse).unwrap();
    let excepted = [("HTTPS_PROXY", address.as_str()), ("NO_PROXY", ".invalid,")];
    let seen = fetch(&issuer, &through(pki.options(), &excepted)).await.unwrap();
    assert_eq!(seen.discovery.outcome, Err(Unreached::NameNotFound));
    assert!(log.lock().unwrap().is_empty());
}
