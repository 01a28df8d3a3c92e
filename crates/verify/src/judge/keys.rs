//! Checks of the JWK Set.

use std::collections::{BTreeMap, BTreeSet};

use issuer_jwks::{Entry, Jwk, JwkSet, Token, WeakKeys};
use serde_json::Value;

use crate::judge::document::{Judged, content_encoding, content_type};
use crate::judge::expected::Expected;
use crate::judge::subject::Document;
use crate::judge::usable::{count, usable};
use crate::judge::{answer, entry, exposed, json};
use crate::text::quote;
use crate::verdict::{Fault, replacing};
use crate::{Check, Fetched, Observation, Vantage, sts};

/// The published keys, for the checks of the token.
#[derive(Debug, Default)]
pub(super) struct Published {
    /// The valid keys.
    pub(super) keys: Vec<Jwk>,
    /// The `alg` of those that have one, by their kid.
    pub(super) declared: BTreeMap<String, String>,
    /// The failed check because of which not all keys are known, if there is one.
    pub(super) failed_check: Option<&'static str>,
    /// Kids of expected keys that are not published; already reported.
    pub(super) reported: Vec<String>,
}

const LATER: [&str; 3] = ["keys-usable", "keys-expected", "keys-stable"];

/// Judges the keys, if the discovery document leads to any.
pub(super) fn judge(
    observation: &Observation,
    expected: &Expected,
    document: &Judged,
    checks: &mut Vec<Check>,
) -> Published {
    let root = checks.iter().find(|check| check.failed()).map(|check| check.id);
    let Some(fetched) = observation.keys.as_ref().filter(|_| document.keys_follow) else {
        let root = root.unwrap_or("jwks-uri");
        for id in ["keys-reachable", "keys-json"].into_iter().chain(LATER) {
            checks.push(Check::skip(id, format!("follows from {root}")));
        }
        return Published { failed_check: Some(root), ..Published::default() };
    };
    match read(fetched, observation, expected.weak, checks) {
        Err(failed) => {
            for id in LATER {
                checks.push(Check::skip(id, format!("follows from {failed}")));
            }
            Published { failed_check: Some(failed), ..Published::default() }
        }
        Ok((entries, raw)) => judge_set(entries, &raw, observation, expected, document, checks),
    }
}

fn read(
    fetched: &Fetched,
    observation: &Observation,
    weak: WeakKeys,
    checks: &mut Vec<Check>,
) -> Result<(Vec<Entry>, Vec<Value>), &'static str> {
    let extra_roots = matches!(observation.vantage, Vantage::Network { extra_roots: true, .. });
    if let Some((mut fault, sts_error)) = answer::fault(fetched, Document::Keys, extra_roots) {
        if observation.keys_again.as_ref().is_some_and(|again| again.document().is_some()) {
            fault
                .cause
                .push_str(" (a second request at the same time succeeded: the servers differ)");
        }
        checks.push(Check::fail("keys-reachable", sts_error, fault));
        checks.push(Check::skip("keys-json", "follows from keys-reachable"));
        return Err("keys-reachable");
    }
    checks.push(Check::pass(
        "keys-reachable",
        format!("the keys are at {}", quote(&fetched.location)),
    ));
    let encoding =
        fetched.outcome.as_ref().ok().and_then(|answer| answer.header("content-encoding"));
    let body = fetched.document().unwrap_or_default();
    match parse(body, encoding, weak) {
        Ok((entries, raw)) => {
            checks.push(Check::pass(
                "keys-json",
                format!("the keys document is a JWK Set of {}", count(entries.len())),
            ));
            checks.extend(content_type(
                "keys-content-type",
                fetched,
                &["application/json", "application/jwk-set+json"],
            ));
            checks.extend(content_encoding("keys-content-encoding", fetched));
            Ok((entries, raw))
        }
        Err(fault) => {
            let fault = exposed::in_document(body, Document::Keys).unwrap_or(fault);
            checks.push(Check::fail("keys-json", sts::NO_KEY, fault));
            Err("keys-json")
        }
    }
}

fn parse(
    body: &[u8],
    encoding: Option<&str>,
    weak: WeakKeys,
) -> Result<(Vec<Entry>, Vec<Value>), Fault> {
    let object = json::object(body, encoding, Document::Keys)?;
    if let Some(fault) = json::other_object(&object, Document::Keys) {
        return Err(fault);
    }
    let name = Document::Keys.name();
    let rewrite = entry::rewrite();
    let raw = match object.get("keys") {
        Some(Value::Array(items)) => items.clone(),
        Some(other) => {
            return Err(replacing(
                format!(
                    "{name} has a member \"keys\" that is {}, not an array of JWKs",
                    crate::text::kind(other)
                ),
                rewrite,
            ));
        }
        None => {
            let there: Vec<_> = object.keys().take(5).map(|key| quote(key)).collect();
            let there = if there.is_empty() { "no members".to_owned() } else { there.join(", ") };
            return Err(replacing(
                format!("{name} is not a JWK Set: the member \"keys\" is missing (found: {there})"),
                rewrite,
            ));
        }
    };
    match JwkSet::entries(body, weak) {
        Ok(entries) => Ok((entries, raw)),
        Err(error) => Err(replacing(format!("{name} is not a JWK Set: {error}"), rewrite)),
    }
}

fn judge_set(
    entries: Vec<Entry>,
    raw: &[Value],
    observation: &Observation,
    expected: &Expected,
    document: &Judged,
    checks: &mut Vec<Check>,
) -> Published {
    let token = expected.token.as_deref().and_then(|text| Token::parse(text.trim()).ok());
    let alg = token.as_ref().and_then(Token::alg);
    let declared = declared(&entries, raw);
    let usable = usable(&entries, raw, &declared, alg);
    let used = algorithms(&entries, &declared, alg);
    let mut published = Published {
        declared,
        keys: entries.into_iter().filter_map(|entry| entry.jwk.ok()).collect(),
        failed_check: usable.failed().then_some("keys-usable"),
        ..Published::default()
    };
    checks.push(usable);
    let expected_keys = expected.keys.as_ref();
    checks.push(expected_keys.map_or_else(
        || Check::skip("keys-expected", "no keys were given to compare with the published ones"),
        |wanted| keys_expected(wanted, expected.source.as_deref(), &mut published),
    ));
    checks.push(stable(observation, expected.weak, &published.keys));
    checks.extend(algorithms_listed(document, &used));
    published
}

fn keys_expected(wanted: &JwkSet, source: Option<&str>, published: &mut Published) -> Check {
    const ID: &str = "keys-expected";
    let missing: Vec<&Jwk> = wanted
        .keys()
        .iter()
        .filter(|jwk| !published.keys.iter().any(|p| p.key == jwk.key && p.kid == jwk.kid))
        .collect();
    let (elsewhere, absent): (Vec<_>, Vec<_>) =
        missing.into_iter().partition(|jwk| published.keys.iter().any(|p| p.key == jwk.key));
    if let Some(first) = absent.first() {
        published.reported = absent.iter().map(|jwk| jwk.kid.as_str().to_owned()).collect();
        if published.failed_check.is_some() {
            return Check::skip(ID, "follows from keys-usable");
        }
        if let Some(other) = published.keys.iter().find(|p| p.kid == first.kid) {
            let fault = replacing(
                format!(
                    "another key is published under the kid of the given key, {}: {}, with other \
                     values than the given {}",
                    quote(first.kid.as_str()),
                    other.key.describe(),
                    first.key.describe()
                ),
                format!("replace it: {}", entry::rewrite()),
            );
            return Check::fail(ID, sts::NO_KEY, fault);
        }
        let more = if absent.len() > 1 {
            format!(" (and {} more)", absent.len() - 1)
        } else {
            String::new()
        };
        let whose = source.unwrap_or("the key");
        let fault = Fault::new(
            format!(
                "the given key {} ({}){more} is not published; {}",
                quote(first.kid.as_str()),
                first.key.describe(),
                kids(&published.keys)
            ),
            format!(
                "first check that {whose} is that of the cluster of this issuer; if so, publish \
                 the key in addition to the present ones, from the key source that was given here \
                 (issuerctl publish)"
            ),
        );
        return Check::fail(ID, sts::NO_KEY, fault);
    }
    if let Some(first) = elsewhere.first() {
        let found = published
            .keys
            .iter()
            .find(|p| p.key == first.key)
            .map(|p| p.kid.as_str())
            .unwrap_or_default();
        let fault = replacing(
            format!(
                "the given key is published under the kid {}, but kube-apiserver uses the kid {} \
                 for it; this is correct only for an external signer that uses the published kid",
                quote(found),
                quote(first.kid.as_str())
            ),
            "compare it with the kid in the header of a fresh token; if they differ, publish the \
             key again (issuerctl publish)",
        );
        return Check::warn_of(ID, fault);
    }
    let message = match wanted.keys().len() {
        1 => "the expected key is published".to_owned(),
        count => format!("all {count} expected keys are published"),
    };
    Check::pass(ID, message)
}

/// The kids that are published.
pub(super) fn kids(keys: &[Jwk]) -> String {
    if keys.is_empty() {
        return "no valid key is published".to_owned();
    }
    let shown: Vec<_> = keys.iter().take(4).map(|jwk| quote(jwk.kid.as_str())).collect();
    let more = if keys.len() > 4 { format!(" and {} more", keys.len() - 4) } else { String::new() };
    format!("published: {}{more}", shown.join(", "))
}

fn stable(observation: &Observation, weak: WeakKeys, keys: &[Jwk]) -> Check {
    const ID: &str = "keys-stable";
    let Some(again) = &observation.keys_again else {
        return Check::skip(ID, "the keys were read only once");
    };
    if let Some((fault, _)) = answer::fault(again, Document::Keys, false) {
        return Check::warn(
            ID,
            format!("one of two requests at the same time failed: {}", fault.cause),
            fault.fix,
        );
    }
    let second = JwkSet::entries(again.document().unwrap_or_default(), weak).unwrap_or_default();
    let second: Vec<Jwk> = second.into_iter().filter_map(|entry| entry.jwk.ok()).collect();
    let lacks = |these: &[Jwk], those: &[Jwk]| {
        those
            .iter()
            .filter(|jwk| !these.contains(jwk))
            .map(|jwk| quote(jwk.kid.as_str()))
            .collect::<Vec<_>>()
    };
    let different = [lacks(keys, &second), lacks(&second, keys)].concat();
    if different.is_empty() {
        return Check::pass(ID, "two requests at the same time returned the same keys");
    }
    let fault = Fault::new(
        format!(
            "two requests at the same time returned different keys: only one of them had {}; \
             several servers or caches have different sets",
            different.iter().take(4).cloned().collect::<Vec<_>>().join(", ")
        ),
        "make every server and cache serve the union of the keys: publish the keys of all API \
         servers (issuerctl publish), and invalidate the CDN's cache",
    );
    Check::fail(ID, sts::NO_KEY, fault)
}

/// The `alg` of the valid keys that have one, by their kid.
fn declared(entries: &[Entry], raw: &[Value]) -> BTreeMap<String, String> {
    let of = |entry: &Entry| {
        let jwk = entry.jwk.as_ref().ok()?;
        let alg = raw.get(entry.number.wrapping_sub(1))?.get("alg").and_then(Value::as_str)?;
        Some((jwk.kid.as_str().to_owned(), alg.to_owned()))
    };
    entries.iter().filter_map(of).collect()
}

/// The algorithms that the valid keys sign with; without those that are not kube-apiserver's.
fn algorithms<'a>(
    entries: &'a [Entry],
    declared: &'a BTreeMap<String, String>,
    token_alg: Option<&str>,
) -> BTreeSet<String> {
    let of = |entry: &'a Entry| {
        let jwk = entry.jwk.as_ref().ok()?;
        let own = jwk.key.algorithm().as_str();
        let said = declared.get(jwk.kid.as_str()).map_or(own, String::as_str);
        (said == own || Some(said) == token_alg).then(|| said.to_owned())
    };
    entries.iter().filter_map(of).collect()
}

fn algorithms_listed(document: &Judged, used: &BTreeSet<String>) -> Option<Check> {
    // An empty list is a fault of the document, already reported.
    let listed = document.algorithms.as_ref().filter(|listed| !listed.is_empty())?;
    let missing: Vec<_> =
        used.iter().map(String::as_str).filter(|alg| !listed.iter().any(|l| l == alg)).collect();
    if missing.is_empty() {
        return None;
    }
    Some(Check::warn(
        "algorithms-listed",
        format!(
            "id_token_signing_alg_values_supported does not contain {}, which published keys are \
             used with; it lists {}",
            missing.join(", "),
            listed.iter().take(8).map(|alg| quote(alg)).collect::<Vec<_>>().join(", ")
        ),
        format!(
            "add {} to the list: issuerctl publish writes the algorithms of the keys",
            missing.join(", ")
        ),
    ))
}
