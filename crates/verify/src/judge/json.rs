//! Bytes that should be a JSON object, and what they are instead.

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Map, Value};

use crate::judge::store::element;
use crate::judge::subject::Document;
use crate::text::{kind, quote, shorten, show};
use crate::verdict::Fault;

const AGAIN: &str =
    "publish the right document again: issuerctl publish KEY-SOURCE --to s3://BUCKET";
const OWN_STATUS: &str =
    "publish the document to this very URL, and let the server answer errors with their own status";

/// What a reader would undo; other values of Content-Encoding, such as utf-8, only say what is not
/// so.
const COMPRESSIONS: [&str; 7] =
    ["gzip", "x-gzip", "deflate", "compress", "x-compress", "br", "zstd"];

/// The object that the bytes are.
///
/// # Errors
/// What they are instead, and the mend.
pub(super) fn object(
    body: &[u8],
    encoding: Option<&str>,
    document: Document,
) -> Result<Map<String, Value>, Fault> {
    let name = document.name();
    let not =
        |what: &str, fix: &str| Fault::new(format!("{name} is not JSON: {what}"), fix.to_owned());
    let is_compressed =
        encoding.is_some_and(|e| COMPRESSIONS.contains(&e.trim().to_ascii_lowercase().as_str()));
    if body.starts_with(&[0x1f, 0x8b]) || is_compressed {
        return Err(not(
            &format!(
                "it comes compressed (Content-Encoding: {}), although nobody asked for it",
                shorten(encoding.unwrap_or("none, but gzip"))
            ),
            "store it uncompressed and without Content-Encoding, or let the server compress only \
             where Accept-Encoding asks",
        ));
    }
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(Fault::new(format!("{name} is empty ({} bytes), not JSON", body.len()), AGAIN));
    }
    if body.starts_with(b"\xef\xbb\xbf") {
        return Err(not(
            "it begins with a byte order mark (BOM, U+FEFF), which JSON must not (RFC 8259 section \
             8.1)",
            "save it as UTF-8 without BOM, or publish again with issuerctl publish",
        ));
    }
    if body.starts_with(&[0xff, 0xfe]) || body.starts_with(&[0xfe, 0xff]) || body.get(1) == Some(&0)
    {
        return Err(not(
            "it is encoded as UTF-16",
            "save it as UTF-8 without BOM, or publish again with issuerctl publish",
        ));
    }
    let text = String::from_utf8_lossy(body);
    match serde_json::from_slice::<Value>(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(other) => Err(not_an_object(&other, document)),
        Err(error) => Err(not_json(&text, &error, document)),
    }
}

fn not_an_object(value: &Value, document: Document) -> Fault {
    let name = document.name();
    let is_keys = |items: &Vec<Value>| items.iter().any(|item| item.get("kty").is_some());
    match value {
        Value::Array(items) if document == Document::Keys && is_keys(items) => Fault::new(
            format!(
                "{name} is a bare array of keys, not a JWK Set: the object with the \
                 member \"keys\" is missing around it"
            ),
            "wrap it as {\"keys\": […]}; issuerctl jwks writes it so, issuerctl publish puts it in \
             place",
        ),
        Value::String(inner) if serde_json::from_str::<Map<String, Value>>(inner).is_ok() => {
            Fault::new(
                format!("{name} is JSON encoded twice: one string that holds the document"),
                AGAIN,
            )
        }
        other => {
            Fault::new(format!("{name} is JSON, but {} and not an object", kind(other)), AGAIN)
        }
    }
}

fn not_json(text: &str, error: &serde_json::Error, document: Document) -> Fault {
    let name = document.name();
    let start = text.trim_start();
    let lower = start.get(..start.len().min(512)).unwrap_or(start).to_ascii_lowercase();
    let begins = quote(&start.chars().take(40).collect::<String>());
    let what = |what: String, fix: &str| {
        Fault::new(format!("{name} is not JSON but {what}"), fix.to_owned())
    };
    let is_ssh = start.starts_with("ssh-") || start.starts_with("ecdsa-sha2-");
    if start.contains("-----BEGIN") || is_ssh {
        let form = if is_ssh { "an OpenSSH public key" } else { "a PEM file" };
        let fix = match document {
            Document::Keys => {
                "convert it into a JWK Set: issuerctl jwks --key sa.pub > keys.json; issuerctl \
                 publish --key sa.pub does it all"
            }
            Document::Discovery => AGAIN,
        };
        return what(format!("{form} ({begins})"), fix);
    }
    if text.lines().any(|line| line.starts_with("<<<<<<< ")) {
        return what("text with the marks of a merge conflict (<<<<<<<)".to_owned(), AGAIN);
    }
    if ["<?xml", "<error", "<listbucketresult", "<enumerationresults"]
        .iter()
        .any(|tag| lower.starts_with(tag))
    {
        return not_xml(start, &begins, what);
    }
    if lower.starts_with('<') {
        return what(
            format!("HTML, some web page ({begins})"),
            "let the server serve the JSON file at this path instead of its start page or login \
             (no catch-all route); issuerctl publish writes the file",
        );
    }
    if from_base64(start)
        .is_some_and(|bytes| serde_json::from_slice::<Map<String, Value>>(&bytes).is_ok())
    {
        return what(
            "JSON encoded in base64, as in a Secret".to_owned(),
            "decode it (base64 -d) and publish it again: issuerctl publish KEY-SOURCE --to \
             s3://BUCKET",
        );
    }
    if start.starts_with("eyJ") {
        return what(format!("a token ({begins})"), AGAIN);
    }
    if error.is_eof() {
        return what(
            format!(
                "the beginning of JSON: it is truncated, it ends in the middle after {} bytes",
                text.len()
            ),
            "upload the whole document again: issuerctl publish KEY-SOURCE --to s3://BUCKET",
        );
    }
    let reason = if start.starts_with(['{', '[']) { "invalid JSON" } else { "some other text" };
    what(format!("{reason} ({}); it begins with {begins}", shorten(&error.to_string())), AGAIN)
}

fn not_xml(text: &str, begins: &str, what: impl Fn(String, &str) -> Fault) -> Fault {
    if text.contains("<ListBucketResult") || text.contains("<EnumerationResults") {
        return what(
            "XML, a listing of the bucket: the URL leads to the bucket itself and not to an object \
             in it".to_owned(),
            "publish the document so that it lies at this very path, and let the CDN or proxy hand \
             the path on",
        );
    }
    let Some(code) = element(text, "Code") else {
        return what(format!("XML, an error page of a store perhaps ({begins})"), OWN_STATUS);
    };
    let fix = if ["Denied", "Forbidden", "NotPermitted"].iter().any(|word| code.contains(word)) {
        "give anonymous readers access to the document in the store (public bucket policy), and \
         let the CDN answer errors with their own status"
    } else {
        OWN_STATUS
    };
    what(
        format!("XML, a store's error {}, although the status says that all is well", quote(code)),
        fix,
    )
}

/// What a text is in base64, as the values of a Secret are.
pub(super) fn from_base64(text: &str) -> Option<Vec<u8>> {
    let packed: String = text.split_ascii_whitespace().collect();
    let bare = packed.trim_end_matches('=').replace('+', "-").replace('/', "_");
    Base64UrlUnpadded::decode_vec(&bare).ok().filter(|bytes| !bytes.is_empty())
}

/// Content-Encoding where it names nothing that a reader could undo.
pub(super) fn pointless_encoding(encoding: Option<&str>) -> Option<&str> {
    encoding.filter(|e| {
        !matches!(e.trim().to_ascii_lowercase().as_str(), "identity" | "aws-chunked" | "")
    })
}

/// What a JSON object is, where it is a well-known other one.
pub(super) fn other_object(object: &Map<String, Value>, document: Document) -> Option<Fault> {
    let name = document.name();
    let has = |member: &str| object.contains_key(member);
    if has("kind") && has("apiVersion") {
        return Some(Fault::new(
            format!(
                "{name} is a Kubernetes object (kind {})",
                object.get("kind").map(show).unwrap_or_default()
            ),
            AGAIN,
        ));
    }
    let is_ours = ["issuer", "jwks_uri", "keys", "kty"].into_iter().any(has);
    let error = ["error", "errors", "message", "Message", "detail"]
        .into_iter()
        .find_map(|m| object.get_key_value(m));
    if let Some((member, value)) = error.filter(|_| !is_ours) {
        let wanted = match document {
            Document::Discovery => "discovery document",
            Document::Keys => "JWK Set",
        };
        let said = format!("{}: {}", quote(member), show(value));
        return Some(Fault::new(
            format!("{name} is no {wanted} but a server's error, {said}"),
            OWN_STATUS,
        ));
    }
    match document {
        Document::Discovery if has("keys") && !has("issuer") => Some(Fault::new(
            format!(
                "{name} is a JWK Set: the keys lie where the discovery document belongs (swapped?)"
            ),
            "put each document in its place: issuerctl publish writes both, with --issuer of this \
             very URL",
        )),
        Document::Keys if has("keys") => None,
        Document::Keys if has("jwks_uri") || has("issuer") => Some(Fault::new(
            format!(
                "{name} is a discovery document, not a JWK Set: it has no \"keys\" (swapped, or \
                 jwks_uri names itself?)"
            ),
            "put the JWK Set where jwks_uri leads, or let jwks_uri name it: issuerctl publish does \
             both",
        )),
        Document::Keys if has("kty") => Some(Fault::new(
            format!("{name} is a single JWK, not a JWK Set: the member \"keys\" is missing"),
            "wrap it as {\"keys\": [ … ]}; issuerctl jwks writes it so, issuerctl publish puts it \
             in place",
        )),
        Document::Keys
            if object.values().any(|v| v.as_str().is_some_and(|s| s.contains("-----BEGIN"))) =>
        {
            Some(Fault::new(
                format!("{name} is a map of PEM texts, not a JWK Set: it has no \"keys\""),
                "convert the keys: issuerctl jwks --key sa.pub > keys.json, or issuerctl publish",
            ))
        }
        _ => None,
    }
}
