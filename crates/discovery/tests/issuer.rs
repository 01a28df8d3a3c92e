//! Which issuer URLs are accepted, and why others are not.

use issuer_diagnostic::Diagnostic;
use issuer_discovery::{IssuerUrl, IssuerUrlError, KEYS_NAME, Ports};
use proptest::prelude::*;

fn refused(text: &str) -> String {
    match IssuerUrl::parse(text, Ports::Refuse) {
        Ok(url) => format!("accepted {url}"),
        Err(error) => format!("{error:?}").split([' ', '{']).next().unwrap_or_default().to_owned(),
    }
}

#[test]
fn each_broken_rule_is_refused_by_its_name() {
    let long = format!("https://example.com/{}", "a".repeat(236));
    for (text, rule) in [
        ("", "Empty"),
        (long.as_str(), "TooLong"),
        ("https://example.com/a b", "WhiteSpace"),
        (" https://example.com", "WhiteSpace"),
        ("https://example.com\n", "WhiteSpace"),
        ("https://a.example,https://b.example", "Comma"),
        ("https://example.com/a,b", "Comma"),
        ("https://example.com/\u{fc}", "Character"),
        ("https://b\u{fc}cher.example", "Character"),
        ("https://example.com/<x>", "Character"),
        ("http://example.com", "NotHttps"),
        ("HTTPS://example.com", "NotHttps"),
        ("example.com/demo", "NotHttps"),
        ("kubernetes/serviceaccount", "NotHttps"),
        ("https://user:pw@example.com/demo", "UserInfo"),
        ("https://https://example.com", "SchemeTwice"),
        ("https://http://example.com", "SchemeTwice"),
        ("https://HTTPS:/example.com", "SchemeTwice"),
        ("http://https://example.com", "SchemeTwice"),
        ("https:https://example.com", "NotHttps"),
        ("\"https://example.com\"", "Quotes"),
        ("'https://example.com", "Quotes"),
        ("https:/example.com", "NotHttps"),
        ("s3://my-oidc/prod", "OtherName"),
        ("arn:aws:iam::111122223333:oidc-provider/example.com", "OtherName"),
        ("https://example.com:", "InvalidPort"),
        ("https://example.com:http/demo", "InvalidPort"),
        ("https://example.com:70000", "InvalidPort"),
        ("https://example.com:0", "InvalidPort"),
        ("https://", "Host"),
        ("https:///demo", "Host"),
        ("https://exa[mple.com", "Host"),
        ("https://Example.com/demo", "UpperCaseHost"),
        ("https://example.com:8443/demo", "Port"),
        ("https://example.com:443", "Port"),
        ("https://example.com/demo?x=1", "Query"),
        ("https://example.com/demo?", "Query"),
        ("https://example.com/demo#frag", "Fragment"),
        ("https://example.com/demo#", "Fragment"),
        ("https://$BUCKET.s3.amazonaws.com", "Placeholder"),
        ("https://$bucket.s3.amazonaws.com", "Placeholder"),
        ("https://example.com/${CLUSTER}", "Placeholder"),
        ("https://example.com/{{cluster}}", "Placeholder"),
        ("https://example.com/demo/.well-known/openid-configuration", "DocumentUrl"),
        ("https://example.com/keys.json", "DocumentUrl"),
        ("https://example.com/", "TrailingSlash"),
        ("https://example.com/demo/", "TrailingSlash"),
        ("https://example.com//demo", "DoubledSlash"),
        ("https://example.com/demo//", "DoubledSlash"),
        ("https://example.com/demo/../x", "DotSegment"),
        ("https://example.com/./x", "DotSegment"),
        ("https://example.com/%2E%2e/x", "DotSegment"),
        ("https://example.com/..", "DotSegment"),
    ] {
        assert_eq!(refused(text), rule, "{text:?}");
    }
}

#[test]
fn a_password_is_not_repeated_in_the_error() {
    for text in [
        "https://user:hunter2@example.com",
        "http://user:hunter2@example.com",
        "https://user:hunter2@example.com,https://b.example",
        "https://user:hunter2@EXAMPLE.com/ x",
    ] {
        let error = IssuerUrl::parse(text, Ports::Refuse).unwrap_err().to_string();
        assert!(!error.contains("hunter2") && !error.contains("user:"), "{error}");
    }
}

#[test]
fn a_port_is_taken_only_when_allowed_and_written_as_readers_write_it() {
    let parse = |text| IssuerUrl::parse(text, Ports::Allow);
    assert_eq!(parse("https://localhost:9000/demo").unwrap().host(), "localhost");
    assert_eq!(parse("https://[::1]:9000").unwrap().host(), "[::1]");
    for text in ["https://h:443", "https://h:0443/a"] {
        assert!(matches!(parse(text), Err(IssuerUrlError::Port { .. })), "{text}");
    }
    for host in ["a..b", ".a", "a.", "-a.b", "a-.b"] {
        assert!(
            matches!(
                IssuerUrl::parse(&format!("https://{host}/x"), Ports::Allow),
                Err(IssuerUrlError::Host { .. })
            ),
            "{host}"
        );
    }
    for text in ["https://h:09", "https://h:", "https://h:x", "https://h:70000"] {
        assert!(matches!(parse(text), Err(IssuerUrlError::InvalidPort { .. })), "{text}");
    }
}

#[test]
fn the_issuer_that_was_meant_is_named() {
    for (text, meant) in [
        ("https://example.com/demo\n", Some("https://example.com/demo")),
        ("http://example.com/demo/", Some("https://example.com/demo")),
        ("https:/example.com/demo", Some("https://example.com/demo")),
        ("example.com/demo", Some("https://example.com/demo")),
        ("\"https://example.com\"", Some("https://example.com")),
        (
            "arn:aws:iam::111122223333:oidc-provider/example.com/demo",
            Some("https://example.com/demo"),
        ),
        ("s3://my-oidc/prod", None),
        ("kubernetes/serviceaccount", None),
        ("https://example.com\nhttps://b.example", None),
    ] {
        let hint = IssuerUrl::parse(text, Ports::Refuse).unwrap_err().hint();
        assert_eq!(hint, meant.map(|meant| format!("did you mean {meant}?")), "{text:?}");
    }
}

#[test]
fn the_parts_are_those_that_iam_and_policies_name() {
    let url = IssuerUrl::parse("https://b.s3.us-west-2.amazonaws.com/prod", Ports::Refuse).unwrap();
    assert_eq!(url.without_scheme(), "b.s3.us-west-2.amazonaws.com/prod");
    assert_eq!(url.host(), "b.s3.us-west-2.amazonaws.com");
    assert_eq!(url.path(), "/prod");
    assert_eq!(url.document_url(KEYS_NAME), "https://b.s3.us-west-2.amazonaws.com/prod/keys.json");
    assert_eq!(IssuerUrl::parse("https://h.example", Ports::Refuse).unwrap().path(), "");
    assert_eq!(
        IssuerUrl::parse("https://h.example/$web/my-keys.json", Ports::Refuse).unwrap().path(),
        "/$web/my-keys.json"
    );
}

proptest! {
    #[test]
    fn no_text_panics(text in ".{0,300}") {
        let _ = IssuerUrl::parse(&text, Ports::Allow);
    }

    #[test]
    fn what_is_accepted_is_what_a_url_parser_sees(text in "https://[a-zA-Z0-9.:@\\[\\]-]{1,20}(/[a-z.%2eE/?#-]{0,12})?") {
        if let Ok(issuer) = IssuerUrl::parse(&text, Ports::Allow) {
            let parsed = url::Url::parse(&text).unwrap();
            prop_assert_eq!(issuer.as_str(), &text);
            prop_assert_eq!(parsed.host_str().unwrap(), issuer.host());
            prop_assert_eq!(parsed.path().trim_end_matches('/'), issuer.path());
            prop_assert!(parsed.query().is_none() && parsed.fragment().is_none() && parsed.username().is_empty());
        }
    }
}

#[test]
fn a_host_that_serves_no_objects_is_refused_with_the_url_that_was_meant() {
    let b = "https://my-oidc.s3.us-west-2.amazonaws.com";
    for (text, meant) in [
        ("https://s3.console.aws.amazon.com/s3/buckets/my-oidc?region=us-west-2", b.to_owned()),
        (
            "https://us-west-2.console.aws.amazon.com/s3/buckets/my-oidc?region=us-west-2&prefix=prod/&tab=x",
            format!("{b}/prod"),
        ),
        (
            "https://us-west-2.console.aws.amazon.com/s3/object/my-oidc?prefix=prod%2Fkeys.json",
            format!("{b}/prod"),
        ),
        ("https://my-oidc.s3-website-us-west-2.amazonaws.com/prod", format!("{b}/prod")),
        ("https://my-oidc.s3-website.us-west-2.amazonaws.com/prod/", format!("{b}/prod")),
        (
            "https://my-oidc.s3-website.cn-north-1.amazonaws.com.cn",
            "https://my-oidc.s3.cn-north-1.amazonaws.com.cn".to_owned(),
        ),
        (
            "https://my.oidc.s3-website.us-west-2.amazonaws.com",
            "https://s3.us-west-2.amazonaws.com/my.oidc".to_owned(),
        ),
        ("https://console.aws.amazon.com/s3/home", String::new()),
        ("https://x-111122223333.s3-accesspoint.us-west-2.amazonaws.com/prod", String::new()),
        ("https://x-111122223333.s3-object-lambda.us-west-2.amazonaws.com", String::new()),
        ("https://mfzwi23gnjvgw.accesspoint.s3-global.amazonaws.com/prod", String::new()),
        ("https://console.cloud.google.com/storage/browser/my-oidc", String::new()),
    ] {
        let error = IssuerUrl::parse(text, Ports::Refuse).unwrap_err();
        let hint = error.hint().unwrap();
        match meant.as_str() {
            "" => assert!(hint.contains("https://BUCKET.s3."), "{text}: {hint}"),
            meant => {
                assert_eq!(hint, format!("did you mean {meant}?"), "{text}");
                assert!(IssuerUrl::parse(meant, Ports::Refuse).is_ok(), "{meant}");
            }
        }
        assert!(matches!(error, IssuerUrlError::NotObjects { .. }), "{text}: {error}");
    }
    for fine in [
        "https://my-oidc.s3.us-west-2.amazonaws.com/s3-website/accesspoint",
        "https://s3-website.example.com",
        "https://my-accesspoint.s3.us-west-2.amazonaws.com",
        "https://console.example.com",
        "https://oidc.eks.us-west-2.amazonaws.com/id/ABC",
    ] {
        assert!(IssuerUrl::parse(fine, Ports::Refuse).is_ok(), "{fine}");
    }
}
