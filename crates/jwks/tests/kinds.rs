//! Kinds of input beyond the golden files: each is read, or refused by what it is.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use base64ct::{Base64, Base64UrlUnpadded, Encoding as _};
use issuer_diagnostic::{Diagnostic, Encoding};
use issuer_jwks::{
    Curve, Error, JwkFault, JwkSet, KeyFault, KeyKind, Note, PublicKey, Token, TokenFault,
    WeakKeys, generate, read, read_set, salvage,
};

fn golden(path: &str) -> Vec<u8> {
    std::fs::read(format!("{}/../../fixtures/golden/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn text(path: &str) -> String {
    String::from_utf8(golden(path)).unwrap()
}

fn fault(bytes: &[u8]) -> KeyFault {
    match read(bytes, WeakKeys::Refuse) {
        Err(Error::Key { fault }) => fault,
        other => panic!("{other:?}"),
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", Base64::encode_string(der))
}

/// SEQUENCE { SEQUENCE { OID, parameters }, BIT STRING { point } }, short lengths.
fn ec_spki(parameters: &[u8], point: &[u8]) -> Vec<u8> {
    let oid = [0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
    let algorithm =
        [&[0x30, (oid.len() + parameters.len()) as u8], oid.as_slice(), parameters].concat();
    let bits = [&[0x03, point.len() as u8 + 1, 0x00], point].concat();
    [&[0x30, (algorithm.len() + bits.len()) as u8], algorithm.as_slice(), &bits].concat()
}

#[test]
fn a_generated_key_is_read_back_in_the_form_of_the_api_server() {
    for (kind, label, name) in [
        (KeyKind::Rsa2048, "RSA PRIVATE KEY", "RSA-2048"),
        (KeyKind::P256, "EC PRIVATE KEY", "P-256"),
        (KeyKind::P384, "EC PRIVATE KEY", "P-384"),
        (KeyKind::P521, "EC PRIVATE KEY", "P-521"),
    ] {
        let key = generate(kind).unwrap();
        assert!(key.private_pem.starts_with(&format!("-----BEGIN {label}-----\n")));
        assert_eq!(key.public.describe(), name);
        let reading = read(key.private_pem.as_bytes(), WeakKeys::Refuse).unwrap();
        assert_eq!(reading.notes, [Note::PrivateKey { block: 1 }]);
        assert_eq!(reading.set.keys()[0].key, key.public);
        let public = read(key.public.to_spki_pem().as_bytes(), WeakKeys::Refuse).unwrap();
        assert_eq!(public.set, reading.set);
        assert!(public.notes.is_empty());
    }
}

#[test]
fn a_block_that_is_no_use_is_named_with_its_number() {
    let bundle = text("encodings/rsa2048.spki.pem")
        + &text("encodings/odd-ed25519.spki.pem")
        + &text("encodings/p256.spki-explicit-params.pem")
        + &text("encodings/rsa2048.csr.pem")
        + &text("encodings/rsa2048.pkcs8-encrypted.pem")
        + &pem("PUBLIC KEY", b"garbage")
        + &text("encodings/p256.spki.pem");
    let reading = read(bundle.as_bytes(), WeakKeys::Refuse).unwrap();
    assert_eq!(reading.set.keys().len(), 2);
    let notes: Vec<String> = reading.notes.iter().map(|note| format!("{note:?}")).collect();
    for (note, says) in notes.iter().zip([
        "block: 2, what: \"an Ed25519",
        "block: 3, what: \"an EC key with explicit",
        "block: 4, what: \"a certificate request",
        "block: 5, what: \"an encrypted private key",
        "block: 6, what: \"damaged",
    ]) {
        assert!(note.contains(says), "{note}");
    }
    assert_eq!(notes.len(), 5);
}

#[test]
fn a_cut_off_block_is_an_error_alone_and_a_note_beside_a_whole_one() {
    let whole = text("encodings/rsa2048.spki.pem");
    let cut = &whole[..whole.len() / 2];
    assert!(matches!(
        read(cut.as_bytes(), WeakKeys::Refuse),
        Err(Error::Truncated { block: 1, .. })
    ));
    let mismatch = whole.replace("END PUBLIC KEY", "END CERTIFICATE");
    assert!(matches!(
        read(mismatch.as_bytes(), WeakKeys::Refuse),
        Err(Error::Truncated { block: 1, .. })
    ));
    // kube-apiserver takes the whole one.
    for (bundle, number) in [(whole.clone() + cut, 2), (cut.to_owned() + "\n" + &whole, 1)] {
        let reading = read(bundle.as_bytes(), WeakKeys::Refuse).unwrap();
        assert_eq!(reading.set.keys().len(), 1);
        assert!(
            matches!(&reading.notes[..], [Note::Skipped { block, what }] if *block == number && what.contains("truncated"))
        );
    }
}

#[test]
fn no_part_of_a_private_key_is_in_any_message() {
    let key = generate(KeyKind::P256).unwrap();
    let body: String = key.private_pem.lines().filter(|line| !line.starts_with('-')).collect();
    let public = text("encodings/rsa2048.spki.pem");
    for damaged in [
        format!("-----BEGIN EC PRIVATE KEY----{body}-----END EC PRIVATE KEY-----"),
        format!("-----BEGIN EC PRIVATE KEY {body}\n"),
        format!("-----BEGIN {body}-----\nAAAA\n-----END {body}-----\n"),
        format!("-----BEGIN EC PRIVATE KEY----{body}\n{public}"),
        format!("-----BEGIN {body}-----\n{body}\n-----END {body}-----\n{public}"),
    ] {
        let said = format!("{:?} ", read(damaged.as_bytes(), WeakKeys::Refuse));
        let shown = read(damaged.as_bytes(), WeakKeys::Refuse)
            .map_or_else(|error| error.to_string(), |_| String::new());
        assert!(!said.contains(&body[..20]) && !shown.contains(&body[..20]), "{said} {shown}");
    }
}

#[test]
fn a_text_of_begin_lines_alone_is_read_in_linear_time() {
    let text = "-----BEGIN ".repeat((1 << 20) / 11);
    // The fastest of several, since others want the processor too.
    let fastest = |length: usize| {
        let once = || {
            let start = std::time::Instant::now();
            assert!(read(&text.as_bytes()[..length], WeakKeys::Refuse).is_err());
            start.elapsed()
        };
        (0..5).map(|_| once()).min().unwrap()
    };
    // 16 times the text, and by far not 256 times as long.
    let (part, whole) = (fastest(text.len() / 16), fastest(text.len()));
    assert!(whole < part * 80, "{part:?} and {whole:?}");
}

#[test]
fn a_label_or_header_that_lies_does_not_matter() {
    let der = generate(KeyKind::P256).unwrap().public.to_spki_der();
    let odd = pem("OPENSSH PRIVATE KEY", &der);
    let encrypted =
        pem("PUBLIC KEY", &der).replacen("-----\n", "-----\nProc-Type: 4,ENCRYPTED\n\n", 1);
    let braces = "{ not JSON }\n".to_owned() + &pem("PUBLIC KEY", &der);
    for text in [odd, encrypted, braces] {
        assert_eq!(read(text.as_bytes(), WeakKeys::Refuse).unwrap().set.keys().len(), 1, "{text}");
    }
}

#[test]
fn a_damaged_rsa_private_key_is_refused() {
    let key = generate(KeyKind::Rsa2048).unwrap();
    let body: String = key.private_pem.lines().filter(|line| !line.starts_with('-')).collect();
    let mut der = Base64::decode_vec(&body).unwrap();
    // In the modulus, which begins after a few bytes of headers.
    der[100] ^= 4;
    assert_eq!(fault(pem("RSA PRIVATE KEY", &der).as_bytes()), KeyFault::HalvesDiffer);
}

#[test]
fn an_rsa_key_out_of_bounds_is_refused_with_the_reason() {
    let modulus = |bits: usize| {
        let mut n = vec![0xff; bits / 8];
        n[0] = 0x80;
        n
    };
    let rsa = |bits, e: &[u8]| PublicKey::rsa(&modulus(bits), e, WeakKeys::Refuse);
    assert!(rsa(2048, &[1, 0, 1]).is_ok() && rsa(8192, &[3]).is_ok());
    assert_eq!(rsa(2040, &[3]), Err(KeyFault::WeakRsa { bits: 2040 }));
    assert_eq!(rsa(8200, &[3]), Err(KeyFault::LargeRsa { bits: 8200 }));
    for e in [&[1][..], &[2], &[0], &[], &[1, 0, 0], &[1, 0, 0, 0, 1]] {
        assert_eq!(rsa(2048, e), Err(KeyFault::RsaExponent), "{e:?}");
    }
    let mut even = modulus(2048);
    even[255] = 0xfe;
    assert_eq!(PublicKey::rsa(&even, &[3], WeakKeys::Refuse), Err(KeyFault::EvenModulus));
    assert!(PublicKey::rsa(&modulus(1024), &[3], WeakKeys::Allow).is_ok());
    assert_eq!(
        PublicKey::rsa(&modulus(256), &[3], WeakKeys::Allow),
        Err(KeyFault::WeakRsa { bits: 256 })
    );
}

#[test]
fn a_point_off_the_curve_and_other_curves_are_refused() {
    let p256 = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    let mut off = vec![4; 65];
    assert_eq!(
        fault(pem("PUBLIC KEY", &ec_spki(&p256, &off)).as_bytes()),
        KeyFault::NotOnCurve { curve: "P-256" }
    );
    assert_eq!(
        fault(pem("PUBLIC KEY", &ec_spki(&p256, &[0])).as_bytes()),
        KeyFault::NotOnCurve { curve: "P-256" }
    );
    off.truncate(57);
    for (curve, says) in [
        (&[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x21][..], "P-224"),
        (&[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a], "secp256k1"),
        (&[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x01], "1.3.132.0.1"),
        (&[0x05, 0x00], "explicit parameters"),
        (&[], "does not name its curve"),
    ] {
        let fault = fault(pem("PUBLIC KEY", &ec_spki(curve, &off)).as_bytes());
        assert!(fault.to_string().contains(says), "{fault}");
    }
    assert!(PublicKey::ec(Curve::P384, &[4; 97]).is_err());
}

#[test]
fn rsa_pss_is_refused() {
    let der = [
        0x30, 0x13, 0x30, 0x0b, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a,
        0x03, 0x04, 0x00, 0x30, 0x01, 0x00,
    ];
    assert_eq!(fault(pem("PUBLIC KEY", &der).as_bytes()), KeyFault::RsaPss);
}

#[test]
fn a_sec1_key_without_its_public_half_is_completed_and_a_foreign_half_does_not_count() {
    let key = generate(KeyKind::P256).unwrap();
    let body: String = key.private_pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = Base64::decode_vec(&body).unwrap();
    // SEQUENCE, INTEGER 1, OCTET STRING of 32, [0] curve; [1] public key is cut off.
    let mut bare = der[..der.len() - 70].to_vec();
    bare[1] = bare.len() as u8 - 2;
    let reading = read(pem("EC PRIVATE KEY", &bare).as_bytes(), WeakKeys::Refuse).unwrap();
    assert_eq!(reading.set.keys()[0].key, key.public);

    let other = generate(KeyKind::P256).unwrap().public.to_spki_der();
    let mut foreign = der.clone();
    let at = foreign.len() - 64;
    foreign[at..].copy_from_slice(&other[other.len() - 64..]);
    let reading = read(pem("EC PRIVATE KEY", &foreign).as_bytes(), WeakKeys::Refuse).unwrap();
    assert_eq!(reading.set.keys()[0].key, key.public);
}

#[test]
fn a_key_in_utf16_is_read_with_a_note() {
    let pem = text("encodings/rsa2048.spki.pem");
    let plain = read(pem.as_bytes(), WeakKeys::Refuse).unwrap();
    let unit: [fn(u16) -> [u8; 2]; 2] = [u16::to_le_bytes, u16::to_be_bytes];
    for (mark, unit) in ["", "\u{feff}"].into_iter().flat_map(|mark| unit.map(|unit| (mark, unit)))
    {
        let utf16: Vec<u8> = format!("{mark}{pem}").encode_utf16().flat_map(unit).collect();
        let reading = read(&utf16, WeakKeys::Refuse).unwrap();
        let note = [Note::OtherEncoding(Encoding::Utf16)];
        assert_eq!((reading.set, &reading.notes[..]), (plain.set.clone(), &note[..]));
    }
}

fn utf32(text: &str) -> Vec<u8> {
    format!("\u{feff}{text}").chars().map(u32::from).flat_map(u32::to_le_bytes).collect()
}

#[test]
fn keys_and_sets_in_utf32_are_read_with_a_note() {
    let pem = text("encodings/rsa2048.spki.pem");
    let set = text("cases/rsa2048/jwks.json");
    let plain = read(pem.as_bytes(), WeakKeys::Refuse).unwrap().set;
    for reading in [
        read(&utf32(&pem), WeakKeys::Refuse),
        read(&utf32(&set), WeakKeys::Refuse),
        read_set(&utf32(&set), WeakKeys::Refuse),
    ] {
        let reading = reading.unwrap();
        assert_eq!(reading.set, plain);
        assert_eq!(reading.notes, [Note::OtherEncoding(Encoding::Utf32)]);
    }
    assert_eq!(salvage(&utf32(&set), WeakKeys::Refuse).set, plain);
    // Found by the fuzzer: what follows a key that breaks off ends within a character.
    let broken = [
        br#"{"keys":[{"use":"sig"."kty":"EC","kid":"9B4YOMBNeCknB_SPF35dSooiH6U0Qv_nA6hDNgQBegE"#,
        &b"\xd4\xd3"[..],
        br#""crv":"P-384","alg":"ES384","x":"zn4I_TEjnVBvowARlN8Ksir8BhIQU9x2QGl55IHnMnyNcjEBzz5el1WVXGdppe3ckeys": ","#,
        br#""y":"LVol6LRT5h7scVaZ1NH8OoObbrO6FqnAhV_fxHB1YzZO4rQe6mtfHQQWCvgGe18k"}]}"#,
    ];
    assert!(salvage(&broken.concat(), WeakKeys::Refuse).set.is_empty());
    let cut = &utf32(&pem)[..201];
    let error = read(cut, WeakKeys::Refuse).unwrap_err().to_string();
    assert!(error.contains("UTF-32"), "{error}");
}

#[test]
fn line_separators_and_spaces_of_unicode_in_a_key_are_named_and_do_not_cost_it() {
    for path in ["encodings/rsa2048.spki.pem", "encodings/p256.sec1.pem"] {
        let pem = text(path);
        let plain = read(pem.as_bytes(), WeakKeys::Refuse).unwrap();
        for (from, to) in [
            ("\n", "\u{2028}"),
            ("\n", "\u{2029}"),
            ("\n", "\u{85}"),
            ("\n", "\u{a0}\n"),
            ("\n", "\u{200b}\n"),
        ] {
            let reading = read(pem.trim_end().replace(from, to).as_bytes(), WeakKeys::Refuse);
            let reading = reading.unwrap();
            assert_eq!(reading.set, plain.set, "{path} {to:?}");
            let is_named = |note: &Note| matches!(note, Note::Unusual(stray) if stray.line == 1);
            assert!(reading.notes.iter().any(is_named), "{path} {to:?}: {:?}", reading.notes);
        }
    }
    // Outside of the blocks, anything is text.
    let commented = format!("\u{a0}caf\u{e9}\n{}", text("encodings/rsa2048.spki.pem"));
    assert!(read(commented.as_bytes(), WeakKeys::Refuse).unwrap().notes.is_empty());
}

#[test]
fn a_begin_line_that_is_none_is_named_alone_and_beside_others() {
    let pem = text("encodings/rsa2048.spki.pem");
    for (line, point) in [
        ("\u{2013}\u{2013}\u{2013}\u{2013}\u{2013}BEGIN PUBLIC KEY-----", "U+2013"),
        ("\u{2014}----BEGIN PUBLIC KEY-----", "U+2014"),
        ("-----BEGIN\u{a0}PUBLIC KEY-----", "U+00A0"),
        ("-----\u{200b}BEGIN PUBLIC KEY-----", "U+200B"),
        ("-----BEGIN\u{3000}PUBLIC KEY-----", "U+3000"),
    ] {
        let broken = pem.replace("-----BEGIN PUBLIC KEY-----", line);
        let error = read(broken.as_bytes(), WeakKeys::Refuse).unwrap_err();
        assert!(error.to_string().contains(point), "{error}");
        assert!(error.to_string().starts_with("line 1 "), "{error}");
        assert!(error.hint().unwrap().contains("copy the file again"), "{error}");
        let other = text("encodings/p256.spki.pem");
        let both = read(format!("{other}{broken}").as_bytes(), WeakKeys::Refuse).unwrap();
        assert_eq!(both.set.keys().len(), 1);
        let line = other.lines().count() + 1;
        let is_named =
            |note: &Note| matches!(note, Note::LooksLikePem(stray) if stray.line == line);
        assert!(both.notes.iter().any(is_named), "{:?}", both.notes);
    }
}

#[test]
fn a_set_in_base64_is_read_and_a_compressed_one_is_named() {
    let set = text("cases/rsa2048/jwks.json");
    let plain = read_set(set.as_bytes(), WeakKeys::Refuse).unwrap().set;
    let encoded = Base64::encode_string(set.as_bytes());
    let wrapped: Vec<String> = encoded
        .as_bytes()
        .chunks(76)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    for text in
        [encoded.clone(), encoded.trim_end_matches('=').to_owned(), wrapped.join("\r\n") + "\n"]
    {
        assert_eq!(read_set(text.as_bytes(), WeakKeys::Refuse).unwrap().set, plain);
        assert_eq!(read(text.as_bytes(), WeakKeys::Refuse).unwrap().set, plain);
    }
    let private = Base64::encode_string(br#"{"kty":"oct","k":"c2VjcmV0"}"#);
    let error = read_set(private.as_bytes(), WeakKeys::Refuse).unwrap_err().to_string();
    assert!(error.contains("symmetric") && !error.contains("c2VjcmV0"), "{error}");
    for magic in
        [&b"\x1f\x8b\x08\0"[..], b"PK\x03\x04", b"BZh91AY", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"]
    {
        for error in [read_set(magic, WeakKeys::Refuse), read(magic, WeakKeys::Refuse)] {
            let error = error.unwrap_err();
            assert!(error.to_string().contains("compressed"), "{error}");
            assert!(error.hint().unwrap().contains("decompress"), "{error}");
        }
    }
}

#[test]
fn a_comment_before_a_set_is_named() {
    let set = text("cases/rsa2048/jwks.json");
    for comment in ["// ours\n", "# ours\n", "/* ours */"] {
        let text = format!("{comment}{set}");
        for error in
            [read_set(text.as_bytes(), WeakKeys::Refuse), read(text.as_bytes(), WeakKeys::Refuse)]
        {
            let error = error.unwrap_err().to_string();
            assert!(error.contains("a comment (") && error.contains("line 1, column 1"), "{error}");
        }
    }
}

#[test]
fn people_are_told_what_they_gave() {
    let jwk = r#"{"kty":"EC","kid":"a","crv":"P-256","x":"AA","y":"AA"}"#;
    for (bytes, says) in [
        (b"".to_vec(), "empty"),
        (b" \n\t".to_vec(), "empty"),
        (b"<!DOCTYPE html><html>".to_vec(), "HTML"),
        (golden("cases/rsa2048/token.jwt"), "token"),
        (golden("encodings/rsa2048.openssh.pub"), "OpenSSH"),
        (b"apiVersion: v1\nkind: Secret\ndata: {}\n".to_vec(), "Kubernetes object"),
        (br#"{"kind":"Secret","apiVersion":"v1"}"#.to_vec(), "Kubernetes object"),
        (b"/etc/kubernetes/pki/sa.pub".to_vec(), "path"),
        (jwk.as_bytes().to_vec(), "single JWK"),
        (br#"{"kty":"oct","k":"AA"}"#.to_vec(), "symmetric"),
        (br#"{"issuer":"x","jwks_uri":"y"}"#.to_vec(), "discovery document"),
        (b"{\"keys\":".to_vec(), "not valid JSON"),
        (b"[]".to_vec(), "without an array"),
        (b"hello".to_vec(), "no PEM block"),
        (vec![b'x'; (1 << 20) + 1], "1 MiB"),
    ] {
        let error = read(&bytes, WeakKeys::Refuse).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn a_base64_copy_of_a_pem_is_read_as_a_secret_shows_it() {
    let key = text("encodings/p256.spki.pem");
    let copied = Base64::encode_string(key.as_bytes());
    assert_eq!(
        read(copied.as_bytes(), WeakKeys::Refuse).unwrap(),
        read(key.as_bytes(), WeakKeys::Refuse).unwrap()
    );
}

#[test]
fn an_entry_that_sts_would_trip_over_is_refused_by_its_member() {
    let rsa: serde_json::Value =
        serde_json::from_slice(&golden("cases/rsa2048/jwks.json")).unwrap();
    let ec: serde_json::Value = serde_json::from_slice(&golden("cases/p256/jwks.json")).unwrap();
    let with = |set: &serde_json::Value, member: &str, value: serde_json::Value| {
        let mut set = set.clone();
        if value == "-" {
            set["keys"][0].as_object_mut().unwrap().remove(member);
        } else {
            set["keys"][0][member] = value;
        }
        set.to_string()
    };
    let n = rsa["keys"][0]["n"].as_str().unwrap();
    let standard = Base64::encode_string(&Base64UrlUnpadded::decode_vec(n).unwrap());
    for (document, says) in [
        (with(&rsa, "d", "AA".into()), "private member \"d\""),
        (with(&rsa, "oth", serde_json::json!([])), "private member \"oth\""),
        (with(&ec, "k", "AA".into()), "private member \"k\""),
        (with(&rsa, "kty", "oct".into()), "symmetric"),
        (with(&rsa, "use", "enc".into()), "use is \"enc\""),
        (with(&rsa, "use", serde_json::Value::Null), "use is null"),
        (with(&rsa, "key_ops", serde_json::json!(["verify"])), "key_ops"),
        (with(&rsa, "kid", "-".into()), "no kid"),
        (with(&rsa, "kid", 7.into()), "kid"),
        (with(&rsa, "kid", "x".repeat(1025).into()), "1024"),
        (with(&rsa, "alg", "ES256".into()), "alg is \"ES256\""),
        (with(&rsa, "alg", "PS256".into()), "alg is \"PS256\""),
        (with(&ec, "alg", "ES384".into()), "alg is \"ES384\""),
        (with(&rsa, "kty", "-".into()), "no kty"),
        (with(&rsa, "kty", "OKP".into()), "\"OKP\""),
        (with(&rsa, "n", "-".into()), "\"n\""),
        (with(&rsa, "n", standard.into()), "base64url"),
        (with(&rsa, "e", "AQAB==".into()), "base64url"),
        (with(&rsa, "e", "AQ".into()), "exponent"),
        (with(&ec, "crv", "P-224".into()), "P-224"),
        (with(&ec, "x", "AAAA".into()), "3 bytes, not 32"),
        (with(&ec, "y", ec["keys"][0]["x"].clone()), "not on P-256"),
        (with(&rsa, "x5c", serde_json::json!(["AAAA"])), "x5c"),
    ] {
        let error = JwkSet::parse(document.as_bytes(), WeakKeys::Refuse).unwrap_err();
        assert!(
            matches!(error, Error::Entry { number: 1, .. }) && error.to_string().contains(says),
            "{says}: {error}"
        );
    }
    for member in ["alg", "use"] {
        assert!(
            JwkSet::parse(with(&rsa, member, "-".into()).as_bytes(), WeakKeys::Refuse).is_ok(),
            "{member}"
        );
    }
    assert!(
        JwkSet::parse(with(&rsa, "kid", "signer/2026".into()).as_bytes(), WeakKeys::Refuse)
            .unwrap()
            .get("signer/2026")
            .is_some()
    );
}

#[test]
fn a_member_given_twice_is_refused() {
    let set = text("cases/rsa2048/jwks.json");
    let twice = set.replacen("{\"use\":\"sig\",", "{\"use\":\"sig\",\"use\":\"sig\",", 1);
    let error = JwkSet::parse(twice.as_bytes(), WeakKeys::Refuse).unwrap_err();
    assert!(
        matches!(error, Error::Entry { fault: JwkFault::DuplicateMember { .. }, .. }),
        "{error}"
    );
    assert!(JwkSet::parse(br#"{"keys":[],"keys":[]}"#, WeakKeys::Refuse).is_err());
    assert!(JwkSet::parse(br#"{"keys":[]}"#, WeakKeys::Refuse).unwrap().is_empty());
}

#[test]
fn one_kid_means_one_key() {
    let (rsa, ec) = (text("cases/rsa2048/jwks.json"), text("cases/p256/jwks.json"));
    let (rsa, ec) = (rsa.trim_end_matches("]}"), ec.trim_start_matches("{\"keys\":["));
    let both = format!("{rsa},{ec}");
    assert_eq!(JwkSet::parse(both.as_bytes(), WeakKeys::Refuse).unwrap().keys().len(), 2);
    let clash = both.replace(
        "SBN8ffZ7MG-ALzH7qnO08GY35zgc3cMXzlSnLjQlyfs",
        "HSsv1GH636Pc9xR4JZOxMXKRXUODPrcRvki4Be1MKlo",
    );
    assert!(matches!(
        JwkSet::parse(clash.as_bytes(), WeakKeys::Refuse),
        Err(Error::KidConflict { .. })
    ));
}

#[test]
fn more_than_a_hundred_keys_of_a_type_are_refused() {
    let keys = |count: usize| {
        (0..count).map(|index| {
            let mut n = vec![0xff; 256];
            n[100..108].copy_from_slice(&index.to_be_bytes());
            PublicKey::rsa(&n, &[1, 0, 1], WeakKeys::Refuse).unwrap()
        })
    };
    assert_eq!(JwkSet::from_keys(keys(100)).unwrap().keys().len(), 100);
    let error = JwkSet::from_keys(keys(101)).unwrap_err();
    assert_eq!(error, Error::TooManyKeys { key_type: "RSA", count: 101 });
    assert!(JwkSet::from_keys(keys(100)).unwrap().with_empty_kid().is_err());
}

#[test]
fn a_kid_is_escaped_as_go_does() {
    let set = text("cases/p256/jwks.json")
        .replace("SBN8ffZ7MG-ALzH7qnO08GY35zgc3cMXzlSnLjQlyfs", "a&b<c>\\u2028\\\"");
    let set = JwkSet::parse(set.as_bytes(), WeakKeys::Refuse).unwrap();
    assert!(
        set.to_json().contains(r#""kid":"a\u0026b\u003cc\u003e\u2028\"""#),
        "{}",
        set.to_json()
    );
    assert_eq!(JwkSet::parse(set.to_json().as_bytes(), WeakKeys::Refuse).unwrap(), set);
}

#[test]
fn a_text_that_is_no_token_is_named() {
    let token = text("cases/p256/token.jwt");
    let token = token.trim();
    let (head, signature) = token.rsplit_once('.').unwrap();
    for (text, says) in [
        (String::new(), "empty"),
        ("/var/run/secrets/token".to_owned(), "1 part"),
        (head.to_owned(), "2 part"),
        (format!("{token}.x.y"), "five parts"),
        (format!("Bearer {token}"), "Bearer"),
        (format!("{}\n{}", &token[..80], &token[80..]), "white space"),
        (format!("{token}\n{token}"), "white space"),
        (r#"{"status":{"token":"x"}}"#.to_owned(), "JSON"),
        (format!("{head}.{}=", &signature[..signature.len() - 1]), "signature"),
        ("e30.W10.AA".to_owned(), "claims"),
        ("!!.e30.AA".to_owned(), "header"),
    ] {
        let fault: TokenFault = Token::parse(&text).unwrap_err();
        assert!(fault.to_string().contains(says), "{text:?}: {fault}");
    }
    assert!(Token::parse(&format!("\n {token}\n")).is_ok());
}

#[test]
fn a_token_whose_signature_does_not_hold_is_refused() {
    let set = JwkSet::parse(&golden("cases/p256/jwks.json"), WeakKeys::Refuse).unwrap();
    let token = text("cases/p256/token.jwt");
    let [header, claims, signature]: [&str; 3] =
        token.trim().split('.').collect::<Vec<_>>().try_into().unwrap();
    let header_with = |json: &str| Base64UrlUnpadded::encode_string(json.as_bytes());
    let kid = set.keys()[0].kid.as_str();
    for (header, says) in [
        (header_with(&format!(r#"{{"alg":"none","kid":"{kid}"}}"#)), "alg is \"none\""),
        (header_with(&format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#)), "alg is \"HS256\""),
        (header_with(&format!(r#"{{"alg":"RS256","kid":"{kid}"}}"#)), "signs with ES256"),
        (header_with(r#"{"alg":"ES256"}"#), "no kid"),
        (header_with(r#"{"alg":"ES256","kid":"other"}"#), "kid \"other\""),
        (header_with(r#"{}"#), "no alg"),
        (header_with(&format!(r#"{{"alg":"ES256","kid":"{kid}","crit":["b64"]}}"#)), "crit"),
        (header_with(&format!(r#"{{"kid":"{kid}","alg":"ES256"}}"#)), "not made with the key"),
        (header.to_owned(), ""),
    ] {
        let token = Token::parse(&format!("{header}.{claims}.{signature}")).unwrap();
        match token.verify(&set) {
            Ok(_) => assert_eq!(says, ""),
            Err(fault) => assert!(!says.is_empty() && fault.to_string().contains(says), "{fault}"),
        }
    }
    for signature in ["", "AAAA", &signature[..84]] {
        assert!(
            Token::parse(&format!("{header}.{claims}.{signature}")).unwrap().verify(&set).is_err()
        );
    }
}

#[test]
fn debug_of_a_token_cannot_be_used_as_one() {
    let text = text("cases/p256/token.jwt");
    let signature = text.trim().rsplit_once('.').unwrap().1;
    let token = Token::parse(&text).unwrap();
    assert_eq!(token.compact(), text.trim());
    let bytes = format!("{:?}", Base64UrlUnpadded::decode_vec(signature).unwrap());
    let bytes = bytes.trim_matches(['[', ']']);
    for debug in [format!("{token:?}"), format!("{token:#?}").replace([' ', '\n'], "")] {
        assert!(debug.contains("system:serviceaccount:"), "{debug}");
        assert!(!debug.contains(signature) && !debug.contains(bytes), "{debug}");
        assert!(!debug.contains("signature"), "{debug}");
    }
}
