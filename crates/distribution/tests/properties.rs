//! Files of all distributions with changes that nobody foresaw.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "shared with the golden cases")]
mod reader;

use std::fs;
use std::path::PathBuf;

use issuer_distribution::{Distribution, Error, Request, merge};
use proptest::prelude::*;
use proptest::sample::{Index, select};

const NEW: &str = "https://my-oidc.s3.us-west-2.amazonaws.com/prod";
const OLD: &str = "https://old-oidc.s3.eu-west-1.amazonaws.com/prod";

/// More with `PROPTEST_CASES`.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(100)
}

/// The golden files, each with its distribution.
fn files() -> Vec<(Distribution, String, String)> {
    let folder =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/cluster-config/files");
    let mut names: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let of = |distribution: &&Distribution| name.starts_with(distribution.as_str());
        let distribution = *Distribution::ALL.iter().find(of).unwrap();
        (distribution, fs::read_to_string(&path).unwrap(), name)
    };
    names.into_iter().map(read).collect()
}

fn request(distribution: Distribution, issuer: &str, keep: &[&str], drop: &[&str]) -> Request {
    let mut request = Request::new(distribution, issuer);
    request.keep = keep.iter().map(|&issuer| issuer.to_owned()).collect();
    request.drop = drop.iter().map(|&issuer| issuer.to_owned()).collect();
    request
}

/// A file with comments, blank lines, other line ends, or without its last line end.
fn dressed() -> impl Strategy<Value = (Distribution, String)> {
    let comments =
        prop::collection::vec((any::<Index>(), select(vec!["# a: b", "    # - c", "#", ""])), 0..4);
    (select(files()), comments, any::<bool>(), any::<bool>()).prop_map(
        |((distribution, text, _), comments, crlf, cut)| {
            let mut lines: Vec<&str> = text.lines().collect();
            // The content of block scalars has no comments.
            if distribution != Distribution::Talos && !text.contains("content: |") {
                for (at, comment) in comments {
                    lines.insert(at.index(lines.len() + 1), comment);
                }
            }
            let end = if crlf { "\r\n" } else { "\n" };
            let text = lines.join(end);
            (distribution, if cut { text } else { text + end })
        },
    )
}

#[test]
fn accepting_an_issuer_and_dropping_it_again_gives_the_original_back() {
    let mut tried = 0;
    for (distribution, text, name) in files() {
        let accept = request(distribution, OLD, &[NEW], &[]);
        let usual = text.contains(OLD) && !text.contains("/openid/v1/jwks");
        let Some(accepted) = merge(&accept, &text).ok().filter(|_| usual) else { continue };
        let issuers = reader::issuers(distribution.as_str(), &accepted.document);
        assert_eq!(issuers, [OLD, NEW], "{name}\n{}", accepted.document);
        let dropped = merge(&request(distribution, OLD, &[], &[NEW]), &accepted.document).unwrap();
        assert_eq!(dropped.document, text, "{name}");
        tried += 1;
    }
    assert!(tried >= 12, "{tried}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn comments_and_line_ends_stay(
        (distribution, text) in dressed(),
        kept in prop::bool::ANY,
    ) {
        let (keep, drop): (&[&str], &[&str]) = if kept { (&[OLD], &[]) } else { (&[], &[OLD]) };
        let request = request(distribution, NEW, keep, drop);
        let first = match merge(&request, &text) {
            Ok(first) => first,
            Err(error) => {
                prop_assert!(error != Error::Unsupported, "{}", text);
                return Ok(());
            }
        };
        let issuers = reader::issuers(distribution.as_str(), &first.document);
        prop_assert_eq!(issuers.first().map(String::as_str), Some(NEW));
        prop_assert!(!kept || issuers.iter().any(|issuer| issuer == OLD));
        let mut lines = first.document.lines();
        for line in text.lines().filter(|line| !reader::is_about_the_issuer(line)) {
            prop_assert!(lines.any(|other| other == line), "{}\n{}", line, first.document);
        }
        if text.contains("\r\n") {
            prop_assert_eq!(first.document.matches('\n').count(), first.document.matches("\r\n").count());
        }
        let second = merge(&request, &first.document).unwrap();
        prop_assert!(!second.changed && second.document == first.document);
    }

    #[test]
    fn no_damaged_file_panics(
        (_, text, _) in select(files()),
        distribution in select(Distribution::ALL.to_vec()),
        damages in prop::collection::vec((any::<Index>(), any::<Index>(), "[-:{}\\[\\]#&*!|>'\"%@,?\\n\\t aé=]{0,3}"), 1..5),
    ) {
        let mut damaged: Vec<char> = text.chars().collect();
        for (from, length, new) in damages {
            let from = from.index(damaged.len() + 1);
            let to = (from + length.index(8)).min(damaged.len());
            damaged.splice(from..to, new.chars());
        }
        let damaged: String = damaged.into_iter().collect();
        if let Ok(result) = merge(&request(distribution, NEW, &[OLD], &[]), &damaged) {
            let second = merge(&request(distribution, NEW, &[OLD], &[]), &result.document).unwrap();
            prop_assert_eq!(second.document, result.document);
        }
    }

    #[test]
    fn no_text_panics(text in "[-a-z:{}\\[\\]#&*!|>'\"\\n =]{0,80}", distribution in select(Distribution::ALL.to_vec())) {
        let _ = merge(&request(distribution, NEW, &[], &[]), &text);
    }
}

#[test]
fn a_first_step_that_the_file_cannot_hold_is_not_offered() {
    use issuer_distribution::{Distribution, Request, merge};
    let request = Request::new(Distribution::Kubeadm, "https://new.example.com/prod");
    let file = |version: &str| {
        format!(
            "apiVersion: kubeadm.k8s.io/{version}\nkind: ClusterConfiguration\n\
             kubernetesVersion: v1.34.4\n"
        )
    };
    let why = |version: &str| merge(&request, &file(version)).map(|made| made.no_first_step);
    assert_eq!(why("v1beta4").ok(), Some(None));
    let reason = why("v1beta3").ok().flatten().unwrap_or_default();
    assert!(reason.contains("one value"), "{reason}");
}
