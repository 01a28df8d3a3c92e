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

#[test]
fn a_principal_that_is_no_text_is_not_passed_over() {
    for principal in [
        json!({"AWS": null}),
        json!({"AWS": []}),
        json!({"AWS": {"a": 1}}),
        json!({"AWS": [["111122223333"]]}),
        json!({"AWS": ["111122223333", null]}),
        json!({"AWS": true}),
        json!({"Service": {}}),
        json!({"Federated": [], "AWS": "111122223333"}),
    ] {
        let other = json!({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"});
        assert_faults(&[good(), other], &["!principal-form"]);
    }
    let mut ours = good();
    ours["Principal"]["AWS"] = json!([]);
    assert_faults(&[ours], &["!principal-form"]);
    // Templates have account IDs as numbers.
    let number = json!({"Effect": "Allow", "Principal": {"AWS": 111_122_223_333_u64}, "Action": "sts:AssumeRole"});
    assert_faults(&[good(), number], &[]);
}

#[test]
fn names_that_no_role_user_or_service_has_do_not_pass() {
    for principal in [
        json!({"AWS": "arn:aws:iam::111122223333:user/x y"}),
        json!({"AWS": "arn:aws:iam::111122223333:role/a\tb"}),
        json!({"AWS": ["arn:aws:sts::111122223333:assumed-role/app/a b"]}),
        json!({"Service": "*"}),
        json!({"Service": ["ec2.amazonaws.com", "*"]}),
    ] {
        let other = json!({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"});
        assert_faults(&[good(), other], &["!principal-rejected"]);
    }
    let mut ours = good();
    ours["Principal"]["Service"] = json!("*");
    assert_faults(&[ours], &["!principal-wildcard"]);
}

#[test]
fn a_principal_of_another_partition_than_the_role_does_not_pass() {
    for principal in [
        json!({"AWS": "arn:aws-cn:iam::111122223333:root"}),
        json!({"AWS": ["111122223333", "arn:aws-us-gov:iam::111122223333:role/app"]}),
        json!({"Federated": "arn:aws-cn:iam::111122223333:saml-provider/x"}),
    ] {
        let other = json!({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"});
        assert_faults(&[good(), other.clone()], &["!principal-partition"]);
        let cn = with("Principal", json!({"Federated": PROVIDER.replace("aws:", "aws-cn:")}));
        let same = json!({"Effect": "Allow", "Principal": {"AWS": "arn:aws-cn:iam::111122223333:root"}, "Action": "sts:AssumeRole"});
        assert_faults(&[cn, same], &[]);
    }
}
