#![doc = include_str!("../README.md")]

mod base64;
mod der;
mod shape;
mod view;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use crate::view::View;

/// What is shown instead of a secret.
pub const REDACTED: &str = "[redacted]";

/// A shorter value could be a word of any message.
const SHORTEST: usize = 8;

/// The secrets of this process, the longest first.
static IN_USE: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Secrets that expire, those that were used last at the end: a process that does not end has a new one each
/// hour.
static PASSING: Mutex<VecDeque<Passing>> = Mutex::new(VecDeque::new());

/// How many of them are known; the ones before have expired long ago.
const MOST_PASSING: usize = 1000;

/// A secret that expires, and the texts that it is found as.
struct Passing {
    secret: String,
    values: Vec<String>,
}

/// Registers a secret that this process uses, with the base64 of it. Each line and each word of it
/// counts by itself, and those of less than 8 bytes are ignored: they could be words of any message.
pub fn register(secret: &str) {
    let mut in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
    for value in values(secret) {
        if !in_use.contains(&value) {
            in_use.push(value);
        }
    }
    in_use.sort_by_key(|known| std::cmp::Reverse(known.len()));
}

/// The same for a secret that expires, such as a token: it is forgotten after a thousand others.
pub fn register_passing(secret: &str) {
    if secret.trim().len() < SHORTEST {
        return;
    }
    let mut passing = PASSING.lock().unwrap_or_else(PoisonError::into_inner);
    let known = passing.iter().position(|known| known.secret == secret);
    let known = known.and_then(|place| passing.remove(place));
    passing.push_back(
        known.unwrap_or_else(|| Passing { secret: secret.to_owned(), values: values(secret) }),
    );
    if passing.len() > MOST_PASSING {
        passing.pop_front();
    }
}

/// The texts that a secret is found as.
fn values(secret: &str) -> Vec<String> {
    let mut values: Vec<String> = Vec::new();
    let mut add = |value: &str| {
        // A part of the replacement would be replaced for ever.
        if value.len() >= SHORTEST
            && !REDACTED.contains(value)
            && !values.iter().any(|known| known == value)
        {
            values.push(value.to_owned());
        }
    };
    for line in secret.lines().map(str::trim).filter(|line| !line.starts_with("-----")) {
        add(line);
        line.split_whitespace().for_each(&mut add);
        // A form has `+` for a space; `%20` is found without being registered.
        add(&line.replace(' ', "+"));
        if line.len() >= SHORTEST {
            base64::forms_of_text(line).iter().for_each(|form| add(form));
        }
    }
    let whole = secret.trim();
    if whole.contains('\n') && whole.len() >= SHORTEST {
        base64::forms_of_text(whole).iter().for_each(|form| add(form));
    }
    values
}

/// The text without registered secrets and without anything that has the form of one, also if it is
/// percent-encoded, or an escape sequence or a line break is in the middle of it. Colors stay.
#[must_use]
pub fn redact(text: &str) -> String {
    redact_values(text, [])
}

/// The text without `values` of any length and the base64 of the longer ones, then [`redact`]ed. A
/// short value that is part of a longer word stays, and so does one that is a word or a number
/// itself, unless it is quoted or behind `=`: `exit` would be in many messages.
#[must_use]
pub fn redact_values<'a>(text: &str, values: impl IntoIterator<Item = &'a str>) -> String {
    let values: Vec<&str> = values.into_iter().filter(|value| !value.is_empty()).collect();
    let mut found = Vec::new();
    let written = View::of(text);
    let visible = written.visible();
    let spaced = written.spaced();
    for view in std::iter::once(&written).chain(&visible).chain(&spaced) {
        let text = view.text();
        let shapes = shape::find(&text).into_iter();
        let short = values
            .iter()
            .filter(|value| value.len() < SHORTEST)
            .flat_map(|value| find_word(&text, value));
        found.extend(shapes.chain(short).map(|range| view.place(range)));
    }
    let seen = visible.as_ref().unwrap_or(&written);
    let joined = seen.joined();
    let decoded = joined.as_ref().unwrap_or(seen).decoded();
    let in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
    let passing = PASSING.lock().unwrap_or_else(PoisonError::into_inner);
    let of_passing = passing.iter().flat_map(|known| &known.values).map(String::as_str);
    let long = values.iter().copied().filter(|value| value.len() >= SHORTEST);
    let encoded: Vec<String> = long.clone().flat_map(base64::forms_of_text).collect();
    let encoded = encoded.iter().map(String::as_str);
    for value in long.chain(encoded).chain(in_use.iter().map(String::as_str)).chain(of_passing) {
        for view in std::iter::once(&written).chain(&visible).chain(&joined).chain(&decoded) {
            view.find(value, &mut found);
        }
    }
    drop((in_use, passing));
    replace(text, found)
}

/// Whether the whole text is, or contains, a key, a token or a document that is made of them. A
/// password in a URL does not count.
#[must_use]
pub fn is_secret(text: &str) -> bool {
    shape::is_secret(text)
}

/// Whether a text, given as a name, is the ID of an access key of AWS, with or without its secret, or
/// has the form of such a secret.
#[must_use]
pub fn is_access_key(text: &str) -> bool {
    shape::access_key(text).is_some()
}

/// Registers the secret of an access key that was given as the name of something. A name that only
/// looks like one is not shown either.
pub fn register_access_key(text: &str) {
    let Some(secret) = shape::access_key(text) else { return };
    register(secret);
    secret.split(['/', ':', '@']).for_each(register);
}

/// Replaces what is in one or more of the ranges, each connected part of the text once.
fn replace(text: &str, mut found: Vec<Range<usize>>) -> String {
    found.sort_by_key(|range| range.start);
    let mut out = String::with_capacity(text.len());
    let mut shown = 0;
    let mut found = found.into_iter().peekable();
    while let Some(mut range) = found.next() {
        while let Some(next) = found.next_if(|next| next.start <= range.end) {
            range.end = range.end.max(next.end);
        }
        let start = text.floor_char_boundary(range.start);
        let end = text.ceil_char_boundary(range.end);
        out.push_str(&text[shown..start]);
        out.push_str(REDACTED);
        out.push_str(&view::colors(&text[start..end]));
        shown = end;
    }
    out + &text[shown..]
}

fn find_word(text: &str, value: &str) -> Vec<Range<usize>> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let is_common =
        value.chars().all(char::is_alphabetic) || value.bytes().all(|b| b.is_ascii_digit());
    let places = text.match_indices(value).map(|(at, _)| at..at + value.len());
    places
        .filter(|place| {
            let (before, after) = (&text[..place.start], &text[place.end..]);
            let joined = before.ends_with(is_word) && value.starts_with(is_word)
                || after.starts_with(is_word) && value.ends_with(is_word);
            !joined && (!is_common || before.ends_with(['=', '"', '\'', '`']))
        })
        .collect()
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
    fn a_secret_that_expires_is_replaced_until_a_thousand_others_came() {
        let secret = |number: usize| format!("passing-secret-number-{number}");
        register_passing(&secret(0));
        for number in 1..=MOST_PASSING + 5 {
            register_passing(&secret(number));
            // One that is used all the time stays.
            register_passing(&secret(0));
        }
        let text = |number: usize| redact(&format!("a {} b", secret(number)));
        assert_eq!(text(0), "a [redacted] b");
        assert_eq!(text(MOST_PASSING + 5), "a [redacted] b");
        assert_eq!(text(2), format!("a {} b", secret(2)));
        assert_eq!(PASSING.lock().unwrap().len(), MOST_PASSING);
    }

    #[test]
    fn short_values_are_replaced_as_words_only() {
        assert_eq!(
            redact_values("cannot eat c4t, c4t, c4ts.", ["c4t", ""]),
            "cannot eat [redacted], [redacted], c4ts."
        );
        assert_eq!(redact_values("--with=long-value!", ["long-value"]), "--with=[redacted]!");
    }

    #[test]
    fn a_short_argument_that_is_a_word_does_not_garble_our_own_sentences() {
        let text = "external process exited with code exit status: 127";
        assert_eq!(redact_values(text, ["exit", "127"]), text);
        assert_eq!(
            redact_values("no user 'exit' with --pin=127", ["exit", "127"]),
            "no user '[redacted]' with --pin=[redacted]"
        );
    }

    #[test]
    fn a_word_of_a_registered_passphrase_is_not_shown_alone() {
        register("tr0ub4dor-one of tr0ub4dor-two");
        assert_eq!(
            redact("tr0ub4dor-two of it; tr0ub4dor-one+of+tr0ub4dor-two"),
            "[redacted] of it; [redacted]"
        );
    }

    #[test]
    fn a_registered_secret_is_found_across_escape_sequences_and_line_breaks() {
        register("split-by-a-color");
        for (text, shown) in [
            ("a split-\x1b[31mby-a\x1b[0m-color b", "a [redacted]\x1b[31m\x1b[0m b"),
            ("a split-\x1b]8;;x\x07by-a-color b", "a [redacted] b"),
            ("a split-\x01by-a-color b", "a [redacted] b"),
            ("a split-\r\n    by-a-color\nb", "a [redacted]\nb"),
            ("a split\n%2Dby%2da-color b", "a [redacted] b"),
            ("\x1b[1merror:\x1b[0m split-by-a-color", "\x1b[1merror:\x1b[0m [redacted]"),
        ] {
            assert_eq!(redact(text), shown);
        }
    }

    #[test]
    fn a_token_with_a_color_in_it_is_found_and_colors_without_a_secret_stay() {
        assert_eq!(
            redact("x \x1b[1meyJhbGciOiJSUzI1NiIs\x1b[0mImtpZCI6IngifQ.eyJz.c2ln"),
            "x \x1b[1m[redacted]\x1b[0m"
        );
        assert_eq!(
            redact("x\x1b[1meyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ\x1b[0mx"),
            "x\x1b[1m[redacted]\x1b[0mx"
        );
        let text = "\x1b[1m\x1b[31merror:\x1b[0m a\n\x1b[32m+ b\x1b[0m \x1b]8;;c";
        assert_eq!(redact(text), text);
    }

    #[test]
    fn the_base64_of_a_registered_secret_is_not_shown() {
        register("~~~?secret-value?");
        for text in [
            "fn5-P3NlY3JldC12YWx1ZT8=",
            "fn5+P3NlY3JldC12YWx1ZT8=",
            "fn5%2BP3NlY3JldC12YWx1ZT8%3D",
            "fn5-P3NlY3JldC12YWx1ZT8",
            "fn5+P3NlY3JldC12YWx1ZT8",
        ] {
            assert_eq!(redact(text), REDACTED, "{text}");
        }
    }

    #[test]
    fn the_base64_of_a_given_value_is_not_shown_either() {
        for (value, text) in [
            ("~~~?given-value?", "said fn5+P2dpdmVuLXZhbHVlPw== twice"),
            ("~~~?given-value?", "said fn5-P2dpdmVuLXZhbHVlPw twice"),
            ("given-value", "said Z2l2ZW4tdmFsdWUK twice"),
            ("given-value", "said Z2l2ZW4t\n  dmFsdWU= twice"),
        ] {
            assert_eq!(redact_values(text, [value]), "said [redacted] twice", "{text}");
        }
    }

    proptest! {
        // Each secret stays registered, so each case is slower than the one before.
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_registered_secret_is_in_no_text_percent_encoded(
            secret in "[!-~é]{8,40}",
            upper in any::<bool>(),
            all in any::<bool>(),
        ) {
            prop_assume!(!REDACTED.contains(&secret));
            register(&secret);
            let encoded: String = secret
                .bytes()
                .map(|b| match b {
                    b if b.is_ascii_alphanumeric() && !all => char::from(b).to_string(),
                    b if upper => format!("%{b:02X}"),
                    b => format!("%{b:02x}"),
                })
                .collect();
            prop_assert_eq!(redact(&format!("a {encoded} b")), "a [redacted] b");
        }

        #[test]
        fn a_registered_secret_is_in_no_text(secret in "[!-~]{8,40}", before in ".{0,20}", after in ".{0,20}") {
            prop_assume!(!REDACTED.contains(&secret));
            register(&secret);
            let text = redact(&format!("{before}{secret}{after}"));
            prop_assert!(!text.contains(&secret), "{text}");
        }
    }
}
