//! Label selectors of objects (`metav1.LabelSelector`).

use issuer_diagnostic::listed;
use serde_json::{Map, Value};

use crate::kubernetes::{items, text};

/// The first requirement of a selector that labels do not meet, in words; `None` if they meet all.
pub(crate) fn unmet(selector: &Value, labels: &Value) -> Option<String> {
    let empty = Map::new();
    let labels = labels.as_object().unwrap_or(&empty);
    let has = |key: &str| labels.get(key).and_then(Value::as_str);
    for (key, value) in selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten()
    {
        let wanted = value.as_str().unwrap_or_default();
        match has(key) {
            Some(there) if there == wanted => {}
            Some(there) => return Some(format!("the label {key}={wanted}, and it is {there:?}")),
            None => return Some(format!("the label {key}={wanted}, which is missing")),
        }
    }
    for expression in items(selector, "matchExpressions") {
        let (key, operator) = (text(expression, "key"), text(expression, "operator"));
        let values: Vec<&str> =
            items(expression, "values").iter().filter_map(Value::as_str).collect();
        let there = has(key);
        let shown = there.map_or("it is missing".to_owned(), |there| format!("it is {there:?}"));
        let list = listed(&values);
        let clause = match operator {
            "In" if !there.is_some_and(|there| values.contains(&there)) => {
                format!("the label {key} in ({list}), and {shown}")
            }
            "NotIn" if there.is_some_and(|there| values.contains(&there)) => {
                format!("the label {key} not in ({list}), and {shown}")
            }
            "Exists" if there.is_none() => format!("the label {key}, which is missing"),
            "DoesNotExist" if there.is_some() => {
                format!("no label {key}, and {shown}")
            }
            _ => continue,
        };
        return Some(clause);
    }
    None
}

/// The label that would meet the first requirement that is not met: `key=value`, or `key-` to remove it.
pub(crate) fn mend(selector: &Value, labels: &Value) -> Option<String> {
    let has = |key: &str| labels.get(key).and_then(Value::as_str);
    let members = selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten();
    for (key, value) in members {
        let wanted = value.as_str().unwrap_or_default();
        if has(key) != Some(wanted) {
            return Some(format!("{key}={wanted}"));
        }
    }
    for expression in items(selector, "matchExpressions") {
        let key = text(expression, "key");
        let values: Vec<&str> =
            items(expression, "values").iter().filter_map(Value::as_str).collect();
        match (text(expression, "operator"), has(key)) {
            ("In", there) if !there.is_some_and(|there| values.contains(&there)) => {
                return Some(format!("{key}={}", values.first()?));
            }
            ("NotIn", Some(there)) if values.contains(&there) => return Some(format!("{key}-")),
            ("Exists", None) => return Some(format!("{key}=true")),
            ("DoesNotExist", Some(_)) => return Some(format!("{key}-")),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_operator_is_judged_as_kubernetes_does() {
        let labels = json!({"a": "1"});
        let one = |key: &str, operator: &str, values: &[&str]| json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]});
        for (selector, meets, mended) in [
            (json!({}), true, None),
            (Value::Null, true, None),
            (json!({"matchLabels": {"a": "1"}}), true, None),
            (json!({"matchLabels": {"a": "2"}}), false, Some("a=2")),
            (json!({"matchLabels": {"b": "2"}}), false, Some("b=2")),
            (one("a", "In", &["1", "2"]), true, None),
            (one("a", "In", &["2"]), false, Some("a=2")),
            (one("a", "NotIn", &["1"]), false, Some("a-")),
            (one("b", "NotIn", &["1"]), true, None),
            (one("a", "Exists", &[]), true, None),
            (one("b", "Exists", &[]), false, Some("b=true")),
            (one("a", "DoesNotExist", &[]), false, Some("a-")),
            (one("b", "DoesNotExist", &[]), true, None),
        ] {
            assert_eq!(unmet(&selector, &labels).is_none(), meets, "{selector}");
            assert_eq!(mend(&selector, &labels).as_deref(), mended, "{selector}");
        }
    }
}
