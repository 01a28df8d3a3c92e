//! The JWK Set.

use super::*;

#[test]
fn broken_keys_are_named_by_their_fault() {
    let text = |text: &str| text.to_owned();
    let pem = "-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----\n";
    let many = json!({"keys": vec![keys()["keys"][0].clone(); 101]}).to_string();
    let shared =
        json!({"keys": [keys()["keys"][0], with(other_keys()["keys"][0].clone(), "kid", json!(kid()))]}).to_string();
    for (name, body, id, words) in [
        ("empty", text(""), "keys-json", &["empty"][..]),
        ("pem", text(pem), "keys-json", &["PEM", "issuerctl jwks"]),
        (
            "private pem",
            text("-----BEGIN RSA PRIVATE KEY-----\n"),
            "keys-json",
            &["PRIVATE", "compromised"],
        ),
        (
            "ssh",
            text("ssh-rsa AAAAB3NzaC1yc2E me@host"),
            "keys-json",
            &["OpenSSH", "issuerctl jwks"],
        ),
        (
            "conflict",
            text("<<<<<<< HEAD\n{}\n=======\n{}\n>>>>>>> x\n"),
            "keys-json",
            &["merge conflict"],
        ),
        (
            "base64",
            text("eyJrZXlzIjpbeyJ1c2UiOiJzaWciLCJrdHkiOiJSU0EifV19\n"),
            "keys-json",
            &["base64 -d"],
        ),
        (
            "error text",
            text("open sa.pub: no such file"),
            "keys-json",
            &["not JSON", "open sa.pub"],
        ),
        ("one JWK", keys()["keys"][0].to_string(), "keys-json", &["single JWK"]),
        ("bare array", keys()["keys"].to_string(), "keys-json", &["bare array"]),
        ("no array", json!({"keys": {}}).to_string(), "keys-json", &["an object, not an array"]),
        (
            "a Secret with public keys",
            json!({"apiVersion": "v1", "kind": "Secret", "data": {"sa.pub": "LS0t"}}).to_string(),
            "keys-json",
            &["Kubernetes object", "kind \"Secret\""],
        ),
        ("discovery", document().to_string(), "keys-json", &["discovery document"]),
        ("no keys member", text("{}"), "keys-json", &["\"keys\" is missing"]),
        ("no keys", text(r#"{"keys":[]}"#), "keys-usable", &["empty", "publish"]),
        ("101 keys", many, "keys-usable", &["101", "at most 100", "issuerctl publish"]),
        ("shared kid", shared, "keys-usable", &["share one kid"]),
        ("no kid", first_key("kid", Value::Null), "keys-usable", &["no kid"]),
        ("kid a number", first_key("kid", json!(1)), "keys-usable", &["kid", "string"]),
        ("enc", first_key("use", json!("enc")), "keys-usable", &["use \"enc\""]),
        ("key_ops", first_key("key_ops", json!(["verify"])), "keys-usable", &["key_ops"]),
        ("alg", first_key("alg", json!("RS256")), "keys-usable", &["alg \"RS256\"", "ES256"]),
        ("private", first_key("d", json!("AA")), "keys-usable", &["private", "compromised"]),
        ("padding", first_key("x", json!("AAA=")), "keys-usable", &["padding"]),
        ("no y", first_key("y", Value::Null), "keys-usable", &["no y"]),
        ("off the curve", first_key("y", json!("A".repeat(43))), "keys-usable", &["point"]),
        ("lower case", first_key("kty", json!("ec")), "keys-usable", &["case-sensitive"]),
        (
            "curve in lower case",
            first_key("crv", json!("p-256")),
            "keys-usable",
            &["\"p-256\"", "set crv to P-256"],
        ),
        (
            "curve by OpenSSL",
            first_key("crv", json!("prime256v1")),
            "keys-usable",
            &["prime256v1", "set crv to P-256"],
        ),
        (
            "another curve",
            first_key("crv", json!("P-384")),
            "keys-usable",
            &["32 bytes", "48", "set crv to P-256"],
        ),
        ("x too short", first_key("x", json!("AAAA")), "keys-usable", &["3 bytes", "pad x"]),
        (
            "n is zero",
            other_key("n", json!("AAAA")),
            "keys-usable",
            &["n of 0 bits", "publish the set again"],
        ),
        (
            "ed25519",
            text(r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"e","x":"AA"}]}"#),
            "keys-usable",
            &["Ed25519", "RSA and EC"],
        ),
    ] {
        assert_root(
            name,
            &judge(&observation(document().to_string(), body), &expected()),
            id,
            words,
        );
    }
}

#[test]
fn a_private_key_leads_before_every_other_fault() {
    let private = |key: Value| with(key, "d", json!("AA"));
    let (one, other) = (private(keys()["keys"][0].clone()), keys()["keys"][0].clone());
    let pem = "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n";
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "data": {"tls.key": "LS0t"}});
    let yaml = "apiVersion: v1\nkind: Secret\ndata:\n  tls.key: LS0t\n";
    let mut many = vec![other.clone(); 101];
    many.push(one.clone());
    for (name, body, id, words) in [
        ("pem", pem.to_owned(), "keys-json", &["private", "pem"][..]),
        ("one JWK", one.to_string(), "keys-json", &["members d"]),
        ("bare array", json!([other, one]).to_string(), "keys-json", &["members d"]),
        ("secret", secret.to_string(), "keys-json", &["Secret"]),
        ("secret in YAML", yaml.to_owned(), "keys-json", &["Secret"]),
        (
            "PEM in base64",
            "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCk1JSUU=\n".to_owned(),
            "keys-json",
            &["pem"],
        ),
        ("PEM in JSON", json!({"sa.key": pem}).to_string(), "keys-json", &["private"]),
        (
            "among 101",
            json!({ "keys": many }).to_string(),
            "keys-usable",
            &["key 102", "members d"],
        ),
        (
            "after another fault",
            json!({"keys": [with(other, "kid", Value::Null), one]}).to_string(),
            "keys-usable",
            &["key 2", "members d", "key 1"],
        ),
    ] {
        let verdict = judge(&observation(document().to_string(), body), &expected());
        assert_root(name, &verdict, id, &[words, &["compromised", "keygen"]].concat());
    }
    for body in [pem.to_owned(), with(document(), "jwks", json!({"keys": [one]})).to_string()] {
        let verdict = judge(&observation(body, keys().to_string()), &expected());
        assert_root("discovery", &verdict, "discovery-json", &["private", "compromised"]);
    }
}

#[test]
fn a_given_key_that_is_not_published_is_named() {
    let keys = JwkSet::parse(other_keys().to_string().as_bytes(), WeakKeys::Refuse).unwrap();
    let kid = keys.keys()[0].kid.to_string();
    let verdict = judge(&well(), &Expected { keys: Some(keys), ..expected() });
    assert_root("given", &verdict, "keys-expected", &[&kid, "not published"]);
}

#[test]
fn another_key_under_the_kid_of_the_given_one_is_told_from_a_missing_one() {
    let given = JwkSet::parse(keys().to_string().as_bytes(), WeakKeys::Refuse).unwrap();
    let seen = observation(
        with(document(), "id_token_signing_alg_values_supported", json!(["RS256"])).to_string(),
        other_key("kid", json!(kid())),
    );
    let token = Some(sign(&header(), &claims()));
    let verdict = judge(&seen, &Expected { keys: Some(given), token, ..expected() });
    assert_root(
        "same kid",
        &verdict,
        "keys-expected",
        &["another key", &kid(), "RSA-2048", "P-256", "replace it"],
    );
}

#[test]
fn a_coordinate_that_is_too_long_is_not_to_be_padded() {
    let verdict = judge(
        &observation(document().to_string(), first_key("x", json!("A".repeat(87)))),
        &expected(),
    );
    assert_root("point", &verdict, "keys-usable", &["65 bytes", "publish the set again"]);
    assert!(!failed(&verdict)[0].fix.as_deref().unwrap().contains("pad"), "{verdict:#?}");
}

#[test]
fn the_algorithms_are_those_that_the_keys_say() {
    let document = with(document(), "id_token_signing_alg_values_supported", json!(["RS512"]));
    let verdict =
        judge(&observation(document.to_string(), other_key("alg", json!("RS512"))), &expected());
    assert!(verdict.checks.iter().all(|check| check.id != "algorithms-listed"), "{verdict:#?}");
}

#[test]
fn a_key_that_says_an_algorithm_no_cluster_signs_with_is_a_warning_and_never_to_be_listed() {
    for alg in ["RS384", "RS512"] {
        let document = with(document(), "id_token_signing_alg_values_supported", json!(["RS256"]));
        let keys = other_key("alg", json!(alg));
        let verdict = judge(&observation(document.to_string(), keys), &expected());
        let warned = verdict.checks.iter().filter(|check| check.status == Status::Warn);
        let warned: Vec<_> = warned.map(|check| (check.id, check.message.contains(alg))).collect();
        assert_eq!(warned, [("keys-usable", true)], "{verdict:#?}");
        assert!(verdict.passed());
    }
}
