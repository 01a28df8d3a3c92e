//! A healthy issuer, to be broken in one way, and tokens of its key.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a helper of tests may end them")]

use base64ct::{Base64UrlUnpadded, Encoding};
use issuer_discovery::{IssuerUrl, Ports};
use issuer_verify::{
    Answer, Check, Expected, Fetched, Observation, Status, Unreached, Vantage, Verdict, judge,
};
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use p256::pkcs8::DecodePrivateKey;
use serde_json::{Value, json};

/// The issuer of the golden cases' documents below.
pub(crate) const ISSUER: &str = "https://oidc.example.com/demo";
/// The time of every judgement, in seconds since 1970.
pub(crate) const NOW: u64 = 1_800_000_000;

/// The JWK Set of the golden case `p256`, as kube-apiserver wrote it.
pub(crate) fn keys() -> Value {
    serde_json::from_str(include_str!("../../../../fixtures/golden/cases/p256/jwks.json")).unwrap()
}

/// Another cluster's JWK Set.
pub(crate) fn other_keys() -> Value {
    serde_json::from_str(include_str!("../../../../fixtures/golden/cases/rsa2048/jwks.json"))
        .unwrap()
}

pub(crate) fn kid() -> String {
    keys()["keys"][0]["kid"].as_str().unwrap().to_owned()
}

pub(crate) fn document() -> Value {
    json!({
        "issuer": ISSUER,
        "jwks_uri": format!("{ISSUER}/keys.json"),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    })
}

pub(crate) fn answer(body: impl Into<Vec<u8>>) -> Answer {
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    Answer { status: 200, headers, body: body.into(), ..Answer::default() }
}

/// An answer with this status, a `Server` header and a body.
pub(crate) fn status(status: u16, server: &str, body: &str) -> Answer {
    let headers = vec![("server".to_owned(), server.to_owned())];
    Answer { status, headers, body: body.into(), ..Answer::default() }
}

pub(crate) fn at(url: String, answer: Answer) -> Fetched {
    Fetched { location: url, outcome: Ok(answer), proxy: None }
}

pub(crate) fn observation(document: impl Into<Vec<u8>>, keys: impl Into<Vec<u8>>) -> Observation {
    let keys = at(format!("{ISSUER}/keys.json"), answer(keys));
    Observation {
        issuer: Some(ISSUER.to_owned()),
        vantage: Vantage::Network { proxy: false, extra_roots: false },
        discovery: at(format!("{ISSUER}/.well-known/openid-configuration"), answer(document)),
        keys_again: Some(keys.clone()),
        keys: Some(keys),
    }
}

/// Where the discovery document cannot be had.
pub(crate) fn no_discovery(outcome: Result<Answer, Unreached>) -> Observation {
    let location = format!("{ISSUER}/.well-known/openid-configuration");
    Observation {
        discovery: Fetched { location, outcome, proxy: None },
        keys: None,
        keys_again: None,
        ..well()
    }
}

pub(crate) fn well() -> Observation {
    observation(document().to_string(), keys().to_string())
}

pub(crate) fn expected() -> Expected {
    Expected {
        issuer: IssuerUrl::parse(ISSUER, Ports::Refuse).ok(),
        now_secs: NOW,
        ..Expected::default()
    }
}

pub(crate) fn header() -> Value {
    json!({"alg": "ES256", "kid": kid()})
}

pub(crate) fn claims() -> Value {
    json!({
        "aud": ["sts.amazonaws.com"], "exp": NOW + 3600, "iat": NOW - 60, "nbf": NOW - 60, "iss": ISSUER,
        "sub": "system:serviceaccount:demo:app",
    })
}

pub(crate) fn sign(header: &Value, claims: &Value) -> String {
    let pem = include_str!("../../../../fixtures/golden/cases/p256/signing.p256.key.pem");
    let key = SigningKey::from_pkcs8_pem(pem).unwrap();
    let part = |value: &Value| Base64UrlUnpadded::encode_string(value.to_string().as_bytes());
    let input = format!("{}.{}", part(header), part(claims));
    let signature: Signature = key.sign(input.as_bytes());
    format!("{input}.{}", Base64UrlUnpadded::encode_string(&signature.to_bytes()))
}

/// The claims with one set to another value; `null` takes it away.
pub(crate) fn with(mut object: Value, name: &str, value: Value) -> Value {
    if value.is_null() {
        object.as_object_mut().unwrap().remove(name);
    } else {
        object[name] = value;
    }
    object
}

pub(crate) fn judge_token(token: String) -> Verdict {
    judge(&well(), &Expected { token: Some(token), ..expected() })
}

pub(crate) fn failed(verdict: &Verdict) -> Vec<&Check> {
    verdict.checks.iter().filter(|check| check.status == Status::Fail).collect()
}

/// Exactly one check failed, it is this one, and message and mend say these words (any letter
/// case).
#[track_caller]
pub(crate) fn assert_root(name: &str, verdict: &Verdict, id: &str, words: &[&str]) {
    let failed = failed(verdict);
    assert_eq!(
        failed.iter().map(|check| check.id).collect::<Vec<_>>(),
        [id],
        "{name}: {verdict:#?}"
    );
    let text = format!("{}\n{}", failed[0].message, failed[0].fix.as_deref().unwrap_or_default());
    for word in words {
        assert!(
            text.to_lowercase().contains(&word.to_lowercase()),
            "{name}: no {word:?} in {text}"
        );
    }
    assert!(text.len() < 1500, "{name}: {text}");
    assert!(
        failed[0].consequence.is_some()
            && failed[0].fix.as_deref().is_some_and(|fix| !fix.is_empty()),
        "{name}"
    );
}
