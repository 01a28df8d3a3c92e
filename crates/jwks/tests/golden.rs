//! What a real kube-apiserver made of the same files (`fixtures/golden`, with its provenance).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use issuer_jwks::{JwkSet, Token, WeakKeys, read};

fn golden(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/golden").join(path)
}

fn cases() -> Vec<PathBuf> {
    let mut cases: Vec<_> =
        fs::read_dir(golden("cases")).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|case| case.join("jwks.json").exists());
    assert!(cases.len() >= 7, "{cases:?}");
    cases
}

fn key_files(case: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        fs::read_dir(case).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.file_name().unwrap().to_string_lossy().starts_with("key-file-"));
    files.sort();
    files
}

#[test]
fn the_jwk_set_is_byte_for_byte_the_api_servers() {
    for case in cases() {
        let mut set = JwkSet::default();
        for file in key_files(&case) {
            set =
                set.union(&read(&fs::read(file).unwrap(), WeakKeys::Refuse).unwrap().set).unwrap();
        }
        assert_eq!(set.to_json(), fs::read_to_string(case.join("jwks.json")).unwrap(), "{case:?}");
    }
}

#[test]
fn a_published_set_is_read_and_written_as_it_was() {
    for case in cases() {
        let published = fs::read_to_string(case.join("jwks.json")).unwrap();
        let set = JwkSet::parse(published.as_bytes(), WeakKeys::Refuse).unwrap();
        assert_eq!(set.to_json(), published);
        assert_eq!(JwkSet::parse(set.to_json_pretty().as_bytes(), WeakKeys::Refuse).unwrap(), set);
    }
}

#[test]
fn every_token_of_the_api_server_holds_with_its_keys_and_no_other() {
    let other = JwkSet::parse(&fs::read(golden("cases/p384/jwks.json")).unwrap(), WeakKeys::Refuse)
        .unwrap();
    for case in cases() {
        let set =
            JwkSet::parse(&fs::read(case.join("jwks.json")).unwrap(), WeakKeys::Refuse).unwrap();
        let token = Token::parse(&fs::read_to_string(case.join("token.jwt")).unwrap()).unwrap();
        assert_eq!(token.verify(&set).unwrap().kid.as_str(), token.kid().unwrap(), "{case:?}");
        assert_eq!(token.verify(&other).is_ok(), case.ends_with("p384"), "{case:?}");
    }
}

#[test]
fn the_guides_empty_kid_is_a_copy_of_the_first_key_and_last() {
    for size in ["rsa2048", "rsa3072", "rsa4096"] {
        let guide =
            fs::read(golden(&format!("cases/webhook-keygen-with-empty-kid/{size}.keys.json")))
                .unwrap();
        let guide = JwkSet::parse(&guide, WeakKeys::Refuse).unwrap();
        let first = JwkSet::from_keys([guide.keys()[0].key.clone()]).unwrap();
        assert_eq!(first.with_empty_kid().unwrap(), guide, "{size}");
        assert_eq!(guide.clone().with_empty_kid().unwrap(), guide, "{size}");
    }
}

/// Where we differ from the API server, and why.
fn exception(file: &str) -> Option<Result<(), ()>> {
    let sound_though_rejected = [
        ".der",
        "pkcs1pub.pem",
        "pkcs1pub-label-publickey.pem",
        "p256.pkcs8.pem",
        "spki-base64-noarmor.txt",
        "spki-compressed.pem",
        "spki-cr-only.pem",
        "spki-indented.pem",
        "spki-junk-before-begin-same-line.pem",
        "spki-utf8-bom.pem",
    ];
    if file == "odd-rsa1024.spki.pem" {
        return Some(Err(()));
    }
    sound_though_rejected.iter().any(|end| file.ends_with(end)).then_some(Ok(()))
}

#[test]
fn every_encoding_has_the_api_servers_verdict_and_kid() {
    let table = fs::read_to_string(golden("encodings/kube-apiserver.tsv")).unwrap();
    let rsa = "HSsv1GH636Pc9xR4JZOxMXKRXUODPrcRvki4Be1MKlo";
    let p256 = "SBN8ffZ7MG-ALzH7qnO08GY35zgc3cMXzlSnLjQlyfs";
    let mut rows = 0;
    for row in table.lines().skip(1) {
        let [file, result, _, served] = row.split('\t').collect::<Vec<_>>().try_into().unwrap();
        rows += 1;
        let reading = read(&fs::read(golden("encodings").join(file)).unwrap(), WeakKeys::Refuse);
        let kids = |reading: &issuer_jwks::Reading| {
            reading.set.keys().iter().map(|jwk| jwk.kid.to_string()).collect::<Vec<_>>()
        };
        match (exception(file), result.starts_with("accepted")) {
            (Some(Ok(())), false) => {
                let expected = if file.starts_with("rsa") { rsa } else { p256 };
                assert_eq!(kids(reading.as_ref().expect(file)), [expected], "{file}");
            }
            (Some(Err(())), true) => {
                assert!(reading.is_err(), "{file}");
                let allowed =
                    read(&fs::read(golden("encodings").join(file)).unwrap(), WeakKeys::Allow)
                        .expect(file);
                assert!(served.ends_with(&kids(&allowed)[0]), "{file}");
            }
            (None, true) => {
                let mut expected: Vec<&str> =
                    served.split(' ').map(|k| k.rsplit('/').next().unwrap()).collect();
                expected.dedup();
                let found = kids(reading.as_ref().expect(file));
                assert_eq!(found, expected, "{file}");
            }
            (None, false) => assert!(reading.is_err(), "{file}: {reading:?}"),
            (exception, accepted) => {
                panic!("{file}: {exception:?} does not differ from {accepted}")
            }
        }
    }
    assert!(rows > 80, "{rows}");
}

#[test]
fn openssl_sees_the_same_numbers_and_kids() {
    let recording = fs::read_to_string(golden("../openssl/keys.tsv")).unwrap();
    let mut rows = 0;
    for row in recording.lines().skip(1) {
        let [file, kid, first, second] = row.split('\t').collect::<Vec<_>>().try_into().unwrap();
        rows += 1;
        let json = read(&fs::read(golden(file)).unwrap(), WeakKeys::Refuse).unwrap().set.to_json();
        let entry = &serde_json::from_str::<serde_json::Value>(&json).unwrap()["keys"][0];
        let members = if entry["kty"] == "RSA" { ["n", "e"] } else { ["x", "y"] };
        assert_eq!(
            [&entry["kid"], &entry[members[0]], &entry[members[1]]],
            [kid, first, second],
            "{file}"
        );
    }
    assert!(rows > 12, "{rows}");
}
