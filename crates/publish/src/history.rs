//! The history of a site: what was published before, so that there is a way back.
//!
//! A bucket with versioning keeps the versions itself. Everywhere else a run writes a copy of the site
//! that it is about to change, before it changes anything.

use std::cmp::Ordering;

use base64ct::{Base64, Encoding};
use issuer_diagnostic::date;
use issuer_discovery::{IssuerUrl, Published, Shape};
use issuer_jwks::{ForeignKey, Jwk, JwkSet, MAX_INPUT_BYTES, WeakKeys};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::{Error, Stored};

/// How many previous sites are kept unless something else is requested.
pub const KEEP_HISTORY: u32 = 10;

/// The folder of the copies, relative to the issuer. No statement of a bucket policy that makes
/// documents public covers it: the name of a copy is never that of a document.
pub(crate) const FOLDER: &str = ".issuerctl/history";

/// The largest copy: two documents in base64, and what is recorded beside them.
pub(crate) const MAX_BYTES: usize = 4 * MAX_INPUT_BYTES;

/// The format of a copy.
const FORMAT: u64 = 1;

/// The hexadecimal digits of the contents in the name of a copy.
const DIGITS: usize = 16;

/// A site as it was published before.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PastSite {
    /// The bytes of `keys.json`.
    pub keys: Option<Vec<u8>>,
    /// The bytes of the discovery document; not known of a version in a bucket, since a run writes it
    /// again from the keys.
    pub discovery: Option<Vec<u8>>,
    /// The issuer, if it was recorded.
    pub issuer: Option<String>,
    /// When it was published, in seconds since 1970, if the store said it.
    pub published_secs: Option<u64>,
    /// Who replaced it, if that was recorded.
    pub replaced_by: Option<String>,
}

/// A previous site, as a store lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    /// What `rollback` calls it: the name of a copy, or the ID of a version in a bucket.
    pub(crate) version: String,
    /// When the site was replaced, in seconds since 1970. S3 says whole seconds, in which a site can
    /// change several times.
    pub(crate) replaced_secs: Option<u64>,
    /// Whether a site after this one may be kept as a copy alone, because the store has overwritten it.
    pub(crate) before_copies: bool,
    /// Who published it, if the store says it.
    pub(crate) owner: Option<String>,
}

/// A site, now or before.
#[derive(Debug)]
pub struct HistoryEntry {
    /// What `rollback` calls it; `None` is the site that is published now.
    pub version: Option<String>,
    /// When it was published, in seconds since 1970, if that is known.
    pub published_secs: Option<u64>,
    /// Who published it, if that is known.
    pub by: Option<String>,
    /// Its keys, or why they cannot be read.
    pub keys: Result<JwkSet, Error>,
    /// The keys that the site before it did not have.
    pub added: Vec<Jwk>,
    /// The keys that only the site before it had.
    pub removed: Vec<Jwk>,
}

/// What a rollback publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// What the history calls it.
    pub version: String,
    /// Its keys.
    pub keys: JwkSet,
    /// Its keys of types that AWS STS does not use.
    pub foreign: Vec<ForeignKey>,
    /// The members of its discovery document, if that was kept.
    pub shape: Option<Shape>,
}

impl PastSite {
    /// The documents as they were read.
    pub(crate) fn of(keys: Option<&Stored>, discovery: Option<&Stored>, issuer: &str) -> Self {
        let times = [keys, discovery].into_iter().flatten().filter_map(|one| one.written_secs);
        Self {
            keys: keys.map(|stored| stored.bytes.clone()),
            discovery: discovery.map(|stored| stored.bytes.clone()),
            issuer: keys.and_then(|keys| keys.issuer.clone()).or_else(|| Some(issuer.to_owned())),
            published_secs: times.max(),
            replaced_by: None,
        }
    }

    /// A hash of both documents in hexadecimal digits.
    pub(crate) fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for document in [&self.keys, &self.discovery] {
            let bytes = document.as_deref().unwrap_or_default();
            hash.update(
                document.as_ref().map_or(u64::MAX, |bytes| bytes.len() as u64).to_be_bytes(),
            );
            hash.update(bytes);
        }
        hex(&hash.finalize())[..DIGITS].to_owned()
    }

    /// The name of the copy that is written at this time.
    pub(crate) fn name(&self, now_millis: u64) -> String {
        let time = date(now_millis / 1000).replace(['-', ':', 'Z'], "");
        format!("{time}.{:03}Z-{}", now_millis % 1000, self.digest())
    }

    /// The bytes of a copy: one JSON object with both documents, so that a copy is never of one alone.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let base64 = |bytes: &Option<Vec<u8>>| bytes.as_deref().map(Base64::encode_string);
        let text = json!({
            "format": FORMAT,
            "issuer": self.issuer,
            "published_secs": self.published_secs,
            "replaced_by": self.replaced_by,
            "keys": base64(&self.keys),
            "discovery": base64(&self.discovery),
        });
        text.to_string().into_bytes()
    }

    /// Reads a copy of this name.
    ///
    /// # Errors
    /// [`Error::BrokenHistory`].
    pub(crate) fn parse(bytes: &[u8], name: &str, location: &str) -> Result<Self, Error> {
        let broken = |reason: &str| broken(location, reason);
        let members: Map<String, Value> =
            serde_json::from_slice(bytes).map_err(|error| broken(&error.to_string()))?;
        if members.get("format").and_then(Value::as_u64) != Some(FORMAT) {
            return Err(broken("it has another format; a newer issuerctl may have written it"));
        }
        let text = |member: &str| match members.get(member) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(broken(&format!("its {member:?} is not a string"))),
        };
        let document = |member: &str| match text(member)? {
            None => Ok(None),
            Some(text) => match Base64::decode_vec(&text) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(_) => Err(broken(&format!("its {member:?} is not in base64"))),
            },
        };
        let past = Self {
            keys: document("keys")?,
            discovery: document("discovery")?,
            issuer: text("issuer")?,
            published_secs: members.get("published_secs").and_then(Value::as_u64),
            replaced_by: text("replaced_by")?,
        };
        if digest_of(name) != Some(past.digest().as_str()) {
            return Err(broken("its documents are not those that its name stands for"));
        }
        Ok(past)
    }

    /// What a rollback to it publishes.
    ///
    /// # Errors
    /// [`Error::BrokenHistory`]; [`Error::OtherIssuer`].
    pub(crate) fn restored(
        &self,
        version: &str,
        location: &str,
        issuer: &IssuerUrl,
    ) -> Result<Restored, Error> {
        if let Some(published) = self.issuer.as_ref().filter(|owner| *owner != issuer.as_str()) {
            let (location, published) = (location.to_owned(), published.clone());
            return Err(Error::OtherIssuer { location, published, issuer: issuer.to_string() });
        }
        let Some(bytes) = &self.keys else {
            return Err(broken(location, "it has no keys.json"));
        };
        // What was published may be published again; the plan refuses what STS does not accept.
        let (keys, foreign) = JwkSet::parse_with_foreign(bytes, WeakKeys::Allow)
            .map_err(|error| broken(location, &error.to_string()))?;
        if keys.is_empty() {
            return Err(broken(location, "it has no key"));
        }
        let shape = self.discovery.as_deref().and_then(shape);
        Ok(Restored { version: version.to_owned(), keys, foreign, shape })
    }

    fn jwks(&self, location: &str) -> Result<JwkSet, Error> {
        let bytes = self.keys.as_deref().ok_or_else(|| broken(location, "it has no keys.json"))?;
        let parsed = JwkSet::parse_with_foreign(bytes, WeakKeys::Allow);
        Ok(parsed.map_err(|error| broken(location, &error.to_string()))?.0)
    }

    /// Whether readers find the same; the discovery document counts if both have one.
    fn is_same(&self, other: &Self) -> bool {
        let both = self.discovery.as_ref().zip(other.discovery.as_ref());
        self.keys == other.keys && both.is_none_or(|(one, other)| one == other)
    }
}

/// Whether this is the name of a copy.
pub(crate) fn is_name(name: &str) -> bool {
    digest_of(name).is_some()
}

/// The hash in the name of a copy.
fn digest_of(name: &str) -> Option<&str> {
    let (time, digest) = name.split_once('-')?;
    let is_time = time.ends_with('Z')
        && time.len() <= 32
        && time.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'T' | b'Z' | b'.'));
    let is_hex = |b: u8| b.is_ascii_digit() || matches!(b, b'a'..=b'f');
    (is_time && digest.len() == DIGITS && digest.bytes().all(is_hex)).then_some(digest)
}

/// The copies that are deleted so that `keep` different ones stay, the newest: first those that a later
/// copy of the same site follows, which a run leaves that is ended before it changes anything.
pub(crate) fn surplus(mut names: Vec<String>, keep: u32) -> Vec<String> {
    names.sort_unstable();
    names.dedup();
    let mut surplus = Vec::new();
    let mut kept: Vec<String> = Vec::new();
    for name in names {
        if let Some(before) = kept.pop_if(|before| digest_of(before) == digest_of(&name)) {
            surplus.push(before);
        }
        kept.push(name);
    }
    let keep = usize::try_from(keep).unwrap_or(usize::MAX);
    surplus.extend(kept.drain(..kept.len().saturating_sub(keep)));
    surplus
}

/// A previous site, or why it cannot be read.
pub(crate) type Read = (Listed, Result<PastSite, Error>);

/// Orders copies: the newest first. Their names have milliseconds.
pub(crate) fn newest_first(copies: &mut [Listed]) {
    copies.sort_by(|one, other| {
        (other.replaced_secs, &other.version).cmp(&(one.replaced_secs, &one.version))
    });
}

/// Copies and versions of a bucket in one list, the newest first. Each is in that order already, and
/// stays in it: the IDs of versions have none, and their times are too coarse to tell it.
pub(crate) fn merged(copies: Vec<Listed>, versions: Vec<Listed>) -> Vec<Listed> {
    let (mut copies, mut versions) =
        (copies.into_iter().peekable(), versions.into_iter().peekable());
    let mut merged = Vec::new();
    while let Some(version) = versions.peek() {
        let is_newer = |copy: &Listed| match copy.replaced_secs.cmp(&version.replaced_secs) {
            // A copy is written before the version that replaces its site.
            Ordering::Equal => version.before_copies,
            order => order.is_gt(),
        };
        match copies.next_if(is_newer) {
            Some(copy) => merged.push(copy),
            None => merged.extend(versions.next()),
        }
    }
    merged.extend(copies);
    merged
}

/// The sites, the newest first as they were listed, without those that are there twice: a site that was
/// kept several times in a row appears once, under its newest name, and one that is still published
/// does not.
pub(crate) fn in_order(now: &PastSite, past: Vec<Read>) -> Vec<Read> {
    let mut ordered: Vec<Read> = Vec::new();
    for (listed, read) in past {
        let newer = ordered.last_mut().map_or(Some(now), |(_, read)| read.as_ref().ok());
        if let (Some(newer), Ok(site)) = (newer, &read)
            && newer.is_same(site)
        {
            // It was published when it was published first.
            if let Some((_, Ok(newer))) = ordered.last_mut() {
                newer.published_secs = newer.published_secs.min(site.published_secs);
            }
            continue;
        }
        ordered.push((listed, read));
    }
    ordered
}

/// The history of a site: what is published now, and then what was published before, the newest first.
pub(crate) fn entries(now: &PastSite, past: Vec<Read>, location: &str) -> Vec<HistoryEntry> {
    let place = |version: &str| format!("{location} ({version})");
    let past = in_order(now, past);
    let mut entries: Vec<HistoryEntry> = Vec::new();
    let site = |version: Option<String>, site: Result<&PastSite, Error>, by: Option<String>| {
        let location = version.as_deref().map_or_else(|| location.to_owned(), place);
        HistoryEntry {
            version,
            published_secs: site.as_ref().ok().and_then(|site| site.published_secs),
            by,
            keys: site.and_then(|site| site.jwks(&location)),
            added: Vec::new(),
            removed: Vec::new(),
        }
    };
    if now.keys.is_some() {
        entries.push(site(None, Ok(now), None));
    }
    for (listed, read) in past {
        // Who has replaced a site has published the one after it.
        if let (Some(after), Ok(PastSite { replaced_by: Some(by), .. })) =
            (entries.last_mut(), &read)
        {
            after.by.get_or_insert_with(|| by.clone());
        }
        let Listed { version, owner, .. } = listed;
        entries.push(match read {
            Ok(read) => site(Some(version), Ok(&read), owner),
            Err(error) => site(Some(version), Err(error), owner),
        });
    }
    for index in 1..entries.len() {
        let (newer, older) = (&entries[index - 1].keys, &entries[index].keys);
        if let (Ok(newer), Ok(older)) = (newer, older) {
            let added = newer.difference(older).keys().to_vec();
            let removed = older.difference(newer).keys().to_vec();
            (entries[index - 1].added, entries[index - 1].removed) = (added, removed);
        }
    }
    entries
}

/// Which members a published discovery document has, if it is one.
#[must_use]
pub fn published_shape(discovery: &Stored) -> Option<Shape> {
    shape(&discovery.bytes)
}

fn shape(discovery: &[u8]) -> Option<Shape> {
    let members = Published::parse(discovery).ok()?;
    let has = |name: &str| members.get(name).is_some();
    Some(if has("claims_supported") { Shape::Irsa } else { Shape::Kubernetes })
}

fn broken(location: &str, reason: &str) -> Error {
    Error::BrokenHistory { location: location.to_owned(), reason: reason.to_owned() }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(second: u64, contents: u8) -> String {
        PastSite { keys: Some(vec![contents]), ..PastSite::default() }.name(second * 1000)
    }

    #[test]
    fn copies_of_runs_that_changed_nothing_go_first_and_then_the_oldest() {
        let names = [name(1, 1), name(2, 2), name(3, 2), name(4, 3), name(5, 2)];
        assert_eq!(surplus(names.to_vec(), 10), [names[1].clone()]);
        assert_eq!(
            surplus(names.to_vec(), 2),
            [names[1].clone(), names[0].clone(), names[2].clone()]
        );
        assert_eq!(surplus(names.to_vec(), 0).len(), 5);
        assert!(surplus(Vec::new(), 2).is_empty());
    }

    #[test]
    fn what_is_no_name_of_a_copy_is_never_taken_for_one() {
        assert!(is_name(&name(1_795_687_200, 1)), "{}", name(1_795_687_200, 1));
        for other in ["", "keys.json", "../x-0123456789abcdef", "v1", "20261126-0123456789ABCDEF"] {
            assert!(!is_name(other), "{other}");
        }
    }

    fn listed(version: &str, replaced_secs: u64, before_copies: bool) -> Listed {
        let (version, replaced_secs) = (version.to_owned(), Some(replaced_secs));
        Listed { version, replaced_secs, before_copies, owner: None }
    }

    #[track_caller]
    fn assert_merged(copies: Vec<Listed>, versions: Vec<Listed>, expected: &[&str]) {
        let merged = merged(copies, versions);
        let merged: Vec<&str> = merged.iter().map(|one| one.version.as_str()).collect();
        assert_eq!(merged, expected);
    }

    #[test]
    fn copies_and_versions_keep_their_order_whatever_their_times_say() {
        let versions = || vec![listed("z", 9, false), listed("b", 8, false), listed("m", 8, false)];
        assert_merged(vec![listed("c", 8, false)], versions(), &["z", "b", "m", "c"]);
        assert_merged(vec![listed("c", 10, false)], versions(), &["c", "z", "b", "m"]);
        assert_merged(Vec::new(), versions(), &["z", "b", "m"]);
        assert_merged(vec![listed("c", 8, false)], Vec::new(), &["c"]);
        // The clock of one server of the store was behind.
        let versions = vec![listed("a", 3, false), listed("b", 8, false)];
        assert_merged(vec![listed("c", 2, false)], versions, &["a", "b", "c"]);
        // Versioning was suspended after "v", so what followed it is in a copy.
        let copies = vec![listed("after", 8, false), listed("before", 2, false)];
        assert_merged(copies, vec![listed("v", 8, true)], &["after", "v", "before"]);
    }

    fn document() -> impl Strategy<Value = Option<Vec<u8>>> {
        prop::option::of(prop::collection::vec(any::<u8>(), 0..200))
    }

    proptest! {
        #[test]
        fn a_copy_is_read_as_it_was_written(
            keys in document(), discovery in document(), issuer in prop::option::of(".{0,20}"),
            published_secs in any::<Option<u64>>(), replaced_by in prop::option::of(".{0,20}"),
            now in 0..4_000_000_000_000_u64,
        ) {
            let past = PastSite { keys, discovery, issuer, published_secs, replaced_by };
            let read = PastSite::parse(&past.to_bytes(), &past.name(now), "x").unwrap();
            prop_assert_eq!(read, past);
        }

        #[test]
        fn a_copy_that_was_cut_or_changed_is_an_error(cut in 0..300_usize, now in any::<u32>()) {
            let past = PastSite { keys: Some(vec![b'k'; 90]), ..PastSite::default() };
            let (bytes, name) = (past.to_bytes(), past.name(now.into()));
            let cut = cut.min(bytes.len() - 1);
            prop_assert!(PastSite::parse(&bytes[..cut], &name, "x").is_err());
            let other = PastSite { keys: Some(vec![b'k'; cut + 91]), ..PastSite::default() };
            prop_assert!(PastSite::parse(&other.to_bytes(), &name, "x").is_err());
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = PastSite::parse(&bytes, "20261126T101500.123Z-0123456789abcdef", "x");
        }
    }
}
