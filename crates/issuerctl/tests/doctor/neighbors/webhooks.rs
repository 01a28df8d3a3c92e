//! Several webhooks, their conditions, and what the API server counts about them.

use serde_json::{Value, json};

use super::{SKIP, becomes, condition, container, fault, hook, set_env, well};
use crate::world::{
    ACCOUNT, BINDINGS, DRY_RUN, METRICS, PODS, POLICIES, SERVICE, SLICES, WEBHOOK, WEBHOOK_PODS,
    WEBHOOKS, World,
};

/// The certificate of a CA of the year 2024.
const EXPIRED: &str = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUJLekNCMHFBREFnRUNBZ0VCTUFvR0NDcUdTTTQ5QkFNQ01CVXhFekFSQmdOVkJBTU1DbmRsWW1odmIyc2cKUTBFd0hoY05NalF3TVRBeE1EQXdNREF3V2hjTk1qVXdNVEF4TURBd01EQXdXakFWTVJNd0VRWURWUVFEREFwMwpaV0pvYjI5cklFTkJNRmt3RXdZSEtvWkl6ajBDQVFZSUtvWkl6ajBEQVFjRFFnQUU1NndnejRBMlVKSy9lYmZjCnYwK0dhYUsrcSt1ZVZ2TVl3dUlna2pCRnVEYmlCLzA1b040L25rOUdyOGxWcnBNUWttSnZOaUFwYWwwZjJnOWIKYXpMQW5hTVRNQkV3RHdZRFZSMFRBUUgvQkFVd0F3RUIvekFLQmdncWhrak9QUVFEQWdOSUFEQkZBaUVBNTZkcAoyOVVMaTJOaXdJQXkrUkJTVUZva1oyaWlzTXFSRGw4RndwWWpsWVVDSUhGYnU1aTdpNGh1TXMvSXFiM0IweTB4CnZQclpHODA1cW1jWVdjUmkrc1ZpCi0tLS0tRU5EIENFUlRJRklDQVRFLS0tLS0K";

const SKIPPED: &str = "eks.amazonaws.com/skip-containers";

/// A second webhook of this kind, before the first.
fn before(world: &mut World, change: impl Fn(&mut Value)) {
    let mut other = world.body(WEBHOOKS)["items"][0].clone();
    other["metadata"]["name"] = "old-pod-identity-webhook".into();
    other["webhooks"][0]["clientConfig"]["service"]["name"] = "old-pod-identity-webhook".into();
    change(&mut other["webhooks"][0]);
    world.body(WEBHOOKS)["items"].as_array_mut().unwrap().insert(0, other);
}

fn metrics(world: &mut World, before: &str, after: &str) {
    let of = |text: &str| {
        format!(
            "# TYPE apiserver_admission_webhook_fail_open_count counter\n{text}\nworkqueue_depth{{name=\"x\"}} 3\n"
        )
    };
    world.answer(METRICS, 200, json!({"each time": [of(before), of(after)]}));
}

fn skip_all(world: &mut World) {
    world.uninjected();
    world.change_pod(true, |pod| pod["metadata"]["annotations"] = json!({SKIPPED: "app"}));
    world.body(DRY_RUN)["metadata"]["annotations"] = json!({SKIPPED: "app"});
}

pub(crate) fn worlds() -> Vec<World> {
    let name = "name=\"pod-identity-webhook.amazonaws.com\"";
    let failed = |count: &str| {
        format!("apiserver_admission_webhook_fail_open_count{{{name},type=\"admit\"}} {count}")
    };
    let answered = |count: &str| {
        format!(
            "apiserver_admission_webhook_request_total{{code=\"200\",{name},operation=\"CREATE\",rejected=\"false\",type=\"admit\"}} {count}"
        )
    };
    vec![
        fault(
            "condition-on-the-namespace",
            "webhook-scope",
            &["matchCondition some", "request\\.namespace"],
            "edit",
            |w| {
                w.uninjected();
                condition(w, "request.namespace in ['shop', 'web']");
            },
        ),
        fault(
            "condition-on-a-label",
            "webhook-scope",
            &["matchCondition some", "irsa"],
            "edit",
            |w| {
                w.uninjected();
                condition(w, "object.metadata.?labels[?'irsa'].orValue('off') == 'on'");
            },
        ),
        fault(
            "condition-not-judged",
            "webhook-answer",
            &["matchConditions|conditions", "some"],
            "matchCondition",
            |w| {
                w.uninjected();
                condition(w, "request.userInfo.username.startsWith('x')");
            },
        ),
        well("condition-that-holds", |w| condition(w, "request.namespace != 'kube-system'")),
        well("condition-that-cannot-be-judged", |w| {
            condition(w, "object.spec.containers.all(c, c.image != '')");
            w.expect["skips"] = json!(["matchConditions \\(some\\)"]);
        }),
        fault(
            "policy-with-a-condition",
            "policy",
            &["matchCondition", "kube-system"],
            "edit",
            |w| {
                becomes(w, "policy-selector");
                w.body(ACCOUNT)["metadata"]["labels"] = json!({"issuerctl.dev/role": "true"});
                w.body(POLICIES)["items"][0]["spec"]["matchConditions"] =
                    json!([{"name": "some", "expression": "request.namespace == 'kube-system'"}]);
            },
        ),
        well("broken-webhook-beside-one-that-works", |w| {
            before(w, |_| {});
            w.refuse(
                "GET /api/v1/namespaces/default/services/old-pod-identity-webhook",
                404,
                "not found",
            );
        }),
        // The one that was left behind is not why the other does not answer.
        fault(
            "webhook-left-behind-beside-a-broken-one",
            "webhook-endpoints",
            &["0 replicas"],
            "scale",
            |w| {
                w.uninjected();
                w.body(SLICES)["items"] = json!([]);
                w.body(WEBHOOK_PODS)["items"] = json!([]);
                w.body(WEBHOOK)["spec"]["replicas"] = 0.into();
                before(w, |_| {});
                let left = "GET /api/v1/namespaces/default/services/old-pod-identity-webhook";
                w.refuse(left, 404, "not found");
            },
        ),
        // Of two webhooks the one that is called about the pods is at fault.
        fault("two-webhooks", "webhook-(image|endpoints)", &["ImagePullBackOff"], "image", |w| {
            becomes(w, "webhook-not-ready");
            before(w, |hook| {
                hook["namespaceSelector"] = json!({"matchLabels": {"team": "other"}});
            });
        }),
        fault(
            "two-webhooks-neither-takes-them",
            "webhook-scope",
            &["namespaceSelector", "team"],
            "label",
            |w| {
                w.uninjected();
                hook(w)["namespaceSelector"] = json!({"matchLabels": {"team": "this"}});
                before(w, |hook| {
                    hook["namespaceSelector"] = json!({"matchLabels": {"team": "other"}});
                });
            },
        ),
        fault("rules-of-another-version", "webhook-scope", &["v1beta1"], "CREATE", |w| {
            w.uninjected();
            hook(w)["rules"][0]["apiVersions"] = json!(["v1beta1"]);
        }),
        well("rules-for-everything", |w| {
            hook(w)["rules"] = json!([{"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"]}]);
            w.run.push("--no-dry-run".into());
        }),
        // The API server's own metrics tell a call that failed from an answer without a patch.
        fault(
            "fails-open",
            "webhook-answer",
            &["cannot call", "fail_open_count", "caBundle"],
            "caBundle",
            move |w| {
                w.uninjected();
                metrics(w, &failed("4"), &failed("5"));
            },
        ),
        fault(
            "answers-without-a-patch",
            "webhook-answer",
            &["answers without a patch", "metrics"],
            "ServiceAccounts|serviceaccounts",
            move |w| {
                w.uninjected();
                metrics(w, &answered("1e+06"), &answered("1.000002e+06"));
            },
        ),
        fault("metrics-of-another-webhook", "webhook-answer", &["either"], "log", move |w| {
            w.uninjected();
            let other =
                |text: String| text.replace("pod-identity-webhook.amazonaws.com", "x.example.com");
            metrics(w, &other(failed("4")), &other(failed("5")));
        }),
        fault("metrics-may-not-be-read", "webhook-answer", &["either"], "log", |w| {
            w.uninjected();
            w.refuse(METRICS, 403, "forbidden: User \"u\" cannot get path \"/metrics\"");
        }),
        fault(
            "every-container-skipped",
            "pod-containers",
            &["skip-containers", "\"app\"", "every container"],
            "remove the annotation",
            skip_all,
        ),
        well("opted-out-and-not-asked", |w| {
            w.uninjected();
            w.change_pod(true, |pod| pod["metadata"]["labels"][SKIP] = "true".into());
            let (account, pod) = (w.body(ACCOUNT).clone(), w.body(PODS)["items"][0].clone());
            w.answer("GET /api/v1/serviceaccounts", 200, json!({"items": [account]}));
            w.answer("GET /api/v1/pods", 200, json!({"items": [pod]}));
            w.set("--service-account", None);
            w.expect["proof"] = false.into();
        }),
        well("every-container-skipped-and-not-asked", |w| {
            skip_all(w);
            let (account, pod) = (w.body(ACCOUNT).clone(), w.body(PODS)["items"][0].clone());
            w.answer("GET /api/v1/serviceaccounts", 200, json!({"items": [account]}));
            w.answer("GET /api/v1/pods", 200, json!({"items": [pod]}));
            w.set("--service-account", None);
            w.expect["proof"] = false.into();
        }),
        well("no-webhook-and-nobody-who-needs-it", |w| {
            becomes(w, "webhook-absent");
            w.healthy = true;
            w.expect = json!({"exit": 0, "skips": [], "proof": false});
            w.set("--service-account", None);
            w.answer("GET /api/v1/serviceaccounts", 200, json!({"items": []}));
            w.answer("GET /api/v1/pods", 200, json!({"items": []}));
        }),
        // Its flags are those of its pods where no Deployment has the name of its Service.
        fault(
            "annotation-prefix-of-the-webhooks-pods",
            "annotation",
            &["irsa\\.example\\.com"],
            "irsa\\.example\\.com/role-arn",
            |w| {
                w.uninjected();
                w.refuse(WEBHOOK, 404, "not found");
                let pod = &mut w.body(WEBHOOK_PODS)["items"][0];
                container(pod)["command"] =
                    json!(["/webhook", "--annotation-prefix=irsa.example.com"]);
            },
        ),
        well("region-of-the-webhook-for-every-pod", |w| {
            w.change_pod(false, |pod| set_env(pod, "AWS_REGION", "eu-central-1"));
        }),
        fault(
            "ca-bundle-expired",
            "webhook-certificate",
            &["expired", "2025-01-01"],
            "caBundle|renew",
            |w| {
                w.uninjected();
                hook(w)["clientConfig"]["caBundle"] = EXPIRED.into();
            },
        ),
        well("one-of-two-webhook-pods-cannot-pull", |w| {
            let mut other = w.body(WEBHOOK_PODS)["items"][0].clone();
            other["metadata"]["name"] = "pod-identity-webhook-2".into();
            other["status"] = json!({"phase": "Pending", "containerStatuses": [{"name": "pod-identity-webhook",
                "ready": false, "image": "x:1", "state": {"waiting": {"reason": "ImagePullBackOff"}}}]});
            w.body(WEBHOOK_PODS)["items"].as_array_mut().unwrap().push(other);
        }),
        fault(
            "policy-for-another-namespace",
            "policy",
            &["paramRef", "namespace shop"],
            "paramRef",
            |w| {
                becomes(w, "policy-selector");
                w.body(BINDINGS)["items"][0]["spec"]["paramRef"] = json!({"namespace": "shop", "selector": {}, "parameterNotFoundAction": "Allow"});
            },
        ),
        // Something else gives pods their roles.
        well("broken-webhook-and-pods-get-their-role", |w| {
            w.refuse(SERVICE, 404, "services \"pod-identity-webhook\" not found");
            w.body(SLICES)["items"] = json!([]);
        }),
        fault(
            "opt-out-and-no-endpoints",
            "webhook-scope",
            &["skip-pod-identity-webhook"],
            "remove the label",
            |w| {
                w.uninjected();
                w.change_pod(true, |pod| pod["metadata"]["labels"][SKIP] = "true".into());
                w.body(SLICES)["items"] = json!([]);
            },
        ),
        fault(
            "service-of-no-pods",
            "webhook-endpoints",
            &["no ready endpoint"],
            "selector|kubectl",
            |w| {
                w.uninjected();
                w.body(SLICES)["items"] = json!([]);
                w.body(SERVICE)["spec"]["selector"] = json!({"app": "webhook"});
            },
        ),
    ]
}
