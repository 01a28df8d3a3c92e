//! Taking a site away, on a server that speaks S3 over real HTTP. The request log shows what was
//! asked.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use issuer_change::Describe;
use issuer_discovery::{IssuerUrl, Ports, Shape};
use issuer_jwks::{JwkSet, WeakKeys};
use issuer_publish::{
    AccessMode, BucketEnd, Error, Folder, PlanOptions, S3, S3Options, Site, Store, plan,
    plan_removal, publish, remove,
};
use issuer_test_support::{ACCESS_KEY, S3Server, SECRET_KEY};

const KEYS: &str = "prod/keys.json";

fn issuer(path: &str) -> IssuerUrl {
    IssuerUrl::parse(&format!("https://oidc.example.com/{path}"), Ports::Refuse).unwrap()
}

async fn published(store: &Store, path: &str) {
    let jwks =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/golden/cases/rsa2048/jwks.json");
    let keys = JwkSet::parse(&fs::read(jwks).unwrap(), WeakKeys::Refuse).unwrap();
    let (site, options) = (Site::new(keys, issuer(path), Shape::Irsa), PlanOptions::default());
    let mut plan = plan(store, &site, &options).await.unwrap();
    publish(store, &site, &options, &mut plan, |_| Ok::<(), Error>(()), |_| {}).await.unwrap();
}

fn store(server: &S3Server, path: &str) -> Store {
    let options = S3Options {
        max_age_secs: 300,
        create_bucket: true,
        access: AccessMode::Policy,
        ..S3Options::default()
    };
    store_with(server, path, options)
}

fn store_with(server: &S3Server, path: &str, options: S3Options) -> Store {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-west-2"))
        .endpoint_url(server.endpoint())
        .credentials_provider(Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test"))
        .force_path_style(true)
        .build();
    let location = format!("s3://my-oidc/{path}").parse().unwrap();
    let client = aws_sdk_s3::Client::from_conf(config);
    Store::S3(Box::new(S3::with_client(client, location, options, "us-west-2".to_owned())))
}

#[tokio::test]
async fn a_deletion_without_anything_to_delete_sends_nothing_but_reads() {
    let server = S3Server::start();
    for path in ["prod", "test"] {
        published(&store(&server, path), path).await;
    }
    let store = store(&server, "prod");
    for _ in 0..2 {
        let mut removal = plan_removal(&store, &issuer("prod"), false).await.unwrap();
        server.take_log();
        let end = remove(&store, &mut removal).await.unwrap();
        assert_eq!(end, BucketEnd::Stays("my-oidc".to_owned()));
    }
    assert_eq!(server.take_log(), [""; 0]);
}

#[tokio::test]
async fn a_bucket_of_our_own_goes_with_its_site_and_the_document_before_its_keys() {
    let server = S3Server::start();
    let store = store(&server, "prod");
    published(&store, "prod").await;
    server.take_log();
    let mut removal = plan_removal(&store, &issuer("prod"), false).await.unwrap();
    insta::assert_snapshot!(removal.changes().to_string(), @r#"
    - document .well-known/openid-configuration (s3://my-oidc/prod/.well-known/openid-configuration)
    - document keys.json (s3://my-oidc/prod/keys.json)
        - key "HSsv1GH636Pc9xR4JZOxMXKRXUODPrcRvki4Be1MKlo"  RSA-2048
    - bucket my-oidc
    "#);
    let mut reads = server.take_log();
    reads.sort();
    insta::assert_snapshot!(reads.join("\n"), @r#"
    GetBucketPolicy
    GetBucketTagging
    GetObject prod/.well-known/openid-configuration
    GetObject prod/keys.json
    ListObjectsV2
    ListObjectsV2
    "#);
    assert_eq!(
        remove(&store, &mut removal).await.unwrap(),
        BucketEnd::Deleted("my-oidc".to_owned())
    );
    insta::assert_snapshot!(server.take_log().join("\n"), @r#"
    DeleteObject prod/.well-known/openid-configuration if-match=…
    DeleteObject prod/keys.json if-match=…
    GetBucketPolicy
    PutObject .issuerctl/policy.lease if-none-match=* content-type=text/plain
    GetBucketPolicy
    DeleteBucketPolicy
    GetBucketPolicy
    DeleteObject .issuerctl/policy.lease if-match=…
    DeleteBucket
    "#);
    assert!(plan_removal(&store, &issuer("prod"), false).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_copies_of_previous_sites_go_last_and_do_not_keep_the_bucket() {
    let server = S3Server::start();
    let (store, options) =
        (store(&server, "prod"), PlanOptions { keep_history: 10, ..PlanOptions::default() });
    for case in ["rsa2048", "p256", "p384"] {
        let path =
            format!("{}/../../fixtures/golden/cases/{case}/jwks.json", env!("CARGO_MANIFEST_DIR"));
        let keys = JwkSet::parse(&fs::read(path).unwrap(), WeakKeys::Refuse).unwrap();
        let site = Site::new(keys, issuer("prod"), Shape::Irsa);
        let mut plan = plan(&store, &site, &options).await.unwrap();
        publish(&store, &site, &options, &mut plan, |_| Ok::<(), Error>(()), |_| {}).await.unwrap();
    }
    let mut removal = plan_removal(&store, &issuer("prod"), false).await.unwrap();
    let text = removal.changes().to_string();
    assert!(
        text.contains(
            "- history .issuerctl/history (s3://my-oidc/prod/.issuerctl/history)\n    - copies  2"
        ),
        "{text}"
    );
    server.take_log();
    let end = remove(&store, &mut removal).await.unwrap();
    assert_eq!(end, BucketEnd::Deleted("my-oidc".to_owned()));
    let log = server.take_log();
    let at = |text: &str| log.iter().rposition(|line| line.contains(text)).unwrap();
    assert!(at("keys.json") < at(".issuerctl/history"), "{log:#?}");
    assert!(server.dump().is_empty(), "{:?}", server.dump());
}

#[tokio::test]
async fn another_issuer_of_the_bucket_keeps_its_documents_and_the_bucket() {
    let server = S3Server::start();
    let (prod, test) = (store(&server, "prod"), store(&server, "test"));
    published(&prod, "prod").await;
    published(&test, "test").await;
    let mut removal = plan_removal(&test, &issuer("test"), false).await.unwrap();
    assert!(
        removal
            .changes()
            .to_string()
            .contains("= object         prod/.well-known/openid-configuration"),
        "{removal:?}"
    );
    assert_eq!(remove(&test, &mut removal).await.unwrap(), BucketEnd::Stays("my-oidc".to_owned()));
    assert!(
        server.get("my-oidc", KEYS).is_some() && server.get("my-oidc", "test/keys.json").is_none()
    );
    let policy = server.policy("my-oidc").unwrap();
    assert!(policy.contains("prod/keys.json") && !policy.contains("test/keys.json"), "{policy}");
}

#[tokio::test]
async fn a_bucket_and_statements_of_others_stay() {
    let server = S3Server::start();
    server.make_bucket("my-oidc");
    let store = store(&server, "prod");
    published(&store, "prod").await;
    let ours = server.policy("my-oidc").unwrap();
    let theirs = r#"{"Sid":"Theirs","Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::my-oidc/logs/*"}"#;
    server.set_policy(
        "my-oidc",
        &ours.replace("\"Statement\":[", &format!("\"Statement\":[{theirs},")),
    );
    let mut removal = plan_removal(&store, &issuer("prod"), false).await.unwrap();
    remove(&store, &mut removal).await.unwrap();
    assert_eq!(
        server.policy("my-oidc").unwrap(),
        format!(r#"{{"Version":"2012-10-17","Statement":[{theirs}]}}"#)
    );
    assert!(server.block("my-oidc").is_some(), "the bucket is gone");
}

#[tokio::test]
async fn documents_of_another_issuer_and_keys_that_came_meanwhile_are_not_removed() {
    let server = S3Server::start();
    let store = store(&server, "prod");
    published(&store, "prod").await;
    let error = plan_removal(&store, &issuer("other"), false).await.unwrap_err();
    assert!(matches!(error, Error::OtherIssuer { .. }), "{error}");
    let mut removal = plan_removal(&store, &issuer("prod"), false).await.unwrap();
    server.put_before_write("my-oidc", KEYS, b"{\"keys\":[]}");
    let error = remove(&store, &mut removal).await.unwrap_err();
    assert!(matches!(error, Error::Changed { .. }), "{error}");
    assert_eq!(server.get("my-oidc", KEYS).unwrap(), b"{\"keys\":[]}");
}

/// The set with a key of a type that STS does not use, as publish keeps it.
fn with_foreign(keys: &[u8]) -> Vec<u8> {
    let foreign = r#",{"kty":"OKP","kid":"theirs","crv":"Ed25519","x":"AA"}]}"#;
    let text = String::from_utf8(keys.to_vec()).unwrap();
    format!("{}{foreign}", text.strip_suffix("]}").unwrap()).into_bytes()
}

#[tokio::test]
async fn keys_that_cannot_be_used_do_not_block_a_deletion_and_are_named_in_it() {
    let root = tempfile::tempdir().unwrap();
    let (keys, discovery) =
        (root.path().join("keys.json"), root.path().join(".well-known/openid-configuration"));
    let store = Store::Folder(Folder::new(root.path()));
    // An interrupted deletion leaves the keys alone.
    for alone in [false, true] {
        published(&store, "prod").await;
        fs::write(&keys, with_foreign(&fs::read(&keys).unwrap())).unwrap();
        if alone {
            fs::remove_file(&discovery).unwrap();
        }
        let mut removal = plan_removal(&store, &issuer("prod"), false).await.unwrap();
        let text = removal.changes().to_string();
        assert!(text.contains("key \"theirs\"") && text.contains("not for AWS STS"), "{text}");
        assert!(text.contains("RSA-2048"), "{text}");
        remove(&store, &mut removal).await.unwrap();
        assert!(!keys.exists());
    }
}

#[tokio::test]
async fn what_can_be_found_in_a_damaged_set_is_named_before_it_is_deleted() {
    let root = tempfile::tempdir().unwrap();
    let (keys, discovery) =
        (root.path().join("keys.json"), root.path().join(".well-known/openid-configuration"));
    let store = Store::Folder(Folder::new(root.path()));
    published(&store, "prod").await;
    let mut damaged = with_foreign(&fs::read(&keys).unwrap());
    damaged.truncate(damaged.len() - 2);
    fs::write(&keys, &damaged).unwrap();
    let named = |text: &str| text.contains("RSA-2048") && text.contains("key \"theirs\"");
    let removal = plan_removal(&store, &issuer("prod"), false).await.unwrap();
    assert!(named(&removal.changes().to_string()), "{removal:?}");
    // Without the document, nobody knows whose they are.
    fs::remove_file(&discovery).unwrap();
    let error = plan_removal(&store, &issuer("prod"), false).await.unwrap_err();
    assert!(matches!(error, Error::UnknownOwner { .. }), "{error}");
    let mut removal = plan_removal(&store, &issuer("prod"), true).await.unwrap();
    assert!(named(&removal.changes().to_string()), "{removal:?}");
    remove(&store, &mut removal).await.unwrap();
    assert!(!keys.exists());
}

#[tokio::test]
async fn documents_that_were_there_before_stay_readable_until_forced() {
    let (theirs, server) = (S3Server::start(), S3Server::start());
    let before = store(&theirs, "prod");
    published(&before, "prod").await;
    server.make_bucket("my-oidc");
    for name in [KEYS, "prod/.well-known/openid-configuration"] {
        server.put("my-oidc", name, &theirs.get("my-oidc", name).unwrap());
    }
    let store = store(&server, "prod");
    // Twice: what is written anew is not taken for one's own.
    published(&store, "prod").await;
    published(&store, "prod").await;
    let mut removal = plan_removal(&store, &issuer("prod"), false).await.unwrap();
    assert!(
        !removal.changes_anything()
            && removal.changes().to_string().contains("not managed by issuerctl, kept"),
        "{removal:?}"
    );
    remove(&store, &mut removal).await.unwrap();
    assert!(
        server.get("my-oidc", KEYS).is_some() && server.policy("my-oidc").unwrap().contains(KEYS)
    );
    let mut removal = plan_removal(&store, &issuer("prod"), true).await.unwrap();
    remove(&store, &mut removal).await.unwrap();
    assert!(server.get("my-oidc", KEYS).is_none() && server.policy("my-oidc").is_none());
}

#[tokio::test]
async fn the_statement_of_a_shared_bucket_goes_with_its_last_issuer() {
    let server = S3Server::start();
    server.make_bucket("my-oidc");
    let shared = S3Options { max_age_secs: 300, shared_bucket: true, ..S3Options::default() };
    for path in ["prod", "test"] {
        published(&store_with(&server, path, shared.clone()), path).await;
    }
    let before = server.policy("my-oidc");
    // Without the option, too: what is in the policy counts.
    let store = store(&server, "prod");
    let mut removal = plan_removal(&store, &issuer("prod"), false).await.unwrap();
    let notices = removal.changes().notices;
    assert!(notices[0].message.contains("test/.well-known/openid-configuration"), "{notices:?}");
    remove(&store, &mut removal).await.unwrap();
    assert_eq!(server.policy("my-oidc"), before);
    assert!(server.is_readable("my-oidc", "test/keys.json"));
    let store = store_with(&server, "test", shared);
    let mut removal = plan_removal(&store, &issuer("test"), false).await.unwrap();
    assert_eq!(removal.changes().notices, []);
    remove(&store, &mut removal).await.unwrap();
    assert_eq!(server.policy("my-oidc"), None);
}

#[tokio::test]
async fn without_a_list_of_the_bucket_the_statement_of_a_shared_bucket_stays() {
    let server = S3Server::start();
    server.make_bucket("my-oidc");
    let shared = S3Options { max_age_secs: 300, shared_bucket: true, ..S3Options::default() };
    let store = store_with(&server, "prod", shared);
    published(&store, "prod").await;
    server.refuse("ListObjectsV2", "AccessDenied");
    let mut removal = plan_removal(&store, &issuer("prod"), false).await.unwrap();
    assert!(removal.changes().notices[0].message.contains("s3:ListBucket"), "{removal:?}");
    remove(&store, &mut removal).await.unwrap();
    assert!(server.policy("my-oidc").is_some());
}

#[tokio::test]
async fn what_cannot_be_tagged_is_made_all_the_same_and_stays_later() {
    let server = S3Server::start();
    server.refuse("PutBucketTagging", "AccessDenied");
    let store = store(&server, "prod");
    published(&store, "prod").await;
    server.refuse_nothing();
    let mut removal = plan_removal(&store, &issuer("prod"), false).await.unwrap();
    assert!(!removal.deletes_bucket(), "{removal:?}");
    remove(&store, &mut removal).await.unwrap();
    assert!(server.block("my-oidc").is_some(), "a bucket that nobody says is ours was deleted");
}

#[tokio::test]
async fn a_folder_keeps_what_others_put_there() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::Folder(Folder::new(root.path()));
    published(&store, "prod").await;
    fs::write(root.path().join(".well-known/security.txt"), "theirs").unwrap();
    let mut removal = plan_removal(&store, &issuer("prod"), false).await.unwrap();
    remove(&store, &mut removal).await.unwrap();
    assert!(
        !root.path().join("keys.json").exists()
            && root.path().join(".well-known/security.txt").exists()
    );
    assert!(plan_removal(&store, &issuer("prod"), false).await.unwrap().is_empty());
    let nowhere = Store::Folder(Folder::new(root.path().join("nowhere")));
    assert!(plan_removal(&nowhere, &issuer("prod"), false).await.unwrap().is_empty());
}
