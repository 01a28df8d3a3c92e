//! Bytes that should be a JSON object, and what they are instead.

use base64ct::{Base64UrlUnpadded, Encoding};
use issuer_diagnostic::{Unexpected, explain_json, stray_in_json};
use issuer_discovery::{Published, REQUIRED};
use serde_json::{Map, Value};

use crate::judge::store::element;
use crate::judge::subject::Document;
use crate::text::{kind, quote, shorten, show};
use crate::verdict::{Fault, replacing};

const AGAIN: &str = "publish the documents again (issuerctl publish)";
const OWN_STATUS: &str = "publish the document at this URL (issuerctl publish), and configure the \
                          server to return errors with their own status";

/// Content codings that change the body; other values of Content-Encoding, such as utf-8, have no
/// effect.
const COMPRESSIONS: [&str; 7] =
    ["gzip", "x-gzip", "deflate", "compress", "x-compress", "br", "zstd"];

/// The object that the bytes are.
///
/// # Errors
/// What they are instead, and the fix.
pub(super) fn object(
    body: &[u8],
    encoding: Option<&str>,
    document: Document,
) -> Result<Map<String, Value>, Fault> {
    let name = document.name();
    let not = |what: &str, fix: &str| replacing(format!("{name} is not JSON: {what}"), fix);
    let is_compressed =
        encoding.is_some_and(|e| COMPRESSIONS.contains(&e.trim().to_ascii_lowercase().as_str()));
    if body.starts_with(&[0x1f, 0x8b]) || is_compressed {
        return Err(replacing(
            format!(
                "{name} is not JSON: it is compressed (Content-Encoding: {}), although the request \
                 does not accept that",
                shorten(encoding.unwrap_or("none, but the body is gzip"))
            ),
            "store it uncompressed and without Content-Encoding, as issuerctl publish does, which \
             finds keys in it only once it is decompressed (gzip -d); or configure the server to \
             compress only if Accept-Encoding allows it",
        ));
    }
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(replacing(format!("{name} is empty ({} bytes), not JSON", body.len()), AGAIN));
    }
    if body.starts_with(b"\xef\xbb\xbf") {
        return Err(not(
            "it begins with a byte order mark (BOM, U+FEFF), which JSON must not have (RFC 8259 \
             section 8.1)",
            "save it as UTF-8 without BOM, or publish again with issuerctl publish",
        ));
    }
    if body.starts_with(&[0xff, 0xfe, 0, 0]) || body.starts_with(&[0, 0, 0xfe, 0xff]) {
        return Err(not(
            "it is encoded as UTF-32",
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
        Ok(Value::Object(object)) => match contradiction(body, document) {
            Some(fault) => Err(fault),
            None => Ok(object),
        },
        Ok(other) => Err(not_an_object(&other, document)),
        Err(error) => Err(not_json(&text, &error, document)),
    }
}

/// A member of a discovery document that is there twice: Go and Java take the last one, others the
/// first. The JWK Set has checks of its own.
fn contradiction(body: &[u8], document: Document) -> Option<Fault> {
    let published = Published::parse(body).ok().filter(|_| document == Document::Discovery)?;
    let member = published.contradiction(&REQUIRED)?;
    Some(replacing(
        format!(
            "{} has the member \"{member}\" twice, with different values: readers disagree about \
             which one counts",
            document.name()
        ),
        AGAIN,
    ))
}

fn not_an_object(value: &Value, document: Document) -> Fault {
    let name = document.name();
    let is_keys = |items: &Vec<Value>| items.iter().any(|item| item.get("kty").is_some());
    match value {
        Value::Array(items) if document == Document::Keys && is_keys(items) => replacing(
            format!(
                "{name} is a bare array of keys, not a JWK Set: the enclosing object with the \
                 member \"keys\" is missing"
            ),
            "wrap it as {\"keys\": […]}; issuerctl jwks writes that form, and issuerctl publish \
             uploads it",
        ),
        Value::String(inner) if serde_json::from_str::<Map<String, Value>>(inner).is_ok() => {
            replacing(
                format!("{name} is JSON encoded twice: one string that contains the document"),
                AGAIN,
            )
        }
        other => replacing(format!("{name} is JSON, but {} and not an object", kind(other)), AGAIN),
    }
}

fn not_json(text: &str, error: &serde_json::Error, document: Document) -> Fault {
    let name = document.name();
    let start = text.trim_start();
    let lower = start.get(..start.len().min(512)).unwrap_or(start).to_ascii_lowercase();
    let begins = quote(&start.chars().take(40).collect::<String>());
    let what = |what: String, fix: &str| replacing(format!("{name} is not JSON but {what}"), fix);
    let is_ssh = start.starts_with("ssh-") || start.starts_with("ecdsa-sha2-");
    if start.contains("-----BEGIN") || is_ssh {
        let form = if is_ssh { "an OpenSSH public key" } else { "a PEM file" };
        let fix = match document {
            Document::Keys => {
                "convert it to a JWK Set (issuerctl jwks), or convert and publish it in one step \
                 (issuerctl publish)"
            }
            Document::Discovery => AGAIN,
        };
        return what(format!("{form} ({begins})"), fix);
    }
    if text.lines().any(|line| line.starts_with("<<<<<<< ")) {
        return what("text with merge conflict markers (<<<<<<<)".to_owned(), AGAIN);
    }
    if ["<?xml", "<error", "<listbucketresult", "<enumerationresults"]
        .iter()
        .any(|tag| lower.starts_with(tag))
    {
        return not_xml(start, &begins, what);
    }
    if lower.starts_with('<') {
        return what(
            format!("HTML, a web page ({begins})"),
            "configure the server to serve the JSON file at this path instead of a start or login \
             page (no catch-all route); issuerctl publish writes the file",
        );
    }
    if from_base64(start)
        .is_some_and(|bytes| serde_json::from_slice::<Map<String, Value>>(&bytes).is_ok())
    {
        return what(
            "JSON encoded in base64, as in a Secret".to_owned(),
            "decode it (base64 -d) and publish it again (issuerctl publish)",
        );
    }
    if start.starts_with("eyJ") {
        return what(format!("a token ({begins})"), AGAIN);
    }
    if error.is_eof() {
        return what(
            format!("the beginning of JSON: it is truncated after {} bytes", text.len()),
            "upload the complete document again (issuerctl publish)",
        );
    }
    let stray = stray_in_json(text).map(|stray| stray.what);
    let reason = match stray {
        Some(Unexpected::Comment(_)) if text.contains('{') => "JSON with a comment",
        _ if start.starts_with(['{', '[']) => "invalid JSON",
        _ => "other text",
    };
    let why = shorten(&explain_json(text, error));
    what(format!("{reason} ({why}); it begins with {begins}"), AGAIN)
}

fn not_xml(text: &str, begins: &str, what: impl Fn(String, &str) -> Fault) -> Fault {
    if text.contains("<ListBucketResult") || text.contains("<EnumerationResults") {
        return what(
            "XML, a listing of the bucket: the URL is that of the bucket, not of an object in it"
                .to_owned(),
            "publish the document at this path, and configure the CDN or proxy to forward the path \
             unchanged",
        );
    }
    let Some(code) = element(text, "Code") else {
        return what(format!("XML, possibly the error page of a store ({begins})"), OWN_STATUS);
    };
    let error = format!("XML, the error {} of a store, although the status is 200", quote(code));
    if ["Denied", "Forbidden", "NotPermitted"].iter().any(|word| code.contains(word)) {
        let fix = "allow anonymous readers to get the document from the store (public bucket \
                   policy), and configure the CDN to return errors with their own status";
        return Fault { remedy: None, ..what(error, fix) };
    }
    what(error, OWN_STATUS)
}

/// What a text encodes in base64, as the values of a Secret are encoded.
pub(super) fn from_base64(text: &str) -> Option<Vec<u8>> {
    let packed: String = text.split_ascii_whitespace().collect();
    let bare = packed.trim_end_matches('=').replace('+', "-").replace('/', "_");
    Base64UrlUnpadded::decode_vec(&bare).ok().filter(|bytes| !bytes.is_empty())
}

/// A Content-Encoding other than those that mean a plain body.
pub(super) fn pointless_encoding(encoding: Option<&str>) -> Option<&str> {
    encoding.filter(|e| {
        !matches!(e.trim().to_ascii_lowercase().as_str(), "identity" | "aws-chunked" | "")
    })
}

/// What a JSON object is, if it is a well-known object of another kind.
pub(super) fn other_object(object: &Map<String, Value>, document: Document) -> Option<Fault> {
    let name = document.name();
    let has = |member: &str| object.contains_key(member);
    if has("kind") && has("apiVersion") {
        return Some(replacing(
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
        return Some(replacing(
            format!("{name} is not a {wanted} but an error of the server, {said}"),
            OWN_STATUS,
        ));
    }
    match document {
        Document::Discovery if has("keys") && !has("issuer") => Some(replacing(
            format!(
                "{name} is a JWK Set: the keys are where the discovery document belongs (swapped?)"
            ),
            "upload each document to its own path; issuerctl publish writes both",
        )),
        Document::Keys if has("keys") => None,
        Document::Keys if has("jwks_uri") || has("issuer") => Some(replacing(
            format!(
                "{name} is a discovery document, not a JWK Set: it has no \"keys\" (swapped, or \
                 jwks_uri points to the discovery document?)"
            ),
            "upload the JWK Set to the URL in jwks_uri, or set jwks_uri to its URL; issuerctl \
             publish does both",
        )),
        Document::Keys if has("kty") => Some(replacing(
            format!("{name} is a single JWK, not a JWK Set: the member \"keys\" is missing"),
            "wrap it as {\"keys\": [ … ]}; issuerctl jwks writes that form, and issuerctl publish \
             uploads it",
        )),
        Document::Keys
            if object.values().any(|v| v.as_str().is_some_and(|s| s.contains("-----BEGIN"))) =>
        {
            Some(replacing(
                format!("{name} is a map of PEM texts, not a JWK Set: it has no \"keys\""),
                "convert the keys to a JWK Set (issuerctl jwks), or convert and publish them in \
                 one step (issuerctl publish)",
            ))
        }
        _ => None,
    }
}
