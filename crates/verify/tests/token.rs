//! Broken and healthy tokens of a healthy issuer.

mod common;

use common::*;
use issuer_verify::{Expected, Status, judge};
use proptest::prelude::*;
use serde_json::{Value, json};

fn claim(name: &str, value: Value) -> String {
    sign(&header(), &with(claims(), name, value))
}

fn head(name: &str, value: Value) -> String {
    sign(&with(header(), name, value), &claims())
}

#[test]
fn a_well_token_passes_every_check_and_its_claims_are_printed() {
    let verdict = judge_token(sign(&header(), &claims()));
    assert!(verdict.passed(), "{verdict:#?}");
    let of = |id: &str| verdict.checks.iter().find(|check| check.id == id).unwrap();
    for id in [
        "token-alg",
        "token-iss",
        "token-aud",
        "token-sub",
        "token-time",
        "token-kid",
        "token-signature",
    ] {
        assert_eq!(of(id).status, Status::Pass, "{id}");
    }
    for part in [
        "iss \"https://oidc",
        "sub \"system:",
        "aud [\"sts",
        "azp none",
        "kid \"",
        "alg \"ES256\"",
        "iat 17",
        "exp 18",
    ] {
        assert!(
            of("token-format").message.contains(part),
            "{part}: {}",
            of("token-format").message
        );
    }
}

#[test]
fn debug_of_what_is_judged_has_neither_token_nor_body() {
    let token = sign(&header(), &claims());
    let expected = Expected { token: Some(token.clone()), ..Expected::default() };
    let seen = observation("a private key", "a private key");
    let debug = format!("{expected:?} {expected:#?} {seen:?}");
    for part in token.split('.') {
        assert!(!debug.contains(part), "{debug}");
    }
    assert!(debug.contains("[redacted]") && debug.contains("[13 bytes]"), "{debug}");
    let first_bytes_of = |text: &[u8]| format!("{:?}", &text[..4]).replace(']', "");
    let body = "a private key";
    assert!(!debug.contains(body), "{debug}");
    assert!(!debug.contains(&first_bytes_of(body.as_bytes())), "{debug}");
}

#[test]
fn what_kube_apiserver_made_passes_as_a_whole() {
    let cases =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden/cases");
    let mut judged = 0;
    for case in std::fs::read_dir(cases).unwrap() {
        let read = |name: &str| std::fs::read_to_string(case.as_ref().unwrap().path().join(name));
        let (Ok(document), Ok(token)) = (read("openid-configuration.json"), read("token.jwt"))
        else {
            continue;
        };
        let claims: Value = serde_json::from_str(&read("token.claims.json").unwrap()).unwrap();
        let now_secs = claims["iat"].as_u64().unwrap() + 60;
        let seen = issuer_verify::Observation {
            issuer: None,
            ..observation(document, read("jwks.json").unwrap())
        };
        let expected = Expected { token: Some(token), now_secs, ..Expected::default() };
        let verdict = judge(&seen, &expected);
        let warned = verdict.checks.iter().any(|check| check.status == Status::Warn);
        assert!(verdict.passed() && !warned, "{:?}: {verdict:#?}", case.unwrap().path());
        judged += 1;
    }
    assert!(judged >= 6, "{judged}");
}

#[test]
fn text_that_is_no_token_is_a_failed_check_that_says_what_it_is() {
    let token = sign(&header(), &claims());
    let parts: Vec<&str> = token.split('.').collect();
    for (name, text, words) in [
        ("empty", " \n".to_owned(), &["empty"][..]),
        ("path", "/var/run/secrets/token\n".to_owned(), &["path", "content of the file"]),
        ("quotes", format!("\"{token}\""), &["quotes"]),
        ("header", format!("Bearer {token}"), &["Bearer"]),
        (
            "request",
            json!({"kind": "TokenRequest", "status": {"token": token}}).to_string(),
            &["TokenRequest", "status.token"],
        ),
        ("secret", json!({"kind": "Secret", "data": {"token": "x"}}).to_string(), &["base64 -d"]),
        ("assignment", format!("TOKEN={token}"), &["precedes it"]),
        ("wrapped", format!("{}\n{}", &token[..60], &token[60..]), &["one line"]),
        ("two", format!("{token}\n{token}\n"), &["2 tokens", "one token only"]),
        ("closing quote", format!("{token}\""), &["ends in the character \"\\\"\""]),
        ("comma", format!("{token},"), &["ends in the character \",\""]),
        ("line end written out", format!("{token}\\n"), &["ends in the character"]),
        ("standard base64", token.replacen('.', "+A.", 1), &["the character \"+\""]),
        ("percent-encoded", token.replace('.', "%2E"), &["percent-encoded"]),
        ("variable", "$AWS_WEB_IDENTITY_TOKEN_FILE".to_owned(), &["variable", "not expanded"]),
        (
            "an error",
            "error: serviceaccounts \"app\" not found".to_owned(),
            &["white space", "error message"],
        ),
        ("invisible", format!("{token}\u{200b}"), &["U+200B"]),
        ("twice base64", "ZXlKaGJHY2lPaUpTVXpJMU5pSjk".to_owned(), &["base64 -d"]),
        ("eks login", "k8s-aws-v1.aHR0cHM6Ly9zdHM".to_owned(), &["get-token"]),
        ("pem", "-----BEGIN PUBLIC KEY-----".to_owned(), &["PEM"]),
        ("no signature", parts[..2].join("."), &["two parts", "cut off"]),
        ("jwe", format!("{token}.a.b"), &["JWE"]),
        ("opaque", "ya29.abc".to_owned(), &["three"]),
        ("cut", token[..token.len() - 1].to_owned(), &["signature"]),
        ("huge", "a".repeat(20_001), &["20,000"]),
    ] {
        let verdict = judge_token(text);
        assert_root(name, &verdict, "token-format", words);
        assert!(
            failed(&verdict)[0]
                .consequence
                .as_deref()
                .is_some_and(|e| e.contains("not a valid JWT")),
            "{name}"
        );
    }
}

#[test]
fn a_wrong_token_is_named_by_its_fault() {
    let soon = |secs: u64| json!(NOW + secs);
    for (name, token, id, words) in [
        ("none", head("alg", json!("none")), "token-alg", &["none"][..]),
        ("hmac", head("alg", json!("HS256")), "token-alg", &["HS256", "RS256"]),
        ("no alg", head("alg", Value::Null), "token-alg", &["no alg"]),
        ("no kid", head("kid", Value::Null), "token-kid", &["no kid"]),
        ("kid a number", head("kid", json!(1)), "token-kid", &["a number"]),
        ("renamed kid", head("kid", json!("old")), "token-kid", &["another kid", &kid()]),
        ("mismatch", head("alg", json!("RS256")), "token-signature", &["RS256", "ES256"]),
        (
            "slash",
            claim("iss", json!(format!("{ISSUER}/"))),
            "token-iss",
            &["trailing slash", "--service-account-issuer"],
        ),
        (
            "default",
            claim("iss", json!("https://kubernetes.default.svc.cluster.local")),
            "token-iss",
            &["default issuer", "podIamConfig"],
        ),
        ("no iss", claim("iss", Value::Null), "token-iss", &["no iss"]),
        (
            "legacy",
            claim("iss", json!("kubernetes/serviceaccount")),
            "token-iss",
            &["legacy", "kubectl create token"],
        ),
        ("no aud", claim("aud", Value::Null), "token-aud", &["no aud"]),
        (
            "wrong aud",
            claim("aud", json!(["sts.amazon.com"])),
            "token-aud",
            &["\"sts.amazon.com\"", "sts.amazonaws.com"],
        ),
        ("two, no azp", claim("aud", json!(["sts.amazonaws.com", "vault"])), "token-aud", &["azp"]),
        ("azp", claim("azp", json!("vault")), "token-aud", &["azp is \"vault\""]),
        ("no sub", claim("sub", Value::Null), "token-sub", &["no sub"]),
        ("empty sub", claim("sub", json!("")), "token-sub", &["empty"]),
        (
            "expired",
            claim("exp", json!(NOW - 3600)),
            "token-time",
            &["expired", "60 min ago", "fresh"],
        ),
        ("no exp", claim("exp", Value::Null), "token-time", &["no exp"]),
        ("exp a string", claim("exp", json!("1900000000")), "token-time", &["a string"]),
        ("milliseconds", claim("exp", json!((NOW + 60) * 1000)), "token-time", &["milliseconds"]),
        ("not yet", claim("nbf", soon(3600)), "token-time", &["not valid yet", "clock"]),
        ("future", claim("iat", soon(3600)), "token-time", &["future", "clock"]),
        ("no iat", claim("iat", Value::Null), "token-time", &["no iat"]),
        ("too old", claim("iat", json!(NOW - 86_400 * 365)), "token-time", &["too old"]),
    ] {
        assert_root(name, &judge_token(token), id, words);
    }
}

#[test]
fn a_kid_that_is_not_published_is_told_with_those_that_are() {
    let seen = observation(document().to_string(), other_keys().to_string());
    let verdict = judge(&seen, &Expected { token: Some(sign(&header(), &claims())), ..expected() });
    let published = other_keys()["keys"][0]["kid"].as_str().unwrap().to_owned();
    assert_root("unknown", &verdict, "token-kid", &[&kid(), &published, "not published"]);
}

#[test]
fn changed_claims_break_the_signature() {
    let token = sign(&header(), &claims());
    let other = claim("sub", json!("system:serviceaccount:kube-system:admin"));
    let mut parts: Vec<&str> = token.split('.').collect();
    parts[1] = other.split('.').nth(1).unwrap();
    assert_root(
        "tampered",
        &judge_token(parts.join(".")),
        "token-signature",
        &["signature is not valid"],
    );
}

fn without_kid(claims: &Value) -> String {
    sign(&with(header(), "kid", Value::Null), claims)
}

/// A set with this key under the empty kid.
fn unnamed(key: &Value) -> Value {
    json!({"keys": [other_keys()["keys"][0], with(key.clone(), "kid", json!(""))]})
}

fn judge_with(keys: Value, token: String) -> issuer_verify::Verdict {
    let document =
        with(document(), "id_token_signing_alg_values_supported", json!(["ES256", "RS256"]));
    judge(
        &observation(document.to_string(), keys.to_string()),
        &Expected { token: Some(token), ..expected() },
    )
}

#[test]
fn a_token_without_kid_is_held_against_the_key_under_the_empty_kid() {
    let key = &keys()["keys"][0];
    let verdict = judge_with(unnamed(key), without_kid(&claims()));
    let signature = verdict.checks.iter().find(|check| check.id == "token-signature").unwrap();
    assert!(verdict.passed() && signature.status == Status::Pass, "{verdict:#?}");

    let (token, other) =
        (without_kid(&claims()), without_kid(&with(claims(), "sub", json!("admin"))));
    let signature = token.rsplit_once('.').unwrap().1;
    let tampered = format!("{}.{signature}", other.rsplit_once('.').unwrap().0);
    assert_root(
        "tampered",
        &judge_with(unnamed(key), tampered),
        "token-signature",
        &["empty kid", "not valid"],
    );
    let verdict = judge_with(unnamed(&other_keys()["keys"][0]), token);
    assert_root("another key", &verdict, "token-signature", &["ES256", "empty kid", "RS256"]);
}

#[test]
fn swapped_kids_are_told_from_a_changed_token() {
    let (one, two) = (&keys()["keys"][0], &other_keys()["keys"][0]);
    let swapped = json!({"keys": [with(one.clone(), "kid", two["kid"].clone()), with(two.clone(), "kid", one["kid"].clone())]});
    let verdict = judge_with(swapped, sign(&header(), &claims()));
    assert_root("swapped", &verdict, "token-signature", &["swapped", two["kid"].as_str().unwrap()]);
}

#[test]
fn the_signing_key_s_misnamed_curve_is_blamed_rather_than_its_kid() {
    let keys = json!({"keys": [other_keys()["keys"][0], with(keys()["keys"][0].clone(), "crv", json!("secp256r1"))]});
    assert_root(
        "crv",
        &judge_with(keys, sign(&header(), &claims())),
        "keys-usable",
        &["secp256r1", "P-256"],
    );
}

#[test]
fn of_two_keys_under_one_kid_the_wrong_one_is_blamed_and_not_the_token() {
    let wrong = with(other_keys()["keys"][0].clone(), "kid", json!(kid()));
    let keys = json!({"keys": [keys()["keys"][0], wrong]});
    assert_root(
        "twice",
        &judge_with(keys, sign(&header(), &claims())),
        "keys-usable",
        &["share one kid"],
    );
}

#[test]
fn the_tolerance_of_five_minutes_holds_to_the_second() {
    for (name, value, id_status) in [
        ("exp", NOW - 299, Status::Warn),
        ("exp", NOW - 300, Status::Fail),
        ("nbf", NOW + 300, Status::Pass),
        ("nbf", NOW + 301, Status::Fail),
        ("iat", NOW + 300, Status::Pass),
        ("iat", NOW + 301, Status::Fail),
    ] {
        let verdict = judge_token(claim(name, json!(value)));
        let time = verdict.checks.iter().find(|check| check.id == "token-time").unwrap();
        assert_eq!(time.status, id_status, "{name} {value}: {}", time.message);
    }
}

#[test]
fn unusual_tokens_pass() {
    for (name, token) in [
        ("one audience as a string", claim("aud", json!("sts.amazonaws.com"))),
        ("no nbf", claim("nbf", Value::Null)),
        ("a fraction", claim("exp", json!(NOW as f64 + 60.5))),
        ("white space around", format!("\n {}\n", sign(&header(), &claims()))),
        ("another subject", claim("sub", json!("alice"))),
        (
            "azp among several",
            sign(
                &header(),
                &with(
                    with(claims(), "aud", json!(["x", "sts.amazonaws.com"])),
                    "azp",
                    json!("sts.amazonaws.com"),
                ),
            ),
        ),
    ] {
        let verdict = judge_token(token);
        assert!(verdict.passed(), "{name}: {verdict:#?}");
    }
}

#[test]
fn the_audience_is_the_one_that_was_asked_for() {
    let own = Expected {
        token: Some(claim("aud", json!(["vault"]))),
        audiences: vec!["vault".into()],
        ..expected()
    };
    assert!(judge(&well(), &own).passed());
    let default = Expected {
        token: Some(sign(&header(), &claims())),
        audiences: vec!["vault".into()],
        ..expected()
    };
    assert_root("default", &judge(&well(), &default), "token-aud", &["vault"]);
}

#[test]
fn what_only_follows_from_the_keys_is_not_blamed_on_the_token() {
    let seen = observation(document().to_string(), "{\"keys\":[]}");
    let verdict = judge(&seen, &Expected { token: Some(sign(&header(), &claims())), ..expected() });
    assert_root("no keys", &verdict, "keys-usable", &["empty"]);
    let skipped = verdict.checks.iter().find(|check| check.id == "token-signature").unwrap();
    assert_eq!(skipped.status, Status::Skip);
}

proptest! {
    #[test]
    fn no_token_panics(text in "\\PC{0,200}", shape in "[A-Za-z0-9_=.-]{0,60}\\.[A-Za-z0-9_-]{0,60}\\.[A-Za-z0-9_-]{0,60}") {
        judge_token(text);
        judge_token(shape);
    }

    #[test]
    fn no_claim_panics(
        name in prop::sample::select(vec!["iss", "aud", "azp", "sub", "exp", "nbf", "iat"]),
        value in prop_oneof![any::<f64>().prop_map(|n| json!(n)), any::<i64>().prop_map(|n| json!(n)), any::<u64>().prop_map(|n| json!(n)), "\\PC{0,40}".prop_map(|s| json!(s)), Just(json!({})), Just(json!([1, "a"]))],
    ) {
        judge_token(claim(name, value));
    }
}
