//! The bucket policy: our statement, merged into the existing policy.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::S3Location;
use crate::Error;

/// The policy of a bucket with the statement that makes the two documents public; `None` if
/// `existing` allows that already. There is one statement per prefix, so several issuers can share a
/// bucket.
///
/// # Errors
/// [`Error::BadPolicy`]: `existing` is not a policy.
pub fn with_ours(
    location: &S3Location,
    region: &str,
    existing: Option<&str>,
) -> Result<Option<String>, Error> {
    match merge(existing, &own_sid(location), &location.object_arns(region)) {
        Ok(Merge::Unchanged) => Ok(None),
        Ok(Merge::Put(text)) => Ok(Some(text)),
        Err(reason) => Err(Error::BadPolicy { bucket: location.bucket.to_string(), reason }),
    }
}

/// The maximum size of a bucket policy in bytes (S3 user guide, "Bucket policies").
const MAX_BYTES: usize = 20 * 1024;

/// Checks what S3 would refuse in a policy that is about to be written, so that it is known before
/// anything is changed.
///
/// # Errors
/// [`Error::DeletedPrincipals`], [`Error::PolicyTooLarge`].
pub(crate) fn check_accepted(location: &S3Location, text: &str) -> Result<(), Error> {
    let bucket = location.bucket.to_string();
    let statements = deleted_principals(text);
    if !statements.is_empty() {
        return Err(Error::DeletedPrincipals { bucket, statements });
    }
    if text.len() > MAX_BYTES {
        return Err(Error::PolicyTooLarge { bucket, size: text.len(), limit: MAX_BYTES });
    }
    Ok(())
}

/// The policy of a bucket without our statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Without {
    /// It does not contain our statement.
    Unchanged,
    /// The new text.
    Put(String),
    /// No statement is left: the policy can be deleted.
    Nothing,
}

/// Removes the statement of a prefix from the policy.
///
/// # Errors
/// [`Error::BadPolicy`]: `existing` is not a policy.
pub(crate) fn without_ours(location: &S3Location, existing: &str) -> Result<Without, Error> {
    let bad = |reason: &str| Error::BadPolicy {
        bucket: location.bucket.to_string(),
        reason: reason.to_owned(),
    };
    let mut policy: Value =
        serde_json::from_str(existing).map_err(|error| bad(&error.to_string()))?;
    let members = policy.as_object_mut().ok_or_else(|| bad("it is not a JSON object"))?;
    let statements = statements(members).map_err(|reason| bad(&reason))?;
    let (sid, before) = (own_sid(location), statements.len());
    statements.retain(|statement| self::sid(statement) != Some(sid.as_str()));
    Ok(match statements.len() {
        after if after == before => Without::Unchanged,
        0 => Without::Nothing,
        _ => Without::Put(policy.to_string()),
    })
}

/// The `Sid` of the statement of a prefix.
fn own_sid(location: &S3Location) -> String {
    let digest = Sha256::digest(location.object_key(""));
    format!("{OUR_SID}{}", digest[..6].iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// The policy with our statement.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Merge {
    /// It already allows what is needed.
    Unchanged,
    /// The new text.
    Put(String),
}

/// Makes exactly these objects public. Other statements, their order, the `Id` and unknown members
/// are kept; only the statement with our `Sid` is ever rewritten.
///
/// # Errors
/// A text that is not a policy.
fn merge(existing: Option<&str>, sid: &str, objects: &[String]) -> Result<Merge, String> {
    let mut policy = match existing {
        None => json!({"Version": "2012-10-17", "Statement": []}),
        Some(text) => serde_json::from_str(text).map_err(|error| error.to_string())?,
    };
    let ours = json!({"Sid": sid, "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": objects});
    let members = policy.as_object_mut().ok_or("it is not a JSON object")?;
    let statements = statements(members)?;
    if objects.iter().all(|object| statements.iter().any(|statement| allows(statement, object))) {
        return Ok(Merge::Unchanged);
    }
    match statements
        .iter_mut()
        .find(|statement| statement.get("Sid").and_then(Value::as_str) == Some(sid))
    {
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

/// Whether a statement by itself makes the object public, without any condition.
fn allows(statement: &Value, object: &str) -> bool {
    let has =
        |member: &str, wanted: &str| values(statement.get(member)).any(|value| value == wanted);
    let anonymous = has("Principal", "*")
        || values(statement.get("Principal").and_then(|p| p.get("AWS"))).any(|p| p == "*");
    let members = ["Effect", "Principal", "Action", "Resource"];
    let plain = statement
        .as_object()
        .is_some_and(|s| s.keys().all(|k| k == "Sid" || members.contains(&k.as_str())));
    plain
        && has("Effect", "Allow")
        && anonymous
        && has("Action", "s3:GetObject")
        && has("Resource", object)
}

fn values(value: Option<&Value>) -> impl Iterator<Item = &str> {
    let list = match value {
        Some(Value::Array(list)) => list.as_slice(),
        Some(single) => std::slice::from_ref(single),
        None => &[],
    };
    list.iter().filter_map(Value::as_str)
}

/// Prefix of the `Sid`s of our statements.
pub(crate) const OUR_SID: &str = "IssuerctlPublicRead";

/// Statements that deny anonymous reads of one of the objects; no Allow overrides a Deny.
pub(crate) fn denies(existing: &str, objects: &[String]) -> Vec<String> {
    named(existing, |statement| {
        let reads = values(statement.get("Action"))
            .any(|action| matches(&action.to_ascii_lowercase(), "s3:getobject"));
        let action = reads || statement.get("NotAction").is_some();
        has(statement, "Effect", "Deny")
            && action
            && is_for_everyone(statement)
            && covers(statement, objects)
            && !is_about_plain_http(statement)
    })
}

/// Unmanaged statements that make other objects public.
pub(crate) fn public(existing: &str, objects: &[String]) -> Vec<String> {
    named(existing, |statement| {
        let ours = sid(statement).is_some_and(|sid| sid.starts_with(OUR_SID));
        let only_these = values(statement.get("Resource"))
            .all(|resource| objects.iter().any(|object| object == resource));
        has(statement, "Effect", "Allow")
            && is_for_everyone(statement)
            && statement.get("Condition").is_none()
            && !ours
            && !(statement.get("Resource").is_some() && only_these)
    })
}

/// Statements with principals that do not exist any more, each as `"Sid" (ID)`. AWS replaces the
/// ARN of a deleted user or role by its unique ID, and accepts no policy with such an ID (IAM user
/// guide, "AWS JSON policy elements: Principal"; "IAM identifiers", "Unique identifiers").
fn deleted_principals(text: &str) -> Vec<String> {
    let Ok(Value::Object(mut policy)) = serde_json::from_str(text) else { return Vec::new() };
    let Ok(statements) = statements(&mut policy) else { return Vec::new() };
    let of_statement = |(index, statement): (usize, &Value)| {
        let principals = ["Principal", "NotPrincipal"]
            .into_iter()
            .flat_map(|member| values(statement.get(member).and_then(|p| p.get("AWS"))));
        let ids: Vec<&str> = principals.filter(|principal| is_unique_id(principal)).collect();
        let name = sid(statement).map_or(format!("number {}", index + 1), |sid| format!("{sid:?}"));
        (!ids.is_empty()).then(|| format!("{name} ({})", ids.join(", ")))
    };
    statements.iter().enumerate().filter_map(of_statement).collect()
}

fn is_unique_id(principal: &str) -> bool {
    const PREFIXES: [&str; 3] = ["AROA", "AIDA", "AGPA"];
    // An assumed role has its session behind the ID.
    let id = principal.split(':').next().unwrap_or_default();
    id.len() >= 8
        && id.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        && PREFIXES.iter().any(|prefix| id.starts_with(prefix))
}

/// Those of the objects that no statement makes public.
pub(crate) fn not_public(
    location: &S3Location,
    partition: &str,
    existing: &str,
    keys: &[String],
) -> Vec<String> {
    let is_public = |key: &str| {
        let object = [format!("arn:{partition}:s3:::{}/{key}", location.bucket)];
        let reads = |statement: &Value| {
            has(statement, "Effect", "Allow")
                && is_for_everyone(statement)
                && statement.get("Condition").is_none()
                && statement.get("Resource").is_some()
                && covers(statement, &object)
                && values(statement.get("Action"))
                    .any(|action| matches(&action.to_ascii_lowercase(), "s3:getobject"))
        };
        !named(existing, reads).is_empty()
    };
    keys.iter().filter(|key| !is_public(key)).cloned().collect()
}

fn named(existing: &str, wanted: impl Fn(&Value) -> bool) -> Vec<String> {
    let Ok(Value::Object(mut policy)) = serde_json::from_str(existing) else { return Vec::new() };
    let Ok(statements) = statements(&mut policy) else { return Vec::new() };
    let found = statements.iter().filter(|statement| wanted(statement));
    found.map(|statement| sid(statement).unwrap_or("without a Sid").to_owned()).collect()
}

fn sid(statement: &Value) -> Option<&str> {
    statement.get("Sid").and_then(Value::as_str)
}

fn has(statement: &Value, member: &str, wanted: &str) -> bool {
    values(statement.get(member)).any(|value| value == wanted)
}

/// `NotPrincipal` is everyone except the listed principals.
fn is_for_everyone(statement: &Value) -> bool {
    has(statement, "Principal", "*")
        || values(statement.get("Principal").and_then(|principal| principal.get("AWS")))
            .any(|principal| principal == "*")
        || statement.get("NotPrincipal").is_some()
}

fn covers(statement: &Value, objects: &[String]) -> bool {
    let resources = || values(statement.get("Resource"));
    statement.get("NotResource").is_some()
        || resources().any(|pattern| objects.iter().any(|object| matches(pattern, object)))
}

/// The common statement that denies plain http, which does not affect an issuer.
fn is_about_plain_http(statement: &Value) -> bool {
    let condition = statement.get("Condition").and_then(Value::as_object);
    condition.is_some_and(|operators| {
        operators
            .values()
            .filter_map(Value::as_object)
            .flat_map(Map::keys)
            .any(|key| key.eq_ignore_ascii_case("aws:SecureTransport"))
    })
}

/// Matches an IAM pattern with `*` and `?`. Backtracking to the last `*` is sufficient.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut read) = (0, 0);
    let mut star = None;
    while read < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, read));
                at += 1;
            }
            Some(wanted) if *wanted == '?' || *wanted == text[read] => {
                at += 1;
                read += 1;
            }
            _ => {
                let Some((star_at, taken)) = star else { return false };
                star = Some((star_at, taken + 1));
                (at, read) = (star_at + 1, taken + 1);
            }
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    const OBJECTS: [&str; 2] =
        ["arn:aws:s3:::b/p/keys.json", "arn:aws:s3:::b/p/.well-known/openid-configuration"];

    fn objects() -> Vec<String> {
        OBJECTS.map(str::to_owned).to_vec()
    }

    fn policy(statement: &str) -> String {
        format!(r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"S",{statement}}}]}}"#)
    }

    #[test]
    fn patterns_match_as_in_iam() {
        for (pattern, text) in [
            ("*", ""),
            ("a*", "a"),
            ("*a*b", "xaab"),
            ("a?c", "abc"),
            ("**", "x"),
            ("a*b*c", "abbcbc"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("", "a"), ("a?", "a"), ("*b", "ba"), ("a*b*c", "acb"), ("A", "a")]
        {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn statements_that_forbid_reading_are_found() {
        for statement in [
            r#""Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b/*""#,
            r#""Effect":"Deny","NotPrincipal":{"AWS":"x"},"Action":"s3:getobject","Resource":["arn:aws:s3:::b/p/*"]"#,
            r#""Effect":"Deny","Principal":{"AWS":"*"},"Action":"s3:GetObject*","Resource":"*""#,
            r#""Effect":"Deny","Principal":"*","NotAction":"s3:PutObject","NotResource":"arn:aws:s3:::b/logs/*""#,
        ] {
            assert_eq!(denies(&policy(statement), &objects()), ["S"], "{statement}");
        }
    }

    #[test]
    fn statements_that_forbid_something_else_are_not() {
        for statement in [
            r#""Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b/*","Condition":{"Bool":{"aws:SecureTransport":"false"}}"#,
            r#""Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"*""#,
            r#""Effect":"Deny","Principal":{"AWS":"arn:aws:iam::1:user/x"},"NotAction":"s3:PutObject","Resource":"*""#,
            r#""Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b/logs/*""#,
        ] {
            assert_eq!(denies(&policy(statement), &objects()), [""; 0], "{statement}");
        }
    }

    #[test]
    fn principals_that_were_deleted_are_named_with_their_statement() {
        let of = |statement: &str| deleted_principals(&policy(statement));
        for statement in [
            r#""Effect":"Allow","Principal":{"AWS":"AROAEXAMPLEEXAMPLE123"}"#,
            r#""Effect":"Deny","NotPrincipal":{"AWS":["arn:aws:iam::111122223333:root","AROAEXAMPLEEXAMPLE123"]}"#,
            r#""Effect":"Allow","Principal":{"AWS":["AROAEXAMPLEEXAMPLE123"],"Service":"logging.s3.amazonaws.com"}"#,
        ] {
            assert_eq!(of(statement), [r#""S" (AROAEXAMPLEEXAMPLE123)"#], "{statement}");
        }
        let session = of(r#""Effect":"Allow","Principal":{"AWS":"AIDAEXAMPLEEXAMPLE123:ci"}"#);
        assert_eq!(session, [r#""S" (AIDAEXAMPLEEXAMPLE123:ci)"#]);
        for statement in [
            r#""Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/AROAEXAMPLEEXAMPLE123"}"#,
            r#""Effect":"Allow","Principal":{"AWS":"111122223333"}"#,
            r#""Effect":"Allow","Principal":"*""#,
            r#""Effect":"Allow","Principal":{"CanonicalUser":"AROAEXAMPLEEXAMPLE123"}"#,
        ] {
            assert_eq!(of(statement), [""; 0], "{statement}");
        }
    }

    #[test]
    fn a_policy_that_outgrows_s3_is_refused_before_it_is_written() {
        let location: S3Location = "s3://my-oidc/prod".parse().unwrap();
        let long = policy(&format!(r#""Effect":"Deny","Principal":"{}""#, "x".repeat(MAX_BYTES)));
        let refused = check_accepted(&location, &long);
        assert!(matches!(refused, Err(Error::PolicyTooLarge { limit: 20_480, .. })), "{refused:?}");
    }

    #[test]
    fn statements_that_make_other_objects_public_are_found() {
        let wide = r#""Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*""#;
        assert_eq!(public(&policy(wide), &objects()), ["S"]);
        let these = format!(
            r#""Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"{}""#,
            OBJECTS[0]
        );
        let one = r#""Effect":"Allow","Principal":{"AWS":"arn:aws:iam::1:root"},"Action":"s3:*","Resource":"*""#;
        for statement in [these.as_str(), one] {
            assert_eq!(public(&policy(statement), &objects()), [""; 0], "{statement}");
        }
        let ours = policy(wide).replace("\"S\"", "\"IssuerctlPublicRead00\"");
        assert_eq!(public(&ours, &objects()), [""; 0]);
    }
}
