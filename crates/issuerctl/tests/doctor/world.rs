//! A world: what an API server, IAM, STS, a bucket and an issuer's host answer, and the command run in it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use issuer_test_support::{
    AccountProvider, AccountRole, ApiServer, Asked, Authority, IamServer, Reply, S3Server,
};
use serde_json::{Value, json};

use crate::desk::Desk;
use crate::signer::Signer;

/// The host of the issuer in the worlds as they were recorded.
const HOST: &str = "oidc.example.com";

/// The key that signs, the thumbprint and the token of the recorded worlds.
const KID: &str = "nOsB-oSE68uB--8HzAnJpII7WmvKj1k3qzgfdUWkC90";
const OTHER_KID: &str = "_uPlmmxuCIWdHnqckCD3r89CLeT-K0TGlWGbYXKGezk";
const THUMBPRINT: &str = "beddd2baa3c4a716ccd94f498973602a0e3aeed6";

const KUBERNETES: &str = "GET /apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dkubernetes";
const WEBHOOK_NAME: &str = "pod-identity-webhook.default.svc";

pub(crate) const ACCOUNT: &str = "GET /api/v1/namespaces/demo/serviceaccounts/app";
pub(crate) const PODS: &str = "GET /api/v1/namespaces/demo/pods";
pub(crate) const DEPLOYMENTS: &str = "GET /apis/apps/v1/namespaces/demo/deployments";
pub(crate) const REPLICA_SETS: &str = "GET /apis/apps/v1/namespaces/demo/replicasets";
pub(crate) const NAMESPACE: &str = "GET /api/v1/namespaces/demo";
pub(crate) const WEBHOOKS: &str =
    "GET /apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
pub(crate) const POLICIES: &str =
    "GET /apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies";
pub(crate) const BINDINGS: &str =
    "GET /apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings";
pub(crate) const SERVICE: &str = "GET /api/v1/namespaces/default/services/pod-identity-webhook";
pub(crate) const SLICES: &str = "GET /apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dpod-identity-webhook";
pub(crate) const WEBHOOK_PODS: &str =
    "GET /api/v1/namespaces/default/pods?labelSelector=app%3Dpod-identity-webhook";
pub(crate) const WEBHOOK: &str =
    "GET /apis/apps/v1/namespaces/default/deployments/pod-identity-webhook";
pub(crate) const DRY_RUN: &str = "POST /api/v1/namespaces/demo/pods?dryRun=All";
pub(crate) const TOKEN: &str = "POST /api/v1/namespaces/demo/serviceaccounts/app/token";
pub(crate) const METRICS: &str = "GET /metrics";
pub(crate) const FLAGZ: &str = "GET /flagz";
pub(crate) const DISCOVERY: &str = "GET /.well-known/openid-configuration";
pub(crate) const STATIC_PODS: &str =
    "GET /api/v1/namespaces/kube-system/pods?labelSelector=component%3Dkube-apiserver";

/// One world, which a test may change before it is run.
pub(crate) struct World {
    pub(crate) name: String,
    pub(crate) kubernetes: BTreeMap<String, Value>,
    pub(crate) management: Option<BTreeMap<String, Value>>,
    pub(crate) aws: Value,
    /// The arguments behind `doctor`.
    pub(crate) run: Vec<String>,
    pub(crate) healthy: bool,
    pub(crate) expect: Value,
    /// Documents in the bucket with these bytes instead.
    pub(crate) objects: BTreeMap<String, String>,
    /// Tokens are signed by another issuer each time.
    pub(crate) token_issuers: Vec<String>,
    /// Another API server of the same cluster, whose tokens have this issuer.
    pub(crate) second_server: Option<String>,
    /// Files in the folder of the run.
    pub(crate) files: Vec<(&'static str, String)>,
    /// The webhook's Service can be reached: whether its certificate is of the caBundle.
    pub(crate) serving: Option<bool>,
    /// What answers in place of STS sends this page, and status 200.
    pub(crate) sts_page: Option<&'static str>,
    /// The user of the kubeconfigs.
    pub(crate) user: String,
}

/// What a run has printed, and what it has asked.
pub(crate) struct Ran {
    pub(crate) exit: i32,
    pub(crate) object: Value,
    pub(crate) out: String,
    pub(crate) err: String,
    /// Requests to the API server: method, path, user, body.
    pub(crate) requests: Vec<String>,
    /// Actions of IAM and STS.
    pub(crate) calls: Vec<String>,
    pub(crate) seconds: f64,
    /// What was asked of the bucket with credentials.
    pub(crate) store_calls: Vec<String>,
}

/// The worlds in `fixtures/doctor`.
pub(crate) fn names() -> Vec<String> {
    let files = std::fs::read_dir(folder()).unwrap();
    let mut names: Vec<String> = files
        .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/doctor/worlds")
}

fn recorded(name: &str) -> Value {
    let text = std::fs::read_to_string(folder().join(format!("{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn paths(value: &Value) -> BTreeMap<String, Value> {
    value.as_object().cloned().unwrap_or_default().into_iter().collect()
}

impl World {
    pub(crate) fn named(name: &str) -> Self {
        let world = recorded(name);
        let mut kubernetes = paths(&recorded("plain")["kubernetes"]);
        kubernetes.extend(paths(&world["kubernetes"]));
        let run = world["run"].as_array().unwrap().iter().skip(1);
        Self {
            name: name.to_owned(),
            kubernetes,
            management: world.get("management").map(paths),
            aws: world["aws"].clone(),
            run: run.map(|word| word.as_str().unwrap().to_owned()).collect(),
            healthy: world["healthy"] == true,
            expect: world["expect"].clone(),
            objects: BTreeMap::new(),
            token_issuers: Vec::new(),
            second_server: None,
            files: Vec::new(),
            serving: None,
            sts_page: None,
            user: "{token: kubeconfig-token}".to_owned(),
        }
    }

    /// The plain world under another name.
    pub(crate) fn plain(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::named("plain") }
    }

    /// The body of an answer of the API server.
    pub(crate) fn body(&mut self, path: &str) -> &mut Value {
        &mut self.kubernetes.get_mut(path).unwrap()["body"]
    }

    /// The body of an answer of the management cluster.
    pub(crate) fn manage(&mut self, path: &str) -> &mut Value {
        &mut self.management.as_mut().unwrap().get_mut(path).unwrap()["body"]
    }

    /// Lets a path be answered like this.
    pub(crate) fn answer(&mut self, path: &str, status: u16, body: Value) {
        self.kubernetes.insert(path.to_owned(), json!({"status": status, "body": body}));
    }

    /// Lets a path be denied or missing.
    pub(crate) fn refuse(&mut self, path: &str, status: u16, message: &str) {
        let body =
            json!({"kind": "Status", "status": "Failure", "message": message, "code": status});
        self.answer(path, status, body);
    }

    /// Changes the running pod and, if `template` is set, the template of its Deployment and ReplicaSet.
    pub(crate) fn change_pod(&mut self, template: bool, change: impl Fn(&mut Value)) {
        change(&mut self.body(PODS)["items"][0]);
        if template {
            change(&mut self.body(DEPLOYMENTS)["items"][0]["spec"]["template"]);
            change(&mut self.body(REPLICA_SETS)["items"][0]["spec"]["template"]);
        }
    }

    /// The same pod as it is without the webhook: no variables, no token.
    pub(crate) fn uninjected(&mut self) {
        let bare = World::named("webhook-absent");
        for path in [PODS, DRY_RUN] {
            self.kubernetes.insert(path.to_owned(), bare.kubernetes[path].clone());
        }
    }

    /// STS refuses with this error.
    pub(crate) fn sts(&mut self, code: &str, message: &str) {
        self.aws["sts"] = json!({"code": code, "message": message});
    }

    /// Its trust policy.
    pub(crate) fn trust(&mut self) -> &mut Value {
        &mut self.aws["roles"][0]["trust_policy"]
    }

    /// Replaces the value of an option; removes it with `None`.
    pub(crate) fn set(&mut self, option: &str, value: Option<&str>) {
        if let Some(at) = self.run.iter().position(|word| word == option) {
            self.run.drain(at..at + 2);
        }
        self.run.extend(value.into_iter().flat_map(|value| [option.to_owned(), value.to_owned()]));
    }

    /// Runs the command in this world, against servers.
    pub(crate) fn run(&self) -> Ran {
        let authority = Authority::new();
        let s3 = S3Server::start_https(&authority);
        let endpoint = s3.endpoint().replace("localhost", "127.0.0.1");
        let host = s3.endpoint().trim_start_matches("https://").to_owned();
        let top = thumbprint(authority.pem());
        let place = |text: &str| {
            text.replace(HOST, &host).replace(THUMBPRINT, &top).replace("\"RS256\"", "\"ES256\"")
        };
        let (signer, other) = (Signer::new(), Signer::new());
        let aws: Value = serde_json::from_str(&place(&self.aws.to_string())).unwrap();
        self.fill_bucket(&s3, &aws["bucket"], &signer, &place);
        let iam = account(&aws);
        let (right, wrong) =
            (Authority::with_name(WEBHOOK_NAME), Authority::with_name(WEBHOOK_NAME));
        let webhook = self.serving.map(|is_right| {
            ApiServer::start_under(if is_right { &right } else { &wrong }, Vec::new())
        });
        let mut answers: BTreeMap<String, Value> = self
            .kubernetes
            .iter()
            .map(|(path, answer)| {
                (path.clone(), serde_json::from_str(&place(&answer.to_string())).unwrap())
            })
            .collect();
        if let Some(webhook) = &webhook {
            let port: u16 = webhook.url().rsplit(':').next().unwrap().parse().unwrap();
            let service = &mut answers.get_mut(SERVICE).unwrap()["body"]["spec"];
            service["clusterIP"] = "127.0.0.1".into();
            service["ports"][0]["port"] = port.into();
            let hook = &mut answers.get_mut(WEBHOOKS).unwrap()["body"]["items"][0]["webhooks"][0];
            hook["clientConfig"]["service"]["port"] = port.into();
            hook["clientConfig"]["caBundle"] = Base64::encode_string(right.pem().as_bytes()).into();
        }
        let page = self.sts_page.map(|page| {
            let reply =
                move |_: &Asked| Reply { status: 200, body: page.to_owned(), ..Reply::default() };
            ApiServer::answering(&authority, reply)
        });
        let sts = page.as_ref().map_or_else(|| iam.url(), ApiServer::url);
        let keys = jwks(&signer, &other);
        let second = self.second_server.as_ref().map(|issuer| {
            let issuers = vec![issuer.clone()];
            serve(&authority, answers.clone(), (Signer::new(), Signer::new()), Value::Null, issuers)
        });
        if let Some(second) = &second {
            let port: u16 = second.url().rsplit(':').next().unwrap().parse().unwrap();
            let slice = |port: u16| json!({"ports": [{"port": port}], "endpoints": [{"addresses": ["127.0.0.1"]}]});
            // The first one cannot be reached, as from outside.
            let slices = json!({"items": [slice(1), slice(port)]});
            answers.insert(KUBERNETES.to_owned(), json!({"status": 200, "body": slices}));
        }
        let api = serve(
            &authority,
            answers,
            (signer, other),
            keys,
            self.token_issuers.iter().map(|text| place(text)).collect(),
        );
        let management = self.management.as_ref().map(|own| {
            let own = own.iter().map(|(path, answer)| {
                (path.clone(), serde_json::from_str(&place(&answer.to_string())).unwrap())
            });
            serve(
                &authority,
                own.collect(),
                (Signer::new(), Signer::new()),
                Value::Null,
                Vec::new(),
            )
        });
        let desk = Desk::new();
        desk.file("kubeconfig", &api.kubeconfig(&self.user));
        if let Some(management) = &management {
            desk.file("management", &management.kubeconfig(&self.user));
        }
        desk.file("ca.pem", authority.pem());
        for (name, text) in &self.files {
            desk.file(name, &place(text));
        }
        let mut command = desk.command("doctor --allow-port");
        for word in &self.run {
            command.arg(match word.as_str() {
                "(of the management cluster)" => "management".to_owned(),
                "(the issuer's private CA)" => "ca.pem".to_owned(),
                word if word.starts_with("(of the user") => "kubeconfig".to_owned(),
                word => place(word),
            });
        }
        if self.aws["credentials"] == false {
            command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
        }
        command
            .env("AWS_ENDPOINT_URL_STS", sts)
            .env("AWS_ENDPOINT_URL_IAM", iam.url())
            .env("AWS_ENDPOINT_URL_S3", &endpoint)
            .env("AWS_REGION", "us-west-2");
        let begun = std::time::Instant::now();
        let output = command.output().unwrap();
        let seconds = begun.elapsed().as_secs_f64();
        let out = String::from_utf8(output.stdout).unwrap();
        Ran {
            exit: output.status.code().unwrap(),
            object: serde_json::from_str(&out).unwrap_or_default(),
            out,
            err: String::from_utf8(output.stderr).unwrap(),
            requests: api.log(),
            calls: iam.log().iter().map(ToString::to_string).collect(),
            store_calls: s3.take_log(),
            seconds,
        }
    }

    fn fill_bucket(
        &self,
        s3: &S3Server,
        bucket: &Value,
        signer: &Signer,
        place: &dyn Fn(&str) -> String,
    ) {
        let Some(name) = bucket["name"].as_str() else { return };
        s3.make_bucket(name);
        match &bucket["policy"] {
            Value::Null => {}
            policy => s3.set_policy(name, &policy.to_string()),
        }
        let block = &bucket["public_access_block"];
        s3.set_policy_block(name, block["RestrictPublicBuckets"] == true);
        if bucket["encryption"] == "aws:kms" {
            s3.kms_by_default();
        }
        for (key, object) in bucket["objects"].as_object().into_iter().flatten() {
            let text = match (self.objects.get(key), object.get("keys")) {
                (Some(text), _) => {
                    place(text).replace("(the published key)", &jwk(signer, KID).to_string())
                }
                (None, Some(_)) => json!({"keys": [jwk(signer, KID)]}).to_string(),
                (None, None) => object.to_string(),
            };
            s3.put(name, key, text.as_bytes());
        }
    }
}

/// SHA-1 of the certificate in PEM.
fn thumbprint(pem: &str) -> String {
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    issuer_verify::thumbprint(&Base64::decode_vec(&body).unwrap())
}

/// The public key of a signer under another kid.
fn jwk(signer: &Signer, kid: &str) -> Value {
    let read =
        issuer_jwks::read(signer.public_pem.as_bytes(), issuer_jwks::WeakKeys::Refuse).unwrap();
    let set: Value = serde_json::from_str(&read.set.to_json()).unwrap();
    let mut key = set["keys"][0].clone();
    key["kid"] = kid.into();
    key
}

fn jwks(signer: &Signer, other: &Signer) -> Value {
    json!({KID: jwk(signer, KID), OTHER_KID: jwk(other, OTHER_KID)})
}

fn account(aws: &Value) -> IamServer {
    let iam = IamServer::start_in("aws", aws["account"].as_str().unwrap());
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().map(|own| own.as_str().unwrap().to_owned()).collect()
    };
    iam.change(|account| {
        for provider in aws["providers"].as_array().unwrap() {
            account.add_provider(AccountProvider {
                url: provider["url"].as_str().unwrap().trim_start_matches("https://").to_owned(),
                client_ids: texts(&provider["client_ids"]),
                thumbprints: texts(&provider["thumbprints"]),
                ..AccountProvider::default()
            });
        }
        for role in aws["roles"].as_array().unwrap() {
            let mut own = AccountRole::new(&role["trust_policy"]);
            let arn = role["arn"].as_str().unwrap();
            let (_, path) = arn.split_once(":role").unwrap();
            let (path, name) = path.rsplit_once('/').unwrap();
            own.path = format!("{path}/");
            own.created = role["created"].as_str().map(str::to_owned);
            for policy in texts(&role["inline_policies"]) {
                own.inline.insert(policy, "{}".to_owned());
            }
            own.attached.extend(texts(&role["attached_policies"]));
            account.roles.insert(name.to_owned(), own);
        }
    });
    iam.change(|account| account.trusts_every_token = aws["sts"]["answer"] == "everybody");
    for action in texts(&aws["denied"]) {
        iam.deny(action.trim_start_matches("iam:"));
    }
    if let Some(code) = aws["sts"]["code"].as_str() {
        iam.refuse_tokens(code, aws["sts"]["message"].as_str().unwrap());
    }
    iam
}

/// An API server with the recorded answers; tokens are signed, and of the audience that was requested.
fn serve(
    authority: &Authority,
    answers: BTreeMap<String, Value>,
    signers: (Signer, Signer),
    keys: Value,
    issuers: Vec<String>,
) -> ApiServer {
    let count = Mutex::new(0_usize);
    let looks = Mutex::new(0_usize);
    ApiServer::answering(authority, move |asked: &Asked| {
        let Some(answer) = answers.get(&asked.line) else {
            return Reply::status(404, "the server could not find the requested resource");
        };
        let mut body = answer["body"].clone();
        // What differs each time.
        if let Some(bodies) = answer["body"]["each time"].as_array() {
            let mut looks = looks.lock().unwrap();
            body = bodies[*looks % bodies.len()].clone();
            *looks += 1;
        }
        if asked.line.ends_with("/token") && answer["status"] == 201 {
            let mut count = count.lock().unwrap();
            let requested: Value = serde_json::from_str(&asked.body).unwrap();
            let issuer = issuers.get(*count % issuers.len().max(1)).map(String::as_str);
            *count += 1;
            body["status"]["token"] = token(&body["status"], &requested, issuer, &signers).into();
        }
        if asked.line.contains("/openid/v1/jwks") {
            for key in body["keys"].as_array_mut().into_iter().flatten() {
                let kid = key["kid"].as_str().unwrap_or_default().to_owned();
                if keys.get(&kid).is_some() {
                    *key = keys[&kid].clone();
                }
            }
        }
        let status = answer["status"].as_u64().unwrap().try_into().unwrap();
        let body = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
        let delay = Duration::from_millis(answer["delay"].as_u64().unwrap_or_default());
        Reply { status, body, delay, ..Reply::default() }
    })
}

fn token(
    recorded: &Value,
    requested: &Value,
    issuer: Option<&str>,
    signers: &(Signer, Signer),
) -> String {
    let now = crate::signer::now();
    let mut claims = recorded["claims"].clone();
    claims["aud"] = requested["spec"]["audiences"].clone();
    (claims["iat"], claims["nbf"], claims["exp"]) = (now.into(), now.into(), (now + 600).into());
    if let Some(issuer) = issuer {
        claims["iss"] = issuer.into();
    }
    let kid = recorded["header"]["kid"].as_str().unwrap();
    let signer = if kid == OTHER_KID { &signers.1 } else { &signers.0 };
    let part = |value: &Value| Base64UrlUnpadded::encode_string(value.to_string().as_bytes());
    let text = format!("{}.{}", part(&json!({"alg": "ES256", "kid": kid})), part(&claims));
    format!("{text}.{}", signer.sign(&text))
}

/// The present time as IAM writes it.
pub(crate) fn just_now() -> String {
    issuer_diagnostic::date(crate::signer::now())
}
