//! Conditions on the claims of a token.

use super::*;

#[test]
fn aud_and_sub_are_both_needed() {
    let aud = json!({AUD: "sts.amazonaws.com"});
    for (statement, expected) in [
        // The guide that replaces aud by sub.
        (condition(json!({"StringEquals": {SUB: APP}})), vec!["!aud-missing"]),
        (condition(json!({"StringEquals": aud})), vec!["!sub-missing"]),
        (condition(json!({})), vec!["!aud-missing", "!sub-missing"]),
        (condition(Value::Null), vec!["!condition-form", "!aud-missing", "!sub-missing"]),
        (
            condition(json!({"StringEquals": {AUD: "sts.amazonaws.com", SUB: []}})),
            vec!["!condition-empty"],
        ),
        (
            condition(json!({"StringEquals": {AUD: "sts.amazonaws.com"}, "Null": {SUB: "false"}})),
            vec!["!sub-missing"],
        ),
    ] {
        assert_faults(&[statement], &expected);
    }
}

#[test]
fn condition_keys() {
    let keys = |aud: &str, sub: &str| {
        condition(json!({"StringEquals": {aud: "sts.amazonaws.com", sub: APP}}))
    };
    for (statement, expected) in [
        (
            keys("https://oidc.example.com/prod:aud", "https://oidc.example.com/prod:sub"),
            "!key-scheme",
        ),
        (keys(AUD, "https://oidc.example.com/prod:sub"), "!key-scheme"),
        (keys("oidc.example.com/prod/:aud", SUB), "!key-slash"),
        (keys("oidc.example.com/prod/:aud", "oidc.example.com/prod/:sub"), "!key-slash"),
        (keys("https://oidc.example.com/prod/:aud", SUB), "!key-scheme"),
        (keys(AUD, "oidc.example.com/other:sub"), "!key-issuer"),
        (keys("oidc.example.com:aud", "oidc.example.com:sub"), "!key-issuer"),
        (keys(AUD, &format!("{PROVIDER}:sub")), "!key-issuer"),
        (keys(AUD, "sub"), "!key-issuer"),
        (keys(AUD, ISSUER), "!key-issuer"),
        (
            condition(
                json!({"StringEquals": {AUD: "sts.amazonaws.com", SUB: APP, "other.example:aud": "x"}}),
            ),
            "!key-issuer",
        ),
        (
            condition(
                json!({"StringEquals": {AUD: "sts.amazonaws.com"}, "StringNotEquals": {"other.example:sub": "x"}}),
            ),
            "!key-issuer",
        ),
        (
            condition(
                json!({"StringEquals": {AUD: "sts.amazonaws.com", SUB: APP, format!("{ISSUER}:amr"): "x"}}),
            ),
            "!key-claim",
        ),
        (
            condition(
                json!({"StringEquals": {AUD: "sts.amazonaws.com", SUB: APP}, "IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}),
            ),
            "key-other",
        ),
    ] {
        assert_faults(&[statement], &[expected]);
    }
    let report = judge(&[keys("https://oidc.example.com/prod:aud", SUB)], &options());
    assert!(
        report.findings.iter().all(|finding| finding.id != "aud"),
        "a part with a fault does not pass: {report:#?}"
    );
    assert!(report.findings.iter().any(|finding| finding.id == "sub"));
}

#[test]
fn operators() {
    let both = |operator: &str| condition(json!({operator: {AUD: "sts.amazonaws.com", SUB: APP}}));
    let sub = |operator: &str, value: &str| {
        let mut statement = condition(json!({"StringEquals": {AUD: "sts.amazonaws.com"}}));
        statement["Condition"][operator][SUB] = json!(value);
        statement
    };
    for (statement, expected) in [
        (both("StringNotEquals"), vec!["!operator-negated", "!operator-negated"]),
        (sub("StringNotLike", "system:serviceaccount:kube-system:*"), vec!["!operator-negated"]),
        (sub("StringNotEqualsIfExists", APP), vec!["!operator-negated"]),
        (sub("ForAllValues:StringNotEquals", APP), vec!["!operator-negated"]),
        (both("StringEqualsIfExists"), vec!["operator-if-exists", "operator-if-exists"]),
        (sub("StringLikeIfExists", APP), vec!["operator-if-exists"]),
        (sub("ForAnyValue:StringEquals", APP), vec!["operator-set"]),
        (sub("ForAllValues:StringLike", APP), vec!["operator-set"]),
        (sub("ForAllValues:StringEqualsIfExists", APP), vec!["operator-set"]),
        (sub("ArnLike", APP), vec!["!operator-wrong"]),
        (sub("StringMatches", APP), vec!["!operator-unknown"]),
        (sub("Null", "true"), vec!["!operator-wrong"]),
        (sub("StringEquals", "system:serviceaccount:default:*"), vec!["!wildcard-equals"]),
        (sub("StringEquals", "system:serviceaccount:default:ap?"), vec!["!wildcard-equals"]),
        (sub("StringEqualsIgnoreCase", "system:serviceaccount:*:*"), vec!["!wildcard-equals"]),
        (condition(json!({"StringEquals": {AUD: "*", SUB: APP}})), vec!["!wildcard-equals"]),
    ] {
        assert_faults(&[statement], &expected);
    }
}

#[test]
fn audiences() {
    let aud = |operator: &str, value: Value| {
        let mut statement = condition(json!({"StringEquals": {SUB: APP}}));
        statement["Condition"][operator][AUD] = value;
        statement
    };
    for (statement, expected) in [
        (aud("StringEquals", json!("other")), "!aud-mismatch"),
        (aud("StringEquals", json!("https://oidc.example.com/prod")), "!aud-mismatch"),
        (aud("StringLike", json!("other*")), "!aud-mismatch"),
        (aud("StringEquals", json!("STS.amazonaws.com")), "!aud-case"),
        (aud("StringEquals", json!(["sts.amazonaws.com", "other"])), "aud-extra"),
        (aud("StringLike", json!("*")), "aud-wildcard"),
        (aud("StringLike", json!("sts.*")), "aud-wildcard"),
    ] {
        assert_faults(&[statement], &[expected]);
    }
    // Each audience that was asked for has to get in; none asked for is the usual one.
    let two = LintOptions {
        audiences: vec!["vault".parse().unwrap(), "sts.amazonaws.com".parse().unwrap()],
        ..options()
    };
    assert_eq!(faults(&judge(&[good()], &two)), ["!aud-mismatch"]);
    assert_eq!(
        faults(&judge(&[aud("StringEquals", json!(["sts.amazonaws.com", "vault"]))], &two)),
        [""; 0]
    );
    assert_eq!(
        faults(&judge(&[good()], &LintOptions { audiences: Vec::new(), ..options() })),
        [""; 0]
    );
    let star = LintOptions { audiences: vec!["team-*".parse().unwrap()], ..options() };
    assert_eq!(faults(&judge(&[aud("StringEquals", json!("team-*"))], &star)), [""; 0]);
}

#[test]
fn a_wildcard_that_is_escaped_is_a_plain_character_and_no_operator_makes_it_one() {
    let sub = |operator: &str, value: &str| {
        let mut statement = condition(json!({"StringEquals": {AUD: "sts.amazonaws.com"}}));
        statement["Condition"][operator][SUB] = json!([APP, value]);
        statement
    };
    for (operator, value) in [
        ("StringEquals", "system:serviceaccount:default:app${?}"),
        ("StringLike", "system:serviceaccount:default:app${?}"),
        ("StringLike", "system:serviceaccount:default:${*}"),
        ("StringEqualsIgnoreCase", "system:serviceaccount:default:${*}"),
    ] {
        let report = judge(&[sub(operator, value)], &options());
        assert_eq!(faults(&report), ["!sub-form"], "{operator} {value}");
        let finding = report.findings.iter().find(|finding| finding.id == "sub-form").unwrap();
        assert!(finding.fix.as_deref().unwrap().contains("without ${}"), "{finding:?}");
    }
    // What the fix says.
    let fixed = sub("StringLike", "system:serviceaccount:default:app?");
    assert_faults(&[fixed], &["sub-wildcard"]);
}

#[test]
fn subjects() {
    let sub = |operator: &str, value: Value| {
        let mut statement = condition(json!({"StringEquals": {AUD: "sts.amazonaws.com"}}));
        statement["Condition"][operator][SUB] = value;
        statement
    };
    for (statement, expected) in [
        (sub("StringLike", json!("*")), "!sub-wide"),
        (sub("StringLike", json!("system:serviceaccount:*")), "!sub-wide"),
        (sub("StringLike", json!("system:serviceaccount:*:*")), "!sub-wide"),
        (sub("StringLike", json!("system:serviceaccount:default*")), "!sub-wide"),
        (sub("StringLike", json!([APP, "system:serviceaccount:job-?:run*"])), "sub-wildcard"),
        (sub("StringLike", json!([APP, "system:serviceaccount:job-?:*run"])), "!sub-wide"),
        (sub("StringEquals", json!([APP, "system:serviceaccount:default:app-"])), "!sub-form"),
        (sub("StringLike", json!("system:serviceaccount:default:*")), "sub-wildcard"),
        (sub("StringLike", json!("system:serviceaccount:*:app")), "sub-wildcard"),
        (sub("StringEquals", json!("default/app")), "!sub-form"),
        (sub("StringEquals", json!("default:app")), "!sub-form"),
        (sub("StringEquals", json!("system:serviceaccount:default/app")), "!sub-form"),
        (sub("StringEquals", json!(format!("{APP} "))), "!sub-form"),
        (sub("StringEquals", json!([APP, "system:node:n1"])), "!sub-form"),
        (sub("StringEquals", json!("system:serviceaccount:Default:app")), "!sub-case"),
        (sub("StringLike", json!("System:ServiceAccount:default:*")), "!sub-case"),
        (sub("StringEquals", json!("system:serviceaccount:default:other")), "!sub-mismatch"),
        (
            condition(
                json!({"StringEquals": {AUD: "sts.amazonaws.com", SUB: APP}, "StringNotLike": {SUB: "*:app"}}),
            ),
            "!sub-contradiction",
        ),
    ] {
        assert_faults(&[statement], &[expected]);
    }
    let wild = sub("StringLike", json!("system:serviceaccount:jobs:*"));
    assert_faults(std::slice::from_ref(&wild), &["sub-wildcard", "!sub-mismatch"]);
    // One of several statements is enough, and without a service account none is looked for.
    assert_faults(
        &[sub("StringEquals", json!("system:serviceaccount:default:other")), good()],
        &[],
    );
    let any = LintOptions { service_account: None, ..options() };
    assert_eq!(faults(&judge(&[wild], &any)), ["sub-wildcard"]);
}
