//! What IAM validates in a policy document.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::iam::query::Refusal;

/// Everything but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The purpose of a document.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Trust,
    Permissions,
}

/// The encoding of documents in answers of IAM.
pub(super) fn encoded(document: &str) -> String {
    utf8_percent_encode(document, RESERVED).to_string()
}

/// Characters without white space, as IAM counts them.
pub(super) fn size(document: &str) -> usize {
    document.chars().filter(|letter| !letter.is_whitespace()).count()
}

/// `MalformedPolicyDocument` for what IAM does not accept (IAM user guide, "Grammar of the IAM JSON
/// policy language").
pub(super) fn check(text: &str, kind: Kind) -> Result<(), Refusal> {
    let malformed = |message: &str| Err(Refusal::new("MalformedPolicyDocument", message));
    let Ok(policy) = serde_json::from_str::<Value>(text) else {
        return malformed("This policy contains invalid Json");
    };
    let old = kind == Kind::Trust && policy["Version"] == "2008-10-17";
    if policy["Version"] != "2012-10-17" && !old {
        return malformed("Policy document must be version 2012-10-17 or greater.");
    }
    let statements = match &policy["Statement"] {
        Value::Array(statements) if !statements.is_empty() => statements.as_slice(),
        one @ Value::Object(_) => std::slice::from_ref(one),
        _ => return malformed("Syntax errors in policy."),
    };
    let mut sids: Vec<&str> = Vec::new();
    for statement in statements {
        let has = |member: &str| statement.get(member).is_some();
        if !statement.is_object()
            || !(statement["Effect"] == "Allow" || statement["Effect"] == "Deny")
        {
            return malformed("Syntax errors in policy.");
        }
        if has("Action") == has("NotAction") {
            return malformed("Policy statement must contain actions.");
        }
        let (principal, resource) =
            (has("Principal") || has("NotPrincipal"), has("Resource") || has("NotResource"));
        match kind {
            Kind::Trust if !principal => return malformed("Missing required field Principal"),
            Kind::Trust if resource => return malformed("Has prohibited field Resource"),
            Kind::Permissions if principal => {
                return malformed("Policy document should not specify a principal.");
            }
            Kind::Permissions if !resource => {
                return malformed("Policy statement must contain resources.");
            }
            _ => {}
        }
        let Some(sid) = statement["Sid"].as_str() else { continue };
        if !sid.bytes().all(|letter| letter.is_ascii_alphanumeric()) {
            return malformed(
                "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the \
                 regular expression [0-9A-Za-z]*",
            );
        }
        if sids.contains(&sid) {
            return malformed("Statement IDs (SID) in a single policy must be unique.");
        }
        sids.push(sid);
    }
    Ok(())
}
