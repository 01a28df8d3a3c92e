//! Which values a condition operator compares (IAM user guide, "IAM JSON policy elements: Condition
//! operators", "… Supported data types"; IAM Access Analyzer, "IAM policy validation check
//! reference", "Type mismatch").

use std::net::IpAddr;

use aws_smithy_types::date_time::{DateTime, Format};

use super::operator::{Base, Operator, Type};

/// What is wrong with the values of a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault<'v> {
    /// The values.
    pub(super) values: Vec<&'v str>,
    /// What they are not.
    pub(super) kind: &'static str,
    /// Such a value.
    pub(super) example: &'static str,
}

/// The values that the operator cannot compare; those of strings are all valid.
pub(super) fn fault<'v>(operator: Operator, values: &'v [String]) -> Option<Fault<'v>> {
    let (is_valid, kind, example): (fn(&str) -> bool, _, _) = match operator.base {
        Base::Bool | Base::Null => (is_flag, "true or false", "\"true\""),
        Base::Other { of: Type::Address, .. } => {
            (is_range, "an IP address or a CIDR block", "\"192.0.2.0/24\"")
        }
        Base::Other { of: Type::Date, .. } => {
            (is_date, "a date in ISO 8601 or in seconds since 1970", "\"2030-01-31T00:00:00Z\"")
        }
        Base::Other { of: Type::Number, .. } => (is_number, "a number", "\"3600\""),
        Base::Other { of: Type::Arn, .. } => {
            (is_arn, "an ARN", "\"arn:aws:iam::111122223333:role/app\"")
        }
        Base::Other { of: Type::Binary, .. } => (is_base64, "base64", "\"QmluYXJ5\""),
        Base::Text { .. } | Base::Unknown => return None,
    };
    let values: Vec<&str> =
        values.iter().map(String::as_str).filter(|value| !is_valid(value)).collect();
    (!values.is_empty()).then_some(Fault { values, kind, example })
}

/// The seconds since 1970 of a date.
pub(super) fn instant(value: &str) -> Option<i64> {
    /// The year 5138 in seconds: larger numbers are milliseconds.
    const SECONDS: i64 = 100_000_000_000;
    if !is_date(value) {
        return None;
    }
    if value.len() > 4 && is_digits(value) {
        let number: i64 = value.parse().ok()?;
        return Some(if number < SECONDS { number } else { number / 1000 });
    }
    let value = value.to_ascii_uppercase();
    let (date, time) = value.split_once('T').unwrap_or((&value, "00:00:00Z"));
    let date = match date.len() {
        4 => format!("{date}-01-01"),
        7 => format!("{date}-01"),
        _ => date.to_owned(),
    };
    let (clock, zone) = time.split_at(time.find(['Z', '+', '-'])?);
    let seconds = if clock.len() == 5 { ":00" } else { "" };
    let text = format!("{date}T{clock}{seconds}{zone}");
    DateTime::from_str(&text, Format::DateTimeWithOffset).ok().map(|instant| instant.secs())
}

fn is_flag(value: &str) -> bool {
    value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false")
}

fn is_range(value: &str) -> bool {
    let (address, prefix) = match value.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (value, None),
    };
    let Ok(address) = address.parse::<IpAddr>() else { return false };
    let longest = if address.is_ipv4() { 32 } else { 128 };
    prefix.is_none_or(|prefix| is_digits(prefix) && prefix.parse().is_ok_and(|n: u8| n <= longest))
}

fn is_number(value: &str) -> bool {
    let value = value.strip_prefix(['-', '+']).unwrap_or(value);
    let (whole, part) = value.split_once('.').unwrap_or((value, "0"));
    is_digits(whole) && is_digits(part)
}

/// The W3C profile of ISO 8601, or seconds since 1970.
fn is_date(value: &str) -> bool {
    if value.len() > 4 && is_digits(value) {
        return true;
    }
    let (date, time) = match value.split_once(['T', 't']) {
        Some((date, time)) => (date, Some(time)),
        None => (value, None),
    };
    let parts: Vec<&str> = date.split('-').collect();
    let in_range = |text: &str, least: u8, most: u8| {
        text.len() == 2
            && is_digits(text)
            && text.parse().is_ok_and(|n: u8| (least..=most).contains(&n))
    };
    let is_day = match parts.as_slice() {
        [year, rest @ ..] if rest.len() <= 2 => {
            year.len() == 4
                && is_digits(year)
                && rest.first().is_none_or(|month| in_range(month, 1, 12))
                && rest.get(1).is_none_or(|day| in_range(day, 1, 31))
        }
        _ => false,
    };
    // A time belongs to a complete date.
    is_day
        && time.is_none_or(|time| {
            let (time, zone) = match time.find(['Z', 'z', '+', '-']) {
                Some(at) => time.split_at(at),
                None => return false,
            };
            let zone = zone.trim_start_matches(['+', '-']);
            let is_zone = zone.eq_ignore_ascii_case("z")
                || matches!(zone.split_once(':'), Some((h, m)) if in_range(h, 0, 23) && in_range(m, 0, 59));
            let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
            let clock: Vec<&str> = time.split(':').collect();
            let is_clock = matches!(clock.len(), 2 | 3)
                && in_range(clock[0], 0, 23)
                && clock[1..].iter().all(|part| in_range(part, 0, 59))
                && is_digits(fraction);
            parts.len() == 3 && is_zone && is_clock
        })
}

/// With wildcards and variables in any part.
fn is_arn(value: &str) -> bool {
    value.starts_with("arn:") || value.starts_with(['*', '?']) || value.starts_with("${")
}

fn is_base64(value: &str) -> bool {
    let value = value.trim_end_matches('=');
    !value.is_empty() && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/-_".contains(&b))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn takes(operator: &str, value: &str) -> bool {
        fault(Operator::read(operator), &[value.to_owned()]).is_none()
    }

    #[test]
    fn each_operator_has_values_of_its_own() {
        for (operator, right, wrong) in [
            (
                "IpAddress",
                &["192.0.2.0/24", "192.0.2.1", "2001:db8::/32", "::1", "0.0.0.0/0"][..],
                &["not-an-ip", "192.0.2", "192.0.2.0/33", "::/129", "192.0.2.0/", "${aws:x}", ""][..],
            ),
            (
                "DateLessThanIfExists",
                &[
                    "2030-01-01T00:00:00Z",
                    "2030-01-01T00:00:00.000Z",
                    "2030-01-01T00:00+02:00",
                    "2030-01-01",
                    "2030-01",
                    "2030",
                    "1893456000",
                    "1893456000000",
                ],
                &[
                    "tomorrow",
                    "2030-13-01",
                    "2030-01-32",
                    "2030-01-01T25:00:00Z",
                    "2030-01-01T00:00:00",
                    "2030-01T00:00Z",
                    "01.01.2030",
                    "2030-1-1",
                    "",
                ],
            ),
            ("NumericEquals", &["1", "-1", "3.5", "0"], &["one", "1,5", "", ".", "1h"]),
            ("Bool", &["true", "False"], &["yes", "1", ""]),
            ("Null", &["true", "FALSE"], &["null", "yes"]),
            (
                "ArnLike",
                &["arn:aws:iam::*:role/x", "arn:*", "*", "${aws:PrincipalArn}"],
                &["role/x", "111122223333", ""],
            ),
            ("BinaryEquals", &["QmluYXJ5", "QQ=="], &["not base64", ""]),
            ("StringLike", &["", "anything"], &[]),
        ] {
            for value in right {
                assert!(takes(operator, value), "{operator} {value}");
            }
            for value in wrong {
                assert!(!takes(operator, value), "{operator} {value}");
            }
        }
    }

    #[test]
    fn every_form_of_a_date_is_an_instant() {
        for (text, seconds) in [
            ("2020-01-01T00:00:00Z", Some(1_577_836_800)),
            ("2020-01-01t00:00z", Some(1_577_836_800)),
            ("2020-01-01T02:00:00.250+02:00", Some(1_577_836_800)),
            ("2020-01-01", Some(1_577_836_800)),
            ("2020-01", Some(1_577_836_800)),
            ("2020", Some(1_577_836_800)),
            ("1577836800", Some(1_577_836_800)),
            ("1577836800000", Some(1_577_836_800)),
            ("tomorrow", None),
            ("2020-02-31", None),
        ] {
            assert_eq!(instant(text), seconds, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_value_panics(value in ".{0,40}", date in "[0-9TZtz:.+-]{0,30}") {
            let _ = (instant(&value), instant(&date));
            for operator in ["IpAddress", "DateEquals", "NumericEquals", "Bool", "ArnLike", "BinaryEquals"] {
                let _ = takes(operator, &value);
            }
        }

        #[test]
        fn every_address_and_every_second_is_valid(address: IpAddr, secs in 10_000_u64..) {
            prop_assert!(takes("NotIpAddress", &address.to_string()));
            prop_assert!(takes("DateEquals", &secs.to_string()));
            prop_assert!(takes("NumericLessThan", &secs.to_string()));
        }
    }
}
