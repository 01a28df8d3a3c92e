//! What is known of each published key, and when it may leave.

use issuer_diagnostic::date;
use issuer_migration::Known;

use crate::{Facts, Rotation};

/// A published key: whether it is in use, and when it may be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fate {
    /// Its kid.
    pub kid: String,
    /// The API servers that sign with it, if it is known.
    pub signs: Known<Vec<String>>,
    /// The API servers that accept it, if it is known.
    pub accepts: Known<Vec<String>>,
    /// From when on it may be removed, in seconds since 1970; `None` if it must stay, or if that is
    /// not known.
    pub may_go_secs: Option<u64>,
    /// Why.
    pub why: String,
}

/// Every published key, in their order.
#[must_use]
pub fn fates(rotation: &Rotation, facts: &Facts) -> Vec<Fate> {
    let live = facts.signing();
    let newest_live = facts.published.iter().position(|kid| live.contains(&kid.as_str()));
    let fate = |(place, kid): (usize, &String)| {
        let signs = over(facts, kid, |server| &server.signs);
        let accepts = over(facts, kid, |server| &server.accepts);
        let (may_go_secs, why) = match &signs {
            Known::Seen(servers) if !servers.is_empty() => {
                (None, format!("{} with it", one_or_more(servers, "signs", "sign")))
            }
            _ if facts.published.len() == 1 => (None, "it is the only one".to_owned()),
            Known::Unknown(reason) => (
                None,
                format!("which key signs is not known: {reason}{}", seen_signing(facts, kid)),
            ),
            Known::Seen(_) if facts.unasked > 0 => {
                (None, format!("{} more API servers were not asked", facts.unasked))
            }
            Known::Seen(_) if newest_live.is_some_and(|live| place < live) => (
                Some(facts.now_secs),
                "the new key of a rotation: no API server signs with it yet".to_owned(),
            ),
            Known::Seen(_) => match facts.tokens_gone(rotation) {
                Known::Seen(until) if until <= facts.now_secs => (
                    Some(until),
                    format!(
                        "no API server signs with it, and its tokens expired by {}",
                        date(until)
                    ),
                ),
                Known::Seen(until) => (
                    Some(until),
                    format!(
                        "no API server signs with it; its tokens may be valid until {}",
                        date(until)
                    ),
                ),
                Known::Unknown(reason) => (
                    None,
                    format!(
                        "no API server signs with it, but since when is not known: {reason}{}",
                        seen_signing(facts, kid)
                    ),
                ),
            },
        };
        Fate { kid: kid.clone(), signs, accepts, may_go_secs, why }
    };
    facts.published.iter().enumerate().map(fate).collect()
}

/// When a run saw a key sign, as the end of a sentence.
fn seen_signing(facts: &Facts, kid: &str) -> String {
    match facts.signed_secs.get(kid) {
        Some(signed) => format!("; a run saw it sign at {}", date(*signed)),
        None => String::new(),
    }
}

/// The names of the API servers that have the kid in this answer.
fn over(
    facts: &Facts,
    kid: &str,
    answer: impl Fn(&crate::Server) -> &Known<Vec<String>>,
) -> Known<Vec<String>> {
    let mut names = Vec::new();
    let mut unknown = facts.servers.is_empty().then(|| "no API server was asked".to_owned());
    for server in &facts.servers {
        match answer(server) {
            Known::Seen(kids) if kids.iter().any(|one| one == kid) => {
                names.push(server.name.clone());
            }
            Known::Seen(_) => {}
            Known::Unknown(reason) => {
                unknown.get_or_insert_with(|| format!("{}: {reason}", server.name));
            }
        }
    }
    match unknown {
        // One that does is enough to know that the key is in use.
        Some(reason) if names.is_empty() => Known::Unknown(reason),
        _ => Known::Seen(names),
    }
}

fn one_or_more(names: &[String], one: &str, more: &str) -> String {
    format!("{} {}", names.join(", "), if names.len() == 1 { one } else { more })
}
