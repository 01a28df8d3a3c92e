//! The evaluator of the other tests, against what the IAM user guide says of each operator.

mod evaluator;

use evaluator::{Request, allows, conditions_hold, like};
use serde_json::{Value, json};

const PROVIDER: &str = "arn:aws:iam::111122223333:oidc-provider/oidc.example.com/prod";

fn holds(condition: &Value, context: &[(&str, &[&str])]) -> bool {
    let request =
        context.iter().fold(Request::default(), |request, (key, values)| request.with(key, values));
    conditions_hold(condition, &request)
}

/// "IAM JSON policy elements: Condition operators", "String condition operators".
#[test]
fn string_operators() {
    let key = "aws:PrincipalTag/job-category";
    let with = |value: &str, condition: &Value| holds(condition, &[(key, &[value])]);
    let equals = json!({"StringEquals": {key: "iamuser-admin"}});
    assert!(
        with("iamuser-admin", &equals)
            && !with("IamUser-Admin", &equals)
            && !with("iamuser", &equals)
    );
    assert!(!holds(&equals, &[]), "the key is not there");
    let star = json!({"StringEquals": {key: "iamuser-*"}});
    assert!(!with("iamuser-admin", &star) && with("iamuser-*", &star), "no wildcard there");
    let not = json!({"StringNotEquals": {key: "iamuser-admin"}});
    assert!(!with("iamuser-admin", &not) && with("other", &not) && holds(&not, &[]));
    let ignore = json!({"StringEqualsIgnoreCase": {key: "IAMUSER-admin"}});
    assert!(with("iamuser-ADMIN", &ignore) && !with("iamuser", &ignore));
    let like =
        json!({"StringLike": {"s3:prefix": ["", "home/", "home/${aws:username}/", "pub/?"]}});
    assert!(
        holds(&like, &[("s3:prefix", &["home/"])]) && holds(&like, &[("s3:prefix", &["pub/x"])])
    );
    assert!(holds(&like, &[("s3:prefix", &[""])]) && !holds(&like, &[("s3:prefix", &["pub/xy"])]));
    let not_like = json!({"StringNotLike": {key: ["iam*", "sts*"]}});
    assert!(!with("iamuser", &not_like) && !with("sts", &not_like) && with("ec2", &not_like));
}

/// The same page, "...IfExists condition operators" and "Condition operator to check existence of
/// condition keys".
#[test]
fn keys_that_are_not_there() {
    let condition = json!({"StringLikeIfExists": {"ec2:InstanceType": ["t1.*", "t2.*", "m3.*"]}});
    assert!(holds(&condition, &[]) && holds(&condition, &[("ec2:InstanceType", &["t2.nano"])]));
    assert!(!holds(&condition, &[("ec2:InstanceType", &["c5.large"])]));
    let null = json!({"Null": {"aws:TokenIssueTime": "true"}});
    assert!(
        holds(&null, &[]) && !holds(&null, &[("aws:TokenIssueTime", &["2013-01-01T00:00:00Z"])])
    );
    let exists = json!({"Null": {"aws:TokenIssueTime": false}});
    assert!(
        !holds(&exists, &[])
            && holds(&exists, &[("aws:TokenIssueTime", &["2013-01-01T00:00:00Z"])])
    );
}

/// "Set operators for multivalued context keys": the tables of `ForAllValues` and `ForAnyValue`
/// with `aws:TagKeys`.
#[test]
fn keys_with_several_values() {
    let tags = |values: &'static [&'static str]| [("aws:TagKeys", values)];
    let all = json!({"ForAllValues:StringEquals": {"aws:TagKeys": ["environment", "cost-center"]}});
    assert!(
        holds(&all, &tags(&["environment"])) && holds(&all, &tags(&["cost-center", "environment"]))
    );
    assert!(
        !holds(&all, &tags(&["environment", "dept"]))
            && holds(&all, &tags(&[]))
            && holds(&all, &[])
    );
    let any = json!({"ForAnyValue:StringEquals": {"aws:TagKeys": ["environment", "cost-center"]}});
    assert!(holds(&any, &tags(&["environment", "dept"])) && !holds(&any, &tags(&["dept"])));
    assert!(!holds(&any, &tags(&[])) && !holds(&any, &[]));
    let not = json!({"ForAnyValue:StringNotEquals": {"aws:TagKeys": ["environment"]}});
    assert!(holds(&not, &tags(&["environment", "dept"])) && !holds(&not, &tags(&["environment"])));
    let all_not = json!({"ForAllValues:StringNotLike": {"aws:TagKeys": ["key1*"]}});
    assert!(holds(&all_not, &tags(&["a", "b"])) && !holds(&all_not, &tags(&["a", "key1x"])));
}

/// "Conditions with multiple context keys or values": AND between operators and keys, OR between
/// values, NOR under a negation.
#[test]
fn keys_and_operators_add_up_and_values_are_a_choice() {
    let condition = json!({
        "StringEquals": {"aws:PrincipalTag/department": ["finance", "hr"], "aws:PrincipalTag/role": "audit"},
        "StringNotEquals": {"aws:RequestedRegion": ["eu-west-1", "eu-west-2"]},
    });
    let with = |department, role, region| {
        let context: [(&str, &[&str]); 3] = [
            ("aws:principaltag/Department", &[department]),
            ("aws:PrincipalTag/role", &[role]),
            ("aws:RequestedRegion", &[region]),
        ];
        holds(&condition, &context)
    };
    assert!(with("hr", "audit", "us-east-1") && with("finance", "audit", "us-east-1"));
    assert!(
        !with("it", "audit", "us-east-1")
            && !with("hr", "dev", "us-east-1")
            && !with("hr", "audit", "eu-west-2")
    );
}

/// "Create a role for OpenID Connect federation": the trust policy of its example, and what changes
/// in it.
#[test]
fn a_role_for_oidc_federation() {
    let request = Request::token(
        PROVIDER,
        "oidc.example.com/prod",
        "sts.amazonaws.com",
        "system:serviceaccount:a:b",
    );
    let with = |member: &str, value: Value| {
        let mut statement = json!({
            "Effect": "Allow",
            "Principal": {"Federated": PROVIDER},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": {"OIDC.example.com/prod:AUD": "sts.amazonaws.com"}},
        });
        statement[member] = value;
        statement
    };
    let judged = |statements: &[Value]| {
        allows(&json!({"Version": "2012-10-17", "Statement": statements}), &request)
    };
    let good = with("Sid", json!("Good"));
    assert!(judged(std::slice::from_ref(&good)), "names of keys are not case-sensitive");
    assert!(allows(&json!({"Statement": good}), &request), "one statement without a list");
    assert!(!judged(&[]), "access is denied where nothing allows it");
    assert!(!judged(&[good.clone(), with("Effect", json!("Deny"))]), "an explicit Deny wins");
    let other = json!({"Federated": PROVIDER.to_uppercase()});
    assert!(judged(&[good.clone(), {
        let mut deny = with("Effect", json!("Deny"));
        deny["Principal"] = other.clone();
        deny
    }]));
    for (member, value, expected) in [
        ("Action", json!(["sts:TagSession", "STS:assumerolewithwebidentity"]), true),
        ("Action", json!("sts:Assume*"), true),
        ("Action", json!("sts:AssumeRole"), false),
        ("NotAction", json!("sts:AssumeRole"), true),
        ("NotAction", json!("sts:*"), false),
        ("Principal", other, false),
        ("Principal", json!({"Federated": ["cognito-identity.amazonaws.com", PROVIDER]}), true),
        ("Principal", json!({"AWS": PROVIDER}), false),
        ("Principal", json!({"Service": "ec2.amazonaws.com"}), false),
        ("Principal", json!("*"), true),
        (
            "Condition",
            json!({"StringEquals": {"https://oidc.example.com/prod:aud": "sts.amazonaws.com"}}),
            false,
        ),
        ("Condition", json!({"NumericEquals": {"oidc.example.com/prod:aud": "1"}}), false),
        ("Condition", json!({}), true),
    ] {
        assert_eq!(judged(&[with(member, value.clone())]), expected, "{member} {value}");
    }
}

#[test]
fn stars_and_question_marks() {
    for (pattern, text, expected) in [
        ("", "", true),
        ("*", "", true),
        ("a*c", "abbc", true),
        ("a*c", "abbd", false),
        ("?", "", false),
        ("a?c", "aéc", true),
        ("*:*", "a:b:c", true),
        ("**b", "ab", true),
    ] {
        assert_eq!(like(pattern, text), expected, "{pattern} {text}");
    }
}
