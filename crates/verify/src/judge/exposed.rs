//! A private key in a published document. It is reported before every other fault: a document can
//! be fixed, a key that others have read cannot.

use issuer_jwks::{Error, JwkFault, PRIVATE_MEMBERS};
use serde_json::Value;

use crate::judge::json;
use crate::judge::subject::Document;
use crate::verdict::{Fault, replacing};

/// The fix for a private key that was published.
const ROTATE: &str = "the key is compromised; rotate now: create a new signing key (issuerctl keygen), \
                      publish its public key beside this one (issuerctl publish), let every API \
                      server sign with the new key only, and remove this key from the published \
                      files then (issuerctl publish --prune with the new public key)";

/// The private key in a document, in any form, base64 included.
pub(super) fn in_document(body: &[u8], document: Document) -> Option<Fault> {
    let text = String::from_utf8_lossy(body);
    let in_base64 = || form(&String::from_utf8_lossy(&json::from_base64(&text)?));
    let what = form(&text).or_else(in_base64)?;
    Some(fault(&format!("{} is or contains {what}", document.name())))
}

/// The same for an entry of a JWK Set; `who` names it.
pub(super) fn in_entry(who: &str, raw: Option<&Value>) -> Fault {
    let there = raw.map(members).unwrap_or_default();
    fault(&format!("{who} is published with its private members {there}"))
}

/// Whether an entry is refused because it contains a private key.
pub(super) fn is_private(error: &Error) -> bool {
    matches!(
        error,
        Error::Entry { fault: JwkFault::PrivateMember { .. } | JwkFault::Symmetric, .. }
    )
}

fn fault(what: &str) -> Fault {
    replacing(
        format!("{what}: anyone who has read it can sign tokens for every role of this cluster"),
        ROTATE,
    )
}

fn members(jwk: &Value) -> String {
    // With the one of a symmetric key, RFC 7518 section 6.4.1.
    let secret = PRIVATE_MEMBERS.into_iter().chain(["k"]);
    secret.filter(|name| jwk.get(*name).is_some()).collect::<Vec<_>>().join(", ")
}

/// The form in which a text holds a private key.
fn form(text: &str) -> Option<String> {
    if text.contains("PRIVATE KEY-----") {
        return Some("a PEM file of a PRIVATE key".to_owned());
    }
    let parsed = serde_json::from_str::<Value>(text).ok();
    if is_secret(text, parsed.as_ref()) {
        return Some("a Kubernetes Secret that contains a private key".to_owned());
    }
    Some(format!("a JWK with its private members {}", members(private_jwk(&parsed?)?)))
}

/// As JSON or as YAML, with a value whose name ends in `key`, such as `tls.key`.
fn is_secret(text: &str, parsed: Option<&Value>) -> bool {
    let Some(value) = parsed else {
        let mut names = text.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name);
        return text.lines().any(|line| line.trim_end() == "kind: Secret")
            && names.any(|name| name.ends_with("key"));
    };
    let data =
        ["data", "stringData"].into_iter().filter_map(|member| value.get(member)?.as_object());
    let has_key = data.flat_map(serde_json::Map::keys).any(|name| name.ends_with("key"));
    has_key && value.get("kind").and_then(Value::as_str) == Some("Secret")
}

/// The first JWK with a private member, at any depth.
fn private_jwk(value: &Value) -> Option<&Value> {
    match value {
        Value::Object(object) if object.contains_key("kty") && !members(value).is_empty() => {
            Some(value)
        }
        Value::Object(object) => object.values().find_map(private_jwk),
        Value::Array(items) => items.iter().find_map(private_jwk),
        _ => None,
    }
}
