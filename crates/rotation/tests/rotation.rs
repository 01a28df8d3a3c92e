//! A rotation from its first step to its last, and what must be refused on the way.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use issuer_distribution::Distribution;
use issuer_migration::{Known, Status};
use issuer_rotation::{
    Error, Facts, Phase, Rotation, Server, TimedStep, Urgency, fates, may_abort, may_finish,
    may_start, phase, steps,
};
use proptest::prelude::*;

const STARTED_SECS: u64 = 1_795_687_200;
const HOUR_SECS: u64 = 60 * 60;
const DAY_SECS: u64 = 24 * HOUR_SECS;

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

fn server(name: &str, accepts: &[&str], signs: &[&str]) -> Server {
    Server {
        name: name.to_owned(),
        accepts: Known::Seen(strings(accepts)),
        signs: Known::Seen(strings(signs)),
        clock_secs: Some(0),
    }
}

/// Two API servers that sign with these keys and accept all published ones.
fn facts(published: &[&str], signs: [&str; 2]) -> Facts {
    Facts {
        published: strings(published),
        written_secs: Some(STARTED_SECS - DAY_SECS),
        first_secs: BTreeMap::new(),
        signed_secs: BTreeMap::new(),
        servers: vec![server("a", published, &[signs[0]]), server("b", published, &[signs[1]])],
        unasked: 0,
        started_secs: Known::Seen(STARTED_SECS),
        now_secs: STARTED_SECS + 60,
    }
}

fn next(facts: &Facts) -> TimedStep {
    let mut all = steps(&Rotation::default(), facts).unwrap().into_iter();
    all.find(|timed| !timed.step.status.is_settled()).unwrap()
}

fn finish(facts: &Facts) -> Result<Vec<String>, Error> {
    may_finish(&Rotation::default(), facts, Urgency::Safe).map(|removal| removal.kids)
}

#[test]
fn each_step_is_next_when_the_one_before_it_is_done() {
    // The new key was published a minute ago, and one API server accepts it.
    let mut seen = facts(&["new", "old"], ["old", "old"]);
    seen.written_secs = Some(seen.now_secs - 60);
    seen.servers[1] = server("b", &["old"], &["old"]);
    let step = next(&seen);
    assert_eq!(step.step.id, "accept");
    assert_eq!(step.step.finding, "1 of 2 accept it; not yet: b");
    seen.servers[1] = server("b", &["old", "new"], &["old"]);
    let step = next(&seen);
    assert_eq!(
        (step.step.id, step.not_before_secs),
        ("caches", Some(seen.now_secs - 60 + HOUR_SECS))
    );
    assert!(step.step.warning.is_some());
    seen.now_secs += HOUR_SECS;
    assert_eq!(next(&seen).step.id, "sign");
    seen.servers[0] = server("a", &["old", "new"], &["new"]);
    assert_eq!(next(&seen).step.finding, "1 of 2 sign with it; not yet: b");
    seen.servers[1] = server("b", &["old", "new"], &["new"]);
    let step = next(&seen);
    let until = STARTED_SECS + DAY_SECS + 300;
    assert_eq!((step.step.id, step.not_before_secs), ("tokens", Some(until)));
    assert_eq!(finish(&seen), Err(Error::TooEarly { since_secs: STARTED_SECS, until_secs: until }));
    seen.now_secs = until - 1;
    assert!(finish(&seen).is_err());
    seen.now_secs = until;
    assert_eq!(next(&seen).step.id, "drop");
    assert_eq!(finish(&seen), Ok(strings(&["old"])));
    seen.published = strings(&["new"]);
    assert_eq!(next(&seen).step.id, "forget");
    assert_eq!(finish(&seen), Ok(Vec::new()));
    for server in &mut seen.servers {
        server.accepts = Known::Seen(strings(&["new"]));
    }
    let all = steps(&Rotation::default(), &seen).unwrap();
    assert!(all.iter().all(|timed| timed.step.status == Status::Done), "{all:#?}");
}

#[test]
fn a_second_rotation_and_a_key_in_use_are_not_started() {
    let idle = facts(&["old"], ["old", "old"]);
    assert_eq!(may_start("new", &idle), Ok(true));
    assert_eq!(may_start("old", &idle), Err(Error::SameKey { kid: "old".to_owned() }));
    let under_way = facts(&["new", "old"], ["old", "old"]);
    assert_eq!(may_start("new", &under_way), Ok(false));
    let published = strings(&["new", "old"]);
    assert_eq!(may_start("third", &under_way), Err(Error::UnderWay { published }));
    let none = facts(&[], ["old", "old"]);
    assert_eq!(may_start("new", &none), Err(Error::NothingPublished));
    let error = may_start("new", &facts(&["old"], ["old", "alien"])).unwrap_err();
    assert!(matches!(error, Error::LiveNotPublished { .. }), "{error}");
}

#[test]
fn the_old_key_stays_while_one_api_server_signs_with_it_or_may_do() {
    let mut seen = facts(&["new", "old"], ["new", "old"]);
    seen.now_secs += 10 * DAY_SECS;
    assert!(matches!(finish(&seen), Err(Error::StillSigning { .. })));
    // A load balancer passed one try in several to an API server with the old key.
    seen.servers = vec![server("a", &["new", "old"], &["new", "old"])];
    assert!(matches!(finish(&seen), Err(Error::StillSigning { .. })));
    seen.servers = vec![server("a", &["new", "old"], &["new"])];
    seen.servers[0].signs = Known::Unknown("refused".to_owned());
    assert!(matches!(finish(&seen), Err(Error::NotAsked { .. })));
    seen.servers[0].signs = Known::Seen(strings(&["new"]));
    seen.started_secs = Known::Unknown("no pods".to_owned());
    assert!(matches!(finish(&seen), Err(Error::SinceUnknown { .. })));
}

#[test]
fn an_api_server_that_was_not_named_may_sign_with_the_old_key() {
    let mut seen = facts(&["new", "old"], ["new", "new"]);
    seen.now_secs += 10 * DAY_SECS;
    assert_eq!(finish(&seen), Ok(strings(&["old"])));
    let removal = may_finish(&Rotation::default(), &seen, Urgency::Safe).unwrap();
    assert!(removal.warnings[0].contains("adds it again"), "{removal:?}");
    seen.unasked = 1;
    assert_eq!(finish(&seen), Err(Error::NotAll { asked: 2, count: 3 }));
    let step = next(&seen);
    assert_eq!((step.step.id, step.step.status), ("accept", Status::Unknown));
    assert!(fates(&Rotation::default(), &seen)[1].may_go_secs.is_none());
}

#[test]
fn a_stolen_key_goes_at_once_and_all_that_breaks_is_said() {
    let seen = facts(&["new", "old"], ["new", "old"]);
    let removal = may_finish(&Rotation::default(), &seen, Urgency::Now).unwrap();
    assert_eq!(removal.kids, ["old"]);
    let breaks = removal.breaks.join("\n");
    for part in ["b signs with the key \"old\"", "restart the pods", "--service-account-key-file"] {
        assert!(breaks.contains(part), "{part}: {breaks}");
    }
}

#[test]
fn a_new_key_that_has_signed_is_not_taken_back() {
    let mut seen = facts(&["new", "old"], ["old", "old"]);
    assert_eq!(may_abort("new", &seen).unwrap().kids, ["new"]);
    assert!(may_abort("other", &seen).unwrap().kids.is_empty());
    seen.servers[1] = server("b", &["new", "old"], &["new"]);
    assert!(matches!(may_abort("new", &seen), Err(Error::HasSigned { .. })));
    seen.servers[1].signs = Known::Unknown("refused".to_owned());
    assert!(matches!(may_abort("new", &seen), Err(Error::NotAsked { .. })));
    let alone = facts(&["new"], ["new", "new"]);
    assert!(matches!(may_abort("new", &alone), Err(Error::OnlyKey { .. })));
}

#[test]
fn an_old_key_is_not_taken_back_as_the_new_one() {
    let mut seen = facts(&["new", "old"], ["new", "new"]);
    seen.now_secs += 10 * DAY_SECS;
    let refused = |seen: &Facts, kid: &str| {
        assert!(matches!(may_abort(kid, seen), Err(Error::OldKey { .. })), "{seen:#?}");
    };
    refused(&seen, "old");
    // While one API server of two signs with the new key already.
    refused(&facts(&["new", "old", "older"], ["new", "old"]), "older");
    refused(&facts(&["newest", "new", "old"], ["newest", "old"]), "new");
    // The order is another one than that in which they came.
    let record =
        |old: u64, new: u64| BTreeMap::from([("old".to_owned(), old), ("new".to_owned(), new)]);
    seen.published = strings(&["old", "new"]);
    seen.first_secs = record(STARTED_SECS - DAY_SECS, STARTED_SECS);
    refused(&seen, "old");
    let mut seen = facts(&["old", "new"], ["old", "old"]);
    refused(&seen, "new");
    seen.first_secs = record(STARTED_SECS - DAY_SECS, STARTED_SECS);
    assert_eq!(may_abort("new", &seen).unwrap().kids, ["new"]);
    // What came with one write is told by its order.
    seen.first_secs = record(STARTED_SECS, STARTED_SECS);
    refused(&seen, "new");
}

#[test]
fn a_wrong_clock_stops_every_change() {
    for clock_secs in [-3 * 3600, 3 * 3600] {
        let mut seen = facts(&["new", "old"], ["new", "new"]);
        seen.now_secs += 10 * DAY_SECS;
        seen.servers[1].clock_secs = Some(clock_secs);
        let is_clock = |error: &Error| matches!(error, Error::Clock { .. });
        assert!(finish(&seen).is_err_and(|error| is_clock(&error)));
        assert!(may_start("third", &seen).is_err_and(|error| is_clock(&error)));
        let error = may_abort("new", &seen).unwrap_err();
        let says = if clock_secs > 0 { "3 h behind that of b" } else { "3 h ahead of that of b" };
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn the_key_that_was_named_is_the_new_one_whatever_the_order() {
    let seen = facts(&["old", "new"], ["old", "old"]);
    let mut rotation = Rotation::default();
    let under_way = |new: &str, old: &str| {
        Ok(Phase::UnderWay { new: new.to_owned(), old: vec![old.to_owned()] })
    };
    assert_eq!(phase(&rotation, &seen), under_way("old", "new"));
    rotation.new_kid = Some("new".to_owned());
    assert_eq!(phase(&rotation, &seen), under_way("new", "old"));
    rotation.new_kid = Some("absent".to_owned());
    assert!(matches!(phase(&rotation, &seen), Err(Error::NotPublished { .. })));
    let three = facts(&["c", "b", "a"], ["a", "a"]);
    assert!(matches!(phase(&Rotation::default(), &three), Err(Error::Unclear { .. })));
}

#[test]
fn every_distribution_has_commands_for_each_step_that_it_allows() {
    let seen = facts(&["new", "old"], ["old", "old"]);
    for distribution in Distribution::ALL {
        let distribution = Some(distribution);
        let rotation = Rotation { distribution, ..Rotation::default() };
        for timed in steps(&rotation, &seen).unwrap() {
            let step = timed.step;
            let by_hand = ["accept", "sign", "drop", "forget"].contains(&step.id);
            if by_hand && !step.status.is_settled() {
                assert!(!step.commands.is_empty(), "{distribution:?}: {}", step.id);
            }
        }
    }
}

#[test]
fn each_key_says_whether_it_may_go() {
    let mut seen = facts(&["new", "old"], ["new", "new"]);
    let list = fates(&Rotation::default(), &seen);
    assert_eq!(list[0].may_go_secs, None);
    assert_eq!(list[0].why, "a, b sign with it");
    assert_eq!(list[1].may_go_secs, Some(STARTED_SECS + DAY_SECS + 300));
    seen.servers.clear();
    let list = fates(&Rotation::default(), &seen);
    assert!(list.iter().all(|fate| fate.may_go_secs.is_none()), "{list:#?}");
}

fn any_kids() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[abc]", 0..4).prop_map(|mut kids: Vec<String>| {
        let mut seen = Vec::new();
        kids.retain(|kid| {
            !seen.contains(kid) && {
                seen.push(kid.clone());
                true
            }
        });
        kids
    })
}

fn any_known<T: std::fmt::Debug + Clone + 'static>(
    inner: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Known<T>> {
    prop_oneof![
        4 => inner.prop_map(Known::Seen),
        1 => Just(Known::Unknown("not read".to_owned())),
    ]
}

prop_compose! {
    fn any_server()(
        accepts in any_known(any_kids()),
        signs in any_known(any_kids()),
        clock_secs in prop::option::of(any::<i64>()),
    ) -> Server {
        Server { name: "a".to_owned(), accepts, signs, clock_secs }
    }
}

prop_compose! {
    fn any_facts()(
        published in any_kids(),
        written_secs in prop::option::of(any::<u64>()),
        servers in prop::collection::vec(any_server(), 0..3),
        unasked in 0..2_usize,
        started_secs in any_known(any::<u64>()),
        now_secs in any::<u64>(),
    ) -> Facts {
        let (first_secs, signed_secs) = (BTreeMap::new(), BTreeMap::new());
        Facts {
            published,
            written_secs,
            first_secs,
            signed_secs,
            servers,
            unasked,
            started_secs,
            now_secs,
        }
    }
}

proptest! {
    #[test]
    fn what_is_removed_safely_is_signed_with_nowhere_and_one_key_stays(
        seen in any_facts(),
        new_kid in prop::option::of("[abcd]"),
    ) {
        let rotation = Rotation { new_kid, ..Rotation::default() };
        let removals = [
            may_finish(&rotation, &seen, Urgency::Safe),
            may_abort("a", &seen),
        ];
        for removal in removals.into_iter().flatten().filter(|removal| !removal.kids.is_empty()) {
            prop_assert!(removal.kids.len() < seen.published.len());
            prop_assert!(!seen.servers.is_empty() && seen.unasked == 0);
            for server in &seen.servers {
                match &server.signs {
                    Known::Seen(signs) => {
                        prop_assert!(signs.iter().all(|kid| !removal.kids.contains(kid)));
                    }
                    Known::Unknown(_) => prop_assert!(false, "it was not asked"),
                }
            }
        }
        if let Ok(removal) = may_finish(&rotation, &seen, Urgency::Now) {
            prop_assert!(removal.kids.is_empty() || removal.kids.len() < seen.published.len());
        }
    }

    #[test]
    fn one_step_at_most_is_next_and_a_command_has_no_line_break(seen in any_facts()) {
        if let Ok(all) = steps(&Rotation::default(), &seen) {
            let next = all.iter().filter(|timed| timed.step.status == Status::Next);
            prop_assert!(next.count() <= 1);
            let mut lines = all.iter().flat_map(|timed| &timed.step.commands);
            prop_assert!(lines.all(|line| !line.contains('\n')));
        }
        let _ = fates(&Rotation::default(), &seen);
    }
}

#[test]
fn the_caches_are_waited_for_from_when_the_new_key_came_and_not_from_a_later_write() {
    let mut facts = facts(&["new", "old"], ["old", "old"]);
    facts.written_secs = Some(facts.now_secs - 60);
    assert_eq!(next(&facts).step.id, "caches");
    // The same documents were written again since.
    facts.first_secs.insert("new".to_owned(), facts.now_secs - DAY_SECS);
    assert_eq!(next(&facts).step.id, "sign");
    facts.first_secs.insert("new".to_owned(), facts.now_secs - 60);
    let step = next(&facts);
    assert!(step.step.id == "caches" && step.step.finding.starts_with("published at"), "{step:?}");
}
