//! Requests through a proxy.

use super::*;

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
