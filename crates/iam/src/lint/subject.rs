//! Which service accounts a value of `sub` matches.

use crate::names::{is_label, is_subdomain};

/// Kubernetes, `pkg/serviceaccount`: the prefix of the subject of every service account.
const PREFIX: &str = "system:serviceaccount:";

/// Which service accounts a value of `sub` matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// None: no service account has this subject.
    Nobody,
    /// None, but it would match in lower case.
    NobodyForCase,
    /// One.
    One,
    /// Several in one namespace.
    Names,
    /// One name in several namespaces.
    Namespaces,
    /// Several names in several namespaces, both with a common beginning.
    Both,
    /// Several names in several namespaces.
    Wide,
}

/// Judges a pattern, or a text without wildcards.
pub(super) fn reach(pattern: &str) -> Reach {
    // Adjacent stars mean the same as one, and take far longer to match.
    let mut one_star = pattern.to_owned();
    while one_star.contains("**") {
        one_star = one_star.replace("**", "*");
    }
    let pattern = one_star.as_str();
    let mut most = None;
    for (namespace, name) in readings(pattern) {
        let this = match (wild(&namespace), wild(&name)) {
            (true, true) if [&namespace, &name].iter().any(|part| part.starts_with(['*', '?'])) => {
                return Reach::Wide;
            }
            (true, true) => Reach::Both,
            (true, false) => Reach::Namespaces,
            (false, true) => Reach::Names,
            (false, false) => Reach::One,
        };
        most = match (most, this) {
            // A pattern with several readings matches several service accounts, whatever each
            // reading matches.
            (Some(Reach::Names), Reach::Namespaces) | (Some(Reach::Namespaces), Reach::Names) => {
                return Reach::Wide;
            }
            (Some(Reach::Both), _) | (Some(_), Reach::Both) => Some(Reach::Both),
            (Some(most), Reach::One) => Some(most),
            (_, this) => Some(this),
        };
    }
    match most {
        Some(reach) => reach,
        None if readings(&pattern.to_lowercase()).is_empty() => Reach::Nobody,
        None => Reach::NobodyForCase,
    }
}

/// Every way to read the pattern as patterns of a namespace and a name. Its stars may match colons
/// too, so `system:serviceaccount:jobs*` also means `jobs*` and `*`.
fn readings(pattern: &str) -> Vec<(String, String)> {
    let pattern: Vec<char> = pattern.chars().collect();
    let mut all = Vec::new();
    for start in after_prefix(&pattern) {
        for (at, c) in pattern.iter().enumerate().skip(start) {
            let (end, next) = match c {
                ':' | '?' => (at, at + 1),
                // The star includes the colon.
                '*' => (at + 1, at),
                _ => continue,
            };
            let (namespace, name) = (text(&pattern[start..end]), text(&pattern[next..]));
            let reading = (namespace, name);
            if is_label(&reading.0) && is_subdomain(&reading.1) && !all.contains(&reading) {
                all.push(reading);
            }
        }
    }
    all
}

/// Where in the pattern the namespace may begin: the positions after the prefix has been matched.
fn after_prefix(pattern: &[char]) -> Vec<usize> {
    let mut at = vec![0];
    for c in PREFIX.chars() {
        let mut next = Vec::new();
        for start in with_empty_stars(&at, pattern) {
            match pattern.get(start) {
                Some('*') => next.push(start),
                Some(p) if *p == '?' || *p == c => next.push(start + 1),
                _ => {}
            }
        }
        at = next;
    }
    with_empty_stars(&at, pattern)
}

/// The same positions, and those after stars, which may match nothing.
fn with_empty_stars(at: &[usize], pattern: &[char]) -> Vec<usize> {
    let mut all: Vec<usize> = Vec::new();
    for start in at {
        let mut start = *start;
        while !all.contains(&start) {
            all.push(start);
            if pattern.get(start) == Some(&'*') {
                start += 1;
            }
        }
    }
    all
}

fn wild(text: &str) -> bool {
    text.contains(['*', '?'])
}

fn text(chars: &[char]) -> String {
    chars.iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_of_stars_is_read_as_one() {
        let many = format!("system:serviceaccount:jobs:{}", "*".repeat(1000));
        assert_eq!(
            format!("{:?}", reach(&many)),
            format!("{:?}", reach("system:serviceaccount:jobs:*"))
        );
    }

    #[test]
    fn a_star_may_stand_for_colons_too() {
        for (pattern, expected) in [
            ("system:serviceaccount:default:app", Reach::One),
            ("system:serviceaccount:jobs:*", Reach::Names),
            ("system:serviceaccount:jobs:run-?", Reach::Names),
            ("system:serviceaccount:*:app", Reach::Namespaces),
            ("*:jobs:run", Reach::One),
            ("system:*:jobs:run", Reach::One),
            ("*:jobs:*", Reach::Names),
            ("*:run", Reach::Namespaces),
            ("system:serviceaccount:*:*", Reach::Wide),
            ("system:serviceaccount:j?:r?", Reach::Both),
            ("system:serviceaccount:team-*:app-*", Reach::Both),
            ("system:serviceaccount:team-*:*", Reach::Wide),
            ("system:serviceaccount:default:app-", Reach::Nobody),
            ("system:serviceaccount:-x:app", Reach::Nobody),
            ("system:serviceaccount:*", Reach::Wide),
            ("system:serviceaccount:jobs*", Reach::Wide),
            ("system:serviceaccount:*run", Reach::Wide),
            ("system:serviceaccount:jobs*run", Reach::Wide),
            ("system:*", Reach::Wide),
            ("*", Reach::Wide),
            ("system:serviceaccount:jobs?run", Reach::One),
            ("system:serviceaccount:Default:app", Reach::NobodyForCase),
            ("System:ServiceAccount:*:*", Reach::NobodyForCase),
            ("system:serviceaccount:default", Reach::Nobody),
            ("system:serviceaccount:default:", Reach::Nobody),
            ("system:serviceaccount::app", Reach::Nobody),
            ("system:serviceaccount:a:b:c", Reach::Nobody),
            ("system:serviceaccounts:default:app", Reach::Nobody),
            ("default/app", Reach::Nobody),
            ("", Reach::Nobody),
        ] {
            assert_eq!(reach(pattern), expected, "{pattern}");
        }
    }
}
