//! When each published key came, and when it was seen last: kept where the store can hold it, beside
//! `keys.json`.
//!
//! In a bucket that is metadata of the object, of which S3 allows 2 KB in all (S3 user guide, "Working
//! with object metadata"). Keys are named by a hash of 8 characters, and times are in base 36. What does
//! not fit, or cannot be read, is not known: nothing but a date is lost.

use std::collections::BTreeMap;

use base64ct::{Base64UrlUnpadded, Encoding};
use issuer_jwks::{Jwk, KeyId};
use sha2::{Digest, Sha256};

use crate::KeyChange;

/// The metadata of `keys.json` that has the record.
pub const RECORD: &str = "issuerctl-keys";

/// How long after the last token that it was seen to sign a key must stay, unless something else is
/// requested: the life of the tokens that the pod identity webhook requests.
pub const RETIRE_SECS: u64 = 24 * 60 * 60;

/// A key that is seen signing is recorded at most this often, so it may have signed so much later.
pub(crate) const SIGHTING_SECS: u64 = 60 * 60;

/// A run that changes nothing else writes the record at most this often.
const REFRESH_SECS: u64 = 24 * 60 * 60;

/// The first characters of a record in this format.
const FORMAT: &str = "1";

/// The characters of a hash of a kid.
const HASH: usize = 8;

/// What is known of a published key; times in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyLife {
    /// When it was published first.
    pub first_secs: Option<u64>,
    /// When a run was given it last, as far as that was recorded.
    pub confirmed_secs: Option<u64>,
    /// Since when runs are not given it any more.
    pub missing_secs: Option<u64>,
    /// When a token that it signed was seen last, as far as that was recorded.
    pub signed_secs: Option<u64>,
}

/// A key that a token was seen to be signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// Its kid.
    pub kid: String,
    /// When it signed the token, in seconds since 1970.
    pub secs: u64,
}

/// What is known of the published keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyRecord {
    /// By the hash of the kid.
    lives: BTreeMap<String, KeyLife>,
}

impl KeyRecord {
    /// Reads a record. What is not one, or is of another format, is not known.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut entries = text.trim().split(';');
        if entries.next() != Some(FORMAT) {
            return Self::default();
        }
        let entry = |entry: &str| {
            let (hash, times) = entry.split_once(':')?;
            let is_hash = hash.len() == HASH
                && hash.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
            let mut times = times.split(',').map(|time| u64::from_str_radix(time, 36).ok());
            let mut time = || times.next().flatten();
            let life = KeyLife {
                first_secs: time(),
                confirmed_secs: time(),
                missing_secs: time(),
                signed_secs: time(),
            };
            is_hash.then(|| (hash.to_owned(), life))
        };
        Self { lives: entries.filter_map(entry).collect() }
    }

    /// The record as text of at most this length. If there is no room for all keys, those stay that were
    /// seen signing last, and then those that came last.
    #[must_use]
    pub fn encode(&self, room: usize) -> String {
        let mut lives: Vec<_> = self.lives.iter().collect();
        lives.sort_by_key(|(_, life)| std::cmp::Reverse((life.signed_secs, life.first_secs)));
        let mut text = FORMAT.to_owned();
        for (hash, life) in lives {
            let times = [life.first_secs, life.confirmed_secs, life.missing_secs, life.signed_secs];
            let times = times.map(|time| time.map(base36).unwrap_or_default()).join(",");
            let entry = format!(";{hash}:{}", times.trim_end_matches(','));
            if text.len() + entry.len() > room {
                break;
            }
            text.push_str(&entry);
        }
        if text.len() > room { String::new() } else { text }
    }

    /// What is known of a key.
    #[must_use]
    pub fn life(&self, kid: &str) -> KeyLife {
        self.lives.get(&hash(kid)).copied().unwrap_or_default()
    }

    /// The record after a run that publishes these keys at this time. With `announces`, new keys are not
    /// recorded as given: no cluster has them yet.
    pub(crate) fn after(
        &self,
        changes: &[(Jwk, KeyChange)],
        seen: &[Sighting],
        (announces, now_secs): (bool, u64),
    ) -> Self {
        let life = |(jwk, change): &(Jwk, KeyChange)| {
            let before = self.life(jwk.kid.as_str());
            let was_given = before.confirmed_secs.is_some();
            let confirmed_secs = (was_given || !announces).then_some(now_secs);
            let given = KeyLife { confirmed_secs, missing_secs: None, ..before };
            let mut life = match change {
                KeyChange::Added => KeyLife { first_secs: Some(now_secs), ..given },
                KeyChange::Unchanged => given,
                KeyChange::Kept => {
                    KeyLife { missing_secs: before.missing_secs.or(Some(now_secs)), ..before }
                }
                KeyChange::Pruned => return None,
            };
            let sightings = seen.iter().filter(|seen| seen.kid == jwk.kid.as_str());
            // A token of the future was signed now: the clock of its signer is ahead.
            let sightings = sightings.map(|seen| seen.secs.min(now_secs));
            life.signed_secs = sightings.max().max(life.signed_secs);
            Some((hash(jwk.kid.as_str()), life))
        };
        Self { lives: changes.iter().filter_map(life).collect() }
    }

    /// The record with these sightings, if one of them must be recorded.
    pub(crate) fn with_sightings(&self, seen: &[Sighting], now_secs: u64) -> Option<Self> {
        let mut after = self.clone();
        for seen in seen {
            let life = after.lives.entry(hash(&seen.kid)).or_default();
            life.signed_secs = life.signed_secs.max(Some(seen.secs.min(now_secs)));
        }
        after.has_newer_sighting(self).then_some(after)
    }

    fn has_newer_sighting(&self, before: &Self) -> bool {
        self.lives.iter().any(|(hash, life)| {
            let recorded = before.lives.get(hash).and_then(|life| life.signed_secs).unwrap_or(0);
            life.signed_secs.is_some_and(|signed| signed > recorded.saturating_add(SIGHTING_SECS))
        })
    }

    /// Whether this record says of a key that it is missing, or is there again, and `before` does not.
    pub(crate) fn moves(&self, before: &Self, missing: bool) -> bool {
        self.lives.iter().any(|(hash, life)| {
            let before = before.lives.get(hash).and_then(|life| life.missing_secs);
            life.missing_secs.is_some() == missing && before.is_some() != missing
        })
    }

    /// Whether a run that changes nothing else writes this record, which follows `before`: it has seen a
    /// key sign, and that was not recorded within the last hour; it was given a key that is recorded as
    /// missing; or nothing was recorded for a day.
    pub(crate) fn is_due(&self, before: &Self, written_secs: Option<u64>, now_secs: u64) -> bool {
        let last = before.newest().or(written_secs);
        self.has_newer_sighting(before)
            || self.moves(before, false)
            || last.is_some_and(|last| last.saturating_add(REFRESH_SECS) <= now_secs)
    }

    /// The keys that were seen signing within this time before now, and are not among these: each with
    /// its kid, if `named` has it, and when it was seen.
    pub(crate) fn lost<'a>(
        &self,
        keys: impl Iterator<Item = &'a KeyId>,
        named: &[KeyId],
        retire_secs: u64,
        now_secs: u64,
    ) -> Vec<(Option<KeyId>, u64)> {
        let kept: Vec<String> = keys.map(|kid| hash(kid.as_str())).collect();
        let lost = self.lives.iter().filter(|(hash, _)| !kept.contains(hash));
        let recent = lost.filter_map(|(own, life)| {
            let signed = life.signed_secs?;
            let until = until(signed, retire_secs);
            let kid = named.iter().find(|kid| hash(kid.as_str()) == *own);
            (retire_secs > 0 && until > now_secs).then(|| (kid.cloned(), signed))
        });
        recent.collect()
    }

    /// When something was recorded last.
    fn newest(&self) -> Option<u64> {
        let times = |life: &KeyLife| {
            [life.first_secs, life.confirmed_secs, life.missing_secs, life.signed_secs]
        };
        self.lives.values().flat_map(times).flatten().max()
    }
}

/// Until when a key may have signed that was seen signing at this time.
#[must_use]
pub fn signed_until_secs(signed_secs: u64) -> u64 {
    signed_secs.saturating_add(SIGHTING_SECS)
}

/// Until when a key must stay that was seen signing at this time: it may have signed later without
/// having been recorded.
pub(crate) fn until(signed_secs: u64, retire_secs: u64) -> u64 {
    signed_until_secs(signed_secs).saturating_add(retire_secs)
}

fn hash(kid: &str) -> String {
    let mut hash = Base64UrlUnpadded::encode_string(&Sha256::digest(kid));
    hash.truncate(HASH);
    hash
}

fn base36(mut number: u64) -> String {
    let mut digits = Vec::new();
    loop {
        digits.push(char::from_digit((number % 36) as u32, 36).unwrap_or('0'));
        number /= 36;
        if number == 0 {
            return digits.into_iter().rev().collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: u64 = 60 * 60;

    fn life() -> impl Strategy<Value = KeyLife> {
        let time = || prop::option::of(any::<u64>());
        (time(), time(), time(), time()).prop_map(|(first, confirmed, missing, signed)| KeyLife {
            first_secs: first,
            confirmed_secs: confirmed,
            missing_secs: missing,
            signed_secs: signed,
        })
    }

    fn record() -> impl Strategy<Value = KeyRecord> {
        prop::collection::btree_map(".{0,60}".prop_map(|kid| hash(&kid)), life(), 0..100)
            .prop_map(|lives| KeyRecord { lives })
    }

    proptest! {
        #[test]
        fn a_record_with_enough_room_is_read_as_it_was_written(record in record()) {
            prop_assert_eq!(KeyRecord::parse(&record.encode(usize::MAX)), record);
        }

        #[test]
        fn a_record_never_takes_more_room_and_never_says_anything_else(
            record in record(), room in 0..2500_usize,
        ) {
            let text = record.encode(room);
            prop_assert!(text.len() <= room && text.bytes().all(|b| b.is_ascii_graphic()));
            let read = KeyRecord::parse(&text);
            for (hash, life) in &read.lives {
                prop_assert_eq!(record.lives.get(hash), Some(life));
            }
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in ".{0,200}", rest in "[0-9a-z:;,]{0,200}") {
            let _ = KeyRecord::parse(&text);
            let read = KeyRecord::parse(&format!("1;{rest}"));
            prop_assert_eq!(KeyRecord::parse(&read.encode(usize::MAX)), read);
        }
    }

    #[test]
    fn the_record_of_forty_keys_fits_into_the_metadata_of_an_object() {
        let time = Some(1_795_687_200);
        let life = KeyLife {
            first_secs: time,
            confirmed_secs: time,
            missing_secs: time,
            signed_secs: time,
        };
        let lives = (0..40).map(|number| (hash(&number.to_string()), life)).collect();
        let record = KeyRecord { lives };
        assert!(record.encode(usize::MAX).len() < 1500);
    }

    #[test]
    fn without_room_for_all_keys_the_one_that_signs_stays() {
        let signs = KeyLife { signed_secs: Some(5), ..KeyLife::default() };
        let mut lives: BTreeMap<String, KeyLife> =
            (0..200).map(|number| (hash(&number.to_string()), KeyLife::default())).collect();
        lives.insert(hash("live"), signs);
        let read = KeyRecord::parse(&KeyRecord { lives }.encode(60));
        assert_eq!(read.life("live"), signs);
        assert!(read.lives.len() < 10);
    }

    #[test]
    fn a_record_is_written_for_a_sighting_once_an_hour_and_otherwise_once_a_day() {
        let at = |signed: u64, confirmed: u64| {
            let life = KeyLife {
                confirmed_secs: Some(confirmed),
                signed_secs: Some(signed),
                ..KeyLife::default()
            };
            KeyRecord { lives: BTreeMap::from([(hash("a"), life)]) }
        };
        let before = at(100 * HOUR, 100 * HOUR);
        assert!(!at(101 * HOUR, 101 * HOUR).is_due(&before, None, 101 * HOUR));
        assert!(at(101 * HOUR + 1, 101 * HOUR).is_due(&before, None, 101 * HOUR));
        assert!(!at(100 * HOUR, 123 * HOUR).is_due(&before, None, 123 * HOUR));
        assert!(at(100 * HOUR, 124 * HOUR).is_due(&before, None, 124 * HOUR));
        // A site of an older version has no record.
        let none = KeyRecord::default();
        assert!(!none.is_due(&none, Some(100 * HOUR), 123 * HOUR));
        assert!(none.is_due(&none, Some(100 * HOUR), 124 * HOUR));
    }
}
