//! What is wrong with the documents.

use serde_json::{Value, json};

use super::{fault, well};
use crate::world::World;

pub(crate) fn worlds() -> Vec<World> {
    let unread = |w: &mut World| {
        w.sts(
            "InvalidIdentityToken",
            "Couldn't retrieve verification key from your identity provider",
        );
    };
    vec![
        fault("object-missing", "bucket", &["keys\\.json"], "publish", move |w| {
            w.aws["bucket"]["objects"].as_object_mut().unwrap().remove("prod/keys.json");
            unread(w);
        }),
        fault("both-objects-missing", "bucket", &["openid-configuration"], "publish", move |w| {
            w.aws["bucket"]["objects"] = json!({});
            unread(w);
        }),
        fault("document-html", "discovery", &["HTML|JSON"], "publish", move |w| {
            w.objects.insert(
                "prod/.well-known/openid-configuration".into(),
                "<!doctype html><html></html>".into(),
            );
            unread(w);
        }),
        fault(
            "document-of-another-issuer",
            "issuer-match",
            &["slash|other"],
            "publish|issuer",
            move |w| {
                let document =
                    &mut w.aws["bucket"]["objects"]["prod/.well-known/openid-configuration"];
                document["issuer"] = "https://oidc.example.com/oidc-bucket/prod/".into();
                unread(w);
            },
        ),
        fault("policy-of-another-prefix", "bucket", &["polic"], "publish", move |w| {
            w.aws["bucket"]["policy"]["Statement"][0]["Resource"] =
                json!("arn:aws:s3:::oidc-bucket/staging/*");
            unread(w);
        }),
        fault("jwks-empty", "keys", &["empty"], "publish", move |w| {
            w.objects.insert("prod/keys.json".into(), "{\"keys\": []}".into());
            unread(w);
        }),
        fault("documents-under-kms", "bucket-encryption", &["KMS"], "AES256|SSE-S3", move |w| {
            w.aws["bucket"]["encryption"] = "aws:kms".into();
            unread(w);
        }),
        fault(
            "keys-inside-the-cluster",
            "jwks-uri|keys",
            &["kubernetes\\.default|jwks_uri"],
            "publish|jwks",
            move |w| {
                let document =
                    &mut w.aws["bucket"]["objects"]["prod/.well-known/openid-configuration"];
                document["jwks_uri"] = "https://kubernetes.default.svc/openid/v1/jwks".into();
                unread(w);
            },
        ),
        fault(
            "keys-of-another-prefix",
            "jwks-uri",
            &["prdo/keys\\.json", "prod/keys\\.json\""],
            "publish .*--change-issuer",
            move |w| {
                let document =
                    &mut w.aws["bucket"]["objects"]["prod/.well-known/openid-configuration"];
                document["jwks_uri"] = "https://oidc.example.com/oidc-bucket/prdo/keys.json".into();
                unread(w);
            },
        ),
        fault(
            "policy-of-one-document",
            "bucket-policy",
            &["does not allow s3:GetObject"],
            "publish",
            move |w| {
                w.aws["bucket"]["policy"]["Statement"][0]["Resource"] =
                    json!("arn:aws:s3:::oidc-bucket/prod/.well-known/openid-configuration");
                unread(w);
            },
        ),
        well("endpoint-of-the-store-alone", |w| {
            w.set("--endpoint-url", Some("https://127.0.0.1:1"));
        }),
        well("policy-demands-tls", |w| {
            let deny = json!({"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::oidc-bucket/*",
                              "Condition": {"Bool": {"aws:SecureTransport": "false"}}});
            w.aws["bucket"]["policy"]["Statement"].as_array_mut().unwrap().push(deny);
        }),
        well("store-not-given", |w| w.set("--store", None)),
        well("documents-cached-by-sts", |w| {
            // STS gives credentials, so a document that cannot be read from here is a doubt.
            w.aws["bucket"]["policy"] = Value::Null;
        }),
    ]
}
