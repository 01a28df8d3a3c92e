//! The published documents as a plan reads them, also if they are damaged.

use issuer_change::Notice;
use issuer_diagnostic::{Encoding, decode};
use issuer_discovery::Published;
use issuer_jwks::{ForeignKey, Jwk, JwkSet, KeyId, LostKey, is_compressed, salvage};
use serde_json::Value;

use crate::{Error, PlanOptions, Site, Stored};

/// The published keys.
#[derive(Debug, Default)]
pub(crate) struct PublishedKeys {
    pub(crate) keys: JwkSet,
    /// Keys of types that AWS STS does not use, which stay as they are unless they are pruned.
    pub(crate) foreign: Vec<ForeignKey>,
    /// Whether the document could not be read as it is.
    pub(crate) damaged: bool,
    /// What the user must know of it.
    pub(crate) notices: Vec<Notice>,
}

/// Reads the published keys. An empty document holds no key that could be lost. With
/// `replace_unreadable`, a damaged document is searched for keys, and given keys win over published
/// ones of the same kid.
///
/// # Errors
/// [`Error::Unreadable`].
pub(crate) fn keys(
    stored: Option<&Stored>,
    site: &Site,
    location: &str,
    options: &PlanOptions,
) -> Result<PublishedKeys, Error> {
    let Some(stored) = stored.filter(|stored| !stored.is_blank()) else {
        return Ok(PublishedKeys::default());
    };
    let parsed = match options.replace_unreadable {
        true => JwkSet::parse(&stored.bytes, options.weak).map(|keys| (keys, Vec::new())),
        false => JwkSet::parse_with_foreign(&stored.bytes, options.weak),
    };
    let (published, error) = match parsed {
        Ok((keys, foreign)) => {
            let notices =
                foreign.iter().map(|key| foreign_key(location, key, options.prune)).collect();
            let foreign = if options.prune { Vec::new() } else { foreign };
            (PublishedKeys { keys, foreign, damaged: false, notices }, None)
        }
        Err(error) if options.replace_unreadable => {
            let salvaged = salvage(&stored.bytes, options.weak);
            let mut notices = vec![replaced(location, &error, &salvaged.set)];
            notices.extend(salvaged.lost.iter().map(|lost| lost_key(location, lost)));
            notices.extend(salvaged.exposed.iter().map(|kid| exposed_key(location, kid)));
            let (keys, foreign) = (salvaged.set, Vec::new());
            (PublishedKeys { keys, foreign, damaged: true, notices }, Some(error))
        }
        Err(error) => (PublishedKeys::default(), Some(error)),
    };
    match error {
        Some(error) if !options.replace_unreadable => {
            let (location, reason) = (location.to_owned(), error.to_string());
            Err(Error::Unreadable { location, reason, keys: Some(error) })
        }
        _ if options.replace_unreadable => {
            Ok(published.without_rivals(&site.keys, location).with_room(&site.keys, location))
        }
        _ => Ok(published),
    }
}

impl PublishedKeys {
    /// AWS STS accepts no token if a set has too many keys. Of those in a damaged document, the last
    /// ones make room for the given keys.
    fn with_room(mut self, given: &JwkSet, location: &str) -> Self {
        while self.damaged
            && let Err(error @ issuer_jwks::Error::TooManyKeys { key_type, .. }) =
                given.union(&self.keys)
        {
            let goes = |jwk: &&Jwk| jwk.key.key_type() == key_type && !given.keys().contains(jwk);
            let Some(last) = self.keys.keys().iter().rev().find(goes).cloned() else { break };
            let (kid, reason) = (Some(last.kid.to_string()), error.to_string());
            self.notices.push(lost_key(location, &LostKey::new(kid, reason)));
            self.keys = self.keys.filtered(|jwk| *jwk != last);
        }
        self
    }

    /// A key that is published under the kid of another, given key gets the kid that kube-apiserver
    /// uses for it.
    fn without_rivals(mut self, given: &JwkSet, location: &str) -> Self {
        let is_rival = |jwk: &Jwk| {
            let kid = jwk.kid.as_str();
            !kid.is_empty() && given.get(kid).is_some_and(|other| other.key != jwk.key)
        };
        let rivals = self.keys.filtered(is_rival);
        for rival in rivals.keys() {
            self.notices.push(Notice {
                id: "key-replaced".into(),
                message: format!(
                    "{location} has another key under the kid {:?} than the one that was given; it \
                     is now published under its own kid, {:?}",
                    rival.kid.as_str(),
                    rival.key.kid().as_str()
                ),
            });
        }
        let renamed = JwkSet::from_keys(rivals.keys().iter().map(|rival| rival.key.clone()));
        let renamed = renamed.unwrap_or_default();
        // Of two keys whose kids were swapped, the other one is a given key.
        let is_given = |jwk: &Jwk| given.keys().iter().any(|other| other.key == jwk.key);
        let stays = |jwk: &Jwk| {
            !(is_rival(jwk) || is_given(jwk) && renamed.get(jwk.kid.as_str()).is_some())
        };
        let staying = self.keys.filtered(stays);
        self.keys = staying.union(&renamed).unwrap_or(staying);
        self
    }
}

/// A published discovery document, or `None` if it may be replaced whatever it says.
///
/// # Errors
/// [`Error::Unreadable`].
pub(crate) fn discovery(
    stored: Option<&Stored>,
    location: &str,
    options: &PlanOptions,
) -> Result<Option<Named>, Error> {
    let Some(stored) = stored.filter(|stored| !stored.is_blank()) else { return Ok(None) };
    match Named::read(stored) {
        Ok(named) => Ok(Some(named)),
        Err(_) if options.replace_unreadable => Ok(None),
        Err(reason) => Err(Error::Unreadable { location: location.to_owned(), reason, keys: None }),
    }
}

/// What a published discovery document says of its issuer.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) issuer: String,
    pub(crate) jwks_uri: Option<String>,
}

impl Named {
    /// Reads a document; otherwise, why it cannot be read.
    pub(crate) fn read(stored: &Stored) -> Result<Self, String> {
        if stored.is_too_large() {
            return Err("it is larger than 1 MiB".to_owned());
        }
        let not = |what: String| format!("not a discovery document: {what}");
        if is_compressed(&stored.bytes) {
            return Err(not("it is compressed, for example with gzip".to_owned()));
        }
        match decode(&stored.bytes) {
            Ok(text) if text.encoding != Encoding::Utf8 => {
                return Err(not(format!("it is encoded as {}, not as UTF-8", text.encoding)));
            }
            Ok(_) => {}
            Err(fault) => return Err(not(fault.to_string())),
        }
        let members = Published::parse(&stored.bytes).map_err(|error| not(error.to_string()))?;
        if let Some(member) = members.contradiction(&["issuer", "jwks_uri"]) {
            return Err(format!("it has the member {member:?} twice, with different values"));
        }
        let text = |name: &str| match members.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.is_empty() => {
                Err(not(format!("the member {name:?} is empty")))
            }
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(not(format!("the member {name:?} is not a string"))),
        };
        let issuer =
            text("issuer")?.ok_or_else(|| not("the member \"issuer\" is missing".to_owned()))?;
        Ok(Self { issuer, jwks_uri: text("jwks_uri")? })
    }
}

/// The key stays: without it, the tokens of a cluster that still signs with it fail.
fn exposed_key(location: &str, kid: &KeyId) -> Notice {
    let kid = kid.as_str();
    Notice {
        id: "key-compromised".into(),
        message: format!(
            "the private part of the key {kid:?} was published in {location}: anyone who has read \
             it can sign tokens for every role of this cluster. The key stays published until it \
             is removed: let every API server sign with a new key, and publish the new key alone \
             then, so that this one is pruned"
        ),
    }
}

fn replaced(location: &str, error: &issuer_jwks::Error, kept: &JwkSet) -> Notice {
    let kids: Vec<String> =
        kept.keys().iter().map(|jwk| format!("{:?}", jwk.kid.as_str())).collect();
    let kept = match kids.len() {
        0 => "no key could be found in it".to_owned(),
        _ => format!("the keys that could be found in it are kept: {}", kids.join(", ")),
    };
    let kept = match error {
        issuer_jwks::Error::TooLarge => format!("{kept}; only its first MiB was searched"),
        _ => kept,
    };
    let message = format!("{location} cannot be read ({error}) and is replaced; {kept}");
    Notice { id: "unreadable-replaced".into(), message }
}

fn foreign_key(location: &str, key: &ForeignKey, prune: bool) -> Notice {
    let kid = key.kid.as_deref().unwrap_or_default();
    let (id, what) = match prune {
        true => ("foreign-key-removed", "is removed, since it is not given"),
        false => ("foreign-key-kept", "stays as it is"),
    };
    let message = format!(
        "the key {kid:?} in {location} is of a type that AWS STS does not support ({}); it {what}",
        issuer_jwks::reason(&key.fault)
    );
    Notice { id: id.into(), message }
}

fn lost_key(location: &str, lost: &LostKey) -> Notice {
    let kid = lost.kid.as_ref().map(|kid| format!(" with the kid {kid:?}")).unwrap_or_default();
    let message = format!(
        "a key{kid} in {location} cannot be used and is not kept ({}); tokens signed with it will \
         be rejected",
        lost.reason
    );
    Notice { id: "key-lost".into(), message }
}
