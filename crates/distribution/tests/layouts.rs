//! Layouts that people write: for each a file before and after, or the reason why it is refused.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use issuer_distribution::{Distribution, Request, merge};

struct Case<'a> {
    name: &'a str,
    request: Request,
    before: String,
    after: Result<String, &'a str>,
}

fn cases(text: &str) -> Vec<Case<'_>> {
    text.split("=== ").skip(1).map(case).collect()
}

fn case(text: &str) -> Case<'_> {
    let (head, rest) = text.split_once("\n--- before\n").unwrap();
    let (name, words) = head.split_once('\n').unwrap();
    let of = |distribution: &&Distribution| name.split(':').next() == Some(distribution.as_str());
    let mut request = Request::new(*Distribution::ALL.iter().find(of).unwrap(), "");
    let mut words = words.split_whitespace();
    while let (Some(option), Some(value)) = (words.next(), words.next()) {
        let value = value.to_owned();
        match option {
            "issuer" => request.issuer = value,
            "keep" => request.keep.push(value),
            "drop" => request.drop.push(value),
            "version" => request.kubernetes_version = Some(value),
            "name" => request.name = Some(value),
            "path" => request.path = Some(value),
            other => panic!("{other}"),
        }
    }
    let (before, after) = match rest.split_once("\n--- after\n") {
        Some((before, after)) => (before, Ok(format!("{}\n", after.trim_end_matches('\n')))),
        None => {
            let (before, reason) = rest.split_once("\n--- refused\n").unwrap();
            (before, Err(reason.trim_end()))
        }
    };
    let before = if before.is_empty() { String::new() } else { format!("{before}\n") };
    Case { name, request, before, after }
}

#[test]
fn each_layout_is_changed_in_its_own_way() {
    let cases = cases(include_str!("layouts.txt"));
    assert!(cases.len() > 90);
    for case in cases {
        let result = merge(&case.request, &case.before);
        match (&case.after, result) {
            (Ok(after), Ok(result)) => assert_eq!(result.document, *after, "{}", case.name),
            (Err(reason), Err(error)) => assert_eq!(error.to_string(), *reason, "{}", case.name),
            (_, result) => panic!("{}: {result:?}", case.name),
        }
    }
}
