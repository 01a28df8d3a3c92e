//! Several writers at once.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::desk::ended;
use crate::world::{Follower, World};

/// Numbers that follow from a seed (SplitMix64).
struct Seed(u64);

impl Seed {
    fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    }
}

/// Two programs, each with keys of its own, and a person who publishes: whatever was published stays.
#[test]
fn two_programs_and_a_person_at_once_lose_no_key() {
    let runs: u64 = std::env::var("SYNC_RUNS").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    for seed in 0..runs {
        let (world, mut numbers) = (World::new(), Seed(seed));
        let one = world.follow("");
        let two = Follower::start(world.command(&format!(
            "sync --key 3.pub {} --interval 1s --key-interval 1s --listen 127.0.0.1:0 --log-format json",
            world.place()
        )));
        world.until_published(&[0, 3]);
        let mut seen = BTreeSet::new();
        let mut look = |when: &str| {
            let published = BTreeSet::from_iter(world.published());
            assert!(published.is_superset(&seen), "a key was lost {when}, with the seed {seed}");
            seen = published;
        };
        for _ in 0..4 {
            let key = usize::try_from(numbers.below(3)).unwrap();
            if numbers.below(2) == 0 {
                world.cluster_has(&[key]);
                world.until_published(&[key]);
                look("when the cluster had another key");
            } else {
                // It plans again after each conflict.
                let line = format!("publish --key {key}.pub {} --no-verify", world.place());
                ended(&world.command(&line).output().unwrap(), 0);
                assert!(world.has_published(&[key]), "the run of a person, with the seed {seed}");
                look("when a person published");
            }
            std::thread::sleep(Duration::from_millis(numbers.below(1500)));
            look("in between");
        }
        one.steps(2.0);
        two.steps(2.0);
        look("at the end");
        for follower in [&one, &two] {
            assert_eq!(follower.metric("issuerctl_dropped_keys_total"), Some(0.0));
        }
    }
}
