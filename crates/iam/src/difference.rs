//! How a text of a policy differs from the one that is expected, in words.

use issuer_diagnostic::deceptive;

/// The text that is most like the expected one, and how it differs; `None` if none is alike.
pub(crate) fn nearest<'t>(
    texts: impl IntoIterator<Item = &'t str>,
    wanted: &str,
) -> Option<(&'t str, String)> {
    let alike = texts.into_iter().filter_map(|text| Some((text, middles(text, wanted)?)));
    let nearest = alike.min_by_key(|(_, (there, expected))| there.len() + expected.len());
    nearest.map(|(text, middles)| (text, in_words(text, wanted, &middles)))
}

/// How one text differs; `None` if they are equal, or not alike.
pub(crate) fn difference(text: &str, wanted: &str) -> Option<String> {
    nearest([text], wanted).map(|(_, how)| how)
}

/// The characters of a text that cannot be seen, as code points.
pub(crate) fn invisible(text: &str) -> Option<String> {
    let mut points: Vec<String> = text.chars().filter(|c| is_invisible(*c)).map(point).collect();
    points.dedup();
    (!points.is_empty()).then(|| format!("which has the invisible character {}", points.join(", ")))
}

/// What remains of two texts without their common beginning and end, if that is a small part.
fn middles(text: &str, wanted: &str) -> Option<(String, String)> {
    let (a, b): (Vec<char>, Vec<char>) = (text.chars().collect(), wanted.chars().collect());
    let shorter = a.len().min(b.len());
    let start = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let end = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
    let end = end.min(shorter - start);
    let (there, expected) = (&a[start..a.len() - end], &b[start..b.len() - end]);
    let is_small =
        there.len().max(expected.len()) * 2 <= b.len() || text.eq_ignore_ascii_case(wanted);
    (text != wanted && is_small).then(|| (there.iter().collect(), expected.iter().collect()))
}

fn in_words(text: &str, wanted: &str, (there, expected): &(String, String)) -> String {
    let hidden = |c: char| is_invisible(c) && !wanted.contains(c);
    if let Some(how) = invisible(text).filter(|_| text.replace(hidden, "") == wanted) {
        return how;
    }
    if text.eq_ignore_ascii_case(wanted) {
        return "which differs in letter case".to_owned();
    }
    match (there.as_str(), expected.as_str()) {
        ("", expected) => format!("which lacks {}", shown(expected)),
        (there, "") => format!("which has an additional {}", shown(there)),
        (there, expected) => format!("which has {} instead of {}", shown(there), shown(expected)),
    }
}

/// A text in quotes; characters that may look like others are code points as well.
fn shown(text: &str) -> String {
    let points: Vec<String> = text.chars().filter(|c| !c.is_ascii_graphic()).map(point).collect();
    if points.is_empty() {
        format!("{text:?}")
    } else {
        format!("{text:?} ({})", points.join(", "))
    }
}

fn point(c: char) -> String {
    match deceptive(c) {
        Some(name) => format!("U+{:04X} ({name})", u32::from(c)),
        None => format!("U+{:04X}", u32::from(c)),
    }
}

/// White space, and what [`deceptive`] knows except for look-alikes of quotation marks and dashes.
fn is_invisible(c: char) -> bool {
    c.is_whitespace() || c.is_control() || deceptive(c).is_some_and(|name| !is_look_alike(name))
}

fn is_look_alike(name: &str) -> bool {
    ["quotation", "apostrophe", "dash", "full-width"].iter().any(|kind| name.contains(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_named_by_its_code_point() {
        for (text, how) in [
            ("sts.amazonaws.com ", "which has the invisible character U+0020"),
            (
                "\u{feff}sts.amazonaws.com",
                "which has the invisible character U+FEFF (byte order mark)",
            ),
            (
                "sts\u{200b}.amazonaws.com",
                "which has the invisible character U+200B (zero width space)",
            ),
            ("sts.amazonaws.com\n", "which has the invisible character U+000A"),
            ("sts.\u{430}mazonaws.com", "which has \"\u{430}\" (U+0430) instead of \"a\""),
            ("STS.amazonaws.com", "which differs in letter case"),
            ("STS.AMAZONAWS.COM", "which differs in letter case"),
            ("sts.amazonaws.com.cn", "which has an additional \".cn\""),
            ("ts.amazonaws.com", "which lacks \"s\""),
            ("https://sts.amazonaws.com", "which has an additional \"https://\""),
        ] {
            assert_eq!(difference(text, "sts.amazonaws.com").as_deref(), Some(how), "{text:?}");
        }
        for text in ["", "vault", "sts.amazonaws.com", "kubernetes.default.svc"] {
            assert_eq!(difference(text, "sts.amazonaws.com"), None, "{text:?}");
        }
    }
}
