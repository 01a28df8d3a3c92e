//! Label selectors as `kubectl --selector` has them.

use serde_json::{Value, json};

use crate::Error;

/// A label selector, as the `matchExpressions` of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector(Vec<Value>);

impl Selector {
    /// Reads `a=b`, `a!=b`, `a in (b,c)`, `a notin (b)`, `a` and `!a`, separated by commas.
    ///
    /// # Errors
    /// [`Error::Selector`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let invalid = || Error::Selector { text: text.to_owned() };
        let parts = split(text).ok_or_else(invalid)?;
        let requirements = parts.into_iter().map(|part| requirement(part.trim()));
        requirements.collect::<Option<Vec<_>>>().map(Self).ok_or_else(invalid)
    }

    /// The expressions, for `matchExpressions`.
    #[must_use]
    pub fn expressions(&self) -> &[Value] {
        &self.0
    }
}

/// At the commas that are not in parentheses.
fn split(text: &str) -> Option<Vec<&str>> {
    let (mut parts, mut from, mut depth) = (Vec::new(), 0, 0_usize);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.checked_sub(1)?,
            ',' if depth == 0 => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    (depth == 0).then_some(parts)
}

fn requirement(text: &str) -> Option<Value> {
    let of = |key: &str, operator: &str, values: &[&str]| {
        let values: Vec<&str> = values.iter().map(|value| value.trim()).collect();
        let valid = is_key(key.trim()) && values.iter().all(|value| is_value(value));
        let mut value = json!({"key": key.trim(), "operator": operator});
        if let (Some(map), false) = (value.as_object_mut(), values.is_empty()) {
            map.insert("values".to_owned(), json!(values));
        }
        valid.then_some(value)
    };
    for (word, operator) in [(" notin ", "NotIn"), (" in ", "In")] {
        if let Some((key, list)) = text.replace("in(", "in (").split_once(word) {
            let list = list.trim().strip_prefix('(')?.strip_suffix(')')?;
            return of(key, operator, &list.split(',').collect::<Vec<_>>());
        }
    }
    if let Some((key, value)) = text.split_once("!=") {
        return of(key, "NotIn", &[value]);
    }
    if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return of(key, "In", &[value]);
    }
    match text.strip_prefix('!') {
        Some(key) => of(key, "DoesNotExist", &[]),
        None => of(text, "Exists", &[]),
    }
}

fn is_key(key: &str) -> bool {
    let (prefix, name) = key.rsplit_once('/').unwrap_or(("x", key));
    let domain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
    !prefix.is_empty() && prefix.chars().all(domain) && !name.is_empty() && is_value(name)
}

fn is_value(value: &str) -> bool {
    let edge = |c: char| c.is_ascii_alphanumeric();
    value.len() <= 63
        && value.chars().all(|c| edge(c) || "-_.".contains(c))
        && (value.is_empty() || (value.starts_with(edge) && value.ends_with(edge)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_is_what_kubectl_takes() {
        let (a, all) =
            (json!({"key": "a", "operator": "Exists"}), "a,!b,c=d,e!=f,g in (h, i),x/j notin (k)");
        assert_eq!(Selector::parse("a").unwrap().expressions(), [a]);
        assert_eq!(
            Value::from(Selector::parse(all).unwrap().expressions().to_vec()),
            json!([
                {"key": "a", "operator": "Exists"},
                {"key": "b", "operator": "DoesNotExist"},
                {"key": "c", "operator": "In", "values": ["d"]},
                {"key": "e", "operator": "NotIn", "values": ["f"]},
                {"key": "g", "operator": "In", "values": ["h", "i"]},
                {"key": "x/j", "operator": "NotIn", "values": ["k"]},
            ])
        );
        for text in ["", "a,", "a b", "a=b c", "a in b", "a in (b", "=b", "a=-", "é=x", "a>1"] {
            assert!(Selector::parse(text).is_err(), "{text}");
        }
    }
}
