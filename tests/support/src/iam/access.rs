//! Authorization: the permissions that a request requires, and a policy that grants them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::account::Account;
use super::query::{Query, Refusal};

/// The caller of every request.
pub(super) const USER: &str = "user/test";

/// Supported condition operators; both ARN operators match wildcards.
const OPERATORS: [&str; 4] = ["ArnEquals", "ArnLike", "StringEquals", "StringLike"];

/// A permission that a request requires (Service Authorization Reference, "AWS Identity and Access
/// Management").
pub(super) struct Need {
    /// With the prefix `iam:`.
    pub(super) action: String,
    /// The ARN that policies are compared with; `*` for actions that have no resource.
    arn: String,
    /// Its name in error messages of IAM.
    shown: String,
    /// Condition keys.
    context: BTreeMap<String, String>,
}

/// What the request requires; to create a resource with tags, the tagging action, too.
pub(super) fn needs(account: &Account, query: &Query) -> Vec<Need> {
    let action = query.action();
    let get = |name| query.get(name).unwrap_or_default();
    let path = query.get("Path").filter(|path| !path.is_empty()).unwrap_or("/");
    let (arn, shown) = match action {
        "ListRoles" => ("*".to_owned(), account.arn("role", "/")),
        "ListOpenIDConnectProviders" => ("*".to_owned(), account.arn("oidc-provider", "/*")),
        "CreateRole" => same(account.arn("role", &format!("{path}{}", get("RoleName")))),
        "CreatePolicy" => same(account.arn("policy", &format!("{path}{}", get("PolicyName")))),
        "CreateOpenIDConnectProvider" => {
            let url = get("Url").trim_start_matches("https://");
            same(account.arn("oidc-provider", &format!("/{url}")))
        }
        "TagPolicy" => same(get("PolicyArn").to_owned()),
        _ if query.get("OpenIDConnectProviderArn").is_some() => {
            same(get("OpenIDConnectProviderArn").to_owned())
        }
        "TagRole" | "UntagRole" => same(account.role_arn(get("RoleName"))),
        _ if query.get("RoleName").is_some() => {
            (account.role_arn(get("RoleName")), format!("role {}", get("RoleName")))
        }
        _ => (get("PolicyArn").to_owned(), format!("policy {}", get("PolicyArn"))),
    };
    let tags = query.tags();
    let mut context: BTreeMap<String, String> =
        tags.iter().map(|(key, value)| (format!("aws:RequestTag/{key}"), value.clone())).collect();
    for (parameter, key) in
        [("PolicyArn", "iam:PolicyARN"), ("PermissionsBoundary", "iam:PermissionsBoundary")]
    {
        context.extend(query.get(parameter).map(|value| (key.to_owned(), value.to_owned())));
    }
    let own = Need { action: format!("iam:{action}"), arn, shown, context };
    let tagging = match action.strip_prefix("Create") {
        Some(kind) if !tags.is_empty() => Some(Need {
            action: format!("iam:Tag{kind}"),
            arn: own.arn.clone(),
            shown: own.arn.clone(),
            context: own.context.clone(),
        }),
        _ => None,
    };
    [own].into_iter().chain(tagging).collect()
}

fn same(arn: String) -> (String, String) {
    (arn.clone(), arn)
}

impl Need {
    /// The error of IAM if no policy allows it or one denies it.
    pub(super) fn refusal(&self, account: &Account, explicit: bool) -> Refusal {
        let (user, action) = (account.arn("", USER), &self.action);
        let reason = if explicit {
            "with an explicit deny in an identity-based policy".to_owned()
        } else {
            format!("because no identity-based policy allows the {action} action")
        };
        let on = &self.shown;
        let message = format!(
            "User: {user} is not authorized to perform: {action} on resource: {on} {reason}"
        );
        Refusal::new("AccessDenied", message)
    }

    /// Whether the policy grants it.
    pub(super) fn check(&self, account: &Account, policy: &Value) -> Result<(), Refusal> {
        let mut allowed = false;
        for statement in one_or_more(&policy["Statement"]) {
            let action = texts(&statement["Action"]).any(|pattern| {
                matches(&pattern.to_ascii_lowercase(), &self.action.to_ascii_lowercase())
            });
            let resource = texts(&statement["Resource"]).any(|pattern| matches(pattern, &self.arn));
            if action && resource && self.fulfills(&statement["Condition"]) {
                if statement["Effect"] == "Deny" {
                    return Err(self.refusal(account, true));
                }
                allowed = true;
            }
        }
        if allowed { Ok(()) } else { Err(self.refusal(account, false)) }
    }

    /// All operators and all keys must match, each with one of its values; a key that the request
    /// does not have matches none.
    fn fulfills(&self, condition: &Value) -> bool {
        let members = |value: &Value| value.as_object().cloned().unwrap_or_default();
        members(condition).iter().all(|(operator, keys)| {
            members(keys).iter().all(|(key, values)| {
                let there = self.context.iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
                let holds = |value: &str, there: &str| {
                    if operator == "StringEquals" { value == there } else { matches(value, there) }
                };
                there.is_some_and(|(_, there)| texts(values).any(|value| holds(value, there)))
            })
        })
    }
}

/// Fails the test if a policy has unsupported elements, instead of granting too much.
pub(super) fn assert_understood(policy: &Value) {
    assert_eq!(policy["Version"], "2012-10-17", "{policy}");
    for statement in one_or_more(&policy["Statement"]) {
        for (member, value) in statement.as_object().unwrap() {
            let understood = match member.as_str() {
                "Sid" => true,
                "Effect" => value == "Allow" || value == "Deny",
                "Action" | "Resource" => texts(value).next().is_some(),
                "Condition" => {
                    value.as_object().unwrap().keys().all(|key| OPERATORS.contains(&key.as_str()))
                }
                _ => false,
            };
            assert!(understood, "{member} is not understood: {statement}");
        }
    }
}

fn one_or_more(value: &Value) -> &[Value] {
    match value {
        Value::Array(list) => list,
        Value::Null => &[],
        one => std::slice::from_ref(one),
    }
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    one_or_more(value).iter().filter_map(Value::as_str)
}

/// `*` matches any characters, `?` matches one.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    // reached[n]: the pattern so far matches the first n characters.
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for letter in pattern {
        let before = reached.clone();
        for length in 0..=text.len() {
            let one_less = length > 0 && before[length - 1];
            reached[length] = match letter {
                '*' => before[length] || (length > 0 && reached[length - 1]),
                '?' => one_less,
                _ => one_less && text[length - 1] == letter,
            };
        }
    }
    reached[text.len()]
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn wildcards_stand_for_what_iam_lets_them_stand_for() {
        for (pattern, text, expected) in [
            ("*", "*", true),
            ("arn:*:iam::*:role/app", "arn:aws:iam::111122223333:role/app", true),
            ("arn:*:iam::*:role/app", "arn:aws:iam::111122223333:role/apps", false),
            ("arn:aws:iam::1:role/*", "*", false),
            ("role/a?p", "role/app", true),
            ("role/a?p", "role/ap", false),
            ("role/*", "role/a/b", true),
            ("", "", true),
            ("a**b", "ab", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
