//! One step of following, on a folder: what is published is never lost, and what is removed on request is what no
//! token needs any more.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use issuer_discovery::{IssuerUrl, Ports};
use issuer_jwks::{KeyKind, generate};
use issuer_reconcile::{
    KeySource, Reconciler, Shared, Silent, SiteTarget, StoreTarget, SyncOptions, SyncReport, Target,
};
use issuer_session::SessionOptions;
use issuer_verify::{Authorities, FetchOptions};
use proptest::prelude::*;

const HOUR: u64 = 60 * 60;

/// A folder with the files of keys, and one with the documents.
struct Bench {
    folder: tempfile::TempDir,
    kids: Vec<String>,
    shared: Arc<Shared>,
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    std::fs::read(path)
}

impl Bench {
    fn new(keys: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = |number| {
            let generated = generate(KeyKind::P256).unwrap().public;
            let path = folder.path().join(format!("{number}.pub"));
            std::fs::write(path, generated.to_spki_pem()).unwrap();
            generated.kid().to_string()
        };
        let kids = (0..keys).map(key).collect();
        let fetch = FetchOptions::new(Authorities::default());
        let shared = Arc::new(Shared::new(SessionOptions::default(), fetch, read));
        Self { folder, kids, shared }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// One step of a program whose cluster has these keys.
    fn step(&self, keys: &[usize], options: SyncOptions) -> SyncReport {
        self.run(self.site(keys), options)
    }

    fn site(&self, keys: &[usize]) -> SiteTarget {
        let mut site = SiteTarget::of(StoreTarget::Folder(self.file("site")));
        site.keys =
            keys.iter().map(|key| KeySource::File(self.file(&format!("{key}.pub")))).collect();
        site
    }

    fn run(&self, site: SiteTarget, options: SyncOptions) -> SyncReport {
        let issuer = IssuerUrl::parse("https://oidc.example.com/prod", Ports::Refuse).unwrap();
        let target = Target { site: Some(site), ..Target::of(issuer) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(Reconciler::of(&self.shared, &Silent).sync(&target, options))
    }

    /// The same, of which nothing may fail.
    #[track_caller]
    fn follow(&self, keys: &[usize], drop_retired: bool) -> SyncReport {
        let report = self.step(keys, options(drop_retired));
        report.outcome.as_ref().unwrap();
        assert!(report.verdict.as_ref().unwrap().passed(), "{:#?}", report.verdict);
        assert_eq!(report.live_published(), Some(true));
        report
    }

    fn published(&self) -> BTreeSet<usize> {
        let bytes = std::fs::read(self.file("site/keys.json")).unwrap_or_default();
        let set: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let keys = set["keys"].as_array().cloned().unwrap_or_default();
        let number = |key: &serde_json::Value| self.kids.iter().position(|kid| key["kid"] == *kid);
        keys.iter().filter_map(number).collect()
    }

    /// Makes what is recorded of the keys older by so many hours.
    fn pass(&self, hours: u64) {
        let path = self.file("site/.issuerctl/keys");
        let text = std::fs::read_to_string(&path).unwrap();
        let older = |time: &str| match u64::from_str_radix(time, 36) {
            Ok(time) => base36(time - hours * HOUR),
            Err(_) => String::new(),
        };
        let entry = |entry: &str| match entry.split_once(':') {
            Some((hash, times)) => {
                format!("{hash}:{}", times.split(',').map(older).collect::<Vec<_>>().join(","))
            }
            None => entry.to_owned(),
        };
        std::fs::write(&path, text.split(';').map(entry).collect::<Vec<_>>().join(";")).unwrap();
    }
}

fn options(drop_retired: bool) -> SyncOptions {
    SyncOptions { drop_retired, ..SyncOptions::default() }
}

fn base36(mut number: u64) -> String {
    let mut text = String::new();
    while number > 0 {
        text.insert(0, char::from_digit((number % 36) as u32, 36).unwrap());
        number /= 36;
    }
    text
}

fn set(keys: &[usize]) -> BTreeSet<usize> {
    keys.iter().copied().collect()
}

#[test]
fn documents_are_repaired_although_their_source_is_gone() {
    let bench = Bench::new(1);
    bench.follow(&[0], false);
    let discovery = bench.file("site/.well-known/openid-configuration");
    std::fs::remove_file(&discovery).unwrap();
    // There is no file of a second key.
    let report = bench.step(&[1], options(false));
    assert!(report.outcome.unwrap_err().is_of_key_source());
    assert!(report.wrote && report.live.is_none() && discovery.exists());
    assert!(report.verdict.unwrap().passed());
    assert_eq!(bench.published(), set(&[0]));
    // What is not published is not made up.
    std::fs::remove_dir_all(bench.file("site")).unwrap();
    let report = bench.step(&[1], options(false));
    assert!(report.outcome.is_err() && !report.wrote && !discovery.exists());
}

#[test]
fn a_new_key_may_be_the_only_reason_to_write() {
    let bench = Bench::new(2);
    bench.follow(&[0], false);
    let discovery = bench.file("site/.well-known/openid-configuration");
    std::fs::remove_file(&discovery).unwrap();
    let only_new_keys = SyncOptions { only_new_keys: true, ..SyncOptions::default() };
    let report = bench.step(&[0], only_new_keys);
    assert!(report.outcome.is_ok() && !report.wrote && !discovery.exists());
    assert!(!report.verdict.unwrap().passed());
    let report = bench.step(&[0, 1], only_new_keys);
    assert!(report.outcome.is_ok() && report.wrote && discovery.exists());
    assert_eq!(bench.published(), set(&[0, 1]));
}

/// What somebody else does between two steps.
#[derive(Debug, Clone, Copy)]
enum Between {
    Nothing,
    /// Another program, with another key, and whether it removes retired keys.
    Another(usize, bool),
    /// Somebody deletes the discovery document.
    NoDiscovery,
    /// Somebody deletes what is recorded of the keys.
    NoRecord,
    /// So many hours pass, too few for any key.
    Hours(u64),
}

fn between() -> impl Strategy<Value = Between> {
    prop_oneof![
        3 => Just(Between::Nothing),
        2 => (0..5_usize, any::<bool>()).prop_map(|(key, drops)| Between::Another(key, drops)),
        1 => Just(Between::NoDiscovery),
        1 => Just(Between::NoRecord),
        1 => (0..3_u64).prop_map(Between::Hours),
    ]
}

fn steps() -> impl Strategy<Value = Vec<(BTreeSet<usize>, bool, Between)>> {
    let keys = prop::collection::btree_set(0..5_usize, 1..4);
    prop::collection::vec((keys, any::<bool>(), between()), 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_step_loses_a_key_that_was_published(steps in steps()) {
        let bench = Bench::new(5);
        let mut expected = BTreeSet::new();
        for (keys, drops, between) in steps {
            let keys: Vec<usize> = keys.into_iter().collect();
            bench.follow(&keys, drops);
            expected.extend(keys);
            prop_assert_eq!(bench.published(), expected.clone());
            match between {
                Between::Nothing => {}
                Between::Another(key, drops) => {
                    bench.follow(&[key], drops);
                    expected.insert(key);
                    prop_assert_eq!(bench.published(), expected.clone());
                }
                Between::NoDiscovery => {
                    let _ = std::fs::remove_file(bench.file("site/.well-known/openid-configuration"));
                }
                Between::NoRecord => {
                    let _ = std::fs::remove_file(bench.file("site/.issuerctl/keys"));
                }
                Between::Hours(hours) if bench.file("site/.issuerctl/keys").exists() => bench.pass(hours),
                Between::Hours(_) => {}
            }
        }
    }

    /// Whatever the cluster's keys are: a key leaves a day and five minutes after it was recorded as missing,
    /// and not if anybody has had it since.
    #[test]
    fn a_key_is_removed_when_its_time_has_come_and_not_before(
        back in prop::option::of(1..24_u64), other in any::<bool>(),
    ) {
        let bench = Bench::new(3);
        bench.follow(&[0, 1], true);
        bench.follow(&[1], true);
        if let Some(hours) = back {
            // It is back for a moment: for the program itself, or for another one which removes nothing.
            bench.pass(hours);
            if other { bench.follow(&[0], false) } else { bench.follow(&[0, 1], true) };
            bench.follow(&[1], true);
        }
        bench.pass(24);
        prop_assert!(bench.follow(&[1], true).dropped.is_empty());
        prop_assert_eq!(bench.published(), set(&[0, 1]));
        bench.pass(1);
        // Without the option it stays all the same.
        bench.follow(&[1], false);
        prop_assert_eq!(bench.published(), set(&[0, 1]));
        // One change at a time: the new key comes first.
        bench.follow(&[2, 1], true);
        prop_assert_eq!(bench.published(), set(&[0, 1, 2]));
        let report = bench.follow(&[2, 1], true);
        prop_assert_eq!(report.dropped.len(), 1);
        prop_assert_eq!(report.dropped[0].as_str(), bench.kids[0].as_str());
        prop_assert_eq!(bench.published(), set(&[1, 2]));
    }
}

#[test]
fn a_step_that_fails_says_what_is_published_and_how_aws_sts_would_judge_it() {
    let bench = Bench::new(2);
    bench.follow(&[0], false);
    std::fs::remove_file(bench.file("1.pub")).unwrap();
    let report = bench.step(&[1], options(false));
    report.outcome.unwrap_err();
    assert!(report.verdict.unwrap().passed());
    assert_eq!((report.live, report.wrote), (None, false));
    // A document that cannot be read: nothing is written over it.
    std::fs::write(bench.file("site/keys.json"), "{").unwrap();
    let report = bench.step(&[0], options(true));
    report.outcome.as_ref().unwrap_err();
    assert!(!report.verdict.as_ref().unwrap().passed());
    assert_eq!((report.live_published(), report.wrote), (Some(false), false));
    assert_eq!(std::fs::read_to_string(bench.file("site/keys.json")).unwrap(), "{");
}

#[test]
fn an_outage_that_a_step_repairs_is_in_its_report() {
    let bench = Bench::new(1);
    let first = bench.follow(&[0], false);
    assert!(first.before.is_none(), "there was nothing before the first step");
    assert!(bench.follow(&[0], false).before.is_none(), "nothing was changed");
    std::fs::remove_file(bench.file("site/.well-known/openid-configuration")).unwrap();
    let report = bench.follow(&[0], false);
    assert!(!report.before.as_ref().unwrap().passed() && report.wrote, "{report:#?}");
}

/// Keys of a type that AWS STS does not use stay beside the others when a key is removed.
#[test]
fn removing_a_key_keeps_keys_of_other_types() {
    let bench = Bench::new(2);
    bench.follow(&[0, 1], true);
    let path = bench.file("site/keys.json");
    let mut set: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let foreign = serde_json::json!({"kty": "OKP", "crv": "Ed25519", "kid": "ed", "alg": "EdDSA",
        "use": "sig", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    set["keys"].as_array_mut().unwrap().push(foreign);
    std::fs::write(&path, set.to_string()).unwrap();
    bench.follow(&[1], true);
    bench.pass(25);
    assert_eq!(bench.follow(&[1], true).dropped.len(), 1);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("Ed25519") && !text.contains(&bench.kids[0]), "{text}");
}

#[test]
fn the_new_key_of_a_rotation_stays_although_no_cluster_has_it_yet() {
    let bench = Bench::new(2);
    bench.follow(&[0], true);
    let mut site = bench.site(&[1, 0]);
    site.options.announces = true;
    bench.run(site, options(false)).outcome.unwrap();
    for _ in 0..3 {
        bench.follow(&[0], true);
        bench.pass(48);
    }
    assert_eq!(bench.published(), set(&[0, 1]));
    // Once a cluster has had it, it is a key like any other.
    bench.follow(&[0, 1], true);
    bench.follow(&[0], true);
    bench.pass(48);
    bench.follow(&[0], true);
    assert_eq!(bench.published(), set(&[0]));
}

/// The removal of one key says nothing of the others.
#[test]
fn when_a_key_is_removed_the_new_key_of_a_rotation_and_the_waits_of_other_keys_stay() {
    let bench = Bench::new(4);
    bench.follow(&[0, 1, 2], true);
    let mut site = bench.site(&[3, 0, 1, 2]);
    site.options.announces = true;
    bench.run(site, options(false)).outcome.unwrap();
    bench.follow(&[1, 2], true);
    bench.pass(20);
    bench.follow(&[2], true);
    bench.pass(5);
    bench.follow(&[2], true);
    assert_eq!(bench.published(), set(&[1, 2, 3]));
    bench.pass(19);
    bench.follow(&[2], true);
    assert_eq!(bench.published(), set(&[1, 2, 3]));
    bench.pass(1);
    assert_eq!(bench.follow(&[2], true).dropped.len(), 1);
    assert_eq!(bench.published(), set(&[2, 3]));
    for _ in 0..3 {
        bench.pass(48);
        bench.follow(&[2], true);
    }
    assert_eq!(bench.published(), set(&[2, 3]));
}

#[test]
fn no_key_is_removed_while_a_part_of_a_source_is_damaged() {
    let bench = Bench::new(3);
    let pem = |key: usize| std::fs::read_to_string(bench.file(&format!("{key}.pub"))).unwrap();
    let (first, second) = (pem(0), pem(1));
    let write = |text: &str| std::fs::write(bench.file("2.pub"), text).unwrap();
    write(&format!("{first}{second}"));
    bench.follow(&[2], true);
    let (half, _) = second.split_at(second.len() / 2);
    write(&format!("{first}{half}\n-----END PUBLIC KEY-----\n"));
    for _ in 0..2 {
        let report = bench.follow(&[2], true);
        assert!(!report.changes.notices.is_empty(), "it says what was left out");
        bench.pass(48);
    }
    assert_eq!(bench.published(), set(&[0, 1]));
    write(&first);
    bench.follow(&[2], true);
    assert_eq!(bench.published(), set(&[0]));
}
