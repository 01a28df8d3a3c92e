//! PEM blocks as they occur in practice (RFC 7468, and what Go's `encoding/pem` accepts beyond it).

use std::collections::BTreeSet;
use std::fmt;

use base64ct::{Base64, Encoding};
use issuer_diagnostic::{Stray, deceptive, deceptive_in};
use zeroize::Zeroizing;

/// One block between `-----BEGIN` and `-----END`.
#[derive(Clone, PartialEq, Eq)]
pub struct Block<'a> {
    /// The text after `BEGIN`.
    pub label: &'a str,
    /// Whether `Proc-Type: 4,ENCRYPTED` (RFC 1421) precedes the body.
    pub encrypted: bool,
    /// The decoded body, or why there is none.
    pub body: Result<Vec<u8>, BlockFault>,
}

/// Why a block has no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockFault {
    /// No `-----END` line, or one of another label.
    Truncated,
    /// Something that is not base64.
    NotBase64,
}

impl fmt::Debug for Block<'_> {
    /// The body may be a private key, and after a damaged BEGIN line so may the label.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = self.body.as_ref().map(Vec::len);
        f.debug_struct("Block").field("length", &length).finish_non_exhaustive()
    }
}

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// The most characters of a label.
const LONGEST_LABEL: usize = 100;

/// Whether a block begins anywhere.
#[must_use]
pub fn is_in(text: &str) -> bool {
    let mut rest = text;
    while let Some(at) = find_dashes(rest) {
        if rest[at..].starts_with(BEGIN) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}

/// A character in what looks like a BEGIN line, because of which it is none: a dash or a space that is
/// not ASCII.
pub(crate) fn lookalike(text: &str) -> Option<Stray> {
    let is_one = |line: &str| {
        let plain: String = line.chars().filter_map(plain).collect();
        plain.contains(BEGIN) && !line.contains(BEGIN)
    };
    let number = text.split('\n').position(is_one)? + 1;
    deceptive_in(text).find(|stray| stray.line == number)
}

/// The first character in the body of a block that is white space or invisible, and not ASCII.
pub(crate) fn unusual(text: &str) -> Option<Stray> {
    let mut within = false;
    let mut lines = BTreeSet::new();
    for (index, line) in text.split('\n').enumerate() {
        let begins = line.contains(BEGIN);
        if within || begins {
            lines.insert(index + 1);
        }
        within = (within || begins) && !line.contains(END);
    }
    deceptive_in(text).find(|stray| lines.contains(&stray.line))
}

/// As ASCII; `None` for a character that is not visible.
fn plain(c: char) -> Option<char> {
    match deceptive(c) {
        Some("dash that is not ASCII") => Some('-'),
        Some(name) if name.contains("space") && !name.contains("zero width") => Some(' '),
        Some(name)
            if ["zero width", "byte order", "soft"].iter().any(|part| name.contains(part)) =>
        {
            None
        }
        _ => Some(c),
    }
}

/// All blocks of a text, in order; text around them is ignored.
#[must_use]
pub fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some(at) = find_dashes(rest) {
        let Some(after) = rest[at..].strip_prefix(BEGIN) else {
            rest = &rest[at + 1..];
            continue;
        };
        let line = first_line(after);
        let Some(label_end) = line.find(DASHES) else {
            blocks.push(Block {
                label: line.trim(),
                encrypted: false,
                body: Err(BlockFault::Truncated),
            });
            rest = &after[line.len()..];
            continue;
        };
        let label = &line[..label_end];
        let content = &after[label_end + DASHES.len()..];
        // A block that never ends must not swallow the next one.
        let boundary = find_dashes(content).unwrap_or(content.len());
        let ended = content[boundary..]
            .strip_prefix(END)
            .and_then(|tail| tail.strip_prefix(label))
            .is_some_and(|tail| tail.starts_with(DASHES));
        let (headers, body) = split_headers(&content[..boundary]);
        let encrypted = headers
            .lines()
            .any(|line| line.trim_start().starts_with("Proc-Type:") && line.contains("ENCRYPTED"));
        let body = if ended { decode(body) } else { Err(BlockFault::Truncated) };
        blocks.push(Block { label, encrypted, body });
        // After an END line; before another BEGIN.
        rest = if ended {
            &content[boundary + END.len() + label.len() + DASHES.len()..]
        } else {
            &content[boundary..]
        };
    }
    blocks
}

/// Where five dashes begin; base64 has no dashes, so most of a text is skipped quickly.
fn find_dashes(text: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = text[from..].find('-') {
        if text[from + at..].starts_with(DASHES) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

/// One block of 64 columns, with a final newline (RFC 7468 section 3).
#[must_use]
pub fn write(label: &str, der: &[u8]) -> String {
    let body = Zeroizing::new(Base64::encode_string(der));
    // No reallocation, which would leave copies of a private key in memory.
    let mut pem = String::with_capacity(body.len() + body.len() / 64 + 2 * label.len() + 40);
    pem.push_str(&format!("{BEGIN}{label}{DASHES}\n"));
    for start in (0..body.len()).step_by(64) {
        pem.push_str(&body[start..body.len().min(start + 64)]);
        pem.push('\n');
    }
    pem.push_str(&format!("{END}{label}{DASHES}\n"));
    pem
}

/// The first line, up to the maximum length of a label.
fn first_line(text: &str) -> &str {
    let end = text
        .char_indices()
        .take(LONGEST_LABEL)
        .find(|(_, c)| matches!(c, '\n' | '\r'))
        .map(|(at, _)| at);
    let longest = || text.char_indices().nth(LONGEST_LABEL).map_or(text.len(), |(at, _)| at);
    &text[..end.unwrap_or_else(longest)]
}

fn decode(body: &str) -> Result<Vec<u8>, BlockFault> {
    // White space at the ends of lines is common, within a line it is an exception, and so are line
    // separators of Unicode.
    let mut tidy = Zeroizing::new(String::with_capacity(body.len()));
    tidy.extend(body.split('\n').map(str::trim_ascii));
    let decoded = Base64::decode_vec(&tidy).or_else(|_| {
        let mut tight = Zeroizing::new(String::with_capacity(tidy.len()));
        tight.extend(tidy.chars().filter(|c| !c.is_whitespace() && deceptive(*c).is_none()));
        Base64::decode_vec(&tight)
    });
    decoded.ok().filter(|der| !der.is_empty()).ok_or(BlockFault::NotBase64)
}

/// `Key: value` lines before the first line without a colon (RFC 1421 section 4.4); base64 has no
/// colon.
fn split_headers(content: &str) -> (&str, &str) {
    match content.rfind(':') {
        None => ("", content),
        Some(colon) => {
            let end = content[colon..].find(['\n', '\r']).map_or(content.len(), |at| colon + at);
            content.split_at(end)
        }
    }
}
