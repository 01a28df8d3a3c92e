//! The roles in what AWS, CloudFormation and Terraform print: `get-role`, `list-roles` and
//! `get-account-authorization-details` (IAM API, type `Role`), templates (`AWS::IAM::Role`),
//! Terraform states, plans and `terraform show -json` (`aws_iam_role`), and manifests of Kubernetes
//! operators that manage roles.

use serde_json::{Map, Value};

/// A role, or a policy alone.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    /// What the text calls the role.
    pub(super) name: Option<String>,
    /// The account in its ARN.
    pub(super) account: Option<String>,
    /// Its trust policy: an object, or a string that contains it.
    pub(super) policy: Value,
}

/// Members with a trust policy, in lower case without underscores.
const POLICY: [&str; 2] = ["assumerolepolicydocument", "assumerolepolicy"];
/// Members with the name of a role, the best first.
const NAMES: [&str; 4] = ["RoleName", "name", "address", "Arn"];

/// The trust policies in a document; empty if it has none.
pub(super) fn find(document: Value) -> Vec<Found> {
    if is_policy(&document) || document.is_string() {
        return vec![Found { name: None, account: None, policy: document }];
    }
    let mut found = Vec::new();
    walk(planned(document), None, &mut found);
    found
}

/// A plan of Terraform has the roles several times; what they will be is what counts.
fn planned(mut document: Value) -> Value {
    match document.get_mut("planned_values") {
        Some(planned) => planned.take(),
        None => document,
    }
}

fn walk(value: Value, label: Option<&str>, found: &mut Vec<Found>) {
    match value {
        Value::Array(values) => values.into_iter().for_each(|value| walk(value, label, found)),
        Value::Object(mut members) => {
            let key = members.keys().find(|key| is_key(key)).cloned();
            if let Some(policy) = key.and_then(|key| members.shift_remove(&key)) {
                let name = name(&members).or(label.map(str::to_owned));
                found.push(Found { name, account: account(&members), policy });
            }
            // The name of a resource in a state of Terraform is beside its instances.
            let own = name(&members);
            for (key, value) in members {
                let value = if is_loop(&key) { unrolled(value) } else { value };
                let label = match key.as_str() {
                    "Properties" | "values" | "instances" | "attributes" | "spec" => {
                        own.as_deref().or(label)
                    }
                    _ => Some(key.as_str()),
                };
                walk(value, label, found);
            }
        }
        _ => {}
    }
}

/// A loop of CloudFormation (`AWS::LanguageExtensions`): its variable, its values and what is
/// repeated.
fn is_loop(key: &str) -> bool {
    key.starts_with("Fn::ForEach::")
}

/// What a loop repeats, with a reference wherever the variable is part of a name or a text: which
/// values it has is not known.
fn unrolled(value: Value) -> Value {
    match value {
        Value::Array(mut parts) if parts.len() == 3 => match (parts.pop(), parts.first()) {
            (Some(Value::Object(repeated)), Some(Value::String(variable))) => {
                let parts = repeated.into_iter();
                Value::Object(parts.map(|(name, part)| (name, opaque(part, variable))).collect())
            }
            _ => Value::Null,
        },
        _ => Value::Null,
    }
}

fn opaque(value: Value, variable: &str) -> Value {
    let is_in = |text: &str| {
        ["${", "&{"].iter().any(|start| text.contains(&format!("{start}{variable}}}")))
    };
    let reference = || Value::Object(Map::from_iter([("Ref".to_owned(), variable.into())]));
    match value {
        Value::String(text) if is_in(&text) => reference(),
        Value::Array(values) => {
            Value::Array(values.into_iter().map(|value| opaque(value, variable)).collect())
        }
        Value::Object(members) if members.keys().any(|name| is_in(name)) => reference(),
        Value::Object(members) => Value::Object(
            members.into_iter().map(|(name, value)| (name, opaque(value, variable))).collect(),
        ),
        other => other,
    }
}

fn is_policy(value: &Value) -> bool {
    value.get("Statement").is_some()
}

fn is_key(key: &str) -> bool {
    POLICY.contains(&key.replace('_', "").to_ascii_lowercase().as_str())
}

fn name(members: &Map<String, Value>) -> Option<String> {
    let metadata = members.get("metadata").and_then(|metadata| metadata.get("name"));
    let named = NAMES.iter().filter_map(|name| members.get(*name)).chain(metadata);
    named.filter_map(Value::as_str).find(|name| !name.is_empty()).map(str::to_owned)
}

/// The account in the ARN of a role.
fn account(members: &Map<String, Value>) -> Option<String> {
    let arn = ["Arn", "arn"].iter().find_map(|name| members.get(*name)?.as_str())?;
    let mut parts = arn.splitn(6, ':').skip(2);
    let (service, account) = (parts.next()?, parts.nth(1)?);
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    (service == "iam" && is_account).then(|| account.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn assert_names(document: Value, expected: &[&str]) {
        let names: Vec<String> =
            find(document).into_iter().map(|found| found.name.unwrap_or_default()).collect();
        assert_eq!(names, expected);
    }

    #[test]
    fn roles_are_found_wherever_tools_write_them() {
        let policy = || json!({"Statement": []});
        assert_names(policy(), &[""]);
        let role = |name: &str| json!({"RoleName": name, "AssumeRolePolicyDocument": policy()});
        assert_names(json!({"Role": role("app")}), &["app"]);
        assert_names(json!({"Roles": [role("a"), role("b")], "IsTruncated": false}), &["a", "b"]);
        assert_names(json!({"RoleDetailList": [role("a")], "UserDetailList": []}), &["a"]);
        let typed = |properties: Value| json!({"Type": "AWS::IAM::Role", "Properties": properties});
        let template = json!({"Resources": {
            "App": typed(json!({"AssumeRolePolicyDocument": policy()})), "B": typed(role("b")),
        }});
        assert_names(template, &["App", "b"]);
        let values = json!({"name": "app", "assume_role_policy": "{}"});
        let module = json!({"root_module": {
            "resources": [{"address": "aws_iam_role.app", "values": values}],
            "child_modules": [{"address": "module.x", "resources": [
                {"address": "module.x.aws_iam_role.b", "values": {"assume_role_policy": "{}"}},
            ]}],
        }});
        let expected = ["app", "module.x.aws_iam_role.b"];
        assert_names(json!({"format_version": "1.0", "values": module}), &expected);
        let plan =
            json!({"planned_values": module, "resource_changes": [{"change": {"after": values}}]});
        assert_names(plan, &expected);
        let state = json!({"version": 4, "resources": [{"type": "aws_iam_role", "name": "app",
            "instances": [{"attributes": {"assume_role_policy": "{}"}}]}]});
        assert_names(state, &["app"]);
        let manifest = json!({"kind": "Role", "metadata": {"name": "app"},
            "spec": {"assumeRolePolicyDocument": "{}"}});
        assert_names(manifest, &["app"]);
        let crossplane = json!({"kind": "Role", "metadata": {"name": "app"},
            "spec": {"forProvider": {"assumeRolePolicy": "{}"}}});
        assert_names(crossplane, &["forProvider"]);
        assert_names(json!({"RoleName": "app"}), &[]);
    }
}
