//! Planning a publish: the plan is shown, and then executed unchanged.

use issuer_change::{
    Action, Change, ChangeSet, Describe, Field, Kind, Notice, Reason, Resource, Value,
};
use issuer_diagnostic::date;
use issuer_discovery::{DISCOVERY_NAME, Discovery, IssuerUrl, KEYS_NAME, Shape};
use issuer_jwks::{ForeignKey, Jwk, JwkSet, KeyId, WeakKeys};

use crate::history::PastSite;
use crate::protocol::{Transition, transition};
use crate::s3::BucketPlan;
use crate::state::Attributes;
use crate::{
    Condition, Error, KeyChange, KeyRecord, Sighting, StoreState, Stored, merge, prune, published,
};

/// The members of a discovery document that depend on the issuer.
const OWN_MEMBERS: [&str; 3] = ["issuer", "jwks_uri", "id_token_signing_alg_values_supported"];

/// What is to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The given keys.
    pub keys: JwkSet,
    /// The issuer.
    pub issuer: IssuerUrl,
    /// The members of its discovery document.
    pub shape: Shape,
    /// Keys of types that AWS STS does not use, which a rollback publishes again.
    pub foreign: Vec<ForeignKey>,
    /// Published keys that are removed if they are not given, and as long as they are recorded as missing; others
    /// that are not given stay.
    pub retired: Vec<KeyId>,
    /// Who publishes it, which is recorded in the history.
    pub by: Option<String>,
    /// The keys that tokens of the cluster were seen to be signed with.
    pub seen: Vec<Sighting>,
}

impl Site {
    /// A site with these keys.
    #[must_use]
    pub fn new(keys: JwkSet, issuer: IssuerUrl, shape: Shape) -> Self {
        let (foreign, retired, seen) = (Vec::new(), Vec::new(), Vec::new());
        Self { keys, issuer, shape, foreign, retired, by: None, seen }
    }
}

/// Options of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PlanOptions {
    /// Remove published keys that are not given.
    pub prune: bool,
    /// New keys are those of a rotation, which no cluster has yet: they are not recorded as given.
    pub announces: bool,
    /// Whether the caller proves with a fresh token which key the cluster signs with, so that keys
    /// may be added and removed in one run.
    pub live_check: bool,
    /// Repeat the first key with an empty kid.
    pub with_empty_kid: bool,
    /// Replace published documents that cannot be read; keys that can be found in them are kept.
    pub replace_unreadable: bool,
    /// Replace a document of a different issuer.
    pub change_issuer: bool,
    /// Whether weak keys in the published set are accepted.
    pub weak: WeakKeys,
    /// How many previous sites are kept where the store does not do it; 0: none.
    pub keep_history: u32,
    /// How long after it was seen signing a key must stay, in seconds; 0: it need not.
    pub retire_secs: u64,
    /// Publish although a key is missing that the cluster signs with, or was seen signing lately.
    pub drop_live_key: bool,
    /// Record at once that a published key is not given any more, and not with the next write.
    pub record_missing: bool,
}

/// What happens to one document.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentPlan {
    /// Its path relative to the issuer.
    pub name: &'static str,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Whether it is created, updated or kept.
    pub action: Action,
    /// The condition of its write.
    pub condition: Condition,
    /// The changed members and attributes.
    pub(crate) fields: Vec<Field>,
}

/// What a publish would change.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    location: String,
    issuer: IssuerUrl,
    keys: JwkSet,
    key_changes: Vec<(Jwk, KeyChange)>,
    notices: Vec<Notice>,
    /// Whether the execution has written something.
    pub(crate) wrote: bool,
    /// Whether it has written the keys.
    pub(crate) wrote_keys: bool,
    /// Whether a document was what it had been before it was written.
    pub(crate) doubted: bool,
    pub(crate) bucket: Option<BucketPlan>,
    pub(crate) documents: [DocumentPlan; 2],
    /// The discovery document that is written first, with the algorithms that are listed, and those of
    /// the keys before and after: readers find no key with an algorithm that it does not list.
    pub(crate) widened: Option<Vec<u8>>,
    /// The site that is published, if it is copied before it is changed.
    pub(crate) previous: Option<PastSite>,
    /// What is recorded of the keys afterwards.
    pub(crate) record: KeyRecord,
    /// Whether that is written although nothing else is.
    pub(crate) record_due: Option<RecordDue>,
    /// How many copies are kept.
    pub(crate) keep_history: u32,
    /// The copies that the execution has written, and those that are deleted in return.
    pub(crate) copied: Option<Copied>,
}

/// Why what is recorded of the keys is written although nothing else is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecordDue {
    /// A key was seen signing.
    Sighting,
    /// It was not written for a day.
    Age,
}

/// A copy of a previous site that a run has written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Copied {
    /// Its name.
    pub(crate) name: String,
    /// Its contents.
    pub(crate) site: PastSite,
    /// The copies that are deleted in return.
    pub(crate) surplus: Vec<String>,
}

impl Plan {
    /// Compares the desired site with the store.
    ///
    /// # Errors
    /// [`Error::NoKeys`], [`Error::Unreadable`], [`Error::Merge`], [`Error::PruneWithNewKey`],
    /// [`Error::OtherIssuer`], [`Error::Discovery`]; those of [`BucketPlan::new`].
    pub fn new(
        location: &str,
        site: &Site,
        state: &StoreState,
        options: &PlanOptions,
    ) -> Result<Self, Error> {
        let bucket = state.bucket.as_ref();
        let bucket =
            bucket.map(|bucket| BucketPlan::new(&bucket.spec, &bucket.state)).transpose()?;
        if site.keys.is_empty() {
            return Err(Error::NoKeys);
        }
        let place = |name: &str| format!("{}/{name}", location.trim_end_matches('/'));
        let published = published::keys(state.keys.as_ref(), site, &place(KEYS_NAME), options)?;
        let published_keys = published.keys;
        refuse_other_documents(site, state, &place, options)?;
        let conflict = |source| Error::Merge { location: place(KEYS_NAME), source };
        let given = if options.with_empty_kid {
            with_empty_kid(&site.keys, &published_keys, options.prune).map_err(conflict)?
        } else {
            site.keys.clone()
        };
        let stored_record = state.keys.as_ref().map(|stored| stored.record.clone());
        let stored_record = stored_record.unwrap_or_default();
        // Another run may have been given such a key meanwhile.
        let mut retired = site.retired.clone();
        retired.retain(|kid| stored_record.life(kid.as_str()).missing_secs.is_some());
        let merged = merge(&given, &published_keys, options.prune).map_err(conflict)?;
        let merged = merged.without(&retired);
        if !options.live_check {
            prune::check(&merged.changes, &place(KEYS_NAME))?;
        }
        let lost = stored_record.lost(
            merged.set.keys().iter().map(|jwk| &jwk.kid),
            &prune::removed(&merged.changes),
            options.retire_secs,
            state.read_secs,
        );
        let lost = prune::check_lately_live(lost, options, &place(KEYS_NAME))?;
        let record =
            stored_record.after(&merged.changes, &site.seen, (options.announces, state.read_secs));
        let written =
            |algorithms| Discovery::new(site.issuer.clone(), None, algorithms, site.shape);
        let discovery = written(merged.set.algorithms())?;
        let mut foreign = published.foreign;
        for key in &site.foreign {
            if !foreign.contains(key) {
                foreign.push(key.clone());
            }
        }
        let mut documents = [
            document(
                KEYS_NAME,
                merged.set.to_json_with(&foreign),
                state.keys.as_ref(),
                &state.desired,
            ),
            document(DISCOVERY_NAME, discovery.to_json(), state.discovery.as_ref(), &state.desired),
        ];
        if let Some(format) = rewritten(&documents[0], &merged.changes, published.damaged) {
            documents[0].fields.push(format);
        }
        documents[0].fields.extend(other_owner(state.keys.as_ref(), site));
        if !documents[0].fields.is_empty() && documents[0].action == Action::Keep {
            documents[0].action = Action::Update;
        }
        let widened = match transition(state, site, &published_keys, &merged.set, &documents) {
            Transition::None => None,
            Transition::Widened(all) => Some(written(all)?.to_json().into_bytes()),
            Transition::OfAnother(bytes) => {
                let discovery = &mut documents[1];
                (discovery.action, discovery.bytes) = (Action::Keep, bytes);
                discovery.fields.clear();
                None
            }
        };
        let previous = previous(site, state, &documents).filter(|_| options.keep_history > 0);
        let writes = documents.iter().any(|document| document.action != Action::Keep);
        let hidden = state.notices.iter().filter(|_| writes).cloned();
        Ok(Self {
            location: location.to_owned(),
            issuer: site.issuer.clone(),
            keys: merged.set,
            notices: published
                .notices
                .into_iter()
                .chain(prune::notices(&merged.changes))
                .chain(hidden)
                .chain(lost)
                .chain(clock(state))
                .collect(),
            key_changes: merged.changes,
            wrote: false,
            wrote_keys: false,
            doubted: false,
            bucket,
            documents,
            widened,
            previous,
            record_due: record_due(&record, &stored_record, state, site, options),
            record,
            keep_history: options.keep_history,
            copied: None,
        })
    }

    /// Whether this run writes anything, or has written something.
    #[must_use]
    pub fn changes_anything(&self) -> bool {
        self.wrote || !self.is_empty()
    }

    /// Whether the execution has written something, also if it failed.
    #[must_use]
    pub fn wrote(&self) -> bool {
        self.wrote
    }

    /// Whether the execution has written `keys.json`, also if it failed.
    #[must_use]
    pub fn wrote_keys(&self) -> bool {
        self.wrote_keys
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bucket.as_ref().is_none_or(BucketPlan::is_empty)
            && self.documents.iter().all(|document| document.action == Action::Keep)
    }

    /// The store, as shown in messages.
    #[must_use]
    pub fn location(&self) -> &str {
        &self.location
    }

    /// The issuer.
    #[must_use]
    pub fn issuer(&self) -> &IssuerUrl {
        &self.issuer
    }

    /// The keys that will be published.
    #[must_use]
    pub fn keys(&self) -> &JwkSet {
        &self.keys
    }

    /// Every key, and what happens to it.
    #[must_use]
    pub fn key_changes(&self) -> &[(Jwk, KeyChange)] {
        &self.key_changes
    }

    /// The keys that are removed.
    pub(crate) fn dropped(&self) -> Vec<KeyId> {
        prune::removed(&self.key_changes)
    }

    /// The document that is written first.
    pub(crate) fn first_write(&self) -> &DocumentPlan {
        let [keys, discovery] = &self.documents;
        if self.widened.is_some() || keys.action == Action::Keep { discovery } else { keys }
    }

    /// The plan for the bucket, if the store is one; executed first.
    #[must_use]
    pub fn bucket(&self) -> Option<&BucketPlan> {
        self.bucket.as_ref()
    }

    /// The JWK Set and the discovery document, as they will be.
    #[must_use]
    pub fn documents(&self) -> &[DocumentPlan; 2] {
        &self.documents
    }

    /// A document in messages.
    pub(crate) fn place(&self, name: &str) -> String {
        format!("{}/{name}", self.location.trim_end_matches('/'))
    }

    fn key_fields(&self) -> impl Iterator<Item = Field> {
        self.key_changes.iter().map(|(jwk, change)| {
            let key = jwk.key.describe();
            let field = match change {
                KeyChange::Added => Field::added("key", key),
                KeyChange::Unchanged => Field::kept("key", key, Reason::Unchanged),
                KeyChange::Kept => Field::kept("key", key, Reason::NotRequested),
                KeyChange::Pruned => Field::removed("key", key),
            };
            field.of(jwk.kid.as_str())
        })
    }
}

impl Describe for Plan {
    fn describe(&self, into: &mut ChangeSet) {
        if let Some(bucket) = &self.bucket {
            bucket.describe(into);
        }
        for document in &self.documents {
            let locator = self.place(document.name);
            let resource = Resource::new(Kind::Document, document.name, locator);
            let mut change = match document.action {
                Action::Keep => Change::keep(resource, Reason::Unchanged),
                action => Change::new(resource, action),
            };
            if document.name == KEYS_NAME {
                change.fields.extend(self.key_fields());
            }
            into.push(change.with_fields(document.fields.iter().cloned()));
        }
        into.notices.extend(self.notices.iter().cloned());
    }
}

/// A published empty kid stays with its key, unless that key is pruned: then it moves to the first
/// given key.
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

fn document(
    name: &'static str,
    text: String,
    stored: Option<&Stored>,
    desired: &Attributes,
) -> DocumentPlan {
    let bytes = text.into_bytes();
    let Some(stored) = stored else {
        let mut fields = if name == KEYS_NAME { Vec::new() } else { member_fields(&[], &bytes) };
        // The remaining members are the same for every issuer.
        fields
            .retain(|field| field.item.as_deref().is_some_and(|name| OWN_MEMBERS.contains(&name)));
        let (action, condition) = (Action::Create, Condition::Absent);
        return DocumentPlan { name, bytes, action, condition, fields };
    };
    let condition = Condition::Unchanged(stored.version.clone());
    let mut fields = Vec::new();
    if stored.bytes != bytes {
        // The keys have their own fields.
        if name != KEYS_NAME {
            fields = member_fields(&stored.bytes, &bytes);
        }
        if fields.is_empty() && has_same_members(&stored.bytes, &bytes) {
            fields.push(Field::changed("format", "different order or white space", "canonical"));
        }
    }
    for (name, value) in
        desired.iter().filter(|(name, to)| stored.attributes.get(*name) != Some(to))
    {
        let before = stored.attributes.get(name).map(|value| value.as_str().into());
        fields.push(Field::between(name, before, Some(value.as_str().into())));
    }
    let unchanged = stored.bytes == bytes && fields.is_empty();
    let action = if unchanged { Action::Keep } else { Action::Update };
    DocumentPlan { name, bytes, action, condition, fields }
}

fn record_due(
    record: &KeyRecord,
    before: &KeyRecord,
    state: &StoreState,
    site: &Site,
    options: &PlanOptions,
) -> Option<RecordDue> {
    let written_secs = state.keys.as_ref()?.written_secs;
    let due = if site.seen.is_empty() { RecordDue::Age } else { RecordDue::Sighting };
    let is_due = record.is_due(before, written_secs, state.read_secs)
        || options.record_missing && record.moves(before, true);
    is_due.then_some(due)
}

/// A clock that is off by more than this is reported, in seconds: STS tolerates as much.
const CLOCK_SECS: u64 = 5 * 60;

fn clock(state: &StoreState) -> Option<Notice> {
    let off = state.clock_ahead_secs.unsigned_abs();
    let side = if state.clock_ahead_secs > 0 { "ahead of" } else { "behind" };
    (off > CLOCK_SECS).then(|| Notice {
        id: "clock".into(),
        message: format!(
            "the clock of this machine is {} {side} that of the store, which says {}: tokens and \
             certificates are judged by it, so set it right",
            duration(off),
            date(state.read_secs)
        ),
    })
}

fn duration(secs: u64) -> String {
    match (secs / 3600, secs / 60 % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

/// The published site, if its documents are about to get other bytes, and the store does not keep them.
fn previous(site: &Site, state: &StoreState, documents: &[DocumentPlan; 2]) -> Option<PastSite> {
    let stored = [&state.keys, &state.discovery];
    let is_changed = |(stored, document): (&&Option<Stored>, &DocumentPlan)| {
        stored.as_ref().is_some_and(|stored| stored.bytes != document.bytes)
    };
    let is_changed = stored.iter().zip(documents).any(is_changed);
    let is_kept = stored.iter().all(|stored| stored.as_ref().is_none_or(|one| one.retained));
    (is_changed && !is_kept).then(|| PastSite {
        replaced_by: site.by.clone(),
        ..PastSite::of(state.keys.as_ref(), state.discovery.as_ref(), site.issuer.as_str())
    })
}

/// Why the JWK Set is written although it has the same keys, which have their own fields.
fn rewritten(
    document: &DocumentPlan,
    changes: &[(Jwk, KeyChange)],
    damaged: bool,
) -> Option<Field> {
    let same_keys =
        !changes.iter().any(|(_, change)| matches!(change, KeyChange::Added | KeyChange::Pruned));
    let unexplained = document.action == Action::Update && document.fields.is_empty();
    (unexplained && (same_keys || damaged)).then(|| {
        let before = if damaged { "not readable" } else { "same keys with other members" };
        Field::changed("format", before, "canonical")
    })
}

/// The members that differ in two JSON objects; invalid JSON has none.
fn member_fields(before: &[u8], after: &[u8]) -> Vec<Field> {
    let (before, after) = (members(before), members(after));
    let mut names: Vec<&String> = after.keys().collect();
    names.extend(before.keys().filter(|name| !after.contains_key(*name)));
    let differ = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
    let value = |members: &Members, name: &String| members.get(name).cloned().map(Value::from);
    let field = |name: &String| {
        Field::between("member", value(&before, name), value(&after, name)).of(name.as_str())
    };
    differ.map(field).collect()
}

type Members = serde_json::Map<String, serde_json::Value>;

fn members(bytes: &[u8]) -> Members {
    serde_json::from_slice(bytes).unwrap_or_default()
}

fn has_same_members(before: &[u8], after: &[u8]) -> bool {
    let json = |bytes| serde_json::from_slice::<serde_json::Value>(bytes).ok();
    json(before) == json(after)
}

/// The other issuer that is recorded beside the published keys.
fn other_owner(stored: Option<&Stored>, site: &Site) -> Option<Field> {
    let owner = stored?.issuer.as_deref().filter(|owner| *owner != site.issuer.as_str())?;
    Some(Field::changed("issuer", owner, site.issuer.as_str()))
}

/// A published document of a different issuer, or with a different `jwks_uri`, is replaced only on
/// request.
fn refuse_other_documents(
    site: &Site,
    state: &StoreState,
    place: &impl Fn(&str) -> String,
    options: &PlanOptions,
) -> Result<(), Error> {
    let location = place(DISCOVERY_NAME);
    let named = published::discovery(state.discovery.as_ref(), &location, options)?;
    if options.change_issuer {
        return Ok(());
    }
    let issuer = site.issuer.to_string();
    let owner = state.keys.as_ref().and_then(|stored| stored.issuer.as_ref());
    if let Some(published) = owner.filter(|owner| **owner != issuer) {
        let (location, published) = (place(KEYS_NAME), published.clone());
        return Err(Error::OtherIssuer { location, published, issuer });
    }
    let Some(named) = named else { return Ok(()) };
    if named.issuer != issuer {
        return Err(Error::OtherIssuer { location, published: named.issuer, issuer });
    }
    // Clients follow jwks_uri; keys at a different URL have not been merged.
    let standard = site.issuer.document_url(KEYS_NAME);
    match named.jwks_uri {
        Some(published) if published != standard => {
            Err(Error::OtherKeys { location, published, standard })
        }
        _ => Ok(()),
    }
}
