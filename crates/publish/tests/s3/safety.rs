//! What a run must not believe, and what readers must never see.

use issuer_test_support::{Fault, FaultProxy};

use super::*;

/// The same keys for another issuer.
fn other_site(case: &str) -> Site {
    let issuer = IssuerUrl::parse("https://oidc.example.com/other", Ports::Refuse).unwrap();
    Site { issuer, ..site(case) }
}

fn text(server: &S3Server, key: &str) -> String {
    String::from_utf8(server.get("my-oidc", key).unwrap()).unwrap()
}

#[tokio::test]
async fn keys_without_a_discovery_document_have_an_owner() {
    let server = S3Server::start();
    let store = store(&server, options());
    server.refuse("PutObject", "AccessDenied");
    run(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap_err();
    server.refuse_nothing();
    // A run that was ended after the first document.
    run(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap();
    server.remove("my-oidc", DISCOVERY);
    let keys_before = text(&server, KEYS);
    let error = run(&store, &other_site("p256"), &PlanOptions::default()).await.unwrap_err();
    assert!(
        matches!(&error, Error::OtherIssuer { location, published, .. }
            if location.ends_with("keys.json") && published.ends_with("/prod")),
        "{error}"
    );
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(text(&server, KEYS), keys_before);
    let change = PlanOptions { change_issuer: true, ..PlanOptions::default() };
    let plan = run(&store, &other_site("p256"), &change).await.unwrap();
    assert!(plan.changes().to_string().contains("~ issuer"), "{}", plan.changes());
    // The owner is the new one now, also for the former.
    server.remove("my-oidc", DISCOVERY);
    run(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap_err();
    run(&store, &other_site("p256"), &PlanOptions::default()).await.unwrap();
}

#[tokio::test]
async fn of_two_issuers_that_publish_to_one_place_at_once_one_is_refused() {
    let server = S3Server::start();
    server.make_bucket("my-oidc");
    let no_bucket = S3Options { access: AccessMode::None, ..options() };
    let (one, other) = (store(&server, no_bucket.clone()), store(&server, no_bucket));
    let (site, rival, options) = (site("rsa2048"), other_site("p256"), PlanOptions::default());
    // Both have planned before either has written.
    let mut plans =
        (plan(&one, &site, &options).await.unwrap(), plan(&other, &rival, &options).await.unwrap());
    let ended = tokio::join!(
        publish(&one, &site, &options, &mut plans.0, |_| Ok::<(), Error>(()), |_| {}),
        publish(&other, &rival, &options, &mut plans.1, |_| Ok::<(), Error>(()), |_| {}),
    );
    let (winner, loser) = match ended {
        (Ok(()), Err(loser)) => ("rsa2048", loser),
        (Err(loser), Ok(())) => ("p256", loser),
        ended => panic!("{ended:?}"),
    };
    assert!(matches!(loser, Error::OtherIssuer { .. }), "{loser}");
    assert_eq!(text(&server, KEYS), keys(winner).to_json());
}

#[tokio::test]
async fn readers_never_find_a_key_whose_algorithm_the_document_does_not_list() {
    let server = S3Server::start();
    let store = store(&server, options());
    run(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap();
    let puts = |server: &S3Server| -> Vec<String> {
        let log = server.take_log();
        let puts = log.iter().filter_map(|line| line.strip_prefix("PutObject prod/"));
        puts.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    };
    let (keys_name, discovery_name) = ("keys.json", ".well-known/openid-configuration");
    assert_eq!(puts(&server), [keys_name, discovery_name], "a first publish");
    run(&store, &site("p256"), &PlanOptions::default()).await.unwrap();
    let all = [discovery_name, keys_name, discovery_name];
    assert_eq!(puts(&server), all, "an algorithm more");
    let prune = PlanOptions { prune: true, ..PlanOptions::default() };
    run(&store, &site("p256"), &prune).await.unwrap();
    assert_eq!(puts(&server), all, "an algorithm less");
    let live = PlanOptions { live_check: true, ..prune };
    run(&store, &site("p384"), &live).await.unwrap();
    assert_eq!(puts(&server), all, "another algorithm");
    assert!(text(&server, DISCOVERY).contains(r#"["ES384"]"#));

    // A run that is ended between the writes leaves keys that readers can use.
    server.refuse_object("PutObject", KEYS, "AccessDenied");
    run(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap_err();
    assert!(text(&server, DISCOVERY).contains(r#"["ES384","RS256"]"#));
    assert_eq!(text(&server, KEYS), keys("p384").to_json());
}

#[tokio::test]
async fn a_document_that_another_writer_narrowed_under_new_keys_is_widened_again() {
    let server = S3Server::start();
    let store = store(&server, options());
    run(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap();
    let narrow = text(&server, DISCOVERY);
    // Just before our keys, which come after our document, somebody else writes the old document.
    server.put_other_before_write(KEYS, "my-oidc", DISCOVERY, narrow.as_bytes());
    run(&store, &site("p256"), &PlanOptions::default()).await.unwrap();
    assert!(
        text(&server, DISCOVERY).contains(r#"["ES256","RS256"]"#),
        "{}",
        text(&server, DISCOVERY)
    );
}

#[tokio::test]
async fn success_of_something_that_is_no_store_is_an_error() {
    for fault in [Fault::Empty, Fault::Page, Fault::NoEtag] {
        let server = S3Server::start();
        server.make_bucket("my-oidc");
        let proxy = FaultProxy::start(&server.endpoint(), 1, 0);
        proxy.always("PUT", fault);
        let compatible = S3Options { access: AccessMode::None, ..options() };
        let store = connect_to(&proxy.endpoint(), compatible);
        let error = run(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap_err();
        assert!(matches!(error, Error::NotStored { .. }), "{fault:?}: {error}");
        assert_eq!(error.kind(), ErrorKind::Other);
    }
}

#[tokio::test]
async fn a_write_that_is_not_there_afterwards_is_an_error() {
    let server = S3Server::start();
    server.make_bucket("my-oidc");
    let proxy = FaultProxy::start(&server.endpoint(), 1, 0);
    proxy.always("PUT", Fault::Lie);
    let store = connect_to(&proxy.endpoint(), S3Options { access: AccessMode::None, ..options() });
    let error = run(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap_err();
    assert!(matches!(error, Error::NotStored { what: "it does not exist", .. }), "{error}");
    proxy.heal();
    run(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap();
    proxy.always("PUT", Fault::Lie);
    let error = run(&store, &site("p256"), &PlanOptions::default()).await.unwrap_err();
    assert!(error.to_string().contains("old contents"), "{error}");
    assert_eq!(text(&server, KEYS), keys("rsa2048").to_json());
}

#[tokio::test]
async fn an_empty_or_cut_answer_overrides_no_guard() {
    for (query, fault) in [
        ("?policy", Fault::Empty),
        ("?policy", Fault::Blank),
        ("?policy", Fault::Cut),
        ("?publicAccessBlock", Fault::Empty),
        ("?publicAccessBlock", Fault::Blank),
        ("?publicAccessBlock", Fault::Cut),
        ("?ownershipControls", Fault::Empty),
        ("?ownershipControls", Fault::Cut),
        ("/prod/keys.json", Fault::Empty),
        ("/prod/keys.json", Fault::Blank),
        ("/prod/keys.json", Fault::Cut),
        ("/prod/keys.json", Fault::Page),
    ] {
        let server = S3Server::start();
        server.make_bucket("my-oidc");
        let theirs = r#"{"Version":"2012-10-17","Statement":[{"Sid":"Theirs","Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::my-oidc/x"}]}"#;
        server.set_policy("my-oidc", theirs);
        server.put("my-oidc", KEYS, keys("p384").to_json().as_bytes());
        let before = server.dump();
        let proxy = FaultProxy::start(&server.endpoint(), 1, 0);
        proxy.always(query, fault);
        let store = connect_to(&proxy.endpoint(), options());
        let ended = run(&store, &site("rsa2048"), &PlanOptions::default()).await;
        assert!(ended.is_err(), "{query} {fault:?}");
        assert_eq!(server.dump(), before, "{query} {fault:?}: {}", ended.unwrap_err());
    }
}

#[tokio::test]
async fn a_store_that_ignores_conditions_is_found_out_and_used_only_on_request() {
    let server = S3Server::start_quirky("careless");
    let compatible =
        S3Options { endpoint_url: Some(server.endpoint()), access: AccessMode::None, ..options() };
    let refused = store(&server, compatible.clone());
    let error = run(&refused, &site("rsa2048"), &PlanOptions::default()).await.unwrap_err();
    assert!(matches!(error, Error::IgnoredConditions { .. }), "{error}");
    assert!(server.get("my-oidc", DISCOVERY).is_none());
    server.take_log();
    let allowed = store(&server, S3Options { unconditional: true, ..compatible });
    run(&allowed, &site("p256"), &PlanOptions::default()).await.unwrap();
    let log = server.take_log();
    assert!(!log.iter().any(|line| line.contains("if-")), "{log:?}");
    // What came between the plan and the write is not overwritten, even so.
    let (site, options) = (site("rsa4096"), PlanOptions::default());
    let mut stale = plan(&allowed, &site, &options).await.unwrap();
    run(&allowed, &self::site("p384"), &options).await.unwrap();
    publish(&allowed, &site, &options, &mut stale, |_| Ok::<(), Error>(()), |_| {}).await.unwrap();
    let published = JwkSet::parse(&server.get("my-oidc", KEYS).unwrap(), WeakKeys::Refuse).unwrap();
    for case in ["p256", "p384", "rsa4096"] {
        assert!(keys(case).difference(&published).is_empty(), "{case} was lost");
    }
}

#[tokio::test]
async fn a_store_that_keeps_conditions_is_asked_once() {
    let server = S3Server::start();
    server.make_bucket("my-oidc");
    let compatible =
        S3Options { endpoint_url: Some(server.endpoint()), access: AccessMode::None, ..options() };
    let store = store(&server, compatible);
    run(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap();
    run(&store, &site("p256"), &PlanOptions::default()).await.unwrap();
    let puts = server.take_log().into_iter().filter(|line| line.starts_with("PutObject")).count();
    assert_eq!(puts, 6, "two, three with a new algorithm, and the question");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_read_again() {
    let server = S3Server::start();
    server.make_bucket("my-oidc");
    server.put("my-oidc", KEYS, keys("p384").to_json().as_bytes());
    let proxy = FaultProxy::start(&server.endpoint(), 1, 0);
    let store = connect_to(&proxy.endpoint(), S3Options { access: AccessMode::None, ..options() });
    proxy.times(2, "GET /my-oidc/prod/keys.json", Fault::Reset);
    run(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap();
    let resets = proxy.log().into_iter().filter(|line| line.ends_with("Reset")).count();
    assert_eq!(resets, 2);
}

/// The requests for documents of a run, without those of the other settings.
fn of_documents(server: &S3Server) -> Vec<String> {
    let log = server.take_log();
    let of = |line: &String| {
        let (call, rest) = line.split_once("Object prod/")?;
        Some(format!("{call} {}", rest.split(' ').next()?))
    };
    log.iter().filter_map(of).collect()
}

#[tokio::test]
async fn a_first_publish_writes_the_discovery_document_once_the_keys_are_proved_to_be_there() {
    let proved = ["Put keys.json", "Put .well-known/openid-configuration"];
    let asked = ["Put keys.json", "Get keys.json", "Put .well-known/openid-configuration"];
    for (fault, writes) in [(None, &proved[..]), (Some(Fault::NoChecksum), &asked)] {
        let server = S3Server::start();
        server.make_bucket("my-oidc");
        let proxy = FaultProxy::start(&server.endpoint(), 1, 0);
        if let Some(fault) = fault {
            proxy.always("PUT", fault);
        }
        let options = S3Options { access: AccessMode::None, ..options() };
        let store = connect_to(&proxy.endpoint(), options);
        run(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap();
        let log = of_documents(&server);
        let ends = log.len() - 2;
        assert_eq!(log[2..ends], *writes, "{fault:?}: {log:#?}");
        assert_eq!(log.len(), 2 + writes.len() + 2, "{fault:?}: {log:#?}");
    }
}

#[tokio::test]
async fn a_check_between_two_writes_reads_the_document_that_was_written() {
    let server = S3Server::start();
    let store = store(&server, options());
    run(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap();
    server.take_log();
    run(&store, &site("p256"), &PlanOptions::default()).await.unwrap();
    let log = of_documents(&server);
    let discovery = ".well-known/openid-configuration";
    let between = [
        format!("Put {discovery}"),
        format!("Get {discovery}"),
        "Put keys.json".to_owned(),
        "Get keys.json".to_owned(),
        format!("Put {discovery}"),
    ];
    assert_eq!(log[2..log.len() - 2], between, "{log:#?}");
    // Without conditions the document is read just before each write, whatever the answer to the one
    // before was.
    let server = S3Server::start();
    server.make_bucket("my-oidc");
    let options = S3Options { access: AccessMode::None, unconditional: true, ..options() };
    let store = self::store(&server, options);
    run(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap();
    let log = of_documents(&server);
    let between = ["Get keys.json", "Put keys.json", "Get keys.json"];
    assert_eq!(log[2..5], between, "{log:#?}");
}
