//! What keeps pods from being given their role.

use serde_json::json;

use super::{SKIP, becomes, container, fault, hook, of_stateful_set, well};
use crate::world::{
    ACCOUNT, BINDINGS, DRY_RUN, NAMESPACE, PODS, POLICIES, SERVICE, SLICES, WEBHOOK, WEBHOOK_PODS,
    WEBHOOKS, World,
};

pub(crate) fn worlds() -> Vec<World> {
    let quota = "pods \"x\" is forbidden: exceeded quota: compute, requested: pods=1, used: pods=10, limited: pods=10";
    let security = "pods \"x\" is forbidden: violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false";
    let other = "Internal error occurred: failed calling webhook \"sidecar.example.com\": failed to call webhook: connection refused";
    let unpolicied = |w: &mut World| {
        becomes(w, "policy-selector");
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
            unpolicied(w);
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
                unpolicied(w);
                w.body(BINDINGS)["items"] = json!([]);
            },
        ),
        fault(
            "policy-of-another-account",
            "policy",
            &["paramRef", "shop"],
            "paramRef|selector",
            move |w| {
                unpolicied(w);
                w.body(BINDINGS)["items"][0]["spec"]["paramRef"] =
                    json!({"name": "shop", "parameterNotFoundAction": "Allow"});
            },
        ),
        fault("policy-of-another-namespace", "policy", &["namespace"], "label", move |w| {
            unpolicied(w);
            w.body(BINDINGS)["items"][0]["spec"]["matchResources"] =
                json!({"namespaceSelector": {"matchLabels": {"team": "a"}}});
        }),
        fault(
            "policy-opt-out",
            "policy",
            &["skip-pod-identity-webhook|opts out"],
            "label",
            move |w| {
                unpolicied(w);
                w.change_pod(true, |pod| pod["metadata"]["labels"][SKIP] = "true".into());
            },
        ),
        fault(
            "policy-updates-only",
            "policy",
            &["creation of pods", "UPDATE"],
            "CREATE",
            move |w| {
                unpolicied(w);
                w.body(POLICIES)["items"][0]["spec"]["matchConstraints"]["resourceRules"][0]["operations"] =
                    json!(["UPDATE"]);
            },
        ),
        fault("policies-not-served", "webhook", &["no pod identity webhook"], "render", |w| {
            becomes(w, "webhook-absent");
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
        fault(
            "webhook-at-a-url",
            "webhook",
            &["https://127\\.0\\.0\\.1:23443/mutate"],
            "23443",
            |w| {
                w.uninjected();
                hook(w)["clientConfig"] = json!({"url": "https://127.0.0.1:23443/mutate"});
            },
        ),
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
