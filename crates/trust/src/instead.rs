//! What a file is that has no certificate.

use issuer_jwks::{Content, Error, KeyFault, Note, WeakKeys, pem};

use crate::AuthoritiesFault;

/// What the bytes are, if that is known.
pub(crate) fn of(bytes: &[u8]) -> Option<AuthoritiesFault> {
    let no = |what: &str, convert| AuthoritiesFault::NoCertificate {
        what: Some(what.to_owned()),
        convert,
    };
    // BER of indefinite length, as Windows exports it: PFX, version 3.
    if bytes.starts_with(&[0x30, 0x80, 2, 1, 3]) {
        return Some(no("a PKCS#12 file", Some(PKCS12)));
    }
    // Whoever reads keys of every form knows what people take for one.
    Some(match issuer_jwks::read(bytes, WeakKeys::Allow) {
        Ok(reading) if reading.notes.iter().any(is_private) => no("a private key", Some(OF_CA)),
        Ok(_) if is_json(bytes) => no("a JWK Set", Some(OF_CA)),
        Ok(_) => no("a public key", Some(OF_CA)),
        Err(Error::Key { fault }) => match fault {
            KeyFault::Container { what: what @ "a PKCS#12 file", .. } => no(what, Some(PKCS12)),
            KeyFault::Container { what: what @ "a PKCS#7 file", .. } => no(what, Some(PKCS7)),
            KeyFault::Container { what, .. } => no(what, None),
            KeyFault::CertificateRequest => no(
                "a certificate request (CSR)",
                Some("use the certificate of the CA, which is what a CA makes of a request"),
            ),
            KeyFault::Encrypted | KeyFault::OpenSshPrivateKey => no("a private key", Some(OF_CA)),
            KeyFault::Unsupported { what } if what.starts_with("a certificate rev") => {
                no(&what, Some(OF_CA))
            }
            _ => return of_label(bytes),
        },
        Err(Error::NotAKey { what }) => no(&what.to_string(), of_content(what)),
        Err(Error::NotAJwkSet { what: Content::KubernetesObject }) => {
            no("a Kubernetes object", of_content(Content::KubernetesObject))
        }
        Err(Error::NotAJwkSet { .. } | Error::EmptySet | Error::Entry { .. }) => no("JSON", None),
        Err(Error::ErrorAnswer { what }) => {
            no(&what, Some("the command that wrote this file failed; run it again"))
        }
        Err(_) => return of_label(bytes),
    })
}

const OF_CA: &str = "use the certificate of the CA (-----BEGIN CERTIFICATE-----)";

const PKCS12: &str =
    "extract the certificates of its CAs: openssl pkcs12 -cacerts -nokeys -in FILE";

const PKCS7: &str = "extract the certificates: openssl pkcs7 -print_certs -in FILE";

fn of_content(what: Content) -> Option<&'static str> {
    Some(match what {
        Content::JavaKeystore => {
            "extract the certificate of the CA: keytool -exportcert -rfc -alias ALIAS -keystore FILE"
        }
        Content::KubernetesObject => "extract its ca.crt or tls.crt, and decode it: base64 -d",
        Content::Path => "give the path itself, not a file that contains it",
        _ => return None,
    })
}

fn is_private(note: &Note) -> bool {
    matches!(note, Note::PrivateKey { .. } | Note::PrivateKeyWithin { .. })
}

fn is_json(bytes: &[u8]) -> bool {
    issuer_diagnostic::decode(bytes)
        .is_ok_and(|decoded| decoded.text.trim_start().starts_with(['{', '[']))
}

/// Blocks of keys that cannot be read, of requests, and of anything else.
fn of_label(bytes: &[u8]) -> Option<AuthoritiesFault> {
    let text = String::from_utf8_lossy(bytes);
    let blocks = pem::blocks(&text);
    let has = |end: &str| blocks.iter().any(|block| block.label.ends_with(end));
    let what = if has("CERTIFICATE REQUEST") {
        "a certificate request (CSR)"
    } else if has("PRIVATE KEY") {
        "a private key"
    } else if has("PUBLIC KEY") {
        "a public key"
    } else if has("CRL") {
        "a certificate revocation list"
    } else {
        return None;
    };
    Some(AuthoritiesFault::NoCertificate { what: Some(what.to_owned()), convert: Some(OF_CA) })
}
