//! Taking a site away: the discovery document first, so that nobody finds one that speaks of keys
//! which are gone.

use std::fmt;

use issuer_discovery::{DISCOVERY_NAME, IssuerUrl, KEYS_NAME};
use issuer_jwks::{JwkSet, WeakKeys};
use serde::Deserialize;

use crate::{Error, OwnBucket, Present, Store, Version};

/// What taking a site away removes; `Display` is the dry run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    location: String,
    /// In the order in which they go.
    documents: Vec<(&'static str, Version)>,
    /// The keys in them, for people.
    kids: Vec<String>,
    /// Documents that were there before issuerctl came.
    kept: Vec<&'static str>,
    statement: bool,
    own_bucket: Option<OwnBucket>,
    notices: Vec<&'static str>,
}

/// What became of the bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BucketEnd {
    /// issuerctl did not make it, or there is none.
    NotOurs,
    /// It is gone.
    Deleted(String),
    /// Something else is in it.
    Stays(String),
}

impl Removal {
    /// What is there of this issuer. Documents that issuerctl found there go only by `force`; while
    /// one of them stays, so does what lets the world read it.
    ///
    /// # Errors
    /// [`Error::OtherIssuer`]: the documents are of another one; [`Error::Unreadable`]: nothing
    /// says whose they are.
    pub fn new(
        location: &str,
        issuer: &IssuerUrl,
        present: &Present,
        force: bool,
    ) -> Result<Self, Error> {
        let place = |name: &str| format!("{}/{name}", location.trim_end_matches('/'));
        let unreadable = |name: &str, reason: String| Error::Unreadable {
            location: place(name),
            reason,
            keys: None,
        };
        if let Some(stored) = &present.discovery {
            let named: Named = serde_json::from_slice(&stored.bytes).map_err(|error| {
                unreadable(DISCOVERY_NAME, format!("no discovery document: {error}"))
            })?;
            if named.issuer != issuer.as_str() {
                let (location, issuer) = (place(DISCOVERY_NAME), issuer.to_string());
                return Err(Error::OtherIssuer { location, published: named.issuer, issuer });
            }
        }
        let kids =
            match present.keys.as_ref().map(|stored| JwkSet::parse(&stored.bytes, WeakKeys::Allow))
            {
                Some(Ok(set)) => set.keys().iter().map(|jwk| jwk.kid.to_string()).collect(),
                Some(Err(error)) if present.discovery.is_none() => {
                    return Err(unreadable(KEYS_NAME, error.to_string()));
                }
                _ => Vec::new(),
            };
        let there = [(DISCOVERY_NAME, &present.discovery), (KEYS_NAME, &present.keys)];
        let there = there
            .into_iter()
            .filter_map(|(name, stored)| Some((name, stored.as_ref()?.version.clone())));
        let (documents, kept): (Vec<_>, Vec<_>) =
            there.partition(|(_, version)| version.ours || force);
        let keys_go = documents.iter().any(|(name, _)| *name == KEYS_NAME);
        Ok(Self {
            location: location.to_owned(),
            statement: present.statement && kept.is_empty(),
            own_bucket: present.own_bucket.clone().map(|bucket| OwnBucket {
                other_object: bucket
                    .other_object
                    .or(kept.first().map(|(name, _)| (*name).to_owned())),
                ..bucket
            }),
            notices: present.notices.clone(),
            kids: if keys_go { kids } else { Vec::new() },
            kept: kept.into_iter().map(|(name, _)| name).collect(),
            documents,
        })
    }

    /// Whether there is nothing to take away.
    pub fn is_empty(&self) -> bool {
        self.documents.is_empty()
            && self.kept.is_empty()
            && !self.statement
            && self.own_bucket.is_none()
    }

    /// Whether anything goes; a bucket of ours that holds something else stays.
    pub fn changes_anything(&self) -> bool {
        !self.documents.is_empty() || self.statement || self.deletes_bucket()
    }

    /// Whether the bucket goes, too.
    pub fn deletes_bucket(&self) -> bool {
        self.own_bucket.as_ref().is_some_and(|bucket| bucket.other_object.is_none())
    }

    /// What the user has to be told.
    pub fn notices(&self) -> impl Iterator<Item = &'static str> {
        self.notices.iter().copied()
    }

    /// The store, for people.
    pub fn location(&self) -> &str {
        &self.location
    }

    /// One text a step, in order.
    pub fn steps(&self) -> Vec<String> {
        let mut steps: Vec<String> =
            self.documents.iter().map(|(name, _)| format!("- document      {name}")).collect();
        steps.extend(self.kids.iter().map(|kid| format!("- key           {kid:?}")));
        let kept = self.kept.iter();
        steps.extend(
            kept.map(|name| {
                format!("= document      {name} (of others: kept; --force deletes it)")
            }),
        );
        if self.statement {
            steps.push(
                "- access        the statement that lets everybody read the two documents"
                    .to_owned(),
            );
        }
        match &self.own_bucket {
            Some(OwnBucket { name, other_object: None }) => {
                steps.push(format!("- bucket        {name}"))
            }
            Some(OwnBucket { name, other_object: Some(key) }) => {
                steps.push(format!("= bucket        {name} (it holds {key} too: kept)"));
            }
            None => {}
        }
        steps
    }
}

impl fmt::Display for Removal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.location)?;
        for step in self.steps() {
            writeln!(f, "  {step}")?;
        }
        if self.is_empty() { writeln!(f, "nothing to do") } else { Ok(()) }
    }
}

/// Reads the store, and what there is to take away.
///
/// # Errors
/// Those of [`Store::read_for_removal`] and [`Removal::new`].
pub async fn plan_removal(
    store: &Store,
    issuer: &IssuerUrl,
    force: bool,
) -> Result<Removal, Error> {
    Removal::new(&store.location(), issuer, &store.read_for_removal().await?, force)
}

/// Takes it away. A bucket of ours is tried in any case: another issuer of the same run may have
/// emptied it meanwhile.
///
/// # Errors
/// [`Error::Changed`] where somebody else wrote since the plan was made; a denied or failed call.
/// The next run goes on from there.
pub async fn remove(store: &Store, removal: &Removal) -> Result<BucketEnd, Error> {
    for (name, version) in &removal.documents {
        store.remove(name, version).await?;
    }
    if removal.statement {
        store.revoke().await?;
    }
    let Some(bucket) = &removal.own_bucket else { return Ok(BucketEnd::NotOurs) };
    let name = bucket.name.clone();
    Ok(if store.delete_bucket().await? { BucketEnd::Deleted(name) } else { BucketEnd::Stays(name) })
}

#[derive(Deserialize)]
struct Named {
    issuer: String,
}
