//! Principals that IAM rejects.

use super::*;

#[test]
fn a_deleted_principal_in_any_statement_does_not_pass() {
    for (principal, named) in [
        (json!({"AWS": "AROAEXAMPLE27HJSWAHEP"}), "role that was deleted"),
        (json!({"AWS": ["111122223333", "AIDACKCEVSQ6C2EXAMPLE"]}), "user that was deleted"),
        (json!({"AWS": "arn:aws:iam::111122223333:role/*"}), "wildcard"),
        (json!({"AWS": "arn:aws:iam::111122223333:group/a"}), "group"),
        (json!({"AWS": "12345"}), "12 digits"),
        (json!({"Service": "ec2"}), "service principal"),
        (json!({"Federated": "arn:aws:iam::1234:saml-provider/x"}), "12 digits"),
        (json!({"AWS": "arn:aws:iam::000000000000:root"}), "does not exist"),
        (
            json!({"CanonicalUser": "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"}),
            "bucket",
        ),
    ] {
        let other = json!({"Sid": "Other", "Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"});
        let report = judge(&[good(), other], &options());
        assert_eq!(faults(&report), ["!principal-rejected"], "{principal}");
        let finding = report.findings.iter().find(|f| f.id == "principal-rejected").unwrap();
        assert!(
            finding.message.contains(named) && finding.message.contains("Other"),
            "{finding:?}"
        );
    }
    let mut ours = good();
    ours["Principal"]["AWS"] = json!("AROAEXAMPLE27HJSWAHEP");
    assert_faults(&[ours], &["!principal-rejected"]);
    let denied = json!({"Effect": "Deny", "NotPrincipal": {"Federated": PROVIDER, "AWS": "AROAEXAMPLE27HJSWAHEP"}, "Action": "sts:*"});
    assert_faults(&[good(), denied], &["!principal-rejected"]);
}

#[test]
fn an_account_that_is_none_is_called_so() {
    let message = |account: &str| {
        let arn = PROVIDER.replace("111122223333", account);
        let options = LintOptions { account: None, ..options() };
        let report = judge(&[with("Principal", json!({"Federated": arn}))], &options);
        assert_eq!(faults(&report), ["!provider-account"], "{account}");
        report.findings.iter().find(|f| f.id == "provider-account").unwrap().message.clone()
    };
    for (account, named) in [
        ("", "without an account ID"),
        ("123456789", "9 digits instead of 12"),
        ("1111222233334", "13 digits"),
        ("ACCOUNT_ID", "placeholder \"ACCOUNT_ID\""),
        ("${AWS_ACCOUNT_ID}", "placeholder"),
        ("<111122223333>", "placeholder"),
        ("1111-2222-3333", "does not consist of 12 digits"),
        ("000000000000", "does not exist"),
    ] {
        assert!(message(account).contains(named), "{account}: {}", message(account));
    }
    // An emulator of AWS has it.
    let arn = PROVIDER.replace("111122223333", "000000000000");
    let emulator = LintOptions { account: Some("000000000000".parse().unwrap()), ..options() };
    let report = judge(&[with("Principal", json!({"Federated": arn}))], &emulator);
    assert_eq!(faults(&report), [""; 0]);
}
