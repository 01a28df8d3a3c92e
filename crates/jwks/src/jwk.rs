//! One JWK (RFC 7517 section 4) between JSON and [`Jwk`].

use std::borrow::Cow;
use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use issuer_diagnostic::{Encoding as Charset, deceptive, decode, explain_json};
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use crate::key::Members as Material;
use crate::{
    Content, Curve, Error, JwkFault, KeyFault, KeyId, PublicKey, WeakKeys, der_key, recognize,
};

/// One entry of a JWK Set: a public key under a kid.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Jwk {
    /// The key's id; the hash of the key unless the entry came from a document that says otherwise.
    pub kid: KeyId,
    /// The key.
    pub key: PublicKey,
}

/// The members of a JWK that hold the private part of an EC or RSA key (RFC 7518 sections 6.2.2
/// and 6.3.2).
pub const PRIVATE_MEMBERS: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

/// RS384 and RS512: AWS STS accepts them with an RSA key, and kube-apiserver never uses them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LargerHashes {
    Accept,
    Refuse,
}

/// A JSON object, member by member, including duplicates.
pub(crate) struct Members(Vec<(String, Value)>);

impl Members {
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(member, _)| member == name).map(|(_, value)| value)
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }

    fn duplicate(&self) -> Option<&str> {
        let twice = |(index, (name, _)): (usize, &(String, Value))| {
            self.0[..index].iter().any(|(n, _)| n == name)
        };
        self.0.iter().enumerate().find(|&pair| twice(pair)).map(|(_, (name, _))| name.as_str())
    }
}

/// The entries of a JWK Set document.
pub(crate) fn parse_set(bytes: &[u8]) -> Result<Vec<Result<Members, JwkFault>>, Error> {
    let wrong = |what| Error::NotAJwkSet { what };
    if bytes.len() > crate::MAX_INPUT_BYTES {
        return Err(Error::TooLarge);
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Error::Empty);
    }
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err(Error::NotJson { reason: "it begins with a byte order mark".to_owned() });
    }
    if recognize::is_compressed(bytes) {
        return Err(wrong(Content::Archive));
    }
    match decode(bytes) {
        Ok(text) if text.encoding != Charset::Utf8 => {
            let reason = format!("it is encoded as {}, not as UTF-8", text.encoding);
            return Err(Error::NotJson { reason });
        }
        Ok(_) => {}
        Err(fault) => return Err(Error::NotJson { reason: fault.to_string() }),
    }
    let document: SetDocument = serde_json::from_slice(bytes).map_err(|error| {
        if error.is_data() {
            return wrong(Content::NoKeys);
        }
        let text = String::from_utf8_lossy(bytes);
        if let Some(what) = recognize::error_answer(&text) {
            return Error::ErrorAnswer { what };
        }
        let reason = match bytes.trim_ascii_start() {
            [b'<', ..] => "it is HTML or XML".to_owned(),
            [b'-', b'-', ..] => "it is PEM".to_owned(),
            _ => explain_json(&text, &error),
        };
        Error::NotJson { reason }
    })?;
    if let Some(message) = document.status() {
        return Err(Error::ErrorAnswer { what: recognize::status(message) });
    }
    if let Some(keys) = document.keys {
        return if document.twice { Err(wrong(Content::DuplicateKeys)) } else { Ok(keys) };
    }
    Err(wrong(if document.members.iter().any(|m| m == "k") {
        Content::SymmetricKey
    } else if document.members.iter().any(|m| m == "kty") {
        Content::SingleJwk
    } else if document.members.iter().any(|m| m == "jwks_uri") {
        Content::DiscoveryDocument
    } else if document.members.iter().any(|m| m == "apiVersion" || m == "kind") {
        Content::KubernetesObject
    } else {
        Content::NoKeys
    }))
}

/// Checks an entry against every rule of AWS STS and the other readers.
pub(crate) fn read(
    members: &Members,
    weak: WeakKeys,
    larger: LargerHashes,
) -> Result<Jwk, JwkFault> {
    if let Some(member) = PRIVATE_MEMBERS.into_iter().find(|name| members.get(name).is_some()) {
        return Err(JwkFault::PrivateMember { member });
    }
    if members.text("kty") == Some("oct") {
        return Err(JwkFault::Symmetric);
    }
    if members.get("k").is_some() {
        return Err(JwkFault::PrivateMember { member: "k" });
    }
    if let Some(member) = members.duplicate() {
        return Err(JwkFault::DuplicateMember { member: member.to_owned() });
    }
    let kid = match members.get("kid") {
        None => return Err(JwkFault::MissingKid),
        Some(kid) => kid.as_str().and_then(|kid| KeyId::new(kid).ok()).ok_or(JwkFault::BadKid)?,
    };
    if let Some(value) = members.get("use").filter(|value| value.as_str() != Some("sig")) {
        return Err(JwkFault::Use { value: value.to_string() });
    }
    if members.get("key_ops").is_some() {
        return Err(JwkFault::KeyOps);
    }
    let key = match members.text("kty") {
        None => return Err(JwkFault::MissingKeyType),
        Some("RSA") => PublicKey::rsa(&base64(members, "n")?, &base64(members, "e")?, weak)
            .map_err(JwkFault::Key)?,
        Some("EC") => ec(members)?,
        Some(kty) => return Err(JwkFault::KeyType { kty: kty.to_owned() }),
    };
    if let Some(alg) = members.get("alg").filter(|alg| !fits(alg, &key, larger)) {
        let alg = alg.as_str().map_or_else(|| alg.to_string(), str::to_owned);
        return Err(JwkFault::Algorithm { alg, expected: key.algorithm() });
    }
    check_certificate(members, &key)?;
    Ok(Jwk { kid, key })
}

/// Appends an entry as go-jose writes it in kube-apiserver (go-jose `jwk.go`).
pub(crate) fn write(json: &mut String, jwk: &Jwk) {
    for (index, (name, value)) in written(jwk).iter().enumerate() {
        json.push_str(if index == 0 { "{\"" } else { ",\"" });
        json.push_str(name);
        json.push_str("\":\"");
        json.push_str(value);
        json.push('"');
    }
    json.push('}');
}

/// An entry indented as a member of the array of [`crate::JwkSet::to_json_pretty`].
pub(crate) fn to_pretty(jwk: &Jwk) -> String {
    let lines: Vec<String> =
        written(jwk).iter().map(|(name, value)| format!("      \"{name}\": \"{value}\"")).collect();
    format!("    {{\n{}\n    }}", lines.join(",\n"))
}

/// Names and values, in order; the values as they are between the quotes of a JSON string.
fn written(jwk: &Jwk) -> Vec<(&'static str, Cow<'_, str>)> {
    let number = |bytes: &[u8]| Cow::Owned(Base64UrlUnpadded::encode_string(bytes));
    let (kid, alg) = (escape(jwk.kid.as_str()), jwk.key.algorithm().as_str().into());
    let mut members = Vec::with_capacity(7);
    members.extend([("use", "sig".into()), ("kty", jwk.key.key_type().into()), ("kid", kid)]);
    match &jwk.key.0 {
        Material::Rsa { n, e } => {
            members.extend([("alg", alg), ("n", number(n)), ("e", number(e))])
        }
        Material::Ec { curve, point } => {
            let (x, y) = point.split_at(curve.width());
            members.extend([
                ("crv", curve.as_str().into()),
                ("alg", alg),
                ("x", number(x)),
                ("y", number(y)),
            ]);
        }
    }
    members
}

/// The escapes of Go's `encoding/json`; a kid that is a hash has none.
fn escape(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
        return text.into();
    }
    let json = Value::from(text).to_string();
    json[1..json.len() - 1]
        .replace('&', "\\u0026")
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
        .into()
}

fn base64(members: &Members, member: &'static str) -> Result<Vec<u8>, JwkFault> {
    let text =
        members.text(member).filter(|text| !text.is_empty()).ok_or(JwkFault::Member { member })?;
    Base64UrlUnpadded::decode_vec(text).map_err(|_| {
        let stray = text.chars().find(|c| deceptive(*c).is_some());
        JwkFault::Base64 { member, stray }
    })
}

fn ec(members: &Members) -> Result<PublicKey, JwkFault> {
    let curve = match members.text("crv") {
        Some("P-256") => Curve::P256,
        Some("P-384") => Curve::P384,
        Some("P-521") => Curve::P521,
        Some(crv) => return Err(JwkFault::Curve { crv: crv.to_owned() }),
        None => return Err(JwkFault::Member { member: "crv" }),
    };
    let mut point = vec![4];
    for member in ["x", "y"] {
        let coordinate = base64(members, member)?;
        if coordinate.len() != curve.width() {
            return Err(JwkFault::Width {
                member,
                bytes: coordinate.len(),
                expected: curve.width(),
            });
        }
        point.extend(coordinate);
    }
    PublicKey::ec(curve, &point).map_err(JwkFault::Key)
}

/// Whether `alg` is one for the key.
fn fits(alg: &Value, key: &PublicKey, larger: LargerHashes) -> bool {
    let expected = key.algorithm();
    let with_larger =
        expected == crate::Algorithm::Rs256 && matches!(alg.as_str(), Some("RS384" | "RS512"));
    alg.as_str() == Some(expected.as_str()) || (with_larger && larger == LargerHashes::Accept)
}

/// RFC 7517 section 4.7: the first certificate must contain the same key; it is in standard base64.
fn check_certificate(members: &Members, key: &PublicKey) -> Result<(), JwkFault> {
    let Some(chain) = members.get("x5c") else { return Ok(()) };
    let first = chain.as_array().and_then(|chain| chain.first()).and_then(Value::as_str);
    let der = first
        .and_then(|text| base64ct::Base64::decode_vec(text).ok())
        .ok_or(JwkFault::Certificate)?;
    match der_key::read(&der, WeakKeys::Allow) {
        Ok(found) if !found.private && found.key == *key => Ok(()),
        Err(KeyFault::RsaPss) | Ok(_) | Err(_) => Err(JwkFault::Certificate),
    }
}

struct SetDocument {
    keys: Option<Vec<Result<Members, JwkFault>>>,
    twice: bool,
    members: Vec<String>,
    kind: Option<Value>,
    message: Option<Value>,
}

impl SetDocument {
    /// The message, if it is a Kubernetes `Status`.
    fn status(&self) -> Option<&str> {
        let is_status = self.kind.as_ref().and_then(Value::as_str) == Some("Status");
        self.message.as_ref().filter(|_| is_status).and_then(Value::as_str)
    }
}

impl<'de> Deserialize<'de> for SetDocument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SetVisitor;
        impl<'de> Visitor<'de> for SetVisitor {
            type Value = SetDocument;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with an array \"keys\"")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SetDocument, A::Error> {
                let mut document = SetDocument {
                    keys: None,
                    twice: false,
                    members: Vec::new(),
                    kind: None,
                    message: None,
                };
                while let Some(name) = map.next_key::<String>()? {
                    if name == "keys" {
                        let entries: Vec<EntryDocument> = map.next_value()?;
                        document.twice |= document.keys.is_some();
                        document.keys = Some(entries.into_iter().map(|entry| entry.0).collect());
                    } else {
                        match name.as_str() {
                            "kind" => document.kind = Some(map.next_value()?),
                            "message" => document.message = Some(map.next_value()?),
                            _ => drop(map.next_value::<de::IgnoredAny>()?),
                        }
                        document.members.push(name);
                    }
                }
                Ok(document)
            }
        }
        deserializer.deserialize_map(SetVisitor)
    }
}

struct EntryDocument(Result<Members, JwkFault>);

impl<'de> Deserialize<'de> for EntryDocument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntryVisitor;
        impl<'de> Visitor<'de> for EntryVisitor {
            type Value = EntryDocument;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JWK")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<EntryDocument, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry::<String, Value>()? {
                    members.push(member);
                }
                Ok(EntryDocument(Ok(Members(members))))
            }

            fn visit_bool<E>(self, _: bool) -> Result<EntryDocument, E> {
                Ok(EntryDocument(Err(JwkFault::NotAnObject)))
            }

            fn visit_i64<E>(self, _: i64) -> Result<EntryDocument, E> {
                Ok(EntryDocument(Err(JwkFault::NotAnObject)))
            }

            fn visit_u64<E>(self, _: u64) -> Result<EntryDocument, E> {
                Ok(EntryDocument(Err(JwkFault::NotAnObject)))
            }

            fn visit_f64<E>(self, _: f64) -> Result<EntryDocument, E> {
                Ok(EntryDocument(Err(JwkFault::NotAnObject)))
            }

            fn visit_str<E>(self, _: &str) -> Result<EntryDocument, E> {
                Ok(EntryDocument(Err(JwkFault::NotAnObject)))
            }

            fn visit_unit<E>(self) -> Result<EntryDocument, E> {
                Ok(EntryDocument(Err(JwkFault::NotAnObject)))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(
                self,
                mut seq: A,
            ) -> Result<EntryDocument, A::Error> {
                while seq.next_element::<de::IgnoredAny>()?.is_some() {}
                Ok(EntryDocument(Err(JwkFault::NotAnObject)))
            }
        }
        deserializer.deserialize_any(EntryVisitor)
    }
}
