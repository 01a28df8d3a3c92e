//! The ServiceAccounts that are known, and the role that each gives its pods.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::mutation::text;
use crate::workload::{objects, strings};
use crate::{Annotations, Error, Identity, Settings, manifests};

/// The name of the webhook's ConfigMap.
const CONFIG_MAP: &str = "pod-identity-webhook";

/// ServiceAccounts with their annotations, and the entries of the webhook's ConfigMap.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Accounts {
    annotations: BTreeMap<(String, String), Annotations>,
    config: BTreeMap<String, Value>,
}

impl Accounts {
    /// Adds a ServiceAccount, unless it is known.
    pub fn add(&mut self, namespace: &str, name: &str, annotations: Annotations) {
        self.annotations.entry((namespace.to_owned(), name.to_owned())).or_insert(annotations);
    }

    /// Adds what is not known yet of the ServiceAccounts of a file, and, with `config`, of the
    /// webhook's ConfigMap. Objects without a namespace are in `namespace`.
    ///
    /// # Errors
    /// [`Error::Yaml`], [`Error::NotAnObject`].
    pub fn read(&mut self, file: &str, namespace: &str, config: bool) -> Result<(), Error> {
        for (_, value) in manifests::read(file)? {
            self.collect(&value, namespace, config);
        }
        Ok(())
    }

    /// The ServiceAccounts' annotations by namespace and name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &Annotations)> {
        self.annotations.iter().map(|((namespace, name), annotations)| {
            (namespace.as_str(), name.as_str(), annotations)
        })
    }

    /// Its annotations, if it is known.
    #[must_use]
    pub fn get(&self, namespace: &str, name: &str) -> Option<&Annotations> {
        self.annotations.get(&(namespace.to_owned(), name.to_owned()))
    }

    /// The role that it gives its pods.
    #[must_use]
    pub fn identity(&self, namespace: &str, name: &str, settings: &Settings) -> Option<Identity> {
        let annotations = self.get(namespace, name);
        annotations.and_then(|annotations| Identity::of(annotations, settings)).or_else(|| {
            let entry = self
                .config
                .get(&format!("{namespace}/{name}"))
                .or_else(|| self.config.get(&format!("*/{name}")))?;
            Identity::of_config(entry, settings)
        })
    }

    /// Adds what is not known yet of others.
    pub(crate) fn extend(&mut self, others: &Self) {
        for (namespace, name, annotations) in others.iter() {
            self.add(namespace, name, annotations.clone());
        }
        for (key, entry) in &others.config {
            self.config.entry(key.clone()).or_insert_with(|| entry.clone());
        }
    }

    pub(crate) fn collect(&mut self, document: &Value, namespace: &str, config: bool) {
        objects(document, &mut |object, kind, _| {
            let metadata = object.get("metadata").unwrap_or(&Value::Null);
            let own = match text(metadata, "namespace") {
                "" => namespace,
                own => own,
            };
            let name = text(metadata, "name");
            if kind == "ServiceAccount" && !name.is_empty() {
                self.add(own, name, strings(object, "annotations"));
            }
            if config && kind == "ConfigMap" && name == CONFIG_MAP {
                let entries = object.get("data").map(|data| text(data, "config"));
                let entries = entries.and_then(|entries| serde_json::from_str(entries).ok());
                if let Some(Value::Object(entries)) = entries {
                    for (key, entry) in entries {
                        self.config.entry(key).or_insert(entry);
                    }
                }
            }
        });
    }
}
