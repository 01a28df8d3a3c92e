//! Reading bucket policies: what their statements allow and deny (IAM user guide, "IAM JSON policy
//! elements reference").

use serde_json::{Map, Value};

use super::S3Location;
use super::policy::OUR_SID;

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

/// Statements that deny writing one of the objects unless it is encrypted with KMS, which a document must
/// not be (S3 user guide, "Using server-side encryption with AWS KMS keys").
pub(crate) fn forces_kms(existing: &str, objects: &[String]) -> Vec<String> {
    named(existing, |statement| {
        let writes = values(statement.get("Action"))
            .any(|action| matches(&action.to_ascii_lowercase(), "s3:putobject"));
        has(statement, "Effect", "Deny")
            && writes
            && covers(statement, objects)
            && denies_sse_s3(statement)
    })
}

/// Whether its conditions hold for a write with `x-amz-server-side-encryption: AES256`.
fn denies_sse_s3(statement: &Value) -> bool {
    const KEY: &str = "s3:x-amz-server-side-encryption";
    let Some(operators) = statement.get("Condition").and_then(Value::as_object) else {
        return false;
    };
    let mut found = false;
    for (operator, keys) in operators {
        let negated = operator.to_ascii_lowercase().contains("notequals")
            || operator.to_ascii_lowercase().contains("notlike");
        let is_null = operator.eq_ignore_ascii_case("null");
        for (key, value) in keys.as_object().into_iter().flatten() {
            if !key.eq_ignore_ascii_case(KEY) {
                // Something else decides, too; the write itself will tell.
                return false;
            }
            let mut listed = values(Some(value));
            let holds = match (is_null, negated) {
                // The key is present.
                (true, _) => listed.any(|value| value == "false"),
                (_, true) => listed.all(|value| !matches(value, "AES256")),
                (_, false) => listed.any(|value| matches(value, "AES256")),
            };
            if !holds {
                return false;
            }
            found = true;
        }
    }
    found
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
pub(super) fn deleted_principals(text: &str) -> Vec<String> {
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

pub(super) fn sid(statement: &Value) -> Option<&str> {
    statement.get("Sid").and_then(Value::as_str)
}

pub(super) fn has(statement: &Value, member: &str, wanted: &str) -> bool {
    values(statement.get(member)).any(|value| value == wanted)
}

/// `NotPrincipal` is everyone except the listed principals.
fn is_for_everyone(statement: &Value) -> bool {
    is_anonymous(statement) || statement.get("NotPrincipal").is_some()
}

/// Whether it names anonymous readers.
pub(super) fn is_anonymous(statement: &Value) -> bool {
    has(statement, "Principal", "*")
        || values(statement.get("Principal").and_then(|principal| principal.get("AWS")))
            .any(|principal| principal == "*")
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
pub(super) fn matches(pattern: &str, text: &str) -> bool {
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

/// `Statement` may be one object instead of a list.
pub(super) fn statements(policy: &mut Map<String, Value>) -> Result<&mut Vec<Value>, String> {
    let member = policy.entry("Statement").or_insert_with(|| Value::Array(Vec::new()));
    if member.is_object() {
        *member = Value::Array(vec![member.take()]);
    }
    member.as_array_mut().ok_or_else(|| "its Statement is neither an object nor a list".to_owned())
}

pub(super) fn values(value: Option<&Value>) -> impl Iterator<Item = &str> {
    let list = match value {
        Some(Value::Array(list)) => list.as_slice(),
        Some(single) => std::slice::from_ref(single),
        None => &[],
    };
    list.iter().filter_map(Value::as_str)
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
