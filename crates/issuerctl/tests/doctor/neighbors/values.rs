//! Values and lists as long as they can be, tokens without an audience, and the options in the commands of fixes.

use serde_json::{Value, json};

use super::{
    ISSUER, KEY, annotate, becomes, denied, fault, hook, role, set_env, statement, token_volume,
    well,
};
use crate::world::{ACCOUNT, BINDINGS, DRY_RUN, FLAGZ, PODS, POLICIES, STATIC_PODS, World};

const AUD: &str = "oidc.example.com/oidc-bucket/prod:aud";
const API_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

fn api_token(world: &mut World, client_ids: Value) {
    world.change_pod(true, |pod| {
        set_env(pod, "AWS_WEB_IDENTITY_TOKEN_FILE", API_TOKEN);
        set_env(pod, "AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/app");
    });
    world.aws["providers"][0]["client_ids"] = client_ids;
}

/// A policy instead of the webhook, and pods without a role.
fn unpolicied(world: &mut World) {
    becomes(world, "policy-instead");
    let bare = World::named("webhook-absent");
    for path in [PODS, DRY_RUN] {
        world.kubernetes.insert(path.to_owned(), bare.kubernetes[path].clone());
    }
}

fn table(world: &mut World, value: &str) {
    world.set("--service-account", None);
    role(world, value);
    let (account, pod) = (world.body(ACCOUNT).clone(), world.body(PODS)["items"][0].clone());
    world.answer("GET /api/v1/serviceaccounts", 200, json!({"items": [account]}));
    world.answer("GET /api/v1/pods", 200, json!({"items": [pod]}));
    world.expect["proof"] = false.into();
}

pub(crate) fn worlds() -> Vec<World> {
    let mut worlds = audiences();
    worlds.extend(rules());
    worlds.extend(long());
    worlds.extend(options());
    worlds
}

fn audiences() -> Vec<World> {
    vec![
        well("api-token-whose-audience-the-provider-knows", |w| {
            api_token(w, json!(["sts.amazonaws.com", ISSUER]));
            statement(w)["Condition"]["StringEquals"][AUD] = json!(["sts.amazonaws.com", ISSUER]);
        }),
        fault(
            "api-token-whose-audience-the-role-refuses",
            "pod-token",
            &["API token", "trust policy of the role does not allow"],
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            |w| api_token(w, json!(["sts.amazonaws.com", ISSUER])),
        ),
        fault(
            "own-token-without-an-audience",
            "pod-token",
            &["without an audience of its own", "sts\\.amazonaws\\.com"],
            "set audience: sts\\.amazonaws\\.com of the token in the volume ",
            |w| {
                becomes(w, "static-injection");
                w.change_pod(true, |pod| {
                    let token = &mut token_volume(pod)["sources"][0]["serviceAccountToken"];
                    token.as_object_mut().unwrap().remove("audience");
                });
            },
        ),
        fault(
            "a-long-name-in-the-annotation",
            "annotation",
            &["not the ARN|ARN"],
            "role/NAME",
            |w| {
                annotate(w, KEY, "x".repeat(5000).into());
                w.uninjected();
            },
        ),
        well("api-token-with-several-audiences", |w| {
            api_token(w, json!(["sts.amazonaws.com"]));
            w.body(FLAGZ)["flags"]["api-audiences"] = "[a,sts.amazonaws.com]".into();
        }),
    ]
}

fn rules() -> Vec<World> {
    let pods = json!([{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]);
    let excluded = pods.clone();
    vec![
        fault(
            "policy-that-excludes-pods",
            "policy",
            &["excludeResourceRules"],
            "excludeResourceRules",
            move |w| {
                unpolicied(w);
                w.body(POLICIES)["items"][0]["spec"]["matchConstraints"]["excludeResourceRules"] =
                    excluded.clone();
            },
        ),
        fault("policy-for-one-name", "policy", &["resourceNames"], "resources: \\[pods\\]", |w| {
            unpolicied(w);
            let constraints = &mut w.body(POLICIES)["items"][0]["spec"]["matchConstraints"];
            constraints["resourceRules"][0]["resourceNames"] = json!(["x"]);
        }),
        fault(
            "binding-for-other-resources",
            "policy",
            &["binding", "deployments"],
            "resources: \\[pods\\]",
            move |w| {
                unpolicied(w);
                let mut rules = pods.clone();
                rules[0]["resources"] = json!(["deployments"]);
                w.body(BINDINGS)["items"][0]["spec"]["matchResources"] =
                    json!({"resourceRules": rules});
            },
        ),
        fault("rules-of-the-cluster-scope", "webhook-scope", &["scope Cluster"], "CREATE", |w| {
            w.uninjected();
            hook(w)["rules"][0]["scope"] = "Cluster".into();
        }),
        well("static-pod-of-a-replaced-node", |w| {
            let mut gone = w.body(STATIC_PODS)["items"][0].clone();
            gone["metadata"]["name"] = "kube-apiserver-old".into();
            gone["status"]["phase"] = "Failed".into();
            let command = gone["spec"]["containers"][0]["command"].to_string();
            let command = command.replace(ISSUER, "https://kubernetes.default.svc.cluster.local");
            gone["spec"]["containers"][0]["command"] = serde_json::from_str(&command).unwrap();
            let mut leaving = gone.clone();
            leaving["status"]["phase"] = "Running".into();
            leaving["metadata"]["deletionTimestamp"] = "2026-11-26T00:00:00Z".into();
            w.body(STATIC_PODS)["items"].as_array_mut().unwrap().extend([gone, leaving]);
        }),
        fault(
            "table-with-an-annotation-that-is-no-arn",
            "annotation",
            &["demo/app", "backslash"],
            "doctor --service-account demo/app .*--kubeconfig",
            |w| table(w, "arn:aws:iam::123456789012:role\\/app"),
        ),
    ]
}

fn long() -> Vec<World> {
    vec![
        fault(
            "a-hundred-client-ids",
            "provider-audience",
            &["and 94 more"],
            "sts\\.amazonaws\\.com",
            |w| {
                let ids = (0..100)
                    .map(|number| format!("https://client-{number}.example.com/of/a/long/path"));
                w.aws["providers"][0]["client_ids"] = ids.collect();
                w.sts("InvalidIdentityToken", "Incorrect token audience");
            },
        ),
        fault(
            "a-selector-of-many-namespaces",
            "webhook-scope",
            &["and 194 more"],
            "namespaceSelector",
            |w| {
                w.uninjected();
                let values: Vec<String> =
                    (0..200).map(|number| format!("namespace-number-{number}")).collect();
                hook(w)["namespaceSelector"] = json!({"matchExpressions":
                [{"key": "kubernetes.io/metadata.name", "operator": "In", "values": values}]});
            },
        ),
        fault("a-rule-of-many-resources", "webhook-scope", &["and 294 more"], "CREATE", |w| {
            w.uninjected();
            let resources: Vec<String> =
                (0..300).map(|number| format!("resource-{number}")).collect();
            hook(w)["rules"][0]["resources"] = json!(resources);
        }),
        fault("a-long-annotation", "annotation", &["user"], "annotate", |w| {
            let value = format!("arn:aws:iam::123456789012:user/{}", "x".repeat(5000));
            annotate(w, KEY, value.into());
        }),
        fault(
            "many-mounts",
            "pod-token",
            &["no volume is mounted", "and 7\\d more"],
            "remove|mount",
            |w| {
                w.change_pod(true, |pod| {
                set_env(pod, "AWS_WEB_IDENTITY_TOKEN_FILE", "/nope/token");
                set_env(pod, "AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/app");
                let mounts = (0..80).map(|at| json!({"name": format!("v{at}"), "mountPath": format!("/some/long/path/{at}")}));
                super::container(pod)["volumeMounts"] = mounts.collect();
            });
            },
        ),
    ]
}

fn options() -> Vec<World> {
    vec![
        fault(
            "options-of-this-run",
            "provider",
            &["provider"],
            "provider apply .*--region us-west-2 --ca-file ca\\.pem`",
            |w| {
                becomes(w, "provider-missing");
                w.run.extend(["--region", "us-west-2"].map(str::to_owned));
            },
        ),
        fault(
            "role-with-a-path-missing",
            "role",
            &["role/team/app"],
            "role apply app --path /team/ .*--ca-file",
            |w| {
                becomes(w, "role-missing");
                role(w, "arn:aws:iam::123456789012:role/team/app");
                denied(w);
            },
        ),
        fault(
            "another-key-under-the-kid",
            "token-signature",
            &["another key is published under this kid"],
            "`issuerctl publish --apiserver --to s3://oidc-bucket/prod .*--replace-unreadable",
            |w| {
                let key = json!({"kid": "nOsB-oSE68uB--8HzAnJpII7WmvKj1k3qzgfdUWkC90", "kty": "EC", "alg": "ES256",
                    "use": "sig", "crv": "P-256", "x": "Pt94nNXmeIljxIHUmIjDfBFHRhWwBnQ5mpibcIiZpbw",
                    "y": "Ud4AymNaUVDHhiRkmee_OwQZk1Fad0LPcpfLMYxAUVk"});
                w.objects.insert("prod/keys.json".into(), json!({"keys": [key]}).to_string());
                w.sts(
                    "InvalidIdentityToken",
                    "Couldn't retrieve verification key from your identity provider",
                );
            },
        ),
    ]
}
