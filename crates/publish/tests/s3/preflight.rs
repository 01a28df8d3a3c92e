//! What stands in the way of anonymous readers is said before anything is written, all at once.

use super::*;

const ACCOUNT: &str = "111122223333";

/// A store in an account whose settings can be read.
fn checked(server: &S3Server, options: S3Options) -> Store {
    let options = S3Options { expected_bucket_owner: Some(ACCOUNT.to_owned()), ..options };
    match store(server, options) {
        Store::S3(s3) => Store::S3(Box::new(s3.with_control_url(server.endpoint()))),
        folder => folder,
    }
}

/// The problems of a publish, which has changed nothing.
async fn problems(server: &S3Server, options: S3Options) -> Vec<Error> {
    let before = server.dump();
    let error = run(&checked(server, options), &site("rsa2048"), &PlanOptions::default())
        .await
        .unwrap_err();
    assert_eq!(server.dump(), before);
    match error {
        Error::Several { problems, .. } => problems,
        one => vec![one],
    }
}

/// The messages with their hints.
fn text(problems: &[Error]) -> String {
    let each = |problem: &Error| format!("{problem}\n  {}\n", problem.hint().unwrap_or_default());
    problems.iter().map(each).collect()
}

#[tokio::test]
async fn every_problem_of_a_bucket_is_in_one_report_with_what_mends_it() {
    let server = S3Server::start();
    server.make_old_bucket("my-oidc");
    server.set_block("my-oidc", true);
    server.set_account_block(true);
    server.requester_pays();
    let policy = r#"{"Version":"2012-10-17","Statement":[
        {"Sid":"Kms","Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::my-oidc/*","Condition":{"StringNotEquals":{"s3:x-amz-server-side-encryption":"aws:kms"}}},
        {"Sid":"All","Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::my-oidc/*"},
        {"Sid":"Gone","Effect":"Deny","Principal":{"AWS":"AROAEXAMPLEEXAMPLE123"},"Action":"s3:*","Resource":"*"}]}"#;
    server.set_policy("my-oidc", policy);
    let found = problems(&server, options()).await;
    insta::assert_snapshot!(text(&found), @r#"
    the public access block of the account 111122223333 (BlockPublicAcls, IgnorePublicAcls, BlockPublicPolicy, RestrictPublicBuckets) forbids that the documents are public; it takes precedence over that of the bucket
      serve the bucket through CloudFront, which needs no public bucket; or, if the account may have public buckets: aws s3control put-public-access-block --account-id 111122223333 --public-access-block-configuration BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=false,RestrictPublicBuckets=false
    the readers of the bucket my-oidc pay for their requests (Requester Pays), which anonymous readers such as AWS STS cannot
      aws s3api put-bucket-request-payment --bucket my-oidc --request-payment-configuration Payer=BucketOwner
    the policy of the bucket my-oidc denies writes that are not encrypted with KMS (Kms), and anonymous readers such as AWS STS cannot read what is
      except the two documents: instead of Resource, the statement has "NotResource": ["arn:aws:s3:::my-oidc/prod/keys.json", "arn:aws:s3:::my-oidc/prod/.well-known/openid-configuration"]
    the policy of the bucket my-oidc has statements that would make other objects public once its public access block is relaxed: All
      remove or narrow these statements, or use a separate bucket for the issuer
    the policy of the bucket my-oidc has statements with deleted principals, and S3 accepts no policy with them: "Gone" (AROAEXAMPLEEXAMPLE123); nothing was changed
      remove these principals from the policy, and the statements that have no others: the users or roles do not exist any more, and their IDs are never used again (aws s3api get-bucket-policy shows the policy)
    "#);
    let several = Error::Several { bucket: "my-oidc".to_owned(), problems: found };
    // That of the account is for somebody else.
    assert_eq!(several.kind(), ErrorKind::NotPermitted);
}

#[tokio::test]
async fn what_forbids_acls_is_found_before_they_are_written() {
    let server = S3Server::start();
    server.make_bucket("my-oidc");
    server.set_account_block(false);
    let acl = S3Options { access: AccessMode::Acl, ..options() };
    insta::assert_snapshot!(text(&problems(&server, acl.clone()).await), @r#"
    the bucket my-oidc does not allow ACLs (AccessControlListNotSupported)
      new buckets have ACLs disabled since April 2023; use a bucket policy instead
    the public access block of the bucket my-oidc (BlockPublicAcls, IgnorePublicAcls, BlockPublicPolicy, RestrictPublicBuckets) forbids public ACLs
      aws s3api put-public-access-block --bucket my-oidc --public-access-block-configuration BlockPublicAcls=false,IgnorePublicAcls=false,BlockPublicPolicy=true,RestrictPublicBuckets=true
    "#);
    server.set_account_block(true);
    assert_eq!(problems(&server, acl).await.len(), 3);
}

#[tokio::test]
async fn a_new_bucket_is_not_created_where_the_account_forbids_public_ones() {
    let server = S3Server::start();
    server.set_account_block(true);
    let found = problems(&server, options()).await;
    assert!(matches!(&found[..], [Error::AccountBlocks { .. }]), "{found:?}");
    // Whoever serves it from a private bucket is not concerned.
    let none = S3Options { access: AccessMode::None, ..options() };
    run(&checked(&server, none), &site("rsa2048"), &PlanOptions::default()).await.unwrap();
}

#[tokio::test]
async fn what_may_not_be_checked_ends_no_run_and_nothing_is_checked_where_nothing_is_set_up() {
    let server = S3Server::start();
    server.make_bucket("my-oidc");
    for call in ["GetBucketRequestPayment", "GetObjectLockConfiguration"] {
        server.refuse(call, "AccessDenied");
    }
    server.refuse_object("GetObject", "configuration/publicAccessBlock", "AccessDenied");
    let store = checked(&server, options());
    let state = store.read(Purpose::Plan).await.unwrap();
    let denied = state.bucket.unwrap().state.preflight.denied();
    assert_eq!(
        denied,
        [
            "s3:GetAccountPublicAccessBlock",
            "s3:GetBucketRequestPayment",
            "s3:GetBucketObjectLockConfiguration"
        ]
    );
    run(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap();
    for case in ["rsa2048", "p256"] {
        server.take_log();
        run(&store, &site(case), &PlanOptions::default()).await.unwrap();
        let log = server.take_log();
        let checks = |line: &&String| line.contains("RequestPayment") || line.contains("Lock");
        assert_eq!(log.iter().filter(checks).count(), 0, "{case}: {log:?}");
    }
}

#[tokio::test]
async fn a_bucket_that_keeps_its_objects_is_used_and_a_warning_says_for_how_long() {
    let server = S3Server::start();
    server.make_bucket("my-oidc");
    server.lock_objects(30);
    let plan =
        run(&checked(&server, options()), &site("rsa2048"), &PlanOptions::default()).await.unwrap();
    let notices = plan.changes().notices;
    let locked = notices.iter().find(|notice| notice.id == "object-lock").unwrap();
    assert!(locked.message.contains("30 days"), "{locked:?}");
}

#[tokio::test]
async fn every_setting_that_may_not_be_read_is_named() {
    let server = S3Server::start();
    server.make_bucket("my-oidc");
    for call in ["GetBucketPolicy", "GetBucketOwnershipControls"] {
        server.refuse(call, "AccessDenied");
    }
    let found = problems(&server, options()).await;
    let text = text(&found);
    assert!(text.contains("s3:GetBucketPolicy") && text.contains("OwnershipControls"), "{text}");
}
