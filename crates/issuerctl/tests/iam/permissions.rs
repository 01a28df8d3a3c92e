//! A run with the printed policy and nothing else.

use std::collections::BTreeSet;

use issuer_test_support::AccountPolicy;
use serde_json::{Value, json};

use crate::lab::{BUCKET, Issuer, Lab, WHOLE};

/// Everything of a role is another one later.
fn later() -> String {
    let later = WHOLE.replace("s3:GetObject", "s3:ListBucket").replace("s3:PutObject", "s3:Get*");
    later
        .replace("ReadOnlyAccess", "SecurityAudit")
        .replace("7200", "3600")
        .replace("in:", "other:")
}

/// The printed policy, of IAM and of S3.
fn printed(lab: &Lab, line: &str) -> (Value, BTreeSet<String>) {
    lab.iam.allow_everything();
    let (out, _) = lab.run(&format!("{line} --print-iam-policy --output text"), 0);
    let mut policy: Value = serde_json::from_str(&out).unwrap();
    let statements: Vec<Value> = policy["Statement"].as_array().unwrap().clone();
    let actions = |statement: &Value| match &statement["Action"] {
        Value::Array(list) => list.clone(),
        one => vec![one.clone()],
    };
    let (s3, iam): (Vec<_>, Vec<_>) = statements
        .into_iter()
        .partition(|statement| actions(statement)[0].as_str().unwrap().starts_with("s3:"));
    policy["Statement"] = json!(iam);
    let s3 = s3.iter().flat_map(actions).map(|action| action.as_str().unwrap().to_owned());
    (policy, s3.collect())
}

/// Runs a command with what it prints, and nothing else. S3 refuses nothing, so its calls are
/// compared with the printed actions afterwards.
#[track_caller]
fn suffices(lab: &Lab, line: &str, options: &str, code: i32) {
    let (policy, s3) = printed(lab, line);
    lab.iam.allow_only(policy);
    lab.s3.take_log();
    lab.run(&format!("{line} {options}"), code);
    for call in lab.s3.take_log() {
        let action = action(call.split(' ').next().unwrap());
        assert!(s3.contains(&action), "{line} calls {call}, and prints {s3:?}");
    }
}

/// The permission of a call (Service Authorization Reference, "Amazon S3").
fn action(call: &str) -> String {
    let action = match call {
        "HeadBucket" | "ListObjectsV2" => "ListBucket",
        "GetPublicAccessBlock" => "GetBucketPublicAccessBlock",
        "PutPublicAccessBlock" => "PutBucketPublicAccessBlock",
        other => other,
    };
    format!("s3:{action}")
}

#[test]
fn plan_apply_and_delete_need_what_they_print() {
    let lab = Lab::new();
    let file = |command: &str| format!("{command} -f issuer.yaml");
    lab.issuers(&[Issuer::prod(WHOLE)]);
    let before = lab.everything();
    suffices(&lab, &file("plan"), "", 7);
    suffices(&lab, &file("apply"), "--no-verify", 0);
    suffices(&lab, &file("plan"), "", 0);
    lab.issuers(&[Issuer::prod(&later())]);
    suffices(&lab, &file("plan"), "", 7);
    suffices(&lab, &file("apply"), "--no-verify", 0);
    // More versions than a policy has room for.
    for object in ["a", "b", "c", "d", "e"] {
        lab.issuers(&[Issuer::prod(&later().replace("s3:Get*", &format!("s3:Get{object}*")))]);
        suffices(&lab, &file("apply"), "--no-verify", 0);
    }
    // Everything of the role leaves the file, and then the role itself.
    let bare = "  provider: {audiences: [sts.amazonaws.com]}\n  roles:\n  - name: app\n    \
                serviceAccounts: [default/app]\n";
    lab.issuers(&[Issuer::prod(bare)]);
    suffices(&lab, &file("apply"), "--no-verify", 0);
    assert!(lab.iam.account().policies.is_empty(), "{:?}", lab.iam.account().policies);
    lab.issuers(&[Issuer::prod(WHOLE)]);
    suffices(&lab, &file("apply"), "--no-verify", 0);
    lab.issuers(&[Issuer::prod("  provider: {audiences: [sts.amazonaws.com]}\n")]);
    suffices(&lab, &file("plan --prune"), "", 7);
    suffices(&lab, &file("apply --prune"), "--no-verify", 0);
    assert!(lab.iam.account().roles.is_empty(), "{:?}", lab.iam.account().roles);
    lab.issuers(&[Issuer::prod(WHOLE)]);
    suffices(&lab, &file("apply"), "--no-verify", 0);
    suffices(&lab, &file("delete"), "--dry-run", 0);
    suffices(&lab, &file("delete"), "", 0);
    assert_eq!(lab.everything(), before);
}

#[test]
fn a_role_of_another_path_and_boundary_needs_what_is_printed() {
    let lab = Lab::new();
    lab.s3.make_bucket(BUCKET);
    let more =
        "    path: /apps/\n    permissionsBoundary: arn:aws:iam::aws:policy/PowerUserAccess\n";
    let iam = format!("{}{more}", WHOLE.trim_end_matches(' '));
    let at = |boundary: &str| iam.replace("PowerUserAccess", boundary);
    lab.issuers(&[Issuer { create: false, access: "none", ..Issuer::prod(&iam) }]);
    suffices(&lab, "apply -f issuer.yaml", "--no-verify", 0);
    let other = at("ViewOnlyAccess");
    lab.issuers(&[Issuer { create: false, access: "none", ..Issuer::prod(&other) }]);
    suffices(&lab, "apply -f issuer.yaml", "--no-verify", 0);
    let role = lab.iam.account().roles["app"].clone();
    assert!(role.boundary.is_some_and(|boundary| boundary.ends_with("ViewOnlyAccess")));
    suffices(&lab, "delete -f issuer.yaml", "", 0);
    assert!(lab.iam.account().roles.is_empty());
}

#[test]
fn the_commands_about_one_provider_or_role_need_what_they_print() {
    let lab = Lab::new();
    let document = |action: &str| {
        let statement = json!({"Effect": "Allow", "Action": action, "Resource": "*"});
        json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()
    };
    lab.file("policy.json", &document("s3:GetObject"));
    lab.file("later.json", &document("s3:ListBucket"));
    let issuer = "--issuer https://oidc.example.com/prod";
    suffices(&lab, &format!("provider apply {issuer} --tag team=platform"), "--no-verify", 0);
    suffices(&lab, &format!("provider apply {issuer} --audience more"), "--no-verify", 0);
    let prune = format!("provider apply {issuer} --audience more --prune");
    suffices(&lab, &prune, "--no-verify", 0);
    let thumbprint = "--audience more --thumbprint 06b25927c42a721631c1efd9431e648fa62e1e39";
    suffices(&lab, &format!("provider apply {issuer} {thumbprint}"), "--no-verify", 0);
    suffices(&lab, &format!("provider show {issuer}"), "", 0);

    let role = format!("role apply app {issuer} --service-account default/app");
    let policies = |file: &str| {
        format!(
            "{role} --policy-arn arn:aws:iam::aws:policy/ReadOnlyAccess --inline-policy in={file} \
             --managed-policy app-s3={file} --tag team=platform --max-session-duration 7200 \
             --permissions-boundary arn:aws:iam::aws:policy/PowerUserAccess"
        )
    };
    suffices(&lab, &role, "", 0);
    suffices(&lab, &policies("policy.json"), "", 0);
    suffices(&lab, &policies("later.json"), "", 0);
    suffices(&lab, &role, "", 0);
    suffices(&lab, "role show app", "", 0);
    suffices(&lab, &format!("role delete app {issuer}"), "", 0);
    suffices(&lab, &format!("provider delete {issuer}"), "", 0);
    let account = lab.iam.account();
    assert!(account.roles.is_empty() && account.providers.is_empty(), "{account:?}");
    assert_eq!(account.policies.len(), 0, "{account:?}");
}

#[test]
fn a_policy_that_somebody_made_under_a_name_of_the_file_is_said_with_the_printed_policy_too() {
    let lab = Lab::new();
    lab.s3.make_bucket(BUCKET);
    let theirs = json!({"Version": "2012-10-17", "Statement": []});
    lab.iam.change(|account| account.add_policy(AccountPolicy::new("app-s3", &theirs)));
    lab.issuers(&[Issuer { create: false, access: "none", ..Issuer::prod(WHOLE) }]);
    let before = lab.iam.account();
    let (policy, _) = printed(&lab, "apply -f issuer.yaml");
    lab.iam.allow_only(policy);
    let (_, err) = lab.apply(4);
    assert!(err.contains("app-s3"), "{err}");
    assert_eq!(lab.iam.account(), before);
}
