//! The key that a token's kid names, and whether the signature was made with it.

use issuer_jwks::{Jwk, JwkSet, Token};
use serde_json::Value;

use crate::judge::entry;
use crate::judge::keys::{Published, kids};
use crate::judge::token_text::FRESH;
use crate::text::{kind, quote};
use crate::verdict::{Fault, replacing};
use crate::{Check, sts};

const KID: &str = "token-kid";
const SIGNATURE: &str = "token-signature";

/// Judges kid and signature, unless both only follow from the failed check `root`.
pub(super) fn judge(
    token: &Token,
    published: &Published,
    given: Option<&JwkSet>,
    root: Option<&'static str>,
) -> [Check; 2] {
    let kid = match token.header().get("kid") {
        // Tokens of API servers before 1.16 have none; STS then uses the key that is published
        // under the empty kid.
        None | Some(Value::Null) => Some(""),
        Some(Value::String(kid)) => Some(kid.as_str()),
        Some(_) => None,
    };
    let known = published.keys.iter().rfind(|jwk| Some(jwk.kid.as_str()) == kid);
    let skip =
        |root: &str| [KID, SIGNATURE].map(|id| Check::skip(id, format!("follows from {root}")));
    match (root, known) {
        (Some(root @ "keys-usable"), None) => return skip(root),
        (Some("keys-usable") | None, _) => {}
        (Some(root), _) => return skip(root),
    }
    if let Some(jwk) = known {
        let found = match token.kid() {
            Some(kid) => format!("the kid {} is published ({})", quote(kid), jwk.key.describe()),
            None => {
                "the token has no kid, and a key is published under the empty kid for it".to_owned()
            }
        };
        return [Check::pass(KID, found), signature(token, jwk, published)];
    }
    let fault = match token.header().get("kid") {
        None | Some(Value::Null) => Fault::new(
            "the token's header has no kid (it is missing): STS finds the key only by its kid",
            "use tokens of an API server of Kubernetes 1.16 or later, which sets a kid; for older \
             versions, publish the key under the empty kid as well",
        ),
        Some(Value::String(kid)) if published.reported.contains(kid) => {
            return skip("keys-expected");
        }
        Some(Value::String(kid)) => unknown_kid(token, kid, published, given),
        Some(other) => {
            Fault::new(format!("the token's kid is {}, not a string", kind(other)), FRESH)
        }
    };
    [Check::fail(KID, sts::NO_KEY, fault), Check::skip(SIGNATURE, "follows from token-kid")]
}

fn unknown_kid(token: &Token, kid: &str, published: &Published, given: Option<&JwkSet>) -> Fault {
    let there = kids(&published.keys);
    if let Some(signer) = published.keys.iter().find(|jwk| token.is_signed_by(&jwk.key)) {
        return replacing(
            format!(
                "no key is published under the token's kid {}; the key that signed it is published \
                 under another kid, {}",
                quote(kid),
                quote(signer.kid.as_str())
            ),
            "publish the key under the kid that is in the header of the tokens; issuerctl publish \
             writes the kid that the API server uses",
        );
    }
    let is_given = given.is_some_and(|set| set.get(kid).is_some());
    let source = if is_given { " (it is among the given keys)" } else { "" };
    Fault::new(
        format!("the token's signing key, kid {}{source}, is not published; {there}", quote(kid)),
        "publish the key that the API server currently signs with, in addition to the present keys \
         (issuerctl publish)",
    )
}

fn signature(token: &Token, jwk: &Jwk, published: &Published) -> Check {
    if token.header().contains_key("crit") {
        let cause = "the token's header has crit, which requires extensions that are not supported";
        return Check::fail(SIGNATURE, sts::NO_KEY, Fault::new(cause, FRESH));
    }
    let named = match token.kid() {
        Some(kid) => format!("its kid {}", quote(kid)),
        None => "the empty kid (the token has none)".to_owned(),
    };
    if token.is_signed_by(&jwk.key) {
        let declared = published.declared.get(jwk.kid.as_str()).map(String::as_str);
        if let (Some(declared), Some(alg)) = (declared, token.alg())
            && declared != alg
        {
            let cause = format!(
                "the token is signed with {}, but the key published under {named} says alg {}: it \
                 must not be used for this token (RFC 7517 section 4.4)",
                quote(alg),
                quote(declared)
            );
            let fix = format!("set alg to {} or remove it; {}", quote(alg), entry::rewrite());
            return Check::fail(SIGNATURE, sts::NO_KEY, Fault::new(cause, fix));
        }
        return Check::pass(
            SIGNATURE,
            format!("the signature was made with the key {}", quote(jwk.kid.as_str())),
        );
    }
    if published.reported.iter().any(|kid| kid == jwk.kid.as_str()) {
        return Check::skip(SIGNATURE, "follows from keys-expected");
    }
    let others = || published.keys.iter().filter(|other| other.key != jwk.key);
    if others().any(|other| other.kid == jwk.kid) {
        return Check::skip(SIGNATURE, "follows from keys-usable: two keys share the kid");
    }
    let alg = token.alg().unwrap_or_default();
    let fault = if let Some(signer) = others().find(|other| token.is_signed_by(&other.key)) {
        replacing(
            format!(
                "the token was not signed by the key published under {named}, but by the one \
                 published under the kid {}: the kids are swapped or wrong",
                quote(signer.kid.as_str())
            ),
            format!(
                "publish each key under its own kid, the one in the header of its tokens: {}",
                entry::rewrite()
            ),
        )
    } else if alg != jwk.key.algorithm().as_str()
        && !(alg.starts_with("RS") && jwk.key.key_type() == "RSA")
    {
        replacing(
            format!(
                "the token's alg is {}, but tokens of the key published under {named} are signed \
                 with {}",
                quote(alg),
                jwk.key.algorithm()
            ),
            "publish the key that signed the token under this kid (issuerctl publish)",
        )
    } else {
        replacing(
            format!(
                "the token's signature is not valid for the key published under {named}: the token \
                 was changed or truncated, or another key was published under this kid",
            ),
            "use the complete, unchanged token, or a fresh one (kubectl create token); if that \
             fails too, publish the API server's key again (issuerctl publish)",
        )
    };
    Check::fail(SIGNATURE, sts::NO_KEY, fault)
}
