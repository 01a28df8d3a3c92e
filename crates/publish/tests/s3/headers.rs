//! What objects are stored with: caching and encryption.

use super::*;

#[tokio::test]
async fn an_object_with_other_caching_is_written_again() {
    let server = S3Server::start();
    run(&store(&server, options()), &site("rsa2048"), &PlanOptions::default()).await.unwrap();
    let longer = S3Options { max_age_secs: 3600, ..options() };
    let plan = run(&store(&server, longer.clone()), &site("rsa2048"), &PlanOptions::default())
        .await
        .unwrap();
    assert!(!plan.is_empty());
    assert!(
        run(&store(&server, longer), &site("rsa2048"), &PlanOptions::default())
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn documents_stay_readable_for_strangers_where_the_bucket_encrypts_with_kms_by_default() {
    let server = S3Server::start();
    let store = store(&server, options());
    run(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap();
    server.kms_by_default();
    run(&store, &site("p256"), &PlanOptions::default()).await.unwrap();
    for key in [KEYS, DISCOVERY] {
        assert_eq!(server.encryption("my-oidc", key).as_deref(), Some("AES256"), "{key}");
    }
}

#[tokio::test]
async fn a_document_that_is_encrypted_with_kms_is_written_again_with_sse_s3_and_then_left_alone() {
    let server = S3Server::start();
    let store = store(&server, options());
    run(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap();
    let bytes = server.get("my-oidc", KEYS).unwrap();
    server.kms_by_default();
    server.put("my-oidc", KEYS, &bytes);
    assert_eq!(server.encryption("my-oidc", KEYS).as_deref(), Some("aws:kms"));
    let healed = run(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap();
    let text = healed.changes().to_string();
    assert!(text.contains("~ server side encryption  aws:kms -> AES256"), "{text}");
    assert_eq!(server.encryption("my-oidc", KEYS).as_deref(), Some("AES256"));
    assert!(run(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_plain_document_that_is_served_as_compressed_is_written_again_and_then_left_alone() {
    let server = S3Server::start();
    let store = store(&server, options());
    run(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap();
    for key in [KEYS, DISCOVERY] {
        server.encode_as("my-oidc", key, "gzip");
        let healed = run(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap();
        let text = healed.changes().to_string();
        assert!(text.contains("~ content encoding") && text.contains("gzip -> none"), "{text}");
        assert!(run(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap().is_empty());
    }
    // What the upload in chunks leaves behind in some stores is no coding of the document.
    server.encode_as("my-oidc", KEYS, "aws-chunked");
    assert!(run(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_store_without_encryption_is_written_without() {
    let server = S3Server::start();
    server.without_encryption();
    let compatible = S3Options { endpoint_url: Some(server.endpoint()), ..options() };
    let store = store(&server, compatible);
    server.take_log();
    run(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap();
    // The store is asked for encryption once, and whether it keeps conditions: a fleet has thousands of writes.
    let log = server.take_log();
    let writes = |of: &str| log.iter().filter(|line| line.contains(of)).count();
    assert_eq!(writes("PutObject prod/keys.json"), 3, "{log:#?}");
    assert_eq!(writes("PutObject prod/.well-known"), 1, "{log:#?}");
    assert_eq!(server.encryption("my-oidc", KEYS), None);
    assert!(run(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap().is_empty());
}

#[tokio::test]
async fn aws_itself_is_never_written_without_encryption() {
    let server = S3Server::start();
    server.make_bucket("my-oidc");
    server.without_encryption();
    run(&store(&server, options()), &site("rsa2048"), &PlanOptions::default()).await.unwrap_err();
    assert!(server.get("my-oidc", KEYS).is_none());
}
