//! Certificates of authorities in every form that people have, and what else people take for one.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use base64ct::{Base64, Encoding};
use issuer_diagnostic::Diagnostic;
use issuer_trust::{Authorities, AuthoritiesFault, BlockFault};
use proptest::prelude::*;

fn made(name: &str) -> rcgen::CertifiedKey<rcgen::KeyPair> {
    rcgen::generate_simple_self_signed([name.to_owned()]).unwrap()
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn said(bytes: &[u8]) -> String {
    let fault = Authorities::parse(bytes).unwrap_err();
    assert_eq!(Authorities::parse_usable(bytes).unwrap_err(), fault);
    format!("{fault}; {}", fault.hint().unwrap_or_default())
}

#[test]
fn a_certificate_is_read_in_every_form_that_people_have() {
    let made = made("ca");
    let (pem, der) = (made.cert.pem(), made.cert.der().to_vec());
    let latin1 = [b"# f\xfcr uns\n".as_slice(), pem.as_bytes()].concat();
    let forms: [Vec<u8>; 12] = [
        pem.clone().into_bytes(),
        format!("\u{feff}{}", pem.replace('\n', "\r\n")).into_bytes(),
        utf16(&format!("\u{feff}{pem}")),
        pem.replace("CERTIFICATE", "X509 CERTIFICATE").into_bytes(),
        pem.lines().map(|line| format!("    {line}\n")).collect::<String>().into_bytes(),
        format!("{}{pem}", made.signing_key.serialize_pem()).into_bytes(),
        format!("subject=CN = ca\nissuer=CN = ca\n{pem}").into_bytes(),
        latin1,
        Base64::encode_string(pem.as_bytes()).into_bytes(),
        utf16(&Base64::encode_string(pem.as_bytes())),
        Base64::encode_string(&der).into_bytes(),
        der.clone(),
    ];
    for form in forms {
        let authorities = Authorities::parse(&form).unwrap();
        assert_eq!(authorities.certificates().len(), 1);
        assert_eq!(authorities.certificates()[0].as_ref(), der);
        let written = authorities.to_pem();
        assert!(!written.contains("PRIVATE"));
        assert_eq!(Authorities::parse(written.as_bytes()).unwrap(), authorities);
    }
}

#[test]
fn a_bundle_keeps_its_order_and_names_the_block_that_is_damaged() {
    let (one, two) = (made("one"), made("two"));
    let both = one.cert.pem() + &two.cert.pem();
    let authorities = Authorities::parse(both.as_bytes()).unwrap();
    let ders: Vec<_> = authorities.certificates().iter().map(|der| der.to_vec()).collect();
    assert_eq!(ders, [one.cert.der().to_vec(), two.cert.der().to_vec()]);

    let bad =
        |body: &str| format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
    let cut = two.cert.pem().replace("-----END CERTIFICATE-----", "");
    let trusted = two.cert.pem().replace("CERTIFICATE", "TRUSTED CERTIFICATE");
    for (block, fault) in [
        (bad("AAAA"), BlockFault::NotACertificate),
        (bad("!!"), BlockFault::NotBase64),
        (bad(""), BlockFault::NotBase64),
        (cut, BlockFault::Truncated),
        (trusted, BlockFault::Trusted),
    ] {
        let mixed = format!("{}{block}", one.cert.pem());
        let refused = Authorities::parse(mixed.as_bytes()).unwrap_err();
        assert_eq!(refused, AuthoritiesFault::Block { number: 2, fault });
        assert!(refused.to_string().contains("PEM block 2") && refused.hint().is_some());
        let usable = Authorities::parse_usable(mixed.as_bytes()).unwrap();
        assert_eq!(usable.certificates().len(), 1, "as kubectl");
        assert!(Authorities::parse_usable(block.as_bytes()).is_err());
    }
}

#[test]
fn what_is_no_certificate_is_named_as_what_it_is() {
    let made = made("ca");
    let key = made.signing_key.serialize_pem();
    let params = rcgen::CertificateParams::new(["ca".to_owned()]).unwrap();
    let request = params.serialize_request(&made.signing_key).unwrap();
    let golden = |path: &str| {
        std::fs::read(format!("{}/../../fixtures/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    };
    let pkcs12 = golden("field/key-pkcs12/sa.p12");
    for (bytes, says) in [
        (key.clone().into_bytes(), "a private key"),
        (made.signing_key.serialize_der(), "a private key"),
        (key.replace("PRIVATE", "ENCRYPTED PRIVATE").into_bytes(), "a private key"),
        (key.replace("PRIVATE", "OPENSSH PRIVATE").into_bytes(), "a private key"),
        (Base64::encode_string(key.as_bytes()).into_bytes(), "a private key"),
        (golden("golden/encodings/rsa2048.spki.pem"), "a public key"),
        (request.pem().unwrap().into_bytes(), "a certificate request (CSR)"),
        (request.der().to_vec(), "a certificate request (CSR)"),
        (Base64::encode_string(&pkcs12).into_bytes(), "openssl pkcs12 -cacerts"),
        (pkcs12, "a PKCS#12 file"),
        (vec![0x30, 0x80, 2, 1, 3, 0x30, 0x80, 0xff], "a PKCS#12 file"),
        (vec![0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2], "keytool"),
        (vec![0x1f, 0x8b, 8, 0, 0xff], "compressed"),
        (vec![0x30, 0x82, 0x01, 0xff], "DER"),
        (golden("golden/cases/rsa2048/jwks.json"), "a JWK Set"),
        (b"{\"keys\": []}".to_vec(), "JSON"),
        (b"apiVersion: v1\nkind: Secret\n".to_vec(), "a Kubernetes object"),
        (b"<html>".to_vec(), "HTML"),
        (b"/etc/ssl/ca.pem\n".to_vec(), "the path of a file"),
        (b"Error from server (NotFound): no".to_vec(), "run it again"),
        (b"hello".to_vec(), "contains no certificate;"),
        (b" \n".to_vec(), "it is empty"),
        (b"".to_vec(), "it is empty"),
        (b"caf\xe9".to_vec(), "UTF-8"),
    ] {
        let text = said(&bytes);
        assert!(text.contains(says) && !text.contains("sa.pub"), "{says}: {text}");
        assert!(!text.contains("API server does not read"), "{text}");
    }
    let pkcs7 = "-----BEGIN PKCS7-----\nMAA=\n-----END PKCS7-----\n";
    assert!(said(pkcs7.as_bytes()).contains("openssl pkcs7 -print_certs"));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Authorities::parse(&bytes);
        let _ = Authorities::parse_usable(&bytes);
    }

    #[test]
    fn no_change_of_a_bundle_panics_or_adds_a_certificate(
        at in any::<prop::sample::Index>(),
        length in 0..80_usize,
        with in "[-A-Za-z0-9+/=\\n \\x00é]{0,40}",
        form in 0..4,
    ) {
        let pem = made("ca").cert.pem();
        let bytes = match form {
            0 => pem.into_bytes(),
            1 => utf16(&pem),
            2 => Base64::encode_string(pem.as_bytes()).into_bytes(),
            _ => made("ca").cert.der().to_vec(),
        };
        let at = at.index(bytes.len());
        let rest = &bytes[(at + length).min(bytes.len())..];
        let changed = [&bytes[..at], with.as_bytes(), rest].concat();
        for read in [Authorities::parse(&changed), Authorities::parse_usable(&changed)] {
            match read {
                Ok(authorities) => prop_assert_eq!(authorities.certificates().len(), 1),
                Err(fault) => prop_assert!(!fault.to_string().is_empty()),
            }
        }
    }
}
