//! Places in a text, in bytes.

use std::ops::Range;

/// Line and column of a place, from 1.
#[must_use]
pub fn position(text: &str, at: usize) -> (usize, usize) {
    (text[..at].matches('\n').count() + 1, column(text, at) + 1)
}

/// Characters between the start of the line and this place.
pub(crate) fn column(text: &str, at: usize) -> usize {
    text[line_start(text, at)..at].chars().count()
}

/// The start of the line; that of the first one is behind a byte order mark.
pub(crate) fn line_start(text: &str, at: usize) -> usize {
    let mark = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    text[..at].rfind('\n').map_or(mark.min(at), |newline| newline + 1)
}

/// The end of the line before this one, without its line break; the start of the text if there is
/// none.
pub(crate) fn previous_end(text: &str, start: usize) -> usize {
    let before =
        text[..start].strip_suffix('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    before.map_or(start, str::len)
}

/// The end of the line, without its line break.
pub(crate) fn line_end(text: &str, at: usize) -> usize {
    let end = text[at..].find('\n').map_or(text.len(), |length| at + length);
    if end > at && text.as_bytes()[end - 1] == b'\r' && end < text.len() { end - 1 } else { end }
}

/// Lines with their line breaks.
pub(crate) fn lines(text: &str, range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let mut at = range.start;
    std::iter::from_fn(move || {
        if at >= range.end {
            return None;
        }
        let end = text[at..].find('\n').map_or(text.len(), |length| at + length + 1);
        let line = at..end;
        at = end;
        Some(line)
    })
}

/// The next byte that is neither white space nor part of a comment.
pub(crate) fn skip_blank(text: &str, mut at: usize) -> usize {
    let bytes = text.as_bytes();
    while at < bytes.len() {
        match bytes[at] {
            b' ' | b'\t' | b'\r' | b'\n' => at += 1,
            b'#' if at == 0 || bytes[at - 1].is_ascii_whitespace() => at = line_end(text, at),
            _ => break,
        }
    }
    at
}
