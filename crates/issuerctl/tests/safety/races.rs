//! Processes that change one bucket policy, or one role, at the same time: neither has conditional
//! writes. What a run promised by its exit code is there at the end.
//!
//! The figures of `docs/safety.md` are those of more rounds and writers: `RACE_ROUNDS`,
//! `POLICY_RACE_WRITERS`, `POLICY_RACE_PREFIXES`, `ROLE_RACE_WRITERS`.

use std::process::Child;
use std::time::{Duration, Instant};

use issuer_test_support::{IamServer, S3Server};

use super::desk::{Desk, ended, golden};
use super::{number, start};

/// The exit codes of all processes, and how long they took together.
fn all_ended(running: Vec<Child>, start: Instant) -> (Vec<bool>, Duration) {
    let code = |child: Child| {
        let output = child.wait_with_output().unwrap();
        // Another outcome than success or a conflict is none of a race.
        let is_conflict = output.status.code() == Some(4);
        if !is_conflict {
            ended(&output, 0);
        }
        !is_conflict
    };
    (running.into_iter().map(code).collect(), start.elapsed())
}

/// The outcome of some rounds.
#[derive(Debug, Default)]
struct Outcome {
    promised: usize,
    lost: usize,
    refused: usize,
    longest: Duration,
}

impl Outcome {
    fn add(&mut self, is_there: impl Fn(usize) -> bool, (ended, took): (Vec<bool>, Duration)) {
        for (index, well) in ended.into_iter().enumerate() {
            self.promised += usize::from(well);
            self.refused += usize::from(!well);
            self.lost += usize::from(well && !is_there(index));
        }
        self.longest = self.longest.max(took);
    }

    #[expect(clippy::print_stderr, reason = "the figures of docs/safety.md")]
    fn check(&self) {
        eprintln!("{self:?}");
        assert_eq!((self.lost, self.refused), (0, 0), "{self:?}");
    }
}

#[test]
fn every_site_of_processes_that_race_for_a_bucket_policy_is_readable() {
    let writers = number("POLICY_RACE_WRITERS", 16);
    let four = number("POLICY_RACE_PREFIXES", 4);
    let mut outcome = Outcome::default();
    let rounds = number("RACE_ROUNDS", 1);
    // Several on each prefix, and each on its own.
    for prefixes in (0..rounds).flat_map(|_| [four, writers]) {
        let (server, desk) = (S3Server::start(), Desk::new());
        server.make_bucket("my-oidc");
        server.delay(Duration::from_millis(number("RACE_DELAY_MS", 20)));
        desk.file("sa.pub", &golden("encodings/rsa2048.spki.pem"));
        let begin = Instant::now();
        let running = (0..writers).map(|index| {
            let prefix = index % prefixes;
            let line = format!(
                "publish --key sa.pub --to s3://my-oidc/p{prefix} --region us-west-2 --endpoint-url \
                 {} --path-style --issuer https://oidc.example.com/p{prefix} --no-verify",
                server.endpoint()
            );
            start(&desk, &line)
        });
        let ended = all_ended(running.collect(), begin);
        let is_readable = |index: usize| {
            let prefix = index as u64 % prefixes;
            server.is_readable("my-oidc", &format!("p{prefix}/keys.json"))
        };
        outcome.add(is_readable, ended);
        assert!(server.get("my-oidc", ".issuerctl/policy.lease").is_none(), "the lease is left");
    }
    outcome.check();
}

#[test]
fn every_statement_of_processes_that_race_for_a_role_is_there() {
    let writers = number("ROLE_RACE_WRITERS", 12);
    let mut outcome = Outcome::default();
    for _ in 0..number("RACE_ROUNDS", 1) {
        let (server, desk) = (IamServer::start(), Desk::new());
        let apply = |index: u64| {
            // Two issuers, since a trust policy has no room for many.
            let issuer = index % 2;
            let line = format!(
                "role apply app --issuer https://oidc.example.com/{issuer} --service-account \
                 d/a{index} --add"
            );
            let mut command = desk.command(&line);
            command.env("AWS_REGION", "us-west-2").env("AWS_ENDPOINT_URL", server.url());
            command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
            command.spawn().unwrap()
        };
        let first = apply(writers);
        ended(&first.wait_with_output().unwrap(), 0);
        server.delay(Duration::from_millis(number("RACE_DELAY_MS", 20)));
        let begin = Instant::now();
        let ended = all_ended((0..writers).map(apply).collect(), begin);
        let trust = server.account().roles["app"].trust_policy().to_string();
        let is_there =
            |index: usize| trust.contains(&format!("\"system:serviceaccount:d:a{index}\""));
        outcome.add(is_there, ended);
    }
    outcome.check();
}
