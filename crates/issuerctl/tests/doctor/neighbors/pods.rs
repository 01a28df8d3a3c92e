//! What is wrong with the pods.

use serde_json::{Value, json};

use super::{
    bare, becomes, container, controlled, doubt, env, fault, role, second_pod, set_env,
    token_volume, unset_env, well,
};
use crate::world::{ACCOUNT, DEPLOYMENTS, DRY_RUN, FLAGZ, PODS, REPLICA_SETS, World};

pub(crate) fn worlds() -> Vec<World> {
    let keys = |world: &mut World, names: Value| {
        world.change_pod(true, |pod| {
            container(pod)["envFrom"] = json!([{"secretRef": {"name": "aws"}}]);
        });
        world.answer(
            "GET /api/v1/namespaces/demo/secrets/aws",
            200,
            json!({
                "kind": "PartialObjectMetadata",
                "metadata": {"name": "aws", "managedFields": [{"fieldsV1": {"f:data": names}}]},
                "data": {"MARKER": "MARKER"},
            }),
        );
    };
    vec![
        fault("older-pod", "pod-injected", &["zzzzz", "before|older", "1 of 2"], "restart", |w| {
            second_pod(w, |pod| {
                bare(pod);
                pod["metadata"]["creationTimestamp"] = "2026-11-20T00:00:00Z".into();
            });
        }),
        fault(
            "skipped-container",
            "pod-containers",
            &["skip-containers", "app"],
            "skip-containers",
            |w| {
                w.change_pod(true, |pod| {
                    pod["metadata"]["annotations"] =
                        json!({"eks.amazonaws.com/skip-containers": "app"});
                    let mut sidecar = container(pod).clone();
                    sidecar["name"] = "sidecar".into();
                    bare(pod);
                    pod["spec"]["containers"].as_array_mut().unwrap().push(sidecar);
                });
            },
        ),
        fault(
            "role-alone",
            "pod-env",
            &["AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"],
            "AWS_ROLE_ARN",
            |w| {
                w.change_pod(true, |pod| {
                    unset_env(pod, "AWS_WEB_IDENTITY_TOKEN_FILE");
                    set_env(pod, "AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/app");
                });
            },
        ),
        fault(
            "token-file-alone",
            "pod-env",
            &["AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"],
            "AWS_WEB_IDENTITY",
            |w| {
                w.change_pod(true, |pod| {
                    unset_env(pod, "AWS_ROLE_ARN");
                    set_env(
                        pod,
                        "AWS_WEB_IDENTITY_TOKEN_FILE",
                        "/var/run/secrets/eks.amazonaws.com/serviceaccount/token",
                    );
                });
            },
        ),
        fault("stale-role", "pod-env", &["role/old", "role/app"], "recreate|restart", |w| {
            set_env(
                &mut w.body(PODS)["items"][0],
                "AWS_ROLE_ARN",
                "arn:aws:iam::123456789012:role/old",
            );
        }),
        fault(
            "role-of-template",
            "pod-env",
            &["role/mine", "role/app", "template"],
            "remove",
            |w| {
                w.change_pod(true, |pod| {
                    set_env(pod, "AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/mine")
                });
                set_env(w.body(DRY_RUN), "AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/mine");
            },
        ),
        fault("profile", "pod-credentials", &["AWS_PROFILE", "prod"], "remove", |w| {
            w.change_pod(true, |pod| set_env(pod, "AWS_PROFILE", "prod"));
        }),
        doubt("credentials-file", "pod-credentials", &["/etc/aws/credentials"], |w| {
            w.change_pod(true, |pod| {
                set_env(pod, "AWS_SHARED_CREDENTIALS_FILE", "/etc/aws/credentials")
            });
        }),
        fault(
            "keys-in-a-secret",
            "pod-credentials",
            &["AWS_ACCESS_KEY_ID", "Secret aws"],
            "remove",
            move |w| {
                keys(w, json!({".": {}, "f:AWS_ACCESS_KEY_ID": {}, "f:AWS_SECRET_ACCESS_KEY": {}}));
            },
        ),
        fault("keys-listed", "pod-credentials", &["AWS_ACCESS_KEY_ID"], "remove", move |w| {
            keys(w, json!({}));
            w.refuse("GET /api/v1/namespaces/demo/secrets/aws", 404, "not found");
            w.body("GET /api/v1/namespaces/demo/secrets")["items"] = json!([{"metadata": {"name": "aws"},
                "data": {"AWS_ACCESS_KEY_ID": "TUFSS0VS", "AWS_SECRET_ACCESS_KEY": "MARKER"}}]);
        }),
        fault(
            "key-from-a-secret",
            "pod-credentials",
            &["AWS_ACCESS_KEY_ID", "Secret aws"],
            "remove|unset|set env",
            |w| {
                w.change_pod(true, |pod| {
                for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
                    env(pod).push(json!({"name": name, "valueFrom": {"secretKeyRef": {"name": "aws", "key": name}}}));
                }
            });
            },
        ),
        fault(
            "token-of-another-name",
            "pod-token",
            &["token2|irsa"],
            "recreate|restart|remove",
            |w| {
                w.change_pod(false, |pod| {
                    token_volume(pod)["sources"][0]["serviceAccountToken"]["path"] = "token2".into()
                });
            },
        ),
        fault("token-of-a-secret", "pod-token", &["Secret", "audience"], "remove|projected", |w| {
            w.change_pod(false, |pod| {
                pod["spec"]["volumes"][0] =
                    json!({"name": "aws-iam-token", "secret": {"secretName": "app-token"}});
            });
        }),
        fault(
            "audience-by-hand",
            "pod-token",
            &["vault", "sts\\.amazonaws\\.com"],
            "audience",
            |w| {
                becomes(w, "static-injection");
                w.change_pod(false, |pod| {
                    token_volume(pod)["sources"][0]["serviceAccountToken"]["audience"] =
                        "vault".into()
                });
            },
        ),
        fault(
            "not-readable-by-image-user",
            "pod-readable",
            &["runAsNonRoot|not root", "0400"],
            "fsGroup|defaultMode",
            |w| {
                w.change_pod(true, |pod| {
                    pod["spec"]["securityContext"] = json!({"runAsNonRoot": true});
                    if pod["spec"]["volumes"].is_array() {
                        token_volume(pod)["defaultMode"] = 256.into();
                    }
                });
            },
        ),
        fault("availability-zone", "pod-region", &["us-west-2a", "zone"], "region", |w| {
            w.change_pod(true, |pod| {
                set_env(pod, "AWS_REGION", "us-west-2a");
            });
        }),
        fault(
            "region-of-another-partition",
            "pod-region",
            &["cn-north-1", "partition"],
            "region",
            |w| {
                w.change_pod(true, |pod| set_env(pod, "AWS_REGION", "cn-north-1"));
            },
        ),
        fault(
            "region-of-another-partition-in-china",
            "pod-region",
            &["aws-cn"],
            "cn-north-1",
            |w| {
                role(w, "arn:aws-cn:iam::999999999999:role/app");
            },
        ),
        fault("region-misspelt", "pod-region", &["us-wset-2", "no region"], "us-west-2", |w| {
            w.change_pod(true, |pod| set_env(pod, "AWS_REGION", "us-wset-2"));
        }),
        doubt("region-of-no-known-area", "pod-region", &["xx-west-2", "known"], |w| {
            w.change_pod(true, |pod| set_env(pod, "AWS_REGION", "xx-west-2"));
        }),
        doubt("region-empty", "pod-region", &["AWS_REGION is empty"], |w| {
            w.change_pod(true, |pod| {
                unset_env(pod, "AWS_REGION");
                // An API server leaves out the value.
                env(pod).push(json!({"name": "AWS_REGION"}));
            });
        }),
        fault("token-file-with-a-slash", "pod-token", &["token/", "folder"], "token\"", |w| {
            let path = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token/";
            w.change_pod(true, |pod| set_env(pod, "AWS_WEB_IDENTITY_TOKEN_FILE", path));
        }),
        doubt("token-file-relative", "pod-token", &["relative", "working directory"], |w| {
            let path = "var/run/secrets/eks.amazonaws.com/serviceaccount/token";
            w.change_pod(true, |pod| set_env(pod, "AWS_WEB_IDENTITY_TOKEN_FILE", path));
        }),
        doubt(
            "profile-in-a-config-map",
            "pod-credentials",
            &["ConfigMap aws", "AWS_PROFILE"],
            |w| {
                w.change_pod(true, |pod| {
                    container(pod)["envFrom"] = json!([{"configMapRef": {"name": "aws"}}]);
                });
                let metadata = json!({"name": "aws", "managedFields": [{"fieldsV1": {"f:data": {"f:AWS_PROFILE": {}}}}]});
                w.answer(
                    "GET /api/v1/namespaces/demo/configmaps/aws",
                    200,
                    json!({"kind": "PartialObjectMetadata", "metadata": metadata}),
                );
            },
        ),
        fault(
            "secret-key-as-a-profile",
            "pod-credentials",
            &["\\[redacted\\]"],
            "remove|unset|set env",
            |w| {
                let secret = "wJalrMadeUpMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
                w.change_pod(true, |pod| set_env(pod, "AWS_PROFILE", secret));
            },
        ),
        fault("role-of-a-bare-pod", "pod-env", &["role/other"], "manifest of the pod", |w| {
            controlled(w, "Pod");
            w.change_pod(false, |pod| {
                set_env(pod, "AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/other");
            });
        }),
        fault("session-name", "pod-env", &["AWS_ROLE_SESSION_NAME", "my app"], "set", |w| {
            w.change_pod(true, |pod| set_env(pod, "AWS_ROLE_SESSION_NAME", "my app"));
        }),
        doubt("endpoint-of-another-sts", "pod-env", &["AWS_ENDPOINT_URL", "localstack"], |w| {
            w.change_pod(true, |pod| set_env(pod, "AWS_ENDPOINT_URL", "http://localstack:4566"));
        }),
        well("endpoint-in-a-vpc", |w| {
            let url = "https://vpce-0a1b2c.sts.us-west-2.vpce.amazonaws.com";
            w.change_pod(true, |pod| set_env(pod, "AWS_ENDPOINT_URL_STS", url));
        }),
        fault("role-by-hand-is-no-arn", "pod-env", &["ARN", "backslash"], "role/app", |w| {
            becomes(w, "static-injection");
            w.body(ACCOUNT)["metadata"]["annotations"] = json!({});
            w.change_pod(true, |pod| {
                set_env(pod, "AWS_ROLE_ARN", "arn:aws:iam::123456789012:role\\/app")
            });
            set_env(w.body(DRY_RUN), "AWS_ROLE_ARN", "arn:aws:iam::123456789012:role\\/app");
        }),
        well("api-token-with-the-audience-of-sts", |w| {
            w.body(FLAGZ)["flags"]["api-audiences"] = "[sts.amazonaws.com]".into();
            w.change_pod(true, |pod| {
                set_env(
                    pod,
                    "AWS_WEB_IDENTITY_TOKEN_FILE",
                    "/var/run/secrets/kubernetes.io/serviceaccount/token",
                );
                set_env(pod, "AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/app");
            });
        }),
        doubt("no-region", "pod-region", &["AWS_REGION"], |w| {
            w.change_pod(false, |pod| {
                unset_env(pod, "AWS_REGION");
                unset_env(pod, "AWS_DEFAULT_REGION");
            });
        }),
        doubt("legacy-sts-in-an-opt-in-region", "pod-region", &["legacy", "af-south-1"], |w| {
            w.change_pod(false, |pod| {
                set_env(pod, "AWS_REGION", "af-south-1");
                set_env(pod, "AWS_STS_REGIONAL_ENDPOINTS", "legacy");
            });
        }),
        well("keys-of-another-kind-in-a-secret", move |w| {
            keys(w, json!({".": {}, "f:PASSWORD": {}}))
        }),
        well("secret-may-not-be-read", move |w| {
            keys(w, json!({}));
            w.refuse(
                "GET /api/v1/namespaces/demo/secrets/aws",
                403,
                "secrets \"aws\" is forbidden: User \"u\" cannot get resource",
            );
            w.refuse(
                "GET /api/v1/namespaces/demo/secrets",
                403,
                "secrets is forbidden: User \"u\" cannot list resource",
            );
        }),
        well("ended-pod", |w| {
            second_pod(w, |pod| {
                bare(pod);
                pod["status"]["phase"] = "Succeeded".into();
            });
        }),
        well("pod-of-another-account", |w| {
            second_pod(w, |pod| {
                bare(pod);
                pod["spec"]["serviceAccountName"] = "other".into();
                pod["spec"]["serviceAccount"] = "other".into();
            });
        }),
        well("host-network", |w| {
            w.change_pod(true, |pod| pod["spec"]["hostNetwork"] = true.into())
        }),
        well("no-api-token", |w| {
            w.change_pod(true, |pod| {
                pod["spec"]["automountServiceAccountToken"] = false.into();
                if let Some(volumes) = pod["spec"]["volumes"].as_array_mut() {
                    volumes.truncate(1);
                }
            });
        }),
        well("skipped-sidecar", |w| {
            w.change_pod(true, |pod| {
                pod["metadata"]["annotations"] =
                    json!({"eks.amazonaws.com/skip-containers": "sidecar"});
                let sidecar = json!({"name": "sidecar", "image": "x"});
                pod["spec"]["containers"].as_array_mut().unwrap().push(sidecar);
            });
        }),
        well("init-container-added-later", |w| {
            w.change_pod(false, |pod| {
                pod["spec"]["initContainers"] = json!([{"name": "init", "image": "x"}])
            });
        }),
        well("two-users-and-the-usual-mode", |w| {
            w.change_pod(true, |pod| {
                let mut other = container(pod).clone();
                other["name"] = "worker".into();
                other["securityContext"] = json!({"runAsUser": 2000});
                container(pod)["securityContext"] = json!({"runAsUser": 1000});
                pod["spec"]["containers"].as_array_mut().unwrap().push(other);
            });
        }),
        well("fs-group-and-a-strict-mode", |w| {
            w.change_pod(false, |pod| {
                pod["spec"]["securityContext"] = json!({"runAsUser": 1000, "fsGroup": 1000});
                token_volume(pod)["defaultMode"] = 256.into();
            });
        }),
        well("one-user-and-a-strict-mode", |w| {
            w.change_pod(false, |pod| {
                container(pod)["securityContext"] = json!({"runAsUser": 1000});
                token_volume(pod)["defaultMode"] = 256.into();
            });
        }),
        well("empty-keys", |w| {
            w.change_pod(true, |pod| {
                set_env(pod, "AWS_ACCESS_KEY_ID", "");
                set_env(pod, "AWS_SECRET_ACCESS_KEY", "");
            });
        }),
        well("windows", |w| {
            w.change_pod(true, |pod| {
                pod["spec"]["nodeSelector"] = json!({"kubernetes.io/os": "windows"});
            });
            set_env(
                &mut w.body(PODS)["items"][0],
                "AWS_WEB_IDENTITY_TOKEN_FILE",
                "C:\\var\\run\\secrets\\eks.amazonaws.com\\serviceaccount\\token",
            );
        }),
        well("no-pods-yet", |w| {
            w.body(PODS)["items"] = json!([]);
            w.body(REPLICA_SETS)["items"] = json!([]);
            w.body(DEPLOYMENTS)["items"] = json!([]);
        }),
        well("long-token", |w| {
            w.change_pod(false, |pod| {
                token_volume(pod)["sources"][0]["serviceAccountToken"]["expirationSeconds"] =
                    600.into()
            });
        }),
    ]
}
