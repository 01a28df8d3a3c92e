//! Plain scalars as Kubernetes reads them: YAML 1.1 with the booleans of `sigs.k8s.io/yaml`.

use serde_json::{Number, Value};

const TRUE: [&str; 9] = ["true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"];
const FALSE: [&str; 9] = ["false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"];
const NULL: [&str; 5] = ["", "~", "null", "Null", "NULL"];

/// The value of a plain scalar.
pub(crate) fn plain(text: &str) -> Value {
    if NULL.contains(&text) {
        Value::Null
    } else if TRUE.contains(&text) {
        Value::Bool(true)
    } else if FALSE.contains(&text) {
        Value::Bool(false)
    } else {
        number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number)
    }
}

/// A string as a plain scalar if every reader takes it for a string, else quoted.
pub(crate) fn text(value: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    let is_plain = value.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '_')
        && value.chars().all(safe)
        && !["y", "n", "yes", "no", "on", "off", "true", "false", "null"]
            .iter()
            .any(|word| word.eq_ignore_ascii_case(value));
    // Colons inside a word are plain text in block and flow style alike.
    let is_arn = value.starts_with("arn:")
        && !value.ends_with(':')
        && value.chars().all(|c| safe(c) || "+=,@:".contains(c));
    if is_plain || (is_arn && !value.contains(',')) {
        value.to_owned()
    } else {
        // A JSON string is a YAML string.
        Value::from(value).to_string()
    }
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
        for quoted in ["1", "", "yes", "N", "a b", "a: b", "-", "é", "C:\\var", "#", "arn:"] {
            assert!(text(quoted).starts_with('"'), "{quoted}");
        }
        for unquoted in ["arn:aws:iam::111122223333:role/app", "/var/run", "eu-central-1", "a.b"] {
            assert_eq!(text(unquoted), unquoted);
        }
    }
}
