//! Who can read the documents: policies, ACLs and the public access block.

use super::*;

#[tokio::test]
async fn a_bucket_policy_keeps_its_id_and_its_other_statements() {
    let server = S3Server::start();
    server.make_bucket("my-oidc");
    let theirs = r#"{"Version":"2012-10-17","Id":"theirs","Statement":[{"Sid":"Logs","Effect":"Deny","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"s3:PutObject","Resource":"arn:aws:s3:::my-oidc/logs/*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}"#;
    server.set_policy("my-oidc", theirs);
    run(&store(&server, options()), &site("rsa2048"), &PlanOptions::default()).await.unwrap();
    let merged: serde_json::Value =
        serde_json::from_str(&server.policy("my-oidc").unwrap()).unwrap();
    let before: serde_json::Value = serde_json::from_str(theirs).unwrap();
    assert_eq!(merged["Id"], "theirs");
    assert_eq!(merged["Statement"][0], before["Statement"][0]);
    assert_eq!(merged["Statement"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_compatible_store_without_access_block_is_said_once_and_used() {
    let server = S3Server::start();
    server.make_bucket("my-oidc");
    // MinIO's two answers.
    for (call, code) in [
        ("GetPublicAccessBlock", "NotImplemented"),
        ("PutPublicAccessBlock", "NotImplemented"),
        ("GetBucketOwnershipControls", "MalformedXML"),
    ] {
        server.refuse(call, code);
    }
    // Its buckets block nothing.
    server.unblock("my-oidc");
    let compatible = S3Options { endpoint_url: Some(server.endpoint()), ..options() };
    let plan =
        run(&store(&server, compatible), &site("rsa2048"), &PlanOptions::default()).await.unwrap();
    assert_eq!(plan.changes().notices.len(), 1);
    assert!(server.get("my-oidc", DISCOVERY).is_some());
}

#[tokio::test]
async fn aws_itself_is_never_taken_for_a_store_without_access_block() {
    let server = S3Server::start();
    server.make_bucket("my-oidc");
    server.refuse("GetPublicAccessBlock", "NotImplemented");
    let error = run(&store(&server, options()), &site("rsa2048"), &PlanOptions::default())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Call { call: "GetPublicAccessBlock", .. }), "{error}");
}

#[tokio::test]
async fn issuers_side_by_side_in_a_bucket_have_a_statement_each() {
    let server = S3Server::start();
    for location in
        ["s3://my-oidc/prod", "s3://my-oidc/pro/d", "s3://my-oidc/pro-d", "s3://my-oidc"]
    {
        run(&store_at(&server, location, options()), &site("rsa2048"), &PlanOptions::default())
            .await
            .unwrap();
    }
    let policy: serde_json::Value =
        serde_json::from_str(&server.policy("my-oidc").unwrap()).unwrap();
    assert_eq!(policy["Statement"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn issuers_of_a_shared_bucket_have_one_statement_and_write_it_once() {
    let server = S3Server::start();
    let publish = async |location: &str, options: S3Options| {
        server.take_log();
        let store = store_at(&server, location, options);
        run(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap();
        let log = server.take_log();
        log.iter().filter(|line| line.starts_with("PutBucketPolicy")).count()
    };
    let shared = || S3Options { shared_bucket: true, ..options() };
    assert_eq!(publish("s3://my-oidc/old", options()).await, 1);
    assert_eq!(publish("s3://my-oidc/prod", shared()).await, 1);
    assert_eq!(publish("s3://my-oidc/test/a", shared()).await, 0);
    assert_eq!(publish("s3://my-oidc/plain", options()).await, 0);
    assert_eq!(publish("s3://my-oidc", shared()).await, 1);
    let policy: serde_json::Value =
        serde_json::from_str(&server.policy("my-oidc").unwrap()).unwrap();
    insta::assert_json_snapshot!(policy["Statement"], @r#"
    [
      {
        "Sid": "IssuerctlPublicReadShared",
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": [
          "arn:aws:s3:::my-oidc/*/keys.json",
          "arn:aws:s3:::my-oidc/*/.well-known/openid-configuration",
          "arn:aws:s3:::my-oidc/keys.json",
          "arn:aws:s3:::my-oidc/.well-known/openid-configuration"
        ]
      }
    ]
    "#);
    for prefix in ["old/", "prod/", "test/a/", "plain/", ""] {
        for name in ["keys.json", ".well-known/openid-configuration"] {
            assert!(server.is_readable("my-oidc", &format!("{prefix}{name}")), "{prefix}{name}");
        }
    }
    server.put("my-oidc", "prod/.issuerctl/history/1-keys", b"{}");
    assert!(!server.is_readable("my-oidc", "prod/.issuerctl/history/1-keys"));
}

#[tokio::test]
async fn acls_are_set_on_the_objects_and_a_bucket_without_them_is_named() {
    let server = S3Server::start();
    server.make_bucket("my-oidc");
    server.set_block("my-oidc", false);
    let store = store(&server, S3Options { access: AccessMode::Acl, ..options() });
    // Also where the setting may not be read: then the write says it.
    for unreadable in [false, true] {
        if unreadable {
            server.refuse("GetBucketOwnershipControls", "AccessDenied");
        }
        let error = run(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap_err();
        assert!(matches!(error, Error::NoAcls { .. }), "{error}");
        let log = server.take_log();
        let writes = log.iter().any(|line| line.contains("x-amz-acl=public-read"));
        assert_eq!(writes, unreadable, "{log:?}");
    }
}

#[tokio::test]
async fn an_object_that_lost_its_acl_gets_it_again_and_then_nothing_is_written() {
    let server = S3Server::start();
    server.make_old_bucket("my-oidc");
    run(
        &store(&server, S3Options { access: AccessMode::None, ..options() }),
        &site("rsa2048"),
        &PlanOptions::default(),
    )
    .await
    .unwrap();
    assert!(!server.is_readable_by_acl("my-oidc", KEYS));
    let store = store(&server, S3Options { access: AccessMode::Acl, ..options() });
    run(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap();
    assert!(
        server.is_readable_by_acl("my-oidc", KEYS)
            && server.is_readable_by_acl("my-oidc", DISCOVERY)
    );
    assert!(run(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_store_without_bucket_policies_is_an_error_that_names_the_way_out() {
    let server = S3Server::start();
    let compatible = || S3Options { endpoint_url: Some(server.endpoint()), ..options() };
    server.refuse("PutBucketPolicy", "NotImplemented");
    let error = run(&store(&server, compatible()), &site("rsa2048"), &PlanOptions::default())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::NoPolicies { .. }), "{error}");
    server.refuse("GetBucketPolicy", "NotImplemented");
    let error = run(&store(&server, compatible()), &site("rsa2048"), &PlanOptions::default())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::NoPolicies { .. }), "{error}");
    assert!(server.get("my-oidc", KEYS).is_none(), "something was written that nobody can read");
}

#[tokio::test]
async fn a_policy_that_somebody_overwrote_gets_our_statement_again() {
    let server = S3Server::start();
    server.make_bucket("my-oidc");
    let theirs = r#"{"Version":"2012-10-17","Statement":[{"Sid":"Theirs","Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::my-oidc/logs/*"}]}"#;
    server.overwrite_next_policy(theirs);
    run(&store(&server, options()), &site("rsa2048"), &PlanOptions::default()).await.unwrap();
    let policy = server.policy("my-oidc").unwrap();
    assert!(policy.contains("Theirs") && policy.contains("IssuerctlPublicRead"), "{policy}");
}

#[tokio::test]
async fn a_public_access_block_that_hides_other_objects_is_not_opened() {
    let server = S3Server::start();
    server.make_bucket("my-oidc");
    let wide = r#"{"Version":"2012-10-17","Statement":[{"Sid":"Everything","Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::my-oidc/*"}]}"#;
    server.set_policy("my-oidc", wide);
    let error = run(&store(&server, options()), &site("rsa2048"), &PlanOptions::default())
        .await
        .unwrap_err();
    assert!(
        matches!(&error, Error::WouldExpose { sids, .. } if sids == &["Everything"]),
        "{error}"
    );
    assert_eq!(server.block("my-oidc"), Some([true; 4]));
    // Where everybody reads them already, there is nothing to hide.
    server.set_block("my-oidc", false);
    run(&store(&server, options()), &site("rsa2048"), &PlanOptions::default()).await.unwrap();
}

#[tokio::test]
async fn a_statement_that_s3_would_refuse_is_named_before_anything_is_changed() {
    let server = S3Server::start_quirky("deleted");
    let before = server.dump();
    let error = run(&store(&server, options()), &site("rsa2048"), &PlanOptions::default())
        .await
        .unwrap_err();
    assert!(error.to_string().contains(r#""Logs" (AROAEXAMPLEEXAMPLE123)"#), "{error}");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(server.dump(), before);
    // Where the policy need not be written, it is no obstacle.
    let none = S3Options { access: AccessMode::None, ..options() };
    run(&store(&server, none), &site("rsa2048"), &PlanOptions::default()).await.unwrap();
}

#[tokio::test]
async fn other_objects_that_are_public_by_their_acl_keep_it_until_somebody_decides() {
    const OTHER: &str = "other/keys.json";
    let server = S3Server::start();
    server.make_old_bucket("my-oidc");
    server.put("my-oidc", OTHER, b"{}");
    server.put("my-oidc", "private/notes", b"-");
    server.make_readable_by_acl("my-oidc", OTHER);
    let before = server.dump();
    let publish =
        async || run(&store(&server, options()), &site("rsa2048"), &PlanOptions::default()).await;
    let error = publish().await.unwrap_err();
    assert!(matches!(&error, Error::WouldHide { objects, .. } if objects == &[OTHER]), "{error}");
    assert_eq!((error.kind(), server.dump()), (ErrorKind::Conflict, before));
    // Without the permission to read its ACL, another issuer is not risked either.
    server.refuse("GetObjectAcl", "AccessDenied");
    assert!(matches!(publish().await.unwrap_err(), Error::WouldHide { .. }));
    server.refuse_nothing();
    // What the hint says.
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Sid":"Other","Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::my-oidc/other/*"}]}"#;
    server.set_policy("my-oidc", policy);
    publish().await.unwrap();
}

#[tokio::test]
async fn acls_are_kept_with_access_by_acl() {
    let server = S3Server::start();
    server.make_old_bucket("my-oidc");
    server.put("my-oidc", "other/keys.json", b"{}");
    server.make_readable_by_acl("my-oidc", "other/keys.json");
    let by_acl = S3Options { access: AccessMode::Acl, ..options() };
    run(&store(&server, by_acl), &site("rsa2048"), &PlanOptions::default()).await.unwrap();
    assert!(server.is_readable_by_acl("my-oidc", KEYS));
}

#[tokio::test]
async fn documents_that_are_public_by_their_acl_are_public_by_the_policy_before_acls_end() {
    let server = S3Server::start();
    for block in [None, Some(false), Some(true)] {
        let bucket = format!("my-oidc-{}", block.map_or("none".to_owned(), |on| on.to_string()));
        server.make_old_bucket(&bucket);
        if let Some(on) = block {
            server.set_block(&bucket, on);
        }
        server.take_log();
        let store = store_at(&server, &format!("s3://{bucket}/prod"), options());
        run(&store, &site("rsa2048"), &PlanOptions::default()).await.unwrap();
        let log = server.take_log();
        let at = |call: &str| log.iter().position(|line| line.starts_with(call)).unwrap();
        let ends_acls = log.iter().rposition(|line| line.starts_with("PutPublicAccessBlock"));
        assert!(at("PutBucketPolicy") < at("PutBucketOwnershipControls"), "{log:?}");
        if block != Some(true) {
            assert!(Some(at("PutBucketOwnershipControls")) < ends_acls, "{log:?}");
        }
        assert_eq!(server.block(&bucket), Some([true, true, false, false]));
    }
}
