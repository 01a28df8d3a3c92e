//! What only looks like a fault, and what is one beside it.

use serde_json::{Value, json};

use super::{
    ISSUER, KEY, bare, container, doubt, env, fault, second_pod, set_env, token_volume, unset_env,
    well,
};
use crate::world::{ACCOUNT, DEPLOYMENTS, DRY_RUN, PODS, REPLICA_SETS, STATIC_PODS, World};

fn from_secret(name: &str, optional: bool) -> Value {
    json!({"name": name, "valueFrom": {"secretKeyRef": {"name": "aws", "key": name, "optional": optional}}})
}

fn keys_from(world: &mut World, optional: bool) {
    world.change_pod(true, |pod| {
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
            env(pod).push(from_secret(name, optional));
        }
    });
}

fn secret(world: &mut World, keys: Value) {
    let body = json!({"kind": "PartialObjectMetadata",
        "metadata": {"name": "aws", "managedFields": [{"fieldsV1": {"f:data": keys}}]}});
    world.answer("GET /api/v1/namespaces/demo/secrets/aws", 200, body);
}

/// The pods of the account run as another one.
fn run_as(world: &mut World, account: &str) {
    world.uninjected();
    world.change_pod(true, |pod| {
        bare(pod);
        pod["spec"]["serviceAccountName"] = account.into();
        pod["spec"]["serviceAccount"] = account.into();
    });
    world.kubernetes.insert(DRY_RUN.into(), World::named("plain").kubernetes[DRY_RUN].clone());
}

pub(crate) fn worlds() -> Vec<World> {
    let config = |w: &mut World, keys: Value| {
        w.change_pod(true, |pod| {
            container(pod)["envFrom"] = json!([{"configMapRef": {"name": "settings"}}]);
            unset_env(pod, "AWS_REGION");
            unset_env(pod, "AWS_DEFAULT_REGION");
        });
        let body = json!({"metadata": {"name": "settings", "managedFields": [{"fieldsV1": {"f:data": keys}}]}});
        w.answer("GET /api/v1/namespaces/demo/configmaps/settings", 200, body);
    };
    vec![
        // Variables.
        well("optional-keys-of-no-secret", |w| {
            keys_from(w, true);
            w.refuse("GET /api/v1/namespaces/demo/secrets/aws", 404, "not found");
        }),
        well("optional-keys-that-the-secret-has-not", |w| {
            keys_from(w, true);
            secret(w, json!({"f:PASSWORD": {}}));
        }),
        fault(
            "optional-keys-that-the-secret-has",
            "pod-credentials",
            &["AWS_ACCESS_KEY_ID", "Secret aws"],
            "remove|unset|set env",
            |w| {
                keys_from(w, true);
                secret(w, json!({"f:AWS_ACCESS_KEY_ID": {}, "f:AWS_SECRET_ACCESS_KEY": {}}));
            },
        ),
        well("keys-of-a-secret-taken-back", |w| {
            secret(w, json!({"f:AWS_ACCESS_KEY_ID": {}, "f:AWS_SECRET_ACCESS_KEY": {}}));
            w.change_pod(true, |pod| {
                container(pod)["envFrom"] = json!([{"secretRef": {"name": "aws"}}]);
                set_env(pod, "AWS_ACCESS_KEY_ID", "");
                set_env(pod, "AWS_SECRET_ACCESS_KEY", "");
            });
        }),
        well("secret-key-without-its-id", |w| {
            w.change_pod(true, |pod| set_env(pod, "AWS_SECRET_ACCESS_KEY", "wJalrMadeUp"));
        }),
        well("prefix-of-env-from", |w| {
            secret(w, json!({"f:AWS_ACCESS_KEY_ID": {}, "f:AWS_SECRET_ACCESS_KEY": {}}));
            w.change_pod(true, |pod| {
                container(pod)["envFrom"] =
                    json!([{"prefix": "OLD_", "secretRef": {"name": "aws"}}]);
            });
        }),
        fault("keys-by-prefix", "pod-credentials", &["AWS_ACCESS_KEY_ID"], "remove", |w| {
            secret(w, json!({"f:ACCESS_KEY_ID": {}, "f:SECRET_ACCESS_KEY": {}}));
            w.change_pod(true, |pod| {
                container(pod)["envFrom"] =
                    json!([{"prefix": "AWS_", "secretRef": {"name": "aws"}}]);
            });
        }),
        well("region-of-another-variable", |w| {
            w.change_pod(true, |pod| set_env(pod, "AWS_REGION", "$(CLUSTER_REGION)"));
        }),
        well("role-of-another-variable", |w| {
            w.change_pod(true, |pod| {
                set_env(pod, "AWS_ROLE_ARN", "arn:aws:iam::$(ACCOUNT_ID):role/app");
            });
        }),
        well("region-of-a-config-map", move |w| config(w, json!({"f:AWS_REGION": {}}))),
        doubt("no-region-in-the-config-map", "pod-region", &["AWS_REGION"], move |w| {
            config(w, json!({"f:COLOUR": {}}))
        }),
        doubt(
            "sts-endpoints-of-no-kind",
            "pod-region",
            &["AWS_STS_REGIONAL_ENDPOINTS", "true"],
            |w| {
                w.change_pod(true, |pod| set_env(pod, "AWS_STS_REGIONAL_ENDPOINTS", "true"));
            },
        ),
        well("default-profile", |w| {
            w.change_pod(true, |pod| set_env(pod, "AWS_PROFILE", "default"));
        }),
        well("credentials-of-pod-identity-too", |w| {
            w.change_pod(true, |pod| {
                set_env(
                    pod,
                    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                    "http://169.254.170.23/v1/credentials",
                );
            });
        }),
        // Files and containers.
        well("token-file-by-the-link", |w| {
            w.change_pod(false, |pod| {
                set_env(
                    pod,
                    "AWS_WEB_IDENTITY_TOKEN_FILE",
                    "/run/secrets/eks.amazonaws.com/serviceaccount/token",
                );
            });
        }),
        fault(
            "api-token-by-the-link",
            "pod-token",
            &["API token|API server"],
            "remove|projected|AWS_WEB",
            |w| {
                w.change_pod(true, |pod| {
                    set_env(pod, "AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/app");
                    set_env(
                        pod,
                        "AWS_WEB_IDENTITY_TOKEN_FILE",
                        "/run/secrets/kubernetes.io/serviceaccount/token",
                    );
                });
            },
        ),
        well("token-mounted-as-a-file", |w| {
            w.change_pod(false, |pod| {
                set_env(pod, "AWS_WEB_IDENTITY_TOKEN_FILE", "/etc/token");
                let mount =
                    json!({"name": "aws-iam-token", "mountPath": "/etc/token", "subPath": "token"});
                container(pod)["volumeMounts"].as_array_mut().unwrap().push(mount);
            });
        }),
        fault("a-kubelet-of-1-18", "pod-readable", &["1\\.19", "1000"], "fsGroup", |w| {
            w.body("GET /version")["gitVersion"] = "v1.18.20".into();
            w.change_pod(false, |pod| {
                container(pod)["securityContext"] = json!({"runAsUser": 1000})
            });
        }),
        well("configured-by-a-file-of-its-own", |w| {
            w.change_pod(true, |pod| {
                bare(pod);
                set_env(pod, "AWS_CONFIG_FILE", "/etc/aws/config");
            });
        }),
        doubt("credentials-in-the-home-folder", "pod-credentials", &["/root/\\.aws"], |w| {
            w.change_pod(true, |pod| {
                let mount = json!({"name": "home", "mountPath": "/root/.aws"});
                if container(pod)["volumeMounts"].is_null() {
                    container(pod)["volumeMounts"] = json!([]);
                }
                container(pod)["volumeMounts"].as_array_mut().unwrap().push(mount);
                if pod["spec"]["volumes"].is_null() {
                    pod["spec"]["volumes"] = json!([]);
                }
                let volume = json!({"name": "home", "secret": {"secretName": "aws"}});
                pod["spec"]["volumes"].as_array_mut().unwrap().push(volume);
            });
        }),
        well("sidecar-that-stands-first", |w| {
            w.change_pod(false, |pod| {
                let proxy = json!({"name": "linkerd-proxy", "image": "x"});
                pod["spec"]["containers"].as_array_mut().unwrap().insert(0, proxy);
            });
            // The helpers look at the first container.
            w.body(PODS)["items"][0]["spec"]["containers"][1]["name"] = "app".into();
        }),
        well("ephemeral-container", |w| {
            w.change_pod(false, |pod| {
                pod["spec"]["ephemeralContainers"] = json!([{"name": "debug", "image": "x",
                    "env": [{"name": "AWS_ACCESS_KEY_ID", "value": "AKIAMADEUP"}]}]);
            });
        }),
        doubt(
            "keys-in-an-init-container",
            "pod-credentials",
            &["AWS_ACCESS_KEY_ID", "first"],
            |w| {
                w.change_pod(true, |pod| {
                    let mut first = container(pod).clone();
                    first["name"] = "first".into();
                    let mut keys = first["env"].as_array().cloned().unwrap_or_default();
                    keys.push(json!({"name": "AWS_ACCESS_KEY_ID", "value": "AKIAMADEUP"}));
                    keys.push(json!({"name": "AWS_SECRET_ACCESS_KEY", "value": "wJalrMadeUp"}));
                    first["env"] = keys.into();
                    pod["spec"]["initContainers"] = json!([first]);
                });
            },
        ),
        doubt(
            "keys-in-the-second-container",
            "pod-credentials",
            &["AWS_ACCESS_KEY_ID", "worker"],
            |w| {
                w.change_pod(true, |pod| {
                    let mut other = container(pod).clone();
                    other["name"] = "worker".into();
                    let mut keys = other["env"].as_array().cloned().unwrap_or_default();
                    keys.push(json!({"name": "AWS_ACCESS_KEY_ID", "value": "AKIAMADEUP"}));
                    other["env"] = keys.into();
                    pod["spec"]["containers"].as_array_mut().unwrap().push(other);
                });
            },
        ),
        well("init-container-as-another-user", |w| {
            w.change_pod(false, |pod| {
                let mut first = container(pod).clone();
                first["name"] = "first".into();
                first["securityContext"] = json!({"runAsUser": 0});
                container(pod)["securityContext"] = json!({"runAsUser": 1000});
                pod["spec"]["initContainers"] = json!([first]);
            });
        }),
        fault(
            "init-container-as-another-user-and-a-strict-mode",
            "pod-readable",
            &["1000", "0400|fsGroup"],
            "fsGroup|defaultMode",
            |w| {
                w.change_pod(false, |pod| {
                    let mut first = container(pod).clone();
                    first["name"] = "first".into();
                    first["securityContext"] = json!({"runAsUser": 0});
                    container(pod)["securityContext"] = json!({"runAsUser": 1000});
                    pod["spec"]["initContainers"] = json!([first]);
                    token_volume(pod)["defaultMode"] = 256.into();
                });
            },
        ),
        // Accounts.
        fault(
            "pods-run-as-another-account",
            "service-account",
            &["demo/app", "run as \"shop\""],
            "set serviceaccount deployment/app app",
            |w| run_as(w, "shop"),
        ),
        well("an-unrelated-pod-runs-as-default", |w| {
            run_as(w, "default");
            w.change_pod(true, |pod| pod["metadata"]["labels"] = json!({"app": "debug"}));
            w.body(PODS)["items"][0]["metadata"]["ownerReferences"] = json!([]);
            w.body(PODS)["items"][0]["metadata"]["name"] = "debug".into();
            w.body(DEPLOYMENTS)["items"] = json!([]);
            w.body(REPLICA_SETS)["items"] = json!([]);
        }),
        well("two-unrelated-workloads", |w| {
            run_as(w, "default");
            second_pod(w, |pod| pod["metadata"]["labels"] = json!({"app": "web"}));
            w.change_pod(true, |pod| pod["metadata"]["labels"] = json!({"app": "web"}));
            for path in [DEPLOYMENTS, REPLICA_SETS] {
                w.body(path)["items"] = json!([]);
            }
            for pod in w.body(PODS)["items"].as_array_mut().unwrap() {
                pod["metadata"]["ownerReferences"] =
                    json!([{"kind": "StatefulSet", "name": "web", "controller": true}]);
            }
        }),
        well("annotated-account-of-another-webhook-too", |w| {
            w.body(ACCOUNT)["metadata"]["annotations"]["iam.gke.io/gcp-service-account"] =
                "x@y.iam.gserviceaccount.com".into();
            w.body(ACCOUNT)["metadata"]["annotations"]["eks.amazonaws.com/ecr-role-arn"] =
                "arn:aws:iam::123456789012:role/ecr".into();
        }),
        fault(
            "annotation-with-another-name-beside",
            "annotation",
            &["eks\\.amazonaws\\.com/role_arn|role_arn"],
            KEY,
            |w| {
                w.uninjected();
                w.body(ACCOUNT)["metadata"]["annotations"] =
                    json!({"eks.amazonaws.com/role_arn": "arn:aws:iam::123456789012:role/app"});
            },
        ),
        // The cluster.
        well("a-second-issuer-is-being-rolled-out", |w| {
            let mut other = w.body(STATIC_PODS)["items"][0].clone();
            other["metadata"]["name"] = "kube-apiserver-cp2".into();
            other["spec"]["containers"][0]["command"] = json!([
                "kube-apiserver",
                format!("--service-account-issuer={ISSUER}"),
                "--service-account-issuer=https://old.example.com"
            ]);
            w.body(STATIC_PODS)["items"].as_array_mut().unwrap().push(other);
        }),
        // What STS says.
        fault("claim-rejected", "exchange", &["IDPRejectedClaim|rejected"], "verify|again", |w| {
            w.sts("IDPRejectedClaim", "The identity provider rejected the claim");
        }),
        fault("vpc-endpoint", "exchange", &["VPC endpoint"], "endpoint", |w| {
            w.sts("AccessDenied", "User is not authorized to perform: sts:AssumeRoleWithWebIdentity because no VPC endpoint policy allows the sts:AssumeRoleWithWebIdentity action");
        }),
        fault("token-too-old", "exchange", &["time|old"], "clock", |w| {
            w.sts("ExpiredTokenException", "Token too old: 1790000000");
        }),
        fault("expired", "exchange", &["expired"], "clock", |w| {
            w.sts(
                "ExpiredTokenException",
                "Token expired: current date/time 2 must be before the expiration date/time 1",
            );
        }),
        fault(
            "error-of-no-kind",
            "exchange",
            &["InvalidClientTokenId", "security token"],
            "look",
            |w| {
                w.sts(
                    "InvalidClientTokenId",
                    "The security token included in the request is invalid",
                );
            },
        ),
        fault(
            "lifetime-not-accepted",
            "exchange",
            &["ValidationError", "DurationSeconds"],
            "look",
            |w| {
                w.sts("ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.");
            },
        ),
        fault("throttled", "exchange", &["Rate exceeded|itself"], "again", |w| {
            w.sts("Throttling", "Rate exceeded");
        }),
    ]
}
