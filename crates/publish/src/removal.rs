//! Deleting a site: the discovery document first, so that it never refers to keys that no longer
//! exist.

use issuer_change::{Action, Change, ChangeSet, Describe, Field, Kind, Reason, Resource};
use issuer_discovery::{DISCOVERY_NAME, IssuerUrl, KEYS_NAME};
use issuer_jwks::{Jwk, JwkSet, WeakKeys, salvage};

use crate::history::FOLDER;
use crate::published::Named;
use crate::s3::BucketRemoval;
use crate::{Error, Purpose, Setting, Store, StoreState, Stored, Version};

/// What the deletion of a site removes.
#[derive(Debug, Clone, PartialEq)]
pub struct Removal {
    location: String,
    /// In the order of their deletion.
    documents: Vec<(&'static str, Version)>,
    /// The kids and descriptions of the keys in them.
    keys: Vec<(String, String)>,
    /// Documents that issuerctl did not create.
    kept: Vec<&'static str>,
    bucket: Option<BucketRemoval>,
    /// The copies of previous sites.
    history: Vec<String>,
    /// Whether these could not be listed.
    history_denied: bool,
    /// Whether the execution has deleted something.
    wrote: bool,
}

/// What happened to the bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BucketEnd {
    /// issuerctl did not create it, or the store is not a bucket.
    NotOurs,
    /// It was deleted.
    Deleted(String),
    /// It was kept, because it is not empty.
    Stays(String),
}

impl Removal {
    /// Plans the deletion of an issuer. Documents that issuerctl did not create are deleted only
    /// with `force`; as long as one of them is kept, it remains public.
    ///
    /// # Errors
    /// [`Error::OtherIssuer`]: the documents belong to a different issuer; [`Error::UnknownOwner`]:
    /// the issuer of the documents cannot be determined, and `force` is not set; [`Error::BadPolicy`].
    pub fn new(
        location: &str,
        issuer: &IssuerUrl,
        state: &StoreState,
        force: bool,
    ) -> Result<Self, Error> {
        let place = |name: &str| format!("{}/{name}", location.trim_end_matches('/'));
        let unknown =
            |name: &str, reason: String| Error::UnknownOwner { location: place(name), reason };
        let named = match state.discovery.as_ref().map(Named::read) {
            Some(Err(_)) if force => None,
            Some(Err(reason)) => return Err(unknown(DISCOVERY_NAME, reason)),
            named => named.and_then(Result::ok),
        };
        if let Some(named) = named.filter(|named| named.issuer != issuer.as_str()) {
            let (location, issuer) = (place(DISCOVERY_NAME), issuer.to_string());
            return Err(Error::OtherIssuer { location, published: named.issuer, issuer });
        }
        let keys = state.keys.as_ref();
        let owner = keys.and_then(|stored| stored.issuer.as_deref());
        if let Some(published) = owner.filter(|owner| *owner != issuer.as_str()) {
            let (published, issuer) = (published.to_owned(), issuer.to_string());
            return Err(Error::OtherIssuer { location: place(KEYS_NAME), published, issuer });
        }
        let keys = match keys.filter(|stored| !stored.is_blank()) {
            Some(stored) => {
                deleted_keys(stored).or_else(|error| match (&state.discovery, owner) {
                    (None, None) if !force => Err(unknown(KEYS_NAME, error.to_string())),
                    _ => Ok(found_keys(stored)),
                })?
            }
            None => Vec::new(),
        };
        let there = [(DISCOVERY_NAME, &state.discovery), (KEYS_NAME, &state.keys)];
        let there = there
            .into_iter()
            .filter_map(|(name, stored)| Some((name, stored.as_ref()?.version.clone())));
        let (documents, kept): (Vec<_>, Vec<_>) =
            there.partition(|(_, version)| version.ours || force);
        let kept: Vec<_> = kept.into_iter().map(|(name, _)| name).collect();
        let bucket = state
            .bucket
            .as_ref()
            .map(|bucket| BucketRemoval::new(&bucket.spec, &bucket.state, kept.first().copied()));
        let bucket = bucket.transpose()?;
        let (location, wrote) = (location.to_owned(), false);
        // A document that is kept keeps its history.
        let history = state.history.present().filter(|_| kept.is_empty()).cloned();
        let (history, history_denied) =
            (history.unwrap_or_default(), state.history == Setting::Denied && kept.is_empty());
        Ok(Self { location, documents, keys, kept, bucket, history, history_denied, wrote })
    }

    /// Whether there is nothing to delete and nothing to report.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.documents.is_empty()
            && self.kept.is_empty()
            && self.history.is_empty()
            && self.bucket.as_ref().is_none_or(BucketRemoval::is_empty)
    }

    /// Whether anything is deleted; a bucket that is not empty is kept.
    #[must_use]
    pub fn changes_anything(&self) -> bool {
        let bucket = self.bucket.as_ref();
        !self.documents.is_empty()
            || !self.history.is_empty()
            || bucket.is_some_and(|bucket| bucket.removes_statement() || bucket.deletes_bucket())
    }

    /// Whether the execution has deleted something, also if it failed.
    #[must_use]
    pub fn wrote(&self) -> bool {
        self.wrote
    }

    /// Whether the bucket is deleted.
    #[must_use]
    pub fn deletes_bucket(&self) -> bool {
        self.bucket.as_ref().is_some_and(BucketRemoval::deletes_bucket)
    }

    /// The store, as shown in messages.
    #[must_use]
    pub fn location(&self) -> &str {
        &self.location
    }

    /// Adds all documents as kept for this reason.
    pub fn describe_kept(&self, reason: Reason, into: &mut ChangeSet) {
        let names = self.documents.iter().map(|(name, _)| *name).chain(self.kept.iter().copied());
        for name in names {
            into.push(Change::keep(self.resource(name), reason));
        }
    }

    fn resource(&self, name: &str) -> Resource {
        let locator = format!("{}/{name}", self.location.trim_end_matches('/'));
        Resource::new(Kind::Document, name, locator)
    }
}

impl Describe for Removal {
    fn describe(&self, into: &mut ChangeSet) {
        for (name, _) in &self.documents {
            let mut change = Change::new(self.resource(name), Action::Delete);
            if *name == KEYS_NAME {
                let key =
                    |(kid, what): &(String, String)| Field::removed("key", what.as_str()).of(kid);
                change.fields.extend(self.keys.iter().map(key));
            }
            into.push(change);
        }
        for name in &self.kept {
            into.push(Change::keep(self.resource(name), Reason::Unmanaged));
        }
        if self.history_denied {
            into.notice(
                "history-not-readable",
                "s3:ListBucket is denied, so copies of what was published before are not found, and \
                 stay",
            );
        }
        if !self.history.is_empty() {
            let locator = format!("{}/{FOLDER}", self.location.trim_end_matches('/'));
            let resource = Resource::new(Kind::History, FOLDER, locator);
            let copies = Field::removed("copies", self.history.len() as u64);
            into.push(Change::new(resource, Action::Delete).with_field(copies));
        }
        if let Some(bucket) = &self.bucket {
            bucket.describe(into);
        }
    }
}

/// All keys of a set, also those of types that AWS STS does not use.
fn deleted_keys(stored: &Stored) -> Result<Vec<(String, String)>, issuer_jwks::Error> {
    let (set, foreign) = JwkSet::parse_with_foreign(&stored.bytes, WeakKeys::Allow)?;
    let foreign = foreign.into_iter().map(|key| {
        let what = format!("not for AWS STS: {}", issuer_jwks::reason(&key.fault));
        (key.kid.unwrap_or_default(), what)
    });
    Ok(set.keys().iter().map(described).chain(foreign).collect())
}

/// What can be found in a damaged set.
fn found_keys(stored: &Stored) -> Vec<(String, String)> {
    let found = salvage(&stored.bytes, WeakKeys::Allow);
    let lost = found
        .lost
        .into_iter()
        .map(|lost| (lost.kid.unwrap_or_default(), format!("cannot be read: {}", lost.reason)));
    found.set.keys().iter().map(described).chain(lost).collect()
}

fn described(jwk: &Jwk) -> (String, String) {
    (jwk.kid.as_str().to_owned(), jwk.key.describe())
}

/// Reads the store and plans the deletion.
///
/// # Errors
/// Those of [`Store::read`] and [`Removal::new`].
pub async fn plan_removal(
    store: &Store,
    issuer: &IssuerUrl,
    force: bool,
) -> Result<Removal, Error> {
    Removal::new(&store.location(), issuer, &store.read(Purpose::Remove).await?, force)
}

/// Executes a deletion. Unless there is nothing to delete, deleting a bucket that issuerctl created is
/// attempted even if it was not empty, and so is deleting the statement for all issuers of a bucket:
/// another issuer of the same run may have been deleted in the meantime.
///
/// # Errors
/// [`Error::Changed`] if another writer changed the store since it was planned; a denied or failed
/// call. Completed steps are kept ([`Removal::wrote`]), and the next run continues from there.
pub async fn remove(store: &Store, removal: &mut Removal) -> Result<BucketEnd, Error> {
    let idle = !removal.changes_anything();
    let Removal { documents, bucket, history, wrote, .. } = removal;
    for (name, version) in documents {
        issuer_diagnostic::write(store.remove(name, version)).await?;
        issuer_diagnostic::wrote(format!("the deletion of {}", store.document_location(name)));
        *wrote = true;
    }
    if let Some(bucket) = bucket.as_ref() {
        let is_due = bucket.removes_statement() || (!idle && bucket.keeps_shared());
        if is_due && store.remove_statement().await? {
            issuer_diagnostic::wrote(format!("the policy of the bucket {}", bucket.name()));
            *wrote = true;
        }
    }
    for name in history {
        issuer_diagnostic::write(store.forget(name)).await?;
        issuer_diagnostic::wrote(format!("the deletion of {FOLDER}/{name}"));
        *wrote = true;
    }
    let Some(bucket) = bucket else { return Ok(BucketEnd::NotOurs) };
    if !bucket.is_ours() {
        return Ok(BucketEnd::NotOurs);
    }
    let name = bucket.name().to_owned();
    if idle {
        return Ok(BucketEnd::Stays(name));
    }
    let deleted = store.delete_bucket().await?;
    *wrote |= deleted;
    Ok(if deleted { BucketEnd::Deleted(name) } else { BucketEnd::Stays(name) })
}
