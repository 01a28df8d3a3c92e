//! What is wrong with the cluster.

use serde_json::json;

use super::{ISSUER, annotate, becomes, container, doubt, ends, fault, set_env, signs, well};
use crate::world::{ACCOUNT, DISCOVERY, FLAGZ, PODS, STATIC_PODS, World};

pub(crate) fn worlds() -> Vec<World> {
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
        fault("kubeadm-of-the-old-form", "cluster-issuer", &["v1beta3", "map"], "first", |w| {
            signs(w, default, &format!("[{default}]"));
            let text = "apiVersion: kubeadm.k8s.io/v1beta3\nkind: ClusterConfiguration\napiServer:\n  extraArgs:\n    service-account-issuer: https://kubernetes.default.svc.cluster.local\n";
            w.answer(
                "GET /api/v1/namespaces/kube-system/configmaps/kubeadm-config",
                200,
                json!({"data": {"ClusterConfiguration": text}}),
            );
        }),
        fault(
            "arguments-of-eks-anywhere-not-in-force",
            "cluster",
            &["apiServerExtraArgs|podIamConfig"],
            "upgrade",
            |w| {
                becomes(w, "issuer-eksa-not-passed");
                w.manage("GET /apis/anywhere.eks.amazonaws.com/v1alpha1/clusters")["items"][0]["spec"] = json!({"controlPlaneConfiguration": {"apiServerExtraArgs": {"service-account-issuer": ISSUER}}});
            },
        ),
        fault(
            "another-cluster-of-the-management-cluster",
            "cluster",
            &["kubernetes\\.default"],
            "first|podIamConfig",
            |w| {
                becomes(w, "issuer-eksa-not-passed");
                w.set("--cluster", Some("another"));
            },
        ),
        fault("management-without-issuer", "cluster", &["default issuer"], "podIamConfig", |w| {
            becomes(w, "issuer-eksa-not-passed");
            w.manage("GET /apis/anywhere.eks.amazonaws.com/v1alpha1/clusters")["items"][0]["spec"] =
                json!({});
        }),
    ]
}
