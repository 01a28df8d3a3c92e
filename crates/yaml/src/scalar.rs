//! Scalars: what Kubernetes reads (YAML 1.1 with the booleans of `sigs.k8s.io/yaml`), and strings that
//! every reader takes for strings.

use granit_parser::ScalarStyle;
use serde_json::{Number, Value};

const TRUE: [&str; 9] = ["true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"];
const FALSE: [&str; 9] = ["false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"];
const NULL: [&str; 5] = ["", "~", "null", "Null", "NULL"];

/// The value of a plain scalar.
pub(crate) fn plain(text: &str) -> Value {
    if is_null(text) {
        Value::Null
    } else if TRUE.contains(&text) {
        Value::Bool(true)
    } else if FALSE.contains(&text) {
        Value::Bool(false)
    } else {
        number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number)
    }
}

/// Whether a plain scalar is null.
pub(crate) fn is_null(text: &str) -> bool {
    NULL.contains(&text)
}

/// A string in this style, or between double quotes where the style cannot hold it.
pub(crate) fn scalar(text: &str, style: ScalarStyle, flow: bool) -> String {
    match style {
        ScalarStyle::SingleQuoted if !text.chars().any(char::is_control) => {
            format!("'{}'", text.replace('\'', "''"))
        }
        ScalarStyle::Plain if is_plain(text, flow) => text.to_owned(),
        _ => quoted(text),
    }
}

/// Between double quotes: a JSON string is a YAML string.
#[must_use]
pub fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// Header and lines of a literal block (YAML 1.2.2 section 8.1.2).
pub(crate) fn literal(text: &str, step: usize) -> (String, Vec<&str>) {
    let body = text.strip_suffix('\n');
    let chomping = match body {
        None => "-",
        Some(body) if body.is_empty() || body.ends_with('\n') => "+",
        Some(_) => "",
    };
    let body = body.unwrap_or(text);
    let lines: Vec<&str> = body.split('\n').collect();
    let indented =
        lines.iter().find(|line| !line.is_empty()).is_some_and(|line| line.starts_with(' '));
    let digit = if indented { step.to_string() } else { String::new() };
    (format!("|{digit}{chomping}"), lines)
}

/// Whether a string is better written as a literal block, and can be: it would need quotes in
/// every line, such as expressions.
pub(crate) fn is_block(text: &str) -> bool {
    let breaks = |c: char| matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}');
    let holds = |line: &str| {
        !line.starts_with('\t')
            && !line.chars().any(|c| breaks(c) || (c.is_control() && c != '\t'))
            && (line.is_empty() || !line.trim().is_empty())
    };
    text.contains(['\'', '"', '\n'])
        && text.starts_with(|c: char| c != '\n')
        && text.split('\n').all(holds)
}

/// Whether every reader takes it as a string without quotes.
fn is_plain(text: &str, flow: bool) -> bool {
    let first = text.trim_start_matches('-');
    let begins = first.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '_');
    let holds = |c: char| {
        c.is_ascii_alphanumeric()
            || "-._~:/?@!$&'()*+;=%".contains(c)
            || (!flow && ",[]".contains(c))
    };
    let word = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    begins
        && text.chars().all(holds)
        && !text.ends_with(':')
        && !text.starts_with("---")
        && !word.iter().any(|word| word.eq_ignore_ascii_case(text))
}

fn number(text: &str) -> Option<Number> {
    if !text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) {
        return None;
    }
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let clean = digits.replace('_', "");
    let radix = |prefix: &str, radix| {
        clean.strip_prefix(prefix).and_then(|digits| u64::from_str_radix(digits, radix).ok())
    };
    let whole = radix("0x", 16).or_else(|| radix("0o", 8)).or_else(|| radix("0b", 2));
    let octal = || radix("0", 8).filter(|_| clean.len() > 1);
    let decimal = || clean.parse::<u64>().ok().filter(|_| starts_with_digit(&clean));
    match whole.or_else(octal).or_else(decimal) {
        Some(number) if !negative => Some(number.into()),
        Some(number) => i64::try_from(number).ok().map(|number| (-number).into()),
        None => float(&clean).and_then(|n| Number::from_f64(if negative { -n } else { n })),
    }
}

fn float(text: &str) -> Option<f64> {
    let is_number = text.chars().all(|c| c.is_ascii_digit() || ".eE+-".contains(c));
    (is_number && text.contains(|c: char| c.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_plain_scalar_is_what_kubernetes_takes_it_for() {
        for (text, value) in [
            ("~", json!(null)),
            ("on", json!(true)),
            ("y", json!("y")),
            ("0644", json!(420)),
            ("1_000", json!(1000)),
            ("-3", json!(-3)),
            ("1.5", json!(1.5)),
            ("1.2.3", json!("1.2.3")),
            ("10m", json!("10m")),
            ("-", json!("-")),
            (".", json!(".")),
            ("1e3", json!(1000.0)),
        ] {
            assert_eq!(plain(text), value, "{text}");
        }
    }

    #[test]
    fn a_string_that_reads_as_something_else_is_quoted() {
        let plain = |text| scalar(text, ScalarStyle::Plain, false);
        for quoted in
            ["1", "", "yes", "N", "a b", "a: b", "-", "é", "C:\\var", "#", "arn:", "---", "--- a"]
        {
            assert!(plain(quoted).starts_with('"'), "{quoted}");
        }
        for unquoted in [
            "arn:aws:iam::111122223333:role/app",
            "/var/run",
            "eu-central-1",
            "a.b",
            "_",
            "https://a.example",
            "--flag=a,b",
        ] {
            assert_eq!(plain(unquoted), unquoted);
        }
        assert_eq!(scalar("a,b", ScalarStyle::Plain, true), "\"a,b\"");
        assert_eq!(scalar("it's", ScalarStyle::SingleQuoted, false), "'it''s'");
        assert_eq!(scalar("a\n", ScalarStyle::SingleQuoted, false), "\"a\\n\"");
    }

    #[test]
    fn a_block_is_chosen_only_for_what_it_can_hold() {
        for block in ["a\nb", "a\n\nb\n", "a\n\n", "'a'", " a\n  b", "ü\nb ", "a\tb\n"] {
            assert!(is_block(block), "{block:?}");
        }
        for inline in
            ["a", "a b", "\n", "\na", "a\n \nb", "a\n\tb", "a\r\nb", "a\n\u{2028}", "\u{7}'"]
        {
            assert!(!is_block(inline), "{inline:?}");
        }
    }
}
