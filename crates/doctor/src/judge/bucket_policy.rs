//! What a bucket policy says about anonymous readers of one object, who come from the internet over TLS.

use issuer_iam::glob;
use serde_json::Value;

/// What a policy makes of an anonymous read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// No statement allows it.
    Others,
    /// A statement allows it, and none denies it.
    Allows,
    /// It may: a condition on these keys decides, and is not judged.
    AllowsIf(Vec<String>),
    /// A statement denies it.
    Denies,
    /// A statement allows it, and another may deny it by a condition on these keys.
    DeniesIf(Vec<String>),
}

/// Keys that a request without credentials, and not from a VPC, does not have.
const ABSENT: [&str; 5] = [
    "aws:principalorgid",
    "aws:principalaccount",
    "aws:principalarn",
    "aws:sourcevpc",
    "aws:sourcevpce",
];

/// The verdict on `s3:GetObject` of an object, `BUCKET/KEY`.
pub(super) fn judge(policy: &str, object: &str) -> Verdict {
    let Ok(policy) = serde_json::from_str::<Value>(policy) else { return Verdict::Others };
    let about = list(&policy["Statement"]).into_iter().filter(|own| is_about(own, object));
    let about: Vec<&Value> = about.collect();
    let of = |effect: &'static str| about.iter().filter(move |own| own["Effect"] == effect);
    let holds = |own: &&&Value| holds(&own["Condition"]);
    let keys = |effect: &'static str| -> Vec<String> {
        let unjudged = of(effect).filter(|own| holds(own).is_none());
        let mut keys: Vec<String> = unjudged.flat_map(|own| keys(&own["Condition"])).collect();
        keys.sort();
        keys.dedup();
        keys
    };
    let (allows, denies) = (keys("Allow"), keys("Deny"));
    if of("Deny").any(|own| holds(&own) == Some(true)) {
        Verdict::Denies
    } else if of("Allow").any(|own| holds(&own) == Some(true)) {
        match denies.is_empty() {
            true => Verdict::Allows,
            false => Verdict::DeniesIf(denies),
        }
    } else if allows.is_empty() {
        Verdict::Others
    } else {
        Verdict::AllowsIf(allows)
    }
}

/// Whether principal, action and resource of a statement are those of the read.
fn is_about(statement: &Value, object: &str) -> bool {
    let texts = |member: &str| -> Vec<&str> {
        list(&statement[member]).into_iter().filter_map(Value::as_str).collect()
    };
    let is_everybody = |principal: &Value| {
        let all = list(principal).into_iter().chain(list(&principal["AWS"]));
        all.into_iter().any(|one| *one == "*")
    };
    let principal = match statement.get("NotPrincipal") {
        Some(others) => !is_everybody(others),
        None => is_everybody(&statement["Principal"]),
    };
    let is_read = |action: &&str| glob(&action.to_ascii_lowercase(), "s3:getobject");
    let action = match statement.get("NotAction") {
        Some(_) => !texts("NotAction").iter().any(is_read),
        None => texts("Action").iter().any(is_read),
    };
    // `arn:PARTITION:s3:::BUCKET/KEY`
    let is_object = |arn: &&str| glob(arn.splitn(6, ':').nth(5).unwrap_or(arn), object);
    let resource = match statement.get("NotResource") {
        Some(_) => !texts("NotResource").iter().any(is_object),
        None => texts("Resource").iter().any(is_object),
    };
    principal && action && resource
}

/// Whether a condition holds; `None` if that is not known.
fn holds(condition: &Value) -> Option<bool> {
    let operators = condition.as_object().into_iter().flatten();
    let each = operators.flat_map(|(operator, keys)| {
        let keys = keys.as_object().into_iter().flatten();
        keys.map(move |(key, values)| meets(operator, key, values))
    });
    // All of them have to hold.
    let all: Vec<Option<bool>> = each.collect();
    match all.contains(&Some(false)) {
        true => Some(false),
        false => all.iter().all(Option::is_some).then_some(true),
    }
}

/// Whether the request meets one key of a condition.
fn meets(operator: &str, key: &str, values: &Value) -> Option<bool> {
    let (key, operator) = (key.to_ascii_lowercase(), operator.to_ascii_lowercase());
    let values: Vec<String> = list(values)
        .into_iter()
        .map(|own| own.as_str().map_or_else(|| own.to_string(), str::to_owned))
        .collect();
    let if_exists = operator.strip_suffix("ifexists");
    let plain = if_exists.unwrap_or(&operator);
    if ABSENT.contains(&key.as_str()) {
        // A negated operator holds for a key that the request does not have.
        let is_negated = plain.contains("not");
        return match plain {
            "null" => Some(values.iter().any(|own| own == "true")),
            set if set.contains(':') => None,
            _ => Some(if_exists.is_some() || is_negated),
        };
    }
    match (key.as_str(), plain) {
        ("aws:securetransport", "bool") => Some(values.iter().any(|own| own == "true")),
        // The hosts of S3 refuse older versions, and TLS 1.3 may be in use or not.
        ("s3:tlsversion", "numericlessthan") => {
            let asked = values.iter().filter_map(|own| own.parse::<f64>().ok());
            asked.map(|own| own <= 1.2).min().and_then(|is_met| is_met.then_some(false))
        }
        _ => None,
    }
}

fn keys(condition: &Value) -> Vec<String> {
    let operators = condition.as_object().into_iter().flat_map(|own| own.values());
    operators.filter_map(Value::as_object).flat_map(|own| own.keys().cloned()).collect()
}

fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(list) => list.iter().collect(),
        Value::Null => Vec::new(),
        one => vec![one],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn allow() -> Value {
        json!({"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/p/*"})
    }

    fn with(statement: &Value, member: &str, value: Value) -> Value {
        let mut changed = statement.clone();
        changed[member] = value;
        changed
    }

    fn judged(statements: &[Value]) -> Verdict {
        judge(&json!({"Statement": statements}).to_string(), "b/p/keys.json")
    }

    #[test]
    fn what_a_statement_is_about_is_told_with_its_wildcards_and_negations() {
        for (member, value, allows) in [
            ("Resource", json!("arn:aws:s3:::b/p/keys.json"), true),
            ("Resource", json!(["arn:aws-cn:s3:::b/?/*.json"]), true),
            ("Resource", json!("arn:aws:s3:::b/other/*"), false),
            ("Resource", json!("arn:aws:s3:::c/p/keys.json"), false),
            ("Action", json!("s3:GetObject*"), true),
            ("Action", json!(["s3:Get*"]), true),
            ("Action", json!("s3:GetObjectVersion"), false),
            ("NotAction", json!("s3:PutObject"), true),
            ("NotAction", json!("s3:*"), false),
            ("Principal", json!({"AWS": ["*"]}), true),
            ("Principal", json!({"AWS": "arn:aws:iam::1:root"}), false),
        ] {
            let expected = if allows { Verdict::Allows } else { Verdict::Others };
            let mut changed = with(&allow(), member, value);
            if member == "NotAction" {
                changed.as_object_mut().unwrap().remove("Action");
            }
            assert_eq!(judged(std::slice::from_ref(&changed)), expected, "{changed}");
        }
        let deny = with(&allow(), "Effect", json!("Deny"));
        assert_eq!(judged(&[allow(), deny.clone()]), Verdict::Denies);
        let mut others = with(&deny, "NotPrincipal", json!({"AWS": "arn:aws:iam::1:root"}));
        others.as_object_mut().unwrap().remove("Principal");
        assert_eq!(judged(&[allow(), others]), Verdict::Denies);
        let mut resource = with(&deny, "NotResource", json!("arn:aws:s3:::b/p/*"));
        resource.as_object_mut().unwrap().remove("Resource");
        assert_eq!(judged(&[allow(), resource]), Verdict::Allows);
    }

    #[test]
    fn a_condition_that_cannot_be_judged_is_named_and_not_guessed() {
        let tls = json!({"NumericLessThan": {"s3:TlsVersion": "1.2"}});
        let plain = json!({"Bool": {"aws:SecureTransport": "false"}});
        let network = json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}});
        let outside = json!({"StringNotEquals": {"aws:SourceVpce": "vpce-1"}});
        let deny = with(&allow(), "Effect", json!("Deny"));
        for (statements, verdict) in [
            (vec![with(&deny, "Condition", tls.clone())], Verdict::Others),
            (vec![allow(), with(&deny, "Condition", tls)], Verdict::Allows),
            (vec![allow(), with(&deny, "Condition", plain)], Verdict::Allows),
            (vec![allow(), with(&deny, "Condition", outside)], Verdict::Denies),
            (
                vec![with(&allow(), "Condition", network.clone())],
                Verdict::AllowsIf(vec!["aws:SourceIp".to_owned()]),
            ),
            (
                vec![allow(), with(&deny, "Condition", network)],
                Verdict::DeniesIf(vec!["aws:SourceIp".to_owned()]),
            ),
        ] {
            assert_eq!(judged(&statements), verdict, "{statements:?}");
        }
    }
}
