//! When each object is reconciled next. At most one reconciliation of an object runs at a time, and
//! what changes meanwhile is reconciled after it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::object::{Key, ServiceAccountIssuer};

/// The wait after a first failure; it doubles with each one that follows.
const FIRST_WAIT: Duration = Duration::from_secs(2);

/// The longest wait after a failure.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// What follows a reconciliation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// It is right, and is looked at again after the period.
    Period,
    /// It failed, and is tried again after a wait that grows.
    Retry,
    /// The same, but new keys are published in spite of what failed: the wait does not grow beyond the period.
    RetryInPeriod,
    /// It waits for somebody to change the object.
    Change,
}

/// The objects, and when each is due.
#[derive(Debug)]
pub(crate) struct Schedule {
    period: Duration,
    entries: HashMap<Key, Entry>,
    due: BTreeSet<(Instant, Key)>,
    running: usize,
    /// How many of them failed the last time.
    failing: usize,
}

#[derive(Debug)]
struct Entry {
    object: Arc<ServiceAccountIssuer>,
    due: Option<Instant>,
    running: bool,
    /// Whether it has changed while it is reconciled.
    again: bool,
    /// Whether it was deleted while it is reconciled.
    gone: bool,
    failures: u32,
    /// Whether it had failed when it was taken.
    was_failing: bool,
}

impl Schedule {
    /// A schedule that looks at each object once in a period.
    #[must_use]
    pub(crate) fn new(period: Duration) -> Self {
        let (entries, due) = (HashMap::new(), BTreeSet::new());
        Self { period, entries, due, running: 0, failing: 0 }
    }

    /// An object is there, or was changed. Its status does not count: the controller itself writes it.
    pub(crate) fn changed(&mut self, object: ServiceAccountIssuer, now: Instant) {
        let key = object.key();
        let object = Arc::new(object);
        let Some(entry) = self.entries.get_mut(&key) else {
            let entry = Entry {
                object,
                due: None,
                running: false,
                again: false,
                gone: false,
                failures: 0,
                was_failing: false,
            };
            self.entries.insert(key.clone(), entry);
            self.put(&key, now);
            return;
        };
        let differs = object.differs_from(&entry.object);
        entry.object = object;
        entry.gone = false;
        if differs {
            entry.failures = 0;
            if entry.running {
                entry.again = true;
            } else {
                self.put(&key, now);
            }
        }
    }

    /// An object is gone. One that is reconciled is forgotten after that: one of the same name may come
    /// meanwhile.
    pub(crate) fn removed(&mut self, key: &Key) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        if entry.running {
            entry.gone = true;
            return;
        }
        if let Some(due) = entry.due {
            self.due.remove(&(due, key.clone()));
        }
        self.entries.remove(key);
    }

    /// The objects of a namespace (of all of them, if it is `None`) that are not in a complete list.
    #[must_use]
    pub(crate) fn missing(&self, namespace: Option<&str>, listed: &HashSet<Key>) -> Vec<Key> {
        let within = |key: &&Key| namespace.is_none_or(|namespace| key.namespace == namespace);
        self.entries.keys().filter(within).filter(|key| !listed.contains(key)).cloned().collect()
    }

    /// Takes an object that is due, unless so many are being reconciled.
    pub(crate) fn take(&mut self, now: Instant, limit: usize) -> Option<Arc<ServiceAccountIssuer>> {
        let next = self.next(limit).filter(|(due, _)| self.running < limit && *due <= now)?.clone();
        self.due.remove(&next);
        let entry = self.entries.get_mut(&next.1)?;
        (entry.due, entry.running, entry.again) = (None, true, false);
        entry.was_failing = entry.failures > 0;
        self.running += 1;
        self.failing += usize::from(entry.was_failing);
        Some(Arc::clone(&entry.object))
    }

    /// When the next object is due that may be taken, if there is one.
    #[must_use]
    pub(crate) fn next_due(&self, limit: usize) -> Option<Instant> {
        self.next(limit).map(|(due, _)| *due)
    }

    /// The next object. Those that failed have at most half of the places: each may wait for a server that does
    /// not answer, and all others would wait with them.
    fn next(&self, limit: usize) -> Option<&(Instant, Key)> {
        let has_place = self.failing < (limit / 2).max(1);
        let failed = |key| self.entries.get(key).is_some_and(|entry| entry.failures > 0);
        self.due.iter().find(|(_, key)| has_place || !failed(key))
    }

    /// How many objects there are.
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// A reconciliation of an object has ended; returns whether the object is still there. `status` is what it
    /// reported, which the watch may not show yet.
    pub(crate) fn ended(
        &mut self,
        object: &ServiceAccountIssuer,
        next: Next,
        status: serde_json::Value,
        now: Instant,
    ) -> bool {
        let key = &object.key();
        let Some(entry) = self.entries.get_mut(key).filter(|entry| entry.running) else {
            return false;
        };
        self.running -= 1;
        self.failing -= usize::from(entry.was_failing);
        if entry.gone {
            self.entries.remove(key);
            return false;
        }
        entry.running = false;
        // Another object may have the name by now, and nothing of this one is true of it.
        let is_same = entry.object.metadata.uid == object.metadata.uid;
        if is_same {
            Arc::make_mut(&mut entry.object).status = status;
        }
        entry.failures = match next {
            Next::Retry | Next::RetryInPeriod => entry.failures.saturating_add(1),
            Next::Period | Next::Change => 0,
        };
        let (again, failures) = (entry.again, entry.failures);
        match next {
            _ if again => self.put(key, now),
            Next::Period => self.put(key, now + between(self.period.mul_f32(0.8), self.period)),
            // Whoever waits for another object is told by no event of its own.
            Next::Change => self.put(key, now + between(LONGEST_WAIT, 2 * LONGEST_WAIT)),
            Next::Retry | Next::RetryInPeriod => {
                let longest = match next {
                    Next::RetryInPeriod => self.period.min(LONGEST_WAIT),
                    _ => LONGEST_WAIT,
                };
                let wait = FIRST_WAIT.saturating_mul(1 << (failures - 1).min(16)).min(longest);
                self.put(key, now + between(wait / 2, wait));
            }
        }
        is_same
    }

    fn put(&mut self, key: &Key, due: Instant) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        if let Some(before) = entry.due.replace(due) {
            self.due.remove(&(before, key.clone()));
        }
        self.due.insert((due, key.clone()));
    }
}

/// A random duration: many objects that failed together are not tried again together.
fn between(least: Duration, most: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish();
    #[expect(clippy::cast_precision_loss, reason = "any value between 0 and 1 will do")]
    let share = random as f64 / u64::MAX as f64;
    least + most.saturating_sub(least).mul_f64(share)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const PERIOD: Duration = Duration::from_secs(60);

    fn object(name: &str, generation: u64) -> ServiceAccountIssuer {
        let metadata =
            json!({"name": name, "namespace": "n", "uid": name, "generation": generation});
        serde_json::from_value(json!({"metadata": metadata})).unwrap()
    }

    fn names(schedule: &mut Schedule, now: Instant, limit: usize) -> Vec<String> {
        std::iter::from_fn(|| schedule.take(now, limit)).map(|object| object.key().name).collect()
    }

    #[test]
    fn an_object_is_never_reconciled_twice_at_a_time() {
        let (mut schedule, now) = (Schedule::new(PERIOD), Instant::now());
        schedule.changed(object("a", 1), now);
        schedule.changed(object("a", 2), now);
        assert_eq!(names(&mut schedule, now, 9), ["a"]);
        schedule.changed(object("a", 3), now);
        assert_eq!(names(&mut schedule, now, 9), [""; 0]);
        schedule.ended(&object("a", 3), Next::Period, Value::Null, now);
        assert_eq!(names(&mut schedule, now, 9), ["a"]);
    }

    #[test]
    fn a_change_of_the_status_alone_is_no_reason_and_a_period_is() {
        let (mut schedule, now) = (Schedule::new(PERIOD), Instant::now());
        schedule.changed(object("a", 1), now);
        assert_eq!(names(&mut schedule, now, 9), ["a"]);
        schedule.ended(&object("a", 1), Next::Period, json!({"keys": ["k"]}), now);
        let mut reported = object("a", 1);
        reported.status = json!({"keys": ["k"]});
        schedule.changed(reported, now);
        assert_eq!(names(&mut schedule, now, 9), [""; 0]);
        assert!(schedule.next_due(9).unwrap() >= now + PERIOD.mul_f32(0.7));
        let taken = schedule.take(now + PERIOD, 9).unwrap();
        assert_eq!(taken.status().keys, ["k"]);
    }

    #[test]
    fn failures_of_one_object_delay_it_alone() {
        let (mut schedule, now) = (Schedule::new(PERIOD), Instant::now());
        schedule.changed(object("a", 1), now);
        let mut waits = Vec::new();
        let mut at = now;
        for _ in 0..12 {
            assert!(schedule.take(at, 9).is_some());
            schedule.ended(&object("a", 1), Next::Retry, Value::Null, at);
            let due = schedule.next_due(9).unwrap();
            waits.push(due - at);
            at = due;
        }
        assert!(waits[0] <= FIRST_WAIT && waits[11] >= LONGEST_WAIT / 2, "{waits:?}");
        assert!(waits.iter().all(|wait| *wait <= LONGEST_WAIT), "{waits:?}");
        let waits = at - Duration::from_millis(1);
        schedule.changed(object("b", 1), waits);
        assert_eq!(names(&mut schedule, waits, 9), ["b"]);
        // A change ends the wait.
        schedule.changed(object("a", 2), waits);
        assert_eq!(names(&mut schedule, waits, 9), ["a"]);
    }

    #[test]
    fn objects_whose_servers_hang_leave_half_of_the_places_to_others() {
        let (mut schedule, now) = (Schedule::new(PERIOD), Instant::now());
        for name in ["a", "b", "c"] {
            schedule.changed(object(name, 1), now);
        }
        assert_eq!(names(&mut schedule, now, 4).len(), 3);
        for name in ["a", "b", "c"] {
            schedule.ended(&object(name, 1), Next::Retry, Value::Null, now);
        }
        let later = now + FIRST_WAIT;
        assert_eq!(names(&mut schedule, later, 4).len(), 2);
        // What may not be taken is nothing to wake up for.
        assert_eq!(schedule.next_due(4), None);
        schedule.changed(object("d", 1), later);
        assert_eq!(names(&mut schedule, later, 4), ["d"]);
        schedule.ended(&object("d", 1), Next::Period, Value::Null, later);
        let first = ["a", "b", "c"].map(|name| object(name, 1));
        let ended =
            first.iter().find(|object| schedule.ended(object, Next::Period, Value::Null, later));
        assert!(ended.is_some());
        assert_eq!(names(&mut schedule, later, 4).len(), 1);
    }

    #[test]
    fn new_keys_are_not_delayed_by_the_wait_after_a_failure_that_does_not_concern_them() {
        let (mut schedule, mut at) = (Schedule::new(PERIOD), Instant::now());
        schedule.changed(object("a", 1), at);
        for _ in 0..12 {
            assert!(schedule.take(at, 9).is_some());
            schedule.ended(&object("a", 1), Next::RetryInPeriod, Value::Null, at);
            let due = schedule.next_due(9).unwrap();
            assert!(due - at <= PERIOD, "{:?}", due - at);
            at = due;
        }
        assert!(schedule.take(at, 9).is_some());
        schedule.ended(&object("a", 1), Next::RetryInPeriod, Value::Null, at);
        assert!(schedule.next_due(9).unwrap() - at >= PERIOD / 2, "the wait does not grow");
    }

    #[test]
    fn an_annotation_of_somebody_else_is_no_reason_and_the_permission_to_change_the_issuer_is() {
        let (mut schedule, now) = (Schedule::new(PERIOD), Instant::now());
        let with = |name: &str| {
            let mut object = object("a", 1);
            let annotations = [(name.to_owned(), "a".to_owned())].into();
            object.metadata.annotations = Some(annotations);
            object
        };
        schedule.changed(object("a", 1), now);
        assert_eq!(names(&mut schedule, now, 9), ["a"]);
        schedule.ended(&object("a", 1), Next::Retry, Value::Null, now);
        schedule.changed(with("example.com/seen-at"), now);
        assert_eq!(names(&mut schedule, now, 9), [""; 0]);
        schedule.changed(with(crate::object::ALLOW_ISSUER_CHANGE), now);
        assert_eq!(names(&mut schedule, now, 9), ["a"]);
    }

    #[test]
    fn no_more_than_the_limit_run_also_if_an_object_is_removed_and_comes_back() {
        let (mut schedule, now) = (Schedule::new(PERIOD), Instant::now());
        for name in ["a", "b", "c"] {
            schedule.changed(object(name, 1), now);
        }
        assert_eq!(names(&mut schedule, now, 2).len(), 2);
        let listed = HashSet::from([object("c", 1).key()]);
        let missing = schedule.missing(Some("n"), &listed);
        assert_eq!(missing.len(), 2);
        assert!(schedule.missing(Some("other"), &listed).is_empty());
        missing.iter().for_each(|key| schedule.removed(key));
        assert_eq!(names(&mut schedule, now, 2), [""; 0]);
        schedule.changed(object(&missing[1].name, 2), now);
        let ended = |name: &str| object(name, 1);
        assert!(!schedule.ended(&ended(&missing[0].name), Next::Period, Value::Null, now));
        assert_eq!(names(&mut schedule, now, 2), ["c"]);
        assert!(schedule.ended(&ended(&missing[1].name), Next::Period, Value::Null, now));
        assert_eq!(names(&mut schedule, now, 2), [missing[1].name.as_str()]);
        assert_eq!(schedule.len(), 2);
    }

    #[test]
    fn the_status_of_an_object_is_not_that_of_the_next_one_with_its_name() {
        let (mut schedule, now) = (Schedule::new(PERIOD), Instant::now());
        schedule.changed(object("a", 1), now);
        assert_eq!(names(&mut schedule, now, 9), ["a"]);
        schedule.removed(&object("a", 1).key());
        let mut next = object("a", 1);
        next.metadata.uid = Some("another".to_owned());
        schedule.changed(next, now);
        assert!(!schedule.ended(&object("a", 1), Next::Period, json!({"keys": ["k"]}), now));
        let taken = schedule.take(now + PERIOD, 9).unwrap();
        assert_eq!(taken.status, Value::Null);
    }
}
