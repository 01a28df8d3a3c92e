//! Permissions policies given by the user.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::Error;

/// Policy documents by name.
pub type Documents = BTreeMap<String, Value>;

/// Checks version, statements and their required elements (IAM user guide, "Grammar of the IAM JSON
/// policy language"), so that IAM does not reject the policy after other resources are created.
///
/// # Errors
/// [`Error::NotAPolicy`].
pub fn check_permissions(document: &Value) -> Result<(), Error> {
    let not = |reason: String| Err(Error::NotAPolicy { reason });
    match document.get("Version").map(Value::as_str) {
        Some(Some("2012-10-17")) => {}
        Some(_) => return not("its Version is not \"2012-10-17\"".to_owned()),
        None => return not("it has no Version; IAM requires \"2012-10-17\"".to_owned()),
    }
    let statements = match document.get("Statement") {
        Some(Value::Array(statements)) if !statements.is_empty() => statements.as_slice(),
        Some(statement @ Value::Object(_)) => std::slice::from_ref(statement),
        Some(_) => {
            return not("its Statement is neither a statement nor a list of statements".to_owned());
        }
        None => return not("it has no Statement".to_owned()),
    };
    for (index, statement) in statements.iter().enumerate() {
        let number = index + 1;
        let has_one_of =
            |a: &str, b: &str| statement.get(a).is_some() != statement.get(b).is_some();
        if !matches!(statement.get("Effect").and_then(Value::as_str), Some("Allow" | "Deny")) {
            return not(format!("the Effect of statement {number} is neither Allow nor Deny"));
        }
        for (a, b) in [("Action", "NotAction"), ("Resource", "NotResource")] {
            if !has_one_of(a, b) {
                return not(format!("statement {number} needs one of {a} and {b}"));
            }
        }
        if statement.get("Principal").is_some() || statement.get("NotPrincipal").is_some() {
            return not(format!(
                "statement {number} has a Principal, which identity-based policies do not have"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_iam_rejects_is_rejected_before_anything_is_created() {
        let whole = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}"#;
        let check = |text: &str| check_permissions(&serde_json::from_str(text).unwrap());
        assert_eq!(check(whole), Ok(()));
        assert_eq!(check(&whole.replace(":[{", ":{").replace("}]}", "}}")), Ok(()));
        for (from, to, reason) in [
            (r#""Version":"2012-10-17","#, "", "no Version"),
            ("2012-10-17", "2008-10-17", "Version"),
            ("Allow", "allow", "Effect"),
            (r#""Action":"s3:GetObject","#, "", "Action"),
            (r#""Action""#, r#""NotAction":"x","Action""#, "Action"),
            (r#","Resource":"*""#, "", "Resource"),
            (r#"[{"#, r#"[{"Principal":"*","#, "Principal"),
            (r#"[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]"#, "[]", "Statement"),
            (r#"[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]"#, "[1]", "Effect"),
        ] {
            assert!(whole.contains(from), "{from}");
            let error = check(&whole.replace(from, to)).unwrap_err();
            assert!(error.to_string().contains(reason), "{error}");
        }
        assert!(check("3").is_err() && check("[]").is_err());
    }
}
