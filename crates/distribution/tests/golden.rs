//! Existing files of all distributions: what comes out is read by another reader, which makes of it
//! what the distribution would make of it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod reader;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use issuer_diagnostic::{Diagnostic, ErrorKind};
use issuer_distribution::{Distribution, Rendered, Request, merge};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Case {
    name: String,
    distribution: String,
    file: String,
    path: String,
    issuer: String,
    keep: Vec<String>,
    #[serde(default)]
    drop: Vec<String>,
    version: Option<String>,
    exit: Exit,
    #[serde(default)]
    issuers: Vec<String>,
    changed: Option<bool>,
    #[serde(default)]
    says: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Exit {
    One(u8),
    Several(Vec<u8>),
}

impl Exit {
    fn holds(&self, code: u8) -> bool {
        match self {
            Self::One(one) => *one == code,
            Self::Several(several) => several.contains(&code),
        }
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/cluster-config")
}

fn cases() -> Vec<(Case, String)> {
    let text = fs::read_to_string(folder().join("cases.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_str(&text).unwrap();
    let read = |case: &Case| fs::read_to_string(folder().join("files").join(&case.file)).unwrap();
    cases
        .into_iter()
        .map(|case| {
            let text = read(&case);
            (case, text)
        })
        .collect()
}

fn request(case: &Case) -> Request {
    let distribution =
        *Distribution::ALL.iter().find(|one| one.as_str() == case.distribution).unwrap();
    let mut request = Request::new(distribution, &case.issuer);
    request.keep = case.keep.clone();
    request.drop = case.drop.clone();
    request.kubernetes_version = case.version.clone();
    request.path = Some(case.path.clone());
    request
}

fn exit(result: &Result<Rendered, issuer_distribution::Error>) -> u8 {
    match result {
        Ok(_) => 0,
        Err(error) if error.kind() == ErrorKind::Conflict => 4,
        Err(_) => 3,
    }
}

#[test]
fn each_file_gets_its_issuers_or_is_refused_for_its_reason() {
    let cases = cases();
    assert!(cases.len() >= 30);
    for (case, text) in &cases {
        let result = merge(&request(case), text);
        assert!(case.exit.holds(exit(&result)), "{}: {result:?}", case.name);
        match result {
            Ok(rendered) => {
                let issuers = reader::issuers(&case.distribution, &rendered.document);
                assert_eq!(
                    issuers.first(),
                    case.issuers.first(),
                    "{}\n{}",
                    case.name,
                    rendered.document
                );
                assert_eq!(
                    issuers.iter().collect::<BTreeSet<_>>(),
                    case.issuers.iter().collect::<BTreeSet<_>>(),
                    "{}\n{}",
                    case.name,
                    rendered.document
                );
                assert_eq!(issuers.len(), case.issuers.len(), "{}", case.name);
                assert_eq!(Some(rendered.changed), case.changed, "{}", case.name);
            }
            Err(error) => {
                let said = format!("{error} {}", error.hint().unwrap_or_default());
                for says in &case.says {
                    assert!(said.contains(says), "{}: {said}", case.name);
                }
            }
        }
    }
}

#[test]
fn a_second_run_changes_nothing() {
    for (case, text) in cases() {
        let Ok(first) = merge(&request(&case), &text) else { continue };
        let second = merge(&request(&case), &first.document).unwrap();
        assert!(!second.changed, "{}\n{}\n{}", case.name, first.document, second.document);
        assert_eq!(second.document, first.document, "{}", case.name);
    }
}

#[test]
fn lines_that_are_not_about_the_issuer_stay_in_their_order() {
    for (case, text) in cases() {
        let Ok(result) = merge(&request(&case), &text) else { continue };
        let mut lines = result.document.lines();
        for line in text.lines().filter(|line| !reader::is_about_the_issuer(line)) {
            assert!(lines.any(|other| other == line), "{}: {line}\n{}", case.name, result.document);
        }
    }
}

#[test]
fn the_result_is_the_recorded_one_or_another_right_one() {
    let mut same = 0;
    for (case, text) in cases() {
        let Ok(result) = merge(&request(&case), &text) else { continue };
        let recorded = fs::read_to_string(folder().join("after").join(&case.file)).unwrap();
        let (ours, theirs) = (
            reader::values(&case.distribution, &result.document),
            reader::values(&case.distribution, &recorded),
        );
        if ours == theirs {
            same += 1;
        } else {
            println!("{}: differs from the recorded one\n{}", case.name, result.document);
        }
    }
    assert!(same >= 17, "{same}");
}
