//! Roles by the command line: what is added, what goes, and what is listed.

use issuer_test_support::{AccountPolicy, AccountProvider, AccountRole};
use serde_json::{Value, json};

use crate::lab::{Issuer, Lab, PROVIDER, SMALL, theirs};

const URL: &str = "https://oidc.example.com/prod";

fn apply(lab: &Lab, options: &str) -> (String, String) {
    lab.run(&format!("role apply app --issuer {URL} {options}"), 0)
}

fn provider(lab: &Lab, path: &str) {
    let url = format!("oidc.example.com/{path}");
    lab.iam
        .change(|account| account.add_provider(AccountProvider::new(&url, &["sts.amazonaws.com"])));
}

#[test]
fn a_second_service_account_replaces_the_first_with_a_warning_and_add_keeps_it() {
    let lab = Lab::new();
    provider(&lab, "prod");
    apply(
        &lab,
        "--service-account default/app --policy-arn arn:aws:iam::aws:policy/ReadOnlyAccess",
    );
    let (_, err) = apply(&lab, "--service-account default/app2 --dry-run");
    assert!(err.contains("warning: default/app can no longer assume the role app"), "{err}");
    assert!(err.contains("hint: to keep it, give it too (--service-account NS/NAME)"), "{err}");
    assert!(err.contains("--add"), "{err}");
    // What the hint says.
    let (_, err) =
        apply(&lab, "--service-account default/app --service-account default/app2 --dry-run");
    assert!(!err.contains("no longer") && !err.contains("to keep it"), "{err}");
    let (_, err) = apply(&lab, "--service-account default/app2 --add");
    assert!(!err.contains("no longer"), "{err}");
    apply(&lab, "--add --policy-arn arn:aws:iam::aws:policy/SecurityAudit");
    let role = lab.iam.account().roles["app"].clone();
    let trust = role.trust_policy().to_string();
    assert!(trust.contains(":default:app\"") && trust.contains(":default:app2\""), "{trust}");
    assert_eq!(role.attached.len(), 2);
    let (_, err) = apply(&lab, "--add");
    assert!(err.contains("nothing to do") || err.contains("no changes"), "{err}");
    // Without --add a service account is required.
    lab.run(&format!("role apply app --issuer {URL}"), 2);
}

#[test]
fn deleting_a_role_that_does_not_exist_is_one_message_and_a_success() {
    let lab = Lab::new();
    let (out, err) = lab.run("role delete nope", 0);
    assert_eq!(out, "");
    let said: Vec<&str> = err.lines().filter(|line| !line.starts_with("AWS:")).collect();
    assert_eq!(said, ["the role nope does not exist: nothing to do"]);
    let (out, _) = lab.run("role delete nope --dry-run", 0);
    assert_eq!(out, "no changes\n");
    let (out, _) = lab.run("role delete nope --output json", 0);
    assert!(out.contains("\"changed\": false"), "{out}");
}

#[test]
fn a_role_for_an_issuer_without_provider_is_a_warning_with_the_nearest_one() {
    let lab = Lab::new();
    provider(&lab, "prod");
    provider(&lab, "test");
    let typo = "role apply app --issuer https://oidc.example.com/prd --service-account default/app";
    let (_, err) = lab.run(&format!("{typo} --dry-run"), 0);
    assert!(err.contains("has no OIDC provider for https://oidc.example.com/prd"), "{err}");
    assert!(err.contains(PROVIDER) && err.contains("an additional \"o\""), "{err}");
    let (_, err) = apply(&lab, "--service-account default/app");
    assert!(!err.contains("has no OIDC provider"), "{err}");
    // Whoever may not list the providers can still make the role, with the printed policy even so.
    lab.iam.deny("ListOpenIDConnectProviders");
    let (_, err) = lab.run(&format!("{typo} --verbose"), 0);
    assert!(err.contains("was not looked up") && !err.contains("has no OIDC provider"), "{err}");
}

#[test]
fn roles_and_providers_are_listed_and_a_deletion_names_the_roles_that_stay() {
    let lab = Lab::new();
    lab.issuers(&[Issuer::prod(SMALL)]);
    lab.apply(0);
    apply(&lab, "--service-account default/app2 --add");
    lab.run(&format!("role apply other --issuer {URL} --service-account jobs/*"), 0);
    let ec2 = json!({"Version": "2012-10-17", "Statement": [theirs("Theirs")]});
    lab.iam.change(|account| {
        account.roles.insert("nodes".to_owned(), AccountRole::new(&ec2));
    });
    let (out, _) = lab.run("provider list --output text", 0);
    assert_eq!(out, format!("{URL}\n"));
    let (out, _) = lab.run(&format!("role list --issuer {URL} --output text"), 0);
    assert_eq!(out, format!("app    {URL}  default/app default/app2\nother  {URL}  jobs/*\n"));
    let (out, _) = lab.run("role list --output json", 0);
    let list: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(list["roles"][1]["role"], "other");
    assert_eq!(list["roles"][1]["ours"], true);
    let (out, _) = lab.run("role list --issuer https://oidc.example.com/x --output text", 0);
    assert_eq!(out, "");
    for line in ["role list", "provider list"] {
        let (out, _) = lab.run(&format!("{line} --print-iam-policy --output text"), 0);
        lab.iam.allow_only(serde_json::from_str(&out).unwrap());
        lab.run(line, 0);
        lab.iam.allow_everything();
    }
    let (_, err) = lab.run("delete -f issuer.yaml --dry-run", 0);
    assert!(err.contains("are kept: other"), "{err}");
}

/// VersityGW: `InvalidAction: Could not find operation ListAttachedRolePolicies`.
#[test]
fn an_account_without_managed_policies_has_roles_all_the_same() {
    let lab = Lab::new();
    provider(&lab, "prod");
    apply(&lab, "--service-account default/app");
    for line in ["role show app", "role delete app"] {
        lab.iam.fail_once("ListAttachedRolePolicies", "InvalidAction");
        lab.run(line, 0);
    }
    assert!(!lab.iam.account().roles.contains_key("app"));
}

/// Makes a policy of the account; its ARN follows from its name.
fn make_policy(lab: &Lab, name: &str) {
    let document = json!({"Version": "2012-10-17", "Statement": []});
    lab.iam.change(|account| account.add_policy(AccountPolicy::new(name, &document)));
}

#[test]
fn policies_that_do_not_exist_are_named_with_their_fields_before_anything_is_written() {
    let lab = Lab::new();
    let role = "
    permissionsBoundary: arn:aws:iam::111122223333:policy/bounds
  - name: other
    serviceAccounts: [default/other]
    policyArns: [arn:aws:iam::aws:policy/ReadOnlyAccess, arn:aws:iam::111122223333:policy/later]
";
    lab.issuers(&[Issuer::prod(&format!("{}{role}", SMALL.trim_end()))]);
    let before = lab.everything();
    let plan = lab.run("plan -f issuer.yaml", 3).1;
    for err in [plan, lab.apply(3).1] {
        for part in [
            "policy/bounds of the role app does not exist",
            "policy/later of the role other does not exist",
            "correct spec.roles[0].permissionsBoundary, spec.roles[1].policyArns[1], or create",
        ] {
            assert!(err.contains(part), "{part}: {err}");
        }
    }
    assert!(lab.everything() == before, "something was written");
    make_policy(&lab, "bounds");
    make_policy(&lab, "later");
    lab.apply(0);

    // What a role has already is not looked up again.
    lab.iam.clear_log();
    lab.plan(0);
    assert!(!lab.iam.log().iter().any(|request| request.action == "GetPolicy"));
}

#[test]
fn a_policy_that_an_option_names_and_that_does_not_exist_is_said_of_the_option() {
    let lab = Lab::new();
    provider(&lab, "prod");
    let missing = "arn:aws:iam::111122223333:policy/later";
    let line = format!(
        "role apply app --issuer {URL} --service-account default/app --policy-arn {missing}"
    );
    let (_, err) = lab.run(&line, 3);
    assert!(err.contains(&format!("correct --policy-arn {missing}")), "{err}");
    assert!(lab.iam.account().roles.is_empty());
}

#[test]
fn a_policy_that_may_not_be_looked_up_is_attached_all_the_same() {
    let lab = Lab::new();
    lab.iam.deny("GetPolicy");
    lab.issuers(&[Issuer::prod(SMALL)]);
    lab.apply(0);
    assert_eq!(lab.iam.account().roles["app"].attached.len(), 1);
}

#[test]
fn a_policy_that_the_same_issuer_creates_is_not_missing() {
    let lab = Lab::new();
    let iam = "
  roles:
  - name: app
    serviceAccounts: [default/app]
    policyArns: [arn:aws:iam::111122223333:policy/shared]
  - name: other
    serviceAccounts: [default/other]
    managedPolicies:
      shared: {Version: \"2012-10-17\", Statement: [{Effect: Allow, Action: \"s3:GetObject\", Resource: \"*\"}]}
";
    lab.issuers(&[Issuer::prod(iam)]);
    lab.plan(7);
}
