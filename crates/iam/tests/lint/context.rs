//! Conditions on what a request with a service-account token does not have.

use super::*;

/// A healthy statement with one more condition.
fn further(operator: &str, key: &str, value: Value) -> Value {
    let mut statement = good();
    statement["Condition"][operator][key] = value;
    statement
}

#[test]
fn a_condition_on_a_key_that_no_such_request_has_does_not_pass() {
    for (operator, key, value) in [
        ("StringEquals", "aws:SourceAccount", "111122223333"),
        ("ArnLike", "aws:SourceArn", "arn:aws:s3:::bucket"),
        ("Bool", "aws:MultiFactorAuthPresent", "true"),
        ("NumericLessThan", "aws:MultiFactorAuthAge", "3600"),
        ("Null", "aws:MultiFactorAuthPresent", "false"),
        ("StringEquals", "aws:PrincipalOrgID", "o-1234567890"),
        ("StringEquals", "aws:PrincipalTag/team", "a"),
        ("ArnEquals", "aws:PrincipalArn", "arn:aws:iam::111122223333:role/node"),
        ("StringEquals", "sts:ExternalId", "secret"),
        ("StringLike", "aws:RequestTag/team", "*"),
        ("ForAnyValue:StringEquals", "aws:TagKeys", "team"),
        ("StringEquals", "AWS:sourceaccount", "111122223333"),
        ("StringEquals", "ec2:Region", "us-east-1"),
    ] {
        let report = judge(&[further(operator, key, json!(value))], &options());
        assert_eq!(faults(&report), ["!key-absent"], "{operator} {key}");
        let finding = report.findings.iter().find(|f| f.id == "key-absent").unwrap();
        assert!(finding.message.contains(key), "{finding:?}");
    }
}

#[test]
fn a_condition_that_is_met_without_its_key_is_a_warning() {
    for (operator, key, value) in [
        ("BoolIfExists", "aws:MultiFactorAuthPresent", "true"),
        ("StringNotEquals", "aws:SourceAccount", "999999999999"),
        ("ArnNotLike", "aws:PrincipalArn", "arn:aws:iam::*:role/x"),
        ("ForAllValues:StringEquals", "aws:TagKeys", "team"),
        ("Null", "aws:TokenIssueTime", "true"),
    ] {
        assert_faults(&[further(operator, key, json!(value))], &["key-absent"]);
    }
}

#[test]
fn a_key_with_one_value_in_every_request_is_judged_by_it() {
    assert_faults(&[further("Bool", "aws:SecureTransport", json!(true))], &[]);
    assert_faults(&[further("Bool", "aws:SecureTransport", json!("false"))], &["!key-constant"]);
    assert_faults(&[further("Bool", "aws:ViaAWSService", json!("true"))], &["!key-constant"]);
    assert_faults(
        &[further("StringEquals", "aws:RequestedRegion", json!("us-east-1"))],
        &["key-other"],
    );
}

#[test]
fn a_denial_of_requests_without_a_key_denies_the_tokens() {
    let deny = |operator: &str, key: &str, value: &str| json!({"Effect": "Deny", "Principal": "*", "Action": "sts:*", "Condition": {operator: {key: value}}});
    for (statement, expected) in [
        (deny("StringNotEquals", "aws:PrincipalOrgID", "o-1234567890"), vec!["!deny"]),
        (deny("BoolIfExists", "aws:MultiFactorAuthPresent", "false"), vec!["!deny"]),
        (deny("Null", "aws:PrincipalArn", "true"), vec!["!deny"]),
        (deny("Bool", "aws:MultiFactorAuthPresent", "false"), vec![]),
        (deny("Bool", "aws:SecureTransport", "false"), vec![]),
        (deny("StringEquals", "aws:PrincipalAccount", "999999999999"), vec![]),
        (deny("NotIpAddress", "aws:SourceIp", "192.0.2.0/24"), vec!["deny"]),
    ] {
        assert_faults(&[good(), statement], &expected);
    }
}

#[test]
fn claims_of_kubernetes_that_aws_does_not_offer_are_named() {
    for claim in [
        "kubernetes.io/namespace",
        "kubernetes.io/serviceaccount/name",
        "kubernetes.io",
        "kubernetes.io.namespace",
        "namespace",
        "groups",
    ] {
        let key = format!("{ISSUER}:{claim}");
        let report = judge(&[further("StringEquals", &key, json!("default"))], &options());
        assert_eq!(faults(&report), ["!key-claim"], "{claim}");
        let finding = report.findings.iter().find(|f| f.id == "key-claim").unwrap();
        assert!(finding.message.contains("Kubernetes"), "{finding:?}");
        assert!(finding.fix.as_deref().unwrap().contains("system:serviceaccount:"));
    }
    let negated =
        further("StringNotEquals", &format!("{ISSUER}:kubernetes.io/namespace"), json!("x"));
    assert_faults(&[negated], &["key-claim"]);
    let scheme =
        further("StringEquals", &format!("https://{ISSUER}:kubernetes.io/namespace"), json!("x"));
    assert_faults(&[scheme], &["!key-scheme"]);
}

#[test]
fn a_placeholder_instead_of_the_issuer_is_not_a_service() {
    for placeholder in ["${OIDC_PROVIDER}", "OIDC_PROVIDER", "<issuer>"] {
        let key = format!("{placeholder}:sub");
        let statement = condition(json!({"StringEquals": {AUD: "sts.amazonaws.com", key: APP}}));
        assert_faults(&[statement], &["!key-issuer"]);
    }
}

#[test]
fn conditions_that_no_token_meets_together_do_not_pass() {
    let both = |one: (&str, Value), two: (&str, Value)| {
        let mut statement = condition(json!({"StringEquals": {AUD: "sts.amazonaws.com"}}));
        statement["Condition"][one.0][SUB] = one.1;
        statement["Condition"][two.0][SUB] = two.1;
        statement
    };
    let any = LintOptions { service_account: None, ..options() };
    let jobs = "system:serviceaccount:jobs:*";
    for (one, two, expected) in [
        (("StringEquals", json!(APP)), ("StringLike", json!(jobs)), vec!["!sub-contradiction"]),
        (
            ("StringEquals", json!(APP)),
            ("StringNotLike", json!("*:app")),
            vec!["!sub-contradiction"],
        ),
        (("StringEquals", json!(APP)), ("StringEqualsIgnoreCase", json!(APP)), vec![]),
        (
            ("StringLike", json!(jobs)),
            ("ForAnyValue:StringLike", json!("system:serviceaccount:default:*")),
            vec!["!sub-contradiction"],
        ),
        (
            ("StringEquals", json!([APP, "system:serviceaccount:jobs:run"])),
            ("StringLike", json!(jobs)),
            vec![],
        ),
    ] {
        let report = judge(&[both(one, two)], &any);
        let found: Vec<String> =
            faults(&report).into_iter().filter(|id| id.starts_with('!')).collect();
        assert_eq!(found, expected, "{report:#?}");
    }
    let aud = condition(
        json!({"StringEquals": {AUD: "sts.amazonaws.com", SUB: APP}, "StringLike": {AUD: "vault*"}}),
    );
    assert_faults(&[aud], &["!aud-contradiction", "!aud-mismatch"]);
}
