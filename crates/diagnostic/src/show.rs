//! Values in messages, with nothing in them hidden.

use std::panic::Location;

/// The most characters of one quoted value.
const LONGEST: usize = 160;

/// In double quotes, at most 160 characters; what is not printable ASCII is written as its code
/// point, `\u{a0}`.
#[must_use]
pub fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars().take(LONGEST) {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            ' '..='~' => quoted.push(c),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            _ => quoted.extend(c.escape_unicode()),
        }
    }
    quoted.push_str(if text.chars().nth(LONGEST).is_some() { "…\"" } else { "\"" });
    quoted
}

/// Text without quotes, at most 160 characters: printable ASCII unchanged, the rest as code points.
#[must_use]
pub fn shorten(text: &str) -> String {
    let quoted = quote(text).replace("\\\"", "\"");
    quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(&quoted).to_owned()
}

/// The entries of a list, the first six of a longer one, and how many more there are.
#[must_use]
pub fn listed<T: AsRef<str>>(entries: &[T]) -> String {
    const MOST: usize = 6;
    let first: Vec<&str> = entries.iter().take(MOST).map(AsRef::as_ref).collect();
    match entries.len().saturating_sub(MOST) {
        0 => first.join(", "),
        more => format!("{}, … and {more} more", first.join(", ")),
    }
}

/// A word, quoted for a POSIX shell if necessary.
#[must_use]
pub fn for_a_shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Seconds since 1970 as `2026-11-24T15:04:10Z`, after days-to-civil by Howard Hinnant.
#[must_use]
pub fn date(secs: u64) -> String {
    let Ok(secs) = i64::try_from(secs).map(|s| s.min(253_402_300_799)) else {
        return format!("{secs} s after 1970");
    };
    let (days, rest) = (secs.div_euclid(86_400), secs.rem_euclid(86_400));
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

/// A place in the source code as a report of a bug names it, without the folders of the machine that built
/// the program: `issuerctl/src/panics.rs:27`.
#[must_use]
pub fn source_place(location: &Location<'_>) -> String {
    let parts: Vec<&str> = location.file().split(['/', '\\']).collect();
    let file = parts[parts.len().saturating_sub(4)..].join("/");
    format!("{file}:{}", location.line())
}
