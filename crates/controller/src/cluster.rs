//! What the controller writes to its own cluster: status, Events, and the finalizer. As with AWS and the stores,
//! none of these writes begins without the lease: a status that was made before a pause is not the present one.

use issuer_diagnostic::{one_line, write};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Client, Resource as _};
use serde_json::{Value, json};

use crate::findings::shown;
use crate::object::{FINALIZER, GROUP, KIND, ServiceAccountIssuer, VERSION};
use crate::status::Status;

/// Who manages the fields of the status, and reports Events.
const MANAGER: &str = "issuer-controller";

/// The limit of a note in the API.
const LONGEST_NOTE: usize = 1000;

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

    /// Adds or removes the finalizer, unless the object was changed in the meantime.
    pub(crate) async fn set_finalizer(
        &self,
        object: &ServiceAccountIssuer,
        wanted: bool,
    ) -> Result<(), kube::Error> {
        let others = object.metadata.finalizers.iter().flatten().filter(|one| *one != FINALIZER);
        let own = FINALIZER.to_owned();
        let finalizers: Vec<&String> = others.chain(wanted.then_some(&own)).collect();
        let patch: Value = json!({"metadata": {
            "finalizers": finalizers,
            "resourceVersion": object.metadata.resource_version,
        }});
        let (issuers, name, patch) = (self.issuers(object), object.key().name, Patch::Merge(patch));
        gone_is_fine(write(issuers.patch(&name, &PatchParams::default(), &patch)).await)
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
