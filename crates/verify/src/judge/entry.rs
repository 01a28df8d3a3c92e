//! One entry of the JWK Set.

use base64ct::{Base64UrlUnpadded, Encoding};
use issuer_jwks::{Curve, Error, JwkFault, KeyFault};
use serde_json::Value;

use crate::judge::exposed;
use crate::text::{quote, show};
use crate::verdict::{Fault, replacing};

/// What is wrong with entry `number` (from 1), with more detail than the fault itself where the
/// entry provides it.
pub(super) fn fault(number: usize, raw: Option<&Value>, error: &Error) -> Fault {
    let member = |name: &str| raw.and_then(|raw| raw.get(name));
    let who = match member("kid") {
        Some(kid) => format!("key {number} (kid {})", show(kid)),
        None => format!("key {number}"),
    };
    let Error::Entry { fault, .. } = error else {
        return replacing(format!("{who} is not valid: {error}"), rewrite());
    };
    match fault {
        JwkFault::PrivateMember { .. } | JwkFault::Symmetric => exposed::in_entry(&who, raw),
        JwkFault::MissingKid => replacing(
            format!("{who} has no kid: the member is missing, and STS finds a key only by its kid"),
            format!("add the kid that is in the header of the tokens; {}", rewrite()),
        ),
        JwkFault::BadKid => replacing(
            format!("{who} has a kid that is not a string of at most 1024 characters"),
            format!(
                "write the kid as the string that is in the header of the tokens; {}",
                rewrite()
            ),
        ),
        JwkFault::Use { value } => replacing(
            format!(
                "{who} has use {}, not \"sig\": STS does not verify signatures with such a key",
                crate::text::shorten(value)
            ),
            format!("set use to \"sig\" or remove it; {}", rewrite()),
        ),
        JwkFault::KeyOps => replacing(
            format!(
                "{who} has key_ops ({}), and STS refuses keys that have key_ops",
                member("key_ops").map(show).unwrap_or_default()
            ),
            format!("remove key_ops, \"use\": \"sig\" is enough; {}", rewrite()),
        ),
        JwkFault::KeyType { kty } if matches!(kty.to_ascii_uppercase().as_str(), "RSA" | "EC") => {
            replacing(
                format!(
                    "{who} has kty {}: the value is case-sensitive and must be {}",
                    quote(kty),
                    kty.to_ascii_uppercase()
                ),
                format!("set kty to {}; {}", kty.to_ascii_uppercase(), rewrite()),
            )
        }
        JwkFault::KeyType { kty } => replacing(
            format!(
                "{who} has kty {}{} and is not supported: STS supports only RSA and EC keys",
                quote(kty),
                member("crv").map(|crv| format!(" (crv {})", show(crv))).unwrap_or_default()
            ),
            "sign with an RSA or EC key (issuerctl keygen generates one), and publish it in place \
             of this one (issuerctl publish)",
        ),
        JwkFault::Member { member: name } => replacing(
            match member(name) {
                None => format!("{who} has no {name}: the member is missing"),
                Some(Value::String(_)) => format!("{who} has an empty {name}"),
                Some(value) => {
                    format!(
                        "{who} has {name} {}, which is not a string (base64url is required)",
                        show(value)
                    )
                }
            },
            rewrite(),
        ),
        JwkFault::Base64 { member: name, .. } => replacing(
            format!(
                "{who} has {} in {name}, which must be base64url without padding",
                what_is_not_base64url(member(name))
            ),
            format!("encode {name} as base64url ('-' and '_', no '=', '+' or '/'); {}", rewrite()),
        ),
        JwkFault::Width { member: name, bytes, expected } => replacing(
            format!(
                "{who} has {name} with {bytes} bytes, but its curve needs exactly {expected} \
                 (leading zero bytes count)"
            ),
            match curve_of_width(member("x"), member("y")) {
                Some(curve) => format!(
                    "set crv to {curve}, which matches the length of x and y, and alg accordingly; \
                     or {}",
                    rewrite()
                ),
                None if bytes < expected => {
                    format!("pad {name} with zero bytes on the left; {}", rewrite())
                }
                None => rewrite(),
            },
        ),
        JwkFault::Algorithm { alg, expected } => replacing(
            format!(
                "{who} has alg {}, which does not match the key: its tokens are signed with \
                 {expected}",
                quote(alg)
            ),
            format!("set alg to {expected} or remove it; {}", rewrite()),
        ),
        JwkFault::Certificate => replacing(
            format!(
                "{who} has an x5c whose certificate does not match the key: it contains another \
                 key, or no key"
            ),
            format!("remove x5c; {}", rewrite()),
        ),
        JwkFault::Curve { crv } => match Curve::of_name(crv).map(Curve::as_str) {
            Some(curve) => replacing(
                format!(
                    "{who} has crv {}: the name of the curve must be exactly {curve}",
                    quote(crv)
                ),
                format!("set crv to {curve}; {}", rewrite()),
            ),
            None => replacing(
                format!(
                    "{who} has crv {}, which is not supported: STS supports P-256, P-384 and P-521",
                    quote(crv)
                ),
                "sign with a key on P-256, P-384 or P-521, or RSA (issuerctl keygen generates \
                 one), and publish it (issuerctl publish)",
            ),
        },
        // No tool generates such keys: the value is damaged, and the key itself may be fine.
        JwkFault::Key(KeyFault::WeakRsa { bits }) if *bits < 512 => replacing(
            format!(
                "{who} has an n of {bits} bits, which is not an RSA modulus: it is zero, truncated \
                 or another number"
            ),
            rewrite(),
        ),
        JwkFault::Key(KeyFault::WeakRsa { bits }) => replacing(
            format!(
                "{who} is an RSA key of {bits} bits, which is too weak; the minimum is 2048 bits"
            ),
            "generate a new signing key of at least 2048 bits (issuerctl keygen), rotate to it and \
             publish it (issuerctl publish)",
        ),
        other => replacing(format!("{who} is not valid: {other}"), rewrite()),
    }
}

/// The curve whose coordinates have the length of these two.
fn curve_of_width(x: Option<&Value>, y: Option<&Value>) -> Option<&'static str> {
    let width = |value: Option<&Value>| {
        Base64UrlUnpadded::decode_vec(value?.as_str()?).ok().map(|bytes| bytes.len())
    };
    match (width(x)?, width(y)?) {
        (32, 32) => Some("P-256"),
        (48, 48) => Some("P-384"),
        (66, 66) => Some("P-521"),
        _ => None,
    }
}

/// The fix that most faults share.
pub(super) fn rewrite() -> String {
    "publish the set again from the cluster's keys (issuerctl publish)".to_owned()
}

fn what_is_not_base64url(value: Option<&Value>) -> String {
    let text = value.and_then(Value::as_str).unwrap_or_default();
    if text.is_empty() {
        return "nothing".to_owned();
    }
    if text.contains(['+', '/']) {
        return "standard base64 ('+' and '/')".to_owned();
    }
    if text.contains('=') {
        return "base64 with padding ('=')".to_owned();
    }
    match text.chars().find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_')) {
        Some(c) if c.is_whitespace() => format!("white space (U+{:04X})", u32::from(c)),
        Some(c) => format!("the character {}", quote(&c.to_string())),
        None => format!("{} characters, which do not encode a whole number of bytes", text.len()),
    }
}
