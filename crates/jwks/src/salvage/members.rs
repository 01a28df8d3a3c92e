//! The members of JWKs in text that is not JSON: other quotes, YAML, escapes, a part that is cut off.

use std::ops::Range;

use serde_json::{Map, Value};

/// The members that make up a key, and those that show that something is one.
const NAMES: [&str; 17] = [
    "kty", "kid", "crv", "alg", "use", "n", "e", "x", "y", "d", "p", "q", "dp", "dq", "qi", "oth",
    "k",
];

/// More characters than a value of a key has, with line breaks in it.
const LONGEST: usize = 3000;

/// Every group of members that looks like a key. A value that has no end is not one, so that no part
/// of a number is taken for the number.
pub(super) fn groups(text: &str) -> Vec<Map<String, Value>> {
    let text = plain(text);
    let mut found = Vec::new();
    let mut group = Map::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let is_item = c == '-'
            && text[..at].trim_end_matches([' ', '\t']).ends_with('\n')
            && text[at..].starts_with("- ");
        if matches!(c, '{' | '}') || is_item {
            found.push(std::mem::take(&mut group));
        } else if let Some((name, rest)) = name(&text, at) {
            if group.contains_key(name) {
                found.push(std::mem::take(&mut group));
            }
            at = text.len() - rest.len();
            let value = match lines(&text, at, name) {
                Some(place) => place.map(|place| &text[place]),
                None => value(rest, name),
            };
            // A name without a value still shows that there is a key.
            group.insert(name.to_owned(), value.map_or(Value::Null, |v| v.trim().into()));
            // A value need not begin here, so this may be within a character.
            at = text.ceil_char_boundary(at + value.map_or(0, str::len));
            continue;
        }
        at += c.len_utf8();
    }
    found.push(group);
    found.retain(looks_like_a_key);
    found
}

/// Whether an object is a JWK, or what is left of one.
pub(super) fn looks_like_a_key(object: &Map<String, Value>) -> bool {
    let has = |name: &str| object.contains_key(name);
    let is_long =
        |name: &str| object.get(name).and_then(Value::as_str).is_some_and(|n| n.len() > 40);
    let material = ["n", "e", "x", "y", "crv"].into_iter().any(has);
    (has("kty") || has("kid")) && (material || has("alg") || has("use"))
        || is_long("n") && has("e")
        || is_long("x") && is_long("y")
}

/// A name at this position, and the text from its value on.
fn name(text: &str, at: usize) -> Option<(&'static str, &str)> {
    let of_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+' | '/');
    if text[..at].ends_with(of_word) {
        return None;
    }
    let rest = &text[at..];
    let end = rest.find(|c| !of_word(c)).unwrap_or(rest.len());
    let name = NAMES.into_iter().find(|name| *name == &rest[..end])?;
    let rest = rest[end..].trim_start_matches(['"', '\'']).trim_start();
    Some((name, rest.strip_prefix([':', '='])?.trim_start_matches([' ', '\t'])))
}

/// A value and its quotes excluded; `None` if its end is missing.
fn value<'a>(rest: &'a str, name: &str) -> Option<&'a str> {
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
    let allowed = |c: char| match name {
        "kid" => !matches!(c, '\n' | '\r'),
        // Everything else is base64, or a name of a few letters.
        _ => c.is_ascii_alphanumeric() || "-_+/=".contains(c) || super::is_filler(c),
    };
    let find = |is_end: &dyn Fn(char) -> bool| {
        let start = usize::from(quote.is_some());
        let mut chars = rest[start..].char_indices().take(LONGEST);
        chars.find(|(_, c)| is_end(*c)).map(|(index, _)| index + start)
    };
    let (start, end) = match quote {
        Some(quote) => {
            let end = find(&|c| c == quote || !allowed(c))?;
            rest[end..].starts_with(quote).then_some((1, end))?
        }
        None => {
            let end = find(&|c| c.is_whitespace() || matches!(c, ',' | '}' | ']'))?;
            (0, end)
        }
    };
    let value = &rest[start..end];
    (!value.is_empty() && value.chars().all(allowed)).then_some(value)
}

/// The place of a value in several lines of YAML, that begins at `at`: a block scalar (YAML 1.2.2,
/// section 8.1), or an unquoted value that goes on in the next line. Its lines are indented deeper than
/// that of the name. `Some(None)` if nothing follows them: in a document that is cut off, some may be
/// missing.
fn lines(text: &str, at: usize, name: &str) -> Option<Option<Range<usize>>> {
    let of_value = |c: char| c.is_ascii_alphanumeric() || "-_+/=".contains(c);
    let line = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let parent = text[line..].len() - text[line..].trim_start_matches([' ', '-']).len();
    let first = &text[at..at + text[at..].find('\n')?];
    let header = first.trim_end();
    let is_block = header.starts_with(['|', '>'])
        && header[1..].chars().all(|c| c.is_ascii_digit() || matches!(c, '+' | '-'));
    let begins = name != "kid" && !header.is_empty() && header.chars().all(of_value);
    if !is_block && !begins {
        return None;
    }
    let (mut next, mut end) = (at + first.len() + 1, None);
    let start = if is_block { next } else { at };
    for line in text[next..].split_inclusive('\n') {
        let indent = line.len() - line.trim_start_matches(' ').len();
        let is_kid = name == "kid" && end.is_some();
        if indent <= parent || is_kid || !line.trim().chars().all(of_value) {
            break;
        }
        end = Some(next + line.trim_end().len());
        next += line.len();
    }
    let end = end?;
    Some((!text[end..].trim().is_empty()).then_some(start..end))
}

/// The text with plain quotes, and without the escapes of HTML and of a string within a string.
fn plain(text: &str) -> String {
    let mut text = text.replace("\\n", "\n");
    for (escape, c) in [
        ("&amp;", "&"),
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&#x22;", "\""),
        ("&ldquo;", "\""),
        ("&rdquo;", "\""),
        ("&apos;", "'"),
        ("&#39;", "'"),
        ("&#x27;", "'"),
        ("\\u0022", "\""),
    ] {
        text = text.replace(escape, c);
    }
    let plain = |c: char| match c {
        '\\' => None,
        '\u{201c}'..='\u{201f}' | '\u{2033}' | '\u{2036}' | '\u{ff02}' | '\u{ab}' | '\u{bb}' => {
            Some('"')
        }
        '\u{2018}'..='\u{201b}' | '\u{2032}' | '\u{2035}' | '\u{ff07}' => Some('\''),
        '\u{ff1a}' => Some(':'),
        c => Some(c),
    };
    text.chars().filter_map(plain).collect()
}
