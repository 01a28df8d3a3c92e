//! Files as people write them, and as they get them wrong.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use issuer_diagnostic::Diagnostic;
use issuer_manifest::{Error, KeySource, StoreSpec, agree, json_schema, parse};
use issuer_publish::AccessMode;
use proptest::prelude::*;

const WHOLE: &str = r#"
apiVersion: issuerctl.dev/v1alpha1
kind: ServiceAccountIssuer
metadata: {name: prod}
spec:
  keys:                      # any mix of sources
  - cluster: {name: prod, namespace: eksa-system}
  - file: old-sa.pub
  store: {s3: {bucket: my-oidc, prefix: prod, region: us-west-2, createBucket: true, access: policy, expectedBucketOwner: 012345678901}}
  issuer: https://oidc.example.com/prod
  provider: {audiences: [sts.amazonaws.com], tags: {team: platform, cost: 17}}
  roles:
  - name: app
    serviceAccounts: [default/app, jobs/*]
    policyArns: [arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess]
    inlinePolicies: {extra: {Version: "2012-10-17", Statement: [{Effect: Allow, Action: "s3:GetObject", Resource: "arn:aws:s3:::data/*"}]}}
    managedPolicies: {app-s3: {Version: 2012-10-17, Statement: {Effect: Allow, Action: "s3:GetObject", Resource: "arn:aws:s3:::data/*"}}}
"#;

const KEYS: &str = "  keys:                      # any mix of sources\n  - cluster: {name: prod, \
                    namespace: eksa-system}\n  - file: old-sa.pub\n";

const SMALL: &str = "apiVersion: issuerctl.dev/v1alpha1\nkind: ServiceAccountIssuer\nmetadata: {name: \
                     NAME}\nspec: {issuer: https://h.example/NAME, provider: {}}\n";

fn refused(text: &str) -> String {
    let error = parse(text).unwrap_err();
    format!("{error}; {}", error.hint().unwrap_or_default())
}

/// The whole file with one text in place of another.
fn with(from: &str, to: &str) -> String {
    assert!(WHOLE.contains(from), "{from}");
    WHOLE.replace(from, to)
}

#[test]
fn an_object_is_read_as_the_api_server_gives_it() {
    let given = r#"
apiVersion: issuerctl.dev/v1alpha1
kind: ServiceAccountIssuer
metadata:
  annotations: {issuerctl.dev/allow-issuer-change: "https://h.example/a"}
  creationTimestamp: "2026-11-26T12:00:00Z"
  deletionGracePeriodSeconds: 0
  deletionTimestamp: null
  finalizers: [issuerctl.dev/delete]
  generateName: a-
  generation: 3
  labels: {team: a}
  managedFields: [{manager: kubectl, fieldsV1: {"f:spec": {}}}]
  name: prod
  namespace: clusters
  ownerReferences: [{kind: Cluster, name: prod}]
  resourceVersion: "123"
  selfLink: /x
  uid: 8f3c
spec:
  suspend: true
  deletionPolicy: Delete
  driftPolicy: Report
  keys: [{cluster: {name: prod}}, {cluster: {name: b, namespace: other}}, {apiserver: {}}]
  store: {s3: {bucket: my-oidc, prefix: prod, region: us-west-2}}
status: {observedGeneration: 3, conditions: [{type: Ready}]}
"#;
    let issuer = parse(given).unwrap().remove(0);
    let namespaces = issuer.spec.keys.iter().filter_map(|key| match key {
        KeySource::Cluster(cluster) => Some(issuer.namespace_of(cluster).to_string()),
        _ => None,
    });
    assert_eq!(namespaces.collect::<Vec<_>>(), ["clusters", "other"]);
    let (before, within) = WHOLE.split_once("metadata: {name: prod}").unwrap();
    let usual = parse(&format!(
        "{before}metadata: {{name: prod}}{}",
        within.replace(", namespace: eksa-system", "")
    ));
    let issuer = usual.unwrap().remove(0);
    let KeySource::Cluster(cluster) = &issuer.spec.keys[0] else { unreachable!() };
    assert_eq!(issuer.namespace_of(cluster).to_string(), "eksa-system");
    for (field, typo) in [
        ("creationTimestamp", "creationTimestmp"),
        ("deletionPolicy: Delete", "deletionPolicies: Delete"),
        ("Report", "report"),
        ("namespace: clusters", "namespace: Clusters"),
        ("status:", "stats:"),
    ] {
        assert!(parse(&given.replace(field, typo)).is_err(), "{typo}");
    }
}

#[test]
fn a_file_says_everything_and_leaves_out_what_is_usual() {
    let issuers = parse(WHOLE).unwrap();
    let [issuer] = &issuers[..] else { unreachable!() };
    assert_eq!((issuer.name(), issuer.spec.keys.len()), ("prod", 2));
    assert!(
        matches!(&issuer.spec.keys[1], KeySource::File(path) if path.to_str() == Some("old-sa.pub"))
    );
    let Some(StoreSpec::S3(s3)) = &issuer.spec.store else { unreachable!() };
    assert_eq!((s3.location().to_string().as_str(), s3.max_age), ("s3://my-oidc/prod", 300));
    assert_eq!((s3.access, s3.create_bucket, s3.path_style), (AccessMode::Policy, true, false));
    assert_eq!(
        s3.expected_bucket_owner.as_ref().unwrap().as_str(),
        "012345678901",
        "its zero counts"
    );
    assert_eq!(issuer.spec.provider.as_ref().unwrap().tags["cost"], "17");
    let role = &issuer.spec.roles[0];
    assert_eq!(role.managed_policies["app-s3"]["Version"], "2012-10-17", "no date");
    assert_eq!((role.policy_arns.len(), &role.audiences), (1, &None));
}

#[test]
fn several_documents_stand_in_a_file_and_json_is_one_too() {
    let (a, b) = (SMALL.replace("NAME", "a"), SMALL.replace("NAME", "b"));
    assert_eq!(parse(&format!("\u{feff}# two\n---\n{a}---\n{b}---\n")).unwrap().len(), 2);
    assert!(refused(&format!("{a}---\n{a}")).contains("two issuers with this name"));
    let json = r#"{"apiVersion":"issuerctl.dev/v1alpha1","kind":"ServiceAccountIssuer","metadata":{"name":"a"},"spec":{"issuer":"https://h.example"}}"#;
    assert_eq!(parse(json).unwrap()[0].name(), "a");
    assert_eq!(parse("# nothing\n").unwrap_err(), Error::Empty);
}

#[test]
fn an_unknown_name_is_named_with_its_place_and_the_nearest_known_one() {
    for (from, to, place, near) in [
        ("  roles:", "  rolls:", "line 12 column 3", "\"roles\""),
        ("createBucket", "createbucket", "line 9 column", "\"createBucket\""),
        ("  - file:", "  - fill:", "line 8 column", "\"file\""),
        ("v1alpha1", "v1alpha2", "line 2 column 13", "issuerctl.dev/v1alpha1"),
        ("access: policy", "access: polizy", "line 9 column", "\"policy\""),
        ("  roles:", "  workload: {injection: polcy}\n  roles:", "line 12 column", "\"policy\""),
        (
            "  roles:",
            "  workload: {serviceAccounts: anotate}\n  roles:",
            "line 12 column",
            "\"annotate\"",
        ),
    ] {
        let message = refused(&with(from, to));
        assert!(
            message.contains(place) && message.contains("did you mean") && message.contains(near),
            "{message}"
        );
    }
    let message = refused(&with("  roles:", "  whatever:"));
    assert!(
        !message.contains("did you mean") && message.contains("the fields here are keys, "),
        "{message}"
    );
}

#[test]
fn the_old_kind_is_refused_with_its_place_and_the_new_one() {
    let message = refused(&with("kind: ServiceAccountIssuer", "kind: Issuer"));
    assert!(message.contains("line 3 column 7"), "{message}");
    assert!(message.contains("the kind Issuer is now called ServiceAccountIssuer"), "{message}");
}

#[test]
fn a_value_that_its_type_does_not_take_is_named_with_its_place() {
    for (from, to, place, reason) in [
        ("default/app", "default", "line 14 column 23", "NAMESPACE/NAME"),
        ("bucket: my-oidc", "bucket: My_OIDC", "line 9 column", "lower-case"),
        ("https://oidc", "http://oidc", "line 10 column 11", "https"),
        ("012345678901", "1234", "line 9 column", "12 digits"),
        ("arn:aws:iam::aws:policy/Am", "arn:aws:s3:::Am", "line 15 column", "policy ARN"),
        ("cost: 17", "'aws:cost': 17", "line 11 column", "aws:"),
        (
            "serviceAccounts: [default/app, jobs/*]",
            "serviceAccounts: []",
            "line 14 column",
            "at least one",
        ),
        ("serviceAccounts: [default/app, jobs/*]\n", "path: x\n", "line 14 column", "slash"),
        (
            "serviceAccounts: [default/app, jobs/*]\n",
            "maxSessionDuration: 60\n",
            "line 14 column",
            "3600",
        ),
        ("name: app", "nom: app", "line 13 column", "\"nom\""),
        (
            "extra: {Version: \"2012-10-17\", Statement",
            "extra: {Version: \"2012-10-17\", Statment",
            "line 16 column",
            "Statement",
        ),
        ("metadata: {name: prod}", "metadata: {name: Prod}", "line 4 column", "lower-case"),
        (
            "provider: {audiences: [sts.amazonaws.com], tags: {team: platform, cost: 17}}",
            "provider:",
            "line 11 column",
            "write {}",
        ),
        ("prefix: prod", "prefix: prod, prefix: test", "line 9 column", "twice"),
    ] {
        let message = refused(&with(from, to));
        assert!(message.contains(place) && message.contains(reason), "{to}: {message}");
    }
}

#[test]
fn members_that_do_not_go_together_are_refused() {
    for (from, to, reason) in [
        ("  store: {s3", "  #", "keys but no store"),
        (KEYS, "  keys: []\n", "a store but no keys"),
        ("  roles:\n", "  roles:\n  - {name: APP, serviceAccounts: [a/b]}\n", "two roles"),
        (
            "  roles:\n",
            "  roles:\n  - {name: b, serviceAccounts: [a/b], managedPolicies: {app-s3: {Version: \
             2012-10-17, Statement: {Effect: Deny, Action: x, Resource: x}}}}\n",
            "two roles create",
        ),
    ] {
        let message = refused(&with(from, to));
        assert!(message.contains(reason), "{message}");
    }
    let folder = with(
        "{s3: {bucket: my-oidc, prefix: prod, region: us-west-2, createBucket: true, access: \
         policy, expectedBucketOwner: 012345678901}}",
        "{folder: site}",
    );
    assert!(parse(&folder).is_ok());
    assert!(
        refused(&folder.replace("  issuer: https://oidc.example.com/prod\n", ""))
            .contains("spec.issuer is required")
    );
}

#[test]
fn a_statement_for_all_issuers_of_a_bucket_needs_a_bucket_policy() {
    let policy = with("access: policy", "access: policy, sharedBucket: true");
    let Some(StoreSpec::S3(s3)) = &parse(&policy).unwrap()[0].spec.store else { panic!() };
    assert!(s3.shared_bucket);
    for access in ["acl", "none"] {
        let text = with("access: policy", &format!("access: {access}, sharedBucket: true"));
        assert!(refused(&text).contains("sharedBucket requires access: policy"));
    }
}

#[test]
fn a_key_in_the_file_or_in_its_place_is_not_repeated() {
    let key = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n-----END PRIVATE KEY-----\n";
    let block: String = key.lines().map(|line| format!("      {line}\n")).collect();
    let encoded = "LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQpNSUdI";
    for text in [
        key.to_owned(),
        with("  - file: old-sa.pub\n", &format!("  - file: |\n{block}")),
        with("bucket: my-oidc", &format!("bucket: {encoded}")),
        with("- file: old-sa.pub", r#"- file: '{"kty":"RSA","d":"MIGH"}'"#),
    ] {
        let message = refused(&text);
        assert!(
            !message.contains("MIGH") && !message.contains("LS0t") && message.contains("sa.pub"),
            "{message}"
        );
    }
}

#[test]
fn a_policy_keeps_what_was_written() {
    let text = with(
        "Resource: \"arn:aws:s3:::data/*\"}]}}\n    managed",
        "Resource: x, Condition: {StringEquals: {aws:ResourceAccount: 012345678901, a: 17, b: on}, \
         Bool: {c: true}}}]}}\n    managed",
    );
    let issuers = parse(&text).unwrap();
    let condition = &issuers[0].spec.roles[0].inline_policies["extra"]["Statement"][0]["Condition"];
    let equals = &condition["StringEquals"];
    assert_eq!(
        (&equals["aws:ResourceAccount"], &equals["a"], &equals["b"]),
        (&"012345678901".into(), &"17".into(), &"on".into())
    );
    assert_eq!(condition["Bool"]["c"], true);
    assert!(refused(&text.replace("a: 17", "a: 1.50")).contains("between quotes"));
}

#[test]
fn issuers_that_want_different_things_of_what_they_share_are_refused() {
    let other =
        WHOLE.replace("{name: prod}\nspec", "{name: test}\nspec").replace("com/prod", "com/test");
    let both = |edits: &[(&str, &str)]| {
        let edited = edits.iter().fold(other.clone(), |text, (from, to)| {
            assert!(text.contains(from), "{from}");
            text.replace(from, to)
        });
        let issuers = parse(&format!("{WHOLE}---{edited}")).unwrap();
        agree(&issuers.iter().collect::<Vec<_>>())
    };
    let elsewhere = ("prefix: prod", "prefix: test");
    assert!(both(&[elsewhere]).is_ok(), "{:?}", both(&[elsewhere]));
    assert!(both(&[elsewhere, ("    policyArns", "    audiences: [x]\n    policyArns")]).is_ok());
    for (edits, reason) in [
        (&[("https://oidc.example.com/test", "https://oidc.example.com/t")][..], "same location"),
        (&[elsewhere, ("name: app\n", "name: other\n")], "the policy app-s3"),
        (&[elsewhere, ("data/*", "data2/*")], "the policy app-s3"),
        (
            &[elsewhere, ("Resource: \"arn:aws:s3:::data/*\"}]}}\n", "Resource: y}]}}\n")],
            "inline policies",
        ),
        (&[elsewhere, ("    policyArns", "    path: /x/\n    policyArns")], "path"),
    ] {
        let error = both(edits).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn the_schema_in_the_docs_is_the_one_of_the_types() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/issuer.schema.json");
    let text = format!("{:#}\n", json_schema());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), text, "UPDATE_DOCS=1 writes it anew");
}

#[test]
fn what_the_docs_show_is_a_file() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let mut seen = 0;
    for page in ["README.md", "docs/file.md"] {
        let text = std::fs::read_to_string(format!("{root}/{page}")).unwrap();
        for block in text.split("```yaml\n").skip(1) {
            let block = block.split("```").next().unwrap();
            assert!(parse(block).is_ok(), "{page}: {:?}\n{block}", parse(block));
            seen += 1;
        }
    }
    for entry in std::fs::read_dir(format!("{root}/docs/examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let file = path.join("issuer.yaml");
            let text = std::fs::read_to_string(&file).unwrap();
            assert!(parse(&text).is_ok(), "{}: {:?}", file.display(), parse(&text));
            seen += 1;
        }
    }
    assert!(seen >= 4, "only {seen} files were found");
}

proptest! {
    #[test]
    fn no_text_stops_the_parser(text in "(\\PC|[\\n{}\\[\\]:&*!|>-]){0,200}") {
        let _ = parse(&text);
    }

    #[test]
    fn a_file_that_is_cut_off_or_damaged_is_an_error_or_a_file(at in 0..WHOLE.len(), text in "\\PC{0,3}") {
        prop_assume!(WHOLE.is_char_boundary(at));
        let _ = parse(&WHOLE[..at]);
        let _ = parse(&format!("{}{text}{}", &WHOLE[..at], &WHOLE[at..]));
    }
}

#[test]
fn what_cannot_be_seen_is_named_and_what_could_be_secret_is_not() {
    let file = |spec: &str| {
        format!(
            "apiVersion: issuerctl.dev/v1alpha1\nkind: ServiceAccountIssuer\nmetadata: {{name: prod}}\nspec:\n{spec}"
        )
    };
    let twice = file("  issuer: https://oidc.example.com\n").repeat(2);
    let secret = "NOT/FOR+ANY/LOG=";
    for (text, says) in [
        (
            file("  issuer: https://oidc.example.com\n\u{a0}\u{a0}roles: []\n"),
            "U+00A0 (no-break space)",
        ),
        (file("  issuer: \u{201c}https://oidc.example.com\u{201d}\n"), "U+201C"),
        (file("\tissuer: https://oidc.example.com\n"), "tab"),
        (file("  issuer: {a: b}\n"), "this must be a string"),
        (twice, "put --- on a line"),
        (file(&format!("  keys: [{secret}]\n")), "unknown value; "),
        (file(&format!("  {secret}: x\n")), "unknown field; "),
    ] {
        let error = parse(&text).unwrap_err().to_string();
        assert!(error.contains(says) && !error.contains(secret), "{error}");
    }
}

#[test]
fn thousands_of_issuers_stand_in_one_file() {
    let issuer = |number: usize| {
        format!(
            "---\napiVersion: issuerctl.dev/v1alpha1\nkind: ServiceAccountIssuer\nmetadata: {{name: \
             c{number}}}\nspec: {{issuer: 'https://oidc.example.com/c{number}', provider: {{}}}}\n"
        )
    };
    let text: String = (0..3000).map(issuer).collect();
    assert_eq!(parse(&text).unwrap().len(), 3000);
}
