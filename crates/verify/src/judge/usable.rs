//! The rules for the published set and its entries.

use std::collections::{BTreeMap, BTreeSet};

use issuer_jwks::{Entry, Jwk, MAX_KEYS_PER_TYPE};
use serde_json::Value;

use crate::judge::{entry, exposed};
use crate::text::quote;
use crate::verdict::{Fault, replacing};
use crate::{Check, sts};

/// Every rule for the set and its entries. The first fault is reported first, since one fix at a
/// time is enough; a private key comes before all others.
pub(super) fn usable(
    entries: &[Entry],
    raw: &[Value],
    declared: &BTreeMap<String, String>,
    token_alg: Option<&str>,
) -> Check {
    const ID: &str = "keys-usable";
    if entries.is_empty() {
        let fault = replacing(
            "the published JWK Set is empty: it has no keys at all, so no token can be verified",
            "publish the cluster's signing key (issuerctl publish)",
        );
        return Check::fail(ID, sts::NO_KEY, fault);
    }
    let good: Vec<&Jwk> = entries.iter().filter_map(|entry| entry.jwk.as_ref().ok()).collect();
    let (foreign, mut bad): (Vec<_>, Vec<_>) = entries
        .iter()
        .filter_map(|entry| entry.jwk.as_ref().err().map(|error| (entry, error)))
        .partition(|(_, error)| error.is_foreign() && !good.is_empty());
    bad.sort_by_key(|(_, error)| !exposed::is_private(error));
    let is_exposed = bad.first().is_some_and(|(_, error)| exposed::is_private(error));
    if let Some(fault) = too_many(raw).filter(|_| !is_exposed) {
        return Check::fail(ID, sts::NO_KEY, fault);
    }
    let faults: Vec<_> = bad
        .iter()
        .map(|(entry, error)| {
            entry::fault(entry.number, raw.get(entry.number.wrapping_sub(1)), error)
        })
        .collect();
    if let Some(fault) = join(faults) {
        return Check::fail(ID, sts::NO_KEY, fault);
    }
    if let Some(fault) = conflict(&good) {
        return Check::fail(ID, sts::NO_KEY, fault);
    }
    if let Some((entry, error)) = foreign.first() {
        let fault = entry::fault(entry.number, raw.get(entry.number.wrapping_sub(1)), error);
        let cause = format!("{}; the other {} valid", fault.cause, are(good.len()));
        return Check::warn_of(ID, Fault { cause, ..fault });
    }
    if let Some((jwk, alg)) = other_algorithm(&good, declared, token_alg) {
        let fault = replacing(
            format!(
                "the key with the kid {} says alg {}, and kube-apiserver signs with {}: strict \
                 clients do not use it for such tokens",
                quote(jwk.kid.as_str()),
                quote(alg),
                jwk.key.algorithm()
            ),
            format!("set alg to {} or remove it; {}", jwk.key.algorithm(), entry::rewrite()),
        );
        return Check::warn_of(ID, fault);
    }
    if let Some(kid) = repeated(&good) {
        return Check::warn(
            ID,
            format!("the key with the kid {} is published twice (a duplicate)", quote(kid)),
            "publish it once: issuerctl publish writes each key once",
        );
    }
    let named: Vec<_> = good
        .iter()
        .take(4)
        .map(|jwk| format!("{} ({})", quote(jwk.kid.as_str()), jwk.key.describe()))
        .collect();
    let more = if good.len() > 4 { ", …" } else { "" };
    Check::pass(ID, format!("{} valid: {}{more}", are(good.len()), named.join(", ")))
}

fn too_many(raw: &[Value]) -> Option<Fault> {
    ["RSA", "EC"].into_iter().find_map(|kty| {
        let count =
            raw.iter().filter(|key| key.get("kty").and_then(Value::as_str) == Some(kty)).count();
        (count > MAX_KEYS_PER_TYPE).then(|| {
            replacing(
                format!(
                    "the set has {count} {kty} keys, which is too many: STS accepts at most \
                     {MAX_KEYS_PER_TYPE} keys of a type, and no token if there are more"
                ),
                format!(
                    "publish the keys that the API servers sign with (issuerctl publish): they \
                     stay, and of the others the first ones, so that {MAX_KEYS_PER_TYPE} remain"
                ),
            )
        })
    })
}

/// The first causes, and the fix for the first of them.
fn join(faults: Vec<Fault>) -> Option<Fault> {
    const SHOWN: usize = 3;
    let more = faults.len().saturating_sub(SHOWN);
    let mut shown = faults.into_iter().take(SHOWN);
    let mut all = shown.next()?;
    for fault in shown {
        all.cause.push_str("; ");
        all.cause.push_str(&fault.cause);
    }
    if more > 0 {
        all.cause.push_str(&format!("; and {more} more invalid keys"));
    }
    Some(all)
}

fn conflict(keys: &[&Jwk]) -> Option<Fault> {
    let mut seen: BTreeMap<&str, &Jwk> = BTreeMap::new();
    let kid = keys.iter().find_map(|jwk| {
        let kid = jwk.kid.as_str();
        (seen.entry(kid).or_insert(jwk).key != jwk.key).then_some(kid)
    })?;
    let right: Vec<_> =
        keys.iter().filter(|jwk| jwk.kid.as_str() == kid).map(|jwk| jwk.key.describe()).collect();
    Some(replacing(
        format!(
            "two different keys share one kid (a duplicate): {} is the kid of {}; STS uses only \
             the last",
            quote(kid),
            right.join(" and ")
        ),
        format!(
            "give each key the kid that the API server uses, the one in the header of its tokens: \
             {}",
            entry::rewrite()
        ),
    ))
}

fn repeated<'a>(keys: &[&'a Jwk]) -> Option<&'a str> {
    let mut seen = BTreeSet::new();
    keys.iter().map(|jwk| jwk.kid.as_str()).find(|kid| !seen.insert(*kid))
}

/// A key whose `alg` is not the one that kube-apiserver signs with (RS384 or RS512), unless the
/// token is signed with it.
fn other_algorithm<'a>(
    keys: &[&'a Jwk],
    declared: &'a BTreeMap<String, String>,
    token_alg: Option<&str>,
) -> Option<(&'a Jwk, &'a str)> {
    let of = |jwk: &&'a Jwk| Some((*jwk, declared.get(jwk.kid.as_str())?.as_str()));
    keys.iter()
        .filter_map(of)
        .find(|(jwk, alg)| *alg != jwk.key.algorithm().as_str() && Some(*alg) != token_alg)
}

/// `1 key`, `2 keys`.
pub(super) fn count(n: usize) -> String {
    if n == 1 { "1 key".to_owned() } else { format!("{n} keys") }
}

fn are(n: usize) -> String {
    format!("{} {}", count(n), if n == 1 { "is" } else { "are" })
}
