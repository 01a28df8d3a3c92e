//! Keys in the files of other tools: taken from their place, with nothing else of the file.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use base64ct::{Base64, Encoding};
use issuer_jwks::{
    Error, GeneratedKey, KeyKind, Note, PublicKey, WeakKeys, generate, read, read_set,
};
use proptest::prelude::*;

const MARKER: &str = "NOT-FOR-ANY-LOG";

fn key() -> GeneratedKey {
    generate(KeyKind::P256).unwrap()
}

fn base64(text: &str) -> String {
    Base64::encode_string(text.as_bytes())
}

/// The keys and, as one text, everything that could be shown.
fn outcome(text: &str) -> (Vec<PublicKey>, String) {
    match read(text.as_bytes(), WeakKeys::Refuse) {
        Ok(reading) => {
            let keys = reading.set.keys().iter().map(|jwk| jwk.key.clone()).collect();
            (keys, format!("{:?}", reading.notes))
        }
        Err(error) => (Vec::new(), format!("{error} {error:?}")),
    }
}

#[test]
fn the_key_is_taken_from_the_place_where_each_tool_has_it() {
    let (one, two) = (key(), key());
    let (private, public) = (&one.private_pem, one.public.to_spki_pem());
    let indented = public.replace('\n', "\n    ");
    let talos = format!(
        "cluster:\n  id: {MARKER}\nsecrets: {{token: {MARKER}}}\ncerts:\n  k8s: {{key: {MARKER}}}\n  \
         k8sserviceaccount:\n    key: {}\n",
        base64(private)
    );
    let machine = format!(
        "version: v1alpha1\nmachine: {{token: {MARKER}}}\ncluster:\n  serviceAccount:\n    key: {}\n\
         ---\napiVersion: v1alpha1\nkind: HostnameConfig\nhostname: {MARKER}\n",
        base64(private)
    );
    let kops = format!(
        "apiVersion: kops.k8s.io/v1alpha2\nkind: Keyset\nmetadata: {{name: service-account}}\nspec:\n  \
         keys:\n  - id: \"1\"\n    privateMaterial: {}\n    publicMaterial: {}\n  primaryID: \"1\"\n",
        base64(MARKER),
        base64(&public)
    );
    let openshift = format!(
        "apiVersion: v1\ndata:\n  service-account-001.pub: |\n    {indented}\n  note: {MARKER}\n\
         kind: ConfigMap\nmetadata: {{name: sa-token-signing-certs}}\n"
    );
    let openshift_json = serde_json::json!({
        "kind": "ConfigMap", "data": {"service-account-001.pub": public.clone()},
    });
    let kms = serde_json::json!({
        "KeyId": MARKER, "PublicKey": Base64::encode_string(&one.public.to_spki_der()),
        "KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY",
    });
    let kms_yaml = format!(
        "KeyUsage: SIGN_VERIFY\nPublicKey: {}\n",
        Base64::encode_string(&one.public.to_spki_der())
    );
    let (openshift_json, kms) = (openshift_json.to_string(), kms.to_string());
    for text in [&talos, &machine, &kops, &openshift, &openshift_json, &kms, &kms_yaml] {
        for text in [text.clone(), format!("\u{feff}{}", text.replace('\n', "\r\n"))] {
            let (keys, shown) = outcome(&text);
            assert_eq!(keys, std::slice::from_ref(&one.public), "{text}\n{shown}");
            assert!(!shown.contains(MARKER) && !shown.contains("PRIVATE KEY"), "{shown}");
        }
    }
    assert!(outcome(&talos).1.contains("certs.k8sserviceaccount.key"));
    // Rotation: both keys, but not what kops no longer trusts.
    let item = |key: &GeneratedKey, more: &str| {
        format!("  - publicMaterial: {}\n{more}", base64(&key.public.to_spki_pem()))
    };
    let distrusted = "    distrustTimestamp: \"2025-01-01T00:00:00Z\"\n";
    let set =
        |more| format!("kind: Keyset\nspec:\n  keys:\n{}{}", item(&one, ""), item(&two, more));
    assert_eq!(outcome(&set("")).0, [one.public.clone(), two.public.clone()]);
    let (keys, shown) = outcome(&set(distrusted));
    assert_eq!(keys, std::slice::from_ref(&one.public));
    assert!(shown.contains("spec.keys[1]") && shown.contains("distrustTimestamp"), "{shown}");
}

#[test]
fn another_key_of_such_a_file_is_never_taken_for_that_of_the_service_accounts() {
    let key = key();
    let public = base64(&key.public.to_spki_pem());
    let indented = key.public.to_spki_pem().replace('\n', "\n    ");
    for (text, says) in [
        (
            format!(
                "kind: Keyset\nmetadata: {{name: etcd-clients-ca}}\nspec: {{keys: [{{publicMaterial: {public}}}]}}"
            ),
            "service-account",
        ),
        (format!("kind: ConfigMap\ndata:\n  ca.crt: |\n    {indented}\n"), "ConfigMap"),
        (
            format!("{{\"PublicKey\": \"{public}\", \"KeyUsage\": \"ENCRYPT_DECRYPT\"}}"),
            "not for signatures",
        ),
        (
            "certs: {k8sserviceaccount: {key: 'ENC[AES256_GCM,data:c2Vj,type:str]'}}".to_owned(),
            "SOPS",
        ),
        (format!("certs: {{k8sserviceaccount: {{key: '{MARKER} {MARKER}'}}}}"), "not base64"),
    ] {
        let (keys, shown) = outcome(&text);
        assert!(keys.is_empty() && shown.contains(says), "{text}: {shown}");
        assert!(!shown.contains(MARKER) && !shown.contains("c2Vj"), "{shown}");
    }
}

#[test]
fn the_keys_of_a_list_of_objects_are_taken_and_its_other_objects_are_not() {
    let (one, two) = (key(), key());
    let map = |key: &GeneratedKey| serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "bound-sa-token-signing-certs"}, "data": {"service-account-001.pub": key.public.to_spki_pem()}});
    let other = serde_json::json!({"kind": "ConfigMap", "data": {"ca.crt": MARKER}});
    let secret = serde_json::json!({"kind": "Secret", "data": {"tls.key": base64(MARKER)}});
    for kind in ["List", "ConfigMapList"] {
        let list =
            serde_json::json!({"kind": kind, "items": [secret, map(&one), other, map(&two)]});
        let (keys, shown) = outcome(&list.to_string());
        assert_eq!(keys, [one.public.clone(), two.public.clone()], "{shown}");
        assert!(!shown.contains(MARKER), "{shown}");
    }
    let pem = one.public.to_spki_pem().replace('\n', "\n      ");
    let yaml = format!(
        "apiVersion: v1\nitems:\n- apiVersion: v1\n  data:\n    service-account-001.pub: |\n      {pem}\n  kind: \
         ConfigMap\nkind: List\nmetadata: {{resourceVersion: \"\"}}\n"
    );
    assert_eq!(outcome(&yaml).0, std::slice::from_ref(&one.public));
    let none = serde_json::json!({"kind": "List", "items": [other]}).to_string();
    assert!(outcome(&none).1.contains("without public keys"), "{}", outcome(&none).1);
}

#[test]
fn a_key_that_is_not_there_is_told_from_one_that_is_damaged() {
    let one = key();
    let pem = one.private_pem.replace('\n', "\n      ");
    for text in [
        format!("certs:\n  k8sserviceaccount:\n    key: |\n      {pem}\n"),
        format!("cluster:\n  serviceAccount:\n    key: |\n      {pem}\n"),
    ] {
        let (keys, shown) = outcome(&text);
        assert_eq!(keys, std::slice::from_ref(&one.public), "{shown}");
    }
    let worker =
        "version: v1alpha1\nmachine: {type: worker, token: NOT-FOR-ANY-LOG}\ncluster: {id: x}\n";
    for (text, says) in [
        ("certs: {k8sserviceaccount: {key: ''}}", "it is empty"),
        ("certs: {k8sserviceaccount: {key: \"  \\n\"}}", "it is empty"),
        ("certs: {k8sserviceaccount: {}}", "without certs.k8sserviceaccount.key"),
        ("cluster: {serviceAccount: {key: ''}}", "it is empty"),
        ("cluster: {serviceAccount: {key: null}}", "without cluster.serviceAccount.key"),
        (worker, "workers do not have the key"),
        ("{\"machine\": {\"type\": \"worker\"}, \"cluster\": {}}", "workers do not have the key"),
        ("machine: {type: join}\ncluster: {serviceAccount: {}}", "workers do not have the key"),
        ("kind: Keyset\nspec: {keys: []}", "a kops Keyset without keys"),
        ("kind: Keyset\nspec: {keys: null}", "a kops Keyset without keys"),
        ("kind: Keyset\nmetadata: {name: service-account}", "a kops Keyset without keys"),
    ] {
        let (keys, shown) = outcome(text);
        assert!(keys.is_empty() && shown.contains(says), "{text}: {shown}");
        assert!(!shown.contains(MARKER), "{shown}");
    }
}

#[test]
fn a_file_that_is_no_key_is_named() {
    // SEQUENCE { INTEGER 3, SEQUENCE { OID data, … } }, and SEQUENCE { OID signedData, … }.
    let content = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07];
    let p12 = [&[0x30, 0x12, 2, 1, 3, 0x30, 0x0d][..], &content, &[1, 0xa0, 0]].concat();
    let p7 = [&[0x30, 0x0d][..], &content, &[2, 0xa0, 0]].concat();
    let jks = [0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2];
    let named: [(&[u8], &str, &str); 11] = [
        (&p12, "PKCS#12", "openssl pkcs12"),
        (&p7, "PKCS#7", "openssl pkcs7"),
        (&jks, "Java keystore", "keytool"),
        (b"\x1f\x8b\x08\0\0", "compressed", "decompress"),
        (b"PuTTY-User-Key-File-3: ssh-rsa\nEncryption: none\n", "PuTTY", "puttygen"),
        (b"$ANSIBLE_VAULT;1.1;AES256\n6162", "Ansible Vault", "decrypt"),
        (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n=AAAA\n-----END PGP PUBLIC KEY BLOCK-----", "OpenPGP", "sa.pub"),
        (b"-----BEGIN AGE ENCRYPTED FILE-----\nAAAA\n-----END AGE ENCRYPTED FILE-----", "age", "age --decrypt"),
        (b"Error from server (NotFound): secrets \"prod-sa\" not found\n", "error message", "run it again"),
        (b"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>", "AccessDenied", "run it again"),
        (
            br#"{"kind":"Status","status":"Failure","message":"no","code":403}"#,
            "error answer of an API server: no",
            "run it again",
        ),
    ];
    for (bytes, says, hint) in named {
        let error = read(bytes, WeakKeys::Refuse).unwrap_err();
        let hinted = issuer_diagnostic::Diagnostic::hint(&error).unwrap_or_default();
        assert!(error.to_string().contains(says), "{error}");
        assert!(hinted.contains(hint), "{error}: {hinted}");
    }
}

#[test]
fn an_entry_that_cannot_be_used_does_not_affect_the_others() {
    let set = issuer_jwks::JwkSet::from_keys([key().public]).unwrap();
    let good = set.to_json();
    let good = good.trim_start_matches("{\"keys\":[").trim_end_matches("]}");
    for bad in [
        r#"{"kty":"OKP","crv":"Ed25519","kid":"x","x":"AA"}"#,
        r#"{"kty":"RSA","kid":"x","use":"enc","n":"AQAB","e":"AQAB"}"#,
        r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#,
        r#"{"kty":"EC","crv":"P-256","kid":"x","x":"AQ","y":"AQ","d":"AQ"}"#,
        r#"{"kty":"oct","kid":"x","k":"c2VjcmV0"}"#,
        r#"{"kty":"RSA","kid":"x","kid":"y","n":"AQAB","e":"AQAB"}"#,
        "17",
        "null",
    ] {
        for json in [format!("[{bad},{good}]"), format!("[{good},{bad}]")] {
            let json = format!("{{\"keys\":{json}}}");
            let reading = read_set(json.as_bytes(), WeakKeys::Refuse).unwrap();
            assert_eq!(reading.set, set, "{json}");
            assert!(matches!(&reading.notes[..], [Note::SkippedEntry { .. }]), "{json}");
            assert_eq!(read(json.as_bytes(), WeakKeys::Refuse).unwrap(), reading);
            // What is published stays strict.
            assert!(issuer_jwks::JwkSet::parse(json.as_bytes(), WeakKeys::Refuse).is_err());
        }
        let alone = format!("{{\"keys\":[{bad}]}}");
        assert!(matches!(
            read_set(alone.as_bytes(), WeakKeys::Refuse),
            Err(Error::Entry { number: 1, .. })
        ));
    }
}

#[test]
fn a_set_that_is_not_json_says_where() {
    let set = issuer_jwks::JwkSet::from_keys([key().public]).unwrap().to_json();
    for (json, says) in [
        (set.replacen('{', "{ // keys\n", 1), "a comment (//) at line 1, column 3"),
        (set.replacen(':', "\u{a0}:", 1), "U+00A0 (no-break space) at line 1, column 8"),
        (set.replacen(']', ",]", 1), "a trailing comma"),
        (set.replace('"', "\u{201d}"), "U+201D"),
    ] {
        let error = read_set(json.as_bytes(), WeakKeys::Refuse).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

proptest! {
    /// Of a file with the marks of another tool, whatever else it is.
    #[test]
    fn no_such_file_panics_or_shows_a_value(
        name in "(certs|cluster|spec|data|kind|PublicKey|k8sserviceaccount|serviceAccount|Keyset): ",
        shape in "[\\[\\]{}:,\\- \n'\"|>]{0,12}",
    ) {
        let text = format!("{name}{shape}{MARKER}{shape}\nk8sserviceaccount: {shape}{MARKER}\n");
        let (keys, shown) = outcome(&text);
        prop_assert!(keys.is_empty() && !shown.contains(MARKER), "{}", shown);
    }
}
