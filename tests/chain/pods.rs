//! Pods and their roles on real API servers: the admission policy and the webhook against what the
//! real webhook did (`fixtures/webhook`), and how long each takes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64ct::{Base64, Encoding};
use issuer_test_support::Authority;
use issuerctl_e2e::{
    ApiServer, Client, Etcd, Flags, NEWEST, OLDEST, PodIdentityWebhook, Sandbox, repository,
};
use serde_json::{Value, json};

/// Cases of other modes of the webhook: CEL reads no JSON (ConfigMap), and container credentials are
/// for EKS only.
const OTHER_MODES: [&str; 2] = ["configmap.yaml", "container-credentials.json"];

/// How long a new or changed policy may take to have an effect.
const EFFECT: Duration = Duration::from_secs(15);

pub(crate) fn policy(version: &str) {
    let bench = Bench::start(version);
    for (flags, cases) in by_flags() {
        bench.apply_policy(&format!("{flags} --guard"));
        bench.assert_all(&cases, &format!("plain, {flags}"));
    }
    // Together with the label, and the policy that sets it.
    let (flags, cases) = by_flags().remove_entry("").unwrap();
    bench.apply_policy(&format!("{flags} --select-labelled"));
    bench.assert_all(&cases, "labelled");

    // A pod that must have a role and gets none.
    bench.create_namespace("guarded", &[account("default", &json!({}))]);
    bench.apply_policy("--guard");
    let mut pod = pod("app", "default");
    pod["metadata"]["labels"] = json!({"issuerctl.dev/require-role": "true"});
    let refused =
        bench.eventually(|| bench.create_pod("guarded", &pod), |(status, _)| *status == 403);
    assert!(refused.1["message"].as_str().unwrap().contains("annotate its"), "{}", refused.1);
}

/// Roles as literals: the same as from annotations, for accounts that nothing else is said about.
pub(crate) fn literals(version: &str) {
    let bench = Bench::start(version);
    let (mut roles, mut cases) = (String::new(), Vec::new());
    for case in by_flags().remove("").unwrap() {
        let file = case.read("service-account.yaml");
        let only = |name: &str| ["eks.amazonaws.com/role-arn"].contains(&name);
        let annotations = file["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
        let role = annotations.get("eks.amazonaws.com/role-arn").and_then(Value::as_str);
        // The file knows roles of its account by name.
        let name = role.and_then(|role| role.strip_prefix("arn:aws:iam::111122223333:role/"));
        if annotations.keys().all(|name| only(name))
            && let Some(name) = name.filter(|name| !name.contains('/'))
        {
            let account = file["metadata"]["name"].as_str().unwrap();
            roles.push_str(&format!("    - {}/{account}\n", case.namespace()));
            assert_eq!(name, "app");
            cases.push(case);
        }
    }
    assert!(cases.len() > 35, "only {} cases", cases.len());
    // So many others that they do not fit into one policy.
    for number in 0..3000 {
        roles.push_str(&format!("    - team-{}/service-{number}\n", number / 20));
    }
    bench.sandbox.file("issuer.yaml", &format!(
        "apiVersion: issuerctl.dev/v1alpha1\nkind: ServiceAccountIssuer\nmetadata: {{name: a}}\n\
         spec:\n  issuer: https://oidc.example.com\n  provider: {{}}\n  roles:\n  - name: app\n    \
         serviceAccounts:\n{roles}"
    ));
    bench.apply_policy("--roles-from file -f issuer.yaml --account 111122223333");
    bench.assert_all(&cases, "literals");
}

/// The printed webhook on an API server, with its own certificate; only the way from the Service to
/// the process is another one, since there is no network of pods.
pub(crate) fn webhook() {
    let bench = Bench::start(NEWEST);
    let bundle = bench.sandbox.issuerctl("render webhook").succeeded();
    let _webhook = bench.start_webhook(&bundle);
    let (_, cases) = by_flags().remove_entry("").unwrap();
    bench.assert_all(&cases, "webhook");

    // Renewed: the API server accepts the old certificate and the new one.
    let old = bench.webhook_configuration();
    let old = old["webhooks"][0]["clientConfig"]["caBundle"].as_str().unwrap();
    bench.sandbox.file("old-ca.pem", &String::from_utf8(Base64::decode_vec(old).unwrap()).unwrap());
    let renewed = bench.sandbox.issuerctl("render webhook --keep-ca old-ca.pem").succeeded();
    bench.point_to(&renewed, _webhook.port());
    bench.assert_all(&cases[..3], "the old certificate");
    let _new = bench.start_webhook(&renewed);
    bench.assert_all(&cases[..3], "the new certificate");
    let checked = bench.policy_check("default-sa", "default");
    assert!(checked.contains("the webhook pod-identity-webhook"), "{checked}");
}

/// The policy beside the webhook, request by request, on one server and one connection.
pub(crate) fn latency() {
    const ROUNDS: usize = 200;
    let bench = Bench::start(NEWEST);
    let bundle = bench.sandbox.issuerctl("render webhook --namespace-selector by=webhook");
    let _webhook = bench.start_webhook(&bundle.succeeded());
    let role = json!({"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/app"});
    for by in ["nobody", "policy", "webhook", "literals"] {
        bench.create_namespace(by, &[account("default", &json!({})), account("app", &role)]);
        bench.kubectl(&format!("label namespace {by} by={by} --overwrite"));
    }
    let mut roles = "    - literals/app\n".to_owned();
    (1..500).for_each(|n| roles.push_str(&format!("    - literals/app-{n}\n")));
    bench.sandbox.file("issuer.yaml", &format!(
        "apiVersion: issuerctl.dev/v1alpha1\nkind: ServiceAccountIssuer\nmetadata: {{name: a}}\n\
         spec:\n  issuer: https://oidc.example.com\n  provider: {{}}\n  roles:\n  - name: app\n    \
         serviceAccounts:\n{roles}"
    ));
    let annotations = bench.render_policy("--namespace-selector by=policy");
    let literals = bench.render_policy(
        "--roles-from file -f issuer.yaml --account 111122223333 --namespace-selector by=literals",
    );
    bench.apply(&annotations);
    bench.apply(&literals.replace("irsa.issuerctl.dev", "literals.issuerctl.dev"));
    for by in ["policy", "literals", "webhook"] {
        let pod = pod("app", "app");
        bench.eventually(|| bench.create_pod(by, &pod), |(_, pod)| is_mutated(pod));
    }
    let mut took: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
    for _ in 0..ROUNDS {
        for by in ["nobody", "policy", "literals", "webhook"] {
            let pod = pod("app", "app");
            let start = Instant::now();
            let (status, pod) = bench.create_pod(by, &pod);
            took.entry(by).or_default().push(start.elapsed());
            assert_eq!((status, is_mutated(&pod)), (201, by != "nobody"), "{by}: {pod}");
        }
    }
    let mut median = |by: &str| {
        let times = took.get_mut(by).unwrap();
        times.sort();
        times[times.len() / 2].as_secs_f64() * 1000.0
    };
    let (none, policy, literals, webhook) =
        (median("nobody"), median("policy"), median("literals"), median("webhook"));
    println!(
        "creating a pod (median of {ROUNDS} dry runs, ms): no mutation {none:.2}, webhook \
         {webhook:.2}, policy with 1 role {policy:.2} ({:.2} of the webhook), with 500 literals \
         {literals:.2} ({:.2} of the webhook)",
        policy / webhook,
        literals / webhook
    );
    // Far above what is usual, since other tests run beside this one.
    assert!(policy < 2.0 * webhook && literals < 2.0 * webhook, "a policy is slow");

    let checked = bench.policy_check("policy", "app");
    assert!(checked.contains("nothing is added twice"), "{checked}");
}

struct Bench {
    server: ApiServer,
    client: Client,
    sandbox: Sandbox,
    version: String,
    _etcd: Etcd,
}

impl Bench {
    fn start(version: &str) -> Self {
        let authority = Authority::new();
        let etcd = Etcd::start(version);
        let sandbox = Sandbox::new(&authority);
        sandbox.issuerctl("keygen --algorithm p256 --out-dir pki").succeeded();
        let mut others = vec![("enable-admission-plugins", "ServiceAccount")];
        if version == OLDEST {
            others.push(("runtime-config", "admissionregistration.k8s.io/v1beta1=true"));
            others.push(("feature-gates", "MutatingAdmissionPolicy=true"));
        }
        let (key, public) = (sandbox.path().join("pki/sa.key"), sandbox.path().join("pki/sa.pub"));
        let flags = Flags {
            issuers: &["https://oidc.example.com"],
            signing_key: &key,
            public_keys: &[&public],
            others: &others,
        };
        let server = ApiServer::start(version, "pods", &etcd, &authority, &flags);
        let client = server.client();
        Self { server, client, sandbox, version: version.to_owned(), _etcd: etcd }
    }

    /// Renders the policy for this server, which is asked for its version.
    fn render_policy(&self, flags: &str) -> String {
        let kubeconfig = self.server.kubeconfig("admin-token");
        let line = format!("render policy --kubeconfig {} {flags}", kubeconfig.display());
        let policy = self.sandbox.issuerctl(&line).succeeded();
        let version = if self.version == OLDEST { "v1beta1" } else { "v1" };
        let api =
            format!("admissionregistration.k8s.io/{version}\nkind: MutatingAdmissionPolicy\n");
        assert!(policy.contains(&api), "{policy}");
        policy
    }

    fn apply_policy(&self, flags: &str) {
        self.apply(&self.render_policy(flags));
        // A namespace of its own shows when it has an effect: the one before would give another
        // role or none.
        std::thread::sleep(Duration::from_millis(1500));
    }

    fn apply(&self, text: &str) {
        self.server.apply(text);
    }

    fn kubectl(&self, line: &str) -> String {
        self.server.kubectl(line)
    }

    fn create_namespace(&self, name: &str, accounts: &[Value]) {
        let namespace = json!({"metadata": {"name": name}});
        self.client.create("/api/v1/namespaces", &namespace);
        for account in accounts {
            let path = format!("/api/v1/namespaces/{name}/serviceaccounts");
            let mut account = account.clone();
            account["metadata"]["namespace"] = name.into();
            let (status, answer) = self.client.create(&path, &account);
            assert!([201, 409].contains(&status), "{answer}");
            if status == 409 {
                let path = format!("{path}/{}", account["metadata"]["name"].as_str().unwrap());
                self.client.send("PUT", &path, "application/json", &account);
            }
        }
    }

    fn create_pod(&self, namespace: &str, pod: &Value) -> (u16, Value) {
        let mut pod = pod.clone();
        pod["metadata"]["namespace"] = namespace.into();
        self.client.create(&format!("/api/v1/namespaces/{namespace}/pods?dryRun=All"), &pod)
    }

    fn eventually<T>(&self, mut run: impl FnMut() -> T, done: impl Fn(&T) -> bool) -> T {
        let start = Instant::now();
        loop {
            let value = run();
            if done(&value) || start.elapsed() > EFFECT {
                return value;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    #[track_caller]
    fn assert_all(&self, cases: &[Case], how: &str) {
        let mut wrong = Vec::new();
        for case in cases {
            let namespace = case.namespace();
            let mut accounts = vec![account("default", &json!({}))];
            for file in ["service-account.yaml", "other-service-account.yaml"] {
                accounts.extend(case.has(file).then(|| case.read(file)));
            }
            self.create_namespace(&namespace, &accounts);
            let wanted =
                case.has("mutated-pod.yaml").then(|| stored(case.read("mutated-pod.yaml")));
            let is_wanted = |(status, pod): &(u16, Value)| match &wanted {
                Some(wanted) => *status == 201 && stored(pod.clone()) == *wanted,
                // Refused by the API server, for what the mutation made of it.
                None => *status == 422,
            };
            // ServiceAccounts reach policy and webhook a moment later.
            let got = self.eventually(|| self.create(case), is_wanted);
            if !is_wanted(&got) {
                wrong.push(format!("{}: {} {:#}", case.name, got.0, stored(got.1)));
            }
        }
        assert!(
            wrong.is_empty(),
            "{how}: {} of {}: {}",
            wrong.len(),
            cases.len(),
            wrong.join("\n")
        );
        println!("{} ({how}): {} of {} cases", self.version, cases.len(), cases.len());
    }

    /// The case's pod, as a dry run; one that gets an ephemeral container has to exist.
    fn create(&self, case: &Case) -> (u16, Value) {
        let (namespace, pod) = (case.namespace(), case.read("input-pod.yaml"));
        if !case.has("ephemeral-containers.yaml") {
            return self.create_pod(&namespace, &pod);
        }
        let mut pod = pod;
        pod["metadata"]["namespace"] = namespace.clone().into();
        let pods = format!("/api/v1/namespaces/{namespace}/pods");
        let path = format!("{pods}/{}", pod["metadata"]["name"].as_str().unwrap());
        self.client.send(
            "DELETE",
            &format!("{path}?gracePeriodSeconds=0"),
            "application/json",
            &json!({}),
        );
        self.client.create(&pods, &pod);
        let patch = case.read("ephemeral-containers.yaml");
        let path = format!("{path}/ephemeralcontainers");
        let (status, pod) =
            self.client.send("PATCH", &path, "application/strategic-merge-patch+json", &patch);
        (if status == 200 { 201 } else { status }, pod)
    }

    /// Applies the bundle, and starts its container as a process.
    fn start_webhook(&self, bundle: &str) -> PodIdentityWebhook {
        // Only what the API server itself has: there is no controller.
        self.kubectl("create namespace pod-identity-webhook --dry-run=client");
        self.apply(bundle);
        let object = |line: &str| -> Value {
            let line = format!("-n pod-identity-webhook get {line} pod-identity-webhook -o json");
            serde_json::from_str(&self.kubectl(&line)).unwrap()
        };
        let secret = object("secret");
        let data = |name: &str| Base64::decode_vec(secret["data"][name].as_str().unwrap()).unwrap();
        let deployment = object("deployment");
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        let flags: Vec<String> = serde_json::from_value(container["args"].clone()).unwrap();
        // With the rights of its own ServiceAccount.
        let token = self.server.token_with("pod-identity-webhook/pod-identity-webhook", "");
        let kubeconfig = self.server.kubeconfig(&token);
        let webhook =
            PodIdentityWebhook::start(&data("tls.crt"), &data("tls.key"), &flags, &kubeconfig);
        self.point_to(bundle, webhook.port());
        webhook
    }

    /// Sends the Service's requests to this port of this machine.
    fn point_to(&self, bundle: &str, port: u16) {
        self.kubectl(
            "-n pod-identity-webhook delete service pod-identity-webhook --ignore-not-found",
        );
        self.apply(&bundle.replace(
            "spec:\n  selector:\n    app.kubernetes.io/name: pod-identity-webhook\n  ports:",
            "spec:\n  type: ExternalName\n  externalName: localhost\n  ports:",
        ));
        let patch =
            json!([{"op": "add", "path": "/webhooks/0/clientConfig/service/port", "value": port}]);
        let path = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/\
                    pod-identity-webhook";
        let (status, answer) =
            self.client.send("PATCH", path, "application/json-patch+json", &patch);
        assert_eq!(status, 200, "{answer}");
        std::thread::sleep(Duration::from_millis(1500));
    }

    fn webhook_configuration(&self) -> Value {
        let line = "get mutatingwebhookconfigurations pod-identity-webhook -o json";
        serde_json::from_str(&self.kubectl(line)).unwrap()
    }

    fn policy_check(&self, namespace: &str, account: &str) -> String {
        let kubeconfig = self.server.kubeconfig("admin-token");
        let line = format!(
            "policy check --service-account {namespace}/{account} --kubeconfig {}",
            kubeconfig.display()
        );
        self.sandbox.issuerctl(&line).succeeded()
    }
}

#[derive(Clone)]
struct Case {
    name: String,
    folder: PathBuf,
}

impl Case {
    fn read(&self, file: &str) -> Value {
        let text = std::fs::read_to_string(self.folder.join(file)).unwrap();
        serde_saphyr::from_str(&text).unwrap()
    }

    fn has(&self, file: &str) -> bool {
        self.folder.join(file).exists()
    }

    /// Its own, so that accounts of one case are not those of another.
    fn namespace(&self) -> String {
        self.name.clone()
    }

    /// Its flags for `render policy`.
    fn flags(&self) -> String {
        let flags = std::fs::read_to_string(self.folder.join("flags.txt")).unwrap_or_default();
        let mut flags = flags.lines().collect::<Vec<_>>().join(" ");
        if self.has("instance-identity.json") {
            let identity = self.read("instance-identity.json");
            let (account, region) = (&identity["accountId"], &identity["region"]);
            let gov = region.as_str().unwrap().starts_with("us-gov-");
            let partition = if gov { "aws-us-gov" } else { "aws" };
            let account = account.as_str().unwrap();
            flags.push_str(&format!(" --role-account {account} --role-partition {partition}"));
        }
        flags
    }
}

/// The cases that a policy can agree with, by flags.
fn by_flags() -> BTreeMap<String, Vec<Case>> {
    let mut cases: BTreeMap<String, Vec<Case>> = BTreeMap::new();
    for entry in std::fs::read_dir(repository().join("fixtures/webhook/cases")).unwrap() {
        let folder: &Path = &entry.unwrap().path();
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let case = Case { name, folder: folder.to_owned() };
        if !OTHER_MODES.iter().any(|file| case.has(file)) {
            cases.entry(case.flags()).or_default().push(case);
        }
    }
    cases.values_mut().for_each(|cases| cases.sort_by(|a, b| a.name.cmp(&b.name)));
    assert!(cases.len() > 8 && cases[""].len() > 50, "the golden cases are missing");
    cases
}

/// A stored pod without what differs from run to run, and without its namespace.
fn stored(mut pod: Value) -> Value {
    if let Some(pod) = pod.as_object_mut() {
        pod.remove("status");
    }
    let generated = pod["metadata"].get("generateName").is_some();
    if let Some(metadata) = pod["metadata"].as_object_mut() {
        for name in [
            "uid",
            "creationTimestamp",
            "resourceVersion",
            "managedFields",
            "generation",
            "namespace",
        ] {
            metadata.remove(name);
        }
        if generated {
            metadata.remove("name");
        }
    }
    without_suffixes(pod)
}

fn without_suffixes(value: Value) -> Value {
    match value {
        Value::String(text) if text.starts_with("kube-api-access-") => {
            "kube-api-access-xxxxx".into()
        }
        Value::Array(list) => list.into_iter().map(without_suffixes).collect(),
        Value::Object(map) => {
            map.into_iter().map(|(key, value)| (key, without_suffixes(value))).collect()
        }
        other => other,
    }
}

fn account(name: &str, annotations: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ServiceAccount",
           "metadata": {"name": name, "annotations": annotations}})
}

fn pod(name: &str, account: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
           "spec": {"serviceAccountName": account,
                    "containers": [{"name": "main", "image": "registry.example/app:1"}]}})
}

fn is_mutated(pod: &Value) -> bool {
    pod["spec"]["containers"][0]["env"].to_string().contains("AWS_ROLE_ARN")
}
