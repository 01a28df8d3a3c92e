//! Lines that fit a terminal: broken between words, and continued below their text.

use terminal_size::{Width, terminal_size_of};
use textwrap::core::Word;
use textwrap::{Options, WordSeparator, WordSplitter};

/// The width if no terminal says another one.
const DEFAULT_COLUMNS: usize = 80;

/// Longer lines are hard to read.
const MAX_COLUMNS: usize = 100;

/// Columns of the text after the first; for a plan, below the name that follows the sign.
const CONTINUED: usize = 4;

/// The columns that a line may have.
pub(crate) fn columns() -> usize {
    let terminal =
        terminal_size_of(std::io::stdout()).or_else(|| terminal_size_of(std::io::stderr()));
    terminal.map_or(DEFAULT_COLUMNS, |(Width(columns), _)| {
        usize::from(columns).clamp(DEFAULT_COLUMNS / 2, MAX_COLUMNS)
    })
}

/// Every line of a plan, continued further to the right than it begins.
pub(crate) fn fit(text: &str, columns: usize) -> String {
    let line = |line: &str| {
        let blanks = anstream::adapter::strip_str(line).to_string();
        let indent = blanks.len() - blanks.trim_start().len();
        hanging(line, indent + CONTINUED, columns)
    };
    text.split_inclusive('\n').map(line).collect()
}

/// One line, continued at column `indent`. A command (text between backticks) and a URL are never
/// broken, so that they can be copied.
pub(crate) fn hanging(line: &str, indent: usize, columns: usize) -> String {
    let continued = " ".repeat(indent.min(columns / 2));
    let options = Options::new(columns)
        .subsequent_indent(&continued)
        .break_words(false)
        .word_separator(WordSeparator::Custom(words))
        .word_splitter(WordSplitter::NoHyphenation);
    textwrap::fill(line, options)
}

/// The lines of a table: columns as wide as their longest cell, two spaces apart.
pub(crate) fn table<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..N).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// The words of a line; white space within backticks, and before the first word, is part of one.
fn words(line: &str) -> Box<dyn Iterator<Item = Word<'_>> + '_> {
    let mut rest = line;
    Box::new(std::iter::from_fn(move || {
        let (mut command, mut begun, mut blank) = (false, false, false);
        let end = rest.char_indices().find_map(|(at, character)| {
            match character {
                ' ' if begun && !command => blank = true,
                _ if blank => return Some(at),
                '`' => command = !command,
                _ => {}
            }
            begun |= character != ' ';
            None
        });
        let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after;
        (!word.is_empty()).then(|| Word::from(word))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_continues_below_its_text_and_breaks_between_words() {
        let line = "  pass  keys  the JWK Set has 1 RSA-2048 key";
        assert_eq!(
            hanging(line, 14, 34),
            "  pass  keys  the JWK Set has 1\n              RSA-2048 key"
        );
    }

    #[test]
    fn a_command_and_a_url_are_never_broken() {
        let line =
            "fix: run `issuerctl publish --key sa.pub --to s3://b`, then https://a.example/b-c";
        let text = hanging(line, 5, 20);
        assert!(text.contains("`issuerctl publish --key sa.pub --to s3://b`"), "{text}");
        assert!(text.contains("https://a.example/b-c"), "{text}");
        assert!(text.lines().count() > 2, "{text}");
    }

    #[test]
    fn colours_take_no_columns() {
        let line = "\u{1b}[32m    + tag  team=platform\u{1b}[0m\n";
        assert_eq!(fit(line, 24), line);
        assert_eq!(fit(line, 20), "\u{1b}[32m    + tag\n        team=platform\u{1b}[0m\n");
    }
}
