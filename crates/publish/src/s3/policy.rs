//! The bucket policy: our one statement, merged into whatever is there.

use serde_json::{Map, Value, json};

/// A policy with our statement in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Merge {
    /// It allows what we need already.
    Unchanged,
    /// The text to put.
    Put(String),
}

/// Lets everybody read exactly these objects. Other statements, their order, the `Id` and members that we do not know stay
/// as they are; only a statement of our own `Sid` is ever rewritten.
///
/// # Errors
/// Where the policy is none (it is then left alone).
pub(crate) fn merge(existing: Option<&str>, sid: &str, objects: &[String]) -> Result<Merge, String> {
    let mut policy = match existing {
        None => json!({"Version": "2012-10-17", "Statement": []}),
        Some(text) => serde_json::from_str(text).map_err(|error| error.to_string())?,
    };
    let ours = json!({"Sid": sid, "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": objects});
    let members = policy.as_object_mut().ok_or("it is no JSON object")?;
    let statements = statements(members)?;
    if objects.iter().all(|object| statements.iter().any(|statement| allows(statement, object))) {
        return Ok(Merge::Unchanged);
    }
    match statements.iter_mut().find(|statement| statement.get("Sid").and_then(Value::as_str) == Some(sid)) {
        Some(statement) => *statement = ours,
        None => statements.push(ours),
    }
    Ok(Merge::Put(policy.to_string()))
}

/// `Statement` may be one object instead of a list.
fn statements(policy: &mut Map<String, Value>) -> Result<&mut Vec<Value>, String> {
    let member = policy.entry("Statement").or_insert_with(|| Value::Array(Vec::new()));
    if member.is_object() {
        *member = Value::Array(vec![member.take()]);
    }
    member.as_array_mut().ok_or_else(|| "its Statement is neither an object nor a list".to_owned())
}

/// Whether a statement by itself lets everybody read the object, under no condition.
fn allows(statement: &Value, object: &str) -> bool {
    let has = |member: &str, wanted: &str| values(statement.get(member)).any(|value| value == wanted);
    let everybody =
        has("Principal", "*") || values(statement.get("Principal").and_then(|p| p.get("AWS"))).any(|p| p == "*");
    let members = ["Effect", "Principal", "Action", "Resource"];
    let plain = statement.as_object().is_some_and(|s| s.keys().all(|k| k == "Sid" || members.contains(&k.as_str())));
    plain && has("Effect", "Allow") && everybody && has("Action", "s3:GetObject") && has("Resource", object)
}

fn values(value: Option<&Value>) -> impl Iterator<Item = &str> {
    let list = match value {
        Some(Value::Array(list)) => list.as_slice(),
        Some(single) => std::slice::from_ref(single),
        None => &[],
    };
    list.iter().filter_map(Value::as_str)
}

/// Statements that forbid reading, which no permission outweighs.
pub(crate) fn denies(existing: &str) -> Vec<String> {
    let Ok(Value::Object(mut policy)) = serde_json::from_str(existing) else { return Vec::new() };
    let Ok(statements) = statements(&mut policy) else { return Vec::new() };
    let reads = |action: &str| matches!(action, "*" | "s3:*" | "s3:Get*" | "s3:GetObject");
    let denying = statements.iter().filter(|statement| {
        values(statement.get("Effect")).any(|effect| effect == "Deny")
            && (values(statement.get("Action")).any(reads) || statement.get("NotAction").is_some())
    });
    denying
        .map(|statement| statement.get("Sid").and_then(Value::as_str).unwrap_or("without a Sid").to_owned())
        .collect()
}
