//! `issuerctl doctor` on a real API server, with nothing but the Roles that it prints: what works
//! is found to work, each fault is named, and the audit log shows that nothing was written.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use issuerctl_e2e::{ApiServer, BUCKET};
use serde_json::{Value, json};

use crate::workload::{APPLY, Site, pod};

const PODS: &str = "/api/v1/namespaces/default/pods";
const USER: &str = "system:serviceaccount:issuerctl:issuerctl";

/// The longest that a run on this machine may take.
const FAST: Duration = Duration::from_secs(3);

pub(crate) fn run(version: &str) {
    let site = Site::start(version, "policy");
    let workload = &site.clusters.workload;
    site.run(APPLY, 0);
    until(|| gives_role(workload));
    running_pod(workload, "app-1");
    let doctor = Doctor::start(&site, version);
    let audited = doctor.server.as_ref().unwrap();

    let start = Instant::now();
    let checks = doctor.finds(&[], "");
    let took = start.elapsed();
    assert_eq!(checks["exchange"]["status"], "pass", "{checks:#}");
    assert!(!checks.to_string().contains("not permitted"), "{checks:#}");
    assert!(checks["exchange"].to_string().contains("assumed-role/app"), "{checks:#}");
    assert!(took < FAST, "{took:?}");
    let requests = doctor.requests();
    println!(
        "doctor on Kubernetes {version}: {took:?}, {} requests to the API server:\n  {}",
        requests.len(),
        requests.join("\n  ")
    );
    assert!((10..40).contains(&requests.len()), "{requests:#?}");

    let text = site.run(&doctor.line(""), 0);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(text.contains("passed: STS gives credentials for a fresh token"), "{text}");

    // The ServiceAccount and its pods.
    let arn = "eks.amazonaws.com/role-arn";
    let role = "arn:aws:iam::123456789012:role/app";
    let annotate = |value: &str| {
        workload.kubectl(&format!("annotate --overwrite serviceaccount app {value}"));
    };
    annotate(&format!("{arn}- eks.amazonaws.com/role-arm={role}"));
    doctor.finds(&["annotation"], "");
    annotate(&format!("eks.amazonaws.com/role-arm- {arn}={role}x"));
    doctor.finds(&["role"], "--no-exchange");
    annotate(&format!("{arn}={role}"));

    // Without the binding of the policy, a new pod has no role; with it, that pod has none yet.
    let binding = "mutatingadmissionpolicybindings.admissionregistration.k8s.io";
    let named = workload.kubectl(&format!("get {binding} -o name"));
    let kept = workload.kubectl(&format!("get {} -o json", named.trim()));
    let mut kept: Value = serde_json::from_str(&kept).unwrap();
    for own in ["uid", "resourceVersion", "creationTimestamp", "managedFields", "generation"] {
        kept["metadata"].as_object_mut().unwrap().remove(own);
    }
    workload.kubectl(&format!("delete {}", named.trim()));
    until(|| !gives_role(workload) && !gives_role(audited));
    doctor.finds(&["policy"], "");
    workload.kubectl("delete pod app-1 --force --grace-period=0");
    running_pod(workload, "app-1");
    workload.apply(&kept.to_string());
    until(|| gives_role(workload) && gives_role(audited));
    doctor.finds(&["pod-injected"], "");
    workload.kubectl("delete pod app-1 --force --grace-period=0");
    running_pod(workload, "app-1");
    doctor.finds(&[], "");

    // A cluster that signs with the issuer of its default, or with a key that is not published.
    let other_issuer = site.clusters.beside(
        &site.publisher,
        version,
        "https://kubernetes.default.svc.cluster.local",
        "cluster",
        &[],
    );
    let line = format!("--issuer {} --no-exchange", site.issuer);
    doctor.at(&other_issuer).finds(&["cluster-issuer"], &line);
    let other_key =
        site.clusters.beside(&site.publisher, version, &site.issuer, "management-keys/sa", &[]);
    doctor.at(&other_key).finds(&["token-kid"], "--no-exchange");

    // IAM.
    let iam = |line: &str| site.publisher.sandbox.aws(&format!("iam {line}")).succeeded();
    let trust = iam("get-role --role-name app --query Role.AssumeRolePolicyDocument");
    let file = |text: &str| {
        let path = site.publisher.sandbox.file("trust.json", text);
        iam(&format!(
            "update-assume-role-policy --role-name app --policy-document file://{}",
            path.display()
        ));
    };
    file(&trust.replace("default:app", "default:other"));
    doctor.finds(&["role-sub-mismatch"], "--no-exchange");
    file(&trust.replace("AssumeRoleWithWebIdentity", "AssumeRole"));
    doctor.finds(&["role-action-wrong"], "--no-exchange");
    file(&trust);
    let providers = "list-open-id-connect-providers --query";
    let provider = iam(&format!("{providers} OpenIDConnectProviderList[0].Arn --output text"));
    let provider = format!("--open-id-connect-provider-arn {}", provider.trim());
    iam(&format!("delete-open-id-connect-provider {provider}"));
    iam(&format!("create-open-id-connect-provider --url {} --client-id-list vault", site.issuer));
    doctor.finds(&["provider-audience"], "--no-exchange");
    iam(&format!("delete-open-id-connect-provider {provider}"));
    doctor.finds(&["provider"], "--no-exchange");
    site.run(APPLY, 0);
    doctor.finds(&[], "");

    // The documents.
    let object = format!("s3://{BUCKET}/prod/keys.json");
    site.publisher.aws(&format!("s3 cp {object} keys.json")).succeeded();
    site.publisher.aws(&format!("s3 rm {object}")).succeeded();
    doctor.finds(&["keys-reachable"], "--no-exchange");
    site.publisher
        .aws(&format!("s3 cp keys.json {object} --content-type application/json"))
        .succeeded();
    doctor.finds(&[], "");

    assert_eq!(doctor.writes(), Vec::<String>::new());

    doctor.needs_each_rule(workload);

    // Whoever may read nothing is told so, and no fault is made up.
    let stranger = workload.kubeconfig(&workload.token_with("default/stranger", ""));
    let checks = Doctor { kubeconfig: stranger, ..doctor.at(workload) }.finds(&[], "");
    assert!(checks.to_string().contains("not permitted: get on serviceaccounts/app"), "{checks:#}");
}

/// A running pod of the ServiceAccount, which no kubelet runs.
fn running_pod(server: &ApiServer, name: &str) {
    let mut pod = pod();
    pod["metadata"]["name"] = name.into();
    // What the admission plugin ServiceAccount adds, which this API server runs without.
    let own = json!({"serviceAccountToken": {"path": "token"}});
    pod["spec"]["volumes"] =
        json!([{"name": "kube-api-access-1", "projected": {"sources": [own]}}]);
    let path = "/var/run/secrets/kubernetes.io/serviceaccount";
    pod["spec"]["containers"][0]["volumeMounts"] =
        json!([{"name": "kube-api-access-1", "mountPath": path}]);
    let client = server.client();
    let (status, answer) = client.create(PODS, &pod);
    assert_eq!(status, 201, "{answer}");
    let started = json!({"status": {"phase": "Running", "containerStatuses": [{
        "name": "main", "ready": true, "started": true, "restartCount": 0, "image": "app:1",
        "imageID": "", "state": {"running": {"startedAt": answer["metadata"]["creationTimestamp"]}},
    }]}});
    let path = format!("{PODS}/{name}/status");
    let (status, answer) = client.send("PATCH", &path, "application/merge-patch+json", &started);
    assert_eq!(status, 200, "{answer}");
}

/// Whether a pod that is made now gets its role; each API server has its own cache of policies.
fn gives_role(server: &ApiServer) -> bool {
    let (status, pod) = server.client().create(&format!("{PODS}?dryRun=All"), &pod());
    assert_eq!(status, 201, "{pod}");
    pod["spec"]["volumes"].to_string().contains("aws-iam-token")
}

#[track_caller]
fn until(is: impl Fn() -> bool) {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < Duration::from_secs(15), "it takes too long");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// How it is run, and the log of what it asked.
struct Doctor<'a> {
    site: &'a Site,
    kubeconfig: PathBuf,
    log: PathBuf,
    server: Option<ApiServer>,
}

impl<'a> Doctor<'a> {
    /// With an API server that writes an audit log, and a ServiceAccount with the printed Roles.
    fn start(site: &'a Site, version: &str) -> Self {
        let (sandbox, workload) = (&site.publisher.sandbox, &site.clusters.workload);
        workload.create_account("issuerctl/issuerctl");
        let admin = workload.kubeconfig("admin-token");
        let print = format!(
            "doctor --service-account default/app --print-rbac --kubeconfig {}",
            admin.display()
        );
        let printed = sandbox.issuerctl(&print).succeeded();
        workload.try_kubectl("create namespace kube-system");
        workload.apply(&printed);
        for line in printed.lines().filter_map(|line| line.strip_prefix("#   kubectl ")) {
            let line = line
                .strip_prefix("--kubeconfig ")
                .map_or(line, |rest| rest.split_once(' ').unwrap().1);
            workload.kubectl(line);
        }
        let log = sandbox.path().join("audit.log");
        let policy = sandbox.file(
            "audit.yaml",
            "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules:\n- \
             level: Metadata\n",
        );
        let audit = [
            ("audit-policy-file", policy.to_str().unwrap()),
            ("audit-log-path", log.to_str().unwrap()),
        ];
        let server =
            site.clusters.beside(&site.publisher, version, &site.issuer, "cluster", &audit);
        let kubeconfig = server.kubeconfig(&server.token_with("issuerctl/issuerctl", ""));
        Self { site, kubeconfig, log, server: Some(server) }
    }

    /// The same with another API server of the cluster.
    fn at(&self, server: &ApiServer) -> Self {
        let admin = server.kubeconfig("admin-token");
        Self { site: self.site, kubeconfig: admin, log: self.log.clone(), server: None }
    }

    fn line(&self, flags: &str) -> String {
        format!(
            "doctor --service-account default/app --ca-file ca.pem --kubeconfig {} {flags}",
            self.kubeconfig.display()
        )
    }

    /// The checks by id, the failed ones being exactly these.
    #[track_caller]
    fn finds(&self, failed: &[&str], flags: &str) -> Value {
        let line = self.line(&format!("{flags} --output json"));
        let ran = self.site.publisher.sandbox.issuerctl(&line);
        let found: Value = serde_json::from_str(&ran.out)
            .unwrap_or_else(|why| panic!("{why}: {}{}", ran.out, ran.err));
        let checks = found["checks"].as_array().unwrap();
        let of = |status: &str| -> Vec<&str> {
            let own = checks.iter().filter(|check| check["status"] == status);
            own.map(|check| check["id"].as_str().unwrap()).collect()
        };
        assert_eq!(of("fail"), failed, "{found:#}");
        assert_eq!(ran.code, Some(if failed.is_empty() { 0 } else { 5 }), "{found:#}");
        checks
            .iter()
            .map(|check| (check["id"].as_str().unwrap().to_owned(), check.clone()))
            .collect()
    }

    /// Takes away each rule of the printed Roles by itself: nothing is made up then, and what is missing is named
    /// where a check depends on it.
    fn needs_each_rule(&self, server: &ApiServer) {
        let mut named = Vec::new();
        for role in ["clusterrole", "role --namespace kube-system", "role --namespace default"] {
            let whole = server.kubectl(&format!("get {role} issuerctl-doctor -o json"));
            let mut whole: Value = serde_json::from_str(&whole).unwrap();
            for own in
                ["resourceVersion", "uid", "creationTimestamp", "managedFields", "annotations"]
            {
                whole["metadata"].as_object_mut().unwrap().remove(own);
            }
            for at in 0..whole["rules"].as_array().unwrap().len() {
                let mut less = whole.clone();
                let rule = less["rules"].as_array_mut().unwrap().remove(at);
                server.apply(&less.to_string());
                std::thread::sleep(Duration::from_millis(300));
                let checks = self.finds(&[], "").to_string();
                let denied = checks.split("not permitted: ").skip(1);
                let denied: Vec<&str> =
                    denied.map(|rest| rest.split([';', '"', ')']).next().unwrap()).collect();
                let about = ["resources", "nonResourceURLs"]
                    .into_iter()
                    .flat_map(|list| rule[list].as_array());
                let about: Vec<&str> = about.flatten().map(|own| own.as_str().unwrap()).collect();
                for own in &denied {
                    assert!(about.iter().any(|about| own.contains(about)), "{own} without {rule}");
                }
                named.extend(denied.into_iter().map(str::to_owned));
            }
            server.apply(&whole.to_string());
        }
        // Bindings are in the rule of the policies, which are denied first; and every service account may read
        // the keys of the API server.
        for expected in [
            "list on mutatingwebhookconfigurations",
            "list on mutatingadmissionpolicies",
            "get on serviceaccounts/app",
            "create on serviceaccounts/token",
            "create on pods",
            "get on /flagz",
        ] {
            assert!(named.iter().any(|own| own.contains(expected)), "{expected}: {named:#?}");
        }
    }

    /// What the ServiceAccount asked, as the API server logged it: verb, path, code.
    fn requests(&self) -> Vec<String> {
        let log = std::fs::read_to_string(&self.log).unwrap();
        let events = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let own = events.filter(|event| event["user"]["username"] == USER);
        own.map(|event| {
            let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
            format!("{} {} {}", text("verb"), text("requestURI"), event["responseStatus"]["code"])
        })
        .collect()
    }

    /// Those that are neither reads, nor a token, nor a dry run.
    fn writes(&self) -> Vec<String> {
        let is_write = |request: &String| {
            let reads = ["get ", "list "].iter().any(|verb| request.starts_with(verb));
            let token = request.starts_with("create ") && request.contains("/app/token");
            let dry_run = request.starts_with("create ") && request.contains("dryRun=All");
            !(reads || token || dry_run)
        };
        let requests = self.requests();
        assert!(requests.iter().any(|request| request.contains("dryRun=All")), "{requests:#?}");
        requests.into_iter().filter(is_write).collect()
    }
}
