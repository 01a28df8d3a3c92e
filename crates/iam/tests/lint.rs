//! What the lint of trust policies finds.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "lint/conditions.rs"]
mod conditions;
#[path = "lint/context.rs"]
mod context;
#[path = "lint/form.rs"]
mod form;
#[path = "lint/input.rs"]
mod input;
#[path = "lint/nearest.rs"]
mod nearest;
#[path = "lint/others.rs"]
mod others;
#[path = "lint/partitions.rs"]
mod partitions;
#[path = "lint/rejected.rs"]
mod rejected;

use issuer_discovery::{IssuerUrl, Partition, Ports};
use issuer_iam::{Error, LintOptions, LintReport, Status, Trust, TrustPolicy, lint};
use serde_json::{Value, json};

const ISSUER: &str = "oidc.example.com/prod";
const PROVIDER: &str = "arn:aws:iam::111122223333:oidc-provider/oidc.example.com/prod";
const AUD: &str = "oidc.example.com/prod:aud";
const SUB: &str = "oidc.example.com/prod:sub";
const APP: &str = "system:serviceaccount:default:app";

fn issuer(text: &str) -> IssuerUrl {
    IssuerUrl::parse(text, Ports::Refuse).unwrap()
}

/// For default/app in account 111122223333.
fn options() -> LintOptions {
    LintOptions {
        service_account: Some("default/app".parse().unwrap()),
        account: Some("111122223333".parse().unwrap()),
        ..LintOptions::new(issuer("https://oidc.example.com/prod"))
    }
}

/// A healthy statement.
fn good() -> Value {
    json!({
        "Effect": "Allow",
        "Principal": {"Federated": PROVIDER},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {AUD: "sts.amazonaws.com", SUB: APP}},
    })
}

/// The healthy statement with one member changed.
fn with(member: &str, value: Value) -> Value {
    let mut statement = good();
    statement[member] = value;
    statement
}

fn condition(value: Value) -> Value {
    with("Condition", value)
}

fn judge(statements: &[Value], options: &LintOptions) -> LintReport {
    let policy = json!({"Version": "2012-10-17", "Statement": statements});
    lint(&policy.to_string(), options).unwrap()
}

/// The faults alone, `!` before those that fail; each of them says what follows and the mend.
fn faults(report: &LintReport) -> Vec<String> {
    let faults = report.findings.iter().filter(|finding| finding.status != Status::Pass);
    faults
        .map(|finding| {
            assert!(
                finding.consequence.is_some()
                    && finding.fix.is_some()
                    && !finding.message.is_empty()
            );
            format!("{}{}", if finding.status == Status::Fail { "!" } else { "" }, finding.id)
        })
        .collect()
}

#[track_caller]
fn assert_faults(statements: &[Value], expected: &[&str]) {
    let report = judge(statements, &options());
    assert_eq!(faults(&report), expected, "{statements:#?} {report:#?}");
    assert_eq!(report.passed(), !expected.iter().any(|id| id.starts_with('!')));
}

#[test]
fn a_healthy_policy_has_nothing_but_passes() {
    for service_accounts in [vec!["default/app"], vec!["default/app", "jobs/run"]] {
        let trust = Trust {
            partition: Partition::of_region("eu-west-1"),
            account: "111122223333".parse().unwrap(),
            issuer: issuer("https://oidc.example.com/prod"),
            audiences: vec!["sts.amazonaws.com".parse().unwrap()],
            service_accounts: service_accounts.iter().map(|text| text.parse().unwrap()).collect(),
        };
        let report =
            lint(&TrustPolicy::new(&[trust]).unwrap().to_json_pretty(), &options()).unwrap();
        let ids: Vec<&str> = report.findings.iter().map(|finding| finding.id).collect();
        assert_eq!(ids, ["statement", "provider", "action", "aud", "sub", "deny", "size"]);
        assert!(report.findings.iter().all(|finding| finding.status == Status::Pass));
    }
}

#[test]
fn what_works_as_well_is_no_fault() {
    for statement in [
        condition(
            json!({"StringEquals": {"OIDC.example.com/Prod:AUD": "sts.amazonaws.com", "oidc.EXAMPLE.com/prod:Sub": APP}}),
        ),
        condition(json!({"StringLike": {AUD: "sts.amazonaws.com", SUB: [APP]}})),
        condition(json!({"stringEquals": {AUD: ["sts.amazonaws.com"], SUB: APP}})),
        condition(
            json!({"StringEqualsIgnoreCase": {AUD: "STS.amazonaws.com", SUB: "system:serviceaccount:Default:app"}}),
        ),
        // What is left out beside what is let in.
        condition(
            json!({"StringEquals": {AUD: "sts.amazonaws.com", SUB: APP}, "StringNotEquals": {SUB: "system:serviceaccount:default:admin"}}),
        ),
        condition(
            json!({"StringEquals": {AUD: "sts.amazonaws.com", SUB: APP}, "StringLike": {SUB: "system:serviceaccount:*"}}),
        ),
        condition(
            json!({"StringEquals": {AUD: "sts.amazonaws.com", SUB: APP}, "Null": {SUB: "false"}}),
        ),
        with(
            "Action",
            json!(["STS:assumeRoleWithWebIdentity", "sts:TagSession", "sts:SetSourceIdentity"]),
        ),
        with("Principal", json!({"Federated": [PROVIDER]})),
        with("Sid", json!("Any")),
    ] {
        assert_faults(&[statement], &[]);
    }
    // One statement without a list around it; the older language; and no account to compare with.
    let policy = json!({"Version": "2008-10-17", "Statement": good()}).to_string();
    assert_eq!(
        faults(&lint(&policy, &LintOptions { account: None, ..options() }).unwrap()),
        [""; 0]
    );
}

#[test]
fn statements_of_others_are_left_alone() {
    let ec2 = json!({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"});
    let people = json!({"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::999999999999:root"}, "Action": "sts:AssumeRole"});
    let other = json!({
        "Effect": "Allow",
        "Principal": {"Federated": "arn:aws:iam::999999999999:oidc-provider/token.actions.githubusercontent.com/"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {"https://token.actions.githubusercontent.com:sub": "*"}},
    });
    // The other issuer's, with keys copied from ours.
    let mut copied = other.clone();
    copied["Condition"] = good()["Condition"].clone();
    let denied = json!({"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"});
    let mut tags = with("Action", json!("sts:TagSession"));
    tags["Condition"] = json!({"StringLike": {"aws:RequestTag/team": "*"}});
    assert_faults(&[tags.clone(), good()], &[]);
    assert_faults(&[tags], &["!action-wrong", "!key-absent", "!aud-missing", "!sub-missing"]);
    assert_faults(&[ec2, people, other.clone(), copied, good(), denied], &[]);
    // Another cluster at the same host.
    let test = json!({"Federated": PROVIDER.replace("prod", "test")});
    let mut statement = with("Principal", test);
    statement["Condition"] = json!({"StringLike": {"oidc.example.com/test:sub": "*"}});
    assert_faults(&[statement.clone(), good()], &[]);
    assert_faults(&[statement], &["!statement-missing"]);
    assert_faults(&[other], &["!statement-missing"]);
    // An issuer that differs in case is another one, if ours is there too.
    let upper = with("Principal", json!({"Federated": PROVIDER.replace("prod", "PROD")}));
    assert_faults(&[upper, good()], &[]);
    assert_faults(&[], &["!statement-missing"]);
}

#[test]
fn principals() {
    let federated = |text: String| with("Principal", json!({"Federated": text}));
    for (statement, expected) in [
        (federated(PROVIDER.replace("prod", "other")), "!provider-issuer"),
        (federated(PROVIDER.replace("oidc.", "other.")), "!provider-issuer"),
        (federated("arn:aws:iam::111122223333:oidc-provider/*".to_owned()), "!provider-issuer"),
        (federated(PROVIDER.replace("oidc.", "https://oidc.")), "!provider-scheme"),
        (federated(format!("{PROVIDER}/")), "!provider-slash"),
        (federated(PROVIDER.replace("prod", "Prod")), "!provider-case"),
        (federated(PROVIDER.replace("oidc-p", "OIDC-P")), "!provider-case"),
        (federated(PROVIDER.replace("1111", "9999")), "!provider-account"),
        (federated(PROVIDER.replace("111122223333", "")), "!provider-account"),
        (federated(PROVIDER.replace("aws:", "aws-gov:")), "!provider-partition"),
        (federated(PROVIDER.replace("oidc-provider", "saml-provider")), "!provider-type"),
        (federated(ISSUER.to_owned()), "!provider-arn"),
        (federated(format!("https://{ISSUER}")), "!provider-arn"),
        (federated(PROVIDER.replace("iam::", "iam:us-east-1:")), "!provider-arn"),
        (with("Principal", json!("*")), "!principal-wildcard"),
        (with("Principal", json!({"AWS": "*"})), "!principal-wildcard"),
        (with("Principal", json!({"Federated": ["*"]})), "!principal-wildcard"),
        (with("Principal", json!({"AWS": PROVIDER})), "!principal-type"),
        (with("Principal", json!({"AWS": "arn:aws:iam::111122223333:root"})), "!principal-type"),
        (with("Principal", json!(PROVIDER)), "!principal-type"),
        (with("Principal", json!([PROVIDER])), "!principal-type"),
        (with("Principal", Value::Null), "!principal-type"),
    ] {
        assert_faults(&[statement], &[expected]);
    }
    // Faults that are mended one by one are named one by one.
    let report = judge(
        &[federated(format!("arn:aws:iam::999999999999:oidc-provider/https://{ISSUER}/"))],
        &options(),
    );
    assert_eq!(faults(&report), ["!provider-account", "!provider-scheme", "!provider-slash"]);
    let fix = report
        .findings
        .iter()
        .find(|finding| finding.id == "provider-slash")
        .unwrap()
        .fix
        .clone()
        .unwrap();
    assert!(fix.contains(PROVIDER), "{fix}");
    // In a list the right one is enough.
    assert_faults(
        &[with("Principal", json!({"Federated": [format!("{PROVIDER}/"), PROVIDER]}))],
        &[],
    );
    assert_faults(
        &[with("Principal", json!({"Federated": [format!("{PROVIDER}/")]}))],
        &["!provider-slash"],
    );
    // Everybody but somebody is everybody, even beside a healthy statement.
    let mut but = with("NotPrincipal", json!({"AWS": "arn:aws:iam::111122223333:root"}));
    but.as_object_mut().unwrap().remove("Principal");
    assert_faults(&[but, good()], &["!principal-wildcard"]);
    // Others in the list are kept out by the keys that they lack, unless no condition asks for one.
    let mut two = with("Principal", json!({"Federated": ["accounts.google.com", PROVIDER]}));
    assert_faults(std::slice::from_ref(&two), &[]);
    two["Condition"] = json!({"StringEqualsIfExists": {AUD: "sts.amazonaws.com", SUB: APP}});
    assert_faults(&[two], &["operator-if-exists", "operator-if-exists", "!provider-others"]);
    // Every partition has providers; whether it is the role's, nobody can tell from the policy.
    assert_faults(&[federated(PROVIDER.replace("aws:", "aws-cn:"))], &[]);
}

#[test]
fn effects_and_actions() {
    for (statement, expected) in [
        (with("Effect", json!("allow")), "!statement-effect"),
        (with("Effect", Value::Null), "!statement-effect"),
        (with("Action", json!("sts:AssumeRole")), "!action-wrong"),
        (with("Action", json!(["sts:AssumeRoleWithSAML", "sts:TagSession"])), "!action-wrong"),
        (with("Action", Value::Null), "!action-wrong"),
        (with("Action", json!("sts:*")), "action-wide"),
        (with("Action", json!("*")), "!action-all"),
        (with("NotAction", json!("sts:AssumeRole")), "action-wide"),
    ] {
        let mut statement = statement;
        if statement.get("NotAction").is_some() {
            statement.as_object_mut().unwrap().remove("Action");
        }
        assert_faults(&[statement], &[expected]);
    }
    let twice =
        good().to_string().replace("\"StringEquals\":", "\"StringEquals\":{},\"StringEquals\":");
    let policy = format!("{{\"Version\":\"2012-10-17\",\"Statement\":[{twice}]}}");
    assert_eq!(faults(&lint(&policy, &options()).unwrap()), ["!member-twice"]);
}

#[test]
fn a_needless_action_beside_the_one_of_tokens_is_at_most_a_warning_and_one_of_another_service_does_not_pass()
 {
    for (beside, expected) in [
        (vec!["sts:TagSession", "STS:setsourceidentity"], vec![]),
        (vec!["sts:AssumeRole"], vec!["action-extra"]),
        (vec!["sts:TagSession", "sts:AssumeRoleWithSAML"], vec!["action-extra"]),
        (vec!["sts:*"], vec!["action-wide"]),
        (vec!["*"], vec!["!action-all"]),
        (vec!["*", "s3:*"], vec!["!action-all", "!action-service"]),
        (vec!["sts:AssumeRole*", "sts:AssumeRole"], vec!["action-wide", "action-extra"]),
        (vec!["s3:GetObject"], vec!["!action-service"]),
        (vec!["sts:SetContext"], vec!["action-extra"]),
        (vec!["sts:Foo"], vec!["!action-unknown"]),
        (vec!["sts:GetCallerIdentity"], vec!["!action-unknown"]),
        (vec!["sts:AssumeRole", "sts:AsumeRole"], vec!["!action-unknown", "action-extra"]),
        (vec!["sts:Get*"], vec!["action-extra"]),
    ] {
        let actions = [vec!["sts:AssumeRoleWithWebIdentity"], beside].concat();
        assert_faults(&[with("Action", json!(actions))], &expected);
    }
    let ec2 = json!({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AsumeRole"});
    let mut all = ec2.clone();
    all["Action"] = json!("*");
    assert_faults(&[good(), all], &["!action-all"]);
    let report = judge(&[good(), ec2], &options());
    assert_eq!(faults(&report), ["!action-unknown"]);
    let finding = report.findings.iter().find(|finding| finding.id == "action-unknown").unwrap();
    assert!(finding.fix.as_deref().unwrap().contains("sts:AssumeRole"), "{finding:?}");
}

#[test]
fn denials() {
    let deny = |condition: Value| {
        let mut statement = with("Effect", json!("Deny"));
        statement["Condition"] = condition;
        statement
    };
    let elsewhere = json!({"StringNotEquals": {"other.example:sub": "x"}});
    let everybody =
        json!({"Effect": "Deny", "Principal": "*", "Action": "sts:*", "Condition": elsewhere});
    let spared = |arn: &str| json!({"Effect": "Deny", "NotPrincipal": {"Federated": arn}, "Action": "sts:*"});
    for (statement, expected) in [
        (deny(json!({})), vec!["!deny"]),
        (deny(json!({"StringEquals": {SUB: APP}})), vec!["!deny"]),
        (deny(json!({"StringNotEquals": {AUD: "other"}})), vec!["!deny"]),
        (everybody, vec!["!deny"]),
        (spared("arn:aws:iam::111122223333:oidc-provider/other.example"), vec!["!deny"]),
        (deny(json!({"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}})), vec!["deny"]),
        (deny(json!({"StringNotEquals": {SUB: APP}})), vec![]),
        (deny(json!({"StringEquals": {SUB: APP, AUD: "other"}})), vec![]),
        (spared(PROVIDER), vec![]),
    ] {
        assert_faults(&[good(), statement], &expected);
    }
    let any = LintOptions { service_account: None, ..options() };
    assert_eq!(
        faults(&judge(&[good(), deny(json!({"StringLike": {SUB: "*:admin"}}))], &any)),
        ["deny"]
    );
}

#[test]
fn sizes() {
    let names = |count: usize| -> Vec<String> {
        std::iter::once(APP.to_owned())
            .chain((0..count).map(|n| format!("system:serviceaccount:jobs:run-{n}")))
            .collect()
    };
    let sized = |count: usize| {
        condition(json!({"StringEquals": {AUD: "sts.amazonaws.com", SUB: names(count)}}))
    };
    assert_faults(&[sized(40)], &[]);
    assert_faults(&[sized(60)], &["size"]);
    assert_faults(&[sized(120)], &["size"]);
    assert_faults(&[sized(240)], &["!size"]);
    let report = judge(&[sized(60)], &options());
    let consequence = report
        .findings
        .iter()
        .find(|finding| finding.id == "size")
        .unwrap()
        .consequence
        .clone()
        .unwrap();
    assert!(
        consequence.contains("Role trust policy length") && consequence.contains("2048"),
        "{consequence}"
    );
    // White space does not count.
    let roomy = json!({"Version": "2012-10-17", "Statement": [sized(40)]}).to_string()
        + &" \n".repeat(4000);
    assert_eq!(faults(&lint(&roomy, &options()).unwrap()), [""; 0]);
}

#[test]
fn what_is_no_policy_is_an_error_with_line_and_column() {
    // The trailing comma of a guide's sample.
    let text = "{\n  \"Statement\": [{\n    \"Effect\": \"Allow\",\n  }]\n}";
    let error = lint(text, &options()).unwrap_err();
    assert!(
        matches!(error, Error::NotAPolicy { .. })
            && error.to_string().contains("a trailing comma at line 3"),
        "{error}"
    );
    assert!(matches!(lint("[]", &options()), Err(Error::NotAPolicy { .. })));
    let port =
        LintOptions::new(IssuerUrl::parse("https://localhost:9000/prod", Ports::Allow).unwrap());
    assert!(matches!(lint("{\"Statement\":[]}", &port), Err(Error::Port { .. })));
}

#[test]
fn every_statement_of_the_issuer_is_judged_and_named() {
    let report = judge(
        &[with("Sid", json!("First")), condition(json!({"StringEquals": {SUB: APP}}))],
        &options(),
    );
    let messages: Vec<&str> = report
        .findings
        .iter()
        .filter(|f| f.status == Status::Fail)
        .map(|f| f.message.as_str())
        .collect();
    assert_eq!(messages, ["statement 2 has no condition on aud"]);
}
