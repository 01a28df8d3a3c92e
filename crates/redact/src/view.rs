//! Text as a reader or a program sees it, where each byte knows its place in what was written.

use std::ops::Range;

/// Bytes with the place of each of them in the original text.
pub(crate) struct View {
    bytes: Vec<u8>,
    places: Vec<(usize, usize)>,
}

impl View {
    pub(crate) fn of(text: &str) -> Self {
        let places = (0..text.len()).map(|at| (at, at + 1)).collect();
        Self { bytes: text.as_bytes().to_vec(), places }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// Without escape sequences and control characters, which a terminal does not show.
    pub(crate) fn visible(&self) -> Option<Self> {
        self.changed(|bytes| Some((hidden(bytes)?, None)))
    }

    /// With a space for each of them: a color before a word does not belong to the word.
    pub(crate) fn spaced(&self) -> Option<Self> {
        self.changed(|bytes| Some((hidden(bytes)?, Some(b' '))))
    }

    /// As one line: without line breaks and the indentation after them.
    pub(crate) fn joined(&self) -> Option<Self> {
        self.changed(|bytes| {
            let is_break = matches!(bytes.first(), Some(b'\n' | b'\r'));
            let blank = bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            is_break.then_some((blank, None))
        })
    }

    /// With `%41` as `A`, whichever characters the writer found necessary to encode.
    pub(crate) fn decoded(&self) -> Option<Self> {
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
        self.changed(|bytes| match bytes {
            [b'%', high, low, ..] => Some((3, Some(digit(*high)? * 16 + digit(*low)?))),
            _ => None,
        })
    }

    /// Where in the original text a value is.
    pub(crate) fn find(&self, value: &str, found: &mut Vec<Range<usize>>) {
        let value = value.as_bytes();
        let Some(first) = value.first() else { return };
        let mut at = 0;
        while let Some(next) = self.bytes[at..].iter().position(|byte| byte == first) {
            at += next;
            if self.bytes[at..].starts_with(value) {
                found.push(self.place(at..at + value.len()));
                at += value.len();
            } else {
                at += 1;
            }
        }
    }

    /// The place of a range that is not empty in the original text.
    pub(crate) fn place(&self, range: Range<usize>) -> Range<usize> {
        self.places[range.start].0..self.places[range.end - 1].1
    }

    /// `change` says how many bytes from here on are replaced, and by which byte, if any.
    fn changed(&self, change: impl Fn(&[u8]) -> Option<(usize, Option<u8>)>) -> Option<Self> {
        let mut view = Self { bytes: Vec::new(), places: Vec::new() };
        let (mut at, mut changed) = (0, false);
        while at < self.bytes.len() {
            let (length, byte) = match change(&self.bytes[at..]) {
                Some(replaced) => {
                    changed = true;
                    replaced
                }
                None => (1, Some(self.bytes[at])),
            };
            if let Some(byte) = byte {
                view.bytes.push(byte);
                let place = self.place(at..at + length);
                view.places.push((place.start, place.end));
            }
            at += length;
        }
        changed.then_some(view)
    }
}

/// The length of what a terminal does not show, if the text begins with it.
fn hidden(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [0x1b, ..] => Some(escape(bytes)),
        // U+0080 to U+009F.
        [0xc2, 0x80..=0x9f, ..] => Some(2),
        [b'\t' | b'\n' | b'\r', ..] => None,
        [byte, ..] if byte.is_ascii_control() => Some(1),
        _ => None,
    }
}

/// The length of the escape sequence at the beginning (ECMA-48).
fn escape(bytes: &[u8]) -> usize {
    let run = |from: usize, set: std::ops::RangeInclusive<u8>| {
        from + bytes[from..].iter().take_while(|byte| set.contains(byte)).count()
    };
    let with_final = |at: usize, set: std::ops::RangeInclusive<u8>| {
        at + usize::from(bytes.get(at).is_some_and(|byte| set.contains(byte)))
    };
    match bytes.get(1) {
        Some(b'[') => with_final(run(run(2, 0x30..=0x3f), 0x20..=0x2f), 0x40..=0x7e),
        // A link or a title; one without an end must not hide the rest of the text.
        Some(b']') => {
            let end = bytes.iter().skip(2).position(|byte| matches!(byte, 0x07 | 0x1b | b'\n'));
            match end.map(|end| end + 2) {
                Some(end) if bytes[end] == 0x07 => end + 1,
                Some(end) if bytes[end..].starts_with(b"\x1b\\") => end + 2,
                _ => 2,
            }
        }
        _ => with_final(run(1, 0x20..=0x2f), 0x30..=0x7e),
    }
}

/// The color codes in a text: without them, a color would not end.
pub(crate) fn colors(text: &str) -> String {
    let mut out = String::new();
    for (at, _) in text.match_indices("\x1b[") {
        let sequence = &text[at..at + escape(&text.as_bytes()[at..])];
        let codes = &sequence[2..];
        if codes.strip_suffix('m').is_some_and(|codes| {
            codes.len() <= 16 && codes.bytes().all(|b| b.is_ascii_digit() || b";:".contains(&b))
        }) {
            out.push_str(sequence);
        }
    }
    out
}
