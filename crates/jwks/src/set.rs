//! JWK Sets (RFC 7517 section 5).

use std::collections::BTreeSet;

use crate::{Algorithm, Error, KeyId, PublicKey, WeakKeys};

/// One entry of a JWK Set: a public key under a kid.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Jwk {
    /// The key's id; the hash of the key unless the entry came from a document that says otherwise.
    pub kid: KeyId,
    /// The key.
    pub key: PublicKey,
}

/// A JWK Set: entries of different kids, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JwkSet {
    keys: Vec<Jwk>,
}

/// One member of a document's `keys`, usable or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Position in `keys`, from 1.
    pub number: usize,
    /// Its `kid` as it stands there.
    pub kid: Option<String>,
    /// The key, or why it is unusable ([`Error::Entry`]).
    pub jwk: Result<Jwk, Error>,
}

impl JwkSet {
    /// The keys under their own kids; a key given twice stands once.
    ///
    /// # Errors
    /// [`Error::TooManyKeys`].
    pub fn from_keys(keys: impl IntoIterator<Item = PublicKey>) -> Result<Self, Error> {
        let _ = keys.into_iter();
        todo!()
    }

    /// Reads a published document; any entry that AWS STS would trip over is refused.
    ///
    /// A set without entries is read as such; callers that need keys look at [`JwkSet::is_empty`].
    ///
    /// # Errors
    /// [`Error::NotJson`], [`Error::Entry`], [`Error::KidConflict`], [`Error::TooManyKeys`] and their like.
    pub fn parse(bytes: &[u8], weak: WeakKeys) -> Result<Self, Error> {
        let _ = (bytes, weak);
        todo!()
    }

    /// Reads a document entry by entry, so that every fault can be named, not the first alone.
    ///
    /// # Errors
    /// Only where the document as a whole is no JWK Set.
    pub fn entries(bytes: &[u8], weak: WeakKeys) -> Result<Vec<Entry>, Error> {
        let _ = (bytes, weak);
        todo!()
    }

    /// The set as kube-apiserver writes it at `/openid/v1/jwks`: compact, no final newline.
    pub fn to_json(&self) -> String {
        todo!()
    }

    /// The same for people: indented by two spaces.
    pub fn to_json_pretty(&self) -> String {
        todo!()
    }

    /// The entries, in order.
    pub fn keys(&self) -> &[Jwk] {
        &self.keys
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The entry of this kid.
    pub fn get(&self, kid: &str) -> Option<&Jwk> {
        self.keys.iter().find(|jwk| jwk.kid.as_str() == kid)
    }

    /// These entries, then those of `other` that are not here; an entry with the empty kid stays last.
    ///
    /// # Errors
    /// [`Error::KidConflict`] where both have a kid with different keys, [`Error::TooManyKeys`].
    pub fn union(&self, other: &Self) -> Result<Self, Error> {
        let _ = other;
        todo!()
    }

    /// The entries that are not in `other` (by kid and key).
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let _ = other;
        todo!()
    }

    /// The set with a copy of its first key under the kid `""` at the end, as the webhook's guide makes it for the
    /// tokens of clusters before Kubernetes 1.16; unchanged where it has such an entry.
    ///
    /// # Errors
    /// [`Error::TooManyKeys`].
    pub fn with_empty_kid(self) -> Result<Self, Error> {
        todo!()
    }

    /// The algorithms of the keys, sorted and unique.
    pub fn algorithms(&self) -> BTreeSet<Algorithm> {
        self.keys.iter().map(|jwk| jwk.key.algorithm()).collect()
    }
}
