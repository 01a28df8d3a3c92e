//! Worlds that differ from the plain one in one thing: neighbours of the recorded ones.

use serde_json::{Value, json};

use crate::world::{
    ACCOUNT, BINDINGS, DEPLOYMENTS, DISCOVERY, DRY_RUN, FLAGZ, NAMESPACE, PODS, POLICIES,
    REPLICA_SETS, SERVICE, SLICES, STATIC_PODS, TOKEN, WEBHOOK, WEBHOOK_PODS, WEBHOOKS, World,
};

const KEY: &str = "eks.amazonaws.com/role-arn";
const SKIP: &str = "eks.amazonaws.com/skip-pod-identity-webhook";
const ISSUER: &str = "https://oidc.example.com/oidc-bucket/prod";
const DENIED: &str = "Not authorized to perform sts:AssumeRoleWithWebIdentity";

/// The plain world with something wrong: the id of the root cause, what message and fix say, and what the
/// fix says.
fn fault(name: &str, id: &str, says: &[&str], fix: &str, change: impl Fn(&mut World)) -> World {
    let mut world = World::plain(name);
    world.healthy = false;
    world.expect = json!({"exit": 5, "id": id, "says": says, "fix": fix});
    change(&mut world);
    world
}

/// The same for what a warning is enough for.
fn doubt(name: &str, id: &str, says: &[&str], change: impl Fn(&mut World)) -> World {
    let mut world = fault(name, id, says, ".", change);
    world.expect["warn"] = true.into();
    world
}

/// The plain world with something unusual.
fn well(name: &str, change: impl Fn(&mut World)) -> World {
    let mut world = World::plain(name);
    change(&mut world);
    world
}

/// A failure that is no verdict.
fn ends(name: &str, exit: i32, says: &[&str], change: impl Fn(&mut World)) -> World {
    let mut world = World::plain(name);
    world.healthy = false;
    world.expect = json!({"exit": exit, "id": "", "says": says, "fix": "", "failure": true});
    change(&mut world);
    world
}

fn annotate(world: &mut World, key: &str, value: Value) {
    world.body(ACCOUNT)["metadata"]["annotations"][key] = value;
}

/// The annotation, and the role that webhook and dry run make of it.
fn role(world: &mut World, value: &str) {
    annotate(world, KEY, value.into());
    let set = |pod: &mut Value| set_env(pod, "AWS_ROLE_ARN", value);
    set(&mut world.body(PODS)["items"][0]);
    set(world.body(DRY_RUN));
}

fn container(pod: &mut Value) -> &mut Value {
    &mut pod["spec"]["containers"][0]
}

fn env(pod: &mut Value) -> &mut Vec<Value> {
    if !container(pod)["env"].is_array() {
        container(pod)["env"] = json!([]);
    }
    container(pod)["env"].as_array_mut().unwrap()
}

fn set_env(pod: &mut Value, name: &str, value: &str) {
    unset_env(pod, name);
    env(pod).push(json!({"name": name, "value": value}));
}

fn unset_env(pod: &mut Value, name: &str) {
    env(pod).retain(|own| own["name"] != name);
}

fn token_volume(pod: &mut Value) -> &mut Value {
    &mut pod["spec"]["volumes"][0]["projected"]
}

/// The API server signs with another issuer, and STS finds no provider for it.
fn signs(world: &mut World, issuer: &str, flags: &str) {
    world.body(DISCOVERY)["issuer"] = issuer.into();
    world.body(FLAGZ)["flags"]["service-account-issuer"] = flags.into();
    world.body(TOKEN)["status"]["claims"]["iss"] = issuer.into();
    world.body(STATIC_PODS)["items"] = json!([]);
    world.refuse("GET /api/v1/namespaces/kube-system/configmaps/kubeadm-config", 404, "not found");
    world.sts(
        "InvalidIdentityToken",
        &format!("No OpenIDConnect provider found in your account for {issuer}"),
    );
}

fn hook(world: &mut World) -> &mut Value {
    &mut world.body(WEBHOOKS)["items"][0]["webhooks"][0]
}

fn statement(world: &mut World) -> &mut Value {
    &mut world.trust()["Statement"][0]
}

fn denied(world: &mut World) {
    world.sts("AccessDenied", DENIED);
}

/// Another pod of the namespace, changed.
fn second_pod(world: &mut World, change: impl Fn(&mut Value)) {
    let mut pod = world.body(PODS)["items"][0].clone();
    pod["metadata"]["name"] = "app-6d5f9c7b8d-zzzzz".into();
    change(&mut pod);
    world.body(PODS)["items"].as_array_mut().unwrap().push(pod);
}

fn bare(pod: &mut Value) {
    for name in ["AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"] {
        unset_env(pod, name);
    }
}

/// The pod is of a StatefulSet, and has its role; one that is made now would not.
fn of_stateful_set(world: &mut World) {
    let pod = world.body(PODS)["items"][0].clone();
    world.uninjected();
    world.body(PODS)["items"] = json!([pod]);
    world.body(PODS)["items"][0]["metadata"]["ownerReferences"] = json!([{"apiVersion": "apps/v1",
        "kind": "StatefulSet", "name": "app", "uid": "1", "controller": true}]);
    world.body(DEPLOYMENTS)["items"] = json!([]);
    world.body(REPLICA_SETS)["items"] = json!([]);
}

pub(crate) fn cluster() -> Vec<World> {
    let default = "https://kubernetes.default.svc.cluster.local";
    vec![
        fault("issuer-case", "cluster-issuer", &["case", "Prod"], "service-account-issuer", |w| {
            signs(
                w,
                "https://oidc.example.com/oidc-bucket/Prod",
                "[https://oidc.example.com/oidc-bucket/Prod]",
            );
        }),
        fault("issuer-http", "cluster-issuer", &["http"], "service-account-issuer", |w| {
            signs(
                w,
                "http://oidc.example.com/oidc-bucket/prod",
                "[http://oidc.example.com/oidc-bucket/prod]",
            );
        }),
        fault(
            "wrong-cluster",
            "cluster-issuer",
            &["staging\\.example\\.com", "oidc-bucket/prod", "context|https://localhost"],
            "kubeconfig|--issuer",
            |w| signs(w, "https://staging.example.com/s", "[https://staging.example.com/s]"),
        ),
        fault("issuer-comma", "cluster-issuer", &["comma"], "repeat", |w| {
            let both = format!("{ISSUER},{default}");
            signs(w, &both, &format!("[\"{both}\"]"));
        }),
        fault("manifest-not-in-force", "cluster", &["manifest", "restart"], "restart", |w| {
            let pods = w.body(STATIC_PODS).clone();
            signs(w, default, &format!("[{default}]"));
            *w.body(STATIC_PODS) = pods;
        }),
        fault("kubeadm-not-written", "cluster", &["kubeadm-config"], "kubeadm init phase", |w| {
            let configuration =
                w.kubernetes["GET /api/v1/namespaces/kube-system/configmaps/kubeadm-config"]
                    .clone();
            signs(w, default, &format!("[{default}]"));
            w.kubernetes.insert(
                "GET /api/v1/namespaces/kube-system/configmaps/kubeadm-config".into(),
                configuration,
            );
        }),
        fault(
            "servers-sign-differently",
            "cluster",
            &["differ", "kubernetes\\.default"],
            "every API server",
            |w| {
                w.token_issuers = vec![ISSUER.to_owned(), default.to_owned()];
            },
        ),
        fault(
            "one-server-publishes-another",
            "cluster-issuer",
            &["differ", "kubernetes\\.default"],
            "every API server",
            |w| {
                w.body(DISCOVERY)["issuer"] = default.into();
            },
        ),
        fault(
            "another-server-signs-differently",
            "cluster-issuer",
            &["differ", "from https://127", "kubernetes\\.default"],
            "every API server",
            |w| {
                w.second_server = Some(default.to_owned());
            },
        ),
        fault("manifests-differ", "cluster", &["cp1", "cp2", "differ"], "same", |w| {
            let mut other = w.body(STATIC_PODS)["items"][0].clone();
            other["metadata"]["name"] = "kube-apiserver-cp2".into();
            other["spec"]["containers"][0]["command"] =
                json!(["kube-apiserver", format!("--service-account-issuer={default}")]);
            w.body(STATIC_PODS)["items"].as_array_mut().unwrap().push(other);
        }),
        fault(
            "default-issuer-not-asked",
            "cluster-issuer",
            &["default issuer"],
            "service-account-issuer",
            |w| {
                signs(w, default, &format!("[{default}]"));
                w.set("--issuer", None);
            },
        ),
        doubt("old-cluster", "cluster-access", &["1\\.23", "1\\.24"], |w| {
            w.body("GET /version")["gitVersion"] = "v1.23.17".into();
        }),
        fault(
            "keys-of-another-cluster",
            "cluster-issuer-shared|key",
            &["another cluster|replaced"],
            "publish",
            |w| {
                let other = json!({"keys": [{"kid": "elsewhere", "kty": "RSA", "alg": "RS256", "use": "sig",
                                         "n": w.body("GET /openid/v1/jwks")["keys"][0]["n"].clone(), "e": "AQAB"}]});
                w.objects.insert("prod/keys.json".into(), other.to_string());
                w.sts(
                    "InvalidIdentityToken",
                    "Couldn't retrieve verification key from your identity provider",
                );
            },
        ),
        well("no-flags-to-be-seen", |w| {
            w.refuse(FLAGZ, 404, "not found");
            w.body(STATIC_PODS)["items"] = json!([]);
        }),
        ends("too-many-requests", 1, &["429"], |w| {
            for answer in w.kubernetes.values_mut() {
                *answer = json!({"status": 429, "body": {"message": "too many requests"}});
            }
        }),
        well("without-an-account", |w| {
            w.set("--service-account", None);
            w.expect["proof"] = false.into();
            w.expect["skips"] = json!(["no ServiceAccount was asked for"]);
            let (account, pod) = (w.body(ACCOUNT).clone(), w.body(PODS)["items"][0].clone());
            w.answer("GET /api/v1/serviceaccounts", 200, json!({"items": [account]}));
            w.answer("GET /api/v1/pods", 200, json!({"items": [pod]}));
        }),
        fault(
            "without-an-account-and-an-old-pod",
            "pod-injected",
            &["demo/app", "1 of 1"],
            "doctor --pod demo/",
            |w| {
                w.set("--service-account", None);
                w.uninjected();
                let (account, pod) = (w.body(ACCOUNT).clone(), w.body(PODS)["items"][0].clone());
                w.answer("GET /api/v1/serviceaccounts", 200, json!({"items": [account]}));
                w.answer("GET /api/v1/pods", 200, json!({"items": [pod]}));
            },
        ),
        doubt(
            "by-file",
            "cluster-issuer",
            &["other\\.issuerctl\\.test", "oidc-bucket/prod"],
            |w| {
                w.set("--issuer", None);
                w.set("--store", None);
                w.run.extend(["-f", "issuer.yaml"].map(str::to_owned));
                let text = "apiVersion: issuerctl.dev/v1alpha1\nkind: ServiceAccountIssuer\nmetadata: {name: prod}\nspec:\n  issuer: https://other.issuerctl.test/x\n  roles:\n  - name: app\n    serviceAccounts: [demo/app]\n";
                w.files.push(("issuer.yaml", text.to_owned()));
            },
        ),
        well("secrets-everywhere", |w| {
            w.change_pod(true, |pod| {
                set_env(pod, "PASSWORD", "MARKER");
                pod["metadata"]["annotations"] = json!({"note": "MARKER",
                    "kubectl.kubernetes.io/last-applied-configuration": "MARKER"});
                container(pod)["args"] = json!(["--token=MARKER"]);
            });
            annotate(w, "note", "MARKER".into());
            w.run.push("--verbose".into());
        }),
        ends("no-such-kubeconfig", 3, &["kubeconfig"], |w| w.set("--kubeconfig", Some("none"))),
        ends("no-such-namespace", 3, &["namespace", "shop"], |w| {
            w.set("--service-account", Some("shop/app"))
        }),
        ends("no-such-pod", 3, &["pod", "gone"], |w| {
            w.set("--service-account", None);
            w.set("--pod", Some("demo/gone"));
        }),
        well("by-pod", |w| {
            w.set("--service-account", None);
            w.set("--pod", Some("demo/app-6d5f9c7b8d-x7k2p"));
        }),
        well("old-key-still-published", |w| {
            let other = json!({"kid": "old", "kty": "EC", "alg": "ES256", "use": "sig", "crv": "P-256",
                "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"});
            w.objects.insert(
                "prod/keys.json".into(),
                format!("{{\"keys\": [(the published key), {other}]}}"),
            );
        }),
        fault("management-without-issuer", "cluster", &["default issuer"], "podIamConfig", |w| {
            *w = World {
                name: "management-without-issuer".into(),
                expect: w.expect.clone(),
                ..World::named("issuer-eksa-not-passed")
            };
            w.manage("GET /apis/anywhere.eks.amazonaws.com/v1alpha1/clusters")["items"][0]["spec"] =
                json!({});
        }),
    ]
}

pub(crate) fn documents() -> Vec<World> {
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

pub(crate) fn account() -> Vec<World> {
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
        bad("annotation-name", "app", "name of a role"),
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
        well("no-annotation-and-by-hand", |w| {
            *w = World {
                name: "no-annotation-and-by-hand".into(),
                ..World::named("static-injection")
            };
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

pub(crate) fn injection() -> Vec<World> {
    let quota = "pods \"x\" is forbidden: exceeded quota: compute, requested: pods=1, used: pods=10, limited: pods=10";
    let security = "pods \"x\" is forbidden: violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false";
    let other = "Internal error occurred: failed calling webhook \"sidecar.example.com\": failed to call webhook: connection refused";
    let unpolicied = |w: &mut World, name: &str| {
        *w = World {
            name: name.into(),
            expect: w.expect.clone(),
            healthy: false,
            ..World::named("policy-selector")
        };
        w.body(ACCOUNT)["metadata"]["labels"] = json!({"issuerctl.dev/role": "true"});
    };
    vec![
        fault(
            "opt-out",
            "webhook-scope",
            &["skip-pod-identity-webhook"],
            "remove the label",
            |w| {
                w.uninjected();
                w.change_pod(true, |pod| pod["metadata"]["labels"][SKIP] = "false".into());
            },
        ),
        fault("rules-update", "webhook-scope", &["CREATE|creation", "UPDATE"], "CREATE", |w| {
            w.uninjected();
            hook(w)["rules"][0]["operations"] = json!(["UPDATE"]);
        }),
        fault("rules-deployments", "webhook-scope", &["deployments"], "pods", |w| {
            w.uninjected();
            hook(w)["rules"][0]["resources"] = json!(["deployments"]);
        }),
        fault(
            "namespace-excluded",
            "webhook-scope",
            &["namespaceSelector", "demo"],
            "label|namespaceSelector",
            |w| {
                w.uninjected();
                hook(w)["namespaceSelector"] = json!({"matchExpressions": [
                {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system", "demo"]}]});
            },
        ),
        fault(
            "object-selector",
            "webhook-scope",
            &["objectSelector", "aws-identity"],
            "label",
            |w| {
                w.uninjected();
                hook(w)["objectSelector"] = json!({"matchLabels": {"aws-identity": "on"}});
            },
        ),
        fault(
            "service-missing",
            "webhook-service",
            &["does not exist", "default/pod-identity-webhook"],
            "install|clientConfig",
            |w| {
                w.uninjected();
                w.refuse(SERVICE, 404, "services \"pod-identity-webhook\" not found");
                w.body(SLICES)["items"] = json!([]);
            },
        ),
        fault("service-port", "webhook-service", &["8443", "443"], "port", |w| {
            w.uninjected();
            hook(w)["clientConfig"]["service"]["port"] = 8443.into();
        }),
        fault("webhook-crashes", "webhook", &["CrashLoopBackOff"], "log", |w| {
            w.uninjected();
            w.body(SLICES)["items"][0]["endpoints"] =
                json!([{"addresses": ["10.244.1.7"], "conditions": {"ready": false}}]);
            w.body(WEBHOOK_PODS)["items"][0]["status"] = json!({"phase": "Running", "containerStatuses": [
                {"name": "pod-identity-webhook", "ready": false, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]});
        }),
        fault("webhook-scaled-to-zero", "webhook", &["0 replicas"], "scale", |w| {
            w.uninjected();
            w.body(SLICES)["items"] = json!([]);
            w.body(WEBHOOK_PODS)["items"] = json!([]);
            w.body(WEBHOOK)["spec"]["replicas"] = 0.into();
        }),
        fault(
            "ca-bundle-empty",
            "webhook-certificate",
            &["caBundle", "empty"],
            "caBundle|cert-manager",
            |w| {
                w.uninjected();
                hook(w)["clientConfig"].as_object_mut().unwrap().remove("caBundle");
            },
        ),
        fault(
            "serving-another-ca",
            "webhook-certificate",
            &["caBundle", "127\\.0\\.0\\.1"],
            "caBundle|renew",
            |w| {
                w.uninjected();
                w.serving = Some(false);
            },
        ),
        fault("serving-well-and-no-answer", "webhook-answer", &["without a patch"], "log", |w| {
            w.uninjected();
            w.serving = Some(true);
        }),
        well("serving-well", |w| w.serving = Some(true)),
        fault("policy-lost", "policy", &["does not exist"], "render policy", move |w| {
            unpolicied(w, "policy-lost");
            w.body(POLICIES)["items"] = json!([]);
        }),
        fault(
            "ca-bundle-broken",
            "webhook-certificate",
            &["caBundle"],
            "caBundle|cert-manager",
            |w| {
                w.uninjected();
                hook(w)["clientConfig"]["caBundle"] = "bm8gY2VydGlmaWNhdGU=".into();
            },
        ),
        fault(
            "refused-for-certificate",
            "webhook-certificate",
            &["x509", "caBundle"],
            "caBundle|certificate",
            |w| {
                w.body(PODS)["items"] = json!([]);
                hook(w)["failurePolicy"] = "Fail".into();
                w.refuse(DRY_RUN, 500, "Internal error occurred: failed calling webhook \"pod-identity-webhook.amazonaws.com\": failed to call webhook: Post \"https://pod-identity-webhook.default.svc:443/mutate?timeout=5s\": tls: failed to verify certificate: x509: certificate signed by unknown authority");
            },
        ),
        fault(
            "running-pod-of-a-stateful-set",
            "webhook-scope",
            &["CREATE"],
            "CREATE|render",
            |w| {
                of_stateful_set(w);
                hook(w)["rules"][0]["operations"] = json!(["UPDATE"]);
            },
        ),
        well("stateful-set-with-a-template-that-names-the-role", |w| {
            of_stateful_set(w);
            let own = container(&mut w.body(PODS)["items"][0]);
            own["volumeMounts"].as_array_mut().unwrap().reverse();
            w.body(WEBHOOKS)["items"] = json!([]);
        }),
        fault(
            "policy-without-binding",
            "policy",
            &["binding"],
            "render policy|binding",
            move |w| {
                unpolicied(w, "policy-without-binding");
                w.body(BINDINGS)["items"] = json!([]);
            },
        ),
        fault(
            "policy-of-another-account",
            "policy",
            &["paramRef", "shop"],
            "paramRef|selector",
            move |w| {
                unpolicied(w, "policy-of-another-account");
                w.body(BINDINGS)["items"][0]["spec"]["paramRef"] =
                    json!({"name": "shop", "parameterNotFoundAction": "Allow"});
            },
        ),
        fault("policy-of-another-namespace", "policy", &["namespace"], "label", move |w| {
            unpolicied(w, "policy-of-another-namespace");
            w.body(BINDINGS)["items"][0]["spec"]["matchResources"] =
                json!({"namespaceSelector": {"matchLabels": {"team": "a"}}});
        }),
        fault(
            "policy-opt-out",
            "policy",
            &["skip-pod-identity-webhook|opts out"],
            "label",
            move |w| {
                unpolicied(w, "policy-opt-out");
                w.change_pod(true, |pod| pod["metadata"]["labels"][SKIP] = "true".into());
            },
        ),
        fault(
            "policy-updates-only",
            "policy",
            &["creation of pods", "UPDATE"],
            "render policy",
            move |w| {
                unpolicied(w, "policy-updates-only");
                w.body(POLICIES)["items"][0]["spec"]["matchConstraints"]["resourceRules"][0]["operations"] =
                    json!(["UPDATE"]);
            },
        ),
        fault("policies-not-served", "webhook", &["no pod identity webhook"], "render", |w| {
            *w = World {
                name: "policies-not-served".into(),
                expect: w.expect.clone(),
                healthy: false,
                ..World::named("webhook-absent")
            };
            w.refuse(POLICIES, 404, "the server could not find the requested resource");
            w.refuse(BINDINGS, 404, "the server could not find the requested resource");
        }),
        fault(
            "webhook-behind-a-firewall",
            "injection|webhook",
            &["deadline|firewall", "webhook"],
            "firewall|NetworkPolicy",
            |w| {
                w.body(PODS)["items"] = json!([]);
                hook(w)["failurePolicy"] = "Fail".into();
                w.refuse(DRY_RUN, 500, "Internal error occurred: failed calling webhook \"pod-identity-webhook.amazonaws.com\": failed to call webhook: Post \"https://pod-identity-webhook.default.svc:443/mutate?timeout=5s\": context deadline exceeded");
            },
        ),
        well("dry-run-over-quota", move |w| w.refuse(DRY_RUN, 403, quota)),
        well("dry-run-against-pod-security", move |w| w.refuse(DRY_RUN, 403, security)),
        well("dry-run-and-another-webhook", move |w| w.refuse(DRY_RUN, 500, other)),
        well("no-dry-run", |w| w.run.push("--no-dry-run".into())),
        well("webhook-of-eks", |w| {
            hook(w)["name"] = "iam-for-pods.amazonaws.com".into();
            hook(w)["clientConfig"] = json!({"url": "https://127.0.0.1:23443/mutate"});
        }),
        well("namespace-opted-in", |w| {
            hook(w)["namespaceSelector"] = json!({"matchLabels": {"aws-identity": "enabled"}});
            w.body(NAMESPACE)["metadata"]["labels"]["aws-identity"] = "enabled".into();
        }),
    ]
}

pub(crate) fn pods() -> Vec<World> {
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
                *w = World {
                    name: "audience-by-hand".into(),
                    expect: w.expect.clone(),
                    healthy: false,
                    ..World::named("static-injection")
                };
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
            *w = World {
                name: "role-by-hand-is-no-arn".into(),
                expect: w.expect.clone(),
                healthy: false,
                ..World::named("static-injection")
            };
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

pub(crate) fn aws() -> Vec<World> {
    let missing = "No OpenIDConnect provider found in your account for https://oidc.example.com/oidc-bucket/prod";
    let provider = |w: &mut World, url: &str| {
        w.aws["providers"][0]["url"] = url.into();
        w.sts("InvalidIdentityToken", missing);
    };
    let tenant = |name: &str, w: &mut World| {
        *w = World {
            name: name.into(),
            expect: w.expect.clone(),
            healthy: false,
            ..World::named("tenant")
        };
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
                tenant("provider-by-evidence", w);
                w.sts("InvalidIdentityToken", missing);
            },
        ),
        fault(
            "audience-by-evidence",
            "provider-audience",
            &["sts\\.amazonaws\\.com"],
            "provider apply",
            move |w| {
                tenant("audience-by-evidence", w);
                w.sts("InvalidIdentityToken", "Incorrect token audience");
            },
        ),
        fault(
            "role-by-evidence",
            "exchange",
            &["role/app", "trust policy", "system:serviceaccount:demo:app"],
            "lint",
            move |w| {
                tenant("role-by-evidence", w);
                denied(w);
            },
        ),
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
