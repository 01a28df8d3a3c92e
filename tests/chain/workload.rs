//! From nothing to a pod that has its role: one `issuerctl apply -f issuer.yaml`, and back to nothing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use base64ct::{Base64, Encoding};
use issuer_test_support::ISSUER_HOST;
use issuerctl_e2e::{
    ApiServer, AwsAccount, BUCKET, Moto, NEWEST, Pod, PodIdentityWebhook, Proxy, Publisher,
};
use serde_json::{Value, json};

use crate::figures::Flow;
use crate::operator::{Clusters, clusters, hides_the_key};

/// How long a new policy may take to have an effect.
const EFFECT: Duration = Duration::from_secs(15);

pub(crate) const APPLY: &str = "apply -f issuer.yaml --ca-file ca.pem";

/// With what the API server has: a policy.
pub(crate) fn policy(version: &str) {
    let site = Site::start(version, "auto");
    let before = site.dump();
    let flow = Flow::new(format!("one command to a pod with its role (Kubernetes {version})"));
    let applied = flow.step("issuerctl apply -f issuer.yaml", 1, || site.run(APPLY, 0));
    hides_the_key(&site.publisher, &applied);
    assert!(applied.contains("pods get their roles from an admission policy"), "{applied}");
    assert!(applied.contains("proved: AWS STS would accept a token of default/app"), "{applied}");
    let pod = flow.step("a new pod carries the role", 0, || site.pod_with_role());
    assert_role(&pod);
    // The sample is a pod that the API server takes.
    let sample = "apply --dry-run=server -f docs/examples/s3-list/pod.yaml";
    site.clusters.workload.kubectl(sample);
    let account = flow.step("AWS reads IAM (MinIO's configuration here)", 0, || site.account());
    flow.step("the pod's token reads an object (aws CLI, Rust SDK)", 0, || {
        Pod::new(&account, &site.clusters.workload.token("default/app")).reads_the_object()
    });
    let proved = site.run(&format!("{APPLY} --prove"), 0);
    let whose =
        "default/app has credentials of arn:aws:sts::123456789012:assumed-role/app/issuerctl";
    assert!(proved.contains(whose), "{proved}");
    site.is_left_alone_and_taken_back(&before);
}

/// With the webhook; only the way from its Service to the process is another one, since there is no
/// network of pods.
pub(crate) fn webhook() {
    let site = Site::start(NEWEST, "webhook");
    let before = site.dump();
    let flow = Flow::new(format!("the same with the webhook (Kubernetes {NEWEST})"));
    let applied = flow.step("issuerctl apply -f issuer.yaml", 1, || site.run(APPLY, 0));
    assert!(applied.contains("pods get their roles from the pod identity webhook"), "{applied}");
    let secret = site.object("secret");
    let data = |name: &str| Base64::decode_vec(secret["data"][name].as_str().unwrap()).unwrap();
    let key = String::from_utf8(data("tls.key")).unwrap();
    assert!(!applied.contains(key.lines().nth(1).unwrap()), "the private key was printed");
    // A second run changes nothing, the certificate included.
    let again = site.run(&format!("{APPLY} --output json --quiet"), 0);
    assert!(again.contains("\"changed\": false"), "{again}");

    let container = &site.object("deployment")["spec"]["template"]["spec"]["containers"][0];
    let flags: Vec<String> = serde_json::from_value(container["args"].clone()).unwrap();
    let workload = &site.clusters.workload;
    let token = workload.token_with("pod-identity-webhook/pod-identity-webhook", "");
    let kubeconfig = workload.kubeconfig(&token);
    let process =
        PodIdentityWebhook::start(&data("tls.crt"), &data("tls.key"), &flags, &kubeconfig);
    site.point_to(process.port());
    assert_role(&flow.step("a new pod carries the role", 0, || site.pod_with_role()));
    let account = site.account();
    Pod::new(&account, &workload.token("default/app")).reads_the_object();
    site.is_left_alone_and_taken_back(&before);
}

/// Every run with exactly the Roles that it prints, bound by the commands that it prints.
pub(crate) fn least_privilege(version: &str) {
    printed_roles_are_sufficient(version, "auto");
}

/// The same for the webhook.
pub(crate) fn least_privilege_with_webhook() {
    printed_roles_are_sufficient(NEWEST, "webhook");
}

fn printed_roles_are_sufficient(version: &str, injection: &str) {
    let site = Site::start(version, injection);
    let workload = &site.clusters.workload;
    for account in ["issuerctl/issuerctl", "jobs/nightly"] {
        workload.create_account(account);
    }
    let admin = site.file().replace("[default/app]", "[default/app, jobs/*]");
    let token = workload.token_with("issuerctl/issuerctl", "");
    let (ours, theirs) = (workload.kubeconfig(&token), workload.kubeconfig("admin-token"));
    let limited = admin.replace(&theirs.display().to_string(), &ours.display().to_string());
    let before = site.dump();
    // What a command prints for whoever may read everything, and then with nothing but that.
    let with_printed_roles = |command: &str, line: &str, code: i32| {
        site.publisher.sandbox.file("issuer.yaml", &admin);
        let print = format!("{command} -f issuer.yaml --ca-file ca.pem --print-rbac");
        let printed = site.publisher.sandbox.issuerctl(&print).succeeded();
        // What is for the management cluster comes first.
        let part = printed.rsplit("# For the cluster").next().unwrap();
        workload.apply(&format!("# For the cluster{part}"));
        for bind in part.lines().filter_map(|line| line.strip_prefix("#   kubectl --kubeconfig ")) {
            let (_, bind) = bind.split_once(' ').unwrap();
            workload.kubectl(bind);
        }
        site.publisher.sandbox.file("issuer.yaml", &limited);
        let ran = site.publisher.sandbox.issuerctl(line).ended(code);
        workload.try_kubectl("delete clusterrole,clusterrolebinding issuerctl-prod");
        for namespace in ["default", "jobs", "pod-identity-webhook"] {
            workload.try_kubectl(&format!("-n {namespace} delete role,rolebinding issuerctl-prod"));
        }
        ran.err
    };
    let plan = "plan -f issuer.yaml --ca-file ca.pem";
    let refused = site.publisher.sandbox.issuerctl(plan);
    assert_eq!(refused.code, Some(7), "{}", refused.err);
    with_printed_roles("plan", plan, 7);
    let refused = with_printed_roles("plan", APPLY, 6);
    assert!(refused.contains("is forbidden (403"), "{refused}");
    let applied = with_printed_roles("apply", APPLY, 0);
    for account in ["default/app", "jobs/nightly"] {
        assert!(
            applied.contains("proved: AWS STS would accept a token of default/app"),
            "{applied}"
        );
        let (namespace, name) = account.split_once('/').unwrap();
        let yaml = workload.kubectl(&format!("-n {namespace} get serviceaccount {name} -o yaml"));
        assert!(yaml.contains("eks.amazonaws.com/role-arn: arn:aws:iam::123456789012:role/app"));
    }
    with_printed_roles("plan", plan, 0);
    with_printed_roles("apply", APPLY, 0);
    with_printed_roles("delete", "delete -f issuer.yaml --ca-file ca.pem", 0);
    finalize_namespaces(workload);
    assert_eq!(site.dump(), before, "something is left");
}

/// Without any single verb that `apply --print-rbac` prints, something is refused.
pub(crate) fn every_printed_verb_is_required() {
    let site = Site::start(NEWEST, "policy");
    let workload = &site.clusters.workload;
    for account in ["issuerctl/issuerctl", "jobs/nightly"] {
        workload.create_account(account);
    }
    let (workloads, pods) = running();
    let workloads = site.publisher.sandbox.file("workloads.json", &workloads);
    workload.kubectl(&format!("create -f {}", workloads.display()));
    workload.apply(&pods);
    let theirs = workload.kubeconfig("admin-token");
    let ours = workload.kubeconfig(&workload.token_with("issuerctl/issuerctl", ""));
    // IAM and the cluster alone: only the cluster is about these rules.
    let file = |kubeconfig: &std::path::Path| {
        let text = format!(
            "apiVersion: issuerctl.dev/v1alpha1\nkind: ServiceAccountIssuer\nmetadata: {{name: \
             prod}}\nspec:\n  issuer: {}\n  roles:\n  - name: app\n    serviceAccounts: \
             [default/app, default/new, jobs/*]\n  workload: {{kubeconfig: {}, injection: policy, \
             serviceAccounts: create, restart: true}}\n",
            site.issuer,
            kubeconfig.display()
        );
        site.publisher.sandbox.file("issuer.yaml", &text);
    };
    let run = |line: &str| site.publisher.sandbox.issuerctl(&format!("{line} -f issuer.yaml"));
    file(&theirs);
    let printed = run("apply --print-rbac").succeeded();
    let objects: Vec<Value> = serde_saphyr::from_multiple(&printed).unwrap();
    workload.apply(&printed);
    for bind in printed.lines().filter_map(|line| line.strip_prefix("#   kubectl --kubeconfig ")) {
        workload.kubectl(bind.split_once(' ').unwrap().1);
    }
    let attempt = || {
        std::thread::sleep(Duration::from_millis(300));
        file(&ours);
        let ran = run("apply --no-verify");
        file(&theirs);
        run("delete").ended(0);
        // As they were before they were restarted.
        workload.kubectl(&format!("replace -f {}", workloads.display()));
        ran
    };
    let with_all = attempt();
    assert!(!with_all.err.contains("forbidden"), "{}", with_all.err);
    assert_eq!(with_all.code, Some(0), "{}", with_all.err);
    let (mut tried, mut not_required) = (0, Vec::new());
    for object in &objects {
        for (index, rule) in object["rules"].as_array().unwrap().iter().enumerate() {
            for (resource, verb) in pairs(rule) {
                let mut less = object.clone();
                less["rules"][index]["resources"] = without(&rule["resources"], &resource);
                let mut rest = rule.clone();
                rest["resources"] = json!([resource]);
                rest["verbs"] = without(&rule["verbs"], &verb);
                let rules = less["rules"].as_array_mut().unwrap();
                rules.push(rest);
                rules.retain(|rule| {
                    !["resources", "verbs"].iter().any(|part| rule[part] == json!([]))
                });
                workload.apply(&less.to_string());
                let ran = attempt();
                if ran.code == Some(0) && !ran.err.contains("forbidden") {
                    let names = &rule["resourceNames"];
                    not_required.push(format!("{verb} {resource} {names}: {}", ran.err));
                }
                workload.apply(&object.to_string());
                tried += 1;
            }
        }
    }
    assert!(tried > 30, "only {tried} verbs were printed");
    assert!(not_required.is_empty(), "{}", not_required.join("\n"));
}

fn pairs(rule: &Value) -> Vec<(String, String)> {
    let texts = |list: &Value| -> Vec<String> { serde_json::from_value(list.clone()).unwrap() };
    let (resources, verbs) = (texts(&rule["resources"]), texts(&rule["verbs"]));
    let of = |resource: &String| {
        verbs.iter().map(|verb| (resource.clone(), verb.clone())).collect::<Vec<_>>()
    };
    resources.iter().flat_map(of).collect()
}

fn without(list: &Value, item: &str) -> Value {
    list.as_array().unwrap().iter().filter(|own| *own != item).cloned().collect()
}

/// A workload of each kind for both ServiceAccounts, and their pods, as controllers create them.
fn running() -> (String, String) {
    let (mut workloads, mut pods) = (Vec::new(), Vec::new());
    for (namespace, account) in [("default", "app"), ("jobs", "nightly")] {
        for kind in ["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"] {
            let name = kind.to_lowercase();
            let labels = json!({"app": name});
            let spec = json!({"serviceAccountName": account,
                              "containers": [{"name": "main", "image": "registry.example/app:1"}]});
            let controlled_by = |kind: &str| {
                json!([{"apiVersion": "apps/v1", "kind": kind, "name": kind.to_lowercase(),
                        "uid": "1", "controller": true}])
            };
            let mut workload = json!({
                "apiVersion": "apps/v1", "kind": kind,
                "metadata": {"name": name, "namespace": namespace},
                "spec": {"selector": {"matchLabels": labels},
                         "template": {"metadata": {"labels": labels}, "spec": spec}},
            });
            if kind == "StatefulSet" {
                workload["spec"]["serviceName"] = "set".into();
            }
            if kind == "ReplicaSet" {
                workload["metadata"]["ownerReferences"] = controlled_by("Deployment");
            }
            if kind != "Deployment" {
                pods.push(json!({
                    "apiVersion": "v1", "kind": "Pod",
                    "metadata": {"name": name, "namespace": namespace,
                                 "ownerReferences": controlled_by(kind)},
                    "spec": spec,
                }));
            }
            workloads.push(workload);
        }
    }
    let list = |items: Vec<Value>| json!({"apiVersion": "v1", "kind": "List", "items": items});
    (list(workloads).to_string(), list(pods).to_string())
}

/// A management cluster, a workload cluster, a bucket, and IAM.
pub(crate) struct Site {
    pub(crate) publisher: Publisher,
    pub(crate) clusters: Clusters,
    proxy: Proxy,
    pub(crate) issuer: String,
    _moto: Moto,
}

impl Site {
    pub(crate) fn start(version: &str, injection: &str) -> Self {
        let (publisher, moto, proxy) = Publisher::with_iam();
        let issuer = format!("https://{ISSUER_HOST}/{BUCKET}/prod");
        let clusters = clusters(&publisher, version, &issuer);
        clusters.workload.create_account("default/app");
        publisher.sandbox.file(
            "issuer.yaml",
            &format!(
                "apiVersion: issuerctl.dev/v1alpha1\nkind: ServiceAccountIssuer\nmetadata: {{name: \
                 prod}}\nspec:\n  keys:\n  - cluster: {{name: prod, kubeconfig: {}}}\n  store: {{s3: \
                 {{bucket: {BUCKET}, prefix: prod, createBucket: true, endpointUrl: \"{}\", \
                 pathStyle: true}}}}\n  issuer: {issuer}\n  provider: {{}}\n  roles:\n  - name: app\n    \
                 serviceAccounts: [default/app]\n    policyArns: \
                 [arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess]\n  workload: {{kubeconfig: {}, \
                 injection: {injection}}}\n",
                clusters.kubeconfig.display(),
                publisher.host.url(),
                clusters.workload.kubeconfig("admin-token").display(),
            ),
        );
        Self { publisher, clusters, proxy, issuer, _moto: moto }
    }

    /// The issuer file.
    fn file(&self) -> String {
        std::fs::read_to_string(self.publisher.sandbox.path().join("issuer.yaml")).unwrap()
    }

    /// Both outputs of a command.
    #[track_caller]
    pub(crate) fn run(&self, line: &str, code: i32) -> String {
        let ran = self.publisher.sandbox.issuerctl(line).ended(code);
        ran.out + &ran.err
    }

    fn account(&self) -> AwsAccount {
        AwsAccount::behind(&self.proxy, &self.publisher.authority, &self.issuer)
            .unwrap_or_else(|why| panic!("the account: {why}"))
    }

    /// What the API server would store of a pod, as soon as it has a role.
    fn pod_with_role(&self) -> Value {
        let (client, start) = (self.clusters.workload.client(), Instant::now());
        loop {
            let (status, pod) = client.create("/api/v1/namespaces/default/pods?dryRun=All", &pod());
            assert_eq!(status, 201, "{pod}");
            let has_role = pod["spec"]["volumes"].to_string().contains("aws-iam-token");
            if has_role || start.elapsed() > EFFECT {
                return pod;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn is_left_alone_and_taken_back(&self, before: &BTreeMap<String, Value>) {
        let again = self.run(&format!("{APPLY} --output json --quiet"), 0);
        assert!(again.contains("\"changed\": false"), "{again}");
        self.run("plan -f issuer.yaml --ca-file ca.pem", 0);
        self.run("delete -f issuer.yaml --ca-file ca.pem", 0);
        assert_eq!(self.publisher.published_keys("prod"), None);
        finalize_namespaces(&self.clusters.workload);
        assert_eq!(&self.dump(), before, "something is left");
    }

    fn dump(&self) -> BTreeMap<String, Value> {
        dump(&self.clusters.workload)
    }

    fn object(&self, kind: &str) -> Value {
        let line = format!("-n pod-identity-webhook get {kind} pod-identity-webhook -o json");
        serde_json::from_str(&self.clusters.workload.kubectl(&line)).unwrap()
    }

    /// Sends the Service's requests to this port of this machine.
    fn point_to(&self, port: u16) {
        let client = self.clusters.workload.client();
        let patch = |path: &str, patch: &Value| {
            let (status, answer) = client.send("PATCH", path, "application/json-patch+json", patch);
            assert_eq!(status, 200, "{answer}");
        };
        let service = "/api/v1/namespaces/pod-identity-webhook/services/pod-identity-webhook";
        let external = json!({"op": "add", "path": "/spec/externalName", "value": "localhost"});
        let kind = json!({"op": "replace", "path": "/spec/type", "value": "ExternalName"});
        patch(service, &json!([external, kind]));
        patch(
            "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/\
             pod-identity-webhook",
            &json!([{"op": "add", "path": "/webhooks/0/clientConfig/service/port", "value": port}]),
        );
        std::thread::sleep(Duration::from_millis(1500));
    }
}

pub(crate) fn pod() -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "app", "namespace": "default"},
           "spec": {"serviceAccountName": "app",
                    "containers": [{"name": "main", "image": "registry.example/app:1"}]}})
}

#[track_caller]
fn assert_role(pod: &Value) {
    let env = &pod["spec"]["containers"][0]["env"];
    let has = |name: &str, value: &str| {
        let mut variables = env.as_array().into_iter().flatten();
        variables.any(|own| own["name"] == name && own["value"] == value)
    };
    assert!(has("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/app"), "{pod:#}");
    let file = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token";
    assert!(has("AWS_WEB_IDENTITY_TOKEN_FILE", file), "{pod:#}");
}

/// Every object that the API server lists, without what changes by itself.
pub(crate) fn dump(server: &ApiServer) -> BTreeMap<String, Value> {
    let kinds = server.kubectl("api-resources --verbs=list -o name");
    let by_themselves =
        ["events", "leases.", "apiservices.", "componentstatuses", "endpointslices."];
    let kinds: Vec<&str> = kinds
        .lines()
        .filter(|kind| !by_themselves.iter().any(|own| kind.starts_with(own)))
        .collect();
    let all = server.kubectl(&format!("get {} --all-namespaces -o json", kinds.join(",")));
    let all: Value = serde_json::from_str(&all).unwrap();
    let items = all["items"].as_array().unwrap().iter().cloned().map(|mut object| {
        let metadata = object["metadata"].as_object_mut().unwrap();
        for name in ["resourceVersion", "uid", "generation", "creationTimestamp", "managedFields"] {
            metadata.remove(name);
        }
        let text = |name: &str| object["metadata"][name].as_str().unwrap_or_default().to_owned();
        let kind = object["kind"].as_str().unwrap().to_owned();
        (format!("{kind} {}/{}", text("namespace"), text("name")), object)
    });
    items.collect()
}

/// What the namespace controller does, which does not run here: a namespace that is deleted and empty
/// loses its finalizer.
fn finalize_namespaces(server: &ApiServer) {
    let client = server.client();
    let namespaces: Value =
        serde_json::from_str(&server.kubectl("get namespaces -o json")).unwrap();
    for namespace in namespaces["items"].as_array().unwrap() {
        if namespace["metadata"]["deletionTimestamp"].is_null() {
            continue;
        }
        let name = namespace["metadata"]["name"].as_str().unwrap();
        let mut namespace = namespace.clone();
        namespace["spec"]["finalizers"] = json!([]);
        let path = format!("/api/v1/namespaces/{name}/finalize");
        let (status, answer) = client.send("PUT", &path, "application/json", &namespace);
        assert_eq!(status, 200, "{answer}");
    }
}
