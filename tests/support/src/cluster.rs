//! A Kubernetes API server with objects: server-side apply with field managers and conflicts,
//! merge patches, deletion with preconditions, lists in pages, dry-run pods and TokenRequests.

mod apply;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use base64ct::{Base64, Encoding};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use serde_json::{Value, json};

use crate::Authority;
use crate::server::Server;

/// Makes a token for a ServiceAccount (`NAMESPACE/NAME`) and an audience.
type Mint = Box<dyn Fn(&str, &str) -> String + Send>;

/// What admission makes of a pod, given all objects.
type Admission = Box<dyn Fn(&mut Value, &BTreeMap<String, Value>) + Send>;

/// What somebody else does to an object.
type Interference = Box<dyn FnOnce(&mut Value) + Send>;

/// A running API server.
pub struct ClusterServer {
    server: Server,
    authority_pem: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    git_version: String,
    /// By path.
    objects: BTreeMap<String, Value>,
    version: u64,
    log: Vec<String>,
    /// By path.
    documents: BTreeMap<String, Value>,
    /// Group and version, and the resources in it.
    served: BTreeMap<String, Vec<String>>,
    mint: Option<Mint>,
    admission: Option<Admission>,
    /// `VERB resource` that is forbidden.
    forbidden: Vec<String>,
    /// Paths whose requests are answered late, and how late.
    slow: Vec<(String, Duration)>,
    /// What somebody else does before the next write of a path.
    interference: Vec<(String, Interference)>,
}

/// Status and body.
type Answer = (u16, Value);

impl Default for ClusterServer {
    fn default() -> Self {
        Self::start()
    }
}

impl ClusterServer {
    /// Starts one with the namespaces `default` and `kube-system`, which serves admission policies in
    /// v1.
    pub fn start() -> Self {
        let authority = Authority::new();
        let state = Arc::new(Mutex::new(State::default()));
        let of_service = state.clone();
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            let state = of_service.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
                let media = parts.headers.get("content-type").map(|v| v.to_str().unwrap_or(""));
                let target = parts.uri.path_and_query().map_or("/", |path| path.as_str());
                let (status, answer) = state.lock().unwrap().answer(
                    parts.method.as_str(),
                    target,
                    media.unwrap_or_default(),
                    &body,
                );
                let wait = state.lock().unwrap().wait_of(parts.uri.path());
                tokio::time::sleep(wait).await;
                let response = Response::builder()
                    .status(status)
                    .header("content-type", "application/json")
                    .body(Full::new(Bytes::from(answer.to_string())));
                Ok::<_, Infallible>(response.unwrap())
            }
        });
        let server = Server::start(Some(authority.acceptor()), service);
        let cluster = Self { server, authority_pem: authority.pem().to_owned(), state };
        cluster.serve(
            "admissionregistration.k8s.io/v1",
            &[
                "mutatingadmissionpolicies",
                "mutatingadmissionpolicybindings",
                "mutatingwebhookconfigurations",
            ],
        );
        cluster.version("v1.36.3");
        for namespace in ["default", "kube-system"] {
            cluster.put(&json!({"apiVersion": "v1", "kind": "Namespace",
                                "metadata": {"name": namespace}}));
        }
        cluster
    }

    /// The resources of a group and version; none: it is not served.
    pub fn serve(&self, group: &str, resources: &[&str]) {
        let resources = resources.iter().map(|name| (*name).to_owned()).collect();
        self.state().served.insert(group.to_owned(), resources);
    }

    /// What `/version` says.
    pub fn version(&self, git_version: &str) {
        git_version.clone_into(&mut self.state().git_version);
    }

    /// What it publishes about itself: its issuer and its keys.
    pub fn publish(&self, issuer: &str, jwks: &str) {
        let document = json!({"issuer": issuer, "jwks_uri": format!("{issuer}/openid/v1/jwks")});
        let mut state = self.state();
        state.documents.insert("/.well-known/openid-configuration".to_owned(), document);
        state.documents.insert("/openid/v1/jwks".to_owned(), serde_json::from_str(jwks).unwrap());
    }

    /// A kubeconfig with the only user.
    pub fn kubeconfig(&self) -> String {
        let authority = Base64::encode_string(self.authority_pem.as_bytes());
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: workload\nclusters:\n- name: c\n  \
             cluster: {{server: \"{}\", certificate-authority-data: {authority}}}\ncontexts:\n- \
             name: workload\n  context: {{cluster: c, user: u}}\nusers:\n- name: u\n  user: \
             {{token: admin-token}}\n",
            self.url()
        )
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.server.address.port())
    }

    /// Creates or replaces an object as `kubectl create` does.
    pub fn put(&self, object: &Value) {
        self.put_as("kubectl-create", object);
    }

    /// The same as another field manager.
    pub fn put_as(&self, manager: &str, object: &Value) {
        let mut state = self.state();
        let path = path_of(object);
        let mut object = object.clone();
        apply::claim(&mut object, manager, "Update");
        state.store(&path, object);
    }

    /// Creates a ServiceAccount with these annotations, and its namespace.
    pub fn put_account(&self, account: &str, annotations: Value) {
        let (namespace, name) = account.split_once('/').unwrap();
        if self.get(&format!("/api/v1/namespaces/{namespace}")).is_none() {
            self.put(&json!({"apiVersion": "v1", "kind": "Namespace",
                             "metadata": {"name": namespace}}));
        }
        let mut metadata = json!({"name": name, "namespace": namespace});
        if annotations.as_object().is_some_and(|names| !names.is_empty()) {
            metadata["annotations"] = annotations;
        }
        self.put(&json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}));
    }

    /// An object by its path.
    pub fn get(&self, path: &str) -> Option<Value> {
        self.state().objects.get(path).cloned()
    }

    /// The annotations of a ServiceAccount, `NAMESPACE/NAME`.
    pub fn annotations(&self, account: &str) -> Value {
        let (namespace, name) = account.split_once('/').unwrap();
        let account = self.get(&format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}"));
        account.map_or(Value::Null, |account| account["metadata"]["annotations"].clone())
    }

    /// Deletes an object.
    pub fn remove(&self, path: &str) {
        self.state().objects.remove(path);
    }

    /// Deletes an object that has a finalizer: it stays, and a namespace accepts nothing new.
    pub fn terminate(&self, path: &str) {
        let mut state = self.state();
        let mut object = state.objects[path].clone();
        object["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        state.store(path, object);
    }

    /// Answers requests of a path late; they have their effect at once.
    pub fn delay(&self, path: &str, wait: Duration) {
        self.state().slow.push((path.to_owned(), wait));
    }

    /// Deletes a namespace, and what is in it.
    pub fn remove_namespace(&self, name: &str) {
        self.state().delete(&format!("/api/v1/namespaces/{name}"), &Value::Null);
    }

    /// Everything, without what changes with every write.
    pub fn dump(&self) -> BTreeMap<String, Value> {
        let mut objects = self.state().objects.clone();
        for object in objects.values_mut() {
            let metadata = object["metadata"].as_object_mut().unwrap();
            for name in ["resourceVersion", "uid", "managedFields", "generation"] {
                metadata.remove(name);
            }
            for name in ["annotations", "labels"] {
                if metadata.get(name).is_some_and(|names| names.as_object().unwrap().is_empty()) {
                    metadata.remove(name);
                }
            }
        }
        objects
    }

    /// The requests so far, `METHOD /path?query`, from the last call on.
    pub fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.state().log)
    }

    /// Makes the tokens of TokenRequests.
    pub fn mint(&self, mint: impl Fn(&str, &str) -> String + Send + 'static) {
        self.state().mint = Some(Box::new(mint));
    }

    /// Changes every pod that is created, as admission does.
    pub fn admit(&self, admission: impl Fn(&mut Value, &BTreeMap<String, Value>) + Send + 'static) {
        self.state().admission = Some(Box::new(admission));
    }

    /// Forbids a verb on a resource, such as `patch serviceaccounts`.
    pub fn forbid(&self, what: &str) {
        self.state().forbidden.push(what.to_owned());
    }

    /// Allows it again.
    pub fn allow(&self, what: &str) {
        self.state().forbidden.retain(|rule| rule != what);
    }

    /// Somebody else changes an object just before it is written for the next time.
    pub fn interfere(&self, path: &str, change: impl FnOnce(&mut Value) + Send + 'static) {
        self.state().interference.push((path.to_owned(), Box::new(change)));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    fn answer(&mut self, method: &str, target: &str, media: &str, body: &[u8]) -> Answer {
        self.log.push(format!("{method} {target}"));
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query: BTreeMap<String, String> =
            url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        if let Some(refusal) = self.refusal(method, path) {
            return refusal;
        }
        match method {
            "GET" => self.read(path, &query),
            "POST" => self.create(path, &query, body),
            "PATCH" => {
                self.interfere(path);
                self.patch(path, &query, media, &body)
            }
            "DELETE" => {
                self.interfere(path);
                self.delete(path, &body)
            }
            _ => status(405, "MethodNotAllowed", "method not allowed"),
        }
    }

    fn wait_of(&self, path: &str) -> Duration {
        let slow = self.slow.iter().find(|(of, _)| of == path);
        slow.map(|(_, wait)| *wait).unwrap_or_default()
    }

    /// RBAC, as far as a test wants it.
    fn refusal(&self, method: &str, path: &str) -> Option<Answer> {
        let is_object = self.objects.contains_key(path) || collection(path).is_none();
        let verb = match method {
            "GET" if is_object => "get",
            "GET" => "list",
            "POST" => "create",
            "PATCH" => "patch",
            _ => "delete",
        };
        let forbidden = self.forbidden.iter().any(|rule| {
            let (denied, resource) = rule.split_once(' ').unwrap();
            denied == verb && path.split('/').any(|part| part == resource)
        });
        forbidden.then(|| status(403, "Forbidden", &format!("{verb} of {path} is forbidden")))
    }

    fn read(&self, path: &str, query: &BTreeMap<String, String>) -> Answer {
        if let Some(object) = self.objects.get(path) {
            return (200, object.clone());
        }
        if let Some(document) = self.documents.get(path) {
            return (200, document.clone());
        }
        if path == "/version" {
            return (200, json!({"gitVersion": self.git_version}));
        }
        if let Some(group) = path.strip_prefix("/apis/")
            && group.matches('/').count() == 1
        {
            return match self.served.get(group) {
                Some(names) if !names.is_empty() => {
                    let named = names.iter().map(|name| json!({"name": name}));
                    (200, json!({"resources": named.collect::<Vec<_>>()}))
                }
                _ => status(404, "NotFound", "not served"),
            };
        }
        match collection(path) {
            Some(resource) if self.is_served(path, resource) => self.list(path, resource, query),
            _ => status(404, "NotFound", &format!("{path} not found")),
        }
    }

    fn is_served(&self, path: &str, resource: &str) -> bool {
        match path.strip_prefix("/apis/admissionregistration.k8s.io/") {
            None => true,
            Some(rest) => {
                let version = rest.split('/').next().unwrap_or_default();
                let group = format!("admissionregistration.k8s.io/{version}");
                let names = self.served.get(&group);
                names.is_some_and(|names| names.iter().any(|name| name == resource))
            }
        }
    }

    fn list(&self, path: &str, resource: &str, query: &BTreeMap<String, String>) -> Answer {
        let (root, within) = match path.rsplit_once("/namespaces/") {
            Some((root, rest)) => (root, rest.split('/').next()),
            None => (path.strip_suffix(resource).unwrap().trim_end_matches('/'), None),
        };
        let selected = |object: &&Value| {
            let Some(selector) = query.get("fieldSelector") else { return true };
            let (field, value) = selector.split_once('=').unwrap();
            let pointer = format!("/{}", field.replace('.', "/"));
            object.pointer(&pointer).and_then(Value::as_str) == Some(value)
        };
        let found = self.objects.iter().filter(|(path, object)| {
            let namespace = object["metadata"]["namespace"].as_str();
            let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
            parent.starts_with(root)
                && collection(parent) == Some(resource)
                && within.is_none_or(|within| namespace == Some(within))
        });
        let found: Vec<&Value> = found.map(|(_, object)| object).filter(selected).collect();
        let from: usize = query.get("continue").and_then(|at| at.parse().ok()).unwrap_or(0);
        let limit = query.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(usize::MAX);
        let items: Vec<&Value> = found.iter().skip(from).take(limit).copied().collect();
        let end = from + items.len();
        let next = if end < found.len() { end.to_string() } else { String::new() };
        (200, json!({"kind": "List", "metadata": {"continue": next}, "items": items}))
    }

    fn create(&mut self, path: &str, query: &BTreeMap<String, String>, body: Value) -> Answer {
        if let Some(account) = path.strip_suffix("/token") {
            return self.token(account, &body);
        }
        let mut object = body;
        if path.ends_with("/pods")
            && let Some(admission) = &self.admission
        {
            admission(&mut object, &self.objects);
        }
        if query.contains_key("dryRun") {
            return (201, object);
        }
        let path = path_of(&object);
        if self.objects.contains_key(&path) {
            return status(409, "AlreadyExists", &format!("{path} already exists"));
        }
        apply::claim(&mut object, "create", "Update");
        self.store(&path, object);
        (201, self.objects[&path].clone())
    }

    fn token(&self, account: &str, body: &Value) -> Answer {
        let Some(object) = self.objects.get(account) else {
            return status(404, "NotFound", "serviceaccounts not found");
        };
        let metadata = &object["metadata"];
        let name = format!(
            "{}/{}",
            metadata["namespace"].as_str().unwrap(),
            metadata["name"].as_str().unwrap()
        );
        let audience = body["spec"]["audiences"][0].as_str().unwrap_or_default();
        match &self.mint {
            Some(mint) => (201, json!({"status": {"token": mint(&name, audience)}})),
            None => status(500, "InternalError", "no tokens here"),
        }
    }

    fn patch(
        &mut self,
        path: &str,
        query: &BTreeMap<String, String>,
        media: &str,
        body: &Value,
    ) -> Answer {
        let live = self.objects.get(path).cloned();
        if let Some(live) = &live
            && let Some(version) = body["metadata"]["resourceVersion"].as_str()
            && live["metadata"]["resourceVersion"] != version
        {
            return status(409, "Conflict", "the object has been modified");
        }
        let manager = query.get("fieldManager").map_or("unknown", String::as_str);
        let next = match (media, live) {
            ("application/apply-patch+yaml", live) => {
                if let (None, Some(namespace)) = (&live, body["metadata"]["namespace"].as_str()) {
                    match self.objects.get(&format!("/api/v1/namespaces/{namespace}")) {
                        None => {
                            let message = format!("namespaces {namespace:?} not found");
                            return status(404, "NotFound", &message);
                        }
                        Some(object) if object["metadata"]["deletionTimestamp"].is_string() => {
                            return terminating(path, namespace);
                        }
                        Some(_) => {}
                    }
                }
                let force = query.get("force").is_some_and(|force| force == "true");
                match apply::apply(live, body, manager, force) {
                    Ok(next) => next,
                    Err(message) => return status(409, "Conflict", &message),
                }
            }
            ("application/merge-patch+json", Some(live)) => apply::merge(live, body, manager),
            (_, None) => return status(404, "NotFound", &format!("{path} not found")),
            _ => return status(415, "UnsupportedMediaType", media),
        };
        let is_new = !self.objects.contains_key(path);
        self.store(path, next);
        (if is_new { 201 } else { 200 }, self.objects[path].clone())
    }

    fn delete(&mut self, path: &str, options: &Value) -> Answer {
        let Some(live) = self.objects.get(path) else {
            return status(404, "NotFound", &format!("{path} not found"));
        };
        if let Some(version) = options["preconditions"]["resourceVersion"].as_str()
            && live["metadata"]["resourceVersion"] != version
        {
            return status(409, "Conflict", "the precondition failed");
        }
        self.objects.remove(path);
        // The namespace controller.
        let within = format!("{path}/");
        self.objects.retain(|other, _| {
            !(path.starts_with("/api/v1/namespaces/")
                && path.matches('/').count() == 4
                && (other.starts_with(&within) || other.contains(&within["/api/v1".len()..])))
        });
        (200, json!({"kind": "Status", "status": "Success"}))
    }

    fn interfere(&mut self, path: &str) {
        let Some(at) = self.interference.iter().position(|(of, _)| of == path) else { return };
        let (_, change) = self.interference.remove(at);
        if let Some(mut object) = self.objects.get(path).cloned() {
            change(&mut object);
            apply::claim(&mut object, "somebody-else", "Update");
            self.store(path, object);
        }
    }

    fn store(&mut self, path: &str, mut object: Value) {
        self.version += 1;
        let before = self.objects.get(path);
        let uid = before.map_or(self.version.to_string().into(), |o| o["metadata"]["uid"].clone());
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        object["metadata"]["uid"] = uid;
        self.objects.insert(path.to_owned(), object);
    }
}

/// The resource of a path that is a collection.
fn collection(path: &str) -> Option<&str> {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let rest = match parts[..] {
        ["api", _, ref rest @ ..] | ["apis", _, _, ref rest @ ..] => rest,
        _ => return None,
    };
    match rest {
        [resource] => Some(resource),
        ["namespaces", _, resource] => Some(resource),
        _ => None,
    }
}

/// Where an object is.
fn path_of(object: &Value) -> String {
    let (version, kind) =
        (object["apiVersion"].as_str().unwrap(), object["kind"].as_str().unwrap().to_lowercase());
    let resource = match kind.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None => format!("{kind}s"),
    };
    let root = if version.contains('/') { "apis" } else { "api" };
    let within = object["metadata"]["namespace"].as_str();
    let within = within.map(|name| format!("/namespaces/{name}")).unwrap_or_default();
    let name = object["metadata"]["name"].as_str().unwrap();
    format!("/{root}/{version}{within}/{resource}/{name}")
}

fn status(code: u16, reason: &str, message: &str) -> Answer {
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
                      "reason": reason, "message": message, "code": code});
    (code, body)
}

/// What the admission plugin NamespaceLifecycle says.
fn terminating(path: &str, namespace: &str) -> Answer {
    let message = format!(
        "{path:?} is forbidden: unable to create new content in namespace {namespace} because it is \
         being terminated"
    );
    let (code, mut body) = status(403, "Forbidden", &message);
    let cause = json!({"reason": "NamespaceTerminating", "field": "metadata.namespace",
                       "message": format!("namespace {namespace} is being terminated")});
    body["details"] = json!({"causes": [cause]});
    (code, body)
}
