//! Broken and healthy sites, judged without a network: each is broken in one way, and that way is
//! named.

mod common;
#[path = "site/published_keys.rs"]
mod published_keys;

use common::*;
use issuer_jwks::{JwkSet, WeakKeys};
use issuer_verify::{Answer, Expected, Status, judge, read_folder};
use proptest::prelude::*;
use serde_json::{Value, json};

fn first_key(name: &str, value: Value) -> String {
    let mut keys = keys();
    keys["keys"][0] = with(keys["keys"][0].clone(), name, value);
    keys.to_string()
}

fn other_key(name: &str, value: Value) -> String {
    json!({"keys": [with(other_keys()["keys"][0].clone(), name, value)]}).to_string()
}

#[test]
fn a_well_issuer_passes_and_the_verdict_says_what_cannot_be_seen() {
    let verdict = judge(&well(), &expected());
    assert!(verdict.passed(), "{verdict:#?}");
    assert_eq!(verdict.issuer, ISSUER);
    let last = verdict.checks.last().unwrap();
    assert_eq!((last.id, last.status), ("aws-side", Status::Skip));
    assert!(
        last.message.contains("IAM provider") && last.message.contains("trust policy"),
        "{}",
        last.message
    );
}

#[test]
fn a_broken_discovery_document_is_named_by_its_fault() {
    let doc = |name, value| with(document(), name, value).to_string();
    let other = |text: &str| text.to_owned();
    let null = |name: &str| {
        let mut document = document();
        document[name] = Value::Null;
        document.to_string()
    };
    for (name, body, id, words) in [
        ("empty", other(""), "discovery-json", &["empty"][..]),
        ("bom", format!("\u{feff}{}", document()), "discovery-json", &["byte order mark"]),
        ("html", other("<!doctype html><html></html>"), "discovery-json", &["HTML"]),
        ("xml", other("<?xml version=\"1.0\"?><Error/>"), "discovery-json", &["XML"]),
        (
            "cut",
            document().to_string()[..40].to_owned(),
            "discovery-json",
            &["truncated", "upload"],
        ),
        ("array", other("[]"), "discovery-json", &["an array"]),
        ("twice encoded", json!(document().to_string()).to_string(), "discovery-json", &["twice"]),
        ("the keys", keys().to_string(), "discovery-json", &["JWK Set", "swapped"]),
        (
            "a Status",
            other(r#"{"kind":"Status","apiVersion":"v1"}"#),
            "discovery-json",
            &["Kubernetes object"],
        ),
        ("no issuer", doc("issuer", Value::Null), "required-members", &["no issuer"]),
        ("no jwks_uri", doc("jwks_uri", Value::Null), "required-members", &["no jwks_uri"]),
        (
            "no response types",
            doc("response_types_supported", Value::Null),
            "required-members",
            &["response_types_supported"],
        ),
        (
            "no subject types",
            doc("subject_types_supported", Value::Null),
            "required-members",
            &["subject_types_supported"],
        ),
        (
            "no algorithms",
            doc("id_token_signing_alg_values_supported", Value::Null),
            "required-members",
            &["id_token_signing_alg_values_supported"],
        ),
        (
            "issuer is a list",
            doc("issuer", json!([ISSUER])),
            "required-members",
            &["an array, not a string"],
        ),
        ("issuer null", null("issuer"), "required-members", &["member issuer", "is null"]),
        ("jwks_uri null", null("jwks_uri"), "required-members", &["member jwks_uri", "is null"]),
        (
            "no algorithm",
            doc("id_token_signing_alg_values_supported", json!([])),
            "required-members",
            &["any algorithm", "RS256"],
        ),
        (
            "API gateway",
            other(r#"{"message":"Missing Authentication Token"}"#),
            "discovery-json",
            &["Missing Auth"],
        ),
        (
            "error object",
            other(r#"{"error":"not_found"}"#),
            "discovery-json",
            &["\"not_found\"", "own status"],
        ),
        (
            "listing",
            other("<?xml version=\"1.0\"?><ListBucketResult><Name>b</Name></ListBucketResult>"),
            "discovery-json",
            &["listing of the bucket"],
        ),
        (
            "denied with 200",
            other("<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>"),
            "discovery-json",
            &["AccessDenied", "anonymous"],
        ),
        (
            "code only",
            doc("response_types_supported", json!(["code"])),
            "required-members",
            &["id_token"],
        ),
        (
            "a string for a list",
            doc("subject_types_supported", json!("public")),
            "required-members",
            &["array of strings"],
        ),
        (
            "slash",
            doc("issuer", json!(format!("{ISSUER}/"))),
            "issuer-match",
            &["trailing slash", "byte for byte"],
        ),
        (
            "letter case",
            doc("issuer", json!("https://oidc.example.com/Demo")),
            "issuer-match",
            &["letter case"],
        ),
        (
            "http",
            doc("issuer", json!("http://oidc.example.com/demo")),
            "issuer-match",
            &["scheme is http"],
        ),
        (
            "invisible",
            doc("issuer", json!(format!("{ISSUER}\u{200b}"))),
            "issuer-match",
            &["U+200B", "\\u{200b}"],
        ),
        (
            "other host",
            doc("issuer", json!("https://x.example/demo")),
            "issuer-match",
            &["another host"],
        ),
        (
            "plain jwks_uri",
            doc("jwks_uri", json!("http://oidc.example.com/demo/keys.json")),
            "jwks-uri",
            &["only https"],
        ),
        (
            "doubled scheme",
            doc("jwks_uri", json!("https://https://a.example/keys.json")),
            "jwks-uri",
            &["twice"],
        ),
        ("no host", doc("jwks_uri", json!("https:///keys.json")), "jwks-uri", &["no host"]),
        (
            "a variable",
            doc("jwks_uri", json!("https://${BUCKET}.s3.amazonaws.com/keys.json")),
            "jwks-uri",
            &["placeholder", "set jwks_uri to"],
        ),
        (
            "no such name",
            doc("jwks_uri", json!("https://a.invalid/keys.json")),
            "jwks-uri",
            &["does not exist"],
        ),
        ("relative jwks_uri", doc("jwks_uri", json!("/keys.json")), "jwks-uri", &["relative"]),
        (
            "inner jwks_uri",
            doc("jwks_uri", json!("https://10.1.2.3:6443/openid/v1/jwks")),
            "jwks-uri",
            &["private address", "--service-account-jwks-uri"],
        ),
        (
            "cluster jwks_uri",
            doc("jwks_uri", json!("https://kubernetes.default.svc/openid/v1/jwks")),
            "jwks-uri",
            &["inside the cluster"],
        ),
    ] {
        assert_root(name, &judge(&observation(body, keys().to_string()), &expected()), id, words);
    }
}

#[test]
fn a_misspelled_member_is_pointed_out() {
    let mut document = with(document(), "jwks_uri", Value::Null);
    document["jwksUri"] = json!("https://oidc.example.com/demo/keys.json");
    let verdict = judge(&observation(document.to_string(), keys().to_string()), &expected());
    assert_root("jwksUri", &verdict, "required-members", &["\"jwksUri\" instead"]);
}

#[test]
fn what_is_only_unusual_passes() {
    let pretty = serde_json::to_string_pretty(&keys()).unwrap();
    let beside =
        json!({"keys": [keys()["keys"][0], {"kty": "OKP", "crv": "Ed25519", "kid": "e", "x": "AA"}]}).to_string();
    let twice = json!({"keys": [keys()["keys"][0], keys()["keys"][0]]}).to_string();
    let unnamed =
        json!({"keys": [keys()["keys"][0], with(keys()["keys"][0].clone(), "kid", json!(""))]})
            .to_string();
    for (name, keys) in [
        ("pretty", format!("\r\n {pretty}\n")),
        ("a foreign key beside", beside),
        ("twice", twice),
        ("the guide's empty kid", unnamed),
        ("an external signer's kid", first_key("kid", json!("signer/1"))),
        ("no use, no alg", with(keys(), "comment", json!("x")).to_string()),
    ] {
        let verdict = judge(&observation(document().to_string(), keys), &expected());
        assert!(verdict.passed(), "{name}: {verdict:#?}");
    }
}

#[test]
fn keys_on_another_public_host_are_fine() {
    let document = with(document(), "jwks_uri", json!("https://cdn.example.net/demo.json"));
    let verdict = judge(&observation(document.to_string(), keys().to_string()), &expected());
    assert!(verdict.passed(), "{verdict:#?}");
}

#[test]
fn two_different_answers_at_once_are_a_fault() {
    let mut seen = well();
    seen.keys_again = Some(at(format!("{ISSUER}/keys.json"), answer(other_keys().to_string())));
    assert_root("drift", &judge(&seen, &expected()), "keys-stable", &["different keys", "union"]);
}

#[test]
fn a_wrong_content_type_is_a_warning_alone() {
    let mut seen = well();
    seen.discovery.outcome.as_mut().unwrap().headers[0].1 = "binary/octet-stream".to_owned();
    let verdict = judge(&seen, &expected());
    assert!(verdict.passed());
    assert!(
        verdict.checks.iter().any(|c| c.id == "discovery-content-type" && c.status == Status::Warn),
        "{verdict:#?}"
    );
}

#[test]
fn what_strict_clients_alone_mind_is_a_warning() {
    let mut seen = well();
    for fetched in [Some(&mut seen.discovery), seen.keys.as_mut()].into_iter().flatten() {
        fetched
            .outcome
            .as_mut()
            .unwrap()
            .headers
            .push(("content-encoding".to_owned(), "utf-8".to_owned()));
    }
    let upper = with(document(), "jwks_uri", json!("HTTPS://oidc.example.com/demo/keys.json"));
    for (seen, ids) in [
        (seen, &["discovery-content-encoding", "keys-content-encoding"][..]),
        (observation(upper.to_string(), keys().to_string()), &["jwks-uri"]),
    ] {
        let verdict = judge(&seen, &expected());
        let warned = verdict
            .checks
            .iter()
            .filter(|check| check.status == Status::Warn)
            .map(|check| check.id);
        assert!(verdict.passed(), "{verdict:#?}");
        assert_eq!(warned.collect::<Vec<_>>(), ids);
    }
}

#[test]
fn a_document_that_comes_compressed_is_no_json() {
    let mut seen = well();
    let headers = &mut seen.discovery.outcome.as_mut().unwrap().headers;
    headers.push(("content-encoding".to_owned(), "GZIP".to_owned()));
    assert_root("gzip", &judge(&seen, &expected()), "discovery-json", &["compressed", "GZIP"]);
}

#[test]
fn an_answer_from_a_private_address_is_a_warning() {
    let mut seen = well();
    seen.discovery.outcome.as_mut().unwrap().address = Some([10, 0, 0, 5].into());
    let verdict = judge(&seen, &expected());
    let vantage = verdict.checks.iter().find(|check| check.id == "vantage").unwrap();
    assert_eq!(vantage.status, Status::Warn);
    assert!(vantage.message.contains("10.0.0.5"), "{}", vantage.message);
}

#[test]
fn a_folder_is_judged_by_its_own_issuer() {
    let folder = tempfile::tempdir().unwrap();
    let missing = read_folder(folder.path()).unwrap();
    let verdict = judge(&missing, &Expected::default());
    assert_root(
        "missing",
        &verdict,
        "discovery-reachable",
        &["does not exist", "issuerctl publish"],
    );

    std::fs::create_dir(folder.path().join(".well-known")).unwrap();
    std::fs::write(folder.path().join(".well-known/openid-configuration"), document().to_string())
        .unwrap();
    std::fs::write(folder.path().join("keys.json"), keys().to_string()).unwrap();
    let verdict = judge(&read_folder(folder.path()).unwrap(), &Expected::default());
    assert!(verdict.passed(), "{verdict:#?}");
    assert_eq!(verdict.issuer, ISSUER);
    assert!(read_folder(&folder.path().join("nowhere")).is_err());
}

#[test]
fn the_whole_verdict_on_a_private_bucket() {
    let body = "<Error><Code>AccessDenied</Code></Error>";
    let mut seen = no_discovery(Ok(status(403, "AmazonS3", body)));
    seen.keys = Some(at(format!("{ISSUER}/keys.json"), status(403, "AmazonS3", body)));
    insta::assert_snapshot!(show(&judge(&seen, &expected())));
}

#[test]
fn the_whole_verdict_on_a_well_issuer() {
    let token = sign(&header(), &claims());
    insta::assert_snapshot!(show(&judge(&well(), &Expected { token: Some(token), ..expected() })));
}

fn show(verdict: &issuer_verify::Verdict) -> String {
    let line = |check: &issuer_verify::Check| {
        let mut text = format!("{:?} {}: {}\n", check.status, check.id, check.message);
        for (name, value) in [("sts", &check.consequence), ("fix", &check.fix)] {
            text.extend(value.iter().map(|value| format!("    {name}: {value}\n")));
        }
        text
    };
    verdict.checks.iter().map(line).collect()
}

proptest! {
    #[test]
    fn no_bodies_panic(
        document in proptest::collection::vec(any::<u8>(), 0..80),
        keys in "\\PC{0,60}",
        code in 100u16..600,
    ) {
        let mut seen = observation(document, keys);
        let _ = judge(&seen, &expected());
        seen.discovery = at(ISSUER.to_owned(), Answer { status: code, ..seen.discovery.outcome.unwrap() });
        let _ = judge(&seen, &Expected::default());
    }

    #[test]
    fn no_member_of_either_document_panics(
        name in prop::sample::select(vec!["issuer", "jwks_uri", "response_types_supported", "id_token_signing_alg_values_supported", "kid", "x", "y", "crv", "kty", "alg", "use", "x5c"]),
        value in prop_oneof![Just(Value::Null), Just(json!([])), Just(json!({})), any::<i64>().prop_map(|n| json!(n)), "\\PC{0,40}".prop_map(|s| json!(s))],
    ) {
        let mut document = document();
        document[name] = value.clone();
        let mut keys = keys();
        keys["keys"][0][name] = value;
        let _ = judge(&observation(document.to_string(), self::keys().to_string()), &expected());
        let _ = judge(&observation(self::document().to_string(), keys.to_string()), &expected());
    }
}
