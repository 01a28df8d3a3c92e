//! What statements beside the issuer's let in.

use super::*;

#[test]
fn a_statement_beside_ours_that_lets_every_account_in_does_not_pass() {
    for principal in
        [json!("*"), json!({"AWS": "*"}), json!({"AWS": ["arn:aws:iam::111122223333:root", "*"]})]
    {
        for action in [
            json!("sts:AssumeRole"),
            json!(["sts:TagSession", "STS:assumerole"]),
            json!("sts:AssumeRole?"),
        ] {
            let open = |action: &Value| json!({"Effect": "Allow", "Principal": principal, "Action": action});
            let expected: &[&str] = if action == "sts:AssumeRole?" { &[] } else { &["!everybody"] };
            assert_faults(&[good(), open(&action)], expected);
        }
        let open = json!({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", "Condition": {}});
        assert_faults(&[open, good()], &["!everybody"]);
    }
    let but_one = json!({"Effect": "Allow", "NotPrincipal": {"AWS": "arn:aws:iam::999999999999:root"}, "Action": "sts:AssumeRole"});
    assert_faults(&[good(), but_one], &["!everybody"]);
}

#[test]
fn a_statement_that_lets_everybody_in_under_a_condition_is_a_warning() {
    let open = |condition: Value| json!({"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole", "Condition": condition});
    for condition in [
        json!({"StringEquals": {"aws:PrincipalOrgID": "o-1234567890"}}),
        json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/ci-*"}}),
    ] {
        assert_faults(&[good(), open(condition)], &["everybody"]);
    }
}

#[test]
fn statements_that_keep_everybody_out_or_name_who_gets_in_are_no_fault() {
    for statement in [
        json!({"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole"}),
        json!({"Effect": "Allow", "Principal": "*", "Action": "sts:TagSession"}),
        json!({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}),
        json!({"Effect": "Allow", "Principal": {"AWS": "999999999999"}, "Action": "sts:AssumeRole"}),
    ] {
        assert_faults(&[good(), statement], &[]);
    }
}
