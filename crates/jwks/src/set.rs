//! JWK Sets (RFC 7517 section 5).

use std::collections::BTreeSet;

use serde_json::Value;

use crate::jwk::{self, Jwk, LargerHashes, Members};
use crate::{Algorithm, Error, JwkFault, KeyId, MAX_KEYS_PER_TYPE, PublicKey, WeakKeys};

/// A JWK Set: entries with different kids, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JwkSet {
    keys: Vec<Jwk>,
}

/// One element of a document's `keys`, valid or not.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// Position in `keys`, from 1.
    pub number: usize,
    /// Its `kid` as it is in the document.
    pub kid: Option<String>,
    /// The key, or why it is not valid ([`Error::Entry`]).
    pub jwk: Result<Jwk, Error>,
}

/// A key of a type that AWS STS does not support, in a published set.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ForeignKey {
    /// Its kid.
    pub kid: Option<String>,
    /// The entry.
    pub json: String,
    /// Why it is not used.
    pub fault: Error,
}

impl JwkSet {
    /// The keys with the kids that kube-apiserver uses; duplicate keys are written once.
    ///
    /// # Errors
    /// [`Error::TooManyKeys`].
    pub fn from_keys(keys: impl IntoIterator<Item = PublicKey>) -> Result<Self, Error> {
        Self::from_entries(keys.into_iter().map(|key| Jwk { kid: key.kid(), key }))
    }

    /// Reads a published document; rejects any entry that AWS STS does not accept, and any whose
    /// `alg` could not be written back (RS384, RS512). A set without entries is accepted; callers
    /// that need keys check [`JwkSet::is_empty`].
    ///
    /// # Errors
    /// [`Error::NotJson`], [`Error::NotAJwkSet`], the first [`Error::Entry`],
    /// [`Error::KidConflict`], [`Error::TooManyKeys`].
    pub fn parse(bytes: &[u8], weak: WeakKeys) -> Result<Self, Error> {
        let entries = Self::read_entries(bytes, weak, LargerHashes::Refuse)?;
        let entries: Result<Vec<Jwk>, Error> = entries.into_iter().map(|entry| entry.jwk).collect();
        Self::from_entries(entries?)
    }

    /// The same for a document with keys of types that AWS STS does not support beside at least one
    /// that it does: it accepts such a set, and does not use those keys. They are returned as they are.
    ///
    /// # Errors
    /// Those of [`JwkSet::parse`]; a foreign key under the kid of another one.
    pub fn parse_with_foreign(
        bytes: &[u8],
        weak: WeakKeys,
    ) -> Result<(Self, Vec<ForeignKey>), Error> {
        let entries = Self::read_entries(bytes, weak, LargerHashes::Refuse)?;
        let is_foreign = |entry: &Entry| entry.jwk.as_ref().is_err_and(Error::is_foreign);
        if !entries.iter().any(is_foreign) || entries.iter().all(is_foreign) {
            return Ok((Self::parse(bytes, weak)?, Vec::new()));
        }
        let document: Value = serde_json::from_slice(bytes).unwrap_or_default();
        let (mut keys, mut foreign) = (Vec::new(), Vec::new());
        for entry in entries {
            match entry.jwk {
                Ok(jwk) => keys.push(jwk),
                Err(error) if error.is_foreign() => foreign.push(ForeignKey {
                    kid: entry.kid,
                    json: document["keys"][entry.number - 1].to_string(),
                    fault: error,
                }),
                Err(error) => return Err(error),
            }
        }
        let set = Self::from_entries(keys)?;
        match foreign
            .iter()
            .position(|key| key.kid.as_ref().is_none_or(|kid| set.get(kid).is_some()))
        {
            None => Ok((set, foreign)),
            Some(index) => Err(foreign.swap_remove(index).fault),
        }
    }

    /// The set as [`JwkSet::to_json`] writes it, with foreign keys at its end.
    #[must_use]
    pub fn to_json_with(&self, foreign: &[ForeignKey]) -> String {
        let mut json = self.to_json();
        let end = "]}";
        for key in foreign {
            json.truncate(json.len() - end.len());
            if !json.ends_with('[') {
                json.push(',');
            }
            json.push_str(&key.json);
            json.push_str(end);
        }
        json
    }

    /// Reads a document entry by entry, so that every fault can be reported, not only the first.
    ///
    /// # Errors
    /// Only if the document as a whole is not a JWK Set.
    pub fn entries(bytes: &[u8], weak: WeakKeys) -> Result<Vec<Entry>, Error> {
        Self::read_entries(bytes, weak, LargerHashes::Accept)
    }

    /// A set of one entry.
    pub(crate) fn single(jwk: Jwk) -> Self {
        Self { keys: vec![jwk] }
    }

    pub(crate) fn read_entries(
        bytes: &[u8],
        weak: WeakKeys,
        larger: LargerHashes,
    ) -> Result<Vec<Entry>, Error> {
        let members = jwk::parse_set(bytes)?;
        let entry = |(number, value): (usize, Result<Members, JwkFault>)| {
            let kid =
                value.as_ref().ok().and_then(|members| members.text("kid")).map(str::to_owned);
            let jwk = value.and_then(|members| jwk::read(&members, weak, larger));
            Entry {
                number,
                jwk: jwk.map_err(|fault| Error::Entry { number, kid: kid.clone(), fault }),
                kid,
            }
        };
        Ok((1..).zip(members).map(entry).collect())
    }

    /// The set as kube-apiserver writes it at `/openid/v1/jwks`: compact, no final newline.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = String::with_capacity(64 + self.keys.len() * 512);
        json.push_str("{\"keys\":[");
        for (index, entry) in self.keys.iter().enumerate() {
            if index > 0 {
                json.push(',');
            }
            jwk::write(&mut json, entry);
        }
        json.push_str("]}");
        json
    }

    /// The same for people: indented by two spaces.
    pub fn to_json_pretty(&self) -> String {
        let entries: Vec<String> = self.keys.iter().map(jwk::to_pretty).collect();
        if entries.is_empty() {
            return "{\n  \"keys\": []\n}".to_owned();
        }
        format!("{{\n  \"keys\": [\n{}\n  ]\n}}", entries.join(",\n"))
    }

    /// The entries, in order.
    #[must_use]
    pub fn keys(&self) -> &[Jwk] {
        &self.keys
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The entry of this kid.
    #[must_use]
    pub fn get(&self, kid: &str) -> Option<&Jwk> {
        self.keys.iter().find(|jwk| jwk.kid.as_str() == kid)
    }

    /// These entries, then those of `other` that are not among them; an entry with the empty kid
    /// stays last.
    ///
    /// # Errors
    /// [`Error::KidConflict`] if both have a kid with different keys, [`Error::TooManyKeys`].
    pub fn union(&self, other: &Self) -> Result<Self, Error> {
        let both = self.keys.iter().chain(&other.keys);
        let (named, unnamed): (Vec<&Jwk>, Vec<&Jwk>) =
            both.partition(|jwk| !jwk.kid.as_str().is_empty());
        Self::from_entries(named.into_iter().chain(unnamed).cloned())
    }

    /// The entries that are not in `other` (by kid and key).
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        Self { keys: self.keys.iter().filter(|jwk| !other.keys.contains(jwk)).cloned().collect() }
    }

    /// The set with a copy of its first key under the kid `""` at the end, as in the webhook's
    /// guide, for tokens of clusters before Kubernetes 1.16; unchanged if it has such an entry.
    ///
    /// # Errors
    /// [`Error::TooManyKeys`].
    pub fn with_empty_kid(mut self) -> Result<Self, Error> {
        if let Some(first) = self.keys.first()
            && self.get("").is_none()
        {
            let copy = Jwk { kid: KeyId::new("")?, key: first.key.clone() };
            self.keys.push(copy);
        }
        check_count(&self.keys)?;
        Ok(self)
    }

    /// The entries that fulfil a condition.
    #[must_use]
    pub fn filtered(&self, condition: impl Fn(&Jwk) -> bool) -> Self {
        Self { keys: self.keys.iter().filter(|jwk| condition(jwk)).cloned().collect() }
    }

    /// The set without the entry that [`JwkSet::with_empty_kid`] adds.
    #[must_use]
    pub fn without_empty_kid(&self) -> Self {
        Self {
            keys: self.keys.iter().filter(|jwk| !jwk.kid.as_str().is_empty()).cloned().collect(),
        }
    }

    /// The algorithms of the keys, sorted and unique.
    #[must_use]
    pub fn algorithms(&self) -> BTreeSet<Algorithm> {
        self.keys.iter().map(|jwk| jwk.key.algorithm()).collect()
    }

    pub(crate) fn from_entries(entries: impl IntoIterator<Item = Jwk>) -> Result<Self, Error> {
        let mut set = Self::default();
        for jwk in entries {
            match set.get(jwk.kid.as_str()) {
                None => set.keys.push(jwk),
                Some(present) if present.key == jwk.key => {}
                Some(_) => return Err(Error::KidConflict { kid: jwk.kid }),
            }
        }
        check_count(&set.keys)?;
        Ok(set)
    }
}

fn check_count(keys: &[Jwk]) -> Result<(), Error> {
    for key_type in ["RSA", "EC"] {
        let count = keys.iter().filter(|jwk| jwk.key.key_type() == key_type).count();
        if count > MAX_KEYS_PER_TYPE {
            return Err(Error::TooManyKeys { key_type, count });
        }
    }
    Ok(())
}
