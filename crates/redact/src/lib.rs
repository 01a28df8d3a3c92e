#![doc = include_str!("../README.md")]

mod shape;

use std::sync::{Mutex, PoisonError};

/// What is shown instead of a secret.
pub const REDACTED: &str = "[redacted]";

/// A shorter value could be a word of any message.
const SHORTEST: usize = 8;

/// The secrets of this process, the longest first.
static IN_USE: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Registers a secret that this process uses. Each line of it counts by itself, and lines of less
/// than 8 bytes are ignored: they could be words of any message.
pub fn register(secret: &str) {
    let mut in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
    for line in secret.lines().map(str::trim) {
        if line.len() >= SHORTEST
            && !line.starts_with("-----")
            && !in_use.iter().any(|known| known == line)
        {
            in_use.push(line.to_owned());
        }
    }
    in_use.sort_by_key(|known| std::cmp::Reverse(known.len()));
}

/// The text without registered secrets and without anything that has the form of one.
#[must_use]
pub fn redact(text: &str) -> String {
    let mut text = text.to_owned();
    for secret in IN_USE.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        if text.contains(secret.as_str()) {
            text = text.replace(secret.as_str(), REDACTED);
        }
    }
    shape::redact(&text)
}

/// The text without `values` of any length, then [`redact`]ed. A value that is part of a longer word
/// stays.
#[must_use]
pub fn redact_values<'a>(text: &str, values: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = text.to_owned();
    let mut values: Vec<&str> = values.into_iter().filter(|value| !value.is_empty()).collect();
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    for value in values {
        text = replace_word(&text, value);
    }
    redact(&text)
}

/// Whether the whole text is, or contains, a key, a token or a document that is made of them. A
/// password in a URL does not count.
#[must_use]
pub fn is_secret(text: &str) -> bool {
    shape::is_secret(text)
}

fn replace_word(text: &str, value: &str) -> String {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(value) {
        let (before, after) = (&rest[..at], &rest[at + value.len()..]);
        let joined = value.len() < SHORTEST
            && (before.ends_with(is_word) && value.starts_with(is_word)
                || after.starts_with(is_word) && value.ends_with(is_word));
        out.push_str(before);
        out.push_str(if joined { value } else { REDACTED });
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_line_of_a_registered_secret_is_replaced_and_short_ones_are_not() {
        register("  first-line-of-it\nsecond-line-of-it\nshort\n");
        assert_eq!(
            redact("a first-line-of-it b (second-line-of-it) short first-line"),
            "a [redacted] b ([redacted]) short first-line"
        );
    }

    #[test]
    fn a_longer_secret_is_replaced_before_its_beginning() {
        register("prefix-of-both");
        register("prefix-of-both-and-more");
        assert_eq!(redact("prefix-of-both-and-more"), REDACTED);
    }

    #[test]
    fn short_values_are_replaced_as_words_only() {
        assert_eq!(
            redact_values("cannot eat cat, cat.", ["cat", ""]),
            "cannot eat [redacted], [redacted]."
        );
        assert_eq!(
            redact_values("--password=long-value!", ["long-value"]),
            "--password=[redacted]!"
        );
    }

    proptest! {
        #[test]
        fn a_registered_secret_is_in_no_text(secret in "[!-~]{8,40}", before in ".{0,20}", after in ".{0,20}") {
            prop_assume!(!REDACTED.contains(&secret));
            register(&secret);
            let text = redact(&format!("{before}{secret}{after}"));
            prop_assert!(!text.contains(&secret), "{text}");
        }
    }
}
