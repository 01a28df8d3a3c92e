//! Many roles, many issuers: round trips, connections, memory.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::lab::{BUCKET, Issuer, Lab};

/// A provider, and so many roles with an attached policy each.
fn roles(prefix: &str, count: usize) -> String {
    let mut text = "  provider: {audiences: [sts.amazonaws.com]}\n  roles:\n".to_owned();
    for number in 0..count {
        write!(
            text,
            "  - name: {prefix}-{number}\n    serviceAccounts: [default/app-{number}]\n    \
             policyArns: [arn:aws:iam::aws:policy/ReadOnlyAccess]\n"
        )
        .unwrap();
    }
    text
}

#[test]
fn fifty_roles_are_read_in_two_round_trips_and_made_in_twelve() {
    let lab = Lab::new();
    lab.s3.make_bucket(BUCKET);
    let iam = roles("app", 50);
    lab.issuers(&[Issuer { create: false, access: "none", ..Issuer::prod(&iam) }]);
    // Long enough that requests that went out together overlap, however busy the machine is.
    lab.iam.delay(Duration::from_secs(1));
    lab.apply(0);
    let (apply, account) = (lab.iam.sequential_round_trips(), lab.iam.account());
    assert_eq!((account.roles.len(), account.providers.len()), (50, 1));
    lab.iam.clear_log();
    lab.iam.delay(Duration::from_millis(1500));
    lab.plan(0);
    let plan = lab.iam.sequential_round_trips();
    println!("50 roles: plan {plan} round trips, apply {apply}");
    assert!(plan <= 2, "{plan} round trips");
    assert!(apply <= 12, "{apply} round trips");
}

#[test]
fn connections_to_iam_do_not_grow_with_the_issuers() {
    let lab = Lab::new();
    lab.s3.make_bucket(BUCKET);
    let names: Vec<String> = (0..6).map(|number| format!("cluster-{number}")).collect();
    let iams: Vec<String> = names.iter().map(|name| roles(name, 40)).collect();
    let issuers = names.iter().zip(&iams);
    let issuers: Vec<_> =
        issuers.map(|(name, iam)| Issuer { iam, ..Issuer::site(name, "none") }).collect();
    lab.issuers(&issuers);
    lab.iam.delay(Duration::from_secs(1));
    lab.plan(7);
    let connections = lab.iam.peak_connections();
    println!("6 issuers with 40 roles each: {connections} connections to IAM");
    assert!(connections <= 220, "{connections} connections");
}

#[test]
fn a_hundred_issuers_need_few_connections_and_little_memory() {
    publish_fleet(100);
}

#[test]
#[ignore = "takes minutes in a debug build; CONTRIBUTING.md has the command"]
fn ten_thousand_issuers_need_little_more_memory_than_a_thousand() {
    let (few, many) = (publish_fleet(1000), publish_fleet(10_000));
    if let (Some(few), Some(many)) = (few, many) {
        assert!(many * 2 <= few * 3, "{many} MiB for 10,000, {few} MiB for 1,000");
        assert!(many < 150, "{many} MiB");
    }
}

#[test]
#[ignore = "takes half a minute in a debug build; CONTRIBUTING.md has the command"]
fn a_thousand_issuers_need_few_connections_and_little_memory() {
    publish_fleet(1000);
}

#[expect(clippy::print_stdout, reason = "the figures are what is measured")]
fn publish_fleet(count: usize) -> Option<u64> {
    let lab = Lab::new();
    lab.s3.make_bucket(BUCKET);
    let names: Vec<String> = (0..count).map(|number| format!("cluster-{number}")).collect();
    let issuers: Vec<_> = names.iter().map(|name| Issuer::site(name, "none")).collect();
    lab.issuers(&issuers);
    let start = Instant::now();
    let mut command = lab.command("apply -f issuer.yaml --no-verify --quiet");
    let mut child = command.spawn().unwrap();
    let mut peak_kib = None;
    let status = loop {
        peak_kib = peak_kib.max(peak_memory_kib(child.id()));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let (seconds, connections) = (start.elapsed().as_secs_f64(), lab.s3.peak_connections());
    let mib = peak_kib.map(|kib| kib / 1024);
    println!("{count} issuers: {seconds:.1} s, {connections} connections to S3, {mib:?} MiB");
    assert!(status.success(), "{status}");
    for name in &names {
        assert!(lab.s3.get(BUCKET, &format!("{name}/keys.json")).is_some(), "{name}");
    }
    assert!(connections <= 64, "{connections} connections");
    assert!(mib.is_none_or(|mib| mib < 150), "{mib:?} MiB");
    mib
}

/// The most memory that a process has had so far, where the operating system tells.
#[cfg(target_os = "linux")]
fn peak_memory_kib(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

#[cfg(not(target_os = "linux"))]
fn peak_memory_kib(_: u32) -> Option<u64> {
    None
}
