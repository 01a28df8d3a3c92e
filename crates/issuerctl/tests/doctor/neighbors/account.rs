//! What is wrong with the account.

use serde_json::{Value, json};

use super::{
    KEY, annotate, bare, becomes, denied, doubt, fault, role, statement, token_volume, well,
};
use crate::world::{ACCOUNT, DEPLOYMENTS, DRY_RUN, PODS, TOKEN, WEBHOOK, World};

pub(crate) fn worlds() -> Vec<World> {
    let bad = |name: &'static str, value: &'static str, says: &'static str| {
        fault(name, "annotation", &["ARN", says], "arn:aws", move |w| {
            role(w, value);
            w.sts("ValidationError", "Request ARN is invalid");
        })
    };
    vec![
        bad("annotation-user", "arn:aws:iam::123456789012:user/app", "user"),
        bad(
            "annotation-instance-profile",
            "arn:aws:iam::123456789012:instance-profile/app",
            "instance-profile",
        ),
        bad("annotation-space", " arn:aws:iam::123456789012:role/app", "white space"),
        bad("annotation-newline", "arn:aws:iam::123456789012:role/app\n", "white space"),
        bad("annotation-quotes", "\"arn:aws:iam::123456789012:role/app\"", "quotation"),
        bad("annotation-session", "arn:aws:sts::123456789012:assumed-role/app/x", "session"),
        fault(
            "annotation-name",
            "annotation",
            &["ARN", "name of a role"],
            "arn:aws:iam::123456789012:role/app --overwrite",
            |w| {
                role(w, "app");
                w.sts("ValidationError", "Request ARN is invalid");
            },
        ),
        bad("annotation-digits", "arn:aws:iam::12345678901:role/app", "12 digits"),
        bad("annotation-placeholder", "arn:aws:iam::${ACCOUNT_ID}:role/app", "placeholder"),
        fault("annotation-partition", "annotation|role", &["aws-cn"], "annotat", |w| {
            role(w, "arn:aws-cn:iam::123456789012:role/app");
            denied(w);
        }),
        fault("annotation-upper-case", "annotation", &["Role-Arn", "role-arn"], "annotate", |w| {
            w.uninjected();
            w.body(ACCOUNT)["metadata"]["annotations"] =
                json!({"eks.amazonaws.com/Role-Arn": "arn:aws:iam::123456789012:role/app"});
        }),
        fault(
            "annotation-kube2iam",
            "annotation",
            &["iam\\.amazonaws\\.com/role"],
            "eks\\.amazonaws\\.com/role-arn",
            |w| {
                w.uninjected();
                w.body(ACCOUNT)["metadata"]["annotations"] =
                    json!({"iam.amazonaws.com/role": "arn:aws:iam::123456789012:role/app"});
            },
        ),
        fault(
            "annotation-prefix-of-webhook",
            "annotation",
            &["irsa\\.example\\.com"],
            "irsa\\.example\\.com/role-arn",
            |w| {
                w.uninjected();
                let words =
                    &mut w.body(WEBHOOK)["spec"]["template"]["spec"]["containers"][0]["command"];
                words.as_array_mut().unwrap().push("--annotation-prefix=irsa.example.com".into());
            },
        ),
        fault("annotation-empty", "annotation", &["empty"], "annotate", |w| {
            w.uninjected();
            annotate(w, KEY, "".into());
        }),
        fault(
            "annotation-on-deployment",
            "annotation",
            &["Deployment", "ServiceAccount"],
            "annotate",
            |w| {
                w.uninjected();
                w.body(ACCOUNT)["metadata"]["annotations"] = json!({});
                w.body(DEPLOYMENTS)["items"][0]["metadata"]["annotations"] =
                    json!({KEY: "arn:aws:iam::123456789012:role/app"});
            },
        ),
        fault(
            "account-missing",
            "service-account",
            &["does not exist", "demo/app"],
            "create serviceaccount|serviceAccountName",
            |w| {
                w.refuse(ACCOUNT, 404, "serviceaccounts \"app\" not found");
                w.body(PODS)["items"] = json!([]);
                w.refuse(DRY_RUN, 403, "pods \"x\" is forbidden: error looking up service account demo/app: serviceaccount \"app\" not found");
                w.refuse(TOKEN, 404, "serviceaccounts \"app\" not found");
            },
        ),
        fault(
            "pods-run-as-default",
            "service-account",
            &["default", "serviceAccountName"],
            "set serviceaccount",
            |w| {
                w.uninjected();
                w.change_pod(true, |pod| {
                    bare(pod);
                    pod["spec"]["serviceAccountName"] = "default".into();
                    pod["spec"]["serviceAccount"] = "default".into();
                });
                w.kubernetes
                    .insert(DRY_RUN.into(), World::named("plain").kubernetes[DRY_RUN].clone());
            },
        ),
        fault(
            "pod-of-default",
            "annotation",
            &["default", "app"],
            "serviceAccountName|annotate",
            |w| {
                w.uninjected();
                w.change_pod(true, |pod| {
                    bare(pod);
                    pod["spec"]["serviceAccountName"] = "default".into();
                });
                let account = w.kubernetes[ACCOUNT]["body"].clone();
                w.answer(
                    "GET /api/v1/namespaces/demo/serviceaccounts",
                    200,
                    json!({"items": [account]}),
                );
                w.answer(
                    "GET /api/v1/namespaces/demo/serviceaccounts/default",
                    200,
                    json!({"metadata": {"name": "default", "namespace": "demo"}}),
                );
                w.set("--service-account", None);
                w.set("--pod", Some("demo/app-6d5f9c7b8d-x7k2p"));
            },
        ),
        fault(
            "audience-empty",
            "annotation|token|audience",
            &["audience"],
            "sts\\.amazonaws\\.com",
            |w| {
                annotate(w, "eks.amazonaws.com/audience", "".into());
                let clear = |pod: &mut Value| {
                    let token = &mut token_volume(pod)["sources"][0]["serviceAccountToken"];
                    token.as_object_mut().unwrap().remove("audience");
                };
                clear(&mut w.body(PODS)["items"][0]);
                clear(w.body(DRY_RUN));
            },
        ),
        fault(
            "annotation-of-another-account",
            "^annotation$",
            &["999988887777", "123456789012", "provider"],
            "annotate",
            |w| becomes(w, "annotation-account"),
        ),
        fault(
            "expiration-of-three-centuries",
            "annotation",
            &["9999999999", "seconds"],
            "86400",
            |w| {
                annotate(w, "eks.amazonaws.com/token-expiration", "9999999999".into());
            },
        ),
        doubt("expiration-not-a-number", "annotation", &["24h", "seconds"], |w| {
            annotate(w, "eks.amazonaws.com/token-expiration", "24h".into());
        }),
        fault(
            "other-role-than-asked",
            "annotation",
            &["role/app", "role/other"],
            "annotate",
            |w| {
                w.set("--role", Some("arn:aws:iam::123456789012:role/other"));
                denied(w);
            },
        ),
        // What uses the account may be among what may not be listed.
        doubt(
            "pods-run-as-default-and-jobs-are-not-known",
            "service-account",
            &["default", "cronjobs"],
            |w| {
                w.uninjected();
                w.change_pod(true, |pod| {
                    bare(pod);
                    pod["spec"]["serviceAccountName"] = "default".into();
                    pod["spec"]["serviceAccount"] = "default".into();
                });
                w.kubernetes
                    .insert(DRY_RUN.into(), World::named("plain").kubernetes[DRY_RUN].clone());
                for path in ["jobs", "cronjobs"] {
                    let path = format!("GET /apis/batch/v1/namespaces/demo/{path}");
                    w.refuse(&path, 403, "forbidden: User \"u\" cannot list resource");
                }
            },
        ),
        well("no-annotation-and-by-hand", |w| {
            becomes(w, "static-injection");
            w.body(ACCOUNT)["metadata"]["annotations"] = json!({});
        }),
        well("audience-of-its-own", |w| {
            annotate(w, "eks.amazonaws.com/audience", "team".into());
            let set = |pod: &mut Value| {
                token_volume(pod)["sources"][0]["serviceAccountToken"]["audience"] = "team".into()
            };
            set(&mut w.body(PODS)["items"][0]);
            set(w.body(DRY_RUN));
            w.aws["providers"][0]["client_ids"] = json!(["team", "sts.amazonaws.com"]);
            statement(w)["Condition"]["StringEquals"]["oidc.example.com/oidc-bucket/prod:aud"] =
                "team".into();
        }),
    ]
}
