//! What is wrong in AWS.

use serde_json::json;

use super::{
    KEY, annotate, becomes, denied, doubt, ends, fault, role, set_env, signs, statement, well,
};
use crate::world::{DRY_RUN, World};

pub(crate) fn worlds() -> Vec<World> {
    let missing = "No OpenIDConnect provider found in your account for https://oidc.example.com/oidc-bucket/prod";
    let provider = |w: &mut World, url: &str| {
        w.aws["providers"][0]["url"] = url.into();
        w.sts("InvalidIdentityToken", missing);
    };
    let tenant = |w: &mut World| {
        becomes(w, "tenant");
    };
    vec![
        fault(
            "provider-slash",
            "provider",
            &["prod/\"|prod/ |prod/,|additional \"/\""],
            "provider apply",
            move |w| {
                provider(w, "https://oidc.example.com/oidc-bucket/prod/");
            },
        ),
        fault("provider-case", "provider", &["case"], "provider apply", move |w| {
            provider(w, "https://oidc.example.com/oidc-bucket/Prod");
        }),
        fault(
            "provider-by-evidence",
            "provider",
            &["provider", "123456789012"],
            "provider apply",
            move |w| {
                tenant(w);
                w.sts("InvalidIdentityToken", missing);
            },
        ),
        fault(
            "audience-by-evidence",
            "provider-audience",
            &["sts\\.amazonaws\\.com"],
            "provider apply",
            move |w| {
                tenant(w);
                w.sts("InvalidIdentityToken", "Incorrect token audience");
            },
        ),
        fault(
            "role-by-evidence",
            "exchange",
            &["role/app", "trust policy", "system:serviceaccount:demo:app"],
            "lint",
            move |w| {
                tenant(w);
                denied(w);
            },
        ),
        fault("issuer-of-another-token", "cluster-issuer", &["oidc-bucket/old"], ".", |w| {
            // STS gives credentials for the token of the other issuer.
            signs(
                w,
                "https://oidc.example.com/oidc-bucket/old",
                "https://oidc.example.com/oidc-bucket/old",
            );
            w.aws["sts"] = json!({"answer": "everybody"});
        }),
        well("page-in-place-of-sts", |w| {
            w.sts_page = Some("<!doctype html><html><body>Sign in</body></html>");
            w.expect["proof"] = false.into();
            w.expect["skips"] = json!(["something other than STS answered .*HTTP 200"]);
        }),
        well("nothing-in-place-of-sts", |w| {
            w.sts_page = Some("");
            w.expect["proof"] = false.into();
            w.expect["skips"] = json!(["something other than STS answered .*HTTP 200"]);
        }),
        ends("role-by-name", 2, &["--role needs the ARN of a role", "arn:aws:iam::ACCOUNT"], |w| {
            w.set("--role", Some("app"));
        }),
        fault("role-path", "role", &["role/team/app", "role/app"], "annotate", |w| {
            w.aws["roles"][0]["arn"] = "arn:aws:iam::123456789012:role/team/app".into();
            denied(w);
        }),
        fault("role-other-namespace", "role", &["prod:app", "demo:app"], "demo:app", |w| {
            statement(w)["Condition"]["StringEquals"]["oidc.example.com/oidc-bucket/prod:sub"] =
                "system:serviceaccount:prod:app".into();
            denied(w);
        }),
        fault("role-denies", "role-deny", &["Deny"], "remove|narrow", |w| {
            let mut deny = statement(w).clone();
            deny["Effect"] = "Deny".into();
            w.trust()["Statement"].as_array_mut().unwrap().push(deny);
            denied(w);
        }),
        fault(
            "role-other-audience",
            "role-aud",
            &["sts\\.us-west-2", "sts\\.amazonaws\\.com"],
            "aud",
            |w| {
                statement(w)["Condition"]["StringEquals"]["oidc.example.com/oidc-bucket/prod:aud"] =
                    "sts.us-west-2.amazonaws.com".into();
                denied(w);
            },
        ),
        fault("role-of-an-account", "role", &["oidc-bucket/prod"], "statement|Federated", |w| {
            statement(w)["Principal"] = json!({"AWS": "arn:aws:iam::123456789012:root"});
            statement(w)["Action"] = "sts:AssumeRole".into();
            statement(w).as_object_mut().unwrap().remove("Condition");
            denied(w);
        }),
        fault(
            "role-provider-of-another-account",
            "role-provider",
            &["999988887777"],
            "123456789012|account",
            |w| {
                statement(w)["Principal"]["Federated"] =
                    "arn:aws:iam::999988887777:oidc-provider/oidc.example.com/oidc-bucket/prod"
                        .into();
                denied(w);
            },
        ),
        fault(
            "role-condition-key-with-scheme",
            "role-key",
            &["https://"],
            "https|scheme|remove|write",
            |w| {
                let sub = json!({"https://oidc.example.com/oidc-bucket/prod:sub": "system:serviceaccount:demo:app"});
                statement(w)["Condition"]["StringEquals"] = sub;
                denied(w);
            },
        ),
        fault(
            "organization",
            "exchange",
            &["organization"],
            "service control|organization",
            denied,
        ),
        fault("role-of-seconds-ago", "exchange", &["created", "while|wait"], "wait", |w| {
            w.aws["roles"][0]["created"] = crate::world::just_now().into();
            denied(w);
        }),
        fault("role-of-another-account-denied", "exchange", &["999988887777"], "get-role", |w| {
            role(w, "arn:aws:iam::999988887777:role/app");
            denied(w);
        }),
        well("role-of-another-account", |w| {
            role(w, "arn:aws:iam::999988887777:role/app");
            w.expect["proof"] = true.into();
            w.aws["sts"] = json!({"answer": "everybody"});
        }),
        fault(
            "organization-explicitly",
            "exchange",
            &["explicit deny|organization"],
            "organization",
            |w| {
                w.sts("AccessDenied", "User is not authorized to perform: sts:AssumeRoleWithWebIdentity with an explicit deny in a service control policy");
            },
        ),
        fault("sts-is-down", "exchange", &["503"], "again|health", |w| {
            w.sts("ServiceUnavailable", "Service is unavailable");
        }),
        fault(
            "sts-region-off",
            "exchange",
            &["region", "activated|RegionDisabled"],
            "activate|enable",
            |w| {
                w.sts("RegionDisabledException", "STS is not activated in this region for account:123456789012. Your account administrator can activate STS in this region using the IAM Console.");
            },
        ),
        fault("sts-cannot-read", "exchange", &["could not read"], "internet", |w| {
            w.sts("InvalidIdentityToken", "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements");
        }),
        fault("role-not-to-be-read", "exchange", &["iam:GetRole"], "get-role", |w| {
            w.aws["denied"] = json!(["iam:GetRole"]);
            denied(w);
        }),
        doubt("no-thumbprint", "provider-thumbprint", &["no thumbprint"], |w| {
            w.run.push("--no-exchange".into());
            w.aws["providers"][0]["thumbprints"] = json!([]);
        }),
        fault("annotation-of-no-role", "role", &["does not exist", "appx"], "annotation", |w| {
            let role = "arn:aws:iam::123456789012:role/appx";
            annotate(w, KEY, role.into());
            set_env(w.body(DRY_RUN), "AWS_ROLE_ARN", role);
            denied(w);
        }),
        doubt("role-without-permissions", "role-permissions", &["no policy"], |w| {
            w.aws["roles"][0]["inline_policies"] = json!([]);
        }),
        doubt(
            "role-with-deny-all",
            "role-permissions",
            &["AWSDenyAll", "every call is denied"],
            |w| {
                w.aws["roles"][0]["attached_policies"] =
                    json!(["arn:aws:iam::aws:policy/AWSDenyAll"]);
            },
        ),
        well("iam-denies-everything", |w| {
            w.aws["denied"] = json!([
                "iam:GetRole",
                "iam:ListAttachedRolePolicies",
                "iam:ListRolePolicies",
                "iam:GetOpenIDConnectProvider",
                "iam:ListOpenIDConnectProviders"
            ]);
        }),
        well("two-client-ids", |w| {
            w.aws["providers"][0]["client_ids"] = json!(["vault", "sts.amazonaws.com"])
        }),
        well("wildcard", |w| {
            let like = json!({"StringLike": {"oidc.example.com/oidc-bucket/prod:sub": "system:serviceaccount:demo:*"},
                              "StringEquals": {"oidc.example.com/oidc-bucket/prod:aud": "sts.amazonaws.com"}});
            statement(w)["Condition"] = like;
        }),
        well("foreign-statements", |w| {
            let ec2 = json!({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"});
            w.trust()["Statement"].as_array_mut().unwrap().insert(0, ec2);
        }),
        well("open-to-the-whole-cluster", |w| {
            w.run.push("--no-exchange".into());
            w.expect["proof"] = false.into();
            statement(w)["Condition"] = json!({"StringEquals": {"oidc.example.com/oidc-bucket/prod:aud": "sts.amazonaws.com"}});
        }),
        well("no-exchange", |w| {
            w.run.push("--no-exchange".into());
            w.expect["proof"] = false.into();
        }),
        well("two-accounts-of-the-role", |w| {
            statement(w)["Condition"]["StringEquals"]["oidc.example.com/oidc-bucket/prod:sub"] =
                json!(["system:serviceaccount:demo:other", "system:serviceaccount:demo:app"]);
        }),
    ]
}
