//! Text as editors, shells and web pages leave it: its encoding, and characters that nobody sees.

use std::borrow::Cow;
use std::fmt;

use crate::{Diagnostic, ErrorKind};

/// Decoded text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text<'a> {
    /// The text, without a byte order mark.
    pub text: Cow<'a, str>,
    /// How it was encoded.
    pub encoding: Encoding,
}

/// An encoding that [`decode`] reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// With or without a byte order mark.
    Utf8,
    /// Little or big endian, with or without a byte order mark; what `>` writes in Windows
    /// PowerShell 5.
    Utf16,
    /// With a byte order mark.
    Utf32,
}

/// Why bytes are not text. Nothing of the bytes is repeated: they may be a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodingFault {
    /// Text in UTF-16 with half a code unit or half a surrogate pair.
    #[error("it is UTF-16 text, but damaged in line {line}")]
    DamagedUtf16 {
        /// From 1.
        line: usize,
    },
    /// Text in UTF-32 with a part of a character, or with one that does not exist.
    #[error("it is UTF-32 text, but damaged in line {line}")]
    DamagedUtf32 {
        /// From 1.
        line: usize,
    },
    /// Another encoding, or no text.
    #[error("it is not UTF-8 text (line {line}, column {column})")]
    NotUtf8 {
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
    },
}

/// Something at a position of a text that its format does not have, or that looks like something
/// else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stray {
    /// What it is.
    pub what: Unexpected,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

/// What is at a position of a text where it cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unexpected {
    /// A character.
    Character(char),
    /// The beginning of a comment: `//`, `/*` or `#`.
    Comment(&'static str),
    /// A comma before a closing bracket.
    TrailingComma,
    /// A line break within a string.
    LineBreak,
}

/// Decodes UTF-8, UTF-16, and UTF-32 that has a byte order mark, without that mark. UTF-16 without
/// one is recognized by its zero bytes, which no text in UTF-8 has.
///
/// # Errors
/// [`EncodingFault`], for anything else.
pub fn decode(bytes: &[u8]) -> Result<Text<'_>, EncodingFault> {
    // Before UTF-16, whose mark is the beginning of one of these.
    match bytes {
        [0xff, 0xfe, 0, 0, rest @ ..] => return from_utf32(rest, u32::from_le_bytes),
        [0, 0, 0xfe, 0xff, rest @ ..] => return from_utf32(rest, u32::from_be_bytes),
        _ => {}
    }
    let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let text = from_utf16(bytes, unit)?;
        Ok(Text { text: Cow::Owned(text), encoding: Encoding::Utf16 })
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => return utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => return utf16(rest, u16::from_be_bytes),
        _ if zeros_are_at(bytes, 1) => return utf16(bytes, u16::from_le_bytes),
        _ if zeros_are_at(bytes, 0) => return utf16(bytes, u16::from_be_bytes),
        _ => {}
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let (line, column) = position(&String::from_utf8_lossy(&bytes[..error.valid_up_to()]));
        EncodingFault::NotUtf8 { line, column }
    })?;
    Ok(Text { text: Cow::Borrowed(text), encoding: Encoding::Utf8 })
}

/// The name of a character that is invisible, or that looks like one of ASCII (`“` like `"`).
#[must_use]
pub fn deceptive(c: char) -> Option<&'static str> {
    Some(match c {
        '\t' | '\n' | '\r' => return None,
        '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}' => "control character",
        '\u{85}' => "next line",
        '\u{a0}' => "no-break space",
        '\u{ad}' => "soft hyphen",
        '\u{34f}' => "combining grapheme joiner",
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            "mark of the writing direction"
        }
        '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{205f}' | '\u{3000}' => "space that is not ASCII",
        '\u{180e}' | '\u{200b}' => "zero width space",
        '\u{200c}' => "zero width non-joiner",
        '\u{200d}' => "zero width joiner",
        '\u{2028}' => "line separator",
        '\u{2029}' => "paragraph separator",
        '\u{202f}' => "narrow no-break space",
        '\u{2060}' => "word joiner",
        '\u{2061}'..='\u{2065}' | '\u{206a}'..='\u{206f}' => "invisible operator",
        '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' => "hangul filler",
        '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' => "variation selector",
        '\u{feff}' => "byte order mark",
        '\u{fff9}'..='\u{fffb}' => "annotation mark",
        '\u{fffd}' => "replacement character",
        '\u{e0000}'..='\u{e007f}' => "tag character",
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe63}' | '\u{ff0d}' => "dash that is not ASCII",
        '\u{201c}'..='\u{201f}'
        | '\u{ab}'
        | '\u{bb}'
        | '\u{2033}'
        | '\u{2036}'
        | '\u{301d}'..='\u{301f}'
        | '\u{ff02}' => "typographic quotation mark",
        '\u{2018}'..='\u{201b}' | '\u{b4}' | '\u{2032}' | '\u{2035}' | '\u{ff07}' => {
            "typographic apostrophe"
        }
        '\u{ff1a}' => "full-width colon",
        '\u{ff0c}' => "full-width comma",
        _ => return None,
    })
}

/// Every [`deceptive`] character of a text, in order.
pub fn deceptive_in(text: &str) -> impl Iterator<Item = Stray> {
    positions(text).filter(|at| deceptive(at.c).is_some()).map(|at| at.stray())
}

/// The first thing in a text that JSON does not have (RFC 8259): a character outside of strings, a
/// comment, a trailing comma, a line break within a string. `None` does not say that the text is
/// valid JSON; it is for explaining the error of a parser.
#[must_use]
pub fn stray_in_json(text: &str) -> Option<Stray> {
    let all: Vec<At> = positions(text).collect();
    let next = |index: usize| all.get(index + 1).map(|at| at.c);
    let mut index = 0;
    while let Some(at) = all.get(index) {
        let found = |what| Some(Stray { what, ..at.stray() });
        match at.c {
            '"' => match end_of_string(&all, index) {
                Ok(end) => index = end,
                Err(stray) => return Some(stray),
            },
            '/' if next(index) == Some('/') => return found(Unexpected::Comment("//")),
            '/' if next(index) == Some('*') => return found(Unexpected::Comment("/*")),
            '#' => return found(Unexpected::Comment("#")),
            ',' => {
                let mut after = all[index + 1..].iter().map(|at| at.c);
                if matches!(after.find(|c| !c.is_ascii_whitespace()), Some('}' | ']')) {
                    return found(Unexpected::TrailingComma);
                }
            }
            '\'' => return Some(at.stray()),
            c if !c.is_ascii() || (c.is_ascii_control() && !c.is_ascii_whitespace()) => {
                return Some(at.stray());
            }
            _ => {}
        }
        index += 1;
    }
    None
}

/// What is wrong with a text that is not JSON: what is at a place where JSON has no such thing,
/// unless the parser stopped before it, or else what the parser says.
#[must_use]
pub fn explain_json(text: &str, error: &serde_json::Error) -> String {
    match stray_in_json(text).filter(|stray| stray.line <= error.line()) {
        Some(stray) => format!("JSON does not allow {stray}"),
        None => error.to_string(),
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Utf8 => "UTF-8",
            Self::Utf16 => "UTF-16",
            Self::Utf32 => "UTF-32",
        })
    }
}

impl fmt::Display for Stray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, line, column } = self;
        write!(f, "{what} at line {line}, column {column}")
    }
}

impl fmt::Display for Unexpected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Character(c) => {
                write!(f, "the character U+{:04X}", u32::from(*c))?;
                match deceptive(*c) {
                    Some(name) => write!(f, " ({name})"),
                    None if *c == '\'' => f.write_str(" (apostrophe)"),
                    None => Ok(()),
                }
            }
            Self::Comment(start) => write!(f, "a comment ({start})"),
            Self::TrailingComma => f.write_str("a trailing comma"),
            Self::LineBreak => f.write_str("a line break within a string"),
        }
    }
}

impl Diagnostic for EncodingFault {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidInput
    }

    fn hint(&self) -> Option<String> {
        Some("save it as UTF-8".to_owned())
    }
}

/// A character and its position.
#[derive(Clone, Copy)]
struct At {
    c: char,
    line: usize,
    column: usize,
}

impl At {
    fn stray(self) -> Stray {
        let Self { c, line, column } = self;
        Stray { what: Unexpected::Character(c), line, column }
    }
}

fn positions(text: &str) -> impl Iterator<Item = At> {
    let (mut line, mut column) = (1, 0);
    text.chars().map(move |c| {
        column += 1;
        let at = At { c, line, column };
        if c == '\n' {
            (line, column) = (line + 1, 0);
        }
        at
    })
}

/// The position after `before`.
fn position(before: &str) -> (usize, usize) {
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    (line, before.rsplit('\n').next().unwrap_or_default().chars().count() + 1)
}

/// The index of the quotation mark that ends the string.
fn end_of_string(all: &[At], start: usize) -> Result<usize, Stray> {
    let mut index = start + 1;
    while let Some(at) = all.get(index) {
        match at.c {
            '"' => return Ok(index),
            '\\' => index += 1,
            '\n' | '\r' => {
                // A string that ends in a typographic quotation mark goes on to the line's end.
                let typographic = |at: &&At| deceptive(at.c).is_some_and(|n| n.contains("quot"));
                let instead = all[start..index].iter().find(typographic);
                let line_break = Stray { what: Unexpected::LineBreak, ..at.stray() };
                return Err(instead.map_or(line_break, |at| at.stray()));
            }
            '\u{0}'..='\u{1f}' => return Err(at.stray()),
            _ => {}
        }
        index += 1;
    }
    Ok(all.len())
}

/// Whether all zero bytes are at even (0) or odd (1) positions, and at half of those at least.
fn zeros_are_at(bytes: &[u8], parity: usize) -> bool {
    let (mut here, mut elsewhere) = (0, 0);
    for (index, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == 0) {
        *if index % 2 == parity { &mut here } else { &mut elsewhere } += 1;
    }
    // Trailing zeros, as of a C string, are not UTF-16.
    here > 1 && elsewhere == 0 && here * 4 >= bytes.len()
}

fn from_utf32(bytes: &[u8], unit: fn([u8; 4]) -> u32) -> Result<Text<'static>, EncodingFault> {
    let (units, rest) = bytes.as_chunks::<4>();
    // The final size: a reallocation would leave a copy of a private key in memory.
    let mut text = String::with_capacity(bytes.len());
    let damaged = |text: &str| EncodingFault::DamagedUtf32 { line: position(text).0 };
    for bytes in units {
        text.push(char::from_u32(unit(*bytes)).ok_or_else(|| damaged(&text))?);
    }
    match rest {
        [] => Ok(Text { text: Cow::Owned(text), encoding: Encoding::Utf32 }),
        _ => Err(damaged(&text)),
    }
}

fn from_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, EncodingFault> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    // The final size: a reallocation would leave a copy of a private key in memory.
    let mut text = String::with_capacity(bytes.len() / 2 * 3);
    let damaged = |text: &str| EncodingFault::DamagedUtf16 { line: position(text).0 };
    for c in char::decode_utf16(pairs.iter().copied().map(unit)) {
        text.push(c.map_err(|_| damaged(&text))?);
    }
    // `>>` in PowerShell ends a line with a single byte in some editors.
    match rest {
        [] | [b'\n' | 0] => Ok(text),
        _ => Err(damaged(&text)),
    }
}
