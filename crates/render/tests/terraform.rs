//! HCL, read back by a parser of its own and by Terraform itself where it is installed.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it skipped"
)]

mod common;

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use common::{ACCOUNT, SMALL, WHOLE, keys_json, renderings};
use hcl::eval::{Context, Evaluate};
use issuer_diagnostic::Diagnostic;
use issuer_iam::{Documents, ManagedPolicy, Provider, Role, RoleState, Tags, TrustPolicy};
use issuer_render::{Error, Existing, ExistingBucket, Rendering, terraform};
use proptest::prelude::*;
use serde_json::{Value, json};

/// The attributes of one resource that are no references.
type Attributes = BTreeMap<String, hcl::Value>;

/// Every resource by its address, as HCL's own rules read it.
fn resources(text: &str) -> BTreeMap<String, Attributes> {
    let body = hcl::parse(text).unwrap();
    let mut all = BTreeMap::new();
    for block in body.blocks().filter(|block| block.identifier() == "resource") {
        let labels: Vec<&str> = block.labels().iter().map(|label| label.as_str()).collect();
        let values = block.body().attributes().filter_map(|attribute| {
            let value = attribute.expr().evaluate(&Context::new()).ok()?;
            Some((attribute.key().to_owned(), value))
        });
        assert!(all.insert(labels.join("."), values.collect()).is_none(), "{labels:?} twice");
    }
    all
}

fn imports(text: &str) -> BTreeMap<String, String> {
    let body = hcl::parse(text).unwrap();
    let blocks = body.blocks().filter(|block| block.identifier() == "import");
    let attribute = |block: &hcl::Block, name: &str| {
        block.body().attributes().find(|attribute| attribute.key() == name).unwrap().expr().clone()
    };
    blocks
        .map(|block| {
            let id = attribute(block, "id").evaluate(&Context::new()).unwrap();
            (
                hcl::format::to_string(&attribute(block, "to")).unwrap(),
                id.as_str().unwrap().to_owned(),
            )
        })
        .collect()
}

fn json_of(attributes: &Attributes, name: &str) -> Value {
    serde_json::from_str(attributes[name].as_str().unwrap()).unwrap()
}

/// Looks whether Terraform or OpenTofu would change a character.
fn assert_canonical(text: &str) {
    for program in ["terraform", "tofu"] {
        let child = Command::new(program)
            .args(["fmt", "-check", "-diff", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut child) = child else {
            println!("skipped: there is no {program}");
            continue;
        };
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{program} fmt: {said}\n{text}");
    }
}

fn rendered(text: &str) -> String {
    let hcl = terraform(&renderings(text), &Existing::default()).unwrap();
    assert_canonical(&hcl);
    hcl
}

#[test]
fn a_whole_document_as_it_is_written() {
    insta::assert_snapshot!(rendered(WHOLE));
}

#[test]
fn objects_have_the_bytes_of_the_documents_and_policies_their_json() {
    let (hcl, document) = (rendered(WHOLE), &renderings(WHOLE)[0]);
    let resources = resources(&hcl);
    let site = document.site.as_ref().unwrap();
    let documents = site.documents.as_ref().unwrap();
    for (label, key, bytes) in [
        ("prod_keys", "prod/keys.json", &documents.keys_json),
        ("prod_discovery", "prod/.well-known/openid-configuration", &documents.discovery_json),
    ] {
        let object = &resources[&format!("aws_s3_object.{label}")];
        assert_eq!(object["content"].as_str().unwrap().as_bytes(), bytes.as_slice());
        assert_eq!(object["key"].as_str(), Some(key));
        assert_eq!(object["content_type"].as_str(), Some("application/json"));
        assert_eq!(object["cache_control"].as_str(), Some("public, max-age=300"));
        // Whatever the default of the bucket is: nobody reads KMS objects anonymously.
        assert_eq!(object["server_side_encryption"].as_str(), Some("AES256"));
    }
    assert_eq!(documents.keys_json, keys_json());
    let role = &document.roles[0];
    let trust = TrustPolicy::new(std::slice::from_ref(&role.trust)).unwrap();
    assert_eq!(json_of(&resources["aws_iam_role.app"], "assume_role_policy"), trust.to_value());
    let inline = json_of(&resources["aws_iam_role_policy.app_own_home"], "policy");
    assert_eq!(inline, role.inline.as_ref().unwrap()["own-home"]);
    assert!(inline.to_string().contains("${aws:username}"), "a variable of IAM, not one of HCL");
    let policy = json_of(&resources["aws_iam_policy.app_s3"], "policy");
    assert_eq!(policy, role.managed.as_ref().unwrap()["app-s3"]);
    let bucket = json_of(&resources["aws_s3_bucket_policy.my_oidc"], "policy");
    let expected =
        issuer_publish::bucket_policy(&site.location, "us-west-2", false, None).unwrap().unwrap();
    assert_eq!(bucket, serde_json::from_str::<Value>(&expected).unwrap());
    assert!(!hcl.contains("issuerctl.dev/"), "no claim that issuerctl made it");
    assert!(!hcl.contains("jsonencode") && !hcl.contains(" count ") && !hcl.contains("for_each"));
}

#[test]
fn a_shared_bucket_has_one_statement_for_all_issuers() {
    // Whichever of them comes first.
    for (first, second) in [(SMALL, WHOLE), (WHOLE, SMALL)] {
        let second = second.replace("region: us-west-2", "region: us-west-2, sharedBucket: true");
        let hcl = rendered(&format!("{first}---{second}"));
        let policy = json_of(&resources(&hcl)["aws_s3_bucket_policy.my_oidc"], "policy");
        let statements = policy["Statement"].as_array().unwrap();
        assert_eq!(statements.len(), 1, "{policy}");
        assert_eq!(statements[0]["Resource"][0], "arn:aws:s3:::my-oidc/*/keys.json");
    }
}

/// One behind CloudFront, in a bucket of its own.
fn behind_cloudfront() -> String {
    WHOLE.replace(
        "createBucket: true}",
        "createBucket: true, access: cloudfront, certificateArn: \
         \"arn:aws:acm:us-east-1:111122223333:certificate/0a1b\"}",
    ) + "  issuer: https://oidc.example.com/prod\n"
}

#[test]
fn a_private_bucket_is_read_by_its_distribution_alone() {
    let hcl = rendered(&behind_cloudfront());
    let resources = resources(&hcl);
    let distribution = &resources["aws_cloudfront_distribution.prod"];
    assert_eq!(distribution["aliases"], hcl::Value::from(vec!["oidc.example.com"]));
    // A reference, which this parser does not follow.
    let arn = r#""AWS:SourceArn": "${aws_cloudfront_distribution.prod.arn}""#;
    assert!(hcl.contains(arn) && !hcl.contains("\"Principal\": \"*\""), "{hcl}");
    let block = &resources["aws_s3_bucket_public_access_block.my_oidc"];
    for member in ["block_public_acls", "ignore_public_acls", "block_public_policy"] {
        assert!(block[member].as_bool() == Some(true), "{member}");
    }
    let cache = &resources["aws_cloudfront_cache_policy.issuerctl_max_age_300"];
    assert_eq!(cache["max_ttl"].as_u64(), Some(300));
    assert!(resources.contains_key("aws_cloudfront_origin_access_control.prod"), "{hcl}");
}

#[test]
fn a_bucket_of_somebody_else_is_a_name_and_its_policy_a_warning() {
    let hcl = rendered(SMALL);
    let kinds: Vec<String> = resources(&hcl).into_keys().collect();
    assert!(!kinds.iter().any(|kind| kind.starts_with("aws_s3_bucket.")), "{kinds:?}");
    assert!(
        hcl.contains("bucket     = \"my-oidc\"")
            && hcl.contains("# This replaces the whole policy"),
        "{hcl}"
    );
    let acl = rendered(&SMALL.replace("region: us", "access: acl, region: us"));
    assert!(
        acl.contains("= \"public-read\"\n") && !acl.contains("resource \"aws_s3_bucket"),
        "{acl}"
    );
    let none = rendered(&SMALL.replace("region: us", "access: none, region: us"));
    assert!(!none.contains("acl ") && !none.contains("resource \"aws_s3_bucket"), "{none}");
    let folder =
        SMALL.replace("{s3: {bucket: my-oidc, prefix: test, region: us-west-2}}", "{folder: site}");
    let folder = rendered(&format!("{}  issuer: https://h.example/test\n", folder.trim_start()));
    assert!(
        !folder.contains("aws_s3_") && folder.contains("aws_iam_openid_connect_provider"),
        "{folder}"
    );
}

#[test]
fn two_documents_share_a_bucket_and_a_role() {
    let hcl = rendered(&format!("{WHOLE}---{SMALL}"));
    let resources = resources(&hcl);
    let statements = |value: Value| value["Statement"].as_array().unwrap().len();
    assert_eq!(statements(json_of(&resources["aws_s3_bucket_policy.my_oidc"], "policy")), 2);
    assert_eq!(statements(json_of(&resources["aws_iam_role.app"], "assume_role_policy")), 2);
    let count =
        |kind: &str| resources.keys().filter(|key| key.starts_with(&format!("{kind}."))).count();
    assert_eq!((count("aws_s3_bucket"), count("aws_s3_object"), count("aws_iam_role")), (1, 4, 2));
    assert_eq!(count("aws_iam_openid_connect_provider"), 2);
}

#[test]
fn documents_that_want_different_things_of_one_are_refused() {
    let other =
        WHOLE.replace("{name: prod}", "{name: test}").replace("prefix: prod", "prefix: test");
    for (from, to, reason) in [
        (
            "store: {s3: {bucket: my-oidc, prefix: test",
            "issuer: https://h.example\n  store: {s3: {bucket: my-oidc, prefix: prod",
            "overwrite each other",
        ),
        ("region: us-west-2", "region: us-east-1", "in us-west-2 and in us-east-1"),
        ("prefix: test,", "prefix: test, access: acl,", "requires ACLs to be disabled"),
        (
            "store:",
            "issuer: https://my-oidc.s3.us-west-2.amazonaws.com/prod\n  store:",
            "both prod and test declare it",
        ),
        ("maxSessionDuration: 7200", "maxSessionDuration: 3600", "maximum session durations"),
        ("tags: {team: apps}", "tags: {team: others}", "tags with the same key"),
        ("data/${aws:username}", "data/${aws:userid}", "inline policies with the same name"),
        (
            "Resource: \"arn:aws:s3:::data/*\"",
            "Resource: \"*\"",
            "managed policies with the same name",
        ),
        ("- name: app", "- name: app2", "both app and app2 create it"),
        ("path: /apps/", "path: /other/", "paths"),
        ("policy/boundary", "policy/other", "boundaries"),
    ] {
        assert!(other.contains(from), "{from}");
        let text = format!("{WHOLE}---{}", other.replace(from, to));
        let error = terraform(&renderings(&text), &Existing::default()).unwrap_err();
        assert!(
            matches!(error, Error::Conflict { .. }) && error.to_string().contains(reason),
            "{reason}: {error}"
        );
        assert!(error.hint().is_some());
    }
    assert!(terraform(&renderings(&format!("{WHOLE}---{other}")), &Existing::default()).is_ok());
}

/// What a hand made before: with statements, tags and audiences of others.
fn unmanaged(document: &Rendering) -> Existing {
    let there = r#"{"Version":"2012-10-17","Statement":[{"Sid":"Theirs","Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::my-oidc/*"}]}"#;
    let own = Tags::from([
        ("issuerctl.dev/created".to_owned(), "true".to_owned()),
        ("theirs".to_owned(), "1".to_owned()),
    ]);
    let bucket = ExistingBucket {
        ownership: true,
        block: false,
        policy: Some(there.to_owned()),
        tags: own.clone(),
        objects: ["prod/keys.json".to_owned()].into(),
    };
    let provider = Provider {
        arn: format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{}", document.issuer.without_scheme()),
        audiences: vec!["older".to_owned()],
        thumbprints: vec!["a".repeat(40)],
        tags: own.clone(),
    };
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Sid":"Ec2","Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    let role = Role {
        name: document.roles[1].name.clone(),
        arn: format!("arn:aws:iam::{ACCOUNT}:role/old/vault"),
        path: "/old/".to_owned(),
        trust: TrustPolicy::parse(trust).unwrap(),
        max_session_secs: 43200,
        boundary: Some(format!("arn:aws:iam::{ACCOUNT}:policy/older")),
        tags: own,
        attached: Vec::new(),
        inline: Documents::new(),
    };
    let policy = ManagedPolicy {
        arn: document.roles[0].policy_arn("app-s3"),
        is_ours: true,
        document: json!({}),
        surplus_version: None,
    };
    let app = RoleState { role: None, managed: [("app-s3".to_owned(), policy)].into() };
    let vault = RoleState { role: Some(role), managed: BTreeMap::new() };
    Existing {
        buckets: [("my-oidc".to_owned(), bucket)].into(),
        providers: vec![provider],
        roles: [("app".to_owned(), app), ("vault".to_owned(), vault)].into(),
    }
}

#[test]
fn what_exists_is_imported_and_keeps_what_others_wrote() {
    let documents = renderings(WHOLE);
    let hcl = terraform(&documents, &unmanaged(&documents[0])).unwrap();
    assert_canonical(&hcl);
    let expected = [
        (
            "aws_iam_openid_connect_provider.prod",
            "arn:aws:iam::111122223333:oidc-provider/my-oidc.s3.us-west-2.amazonaws.com/prod",
        ),
        ("aws_iam_policy.app_s3", "arn:aws:iam::111122223333:policy/app-s3"),
        ("aws_iam_role.vault", "vault"),
        ("aws_s3_bucket.my_oidc", "my-oidc@us-west-2"),
        ("aws_s3_bucket_ownership_controls.my_oidc", "my-oidc@us-west-2"),
        ("aws_s3_bucket_policy.my_oidc", "my-oidc@us-west-2"),
        ("aws_s3_object.prod_keys", "my-oidc/prod/keys.json@us-west-2"),
    ];
    assert_eq!(imports(&hcl), expected.map(|(to, id)| (to.to_owned(), id.to_owned())).into());
    let resources = resources(&hcl);
    let sids = |address: &str, name: &str| {
        let policy = json_of(&resources[address], name);
        policy["Statement"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["Sid"].as_str().unwrap()[..3].to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(sids("aws_s3_bucket_policy.my_oidc", "policy"), ["The", "Iss"]);
    assert_eq!(sids("aws_iam_role.vault", "assume_role_policy"), ["Ec2", "Iss"]);
    let role = &resources["aws_iam_role.vault"];
    assert_eq!(
        (role["path"].as_str(), role["max_session_duration"].as_u64()),
        (Some("/old/"), Some(43200))
    );
    assert!(role["permissions_boundary"].as_str().unwrap().ends_with("/older"));
    assert_eq!(resources["aws_s3_bucket.my_oidc"]["tags"], role["tags"]);
    assert_eq!(role["tags"], hcl::value!({ "theirs" = "1" }));
    let provider = &resources["aws_iam_openid_connect_provider.prod"];
    assert_eq!(provider["client_id_list"], hcl::value!(["sts.amazonaws.com", "vault", "older"]));
    assert!(
        !provider.contains_key("thumbprint_list") && hcl.contains("required_version = \">= 1.5\"")
    );
    let moved = renderings(&WHOLE.replace("- name: vault", "- name: vault\n    path: /new/"));
    let error = terraform(&moved, &unmanaged(&documents[0])).unwrap_err();
    assert!(
        matches!(error, Error::Aws(issuer_iam::Error::Path { .. })),
        "a role that moves is made anew: {error}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn any_text_survives(
        key in "([$%{\"\\\\\n\r\t~ ]|\\$\\{|%\\{|\\PC|[a-zé한]){1,12}",
        value in "([$%{}\"\\\\\n\r\t\u{1}\u{2028}~]|\\$\\{a\\}|%\\{if|\\PC){0,24}",
    ) {
        let mut documents = renderings(SMALL);
        let role = &mut documents[0].roles[0];
        role.tags = Some([(key.clone(), value.clone())].into());
        let policy = json!({"Statement": [{"Sid": value, "Resource": {&key: [&value, "EOT"]}}]});
        role.inline = Some([("p".to_owned(), policy.clone())].into());
        let site = documents[0].site.as_mut().unwrap();
        site.documents.as_mut().unwrap().keys_json = value.clone().into_bytes();
        let hcl = terraform(&documents, &Existing::default()).unwrap();
        let resources = resources(&hcl);
        prop_assert_eq!(&json_of(&resources["aws_iam_role_policy.app_p"], "policy"), &policy);
        let tags = resources["aws_iam_role.app"]["tags"].as_object().unwrap().clone();
        prop_assert_eq!(tags.get(&key).and_then(|value| value.as_str()), Some(value.as_str()));
        prop_assert_eq!(resources["aws_s3_object.test_keys"]["content"].as_str(), Some(value.as_str()));
    }
}
