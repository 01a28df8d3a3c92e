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

#[test]
fn an_empty_array_of_values_is_never_met_whatever_the_key_is() {
    for (operator, key, expected) in [
        ("StringEquals", "aws:RequestedRegion", "!condition-empty"),
        ("StringLike", "aws:SourceVpce", "!condition-empty"),
        ("IpAddress", "aws:SourceIp", "!condition-empty"),
        ("DateLessThan", "aws:CurrentTime", "!condition-empty"),
        ("ForAnyValue:StringEquals", "aws:RequestedRegion", "!condition-empty"),
        ("StringNotEquals", "aws:RequestedRegion", "condition-empty"),
        ("NotIpAddress", "aws:SourceIp", "condition-empty"),
        ("StringEqualsIfExists", "aws:SourceVpce", "condition-empty"),
        ("ForAllValues:StringEquals", "aws:RequestedRegion", "condition-empty"),
    ] {
        let mut statement = good();
        statement["Condition"][operator][key] = json!([]);
        assert_faults(&[statement], &[expected]);
    }
}

#[test]
fn a_time_that_is_over_lets_nobody_in_and_one_to_come_is_a_warning() {
    // 2030-01-01T00:00:00Z
    let now = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_893_456_000);
    let at = LintOptions { now: Some(now), ..options() };
    for (operator, key, value, expected) in [
        ("DateLessThan", "aws:CurrentTime", json!("2020-01-01"), "!time-over"),
        ("DateLessThanEquals", "AWS:currenttime", json!("2029-12-31T23:59:59Z"), "!time-over"),
        ("dateLessThanIfExists", "aws:CurrentTime", json!(["2020", "2021-05"]), "!time-over"),
        ("DateEquals", "aws:CurrentTime", json!("2020-01-01"), "!time-over"),
        ("DateLessThan", "aws:EpochTime", json!("1577836800"), "!time-over"),
        ("NumericLessThan", "aws:EpochTime", json!(1_577_836_800), "!time-over"),
        ("DateLessThan", "aws:CurrentTime", json!("2030-01-01T00:00:01Z"), "key-other"),
        ("DateLessThan", "aws:CurrentTime", json!(["2020-01-01", "2040-01-01"]), "key-other"),
        ("DateGreaterThan", "aws:CurrentTime", json!("2020-01-01"), "key-other"),
        ("DateNotEquals", "aws:CurrentTime", json!("2020-01-01"), "key-other"),
        ("DateGreaterThan", "aws:CurrentTime", json!("2040-01-01"), "time-later"),
        ("DateGreaterThanEquals", "aws:EpochTime", json!(2_000_000_000), "time-later"),
        ("DateEquals", "aws:CurrentTime", json!("2040-01-01"), "time-later"),
    ] {
        let mut statement = good();
        statement["Condition"][operator][key] = value.clone();
        let report = judge(&[statement.clone()], &at);
        assert_eq!(faults(&report), [expected], "{operator} {key} {value}");
        // Without a clock nothing is said about it.
        assert_faults(&[statement], &["key-other"]);
    }
    // A Deny of the past denies nothing.
    let deny = |value: &str| json!({"Effect": "Deny", "Principal": "*", "Action": "sts:*", "Condition": {"DateLessThan": {"aws:CurrentTime": value}}});
    assert_eq!(faults(&judge(&[good(), deny("2020-01-01")], &at)), [""; 0]);
    assert_eq!(faults(&judge(&[good(), deny("2040-01-01")], &at)), ["deny"]);
}
