//! One issuer: planned, applied, planned again, deleted.

use issuer_change::{Change, Field, Painter, Summary, render};
use issuer_test_support::{AccountProvider, AccountRole};
use serde_json::{Value, json};

use crate::lab::{BUCKET, Issuer, Lab, PROVIDER, SMALL, WHOLE, sids, their_bucket_policy, theirs};

#[test]
fn what_a_plan_shows_is_what_apply_makes_and_then_there_is_nothing_to_do() {
    let lab = Lab::new();
    lab.issuers(&[Issuer::prod(SMALL)]);
    let before = lab.everything();
    let text = lab.plan(7);
    assert!(text.ends_with("\n5 to create, 0 to update, 0 to delete, 0 to keep\n"), "{text}");
    assert!(lab.everything() == before, "a plan changed something");

    let (out, err) = lab.apply(0);
    assert!(out.starts_with("kubectl annotate serviceaccount app --namespace default"), "{out}");
    assert!(err.contains(text.trim_end()), "another plan was executed: {err}");
    let account = lab.iam.account();
    assert_eq!(account.providers[PROVIDER].client_ids, ["sts.amazonaws.com"]);
    let role = &account.roles["app"];
    assert_eq!(
        role.attached.iter().collect::<Vec<_>>(),
        ["arn:aws:iam::aws:policy/ReadOnlyAccess"]
    );
    let statement = &role.trust_policy()["Statement"][0];
    assert_eq!(statement["Principal"]["Federated"], PROVIDER);
    let subject = "oidc.example.com/prod:sub";
    assert!(statement["Condition"].to_string().contains(subject), "{statement}");
    assert_eq!(sids(&lab.bucket_policy()).len(), 1);
    assert_eq!(lab.s3.block(BUCKET), Some([true, true, false, false]));
    let document: Value = serde_json::from_slice(
        &lab.s3.get(BUCKET, "prod/.well-known/openid-configuration").unwrap(),
    )
    .unwrap();
    assert_eq!(document["issuer"], "https://oidc.example.com/prod");
    assert!(lab.s3.get(BUCKET, "prod/keys.json").is_some());

    lab.iam.clear_log();
    lab.s3.take_log();
    assert!(lab.plan(0).ends_with("\nno changes\n"));
    lab.apply(0);
    assert_eq!(lab.iam.writes(), [""; 0]);
    let calls = lab.s3.take_log();
    assert!(!calls.iter().any(|call| call.starts_with("Put") || call.starts_with("Create")));
}

#[test]
fn a_run_that_changes_only_documents_says_nothing_of_iam() {
    let lab = Lab::new();
    lab.issuers(&[Issuer::prod(WHOLE)]);
    let (_, err) = lab.apply(0);
    assert!(err.contains("eventually consistent"), "{err}");
    lab.file("sa.pub", include_str!("../../../../fixtures/golden/encodings/p256.spki.pem"));
    let (_, err) = lab.apply(0);
    assert!(err.contains("~ document keys.json"), "{err}");
    assert!(!err.contains("eventually consistent"), "{err}");
}

/// As the command shows its own tags.
struct AsPrinted;

impl Painter for AsPrinted {
    fn together(&self, field: &Field) -> Option<&'static str> {
        let is_own = field.item.as_deref().is_some_and(|key| key.starts_with("issuerctl.dev/"));
        is_own.then_some("tags that record what issuerctl manages")
    }
}

#[test]
fn the_text_of_a_plan_follows_from_its_json_and_fits_80_columns() {
    let lab = Lab::new();
    lab.issuers(&[Issuer::prod(WHOLE)]);
    let compare = |code: i32| {
        let text = lab.plan(code);
        let (json, _) = lab.run("plan -f issuer.yaml --output json", code);
        let plan: Value = serde_json::from_str(&json).unwrap();
        let issuer = &plan["issuers"][0];
        let changes: Vec<Change> = serde_json::from_value(issuer["changes"].clone()).unwrap();
        let summary: Summary = serde_json::from_value(plan["summary"].clone()).unwrap();
        let (name, url) = (issuer["name"].as_str().unwrap(), issuer["issuer"].as_str().unwrap());
        let rendered = render(&changes, &AsPrinted);
        let whole = format!("issuer {name} ({url})\n\n{rendered}\n{summary}\n");
        // Only where lines end differs: those of the text fit 80 columns.
        assert!(text.split_whitespace().eq(whole.split_whitespace()), "{text}\n{whole}");
        let is_long = |line: &&str| line.chars().count() > 80 && line.trim().contains(' ');
        assert_eq!(text.lines().find(is_long), None);
        assert_eq!(summary, Summary::of(&changes));
        let resources = changes.into_iter().map(|change| change.resource);
        (summary, resources.collect::<Vec<_>>())
    };
    // A bucket, two documents, a provider, a role and a policy of the account.
    let (summary, resources) = compare(7);
    assert_eq!(summary, Summary { create: 6, ..Summary::default() });
    lab.apply(0);
    // They are the same ones by the same names afterwards.
    assert_eq!(compare(0), (Summary { keep: 6, ..Summary::default() }, resources.clone()));
    lab.issuers(&[Issuer::prod(&WHOLE.replace("s3:GetObject", "s3:ListBucket"))]);
    assert_eq!(compare(7), (Summary { update: 1, keep: 5, ..Summary::default() }, resources));
}

#[test]
fn somebodys_bucket_policy_keeps_its_statements() {
    let lab = Lab::new();
    lab.s3.make_bucket(BUCKET);
    lab.s3.set_policy(BUCKET, &their_bucket_policy());
    lab.issuers(&[Issuer::site("prod", "policy")]);
    let text = lab.plan(7);
    let line = |sign: char, part: &str| {
        let mut lines = text.lines().map(str::trim_start);
        lines.any(|line| line.starts_with(sign) && line.contains(part))
    };
    assert!(line('~', "bucket my-oidc") && line('~', "bucket policy"), "{text}");
    assert!(line('+', "IssuerctlPublicRead") && line('+', "prod/keys.json"), "{text}");
    // The end of their statement is context, and nothing of it is taken away.
    assert!(text.contains("        \"Resource\": \"arn:aws:s3:::my-oidc/*\"\n"), "{text}");
    assert!(!line('-', "Theirs") && !line('-', "arn:aws"), "{text}");
    assert!(text.contains("2 to create, 1 to update, 0 to delete"), "{text}");
    lab.apply(0);
    let policy = lab.bucket_policy();
    let theirs: Value = serde_json::from_str(&their_bucket_policy()).unwrap();
    assert_eq!(policy["Statement"][0], theirs["Statement"][0]);
    assert_eq!(sids(&policy).len(), 2);
}

#[test]
fn a_deletion_leaves_nothing_of_ours() {
    let lab = Lab::new();
    lab.issuers(&[Issuer::prod(WHOLE)]);
    let before = lab.everything();
    lab.apply(0);
    let applied = lab.everything();
    lab.run("delete -f issuer.yaml --dry-run", 0);
    assert!(lab.everything() == applied, "a dry run changed something");
    lab.run("delete -f issuer.yaml", 0);
    assert_eq!(lab.everything(), before);
    // What is gone can be deleted.
    lab.run("delete -f issuer.yaml", 0);
    assert_eq!(lab.everything(), before);
}

#[test]
fn a_deletion_leaves_everything_of_others() {
    let lab = Lab::new();
    lab.s3.make_bucket(BUCKET);
    lab.s3.set_policy(BUCKET, &their_bucket_policy());
    lab.s3.put(BUCKET, "theirs", b"theirs");
    lab.iam.change(|account| {
        let trust = json!({"Version": "2012-10-17", "Statement": [theirs("Theirs")]});
        let mut role = AccountRole::new(&trust);
        role.attached.insert("arn:aws:iam::aws:policy/Theirs".to_owned());
        role.inline.insert("theirs".to_owned(), their_bucket_policy());
        role.tags.insert("owner".to_owned(), "them".to_owned());
        account.roles.insert("app".to_owned(), role.clone());
        account.roles.insert("other".to_owned(), role);
        account.add_provider(AccountProvider::new("other.example.com", &["theirs"]));
    });
    let iam = WHOLE.replace("    maxSessionDuration: 7200\n", "");
    lab.issuers(&[Issuer { create: false, ..Issuer::prod(&iam) }]);
    let (bucket, account) = lab.everything();
    lab.apply(0);
    assert_eq!(sids(&lab.iam.account().roles["app"].trust_policy()).len(), 2);
    lab.run("delete -f issuer.yaml", 0);
    let (bucket_after, account_after) = lab.everything();
    assert_eq!(account_after, account);
    assert_eq!(bucket_after.keys().collect::<Vec<_>>(), bucket.keys().collect::<Vec<_>>());
    let theirs: Value = serde_json::from_str(&their_bucket_policy()).unwrap();
    assert_eq!(lab.bucket_policy(), theirs);
}
