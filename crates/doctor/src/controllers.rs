//! What makes pods: Deployments, StatefulSets and the like, by kind.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::Fact;
use crate::kubernetes::{account_of, name};

/// The kinds that are looked at, each before those that it makes.
const KINDS: [&str; 6] = ["Deployment", "StatefulSet", "DaemonSet", "CronJob", "Job", "ReplicaSet"];

/// The controllers of a namespace by kind, each as [`crate::outline`] keeps it.
#[derive(Debug, Clone, Default)]
pub struct Controllers(BTreeMap<&'static str, Fact<Vec<Value>>>);

impl Controllers {
    /// Those of several kinds.
    #[must_use]
    pub fn new(kinds: impl IntoIterator<Item = (&'static str, Fact<Vec<Value>>)>) -> Self {
        Self(kinds.into_iter().collect())
    }

    /// Those of a kind, as far as they are known.
    pub(crate) fn of(&self, kind: &str) -> &[Value] {
        self.0.get(kind).and_then(Fact::known).map_or(&[], Vec::as_slice)
    }

    /// All that are known, with their kinds.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        KINDS.into_iter().flat_map(|kind| self.of(kind).iter().map(move |own| (kind, own)))
    }

    /// Whether those of a kind are known.
    pub(crate) fn knows(&self, kind: &str) -> bool {
        self.0.get(kind).is_some_and(|own| own.known().is_some())
    }

    /// Why kinds are not known.
    pub(crate) fn whys(&self) -> Vec<String> {
        KINDS
            .into_iter()
            .filter_map(|kind| self.0.get(kind))
            .map(Fact::why)
            .filter(|why| !why.is_empty())
            .collect()
    }

    /// One by its name.
    pub(crate) fn named(&self, kind: &str, wanted: &str) -> Option<&Value> {
        self.of(kind).iter().find(|own| name(own) == wanted)
    }

    /// The first whose pods run as a ServiceAccount.
    pub(crate) fn running_as(&self, account: &str) -> Option<(&'static str, &Value)> {
        self.all().find(|(_, own)| account_of(template(own)) == account)
    }
}

/// The template of a controller's pods.
pub(crate) fn template(controller: &Value) -> &Value {
    controller.pointer("/spec/template").unwrap_or(&Value::Null)
}
