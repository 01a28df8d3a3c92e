//! Whether a step may be done now.

use issuer_diagnostic::date;
use issuer_migration::Known;

use crate::facts::MARGIN_SECS;
use crate::phase::refuse_unpublished;
use crate::{Error, Facts, Phase, Rotation, Server, phase};

/// Keys that leave the published set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Removal {
    /// Their kids; none if they are gone already.
    pub kids: Vec<String>,
    /// What stops working.
    pub breaks: Vec<String>,
    /// What may bring a key back.
    pub warnings: Vec<String>,
}

/// Whether a key may be removed before its tokens have expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// Only when nothing can fail.
    Safe,
    /// At once: it was stolen.
    Now,
}

/// Whether a new key may be published beside the old one; `false` if it is published already.
///
/// # Errors
/// Another rotation is under way; nothing is published; the key signs alone already.
pub fn may_start(new: &str, facts: &Facts) -> Result<bool, Error> {
    refuse_wrong_clock(facts)?;
    if facts.published.is_empty() {
        return Err(Error::NothingPublished);
    }
    refuse_unpublished(facts)?;
    let kid = || new.to_owned();
    match (&facts.published[..], facts.is_published(new)) {
        ([_], true) => Err(Error::SameKey { kid: kid() }),
        (_, true) => Ok(false),
        ([_], false) => Ok(true),
        (published, false) => Err(Error::UnderWay { published: published.to_vec() }),
    }
}

/// The old keys, if they may leave the published set now.
///
/// # Errors
/// An API server signs with one of them, or may do; their tokens may still be valid. With
/// [`Urgency::Now`] only that it is not clear which key is the new one.
pub fn may_finish(rotation: &Rotation, facts: &Facts, urgency: Urgency) -> Result<Removal, Error> {
    refuse_wrong_clock(facts)?;
    let (new, old) = match phase(rotation, facts)? {
        Phase::Idle { .. } => return Ok(Removal::default()),
        Phase::UnderWay { new, old } => (new, old),
    };
    match urgency {
        Urgency::Safe => {
            refuse_signing(facts, &new)?;
            refuse_early(rotation, facts)?;
            Ok(Removal { warnings: accepted(facts, &old), kids: old, breaks: Vec::new() })
        }
        Urgency::Now => {
            let breaks = breaks(rotation, facts, &new);
            Ok(Removal { warnings: accepted(facts, &old), kids: old, breaks })
        }
    }
}

/// The new key, if it has not signed.
///
/// # Errors
/// An API server signs with it, or may do; it is the only key, or an old one, whose tokens pods may hold.
pub fn may_abort(new: &str, facts: &Facts) -> Result<Removal, Error> {
    refuse_wrong_clock(facts)?;
    if !facts.is_published(new) {
        return Ok(Removal::default());
    }
    if facts.published.len() == 1 {
        return Err(Error::OnlyKey { kid: new.to_owned() });
    }
    for server in asked(facts)? {
        if signs(server)?.iter().any(|kid| kid == new) {
            let (server, kid) = (server.name.clone(), new.to_owned());
            return Err(Error::HasSigned { server, kid });
        }
    }
    refuse_unpublished(facts)?;
    if let Some(signs) = facts.signing().into_iter().find(|signs| facts.is_older(new, signs)) {
        return Err(Error::OldKey { kid: new.to_owned(), signs: signs.to_owned() });
    }
    let kids = vec![new.to_owned()];
    Ok(Removal { warnings: accepted(facts, &kids), kids, breaks: Vec::new() })
}

/// The API servers determine when a token expires, and this machine when a key is removed.
fn refuse_wrong_clock(facts: &Facts) -> Result<(), Error> {
    for server in &facts.servers {
        if let Some(clock_secs) = server.clock_secs.filter(|secs| secs.unsigned_abs() > MARGIN_SECS)
        {
            return Err(Error::Clock { server: server.name.clone(), clock_secs });
        }
    }
    Ok(())
}

fn refuse_signing(facts: &Facts, new: &str) -> Result<(), Error> {
    for server in asked(facts)? {
        if let Some(kid) = signs(server)?.iter().find(|kid| *kid != new) {
            let (server, kid) = (server.name.clone(), kid.clone());
            return Err(Error::StillSigning { server, kid });
        }
    }
    Ok(())
}

fn refuse_early(rotation: &Rotation, facts: &Facts) -> Result<(), Error> {
    match (facts.tokens_gone(rotation), &facts.started_secs) {
        (Known::Seen(until_secs), Known::Seen(since_secs)) if facts.now_secs < until_secs => {
            Err(Error::TooEarly { since_secs: *since_secs, until_secs })
        }
        (Known::Unknown(reason), _) => Err(Error::SinceUnknown { reason }),
        _ => Ok(()),
    }
}

/// The API servers, of which there is one at least.
fn asked(facts: &Facts) -> Result<&[Server], Error> {
    match &facts.servers[..] {
        servers if facts.unasked > 0 => {
            let (asked, count) = (servers.len(), servers.len() + facts.unasked);
            Err(Error::NotAll { asked, count })
        }
        [] => Err(not_asked("the API server", "none was asked")),
        servers => Ok(servers),
    }
}

fn signs(server: &Server) -> Result<&[String], Error> {
    match &server.signs {
        Known::Seen(kids) if kids.is_empty() => {
            Err(not_asked(&server.name, "no token was asked for"))
        }
        Known::Seen(kids) => Ok(kids),
        Known::Unknown(reason) => Err(not_asked(&server.name, reason)),
    }
}

fn not_asked(server: &str, reason: &str) -> Error {
    Error::NotAsked { server: server.to_owned(), reason: reason.to_owned() }
}

/// Keys that an API server goes on accepting are published again by whatever publishes its keys.
fn accepted(facts: &Facts, kids: &[String]) -> Vec<String> {
    let accepts = |kid: &&String| {
        let mut servers = facts.servers.iter();
        servers.any(|server| matches!(&server.accepts, Known::Seen(all) if all.contains(kid)))
    };
    let warning = |kid: &String| {
        format!(
            "the API servers go on accepting the key {kid:?}: a run that publishes all keys of an API server \
             adds it again until it has left their --service-account-key-file"
        )
    };
    kids.iter().filter(accepts).map(warning).collect()
}

/// What fails if the old keys go at once.
fn breaks(rotation: &Rotation, facts: &Facts, new: &str) -> Vec<String> {
    let mut breaks = Vec::new();
    for server in &facts.servers {
        match &server.signs {
            Known::Seen(signs) => breaks.extend(signs.iter().filter(|kid| *kid != new).map(|kid| {
                format!(
                    "{} signs with the key {kid:?}: AWS refuses every new token of it until it signs with \
                     {new:?}",
                    server.name
                )
            })),
            Known::Unknown(reason) => breaks.push(format!(
                "the key that {} signs with is not known ({reason}): if it is an old one, AWS refuses \
                 every new token of it",
                server.name
            )),
        }
    }
    match facts.tokens_gone(rotation) {
        Known::Seen(until) if facts.now_secs >= until => {}
        Known::Seen(until) => breaks.push(format!(
            "AWS refuses the tokens of the old key that pods hold, which are valid until {} otherwise: \
             restart the pods, or they fail until kubelet renews their tokens",
            date(until)
        )),
        Known::Unknown(_) => breaks.push(
            "AWS refuses the tokens of the old key that pods hold: restart the pods, or they fail until \
             kubelet renews their tokens"
                .to_owned(),
        ),
    }
    breaks.push(
        "AWS goes on accepting tokens of the old key as long as it keeps the old set, and API servers until \
         it leaves their --service-account-key-file"
            .to_owned(),
    );
    breaks
}
