//! What the controller writes to its own cluster: status, Events, and the finalizer. As with AWS and the stores,
//! none of these writes begins without the lease: a status that was made before a pause is not the present one.

use issuer_diagnostic::{one_line, write};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Client, Resource as _};
use serde_json::{Value, json};

use crate::findings::shown;
use crate::object::{FINALIZER, GROUP, KIND, ServiceAccountIssuer, VERSION};
use crate::status::Status;

/// Who manages the fields of the status, and reports Events.
const MANAGER: &str = "issuer-controller";

/// The limit of a note in the API.
const LONGEST_NOTE: usize = 1000;

/// How often the finalizer is tried again if others change the object at the same time.
const ATTEMPTS: usize = 4;

/// Whether an Event is about something that is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    Normal,
    Warning,
}

/// The objects of the controller's own cluster.
#[derive(Clone)]
pub(crate) struct OwnCluster {
    client: Client,
    /// The replica, in Events.
    instance: String,
}

impl OwnCluster {
    pub(crate) fn new(client: Client, instance: String) -> Self {
        Self { client, instance }
    }

    fn issuers(&self, object: &ServiceAccountIssuer) -> Api<ServiceAccountIssuer> {
        Api::namespaced(self.client.clone(), &object.key().namespace)
    }

    /// Writes the status with server-side apply. One of an object that is gone needs none.
    pub(crate) async fn report(
        &self,
        object: &ServiceAccountIssuer,
        status: &Status,
    ) -> Result<(), kube::Error> {
        let name = object.key().name;
        let patch = json!({
            "apiVersion": format!("{GROUP}/{VERSION}"),
            "kind": KIND,
            "metadata": {"name": name, "uid": object.metadata.uid},
            "status": status,
        });
        let params = PatchParams::apply(MANAGER).force();
        let (issuers, patch) = (self.issuers(object), Patch::Apply(patch));
        gone_is_fine(write(issuers.patch_status(&name, &params, &patch)).await)
    }

    /// Adds or removes the finalizer. The list of all finalizers is written, so that it is read again if the
    /// object was changed in the meantime.
    pub(crate) async fn set_finalizer(
        &self,
        object: &ServiceAccountIssuer,
        wanted: bool,
    ) -> Result<(), kube::Error> {
        let (issuers, name) = (self.issuers(object), object.key().name);
        let (mut known, mut attempts) = (object.metadata.clone(), 0..ATTEMPTS);
        loop {
            let patch = Patch::Merge(finalizers(&known, wanted));
            match write(issuers.patch(&name, &PatchParams::default(), &patch)).await {
                Err(kube::Error::Api(status))
                    if status.code == 409 && attempts.next().is_some() => {}
                written => return gone_is_fine(written),
            }
            // The controller may list the objects, and needs no right to `get` one.
            let this = ListParams::default().fields(&format!("metadata.name={name}"));
            let there = issuers.list_metadata(&this).await?.items.into_iter().next();
            match there.filter(|there| there.metadata.uid == known.uid) {
                Some(there) => known = there.metadata,
                None => return Ok(()),
            }
        }
    }

    /// An Event, beside what was done. That it cannot be written is only logged: what it says is in the
    /// status too.
    pub(crate) async fn tell(
        &self,
        object: &ServiceAccountIssuer,
        severity: Severity,
        reason: &str,
        note: &str,
    ) {
        let key = object.key();
        let note: String = shown(note).chars().take(LONGEST_NOTE).collect();
        match severity {
            Severity::Normal => tracing::info!(issuer = %key, reason, "{note}"),
            Severity::Warning => tracing::warn!(issuer = %key, reason, "{note}"),
        }
        let event = Event {
            metadata: ObjectMeta {
                generate_name: Some(format!("{}-", key.name)),
                namespace: Some(key.namespace.clone()),
                ..ObjectMeta::default()
            },
            type_: Some(match severity {
                Severity::Normal => "Normal".to_owned(),
                Severity::Warning => "Warning".to_owned(),
            }),
            action: Some("Reconcile".to_owned()),
            reason: Some(reason.to_owned()),
            note: Some(note),
            event_time: Some(MicroTime(Timestamp::now())),
            regarding: Some(object.object_ref(&())),
            reporting_controller: Some(format!("{GROUP}/{MANAGER}")),
            reporting_instance: Some(self.instance.clone()),
            ..Event::default()
        };
        let events: Api<Event> = Api::namespaced(self.client.clone(), &key.namespace);
        if let Err(error) = write(events.create(&PostParams::default(), &event)).await {
            tracing::warn!(issuer = %key, "an Event could not be written: {}", words(&error));
        }
    }
}

/// The change of the finalizers that are known, of that version alone.
fn finalizers(known: &ObjectMeta, wanted: bool) -> Value {
    let others = known.finalizers.iter().flatten().map(String::as_str);
    let others = others.filter(|one| *one != FINALIZER);
    let all: Vec<&str> = others.chain(wanted.then_some(FINALIZER)).collect();
    json!({"metadata": {"finalizers": all, "resourceVersion": known.resource_version}})
}

/// What went wrong, in words: the texts of `kube` have the whole answer in them once more.
pub(crate) fn words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        error => one_line(error),
    }
}

fn gone_is_fine<T>(written: Result<T, kube::Error>) -> Result<(), kube::Error> {
    match written {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;
    use std::thread::JoinHandle;

    use super::*;

    /// A server that gives these answers, one after the other; it returns the bodies of the requests.
    fn server(answers: Vec<(u16, Value)>) -> (String, JoinHandle<Vec<Value>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serve = move |(status, answer): (u16, Value)| {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = BufReader::new(stream.try_clone().unwrap());
            let (mut line, mut length) = (String::new(), 0);
            while request.read_line(&mut line).unwrap() > 2 {
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; length];
            request.read_exact(&mut body).unwrap();
            let answer = answer.to_string();
            write!(
                stream,
                "HTTP/1.1 {status} \r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
                 Connection: close\r\n\r\n{answer}",
                answer.len()
            )
            .unwrap();
            serde_json::from_slice(&body).unwrap_or_default()
        };
        (url, std::thread::spawn(move || answers.into_iter().map(serve).collect()))
    }

    fn object(uid: &str, version: &str, finalizers: &[&str]) -> Value {
        json!({"apiVersion": "issuerctl.dev/v1alpha1", "kind": KIND, "metadata": {
            "name": "prod", "namespace": "clusters", "uid": uid, "resourceVersion": version,
            "finalizers": finalizers,
        }})
    }

    /// Takes the finalizer from an object that the server has changed; the requests.
    fn release(answers: Vec<(u16, Value)>) -> Vec<Value> {
        let (url, requests) = server(answers);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let client = Client::try_from(kube::Config::new(url.parse().unwrap())).unwrap();
            let own = OwnCluster::new(client, "first".to_owned());
            let known = serde_json::from_value(object("1", "5", &[FINALIZER])).unwrap();
            own.set_finalizer(&known, false).await.unwrap();
        });
        requests.join().unwrap()
    }

    fn list(object: &Value) -> (u16, Value) {
        let list = json!({
            "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList", "metadata": {},
            "items": [object],
        });
        (200, list)
    }

    fn conflict() -> (u16, Value) {
        let status = json!({
            "apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": "Conflict",
            "message": "the object has been modified", "code": 409,
        });
        (409, status)
    }

    #[test]
    fn a_finalizer_is_removed_although_somebody_changes_the_object_at_the_same_time() {
        let changed = object("1", "6", &["example.com/theirs", FINALIZER]);
        let requests = release(vec![conflict(), list(&changed), (200, changed)]);
        assert_eq!(requests[0]["metadata"], json!({"finalizers": [], "resourceVersion": "5"}));
        let kept = json!({"finalizers": ["example.com/theirs"], "resourceVersion": "6"});
        assert_eq!(requests[2]["metadata"], kept);
    }

    #[test]
    fn the_finalizer_of_another_object_of_the_same_name_is_left() {
        let requests = release(vec![conflict(), list(&object("2", "9", &[FINALIZER]))]);
        assert_eq!(requests.len(), 2);
    }
}
