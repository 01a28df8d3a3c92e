//! The key that a token names, and whether that key made its signature.

use base64ct::{Base64UrlUnpadded, Encoding};
use issuer_jwks::{Jwk, JwkSet, PublicKey, Token, WeakKeys};
use rustls::SignatureScheme;
use rustls::crypto::aws_lc_rs;
use serde_json::Value;
use x509_cert::der::asn1::{AnyRef, UintRef};
use x509_cert::der::{Decode, Encode, Tag};
use x509_cert::spki::SubjectPublicKeyInfoRef;

use crate::judge::entry;
use crate::judge::keys::{Published, kids};
use crate::judge::token::FRESH;
use crate::text::{kind, quote};
use crate::verdict::Fault;
use crate::{Check, sts};

const KID: &str = "token-kid";
const SIGNATURE: &str = "token-signature";

/// Judges kid and signature, unless both only follow from the check `root`, which failed.
pub(super) fn judge(
    token: &Token,
    published: &Published,
    given: Option<&JwkSet>,
    root: Option<&'static str>,
) -> [Check; 2] {
    let kid = match token.header().get("kid") {
        // The tokens of API servers before 1.16 have none; STS then takes the key that is published under the empty kid.
        None | Some(Value::Null) => Some(""),
        Some(Value::String(kid)) => Some(kid.as_str()),
        Some(_) => None,
    };
    let known = published.keys.iter().rfind(|jwk| Some(jwk.kid.as_str()) == kid);
    let skip = |root: &str| [KID, SIGNATURE].map(|id| Check::skip(id, format!("follows from {root}")));
    match (root, known) {
        (Some(root @ "keys-usable"), None) => return skip(root),
        (Some("keys-usable") | None, _) => {}
        (Some(root), _) => return skip(root),
    }
    if let Some(jwk) = known {
        let found = match token.kid() {
            Some(kid) => format!("the kid {} is published ({})", quote(kid), jwk.key.describe()),
            None => "the token has no kid, and a key is published under the empty kid for it".to_owned(),
        };
        return [Check::pass(KID, found), signature(token, jwk, published)];
    }
    let fault = match token.header().get("kid") {
        None | Some(Value::Null) => Fault::new(
            "the token's header has no kid (it is missing): STS finds the key by it alone",
            "let an API server of Kubernetes 1.16 or later sign, which writes a kid; for older ones publish the key under \
             the empty kid too (issuerctl publish --with-empty-kid)",
        ),
        Some(Value::String(kid)) if published.blamed.contains(kid) => return skip("keys-expected"),
        Some(Value::String(kid)) => unknown_kid(token, kid, published, given),
        Some(other) => Fault::new(format!("the token's kid is {}, not a string", kind(other)), FRESH),
    };
    [Check::fail(KID, sts::NO_KEY, fault), Check::skip(SIGNATURE, "follows from token-kid")]
}

fn unknown_kid(token: &Token, kid: &str, published: &Published, given: Option<&JwkSet>) -> Fault {
    let there = kids(&published.keys);
    if let Some(signer) = published.keys.iter().find(|jwk| made_by(token, jwk) == Some(true)) {
        return Fault::new(
            format!(
                "no key is published under the token's kid {}; the key that signed it is there, but under another kid, {}",
                quote(kid),
                quote(signer.kid.as_str())
            ),
            "publish the key under the kid that the tokens carry: issuerctl publish KEY-SOURCE writes the API server's kid",
        );
    }
    let is_given = given.is_some_and(|set| set.get(kid).is_some());
    let source = if is_given { " (it is among the given keys)" } else { "" };
    Fault::new(
        format!("the token's kid {}{source}, its signing key, is not published; {there}", quote(kid)),
        "publish the key that the API server signs with now, beside the present ones: issuerctl publish --cluster NAME (or --key \
         sa.pub) --to s3://BUCKET",
    )
}

fn signature(token: &Token, jwk: &Jwk, published: &Published) -> Check {
    if token.header().contains_key("crit") {
        let cause = "the token's header has crit, which names extensions that no reader here knows";
        return Check::fail(SIGNATURE, sts::NO_KEY, Fault::new(cause, FRESH));
    }
    let named = match token.kid() {
        Some(kid) => format!("its kid {}", quote(kid)),
        None => "the empty kid (the token has none)".to_owned(),
    };
    match made_by(token, jwk) {
        Some(true) => {
            return Check::pass(SIGNATURE, format!("the signature is that of the key {}", quote(jwk.kid.as_str())));
        }
        None => return Check::skip(SIGNATURE, "RSA keys of fewer than 2048 bits are not checked here"),
        Some(false) => {}
    }
    if published.blamed.iter().any(|kid| kid == jwk.kid.as_str()) {
        return Check::skip(SIGNATURE, "follows from keys-expected");
    }
    let others = || published.keys.iter().filter(|other| other.key != jwk.key);
    if others().any(|other| other.kid == jwk.kid) {
        return Check::skip(SIGNATURE, "follows from keys-usable: two keys share the kid");
    }
    let alg = token.alg().unwrap_or_default();
    let fault = if let Some(signer) = others().find(|other| made_by(token, other) == Some(true)) {
        Fault::new(
            format!(
                "the token was not signed by the key published under {named}, but by the one published under the kid {}: the \
                 kids are swapped or wrong",
                quote(signer.kid.as_str())
            ),
            format!("publish each key under its own kid, the one that the tokens carry: {}", entry::anew()),
        )
    } else if !fits(alg, jwk) {
        Fault::new(
            format!(
                "the token says alg {}, but the key published under {named} signs {}: they do not match",
                quote(alg),
                jwk.key.algorithm()
            ),
            "publish the key that signed the token under this kid: issuerctl publish KEY-SOURCE",
        )
    } else {
        Fault::new(
            format!(
                "the token's signature does not hold (is not valid) for the key published under {named}: the token was changed \
                 or cut off, or another key was published under this kid",
            ),
            "use the token whole and unchanged, or a fresh one (kubectl create token); if that fails too, publish the API \
             server's key anew: issuerctl publish KEY-SOURCE",
        )
    };
    Check::fail(SIGNATURE, sts::NO_KEY, fault)
}

fn fits(alg: &str, jwk: &Jwk) -> bool {
    match jwk.key.algorithm().as_str() {
        "RS256" => matches!(alg, "RS256" | "RS384" | "RS512"),
        other => alg == other,
    }
}

/// Whether this key made the token's signature, whatever its kid; none where that cannot be told here.
fn made_by(token: &Token, jwk: &Jwk) -> Option<bool> {
    let alg = token.alg()?;
    if !fits(alg, jwk) {
        return Some(false);
    }
    // Token::verify looks the key up by the token's kid and knows RS256 alone of the RSA algorithms.
    match token.kid() {
        Some(kid) if !matches!(alg, "RS384" | "RS512") => Some(token.verify(&alone(jwk, kid)?).is_ok()),
        _ => verifies(token, alg, &jwk.key),
    }
}

/// A set of this key alone, under `kid`.
fn alone(jwk: &Jwk, kid: &str) -> Option<JwkSet> {
    let set = JwkSet::from_keys([jwk.key.clone()]).ok()?;
    let mut document: Value = serde_json::from_str(&set.to_json()).ok()?;
    *document.pointer_mut("/keys/0/kid")? = Value::String(kid.to_owned());
    JwkSet::parse(document.to_string().as_bytes(), WeakKeys::Allow).ok()
}

/// The same with the verifiers of the TLS stack, which take no RSA key of fewer than 2048 bits.
fn verifies(token: &Token, alg: &str, key: &PublicKey) -> Option<bool> {
    let scheme = match alg {
        "RS256" => SignatureScheme::RSA_PKCS1_SHA256,
        "RS384" => SignatureScheme::RSA_PKCS1_SHA384,
        "RS512" => SignatureScheme::RSA_PKCS1_SHA512,
        "ES256" => SignatureScheme::ECDSA_NISTP256_SHA256,
        "ES384" => SignatureScheme::ECDSA_NISTP384_SHA384,
        "ES512" => SignatureScheme::ECDSA_NISTP521_SHA512,
        _ => return None,
    };
    let verifiers = aws_lc_rs::default_provider().signature_verification_algorithms.mapping;
    // Of several the first is that of the scheme's own curve.
    let verifier = verifiers.iter().find(|(of, _)| *of == scheme)?.1.first()?;
    let spki = key.to_spki_der();
    let key = SubjectPublicKeyInfoRef::from_der(&spki).ok()?.subject_public_key.raw_bytes();
    let is_rsa = alg.starts_with("RS");
    if is_rsa && key.len() < 2048 / 8 {
        return None;
    }
    let compact = token.compact();
    let (message, signature) = compact.rsplit_once('.')?;
    let signature = Base64UrlUnpadded::decode_vec(signature).ok()?;
    let signature = if is_rsa { Some(signature) } else { ecdsa_der(&signature) };
    Some(signature.is_some_and(|bytes| verifier.verify_signature(key, message.as_bytes(), &bytes).is_ok()))
}

/// The two numbers of a JWS signature (RFC 7518 section 3.4) as X.509 writes them.
fn ecdsa_der(signature: &[u8]) -> Option<Vec<u8>> {
    let (r, s) = signature.split_at(signature.len() / 2);
    let number = |bytes| UintRef::new(bytes).ok()?.to_der().ok();
    AnyRef::new(Tag::Sequence, &[number(r)?, number(s)?].concat()).ok()?.to_der().ok()
}
