//! The pod identity webhook, with everything it needs to run.

use base64ct::{Base64, Encoding};
use serde_json::{Map, Value, json};

use crate::inject::SKIP_LABEL;
use crate::{Selector, Settings};

/// The image, by version: a digest is one of a registry that the cluster pulls from, and is given
/// as an option. The golden data is five commits newer, and agrees.
pub const WEBHOOK_IMAGE: &str = "public.ecr.aws/eks/amazon-eks-pod-identity-webhook:v0.6.17";

/// The namespace of the webhook, and the name of all of its objects.
pub const WEBHOOK: &str = "pod-identity-webhook";

/// The name of the authority that cert-manager signs its certificate with.
const AUTHORITY: &str = "pod-identity-webhook-ca";

/// The port in the pod: below 1024 needs a capability.
const PORT: u16 = 8443;

/// The user of the image's base is root; any other will do.
const USER: u32 = 65_532;

/// What happens to pods that are created while no webhook answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailurePolicy {
    /// They start without a role.
    Ignore,
    /// They are refused, and their controllers try again.
    Fail,
}

impl FailurePolicy {
    /// As in Kubernetes.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ignore => "Ignore",
            Self::Fail => "Fail",
        }
    }
}

/// The certificate that the webhook serves with.
#[derive(Clone, PartialEq, Eq)]
pub enum ServingCertificate {
    /// One of ours.
    Own {
        /// The certificate as PEM.
        certificate: String,
        /// Its private key as PEM.
        key: String,
        /// What the API server verifies it with, as PEM: one certificate or more.
        authorities: String,
    },
    /// cert-manager makes it, renews it, and tells the API server.
    CertManager,
    /// It is in the cluster already; the Secret is not printed again.
    InCluster {
        /// What the API server verifies it with, as PEM.
        authorities: String,
    },
}

impl std::fmt::Debug for ServingCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Own { .. } => "Own",
            Self::CertManager => "CertManager",
            Self::InCluster { .. } => "InCluster",
        })
    }
}

/// What the webhook is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookOptions {
    /// Its flags.
    pub settings: Settings,
    /// Its namespace.
    pub namespace: String,
    /// Its image, by version or digest.
    pub image: String,
    /// Its certificate.
    pub certificate: ServingCertificate,
    /// What happens while no webhook answers.
    pub failure_policy: FailurePolicy,
    /// The namespaces whose pods it sees, besides that kube-system and its own are spared.
    pub namespaces: Option<Selector>,
}

/// The DNS names of its certificate; the API server asks for the first.
#[must_use]
pub fn webhook_names(namespace: &str) -> Vec<String> {
    let service = format!("{WEBHOOK}.{namespace}");
    vec![format!("{service}.svc"), format!("{service}.svc.cluster.local"), service]
}

/// The objects, in the order in which they are to be created: the configuration that makes the API
/// server call the webhook is the last.
#[must_use]
pub fn webhook(options: &WebhookOptions) -> Vec<Value> {
    let mut objects = vec![
        json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": options.namespace, "labels": {
                "pod-security.kubernetes.io/enforce": "restricted",
            }},
        }),
        namespaced(options, "v1", "ServiceAccount", &[]),
    ];
    objects.extend(rbac(options));
    objects.extend(certificate(options));
    objects.push(deployment(options));
    let selector = json!({"matchLabels": labels()});
    objects.push(namespaced(
        options,
        "policy/v1",
        "PodDisruptionBudget",
        &[("spec", json!({"minAvailable": 1, "selector": selector}))],
    ));
    objects.push(namespaced(
        options,
        "v1",
        "Service",
        &[(
            "spec",
            json!({
                "selector": labels(),
                "ports": [{"name": "https", "port": 443, "targetPort": "https"}],
            }),
        )],
    ));
    objects.push(configuration(options));
    objects
}

/// Reading every ServiceAccount, and nothing else.
fn rbac(options: &WebhookOptions) -> [Value; 2] {
    let metadata = json!({"name": WEBHOOK, "labels": labels()});
    let group = "rbac.authorization.k8s.io";
    [
        json!({
            "apiVersion": format!("{group}/v1"),
            "kind": "ClusterRole",
            "metadata": metadata,
            "rules": [{
                "apiGroups": [""],
                "resources": ["serviceaccounts"],
                "verbs": ["get", "list", "watch"],
            }],
        }),
        json!({
            "apiVersion": format!("{group}/v1"),
            "kind": "ClusterRoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": WEBHOOK},
            "subjects": [{
                "kind": "ServiceAccount",
                "name": WEBHOOK,
                "namespace": options.namespace,
            }],
        }),
    ]
}

fn certificate(options: &WebhookOptions) -> Vec<Value> {
    match &options.certificate {
        ServingCertificate::InCluster { .. } => Vec::new(),
        ServingCertificate::Own { certificate, key, authorities } => {
            // The authorities are there as well, so that what the API server needs can be read back.
            let data = json!({
                "tls.crt": encode(certificate),
                "tls.key": encode(key),
                "ca.crt": encode(authorities),
            });
            let rest = [("type", json!("kubernetes.io/tls")), ("data", data)];
            vec![namespaced(options, "v1", "Secret", &rest)]
        }
        ServingCertificate::CertManager => {
            let key = json!({"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"});
            // The authority stays when the serving certificate is renewed, so that the API server
            // accepts both the old one and the new one meanwhile.
            let authority = json!({
                "isCA": true,
                "commonName": AUTHORITY,
                "secretName": AUTHORITY,
                "duration": "87600h",
                "privateKey": key,
                "issuerRef": {"kind": "Issuer", "name": AUTHORITY},
            });
            let serving = json!({
                "secretName": WEBHOOK,
                "dnsNames": webhook_names(&options.namespace),
                "duration": "2160h",
                "renewBefore": "720h",
                "privateKey": key,
                "issuerRef": {"kind": "Issuer", "name": WEBHOOK},
            });
            let object = |kind, name: &str, spec| {
                let mut object = namespaced(options, "cert-manager.io/v1", kind, &[("spec", spec)]);
                object["metadata"]["name"] = name.into();
                object
            };
            vec![
                object("Issuer", AUTHORITY, json!({"selfSigned": {}})),
                object("Certificate", AUTHORITY, authority),
                object("Issuer", WEBHOOK, json!({"ca": {"secretName": AUTHORITY}})),
                object("Certificate", WEBHOOK, serving),
            ]
        }
    }
}

fn deployment(options: &WebhookOptions) -> Value {
    let probe = json!({"httpGet": {"path": "/healthz", "port": "https", "scheme": "HTTPS"}});
    let container = json!({
        "name": "webhook",
        "image": options.image,
        "command": ["/webhook"],
        "args": arguments(options),
        "ports": [
            {"name": "https", "containerPort": PORT},
            {"name": "metrics", "containerPort": 9999},
        ],
        "readinessProbe": probe,
        "livenessProbe": probe,
        "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": true,
        },
        "volumeMounts": [{"name": "cert", "mountPath": "/etc/webhook/certs", "readOnly": true}],
    });
    let spread = json!([{
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": labels()},
    }]);
    let pod = json!({
        "serviceAccountName": WEBHOOK,
        "priorityClassName": "system-cluster-critical",
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": spread,
        "containers": [container],
        "volumes": [{"name": "cert", "secret": {"secretName": WEBHOOK}}],
    });
    let spec = json!({
        "replicas": 2,
        "selector": {"matchLabels": labels()},
        "strategy": {"rollingUpdate": {"maxUnavailable": 0}},
        "template": {"metadata": {"labels": labels()}, "spec": pod},
    });
    namespaced(options, "apps/v1", "Deployment", &[("spec", spec)])
}

/// Its own flags, and those that differ from its defaults.
fn arguments(options: &WebhookOptions) -> Vec<String> {
    let (settings, default) = (&options.settings, Settings::default());
    let mut arguments = vec![
        // What is in the cluster is only its certificate API, which no longer signs such ones.
        "--in-cluster=false".to_owned(),
        format!("--port={PORT}"),
        format!("--namespace={}", options.namespace),
        // A pod that comes right behind its ServiceAccount waits for it.
        "--service-account-lookup-grace-period=1s".to_owned(),
    ];
    let mut flag = |name: &str, value: &str, default: &str| {
        if value != default {
            arguments.push(format!("--{name}={value}"));
        }
    };
    flag("annotation-prefix", &settings.prefix, &default.prefix);
    flag("token-audience", &settings.audience, &default.audience);
    flag("token-mount-path", &settings.mount_path, &default.mount_path);
    flag("token-expiration", &settings.expiration.to_string(), &default.expiration.to_string());
    flag("aws-default-region", settings.region.as_deref().unwrap_or_default(), "");
    flag("sts-regional-endpoint", &settings.regional_sts.to_string(), "false");
    flag("compose-role-arn", &settings.composed.is_some().to_string(), "false");
    arguments
}

fn configuration(options: &WebhookOptions) -> Value {
    let mut client = json!({
        "service": {"name": WEBHOOK, "namespace": options.namespace, "path": "/mutate"},
    });
    let mut metadata = json!({"name": WEBHOOK, "labels": labels()});
    match &options.certificate {
        ServingCertificate::Own { authorities, .. }
        | ServingCertificate::InCluster { authorities } => {
            client["caBundle"] = encode(authorities).into();
        }
        ServingCertificate::CertManager => {
            let source = format!("{}/{WEBHOOK}", options.namespace);
            metadata["annotations"] = json!({"cert-manager.io/inject-ca-from": source});
        }
    }
    // The cluster's own pods need no roles, and the webhook's must start while it does not run.
    let spared = json!({"key": "kubernetes.io/metadata.name", "operator": "NotIn",
                        "values": ["kube-system", options.namespace]});
    let mut namespaces = vec![spared];
    if let Some(selector) = &options.namespaces {
        namespaces.extend_from_slice(selector.expressions());
    }
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": metadata,
        "webhooks": [{
            "name": "pod-identity-webhook.amazonaws.com",
            "clientConfig": client,
            "failurePolicy": options.failure_policy.as_str(),
            "timeoutSeconds": 5,
            "reinvocationPolicy": "IfNeeded",
            "sideEffects": "None",
            // It answers in this version only.
            "admissionReviewVersions": ["v1beta1"],
            "namespaceSelector": {"matchExpressions": namespaces},
            "objectSelector": {"matchExpressions": [
                {"key": SKIP_LABEL, "operator": "DoesNotExist"},
            ]},
            "rules": [{
                "apiGroups": [""],
                "apiVersions": ["v1"],
                "operations": ["CREATE"],
                "resources": ["pods"],
            }],
        }],
    })
}

fn namespaced(
    options: &WebhookOptions,
    version: &str,
    kind: &str,
    rest: &[(&str, Value)],
) -> Value {
    let metadata = json!({"name": WEBHOOK, "namespace": options.namespace, "labels": labels()});
    let mut object = Map::new();
    object.insert("apiVersion".to_owned(), version.into());
    object.insert("kind".to_owned(), kind.into());
    object.insert("metadata".to_owned(), metadata);
    object.extend(rest.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
    object.into()
}

fn labels() -> Value {
    json!({"app.kubernetes.io/name": WEBHOOK})
}

fn encode(text: &str) -> String {
    Base64::encode_string(text.as_bytes())
}
