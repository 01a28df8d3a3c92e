//! Keys within the files of other tools. Each is at one documented place; the rest of such a file
//! may be secret, and is neither kept nor shown.

use std::collections::BTreeMap;

use base64ct::{Base64, Encoding};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use crate::Error;

/// One key of such a file.
pub(crate) struct Part {
    /// Where it is, and in what.
    pub(crate) place: String,
    /// A key in PEM or DER, or why it is passed over.
    pub(crate) content: Result<Zeroizing<Vec<u8>>, &'static str>,
}

/// The keys of a file of Talos, kops, OpenShift or AWS KMS, in YAML or JSON; `None` for any other
/// text.
///
/// # Errors
/// Such a file with another key than that of the service accounts, or without one.
pub(crate) fn find(text: &str) -> Option<Result<Vec<Part>, Error>> {
    // Parsing YAML takes longer than reading a key.
    let marks =
        ["k8sserviceaccount", "serviceAccount", "Keyset", "ConfigMap", "PublicKey", "worker"];
    if !marks.iter().any(|mark| text.contains(mark)) {
        return None;
    }
    let mut options = serde_saphyr::Options::default();
    options.with_snippet = false;
    let documents: Vec<Document> = serde_saphyr::from_multiple_with_options(text, options).ok()?;
    let found: Vec<_> = documents.into_iter().filter_map(parts).collect();
    if found.is_empty() {
        return None;
    }
    let found: Result<Vec<Vec<Part>>, Error> = found.into_iter().collect();
    Some(found.map(|parts| parts.into_iter().flatten().collect()))
}

/// Removed from memory after use.
struct Text(Zeroizing<String>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

/// The members that can lead to a key, of all shapes.
#[derive(Deserialize)]
struct Document {
    kind: Option<String>,
    metadata: Option<Metadata>,
    /// The secrets of a Talos cluster (`talosctl gen secrets`).
    certs: Option<Certificates>,
    /// The machine configuration of a Talos control plane node.
    cluster: Option<ClusterSection>,
    /// kops `v1alpha2.Keyset`.
    spec: Option<KeysetSpec>,
    /// What a Talos node is.
    machine: Option<MachineSection>,
    /// The objects of a `List`.
    items: Option<Vec<Document>>,
    /// A ConfigMap.
    data: Option<BTreeMap<String, Text>>,
    /// The response of `kms:GetPublicKey`.
    #[serde(rename = "PublicKey")]
    public_key: Option<Text>,
    #[serde(rename = "KeyUsage")]
    key_usage: Option<String>,
}

#[derive(Deserialize)]
struct Metadata {
    name: Option<String>,
}

#[derive(Deserialize)]
struct Certificates {
    k8sserviceaccount: Option<Key>,
}

#[derive(Deserialize)]
struct ClusterSection {
    #[serde(rename = "serviceAccount")]
    service_account: Option<Key>,
}

#[derive(Deserialize)]
struct MachineSection {
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Key {
    key: Option<Text>,
}

#[derive(Deserialize)]
struct KeysetSpec {
    keys: Option<Vec<KeysetItem>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeysetItem {
    distrust_timestamp: Option<IgnoredAny>,
    public_material: Option<Text>,
    private_material: Option<Text>,
}

fn parts(document: Document) -> Option<Result<Vec<Part>, Error>> {
    let without = |what| Some(Err(Error::OtherKey { what }));
    if let Some(key) = document.certs.and_then(|certs| certs.k8sserviceaccount) {
        let Some(key) = key.key else {
            return without("a file of Talos secrets without certs.k8sserviceaccount.key");
        };
        return Some(Ok(vec![encoded("certs.k8sserviceaccount.key (Talos secrets)", &key.0)]));
    }
    // `join` is the old name (Talos, "MachineConfig").
    let node = document.machine.and_then(|machine| machine.kind);
    let is_worker = matches!(node.as_deref(), Some("worker" | "join"));
    match document.cluster.and_then(|cluster| cluster.service_account) {
        Some(Key { key: Some(key) }) => {
            let place = "cluster.serviceAccount.key (Talos machine configuration)";
            return Some(Ok(vec![encoded(place, &key.0)]));
        }
        _ if is_worker => {
            return without(
                "the machine configuration of a Talos worker, and workers do not have the key of \
                 the service accounts; give that of a control plane node (controlplane.yaml) or \
                 secrets.yaml",
            );
        }
        Some(Key { key: None }) => {
            return without("a Talos machine configuration without cluster.serviceAccount.key");
        }
        None => {}
    }
    if let (Some(key), Some(usage)) = (document.public_key, document.key_usage) {
        return Some(match usage.as_str() {
            "SIGN_VERIFY" => Ok(vec![encoded("PublicKey (AWS KMS)", &key.0)]),
            _ => Err(Error::OtherKey { what: "an AWS KMS key that is not for signatures" }),
        });
    }
    match document.kind.as_deref() {
        Some("Keyset") => {
            let name = document.metadata.and_then(|metadata| metadata.name);
            Some(match name.as_deref() {
                None | Some("service-account") => {
                    match document.spec.and_then(|spec| spec.keys).unwrap_or_default() {
                        keys if keys.is_empty() => {
                            Err(Error::OtherKey { what: "a kops Keyset without keys" })
                        }
                        keys => Ok(keyset(keys)),
                    }
                }
                Some(_) => Err(Error::OtherKey {
                    what: "a kops Keyset of other keys; that of the service accounts is called \
                           service-account",
                }),
            })
        }
        Some("List" | "ConfigMapList" | "KeysetList") => list(document.items.unwrap_or_default()),
        Some("ConfigMap") => {
            let published = document.data.unwrap_or_default().into_iter();
            let published = published.filter(|(name, _)| name.ends_with(".pub"));
            let part = |(name, pem): (String, Text)| Part {
                place: format!("data[{name:?}] (ConfigMap)"),
                content: Ok(Zeroizing::new(pem.0.as_bytes().to_vec())),
            };
            let parts: Vec<Part> = published.map(part).collect();
            Some(if parts.is_empty() {
                Err(Error::OtherKey { what: "a ConfigMap without public keys (data.*.pub)" })
            } else {
                Ok(parts)
            })
        }
        _ => None,
    }
}

/// The keys of all objects of a list; objects without keys do not affect the others.
fn list(items: Vec<Document>) -> Option<Result<Vec<Part>, Error>> {
    let (mut all, mut fault) = (Vec::new(), None);
    for (index, item) in items.into_iter().enumerate() {
        match parts(item) {
            Some(Ok(parts)) => all.extend(
                parts
                    .into_iter()
                    .map(|part| Part { place: format!("items[{index}].{}", part.place), ..part }),
            ),
            Some(Err(error)) => fault = fault.or(Some(error)),
            None => {}
        }
    }
    match (all.is_empty(), fault) {
        (false, _) => Some(Ok(all)),
        (true, Some(fault)) => Some(Err(fault)),
        (true, None) => None,
    }
}

/// kops publishes and uses the keys that are not distrusted (kops `pkg/model/issuerdiscovery.go`).
fn keyset(items: Vec<KeysetItem>) -> Vec<Part> {
    let part = |(index, item): (usize, KeysetItem)| {
        let place = |material| format!("spec.keys[{index}].{material} (kops Keyset)");
        match (item.public_material, item.private_material) {
            _ if item.distrust_timestamp.is_some() => Part {
                place: format!("spec.keys[{index}] (kops Keyset)"),
                content: Err("kops no longer trusts it (distrustTimestamp)"),
            },
            (Some(key), _) => encoded(&place("publicMaterial"), &key.0),
            (None, Some(key)) => encoded(&place("privateMaterial"), &key.0),
            (None, None) => Part {
                place: format!("spec.keys[{index}] (kops Keyset)"),
                content: Err("it has neither publicMaterial nor privateMaterial"),
            },
        }
    };
    items.into_iter().enumerate().map(part).collect()
}

/// A key in base64, or in PEM as it is: the tool that has it there would not take it, but it is what
/// was meant.
fn encoded(place: &str, text: &str) -> Part {
    let compact: Zeroizing<String> =
        Zeroizing::new(text.chars().filter(|c| !c.is_whitespace()).collect());
    let content = match Base64::decode_vec(&compact) {
        _ if text.starts_with("ENC[") => {
            Err("it is encrypted with SOPS; decrypt the file first: sops decrypt FILE")
        }
        _ if compact.is_empty() => Err("it is empty"),
        _ if text.trim_start().starts_with("-----BEGIN ") => {
            Ok(Zeroizing::new(text.as_bytes().to_vec()))
        }
        Ok(bytes) if !bytes.is_empty() => Ok(Zeroizing::new(bytes)),
        _ => Err("it is not base64"),
    };
    Part { place: place.to_owned(), content }
}
