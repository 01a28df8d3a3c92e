//! Reads key files of any kind as a JWK Set.

use std::borrow::Cow;

use base64ct::{Base64, Encoding};
use zeroize::{Zeroize, Zeroizing};

use crate::pem::{self, Block, BlockFault};
use crate::{Content, Error, JwkSet, KeyFault, MAX_INPUT_BYTES, WeakKeys, der_key};

/// The content of a key file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The valid keys, in file order, at least one.
    pub set: JwkSet,
    /// What the caller must know.
    pub notes: Vec<Note>,
}

/// Something about a key file that is not an error, but must be reported.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// The block is a private key; only its public half was kept.
    PrivateKey {
        /// Number of the block, from 1.
        block: usize,
    },
    /// The block was skipped.
    Skipped {
        /// Number of the block, from 1.
        block: usize,
        /// What it is, and why it was skipped.
        what: String,
    },
}

/// Reads every key in `bytes`: PEM in one block or many, DER, or a JWK Set. Labels of PEM blocks
/// are ignored, as kube-apiserver does (client-go `util/keyutil`).
///
/// # Errors
/// If there is no valid key, with what the bytes are instead.
pub fn read(bytes: &[u8], weak: WeakKeys) -> Result<Reading, Error> {
    if bytes.len() > MAX_INPUT_BYTES {
        return Err(Error::TooLarge);
    }
    if bytes.starts_with(&[0x30]) && std::str::from_utf8(bytes).is_err() {
        return read_der(bytes, weak);
    }
    // What is not UTF-8 (text around the blocks, UTF-16) must still be recognized.
    let text =
        std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed);
    let text =
        text.trim_start_matches('\u{feff}').trim_matches(|c: char| c.is_whitespace() || c == '\0');
    if text.is_empty() {
        return Err(Error::Empty);
    }
    // JSON of another kind may contain PEM text (a Secret does), so it is checked first.
    if text.starts_with(['{', '[']) && (!pem::is_in(text) || is_json(text)) {
        return read_json(text, weak);
    }
    if pem::is_in(text) {
        return read_pem(text, weak);
    }
    if let Some(inner) = unarmored(text) {
        let inner = Zeroizing::new(inner);
        return match std::str::from_utf8(&inner) {
            Ok(text) if pem::is_in(text) => read_pem(text, weak),
            _ => read_der(&inner, weak),
        };
    }
    Err(recognize(bytes, text))
}

fn read_der(der: &[u8], weak: WeakKeys) -> Result<Reading, Error> {
    let found = der_key::read(der, weak).map_err(|fault| Error::Key { fault })?;
    let notes = if found.private { vec![Note::PrivateKey { block: 1 }] } else { Vec::new() };
    Ok(Reading { set: JwkSet::from_keys([found.key])?, notes })
}

fn read_json(text: &str, weak: WeakKeys) -> Result<Reading, Error> {
    let set = JwkSet::parse(text.as_bytes(), weak)?;
    if set.is_empty() { Err(Error::EmptySet) } else { Ok(Reading { set, notes: Vec::new() }) }
}

fn read_pem(text: &str, weak: WeakKeys) -> Result<Reading, Error> {
    let mut keys = Vec::new();
    let mut notes = Vec::new();
    let mut unusable = Vec::new();
    let mut cut_off = None;
    for (number, block) in (1..).zip(pem::blocks(text)) {
        let truncated = block.body == Err(BlockFault::Truncated);
        match read_block(block, weak) {
            Ok(found) => {
                if found.private {
                    notes.push(Note::PrivateKey { block: number });
                }
                keys.push(found.key);
            }
            Err(BlockVerdict::Harmless) => {}
            Err(BlockVerdict::Unusable { label, fault }) => {
                cut_off = cut_off.or(truncated.then_some((number, label)));
                unusable.push((number, label, fault));
            }
        }
    }
    if keys.is_empty() {
        let (block, label) = cut_off.unzip();
        return Err(match block {
            // The key may have been in the missing rest of the file.
            Some(block) => Error::Truncated { block, label: label.unwrap_or(UNUSUAL_LABEL) },
            None => none_usable(&unusable),
        });
    }
    notes.extend(
        unusable
            .into_iter()
            .map(|(block, label, fault)| Note::Skipped { block, what: describe(label, &fault) }),
    );
    notes.sort_by_key(|note| match note {
        Note::PrivateKey { block } | Note::Skipped { block, .. } => *block,
    });
    Ok(Reading { set: JwkSet::from_keys(keys)?, notes })
}

enum BlockVerdict {
    /// Not a key, and never mistaken for one: the named curve that `openssl ecparam -genkey` writes
    /// before the key.
    Harmless,
    Unusable {
        label: &'static str,
        fault: KeyFault,
    },
}

/// Labels that may be shown. After a damaged BEGIN line, the label may be part of a private key.
const LABELS: [&str; 16] = [
    "PUBLIC KEY",
    "RSA PUBLIC KEY",
    "EC PUBLIC KEY",
    "PRIVATE KEY",
    "RSA PRIVATE KEY",
    "EC PRIVATE KEY",
    "DSA PRIVATE KEY",
    "ENCRYPTED PRIVATE KEY",
    "OPENSSH PRIVATE KEY",
    "CERTIFICATE",
    "TRUSTED CERTIFICATE",
    "CERTIFICATE REQUEST",
    "NEW CERTIFICATE REQUEST",
    "X509 CRL",
    "EC PARAMETERS",
    "PKCS7",
];
const UNUSUAL_LABEL: &str = "an unusual label";

fn read_block(block: Block<'_>, weak: WeakKeys) -> Result<der_key::Found, BlockVerdict> {
    let label = LABELS.into_iter().find(|known| *known == block.label).unwrap_or(UNUSUAL_LABEL);
    let mut der = match block.body {
        Ok(der) => der,
        Err(BlockFault::NotBase64) => {
            return Err(BlockVerdict::Unusable { label, fault: KeyFault::NotBase64 });
        }
        Err(BlockFault::Truncated) => {
            return Err(BlockVerdict::Unusable { label, fault: KeyFault::CutOff });
        }
    };
    // OBJECT IDENTIFIER alone: EC PARAMETERS of a named curve.
    if label == "EC PARAMETERS" && der.first() == Some(&0x06) {
        return Err(BlockVerdict::Harmless);
    }
    let found = match label {
        "TRUSTED CERTIFICATE" => der_key::read_leading(&der, weak),
        _ if der.starts_with(b"openssh-key-v1") => Err(KeyFault::OpenSshPrivateKey),
        _ => der_key::read(&der, weak),
    };
    // Whatever the header says, a key that can be read is not encrypted.
    let found = found.map_err(|fault| if block.encrypted { KeyFault::Encrypted } else { fault });
    // Possibly private values are removed from memory.
    if found.as_ref().map_or(true, |found| found.private) {
        der.zeroize();
    }
    found.map_err(|fault| BlockVerdict::Unusable { label, fault })
}

fn none_usable(unusable: &[(usize, &'static str, KeyFault)]) -> Error {
    const SHOWN: usize = 5;
    match unusable {
        [] => Error::Key {
            fault: KeyFault::Unsupported {
                what: "the parameters of a curve without a key".to_owned(),
            },
        },
        [(_, _, fault)] => Error::Key { fault: fault.clone() },
        _ => {
            let texts = unusable
                .iter()
                .map(|(n, label, fault)| format!("block {n} is {}", describe(label, fault)));
            let mut blocks: Vec<String> = texts.take(SHOWN).collect();
            if unusable.len() > SHOWN {
                blocks.push(format!("and {} more", unusable.len() - SHOWN));
            }
            let weak = unusable.iter().any(|(_, _, fault)| fault.is_allowed_weak());
            Error::NoUsableKey { blocks, weak }
        }
    }
}

fn describe(label: &str, fault: &KeyFault) -> String {
    let labelled = if label == UNUSUAL_LABEL {
        format!("under {label}")
    } else {
        format!("labelled {label:?}")
    };
    format!("{fault} ({labelled})")
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// DER or PEM text in base64, as `kubectl get secret -o jsonpath` prints it.
fn unarmored(text: &str) -> Option<Vec<u8>> {
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let bytes = Base64::decode_vec(&compact).ok()?;
    (bytes.starts_with(&[0x30]) || bytes.windows(11).any(|w| w == b"-----BEGIN ")).then_some(bytes)
}

/// What is often given by mistake.
fn recognize(bytes: &[u8], text: &str) -> Error {
    let not = |what| Error::NotAKey { what };
    let start: String = text.chars().take(512).collect::<String>().to_ascii_lowercase();
    let parts = text.split('.').count();
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return not(Content::Utf16);
    }
    if start.starts_with('<') {
        return not(Content::Markup);
    }
    if text.starts_with("eyJ") && (parts == 3 || parts == 5) {
        return not(Content::Token);
    }
    if ["ssh-rsa ", "ssh-ed25519 ", "ssh-dss ", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"]
        .iter()
        .any(|p| text.starts_with(p))
        || start.contains("begin ssh2 public key")
    {
        return not(Content::OpenSshPublicKey);
    }
    if start.contains("apiversion:") || start.contains("kind:") {
        return not(Content::KubernetesObject);
    }
    if !text.contains('\n')
        && text.len() < 4096
        && (text.starts_with('/') || text.starts_with("./"))
    {
        return not(Content::Path);
    }
    Error::Unrecognized
}
