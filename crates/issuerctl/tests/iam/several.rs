//! Several issuers in one file.

use serde_json::{Value, json};

use crate::lab::{BUCKET, Issuer, Lab, SMALL, WHOLE, sids};
use crate::workload::Site;

const NAMES: [&str; 5] = ["one", "two", "three", "four", "five"];

fn all<'a>(access: &'a str) -> Vec<Issuer<'a>> {
    NAMES.map(|name| Issuer::site(name, access)).into()
}

#[test]
fn an_issuer_that_fails_does_not_stop_the_others() {
    let lab = Lab::new();
    lab.s3.make_bucket(BUCKET);
    let (issuer, keys) = ("https://other.example.com", "https://other.example.com/keys.json");
    let document = json!({"issuer": issuer, "jwks_uri": keys});
    let theirs = document.to_string();
    lab.s3.put(BUCKET, "two/.well-known/openid-configuration", theirs.as_bytes());
    let small = SMALL.replace("name: app", "name: three");
    let three = Issuer { create: false, access: "none", name: "three", iam: &small };
    lab.issuers(&[Issuer::site("one", "none"), Issuer::site("two", "none"), three]);
    let (out, err) = lab.run("apply -f issuer.yaml --no-verify --output json", 4);
    assert!(err.contains("error: two: ") && err.contains("1 of 3 issuers failed"), "{err}");
    assert!(err.contains("https://other.example.com"), "{err}");
    let json: Value = serde_json::from_str(&out).unwrap();
    let codes: Vec<_> =
        json["issuers"].as_array().unwrap().iter().map(|i| &i["error"]["exit_code"]).collect();
    assert_eq!(codes, [&Value::Null, &json!(4), &Value::Null]);
    assert!(json["issuers"][0]["error"].is_null() && json["issuers"][0]["changed"] == true);
    assert_eq!(json["issuers"][1]["changed"], false);
    for name in ["one", "three"] {
        assert!(lab.s3.get(BUCKET, &format!("{name}/keys.json")).is_some(), "{name}");
    }
    assert!(lab.s3.get(BUCKET, "two/keys.json").is_none());
    let document = lab.s3.get(BUCKET, "two/.well-known/openid-configuration").unwrap();
    assert_eq!(document, theirs.as_bytes());
    assert!(lab.iam.account().roles.contains_key("three"));
}

#[test]
fn each_issuer_is_a_line_of_json_and_the_last_line_has_the_totals() {
    let lab = Lab::new();
    lab.s3.make_bucket(BUCKET);
    let theirs =
        json!({"issuer": "https://other.example.com", "jwks_uri": "https://other.example.com/k"});
    lab.s3.put(BUCKET, "two/.well-known/openid-configuration", theirs.to_string().as_bytes());
    lab.issuers(&all("none"));
    let lines = |text: &str| -> Vec<Value> {
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let (out, err) = lab.run("plan -f issuer.yaml -o jsonl", 4);
    assert_eq!(lines(&out).last().unwrap()["dry_run"], true);
    assert!(err.contains("error: two: "), "{err}");
    assert!(lab.s3.get(BUCKET, "one/keys.json").is_none());
    let (out, _) = lab.run("apply -f issuer.yaml --no-verify --output jsonl", 4);
    let lines = lines(&out);
    let (last, issuers) = lines.split_last().unwrap();
    let totals = json!({"type": "summary", "schema_version": 2, "dry_run": false, "changed": true,
        "issuers": 5, "failed": 1,
        "summary": {"create": 8, "update": 0, "delete": 0, "keep": 0}});
    assert_eq!(*last, totals);
    let mut names: Vec<_> = issuers.iter().map(|line| line["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["five", "four", "one", "three", "two"]);
    for line in issuers {
        assert_eq!((&line["type"], &line["schema_version"]), (&json!("issuer"), &json!(2)));
        let code = &line["error"]["exit_code"];
        assert_eq!(*code, if line["name"] == "two" { json!(4) } else { Value::Null }, "{line:#}");
    }
    // A command that prints one thing, and a run that ends before its first issuer.
    let (out, _) = lab.run("version --output jsonl", 2);
    assert_eq!(out.lines().count(), 1, "{out}");
    let (out, _) = lab.run("apply -f nothing.yaml --output jsonl", 3);
    let failed: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&failed["type"], &failed["error"]["exit_code"]), (&json!("error"), &json!(3)));
}

#[test]
fn a_fleet_has_a_line_for_each_issuer_and_its_plans_with_verbose_alone() {
    let lab = Lab::new();
    lab.s3.make_bucket(BUCKET);
    let names: Vec<String> = (0..21).map(|number| format!("c{number}")).collect();
    let issuers: Vec<_> = names.iter().map(|name| Issuer::site(name, "none")).collect();
    lab.issuers(&issuers);
    let (_, err) = lab.run("apply -f issuer.yaml --no-verify", 0);
    for name in &names {
        assert!(err.contains(&format!("{name}: 2 created\n")), "{err}");
    }
    assert!(err.ends_with("21 of 21 issuers are up to date: 42 created\n"), "{err}");
    assert!(!err.contains("issuer c0 ("), "{err}");
    let (_, err) = lab.run("apply -f issuer.yaml --no-verify --verbose", 0);
    assert!(err.contains("issuer c0 (") && err.contains("c0: no changes"), "{err}");
}

#[test]
fn issuers_with_the_same_url_are_refused_before_anything_is_written() {
    let lab = Lab::new();
    lab.s3.make_bucket(BUCKET);
    let names = ["one", "two", "three"];
    let path = lab.issuers(&names.map(|name| Issuer::site(name, "none")));
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(path, text.replace("example.com/two", "example.com/one")).unwrap();
    let (_, err) = lab.run("apply -f issuer.yaml --no-verify", 3);
    for name in ["one", "two"] {
        let said =
            format!("{name}: one and two have the same issuer, https://oidc.example.com/one");
        assert!(err.contains(&said), "{err}");
        assert!(lab.s3.get(BUCKET, &format!("{name}/keys.json")).is_none());
    }
    assert!(lab.s3.get(BUCKET, "three/keys.json").is_some(), "the others go on");
}

#[test]
fn a_warning_about_a_store_is_said_once_for_all_its_issuers() {
    let lab = Lab::new();
    lab.s3.make_bucket(BUCKET);
    lab.s3.unblock(BUCKET);
    for call in ["PublicAccessBlock", "BucketOwnershipControls"] {
        for verb in ["Get", "Put"] {
            lab.s3.refuse(&format!("{verb}{call}"), "NotImplemented");
        }
    }
    lab.issuers(&all("policy"));
    let warnings = |err: &str| err.matches("no public access block").count();
    let (_, err) = lab.run("plan -f issuer.yaml", 7);
    assert_eq!(warnings(&err), 1, "{err}");
    let (_, err) = lab.apply(0);
    assert_eq!(warnings(&err), 1, "{err}");
    assert_eq!(sids(&lab.bucket_policy()).len(), NAMES.len());
}

/// A bucket policy has no conditional write.
fn publishes_all(lab: &Lab, issuers: &[Issuer<'_>]) {
    lab.issuers(issuers);
    let parallel = issuers.len();
    lab.run(&format!("apply -f issuer.yaml --no-verify --parallel {parallel}"), 0);
    let policy = lab.bucket_policy();
    assert_eq!(sids(&policy).len(), issuers.len(), "{policy:#}");
    for Issuer { name, .. } in issuers {
        assert!(policy.to_string().contains(&format!("{BUCKET}/{name}/keys.json")), "{name}");
        assert!(lab.s3.get(BUCKET, &format!("{name}/keys.json")).is_some(), "{name}");
    }
    lab.plan(0);
}

#[test]
fn issuers_that_share_a_bucket_do_not_overwrite_each_others_statement() {
    let lab = Lab::new();
    lab.s3.make_bucket(BUCKET);
    lab.s3.delay(std::time::Duration::from_millis(5));
    publishes_all(&lab, &all("policy"));
    lab.run("delete -f issuer.yaml", 0);
    assert!(lab.s3.policy(BUCKET).is_none(), "{:?}", lab.s3.policy(BUCKET));
}

#[test]
fn issuers_that_share_a_bucket_make_it_once() {
    let lab = Lab::new();
    let issuers: Vec<_> =
        all("policy").into_iter().map(|issuer| Issuer { create: true, ..issuer }).collect();
    lab.issuers(&issuers);
    let text = lab.plan(7);
    assert!(text.ends_with("\n11 to create, 0 to update, 0 to delete, 0 to keep\n"), "{text}");
    let before = lab.everything();
    publishes_all(&lab, &issuers);
    lab.run("delete -f issuer.yaml", 0);
    assert_eq!(lab.everything(), before);
}

#[test]
fn a_policy_without_room_for_another_issuer_has_room_for_all_of_them_in_one_statement() {
    let lab = Lab::new();
    lab.s3.make_bucket(BUCKET);
    let theirs = json!({"Sid": "Theirs", "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject",
        "Resource": format!("arn:aws:s3:::{BUCKET}/{}", "x".repeat(19_600))});
    let policy = json!({"Version": "2012-10-17", "Statement": [theirs]});
    lab.s3.set_policy(BUCKET, &policy.to_string());
    lab.issuers(&all("policy"));
    let (_, err) = lab.run("apply -f issuer.yaml --no-verify", 4);
    assert!(err.contains("S3 accepts 20480") && err.contains("sharedBucket: true"), "{err}");
    let is_readable = |name: &str| lab.s3.is_readable(BUCKET, &format!("{name}/keys.json"));
    let left = NAMES.iter().filter(|name| !is_readable(name));
    let mut left = left.map(|name| lab.s3.get(BUCKET, &format!("{name}/keys.json")));
    assert!(left.any(|keys| keys.is_none()), "nobody could read it");
    // As the hint says.
    let text = std::fs::read_to_string(lab.path("issuer.yaml")).unwrap();
    lab.file("issuer.yaml", &text.replace("access: policy", "access: policy, sharedBucket: true"));
    lab.run("apply -f issuer.yaml --no-verify", 0);
    assert_eq!(sids(&lab.bucket_policy()), ["Theirs", "IssuerctlPublicReadShared"]);
    assert!(NAMES.iter().all(|name| is_readable(name)));
    lab.plan(0);
    // The last of them takes the statement with it.
    lab.run("delete -f issuer.yaml", 0);
    assert_eq!(lab.bucket_policy(), policy);
}

#[test]
fn issuers_that_share_a_role_each_have_their_statement_in_it() {
    let lab = Lab::new();
    lab.s3.make_bucket(BUCKET);
    let issuers: Vec<_> =
        NAMES.map(|name| Issuer { iam: WHOLE, ..Issuer::site(name, "none") }).into();
    lab.issuers(&issuers);
    let before = lab.everything();
    let text = lab.plan(7);
    // Five sites with two documents and a provider each; one role and one policy.
    assert!(text.ends_with("\n17 to create, 0 to update, 0 to delete, 0 to keep\n"), "{text}");
    lab.apply(0);
    let account = lab.iam.account();
    let role = &account.roles["app"];
    assert_eq!((sids(&role.trust_policy()).len(), role.attached.len()), (NAMES.len(), 2));
    assert_eq!((account.providers.len(), account.policies.len()), (NAMES.len(), 1));
    lab.plan(0);

    // What one of them no longer has stays for the others, and goes with the last.
    lab.issuers(&issuers[..1]);
    lab.run("delete -f issuer.yaml", 0);
    let role = lab.iam.account().roles["app"].clone();
    assert_eq!((sids(&role.trust_policy()).len(), role.attached.len()), (NAMES.len() - 1, 2));
    lab.issuers(&issuers[1..]);
    lab.plan(0);
    lab.run("delete -f issuer.yaml", 0);
    assert_eq!(lab.everything(), before);
}

#[test]
fn what_is_a_list_of_the_whole_account_is_read_once_for_all_issuers() {
    let lab = Lab::new();
    lab.s3.make_bucket(BUCKET);
    let roles = NAMES.map(|name| SMALL.replace("name: app", &format!("name: {name}")));
    let issuers = NAMES.iter().zip(&roles);
    let issuers: Vec<_> =
        issuers.map(|(name, iam)| Issuer { iam, ..Issuer::site(name, "none") }).collect();
    lab.issuers(&issuers);
    lab.apply(0);
    lab.iam.clear_log();
    lab.plan(0);
    for action in ["GetCallerIdentity", "ListRoles", "ListOpenIDConnectProviders"] {
        let log = lab.iam.log();
        let count = log.iter().filter(|request| request.action == action).count();
        assert_eq!(count, 1, "{action}");
    }
}

#[test]
fn what_two_issuers_share_in_a_cluster_counts_once_in_a_plan() {
    let site = Site::new("");
    site.cluster.put_account("default/app", json!({}));
    let workload = format!(
        "{SMALL}  workload: {{kubeconfig: workload.kubeconfig, injection: policy, restart: false}}\n"
    );
    let issuers: Vec<_> = NAMES[..2]
        .iter()
        .map(|name| Issuer { create: true, iam: &workload, ..Issuer::site(name, "policy") })
        .collect();
    site.lab.issuers(&issuers);
    let counted = |line: &str, code: i32| {
        let (out, _) = site.lab.run(&format!("{line} -f issuer.yaml --output json"), code);
        let json: Value = serde_json::from_str(&out).unwrap();
        let changes = json["issuers"].as_array().unwrap().iter().flat_map(|issuer| {
            issuer["changes"].as_array().unwrap().iter().map(|change| {
                let resource = &change["resource"];
                (resource["kind"].to_string(), resource["locator"].to_string())
            })
        });
        let all: Vec<_> = changes.collect();
        let distinct: std::collections::BTreeSet<_> = all.iter().cloned().collect();
        let summary = json["summary"].as_object().unwrap();
        let sum: u64 = summary.values().map(|number| number.as_u64().unwrap()).sum();
        assert_eq!(sum, distinct.len() as u64, "{summary:?} {all:#?}");
        assert!(all.len() > distinct.len() + 3, "{all:#?}");
        summary["create"].as_u64().unwrap()
    };
    // A bucket, a role, a policy and its binding; and two documents and a provider of each.
    assert_eq!(counted("plan", 7), 4 + 2 * 3);
    let text = site.lab.plan(7);
    assert!(text.contains("\n10 to create, 1 to update, 0 to delete"), "{text}");
}
