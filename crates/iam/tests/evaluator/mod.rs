//! An evaluator of trust policies for `AssumeRoleWithWebIdentity`, written after the IAM user guide
//! and apart from the crate: "Policy evaluation logic", "IAM JSON policy elements: Condition
//! operators", "Single-valued vs. multivalued context keys".
//!
//! An explicit Deny outweighs every Allow; without an Allow there is no access. Within a statement
//! every operator and every key must hold, and of the values of a key one is enough.

use std::collections::BTreeMap;

use serde_json::Value;

/// A request to assume the role.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    /// The ARN of the provider that the token is from.
    pub(crate) provider: String,
    /// The keys of the request and their values. Their names are not case-sensitive.
    context: BTreeMap<String, Vec<String>>,
}

impl Request {
    /// A request by a token of `issuer` (without scheme) with the claims that every token has.
    pub(crate) fn token(provider: &str, issuer: &str, audience: &str, subject: &str) -> Self {
        Self { provider: provider.to_owned(), ..Self::default() }
            .with(&format!("{issuer}:aud"), &[audience])
            .with(&format!("{issuer}:sub"), &[subject])
    }

    /// The same with one key more.
    pub(crate) fn with(mut self, key: &str, values: &[&str]) -> Self {
        self.context
            .insert(key.to_lowercase(), values.iter().map(|value| (*value).to_owned()).collect());
        self
    }
}

/// Whether the policy lets the request in.
pub(crate) fn allows(policy: &Value, request: &Request) -> bool {
    let statements: Vec<&Value> = each(&policy["Statement"])
        .into_iter()
        .filter(|statement| applies(statement, request))
        .collect();
    let effect = |effect: &str| statements.iter().any(|statement| statement["Effect"] == effect);
    effect("Allow") && !effect("Deny")
}

/// Whether the conditions of one statement hold.
pub(crate) fn conditions_hold(condition: &Value, request: &Request) -> bool {
    let Some(operators) = condition.as_object() else { return condition.is_null() };
    operators.iter().all(|(operator, keys)| {
        keys.as_object().is_some_and(|keys| {
            keys.iter().all(|(key, values)| {
                let wanted: Vec<String> = each(values)
                    .into_iter()
                    .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                    .collect();
                holds(
                    operator,
                    &wanted,
                    request.context.get(&key.to_lowercase()).map(Vec::as_slice),
                )
            })
        })
    })
}

/// `*` is any number of any characters, `?` is one.
pub(crate) fn like(pattern: &str, text: &str) -> bool {
    match pattern.chars().next() {
        None => text.is_empty(),
        Some('*') => {
            let rest = &pattern[1..];
            text.char_indices()
                .map(|(at, _)| at)
                .chain([text.len()])
                .any(|at| like(rest, &text[at..]))
        }
        Some(first) => {
            let mut rest = text.chars();
            rest.next().is_some_and(|c| first == '?' || first == c)
                && like(&pattern[first.len_utf8()..], rest.as_str())
        }
    }
}

fn applies(statement: &Value, request: &Request) -> bool {
    let actions = |member: &str| {
        each(&statement[member])
            .into_iter()
            .filter_map(Value::as_str)
            .any(|action| like(&action.to_lowercase(), "sts:assumerolewithwebidentity"))
    };
    let action = if statement.get("NotAction").is_some() {
        !actions("NotAction")
    } else {
        actions("Action")
    };
    let principal = if statement.get("NotPrincipal").is_some() {
        !is_principal(&statement["NotPrincipal"], request)
    } else {
        is_principal(&statement["Principal"], request)
    };
    action && principal && conditions_hold(&statement["Condition"], request)
}

/// An ARN counts as a whole and letter by letter; a `*` alone is everybody.
fn is_principal(principal: &Value, request: &Request) -> bool {
    if principal == "*" {
        return true;
    }
    let of = |kind: &str| {
        each(&principal[kind]).into_iter().filter_map(Value::as_str).collect::<Vec<_>>()
    };
    of("Federated").contains(&request.provider.as_str())
        || [of("Federated"), of("AWS")].concat().contains(&"*")
}

fn holds(operator: &str, wanted: &[String], actual: Option<&[String]>) -> bool {
    let operator = operator.to_lowercase();
    // An empty list of values is a key that is not there.
    let actual = actual.filter(|actual| !actual.is_empty());
    if operator == "null" {
        return wanted.iter().any(|wanted| (wanted == "true") == actual.is_none());
    }
    let (set, base) =
        operator.split_once(':').map_or((None, operator.as_str()), |(set, base)| (Some(set), base));
    let (base, if_exists) =
        base.strip_suffix("ifexists").map_or((base, false), |base| (base, true));
    let (negated, compare): (bool, fn(&str, &str) -> bool) = match base {
        "stringequals" => (false, |wanted, actual| wanted == actual),
        "stringnotequals" => (true, |wanted, actual| wanted == actual),
        "stringequalsignorecase" => {
            (false, |wanted, actual| wanted.to_lowercase() == actual.to_lowercase())
        }
        "stringnotequalsignorecase" => {
            (true, |wanted, actual| wanted.to_lowercase() == actual.to_lowercase())
        }
        "stringlike" => (false, like),
        "stringnotlike" => (true, like),
        // No value of the tests is an ARN or a boolean.
        "arnlike" | "bool" => (false, |_, _| false),
        "arnnotlike" => (true, |_, _| false),
        _ => return actual.is_none() && if_exists,
    };
    // A negated operator is a NOR over the values of the policy.
    let one = |actual: &String| wanted.iter().any(|wanted| compare(wanted, actual)) != negated;
    match (set, actual) {
        (Some("forallvalues"), None) => true,
        (Some("foranyvalue"), None) => false,
        (_, None) => negated || if_exists,
        (Some("forallvalues"), Some(actual)) => actual.iter().all(one),
        (Some("foranyvalue"), Some(actual)) => actual.iter().any(one),
        // Without a set operator a key has one value.
        (_, Some(actual)) => actual.len() == 1 && one(&actual[0]),
    }
}

/// One value, or those of a list.
fn each(value: &Value) -> Vec<&Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(values) => values.iter().collect(),
        other => vec![other],
    }
}
