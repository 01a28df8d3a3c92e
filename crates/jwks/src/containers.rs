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
    let marks = ["k8sserviceaccount", "serviceAccount", "Keyset", "ConfigMap", "PublicKey"];
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
struct Key {
    key: Option<Text>,
}

#[derive(Deserialize)]
struct KeysetSpec {
    #[serde(default)]
    keys: Vec<KeysetItem>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeysetItem {
    distrust_timestamp: Option<IgnoredAny>,
    public_material: Option<Text>,
    private_material: Option<Text>,
}

fn parts(document: Document) -> Option<Result<Vec<Part>, Error>> {
    if let Some(key) = document.certs.and_then(|certs| certs.k8sserviceaccount?.key) {
        return Some(Ok(vec![encoded("certs.k8sserviceaccount.key (Talos secrets)", &key.0)]));
    }
    if let Some(key) = document.cluster.and_then(|cluster| cluster.service_account?.key) {
        let place = "cluster.serviceAccount.key (Talos machine configuration)";
        return Some(Ok(vec![encoded(place, &key.0)]));
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
                None | Some("service-account") => Ok(keyset(document.spec?.keys)),
                Some(_) => Err(Error::OtherKey {
                    what: "a kops Keyset of other keys; that of the service accounts is called \
                           service-account",
                }),
            })
        }
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

fn encoded(place: &str, text: &str) -> Part {
    let compact: Zeroizing<String> =
        Zeroizing::new(text.chars().filter(|c| !c.is_whitespace()).collect());
    let content = match Base64::decode_vec(&compact) {
        _ if text.starts_with("ENC[") => {
            Err("it is encrypted with SOPS; decrypt the file first: sops decrypt FILE")
        }
        Ok(bytes) if !bytes.is_empty() => Ok(Zeroizing::new(bytes)),
        _ => Err("it is not base64"),
    };
    Part { place: place.to_owned(), content }
}
