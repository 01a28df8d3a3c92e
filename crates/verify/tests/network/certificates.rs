//! Certificates and TLS.

use super::*;

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
