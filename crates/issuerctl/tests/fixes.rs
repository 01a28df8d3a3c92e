//! Every fix that `verify` prints for a broken site is true: what it says is done, and the check
//! passes.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

const ISSUER: &str = "https://oidc.example.com/demo";
const KEYS: &str = include_str!("../../../fixtures/golden/cases/rsa2048/jwks.json");
const OTHER_KEYS: &str = include_str!("../../../fixtures/golden/cases/p256/jwks.json");
const PEM: &str = include_str!("../../../fixtures/golden/encodings/rsa2048.spki.pem");

/// What gzip makes of a document; only its beginning matters.
const GZIP: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xab, 0x56, 0xca, 0x4e, 0xad, 0x2c, 0x56];

fn run(folder: &Path, line: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_issuerctl"))
        .args(line.split_whitespace())
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .output()
        .unwrap()
}

/// Id and fix of the first failed check of the site, or of the first warning.
fn first_fault(folder: &Path) -> Option<(String, String)> {
    let line = format!("verify --site site --issuer {ISSUER} --key sa.pub --output json");
    let output = run(folder, &line);
    let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
    let checks = verdict["checks"].as_array().unwrap();
    let of = |status: &str| checks.iter().find(|check| check["status"] == status);
    let failed = of("fail").or_else(|| of("warn"))?;
    let text = |name: &str| failed[name].as_str().unwrap().to_owned();
    Some((text("id"), text("fix")))
}

/// Does what the fix says, as far as it is about the two documents.
fn follow(folder: &Path, fix: &str) -> Output {
    if fix.contains("delete or rename") {
        for name in ["keys.json", ".well-known/openid-configuration", ".well-known"] {
            let path = folder.join("site").join(name);
            // A link is deleted, whatever it leads to.
            match std::fs::symlink_metadata(&path) {
                Ok(found) if found.is_dir() && name != ".well-known" => {
                    std::fs::remove_dir_all(path).unwrap();
                }
                Ok(found) if !found.is_file() && name != ".well-known" => {
                    std::fs::remove_file(path).unwrap();
                }
                Ok(found) if found.is_file() && name == ".well-known" => {
                    std::fs::remove_file(path).unwrap();
                }
                _ => {}
            }
        }
    }
    let mut line = format!("publish --key sa.pub --to site --issuer {ISSUER}");
    for option in ["--replace-unreadable", "--change-issuer"] {
        if fix.contains(option) {
            line = format!("{line} {option}");
        }
    }
    assert!(fix.contains("issuerctl publish"), "the fix names no command: {fix}");
    run(folder, &line)
}

fn document() -> Value {
    json!({
        "issuer": ISSUER,
        "jwks_uri": format!("{ISSUER}/keys.json"),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    })
}

fn with(mut object: Value, name: &str, value: Value) -> Value {
    object[name] = value;
    object
}

fn without(mut object: Value, name: &str) -> String {
    object.as_object_mut().unwrap().remove(name);
    object.to_string()
}

fn utf32(text: &str) -> Vec<u8> {
    format!("\u{feff}{text}").chars().map(u32::from).flat_map(u32::to_le_bytes).collect()
}

/// Discovery documents, each broken in one way.
fn documents() -> Vec<(&'static str, Vec<u8>)> {
    let text = |text: &str| text.as_bytes().to_vec();
    let utf16 = || document().to_string().encode_utf16().flat_map(u16::to_le_bytes).collect();
    let set = |name, value| with(document(), name, value).to_string().into_bytes();
    // The document's own member comes last.
    let twice = |name: &str, value: &str| {
        document()
            .to_string()
            .replacen('{', &format!("{{{}:{},", json!(name), json!(value)), 1)
            .into_bytes()
    };
    vec![
        ("empty", text("")),
        ("blank", text(" \n")),
        ("bom", format!("\u{feff}{}", document()).into_bytes()),
        ("utf-16", utf16()),
        ("utf-32", utf32(&document().to_string())),
        ("a comment", format!("// ours\n{}", document()).into_bytes()),
        ("xml", text("<?xml version=\"1.0\"?><Error/>")),
        ("truncated", document().to_string().as_bytes()[..40].to_vec()),
        ("array", text("[]")),
        ("string", json!(document().to_string()).to_string().into_bytes()),
        ("swapped", text(KEYS)),
        ("object of Kubernetes", text(r#"{"kind":"Status","apiVersion":"v1"}"#)),
        ("merge conflict", text("<<<<<<< HEAD\n{}\n=======\n{}\n>>>>>>> x\n")),
        ("pem", text(PEM)),
        ("other text", text("open: no such file")),
        ("no issuer", without(document(), "issuer").into_bytes()),
        ("issuer null", set("issuer", Value::Null)),
        ("no jwks_uri", without(document(), "jwks_uri").into_bytes()),
        ("jwks_uri a number", set("jwks_uri", json!(1))),
        ("jwks_uri empty", set("jwks_uri", json!(""))),
        ("issuer empty", set("issuer", json!(""))),
        ("gzip", GZIP.to_vec()),
        ("no types", without(document(), "response_types_supported").into_bytes()),
        ("wrong types", set("response_types_supported", json!(["code"]))),
        ("no algorithms", set("id_token_signing_alg_values_supported", json!([]))),
        ("other issuer", set("issuer", json!("https://oidc.example.com/other"))),
        ("issuer with a slash", set("issuer", json!(format!("{ISSUER}/")))),
        ("jwks_uri http", set("jwks_uri", json!("http://oidc.example.com/demo/keys.json"))),
        ("jwks_uri relative", set("jwks_uri", json!("/keys.json"))),
        ("jwks_uri of the cluster", set("jwks_uri", json!("https://10.0.0.1/openid/v1/jwks"))),
        ("jwks_uri elsewhere", set("jwks_uri", json!("https://cdn.example.com/keys.json"))),
        (
            "jwks_uri in upper case",
            set("jwks_uri", json!("HTTPS://oidc.example.com/demo/keys.json")),
        ),
        ("two issuers, the right one last", twice("issuer", "https://oidc.example.com/other")),
        ("two jwks_uri", twice("jwks_uri", "https://cdn.example.com/keys.json")),
        ("larger than 1 MiB", vec![b' '; (1 << 20) + 1]),
        (
            "larger than 1 MiB, and valid",
            [document().to_string().into_bytes(), vec![b' '; 1 << 20]].concat(),
        ),
    ]
}

/// JWK Sets, each broken in one way, of another key beside the given one; whether that other key can
/// be read in it.
fn sets() -> Vec<(&'static str, Vec<u8>, bool)> {
    let both = || {
        let mut set: Value = serde_json::from_str(KEYS).unwrap();
        let other: Value = serde_json::from_str(OTHER_KEYS).unwrap();
        set["keys"].as_array_mut().unwrap().push(other["keys"][0].clone());
        set
    };
    let each = |name: &'static str, value: Value| {
        let mut set = both();
        for key in set["keys"].as_array_mut().unwrap() {
            key[name] = value.clone();
        }
        set.to_string().into_bytes()
    };
    let text = |text: &str| text.as_bytes().to_vec();
    let twice = |one: usize, other: usize| {
        format!(r#"{{"keys":[{}],"keys":[{}]}}"#, both()["keys"][one], both()["keys"][other])
    };
    let foreign = |kty: &str, crv: &str| {
        let mut set = both();
        let key = json!({"kty": kty, "crv": crv, "kid": "other", "x": "AA", "y": "AA"});
        set["keys"].as_array_mut().unwrap().push(key);
        set.to_string()
    };
    let utf16 = || both().to_string().encode_utf16().flat_map(u16::to_le_bytes).collect();
    let private_pem = "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n";
    let mut swapped = both();
    let kids = [swapped["keys"][0]["kid"].clone(), swapped["keys"][1]["kid"].clone()];
    swapped["keys"][0]["kid"] = kids[1].clone();
    swapped["keys"][1]["kid"] = kids[0].clone();
    let shared = |kid: &Value| {
        let mut set = both();
        set["keys"][0]["kid"] = kid.clone();
        set["keys"][1]["kid"] = kid.clone();
        set.to_string().into_bytes()
    };
    vec![
        ("empty", text(""), false),
        ("no keys", text(r#"{"keys":[]}"#), false),
        ("html", text("<!doctype html><html></html>"), false),
        ("other text", text("open sa.pub: no such file"), false),
        ("pem", text(PEM), false),
        ("private pem", text(private_pem), false),
        ("ed25519", text(r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"e","x":"AA"}]}"#), false),
        ("discovery", document().to_string().into_bytes(), false),
        ("larger than 1 MiB", vec![b' '; (1 << 20) + 1], false),
        (
            "keys and much more",
            [both().to_string().into_bytes(), vec![b' '; 1 << 20]].concat(),
            true,
        ),
        ("bom", format!("\u{feff}{}", both()).into_bytes(), true),
        ("utf-16", utf16(), true),
        ("array", both()["keys"].to_string().into_bytes(), true),
        ("twice encoded", json!(both().to_string()).to_string().into_bytes(), true),
        ("without its end", both().to_string().trim_end_matches(['}', ']']).into(), true),
        ("truncated", both().to_string().trim_end_matches(['}', ']', '"']).into(), false),
        ("gzip", GZIP.to_vec(), false),
        ("no member", text("{}"), false),
        ("keys null", text(r#"{"keys":null}"#), false),
        ("keys an object", json!({"keys": {"one": both()["keys"][1]}}).to_string().into(), true),
        ("keys a string", json!({"keys": both().to_string()}).to_string().into(), true),
        ("keys in upper case", json!({"Keys": both()["keys"]}).to_string().into(), true),
        ("keys twice, ours last", twice(1, 0).into(), true),
        ("keys twice, ours first", twice(0, 1).into(), true),
        ("quotes of Python", both().to_string().replace('"', "'").into(), true),
        ("typographic quotes", both().to_string().replace('"', "\u{201d}").into(), true),
        ("escaped for HTML", both().to_string().replace('"', "&quot;").into(), true),
        ("escaped for a string", both().to_string().replace('"', "\\\"").into(), true),
        ("a line break in x", both().to_string().replace("\"x\":\"", "\"x\":\"\n").into(), true),
        (
            "an invisible character in x",
            both().to_string().replace("\"x\":\"", "\"x\":\"\u{200b}").into(),
            true,
        ),
        ("ed25519 beside others", foreign("OKP", "Ed25519").into(), true),
        ("p-224 beside others", foreign("EC", "P-224").into(), true),
        ("trailing text", format!("{}\n]", both()).into_bytes(), true),
        ("a comment", format!("// ours\n{}", both()).into_bytes(), true),
        ("another comment", format!("# ours\n{}", both()).into_bytes(), true),
        ("utf-32", utf32(&both().to_string()), true),
        ("merge conflict", format!("<<<<<<< a\n{0}\n=======\n{0}\n>>>>>>> b", both()).into(), true),
        ("private", each("d", json!("AA")), true),
        ("enc", each("use", json!("enc")), true),
        ("key_ops", each("key_ops", json!(["verify"])), true),
        ("alg", each("alg", json!("PS256")), true),
        ("kid a number", each("kid", json!(1)), true),
        ("kid missing", each("kid", Value::Null), true),
        ("swapped kids", swapped.to_string().into_bytes(), true),
        ("one kid for two keys", shared(&kids[0]), true),
        ("the other kid for two keys", shared(&kids[1]), true),
        ("no key of this cluster", text(OTHER_KEYS), true),
    ]
}

#[track_caller]
fn fixed(name: &str, discovery: &[u8], keys: &[u8]) -> String {
    let desk = tempfile::tempdir().unwrap();
    let folder = desk.path();
    std::fs::create_dir_all(folder.join("site/.well-known")).unwrap();
    std::fs::write(folder.join("sa.pub"), PEM).unwrap();
    std::fs::write(folder.join("site/.well-known/openid-configuration"), discovery).unwrap();
    std::fs::write(folder.join("site/keys.json"), keys).unwrap();
    let (id, fix) = first_fault(folder).unwrap();
    let output = follow(folder, &fix);
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{name}, {id}: {fix}\n{err}");
    assert_eq!(first_fault(folder), None, "{name}, {id}: {fix}\n{err}");
    std::fs::read_to_string(folder.join("site/keys.json")).unwrap()
}

#[test]
fn the_fix_of_every_broken_discovery_document_is_true() {
    for (name, discovery) in documents() {
        let published = fixed(name, &discovery, KEYS.as_bytes());
        assert_eq!(published, KEYS, "{name}");
    }
}

#[test]
fn the_fix_of_every_broken_set_is_true_and_keeps_what_can_be_read() {
    let other: Value = serde_json::from_str(OTHER_KEYS).unwrap();
    for (name, keys, kept) in sets() {
        let published = fixed(name, document().to_string().as_bytes(), &keys);
        let x = other["keys"][0]["x"].as_str().unwrap();
        assert_eq!(published.contains(x), kept, "{name}: {published}");
    }
}

/// Something else than a document where one belongs.
#[cfg(unix)]
#[test]
fn the_fix_of_what_is_not_a_file_is_true() {
    use std::os::unix::fs::symlink;
    const DISCOVERY: &str = ".well-known/openid-configuration";
    type Way = (&'static str, fn(&Path));
    let ways: [Way; 6] = [
        ("a directory", |path| std::fs::create_dir(path).unwrap()),
        ("a directory that is not empty", |path| std::fs::create_dir_all(path.join("x")).unwrap()),
        ("a dangling link", |path| symlink("nowhere", path).unwrap()),
        ("a link to a directory", |path| symlink("..", path).unwrap()),
        ("a link to itself", |path| symlink(path, path).unwrap()),
        ("a pipe", |path| {
            assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
        }),
    ];
    for document_name in ["keys.json", DISCOVERY, ".well-known"] {
        for (name, broken) in ways {
            let desk = tempfile::tempdir().unwrap();
            let (folder, site) = (desk.path(), desk.path().join("site"));
            std::fs::write(folder.join("sa.pub"), PEM).unwrap();
            std::fs::create_dir(&site).unwrap();
            let path = site.join(document_name);
            if document_name == ".well-known" {
                std::fs::write(&path, "a file where a folder belongs").unwrap();
            } else {
                std::fs::create_dir(site.join(".well-known")).unwrap();
                broken(&path);
            }
            for (other, text) in
                [("keys.json", KEYS.to_owned()), (DISCOVERY, document().to_string())]
            {
                if other != document_name && document_name != ".well-known" {
                    std::fs::write(site.join(other), text).unwrap();
                }
            }
            let (id, fix) = first_fault(folder).unwrap();
            // Publishing alone refuses, and says what verify says.
            let refused = run(folder, &format!("publish --key sa.pub --to site --issuer {ISSUER}"));
            let err = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert_ne!(refused.status.code(), Some(0), "{document_name}, {name}: {err}");
            let output = follow(folder, &fix);
            let err = String::from_utf8_lossy(&output.stderr);
            assert_eq!(
                output.status.code(),
                Some(0),
                "{document_name}, {name}, {id}: {fix}\n{err}"
            );
            assert_eq!(first_fault(folder), None, "{document_name}, {name}, {id}: {fix}\n{err}");
        }
    }
}

fn is_foreign(name: &str) -> bool {
    name.ends_with("beside others")
}

#[test]
fn more_keys_than_sts_accepts_are_made_fewer_by_the_option_alone() {
    let set: Value = serde_json::from_str(KEYS).unwrap();
    let n = set["keys"][0]["n"].as_str().unwrap();
    let mut keys: Vec<Value> = (0..120)
        .map(|number| {
            let other = format!("{}{number:04}{}", &n[..100], &n[104..]);
            json!({"kty": "RSA", "kid": format!("key-{number}"), "n": other, "e": "AQAB"})
        })
        .collect();
    keys.push(set["keys"][0].clone());
    let keys = json!({"keys": keys}).to_string();
    let published = fixed("121 keys", document().to_string().as_bytes(), keys.as_bytes());
    let published: Value = serde_json::from_str(&published).unwrap();
    let published = published["keys"].as_array().unwrap();
    assert_eq!(published.len(), 100);
    assert!(published.iter().any(|key| key["kid"] == set["keys"][0]["kid"]));
}

#[test]
fn a_key_that_sts_does_not_support_stays_beside_the_others() {
    for (name, keys, _) in sets().into_iter().filter(|(name, ..)| is_foreign(name)) {
        let desk = tempfile::tempdir().unwrap();
        let folder = desk.path();
        std::fs::create_dir_all(folder.join("site")).unwrap();
        std::fs::write(folder.join("sa.pub"), PEM).unwrap();
        std::fs::write(folder.join("site/keys.json"), &keys).unwrap();
        let line = format!("publish --key sa.pub --to site --issuer {ISSUER}");
        let has =
            || std::fs::read_to_string(folder.join("site/keys.json")).unwrap().contains("other");
        let first = run(folder, &line);
        let err = String::from_utf8_lossy(&first.stderr);
        assert_eq!(first.status.code(), Some(0), "{name}: {err}");
        assert!(err.contains("\"other\"") && has(), "{name}: {err}");
        let before = std::fs::read(folder.join("site/keys.json")).unwrap();
        assert_eq!(run(folder, &line).status.code(), Some(0), "{name}");
        assert!(std::fs::read(folder.join("site/keys.json")).unwrap() == before, "{name}");
        let pruned = run(folder, &format!("{line} --prune"));
        let err = String::from_utf8_lossy(&pruned.stderr);
        assert_eq!(pruned.status.code(), Some(0), "{name}: {err}");
        assert!(err.contains("\"other\"") && !has(), "{name}: {err}");
    }
}

#[test]
fn what_is_wrong_with_a_set_is_named() {
    let utf16: Vec<u8> = KEYS.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (keys, named) in [
        (GZIP.to_vec(), "gzip"),
        (utf16, "UTF-16"),
        (KEYS.replace("\"n\":\"", "\"n\":\"\u{200b}").into_bytes(), "U+200B"),
    ] {
        let desk = tempfile::tempdir().unwrap();
        let folder = desk.path();
        std::fs::create_dir_all(folder.join("site")).unwrap();
        std::fs::write(folder.join("sa.pub"), PEM).unwrap();
        std::fs::write(folder.join("site/keys.json"), &keys).unwrap();
        let output = run(folder, &format!("publish --key sa.pub --to site --issuer {ISSUER}"));
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{err}");
        assert!(err.contains(named) && !err.contains("U+FFFD") && !err.contains("U+001F"), "{err}");
    }
}

#[test]
fn without_the_option_nothing_is_replaced() {
    for (name, keys, _) in sets() {
        let desk = tempfile::tempdir().unwrap();
        let folder = desk.path();
        std::fs::create_dir_all(folder.join("site")).unwrap();
        std::fs::write(folder.join("sa.pub"), PEM).unwrap();
        std::fs::write(folder.join("site/keys.json"), &keys).unwrap();
        let output = run(folder, &format!("publish --key sa.pub --to site --issuer {ISSUER}"));
        let after = std::fs::read(folder.join("site/keys.json")).unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(0) => assert!(
                matches!(name, "empty" | "no keys" | "no key of this cluster") || is_foreign(name),
                "{name}: {err}"
            ),
            Some(4) => {
                assert!(after == keys, "{name}");
                assert!(
                    err.contains("--replace-unreadable") || err.contains("1 MiB"),
                    "{name}: {err}"
                );
            }
            code => panic!("{name}: {code:?} {err}"),
        }
    }
}
