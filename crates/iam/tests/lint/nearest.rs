//! What a policy has instead of what is expected.

use super::*;

#[track_caller]
fn assert_says(statement: Value, id: &str, said: &str) {
    let report = judge(&[statement], &options());
    let finding = report.findings.iter().find(|finding| finding.id == id);
    assert!(finding.is_some_and(|finding| finding.message.contains(said)), "{report:#?}");
}

#[test]
fn the_nearest_audience_and_subject_are_named_with_the_difference() {
    let aud = |value: Value| condition(json!({"StringEquals": {AUD: value, SUB: APP}}));
    let sub =
        |value: Value| condition(json!({"StringEquals": {AUD: "sts.amazonaws.com", SUB: value}}));
    for (value, said) in [
        (json!("sts.amazonaws.com\u{200b}"), "U+200B"),
        (json!(["vault", "sts.amazonaws.com "]), "U+0020"),
        (json!("sts.amazonaws.com.cn"), "additional \".cn\""),
        (json!("sts.\u{430}mazonaws.com"), "U+0430"),
        (json!("vault"), "the policy has \"vault\""),
    ] {
        assert_says(aud(value), "aud-mismatch", said);
    }
    for (value, said) in [
        (json!("system:serviceaccount:default:apps"), "additional \"s\""),
        (json!("system:serviceaccount:defaut:app"), "lacks \"l\""),
        (json!(["system:serviceaccount:jobs:run", "system:serviceaccount:dev:app"]), "dev:app"),
    ] {
        assert_says(sub(value), "sub-mismatch", said);
    }
    assert_says(sub(json!("system:serviceaccount:default:app\u{a0}")), "sub-form", "U+00A0");
}

#[test]
fn the_nearest_issuer_is_named_with_the_difference() {
    let federated = |text: String| with("Principal", json!({"Federated": text}));
    assert_says(federated(PROVIDER.replace("prod", "prd")), "provider-issuer", "lacks \"o\"");
    assert_says(federated(format!("{PROVIDER}\u{200b}")), "provider-issuer", "U+200B");
    let mut other = federated(PROVIDER.replace("prod", "prd"));
    other["Condition"] = json!({"StringEquals": {"oidc.example.com/prd:sub": APP}});
    assert_says(other, "statement-missing", "lacks \"o\"");
    let key = condition(
        json!({"StringEquals": {AUD: "sts.amazonaws.com", "oidc.example.com/prd:sub": APP}}),
    );
    assert_says(key, "key-issuer", "lacks \"o\"");
}
