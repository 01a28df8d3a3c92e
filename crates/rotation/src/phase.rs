//! Which key is the new one: by what is published and what signs.

use issuer_migration::Known;

use crate::{Error, Facts, Rotation};

/// Where a cluster is between two rotations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// One key is published, and no other one signs.
    Idle {
        /// Its kid.
        kid: String,
    },
    /// Two keys or more are published.
    UnderWay {
        /// The kid of the new key.
        new: String,
        /// Those of the older ones.
        old: Vec<String>,
    },
}

/// The phase of a rotation. The new key is the one that was named; otherwise the only one that is
/// newer than the one that signs; otherwise the newest that signs.
///
/// # Errors
/// [`Error::NothingPublished`], [`Error::NotPublished`], [`Error::LiveNotPublished`],
/// [`Error::Unclear`].
pub fn phase(rotation: &Rotation, facts: &Facts) -> Result<Phase, Error> {
    let [newest, ..] = &facts.published[..] else { return Err(Error::NothingPublished) };
    refuse_unpublished(facts)?;
    if let Some(kid) = &rotation.new_kid {
        if !facts.is_published(kid) {
            let published = facts.published.clone();
            return Err(Error::NotPublished { kid: kid.clone(), published });
        }
        return Ok(of(facts, kid));
    }
    let signing = facts.signing();
    let places = facts.published.iter().enumerate();
    let places: Vec<usize> =
        places.filter(|(_, kid)| signing.contains(&kid.as_str())).map(|(place, _)| place).collect();
    let unclear = |kids: &[String]| Err(Error::Unclear { kids: kids.to_vec() });
    match places[..] {
        // With two, some API servers sign with the new key already, and others not yet. Without any,
        // nothing is known of them.
        [] | [0 | 1] | [0, _] => Ok(of(facts, newest)),
        [place] => unclear(&facts.published[..place]),
        _ => unclear(&facts.published),
    }
}

/// Every key that signs must be published, whatever is done.
pub(crate) fn refuse_unpublished(facts: &Facts) -> Result<(), Error> {
    for server in &facts.servers {
        let Known::Seen(signs) = &server.signs else { continue };
        if let Some(kid) = signs.iter().find(|kid| !facts.is_published(kid)) {
            let (server, kid) = (server.name.clone(), kid.clone());
            return Err(Error::LiveNotPublished { server, kid });
        }
    }
    Ok(())
}

fn of(facts: &Facts, new: &str) -> Phase {
    let old: Vec<String> = facts.published.iter().filter(|kid| *kid != new).cloned().collect();
    let new = new.to_owned();
    if old.is_empty() { Phase::Idle { kid: new } } else { Phase::UnderWay { new, old } }
}
