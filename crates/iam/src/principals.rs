//! Principals that IAM does not accept in a trust policy (IAM user guide, "AWS JSON policy
//! elements: Principal", "IAM identifiers").

use issuer_discovery::Partition;
use serde_json::Value;

use crate::json::strings;
use crate::names::is_iam_name;

/// A principal that IAM rejects with `Invalid principal in policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rejected<'a> {
    /// The type of principal: `AWS`, `Service`, `Federated` or `CanonicalUser`.
    pub(crate) kind: &'a str,
    /// The principal.
    pub(crate) text: &'a str,
    /// What is wrong with it, after "which" or "whose".
    pub(crate) reason: &'static str,
    /// What to do.
    pub(crate) fix: &'static str,
}

/// The prefixes of the unique IDs of IAM resources that can be principals, or have been.
const UNIQUE_IDS: [(&str, &str); 4] = [
    ("AROA", "which is the unique ID of a role that was deleted"),
    ("AIDA", "which is the unique ID of a user that was deleted"),
    ("AGPA", "which is the unique ID of a user group"),
    ("AIPA", "which is the unique ID of an instance profile"),
];

/// The identity providers that need no ARN.
const WEB: [&str; 4] = [
    "cognito-identity.amazonaws.com",
    "www.amazon.com",
    "graph.facebook.com",
    "accounts.google.com",
];

/// The principals of a statement that IAM rejects.
pub(crate) fn rejected(statement: &Value) -> Vec<Rejected<'_>> {
    let mut rejected = Vec::new();
    for member in ["Principal", "NotPrincipal"] {
        for (kind, texts) in statement[member].as_object().into_iter().flatten() {
            let texts = match texts {
                Value::Array(texts) => texts.as_slice(),
                text => std::slice::from_ref(text),
            };
            for text in texts.iter().filter_map(Value::as_str) {
                let faults = fault(kind, text);
                rejected.extend(faults.map(|(reason, fix)| Rejected { kind, text, reason, fix }));
            }
        }
    }
    rejected
}

/// The types of principals whose value is neither a string nor an array with strings. Numbers are
/// account IDs that a template has as numbers.
pub(crate) fn misshapen(statement: &Value) -> Vec<&str> {
    let one = |value: &Value| value.is_string() || value.is_number();
    let is_valid = |value: &Value| match value {
        Value::Array(values) => !values.is_empty() && values.iter().all(one),
        value => one(value),
    };
    let members = ["Principal", "NotPrincipal"].map(|member| statement[member].as_object());
    let kinds = members.into_iter().flatten().flatten();
    kinds.filter(|(_, value)| !is_valid(value)).map(|(kind, _)| kind.as_str()).collect()
}

/// The principals in another partition than that of the role, with their type.
pub(crate) fn elsewhere(
    statement: &Value,
    partition: Option<Partition>,
) -> Vec<(&str, &str, Partition)> {
    let other = |text: &str| {
        let there = Partition::named(text.strip_prefix("arn:")?.split(':').next()?)?;
        (partition? != there).then_some(there)
    };
    let all = ["Principal", "NotPrincipal"].map(|member| statement[member].as_object());
    let all = all.into_iter().flatten().flatten();
    all.flat_map(|(kind, texts)| strings(texts).into_iter().map(move |text| (kind.as_str(), text)))
        .filter_map(|(kind, text)| Some((kind, text, other(text)?)))
        .collect()
}

/// The unique ID of a deleted principal in a statement.
pub(crate) fn deleted(statement: &Value) -> Option<&str> {
    let mut rejected = rejected(statement).into_iter();
    rejected.find(|one| one.kind == "AWS" && unique_id(one.text).is_some()).map(|one| one.text)
}

/// Whether a text is an account ID.
pub(crate) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// Why a principal is rejected, and what to do.
fn fault(kind: &str, text: &str) -> Option<(&'static str, &'static str)> {
    match kind {
        "CanonicalUser" => Some((
            "which only the policy of a bucket can have",
            "write the account ID, or the ARN of a role or user, under AWS",
        )),
        "Service" if text == "*" => Some((
            "which is a wildcard, and there is none for services",
            "name the service, such as ec2.amazonaws.com",
        )),
        _ if text == "*" => None,
        "AWS" => aws(text),
        "Service" => {
            let is_host = text.contains('.')
                && text
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-".contains(&b));
            (!is_host).then_some((
                "which is not a valid service principal",
                "write it in full and in lower case, such as ec2.amazonaws.com",
            ))
        }
        "Federated" if WEB.contains(&text) => None,
        "Federated" => federated(text),
        _ => None,
    }
}

/// What kind of unique ID a text is.
fn unique_id(text: &str) -> Option<&'static str> {
    let is_id =
        text.len() >= 16 && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    let mut kinds = UNIQUE_IDS.iter().filter(|(prefix, _)| is_id && text.starts_with(prefix));
    kinds.next().map(|(_, what)| *what)
}

fn aws(text: &str) -> Option<(&'static str, &'static str)> {
    const ARN: &str = "write an account ID, or the ARN of a role, a user or a session";
    if let Some(what) = unique_id(text) {
        return Some((
            what,
            "remove it, or the statement if it has no other principal: an ID is never used again",
        ));
    }
    if is_account(text) {
        return (!exists(text)).then_some((NO_ACCOUNT, "write the account ID"));
    }
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Some(("which is not an account ID: it does not have 12 digits", ARN));
    }
    let fields: Vec<&str> = text.splitn(6, ':').collect();
    let &["arn", partition, service, "", account, resource] = fields.as_slice() else {
        return Some(("which is neither an account ID nor the ARN of a role or user", ARN));
    };
    if let Some(fault) = place(partition, account) {
        return Some(fault);
    }
    let (kind, name) = resource.split_once('/').unwrap_or((resource, ""));
    if resource.contains(['*', '?']) {
        return Some((
            "which has a wildcard, and a principal cannot match part of a name",
            "name the principal, or use the account with a condition on aws:PrincipalArn",
        ));
    }
    let is_valid = match (service, kind) {
        ("iam", "root") => name.is_empty(),
        ("iam", "role" | "user") => is_path_and_name(name),
        ("sts", "federated-user") => is_iam_name(name, 32),
        ("sts", "assumed-role") => name
            .split_once('/')
            .is_some_and(|(role, session)| is_iam_name(role, 64) && is_iam_name(session, 64)),
        ("sts", "self") => true,
        ("iam", "oidc-provider" | "saml-provider") => {
            return Some(("which is an identity provider", "write it under Federated"));
        }
        ("iam", "group") => {
            return Some(("which is a user group, and groups cannot be principals", ARN));
        }
        _ => false,
    };
    (!is_valid).then_some(("which is not a role, a user or a session", ARN))
}

fn federated(text: &str) -> Option<(&'static str, &'static str)> {
    const ARN: &str = "write the ARN of the provider: arn:aws:iam::ACCOUNT:oidc-provider/HOST/PATH";
    let fields: Vec<&str> = text.splitn(6, ':').collect();
    let &["arn", partition, "iam", "", account, resource] = fields.as_slice() else {
        return Some(("which is not the ARN of an identity provider", ARN));
    };
    if let Some(fault) = place(partition, account) {
        return Some(fault);
    }
    let is_provider = matches!(
        resource.split_once('/'),
        Some(("oidc-provider" | "saml-provider", name)) if !name.is_empty() && !name.contains('*') && is_graphic(name)
    );
    (!is_provider).then_some(("which is not the ARN of an identity provider", ARN))
}

/// Whether it is the name of a role or a user, with or without a path (IAM API, `roleNameType`,
/// `userNameType`, `pathType`).
fn is_path_and_name(text: &str) -> bool {
    let (path, name) = text.rsplit_once('/').unwrap_or(("", text));
    is_graphic(path) && is_iam_name(name, 64)
}

fn is_graphic(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_graphic())
}

/// What is wrong with the partition or the account of an ARN.
fn place(partition: &str, account: &str) -> Option<(&'static str, &'static str)> {
    if Partition::named(partition).is_none() {
        return Some((
            "whose partition does not exist",
            "write aws, aws-us-gov, aws-cn or aws-eusc",
        ));
    }
    if !is_account(account) {
        return Some((
            "whose account ID does not have 12 digits",
            "write the account ID, with its leading zeros",
        ));
    }
    (!exists(account)).then_some((NO_ACCOUNT, "write the account ID"))
}

const NO_ACCOUNT: &str = "whose account is 000000000000, which does not exist";

/// Whether an account ID is more than a placeholder of zeros.
pub(crate) fn exists(account: &str) -> bool {
    account.bytes().any(|b| b != b'0')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn is_rejected(kind: &str, text: &str) -> bool {
        let statement = json!({"Principal": {kind: [text]}});
        let found = !rejected(&statement).is_empty();
        assert_eq!(found, !rejected(&json!({"NotPrincipal": {kind: text}})).is_empty());
        found
    }

    #[test]
    fn principals_that_iam_rejects_are_found_and_others_are_not() {
        for (kind, text) in [
            ("AWS", "AROAEXAMPLE27HJSWAHEP"),
            ("AWS", "AIDACKCEVSQ6C2EXAMPLE"),
            ("AWS", "11112222333"),
            ("AWS", ""),
            ("AWS", "app"),
            ("AWS", "arn:aws:iam::111122223333:role/*"),
            ("AWS", "arn:aws:iam::111122223333:role/"),
            ("AWS", "arn:aws:iam::1111:role/app"),
            ("AWS", "arn:aws:iam::111122223333:group/admins"),
            ("AWS", "arn:aws:iam::111122223333:oidc-provider/oidc.example.com"),
            ("AWS", "arn:aws:sts::111122223333:assumed-role/app"),
            ("AWS", "arn:aws:s3:::bucket"),
            ("AWS", "arn:moon:iam::111122223333:root"),
            ("AWS", "arn:aws:iam::111122223333:user/x y"),
            ("AWS", "arn:aws:iam::111122223333:role/pa th/app"),
            ("AWS", "arn:aws:iam::111122223333:role/app\n"),
            ("AWS", "arn:aws:iam::111122223333:role/${aws:username}"),
            ("AWS", "arn:aws:iam::111122223333:role/path/"),
            ("AWS", "arn:aws:sts::111122223333:assumed-role/app/my session"),
            ("AWS", "arn:aws:sts::111122223333:federated-user/a b"),
            ("Federated", "arn:aws:iam::111122223333:saml-provider/My IdP"),
            ("Federated", "arn:aws:iam::111122223333:oidc-provider/oidc.example.com/a b"),
            ("Service", "*"),
            ("Service", "ec2"),
            ("Service", "EC2.amazonaws.com"),
            ("Service", "https://ec2.amazonaws.com"),
            ("Service", "*.amazonaws.com"),
            ("Federated", "arn:aws:iam::ACCOUNT:oidc-provider/oidc.example.com"),
            ("Federated", "oidc.example.com"),
            ("Federated", "arn:aws:iam::111122223333:oidc-provider/*"),
            ("Federated", "arn:aws:iam::000000000000:oidc-provider/oidc.example.com"),
            ("AWS", "000000000000"),
            ("AWS", "arn:aws:iam::000000000000:root"),
            ("CanonicalUser", "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"),
            ("CanonicalUser", "*"),
        ] {
            assert!(is_rejected(kind, text), "{kind} {text}");
        }
        for (kind, text) in [
            ("AWS", "*"),
            ("AWS", "111122223333"),
            ("AWS", "arn:aws:iam::111122223333:root"),
            ("AWS", "arn:aws-cn:iam::111122223333:role/path/app"),
            ("AWS", "arn:aws:iam::111122223333:user/AROAEXAMPLE27HJSWAHEP"),
            ("AWS", "arn:aws:sts::111122223333:assumed-role/app/session"),
            (
                "AWS",
                "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_0123456789abcdef",
            ),
            ("AWS", "arn:aws:sts::111122223333:assumed-role/app/me@example.com"),
            ("Service", "states.us-east-1.amazonaws.com"),
            ("Service", "ec2.amazonaws.com.cn"),
            ("Federated", "accounts.google.com"),
            ("Federated", "arn:aws:iam::111122223333:saml-provider/Shibboleth"),
            ("Federated", "arn:aws:iam::111122223333:oidc-provider/oidc.example.com/x/"),
        ] {
            assert!(!is_rejected(kind, text), "{kind} {text}");
        }
    }
}
