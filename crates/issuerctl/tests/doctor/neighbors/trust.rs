//! Trust policies.

use serde_json::{Value, json};

use super::{denied, doubt, fault, statement, well};
use crate::world::World;

const SUB: &str = "oidc.example.com/oidc-bucket/prod:sub";
const AUD: &str = "oidc.example.com/oidc-bucket/prod:aud";

/// With this condition, and STS denies.
fn condition(name: &str, id: &str, says: &[&str], fix: &str, condition: Value) -> World {
    fault(name, id, says, fix, move |w| {
        statement(w)["Condition"] = condition.clone();
        denied(w);
    })
}

/// With this condition, and STS gives credentials.
fn allows(name: &str, condition: Value) -> World {
    well(name, move |w| statement(w)["Condition"] = condition.clone())
}

pub(crate) fn worlds() -> Vec<World> {
    let own = "system:serviceaccount:demo:app";
    let aud = json!({AUD: "sts.amazonaws.com"});
    let sub = |text: &str| json!({"StringEquals": {SUB: text, AUD: "sts.amazonaws.com"}});
    let like = |text: &str| json!({"StringEquals": aud, "StringLike": {SUB: text}});
    let other = "arn:aws:iam::123456789012:oidc-provider/old-oidc.example.com/prod";
    vec![
        condition(
            "sub-with-a-slash",
            "role-sub",
            &["demo/app", "demo:app"],
            "demo:app",
            sub("system:serviceaccount:demo/app"),
        ),
        condition(
            "sub-in-the-plural",
            "role-sub",
            &["serviceaccounts", own],
            "demo:app",
            sub("system:serviceaccounts:demo:app"),
        ),
        condition(
            "sub-in-upper-case",
            "role-sub",
            &["demo:App", "demo:app"],
            "demo:app",
            sub("system:serviceaccount:demo:App"),
        ),
        condition(
            "sub-with-a-blank",
            "role-sub",
            &["demo:app"],
            "demo:app",
            sub("system:serviceaccount:demo:app "),
        ),
        condition("sub-without-its-prefix", "role-sub", &["demo:app"], "demo:app", sub("demo:app")),
        condition(
            "wildcard-of-another-namespace",
            "role-sub",
            &["shop", "demo:app"],
            "demo:app",
            like("system:serviceaccount:shop:*"),
        ),
        condition(
            "wildcard-of-another-name",
            "role-sub",
            &["api-", "demo:app"],
            "demo:app",
            like("system:serviceaccount:demo:api-*"),
        ),
        condition(
            "aud-of-the-provider",
            "role-aud",
            &["vault", "sts\\.amazonaws\\.com"],
            "aud|sts\\.amazonaws",
            json!({"StringEquals": {SUB: own, AUD: "vault"}}),
        ),
        condition(
            "aud-with-a-scheme",
            "role-aud",
            &["https://sts", "sts\\.amazonaws\\.com"],
            "aud|sts\\.amazonaws",
            json!({"StringEquals": {SUB: own, AUD: "https://sts.amazonaws.com"}}),
        ),
        condition(
            "key-with-a-slash",
            "role-key",
            &["prod/:sub"],
            ".",
            json!({"StringEquals": {"oidc.example.com/oidc-bucket/prod/:sub": own, AUD: "sts.amazonaws.com"}}),
        ),
        condition(
            "key-of-another-issuer",
            "role-(key|sub)",
            &["old-localhost"],
            ".",
            json!({"StringEquals": {"old-oidc.example.com/prod:sub": own, AUD: "sts.amazonaws.com"}}),
        ),
        condition(
            "key-of-the-host-alone",
            "role-(key|sub)",
            &["oidc-bucket/prod"],
            ".",
            json!({"StringEquals": {"oidc.example.com:sub": own, AUD: "sts.amazonaws.com"}}),
        ),
        fault(
            "action-of-saml",
            "role-action",
            &["AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"],
            "WebIdentity",
            |w| {
                statement(w)["Action"] = "sts:AssumeRoleWithSAML".into();
                denied(w);
            },
        ),
        fault("provider-with-a-scheme", "role-provider", &["https://"], ".", |w| {
            statement(w)["Principal"]["Federated"] =
                "arn:aws:iam::123456789012:oidc-provider/https://oidc.example.com/oidc-bucket/prod"
                    .into();
            denied(w);
        }),
        fault("provider-as-a-url", "role-p", &["oidc-bucket/prod"], ".", |w| {
            statement(w)["Principal"]["Federated"] = "oidc.example.com/oidc-bucket/prod".into();
            denied(w);
        }),
        fault("provider-of-another-case", "role-provider", &["Prod"], ".", |w| {
            statement(w)["Principal"]["Federated"] =
                "arn:aws:iam::123456789012:oidc-provider/oidc.example.com/oidc-bucket/Prod".into();
            denied(w);
        }),
        fault("provider-of-another-partition", "role-pr", &["aws-cn"], ".", |w| {
            statement(w)["Principal"]["Federated"] =
                "arn:aws-cn:iam::123456789012:oidc-provider/oidc.example.com/oidc-bucket/prod"
                    .into();
            denied(w);
        }),
        fault("deny-of-one-namespace", "role-deny", &["Deny"], "remove|narrow", |w| {
            let deny = json!({"Effect": "Deny", "Principal": {"Federated": "*"}, "Action": "sts:*",
                "Condition": {"StringLike": {SUB: "system:serviceaccount:demo:*"}}});
            w.trust()["Statement"].as_array_mut().unwrap().push(deny);
            denied(w);
        }),
        doubt(
            "condition-on-the-session",
            "exchange",
            &["sts:RoleSessionName", "session name of its own"],
            |w| {
                statement(w)["Condition"]["StringLike"] = json!({"sts:RoleSessionName": "app-*"});
                denied(w);
            },
        ),
        doubt("deny-of-other-addresses", "exchange", &["aws:SourceIp", "address"], |w| {
            let mut deny = statement(w).clone();
            deny["Effect"] = "Deny".into();
            deny["Condition"] = json!({"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}});
            w.trust()["Statement"].as_array_mut().unwrap().push(deny);
            denied(w);
        }),
        fault(
            "condition-on-the-region",
            "exchange",
            &["has a condition on \"aws:RequestedRegion\""],
            "aws:RequestedRegion.*CloudTrail",
            |w| {
                statement(w)["Condition"]["StringLike"] = json!({"aws:RequestedRegion": "eu-*"});
                denied(w);
            },
        ),
        doubt("nothing-about-sub", "role-sub", &["sub"], |w| {
            statement(w)["Condition"] = json!({"StringEquals": {AUD: "sts.amazonaws.com"}});
        }),
        allows("wildcard-of-the-name", like("system:serviceaccount:demo:a*")),
        allows("wildcard-of-the-namespace", like("system:serviceaccount:*:app")),
        allows("one-character", like("system:serviceaccount:demo:ap?")),
        allows(
            "several-values",
            json!({"StringEquals": {SUB: ["system:serviceaccount:shop:web", own], AUD: ["vault", "sts.amazonaws.com"]}}),
        ),
        well("in-any-case", |w| {
            statement(w)["Condition"] = json!({
                "StringEqualsIgnoreCase": {SUB: "System:ServiceAccount:Demo:App"},
                "StringEquals": {AUD: "sts.amazonaws.com"},
            });
            w.aws["sts"] = json!({"answer": "everybody"});
        }),
        well("statement-of-the-old-issuer-too", move |w| {
            let mut old = statement(w).clone();
            old["Principal"]["Federated"] = other.into();
            old["Condition"] = json!({"StringEquals": {"old-oidc.example.com/prod:sub": own}});
            w.trust()["Statement"].as_array_mut().unwrap().insert(0, old);
        }),
        well("deny-of-another-namespace", |w| {
            let deny = json!({"Effect": "Deny", "Principal": {"Federated": "*"}, "Action": "sts:*",
                "Condition": {"StringLike": {SUB: "system:serviceaccount:shop:*"}}});
            w.trust()["Statement"].as_array_mut().unwrap().push(deny);
        }),
        well("several-actions", |w| {
            statement(w)["Action"] = json!(["sts:AssumeRoleWithWebIdentity", "sts:TagSession"]);
        }),
    ]
}
