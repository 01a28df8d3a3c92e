//! What a publish would change: a value that can be printed, and then executed as it is.

use std::fmt;

use issuer_discovery::{DISCOVERY_NAME, Discovery, IssuerUrl, KEYS_NAME, Shape};
use issuer_jwks::{Jwk, JwkSet, KeyId, WeakKeys};
use serde::Deserialize;

use crate::{AccessPlan, Condition, Error, KeyChange, Published, Stored, merge};

/// What is to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The keys that were given.
    pub keys: JwkSet,
    /// The issuer.
    pub issuer: IssuerUrl,
    /// The members of its document.
    pub shape: Shape,
}

/// How a plan is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PlanOptions {
    /// Drop published keys that were not given.
    pub prune: bool,
    /// Repeat the first key under the empty kid.
    pub with_empty_kid: bool,
    /// Replace the document of another issuer.
    pub change_issuer: bool,
    /// What to do with weak keys in the published set.
    pub weak: WeakKeys,
}

/// What happens to one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is not there yet.
    Create,
    /// Its bytes, media type or caching differ.
    Update,
    /// It is what it should be.
    Unchanged,
}

/// One document of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentPlan {
    /// Its name below the issuer.
    pub name: &'static str,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Whether these are published already, so that an update is about media type, caching or who
    /// may read.
    pub same_bytes: bool,
    /// What happens to it.
    pub change: Change,
    /// What must still be true when it is written.
    pub condition: Condition,
}

/// What a publish would change; `Display` is the dry run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    location: String,
    issuer: IssuerUrl,
    keys: JwkSet,
    key_changes: Vec<(Jwk, KeyChange)>,
    replaced: Vec<Replaced>,
    /// Whether an earlier try of this run has written already.
    interrupted: bool,
    access: AccessPlan,
    documents: [DocumentPlan; 2],
}

impl Plan {
    /// Compares what is to be published with what is.
    ///
    /// # Errors
    /// [`Error::NoKeys`], [`Error::Unreadable`], [`Error::Merge`], [`Error::OtherIssuer`],
    /// [`Error::Discovery`].
    pub fn new(
        location: &str,
        site: &Site,
        published: &Published,
        options: &PlanOptions,
    ) -> Result<Self, Error> {
        if site.keys.is_empty() {
            return Err(Error::NoKeys);
        }
        let place = |name: &str| format!("{}/{name}", location.trim_end_matches('/'));
        let published_keys = match &published.keys {
            None => JwkSet::default(),
            Some(stored) => {
                JwkSet::parse(&stored.bytes, options.weak).map_err(|error| Error::Unreadable {
                    location: place(KEYS_NAME),
                    reason: error.to_string(),
                    keys: Some(error),
                })?
            }
        };
        let replaced = replaced(site, published, &place(DISCOVERY_NAME), options)?;
        let conflict = |source| Error::Merge { location: place(KEYS_NAME), source };
        let given = if options.with_empty_kid {
            with_empty_kid(&site.keys, &published_keys, options.prune).map_err(conflict)?
        } else {
            site.keys.clone()
        };
        let merged = merge(&given, &published_keys, options.prune).map_err(conflict)?;
        let discovery =
            Discovery::new(site.issuer.clone(), None, merged.set.algorithms(), site.shape)?;
        let documents = [
            document(KEYS_NAME, merged.set.to_json(), published.keys.as_ref()),
            document(DISCOVERY_NAME, discovery.to_json(), published.discovery.as_ref()),
        ];
        Ok(Self {
            location: location.to_owned(),
            issuer: site.issuer.clone(),
            keys: merged.set,
            key_changes: merged.changes,
            replaced,
            interrupted: false,
            access: published.access.clone(),
            documents,
        })
    }

    /// The same plan in a run that has written before and lost a race then.
    pub(crate) fn after_a_write(mut self) -> Self {
        self.interrupted = true;
        self
    }

    /// Whether this run writes anything, or has.
    pub fn changes_anything(&self) -> bool {
        self.interrupted || !self.is_empty()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.access.is_empty()
            && self.documents.iter().all(|document| document.change == Change::Unchanged)
    }

    /// The store, for people.
    pub fn location(&self) -> &str {
        &self.location
    }

    /// The issuer.
    pub fn issuer(&self) -> &IssuerUrl {
        &self.issuer
    }

    /// The keys that will be published.
    pub fn keys(&self) -> &JwkSet {
        &self.keys
    }

    /// Every key with what happens to it.
    pub fn key_changes(&self) -> &[(Jwk, KeyChange)] {
        &self.key_changes
    }

    /// The keys that go.
    pub(crate) fn dropped(&self) -> Vec<KeyId> {
        let pruned = self.key_changes.iter().filter(|(_, change)| *change == KeyChange::Pruned);
        pruned.map(|(jwk, _)| jwk.kid.clone()).collect()
    }

    /// What has to be done about public access.
    pub fn access(&self) -> &AccessPlan {
        &self.access
    }

    /// The two documents, in the order in which they are written.
    pub fn documents(&self) -> &[DocumentPlan; 2] {
        &self.documents
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} for {}", self.location, self.issuer)?;
        for Replaced { member, from, to } in &self.replaced {
            writeln!(f, "  ~ {member:<13} {from} -> {to}")?;
        }
        for step in self.access.steps() {
            let sign = if step.contains(" -> ") { '~' } else { '+' };
            writeln!(f, "  {sign} access        {step}")?;
        }
        for document in &self.documents {
            let (sign, word) = match document.change {
                Change::Create => ('+', "new"),
                Change::Update if document.same_bytes => {
                    ('~', "its media type, caching or who may read it")
                }
                Change::Update => ('~', "changed"),
                Change::Unchanged => ('=', "unchanged"),
            };
            writeln!(f, "  {sign} document      {} ({word})", document.name)?;
        }
        for (jwk, change) in &self.key_changes {
            let (sign, word) = match change {
                KeyChange::Added => ('+', "new"),
                KeyChange::Unchanged => ('=', "unchanged"),
                KeyChange::Kept => {
                    ('=', "published and not given: kept; `publish --prune` drops it")
                }
                KeyChange::Pruned => ('-', "published and not given: dropped"),
            };
            writeln!(
                f,
                "  {sign} key           {:?} {} ({word})",
                jwk.kid.as_str(),
                jwk.key.describe()
            )?;
        }
        if self.is_empty() {
            writeln!(f, "nothing to do")?;
        }
        Ok(())
    }
}

/// A published empty kid stays with its key, unless that key is pruned: then the first given key
/// takes it over.
fn with_empty_kid(
    given: &JwkSet,
    published: &JwkSet,
    prune: bool,
) -> Result<JwkSet, issuer_jwks::Error> {
    let stays = |jwk: &Jwk| !prune || given.keys().iter().any(|other| other.key == jwk.key);
    let unnamed = published.difference(&published.without_empty_kid());
    let with_published =
        if published.get("").is_some_and(stays) { given.union(&unnamed)? } else { given.clone() };
    with_published.with_empty_kid()
}

fn document(name: &'static str, text: String, stored: Option<&Stored>) -> DocumentPlan {
    let bytes = text.into_bytes();
    let (change, condition) = match stored {
        None => (Change::Create, Condition::Absent),
        Some(stored) if stored.bytes == bytes && stored.headers_match => {
            (Change::Unchanged, Condition::Unchanged(stored.version.clone()))
        }
        Some(stored) => (Change::Update, Condition::Unchanged(stored.version.clone())),
    };
    let same_bytes = stored.is_some_and(|stored| stored.bytes == bytes);
    DocumentPlan { name, bytes, same_bytes, change, condition }
}

/// A member of the published discovery document that is about to say something else.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Replaced {
    member: &'static str,
    from: String,
    to: String,
}

/// What a published document says of issuer and keys that this site does not, where it may be
/// replaced.
fn replaced(
    site: &Site,
    published: &Published,
    location: &str,
    options: &PlanOptions,
) -> Result<Vec<Replaced>, Error> {
    #[derive(Deserialize)]
    struct Named {
        issuer: String,
        jwks_uri: Option<String>,
    }
    let Some(stored) = &published.discovery else { return Ok(Vec::new()) };
    let named: Named =
        serde_json::from_slice(&stored.bytes).map_err(|error| Error::Unreadable {
            location: location.to_owned(),
            reason: format!("no discovery document: {error}"),
            keys: None,
        })?;
    let location = location.to_owned();
    let issuer = site.issuer.to_string();
    let mut replaced = Vec::new();
    if named.issuer != issuer {
        if !options.change_issuer {
            return Err(Error::OtherIssuer { location, published: named.issuer, issuer });
        }
        replaced.push(Replaced { member: "issuer", from: named.issuer.clone(), to: issuer });
    }
    // Readers follow jwks_uri, so whatever keys lie elsewhere have not been merged.
    let standard = site.issuer.document_url(KEYS_NAME);
    let own = format!("{}/{KEYS_NAME}", named.issuer);
    if let Some(uri) = named.jwks_uri.filter(|uri| *uri != standard && *uri != own) {
        if !options.change_issuer {
            return Err(Error::OtherKeys { location, published: uri, standard });
        }
        replaced.push(Replaced { member: "jwks_uri", from: uri, to: standard });
    }
    Ok(replaced)
}
