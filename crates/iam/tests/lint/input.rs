//! Policies as people have them at hand.

use super::*;

/// A policy with a fault that shows that it was the one judged.
fn policy() -> Value {
    json!({"Version": "2012-10-17", "Statement": [condition(json!({"StringEquals": {SUB: APP}}))]})
}

/// As IAM's API has it (RFC 3986).
fn encoded(policy: &Value) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    policy
        .to_string()
        .bytes()
        .map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

#[test]
fn a_policy_is_judged_in_every_form_in_which_aws_and_editors_hand_it_out() {
    let (policy, encoded) = (policy(), encoded(&policy()));
    let role = json!({"Path": "/", "RoleName": "app", "AssumeRolePolicyDocument": policy, "MaxSessionDuration": 3600});
    let mut raw = role.clone();
    raw["AssumeRolePolicyDocument"] = json!(encoded);
    for text in [
        policy.to_string(),
        format!("\u{feff}{policy:#}\r\n"),
        format!("{:#}", json!({"Role": role})),
        role.to_string(),
        json!({"Role": raw}).to_string(),
        format!("\u{feff}{}", json!({"Role": raw})),
        format!("{encoded}\n"),
        encoded.replace("%7B", "%7b").replace("%3A", "%3a"),
        format!("\"{encoded}\"\n"),
        json!(policy.to_string()).to_string(),
    ] {
        let report = lint(&text, &options()).unwrap();
        assert_eq!(faults(&report), ["!aud-missing"], "{text}");
    }
}

#[test]
fn the_size_of_a_policy_is_not_that_of_what_is_around_it() {
    let mut role =
        json!({"Role": {"Description": "x".repeat(5000), "AssumeRolePolicyDocument": policy()}});
    assert_eq!(faults(&lint(&role.to_string(), &options()).unwrap()), ["!aud-missing"]);
    role["Role"]["AssumeRolePolicyDocument"] = json!(encoded(&policy()));
    assert_eq!(faults(&lint(&role.to_string(), &options()).unwrap()), ["!aud-missing"]);
}

#[test]
fn members_twice_are_found_within_a_role_too() {
    let role = json!({"Role": {"AssumeRolePolicyDocument": policy()}}).to_string();
    let twice = role.replace("\"StringEquals\":", "\"StringEquals\":{},\"StringEquals\":");
    assert_eq!(faults(&lint(&twice, &options()).unwrap()), ["!member-twice", "!aud-missing"]);
}

#[test]
fn what_holds_no_policy_is_still_an_error_that_says_where() {
    for (text, reason) in [
        ("{\"Role\": {\n  \"AssumeRolePolicyDocument\": {,}\n}}", "line 2 column 32"),
        ("\u{feff}{\n}", "no Statement"),
        ("%7B%22Statement%22%3A%5B%2C", "line 1 column 15"),
        ("%ff", "not UTF-8"),
        ("\"\"", "line 1"),
        ("{\"Role\": {\"RoleName\": \"app\"}}", "no Statement"),
        ("{\"Role\": {\"AssumeRolePolicyDocument\": 1}}", "not a JSON object"),
    ] {
        let error = lint(text, &options()).unwrap_err();
        assert!(
            matches!(error, Error::NotAPolicy { .. }) && error.to_string().contains(reason),
            "{text}: {error}"
        );
    }
}
