//! Policies as people have them at hand.

use issuer_iam::{RoleReport, lint_roles};

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
        ("{\"Role\": {\n  \"AssumeRolePolicyDocument\": {,}\n}}", "line 2"),
        ("\u{feff}{\n}", "no Statement"),
        ("%7B%22Statement%22%3A%5B%2C", "line 1"),
        ("%ff", "not UTF-8"),
        ("\"\"", "it is empty"),
        ("", "it is empty"),
        ("\u{feff} \r\n\t", "it is empty"),
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

#[test]
fn yaml_is_read_like_json() {
    let yaml = "Role:\n  RoleName: app\n  AssumeRolePolicyDocument:\n    Version: 2012-10-17\n    Statement:\n    - Effect: Allow\n      \
        Principal: {Federated: 'arn:aws:iam::111122223333:oidc-provider/oidc.example.com/prod'}\n      \
        Action: sts:AssumeRoleWithWebIdentity\n      Condition:\n        StringEquals:\n          \
        oidc.example.com/prod:sub: system:serviceaccount:default:app\n";
    assert_eq!(faults(&lint(yaml, &options()).unwrap()), ["!aud-missing"]);
    let zeros = yaml.replace("111122223333", "000000000042");
    let options = LintOptions { account: Some("000000000042".parse().unwrap()), ..options() };
    assert_eq!(faults(&lint(&zeros, &options).unwrap()), ["!aud-missing"]);
    for (text, reason) in [
        ("Version: x: y", "line 1 column"),
        ("Statement:\n  a: b\n c: d", "line 3"),
        ("Statement: []\nStatement: []", "line 2"),
        ("hello", "neither JSON nor a YAML mapping"),
        ("resource \"aws_iam_role\" \"app\" {\n}", "terraform show -json"),
        ("Role:\n  RoleName: app", "no Statement"),
    ] {
        let error = lint(text, &options).unwrap_err().to_string();
        assert!(error.contains(reason) && !error.contains("hello"), "{text}: {error}");
    }
}

#[test]
fn each_role_of_a_list_is_judged_by_itself() {
    let role = |name: &str, statement: Value| json!({"RoleName": name, "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": statement}});
    let ec2 = json!({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"});
    let text =
        json!({"Roles": [role("a", good()), role("b", ec2), role("c", condition(json!({})))]})
            .to_string();
    let reports = lint_roles(&text, &options()).unwrap().roles;
    let seen: Vec<(&str, bool, bool)> = reports
        .iter()
        .map(|one| (one.role.as_deref().unwrap(), one.trusts_issuer, one.report.passed()))
        .collect();
    assert_eq!(seen, [("a", true, true), ("b", false, false), ("c", true, false)]);
    assert!(matches!(lint(&text, &options()), Err(Error::NotAPolicy { .. })));
}

/// The roles of a text: what each is called, and whether it was judged and passes.
#[track_caller]
fn verdicts(text: &str) -> Vec<(String, bool, bool)> {
    let reports = lint_roles(text, &options()).unwrap().roles;
    let one = |report: &RoleReport| {
        let unjudged = report.unjudged.is_some();
        assert_eq!(faults(&report.report) == ["!unjudged"], unjudged, "{report:?}");
        (report.role.clone().unwrap_or_default(), !unjudged, report.report.passed())
    };
    reports.iter().map(one).collect()
}

#[test]
fn one_role_that_cannot_be_judged_does_not_condemn_the_others_and_does_not_pass() {
    let role =
        |name: &str, policy: Value| json!({"RoleName": name, "AssumeRolePolicyDocument": policy});
    let whole = json!({"Version": "2012-10-17", "Statement": [good()]});
    for broken in [
        json!(1),
        json!("%7Bx"),
        json!("{,}"),
        json!(""),
        json!({"Statement": [[good()]]}),
        json!({"Statement": {"Fn::If": ["C", good(), {"Ref": "AWS::NoValue"}]}}),
        json!({"Statement": [{"Fn::If": ["C", good(), {"Ref": "AWS::NoValue"}]}]}),
        json!({"Statement": [good()], "Fn::Transform": {"Name": "AWS::Include"}}),
        json!({"Statement": {"Fn::ForEach::S": ["X", ["a"], {"${X}": good()}]}}),
    ] {
        let text = json!({"Roles": [role("a", whole.clone()), role("b", broken), role("c", whole.clone())]});
        assert_eq!(
            verdicts(&text.to_string()),
            [("a".into(), true, true), ("b".into(), false, false), ("c".into(), true, true)],
            "{text}"
        );
        let alone = json!({"Role": text["Roles"][1]}).to_string();
        let error = lint_roles(&alone, &options()).unwrap_err().to_string();
        assert!(error.contains("the policy of b"), "{error}");
    }
}

#[test]
fn a_list_that_aws_cut_off_is_not_taken_for_all_roles() {
    let role = json!({"RoleName": "a", "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [good()]}});
    for (more, truncated) in [
        (json!({}), false),
        (json!({"IsTruncated": false}), false),
        (json!({"NextToken": null, "Marker": ""}), false),
        (json!({"IsTruncated": true}), true),
        (json!({"NextToken": "eyJNYXJrZXIiOiBudWxsfQ=="}), true),
        (json!({"Marker": "AAE"}), true),
    ] {
        let mut text = more;
        text["Roles"] = json!([role]);
        let read = lint_roles(&text.to_string(), &options()).unwrap();
        assert_eq!(read.truncated, truncated, "{text}");
    }
}

#[test]
fn a_template_is_judged_with_the_values_that_it_contains() {
    let template = |federated: Value, sub: Value| {
        let mut statement = with("Principal", json!({"Federated": federated}));
        statement["Condition"]["StringEquals"][SUB] = sub;
        json!({
            "Parameters": {"Name": {"Default": "app"}, "Namespace": {"Type": "String"}},
            "Resources": {
                "Provider": {"Type": "AWS::IAM::OIDCProvider", "Properties": {"Url": {"Fn::Sub": "https://oidc.example.com/prod"}}},
                "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [statement]}}},
            },
        })
        .to_string()
    };
    let arn = json!({"Fn::Sub": ["arn:${AWS::Partition}:iam::${AWS::AccountId}:oidc-provider/${Host}/prod", {"Host": "oidc.example.com"}]});
    for federated in [
        json!(PROVIDER),
        json!({"Ref": "Provider"}),
        json!({"Fn::GetAtt": ["Provider", "Arn"]}),
        json!({"Fn::GetAtt": "Provider.Arn"}),
        json!({"Fn::Sub": "${Provider.Arn}"}),
        json!({"Fn::Join": [":", ["arn:aws:iam:", {"Ref": "AWS::AccountId"}, "oidc-provider/oidc.example.com/prod"]]}),
        arn,
    ] {
        for sub in [json!(APP), json!({"Fn::Sub": "system:serviceaccount:default:${Name}"})] {
            let text = template(federated.clone(), sub);
            assert_eq!(faults(&lint(&text, &options()).unwrap()), [""; 0], "{text}");
            let any = LintOptions { account: None, ..options() };
            assert_eq!(faults(&lint(&text, &any).unwrap()), [""; 0], "{text}");
        }
    }
    for sub in [json!({"Fn::Sub": "x:${Namespace}"}), json!({"Fn::ImportValue": "Namespace"})] {
        let error = lint(&template(json!(PROVIDER), sub), &options()).unwrap_err().to_string();
        assert!(error.contains("Namespace") && error.contains("does not contain"), "{error}");
    }
    // A variable of the policy language.
    let text = template(json!(PROVIDER), json!("system:serviceaccount:${aws:username}:app"));
    assert!(lint(&text, &options()).is_ok());
}

/// A template with the role `App`, whose provider is given, and the role `Other`, which is right.
fn yaml_template(federated: &str) -> String {
    let policy = |federated: &str, indent: &str| {
        format!(
            "{indent}Version: 2012-10-17\n{indent}Statement:\n{indent}- Effect: Allow\n{indent}  Principal:\n{indent}    \
             Federated: {federated}\n{indent}  Action: sts:AssumeRoleWithWebIdentity\n{indent}  Condition:\n{indent}    \
             StringEquals:\n{indent}      {AUD}: sts.amazonaws.com\n{indent}      {SUB}: !Join [':', [system, serviceaccount, \
             !Ref Namespace, app]]\n"
        )
    };
    let role = |name: &str, federated: &str| {
        format!(
            "  {name}:\n    Type: AWS::IAM::Role\n    Properties:\n      AssumeRolePolicyDocument:\n{}",
            policy(federated, "        ")
        )
    };
    format!(
        "Parameters:\n  Namespace: {{Type: String, Default: default}}\nMappings:\n  Issuers:\n    prod:\n      path: \
         oidc.example.com/prod\nConditions:\n  IsProd: !Equals [!Ref Namespace, default]\nResources:\n  Provider:\n    \
         Type: AWS::IAM::OIDCProvider\n    Properties: {{Url: 'https://oidc.example.com/prod'}}\n{}{}",
        role("App", federated),
        role("Other", "!GetAtt Provider.Arn"),
    )
}

#[test]
fn the_short_forms_of_a_template_are_functions_and_not_their_arguments() {
    for federated in [
        "!Ref Provider",
        "!GetAtt [Provider, Arn]",
        "!Sub 'arn:${AWS::Partition}:iam::${AWS::AccountId}:oidc-provider/oidc.example.com/prod'",
        "!Join ['', ['arn:aws:iam::', !Ref 'AWS::AccountId', ':oidc-provider/', !FindInMap [Issuers, prod, path]]]",
        "!Sub ['arn:aws:iam::${AWS::AccountId}:oidc-provider/${Path}', {Path: !FindInMap [Issuers, prod, path]}]",
    ] {
        let all = verdicts(&yaml_template(federated));
        assert_eq!(all, [("App".into(), true, true), ("Other".into(), true, true)], "{federated}");
    }
}

#[test]
fn what_a_template_does_not_say_is_no_verdict() {
    for federated in [
        "!ImportValue prov-arn",
        "!FindInMap [Issuers, !Ref 'AWS::Region', path]",
        "!FindInMap [Issuers, dev, path]",
        "!If [IsProd, !Ref Provider, !Ref 'AWS::NoValue']",
        "!Select [0, !Split [',', !Ref Providers]]",
        "!Join ['', !Ref Providers]",
        "{'Fn::Transform': {Name: Lookup}}",
    ] {
        let all = verdicts(&yaml_template(federated));
        assert_eq!(
            all,
            [("App".into(), false, false), ("Other".into(), true, true)],
            "{federated}"
        );
    }
    // A loop: what it repeats is there, the values of its variable are not.
    let role = |member: &str, value: Value| {
        let policy = json!({"Version": "2012-10-17", "Statement": [with(member, value)]});
        json!({"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": policy}})
    };
    let provider = "arn:aws:iam::111122223333:oidc-provider/${Host}";
    for (member, value) in [
        ("Principal", json!({"Federated": provider})),
        ("Principal", json!({"Federated": provider.replace('$', "&")})),
        ("Principal", json!({"Federated": {"Fn::Sub": provider}})),
        ("Condition", json!({"StringEquals": {"${Host}:sub": APP}})),
    ] {
        let repeated = json!({"App${Host}": role(member, value)});
        let resources = json!({"Fn::ForEach::Apps": ["Host", [ISSUER], repeated], "Other": role("Sid", json!("Other"))});
        assert_eq!(
            verdicts(&json!({"Resources": resources}).to_string()),
            [("App${Host}".into(), false, false), ("Other".into(), true, true)],
            "{resources}"
        );
    }
}

#[test]
fn what_json_does_not_have_is_named_with_its_place() {
    let json = json!({"Version": "2012-10-17", "Statement": [good()]}).to_string();
    for (from, to, said) in [
        ("\"Statement\"", "// ours\n\"Statement\"", "a comment (//) at line 1"),
        ("\"Statement\"", "/* ours */ \"Statement\"", "a comment (/*)"),
        ("\"Statement\"", "# ours\n\"Statement\"", "a comment (#)"),
        ("\"Statement\"", "\u{2028}\"Statement\"", "U+2028"),
        ("\"Statement\"", "\u{a0}\"Statement\"", "U+00A0"),
        ("\"Statement\"", "\u{201c}Statement\u{201d}", "U+201C"),
        ("\"Statement\"", "'Statement'", "apostrophe"),
    ] {
        let error = lint(&json.replace(from, to), &options()).unwrap_err().to_string();
        assert!(error.contains(said), "{to}: {error}");
    }
}

#[test]
fn a_comment_before_the_policy_does_not_hide_the_other_faults_and_does_not_pass() {
    let json = json!({"Version": "2012-10-17", "Statement": [good()]}).to_string();
    for comment in ["// ours\n", "# ours\n\n", "/* ours\n */ ", "\n  // one\n# two\n"] {
        let text = format!("{comment}{json}");
        let report = lint(&text, &options()).unwrap();
        assert_eq!(faults(&report), ["!comment"], "{text}");
        let broken = text.replace("\"Effect\":\"Allow\"", "\"Effect\":\"allow\"");
        let found = faults(&lint(&broken, &options()).unwrap());
        assert_eq!(found, ["!comment", "!statement-effect"], "{broken}");
        // Positions are those of the text.
        let error = lint(&format!("{comment}{{,}}"), &options()).unwrap_err().to_string();
        let line = comment.matches('\n').count() + 1;
        assert!(error.contains(&format!("line {line}")), "{error}");
    }
    // In YAML it is none.
    let yaml = format!(
        "# ours\nVersion: '2012-10-17'\nStatement:\n- Effect: Allow\n  Principal: {{Federated: '{PROVIDER}'}}\n  \
         Action: sts:AssumeRoleWithWebIdentity\n  Condition: {{StringEquals: {{'{AUD}': sts.amazonaws.com, '{SUB}': \
         '{APP}'}}}}\n"
    );
    assert_eq!(faults(&lint(&yaml, &options()).unwrap()), [""; 0]);
    for text in ["// nothing else", "/* never ends {", "#", "// x\n"] {
        assert!(lint(text, &options()).is_err(), "{text}");
    }
}

#[test]
fn a_provider_of_another_account_than_that_of_the_role_is_a_fault() {
    let options = LintOptions { account: None, ..options() };
    let policy = json!({"Version": "2012-10-17", "Statement": [good()]});
    let of = |account: &str| {
        let arn = format!("arn:aws:iam::{account}:role/team/app");
        let role = json!({"RoleName": "app", "Arn": arn, "AssumeRolePolicyDocument": policy});
        faults(&lint(&json!({"Role": role}).to_string(), &options).unwrap())
    };
    let provider = good()["Principal"]["Federated"].as_str().unwrap().to_owned();
    let own = provider.split(':').nth(4).unwrap();
    assert_eq!(of(own), Vec::<String>::new());
    assert_ne!(of("999900001111"), Vec::<String>::new());
}
