//! What IAM itself takes no policy with.

use super::*;

/// The policy of a healthy statement, changed somewhere.
fn policy(change: impl Fn(&mut Value)) -> Value {
    let mut policy = json!({"Version": "2012-10-17", "Statement": [good()]});
    change(&mut policy);
    policy
}

#[track_caller]
fn assert_refused(policy: &Value, expected: &[&str]) {
    let report = lint(&policy.to_string(), &options()).unwrap();
    assert_eq!(faults(&report), expected, "{policy:#} {report:#?}");
    let consequences = report.findings.iter().filter(|finding| finding.status == Status::Fail);
    for finding in consequences {
        assert_eq!(
            finding.consequence.as_deref(),
            Some("IAM returns MalformedPolicyDocument"),
            "{finding:#?}"
        );
    }
}

#[test]
fn a_sid_with_anything_but_letters_and_digits_does_not_pass() {
    for sid in [json!("My-Statement"), json!("two words"), json!("été"), json!(1), Value::Null] {
        assert_refused(
            &policy(|policy| policy["Statement"][0]["Sid"] = sid.clone()),
            &["!sid-form"],
        );
    }
    for sid in ["", "Any", "42"] {
        assert_refused(&policy(|policy| policy["Statement"][0]["Sid"] = json!(sid)), &[]);
    }
}

#[test]
fn the_same_sid_twice_does_not_pass() {
    let ec2 = |sid: &str| json!({"Sid": sid, "Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"});
    assert_faults(&[with("Sid", json!("Same")), ec2("Same"), ec2("Same")], &["!sid-twice"]);
    assert_faults(&[with("Sid", json!("Same")), ec2("same")], &[]);
    // What templates write that give none.
    assert_faults(&[with("Sid", json!("")), ec2("")], &[]);
}

#[test]
fn members_that_iam_does_not_know_do_not_pass() {
    assert_refused(&policy(|policy| policy["Comment"] = json!("ours")), &["!member-unknown"]);
    assert_refused(
        &policy(|policy| policy["Statement"][0]["Comment"] = json!("ours")),
        &["!member-unknown"],
    );
    assert_refused(
        &policy(|policy| policy["Statement"][0]["sid"] = json!("Ours")),
        &["!member-unknown"],
    );
    assert_refused(
        &policy(|policy| policy["Statement"][0]["Principal"]["Oidc"] = json!(PROVIDER)),
        &["!member-unknown"],
    );
    assert_refused(&policy(|policy| policy["Id"] = json!("ours")), &[]);
    let report = lint(
        &policy(|policy| policy["Statement"][0]["sid"] = json!("Ours")).to_string(),
        &options(),
    )
    .unwrap();
    assert!(
        report.findings.iter().any(|finding| finding.fix.as_deref() == Some("write Sid")),
        "{report:#?}"
    );
}

#[test]
fn an_id_that_is_not_a_string_does_not_pass() {
    for id in [json!(3), json!(true), json!(["ours"]), Value::Null] {
        assert_refused(&policy(|policy| policy["Id"] = id.clone()), &["!id-form"]);
    }
}

#[test]
fn a_value_that_its_operator_cannot_compare_does_not_pass() {
    let further = |operator: &str, key: &str, value: Value| {
        let mut statement = good();
        statement["Condition"][operator][key] = value;
        statement
    };
    for (operator, key, wrong, right) in [
        ("IpAddress", "aws:SourceIp", json!("not-an-ip"), json!(["192.0.2.0/24", "2001:db8::/32"])),
        (
            "NotIpAddress",
            "aws:VpcSourceIp",
            json!(["192.0.2.1", "192.0.2.300"]),
            json!("192.0.2.1"),
        ),
        ("DateLessThan", "aws:CurrentTime", json!("tomorrow"), json!("2030-01-01T00:00:00Z")),
        ("DateGreaterThan", "aws:EpochTime", json!("2030/01/01"), json!(1893456000)),
        ("NumericLessThanEquals", "sts:DurationSeconds", json!("1h"), json!(3600)),
        ("Bool", "aws:SomethingNew", json!("yes"), json!(true)),
        ("Null", "aws:SourceVpce", json!("no"), json!(false)),
        ("ArnLike", "aws:SomeArn", json!("role/app"), json!("arn:aws:iam::*:role/app")),
    ] {
        let report = judge(&[further(operator, key, wrong.clone())], &options());
        let found = faults(&report);
        assert!(found.contains(&"!condition-value".to_owned()), "{operator} {wrong}: {found:?}");
        let finding = report.findings.iter().find(|f| f.id == "condition-value").unwrap();
        assert!(finding.message.contains(key) && finding.message.contains(operator), "{finding:?}");
        let found = faults(&judge(&[further(operator, key, right.clone())], &options()));
        assert!(!found.contains(&"!condition-value".to_owned()), "{operator} {right}: {found:?}");
    }
    // Of others, too.
    let ec2 = json!({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole",
        "Condition": {"IpAddress": {"aws:SourceIp": "here"}}});
    assert_faults(&[good(), ec2], &["!condition-value"]);
}

#[test]
fn members_that_exclude_each_other_do_not_pass_together() {
    assert_refused(
        &policy(|policy| policy["Statement"][0]["NotAction"] = json!("sts:AssumeRole")),
        &["!member-both"],
    );
    let both = policy(|policy| policy["Statement"][0]["NotPrincipal"] = json!({"AWS": "*"}));
    assert!(
        faults(&lint(&both.to_string(), &options()).unwrap()).contains(&"!member-both".to_owned())
    );
}

#[test]
fn a_resource_does_not_pass_in_a_trust_policy() {
    for member in ["Resource", "NotResource"] {
        assert_refused(
            &policy(|policy| policy["Statement"][0][member] = json!("*")),
            &["!statement-resource"],
        );
    }
}

#[test]
fn a_version_that_there_is_none_of_does_not_pass() {
    for version in [json!("2024-01-01"), json!("2012-10-18"), json!(2012), Value::Null] {
        assert_refused(&policy(|policy| policy["Version"] = version.clone()), &["!policy-version"]);
    }
    // IAM takes none for the older one.
    assert_refused(&json!({"Statement": [good()]}), &["policy-version"]);
}

#[test]
fn an_operator_that_there_is_none_of_does_not_pass() {
    for operator in
        ["StringMatches", "stringequal", "NullIfExists", "ForSomeValues:StringEquals", ""]
    {
        let condition = json!({"StringEquals": {AUD: "sts.amazonaws.com", SUB: APP}, operator: {"aws:SourceIp": "x"}});
        let change = |policy: &mut Value| policy["Statement"][0]["Condition"] = condition.clone();
        assert_refused(&policy(change), &["!operator-unknown", "key-other"]);
        let condition = json!({"StringEquals": {AUD: "sts.amazonaws.com"}, operator: {SUB: APP}});
        let change = |policy: &mut Value| policy["Statement"][0]["Condition"] = condition.clone();
        assert_refused(&policy(change), &["!operator-unknown"]);
    }
    let known = json!({"StringEquals": {AUD: "sts.amazonaws.com", SUB: APP},
        "DateLessThanIfExists": {"aws:CurrentTime": "2030-01-01T00:00:00Z"}, "Bool": {"aws:SecureTransport": true},
        "NumericLessThan": {"sts:DurationSeconds": 3600}, "ForAllValues:ArnLike": {"aws:PrincipalArn": "arn:*"}});
    assert_refused(
        &policy(|policy| policy["Statement"][0]["Condition"] = known.clone()),
        &["key-other", "key-other", "key-absent"],
    );
}

#[test]
fn conditions_that_are_no_texts_do_not_pass() {
    for value in [json!({}), json!({"a": "b"}), Value::Null, json!([["a"]]), json!([null])] {
        let condition = json!({"StringEquals": {AUD: "sts.amazonaws.com", SUB: [APP]}, "StringLike": {SUB: value}});
        let report = lint(
            &policy(|policy| policy["Statement"][0]["Condition"] = condition.clone()).to_string(),
            &options(),
        )
        .unwrap();
        assert!(faults(&report).contains(&"!condition-form".to_owned()), "{report:#?}");
        assert!(!faults(&report).contains(&"!condition-empty".to_owned()), "{report:#?}");
    }
    for condition in [json!([]), json!("x"), json!({"StringEquals": APP})] {
        let report = lint(
            &policy(|policy| policy["Statement"][0]["Condition"] = condition.clone()).to_string(),
            &options(),
        )
        .unwrap();
        assert!(faults(&report).contains(&"!condition-form".to_owned()), "{report:#?}");
    }
}

#[test]
fn the_form_of_statements_of_others_counts_too() {
    let other = |change: Value| {
        let mut statement = json!({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"});
        for (member, value) in change.as_object().unwrap() {
            statement[member] = value.clone();
        }
        statement
    };
    for (change, expected) in [
        (json!({"Sid": "a b"}), "!sid-form"),
        (json!({"Effect": "allow"}), "!statement-effect"),
        (json!({"Resource": "*"}), "!statement-resource"),
        (json!({"Condition": {"StringIs": {"aws:SourceIp": "x"}}}), "!operator-unknown"),
        (json!({"Comment": "x"}), "!member-unknown"),
        (json!({"Principal": "ec2.amazonaws.com"}), "!member-missing"),
        (json!({"Action": []}), "!member-missing"),
        (json!({"Action": ["sts:AssumeRole", "s3:GetObject"]}), "!action-service"),
        (json!({"NotAction": "sts:AssumeRole"}), "!member-both"),
    ] {
        assert_faults(&[good(), other(change)], &[expected]);
    }
    // A statement of a policy for permissions.
    let mut permissions = other(json!({}));
    permissions.as_object_mut().unwrap().remove("Principal");
    assert_faults(&[good(), permissions], &["!member-missing"]);
}
