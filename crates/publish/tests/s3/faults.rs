//! Thousands of runs against a network and a store that fail, each by a plan that follows from its seed.
//!
//! `FAULT_SEED=N` repeats one of them, and `FAULT_RUNS=N` sets how many there are, from that seed on if both
//! are given.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use issuer_test_support::FaultProxy;

use super::*;

/// What is published before the run, and by the run.
const CASES: [(Option<&str>, &str, bool); 4] = [
    (None, "rsa2048", false),
    (Some("p256"), "rsa2048", false),
    (Some("rsa2048"), "rsa4096", false),
    (Some("multi-all-six"), "p384", true),
];

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// The published keys, if the site is one that readers can use; the first of them comes with the
/// second of its documents.
fn readable(server: &S3Server) -> Result<Option<JwkSet>, String> {
    let parse = |bytes: Vec<u8>| JwkSet::parse(&bytes, WeakKeys::Refuse);
    let keys = server.get("my-oidc", KEYS).map(parse).transpose();
    let keys = keys.map_err(|error| format!("keys.json is torn: {error}"))?;
    let Some(discovery) = server.get("my-oidc", DISCOVERY) else { return Ok(keys) };
    let document: serde_json::Value = serde_json::from_slice(&discovery)
        .map_err(|error| format!("the discovery document is torn: {error}"))?;
    let Some(keys) = keys else { return Err("a discovery document without keys".to_owned()) };
    let listed = document["id_token_signing_alg_values_supported"].as_array().unwrap();
    match keys.algorithms().iter().find(|one| !listed.iter().any(|all| all == one.as_str())) {
        Some(missing) => Err(format!("{missing} is not listed")),
        None => Ok(Some(keys)),
    }
}

/// A reader that comes again and again while a run works, and finds a complete site each time once
/// there was one.
async fn read_throughout(server: &S3Server, before: Option<&JwkSet>) -> String {
    loop {
        let keys = server.get("my-oidc", KEYS);
        let read = readable(server);
        // What belongs together is judged together.
        if keys == server.get("my-oidc", KEYS) {
            match (read, before) {
                (Err(fault), _) => return format!("a reader found this: {fault}"),
                (Ok(None), Some(_)) => return "a reader found no keys".to_owned(),
                (Ok(_), Some(_)) if server.get("my-oidc", DISCOVERY).is_none() => {
                    return "a reader found no discovery document".to_owned();
                }
                (Ok(Some(keys)), Some(before)) if !before.difference(&keys).is_empty() => {
                    return "a reader did not find a key that was there before".to_owned();
                }
                _ => {}
            }
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn one_run(seed: u64) -> Result<bool, String> {
    let index = usize::try_from(seed).unwrap() % CASES.len();
    let (before, given, prune) = CASES[index];
    let server = S3Server::start();
    server.make_bucket("my-oidc");
    let access = if seed.is_multiple_of(3) { AccessMode::Policy } else { AccessMode::None };
    let options = S3Options { access, ..options() };
    // With a history, and every fifth time with versions.
    let plain = PlanOptions { keep_history: 3, ..PlanOptions::default() };
    if seed.is_multiple_of(5) {
        server.keep_versions("my-oidc");
    }
    if let Some(before) = before {
        run(&store(&server, options.clone()), &site(before), &plain).await.unwrap();
    }
    if prune {
        run(&store(&server, options.clone()), &site(given), &plain).await.unwrap();
    }
    let proxy = FaultProxy::start(&server.endpoint(), seed, 5 + seed % 40);
    let patience = Duration::from_millis(700);
    let (endpoint, location) = (proxy.endpoint(), "s3://my-oidc/prod");
    // Half of the runs have many issuers, whose documents are listed.
    let faulty = match seed % 8 {
        0..4 => connect_at(&endpoint, "us-west-2", location, options.clone(), patience),
        _ => fleet::one_of_many(&endpoint, location, options.clone(), patience),
    };
    let plan_options = PlanOptions { prune, ..plain };
    let site = site(given);
    let log = || proxy.log().join("\n  ");
    let there = before.filter(|_| !prune).map(keys);
    let ended = tokio::select! {
        ended = run(&faulty, &site, &plan_options) => ended,
        found = read_throughout(&server, there.as_ref()) => return Err(format!("{found}\n  {}", log())),
    };
    let check = |succeeded: bool| -> Result<(), String> {
        let keys = readable(&server).map_err(|fault| format!("{fault}\n  {}", log()))?;
        let has = |case: &str| {
            keys.as_ref().is_some_and(|published| self::keys(case).difference(published).is_empty())
        };
        if let Some(before) = before.filter(|before| !prune && !has(before)) {
            return Err(format!("{before} was lost\n  {}", log()));
        }
        if succeeded && !(has(given) && server.get("my-oidc", DISCOVERY).is_some()) {
            return Err(format!("success without a complete site\n  {}", log()));
        }
        Ok(())
    };
    check(ended.is_ok())?;
    if let Err(error) = &ended {
        let text = error.to_string();
        if text.is_empty() || text.contains("unhandled error") {
            return Err(format!("{text:?}\n  {}", log()));
        }
    }
    proxy.heal();
    match run(&connect_to(&endpoint, options), &site, &plan_options).await {
        Ok(_) => check(true),
        Err(error) => Err(format!("the next run failed: {error}\n  {}", log())),
    }?;
    Ok(ended.is_ok())
}

#[test]
fn whatever_fails_success_means_a_complete_site_and_no_key_is_lost() {
    let (first, runs) = match number("FAULT_SEED") {
        Some(seed) => (seed, number("FAULT_RUNS").unwrap_or(1)),
        None => (0, number("FAULT_RUNS").unwrap_or(1000)),
    };
    let (next, succeeded) = (AtomicU64::new(first), AtomicUsize::new(0));
    let work = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + runs {
                return;
            }
            match runtime.block_on(one_run(seed)) {
                Ok(ended_well) => {
                    succeeded.fetch_add(usize::from(ended_well), Ordering::Relaxed);
                }
                Err(fault) => panic!("FAULT_SEED={seed} repeats this: {fault}"),
            }
        }
    };
    std::thread::scope(|scope| {
        // Most of a run is waiting.
        for _ in 0..32 {
            scope.spawn(work);
        }
    });
    println!("{runs} runs, {} of them succeeded at once", succeeded.into_inner());
}
